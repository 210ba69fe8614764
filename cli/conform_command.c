/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard conform: does a part that someone else wrote keep its contract?
 * Everything that runs the part does so in a child process.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>

#include "../tests/conformance/conformance_table.h"
#include "abi_verdict.h"
#include "command.h"
#include "conform_bodies.h"
#include "options.h"
#include "parts.h"

struct conform_options {
    struct option_texts switcher, engine;
    uint64_t timeout_ns;
    int verbose;
};

static const struct option conform_options[] = {
    {.name = "switcher",
     .argument = "GLOB,...",
     .help = "switchers to try an engine with; default: the best that works",
     .kind = OPTION_TEXTS,
     .offset = offsetof(struct conform_options, switcher)},
    {.name = "engine",
     .argument = "GLOB,...",
     .help = "engines to try a switcher with; default: the best that works",
     .kind = OPTION_TEXTS,
     .offset = offsetof(struct conform_options, engine)},
    {.name = "timeout",
     .argument = "TIME",
     .standard = "10s",
     .help = "how long one check of a switcher or engine may take",
     .kind = OPTION_DURATION,
     .min = SY_NS_PER_S,
     .max = 3600 * SY_NS_PER_S,
     .offset = offsetof(struct conform_options, timeout_ns)},
    {.name = "verbose",
     .help = "one line for each check, not only for those that fail",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct conform_options, verbose)},
    {.name = NULL},
};

/* A part that hangs does so again and again; there is no need to see it all. */
#define HANGS_MAX 3

#define SKIP_REASONS_MAX 16

struct skip_reason {
    char why[256];
    unsigned count;
};

struct tally {
    const char *what; /* "switcher mine" */
    const struct conform_options *options;
    unsigned passed, failed, skipped, hung;
    struct skip_reason reasons[SKIP_REASONS_MAX];
};

/* Count a skip with those that have the same reason; more reasons than there
   is room for are in the sum only. */
static void count_skip(struct tally *tally, const char *why)
{
    size_t i;

    tally->skipped++;
    for (i = 0; i < SKIP_REASONS_MAX; i++) {
        struct skip_reason *reason = &tally->reasons[i];

        if (reason->count == 0)
            snprintf(reason->why, sizeof(reason->why), "%s", why);
        else if (strncmp(reason->why, why, sizeof(reason->why) - 1) != 0)
            continue;
        reason->count++;
        return;
    }
}

static void report(struct tally *tally, int result, const char *check,
                   const char *with, const char *why)
{
    static const char *const words[] = {"ok", "FAILED", "skipped"};
    int word = result == SY_CONFORMANCE_PASS   ? 0
               : result == SY_CONFORMANCE_SKIP ? 2
                                               : 1;

    tally->passed += word == 0;
    tally->failed += word == 1;
    if (word == 2)
        count_skip(tally, why);
    if (word != 1 && !tally->options->verbose)
        return;
    printf("%s: %s%s%s: %s%s%s\n", tally->what, check,
           with[0] != '\0' ? " with " : "", with, words[word],
           why[0] != '\0' ? ": " : "", why);
    fflush(stdout);
}

/* The limit is an alarm(), which knows whole seconds only. */
static uint64_t whole_seconds_ns(uint64_t ns)
{
    return ns / SY_NS_PER_S * SY_NS_PER_S;
}

/* Run the bodies that vary over what is being checked. */
static void run_bodies(struct tally *tally, unsigned varies,
                       const struct part_switcher *sw,
                       const struct part_engine *en, const char *with)
{
    const struct sy_conformance_body *table;
    char why[1024];
    size_t n, i;

    table = sy_conformance_table(&n);
    for (i = 0; i < n && tally->hung < HANGS_MAX; i++) {
        uint64_t began_ns = sy_clock_now_ns(sy_clock_monotonic());
        int result;

        if (((unsigned)table[i].varies & varies) == 0)
            continue;
        why[0] = '\0';
        result = sy_conformance_run(&table[i], sw->ops, en->ops, en->variant,
                                    why, sizeof(why));
        report(tally, result, table[i].name, with, why);
        tally->hung += result == SY_CONFORMANCE_FAIL &&
                       sy_clock_now_ns(sy_clock_monotonic()) - began_ns >=
                           whole_seconds_ns(tally->options->timeout_ns);
    }
}

/* What to try it with: those named, or the first that works (and can pause). */
static int choose_switchers(const struct conform_options *options,
                            const struct parts *parts, unsigned char *chosen)
{
    size_t i, found = 0;

    if (options->switcher.count != 0)
        return parts_choose(
            "switcher", &options->switcher, &parts->switchers[0].part,
            sizeof(parts->switchers[0]), parts->switchers_count, chosen);
    memset(chosen, 0, parts->switchers_count);
    for (i = 0; i < parts->switchers_count && found == 0; i++) {
        const struct part_switcher *sw = &parts->switchers[i];

        if (sw->part.works && sw->part.file == NULL &&
            (sw->ops->caps & SY_SW_CAN_PAUSE) != 0)
            chosen[i] = (unsigned char)++found;
    }
    return (int)found;
}

static int choose_engines(const struct conform_options *options,
                          const struct parts *parts, unsigned char *chosen)
{
    size_t i, found = 0;

    if (options->engine.count != 0)
        return parts_choose("engine", &options->engine, &parts->engines[0].part,
                            sizeof(parts->engines[0]), parts->engines_count,
                            chosen);
    memset(chosen, 0, parts->engines_count);
    for (i = 0; i < parts->engines_count && found == 0; i++)
        if (parts->engines[i].part.works && parts->engines[i].part.file == NULL)
            chosen[i] = (unsigned char)++found;
    return (int)found;
}

static int finish(const struct tally *tally)
{
    size_t i;

    if (tally->hung >= HANGS_MAX)
        printf("%s: stopped: it hangs\n", tally->what);
    for (i = 0; i < SKIP_REASONS_MAX && !tally->options->verbose; i++)
        if (tally->reasons[i].count != 0)
            printf("%s: %u skipped: %s\n", tally->what, tally->reasons[i].count,
                   tally->reasons[i].why);
    printf("%s: %u passed, %u failed, %u skipped\n\n", tally->what,
           tally->passed, tally->failed, tally->skipped);
    if (tally->failed != 0)
        return CLI_VERDICT;
    return tally->passed != 0 ? CLI_OK : CLI_INCOMPLETE;
}

/* A part that says that it cannot work here has not broken its contract, but
   nothing is known about it either. */
static int not_here(const struct tally *tally, const char *why)
{
    printf("%s: does not work here, so nothing was checked: %s\n\n",
           tally->what, why);
    return CLI_INCOMPLETE;
}

static int conform_switcher(const struct conform_options *options,
                            const struct parts *parts,
                            const struct part_switcher *sw)
{
    unsigned char engines[PARTS_MAX];
    char what[80], why[512] = "";
    struct tally tally = {.what = what, .options = options};
    unsigned varies = SY_VARIES_SWITCHER;
    size_t i;
    int result, hung;

    snprintf(what, sizeof(what), "switcher %.63s", sw->part.name);
    if (!sw->part.works)
        return not_here(&tally, sw->part.why);
    if (choose_engines(options, parts, engines) < 0)
        return CLI_USAGE;
    result = abi_verdict(sw->ops, why, sizeof(why), &hung);
    report(&tally, result, "calling convention", "", why);
    if (hung)
        tally.hung = HANGS_MAX;
    for (i = 0; i < parts->engines_count; i++)
        if (engines[i])
            run_bodies(&tally, varies, sw, &parts->engines[i],
                       parts->engines[i].part.name);
    return finish(&tally);
}

static int conform_engine(const struct conform_options *options,
                          const struct parts *parts,
                          const struct part_engine *en)
{
    unsigned char switchers[PARTS_MAX];
    char what[80];
    struct tally tally = {.what = what, .options = options};
    size_t i;

    snprintf(what, sizeof(what), "engine %.63s", en->part.name);
    if (!en->part.works)
        return not_here(&tally, en->part.why);
    if (choose_switchers(options, parts, switchers) < 0)
        return CLI_USAGE;
    for (i = 0; i < parts->switchers_count; i++)
        if (switchers[i])
            run_bodies(&tally, SY_VARIES_ENGINE, &parts->switchers[i], en,
                       parts->switchers[i].part.name);
    return finish(&tally);
}

static int conform_device(const struct conform_options *options,
                          const struct part_device *device)
{
    char what[80], why[512] = "";
    struct tally tally = {.what = what, .options = options};
    size_t i;

    snprintf(what, sizeof(what), "device %.63s", device->part.name);
    if (!device->part.works)
        return not_here(&tally, device->part.why);
    for (i = 0; conform_device_bodies[i].name != NULL; i++)
        report(&tally,
               conform_run_body(&conform_device_bodies[i], device->ops, why,
                                sizeof(why)),
               conform_device_bodies[i].name, "", why);
    return finish(&tally);
}

static int conform_workload(const struct conform_options *options,
                            const struct part_workload *workload)
{
    char what[80], why[512] = "";
    struct tally tally = {.what = what, .options = options};
    size_t i;

    snprintf(what, sizeof(what), "workload %.63s", workload->part.name);
    if (!workload->part.works)
        return not_here(&tally, workload->part.why);
    for (i = 0; conform_workload_bodies[i].name != NULL; i++)
        report(&tally,
               conform_run_body(&conform_workload_bodies[i], workload->ops, why,
                                sizeof(why)),
               conform_workload_bodies[i].name, "", why);
    return finish(&tally);
}

/* The worse of two exit codes: a broken contract says more than a gap. */
static int worse(int a, int b)
{
    static const int order[] = {CLI_VERDICT, CLI_USAGE, CLI_ENVIRONMENT,
                                CLI_INCOMPLETE};
    size_t i;

    for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return CLI_OK;
}

static int conform_all(const struct conform_options *options,
                       const struct parts *parts)
{
    int status = CLI_OK;
    size_t i;

    for (i = 0; i < parts->switchers_count; i++)
        if (parts->switchers[i].part.file != NULL)
            status = worse(
                status, conform_switcher(options, parts, &parts->switchers[i]));
    for (i = 0; i < parts->engines_count; i++)
        if (parts->engines[i].part.file != NULL)
            status = worse(status,
                           conform_engine(options, parts, &parts->engines[i]));
    for (i = 0; i < parts->devices_count; i++)
        if (parts->devices[i].part.file != NULL)
            status = worse(status, conform_device(options, &parts->devices[i]));
    for (i = 0; i < parts->workloads_count; i++)
        if (parts->workloads[i].part.file != NULL)
            status =
                worse(status, conform_workload(options, &parts->workloads[i]));
    return status;
}

static int run_conform(const struct command *self, int argc, char **argv)
{
    static struct parts parts;
    static const struct option_texts no_files;
    struct conform_options options;
    struct option_texts operands;
    char why[4096 + PART_WHY_BYTES] = "", seconds[32];
    size_t i;
    int status;

    memset(&options, 0, sizeof(options));
    options_default(self->options, &options);
    status = options_parse(self, argc, argv, &options, &operands);
    if (status != -1)
        return status;
    if (operands.count == 0) {
        say("conform needs a file: switchyard conform ./mine.so");
        return CLI_USAGE;
    }
    status = parts_open(&parts, &no_files);
    if (status != -1)
        return status;
    /* How sy_conformance_run() is told; whole seconds. */
    snprintf(seconds, sizeof(seconds), "%llu",
             (unsigned long long)(options.timeout_ns / SY_NS_PER_S));
    setenv("SY_CONFORMANCE_TIMEOUT_S", seconds, 1);
    for (i = 0; i < operands.count; i++) {
        status = parts_load(&parts, operands.item[i], why, sizeof(why));
        if (status == -ENOEXEC || status == -ENOENT) {
            say("%s", why);
            return CLI_ENVIRONMENT;
        }
        if (status < 0) {
            /* Loaded, and refused: that is the verdict. */
            printf("%s\n", why);
            return CLI_VERDICT;
        }
    }
    return conform_all(&options, &parts);
}

const struct command conform_command = {
    .name = "conform",
    .summary = "Check a part that someone else wrote against its contract",
    .operands = "FILE.so...",
    .options = conform_options,
    .notes = "A file holds a part under one of the names sy_part_switcher, "
             "sy_part_engine,\nsy_part_device and sy_part_workload.\n",
    .run = run_conform,
};
