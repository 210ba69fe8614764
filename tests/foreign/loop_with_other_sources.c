/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop has other descriptors than the runtime's. A job that is always ready
 * does not keep sy_runtime_run() from returning, and does not hold up other
 * jobs, of which more become ready at once than an engine hands over in one
 * piece. What is left for the next call shows in the descriptor: each time to
 * those who watch it level-triggered, and with a new edge to those who do not.
 */
#include "foreign.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define JOBS    300 /* two descriptors each still fit 1,024 */
#define TURNS   200
#define LIMIT_S 100

static struct sy_waker wakers[JOBS];
static int ended, stop;

static int always_ready(void *arg)
{
    struct sy_waker self = sy_job_waker(sy_job_current());
    unsigned *resumed = arg;

    while (!stop) {
        FOREIGN_CHECK(sy_wake(self) == 0);
        FOREIGN_CHECK(sy_job_pause() == 0);
        *resumed += 1;
    }
    return 0;
}

static int wait_once(void *arg)
{
    (void)arg;
    FOREIGN_CHECK(sy_job_pause() == 0);
    return 0;
}

static void count_end(void *user, struct sy_job *job, int result)
{
    (void)user, (void)job, (void)result;
    ended++;
}

static void *wake_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < JOBS; i++)
        FOREIGN_CHECK(sy_wake(wakers[i]) == 0);
    return NULL;
}

static struct sy_job *start(struct sy_runtime *rt, sy_job_fn fn, void *arg)
{
    struct sy_job_spec spec = {.fn = fn, .arg = arg, .done = count_end};
    struct sy_job *job;

    FOREIGN_CHECK(sy_job_start(rt, &spec, &job, NULL) == SY_JOB_PAUSED);
    return job;
}

static void watch(int loop, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    FOREIGN_CHECK(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == 0);
}

/* One turn of the loop, in which the other source is served. Returns whether
   the runtime was, too. */
static int turn(struct foreign *f, int loop, int other)
{
    struct epoll_event events[2];
    int n, served = 0, resumed, seen = 0;

    do
        n = epoll_wait(loop, events, 2, -1);
    while (n == -1 && errno == EINTR);
    FOREIGN_CHECK(n >= 1);
    for (int i = 0; i < n; i++) {
        served += events[i].data.fd == other;
        seen += events[i].data.fd == f->fd;
    }
    FOREIGN_CHECK(served == 1);
    if (!seen)
        return 0;
    resumed = sy_runtime_run(f->rt, 0);
    FOREIGN_CHECK(resumed >= 0 && resumed <= JOBS + 1);
    return 1;
}

static void serve_others(const char *engine, uint32_t flags)
{
    struct foreign f;
    int loop = epoll_create1(EPOLL_CLOEXEC);
    int other = eventfd(1, EFD_CLOEXEC); /* readable, and never read */
    unsigned resumed = 0;
    unsigned before;
    int turns = 0;
    pthread_t thread;

    FOREIGN_CHECK(loop != -1 && other != -1);
    ended = stop = 0;
    foreign_open(&f, engine);
    watch(loop, other, EPOLLIN);
    watch(loop, f.fd, EPOLLIN | flags);
    (void)start(f.rt, always_ready, &resumed);
    for (int i = 0; i < JOBS; i++)
        wakers[i] = sy_job_waker(start(f.rt, wait_once, NULL));
    FOREIGN_CHECK(sy_runtime_run(f.rt, 0) == 1); /* before the first wait */
    FOREIGN_CHECK(pthread_create(&thread, NULL, wake_all, NULL) == 0);
    /* Not every time here: a waker that has found the runtime asleep and not
       yet rung its doorbell is a wake-up on its way, and rings for all. */
    while (ended < JOBS)
        turns += turn(&f, loop, other);
    FOREIGN_CHECK(pthread_join(thread, NULL) == 0);
    /* Now there is only the job that is always ready: once each time. */
    before = resumed;
    for (int i = 0; i < TURNS; i++)
        FOREIGN_CHECK(turn(&f, loop, other) == 1);
    FOREIGN_CHECK(resumed - before == TURNS);
    stop = 1;
    while (ended < JOBS + 1)
        (void)turn(&f, loop, other);
    printf("%s, %s-triggered: %d + %d turns\n", engine,
           flags ? "edge" : "level", turns, TURNS);
    FOREIGN_CHECK(close(loop) == 0 && close(other) == 0);
    foreign_close(&f);
}

static void serve_both(const char *engine)
{
    serve_others(engine, 0);
    serve_others(engine, EPOLLET);
}

int main(void)
{
    alarm(LIMIT_S);
    foreign_each_engine(serve_both);
    return 0;
}
