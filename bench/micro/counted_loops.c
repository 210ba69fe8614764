/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counted_loops SCENARIO CANDIDATE N: do one thing N times and nothing else.
 * count_instructions.py runs it with N and with 2 N under something that
 * counts; the difference is what N operations execute, without start-up.
 *
 * CANDIDATE is a switcher, the same with "-bound", or "openssl". Prints the
 * calls to malloc and free within the loop. Without arguments, prints what can
 * be counted and what this was built with, as JSON.
 *
 * Exit status: 0; 1 a result was wrong; 2 wrong usage; 77 not possible here, or
 * no such scenario for this candidate.
 */
#include "counted_loops.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/switcher.h>

#define EXIT_WRONG   1
#define EXIT_USAGE   2
#define EXIT_SKIPPED 77

/* ---- what there is ----------------------------------------------------- */

static const struct {
    const char *name;
    const struct counted_candidate *candidate;
} fixed[] = {
#if SY_COUNT_BOUND_INLINE
    {"inline-bound", &counted_bound_inline},
#endif
#if SY_COUNT_BOUND_ASM
    {"asm-bound", &counted_bound_asm},
#endif
    {"openssl", &counted_openssl},
};

#define FIXED (sizeof(fixed) / sizeof(fixed[0]))

static const struct counted_candidate *find_candidate(const char *name)
{
    for (size_t i = 0; i < FIXED; i++) {
        if (strcmp(fixed[i].name, name) == 0)
            return fixed[i].candidate;
    }
    return sy_switcher_find(name) != NULL ? &counted_by_table : NULL;
}

static void print_switchers(void)
{
    const struct sy_switcher_ops *const *ops;
    char why[256];

    for (ops = sy_switcher_table(); *ops != NULL; ops++) {
        if (((*ops)->caps & SY_SW_CAN_PAUSE) != 0 &&
            sy_switcher_probe(*ops, why, sizeof(why)) == 0)
            printf("\"%s\", ", (*ops)->name);
    }
}

static int print_choices(void)
{
    printf("{\"compiler\": \"%s\", \"flags\": \"%s\", \"cpu\": \"%s\",\n",
           SY_COUNT_COMPILER, SY_COUNT_FLAGS, SY_COUNT_CPU);
    printf(" \"scenarios\": [");
    for (const struct counted_scenario *s = counted_by_table.scenarios;
         s->name != NULL; s++)
        printf("%s\"%s\"", s == counted_by_table.scenarios ? "" : ", ",
               s->name);
    printf("],\n \"candidates\": [");
    print_switchers();
    for (size_t i = 0; i < FIXED; i++)
        printf("%s\"%s\"", i == 0 ? "" : ", ", fixed[i].name);
    printf("]}\n");
    return EXIT_SUCCESS;
}

static int run(const char *scenario, const char *name, unsigned long n)
{
    const struct counted_candidate *candidate = find_candidate(name);
    const struct counted_scenario *s;
    const char *dash = strstr(name, "-bound");
    char switcher[32];

    if (candidate == NULL)
        return EXIT_USAGE;
    for (s = candidate->scenarios; s->name != NULL; s++) {
        if (strcmp(s->name, scenario) == 0)
            break;
    }
    if (s->name == NULL) {
        fprintf(stderr, "%s is not counted for %s\n", scenario, name);
        return EXIT_SKIPPED;
    }
    (void)snprintf(switcher, sizeof(switcher), "%.*s",
                   dash != NULL ? (int)(dash - name) : (int)strlen(name), name);
    if (!candidate->open(switcher))
        return EXIT_SKIPPED;
    if (!s->run(n)) {
        fprintf(stderr, "counted_loops: a result was wrong\n");
        return EXIT_WRONG;
    }
    counting_print();
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    unsigned long n;
    char *end;
    int status = EXIT_USAGE;

    if (argc == 1)
        return print_choices();
    if (argc == 4) {
        errno = 0;
        n = strtoul(argv[3], &end, 10);
        if (errno == 0 && *end == '\0' && n > 0 && n % COUNTED_BATCH == 0)
            status = run(argv[1], argv[2], n);
    }
    if (status == EXIT_USAGE)
        fprintf(stderr,
                "usage: counted_loops [SCENARIO CANDIDATE N]\n"
                "N is a multiple of %d. Without arguments: what there is.\n",
                COUNTED_BATCH);
    return status;
}
