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

/* A histogram, with its quantiles where there are enough samples. */
json_t *sy__run_histogram(const struct sy_histogram *h);

/* "ok", "skipped", "failed". */
const char *sy__run_status(enum sy_outcome_status status);

/* Of a device, and of a runtime. */
json_t *sy__run_device(const struct sy_outcome_device *d);
json_t *sy__run_runtime(const struct sy_outcome_runtime *r);

/* What the experiment is, without what is asked of it. */
json_t *sy__run_experiment(const struct sy_experiment *exp);

/* What is written for the index of a shard, or for how many there are. */
unsigned sy__run_shard(unsigned given);

/* What sy_run_file_phases() writes. */
json_t *sy__run_phases(const struct sy_experiment *exp,
                       const struct sy_phases_record *phases);

/*
 * In run_file.c: write a file beside the run file, which is removed if that is
 * discarded.
 *
 * @name  without folder; set to the file's name, 64 bytes
 * @hex   set to its SHA-256, 65 bytes
 */
int sy__run_file_add_sidecar(struct sy_run_file *file, const char *kind,
                             const void *data, size_t bytes, char *name,
                             char *hex, char *why, size_t why_bytes);

/* Write the present time as "2025-01-31T12:00:00Z" into 32 bytes. */
void sy__run_time(char *text);

#endif
