/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard export: the histograms of run files, for other tools. */
#include <limits.h>
#include <stddef.h>
#include <stdio.h>

#include "analysis.h"
#include "command.h"
#include "options.h"

struct export_options {
    const char *format;
    const char *out;
};

static const char *const formats[] = {"hdr", "csv", "json", NULL};

static const struct option export_options_table[] = {
    {.name = "format",
     .argument = "FORMAT",
     .standard = "hdr",
     .help = "a log of HdrHistogram, a table or an object",
     .kind = OPTION_CHOICE,
     .choices = formats,
     .offset = offsetof(struct export_options, format)},
    {.name = "out",
     .letter = 'o',
     .argument = "FILE",
     .help = "where to write it, instead of standard output",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct export_options, out)},
    {.name = NULL},
};

static int run_export(const struct command *self, int argc, char **argv)
{
    const char *arguments[OPTION_ITEMS_MAX / 2 + 8];
    char out[PATH_MAX + sizeof("--out=")];
    struct export_options options = {.format = formats[0]};
    struct option_texts files = {.count = 0};
    size_t count = 0, i;
    int status;

    status = options_parse(self, argc, argv, &options, &files);
    if (status != -1)
        return status;
    if (files.count == 0 || files.count > OPTION_ITEMS_MAX / 2) {
        say("export takes 1 .. %d runs, not %zu", OPTION_ITEMS_MAX / 2,
            files.count);
        return CLI_USAGE;
    }
    arguments[count++] = "export";
    arguments[count++] = "--format";
    arguments[count++] = options.format;
    if (options.out != NULL) {
        if ((size_t)snprintf(out, sizeof(out), "--out=%s", options.out) >=
            sizeof(out)) {
            say("--out: the path is longer than %d bytes", PATH_MAX - 1);
            return CLI_USAGE;
        }
        arguments[count++] = out;
    }
    arguments[count++] = "--";
    for (i = 0; i < files.count; i++)
        arguments[count++] = files.item[i];
    arguments[count] = NULL;
    return analysis_run(arguments);
}

const struct command export_command = {
    .name = "export",
    .summary = "Write the histograms of run files for other tools",
    .operands = "RUN...",
    .options = export_options_table,
    .notes = "A RUN is a run file, or a folder with run files below it. Each "
             "histogram has a\ntag: the record's name, what tells it from "
             "others of that name, and the member.\nNothing is rounded, and "
             "nothing is written unless every file is whole.\n"
             "docs/run-files.md describes the formats.\n",
    .run = run_export,
};
