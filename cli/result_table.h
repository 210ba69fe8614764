/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a run: one row per result, and a reason for each gap. */
#ifndef SWITCHYARD_CLI_RESULT_TABLE_H
#define SWITCHYARD_CLI_RESULT_TABLE_H

#include <stdio.h>

#include "results.h"

/*
 * Print results of one task: combinations, the sweep, the reference rows; then
 * why rows have no figures, and what to beware of in those that have.
 *
 * @rows  of them count, in the order in which they are to be printed
 *
 * Returns 0 or -ENOMEM.
 */
int result_table_print(const struct result *const *rows, size_t count,
                       FILE *to);

#endif
