/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the system calls of all threads of this process, with the kernel's
 * tracepoint raw_syscalls:sys_enter. Internal to bench/load.
 *
 * While a counter is open every system call on the machine takes a longer way
 * through the kernel, so it must not be open while times are measured.
 */
#ifndef SY_BENCH_SYSCALL_COUNTER_H
#define SY_BENCH_SYSCALL_COUNTER_H

#include <stddef.h>
#include <stdint.h>

/* Most threads that are counted; above that, open says so. */
#define SY__COUNTED_THREADS_MAX 256

struct sy__syscall_counter {
    int fds[SY__COUNTED_THREADS_MAX];
    unsigned count;
};

/*
 * Prepare to count the calls of the present threads and of those that they
 * make. It takes a while: operations in flight finish meanwhile. Returns 0, or
 * -errno with the reason in why and nothing left behind.
 */
int sy__syscall_counter_open(struct sy__syscall_counter *counter, char *why,
                             size_t why_bytes);

/* Begin to count. Returns 0, or -errno with the reason in why; to be closed in
   either case. */
int sy__syscall_counter_start(struct sy__syscall_counter *counter, char *why,
                              size_t why_bytes);

/* Stop, and return how many there were since the start; -1 if they could not
   be read. */
int64_t sy__syscall_counter_close(struct sy__syscall_counter *counter);

#endif
