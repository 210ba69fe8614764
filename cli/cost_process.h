/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of `switchyard cost`: each pass over an experiment runs in a
 * process of its own, which is this command again, under valgrind or not. Plans
 * are made alike from the same arguments, so an experiment is named by its
 * number.
 */
#ifndef SWITCHYARD_CLI_COST_PROCESS_H
#define SWITCHYARD_CLI_COST_PROCESS_H

#include <limits.h>
#include <signal.h>
#include <stdint.h>

#include "../bench/load/cost_counts.h"

#define COST_WORKER_OPTION "--worker"

enum cost_pass { COST_CALLGRIND, COST_NATIVE, COST_PAUSED, COST_PASSES };

struct cost_launch {
    char exe[PATH_MAX];      /* of this command */
    char valgrind[PATH_MAX]; /* "" if callgrind cannot be used */
    const char *no_valgrind; /* why not; a constant */
    int argc;                /* what the user gave */
    char **argv;
    volatile sig_atomic_t *interrupted;
};

/* What a pass is to do. */
struct cost_task {
    enum cost_pass pass;
    uint32_t entry; /* of the plan */
    uint64_t operations;
    uint32_t paused_jobs;
};

/* Find this command and valgrind. Returns -1 to go on, else the exit code. */
int cost_launch_prepare(struct cost_launch *launch);

/*
 * Run a pass and wait for it.
 *
 * @cost  written on every path: what the pass sets, everything else cleared
 *
 * Returns 0, or -EINTR after an interrupt.
 */
int cost_process_run(const struct cost_launch *launch,
                     const struct cost_task *task, struct sy_cost *cost);

/*
 * In the new process: take the task from the descriptor that the argument
 * behind COST_WORKER_OPTION names, and later give back what came out.
 *
 * Returns 0 or -EINVAL.
 */
struct cost_share;
int cost_worker_open(const char *fd_text, struct cost_share **share,
                     struct cost_task *task);
void cost_worker_done(struct cost_share *share, const struct sy_cost *cost);

#endif
