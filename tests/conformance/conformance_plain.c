/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the conformance bodies without a test framework: under ThreadSanitizer,
 * valgrind and emulated CPUs. Prints a line for each failure, one for each
 * reason to skip, and how many cases were declared and run.
 */
#include "conformance_table.h"
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASONS_MAX 256

struct reason {
    char words[256];
    unsigned cases;
};

struct options {
    const char *switcher, *engine, *body;
    int list, no_fork, quiet;
};

struct tally {
    struct options options;
    size_t seen, run, passed, failed, skipped, n_reasons;
    struct reason reasons[REASONS_MAX];
};

static void add_reason(struct tally *tally, const char *why)
{
    size_t i;

    for (i = 0; i < tally->n_reasons; i++)
        if (strcmp(tally->reasons[i].words, why) == 0)
            break;
    if (i == REASONS_MAX)
        return; /* still counted as skipped */
    if (i == tally->n_reasons) {
        tally->n_reasons++;
        snprintf(tally->reasons[i].words, sizeof(tally->reasons[i].words), "%s",
                 why);
    }
    tally->reasons[i].cases++;
}

static int chosen(const struct options *o, const struct sy_conformance_case *c)
{
    return fnmatch(o->switcher, c->switcher, 0) == 0 &&
           fnmatch(o->engine, c->engine_name, 0) == 0 &&
           fnmatch(o->body, c->body->name, 0) == 0;
}

static int run_case(void *user, const struct sy_conformance_case *c)
{
    struct tally *tally = user;
    char why[256] = "";
    int code;

    tally->seen++;
    if (!chosen(&tally->options, c))
        return 0;
    tally->run++;
    if (tally->options.list) {
        printf("conformance.%s.%s.%s\n", c->switcher, c->engine_name,
               c->body->name);
        return 0;
    }
    code =
        (tally->options.no_fork ? sy_conformance_run_here : sy_conformance_run)(
            c->body, c->sw, c->en, c->variant, why, sizeof(why));
    if (code == SY_CONFORMANCE_PASS) {
        tally->passed++;
    } else if (code == SY_CONFORMANCE_SKIP) {
        tally->skipped++;
        add_reason(tally, why);
    } else {
        tally->failed++;
        printf("FAIL conformance.%s.%s.%s: %s\n", c->switcher, c->engine_name,
               c->body->name, why);
        fflush(stdout);
    }
    return 0;
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--switcher GLOB] [--engine GLOB] [--body GLOB]\n"
            "       [--list] [--no-fork]\n"
            "--no-fork runs the cases in this process, for a debugger; it "
            "ends at the first failure.\n",
            program);
    return 2;
}

static int read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"switcher", required_argument, NULL, 's'},
        {"engine", required_argument, NULL, 'e'},
        {"body", required_argument, NULL, 'b'},
        {"list", no_argument, NULL, 'l'},
        {"no-fork", no_argument, NULL, 'n'},
        {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 's':
            o->switcher = optarg;
            break;
        case 'e':
            o->engine = optarg;
            break;
        case 'b':
            o->body = optarg;
            break;
        case 'l':
            o->list = 1;
            break;
        case 'n':
            o->no_fork = 1;
            break;
        default:
            return -1;
        }
    }
    return optind == argc ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct tally tally = {
        .options = {.switcher = "*", .engine = "*", .body = "*"}};
    size_t declared = sy_conformance_declared(), i;

    if (read_options(&tally.options, argc, argv) != 0)
        return usage(argv[0]);
    sy_conformance_each(run_case, &tally);
    if (tally.seen != declared) {
        printf("FAIL the bodies declare %zu cases, but there are %zu\n",
               declared, tally.seen);
        return 1;
    }
    if (tally.run == 0) {
        fprintf(stderr, "no case has such a name\n");
        return 2;
    }
    if (tally.options.list)
        return 0;
    for (i = 0; i < tally.n_reasons; i++)
        printf("SKIP %u cases: %s\n", tally.reasons[i].cases,
               tally.reasons[i].words);
    printf("%zu passed, %zu failed, %zu skipped\n", tally.passed, tally.failed,
           tally.skipped);
    printf("%zu cases declared, %zu chosen, %zu run\n", declared, tally.run,
           tally.passed + tally.failed + tally.skipped);
    if (tally.passed + tally.failed + tally.skipped != tally.run)
        return 1;
    return tally.failed != 0;
}
