/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points of load in run files: the lines "load" and "search" of
 * docs/run-files.md, and the files of samples beside them.
 */
#ifndef SY_BENCH_LOAD_RECORD_H
#define SY_BENCH_LOAD_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "load_point.h"
#include "run_file.h"

/* The highest rate at which a quantile of the response keeps a bound. */
struct sy_load_search {
    const char *quantile; /* "p50", "p90", "p99", "p999" */
    uint64_t bound_ns;
    uint64_t rate_hz;    /* that holds; 0: none */
    uint64_t above_hz;   /* the lowest tried that does not hold; 0: none */
    uint64_t closest_ns; /* the least quantile that was seen where none holds;
                            0: one holds, or there were no figures */
    uint64_t closest_hz; /* and where */
    uint64_t repeats, needed; /* a rate holds if so many of them do */
    uint64_t resolution_permille;
    uint64_t points;  /* that were measured */
    bool is_complete; /* false: it was interrupted */
};

/*
 * Add the line of one point, and its samples in a file beside.
 *
 * @search  number of the search that it belongs to, from 0; -1: to none
 * @line    set to the line, to be freed; NULL on failure; may be NULL
 *
 * Returns as sy_run_file_add().
 */
int sy_run_file_add_load(struct sy_run_file *file,
                         const struct sy_load_spec *spec,
                         const struct sy_load_result *result, int search,
                         char **line, char *why, size_t why_bytes);

/* Add the line that ends a search. */
int sy_run_file_add_search(struct sy_run_file *file,
                           const struct sy_load_spec *spec, int search,
                           const struct sy_load_search *found, char **line,
                           char *why, size_t why_bytes);

#endif
