/* SPDX-License-Identifier: Apache-2.0 */
/* What a run says to people: the table, how far it can be trusted, the best,
   and what matters. */
#ifndef SWITCHYARD_CLI_VERDICT_H
#define SWITCHYARD_CLI_VERDICT_H

#include <stdio.h>

#include "results.h"

/*
 * Print everything about the results, one block per workload and device.
 *
 * @busy  a sentence about what other programs did meanwhile; "" for none
 *
 * Returns 0 or -ENOMEM.
 */
int verdict_print(const struct results *results, const char *busy, FILE *to);

#endif
