/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the processes of a comparison, one after the other. Each is this
 * command once more (fork and exec), with an environment of random size, which
 * moves its stack. The kernel's address randomisation is left on.
 */
#ifndef SWITCHYARD_CLI_COMPARE_PROCESS_H
#define SWITCHYARD_CLI_COMPARE_PROCESS_H

#include <signal.h>
#include <stdint.h>

#include "compare_share.h"

struct compare_process {
    const char *exe;        /* what is executed */
    const char *subcommand; /* with --worker: carries out what it shares */
    char **argv;            /* what stood behind the subcommand's name */
    int argc;
    uint64_t timeout_ns;
    const volatile sig_atomic_t *interrupted;

    /* Set by run. */
    unsigned environment_bytes; /* that were added */
    uint64_t elapsed_ns;        /* from fork to end */
    uint32_t batches;           /* that are complete */
    enum compare_end end;
    char reason[SY_OUTCOME_TEXT_BYTES]; /* "" if end is COMPARE_DONE */
    int32_t culprit;                    /* candidate, -1 if not known */
};

/*
 * Make shared memory for orders. The caller fills them in.
 *
 * @fd  set to its descriptor, -1 on failure
 *
 * Returns the memory, or NULL.
 */
struct compare_share *compare_share_make(uint32_t rounds, uint32_t count,
                                         int *fd);

void compare_share_free(struct compare_share *share, int fd);

/*
 * Run one process and wait for it. Returns 0 or -errno: no process.
 */
int compare_process_run(struct compare_process *p, struct compare_share *share,
                        int fd);

#endif
