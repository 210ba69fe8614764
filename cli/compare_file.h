/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of a comparison in a run file; docs/run-files.md explains every
 * field.
 *
 * Errors  0 or -errno, with a sentence in why.
 */
#ifndef SWITCHYARD_CLI_COMPARE_FILE_H
#define SWITCHYARD_CLI_COMPARE_FILE_H

#include "../bench/load/run_file.h"
#include "compare_plan.h"
#include "compare_process.h"

int compare_file_begin(struct sy_run_file *file, const struct contest *contest,
                       const char *suite, char *why, size_t why_bytes);

/* Add a process and its batches. */
int compare_file_process(struct sy_run_file *file, const struct contest *c,
                         unsigned number, const char *layout,
                         const struct compare_process *process,
                         const struct compare_share *share, char *why,
                         size_t why_bytes);

#endif
