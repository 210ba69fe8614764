/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planned arrivals: when each operation of an open loop is meant to begin.
 *
 * A plan is a stream of times that is a function of its description and the
 * seed alone: nothing that happens while it is carried out changes it. So it
 * takes no memory, whatever its length, and two threads that need the same
 * plan each go through it by themselves.
 *
 * Times are ns since the begin of the stream. The stream has a warm-up and,
 * behind it, the window; a trace is played from the begin of the window, and
 * the warm-up before it is a Poisson stream of the trace's mean rate.
 *
 * Threads  A stream belongs to one thread; a trace is read by any.
 */
#ifndef SY_BENCH_ARRIVALS_H
#define SY_BENCH_ARRIVALS_H

#include <stddef.h>
#include <stdint.h>

#define SY_RATE_MAX_HZ UINT64_C(100000000)

/* Most lines of a trace. */
#define SY_TRACE_MAX (UINT64_C(16) * 1024 * 1024)

enum sy_arrivals_kind {
    SY_ARRIVALS_CONSTANT = 0, /* evenly spaced */
    SY_ARRIVALS_POISSON,      /* independent exponential gaps */
    SY_ARRIVALS_TRACE,
    SY_ARRIVALS_KINDS
};

/* Return "constant", "poisson", "trace"; "?" for no kind. */
const char *sy_arrivals_name(enum sy_arrivals_kind kind);

/* The times of a trace. */
struct sy_arrival_trace {
    uint64_t *ns; /* since its begin, ascending */
    size_t count;
    uint64_t length_ns; /* to its last arrival; at least 1 */
};

/*
 * Read a trace: a text file with one arrival per line, in order. A line is a
 * decimal number with a unit, "12.5us", and is
 *   "12.5us"   the time since the trace began, not less than the line before
 *   "+12.5us"  the time since the arrival before it
 * Units: ns, us, ms, s. Lines that begin with '#' and empty lines are skipped.
 * All lines are of one form.
 *
 * @trace  written on success, else zero; sy_arrival_trace_free() is right in
 * both cases
 * @why    on failure: what is wrong, with the number of the line
 *
 * Returns 0, -EINVAL (the file is no trace), -ENOMEM, or the errno of reading
 * it.
 */
int sy_arrival_trace_read(struct sy_arrival_trace *trace, const char *path,
                          char *why, size_t why_bytes);

void sy_arrival_trace_free(struct sy_arrival_trace *trace);

/* Return operations per second, rounded; at least 1. */
uint64_t sy_arrival_trace_rate_hz(const struct sy_arrival_trace *trace);

struct sy_arrivals {
    enum sy_arrivals_kind kind;
    uint64_t rate_hz; /* 1 .. SY_RATE_MAX_HZ; SY_ARRIVALS_TRACE: not used */
    const struct sy_arrival_trace *trace; /* SY_ARRIVALS_TRACE only; borrowed */
    uint64_t seed; /* SY_ARRIVALS_POISSON, and warm-ups */
};

/* Its members are private. */
struct sy_arrival_stream {
    struct sy_arrivals plan;
    uint64_t warm_up_ns;
    uint64_t number; /* of the arrival at at_ns; of a trace, in the trace */
    uint64_t random;
    double sum_ns; /* of the gaps so far */
    int is_tracing;
};

/*
 * Begin at the first arrival.
 *
 * @plan  copied
 */
void sy_arrival_stream_begin(struct sy_arrival_stream *stream,
                             const struct sy_arrivals *plan,
                             uint64_t warm_up_ns);

/* Return the time of the next arrival, SY_FOREVER behind the last of a trace.
   Never less than the time before it. */
uint64_t sy_arrival_stream_next(struct sy_arrival_stream *stream);

/* Return how many of the plan's arrivals are in a window of that length, at
   most `most`. Takes time in proportion to it. */
uint64_t sy_arrivals_count(const struct sy_arrivals *plan, uint64_t warm_up_ns,
                           uint64_t window_ns, uint64_t most);

#endif
