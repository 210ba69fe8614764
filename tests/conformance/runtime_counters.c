/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <string.h>

CONFORMANCE(stats_count)
{
    struct sy_job_spec spec = {.fn = sy_conformance_return};
    struct sy_runtime_stats s;
    struct sy_job *job, *other;
    int steps = 0;

    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_FINISHED);
    s = sy_conformance_stats(t->rt);
    CHECK_EQ(s.jobs_started, 1);
    CHECK_EQ(s.jobs_finished, 1);
    CHECK_EQ(s.jobs_outstanding, 0);
    CHECK_EQ(strcmp(s.switcher, t->sw->name), 0);
    CHECK_EQ(strcmp(s.engine, t->engine_name), 0);
    CHECK_EQ(strcmp(s.choice, "config"), 0);
    CHECK(s.guard != NULL);

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    other = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    s = sy_conformance_stats(t->rt);
    CHECK_EQ(s.jobs_started, 3);
    CHECK_EQ(s.jobs_outstanding, 2);
    CHECK_EQ(s.stack_bytes, SY_STACK_BYTES_DEFAULT);
    CHECK_EQ(s.stacks_peak, 2);
    CHECK_GE(s.stacks_allocated, 2);
    CHECK_EQ(s.jobs_started + s.resumes - s.jobs_finished, 2); /* pauses */
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    CHECK_EQ(sy_job_abandon(&other), 0);
    s = sy_conformance_stats(t->rt);
    CHECK_EQ(s.resumes, 1);
    CHECK_EQ(s.jobs_finished, 2);
    CHECK_EQ(s.jobs_abandoned, 1);
    CHECK_EQ(s.jobs_outstanding, 0);
    CHECK_GE(s.waits, 1);
    CHECK_GE(s.collected, 1);
}

CONFORMANCE(stats_refuse_unknown_sizes)
{
    struct sy_runtime_stats s = {.size = 1};
    struct sy_process_stats p = {.size = 1};

    CHECK_EQ(sy_runtime_get_stats(t->rt, &s), -EINVAL);
    CHECK_EQ(sy_process_get_stats(&p), -EINVAL);
}
