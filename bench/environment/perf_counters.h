/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CPU's own counters (its PMU): instructions and cycles of this process,
 * those in user mode and those in the kernel apart. Many virtual machines have
 * none; then there is a reason instead.
 *
 * Counted are the thread that opens them and every thread that it makes
 * afterwards, and theirs.
 *
 * Threads  All functions: the thread that opened.
 */
#ifndef SY_BENCH_PERF_COUNTERS_H
#define SY_BENCH_PERF_COUNTERS_H

#include <stdint.h>

#define SY_PERF_WHY_BYTES 160

enum sy_perf_counter {
    SY_PERF_INSTRUCTIONS_USER,
    SY_PERF_INSTRUCTIONS_KERNEL,
    SY_PERF_CYCLES_USER,
    SY_PERF_CYCLES_KERNEL,
    SY_PERF_COUNTERS
};

struct sy_perf_counters {
    int fds[SY_PERF_COUNTERS];                     /* -1: not counted */
    char why[SY_PERF_COUNTERS][SY_PERF_WHY_BYTES]; /* then; else "" */
};

/* What was counted; negative: not counted, why says why. */
struct sy_perf_counts {
    int64_t value[SY_PERF_COUNTERS];
};

/*
 * Prepare to count; nothing is counted yet.
 *
 * Returns how many of the counters there are, 0 .. SY_PERF_COUNTERS. To be
 * closed in any case.
 */
int sy_perf_counters_open(struct sy_perf_counters *counters);

/* Count from 0, from now on. */
void sy_perf_counters_start(struct sy_perf_counters *counters);

/*
 * Stop and read. A counter that had to share its register with others was not
 * running all the time: it counts as not counted, because what it would be
 * scaled to is a guess.
 */
void sy_perf_counters_stop(struct sy_perf_counters *counters,
                           struct sy_perf_counts *counts);

void sy_perf_counters_close(struct sy_perf_counters *counters);

#endif
