/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same operation as an ASYNC_JOB of OpenSSL, woken in three ways:
 *
 *   openssl+eventfd      as accelerator engines do: an eventfd kept in the wait
 *                        context, level-triggered epoll, 64 events for each
 *                        epoll_wait, one read for each event
 *   openssl+eventfd,edge the same, edge-triggered and never read: no engine
 *                        does that, but one could
 *   openssl+pipe+select  as the example in ASYNC_start_job(3): for each
 *                        operation a wait context, a pipe and a select()
 */
#include "model_device.h"
#include "wake_rows.h"
#include <cerrno>
#include <openssl/async.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

namespace
{
using namespace wakes;

using device = model_device<int>;

enum class way { EVENTFD_LEVEL, EVENTFD_EDGE, PIPE_SELECT };

/* One of those in flight. */
struct place {
    uint64_t input;
    ASYNC_WAIT_CTX *wait;
    ASYNC_JOB *job;
    int fd; /* to be waited for; -1: none yet */
};

struct {
    way how;
    int epoll;
    int timeout_ms;
    std::unique_ptr<device> dev;
    uint64_t next_input;
    uint64_t finished;
    std::vector<place> places;
    std::vector<place *> free_places;
    std::vector<place *> waiting; /* for select() */
} full;

/* The engine's name in wait contexts: any address of its own. */
const char engine_key = 0;

/* ---- the engine's side, inside the job --------------------------------- */

void drop_eventfd(ASYNC_WAIT_CTX *, const void *, OSSL_ASYNC_FD fd, void *)
{
    close(fd);
}

/* Both ends of the pipe, as in the example. */
void drop_pipe(ASYNC_WAIT_CTX *, const void *, OSSL_ASYNC_FD fd, void *custom)
{
    close(fd);
    close(static_cast<int>(reinterpret_cast<intptr_t>(custom)));
}

/* The eventfd of a wait context is made when it is first asked for. */
int kept_eventfd(ASYNC_WAIT_CTX *wait)
{
    void *custom;
    int fd;

    if (ASYNC_WAIT_CTX_get_fd(wait, &engine_key, &fd, &custom) == 1)
        return fd;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd == -1 || ASYNC_WAIT_CTX_set_wait_fd(wait, &engine_key, fd, nullptr,
                                               drop_eventfd) != 1)
        measured::wrong_result("no eventfd");
    return fd;
}

int eventfd_job(void *arg)
{
    operation op = {*static_cast<const uint64_t *>(arg), 0, {0}};
    int fd = kept_eventfd(ASYNC_get_wait_ctx(ASYNC_get_current_job()));
    uint64_t value;

    full.dev->submit(&op, fd);
    do {
        (void)ASYNC_pause_job();
        if (full.how == way::EVENTFD_LEVEL &&
            read(fd, &value, sizeof(value)) == -1 && errno != EAGAIN)
            measured::wrong_result("an eventfd could not be read");
    } while (op.done.load(std::memory_order_acquire) == 0);
    return static_cast<int>(op.output);
}

int pipe_job(void *arg)
{
    operation op = {*static_cast<const uint64_t *>(arg), 0, {0}};
    int ends[2];
    char byte;

    if (pipe(ends) != 0 ||
        ASYNC_WAIT_CTX_set_wait_fd(
            ASYNC_get_wait_ctx(ASYNC_get_current_job()), &engine_key, ends[0],
            reinterpret_cast<void *>(static_cast<intptr_t>(ends[1])),
            drop_pipe) != 1)
        measured::wrong_result("no pipe");
    full.dev->submit(&op, ends[1]);
    do {
        (void)ASYNC_pause_job();
        if (read(ends[0], &byte, 1) != 1)
            measured::wrong_result("a pipe could not be read");
    } while (op.done.load(std::memory_order_acquire) == 0);
    return static_cast<int>(op.output);
}

/* ---- the device's side -------------------------------------------------- */

void write_eventfd(const int &fd)
{
    const uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) != sizeof(one))
        measured::wrong_result("an eventfd could not be written");
}

void write_pipe(const int &fd)
{
    if (write(fd, "X", 1) != 1)
        measured::wrong_result("a pipe could not be written");
}

/* ---- the server's side -------------------------------------------------- */

/* What the job has added to its wait context. */
void watch(place *p)
{
    struct epoll_event event = {};
    OSSL_ASYNC_FD fd;
    size_t added = 0, deleted = 0;

    if (full.how == way::PIPE_SELECT) {
        if (p->fd == -1) {
            if (ASYNC_WAIT_CTX_get_all_fds(p->wait, nullptr, &added) != 1 ||
                added != 1 ||
                ASYNC_WAIT_CTX_get_all_fds(p->wait, &p->fd, &added) != 1 ||
                p->fd >= FD_SETSIZE)
                measured::wrong_result("no descriptor for select()");
            full.waiting.push_back(p);
        }
        return;
    }
    if (ASYNC_WAIT_CTX_get_changed_fds(p->wait, nullptr, &added, nullptr,
                                       &deleted) != 1)
        measured::wrong_result("no changed descriptors");
    if (added == 0)
        return;
    if (ASYNC_WAIT_CTX_get_changed_fds(p->wait, &fd, &added, nullptr,
                                       &deleted) != 1)
        measured::wrong_result("no changed descriptors");
    event.events = full.how == way::EVENTFD_EDGE ? EPOLLIN | EPOLLET : EPOLLIN;
    event.data.ptr = p;
    if (epoll_ctl(full.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        measured::wrong_result("epoll_ctl failed");
}

void finish(place *p, int result)
{
    if (SY_UNLIKELY(result != answer_to(p->input)))
        measured::wrong_result("a job returned another operation's result");
    if (full.how == way::PIPE_SELECT) {
        ASYNC_WAIT_CTX_free(p->wait);
        p->wait = nullptr;
    }
    p->job = nullptr;
    full.finished++;
    full.free_places.push_back(p);
}

/* Start or resume. True: it paused. */
bool enter(place *p)
{
    int result = 0;

    switch (
        ASYNC_start_job(&p->job, p->wait, &result,
                        full.how == way::PIPE_SELECT ? pipe_job : eventfd_job,
                        &p->input, sizeof(p->input))) {
    case ASYNC_FINISH:
        finish(p, result);
        return false;
    case ASYNC_PAUSE:
        watch(p);
        return true;
    default:
        measured::wrong_result("ASYNC_start_job failed");
    }
}

void start_one()
{
    place *p = full.free_places.back();

    full.free_places.pop_back();
    p->input = full.next_input++;
    p->fd = -1;
    if (p->wait == nullptr)
        p->wait = ASYNC_WAIT_CTX_new();
    (void)enter(p);
}

void wait_epoll()
{
    struct epoll_event events[64];
    int n = epoll_wait(full.epoll, events, 64, full.timeout_ms);

    if (n == -1 && errno != EINTR)
        measured::wrong_result("epoll_wait failed");
    for (int i = 0; i < n; i++)
        (void)enter(static_cast<place *>(events[i].data.ptr));
}

void wait_select()
{
    struct timeval none = {0, 0};
    std::vector<place *> waited;
    fd_set set;
    int most = -1;

    FD_ZERO(&set);
    for (const place *p : full.waiting) {
        FD_SET(p->fd, &set);
        most = p->fd > most ? p->fd : most;
    }
    if (most == -1)
        return;
    if (select(most + 1, &set, nullptr, nullptr,
               full.timeout_ms == 0 ? &none : nullptr) == -1)
        measured::wrong_result("select failed");
    waited.swap(full.waiting);
    for (place *p : waited) {
        if (!FD_ISSET(p->fd, &set) || enter(p))
            full.waiting.push_back(p);
    }
}

void run_full(uint64_t n)
{
    uint64_t started = 0;

    full.finished = 0;
    while (full.finished < n) {
        for (; !full.free_places.empty() && started < n; started++)
            start_one();
        full.dev->poll();
        if (full.finished == n)
            break;
        if (full.how == way::PIPE_SELECT)
            wait_select();
        else
            wait_epoll();
    }
}

std::string open_full(way how, placement where, unsigned flight)
{
    if (where == placement::OTHER && measured::cpus().there < 0)
        return "needs two CPUs";
    if (!ASYNC_is_capable())
        return "this OpenSSL was built without ASYNC_JOB";
    full.how = how;
    /* What the own thread polls is complete when it asks. */
    full.timeout_ms = where == placement::OWN ? 0 : -1;
    full.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (full.epoll == -1)
        return "no epoll";
    if (ASYNC_init_thread(flight, flight) != 1) {
        close(full.epoll);
        return "ASYNC_init_thread failed";
    }
    full.places.assign(flight, {});
    full.free_places.clear();
    full.waiting.clear();
    for (place &p : full.places)
        full.free_places.push_back(&p);
    full.dev = std::make_unique<device>(
        where, how == way::PIPE_SELECT ? write_pipe : write_eventfd);
    return "";
}

void close_full()
{
    full.dev.reset();
    for (place &p : full.places)
        ASYNC_WAIT_CTX_free(p.wait);
    ASYNC_cleanup_thread();
    close(full.epoll);
}
} // namespace

void wakes::add_full_openssl(row_specs &out)
{
    static const struct {
        const char *name;
        way how;
    } ways[] = {{"openssl+eventfd", way::EVENTFD_LEVEL},
                {"openssl+eventfd,edge", way::EVENTFD_EDGE},
                {"openssl+pipe+select", way::PIPE_SELECT}};

    for (const auto &w : ways) {
        for (unsigned flight : {1u, 8u, 64u, 256u}) {
            for (placement where : {placement::OWN, placement::OTHER}) {
                way how = w.how;

                out.push_back(
                    {std::string("full/") + w.name +
                         (where == placement::OWN ? "/own" : "/other") +
                         "/flight:" + std::to_string(flight),
                     "CPU ns/op", [=] { return open_full(how, where, flight); },
                     [flight](uint64_t least_ns) {
                         return cpu_ns_per_op(run_full, flight, least_ns);
                     },
                     close_full, run_full});
            }
        }
    }
}
