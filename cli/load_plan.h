/* SPDX-License-Identifier: Apache-2.0 */
/* What "switchyard load" is asked for: rates, arrivals, and what to search. */
#ifndef SWITCHYARD_CLI_LOAD_PLAN_H
#define SWITCHYARD_CLI_LOAD_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "../bench/load/load_point.h"

#define LOAD_RATES_MAX 256

struct load_rates {
    uint64_t hz[LOAD_RATES_MAX]; /* ascending, each once */
    size_t count;
    uint64_t low_hz, high_hz; /* where the text was "A..B"; else 0 */
};

/* The highest rate at which a quantile of the response keeps a bound. */
struct load_goal {
    const char *quantile; /* "p50", "p90", "p99", "p99.9" */
    double q;
    uint64_t bound_ns;
    uint64_t samples_min; /* to speak of that quantile */
};

/*
 * Read rates in operations per second: "20k,50k", "10k..90k/9" (so many, evenly
 * spaced, both ends among them), or both mixed; "10k..90k" alone is a range.
 * Suffixes k and M.
 *
 * Returns 0, or -EINVAL with the accepted range in why.
 */
int load_rates_read(const char *text, struct load_rates *rates, char *why,
                    size_t why_bytes);

/* Read "p99<=200us". Returns 0 or -EINVAL. */
int load_goal_read(const char *text, struct load_goal *goal, char *why,
                   size_t why_bytes);

/*
 * Read "constant", "poisson" or "trace:FILE".
 *
 * @trace  read if there is one; sy_arrival_trace_free() is right on every path
 *
 * Returns 0, -EINVAL, or the errno of reading the file.
 */
int load_arrivals_read(const char *text, struct sy_arrivals *arrivals,
                       struct sy_arrival_trace *trace, char *why,
                       size_t why_bytes);

/* Write a rate as one would type it: "20k", "12345". Returns buf. */
const char *load_rate_text(char *buf, size_t bytes, uint64_t hz);

#endif
