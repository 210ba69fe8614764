/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of a run file as JSON values: what docs/run-files.md describes.
 * Internal to bench/load.
 */
#ifndef SY_BENCH_RUN_RECORD_H
#define SY_BENCH_RUN_RECORD_H

#include <jansson.h>

#include "../environment/fingerprint.h"
#include "run_file.h"

/* Each returns a new reference, NULL if there is no memory. */
json_t *sy__run_meta(const struct sy_run_info *info, const char *run_id,
                     const struct sy_machine *machine);
json_t *sy__run_record(const struct sy_experiment *exp,
                       const struct sy_outcome *out);

/* What the experiment is, without what is asked of it. */
json_t *sy__run_experiment(const struct sy_experiment *exp);

/* What is written for the index of a shard, or for how many there are. */
unsigned sy__run_shard(unsigned given);

/* What sy_run_file_phases() writes. */
json_t *sy__run_phases(const struct sy_experiment *exp,
                       const struct sy_phases_record *phases);

/* Write the present time as "2025-01-31T12:00:00Z" into 32 bytes. */
void sy__run_time(char *text);

#endif
