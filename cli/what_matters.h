/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What matters: how far each of the four things one can choose moved the
 * result, by comparing rows that differ in that thing only.
 */
#ifndef SWITCHYARD_CLI_WHAT_MATTERS_H
#define SWITCHYARD_CLI_WHAT_MATTERS_H

#include <stdio.h>

#include "noise.h"
#include "results.h"

/* Results of one mix on one device, in the order of the table. */
struct block {
    const struct result **rows;
    size_t count;
    struct noise noise;
};

/* May it be the best of those with so many jobs? 0 stands for any number. Not
   with a switcher that cannot pause: that has one job in flight, whatever was
   asked. */
int is_candidate(const struct result *r, unsigned jobs);

/* A baseline is there to be compared with; one would not choose it. */
int is_baseline(const struct result *r);

typedef double (*figure_fn)(const struct result *r);

/*
 * Find the best candidate.
 *
 * @sign  1: the largest figure wins; -1: the smallest
 *
 * Returns NULL if there is none.
 */
const struct result *find_best(const struct block *block, unsigned jobs,
                               figure_fn figure, double sign,
                               int with_baselines);

/* Print it for the candidates with so many jobs; nothing where there are not
   two rows to compare. */
void what_matters_print(const struct block *block, unsigned jobs, FILE *to);

#endif
