/* SPDX-License-Identifier: Apache-2.0 */
/* The names of phases, in every library. */
#include <switchyard/trace.h>

static const char *const names[SY_TRACE_PHASES] = {
    [SY_TRACE_START] = "start",       [SY_TRACE_RUN] = "run",
    [SY_TRACE_WAIT] = "wait",         [SY_TRACE_NOTIFY] = "notify",
    [SY_TRACE_SCHEDULE] = "schedule", [SY_TRACE_END] = "end",
    [SY_TRACE_WHOLE] = "whole",
};

const char *sy_trace_phase_name(enum sy_trace_phase phase)
{
    return (unsigned)phase < SY_TRACE_PHASES ? names[phase] : "?";
}
