/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard run: measure the experiments of a plan, save and show them. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/runtime.h>

#include "../bench/load/run_file.h"
#include "command.h"
#include "common_options.h"
#include "interrupt.h"
#include "machine_load.h"
#include "options.h"
#include "parts.h"
#include "plan.h"
#include "progress.h"
#include "results.h"
#include "run_output.h"
#include "shard.h"
#include "suite.h"
#include "tls_scenario.h"
#include "verdict.h"

#define AT(member) .offset = offsetof(struct run_options, member)

const struct option run_options_table[] = {
    COMMON_SWITCHER("; default: all", AT(switcher)),
    COMMON_ENGINE("; default: all", AT(engine)),
    {.name = "workload",
     .argument = "GLOB,...",
     .help = "which workloads, one table each; 'aes-128-gcm@16K' gives a "
             "size,\n                              'precomputed:NAME' results "
             "made beforehand; mixes of\n"
             "                              several are for suites only; "
             "default: the suite's,\n"
             "                              or ecdsa-p256-sign",
     .kind = OPTION_TEXTS,
     AT(workload)},
    COMMON_REFERENCE(AT(reference)),
    COMMON_NO_REFERENCE(AT(no_reference)),
    COMMON_JOBS(AT(jobs)),
    {.name = "sweep-of",
     .argument = "GLOB,...",
     .help = "combinations to measure at other numbers of jobs too",
     .kind = OPTION_TEXTS,
     AT(sweep_of)},
    {.name = "sweep-jobs",
     .argument = "N[,N...]",
     .help = "those numbers",
     .kind = OPTION_NUMBERS,
     .min = 1,
     .max = SY_JOBS_MAX,
     AT(sweep_jobs)},
    COMMON_DEVICE(AT(device)),
    {.name = "duration",
     .argument = "TIME",
     .standard = "1s",
     .help = "how long each experiment measures",
     .kind = OPTION_DURATION,
     .min = 10 * SY_NS_PER_MS,
     .max = 3600 * SY_NS_PER_S,
     AT(duration_ns)},
    {.name = "seed",
     .argument = "N[,N...]",
     .standard = "1",
     .help = "for inputs and order; each further one repeats everything",
     .kind = OPTION_NUMBERS,
     .max = INT64_MAX, /* JSON readers take no more */
     AT(seed)},
    COMMON_STACK_BYTES(AT(stack_bytes)),
    COMMON_VERIFY(AT(verify)),
    {.name = "suite",
     .argument = "FILE",
     .help = "take the above from a suite (a path, or quick, standard, "
             "rigorous)\n                              where no option says "
             "otherwise",
     .kind = OPTION_TEXT,
     AT(suite)},
    COMMON_LOAD(AT(load)),
    COMMON_OUT(AT(out)),
    {.name = "shard",
     .argument = "I/N",
     .help = "do part I of N parts; 'switchyard merge' joins their files",
     .kind = OPTION_TEXT,
     AT(shard)},
    {.name = "run-id",
     .argument = "NAME",
     .help = "of the run's folder; needed with --shard; default: the time",
     .kind = OPTION_TEXT,
     AT(run_id)},
    {.name = "json",
     .help = "one JSON record per experiment instead of tables",
     .kind = OPTION_FLAG,
     AT(json)},
    {.name = "dry-run",
     .help = "print what would be measured, and how long it would take",
     .kind = OPTION_FLAG,
     AT(dry_run)},
    {.name = NULL},
};

/* One invocation. */
struct invocation {
    struct run_options options;
    struct option_texts operands;
    struct suite suite;
    struct shard shard;
    struct parts parts;
    struct plan plan;
    struct machine_load before, after; /* of measuring */
    int has_suite;
    int argc;
    char **argv;
};

/* ---- understanding what is wanted -------------------------------------- */

/* Defaults, then the suite, then the command line. */
static int read_options(struct invocation *s, const struct command *self)
{
    struct run_options *o = &s->options;
    const char *suite;
    int status;

    options_default(self->options, o);
    status = options_parse(self, s->argc, s->argv, o, &s->operands);
    if (status != -1 || o->suite == NULL)
        return status;

    /* The command line goes last, so it is read again on top of the suite. */
    suite = o->suite;
    memset(o, 0, sizeof(*o));
    options_default(self->options, o);
    s->has_suite = 1;
    status = suite_open(&s->suite, suite, o);
    if (status != -1)
        return status;
    return options_parse(self, s->argc, s->argv, o, &s->operands);
}

static int check_options(struct invocation *s)
{
    struct run_options *o = &s->options;

    if ((o->sweep_of.count == 0) != (o->sweep_jobs.count == 0)) {
        say("--sweep-of and --sweep-jobs go together");
        return CLI_USAGE;
    }
    if (!s->has_suite && o->workload.count == 0)
        o->workload =
            (struct option_texts){.item = {"ecdsa-p256-sign"}, .count = 1};
    return shard_read(&s->shard, o->shard, o->run_id);
}

/* ---- the plan ----------------------------------------------------------- */

static void print_plan(const struct invocation *s)
{
    const struct plan *plan = &s->plan;
    uint64_t total_ns = 0;
    char name[128], mix[256], duration[32];
    size_t i;

    for (i = 0; i < plan->count; i++) {
        const struct plan_entry *entry = &plan->entries[plan->order[i]];

        total_ns += plan_entry_ns(entry);
        printf(
            "%3zu. %-26s %s on %s, %u in flight, %s, seed %" PRIu64 "\n", i + 1,
            sy_experiment_name(&entry->exp, name, sizeof(name)),
            sy_experiment_mix(&entry->exp, mix, sizeof(mix)),
            entry->exp.device_spec, entry->exp.jobs,
            format_duration(duration, sizeof(duration), entry->exp.duration_ns),
            entry->seed);
    }
    printf("%zu experiments, about %s\n", plan->count,
           format_rough_time(duration, sizeof(duration),
                             (double)total_ns / (double)SY_NS_PER_S));
}

/* ---- measuring ---------------------------------------------------------- */

static int print_record(const struct plan_entry *entry)
{
    char *line = sy_run_file_record(&entry->exp, entry->outcome);

    if (line == NULL)
        return -ENOMEM;
    fputs(line, stdout);
    if (line[0] == '\0' || line[strlen(line) - 1] != '\n')
        putchar('\n');
    fflush(stdout);
    free(line);
    return 0;
}

/* Measure one, and write it down. Returns -1 or an exit code. */
static int measure_entry(struct invocation *s, struct plan_entry *entry,
                         struct sy_run_file *file)
{
    char why[SY_OUTCOME_TEXT_BYTES] = "";

    entry->outcome = calloc(1, sizeof(*entry->outcome));
    if (entry->outcome == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    entry->exp.interrupted = &interrupted;
    if (sy_experiment_run(&entry->exp, entry->outcome) != 0) {
        say("%s", entry->outcome->reason);
        return CLI_ENVIRONMENT;
    }
    if (sy_run_file_add(file, &entry->exp, entry->outcome, why, sizeof(why)) !=
        0) {
        say("--out: cannot write the run file: %s", why);
        return CLI_ENVIRONMENT;
    }
    if (s->options.json && print_record(entry) != 0) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    return -1;
}

static int measure_all(struct invocation *s, struct sy_run_file *file)
{
    struct progress progress;
    size_t i;
    int status = -1;

    progress_begin(&progress, &s->plan);
    for (i = 0; i < s->plan.count && !interrupted && status == -1; i++) {
        struct plan_entry *entry = &s->plan.entries[s->plan.order[i]];

        progress_show(&progress, entry);
        status = measure_entry(s, entry, file);
        if (status == -1)
            progress_done(&progress, entry);
    }
    progress_end(&progress);
    return status;
}

/* ---- afterwards --------------------------------------------------------- */

/* Print a word so that a shell reads it as it is. */
static void print_quoted(const char *word, FILE *to)
{
    if (word[0] != '\0' &&
        strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789_-+=.,/:@%") == strlen(word)) {
        fputs(word, to);
        return;
    }
    fputc('\'', to);
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            fputs("'\\''", to);
        else
            fputc(*word, to);
    }
    fputc('\'', to);
}

static void say_how_to_repeat(const struct invocation *s)
{
    int i;

    say_over_end();
    fputs("switchyard: to repeat it: ", stderr);
    print_quoted(program(), stderr);
    fputs(" run", stderr);
    for (i = 0; i < s->argc; i++) {
        fputc(' ', stderr);
        print_quoted(s->argv[i], stderr);
    }
    fputc('\n', stderr);
}

/* What the results amount to, as an exit code. */
static int judge(const struct results *results)
{
    size_t i, figures = 0;

    for (i = 0; i < results->count; i++) {
        if (results->all[i].status == RESULT_FAILED)
            return CLI_VERDICT;
        figures += result_has_figures(&results->all[i]) != 0;
    }
    if (figures == 0) {
        say("no experiment gave figures");
        return CLI_INCOMPLETE;
    }
    return CLI_OK;
}

static int show_results(struct invocation *s)
{
    struct results results;
    char busy[256];
    int status;

    machine_load_describe(&s->before, &s->after, busy, sizeof(busy));
    if (results_make(&results, &s->plan) != 0) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    if (!s->options.json && verdict_print(&results, busy, stdout) != 0)
        say("no memory for the table; the run file has everything");
    fflush(stdout);
    status = judge(&results);
    results_free(&results);
    return status;
}

static int create_file(const struct invocation *s, struct sy_run_file **file)
{
    const struct sy_run_info info = {
        .run_id = s->options.run_id,
        .shard_index = s->shard.index,
        .shard_of = s->shard.of,
        .suite = s->has_suite ? s->suite.name : NULL,
        .suite_sha256 = s->suite.sha256,
        .seed = s->options.seed.item[0],
        .argc = s->argc,
        .argv = s->argv,
    };

    return run_output_begin(file, s->options.out, "run", &info);
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
    machine_load_read(&s->before);
    status = measure_all(s, file);
    machine_load_read(&s->after);
    status = run_output_end(&file, status, sy_run_file_lines(file), path);
    /* Without a file the figures are still worth showing. */
    if (status == -1)
        status = show_results(s);
    else
        show_results(s);
    status = run_output_say(status, path, "measured");
    if (path[0] != '\0')
        shard_say_next(&s->shard, path);
    say_how_to_repeat(s);
    return status;
}

static int carry_out(struct invocation *s, const struct command *self)
{
    int status;

    status = read_options(s, self);
    if (status == -1)
        status = check_options(s);
    if (status == -1)
        status = parts_open(&s->parts, &s->options.load);
    if (status == -1)
        status =
            plan_make(&s->plan, &s->options, s->has_suite ? &s->suite : NULL,
                      &s->parts, &s->operands);
    if (status == -1)
        status = shard_check(&s->shard, s->plan.count, "experiments");
    if (status != -1)
        return status;
    plan_keep_shard(&s->plan, &s->shard);
    if (s->options.load.count != 0)
        say("parts from outside are not checked by run; '%s conform FILE' "
            "does",
            program());
    if (s->options.dry_run) {
        print_plan(s);
        return CLI_OK;
    }
    return measure_and_show(s);
}

static int run_run(const struct command *self, int argc, char **argv)
{
    struct invocation *s;
    int status;

    if (tls_scenario_is_meant(argc, argv))
        return tls_scenario_run(argc, argv);
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    s->argc = argc;
    s->argv = argv;
    status = carry_out(s, self);
    plan_free(&s->plan);
    suite_free(&s->suite);
    free(s);
    return status;
}

static const struct command *const run_modes[] = {&tls_command, NULL};

const struct command run_command = {
    .name = "run",
    .summary = "Measure combinations of switchers and engines on a workload",
    .operands = "[SWITCHER+ENGINE-GLOB...]",
    .modes = run_modes,
    .options = run_options_table,
    .notes =
        "Operands choose combinations by name, as in\n"
        "  switchyard run asm+queue 'setjmp+*' '!*+poll'\n"
        "('asm' stands for 'asm+*', 'queue' for '*+queue'),\n"
        "and --switcher and --engine narrow that down.\n"
        "Devices: 'switchyard list' shows them; for example workers:2, or\n"
        "  sim:servers=4,service=lognormal:50us:0.3,queue=64\n"
        "'run --scenario tls' compares a TLS server on OpenSSL's own async "
        "jobs and on\nthe drop-in; 'run --scenario tls --help' lists its "
        "options.\n",
    .run = run_run,
};
