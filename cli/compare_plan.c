/* SPDX-License-Identifier: Apache-2.0 */
#include "compare_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/clock.h>
#include <time.h>

#include "../bench/load/own_parts.h"
#include "../bench/load/williams.h"
#include "command.h"
#include "options.h"
#include "twin.h"

/* A batch is as long as this, and as so many ticks of the clock, at least:
   then reading the clock adds less than a thousandth. */
#define FLOOR_NS    SY_NS_PER_MS
#define FLOOR_TICKS 1000

/* What batches are aimed at, in floors: some will be shorter than planned. */
#define AIM 2

/* More batches than this are not aimed at: some 70 MB of run file. */
#define BATCHES_MAX 200000

/* In a batch, the number in flight grows from none and falls to none: these
   must be a small part of it. */
#define OPERATIONS_PER_JOB 4

/* A first look at each candidate. */
#define LOOK_NS         (30 * SY_NS_PER_MS)
#define LOOK_WARM_UP_NS (10 * SY_NS_PER_MS)

#define CALIBRATIONS_MAX   8
#define CALIBRATION_ROUNDS 4

/* In floors: a batch that was not longer than this when calibrating may be
   below one later. */
#define MARGIN 1.25

/* What a process should last, and how many there should be, if time allows:
   the more of them, the narrower the intervals. */
#define PROCESS_NS    (300 * SY_NS_PER_MS)
#define PROCESSES_LOW 16
#define PROCESSES_TOP 200
#define PROCESSES_FEW 8 /* fewer are not planned */

#define TIMEOUT_NS (30 * SY_NS_PER_S)

/* ---- candidates ---------------------------------------------------------- */

static const struct sy_experiment *experiment(const struct contest *c,
                                              uint32_t entry)
{
    return &c->plan->entries[entry].exp;
}

static int same_mix(const struct sy_experiment *a,
                    const struct sy_experiment *b)
{
    struct sy_experiment copy = *b;

    copy.device_spec = a->device_spec;
    return plan_same_task(a, &copy);
}

/* The name, and what else tells candidates of this plan apart. */
static void make_label(const struct contest *c, uint32_t entry, char *label,
                       size_t bytes)
{
    const struct sy_experiment *exp = experiment(c, entry);
    char name[80], more[64] = "";
    int device = 0, jobs = 0;
    size_t i;

    if (c->plan->entries[entry].label[0] != '\0') {
        snprintf(label, bytes, "%s", c->plan->entries[entry].label);
        return;
    }
    for (i = 0; i < c->plan->count; i++) {
        const struct sy_experiment *other = &c->plan->entries[i].exp;

        device |= strcmp(other->device_spec, exp->device_spec) != 0;
        jobs |= other->jobs != exp->jobs && exp->row == SY_ROW_COMBINATION;
    }
    sy_experiment_name(exp, name, sizeof(name));
    if (device)
        snprintf(more, sizeof(more), " on %.40s", exp->device_spec);
    if (jobs)
        snprintf(more + strlen(more), sizeof(more) - strlen(more),
                 ", %u in flight", exp->jobs);
    snprintf(label, bytes, "%.60s%.60s", name, more);
}

/* Only what is compared with each other has the same task. */
static void find_tasks(struct contest *c)
{
    unsigned i, j;

    for (i = 0; i < c->count; i++) {
        for (j = 0; j < i; j++)
            if (same_mix(experiment(c, c->candidates[i].entry),
                         experiment(c, c->candidates[j].entry)))
                break;
        c->candidates[i].task = j;
    }
}

/* Only the command's own code knows parts from files. Then all candidates run
   that, because between two of them it must be the same code. */
static int has_own_parts_only(const struct contest *c)
{
    unsigned i;

    for (i = 0; i < c->count; i++) {
        struct sy_experiment exp = *experiment(c, c->candidates[i].entry);

        if (sy_own_parts(&exp) != 0)
            return 0;
    }
    return 1;
}

static int is_twin_elsewhere(const struct contest *c)
{
    return twin_calls(TWIN_SECOND) != NULL && has_own_parts_only(c);
}

/* Enter the first candidate again, as the last. */
static void add_twin(struct contest *c)
{
    struct candidate *twin = &c->candidates[c->count];

    *twin = c->candidates[0];
    snprintf(twin->label, sizeof(twin->label), "%.100s (twin)",
             c->candidates[0].label);
    twin->twin_of = 0;
    twin->extra_permille = c->plant_permille;
    c->count++;
    find_tasks(c);
}

static void leave_out(struct contest *c, const struct candidate *one,
                      enum sy_outcome_status status, const char *reason)
{
    struct left_out *to = &c->left_out[c->left_out_count++];

    to->entry = one->entry;
    snprintf(to->label, sizeof(to->label), "%s", one->label);
    to->status = status;
    snprintf(to->reason, sizeof(to->reason), "%.500s", reason);
    say("%s: %s: %s", one->label,
        status == SY_OUTCOME_SKIPPED ? "left out" : "failed", reason);
}

static int none_is_left(const struct contest *c)
{
    unsigned i;

    say("no candidate is left that works here");
    for (i = 0; i < c->left_out_count; i++)
        if (c->left_out[i].status == SY_OUTCOME_FAILED)
            return CLI_VERDICT;
    return CLI_INCOMPLETE;
}

/* Take out one that turned out not to work together with the others. */
static int drop(struct contest *c, unsigned i, enum sy_outcome_status status,
                const char *reason)
{
    c->count--; /* the twin */
    if (i == c->count)
        i = 0;
    leave_out(c, &c->candidates[i], status, reason);
    c->count--;
    memmove(&c->candidates[i], &c->candidates[i + 1],
            (c->count - i) * sizeof(c->candidates[0]));
    if (c->count == 0)
        return none_is_left(c);
    add_twin(c);
    return -1;
}

/* Take the next candidate in, as often as is wanted. */
static void enter(struct contest *c)
{
    const struct candidate one = c->candidates[c->count];

    for (unsigned i = 1; i <= c->repeat; i++) {
        struct candidate *to = &c->candidates[c->count++];

        *to = one;
        if (c->repeat > 1)
            snprintf(to->label, sizeof(to->label), "%.100s #%u", one.label, i);
    }
}

/* Measure one alone, briefly. Returns -1 or an exit code. */
static int look_at(struct contest *c, uint32_t entry,
                   const volatile sig_atomic_t *interrupted)
{
    struct candidate *one = &c->candidates[c->count];
    struct sy_experiment exp = *experiment(c, entry);
    static struct sy_outcome out; /* large */

    memset(one, 0, sizeof(*one));
    one->entry = entry;
    one->twin_of = -1;
    make_label(c, entry, one->label, sizeof(one->label));
    if (stream_takes_colour(stderr))
        say_over("looking at %s", one->label);
    exp.duration_ns = LOOK_NS;
    exp.warm_up_ns = LOOK_WARM_UP_NS;
    exp.interrupted = interrupted;
    if (sy_experiment_run(&exp, &out) != 0) {
        say("%s", out.reason);
        return CLI_ENVIRONMENT;
    }
    if (*interrupted)
        return CLI_INTERRUPTED;
    if (out.status != SY_OUTCOME_OK || out.elapsed_ns == 0) {
        leave_out(c, one, out.status, out.reason);
        return -1;
    }
    one->per_s =
        (double)out.operations * (double)SY_NS_PER_S / (double)out.elapsed_ns;
    enter(c);
    return -1;
}

int contest_make(struct contest *c, const struct plan *plan,
                 const volatile sig_atomic_t *interrupted)
{
    size_t i;
    int status = -1;

    c->plan = plan;
    if (plan->count * c->repeat >= COMPARE_CANDIDATES_MAX) {
        say("%zu candidates are too many: at most %d; choose some with "
            "--switcher, --engine, --workload, --device",
            plan->count * c->repeat, COMPARE_CANDIDATES_MAX - 1);
        return CLI_USAGE;
    }
    for (i = 0; i < plan->count && status == -1; i++)
        status = look_at(c, (uint32_t)i, interrupted);
    say_over_end();
    if (status != -1)
        return status;
    if (c->count == 0)
        return none_is_left(c);
    add_twin(c);
    return -1;
}

/* ---- operations per batch ------------------------------------------------ */

static uint64_t read_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SY_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The smallest step in which the clock was seen to go on. */
static uint64_t clock_tick_ns(void)
{
    uint64_t least = SY_NS_PER_S, before = read_clock();

    for (int steps = 0; steps < 1000;) {
        uint64_t now = read_clock();

        if (now == before)
            continue;
        if (now - before < least)
            least = now - before;
        before = now;
        steps++;
    }
    return least;
}

/* Set the operations of every candidate of a task. */
static void set_operations(struct contest *c, unsigned task, double wanted)
{
    uint64_t operations = wanted < 1 ? 1 : (uint64_t)wanted;
    unsigned i;

    for (i = 0; i < c->count; i++) {
        uint64_t least = OPERATIONS_PER_JOB *
                         (uint64_t)experiment(c, c->candidates[i].entry)->jobs;

        if (c->candidates[i].task == task && operations < least)
            operations = least;
    }
    /* So that a thousandth more is a whole number. */
    if (c->plant_permille != 0)
        operations = (operations + 999) / 1000 * 1000;
    for (i = 0; i < c->count; i++)
        if (c->candidates[i].task == task)
            c->operations[i] = operations;
}

static void guess_operations(struct contest *c)
{
    unsigned i, j;

    for (i = 0; i < c->count; i++) {
        double fastest = 0;

        if (c->candidates[i].task != i)
            continue;
        for (j = i; j < c->count; j++)
            if (c->candidates[j].task == i && c->candidates[j].per_s > fastest)
                fastest = c->candidates[j].per_s;
        set_operations(c, i, fastest * (double)c->aim_ns / (double)SY_NS_PER_S);
    }
}

/* Raise the operations of tasks with batches that were too short. Returns
   whether there were any. */
static int raise_operations(struct contest *c,
                            const struct compare_share *share, uint32_t batches)
{
    uint64_t shortest[COMPARE_CANDIDATES_MAX];
    int raised = 0;
    unsigned i;

    memset(shortest, 0xff, sizeof(shortest));
    for (i = 0; i < batches; i++) {
        const struct compare_batch *b = &share->batches[i];
        unsigned task = c->candidates[b->candidate].task;

        if (b->batch.elapsed_ns != 0 && b->batch.elapsed_ns < shortest[task])
            shortest[task] = b->batch.elapsed_ns;
    }
    for (i = 0; i < c->count; i++) {
        if (c->candidates[i].task != i ||
            (double)shortest[i] >= MARGIN * (double)c->floor_ns)
            continue;
        raised = 1;
        set_operations(c, i,
                       1 + (double)c->operations[i] * (double)c->aim_ns /
                               (double)(shortest[i] + 1));
    }
    return raised;
}

/* One of the CPUs that this process may use, -1 if there is one only. */
static int32_t choose_cpu(uint64_t random)
{
    cpu_set_t set;
    int count, cpu = -1;

    if (sched_getaffinity(0, sizeof(set), &set) == -1)
        return -1;
    count = CPU_COUNT(&set);
    if (count < 2)
        return -1;
    for (int left = (int)(random % (uint64_t)count); left >= 0; left--)
        do
            cpu++;
        while (!CPU_ISSET((size_t)cpu, &set));
    return cpu;
}

void contest_order(const struct contest *c, struct compare_share *share,
                   unsigned number)
{
    uint64_t random = c->seed + ((uint64_t)number << 32);
    int is_elsewhere = is_twin_elsewhere(c);
    unsigned i;

    share->order_seed = c->seed;
    share->first_round = (uint64_t)number * share->rounds;
    share->seed = plan_random(&random);
    share->cpu = c->is_pinned ? choose_cpu(plan_random(&random)) : -1;
    for (i = 0; i < c->count; i++) {
        const struct candidate *one = &c->candidates[i];

        share->entry[i] = one->entry;
        share->operations[i] = c->operations[i];
        if (is_elsewhere)
            share->twin[i] = one->twin_of < 0 ? TWIN_FIRST : TWIN_SECOND;
        share->extra[i] = c->operations[i] * one->extra_permille / 1000;
    }
}

/* One process with a few rounds. Sets *again if it did not do. Returns -1 or
   an exit code. */
static int calibrate_once(struct contest *c, const struct launch *launch,
                          uint32_t rounds, int *again)
{
    struct compare_process p = {.exe = launch->exe,
                                .subcommand = launch->subcommand,
                                .argv = launch->argv,
                                .argc = launch->argc,
                                .timeout_ns = 4 * TIMEOUT_NS,
                                .interrupted = launch->interrupted};
    struct compare_share *share;
    int fd, err, status = -1;

    *again = 0;
    share = compare_share_make(rounds, c->count, &fd);
    if (share == NULL) {
        say("memory for a process: %s", strerror(errno));
        return CLI_ENVIRONMENT;
    }
    contest_order(c, share, COMPARE_PROCESSES_MAX);
    err = compare_process_run(&p, share, fd);
    if (err != 0) {
        say("no process: %s", strerror(-err));
        status = CLI_ENVIRONMENT;
    } else if (*launch->interrupted) {
        status = CLI_INTERRUPTED;
    } else if (p.end != COMPARE_DONE && p.culprit < 0) {
        say("a process could not be started: %s", p.reason);
        status = CLI_ENVIRONMENT;
    } else if (p.end != COMPARE_DONE) {
        *again = 1;
        status = drop(c, (unsigned)p.culprit,
                      p.end == COMPARE_SKIPPED ? SY_OUTCOME_SKIPPED
                                               : SY_OUTCOME_FAILED,
                      p.reason);
        guess_operations(c);
    } else {
        *again = raise_operations(c, share, p.batches);
        c->round_ns = share->rounds_ns / rounds;
        c->setup_ns = p.elapsed_ns > share->rounds_ns
                          ? p.elapsed_ns - share->rounds_ns
                          : 0;
        c->aslr = share->aslr;
    }
    compare_share_free(share, fd);
    return status;
}

int contest_calibrate(struct contest *c, const struct launch *launch)
{
    int status, again, drops = 0;

    c->tick_ns = clock_tick_ns();
    c->floor_ns = FLOOR_TICKS * c->tick_ns;
    if (c->floor_ns < FLOOR_NS)
        c->floor_ns = FLOOR_NS;
    c->aim_ns = AIM * c->floor_ns;
    if (c->aim_ns < c->budget_ns / BATCHES_MAX)
        c->aim_ns = c->budget_ns / BATCHES_MAX;
    guess_operations(c);
    for (int i = 0; i < CALIBRATIONS_MAX + drops; i++) {
        unsigned count = c->count;

        status = calibrate_once(c, launch, CALIBRATION_ROUNDS, &again);
        if (status != -1 || !again)
            return status;
        drops += c->count < count;
    }
    return -1; /* batches that are still too short are tagged so */
}

/* ---- rounds and processes ------------------------------------------------ */

static uint64_t between(uint64_t value, uint64_t low, uint64_t high)
{
    if (value < low)
        return low;
    return value < high ? value : high;
}

static int too_short(const struct contest *c, uint64_t processes)
{
    char needed[32];

    say("--time: %" PRIu64 " processes that measure each candidate once need "
        "about %s more; take fewer candidates, fewer jobs or more time",
        processes,
        format_rough_time(needed, sizeof(needed),
                          (double)(processes * (c->setup_ns + c->round_ns)) /
                              (double)SY_NS_PER_S));
    return CLI_USAGE;
}

/* A whole number of blocks, where there is room for one. */
static uint64_t in_blocks(const struct contest *c, uint64_t rounds)
{
    uint64_t block = sy_williams_block(c->count);

    rounds = between(rounds, 1, COMPARE_ROUNDS_MAX / c->count);
    return rounds >= block ? rounds / block * block : rounds;
}

int contest_divide(struct contest *c, uint64_t time_ns, uint64_t rounds,
                   uint64_t processes)
{
    uint64_t least = c->setup_ns + c->round_ns * (rounds != 0 ? rounds : 1);
    uint64_t fit = time_ns / (least + 1), each;

    if (processes == 0) {
        if (fit < PROCESSES_FEW)
            return too_short(c, PROCESSES_FEW);
        processes = rounds != 0 ? between(fit, 1, PROCESSES_TOP)
                                : between(time_ns / PROCESS_NS, PROCESSES_LOW,
                                          PROCESSES_TOP);
        processes = between(processes, 1, fit);
        /* Each layout as often as any other. */
        if (processes > c->layouts)
            processes -= processes % c->layouts;
    }
    each = time_ns / processes;
    if (rounds == 0)
        rounds = in_blocks(c, each > c->setup_ns
                                  ? (each - c->setup_ns) / (c->round_ns + 1)
                                  : 0);
    c->rounds = (uint32_t)rounds;
    c->processes = (unsigned)processes;
    return -1;
}

void contest_draw_layouts(struct contest *c, unsigned there)
{
    uint64_t random = ~c->seed; /* not that of the processes */
    unsigned seen;

    if (there == 0)
        there = 1;
    c->layouts_there = there;
    c->layouts = there < COMPARE_LAYOUTS_MAX ? there : COMPARE_LAYOUTS_MAX;
    for (seen = 0; seen < c->layouts; seen++)
        c->layout[seen] = seen;
    /* Each that follows takes a place with the right probability (Vitter's
       algorithm R). */
    for (; seen < there; seen++) {
        uint64_t at = plan_random(&random) % (seen + 1);

        if (at < c->layouts)
            c->layout[at] = seen;
    }
}

const char *contest_twin(const struct contest *c)
{
    return is_twin_elsewhere(c) ? "elsewhere" : "same code";
}

size_t contest_pairs(const struct contest *c)
{
    size_t pairs = 0;
    unsigned i, j;

    for (i = 0; i < c->count; i++)
        for (j = 0; j < i; j++)
            pairs += c->candidates[i].task == c->candidates[j].task &&
                     c->candidates[i].twin_of < 0 &&
                     c->candidates[j].twin_of < 0;
    return pairs;
}

uint64_t contest_time_ns(const struct contest *c)
{
    return c->processes * (c->setup_ns + c->rounds * c->round_ns);
}

uint64_t contest_timeout_ns(const struct contest *c, uint32_t rounds)
{
    return TIMEOUT_NS + 5 * (c->setup_ns + rounds * c->round_ns);
}
