/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a program for `switchyard dose`: its time, its CPU time, how it
 * ended, and what the drop-in counted in it.
 *
 * It runs in a process group of its own, with nothing to read and with its
 * output thrown away, and is ended with all of its group when it takes too
 * long.
 */
#ifndef SWITCHYARD_CLI_PROGRAM_RUN_H
#define SWITCHYARD_CLI_PROGRAM_RUN_H

#include <signal.h>
#include <stdint.h>

#include "exec_report.h"

enum program_end {
    PROGRAM_OK = 0,      /* it returned 0 */
    PROGRAM_FAILED,      /* another status, or a signal */
    PROGRAM_TIMEOUT,     /* it was ended */
    PROGRAM_INTERRUPTED, /* so were we: no result */
};

struct program_run {
    const char *path; /* what is executed */
    char **words;     /* its argv; ends with NULL */
    const char *dose; /* for SWITCHYARD_DOSE; NULL: none */
    uint64_t timeout_ns;
    const volatile sig_atomic_t *interrupted;

    /* Set by the run. */
    enum program_end end;
    char reason[256];    /* "" if PROGRAM_OK */
    uint64_t elapsed_ns; /* from fork to end */
    uint64_t cpu_ns;     /* with children that it has waited for */
    int exit_status;     /* -1: by a signal */
    int signal;          /* 0: none */
    struct exec_report report;
};

/* Run it. LD_PRELOAD is set already. Returns 0, or -errno: it could not be
   started. */
int program_run(struct program_run *run);

#endif
