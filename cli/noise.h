/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Noise: how far repetitions of the same thing lie apart, and so which
 * differences say something. Rows that were measured once tell nothing of it.
 */
#ifndef SWITCHYARD_CLI_NOISE_H
#define SWITCHYARD_CLI_NOISE_H

#include <stdio.h>

#include "results.h"

/* All are factors: the highest throughput of a row's rounds over its lowest. */
struct noise {
    size_t rows;        /* measured more than once; 0: nothing is known */
    double middle;      /* of the median row */
    double nine_in_ten; /* not exceeded by nine rows of ten: a single bad row
                           must not condemn the others */
    double worst;
    const struct result *worst_row;
};

/* Find out about the noise of a table. Returns 0 or -ENOMEM. */
int noise_find(struct noise *noise, const struct result *const *rows,
               size_t count);

/* Print a paragraph about it. */
void noise_print(const struct noise *noise, FILE *to);

/* Do the ranges have a value in common? */
int ranges_overlap(const struct range *a, const struct range *b);

/* Could the difference in throughput between two rows be noise? Not where
   nothing is known of the noise. */
int noise_covers(const struct noise *noise, const struct result *slow,
                 const struct result *fast);

#endif
