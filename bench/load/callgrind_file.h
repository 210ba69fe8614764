/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What valgrind's callgrind writes, as far as it is of use here: totals, and
 * how often some functions were called. Internal to bench/load.
 */
#ifndef SY_BENCH_CALLGRIND_FILE_H
#define SY_BENCH_CALLGRIND_FILE_H

#include <stddef.h>
#include <stdint.h>

struct sy__callgrind_counts {
    uint64_t instructions; /* user mode, all threads */
    uint64_t syscalls;     /* but those that only read a clock */
    uint64_t mallocs;      /* calls of malloc, calloc, realloc and relatives */
};

/*
 * Read a file that was written with --collect-systime=nsec.
 *
 * Returns 0, or -EBADMSG (not such a file) or another -errno, with the reason
 * in why.
 */
int sy__callgrind_read(const char *path, struct sy__callgrind_counts *counts,
                       char *why, size_t why_bytes);

#endif
