/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How noisy a comparison is: for its plan and its progress line only. What is
 * concluded from results is computed by the analysis, from the run file.
 */
#ifndef SWITCHYARD_CLI_COMPARE_NOISE_H
#define SWITCHYARD_CLI_COMPARE_NOISE_H

#include <stddef.h>

#include "compare_share.h"

/* Collects the mean log time per operation of each candidate and process. */
struct compare_noise {
    unsigned count; /* candidates */
    unsigned tasks[COMPARE_CANDIDATES_MAX];
    double *means; /* count for each process */
    size_t processes, room;
};

void compare_noise_begin(struct compare_noise *noise, unsigned count,
                         const unsigned *tasks);
void compare_noise_free(struct compare_noise *noise);

/* Add a process. One in which a candidate has no batch is left out. Returns 0
   or -ENOMEM. */
int compare_noise_add(struct compare_noise *noise,
                      const struct compare_share *share, size_t batches);

/*
 * Return the standard deviation, over processes, of a difference between two
 * candidates of one task in mean log time: what is left when effects of the
 * process and of the candidate are taken out. -1 while it is not known.
 */
double compare_noise_deviation(const struct compare_noise *noise);

/*
 * Return the smallest ratio, as a difference from 1, that is found in four of
 * five comparisons of so many processes, where pairs pairs are compared at
 * once with 95 % confidence in all of them.
 */
double compare_noise_resolves(double deviation, size_t processes, size_t pairs);

/* Return the half-width of a 95 % interval of one pair, as a difference of
   the ratio from 1. */
double compare_noise_width(double deviation, size_t processes);

#endif
