/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard help: what there is, for people, and as JSON for the manual page
   and for tools. */
#include <jansson.h>
#include <string.h>

#include "../bench/load/json_values.h"
#include "command.h"
#include "options.h"
#include "print_json.h"

#define RANGE_BYTES 128
#define LINE_WIDTH  78

struct help_options {
    int json;
};

static const struct option help_options[] = {
    {.name = "json",
     .help = "one JSON object with every option of every subcommand",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct help_options, json)},
    {.name = NULL},
};

static const char description[] =
    "Compares ways of pausing and resuming jobs (switchers) and ways of waking "
    "them (engines) on this machine.";

static const struct {
    enum cli_exit code;
    const char *meaning;
} exits[] = {
    {CLI_OK, "ok"},
    {CLI_VERDICT, "a verdict failed"},
    {CLI_USAGE, "usage"},
    {CLI_ENVIRONMENT, "environment"},
    {CLI_INCOMPLETE, "incomplete or nothing matched"},
    {CLI_INTERRUPTED, "interrupted (what was measured is saved)"},
};

#define EXITS_COUNT (sizeof(exits) / sizeof(exits[0]))

/* Print words, and go to the next line where one would not fit. Returns the
   column. */
static size_t print_wrapped(FILE *to, size_t column, const char *words)
{
    while (*words != '\0') {
        size_t n = strcspn(words, " ");

        if (column != 0 && column + 1 + n > LINE_WIDTH) {
            fputc('\n', to);
            column = 0;
        }
        column += (size_t)fprintf(to, "%s%.*s", column != 0 ? " " : "", (int)n,
                                  words);
        words += n + strspn(words + n, " ");
    }
    return column;
}

void print_help(FILE *to)
{
    size_t i, column;

    fputs("usage: switchyard SUBCOMMAND [options]\n\n", to);
    print_wrapped(to, 0, description);
    fputs("\n\n", to);
    for (i = 0; commands[i] != NULL; i++)
        fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n'switchyard SUBCOMMAND --help' lists the options of each.\n", to);
    column = print_wrapped(to, 0, "Exit:");
    for (i = 0; i < EXITS_COUNT; i++) {
        char words[128];

        snprintf(words, sizeof(words), "%d %s%s", (int)exits[i].code,
                 exits[i].meaning, i + 1 < EXITS_COUNT ? "," : ".");
        column = print_wrapped(to, column, words);
    }
    fputc('\n', to);
}

/* ---- as JSON ------------------------------------------------------------ */

static json_t *option_to_json(const struct option *o)
{
    json_t *choices = json_array();
    char range[RANGE_BYTES];

    for (size_t i = 0; o->choices != NULL && o->choices[i] != NULL; i++)
        json_array_append_new(choices, json_string(o->choices[i]));
    return json_pack(
        "{s:s, s:o, s:o, s:s, s:o, s:o}", "name", o->name, "argument",
        sy__json_text(o->argument), "default",
        o->kind == OPTION_FLAG ? json_null() : sy__json_text(o->standard),
        "help", o->help, "accepted",
        sy__json_text(options_describe_range(o, range, sizeof(range))),
        "choices", choices);
}

static json_t *command_to_json(const struct command *command)
{
    json_t *options = json_array(), *modes = json_array();

    for (const struct option *o = command->options; o->name != NULL; o++)
        json_array_append_new(options, option_to_json(o));
    for (size_t i = 0; command->modes != NULL && command->modes[i] != NULL; i++)
        json_array_append_new(modes, command_to_json(command->modes[i]));
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", command->name,
                     "summary", command->summary, "operands",
                     sy__json_text(command->operands), "options", options,
                     "notes", sy__json_text(command->notes), "modes", modes);
}

/* Of one subcommand, or of all of them. */
static json_t *help_to_json(const struct command *only)
{
    json_t *list = json_array(), *codes = json_array();
    size_t i;

    if (only != NULL)
        json_array_append_new(list, command_to_json(only));
    for (i = 0; only == NULL && commands[i] != NULL; i++)
        json_array_append_new(list, command_to_json(commands[i]));
    for (i = 0; i < EXITS_COUNT; i++)
        json_array_append_new(codes, json_pack("{s:i, s:s}", "code",
                                               (int)exits[i].code, "meaning",
                                               exits[i].meaning));
    return json_pack("{s:s, s:s, s:o, s:o}", "schema", "switchyard-help/1",
                     "description", description, "commands", list, "exit",
                     codes);
}

static int run_help(const struct command *self, int argc, char **argv)
{
    const struct command *command = NULL;
    struct help_options options = {0};
    struct option_texts operands;
    int status;

    status = options_parse(self, argc, argv, &options, &operands);
    if (status != -1)
        return status;
    if (operands.count > 1) {
        say("help takes one subcommand, not also '%s'", operands.item[1]);
        return CLI_USAGE;
    }
    if (operands.count == 1) {
        command = find_command(operands.item[0]);
        if (command == NULL)
            return CLI_USAGE;
    }
    if (options.json)
        return print_json(help_to_json(command));
    if (command != NULL)
        options_print_help(command);
    else
        print_help(stdout);
    return CLI_OK;
}

const struct command help_command = {
    .name = "help",
    .summary = "Print what there is, or the help of one subcommand",
    .operands = "[SUBCOMMAND]",
    .options = help_options,
    .run = run_help,
};
