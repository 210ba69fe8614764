/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options as data: one table per subcommand, from which help is printed and
 * the command line is parsed. The keys of a suite file go through the same
 * tables, so a value is read and refused in one way only.
 */
#ifndef SWITCHYARD_CLI_OPTIONS_H
#define SWITCHYARD_CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct command;

#define OPTION_ITEMS_MAX 64

enum option_kind {
    OPTION_FLAG = 0, /* int */
    OPTION_TEXT,     /* const char * */
    OPTION_TEXTS,    /* struct option_texts; each use adds one */
    OPTION_NUMBER,   /* uint64_t, with the suffixes K, M */
    OPTION_NUMBERS,  /* struct option_numbers: "1,8,1K" */
    OPTION_BYTES,    /* uint64_t, with the suffixes K, M, G */
    OPTION_DURATION, /* uint64_t, ns, written with its unit */
    OPTION_CHOICE,   /* const char *, one of choices */
};

struct option_texts {
    const char *item[OPTION_ITEMS_MAX];
    size_t count;
};

struct option_numbers {
    uint64_t item[OPTION_ITEMS_MAX];
    size_t count;
};

struct option {
    const char *name;     /* without "--" */
    char letter;          /* "-o" is another name for it; 0: none */
    const char *argument; /* as shown in help; NULL for a flag */
    const char *standard; /* the default, as one would write it; NULL: none */
    const char *help;
    enum option_kind kind;
    size_t offset;              /* of the value in the command's struct */
    uint64_t min, max;          /* for numbers, bytes (B) and durations (ns) */
    int whole_pages;            /* for bytes: a multiple of the page size */
    const char *const *choices; /* for OPTION_CHOICE; ends with NULL */
};

/* Fill the struct at values with the defaults of the table. */
void options_default(const struct option *table, void *values);

/* Return the option of that name, or NULL. */
const struct option *options_find(const struct option *table, const char *name);

/*
 * Read one value.
 *
 * @text    kept by reference where the value is a text
 * @append  for OPTION_TEXTS: 0 forgets what is there
 * @why     on failure: what is wrong, with the accepted range
 *
 * Returns 0 or -EINVAL.
 */
int options_read(const struct option *option, void *values, const char *text,
                 int append, char *why, size_t why_bytes);

/*
 * Parse a command line; says what is wrong with it.
 *
 * @values    the command's struct; members that are not named stay
 * @operands  set to what is not an option, in order
 *
 * Returns -1 to go on, else the exit code (help was asked for: CLI_OK).
 */
int options_parse(const struct command *command, int argc, char **argv,
                  void *values, struct option_texts *operands);

/* Print the help of a subcommand on standard output. */
void options_print_help(const struct command *command);

/* Write what values an option accepts, in words; "" if any text is. Returns
   buf. */
const char *options_describe_range(const struct option *option, char *buf,
                                   size_t bytes);

/* Print a duration as one would write it: "2 s", "500 ms". Returns buf. */
const char *format_duration(char *buf, size_t bytes, uint64_t ns);

/* Print an estimate as one would say it: "95 s", "2 min 20 s", "2 h 51 min".
   Returns buf. */
const char *format_rough_time(char *buf, size_t bytes, double seconds);

#endif
