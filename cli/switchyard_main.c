/* SPDX-License-Identifier: Apache-2.0 */
/* The switchyard command: finds the subcommand in a table and runs it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "suggest.h"

const struct command *const commands[] = {
#define SY_COMMAND(id) &id##_command,
#include "command_list.h"
#undef SY_COMMAND
    NULL,
};

const struct command *find_command(const char *name)
{
    struct suggestion s;
    size_t i;

    suggest_begin(&s, name);
    for (i = 0; commands[i] != NULL; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
        suggest_offer(&s, commands[i]->name);
    }
    suggest_say(&s, name[0] == '-' ? "option" : "subcommand");
    say("'switchyard help' lists the subcommands");
    return NULL;
}

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
