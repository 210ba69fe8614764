/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of counted_loops share: see counted_loops.c. */
#ifndef SY_BENCH_COUNTED_LOOPS_H
#define SY_BENCH_COUNTED_LOOPS_H

#include "malloc_counter.h"
#include <stdbool.h>

/* Do it n times, a multiple of COUNTED_BATCH. False: a result was wrong. */
struct counted_scenario {
    const char *name;
    bool (*run)(unsigned long n);
};

/* One way of running jobs. */
struct counted_candidate {
    bool (*open)(const char *name); /* COUNTED_BATCH jobs; false: cannot */
    const struct counted_scenario *scenarios; /* the last one has no name */
};

#define COUNTED_BATCH 8

extern const struct counted_candidate counted_by_table;
#if SY_COUNT_BOUND_INLINE
extern const struct counted_candidate counted_bound_inline;
#endif
#if SY_COUNT_BOUND_ASM
extern const struct counted_candidate counted_bound_asm;
#endif
extern const struct counted_candidate counted_openssl;

#endif
