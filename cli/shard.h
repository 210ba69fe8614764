/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shards: a run that is done in several parts, at other times or by several
 * commands, each with a file of its own. `switchyard merge` joins them. What
 * belongs to which shard follows from the plan alone.
 */
#ifndef SWITCHYARD_CLI_SHARD_H
#define SWITCHYARD_CLI_SHARD_H

#include <stddef.h>

#define SHARDS_MAX 1000

struct shard {
    unsigned index, of; /* from 1; 1 of 1: all of it */
};

/*
 * Read --shard and --run-id.
 *
 * @text    "2/3", or NULL: all of it
 * @run_id  what was given, or NULL
 *
 * Returns -1 to go on, else the exit code; what is wrong has been said then.
 */
int shard_read(struct shard *shard, const char *text, const char *run_id);

/*
 * Check that there is something for each shard to do.
 *
 * @count  what is divided
 * @what   its name, in the plural
 *
 * Returns as shard_read().
 */
int shard_check(const struct shard *shard, size_t count, const char *what);

/* Does number i, from 0, belong to this shard? */
int shard_has(const struct shard *shard, size_t i);

/* Return how many of count numbers belong to this shard. */
size_t shard_share(const struct shard *shard, size_t count);

/* Say what to do with the files of a run that has several shards. */
void shard_say_next(const struct shard *shard, const char *path);

#endif
