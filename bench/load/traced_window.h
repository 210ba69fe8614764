/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The phases of the jobs of an experiment's window, for programs that are
 * linked with libswitchyard-traced. Combinations only: other rows have no jobs.
 *
 * A struct sy_traced_window holds no pointers and lies in memory that the
 * experiment's process shares with the caller's.
 */
#ifndef SY_BENCH_TRACED_WINDOW_H
#define SY_BENCH_TRACED_WINDOW_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/trace.h>

#include "histogram.h"

#define SY_TRACED_EVENTS_MAX 10000000u

struct sy_traced_window {
    uint32_t events_max; /* set by the caller: room behind this struct */

    /* Written by the experiment. */
    int32_t error; /* 0, or the -errno of what went wrong with tracing */
    uint32_t events_count;
    uint64_t jobs, abandoned, pauses, early, unwoken, events_dropped;
    char clock[16]; /* see struct sy_trace_phases; "": there was no window */
    struct sy_histogram phases[SY_TRACE_PHASES];
};

/* Return the bytes of one with room for so many events. */
static inline size_t sy_traced_window_bytes(uint32_t events_max)
{
    return sizeof(struct sy_traced_window) +
           (size_t)events_max * sizeof(struct sy_trace_event);
}

/* Return its events. */
static inline struct sy_trace_event *
sy_traced_window_events(struct sy_traced_window *window)
{
    return (struct sy_trace_event *)(void *)(window + 1);
}

/* Add what is in from, but for events. */
void sy_traced_window_merge(struct sy_traced_window *to,
                            const struct sy_traced_window *from);

struct sy__load;

/* For load_cycle.c: the window begins, and ends. Nothing, unless the experiment
   wants it and the row has a runtime. */
void sy__traced_window_begins(struct sy__load *load);
void sy__traced_window_ends(struct sy__load *load);

#endif
