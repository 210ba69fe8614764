/* SPDX-License-Identifier: Apache-2.0 */
/* Which doses `switchyard dose` gives: read from --factor and --levels. */
#ifndef SWITCHYARD_CLI_DOSE_LEVELS_H
#define SWITCHYARD_CLI_DOSE_LEVELS_H

#include <stdint.h>

#include "../bench/dose/dosed_parts.h"
#include "options.h"

/* Of one factor, 0 not counted. */
#define DOSE_LEVELS_MAX 5

_Static_assert(1 + SY_DOSE_FACTORS * DOSE_LEVELS_MAX <= SY_DOSE_LEVELS_MAX,
               "all levels fit");

struct dose_levels {
    unsigned count[SY_DOSE_FACTORS];               /* 0: not wanted */
    uint64_t ns[SY_DOSE_FACTORS][DOSE_LEVELS_MAX]; /* ascending, above 0 */
};

/*
 * Read them.
 *
 * @factors  names; none: all
 * @levels   "FACTOR=TIME,TIME", or without "FACTOR=" where there is one factor;
 *           none: the usual ones
 *
 * Returns -1 to go on, else the exit code; what is wrong has been said then.
 */
int dose_levels_read(struct dose_levels *out,
                     const struct option_texts *factors,
                     const struct option_texts *levels);

/* How many sets of doses there are: that without any, and one for each. */
unsigned dose_levels_sets(const struct dose_levels *levels);

/* Get set number, from 0, and its name: "no dose", "switch +200ns". */
void dose_levels_set(const struct dose_levels *levels, unsigned number,
                     struct sy_dose *dose, char *name, size_t bytes);

#endif
