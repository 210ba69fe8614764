/* SPDX-License-Identifier: Apache-2.0 */
#include "callgrind_file.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Functions that were named so far; callgrind writes "(7) name" once and "(7)"
   from then on. */
#define NAMES_MAX 65536

enum kind { KIND_OTHER = 0, KIND_MALLOC, KIND_CLOCK };

struct reader {
    FILE *f;
    char *line;
    size_t room;
    unsigned char kinds[NAMES_MAX];
    enum kind current, called; /* the function whose costs follow, and the one
                                  that "calls=" is about */
    int is_after_calls;        /* the next line is what a call cost */
    int has_events, has_totals;
    struct sy__callgrind_counts counts;
    uint64_t clock_syscalls;
};

/* Without the version of the symbol, and the mark of a recursive call. */
static size_t bare_bytes(const char *name)
{
    return strcspn(name, "@'\n");
}

static int is_one_of(const char *name, const char *const *list)
{
    size_t bytes = bare_bytes(name);

    for (; *list != NULL; list++)
        if (strlen(*list) == bytes && memcmp(*list, name, bytes) == 0)
            return 1;
    return 0;
}

static enum kind kind_of(const char *name)
{
    static const char *const mallocs[] = {
        "malloc",         "calloc", "realloc", "memalign", "aligned_alloc",
        "posix_memalign", "valloc", "pvalloc", NULL};
    static const char *const clocks[] = {"clock_gettime", "__clock_gettime",
                                         "gettimeofday", "time", NULL};

    if (is_one_of(name, mallocs))
        return KIND_MALLOC;
    return is_one_of(name, clocks) ? KIND_CLOCK : KIND_OTHER;
}

/* "(7) name", "(7)" or "name". */
static enum kind read_name(struct reader *r, const char *text)
{
    unsigned long number;
    char *end;

    if (text[0] != '(')
        return kind_of(text);
    number = strtoul(text + 1, &end, 10);
    if (*end != ')' || number >= NAMES_MAX)
        return KIND_OTHER;
    if (end[1] == ' ')
        r->kinds[number] = (unsigned char)kind_of(end + 2);
    return (enum kind)r->kinds[number];
}

/* "position instructions [syscalls ...]": what the function itself cost. */
static void read_cost(struct reader *r)
{
    char *at = r->line + strcspn(r->line, " ");
    uint64_t syscalls;

    if (r->current != KIND_CLOCK || *at == '\0')
        return;
    (void)strtoull(at, &at, 10);
    syscalls = strtoull(at, NULL, 10);
    r->clock_syscalls += syscalls;
}

static void read_line(struct reader *r)
{
    const char *line = r->line;

    if (strncmp(line, "fn=", 3) == 0) {
        r->current = read_name(r, line + 3);
    } else if (strncmp(line, "cfn=", 4) == 0) {
        r->called = read_name(r, line + 4);
    } else if (strncmp(line, "calls=", 6) == 0) {
        if (r->called == KIND_MALLOC)
            r->counts.mallocs += strtoull(line + 6, NULL, 10);
        r->is_after_calls = 1;
    } else if (strncmp(line, "events: Ir sysCount ", 20) == 0) {
        r->has_events = 1;
    } else if (strncmp(line, "totals:", 7) == 0) {
        r->has_totals =
            sscanf(line, "totals: %" SCNu64 " %" SCNu64,
                   &r->counts.instructions, &r->counts.syscalls) >= 1;
    } else if (isdigit((unsigned char)line[0]) || strchr("+-*", line[0])) {
        if (!r->is_after_calls)
            read_cost(r);
        r->is_after_calls = 0;
    }
}

int sy__callgrind_read(const char *path, struct sy__callgrind_counts *counts,
                       char *why, size_t why_bytes)
{
    struct reader *r = calloc(1, sizeof(*r));
    int err = 0;

    memset(counts, 0, sizeof(*counts));
    if (r == NULL) {
        snprintf(why, why_bytes, "no memory");
        return -ENOMEM;
    }
    r->f = fopen(path, "re");
    if (r->f == NULL) {
        err = -errno;
        snprintf(why, why_bytes, "callgrind wrote no file: %s", strerror(-err));
        goto free_reader;
    }
    while (getline(&r->line, &r->room, r->f) > 0)
        if (r->line[0] != '\n')
            read_line(r);
    if (!r->has_events || !r->has_totals) {
        err = -EBADMSG;
        snprintf(why, why_bytes, "the file that callgrind wrote has no totals");
    } else {
        *counts = r->counts;
        /* They are in the totals. */
        counts->syscalls -= r->clock_syscalls < counts->syscalls
                                ? r->clock_syscalls
                                : counts->syscalls;
    }
    fclose(r->f);
    free(r->line);

free_reader:
    free(r);
    return err;
}
