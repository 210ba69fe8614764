/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard recommend: which switcher and engine to use, from runs. */
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>

#include "../bench/load/experiment.h"
#include "analysis.h"
#include "command.h"
#include "options.h"
#include "recommend_parts.h"

/* So that all words fit into the command line of the analysis. */
#define RUNS_MAX  12
#define LISTS_MAX 4

/* Operations per second; more than any machine starts. */
#define RATE_MAX 1000000000

struct recommend_options {
    const char *workload, *device, *slo, *objective, *integration, *incumbent;
    const char *profile;
    uint64_t jobs, rate;
    struct option_texts require, deny, load;
    int force, json;
};

static const char *const objectives[] = {"throughput", "cpu",    "p50",
                                         "p99",        "memory", NULL};
static const char *const integrations[] = {"native", "callback", "fd", NULL};

#define AT(member) .offset = offsetof(struct recommend_options, member)

static const struct option recommend_options_table[] = {
    {.name = "workload",
     .argument = "NAME",
     .help = "for this one; needed if the runs have several",
     .kind = OPTION_TEXT,
     AT(workload)},
    {.name = "device",
     .argument = "SPEC",
     .help = "on this one; needed if the runs have several",
     .kind = OPTION_TEXT,
     AT(device)},
    {.name = "jobs",
     .argument = "N",
     .help = "with so many in flight; default: the most that were measured",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = SY_JOBS_MAX,
     AT(jobs)},
    {.name = "rate",
     .argument = "N",
     .help = "under a load of so many operations per second",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = RATE_MAX,
     AT(rate)},
    {.name = "objective",
     .argument = "WHAT",
     .standard = "throughput",
     .help = "what is to be least: time or CPU per operation, a quantile of "
             "the\n                              latency, or memory per "
             "paused job",
     .kind = OPTION_CHOICE,
     .choices = objectives,
     AT(objective)},
    {.name = "slo",
     .argument = "pN<=TIME",
     .help = "only what is shown to keep this, as p99<=200us",
     .kind = OPTION_TEXT,
     AT(slo)},
    {.name = "integration",
     .argument = "HOW",
     .standard = "native",
     .help = "how the program lets Switchyard in: its loop and interface, "
             "the\n                              callback of OpenSSL, or "
             "descriptors that it polls itself",
     .kind = OPTION_CHOICE,
     .choices = integrations,
     AT(integration)},
    {.name = "require",
     .argument = "WHAT,...",
     .help = "no-io_uring, thread-safe, asan, shadow-stack, "
             "signals-preserved,\n                              "
             "max-stack=64K, kernel>=5.10, seccomp=k8s",
     .kind = OPTION_TEXTS,
     AT(require)},
    {.name = "deny",
     .argument = "PART,...",
     .help = "none of these switchers and engines",
     .kind = OPTION_TEXTS,
     AT(deny)},
    {.name = "incumbent",
     .argument = "SWITCHER+ENGINE",
     .help = "what is in use: it wins a tie",
     .kind = OPTION_TEXT,
     AT(incumbent)},
    {.name = "emit-profile",
     .argument = "FILE",
     .help = "write a profile for programs to use",
     .kind = OPTION_TEXT,
     AT(profile)},
    {.name = "force",
     .help = "write it even if the confidence is low",
     .kind = OPTION_FLAG,
     AT(force)},
    {.name = "load",
     .argument = "FILE.so",
     .help = "know the parts in this file too; may be repeated",
     .kind = OPTION_TEXTS,
     AT(load)},
    {.name = "json",
     .help = "the recommendation as one JSON object",
     .kind = OPTION_FLAG,
     AT(json)},
    {.name = NULL},
};

struct words {
    const char *item[64];
    size_t count;
};

static void add(struct words *w, const char *option, const char *value)
{
    if (value == NULL)
        return;
    w->item[w->count++] = option;
    w->item[w->count++] = value;
}

static void add_all(struct words *w, const char *option,
                    const struct option_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        add(w, option, texts->item[i]);
}

static int check_counts(const struct recommend_options *o,
                        const struct option_texts *runs)
{
    if (runs->count == 0) {
        say("recommend needs runs: 'switchyard compare' makes one, "
            "'switchyard tune' does all of it");
        return CLI_USAGE;
    }
    if (runs->count > RUNS_MAX) {
        say("recommend takes 1 .. %d runs, not %zu; a folder of runs is one",
            RUNS_MAX, runs->count);
        return CLI_USAGE;
    }
    if (o->require.count > LISTS_MAX || o->deny.count > LISTS_MAX) {
        say("--require and --deny: at most %d of each; one takes a list",
            LISTS_MAX);
        return CLI_USAGE;
    }
    return -1;
}

static int run_recommend(const struct command *self, int argc, char **argv)
{
    struct recommend_options options = {.jobs = 0};
    char parts[RECOMMEND_PARTS_BYTES], jobs[24], rate[24];
    struct option_texts runs = {.count = 0};
    struct words w = {.count = 0};
    int status;

    options_default(self->options, &options);
    status = options_parse(self, argc, argv, &options, &runs);
    if (status == -1)
        status = check_counts(&options, &runs);
    if (status == -1)
        status = recommend_parts(&options.load, parts);
    if (status != -1)
        return status;
    snprintf(jobs, sizeof(jobs), "%" PRIu64, options.jobs);
    snprintf(rate, sizeof(rate), "%" PRIu64, options.rate);
    w.item[w.count++] = "recommend";
    w.item[w.count++] = parts;
    add(&w, "--workload", options.workload);
    add(&w, "--device", options.device);
    add(&w, "--jobs", options.jobs != 0 ? jobs : NULL);
    add(&w, "--rate", options.rate != 0 ? rate : NULL);
    add(&w, "--objective", options.objective);
    add(&w, "--slo", options.slo);
    add(&w, "--integration", options.integration);
    add_all(&w, "--require", &options.require);
    add_all(&w, "--deny", &options.deny);
    add(&w, "--incumbent", options.incumbent);
    add(&w, "--emit-profile", options.profile);
    if (options.force)
        w.item[w.count++] = "--force";
    if (options.json)
        w.item[w.count++] = "--json";
    w.item[w.count++] = "--";
    for (size_t i = 0; i < runs.count; i++)
        w.item[w.count++] = runs.item[i];
    w.item[w.count] = NULL;
    return analysis_run(w.item);
}

const struct command recommend_command = {
    .name = "recommend",
    .summary = "Say which switcher and engine to use, from what was measured",
    .operands = "RUN...",
    .options = recommend_options_table,
    .notes =
        "A RUN is a run's folder, a folder of runs, or a run file. Nothing "
        "that breaks\nthe SLO or a constraint is recommended, nor what did "
        "not sustain the rate.\nExit 4: no decision, and what to run next; "
        "1: nothing is left. docs/choosing.md\nexplains every verdict.\n",
    .run = run_recommend,
};
