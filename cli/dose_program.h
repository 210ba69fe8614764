/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doses for a program that somebody else wrote: it runs with the OpenSSL
 * drop-in, at each dose once in each block. A run is one process and one
 * sample.
 */
#ifndef SWITCHYARD_CLI_DOSE_PROGRAM_H
#define SWITCHYARD_CLI_DOSE_PROGRAM_H

struct command;

/* Fewer blocks give no interval. */
#define DOSE_BLOCKS_MIN 4
#define DOSE_BLOCKS_MAX 10000

/*
 * Carry it out.
 *
 * @argc, @argv    what stood in front of "--"
 * @words, @count  the program and its arguments
 *
 * Returns an exit code.
 */
int dose_program_run(const struct command *self, int argc, char **argv,
                     int count, char **words);

#endif
