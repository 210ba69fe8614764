/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard compare: which is faster, and by how much. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/runtime.h>
#include <unistd.h>

#include "../bench/load/run_file.h"
#include "../bench/load/williams.h"
#include "analysis.h"
#include "command.h"
#include "common_options.h"
#include "compare_command.h"
#include "compare_file.h"
#include "compare_noise.h"
#include "compare_plan.h"
#include "compare_process.h"
#include "compare_worker.h"
#include "interrupt.h"
#include "machine_load.h"
#include "options.h"
#include "parts.h"
#include "plan.h"
#include "run_output.h"
#include "shard.h"
#include "suite.h"

/* How long the suites take, the analysis left out. */
#define QUICK_NS    (50 * SY_NS_PER_S)
#define STANDARD_NS (9 * 60 * SY_NS_PER_S)
#define RIGOROUS_NS (60 * 60 * SY_NS_PER_S)

/* Processes of a dry run, to see the noise. */
#define PILOTS 4

/* So many processes may fail, and this part of them, before it is given up. */
#define FAILURES_MAX  3
#define FAILURES_PART 4

/* switchyard-layout-1, ... beside this command: the same, linked in another
   order. */
#define LAYOUTS_MAX 64

const char *const compare_suites[] = {"quick", "standard", "rigorous", NULL};

#define AT_RUN(member) .offset = offsetof(struct compare_options, run.member)

static const struct option compare_options_table[] = {
    COMMON_SWITCHER("; default: all that can pause", AT_RUN(switcher)),
    COMMON_ENGINE("; default: queue", AT_RUN(engine)),
    {.name = "workload",
     .argument = "GLOB,...",
     .help = "which workloads, a contest each; default: ecdsa-p256-sign",
     .kind = OPTION_TEXTS,
     AT_RUN(workload)},
    {.name = "reference",
     .argument = "GLOB,...",
     .help = "reference rows that compete too; default: none",
     .kind = OPTION_TEXTS,
     AT_RUN(reference)},
    {.name = "jobs",
     .argument = "N[,N...]",
     .standard = "64",
     .help = "jobs in flight; several compete with each other",
     .kind = OPTION_NUMBERS,
     .min = 1,
     .max = SY_JOBS_MAX,
     AT_RUN(jobs)},
    {.name = "device",
     .argument = "SPEC",
     .standard = "workers:1",
     .help = "what executes offloaded steps; repeated, they compete",
     .kind = OPTION_TEXTS,
     AT_RUN(device)},
    COMPARE_SUITE,
    COMPARE_TIME,
    COMPARE_PROCESSES,
    {.name = "rounds",
     .argument = "N",
     .help = "in each process every candidate is measured so often; "
             "default: as\n                              the time allows",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = COMPARE_ROUNDS_MAX / COMPARE_CANDIDATES_MAX,
     COMPARE_AT(rounds)},
    COMMON_SEED("for orders, offsets and inputs", OPTION_NUMBER,
                COMPARE_AT(seed)),
    COMMON_STACK_BYTES(AT_RUN(stack_bytes)),
    {.name = "no-pin",
     .help = "let the kernel choose CPUs; default: in each process "
             "candidates\n                              have one CPU, "
             "threads of devices the others",
     .kind = OPTION_FLAG,
     COMPARE_AT(no_pin)},
    {.name = "plant-permille",
     .argument = "N",
     .standard = "0",
     .help = "a test of the comparison itself: the twin does so many "
             "thousandths\n                              more than it says",
     .kind = OPTION_NUMBER,
     .max = 1000,
     COMPARE_AT(plant_permille)},
    {.name = "repeat",
     .argument = "N",
     .standard = "1",
     .help = "another such test: each combination competes N times, so none "
             "can\n                              be the fastest",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = COMPARE_CANDIDATES_MAX - 1,
     COMPARE_AT(repeat)},
    COMMON_LOAD(AT_RUN(load)),
    COMMON_OUT(AT_RUN(out)),
    {.name = "shard",
     .argument = "I/N",
     .help = "do part I of N parts; 'switchyard merge' joins their files",
     .kind = OPTION_TEXT,
     AT_RUN(shard)},
    {.name = "run-id",
     .argument = "NAME",
     .help = "of the run's folder; needed with --shard; default: the time",
     .kind = OPTION_TEXT,
     AT_RUN(run_id)},
    {.name = "json",
     .help = "the verdicts as one JSON object",
     .kind = OPTION_FLAG,
     AT_RUN(json)},
    {.name = "no-verdict",
     .help = "measure only; 'switchyard judge' reads the file later",
     .kind = OPTION_FLAG,
     COMPARE_AT(no_verdict)},
    {.name = "dry-run",
     .help = "print what would be compared, how long it takes, and what "
             "difference\n                              it would find",
     .kind = OPTION_FLAG,
     AT_RUN(dry_run)},
    {.name = NULL},
};

/* One invocation. */
struct comparison {
    const struct compare_kind *kind;
    struct compare_options options;
    struct option_texts operands;
    struct parts parts;
    struct plan plan;
    struct contest contest;
    struct compare_noise noise;
    struct launch launch;
    struct shard shard;
    char exe[PATH_MAX]; /* of this command */
    int argc;
    char **argv;
    uint64_t began_ns;
    unsigned processes, failures; /* that have run */
    int is_out_of_time;
};

static uint64_t now_ns(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

/* ---- understanding what is wanted -------------------------------------- */

static const char *only(struct option_texts *texts, const char *text)
{
    texts->item[0] = text;
    texts->count = 1;
    return text;
}

static int read_options(struct comparison *s, const struct command *self)
{
    struct compare_options *o = &s->options;
    struct run_options *run = &o->run;
    int status;

    options_default(self->options, o);
    status = options_parse(self, s->argc, s->argv, o, &s->operands);
    if (status != -1)
        return status;
    status = shard_read(&s->shard, run->shard, run->run_id);
    if (status != -1)
        return status;
    if (s->shard.of > 1 && (o->processes == 0 || o->rounds == 0)) {
        say("--shard: needs --processes and --rounds: what the time allows "
            "would not be the same for each shard");
        return CLI_USAGE;
    }
    status = o->processes != 0
                 ? shard_check(&s->shard, o->processes, "processes")
                 : -1;
    if (status != -1)
        return status;
    run->duration_ns = SY_NS_PER_S; /* any: batches end by operations */
    run->verify = "sample";
    run->seed.item[0] = o->seed;
    run->seed.count = 1;
    o->is_chosen = s->operands.count != 0 || run->switcher.count != 0;
    if (run->workload.count == 0)
        only(&run->workload, "ecdsa-p256-sign");
    if (run->reference.count == 0)
        only(&run->reference, "none");
    if (s->operands.count == 0 && run->switcher.count == 0)
        only(&run->switcher, "!direct");
    if (s->operands.count == 0 && run->engine.count == 0)
        only(&run->engine, "queue");
    return -1;
}

static int make_plan(struct comparison *s)
{
    int status = parts_open(&s->parts, &s->options.run.load);

    if (status == -1)
        status =
            plan_make(&s->plan, &s->options.run, NULL, &s->parts, &s->operands);
    if (status == -1 && s->kind->arrange != NULL)
        status = s->kind->arrange(&s->plan, &s->options);
    return status;
}

/* 0: no limit. */
static uint64_t time_allowed(const struct compare_options *o)
{
    if (o->time_ns != 0)
        return o->time_ns;
    if (o->rounds != 0 && o->processes != 0)
        return 0;
    if (strcmp(o->suite, "quick") == 0)
        return QUICK_NS;
    return strcmp(o->suite, "standard") == 0 ? STANDARD_NS : RIGOROUS_NS;
}

/* ---- layouts ------------------------------------------------------------- */

/* Write the path of executable number, from 0, and point *name to its last
   part. */
static void layout_path(const struct comparison *s, unsigned number,
                        char path[PATH_MAX + 32], const char **name)
{
    const char *slash = strrchr(s->exe, '/');
    int folder = slash != NULL ? (int)(slash - s->exe) : 0;

    snprintf(path, PATH_MAX + 32, "%.*s/switchyard-layout-%u", folder, s->exe,
             number + 1);
    *name = path + folder + 1;
}

/* How many there are, without a gap. */
static unsigned count_layouts(const struct comparison *s)
{
    char path[PATH_MAX + 32];
    const char *name;
    unsigned count;

    for (count = 0; count < LAYOUTS_MAX; count++) {
        layout_path(s, count, path, &name);
        if (access(path, X_OK) == -1)
            break;
    }
    return count;
}

/* ---- preparing ----------------------------------------------------------- */

static int prepare(struct comparison *s)
{
    struct contest *c = &s->contest;
    uint64_t allowed = time_allowed(&s->options), spent;
    int status;

    c->seed = s->options.seed;
    c->plant_permille = s->options.plant_permille;
    /* `switchyard dose` has no such option. */
    c->repeat = s->options.repeat > 1 ? (unsigned)s->options.repeat : 1;
    c->is_pinned = !s->options.no_pin;
    c->budget_ns = allowed;
    contest_draw_layouts(c, count_layouts(s));
    status = contest_make(c, &s->plan, &interrupted);
    if (status == -1)
        status = contest_calibrate(c, &s->launch);
    if (status != -1)
        return status;
    spent = now_ns() - s->began_ns;
    status = contest_divide(c, allowed > spent ? allowed - spent : 0,
                            s->options.rounds, s->options.processes);
    if (status == -1 && !c->aslr)
        say("addresses are not randomised here (ASLR is off): every process "
            "has the same layout, and what is found holds for that one only");
    return status;
}

static void begin_noise(struct comparison *s)
{
    unsigned tasks[COMPARE_CANDIDATES_MAX], i;

    for (i = 0; i < s->contest.count; i++)
        tasks[i] = s->contest.candidates[i].task;
    compare_noise_begin(&s->noise, s->contest.count, tasks);
}

/* ---- a process ----------------------------------------------------------- */

/* Returns -1 or an exit code. The file may be NULL. */
static int run_process(struct comparison *s, struct sy_run_file *file,
                       unsigned number)
{
    struct contest *c = &s->contest;
    struct compare_process p = {.exe = s->launch.exe,
                                .subcommand = s->launch.subcommand,
                                .argv = s->launch.argv,
                                .argc = s->launch.argc,
                                .timeout_ns = contest_timeout_ns(c, c->rounds),
                                .interrupted = &interrupted};
    char why[SY_RUN_PATH_BYTES + 256] = "", path[PATH_MAX + 32];
    const char *layout = NULL;
    struct compare_share *share;
    int fd, err, status = -1;

    if (c->layouts > 1) {
        layout_path(s, c->layout[number % c->layouts], path, &layout);
        p.exe = path;
    }
    share = compare_share_make(c->rounds, c->count, &fd);
    if (share == NULL) {
        say("memory for a process: %s", strerror(errno));
        return CLI_ENVIRONMENT;
    }
    contest_order(c, share, number);
    err = compare_process_run(&p, share, fd);
    if (err != 0) {
        say("no process: %s", strerror(-err));
        status = CLI_ENVIRONMENT;
    } else if (file != NULL &&
               compare_file_process(file, c, number, layout, &p, share, why,
                                    sizeof(why)) != 0) {
        say("--out: cannot write the run file: %s", why);
        status = CLI_ENVIRONMENT;
    } else if (compare_noise_add(&s->noise, share, p.batches) != 0) {
        say("no memory");
        status = CLI_ENVIRONMENT;
    }
    s->processes++;
    if (status == -1 && p.end != COMPARE_DONE) {
        s->failures++;
        say("process %u: %s: %s", number,
            p.culprit >= 0 && (unsigned)p.culprit < c->count
                ? c->candidates[p.culprit].label
                : "failed",
            p.reason);
    }
    compare_share_free(share, fd);
    return status;
}

/* ---- the dry run --------------------------------------------------------- */

static void print_layouts(const struct contest *c)
{
    if (c->layouts == 1)
        printf("One layout: the answer holds for this executable\n");
    else if (c->layouts == c->layouts_there)
        printf("%u layouts, in turn\n", c->layouts);
    else
        printf("%u layouts in turn, drawn from %u\n", c->layouts,
               c->layouts_there);
}

static void print_candidates(const struct contest *c)
{
    char mix[256], time[32];
    unsigned i;

    for (i = 0; i < c->count; i++) {
        const struct sy_experiment *exp =
            &c->plan->entries[c->candidates[i].entry].exp;

        printf("%3u. %-28s %s, %u in flight, %s, %" PRIu64
               " operations per batch\n",
               i + 1, c->candidates[i].label,
               sy_experiment_mix(exp, mix, sizeof(mix)), exp->jobs,
               exp->device_spec, c->operations[i]);
    }
    printf("%u processes, %u rounds in each, %u batches in a round\n",
           c->processes, c->rounds, c->count);
    print_layouts(c);
    printf("The twin's code is %s.\n", strcmp(contest_twin(c), "elsewhere") == 0
                                           ? "a copy, linked elsewhere"
                                           : "that of the candidates");
    printf("Takes about %s.\n",
           format_rough_time(time, sizeof(time),
                             (double)contest_time_ns(c) / (double)SY_NS_PER_S));
}

static int dry_run(struct comparison *s)
{
    const struct contest *c = &s->contest;
    size_t pairs = contest_pairs(c);
    double deviation;
    int status = -1;
    unsigned i;

    print_candidates(c);
    if (s->shard.of > 1)
        printf("This shard runs %zu of the processes.\n",
               shard_share(&s->shard, c->processes));
    fflush(stdout);
    for (i = 0; i < PILOTS && status == -1 && !interrupted; i++)
        status = run_process(s, NULL, i);
    if (interrupted)
        return CLI_INTERRUPTED;
    if (status != -1)
        return status;
    deviation = compare_noise_deviation(&s->noise);
    if (deviation < 0) {
        say("the noise could not be measured");
        return CLI_INCOMPLETE;
    }
    printf("By %d processes just now, differences of %.2f %% would be found "
           "in four\nof five such comparisons (%zu pairs at once).\n",
           PILOTS, 100 * compare_noise_resolves(deviation, c->processes, pairs),
           pairs);
    return CLI_OK;
}

/* ---- measuring ----------------------------------------------------------- */

static void show_progress(const struct comparison *s, uint64_t began)
{
    const struct contest *c = &s->contest;
    double deviation = compare_noise_deviation(&s->noise), left;
    unsigned done = s->processes;
    unsigned all = (unsigned)shard_share(&s->shard, c->processes);
    char time[32], noise[64] = "";

    left = done != 0 ? (double)(now_ns() - began) / done * (double)(all - done)
                     : (double)contest_time_ns(c) * all / c->processes;
    format_rough_time(time, sizeof(time), left / (double)SY_NS_PER_S);
    if (deviation >= 0 && s->noise.processes >= 4)
        snprintf(noise, sizeof(noise), ", noise now +-%.2f %%",
                 100 * compare_noise_width(deviation, s->noise.processes));
    if (stream_takes_colour(stderr))
        say_over("process %u of %u%s, about %s left", done + 1, all, noise,
                 time);
    else if (done % ((all + 9) / 10) == 0)
        fprintf(stderr, "process %u of %u%s; about %s left\n", done + 1, all,
                noise, time);
}

/* Would another process end too late? */
static int is_late(const struct comparison *s, uint64_t began)
{
    const struct contest *c = &s->contest;
    uint64_t now = now_ns(), each;

    if (c->budget_ns == 0 || s->processes < COMPARE_PROCESSES_MIN)
        return 0;
    each = (now - began) / s->processes;
    return now + each > s->began_ns + c->budget_ns;
}

static int measure_all(struct comparison *s, struct sy_run_file *file)
{
    uint64_t began = now_ns();
    unsigned i;
    int status = -1;

    for (i = 0; i < s->contest.processes && !interrupted && status == -1; i++) {
        if (!shard_has(&s->shard, i))
            continue;
        if (is_late(s, began)) {
            s->is_out_of_time = 1;
            break;
        }
        show_progress(s, began);
        status = run_process(s, file, i);
        if (s->failures > FAILURES_MAX &&
            s->failures * FAILURES_PART > s->processes) {
            say("too many processes fail: given up");
            break;
        }
    }
    say_over_end();
    return status;
}

/* ---- the run file -------------------------------------------------------- */

static int create_file(const struct comparison *s, struct sy_run_file **file)
{
    const struct sy_run_info info = {.run_id = s->options.run.run_id,
                                     .shard_index = s->shard.index,
                                     .shard_of = s->shard.of,
                                     .seed = s->options.seed,
                                     .argc = s->argc,
                                     .argv = s->argv};
    const char *suite = s->options.time_ns == 0 ? s->options.suite : NULL;
    char why[SY_RUN_PATH_BYTES + 256] = "";
    int status =
        run_output_begin(file, s->options.run.out, s->kind->subcommand, &info);

    if (status != -1)
        return status;
    if (compare_file_begin(*file, &s->contest, suite, why, sizeof(why)) == 0)
        return -1;
    sy_run_file_discard(file);
    say("--out: %s", why);
    return CLI_ENVIRONMENT;
}

/* Before anything is measured, so that nothing is measured in vain. */
static int check_out(const struct comparison *s)
{
    struct sy_run_file *file;
    int status = create_file(s, &file);

    sy_run_file_discard(&file);
    return status;
}

static int judge(const struct comparison *s, const char *path)
{
    const char *what = s->kind->subcommand;
    const char *with_json[] = {what, "--json", "--", path, NULL};
    const char *without[] = {what, "--", path, NULL};

    if (s->options.no_verdict || s->shard.of > 1) /* a part says little */
        return CLI_OK;
    return analysis_run(s->options.run.json ? with_json : without);
}

static int conclude(const struct comparison *s, const char *path)
{
    int status = judge(s, path);

    if (s->is_out_of_time)
        say("the time was up after %u of %zu processes", s->processes,
            shard_share(&s->shard, s->contest.processes));
    say("wrote %s", path);
    shard_say_next(&s->shard, path);
    if (interrupted) {
        say("interrupted: what was measured until then is saved");
        return CLI_INTERRUPTED;
    }
    if (status == CLI_OK &&
        (s->failures != 0 || s->contest.left_out_count != 0)) {
        unsigned i;

        if (s->failures != 0)
            return CLI_VERDICT;
        for (i = 0; i < s->contest.left_out_count; i++)
            if (s->contest.left_out[i].status == SY_OUTCOME_FAILED)
                return CLI_VERDICT;
    }
    return status;
}

static int measure_and_judge(struct comparison *s)
{
    char path[SY_RUN_PATH_BYTES], busy[256];
    struct machine_load before, after;
    struct sy_run_file *file;
    int status = create_file(s, &file);

    if (status != -1)
        return status;
    machine_load_read(&before);
    status = measure_all(s, file);
    machine_load_read(&after);
    machine_load_describe(&before, &after, busy, sizeof(busy));
    status = run_output_end(&file, status, s->processes, path);
    if (status == -1)
        status = conclude(s, path);
    else if (path[0] != '\0')
        say("wrote %s", path);
    if (busy[0] != '\0')
        say("%s", busy);
    return status;
}

static int carry_out(struct comparison *s, const struct command *self)
{
    ssize_t n;
    int status;

    status = read_options(s, self);
    if (status == -1)
        status = make_plan(s);
    if (status != -1)
        return status;
    n = readlink("/proc/self/exe", s->exe, sizeof(s->exe) - 1);
    if (n == -1) {
        say("/proc/self/exe: %s", strerror(errno));
        return CLI_ENVIRONMENT;
    }
    s->exe[n] = '\0';
    s->launch.exe = s->exe;
    s->launch.subcommand = s->kind->subcommand;
    s->launch.argv = s->argv;
    s->launch.argc = s->argc;
    s->launch.interrupted = &interrupted;
    s->began_ns = now_ns();
    catch_interrupts();
    status = check_out(s);
    if (status == -1)
        status = prepare(s);
    if (status == CLI_INTERRUPTED)
        say("interrupted: nothing was measured yet");
    if (status != -1)
        return status;
    begin_noise(s);
    return s->options.run.dry_run ? dry_run(s) : measure_and_judge(s);
}

/* ---- as one of the processes --------------------------------------------- */

/* What the plan warns of has been said once. */
static void be_quiet(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (fd != -1) {
        dup2(fd, STDERR_FILENO);
        close(fd);
    }
}

static int be_worker(struct comparison *s, const struct command *self,
                     const char *fd_text)
{
    struct compare_share *share;
    int status;

    share = compare_worker_open(fd_text);
    if (share == NULL) {
        say("--worker is for this command's own use");
        return CLI_USAGE;
    }
    be_quiet();
    status = read_options(s, self);
    if (status == -1)
        status = make_plan(s);
    return status == -1 ? compare_worker_run(share, &s->plan) : status;
}

int compare_run_kind(const struct compare_kind *kind,
                     const struct command *self, int argc, char **argv)
{
    struct comparison *s = calloc(1, sizeof(*s));
    int is_worker = argc >= 2 && strcmp(argv[0], "--worker") == 0;
    int status;

    if (s == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    s->kind = kind;
    s->argc = is_worker ? argc - 2 : argc;
    s->argv = is_worker ? argv + 2 : argv;
    status = is_worker ? be_worker(s, self, argv[1]) : carry_out(s, self);
    compare_noise_free(&s->noise);
    plan_free(&s->plan);
    free(s);
    return status;
}

static int run_compare(const struct command *self, int argc, char **argv)
{
    static const struct compare_kind kind = {.subcommand = "compare"};

    return compare_run_kind(&kind, self, argc, argv);
}

const struct command compare_command = {
    .name = "compare",
    .summary = "Find out which of several combinations is faster, and by how "
               "much",
    .operands = "[SWITCHER+ENGINE-GLOB...]",
    .options = compare_options_table,
    .notes =
        "Operands choose combinations by name, as with 'switchyard run'.\n"
        "Candidates take turns within milliseconds, in many processes, and "
        "one of\nthem is entered twice: if those two differ, believe nothing. "
        "Exit 3 if the\npackages that the verdict needs are missing; the run "
        "file is written anyway.\n",
    .run = run_compare,
};
