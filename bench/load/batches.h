/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: an experiment that is set up once and then measured again and
 * again, a given number of operations at a time. What `switchyard compare`
 * takes in turns from several candidates in one process.
 *
 * A batch begins and ends with nothing in flight, so that every cost of its
 * operations, and none of others, is in its figures. Before it a few
 * operations run that are not counted (a lead-in), because another candidate
 * has used the caches and the branch predictors meanwhile.
 *
 * Threads  Each experiment has a thread of its own, which sleeps between its
 *          batches. The functions here are called from one other thread.
 * Errors   0 or -errno; the outcome says in words what went wrong.
 */
#ifndef SY_BENCH_BATCHES_H
#define SY_BENCH_BATCHES_H

#include <stdint.h>

#include "experiment.h"

struct sy_batches;

/* What one batch measured. Between its readings nothing else of the process
   runs but the experiment and its device. */
struct sy_batch {
    uint64_t operations;
    uint64_t elapsed_ns;           /* first start to last end; 0: the clock was
                                      set back meanwhile */
    uint64_t cpu_ns;               /* of the process */
    uint64_t thread_cpu_ns;        /* of the experiment's thread alone */
    uint64_t switches_voluntary;   /* of the process, as what follows */
    uint64_t switches_involuntary; /* somebody else was given the CPU */
    uint64_t faults_minor;
    uint64_t faults_major;
    uint64_t steal_ns;   /* of the machine: time that the hypervisor gave to
                            others, in clock ticks of the kernel */
    uint64_t waited_ns;  /* of the thread: ready, and not on a CPU */
    uint64_t migrations; /* of the thread, from one CPU to another */
    uint64_t verified;   /* results, after the batch, and found right */
    uint32_t cpu;        /* where the thread was when it ended */
};

/*
 * Set an experiment up and warm it up: twice as many operations as are in
 * flight. duration_ns, operations_max and warm_up_ns of the experiment are
 * not used. Its virtual_clock must be false.
 *
 * @out           set to the handle if outcome->status is OK, else to NULL
 * @exp           borrowed until close; parts that are in the library's tables
 *                are used from the copy of the library that this function is
 *                in, whichever copy they came from
 * @stack_offset  bytes by which the stack of the thread begins lower than
 *                usual, 0 .. 65536
 * @cpu           where the thread runs from its first operation on, while
 *                threads that the device has made run everywhere else; -1, or
 *                where this process may not: as the kernel likes
 * @outcome       written on every path; its status and reason count
 *
 * Returns 0 or -errno; not to be done here (SY_OUTCOME_SKIPPED) is 0 too.
 */
int sy_batches_open(struct sy_batches **out, const struct sy_experiment *exp,
                    size_t stack_offset, int cpu, struct sy_outcome *outcome);

/*
 * Measure a batch.
 *
 * @operations  at least 1
 * @batch       written on success
 *
 * Returns 0, or -ECANCELED: the experiment has failed, close tells how.
 */
int sy_batches_run(struct sy_batches *b, uint64_t operations,
                   struct sy_batch *batch);

/*
 * End the experiment and free the handle.
 *
 * @b        set to NULL; NULL is allowed
 * @outcome  status and reason of the whole; may be NULL
 */
void sy_batches_close(struct sy_batches **b, struct sy_outcome *outcome);

/* Return the experiment with the parts that it really uses, until close. */
const struct sy_experiment *sy_batches_experiment(const struct sy_batches *b);

/*
 * The functions above. A program may hold all of this twice, the second time
 * with another name for this table and no other name in common: then the same
 * experiment can be run by code at two addresses.
 */
struct sy_batches_calls {
    int (*open)(struct sy_batches **out, const struct sy_experiment *exp,
                size_t stack_offset, int cpu, struct sy_outcome *outcome);
    int (*run)(struct sy_batches *b, uint64_t operations,
               struct sy_batch *batch);
    void (*close)(struct sy_batches **b, struct sy_outcome *outcome);
    const struct sy_experiment *(*experiment)(const struct sy_batches *b);
};

extern const struct sy_batches_calls sy_batches_calls;

#endif
