/* SPDX-License-Identifier: Apache-2.0 */
/* Cost vectors as tables for people. */
#ifndef SWITCHYARD_CLI_COST_TABLE_H
#define SWITCHYARD_CLI_COST_TABLE_H

#include <stdio.h>

#include "../bench/load/cost_counts.h"
#include "plan.h"

/*
 * Print a table for each task of the plan, and below each why what is missing
 * is missing.
 *
 * @costs  of each entry of the plan; NULL where it was not counted
 *
 * Returns 0 or -ENOMEM.
 */
int cost_table_print(const struct plan *plan, struct sy_cost *const *costs,
                     FILE *to);

#endif
