/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard load: latency under arrivals that do not wait. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/runtime.h>

#include "command.h"
#include "common_options.h"
#include "interrupt.h"
#include "load_find.h"
#include "load_run.h"
#include "machine_load.h"
#include "run_output.h"

#define DURATION_NS SY_NS_PER_S

#define AT(member)     .offset = offsetof(struct load_options, member)
#define AT_RUN(member) .offset = offsetof(struct load_options, run.member)

static const struct option load_options_table[] = {
    {.name = "rate",
     .argument = "R[,R...]",
     .help = "operations per second: 20k,50k or 10k..90k/9 (so many, evenly "
             "spaced);\n                              10k..90k bounds a "
             "search; suffixes k and M",
     .kind = OPTION_TEXT,
     AT(rate)},
    {.name = "arrivals",
     .argument = "HOW",
     .standard = "poisson",
     .help = "constant, poisson, or trace:FILE, whose rate is its own",
     .kind = OPTION_TEXT,
     AT(arrivals)},
    {.name = "closed",
     .help = "no arrivals: as many in flight as --jobs says, all the time",
     .kind = OPTION_FLAG,
     AT(closed)},
    {.name = "search",
     .argument = "'pN<=TIME'",
     .help = "find the highest rate at which p50, p90, p99 or p99.9 of the "
             "response\n                              keeps a bound, as "
             "'p99<=200us'",
     .kind = OPTION_TEXT,
     AT(search)},
    {.name = "repeats",
     .argument = "N",
     .standard = "3",
     .help = "of a search: a rate holds if more than half of so many points "
             "do",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 99,
     AT(repeats)},
    {.name = "resolution",
     .argument = "PERCENT",
     .standard = "5",
     .help = "of a search: how near the next rate that does not hold may be",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 50,
     AT(resolution_percent)},
    COMMON_SWITCHER("; default: all", AT_RUN(switcher)),
    COMMON_ENGINE("; default: all", AT_RUN(engine)),
    {.name = "workload",
     .argument = "GLOB,...",
     .help = "which workloads, one table each; 'aes-128-gcm@16K' gives a "
             "size;\n                              default: ecdsa-p256-sign",
     .kind = OPTION_TEXTS,
     AT_RUN(workload)},
    COMMON_REFERENCE(AT_RUN(reference)),
    COMMON_NO_REFERENCE(AT_RUN(no_reference)),
    {.name = "jobs",
     .argument = "N",
     .standard = "64",
     .help = "in flight at most; what arrives beyond that waits in line",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = SY_JOBS_MAX,
     AT(jobs)},
    COMMON_DEVICE(AT_RUN(device)),
    {.name = "duration",
     .argument = "TIME",
     .help = "how long each point measures; default: 1s, or as long as the "
             "trace",
     .kind = OPTION_DURATION,
     .min = 10 * SY_NS_PER_MS,
     .max = 3600 * SY_NS_PER_S,
     AT_RUN(duration_ns)},
    {.name = "warm-up",
     .argument = "TIME",
     .help = "before that; default: a tenth of it, 20ms to 500ms",
     .kind = OPTION_DURATION,
     .min = SY_NS_PER_MS,
     .max = 600 * SY_NS_PER_S,
     AT(warm_up_ns)},
    {.name = "timeout",
     .argument = "TIME",
     .help = "a point that takes longer has failed; default: three times its "
             "window\n                              and 31 s more",
     .kind = OPTION_DURATION,
     .min = 100 * SY_NS_PER_MS,
     .max = 24 * 3600 * SY_NS_PER_S,
     AT(timeout_ns)},
    COMMON_SEED("for arrivals, inputs and order", OPTION_NUMBER, AT(seed)),
    COMMON_STACK_BYTES(AT_RUN(stack_bytes)),
    COMMON_VERIFY(AT_RUN(verify)),
    {.name = "virtual-clock",
     .help = "all times by a virtual clock: repeats exactly; needs a device "
             "that is\n                              polled, as sim",
     .kind = OPTION_FLAG,
     AT(virtual_clock)},
    {.name = "spin",
     .help = "where the generator has no CPU of its own, the loop does not "
             "sleep\n                              between arrivals",
     .kind = OPTION_FLAG,
     AT(spin)},
    {.name = "no-samples",
     .help = "only histograms; otherwise up to 4 million samples of each "
             "point are\n                              kept in files of their "
             "own",
     .kind = OPTION_FLAG,
     AT(no_samples)},
    COMMON_LOAD(AT_RUN(load)),
    COMMON_OUT(AT_RUN(out)),
    {.name = "json",
     .help = "one JSON line per point instead of tables",
     .kind = OPTION_FLAG,
     AT_RUN(json)},
    {.name = "dry-run",
     .help = "print what would be measured, and how long it would take",
     .kind = OPTION_FLAG,
     AT_RUN(dry_run)},
    {.name = NULL},
};

/* ---- understanding what is wanted ---------------------------------------- */

static int read_arrivals(struct load_run *s)
{
    const struct load_options *o = &s->options;
    char why[768];
    int err;

    if (o->rate != NULL &&
        load_rates_read(o->rate, &s->rates, why, sizeof(why)) != 0) {
        say("--rate: %s", why);
        return CLI_USAGE;
    }
    if (o->search != NULL &&
        load_goal_read(o->search, &s->goal, why, sizeof(why)) != 0) {
        say("--search: %s", why);
        return CLI_USAGE;
    }
    err = load_arrivals_read(o->arrivals, &s->arrivals, &s->trace, why,
                             sizeof(why));
    if (err != 0) {
        say("--arrivals: %s", why);
        return CLI_USAGE;
    }
    s->arrivals.seed = o->seed;
    return -1;
}

static int check_trace(struct load_run *s)
{
    struct load_options *o = &s->options;
    char length[32], duration[32];

    if (o->rate != NULL || o->search != NULL) {
        say("--arrivals: a trace has a rate of its own, so --%s does not go "
            "with it",
            o->rate != NULL ? "rate" : "search");
        return CLI_USAGE;
    }
    if (o->run.duration_ns == 0)
        o->run.duration_ns = s->trace.length_ns + 1; /* with the last one */
    if (o->run.duration_ns <= s->trace.length_ns + 1)
        return -1;
    say("--arrivals: %s ends after %s, before --duration %s is over",
        o->arrivals + strlen("trace:"),
        format_duration(length, sizeof(length), s->trace.length_ns),
        format_duration(duration, sizeof(duration), o->run.duration_ns));
    return CLI_USAGE;
}

/* Rates and the duration make a number of operations that can be measured. */
static int check_rates(const struct load_run *s)
{
    double seconds = (double)s->options.run.duration_ns / (double)SY_NS_PER_S;
    char rate[32], duration[32];
    size_t i;

    for (i = 0; i < s->rates.count; i++) {
        double count = (double)s->rates.hz[i] * seconds;

        if (count >= 1 && count <= (double)SY_LOAD_ARRIVALS_MAX)
            continue;
        say("--rate: %s/s for %s are %.3g operations; accepted: 1 .. 1e9",
            load_rate_text(rate, sizeof(rate), s->rates.hz[i]),
            format_duration(duration, sizeof(duration),
                            s->options.run.duration_ns),
            count);
        return CLI_USAGE;
    }
    return -1;
}

static int check_options(struct load_run *s)
{
    struct load_options *o = &s->options;

    if (o->closed && (o->rate != NULL || o->search != NULL)) {
        say("--closed: a closed loop has no rate, so --%s does not go with it",
            o->rate != NULL ? "rate" : "search");
        return CLI_USAGE;
    }
    if (!o->closed && s->arrivals.kind == SY_ARRIVALS_TRACE)
        return check_trace(s);
    if (o->run.duration_ns == 0)
        o->run.duration_ns = DURATION_NS;
    if (o->closed)
        return -1;
    if (o->rate == NULL && o->search == NULL) {
        say("it needs --rate (as 20k or 10k..90k/9), --search (as "
            "'p99<=200us'), --closed\nor --arrivals trace:FILE");
        return CLI_USAGE;
    }
    if (o->search == NULL && s->rates.low_hz != 0) {
        say("--rate: %s is a range for --search; for a sweep say how many "
            "rates: %s/9",
            o->rate, o->rate);
        return CLI_USAGE;
    }
    if (o->search != NULL && s->rates.count != 0) {
        say("--rate: with --search it takes a range, A..B, or nothing");
        return CLI_USAGE;
    }
    return check_rates(s);
}

/* What plan_make() reads. */
static void complete_run_options(struct load_options *o)
{
    if (o->run.workload.count == 0)
        o->run.workload =
            (struct option_texts){.item = {"ecdsa-p256-sign"}, .count = 1};
    o->run.jobs = (struct option_numbers){.item = {o->jobs}, .count = 1};
    o->run.seed = (struct option_numbers){.item = {o->seed}, .count = 1};
}

/* ---- points ---------------------------------------------------------------
 */

static int is_one_at_a_time(enum sy_row row)
{
    return row == SY_ROW_SOFTWARE || row == SY_ROW_BLOCKING;
}

static void print_point(const struct sy_load_spec *spec, size_t number)
{
    char name[128], mix[256], rate[32], duration[32], how[64];

    snprintf(how, sizeof(how), "closed");
    if (!spec->is_closed && spec->arrivals.kind == SY_ARRIVALS_TRACE)
        snprintf(how, sizeof(how), "a trace");
    else if (!spec->is_closed)
        snprintf(how, sizeof(how), "%s, %s/s",
                 sy_arrivals_name(spec->arrivals.kind),
                 load_rate_text(rate, sizeof(rate), spec->arrivals.rate_hz));
    printf("%3zu. %-26s %s on %s, %u in flight%s, %s, %s\n", number,
           sy_experiment_name(&spec->exp, name, sizeof(name)),
           sy_experiment_mix(&spec->exp, mix, sizeof(mix)),
           spec->exp.device_spec, spec->exp.jobs,
           is_one_at_a_time(spec->exp.row) || spec->is_closed ? "" : " at most",
           how, format_duration(duration, sizeof(duration), spec->duration_ns));
}

/* Call visit for every point but those of searches. Returns -1, or what visit
   returned otherwise. */
static int for_each_point(struct load_run *s,
                          int (*visit)(struct load_run *,
                                       const struct sy_load_spec *, size_t))
{
    size_t rates = s->rates.count != 0 ? s->rates.count : 1, r, i;
    int status = -1;

    /* All candidates at one rate, then at the next: what the machine does in
       the meantime falls on all. */
    for (r = 0; r < rates && status == -1; r++) {
        for (i = 0; i < s->plan.count && status == -1; i++) {
            struct sy_load_spec spec;

            load_run_spec(s, s->plan.order[i], s->rates.hz[r], &spec);
            status = visit(s, &spec, s->plan.order[i]);
        }
    }
    return status;
}

static int visit_dry(struct load_run *s, const struct sy_load_spec *spec,
                     size_t entry)
{
    (void)entry;
    print_point(spec, ++s->points_done);
    return -1;
}

static int dry_run(struct load_run *s)
{
    struct sy_load_spec spec;
    char time[32], bound[32];
    size_t i;

    if (s->options.search != NULL) {
        for (i = 0; i < s->plan.count; i++) {
            char name[128];

            load_run_spec(s, s->plan.order[i], 0, &spec);
            printf("%3zu. %-26s search for %s of the response <= %s\n", i + 1,
                   sy_experiment_name(&spec.exp, name, sizeof(name)),
                   s->goal.quantile,
                   format_duration(bound, sizeof(bound), s->goal.bound_ns));
        }
        load_run_spec(s, 0, 1, &spec);
        printf("%zu searches of about 20 points each, about %s\n",
               s->plan.count,
               format_rough_time(time, sizeof(time),
                                 20 * (double)s->plan.count *
                                     (double)sy_load_point_ns(&spec) /
                                     (double)SY_NS_PER_S));
        return CLI_OK;
    }
    (void)for_each_point(s, visit_dry);
    load_run_spec(s, 0, 1, &spec);
    printf("%zu points, about %s\n", s->points_done,
           format_rough_time(time, sizeof(time),
                             (double)s->points_done *
                                 (double)sy_load_point_ns(&spec) /
                                 (double)SY_NS_PER_S));
    return CLI_OK;
}

/* ---- measuring ------------------------------------------------------------
 */

static int visit_measure(struct load_run *s, const struct sy_load_spec *spec,
                         size_t entry)
{
    struct load_shown shown;

    if (interrupted)
        return CLI_INTERRUPTED;
    return load_run_measure(s, spec, entry, -1, &shown);
}

/* ---- searching ------------------------------------------------------------
 */

static int search_all(struct load_run *s, size_t *misses)
{
    int status = -1;
    size_t i;

    for (i = 0; i < s->plan.count && status == -1; i++)
        status = load_find_rate(s, s->plan.order[i], (int)i, misses);
    return status;
}

/* ---- afterwards -----------------------------------------------------------
 */

static int judge(const struct load_run *s, size_t misses)
{
    size_t i, figures = 0;

    for (i = 0; i < s->shown_count; i++) {
        if (s->shown[i].status == SY_OUTCOME_FAILED)
            return CLI_VERDICT;
        figures += s->shown[i].offered > 0;
    }
    if (figures == 0) {
        say("no point gave figures");
        return CLI_INCOMPLETE;
    }
    return misses > 0 ? CLI_VERDICT : CLI_OK;
}

static int create_file(struct load_run *s)
{
    const struct sy_run_info info = {
        .seed = s->options.seed, .argc = s->argc, .argv = s->argv};

    return run_output_begin(&s->file, s->options.run.out, "load", &info);
}

static void show(const struct load_run *s)
{
    if (s->options.run.json || s->shown_count == 0)
        return;
    if (s->options.search != NULL)
        putchar('\n');
    if (load_table_print(s->shown, s->shown_count, stdout) != 0)
        say("no memory for the table");
}

static int finish(struct load_run *s, int status, size_t misses,
                  const char *busy)
{
    char path[SY_RUN_PATH_BYTES];

    status = run_output_end(&s->file, status, sy_run_file_lines(s->file), path);
    /* Without a file the figures are still worth showing. */
    show(s);
    if (!s->options.run.json && s->shown_count > 0 && busy[0] != '\0')
        printf("\n%s\n", busy);
    fflush(stdout);
    if (status == -1)
        status = judge(s, misses);
    return run_output_say(status, path, "measured");
}

static int measure_and_show(struct load_run *s)
{
    struct machine_load before, after;
    size_t misses = 0;
    char busy[256];
    int status;

    catch_interrupts(); /* before there is a file to be seen */
    status = create_file(s);
    if (status != -1)
        return status;
    machine_load_read(&before);
    s->began_ns = sy_clock_now_ns(sy_clock_monotonic());
    s->is_terminal = stream_takes_colour(stderr);
    if (s->options.search != NULL) {
        status = search_all(s, &misses);
    } else {
        s->points = s->plan.count * (s->rates.count != 0 ? s->rates.count : 1);
        status = for_each_point(s, visit_measure);
    }
    say_over_end();
    machine_load_read(&after);
    machine_load_describe(&before, &after, busy, sizeof(busy));
    return finish(s, status, misses, busy);
}

/* ---- the whole ------------------------------------------------------------
 */

static int carry_out(struct load_run *s, const struct command *self)
{
    struct load_options *o = &s->options;
    int status;

    options_default(self->options, o);
    status = options_parse(self, s->argc, s->argv, o, &s->operands);
    if (status == -1)
        status = read_arrivals(s);
    if (status == -1)
        status = check_options(s);
    if (status != -1)
        return status;
    complete_run_options(o);
    status = parts_open(&s->parts, &o->run.load);
    if (status == -1)
        status = plan_make(&s->plan, &o->run, NULL, &s->parts, &s->operands);
    if (status != -1)
        return status;
    return o->run.dry_run ? dry_run(s) : measure_and_show(s);
}

static int run_load(const struct command *self, int argc, char **argv)
{
    struct load_run *s = calloc(1, sizeof(*s));
    int status;

    if (s == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    s->argc = argc;
    s->argv = argv;
    status = carry_out(s, self);
    plan_free(&s->plan);
    sy_arrival_trace_free(&s->trace);
    free(s->shown);
    free(s);
    return status;
}

const struct command load_command = {
    .name = "load",
    .summary = "Measure latency under a given rate, and find the highest that "
               "will do",
    .operands = "[SWITCHER+ENGINE-GLOB...]",
    .options = load_options_table,
    .notes =
        "Operands choose combinations by name, as with 'switchyard run'.\n"
        "The response counts from when an operation was meant to begin, the "
        "service from\nwhen it did. A point that the row or the generator "
        "could not sustain is marked\n'saturated' and is no answer to a "
        "search. Exit 1 if a point failed, or no rate\nkeeps the bound.\n"
        "  switchyard load asm+queue --rate 5k..25k/5\n"
        "  switchyard load 'asm+*' --search 'p99<=500us'\n",
    .run = run_load,
};
