/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

CONFORMANCE(jobs_max_is_a_limit)
{
    struct sy_runtime_config config = sy_conformance_config(t);
    struct sy_job *jobs[3], *more;
    int steps[4] = {0}, result = -1, i, round;
    struct sy_job_spec spec = {.fn = sy_conformance_pause_once,
                               .arg = &steps[3]};

    NEEDS(t, SY_SW_CAN_PAUSE);
    config.jobs_max = 3;
    config.jobs_init = 2;
    sy_conformance_reopen(t, &config);
    for (round = 0; round < 2; round++) {
        for (i = 0; i < 3; i++)
            jobs[i] = sy_conformance_paused(t->rt, sy_conformance_pause_once,
                                            &steps[i]);
        more = jobs[0];
        CHECK_EQ(sy_job_start(t->rt, &spec, &more, &result), -EAGAIN);
        CHECK(more == NULL);
        CHECK_EQ(result, -1);
        CHECK_EQ(steps[3], 0);
        for (i = 0; i < 3; i++)
            CHECK_EQ(sy_job_resume(&jobs[i], NULL), SY_JOB_FINISHED);
    }
    CHECK_EQ(sy_conformance_stats(t->rt).stacks_peak, 3);
}

CONFORMANCE(no_limit_without_jobs_max)
{
    struct sy_runtime_config config = sy_conformance_config(t);
    struct sy_job *jobs[12];
    int steps = 0, i;

    config.jobs_max = 0;
    config.jobs_init = 4;
    sy_conformance_reopen(t, &config);
    CHECK_GE(sy_conformance_stats(t->rt).stacks_allocated, 4);
    for (i = 0; i < 12; i++)
        jobs[i] =
            sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    for (i = 0; i < 12; i++)
        CHECK_EQ(sy_job_resume(&jobs[i], NULL), SY_JOB_FINISHED);
    CHECK_EQ(steps, 24);
}
