/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

CONFORMANCE(close_with_jobs_is_busy)
{
    struct sy_job *job;
    int steps = 0;

    CHECK_EQ(sy_runtime_close(NULL), 0);
    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_runtime_close(t->rt), -EBUSY);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_runtime_close(t->rt), -EBUSY); /* it awaits collection */
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    CHECK_EQ(sy_runtime_close(t->rt), 0);
    t->rt = NULL;
}

static int close_mine(void *arg)
{
    CHECK_EQ(sy_runtime_close(arg), -EBUSY);
    return 0;
}

CONFORMANCE(close_inside_its_job_is_busy)
{
    struct sy_job_spec spec = {.fn = close_mine, .arg = t->rt};
    struct sy_job *job;

    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_FINISHED);
}

CONFORMANCE(open_and_close_repeatedly)
{
    struct sy_runtime_config config = sy_conformance_config(t);
    struct sy_waker older = sy_runtime_waker(t->rt);
    int i;

    config.jobs_init = 3;
    for (i = 0; i < 30; i++) {
        struct sy_job_spec spec = {.fn = sy_conformance_return};
        struct sy_job *job;

        sy_conformance_reopen(t, &config);
        CHECK_EQ(sy_wake(older), -ESRCH);
        older = sy_runtime_waker(t->rt);
        CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_FINISHED);
    }
}
