/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

CONFORMANCE(abandon_a_paused_job)
{
    struct sy_job *job;
    struct sy_waker waker;
    int steps = 0;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    waker = sy_job_waker(job);
    CHECK_EQ(sy_wake(waker), 0); /* on its way while the job is abandoned */
    CHECK_EQ(sy_job_abandon(&job), 0);
    CHECK(job == NULL);
    CHECK_EQ(steps, 1);
    CHECK_EQ(sy_wake(waker), -ESRCH);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_abandoned, 1);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_outstanding, 0);
}

CONFORMANCE(abandon_an_uncollected_job)
{
    struct sy_job *job;
    int steps = 0;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(steps, 2);
    CHECK_EQ(sy_job_abandon(&job), 0);
    CHECK(job == NULL);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_outstanding, 0);
}

static int abandon_myself(void *arg)
{
    struct sy_job *me = sy_job_current();

    (void)arg;
    CHECK_EQ(sy_job_abandon(&me), -EBUSY);
    CHECK(me == sy_job_current());
    return 2;
}

CONFORMANCE(abandon_refuses_running_jobs)
{
    struct sy_job_spec spec = {.fn = abandon_myself};
    struct sy_job *job;
    int result = -1;

    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 2);
}

CONFORMANCE(abandoned_slot_is_reused)
{
    struct sy_runtime_config config = sy_conformance_config(t);
    int i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    config.jobs_max = 1;
    sy_conformance_reopen(t, &config);
    for (i = 0; i < 20; i++) {
        int steps = 0, result = -1;
        struct sy_job *job;

        job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
        CHECK_EQ(sy_job_abandon(&job), 0);
        job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
        CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
        CHECK_EQ(result, 3);
    }
}
