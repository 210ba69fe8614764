/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer "openssl": OpenSSL's own ASYNC_JOB, used as accelerator engines and
 * the servers in front of them use it. The engine's side keeps an eventfd in
 * the wait context for as long as that lives; the server's side asks for
 * changed descriptors after each pause, watches them level-triggered with
 * epoll, 64 events at a time, and resumes the job, which reads its eventfd
 * once for each event.
 *
 * Its stacks have a size of their own, 32 KiB, and no guards.
 */
#include <errno.h>
#include <openssl/async.h>
#include <stdio.h>
#include <switchyard/clock.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../../environment/fingerprint.h"
#include "../../peer.h"

#define EVENTS 64

/* The wait context stays when a job ends, for the next one. */
struct job {
    ASYNC_WAIT_CTX *wait;
    ASYNC_JOB *async; /* NULL: not started */
    int fd;           /* of wait, as the last arm found it */
    void *user;
    struct job *next; /* of those that have a wait context */
};

struct state {
    struct sy_peer_config cfg;
    int epoll;
    int err; /* why it is broken, to be told by run */
    struct job *jobs;
};

/* The engine's name in wait contexts: any address of its own. */
static const char engine_key;

/* ---- the engine's side, inside the job --------------------------------- */

static void drop_fd(ASYNC_WAIT_CTX *wait, const void *key, OSSL_ASYNC_FD fd,
                    void *custom)
{
    (void)wait;
    (void)key;
    (void)custom;
    close(fd);
}

/* The eventfd of the job's wait context is made when it is first asked for. */
static int arm(void *state, void *job)
{
    ASYNC_WAIT_CTX *wait = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    struct job *j = job;
    void *custom;
    int fd;

    (void)state;
    if (ASYNC_WAIT_CTX_get_fd(wait, &engine_key, &j->fd, &custom) == 1)
        return 0;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd == -1)
        return -errno;
    if (ASYNC_WAIT_CTX_set_wait_fd(wait, &engine_key, fd, NULL, drop_fd) != 1) {
        close(fd);
        return -ENOMEM;
    }
    j->fd = fd;
    return 0;
}

static int pause_job(void *state, void *job)
{
    const struct job *j = job;
    uint64_t value;

    (void)state;
    ASYNC_pause_job();
    if (read(j->fd, &value, sizeof(value)) == -1 && errno != EAGAIN)
        return -errno;
    return 0;
}

static void wake(void *job)
{
    /* The descriptor by value: once it is written to, the job may go on. */
    int fd = ((const struct job *)job)->fd;
    const uint64_t one = 1;

    while (write(fd, &one, sizeof(one)) == -1 && errno == EINTR) {
    }
}

/* What a job begins with: a pointer, for arguments are copied. */
struct arguments {
    int (*body)(void *user);
    void *user;
};

static int async_main(void *arg)
{
    const struct arguments *args = arg;

    return args->body(args->user);
}

/* ---- the server's side ------------------------------------------------- */

/* Watch what the job has added to its wait context since it was resumed. */
static int watch(const struct state *s, struct job *j)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = j};
    OSSL_ASYNC_FD fd;
    size_t added = 0, deleted = 0;

    if (ASYNC_WAIT_CTX_get_changed_fds(j->wait, NULL, &added, NULL, &deleted) !=
        1)
        return -EINVAL;
    if (added != 1)
        return added == 0 ? 0 : -EINVAL;
    if (ASYNC_WAIT_CTX_get_changed_fds(j->wait, &fd, &added, NULL, &deleted) !=
        1)
        return -EINVAL;
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) == -1 ? -errno : 0;
}

/* Start or resume. Returns -errno if the job could not be entered. */
static int enter(struct state *s, struct job *j)
{
    struct arguments args = {.body = s->cfg.body, .user = j->user};
    int result = 0, err;

    switch (ASYNC_start_job(&j->async, j->wait, &result, async_main, &args,
                            sizeof(args))) {
    case ASYNC_FINISH:
        s->cfg.ended(j->user, result);
        return 0;
    case ASYNC_PAUSE:
        err = watch(s, j);
        if (err != 0)
            s->err = err;
        return 0;
    default:
        return -ENOMEM; /* all that it may lack for a job */
    }
}

static int start(void *state, void *job, void *user)
{
    struct state *s = state;
    struct job *j = job;

    if (j->wait == NULL) {
        j->wait = ASYNC_WAIT_CTX_new();
        if (j->wait == NULL)
            return -ENOMEM;
        j->next = s->jobs;
        s->jobs = j;
    }
    j->async = NULL;
    j->user = user;
    return enter(s, j);
}

/* In ms, as epoll_wait() takes it; a short sleep does not become none. */
static int rounded_up_ms(uint64_t ns)
{
    return (int)((ns + SY_NS_PER_MS - 1) / SY_NS_PER_MS);
}

static int run(void *state, uint64_t sleep_ns)
{
    struct state *s = state;
    struct epoll_event events[EVENTS];
    int n = 0;

    if (s->err == 0) {
        n = epoll_wait(s->epoll, events, EVENTS, rounded_up_ms(sleep_ns));
        if (n == -1 && errno != EINTR)
            return -errno;
    }
    for (int i = 0; i < n && s->err == 0; i++)
        s->err = enter(s, events[i].data.ptr);
    if (s->err != 0)
        return s->err;
    return n == -1 ? 0 : n;
}

/* ---- for one experiment ------------------------------------------------- */

static int probe(const char **switches_by, char *why, size_t why_bytes)
{
    if (!ASYNC_is_capable()) {
        (void)snprintf(why, why_bytes,
                       "this OpenSSL was built without ASYNC_JOB");
        return -ENOTSUP;
    }
    *switches_by = sy_openssl_switch();
    return 0;
}

static int open_peer(void *state, const struct sy_peer_config *cfg)
{
    struct state *s = state;

    s->cfg = *cfg;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll == -1)
        return -errno;
    if (ASYNC_init_thread(cfg->jobs, 0) != 1) {
        close(s->epoll);
        return -ENOMEM;
    }
    return 0;
}

static void close_peer(void *state)
{
    struct state *s = state;

    ASYNC_cleanup_thread();
    for (struct job *j = s->jobs; j != NULL; j = j->next)
        ASYNC_WAIT_CTX_free(j->wait);
    close(s->epoll);
}

const struct sy_peer_ops sy_peer_openssl = {
    .name = "openssl",
    .summary = "OpenSSL's ASYNC_JOB, an eventfd for each job, epoll",
    .state_bytes = sizeof(struct state),
    .job_bytes = sizeof(struct job),
    .probe = probe,
    .open = open_peer,
    .close = close_peer,
    .start = start,
    .run = run,
    .arm = arm,
    .pause = pause_job,
    .wake = wake,
};
