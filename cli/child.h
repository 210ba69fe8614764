/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other subcommands of this command, each in a process of its own.
 */
#ifndef SWITCHYARD_CLI_CHILD_H
#define SWITCHYARD_CLI_CHILD_H

#include <stddef.h>

/*
 * Run a subcommand of the same executable, and wait for it. It writes to our
 * standard output and error. When SIGINT or SIGTERM comes to us, it gets a
 * SIGINT once, and is waited for: it saves what it has measured. Call
 * catch_interrupts() before.
 *
 * @words     the subcommand and its arguments; ends with NULL
 * @is_quiet  its standard output is not wanted
 *
 * Returns its exit code, or CLI_ENVIRONMENT after it said what is wrong.
 */
int child_run(const char *const *words, int is_quiet);

/* Print the command line as one would type it, on standard output. */
void child_print(const char *const *words);

#endif
