/* SPDX-License-Identifier: Apache-2.0 */
/* In place of trace.c, in the library that does not trace. */
#include <errno.h>
#include <switchyard/trace.h>

int sy_trace_start(struct sy_runtime *rt, const struct sy_trace_config *cfg)
{
    (void)rt, (void)cfg;
    return -ENOTSUP;
}

int sy_trace_stop(struct sy_runtime *rt)
{
    (void)rt;
    return -ENOTSUP;
}

int sy_trace_read(struct sy_runtime *rt, struct sy_trace_phases *phases)
{
    (void)rt, (void)phases;
    return -ENOTSUP;
}

int sy_trace_take(struct sy_runtime *rt, struct sy_trace_event *events,
                  unsigned max)
{
    (void)rt, (void)events, (void)max;
    return -ENOTSUP;
}
