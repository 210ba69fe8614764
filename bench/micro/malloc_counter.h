/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a loop calls malloc and free, libraries included. Only compiled
 * with SY_COUNT_MALLOCS=1 and on glibc are there counts: a program whose loops
 * are timed shall use the allocator as it is.
 */
#ifndef SY_BENCH_MALLOC_COUNTER_H
#define SY_BENCH_MALLOC_COUNTER_H

/* Around the loop whose calls to malloc are of interest. */
void counting_begins(void);
void counting_ends(void);

/* Print "mallocs N frees N", as count_instructions.py reads it. */
void counting_print(void);

#endif
