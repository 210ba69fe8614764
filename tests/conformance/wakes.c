/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <pthread.h>

static int wake_then_pause(void *arg)
{
    int *steps = arg;

    CHECK_EQ(sy_wake(sy_job_waker(sy_job_current())), 0);
    *steps += 1;
    CHECK_EQ(sy_job_pause(), 0);
    *steps += 1;
    CHECK_EQ(sy_job_pause(), 0);
    *steps += 1;
    return 3;
}

CONFORMANCE(wake_before_the_pause)
{
    struct sy_job *job;
    int steps = 0, result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, wake_then_pause, &steps);
    CHECK_EQ(steps, 1);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(steps, 2);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0); /* the permit was used up */
    CHECK_EQ(steps, 2);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 3);
}

CONFORMANCE(wake_after_the_end)
{
    struct sy_job *job;
    struct sy_waker waker;
    int steps = 0;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    waker = sy_job_waker(job);
    CHECK_EQ(sy_wake(waker), 0);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    CHECK_EQ(sy_wake(waker), -ESRCH);
    CHECK_EQ(sy_wake(waker), -ESRCH);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0);
    CHECK_EQ(steps, 2);
}

CONFORMANCE(wakes_merge)
{
    struct sy_job *job;
    struct sy_waker waker;
    int steps = 0, result = -1, i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, wake_then_pause, &steps);
    waker = sy_job_waker(job);
    for (i = 0; i < 5; i++)
        CHECK_EQ(sy_wake(waker), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(steps, 2); /* six wakes, one permit */
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0);
    CHECK_EQ(sy_wake(waker), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(steps, 3);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
}

static void *wake(void *arg)
{
    const struct sy_waker *waker = arg;

    CHECK_EQ(sy_wake(*waker), 0);
    return NULL;
}

CONFORMANCE(wake_from_another_thread)
{
    struct sy_job *job;
    struct sy_waker waker;
    int steps = 0, result = -1, i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    for (i = 0; i < 20; i++) {
        pthread_t thread;

        steps = 0;
        job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
        waker = sy_job_waker(job);
        CHECK_EQ(pthread_create(&thread, NULL, wake, &waker), 0);
        CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
        CHECK_EQ(steps, 2);
        CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}

CONFORMANCE(wake_of_an_older_job_is_ignored)
{
    struct sy_runtime_config config = sy_conformance_config(t);
    struct sy_job *job;
    struct sy_waker older, newer;
    int steps = 0;

    NEEDS(t, SY_SW_CAN_PAUSE);
    config.jobs_max = 1; /* so that the second job has the first one's slot */
    sy_conformance_reopen(t, &config);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    older = sy_job_waker(job);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    newer = sy_job_waker(job);
    CHECK(older.slot != newer.slot || older.generation != newer.generation);
    CHECK_EQ(sy_wake(older), -ESRCH);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0);
    CHECK_EQ(steps, 3);
    CHECK_EQ(sy_wake(newer), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(steps, 4);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
}

CONFORMANCE(wake_nobody)
{
    struct sy_waker nobody = {NULL, 0};

    (void)t;
    CHECK_EQ(sy_wake(nobody), -ESRCH);
    CHECK_EQ(sy_wait_here(nobody, 0), -ESRCH);
}

CONFORMANCE(resume_clears_the_permit)
{
    struct sy_job *job;
    int steps = 0, result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, wake_then_pause, &steps);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_PAUSED);
    CHECK_EQ(steps, 2);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0); /* its wake-up is out of date */
    CHECK_EQ(steps, 2);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
}
