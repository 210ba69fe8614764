/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

CONFORMANCE(virtual_clock_moves_by_the_timeout)
{
    struct sy_runtime_config config = sy_conformance_config(t);
    struct sy_virtual_clock vc;
    struct sy_job *job;
    int steps = 0;

    sy_virtual_clock_init(&vc, 1000);
    config.clock = &vc.clock;
    sy_conformance_reopen(t, &config);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0);
    CHECK_EQ(vc.now_ns, 1000);
    CHECK_EQ(sy_runtime_run(t->rt, 3600 * SY_NS_PER_S), 0);
    CHECK_EQ(vc.now_ns, 1000 + 3600 * SY_NS_PER_S);
    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_NS_PER_S), 1); /* ready: no time */
    CHECK_EQ(vc.now_ns, 1000 + 3600 * SY_NS_PER_S);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    CHECK_EQ(sy_runtime_close(t->rt), 0); /* before the clock goes */
    t->rt = NULL;
}

CONFORMANCE(virtual_clock_does_not_block)
{
    struct sy_runtime_config config = sy_conformance_config(t);
    struct sy_virtual_clock vc;
    int i;

    sy_virtual_clock_init(&vc, 0);
    config.clock = &vc.clock;
    sy_conformance_reopen(t, &config);
    for (i = 1; i <= 100; i++) { /* a century: the time limit would tell */
        CHECK_EQ(sy_runtime_run(t->rt, 86400ull * 365 * SY_NS_PER_S), 0);
        CHECK_EQ(vc.now_ns, (uint64_t)i * 86400 * 365 * SY_NS_PER_S);
    }
    CHECK_EQ(sy_wait_here(sy_runtime_waker(t->rt), SY_NS_PER_S), -ETIMEDOUT);
    CHECK_EQ(sy_runtime_close(t->rt), 0);
    t->rt = NULL;
}
