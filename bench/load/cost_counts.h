/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost vector of an experiment: what one operation costs in things that can
 * be counted, which a busy machine does not change as it changes times. What
 * `switchyard cost` shows.
 *
 * There are three passes, each in a process of its own, because what one of
 * them counts the other two disturb. Each sets the experiment up, warms it up
 * with twice as many operations as are in flight, and then performs batches
 * that begin and end with nothing in flight.
 *
 * Threads  The calling thread; the passes make threads if the device does.
 * Errors   In the cost: status and reason of the whole, and why of each count.
 */
#ifndef SY_BENCH_COST_COUNTS_H
#define SY_BENCH_COST_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "experiment.h"

enum sy_cost_item {
    /* Under valgrind's callgrind, all threads. */
    SY_COST_INSTRUCTIONS, /* in user mode */
    SY_COST_SYSCALLS,     /* reading the clock is none, as outside valgrind */
    SY_COST_MALLOCS,      /* malloc and its relatives */

    /* Without valgrind, all threads, by the real clock. */
    SY_COST_KERNEL_SYSCALLS, /* as the kernel's tracepoint counts them */
    SY_COST_SWITCHES_VOLUNTARY,
    SY_COST_SWITCHES_INVOLUNTARY,
    SY_COST_FAULTS_MINOR,
    SY_COST_FAULTS_MAJOR,
    SY_COST_PMU_INSTRUCTIONS_USER,
    SY_COST_PMU_INSTRUCTIONS_KERNEL,
    SY_COST_PMU_CYCLES_USER,
    SY_COST_PMU_CYCLES_KERNEL,

    /* With many jobs paused at once. */
    SY_COST_RESIDENT_BYTES,

    SY_COST_ITEMS
};

#define SY_COST_WHY_BYTES 200

struct sy_cost_count {
    int64_t count; /* negative: not counted, why says why */
    uint64_t per;  /* so many operations; of SY_COST_RESIDENT_BYTES, jobs */
    char why[SY_COST_WHY_BYTES];
};

struct sy_cost {
    enum sy_outcome_status status;
    char reason[SY_OUTCOME_TEXT_BYTES]; /* "" if OK */
    unsigned jobs; /* in flight, as struct sy_outcome has it */
    struct sy_cost_count items[SY_COST_ITEMS];
};

/* Return an item's name in run files: "instructions". */
const char *sy_cost_item_name(enum sy_cost_item item);

/* Nothing counted, for the reason given. */
void sy_cost_clear(struct sy_cost *cost, const char *why);

/*
 * Count what needs no valgrind: SY_COST_KERNEL_SYSCALLS to
 * SY_COST_PMU_CYCLES_KERNEL. duration_ns, operations_max and warm_up_ns of the
 * experiment are not used here and below.
 *
 * @operations  to be counted, at least 1
 */
void sy_cost_count_native(const struct sy_experiment *exp, uint64_t operations,
                          struct sy_cost *cost);

/*
 * Measure what a paused job keeps in memory: SY_COST_RESIDENT_BYTES, the growth
 * of the process's resident memory from one job to many. Memory of the kernel
 * is not in it, nor what the load keeps of each operation. The device is not
 * the experiment's, but one that ends nothing before all have been started.
 *
 * @jobs  paused at once, 2 .. SY_JOBS_MAX
 */
void sy_cost_count_paused(const struct sy_experiment *exp, unsigned jobs,
                          struct sy_cost *cost);

/* Does this build know how to talk to callgrind? If not, why. */
int sy_cost_can_callgrind(const char **why);

/*
 * To be called in a process that runs under callgrind with
 * --instr-atstart=no: perform a batch and one of twice the size, and let
 * callgrind write a file after each. Sets status and reason only.
 */
void sy_cost_run_callgrind(const struct sy_experiment *exp, uint64_t operations,
                           struct sy_cost *cost);

/*
 * Set SY_COST_INSTRUCTIONS to SY_COST_MALLOCS from these files: what the
 * larger batch has more than the other, which takes out what surrounds each; of
 * the mallocs those of the larger one.
 */
void sy_cost_read_callgrind(const char *first, const char *second,
                            uint64_t operations, struct sy_cost *cost);

#endif
