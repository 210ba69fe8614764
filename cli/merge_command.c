/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard merge: one file of the shards of a run. */
#include <limits.h>
#include <stddef.h>

#include "analysis.h"
#include "command.h"
#include "options.h"

/* As many as fit on the analysis' command line. */
#define RUNS_MAX 48

struct merge_options {
    const char *out;
};

static const struct option merge_options_table[] = {
    {.name = "out",
     .argument = "DIR",
     .letter = 'o',
     .help = "folder for run files; default: beside the shards",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct merge_options, out)},
    {.name = NULL},
};

static int run_merge(const struct command *self, int argc, char **argv)
{
    const char *arguments[RUNS_MAX + 4];
    char out[PATH_MAX + sizeof("--out=")];
    struct merge_options options = {.out = NULL};
    struct option_texts runs = {.count = 0};
    size_t count = 0, i;
    int status;

    status = options_parse(self, argc, argv, &options, &runs);
    if (status != -1)
        return status;
    if (runs.count == 0 || runs.count > RUNS_MAX) {
        say("merge takes 1 .. %d runs, not %zu: folders or files", RUNS_MAX,
            runs.count);
        return CLI_USAGE;
    }
    arguments[count++] = "merge";
    if (options.out != NULL) {
        if (snprintf(out, sizeof(out), "--out=%s", options.out) >=
            (int)sizeof(out)) {
            say("--out: longer than %d bytes", PATH_MAX);
            return CLI_USAGE;
        }
        arguments[count++] = out;
    }
    arguments[count++] = "--";
    for (i = 0; i < runs.count; i++)
        arguments[count++] = runs.item[i];
    arguments[count] = NULL;
    return analysis_run(arguments);
}

const struct command merge_command = {
    .name = "merge",
    .summary = "Join the shards of a run into one run file",
    .operands = "RUN...",
    .options = merge_options_table,
    .notes =
        "A RUN is a run's folder (runs/NAME), or a file. Shards are made by\n"
        "'switchyard run --shard I/N' and 'switchyard compare --shard I/N'.\n"
        "What is missing, damaged or incomplete is named and left out; the "
        "rest is\nmerged, and the exit code is 4, or 2 where a file was "
        "damaged. Results of\ndifferent machines are never merged.\n",
    .run = run_merge,
};
