/* SPDX-License-Identifier: Apache-2.0 */
/* How every command that measures begins and ends its run file. */
#ifndef SWITCHYARD_CLI_RUN_OUTPUT_H
#define SWITCHYARD_CLI_RUN_OUTPUT_H

#include <stdint.h>

#include "../bench/load/run_file.h"

/*
 * Begin a run file. Says why it could not.
 *
 * @folder      what --out says
 * @subcommand  its name
 * @info        the words behind that are argc and argv; suite may be NULL
 *
 * Returns -1 to go on, or CLI_ENVIRONMENT.
 */
int run_output_begin(struct sy_run_file **file, const char *folder,
                     const char *subcommand, const struct sy_run_info *info);

/*
 * End a run file: what was measured stays, whatever ended the measuring. Says
 * what could not be written.
 *
 * @file      set to NULL
 * @status    what measuring ended with: -1 to go on, or an exit code
 * @measured  how many results there are; with none after a failure, nothing is
 *            left of the file
 * @path      set to the name of the file, "" if there is none; room for
 *            SY_RUN_PATH_BYTES
 *
 * Returns the status, or CLI_ENVIRONMENT if the file could not be ended.
 */
int run_output_end(struct sy_run_file **file, int status, uint64_t measured,
                   char *path);

/*
 * Say what became of it.
 *
 * @done  "measured", or whatever was done
 *
 * Returns the exit code of the command, from the status.
 */
int run_output_say(int status, const char *path, const char *done);

#endif
