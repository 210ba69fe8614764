/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

/*
 * noinline: errno's address is a thread's own, and a compiler may keep it
 * across a call. Under a switcher that has a thread for each job the pointer
 * stays right too, for a job never leaves its thread.
 */
static SY_NOINLINE void set_errno(int value)
{
    errno = value;
}

static SY_NOINLINE int get_errno(void)
{
    return errno;
}

static int keep_errno(void *arg)
{
    int mine = *(const int *)arg;

    set_errno(mine);
    CHECK_EQ(sy_job_pause(), 0);
    CHECK_EQ(get_errno(), mine);
    set_errno(mine + 1);
    CHECK_EQ(sy_job_pause(), 0);
    CHECK_EQ(get_errno(), mine + 1);
    set_errno(mine + 2);
    return 0;
}

CONFORMANCE(errno_is_kept_per_job)
{
    struct sy_job *jobs[3];
    int values[3] = {EBADF, EPIPE, EDOM}, i, round;

    NEEDS(t, SY_SW_CAN_PAUSE);
    set_errno(E2BIG);
    for (i = 0; i < 3; i++) {
        jobs[i] = sy_conformance_paused(t->rt, keep_errno, &values[i]);
        CHECK_EQ(get_errno(), E2BIG);
    }
    for (round = 0; round < 2; round++) {
        for (i = 0; i < 3; i++) {
            CHECK_EQ(sy_job_resume(&jobs[i], NULL),
                     round == 0 ? SY_JOB_PAUSED : SY_JOB_FINISHED);
            CHECK_EQ(get_errno(), E2BIG);
        }
    }
}
