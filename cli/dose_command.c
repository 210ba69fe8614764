/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard dose: what would a faster part buy? Of a combination of ours it is
 * a comparison whose candidates are the combination under doses; of a program
 * that somebody else wrote, see dose_program.c.
 */
#include <string.h>
#include <switchyard/runtime.h>

#include "command.h"
#include "common_options.h"
#include "compare_command.h"
#include "compare_plan.h"
#include "dose_levels.h"
#include "dose_program.h"
#include "options.h"
#include "plan.h"

#define AT_RUN(member) .offset = offsetof(struct compare_options, run.member)

static const struct option dose_options[] = {
    {.name = "factor",
     .argument = "NAME,...",
     .help = "what costs more: switch, wake, device; default: each in turn",
     .kind = OPTION_TEXTS,
     COMPARE_AT(factor)},
    {.name = "levels",
     .argument = "FACTOR=TIME,...",
     .help = "how much more; 0 is always one of them; default: "
             "switch=200ns,400ns\n                              "
             "wake=1us,2us device=20us,40us",
     .kind = OPTION_TEXTS,
     COMPARE_AT(levels)},
    {.name = "switcher",
     .argument = "NAME",
     .help = "which switcher; default: the best that works here",
     .kind = OPTION_TEXTS,
     AT_RUN(switcher)},
    {.name = "engine",
     .argument = "NAME",
     .help = "which engine; default: queue",
     .kind = OPTION_TEXTS,
     AT_RUN(engine)},
    {.name = "workload",
     .argument = "NAME",
     .help = "which workload; default: ecdsa-p256-sign",
     .kind = OPTION_TEXTS,
     AT_RUN(workload)},
    {.name = "jobs",
     .argument = "N",
     .standard = "64",
     .help = "jobs in flight",
     .kind = OPTION_NUMBERS,
     .min = 1,
     .max = SY_JOBS_MAX,
     AT_RUN(jobs)},
    {.name = "device",
     .argument = "SPEC",
     .standard = "workers:1",
     .help = "what executes offloaded steps",
     .kind = OPTION_TEXTS,
     AT_RUN(device)},
    COMPARE_SUITE,
    COMPARE_TIME,
    COMPARE_PROCESSES,
    {.name = "rounds",
     .argument = "N",
     .help = "in each process every dose is measured so often; default: as "
             "the\n                              time allows",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = COMPARE_ROUNDS_MAX / COMPARE_CANDIDATES_MAX,
     COMPARE_AT(rounds)},
    {.name = "blocks",
     .argument = "N",
     .standard = "8",
     .help = "of a PROGRAM: it runs so often at each dose",
     .kind = OPTION_NUMBER,
     .min = DOSE_BLOCKS_MIN,
     .max = DOSE_BLOCKS_MAX,
     COMPARE_AT(blocks)},
    {.name = "timeout",
     .argument = "TIME",
     .standard = "60s",
     .help = "of a PROGRAM: a run that takes longer is ended, and marked",
     .kind = OPTION_DURATION,
     .min = SY_NS_PER_MS,
     .max = 24 * 3600 * SY_NS_PER_S,
     COMPARE_AT(timeout_ns)},
    COMMON_SEED("for orders, offsets and inputs", OPTION_NUMBER,
                COMPARE_AT(seed)),
    COMMON_STACK_BYTES(AT_RUN(stack_bytes)),
    {.name = "no-pin",
     .help = "let the kernel choose CPUs",
     .kind = OPTION_FLAG,
     COMPARE_AT(no_pin)},
    COMMON_LOAD(AT_RUN(load)),
    COMMON_OUT(AT_RUN(out)),
    {.name = "json",
     .help = "what follows as one JSON object",
     .kind = OPTION_FLAG,
     AT_RUN(json)},
    {.name = "no-verdict",
     .help = "measure only; 'switchyard judge' reads the file later",
     .kind = OPTION_FLAG,
     COMPARE_AT(no_verdict)},
    {.name = "dry-run",
     .help = "print what would be measured, and how long it takes",
     .kind = OPTION_FLAG,
     AT_RUN(dry_run)},
    {.name = NULL},
};

/* Which of a plan's combinations? */
static int choose_one(struct plan *plan, const struct compare_options *o)
{
    char name[128];
    size_t i;

    if (plan->count == 1 || !o->is_chosen)
        return -1; /* they are in order: the best is the first */
    say("doses are given to one combination, workload, device and number of "
        "jobs at a time; this chooses %zu:",
        plan->count);
    for (i = 0; i < plan->count && i < 8; i++)
        say("  %s on %s, %u in flight",
            sy_experiment_name(&plan->entries[i].exp, name, sizeof(name)),
            plan->entries[i].exp.device_spec, plan->entries[i].exp.jobs);
    return CLI_USAGE;
}

/* The combination at each dose, and at last as it is. */
static int arrange(struct plan *plan, const struct compare_options *o)
{
    struct dose_levels levels;
    struct plan_entry plain, *entry;
    char why[256];
    int status = dose_levels_read(&levels, &o->factor, &o->levels);

    if (status == -1)
        status = choose_one(plan, o);
    if (status != -1)
        return status;
    plain = plan->entries[0];
    plan->count = 0;
    for (unsigned i = 0; i < dose_levels_sets(&levels); i++) {
        struct sy_dose dose;

        entry = plan_append(plan, &plain);
        if (entry == NULL)
            goto no_memory;
        dose_levels_set(&levels, i, &dose, entry->label, sizeof(entry->label));
        entry->dose = (int)i;
        if (sy_dose_level(i, &dose, &entry->exp, why, sizeof(why)) != 0) {
            say("%s: %s", entry->label, why);
            return CLI_USAGE;
        }
    }
    entry = plan_append(plan, &plain);
    if (entry == NULL)
        goto no_memory;
    snprintf(entry->label, sizeof(entry->label), "as it is");
    return -1;

no_memory:
    say("no memory");
    return CLI_ENVIRONMENT;
}

/* Where "--" stands, or argc. */
static int count_own(int argc, char **argv)
{
    int i = 0;

    while (i < argc && strcmp(argv[i], "--") != 0)
        i++;
    return i;
}

static int run_dose(const struct command *self, int argc, char **argv)
{
    static const struct compare_kind kind = {.subcommand = "dose",
                                             .arrange = arrange};
    int own = count_own(argc, argv);

    if (own < argc)
        return dose_program_run(self, own, argv, argc - own - 1,
                                argv + own + 1);
    return compare_run_kind(&kind, self, argc, argv);
}

const struct command dose_command = {
    .name = "dose",
    .summary = "Find out what a faster part would buy, by making it slower",
    .operands = "[SWITCHER+ENGINE | -- PROGRAM [ARG...]]",
    .options = dose_options,
    .notes =
        "Each switch, each wake-up or each device operation costs a known time "
        "more, in\nrandom order. How much slower all of it gets says how much "
        "faster it could get.\n\nWith '-- PROGRAM' an unchanged OpenSSL "
        "program "
        "runs with the drop-in, at each\ndose --blocks times; the factors are "
        "switch and wake.\n",
    .run = run_dose,
};
