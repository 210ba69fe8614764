/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row "openssl": OpenSSL's own ASYNC_JOB, used as accelerator engines and
 * the servers in front of them use it. The engine's side keeps an eventfd in
 * the wait context for as long as that lives; the server's side asks for
 * changed descriptors after each pause, watches them level-triggered with
 * epoll, 64 events at a time, and resumes the job, which reads its eventfd
 * once for each event.
 */
#include <errno.h>
#include <openssl/async.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../environment/fingerprint.h"
#include "../load_cycle.h"

#define EVENTS 64

/* What stays when a job ends, for the next one: its wait context. */
struct place {
    ASYNC_WAIT_CTX *wait;
    ASYNC_JOB *job;
    struct sy__load *load;
    struct sy__op *op;
    struct place *next_free;
    int err; /* of the engine's side */
};

struct openssl {
    int epoll;
    unsigned in_flight;
    unsigned places_made;
    struct place *places; /* load->jobs of them */
    struct place *free;
};

/* The engine's name in wait contexts: any address of its own. */
static const char engine_key;

/* ---- the engine's side, inside the job --------------------------------- */

static void notify(struct sy_waker waker, void *user)
{
    int fd = *(int *)user;
    const uint64_t one = 1;

    (void)waker;
    while (write(fd, &one, sizeof(one)) == -1 && errno == EINTR) {
    }
}

static void drop_fd(ASYNC_WAIT_CTX *wait, const void *key, OSSL_ASYNC_FD fd,
                    void *custom)
{
    (void)wait;
    (void)key;
    close(fd);
    free(custom);
}

/* The eventfd of the job's wait context; made when it is first asked for.
   Returns where it is kept, which outlives the job; NULL with *err set. */
static int *wait_fd(ASYNC_WAIT_CTX *wait, int *err)
{
    OSSL_ASYNC_FD fd;
    void *custom = NULL;
    int *kept;

    if (ASYNC_WAIT_CTX_get_fd(wait, &engine_key, &fd, &custom) == 1)
        return custom;
    kept = malloc(sizeof(*kept));
    if (kept == NULL) {
        *err = -ENOMEM;
        return NULL;
    }
    *kept = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (*kept == -1) {
        *err = -errno;
        free(kept);
        return NULL;
    }
    if (ASYNC_WAIT_CTX_set_wait_fd(wait, &engine_key, *kept, kept, drop_fd) !=
        1) {
        *err = -ENOMEM;
        close(*kept);
        free(kept);
        return NULL;
    }
    return kept;
}

static int offload(struct place *p)
{
    ASYNC_JOB *job = ASYNC_get_current_job();
    struct sy_device_op *dop = &p->op->device_op;
    int *fd = wait_fd(ASYNC_get_wait_ctx(job), &p->err);

    if (fd == NULL)
        return p->err;
    memset(dop, 0, sizeof(*dop));
    dop->execute = sy__op_step;
    dop->arg = p->op;
    dop->notify = notify;
    dop->user = fd;
    sy_device_submit(p->load->device, dop);
    do {
        uint64_t value;

        ASYNC_pause_job();
        if (read(*fd, &value, sizeof(value)) == -1 && errno != EAGAIN)
            p->err = -errno;
    } while (!sy_device_op_done(dop));
    return p->err != 0 ? p->err : dop->status;
}

static int job_main(void *arg)
{
    struct place *p = *(struct place **)arg;
    struct sy__op *op = p->op;
    int err = 0;

    for (op->step = 0; op->step < op->ops->steps && err == 0; op->step++) {
        if (sy__op_offloaded(op, op->step))
            err = offload(p);
        else
            err = sy__op_step(op);
    }
    return err;
}

/* ---- the server's side ------------------------------------------------- */

/* Watch what the job has added to its wait context since it was resumed. */
static int watch(struct openssl *o, struct place *p)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    OSSL_ASYNC_FD fd;
    size_t added = 0, deleted = 0;

    if (ASYNC_WAIT_CTX_get_changed_fds(p->wait, NULL, &added, NULL, &deleted) !=
        1)
        return -EINVAL;
    if (added != 1)
        return added == 0 ? 0 : -EINVAL;
    if (ASYNC_WAIT_CTX_get_changed_fds(p->wait, &fd, &added, NULL, &deleted) !=
        1)
        return -EINVAL;
    return epoll_ctl(o->epoll, EPOLL_CTL_ADD, fd, &event) == -1 ? -errno : 0;
}

static void end_op(struct openssl *o, struct place *p, int result)
{
    struct sy__load *load = p->load;

    o->in_flight--;
    p->next_free = o->free;
    o->free = p;
    if (p->err == -EMFILE || p->err == -ENFILE || p->err == -ENOSPC) {
        sy__load_skip(load,
                      "an eventfd for each job is needed and the process may "
                      "have %u descriptors: %u of %u jobs could be started",
                      load->out->fd_limit, o->places_made - 1, load->jobs);
        sy__load_give_back(load, p->op);
        return;
    }
    sy__load_finish(load, p->op, result);
}

/* Start or resume. */
static void enter(struct openssl *o, struct place *p)
{
    int result = 0, err;

    switch (
        ASYNC_start_job(&p->job, p->wait, &result, job_main, &p, sizeof(p))) {
    case ASYNC_FINISH:
        end_op(o, p, result);
        break;
    case ASYNC_PAUSE:
        err = watch(o, p);
        if (err != 0)
            sy__load_fail(p->load, p->op, "watching an eventfd failed: %s",
                          strerror(-err));
        break;
    default:
        o->in_flight--;
        sy__load_skip(p->load,
                      "OpenSSL could start only %u of %u jobs (no memory?)",
                      o->places_made - 1, p->load->jobs);
        sy__load_give_back(p->load, p->op);
    }
}

static struct place *free_place(struct sy__load *load)
{
    struct openssl *o = load->row;
    struct place *p = o->free;

    if (p != NULL) {
        o->free = p->next_free;
        return p;
    }
    p = &o->places[o->places_made];
    p->wait = ASYNC_WAIT_CTX_new();
    if (p->wait == NULL)
        return NULL;
    p->load = load;
    o->places_made++;
    return p;
}

static void start_more(struct sy__load *load)
{
    struct openssl *o = load->row;
    struct sy__op *op;

    while (o->in_flight < load->jobs && (op = sy__load_take(load)) != NULL) {
        struct place *p = free_place(load);

        if (p == NULL) {
            sy__load_skip(load, "no memory for a wait context");
            sy__load_give_back(load, op);
            return;
        }
        p->op = op;
        p->job = NULL;
        p->err = 0;
        o->in_flight++;
        enter(o, p);
    }
}

/* Resume the jobs whose eventfd is readable. Returns how many, or -errno. */
static int resume_ready(struct openssl *o, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(o->epoll, events, EVENTS, timeout_ms);

    if (n == -1)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++)
        enter(o, events[i].data.ptr);
    return n;
}

static void loop(struct sy__load *load)
{
    struct openssl *o = load->row;

    for (;;) {
        uint64_t next;
        int n;

        start_more(load);
        if (o->in_flight == 0)
            return;
        sy_device_poll(load->device, &next);
        n = resume_ready(
            o, next == SY_FOREVER ? (int)(SY__LOOK_NS / SY_NS_PER_MS) : 0);
        if (n == 0 && next != SY_FOREVER)
            sy__load_sleep(load, next);
        if (n < 0) {
            sy__load_fail(load, NULL, "epoll_wait: %s", strerror(-n));
            return;
        }
    }
}

static void free_openssl(struct openssl *o)
{
    for (unsigned i = 0; i < o->places_made; i++)
        ASYNC_WAIT_CTX_free(o->places[i].wait);
    if (o->epoll != -1)
        close(o->epoll);
    free(o->places);
    free(o);
}

static void run(struct sy__load *load)
{
    struct openssl *o;

    strcpy(load->out->openssl_switch, sy_openssl_switch());
    if (!ASYNC_is_capable()) {
        sy__load_skip(load, "this OpenSSL was built without ASYNC_JOB");
        return;
    }
    o = calloc(1, sizeof(*o));
    if (o == NULL) {
        sy__load_skip(load, "no memory");
        return;
    }
    load->row = o;
    o->places = calloc(load->jobs, sizeof(*o->places));
    o->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (o->places == NULL || o->epoll == -1) {
        sy__load_skip(load, "%s",
                      o->places == NULL ? "no memory"
                                        : "no file descriptor for epoll");
        return;
    }
    if (ASYNC_init_thread(load->jobs, 0) != 1) {
        sy__load_skip(load, "ASYNC_init_thread() failed");
        return;
    }
    loop(load);
    ASYNC_cleanup_thread();
}

static void release(struct sy__load *load)
{
    if (load->row != NULL)
        free_openssl(load->row);
}

const struct sy__row_ops sy__row_openssl = {
    .name = "openssl",
    .summary = "OpenSSL's ASYNC_JOB, an eventfd for each job, epoll",
    .uses_device = 1,
    .run = run,
    .release = release,
};
