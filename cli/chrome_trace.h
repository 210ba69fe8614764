/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chrome's trace event format, which Perfetto and speedscope open: a JSON
 * object with "traceEvents". A runtime is a process there, a slot a thread, a
 * job a complete event ("X") on it, and each of its phases one within that.
 */
#ifndef SWITCHYARD_CLI_CHROME_TRACE_H
#define SWITCHYARD_CLI_CHROME_TRACE_H

#include <stddef.h>
#include <stdio.h>
#include <switchyard/trace.h>

struct chrome_trace {
    FILE *to;
    int has_events; /* the next one needs a comma */
};

void chrome_trace_begin(struct chrome_trace *trace, FILE *to);

/*
 * Add the events of a runtime.
 *
 * @pid     its number, from 1
 * @name    what it is called
 * @events  as sy_trace_take() gave them; sorted by this call
 *
 * Moments are counted from the runtime's first event.
 */
void chrome_trace_runtime(struct chrome_trace *trace, unsigned pid,
                          const char *name, struct sy_trace_event *events,
                          size_t count);

void chrome_trace_end(struct chrome_trace *trace);

#endif
