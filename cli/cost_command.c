/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard cost: count what an operation costs. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/poll_policy.h>
#include <switchyard/runtime.h>

#include "../bench/load/run_file.h"
#include "command.h"
#include "common_options.h"
#include "cost_file.h"
#include "cost_process.h"
#include "cost_table.h"
#include "interrupt.h"
#include "options.h"
#include "parts.h"
#include "plan.h"
#include "run_output.h"
#include "suite.h"

#define OPERATIONS_MAX UINT64_C(10000000)

/* The passes without valgrind take little time, so they count more. */
#define NATIVE_TIMES 4

struct cost_options {
    struct run_options run;
    uint64_t operations, paused_jobs, seed;
};

#define AT(member)     .offset = offsetof(struct cost_options, member)
#define AT_RUN(member) .offset = offsetof(struct cost_options, run.member)

static const struct option cost_options_table[] = {
    COMMON_SWITCHER("; default: all that can pause", AT_RUN(switcher)),
    COMMON_ENGINE("; default: queue", AT_RUN(engine)),
    {.name = "workload",
     .argument = "GLOB,...",
     .help = "which workloads, a table each; default: null",
     .kind = OPTION_TEXTS,
     AT_RUN(workload)},
    {.name = "reference",
     .argument = "GLOB,...",
     .help = "which reference rows, or 'none'; default: all that were built",
     .kind = OPTION_TEXTS,
     AT_RUN(reference)},
    COMMON_JOBS(AT_RUN(jobs)),
    COMMON_DEVICE(AT_RUN(device)),
    {.name = "operations",
     .argument = "N",
     .standard = "1024",
     .help = "counted under callgrind: 2 N operations less N of them",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = OPERATIONS_MAX,
     AT(operations)},
    {.name = "paused-jobs",
     .argument = "N",
     .standard = "500",
     .help = "paused at once to see what each keeps in memory",
     .kind = OPTION_NUMBER,
     .min = 2,
     .max = SY_JOBS_MAX,
     AT(paused_jobs)},
    COMMON_SEED("for inputs", OPTION_NUMBER, AT(seed)),
    COMMON_STACK_BYTES(AT_RUN(stack_bytes)),
    COMMON_LOAD(AT_RUN(load)),
    COMMON_OUT(AT_RUN(out)),
    {.name = "json",
     .help = "one JSON object per row instead of tables",
     .kind = OPTION_FLAG,
     AT_RUN(json)},
    {.name = "dry-run",
     .help = "print what would be counted",
     .kind = OPTION_FLAG,
     AT_RUN(dry_run)},
    {.name = NULL},
};

/* One invocation. */
struct counting {
    struct cost_options options;
    struct option_texts operands;
    struct parts parts;
    struct plan plan;
    struct cost_launch launch;
    struct sy_cost **costs; /* for each entry of the plan */
    int argc;
    char **argv;
};

/* ---- understanding what is wanted -------------------------------------- */

static void only(struct option_texts *texts, const char *text)
{
    texts->item[0] = text;
    texts->count = 1;
}

static int read_options(struct counting *s, const struct command *self)
{
    struct cost_options *o = &s->options;
    struct run_options *run = &o->run;
    int status;

    options_default(self->options, o);
    status = options_parse(self, s->argc, s->argv, o, &s->operands);
    if (status != -1)
        return status;
    run->duration_ns = SY_NS_PER_S; /* any: batches end by operations */
    run->verify = "sample";
    run->seed.item[0] = o->seed;
    run->seed.count = 1;
    if (run->workload.count == 0)
        only(&run->workload, "null");
    if (s->operands.count == 0 && run->switcher.count == 0)
        only(&run->switcher, "!direct");
    if (s->operands.count == 0 && run->engine.count == 0)
        only(&run->engine, "queue");
    return -1;
}

static int make_plan(struct counting *s)
{
    int status = parts_open(&s->parts, &s->options.run.load);

    if (status == -1)
        status =
            plan_make(&s->plan, &s->options.run, NULL, &s->parts, &s->operands);
    return status;
}

/* Is nothing of the device done by a thread of its own? */
static int is_polled(const struct sy_experiment *exp)
{
    const char *options = strchr(exp->device_spec, ':');
    char why[SY_OUTCOME_TEXT_BYTES], policy[SY_OUTCOME_NAME_BYTES] = "";
    struct sy_device *device;
    int err;

    if (exp->device_ops != NULL)
        err = sy_device_open_ops(&device, exp->device_ops,
                                 options != NULL ? options + 1 : "", NULL, why,
                                 sizeof(why));
    else
        err = sy_device_open(&device, exp->device_spec, NULL, why, sizeof(why));
    if (err != 0)
        return 0;
    sy_device_poll_policy(device, policy, sizeof(policy));
    sy_device_close(device);
    return policy[0] != '\0';
}

/*
 * Callgrind makes a program fifty times as slow, and a polled device would do
 * other things at other times. By a virtual clock it does the same each time.
 */
static void choose_clock(struct sy_experiment *exp)
{
    exp->virtual_clock = is_polled(exp) != 0;
}

/* ---- the process of one pass -------------------------------------------- */

static void perform_task(struct counting *s, const struct cost_task *task,
                         struct sy_cost *cost)
{
    struct sy_experiment *exp = &s->plan.entries[task->entry].exp;

    switch (task->pass) {
    case COST_CALLGRIND:
        choose_clock(exp);
        sy_cost_run_callgrind(exp, task->operations, cost);
        return;
    case COST_NATIVE:
        sy_cost_count_native(exp, NATIVE_TIMES * task->operations, cost);
        return;
    case COST_PAUSED:
        sy_cost_count_paused(exp, task->paused_jobs, cost);
        return;
    case COST_PASSES:
        break;
    }
    sy_cost_clear(cost, "there is no such pass");
}

static int run_worker(struct counting *s, const struct command *self,
                      const char *fd)
{
    struct cost_share *share;
    struct cost_task task;
    struct sy_cost cost;
    int status;

    if (cost_worker_open(fd, &share, &task) != 0) {
        say(COST_WORKER_OPTION " is for processes that cost starts");
        return CLI_USAGE;
    }
    status = read_options(s, self);
    if (status == -1)
        status = make_plan(s);
    if (status != -1)
        return status;
    if (task.entry >= s->plan.count) {
        say(COST_WORKER_OPTION ": the plan has %zu rows", s->plan.count);
        return CLI_ENVIRONMENT;
    }
    perform_task(s, &task, &cost);
    cost_worker_done(share, &cost);
    return CLI_OK;
}

/* ---- all passes of one row ----------------------------------------------- */

/* Take over what a pass counted. */
static void merge(struct sy_cost *into, const struct sy_cost *from,
                  enum cost_pass pass)
{
    static const struct {
        enum sy_cost_item first, last;
    } items[COST_PASSES] = {
        [COST_CALLGRIND] = {SY_COST_INSTRUCTIONS, SY_COST_MALLOCS},
        [COST_NATIVE] = {SY_COST_KERNEL_SYSCALLS, SY_COST_PMU_CYCLES_KERNEL},
        [COST_PAUSED] = {SY_COST_RESIDENT_BYTES, SY_COST_RESIDENT_BYTES},
    };
    int i;

    for (i = (int)items[pass].first; i <= (int)items[pass].last; i++) {
        into->items[i] = from->items[i];
        if (from->status != SY_OUTCOME_OK)
            snprintf(into->items[i].why, sizeof(into->items[i].why), "%.190s",
                     from->reason);
    }
}

/*
 * The pass without valgrind comes first, and what it says of the row is said of
 * the row: what cannot be done without valgrind cannot be done. The others may
 * fail for reasons of their own, which are then why their counts are missing.
 * Returns 0 or -EINTR.
 */
static int count_entry(struct counting *s, uint32_t entry, struct sy_cost *cost)
{
    static const enum cost_pass order[] = {COST_NATIVE, COST_PAUSED,
                                           COST_CALLGRIND};
    struct cost_task task = {.entry = entry,
                             .operations = s->options.operations,
                             .paused_jobs = (uint32_t)s->options.paused_jobs};
    struct sy_cost one;
    size_t i;

    for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        task.pass = order[i];
        if (cost_process_run(&s->launch, &task, &one) != 0)
            return -EINTR;
        if (i == 0)
            *cost = one;
        if (one.status == SY_OUTCOME_FAILED && cost->status == SY_OUTCOME_OK &&
            strstr(one.reason, "wrong result") != NULL) {
            cost->status = SY_OUTCOME_FAILED;
            snprintf(cost->reason, sizeof(cost->reason), "%s", one.reason);
        }
        merge(cost, &one, task.pass);
        if (cost->status != SY_OUTCOME_OK)
            return 0;
    }
    return 0;
}

/* ---- writing it down ----------------------------------------------------- */

static int write_entry(struct counting *s, struct sy_run_file *file, size_t i)
{
    const struct plan_entry *entry = &s->plan.entries[i];
    char why[SY_RUN_PATH_BYTES + 256] = "";
    char *line =
        cost_file_line(&entry->exp, s->options.operations, s->costs[i]);
    int status = -1;

    if (line == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    if (sy_run_file_add_line(file, line, why, sizeof(why)) != 0) {
        say("--out: cannot write the run file: %s", why);
        status = CLI_ENVIRONMENT;
    } else if (s->options.run.json) {
        puts(line);
        fflush(stdout);
    }
    free(line);
    return status;
}

static void show_progress(const struct counting *s, size_t i)
{
    char name[128], mix[256];
    const struct sy_experiment *exp = &s->plan.entries[i].exp;

    if (stream_takes_colour(stderr))
        say_over("%zu of %zu: %s, %s on %s", i + 1, s->plan.count,
                 sy_experiment_name(exp, name, sizeof(name)),
                 sy_experiment_mix(exp, mix, sizeof(mix)), exp->device_spec);
}

/* Returns -1 or an exit code. */
static int count_all(struct counting *s, struct sy_run_file *file)
{
    size_t i;
    int status = -1;

    for (i = 0; i < s->plan.count && !interrupted && status == -1; i++) {
        struct sy_cost *cost = calloc(1, sizeof(*cost));

        if (cost == NULL) {
            say("no memory");
            return CLI_ENVIRONMENT;
        }
        show_progress(s, i);
        if (count_entry(s, (uint32_t)i, cost) != 0) {
            free(cost);
            break;
        }
        choose_clock(&s->plan.entries[i].exp);
        s->costs[i] = cost;
        status = write_entry(s, file, i);
    }
    say_over_end();
    return status;
}

/* ---- afterwards --------------------------------------------------------- */

static int judge(const struct counting *s)
{
    size_t i, figures = 0;

    for (i = 0; i < s->plan.count; i++) {
        if (s->costs[i] == NULL)
            continue;
        if (s->costs[i]->status == SY_OUTCOME_FAILED)
            return CLI_VERDICT;
        figures += s->costs[i]->status == SY_OUTCOME_OK;
    }
    if (figures == 0) {
        say("nothing could be counted");
        return CLI_INCOMPLETE;
    }
    return CLI_OK;
}

static void print_legend(const struct counting *s)
{
    printf("instructions, syscalls (callgrind) and mallocs: what %" PRIu64
           " operations more add under\nvalgrind, all threads. The row "
           "software is what the load itself takes.\n"
           "syscalls (kernel), switches and faults: without valgrind, all "
           "threads.\n"
           "resident: growth of the process from 1 to %" PRIu64
           " paused jobs.\n",
           s->options.operations, s->options.paused_jobs);
}

static int create_file(const struct counting *s, struct sy_run_file **file)
{
    const struct sy_run_info info = {
        .seed = s->options.seed, .argc = s->argc, .argv = s->argv};

    return run_output_begin(file, s->options.run.out, "cost", &info);
}

static int show(struct counting *s)
{
    if (!s->options.run.json) {
        if (cost_table_print(&s->plan, s->costs, stdout) != 0)
            say("no memory for the table; the run file has everything");
        else
            print_legend(s);
    }
    fflush(stdout);
    return judge(s);
}

static int count_and_show(struct counting *s)
{
    char path[SY_RUN_PATH_BYTES];
    struct sy_run_file *file;
    int status;

    s->costs = calloc(s->plan.count, sizeof(*s->costs));
    if (s->costs == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    catch_interrupts(); /* before there is a file to be seen */
    status = create_file(s, &file);
    if (status != -1)
        return status;
    status = count_all(s, file);
    status = run_output_end(&file, status, sy_run_file_lines(file), path);
    /* Without a file the figures are still worth showing. */
    if (status == -1)
        status = show(s);
    else
        show(s);
    return run_output_say(status, path, "counted");
}

static void print_plan(struct counting *s)
{
    char name[128], mix[256];
    size_t i;

    for (i = 0; i < s->plan.count; i++) {
        struct sy_experiment *exp = &s->plan.entries[i].exp;

        choose_clock(exp);
        printf("%3zu. %-26s %s on %s, %u in flight, %s clock\n", i + 1,
               sy_experiment_name(exp, name, sizeof(name)),
               sy_experiment_mix(exp, mix, sizeof(mix)), exp->device_spec,
               exp->jobs, exp->virtual_clock ? "virtual" : "real");
    }
    printf("%zu rows, each in 3 processes: %" PRIu64
           " operations counted without valgrind, %" PRIu64
           " jobs paused at once, ",
           s->plan.count, NATIVE_TIMES * s->options.operations,
           s->options.paused_jobs);
    if (s->launch.valgrind[0] != '\0')
        printf("and under callgrind %" PRIu64 " and %" PRIu64 " operations\n",
               s->options.operations, 2 * s->options.operations);
    else
        printf("and none under callgrind: %s\n", s->launch.no_valgrind);
}

static int carry_out(struct counting *s, const struct command *self)
{
    int status = read_options(s, self);

    if (status == -1)
        status = make_plan(s);
    s->launch.argc = s->argc;
    s->launch.argv = s->argv;
    s->launch.interrupted = &interrupted;
    if (status == -1)
        status = cost_launch_prepare(&s->launch);
    if (status != -1)
        return status;
    if (s->options.run.dry_run) {
        print_plan(s);
        return CLI_OK;
    }
    return count_and_show(s);
}

static int run_cost(const struct command *self, int argc, char **argv)
{
    struct counting *s = calloc(1, sizeof(*s));
    size_t i;
    int status;

    if (s == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    s->argc = argc;
    s->argv = argv;
    if (argc >= 2 && strcmp(argv[0], COST_WORKER_OPTION) == 0) {
        s->argc -= 2;
        s->argv += 2;
        status = run_worker(s, self, argv[1]);
    } else {
        status = carry_out(s, self);
    }
    for (i = 0; s->costs != NULL && i < s->plan.count; i++)
        free(s->costs[i]);
    free(s->costs);
    plan_free(&s->plan);
    free(s);
    return status;
}

const struct command cost_command = {
    .name = "cost",
    .summary = "Count instructions, system calls and the like per operation",
    .operands = "[SWITCHER+ENGINE-GLOB...]",
    .options = cost_options_table,
    .notes = "Counts are the same on a busy machine as on an idle one. On a "
             "device that is\npolled, as 'sim', those under callgrind repeat "
             "to the last instruction.\n"
             "Operands and names are as for 'switchyard run'; docs/cost.md "
             "explains each\ncolumn.\n",
    .run = run_cost,
};
