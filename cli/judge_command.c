/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard judge: what follows from the run file of a comparison. */
#include <stddef.h>

#include "analysis.h"
#include "command.h"
#include "options.h"

struct judge_options {
    int json, incomplete;
};

static const struct option judge_options_table[] = {
    {.name = "json",
     .help = "the verdicts as one JSON object",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct judge_options, json)},
    {.name = "incomplete",
     .help = "of a file without an end, because the command was killed, judge "
             "the\n                              processes that are whole; "
             "nothing shows that they were not\n"
             "                              changed",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct judge_options, incomplete)},
    {.name = NULL},
};

static int run_judge(const struct command *self, int argc, char **argv)
{
    const char *arguments[OPTION_ITEMS_MAX / 2 + 5];
    struct judge_options options = {0};
    struct option_texts files = {.count = 0};
    size_t count = 0, i;
    int status;

    status = options_parse(self, argc, argv, &options, &files);
    if (status != -1)
        return status;
    if (files.count == 0 || files.count > OPTION_ITEMS_MAX / 2) {
        say("judge takes 1 .. %d run files, not %zu", OPTION_ITEMS_MAX / 2,
            files.count);
        return CLI_USAGE;
    }
    arguments[count++] = "compare";
    if (options.json)
        arguments[count++] = "--json";
    if (options.incomplete)
        arguments[count++] = "--incomplete";
    arguments[count++] = "--";
    for (i = 0; i < files.count; i++)
        arguments[count++] = files.item[i];
    arguments[count] = NULL;
    return analysis_run(arguments);
}

const struct command judge_command = {
    .name = "judge",
    .summary = "Say again what follows from the run file of a comparison",
    .operands = "FILE...",
    .options = judge_options_table,
    .notes =
        "Several files of one machine, build and set of candidates are judged "
        "together, as\none; others are refused. Files that are incomplete are "
        "left out, and the exit\ncode is 4 then.\n",
    .run = run_judge,
};
