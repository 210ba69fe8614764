/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long it takes from the wake-up on one CPU until the waiter goes on upon
 * another: the median of one way. Between a wake-up and the next, the waker
 * lets so little time pass that the waiter is still spinning, or so much that
 * it is asleep.
 *
 *   hand_over/...  with nothing but a word in memory, a futex, a descriptor
 *   resumed/...    from sy_wake() to the job, for every engine:
 *       polling    the runtime's thread calls sy_runtime_run(rt, 0)
 *       spinning   it waits in sy_runtime_run(rt, SY_FOREVER), and the next
 *                  wake-up comes at once
 *       asleep     the same, and the next wake-up comes late
 */
#include "wake_rows.h"
#include <algorithm>
#include <switchyard/switchyard.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace
{
using namespace wakes;
using measured::clock_ns;
using measured::signpost;

/* Time between a resume and the next wake-up. A runtime spins for less than
   the second. */
constexpr uint64_t SHORT_GAP_NS = 2000;
constexpr uint64_t LONG_GAP_NS = 500000;

/* How often in one figure, at least and at most. */
constexpr uint64_t TURNS_MIN = 9;
constexpr uint64_t TURNS_MAX = 4000;

const std::atomic<bool> never{false};

/* ---- both sides --------------------------------------------------------- */

struct {
    uint64_t gap_ns;
    signpost allowed; /* turns that the waker may do */
    signpost woken;   /* turns that were announced, the time in sent_ns */
    signpost seen;    /* turns that arrived */
    uint64_t sent_ns;
    std::vector<uint64_t> took_ns;
    std::unique_ptr<measured::other_thread> waker;
} exchange;

/* The waker's side: one turn after another, never two at once. */
void wake_in_turns(const std::atomic<bool> &over, void (*wake)())
{
    for (uint64_t turn = 1; exchange.allowed.spin_until(turn, over); turn++) {
        if (!exchange.seen.spin_until(turn - 1, over))
            return;
        measured::spin_for(exchange.gap_ns);
        exchange.sent_ns = clock_ns(CLOCK_MONOTONIC);
        exchange.woken.set(turn);
        wake();
    }
}

/* The waiter's side: one turn has arrived. */
void note_arrival()
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    uint64_t turn = exchange.seen.get() + 1;

    if (exchange.woken.get() != turn)
        measured::wrong_result("a wake-up came that nobody sent");
    exchange.took_ns.push_back(now - exchange.sent_ns);
    exchange.seen.set(turn);
}

void begin(uint64_t gap_ns, void (*wake)())
{
    exchange.gap_ns = gap_ns;
    exchange.allowed.set(0);
    exchange.woken.set(0);
    exchange.seen.set(0);
    exchange.took_ns.reserve(TURNS_MAX);
    exchange.waker = std::make_unique<measured::other_thread>(
        [wake](const auto &over) { wake_in_turns(over, wake); });
}

void end()
{
    exchange.waker.reset();
}

/* Median of as many turns as fit. */
double measure(uint64_t least_ns, void (*wait)())
{
    uint64_t turns = least_ns / (exchange.gap_ns + 1000);
    size_t half;

    turns = std::max(TURNS_MIN, std::min(turns, TURNS_MAX));
    exchange.took_ns.clear();
    exchange.allowed.set(exchange.allowed.get() + turns);
    while (exchange.took_ns.size() < turns)
        wait();
    half = exchange.took_ns.size() / 2;
    std::nth_element(exchange.took_ns.begin(),
                     exchange.took_ns.begin() + static_cast<ptrdiff_t>(half),
                     exchange.took_ns.end());
    return static_cast<double>(exchange.took_ns[half]);
}

/* ---- with nothing ------------------------------------------------------- */

void wait_spinning()
{
    (void)exchange.woken.spin_until(exchange.seen.get() + 1, never);
    note_arrival();
}

struct alignas(SY_CACHE_LINE) {
    std::atomic<uint32_t> rung{0};
} bell;

void ring_bell()
{
    bell.rung.fetch_add(1, std::memory_order_release);
    measured::futex_wake(bell.rung);
}

void wait_for_bell()
{
    uint32_t seen = static_cast<uint32_t>(exchange.seen.get());

    while (bell.rung.load(std::memory_order_acquire) == seen)
        measured::futex_wait(bell.rung, seen);
    note_arrival();
}

struct {
    int in = -1, out = -1, epoll = -1;
} fds;

void write_in()
{
    const uint64_t one = 1;

    if (write(fds.in, &one, sizeof(one)) != sizeof(one))
        measured::wrong_result("a descriptor could not be written");
}

void wait_in_epoll()
{
    struct epoll_event event;
    uint64_t value;

    while (epoll_wait(fds.epoll, &event, 1, -1) != 1) {
    }
    if (read(fds.out, &value, sizeof(value)) != sizeof(value) || value != 1)
        measured::wrong_result("a read did not return what was written");
    note_arrival();
}

std::string open_fds(bool is_pipe)
{
    struct epoll_event event = {};
    int ends[2];

    if (is_pipe) {
        if (pipe(ends) != 0)
            return "no pipe";
    } else {
        ends[0] = ends[1] = eventfd(0, EFD_CLOEXEC);
    }
    fds.out = ends[0];
    fds.in = ends[1];
    fds.epoll = epoll_create1(EPOLL_CLOEXEC);
    event.events = EPOLLIN;
    if (epoll_ctl(fds.epoll, EPOLL_CTL_ADD, fds.out, &event) != 0)
        return "no epoll";
    begin(LONG_GAP_NS, write_in);
    return "";
}

void close_fds()
{
    end();
    close(fds.epoll);
    close(fds.in);
    if (fds.out != fds.in)
        close(fds.out);
}

/* ---- with a job --------------------------------------------------------- */

struct {
    std::string engine;
    struct sy_runtime *rt;
    struct sy_job *job;
    struct sy_waker waker;
    uint64_t timeout_ns;
    bool over;
} resumed;

int note_each_resume(void *arg)
{
    (void)arg;
    for (;;) {
        (void)sy_job_pause();
        if (resumed.over)
            return 1;
        note_arrival();
    }
}

void wake_job()
{
    if (sy_wake(resumed.waker) != 0)
        measured::wrong_result("the job is gone");
}

void run_once()
{
    if (sy_runtime_run(resumed.rt, resumed.timeout_ns) < 0)
        measured::wrong_result("sy_runtime_run failed");
}

std::string open_resumed(const std::string &engine, uint64_t timeout_ns,
                         uint64_t gap_ns)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_job_spec spec = {};
    int err;

    resumed.engine = engine;
    resumed.timeout_ns = timeout_ns;
    resumed.over = false;
    cfg.engine = resumed.engine.c_str();
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    err = sy_runtime_open(&resumed.rt, &cfg);
    if (err != 0)
        return std::string("sy_runtime_open: ") + sy_strerror(err);
    spec.fn = note_each_resume;
    if (sy_job_start(resumed.rt, &spec, &resumed.job, nullptr) != SY_JOB_PAUSED)
        measured::wrong_result("the waiting job did not pause");
    resumed.waker = sy_job_waker(resumed.job);
    begin(gap_ns, wake_job);
    return "";
}

void close_resumed()
{
    int result = 0;

    end();
    resumed.over = true;
    if (sy_job_resume(&resumed.job, &result) != SY_JOB_FINISHED || result != 1)
        measured::wrong_result("a job did not finish");
    if (sy_runtime_close(resumed.rt) != 0)
        measured::wrong_result("jobs were left over");
}
} // namespace

void wakes::add_latencies(row_specs &out,
                          const std::vector<std::string> &engines)
{
    auto add = [&out](const std::string &name, auto open, void (*wait)(),
                      void (*close)()) {
        out.push_back({name, "p50 ns",
                       [open]() -> std::string {
                           if (measured::cpus().there < 0)
                               return "needs two CPUs";
                           return open();
                       },
                       [wait](uint64_t ns) { return measure(ns, wait); }, close,
                       nullptr});
    };
    auto add_job = [&add](const std::string &engine, const char *kind,
                          uint64_t timeout_ns, uint64_t gap_ns) {
        add(
            "resumed/" + engine + "/" + kind,
            [=] { return open_resumed(engine, timeout_ns, gap_ns); }, run_once,
            close_resumed);
    };

    add(
        "hand_over/spin",
        [] {
            begin(SHORT_GAP_NS, [] {});
            return std::string();
        },
        wait_spinning, end);
    add(
        "hand_over/futex/asleep",
        [] {
            bell.rung = 0;
            begin(LONG_GAP_NS, ring_bell);
            return std::string();
        },
        wait_for_bell, end);
    add(
        "hand_over/eventfd+epoll/asleep", [] { return open_fds(false); },
        wait_in_epoll, close_fds);
    add(
        "hand_over/pipe+epoll/asleep", [] { return open_fds(true); },
        wait_in_epoll, close_fds);
    for (const std::string &engine : engines) {
        add_job(engine, "polling", 0, SHORT_GAP_NS);
        add_job(engine, "spinning", SY_FOREVER, SHORT_GAP_NS);
        add_job(engine, "asleep", SY_FOREVER, LONG_GAP_NS);
    }
}
