/* SPDX-License-Identifier: Apache-2.0 */
/* The search of "switchyard load": one row, with points of its own. */
#ifndef SWITCHYARD_CLI_LOAD_FIND_H
#define SWITCHYARD_CLI_LOAD_FIND_H

#include "load_run.h"

/*
 * Find the highest rate that keeps the goal, write it down and print it.
 *
 * @entry   of the plan
 * @number  of the search, from 0
 * @misses  grows by one where no rate holds
 *
 * Returns -1 to go on, else what ends everything; CLI_INTERRUPTED: what was
 * found until then has been written down.
 */
int load_find_rate(struct load_run *s, size_t entry, int number,
                   size_t *misses);

#endif
