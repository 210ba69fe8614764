/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: which experiments a run consists of, and in which order. Making a
 * plan measures nothing.
 */
#ifndef SWITCHYARD_CLI_PLAN_H
#define SWITCHYARD_CLI_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "../bench/load/experiment.h"
#include "parts.h"
#include "shard.h"
#include "suite.h"

struct plan_entry {
    struct sy_experiment exp;
    uint64_t seed;
    int is_sweep;               /* there for the number of jobs alone */
    struct sy_outcome *outcome; /* NULL until it was run */
    char label[64];             /* of its own; "": what it is */
    int dose;                   /* its level, see dosed_parts.h; -1: none */
};

struct plan {
    struct plan_entry *entries; /* in the order of results */
    size_t count, room;
    size_t *order; /* in which they are run: indices of entries */
};

/*
 * Make a plan.
 *
 * @operands  globs over "switcher+engine"
 *
 * Returns -1 to go on, else the exit code; what is wrong has been said then.
 * plan_free() is right in both cases. Pointers into parts, options and suite
 * are kept.
 */
int plan_make(struct plan *plan, const struct run_options *options,
              const struct suite *suite, const struct parts *parts,
              const struct option_texts *operands);

/* Add a copy of an entry, at the end; order leaves it out. Returns it, or NULL
   without memory. */
struct plan_entry *plan_append(struct plan *plan,
                               const struct plan_entry *entry);

void plan_free(struct plan *plan);

/* Leave those experiments that belong to a shard: of N, every Nth in the order
   in which they are run. */
void plan_keep_shard(struct plan *plan, const struct shard *shard);

/* Return the next number of the random sequence that *state stands for; any
   state will do. */
uint64_t plan_random(uint64_t *state);

/* Return about how long an experiment takes, ns. */
uint64_t plan_entry_ns(const struct plan_entry *entry);

/* Return whether they differ in nothing but the seed. */
int plan_same(const struct sy_experiment *a, const struct sy_experiment *b);

/* Return whether they have the same mix and the same device. */
int plan_same_task(const struct sy_experiment *a,
                   const struct sy_experiment *b);

#endif
