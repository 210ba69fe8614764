/* SPDX-License-Identifier: Apache-2.0 */
/* One process of a comparison: sets all candidates up and measures rounds. */
#ifndef SWITCHYARD_CLI_COMPARE_WORKER_H
#define SWITCHYARD_CLI_COMPARE_WORKER_H

#include "compare_share.h"
#include "plan.h"

/*
 * Map the orders that descriptor fd stands for.
 *
 * Returns the orders, or NULL after it said what is wrong.
 */
struct compare_share *compare_worker_open(const char *fd_text);

/* Carry the orders out. The plan is the one that the orders were made from.
   Returns an exit code; the answers are in the shared memory. */
int compare_worker_run(struct compare_share *share, const struct plan *plan);

#endif
