/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

static int expect_cancel(void *arg)
{
    int *pauses = arg;

    *pauses += 1;
    CHECK_EQ(sy_job_pause(), -ECANCELED);
    *pauses += 1;
    CHECK_EQ(sy_job_pause(), 0); /* it is said once */
    return 6;
}

CONFORMANCE(cancel_a_paused_job)
{
    struct sy_job *job;
    int pauses = 0, result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, expect_cancel, &pauses);
    CHECK_EQ(sy_job_cancel(job), 0);
    CHECK_EQ(pauses, 1); /* it has not run yet, but is ready */
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(pauses, 2);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 6);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_cancelled, 1);
}

static int cancel_myself(void *arg)
{
    int *pauses = arg;

    CHECK_EQ(sy_job_cancel(sy_job_current()), 0);
    return expect_cancel(pauses);
}

/* Whether the next pause switches is not said: only what it returns is. */
CONFORMANCE(cancel_before_the_pause)
{
    int pauses = 0, result = -1, state;
    struct sy_job_spec spec = {.fn = cancel_myself, .arg = &pauses};
    struct sy_job *job;

    NEEDS(t, SY_SW_CAN_PAUSE);
    state = sy_job_start(t->rt, &spec, &job, &result);
    while (state == SY_JOB_PAUSED)
        state = sy_job_resume(&job, &result);
    CHECK_EQ(state, SY_JOB_FINISHED);
    CHECK_EQ(result, 6);
    CHECK_EQ(pauses, 2);
}

CONFORMANCE(cancel_twice_is_once)
{
    struct sy_job *job;
    int pauses = 0, result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, expect_cancel, &pauses);
    CHECK_EQ(sy_job_cancel(job), 0);
    CHECK_EQ(sy_job_cancel(job), 0);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_PAUSED);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 6);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_cancelled, 1);
}

CONFORMANCE(cancel_after_the_end)
{
    struct sy_job *job;
    int steps = 0, result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_cancel(job), -ESRCH);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 2);
}
