/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard report: what runs show, as a page or a text. */
#include <limits.h>
#include <stddef.h>
#include <stdio.h>

#include "analysis.h"
#include "command.h"
#include "options.h"

/* As many as fit on the analysis' command line. */
#define RUNS_MAX 44

struct report_options {
    const char *format;
    const char *out;
    const char *figures;
    const char *fail_on;
    int changes;
};

static const char *const formats[] = {"html", "text", "md",
                                      "json", "csv",  NULL};

static const struct option report_options_table[] = {
    {.name = "out",
     .letter = 'o',
     .argument = "FILE",
     .help = "where to write it, instead of standard output",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct report_options, out)},
    {.name = "format",
     .argument = "FORMAT",
     .help = "default: html with --out, else text",
     .kind = OPTION_CHOICE,
     .choices = formats,
     .offset = offsetof(struct report_options, format)},
    {.name = "figures",
     .argument = "DIR",
     .help = "write each chart there too, as SVG, PDF and CSV",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct report_options, figures)},
    {.name = "changes",
     .help = "of two RUNs: what changed from the first to the second",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct report_options, changes)},
    {.name = "fail-on",
     .argument = "regression:N%",
     .help = "likewise; exit 1 if something is worse by more than that",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct report_options, fail_on)},
    {.name = NULL},
};

/* The options of the analysis that take a text, and where each is kept. */
#define TEXTS      4
#define WORD_BYTES (PATH_MAX + 16)

/* Add "--name=text" to the arguments. Returns 0, or an exit code. */
static int add_text(const char **arguments, size_t *count, char *word,
                    const char *name, const char *text)
{
    if (text == NULL)
        return 0;
    if (snprintf(word, WORD_BYTES, "--%s=%s", name, text) >= WORD_BYTES) {
        say("--%s: longer than %d bytes", name, PATH_MAX);
        return CLI_USAGE;
    }
    arguments[(*count)++] = word;
    return 0;
}

static int run_report(const struct command *self, int argc, char **argv)
{
    const char *arguments[RUNS_MAX + TEXTS + 4];
    char words[TEXTS][WORD_BYTES];
    struct report_options options = {.format = NULL};
    struct option_texts runs = {.count = 0};
    size_t count = 0, i;
    int status;

    status = options_parse(self, argc, argv, &options, &runs);
    if (status != -1)
        return status;
    if (runs.count == 0 || runs.count > RUNS_MAX) {
        say("report takes 1 .. %d runs, not %zu: folders or files", RUNS_MAX,
            runs.count);
        return CLI_USAGE;
    }
    if ((options.changes || options.fail_on != NULL) && runs.count != 2) {
        say("%s takes two runs, before and after, not %zu",
            options.changes ? "--changes" : "--fail-on", runs.count);
        return CLI_USAGE;
    }
    arguments[count++] = "report";
    status = add_text(arguments, &count, words[0], "format", options.format);
    if (status == 0)
        status = add_text(arguments, &count, words[1], "out", options.out);
    if (status == 0)
        status =
            add_text(arguments, &count, words[2], "figures", options.figures);
    if (status == 0)
        status =
            add_text(arguments, &count, words[3], "fail-on", options.fail_on);
    if (status != 0)
        return status;
    if (options.changes)
        arguments[count++] = "--changes";
    arguments[count++] = "--";
    for (i = 0; i < runs.count; i++)
        arguments[count++] = runs.item[i];
    arguments[count] = NULL;
    return analysis_run(arguments);
}

const struct command report_command = {
    .name = "report",
    .summary = "Show what runs found: one page, or a text",
    .operands = "RUN...",
    .options = report_options_table,
    .notes =
        "A RUN is a run's folder (runs/NAME), or a file, of any command that\n"
        "measures; all of one machine. The page needs neither a network nor\n"
        "scripts. With --fail-on the two RUNs may be of different machines or\n"
        "builds, and the report says so. Only what an interval supports is\n"
        "called a regression. docs/report.md says how to read a report.\n",
    .run = run_report,
};
