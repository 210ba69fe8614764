/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard phases: how long jobs spend in each phase, per combination. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/runtime.h>

#include "../bench/load/run_file.h"
#include "command.h"
#include "common_options.h"
#include "interrupt.h"
#include "options.h"
#include "parts.h"
#include "plan.h"
#include "run_output.h"
#include "suite.h"
#include "table.h"
#include "traced_process.h"

/* Each library in turns, so that what else the machine does meets both. */
#define ROUNDS 3

#define AT(member) .offset = offsetof(struct run_options, member)

static const struct option phases_options_table[] = {
    COMMON_SWITCHER("", .standard = "asm", AT(switcher)),
    COMMON_ENGINE("; default: all", AT(engine)),
    {.name = "workload",
     .argument = "GLOB,...",
     .standard = "ecdsa-p256-sign",
     .help = "which workloads, one table each; 'aes-128-gcm@16K' gives a size",
     .kind = OPTION_TEXTS,
     AT(workload)},
    COMMON_JOBS(AT(jobs)),
    COMMON_DEVICE(AT(device)),
    {.name = "duration",
     .argument = "TIME",
     .standard = "300ms",
     .help = "how long each of three rounds measures, with each library",
     .kind = OPTION_DURATION,
     .min = 10 * SY_NS_PER_MS,
     .max = 3600 * SY_NS_PER_S,
     AT(duration_ns)},
    COMMON_SEED("for inputs and order", OPTION_NUMBERS, AT(seed)),
    COMMON_STACK_BYTES(AT(stack_bytes)),
    COMMON_LOAD(AT(load)),
    COMMON_OUT(AT(out)),
    {.name = "json",
     .help = "one JSON line per combination instead of tables",
     .kind = OPTION_FLAG,
     AT(json)},
    {.name = NULL},
};

/* One combination, all rounds. */
struct figures {
    struct sy_phases_record record; /* record.window is this one: */
    struct sy_traced_window window;
    char reason[SY_OUTCOME_TEXT_BYTES];
    int is_measured;
};

struct invocation {
    struct run_options options;
    struct option_texts operands;
    struct parts parts;
    struct plan plan;
    struct traced_process traced;
    struct figures *figures; /* of each entry of the plan */
    const struct command *self;
    int argc;
    char **argv;
};

/* ---- measuring ----------------------------------------------------------- */

static void add_figures(struct sy_library_figures *to,
                        const struct sy_outcome *out)
{
    to->operations += out->operations;
    to->elapsed_ns += out->elapsed_ns;
    to->cpu_ns += out->cpu_ns;
}

/* Does the outcome leave something to be counted? If not, the figures say why,
   and count no more. */
static int is_usable(struct figures *f, const struct sy_outcome *out)
{
    if (out->status == SY_OUTCOME_OK)
        return 1;
    f->record.status = out->status;
    snprintf(f->reason, sizeof(f->reason), "%s", out->reason);
    return 0;
}

static int fail(struct figures *f, const char *what, int err)
{
    f->record.status = SY_OUTCOME_FAILED;
    snprintf(f->reason, sizeof(f->reason), "%s: %s", what, strerror(-err));
    return 0;
}

static int measure_production(struct figures *f, struct sy_experiment *exp)
{
    struct sy_outcome *out = calloc(1, sizeof(*out));
    int usable;

    if (out == NULL)
        return fail(f, "the experiment", -ENOMEM);
    (void)sy_experiment_run(exp, out);
    usable = is_usable(f, out);
    if (usable)
        add_figures(&f->record.production, out);
    free(out);
    return usable;
}

static int measure_traced(struct invocation *s, size_t entry, struct figures *f,
                          const struct sy_experiment *exp)
{
    const struct traced_share *share = s->traced.share;
    int err = traced_process_run(&s->traced, &s->plan, entry, exp);

    if (err != 0)
        return fail(f, "switchyard-traced", err);
    if (!is_usable(f, &share->outcome))
        return 0;
    if (share->window.error != 0)
        return fail(f, "tracing", share->window.error);
    add_figures(&f->record.traced, &share->outcome);
    sy_traced_window_merge(&f->window, &share->window);
    return 1;
}

/* All rounds of one combination. */
static void measure(struct invocation *s, size_t entry)
{
    struct figures *f = &s->figures[entry];
    struct sy_experiment exp = s->plan.entries[entry].exp;
    int usable = 1;

    exp.interrupted = &interrupted;
    f->record.reason = f->reason;
    f->record.window = &f->window;
    f->is_measured = 1;
    for (unsigned round = 0; round < ROUNDS && usable && !interrupted;
         round++) {
        /* As it was planned, then the other way round, and so on. */
        if (round % 2 == 0)
            usable = measure_production(f, &exp) &&
                     measure_traced(s, entry, f, &exp);
        else
            usable = measure_traced(s, entry, f, &exp) &&
                     measure_production(f, &exp);
        f->record.rounds += (unsigned)usable;
    }
    if (f->record.rounds == 0 && usable)
        f->is_measured = 0; /* interrupted before the first was over */
}

static int save(struct invocation *s, size_t entry, struct sy_run_file *file)
{
    const struct figures *f = &s->figures[entry];
    char why[SY_OUTCOME_TEXT_BYTES] = "";
    char *line = sy_run_file_phases(&s->plan.entries[entry].exp, &f->record);
    int err;

    if (line == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    err = sy_run_file_add_line(file, line, why, sizeof(why));
    if (s->options.json)
        puts(line);
    free(line);
    if (err == 0)
        return -1;
    say("--out: cannot write the run file: %s", why);
    return CLI_ENVIRONMENT;
}

static int measure_all(struct invocation *s, struct sy_run_file *file)
{
    char name[SY_OUTCOME_NAME_BYTES * 2], left[32];
    uint64_t began = sy_clock_now_ns(sy_clock_monotonic());
    int status = -1;

    for (size_t i = 0; i < s->plan.count && status == -1 && !interrupted; i++) {
        uint64_t now = sy_clock_now_ns(sy_clock_monotonic());
        /* Each round measures with both libraries. */
        double each_ns = i == 0 ? 2.0 * ROUNDS * (double)s->options.duration_ns
                                : (double)(now - began) / (double)i;

        format_rough_time(left, sizeof(left),
                          each_ns * (double)(s->plan.count - i) /
                              (double)SY_NS_PER_S);
        say("%zu of %zu: %s, about %s left", i + 1, s->plan.count,
            sy_experiment_name(&s->plan.entries[i].exp, name, sizeof(name)),
            left);
        measure(s, i);
        if (s->figures[i].is_measured)
            status = save(s, i, file);
    }
    return status;
}

/* ---- showing ------------------------------------------------------------- */

static double us(uint64_t ns)
{
    return (double)ns / 1000;
}

static double each_us(uint64_t ns, uint64_t operations)
{
    return operations != 0 ? us(ns) / (double)operations : 0;
}

static void cell_quantile(struct table *table, const struct sy_histogram *h,
                          double q)
{
    uint64_t ns;

    if (sy_histogram_known_quantile(h, q, &ns))
        table_number(table, us(ns), ns < 10000 ? 2 : 1);
    else
        table_cell(table, "-");
}

static void print_phases(const struct figures *f)
{
    static const struct table_column columns[] = {
        {"phase", "", 0},  {"from", "", 0},  {"to", "", 0},
        {"p50", "us", 1},  {"p99", "us", 1}, {"mean", "us", 1},
        {"share", "%", 1},
    };
    static const char *const ends[SY_TRACE_PHASES][2] = {
        [SY_TRACE_START] = {"submitted", "started"},
        [SY_TRACE_RUN] = {"started", "paused"},
        [SY_TRACE_WAIT] = {"paused", "completed"},
        [SY_TRACE_NOTIFY] = {"completed", "seen"},
        [SY_TRACE_SCHEDULE] = {"seen", "resumed"},
        [SY_TRACE_END] = {"resumed", "finished"},
        [SY_TRACE_WHOLE] = {"submitted", "finished"},
    };
    const struct sy_traced_window *w = &f->window;
    double whole = (double)w->phases[SY_TRACE_WHOLE].sum;
    struct table *table = table_new(columns, 7);

    for (int i = 0; table != NULL && i < SY_TRACE_PHASES; i++) {
        const struct sy_histogram *h = &w->phases[i];

        if (i == SY_TRACE_WHOLE && table_rule(table) != 0)
            break;
        if (table_row(table) != 0)
            break;
        table_cell(table, "%s", sy_trace_phase_name((enum sy_trace_phase)i));
        table_cell(table, "%s", ends[i][0]);
        table_cell(table, "%s", ends[i][1]);
        cell_quantile(table, h, 0.5);
        cell_quantile(table, h, 0.99);
        table_number(table, each_us(h->sum, w->jobs), 2);
        table_number(table, whole > 0 ? 100 * (double)h->sum / whole : 0, 1);
    }
    if (table != NULL)
        table_print(table, stdout);
    table_free(table);
}

static void print_ratio(const char *what, double production, double traced)
{
    printf("  %s %.2f us per operation untraced, %.2f us traced: ", what,
           production, traced);
    if (production > 0)
        printf("x%.3f\n", traced / production);
    else
        printf("no ratio\n");
}

static void print_overhead(const struct figures *f)
{
    const struct sy_library_figures *p = &f->record.production;
    const struct sy_library_figures *t = &f->record.traced;

    printf("What tracing cost, over %u rounds (clock: %s):\n", f->record.rounds,
           f->window.clock);
    print_ratio("time", each_us(p->elapsed_ns, p->operations),
                each_us(t->elapsed_ns, t->operations));
    print_ratio("CPU ", each_us(p->cpu_ns, p->operations),
                each_us(t->cpu_ns, t->operations));
}

static void print_entry(const struct sy_experiment *exp,
                        const struct figures *f)
{
    const struct sy_traced_window *w = &f->window;
    char name[SY_OUTCOME_NAME_BYTES * 2], mix[256], number[32], pauses[32];

    printf("\n%s: %s on %s, %u in flight\n",
           sy_experiment_name(exp, name, sizeof(name)),
           sy_experiment_mix(exp, mix, sizeof(mix)), exp->device_spec,
           exp->jobs);
    if (f->record.status != SY_OUTCOME_OK) {
        printf("%s: %s\n",
               f->record.status == SY_OUTCOME_SKIPPED ? "skipped" : "FAILED",
               f->reason);
        return;
    }
    print_phases(f);
    printf("%s jobs, %s pauses",
           format_number(number, sizeof(number), (double)w->jobs, 0),
           format_number(pauses, sizeof(pauses), (double)w->pauses, 0));
    if (w->early != 0)
        printf(", %s completed before the job paused",
               format_number(number, sizeof(number), (double)w->early, 0));
    if (w->unwoken != 0)
        printf(", %s resumed without a wake-up",
               format_number(number, sizeof(number), (double)w->unwoken, 0));
    printf(".\n");
    if (w->phases[SY_TRACE_WAIT].count != w->jobs)
        printf("Only %s of the jobs paused: the quantiles from wait to end are "
               "over these, the\nmeans over all.\n",
               format_number(number, sizeof(number),
                             (double)w->phases[SY_TRACE_WAIT].count, 0));
    print_overhead(f);
}

static int show_all(const struct invocation *s)
{
    int status = CLI_INCOMPLETE;

    for (size_t i = 0; i < s->plan.count; i++) {
        const struct figures *f = &s->figures[i];

        if (!f->is_measured)
            continue;
        if (!s->options.json)
            print_entry(&s->plan.entries[i].exp, f);
        if (f->record.status == SY_OUTCOME_FAILED)
            status = CLI_VERDICT;
        else if (f->record.status == SY_OUTCOME_OK && status != CLI_VERDICT)
            status = CLI_OK;
    }
    if (!s->options.json)
        printf(
            "\nA phase is what a job spent in it over all of its pauses; the "
            "means add up to the\nwhole, quantiles do not. "
            "docs/tracing.md says what each moment is.\n");
    fflush(stdout);
    if (status == CLI_INCOMPLETE)
        say("no combination gave figures");
    return status;
}

/* ---- the command --------------------------------------------------------- */

static int create_file(const struct invocation *s, struct sy_run_file **file)
{
    const struct sy_run_info info = {
        .seed = s->options.seed.item[0], .argc = s->argc, .argv = s->argv};

    return run_output_begin(file, s->options.out, "phases", &info);
}

static int measure_and_show(struct invocation *s)
{
    struct sy_run_file *file;
    char path[SY_RUN_PATH_BYTES];
    int status;

    catch_interrupts(); /* before there is a file to be seen */
    status = create_file(s, &file);
    if (status != -1)
        return status;
    status = measure_all(s, file);
    status = run_output_end(&file, status, sy_run_file_lines(file), path);
    if (status == -1)
        status = show_all(s);
    else
        show_all(s);
    return run_output_say(status, path, "measured");
}

/* What both the command and its worker do first. */
static int make_plan(struct invocation *s)
{
    int status;

    options_default(phases_options_table, &s->options);
    s->options.verify = "sample";
    status =
        options_parse(s->self, s->argc, s->argv, &s->options, &s->operands);
    if (status != -1)
        return status;
    s->options.no_reference = 1;
    if (s->options.seed.count > 1) {
        say("--seed: one number, for the rounds repeat everything already");
        return CLI_USAGE;
    }
    status = parts_open(&s->parts, &s->options.load);
    if (status == -1)
        status =
            plan_make(&s->plan, &s->options, NULL, &s->parts, &s->operands);
    return status;
}

static int be_command(struct invocation *s)
{
    int status = make_plan(s);

    if (status != -1)
        return status;
    s->traced.subcommand = s->self->name;
    s->traced.argc = s->argc;
    s->traced.argv = s->argv;
    status = traced_process_open(&s->traced, 0);
    if (status == -1) {
        s->figures = calloc(s->plan.count, sizeof(*s->figures));
        if (s->figures == NULL) {
            say("no memory");
            status = CLI_ENVIRONMENT;
        }
    }
    if (status == -1)
        status = measure_and_show(s);
    free(s->figures);
    traced_process_close(&s->traced);
    return status;
}

static int be_worker(struct invocation *s, const char *fd_text)
{
    struct traced_share *share = traced_worker_open(fd_text);
    int status;

    if (share == NULL)
        return CLI_USAGE;
    status = make_plan(s);
    if (status != -1)
        return status;
    catch_interrupts();
    return traced_worker_run(share, &s->plan, &interrupted);
}

static int phases_run(const struct command *self, int argc, char **argv)
{
    int is_worker = traced_worker_is_meant(argc, argv);
    struct invocation *s = calloc(1, sizeof(*s));
    int status;

    if (s == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    s->self = self;
    s->argc = is_worker ? argc - 2 : argc;
    s->argv = is_worker ? argv + 2 : argv;
    status = is_worker ? be_worker(s, argv[1]) : be_command(s);
    plan_free(&s->plan);
    free(s);
    return status;
}

const struct command phases_command = {
    .name = "phases",
    .summary = "Show how long jobs spend in each phase of their lives",
    .operands = "[SWITCHER+ENGINE-GLOB...]",
    .options = phases_options_table,
    .notes =
        "Each combination is measured with the library as it is shipped and "
        "with\nlibswitchyard-traced, in turns: the second gives the phases, "
        "and both together\nwhat tracing costs. docs/tracing.md explains "
        "them.\n",
    .run = phases_run,
};
