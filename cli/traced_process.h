/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiments in a program that is linked with libswitchyard-traced:
 * switchyard-traced, which is this command once more and stands beside it.
 *
 *   switchyard phases ...                 a command: plans, measures, prints
 *     switchyard-traced phases --worker FD ...
 *                                         the worker: makes the same plan from
 *                                         the same arguments, and performs the
 *                                         one experiment that the shared memory
 *                                         behind the descriptor names
 */
#ifndef SWITCHYARD_CLI_TRACED_PROCESS_H
#define SWITCHYARD_CLI_TRACED_PROCESS_H

#include <signal.h>
#include <stdint.h>

#include "../bench/load/experiment.h"
#include "plan.h"

/* How a worker is called. */
#define TRACED_WORKER_OPTION "--worker"

struct traced_share {
    uint64_t magic; /* of both programs, which must be of one build */
    uint64_t bytes;
    uint64_t entry; /* of the plan */
    uint64_t count; /* of entries in it */
    uint64_t duration_ns, operations_max;
    uint64_t seed;
    uint64_t is_done;
    struct sy_outcome outcome;
    struct sy_traced_window window; /* events follow */
};

/* What a command keeps about its workers. */
struct traced_process {
    char exe[4096];
    const char *subcommand;
    int argc; /* behind the subcommand */
    char **argv;
    struct traced_share *share;
    int fd;
};

/*
 * Find switchyard-traced, and make the shared memory.
 *
 * Returns -1 to go on, else the exit code; what is wrong has been said then.
 * traced_process_close() is right in both cases.
 */
int traced_process_open(struct traced_process *p, uint32_t events_max);
void traced_process_close(struct traced_process *p);

/*
 * Perform an experiment of the plan, and wait for it. Its outcome and its
 * window are in p->share then; seed and times of exp are used.
 *
 * Returns 0 or -errno.
 */
int traced_process_run(struct traced_process *p, const struct plan *plan,
                       size_t entry, const struct sy_experiment *exp);

/* Is this a call of a worker? */
int traced_worker_is_meant(int argc, char **argv);

/* The worker: attach to what is behind a descriptor; NULL, having said why, if
   it is nothing of ours. */
struct traced_share *traced_worker_open(const char *fd_text);

/* Perform the experiment. Returns an exit code. */
int traced_worker_run(struct traced_share *share, const struct plan *plan,
                      const volatile sig_atomic_t *interrupt);

#endif
