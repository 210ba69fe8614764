/* SPDX-License-Identifier: Apache-2.0 */
/* What other programs did on this machine while something was measured. */
#ifndef SWITCHYARD_CLI_MACHINE_LOAD_H
#define SWITCHYARD_CLI_MACHINE_LOAD_H

#include <stddef.h>
#include <stdint.h>

/* A reading; members that could not be read are negative. */
struct machine_load {
    double average; /* load average of the last minute */
    double busy_s;  /* CPU time of everything, all CPUs, since boot */
    double own_s;   /* of it, this process and its children that ended */
    double at_s;    /* when */
    double cpus;
};

void machine_load_read(struct machine_load *load);

/*
 * Write a sentence that says how busy the machine was with other programs
 * between two readings, "" if it was not, or if that is not known.
 *
 * Returns buf.
 */
const char *machine_load_describe(const struct machine_load *before,
                                  const struct machine_load *after, char *buf,
                                  size_t bytes);

#endif
