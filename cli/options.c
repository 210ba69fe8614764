/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/clock.h>
#include <unistd.h>

#include "command.h"
#include "suggest.h"

#define RANGE_BYTES 128

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first: format_duration() takes the first that divides. */
static const struct unit duration_units[] = {
    {"h", 3600 * SY_NS_PER_S},
    {"min", 60 * SY_NS_PER_S},
    {"s", SY_NS_PER_S},
    {"ms", SY_NS_PER_MS},
    {"us", SY_NS_PER_US},
    {"ns", 1},
    {NULL, 0},
};

static const struct unit byte_units[] = {
    {"G", 1024 * 1024 * 1024},
    {"M", 1024 * 1024},
    {"K", 1024},
    {"", 1},
    {NULL, 0},
};

/* As devices read their counts. */
static const struct unit count_units[] = {
    {"M", 1024 * 1024},
    {"K", 1024},
    {"", 1},
    {NULL, 0},
};

/* ---- reading values ----------------------------------------------------- */

static const struct unit *find_unit(const struct unit *units, const char *text,
                                    size_t bytes)
{
    for (; units->name != NULL; units++)
        if (strlen(units->name) == bytes &&
            memcmp(units->name, text, bytes) == 0)
            return units;
    return NULL;
}

/* Digits and a unit, and nothing else. Returns 0 or -EINVAL. */
static int read_quantity(const char *text, size_t bytes,
                         const struct unit *units, uint64_t *out)
{
    const struct unit *unit;
    uint64_t value = 0;
    size_t i;

    *out = 0;
    for (i = 0; i < bytes && text[i] >= '0' && text[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return -EINVAL;
        value = value * 10 + digit;
    }
    if (i == 0)
        return -EINVAL;
    unit = find_unit(units, text + i, bytes - i);
    if (unit == NULL || value > UINT64_MAX / unit->factor)
        return -EINVAL;
    *out = value * unit->factor;
    return 0;
}

const char *format_duration(char *buf, size_t bytes, uint64_t ns)
{
    const struct unit *unit = duration_units;

    while (unit->factor > 1 && (ns == 0 || ns % unit->factor != 0))
        unit++;
    snprintf(buf, bytes, "%" PRIu64 "%s", ns / unit->factor, unit->name);
    return buf;
}

const char *format_rough_time(char *buf, size_t bytes, double seconds)
{
    unsigned long s = (unsigned long)(seconds + 0.5);

    if (s <= 120)
        snprintf(buf, bytes, "%lu s", s);
    else if (s < 3600)
        snprintf(buf, bytes, "%lu min %lu s", s / 60, s % 60);
    else
        snprintf(buf, bytes, "%lu h %lu min", s / 3600, s % 3600 / 60);
    return buf;
}

const char *options_describe_range(const struct option *o, char *buf,
                                   size_t bytes)
{
    char low[32], high[32];
    size_t used = 0, i;

    switch (o->kind) {
    case OPTION_NUMBER:
    case OPTION_NUMBERS:
        snprintf(buf, bytes, "%s%" PRIu64 " .. %" PRIu64,
                 o->kind == OPTION_NUMBERS ? "each " : "", o->min, o->max);
        break;
    case OPTION_BYTES:
        snprintf(buf, bytes, "%" PRIu64 " .. %" PRIu64 " bytes", o->min,
                 o->max);
        if (o->whole_pages) {
            used = strlen(buf);
            snprintf(buf + used, bytes - used, ", a multiple of %ld",
                     sysconf(_SC_PAGESIZE));
        }
        break;
    case OPTION_DURATION:
        snprintf(buf, bytes, "%s .. %s",
                 format_duration(low, sizeof(low), o->min),
                 format_duration(high, sizeof(high), o->max));
        break;
    case OPTION_CHOICE:
        buf[0] = '\0';
        for (i = 0; o->choices[i] != NULL && used < bytes; i++) {
            snprintf(buf + used, bytes - used, "%s%s", i != 0 ? ", " : "",
                     o->choices[i]);
            used = strlen(buf);
        }
        break;
    case OPTION_FLAG:
    case OPTION_TEXT:
    case OPTION_TEXTS:
        buf[0] = '\0';
        break;
    }
    return buf;
}

static int refuse(const struct option *o, const char *text, char *why,
                  size_t why_bytes)
{
    char range[RANGE_BYTES];
    const char *hint = "";

    options_describe_range(o, range, sizeof(range));
    if (o->kind == OPTION_DURATION)
        hint = ", with a unit (ns, us, ms, s, min, h)";
    snprintf(why, why_bytes, "'%s' is not accepted; %s %s%s", text,
             o->kind == OPTION_CHOICE ? "accepted:" : "the range is", range,
             hint);
    return -EINVAL;
}

static int read_in_range(const struct option *o, const char *text, size_t bytes,
                         uint64_t *out)
{
    const struct unit *units = o->kind == OPTION_BYTES      ? byte_units
                               : o->kind == OPTION_DURATION ? duration_units
                                                            : count_units;

    if (read_quantity(text, bytes, units, out) != 0)
        return -EINVAL;
    if (*out < o->min || *out > o->max)
        return -EINVAL;
    if (o->whole_pages && *out % (uint64_t)sysconf(_SC_PAGESIZE) != 0)
        return -EINVAL;
    return 0;
}

static int read_numbers(const struct option *o, struct option_numbers *out,
                        const char *text)
{
    const char *p = text;

    out->count = 0;
    for (;;) {
        size_t n;

        p += strspn(p, " \t");
        n = strcspn(p, ", \t");
        if (out->count == OPTION_ITEMS_MAX)
            return -EINVAL;
        if (read_in_range(o, p, n, &out->item[out->count]) != 0)
            return -EINVAL;
        out->count++;
        p += n;
        p += strspn(p, " \t");
        if (*p == '\0')
            return 0;
        if (*p != ',')
            return -EINVAL;
        p++;
    }
}

static int is_choice(const struct option *o, const char *text)
{
    size_t i;

    for (i = 0; o->choices[i] != NULL; i++)
        if (strcmp(o->choices[i], text) == 0)
            return 1;
    return 0;
}

static int add_text(struct option_texts *texts, const char *text, int append,
                    char *why, size_t why_bytes)
{
    if (!append)
        texts->count = 0;
    if (texts->count == OPTION_ITEMS_MAX) {
        snprintf(why, why_bytes, "given more than %d times", OPTION_ITEMS_MAX);
        return -EINVAL;
    }
    texts->item[texts->count++] = text;
    return 0;
}

int options_read(const struct option *o, void *values, const char *text,
                 int append, char *why, size_t why_bytes)
{
    void *at = (char *)values + o->offset;
    int err = 0;

    switch (o->kind) {
    case OPTION_FLAG:
        *(int *)at = 1;
        return 0;
    case OPTION_TEXT:
        *(const char **)at = text;
        return 0;
    case OPTION_TEXTS:
        return add_text(at, text, append, why, why_bytes);
    case OPTION_NUMBER:
    case OPTION_BYTES:
    case OPTION_DURATION:
        err = read_in_range(o, text, strlen(text), at);
        break;
    case OPTION_NUMBERS:
        err = read_numbers(o, at, text);
        break;
    case OPTION_CHOICE:
        *(const char **)at = text;
        err = is_choice(o, text) ? 0 : -EINVAL;
        break;
    }
    return err == 0 ? 0 : refuse(o, text, why, why_bytes);
}

void options_default(const struct option *table, void *values)
{
    char why[256];
    int err;

    for (; table->name != NULL; table++) {
        if (table->standard == NULL)
            continue;
        err = options_read(table, values, table->standard, 0, why, sizeof(why));
        assert(err == 0); /* the table itself is wrong */
        (void)err;
    }
}

/* ---- the command line --------------------------------------------------- */

const struct option *options_find(const struct option *table, const char *name)
{
    for (; table->name != NULL; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static const struct option *find_letter(const struct option *table,
                                        const char *argument)
{
    if (argument[0] != '-' || argument[1] == '\0' || argument[2] != '\0')
        return NULL;
    for (; table->name != NULL; table++)
        if (table->letter == argument[1])
            return table;
    return NULL;
}

static void say_unknown(const struct command *command, const char *argument)
{
    struct suggestion s;
    const struct option *o;
    char names[64][40];
    size_t count = 0;

    suggest_begin(&s, argument);
    for (o = command->options; o->name != NULL && count < 64; o++) {
        snprintf(names[count], sizeof(names[count]), "--%s", o->name);
        suggest_offer(&s, names[count++]);
    }
    suggest_offer(&s, "--help");
    suggest_say(&s, "option");
    say("'switchyard %s --help' lists the options", command->name);
}

struct parse {
    const struct command *command;
    int argc;
    char **argv;
    int next;
    void *values;
    struct option_texts *operands;
    const struct option *seen[OPTION_ITEMS_MAX]; /* of kind OPTION_TEXTS */
    size_t seen_count;
};

static int was_seen(struct parse *p, const struct option *o)
{
    size_t i;

    for (i = 0; i < p->seen_count; i++)
        if (p->seen[i] == o)
            return 1;
    if (p->seen_count < OPTION_ITEMS_MAX)
        p->seen[p->seen_count++] = o;
    return 0;
}

static int parse_option(struct parse *p, const char *argument)
{
    char name[64], why[512];
    const char *value = strchr(argument, '=');
    size_t bytes =
        value != NULL ? (size_t)(value - argument) : strlen(argument);
    const struct option *o = NULL;

    if (bytes > 2 && bytes < sizeof(name)) {
        memcpy(name, argument, bytes);
        name[bytes] = '\0';
        if (strncmp(name, "--", 2) == 0)
            o = options_find(p->command->options, name + 2);
        argument = name;
    }
    if (o == NULL)
        o = find_letter(p->command->options, argument);
    if (o == NULL) {
        say_unknown(p->command, argument);
        return CLI_USAGE;
    }
    if (o->kind == OPTION_FLAG) {
        if (value != NULL) {
            say("--%s takes no value", o->name);
            return CLI_USAGE;
        }
        value = "";
    } else if (value != NULL) {
        value++;
    } else if (p->next < p->argc) {
        value = p->argv[p->next++];
    } else {
        say("--%s needs a value: --%s %s", o->name, o->name, o->argument);
        return CLI_USAGE;
    }
    if (options_read(o, p->values, value, was_seen(p, o), why, sizeof(why)) !=
        0) {
        say("--%s: %s", o->name, why);
        return CLI_USAGE;
    }
    return -1;
}

static int is_help(const char *argument)
{
    return strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0;
}

int options_parse(const struct command *command, int argc, char **argv,
                  void *values, struct option_texts *operands)
{
    struct parse p = {.command = command,
                      .argc = argc,
                      .argv = argv,
                      .values = values,
                      .operands = operands};
    int only_operands = 0, status;
    char why[128];

    operands->count = 0;
    while (p.next < argc) {
        const char *argument = argv[p.next++];

        if (!only_operands && strcmp(argument, "--") == 0) {
            only_operands = 1;
        } else if (!only_operands && is_help(argument)) {
            options_print_help(command);
            return CLI_OK;
        } else if (only_operands || argument[0] != '-' || !argument[1]) {
            if (add_text(operands, argument, 1, why, sizeof(why)) != 0) {
                say("too many operands; at most %d", OPTION_ITEMS_MAX);
                return CLI_USAGE;
            }
        } else {
            status = parse_option(&p, argument);
            if (status != -1)
                return status;
        }
    }
    if (operands->count != 0 && command->operands[0] == '\0') {
        say("'switchyard %s' takes no operand '%s', only options",
            command->name, operands->item[0]);
        return CLI_USAGE;
    }
    return -1;
}

/* ---- help --------------------------------------------------------------- */

void options_print_help(const struct command *command)
{
    const struct option *o;
    char range[RANGE_BYTES], left[64];

    printf("usage: switchyard %s [options]%s%s\n\n%s.\n\n", command->name,
           command->operands[0] ? " " : "", command->operands,
           command->summary);
    for (o = command->options; o->name != NULL; o++) {
        snprintf(left, sizeof(left), "%s%.*s%s--%s%s%s",
                 o->letter != 0 ? "-" : "", o->letter != 0, &o->letter,
                 o->letter != 0 ? ", " : "", o->name,
                 o->argument != NULL ? " " : "",
                 o->argument != NULL ? o->argument : "");
        printf("  %-26s  %s\n", left, o->help);
        options_describe_range(o, range, sizeof(range));
        if (range[0] != '\0')
            printf("  %-26s  accepted: %s\n", "", range);
        if (o->standard != NULL && o->kind != OPTION_FLAG)
            printf("  %-26s  default: %s\n", "", o->standard);
    }
    printf("  %-26s  print this help\n", "-h, --help");
    if (command->notes != NULL)
        printf("\n%s", command->notes);
}
