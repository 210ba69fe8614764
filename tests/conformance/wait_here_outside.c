/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <pthread.h>

static void *wake(void *arg)
{
    const struct sy_waker *waker = arg;

    CHECK_EQ(sy_wake(*waker), 0);
    return NULL;
}

CONFORMANCE(wait_here_outside_a_job)
{
    struct sy_waker waker = sy_runtime_waker(t->rt);
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, wake, &waker), 0);
    CHECK_EQ(sy_wait_here(waker, SY_FOREVER), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(sy_wake(waker), 0); /* before the wait: the permit stays */
    CHECK_EQ(sy_wait_here(waker, SY_FOREVER), 0);
}

CONFORMANCE(wait_here_times_out)
{
    struct sy_clock *clock = sy_clock_monotonic();
    uint64_t start_ns = sy_clock_now_ns(clock);

    CHECK_EQ(sy_wait_here(sy_runtime_waker(t->rt), 5 * SY_NS_PER_MS),
             -ETIMEDOUT);
    CHECK_GE(sy_clock_now_ns(clock) - start_ns, 5 * SY_NS_PER_MS);
    CHECK_EQ(sy_wait_here(sy_runtime_waker(t->rt), 0), -ETIMEDOUT);
}

CONFORMANCE(wait_here_leaves_other_jobs_ready)
{
    struct sy_job *job;
    int steps = 0, result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    CHECK_EQ(sy_wait_here(sy_runtime_waker(t->rt), SY_NS_PER_MS), -ETIMEDOUT);
    CHECK_EQ(steps, 1);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(steps, 2);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
}
