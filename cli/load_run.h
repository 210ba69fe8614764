/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One invocation of "switchyard load": what was asked, and measuring points one
 * after the other, each written down and kept for the table.
 */
#ifndef SWITCHYARD_CLI_LOAD_RUN_H
#define SWITCHYARD_CLI_LOAD_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "../bench/load/load_record.h"
#include "load_plan.h"
#include "load_table.h"
#include "options.h"
#include "parts.h"
#include "plan.h"
#include "suite.h"

struct load_options {
    struct run_options run;
    const char *arrivals, *rate, *search;
    uint64_t jobs, seed, warm_up_ns, timeout_ns, repeats, resolution_percent;
    int closed, virtual_clock, no_samples, spin;
};

struct load_run {
    struct load_options options;
    struct option_texts operands;
    struct parts parts;
    struct plan plan; /* the candidates */
    struct sy_arrivals arrivals;
    struct sy_arrival_trace trace;
    struct load_rates rates;
    struct load_goal goal;
    struct sy_run_file *file;
    struct load_shown *shown;
    size_t shown_count, shown_room;

    /* Progress. */
    size_t points, points_done; /* 0 points: nobody knows how many */
    uint64_t began_ns;
    int is_terminal;

    int argc;
    char **argv;
};

/*
 * Describe a point.
 *
 * @entry    of the plan
 * @rate_hz  0: a closed loop's, or the trace's
 */
void load_run_spec(const struct load_run *s, size_t entry, uint64_t rate_hz,
                   struct sy_load_spec *spec);

/*
 * Measure one point, write it down, and say what is wrong with it.
 *
 * @search  number of the search that it belongs to; -1: none
 * @shown   set if -1 is returned
 *
 * Returns -1, or an exit code.
 */
int load_run_measure(struct load_run *s, const struct sy_load_spec *spec,
                     size_t entry, int search, struct load_shown *shown);

#endif
