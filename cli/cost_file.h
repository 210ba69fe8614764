/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of `switchyard cost` in a run file; docs/run-files.md explains
   every field. */
#ifndef SWITCHYARD_CLI_COST_FILE_H
#define SWITCHYARD_CLI_COST_FILE_H

#include "../bench/load/cost_counts.h"

/*
 * Write one cost vector as one line of JSON, without its end.
 *
 * @exp  as it was counted under callgrind
 *
 * Returns a string to be freed, NULL if there is no memory.
 */
char *cost_file_line(const struct sy_experiment *exp, uint64_t operations,
                     const struct sy_cost *cost);

#endif
