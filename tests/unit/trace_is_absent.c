/* SPDX-License-Identifier: Apache-2.0 */
/* The library that does not trace says so, and writes nothing. */
#include "unit.h"
#include <errno.h>
#include <switchyard/runtime.h>
#include <switchyard/trace.h>

int main(void)
{
    struct sy_trace_phases phases = {.size = sizeof(phases), .jobs = 7};
    struct sy_trace_event event = {.job = 7};
    struct sy_runtime *rt;

    CHECK_EQ(sy_runtime_open(&rt, NULL), 0);
    CHECK_EQ(sy_trace_start(rt, NULL), -ENOTSUP);
    CHECK_EQ(sy_trace_read(rt, &phases), -ENOTSUP);
    CHECK_EQ(sy_trace_take(rt, &event, 1), -ENOTSUP);
    CHECK_EQ(sy_trace_stop(rt), -ENOTSUP);
    CHECK_EQ(phases.jobs, 7);
    CHECK_EQ(event.job, 7);
    CHECK_STR(sy_trace_phase_name(SY_TRACE_START), "start");
    CHECK_STR(sy_trace_phase_name(SY_TRACE_WHOLE), "whole");
    CHECK_STR(sy_trace_phase_name(SY_TRACE_PHASES), "?");
    CHECK_EQ(sy_runtime_close(rt), 0);
    return 0;
}
