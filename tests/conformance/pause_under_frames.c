/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

static SY_NOINLINE int descend(int depth)
{
    if (depth == 0) {
        CHECK_EQ(sy_job_pause(), 0);
        return 0;
    }
    return descend(depth - 1) + 1; /* + 1: keeps this from being a tail call */
}

static int job_main(void *arg)
{
    return descend(*(const int *)arg);
}

CONFORMANCE(pause_under_100_frames)
{
    int depth = 100, result = -1;
    struct sy_job *job = NULL;
    struct sy_job_spec spec = {
        .fn = job_main, .arg = &depth, .arg_bytes = sizeof(depth)};

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_PAUSED);
    CHECK_EQ(result, -1); /* untouched until the job finishes */
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 100);
    CHECK(job == NULL);
}
