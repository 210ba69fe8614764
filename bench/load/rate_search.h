/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search for the highest rate at which a quantile keeps a bound. It knows
 * nothing of how a point is measured, so tests can give it any curve.
 *
 * A rate holds if enough of its repeats do. From a first guess the search
 * climbs by halves or descends by halves until one rate holds and a higher one
 * does not, halves that interval until it is as narrow as the resolution, and
 * then measures the rate that it found once more: one that was lucky is given
 * up for the next lower one.
 */
#ifndef SY_BENCH_RATE_SEARCH_H
#define SY_BENCH_RATE_SEARCH_H

#include <stdint.h>

/* What one measurement says. */
struct sy_rate_tried {
    int has_figure; /* quantile_ns means something */
    int is_valid;   /* neither saturated nor cut short nor failed */
    uint64_t quantile_ns;
};

/*
 * Measure a rate once.
 *
 * @repeat  counts all measurements of the search, from 0
 *
 * Returns -1, or anything else to end the search.
 */
typedef int (*sy_rate_try_fn)(void *context, uint64_t rate_hz, unsigned repeat,
                              struct sy_rate_tried *tried);

struct sy_rate_search {
    /* Asked. */
    uint64_t bound_ns;
    uint64_t low_hz, high_hz, start_hz; /* start is between the others */
    unsigned repeats, needed;           /* 1 <= needed <= repeats */
    unsigned resolution_permille;
    sy_rate_try_fn try_once;
    void *context;

    /* Found; see struct sy_load_search. */
    uint64_t rate_hz, above_hz, closest_ns, closest_hz;
    uint64_t points;
};

/* Returns -1, or what ended it. */
int sy_rate_search_run(struct sy_rate_search *search);

#endif
