/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <pthread.h>
#include <time.h>

CONFORMANCE(run_counts_what_it_resumed)
{
    struct sy_job *jobs[5];
    int steps[5] = {0}, resumed = 0, i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0);
    for (i = 0; i < 5; i++)
        jobs[i] =
            sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps[i]);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0);
    for (i = 0; i < 5; i += 2)
        CHECK_EQ(sy_wake(sy_job_waker(jobs[i])), 0);
    while (resumed < 3) {
        int n = sy_runtime_run(t->rt, SY_FOREVER);

        CHECK_GE(n, 1);
        resumed += n;
    }
    CHECK_EQ(resumed, 3);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0);
    for (i = 0; i < 5; i++) {
        CHECK_EQ(steps[i], i % 2 == 0 ? 2 : 1);
        CHECK_EQ(sy_job_resume(&jobs[i], NULL), SY_JOB_FINISHED);
    }
}

CONFORMANCE(run_honours_its_timeout)
{
    struct sy_clock *clock = sy_clock_monotonic();
    static const uint64_t timeouts_ns[] = {1000, 300000, 20 * SY_NS_PER_MS};
    struct sy_job *job;
    int steps = 0;
    size_t i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    for (i = 0; i < sizeof(timeouts_ns) / sizeof(timeouts_ns[0]); i++) {
        uint64_t start_ns = sy_clock_now_ns(clock);

        CHECK_EQ(sy_runtime_run(t->rt, timeouts_ns[i]), 0);
        CHECK_GE(sy_clock_now_ns(clock) - start_ns, timeouts_ns[i]);
    }
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
}

static void *wake_later(void *arg)
{
    const struct sy_waker *waker = arg;
    struct timespec pause = {.tv_nsec = 20000000};

    /* So that the runtime sleeps by then; the test holds without it too. */
    nanosleep(&pause, NULL);
    CHECK_EQ(sy_wake(*waker), 0);
    return NULL;
}

CONFORMANCE(run_forever_until_a_wake)
{
    struct sy_job *job;
    struct sy_waker waker;
    pthread_t thread;
    int steps = 0;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    waker = sy_job_waker(job);
    CHECK_EQ(pthread_create(&thread, NULL, wake_later, &waker), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(steps, 2);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
}

CONFORMANCE(runtime_waker_ends_the_wait)
{
    struct sy_waker waker = sy_runtime_waker(t->rt);
    pthread_t thread;

    CHECK_EQ(sy_wake(waker), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 0);
    CHECK_EQ(pthread_create(&thread, NULL, wake_later, &waker), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static int stop;

static int wake_myself(void *arg)
{
    int *runs = arg;

    while (!stop) {
        *runs += 1;
        CHECK_EQ(sy_wake(sy_job_waker(sy_job_current())), 0);
        CHECK_EQ(sy_job_pause(), 0);
    }
    return 0;
}

CONFORMANCE(self_waking_job_starves_nobody)
{
    struct sy_job *busy, *other;
    int busy_runs = 0, steps = 0, i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    busy = sy_conformance_paused(t->rt, wake_myself, &busy_runs);
    for (i = 2; i < 12; i++) {
        CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1); /* once, and back */
        CHECK_EQ(busy_runs, i);
    }
    other = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_wake(sy_job_waker(other)), 0);
    /* At the latest in the second call: the first may have been full of what
       was ready before. */
    CHECK_GE(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_GE(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(steps, 2);
    stop = 1;
    CHECK_EQ(sy_job_resume(&other, NULL), SY_JOB_FINISHED);
    CHECK_EQ(sy_job_resume(&busy, NULL), SY_JOB_FINISHED);
}
