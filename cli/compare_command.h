/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What subcommands share that compare candidates: `switchyard compare`, and
 * `switchyard dose`, whose candidates are the same combination under doses.
 */
#ifndef SWITCHYARD_CLI_COMPARE_COMMAND_H
#define SWITCHYARD_CLI_COMPARE_COMMAND_H

#include <stdint.h>

#include "plan.h"
#include "suite.h"

struct command;

/* What --suite takes; ends with NULL. */
extern const char *const compare_suites[];

struct compare_options {
    struct run_options run;
    const char *suite;
    uint64_t time_ns, rounds, processes, plant_permille, repeat, seed;
    int no_verdict, no_pin;
    int is_chosen;                      /* something says which combinations */
    struct option_texts factor, levels; /* of `switchyard dose` */
    uint64_t blocks, timeout_ns;
};

/* Rows for the tables of those options: how long it takes. */
#define COMPARE_AT(member) .offset = offsetof(struct compare_options, member)

#define COMPARE_SUITE                                                          \
    {                                                                          \
        .name = "suite", .argument = "NAME", .standard = "quick",              \
        .help = "how much time: quick, a minute; standard, ten; rigorous, an " \
                "hour",                                                        \
        .kind = OPTION_CHOICE, .choices = compare_suites, COMPARE_AT(suite)    \
    }

#define COMPARE_TIME                                                           \
    {                                                                          \
        .name = "time", .argument = "TIME", .help = "so much time instead",    \
        .kind = OPTION_DURATION, .min = SY_NS_PER_S,                           \
        .max = 24 * 3600 * SY_NS_PER_S, COMPARE_AT(time_ns)                    \
    }

#define COMPARE_PROCESSES                                                      \
    {                                                                          \
        .name = "processes", .argument = "N",                                  \
        .help = "how many processes; default: as the time allows",             \
        .kind = OPTION_NUMBER, .min = COMPARE_PROCESSES_MIN,                   \
        .max = COMPARE_PROCESSES_MAX, COMPARE_AT(processes)                    \
    }

struct compare_kind {
    const char *subcommand; /* its name, and that of its analysis */

    /* Optional. Make of the plan what is to be compared; the same in all
       processes. Returns -1 to go on, else the exit code; what is wrong has
       been said then. */
    int (*arrange)(struct plan *plan, const struct compare_options *options);
};

/* Run a subcommand of that kind, whose options go to struct
   compare_options. */
int compare_run_kind(const struct compare_kind *kind,
                     const struct command *self, int argc, char **argv);

#endif
