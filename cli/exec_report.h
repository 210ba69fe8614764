/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the OpenSSL drop-in tells of itself, line by line, into the file that
 * SWITCHYARD_EXEC_REPORT names:
 *
 *     PID PROGRAM loaded
 *     PID PROGRAM stands-down:WHY
 *     PID exit jobs=N pauses=N
 *     PID dose switches=N wakes=N switch-ps=N   (with SWITCHYARD_DOSE)
 */
#ifndef SWITCHYARD_CLI_EXEC_REPORT_H
#define SWITCHYARD_CLI_EXEC_REPORT_H

#include <stdint.h>

struct exec_report {
    unsigned loaded;       /* processes that it was loaded into */
    unsigned stands_down;  /* those that use OpenSSL's own jobs all the same */
    unsigned exits;        /* those that told their counts */
    uint64_t jobs, pauses; /* of them */
    uint64_t switches, wakes; /* that doses were given to */
    uint64_t switch_ps;       /* what one switch costs at least; 0: not known */
    char why[256];            /* the first of them that stands down gives */
};

/* Make the file. Returns a descriptor that is closed on exec, or -errno. */
int exec_report_open(void);

/*
 * Name that file as processes started by this one can open it: as a descriptor
 * of this process, for they may close theirs and count on the number's being
 * free.
 */
void exec_report_path(int fd, char *path, unsigned bytes);

/* Read all that was told so far. */
void exec_report_read(int fd, struct exec_report *report);

#endif
