/* SPDX-License-Identifier: Apache-2.0 */
/* The switchyard command: finds the subcommand in a table and runs it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "options.h"
#include "suggest.h"

static const struct option no_options[] = {{.name = NULL}};

static const struct command *const commands[] = {
#define SY_COMMAND(id) &id##_command,
#include "command_list.h"
#undef SY_COMMAND
};

#define COMMANDS_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *to)
{
    size_t i;

    fprintf(to, "usage: switchyard SUBCOMMAND [options]\n\n"
                "Compares ways of pausing and resuming jobs (switchers) and "
                "ways of waking\nthem (engines) on this machine.\n\n");
    for (i = 0; i < COMMANDS_COUNT; i++)
        fprintf(to, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\n'switchyard SUBCOMMAND --help' lists the options of each.\n"
                "Exit: 0 ok, 1 a verdict failed, 2 usage, 3 environment, "
                "4 incomplete or\nnothing matched, 130 interrupted (what was "
                "measured is saved).\n");
}

static const struct command *find_command(const char *name)
{
    struct suggestion s;
    size_t i;

    suggest_begin(&s, name);
    for (i = 0; i < COMMANDS_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
        suggest_offer(&s, commands[i]->name);
    }
    suggest_say(&s, name[0] == '-' ? "option" : "subcommand");
    say("'switchyard help' lists the subcommands");
    return NULL;
}

static int run_help(const struct command *self, int argc, char **argv)
{
    const struct command *command;
    struct option_texts operands;
    int status, nothing = 0;

    status = options_parse(self, argc, argv, &nothing, &operands);
    if (status != -1)
        return status;
    if (operands.count == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    if (operands.count > 1) {
        say("help takes one subcommand, not also '%s'", operands.item[1]);
        return CLI_USAGE;
    }
    command = find_command(operands.item[0]);
    if (command == NULL)
        return CLI_USAGE;
    options_print_help(command);
    return CLI_OK;
}

const struct command help_command = {
    .name = "help",
    .summary = "Print what there is, or the help of one subcommand",
    .operands = "[SUBCOMMAND]",
    .options = no_options,
    .run = run_help,
};

static int dispatch(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        command = &version_command;
    else
        command = find_command(argv[1]);
    if (command == NULL)
        return CLI_USAGE;
    return command->run(command, argc - 2, argv + 2);
}

int main(int argc, char **argv)
{
    int status;

    if (argc > 0 && argv[0][0] != '\0')
        set_program(argv[0]);
    status = dispatch(argc, argv);

    /* A result that did not reach its reader is no success. */
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        say("cannot write to standard output: %s",
            errno != 0 ? strerror(errno) : "an earlier write failed");
        if (status == CLI_OK)
            status = CLI_ENVIRONMENT;
    }
    return status;
}
