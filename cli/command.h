/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the subcommands have in common: their table, their exit codes and how
 * they talk. Data goes to standard output, talk to standard error.
 */
#ifndef SWITCHYARD_CLI_COMMAND_H
#define SWITCHYARD_CLI_COMMAND_H

#include <stdio.h>
#include <switchyard/compiler.h>

enum cli_exit {
    CLI_OK = 0,
    CLI_VERDICT = 1,     /* wrong result, failed experiment, bad part */
    CLI_USAGE = 2,       /* the command line or a suite is wrong */
    CLI_ENVIRONMENT = 3, /* this machine cannot do it: files, memory, parts */
    CLI_INCOMPLETE = 4,  /* nothing matched, or something did not run */
    CLI_INTERRUPTED = 130,
};

struct command {
    const char *name;
    const char *summary;          /* one line, for help */
    const char *operands;         /* as shown in the usage line; "" if none */
    const struct option *options; /* options.h; ends with a NULL name */
    const char *notes;            /* printed below the options; may be NULL */

    /* Other tables of options under the same name, each called as one types
       it, "run --scenario tls"; ends with NULL; may be NULL. */
    const struct command *const *modes;

    /* argv[0] is the first argument behind the subcommand's name. Returns an
       enum cli_exit. */
    int (*run)(const struct command *self, int argc, char **argv);
};

#define SY_COMMAND(id) extern const struct command id##_command;
#include "command_list.h"
#undef SY_COMMAND

/* All of them, in the order of help; ends with NULL. */
extern const struct command *const commands[];

/* Return the subcommand of that name, or NULL after it said what is wrong. */
const struct command *find_command(const char *name);

/* Print what there is. */
void print_help(FILE *to);

/* How the command was called, for lines that are to be typed again. */
void set_program(const char *name);
const char *program(void);

/* Print a line "switchyard: ..." on standard error. */
void say(const char *format, ...) SY_PRINTF(1, 2);

/* Make what was said so far vanish: for a line that updates itself. Standard
   error must be a terminal. */
void say_over(const char *format, ...) SY_PRINTF(1, 2);

/* End the line that say_over() updates, if there is one. */
void say_over_end(void);

/* May colours and cursor movements be sent there? Not without a terminal, nor
   with NO_COLOR set to anything, nor on a dumb terminal. */
int stream_takes_colour(FILE *stream);

#endif
