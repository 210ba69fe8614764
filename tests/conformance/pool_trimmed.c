/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#define JOBS 30

/* What is on the stacks of paused jobs stays; what is given back serves again,
   also where the switcher keeps something of its own on the stacks. */
CONFORMANCE(trimmed_pool_serves_on)
{
    struct sy_job *jobs[JOBS];
    int steps[JOBS] = {0}, i, round, result;

    NEEDS(t, SY_SW_CAN_PAUSE);
    for (round = 1; round <= 3; round++) {
        for (i = 0; i < JOBS; i++)
            jobs[i] = sy_conformance_paused(t->rt, sy_conformance_pause_once,
                                            &steps[i]);
        for (i = 0; i < JOBS; i += 2)
            CHECK_EQ(sy_job_resume(&jobs[i], &result), SY_JOB_FINISHED);
        CHECK_GE(sy_runtime_trim(t->rt, (uint32_t)round), 0);
        for (i = 1; i < JOBS; i += 2)
            CHECK_EQ(sy_job_resume(&jobs[i], &result), SY_JOB_FINISHED);
        CHECK_GE(JOBS, sy_runtime_trim(t->rt, 0));
        for (i = 0; i < JOBS; i++)
            CHECK_EQ(steps[i], 2 * round);
    }
    CHECK_EQ(sy_conformance_stats(t->rt).stacks_peak, JOBS);
}
