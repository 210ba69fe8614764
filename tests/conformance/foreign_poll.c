/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#define JOBS  100
#define TURNS 20

/*
 * A variant may have a descriptor although not every variant has: then the
 * capability bit is not set, but the promises are the same.
 */
static int has_fd(const struct sy_conformance *t)
{
    int fd = -2, err = sy_runtime_fd(t->rt, &fd);

    if (err == -ENOTSUP && (t->en->caps & SY_EN_POLLABLE) == 0) {
        CHECK_EQ(fd, -1);
        return 0;
    }
    CHECK_EQ(err, 0);
    CHECK_GE(fd, 0);
    return 1;
}

#define NEEDS_FD(t)                                                            \
    do {                                                                       \
        if (!has_fd(t))                                                        \
            SKIP(t, "engine %s has no descriptor", (t)->engine_name);          \
    } while (0)

struct foreign_job {
    struct sy_waker waker;
    int turns;
};

static int take_turns(void *arg)
{
    struct foreign_job *f = arg;

    f->waker = sy_job_waker(sy_job_current());
    while (f->turns < TURNS) {
        CHECK_EQ(sy_job_pause(), 0);
        f->turns++;
    }
    return f->turns;
}

/* How a foreign loop learns that the descriptor is readable. */
struct watch {
    int fd;
    int epoll;
};

static void await_readable(const struct watch *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    struct epoll_event event;
    int n;

    do {
        n = w->epoll == -1 ? poll(&p, 1, -1)
                           : epoll_wait(w->epoll, &event, 1, -1);
    } while (n == -1 && errno == EINTR);
    CHECK_EQ(n, 1);
}

static struct watch watch_runtime(struct sy_runtime *rt, int use_epoll,
                                  uint32_t flags)
{
    struct watch w = {.fd = -1, .epoll = -1};
    struct epoll_event event = {.events = EPOLLIN | flags};
    int again = -1;

    CHECK_EQ(sy_runtime_fd(rt, &w.fd), 0);
    CHECK_GE(w.fd, 0);
    CHECK_EQ(sy_runtime_fd(rt, &again), 0);
    CHECK_EQ(again, w.fd);
    if (use_epoll) {
        w.epoll = epoll_create1(EPOLL_CLOEXEC);
        CHECK(w.epoll != -1);
        CHECK_EQ(epoll_ctl(w.epoll, EPOLL_CTL_ADD, w.fd, &event), 0);
    }
    return w;
}

struct waking {
    struct foreign_job *jobs;
    int count;
};

static void *wake_in_turns(void *arg)
{
    const struct waking *waking = arg;
    int turn, i;

    /* Merged wakes are lost turns, and made up by the job's own thread. */
    for (turn = 0; turn < TURNS; turn++)
        for (i = 0; i < waking->count; i++)
            sy_wake(waking->jobs[i].waker);
    return NULL;
}

/* Run the loop of a program that knows one descriptor and no more. */
static void foreign_loop(struct sy_conformance *t, struct watch w, int count)
{
    static struct foreign_job state[JOBS];
    static struct sy_job *jobs[JOBS];
    struct waking waking = {state, count};
    pthread_t thread;
    int done = 0, i;

    for (i = 0; i < count; i++)
        jobs[i] = sy_conformance_paused(t->rt, take_turns, &state[i]);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0); /* once before the first wait */
    CHECK_EQ(pthread_create(&thread, NULL, wake_in_turns, &waking), 0);
    while (done < count) {
        await_readable(&w);
        CHECK_GE(sy_runtime_run(t->rt, 0), 0);
        for (i = 0; i < count; i++) {
            if (jobs[i] == NULL)
                continue;
            if (state[i].turns == TURNS) {
                CHECK_EQ(sy_job_resume(&jobs[i], NULL), SY_JOB_FINISHED);
                done++;
            } else {
                CHECK_EQ(sy_wake(state[i].waker), 0);
            }
        }
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    if (w.epoll != -1)
        close(w.epoll);
}

CONFORMANCE(fd_wakes_poll)
{
    NEEDS(t, SY_SW_CAN_PAUSE);
    NEEDS_FD(t);
    foreign_loop(t, watch_runtime(t->rt, 0, 0), 1);
}

CONFORMANCE(fd_wakes_epoll_level)
{
    NEEDS(t, SY_SW_CAN_PAUSE);
    NEEDS_FD(t);
    foreign_loop(t, watch_runtime(t->rt, 1, 0), 1);
}

CONFORMANCE(fd_wakes_epoll_edge)
{
    NEEDS(t, SY_SW_CAN_PAUSE);
    NEEDS_FD(t);
    foreign_loop(t, watch_runtime(t->rt, 1, EPOLLET), 1);
}

CONFORMANCE(foreign_loop_of_100_jobs)
{
    NEEDS(t, SY_SW_CAN_PAUSE);
    NEEDS_FD(t);
    foreign_loop(t, watch_runtime(t->rt, 1, EPOLLET), JOBS);
}
