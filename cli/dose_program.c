/* SPDX-License-Identifier: Apache-2.0 */
#include "dose_program.h"

#include "command.h"

int dose_program_run(const struct command *self, int argc, char **argv,
                     int count, char **words)
{
    (void)self;
    (void)argc;
    (void)argv;
    (void)count;
    (void)words;
    say("which program?");
    return CLI_USAGE;
}
