/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file form of suites and profiles. One pass, one line at a time, in
 * buffers on the stack: a set-uid program may have to read a profile before
 * main() and must not be made to allocate what the file's author likes.
 */
#include <errno.h>
#include <string.h>
#include <switchyard/ini.h>

struct ini_state {
    sy_ini_fn fn;
    void *user;
    unsigned line;
    int in_section;
    const char *section;
    const char *argument;
    const char *why;

    char heading[SY_INI_LINE_MAX_BYTES + 1]; /* section, argument point here */
    char entry[SY_INI_LINE_MAX_BYTES + 1];
};

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *skip_blanks(char *s)
{
    while (is_blank(*s))
        s++;
    return s;
}

/* Cut the blanks before end, which is where the string's zero byte stands. */
static void cut_blanks(const char *start, char *end)
{
    while (end > start && is_blank(end[-1]))
        end--;
    *end = '\0';
}

static int malformed(struct ini_state *st, const char *why)
{
    st->why = why;
    return -EINVAL;
}

static const char *find_bad_byte(const char *s, size_t bytes)
{
    size_t i;

    for (i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '\r')
            return "carriage return: lines must end with a line feed alone";
        if (c < 32 && c != '\t')
            return "control character";
    }
    return NULL;
}

static int emit(struct ini_state *st, const char *key, const char *value)
{
    const struct sy_ini_item item = {
        .line = st->line,
        .section = st->section,
        .argument = st->argument,
        .key = key,
        .value = value,
    };

    return st->fn(st->user, &item);
}

/* s stands behind the opening bracket, within st->heading. */
static int take_heading(struct ini_state *st, char *s)
{
    char *name = skip_blanks(s);
    char *end = name + strcspn(name, "\"]");
    char *argument = NULL;
    char delimiter = *end;

    cut_blanks(name, end);
    if (*name == '\0')
        return malformed(st, delimiter == '\0' ? "] is missing"
                                               : "the heading has no name");
    if (delimiter == '"') {
        argument = end + 1;
        end = strchr(argument, '"');
        if (end == NULL)
            return malformed(st, "closing quotation mark is missing");
        *end = '\0';
        end = skip_blanks(end + 1);
        delimiter = *end;
    }
    if (delimiter != ']')
        return malformed(st, "] is missing");
    if (*skip_blanks(end + 1) != '\0')
        return malformed(st, "text behind ]");

    st->section = name;
    st->argument = argument;
    st->in_section = 1;
    return emit(st, NULL, NULL);
}

/* s is the first that is not blank, within st->entry. */
static int take_entry(struct ini_state *st, char *s)
{
    char *equals = strchr(s, '=');
    char *value;

    if (equals == NULL)
        return malformed(st, "expected \"key = value\" or \"[section]\"");
    if (equals == s)
        return malformed(st, "the key is empty");
    if (!st->in_section)
        return malformed(st, "a key before the first [section]");

    value = skip_blanks(equals + 1);
    cut_blanks(s, equals);
    cut_blanks(value, value + strlen(value));
    return emit(st, s, value);
}

static int take_line(struct ini_state *st, const char *text, size_t bytes)
{
    char *s;

    if (bytes > SY_INI_LINE_MAX_BYTES)
        return malformed(st, "line is longer than 1024 bytes");
    st->why = find_bad_byte(text, bytes);
    if (st->why != NULL)
        return -EINVAL;

    memcpy(st->entry, text, bytes);
    st->entry[bytes] = '\0';
    s = skip_blanks(st->entry);
    if (*s == '\0' || *s == '#' || *s == ';')
        return 0;
    if (*s != '[')
        return take_entry(st, s);
    memcpy(st->heading, st->entry, bytes + 1);
    return take_heading(st, st->heading + (s - st->entry) + 1);
}

_Static_assert(SY_INI_LINE_MAX_BYTES == 1024, "take_line() says the number");

static int take_text(struct ini_state *st, const char *text, size_t bytes)
{
    const char *end = text + bytes;
    int result;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline != NULL ? newline : end;

        st->line++;
        result = take_line(st, text, (size_t)(stop - text));
        if (result != 0)
            return result;
        if (newline == NULL)
            break;
        text = newline + 1;
    }
    st->line = 0;
    return 0;
}

int sy_ini_parse(const char *text, size_t bytes, sy_ini_fn fn, void *user,
                 unsigned *line, const char **why)
{
    struct ini_state st;
    int result = 0;

    /* Member by member: clearing the buffers would cost more than parsing. */
    st.fn = fn;
    st.user = user;
    st.line = 0;
    st.in_section = 0;
    st.section = NULL;
    st.argument = NULL;
    st.why = NULL;

    if (bytes != 0)
        result = take_text(&st, text, bytes);
    if (line != NULL)
        *line = st.line;
    if (why != NULL)
        *why = st.why;
    return result;
}
