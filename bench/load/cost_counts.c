/* SPDX-License-Identifier: Apache-2.0 */
#include "cost_counts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define HAVE_REQUESTS 1
#else
#define HAVE_REQUESTS 0
#endif

#include "../environment/perf_counters.h"
#include "callgrind_file.h"
#include "load_cycle.h"

/* Batches of a pass, the warm-up included. */
#define BATCHES_MAX 3

/* Completes nothing but when it is polled, which no row does before all are
   started: with another, operations could end before others begin. */
#define PAUSED_DEVICE "sim:service=fixed:1us"

/* Resident bytes that are not known: the file cannot be read, or there was no
   moment at which all jobs were paused. */
#define UNREADABLE (-1)
#define NOT_ALL    (-2)

struct pass {
    struct sy__gate gate; /* first: the load points to it */
    uint64_t batches[BATCHES_MAX];
    unsigned count, number; /* batches, and the one that is going on */
    int is_begun;           /* it is */
    uint64_t to_begin, in_flight;
    uint64_t reserved; /* operations, to be allocated in advance */

    /* The pass's own; each may be NULL. */
    void (*begin)(struct pass *pass);
    void (*first)(struct pass *pass); /* an operation has finished */
    void (*end)(struct pass *pass);

    struct sy_cost *cost;
    uint64_t operations;

    struct sy_perf_counters counters; /* native */
    struct sy__syscall_counter syscalls;
    char syscalls_why[SY_COST_WHY_BYTES];
    int are_syscalls_counted;
    struct rusage usage;

    int64_t resident[2]; /* paused: bytes, with one job and with all */
};

/* ---- the vector ---------------------------------------------------------- */

const char *sy_cost_item_name(enum sy_cost_item item)
{
    static const char *const names[SY_COST_ITEMS] = {
        [SY_COST_INSTRUCTIONS] = "instructions",
        [SY_COST_SYSCALLS] = "syscalls",
        [SY_COST_MALLOCS] = "mallocs",
        [SY_COST_KERNEL_SYSCALLS] = "kernel_syscalls",
        [SY_COST_SWITCHES_VOLUNTARY] = "switches_voluntary",
        [SY_COST_SWITCHES_INVOLUNTARY] = "switches_involuntary",
        [SY_COST_FAULTS_MINOR] = "faults_minor",
        [SY_COST_FAULTS_MAJOR] = "faults_major",
        [SY_COST_PMU_INSTRUCTIONS_USER] = "pmu_instructions_user",
        [SY_COST_PMU_INSTRUCTIONS_KERNEL] = "pmu_instructions_kernel",
        [SY_COST_PMU_CYCLES_USER] = "pmu_cycles_user",
        [SY_COST_PMU_CYCLES_KERNEL] = "pmu_cycles_kernel",
        [SY_COST_RESIDENT_BYTES] = "resident_bytes",
    };

    return (unsigned)item < SY_COST_ITEMS ? names[item] : "?";
}

static void set_why(struct sy_cost_count *c, const char *why)
{
    c->count = -1;
    c->per = 0;
    snprintf(c->why, sizeof(c->why), "%s", why);
}

static void set_count(struct sy_cost_count *c, int64_t count, uint64_t per)
{
    c->count = count;
    c->per = per;
    c->why[0] = '\0';
}

void sy_cost_clear(struct sy_cost *cost, const char *why)
{
    memset(cost, 0, sizeof(*cost));
    for (int i = 0; i < SY_COST_ITEMS; i++)
        set_why(&cost->items[i], why);
}

/* ---- batches ------------------------------------------------------------- */

static void begin_batch(struct pass *pass, struct sy__load *load)
{
    /* Only the warm-up is verified, and no phase is measured as such. */
    if (pass->number > 0)
        load->phase = SY__SETTLE;
    pass->to_begin = pass->batches[pass->number];
    pass->is_begun = 1;
    if (pass->begin != NULL && pass->number > 0)
        pass->begin(pass);
}

static int admit(struct sy__load *load)
{
    struct pass *pass = (struct pass *)load->gate;

    if (pass->to_begin == 0 && pass->in_flight > 0)
        return 0;
    if (pass->to_begin == 0) {
        if (pass->is_begun)
            pass->number++;
        pass->is_begun = 0;
        if (pass->number == pass->count)
            return -1;
        begin_batch(pass, load);
    }
    pass->to_begin--;
    pass->in_flight++;
    return 1;
}

static void finished(struct sy__load *load, const struct sy__op *op,
                     uint64_t now_ns)
{
    struct pass *pass = (struct pass *)load->gate;

    (void)op;
    (void)now_ns;
    if (pass->first != NULL && pass->to_begin == 0 &&
        pass->in_flight == pass->batches[pass->number])
        pass->first(pass);
    pass->in_flight--;
    if (pass->in_flight == 0 && pass->to_begin == 0 && pass->end != NULL &&
        pass->number > 0)
        pass->end(pass);
}

static int begin(struct sy__load *load)
{
    struct pass *pass = (struct pass *)load->gate;

    return sy__mix_reserve(&load->mix, pass->reserved);
}

/* Returns whether all batches were performed. */
static int perform(struct pass *pass, const struct sy_experiment *exp)
{
    struct sy_outcome *out = calloc(1, sizeof(*out));
    struct sy__progress progress = {0, 0, 0};
    struct sy_experiment copy = *exp;
    struct sy_cost *cost = pass->cost;

    if (out == NULL) {
        cost->status = SY_OUTCOME_SKIPPED;
        snprintf(cost->reason, sizeof(cost->reason), "no memory");
        return 0;
    }
    pass->gate.begin = begin;
    pass->gate.admit = admit;
    pass->gate.finished = finished;
    copy.duration_ns = 0;
    copy.operations_max = 1; /* no end by time */
    copy.verify_every = 0;
    (void)sy__experiment_perform_gated(&copy, out, &progress, &pass->gate);
    cost->status = out->status;
    cost->jobs = out->jobs;
    memcpy(cost->reason, out->reason, sizeof(cost->reason));
    if (out->status == SY_OUTCOME_OK && pass->number != pass->count) {
        cost->status = SY_OUTCOME_FAILED;
        snprintf(cost->reason, sizeof(cost->reason),
                 "it ended before all operations were performed");
    }
    free(out);
    return cost->status == SY_OUTCOME_OK;
}

/* ---- without valgrind ---------------------------------------------------- */

static void native_begin(struct pass *pass)
{
    char why[SY_OUTCOME_TEXT_BYTES] = "";

    if (sy__syscall_counter_open(&pass->syscalls, why, sizeof(why)) == 0)
        pass->are_syscalls_counted = 1;
    getrusage(RUSAGE_SELF, &pass->usage);
    sy_perf_counters_start(&pass->counters);
    if (pass->are_syscalls_counted &&
        sy__syscall_counter_start(&pass->syscalls, why, sizeof(why)) != 0) {
        (void)sy__syscall_counter_close(&pass->syscalls);
        pass->are_syscalls_counted = 0;
    }
    snprintf(pass->syscalls_why, sizeof(pass->syscalls_why), "%.190s", why);
}

static void set_usage(struct sy_cost *cost, enum sy_cost_item item, long before,
                      long after, uint64_t per)
{
    set_count(&cost->items[item], after - before, per);
}

static void set_counters(struct pass *pass, const struct sy_perf_counts *counts)
{
    static const enum sy_cost_item items[SY_PERF_COUNTERS] = {
        [SY_PERF_INSTRUCTIONS_USER] = SY_COST_PMU_INSTRUCTIONS_USER,
        [SY_PERF_INSTRUCTIONS_KERNEL] = SY_COST_PMU_INSTRUCTIONS_KERNEL,
        [SY_PERF_CYCLES_USER] = SY_COST_PMU_CYCLES_USER,
        [SY_PERF_CYCLES_KERNEL] = SY_COST_PMU_CYCLES_KERNEL,
    };

    for (int i = 0; i < SY_PERF_COUNTERS; i++) {
        if (counts->value[i] < 0)
            set_why(&pass->cost->items[items[i]], pass->counters.why[i]);
        else
            set_count(&pass->cost->items[items[i]], counts->value[i],
                      pass->operations);
    }
}

static void native_end(struct pass *pass)
{
    struct sy_cost *cost = pass->cost;
    const struct rusage *a = &pass->usage;
    struct sy_perf_counts counts;
    struct rusage b;
    int64_t syscalls = -1;

    if (pass->are_syscalls_counted)
        syscalls = sy__syscall_counter_close(&pass->syscalls);
    pass->are_syscalls_counted = 0;
    sy_perf_counters_stop(&pass->counters, &counts);
    getrusage(RUSAGE_SELF, &b);
    if (syscalls < 0)
        set_why(&cost->items[SY_COST_KERNEL_SYSCALLS],
                pass->syscalls_why[0] != '\0' ? pass->syscalls_why
                                              : "it could not be read");
    else
        set_count(&cost->items[SY_COST_KERNEL_SYSCALLS], syscalls,
                  pass->operations);
    set_usage(cost, SY_COST_SWITCHES_VOLUNTARY, a->ru_nvcsw, b.ru_nvcsw,
              pass->operations);
    set_usage(cost, SY_COST_SWITCHES_INVOLUNTARY, a->ru_nivcsw, b.ru_nivcsw,
              pass->operations);
    set_usage(cost, SY_COST_FAULTS_MINOR, a->ru_minflt, b.ru_minflt,
              pass->operations);
    set_usage(cost, SY_COST_FAULTS_MAJOR, a->ru_majflt, b.ru_majflt,
              pass->operations);
    set_counters(pass, &counts);
}

void sy_cost_count_native(const struct sy_experiment *exp, uint64_t operations,
                          struct sy_cost *cost)
{
    struct pass pass = {
        .batches = {2 * (uint64_t)exp->jobs, operations},
        .count = 2,
        .begin = native_begin,
        .end = native_end,
        .cost = cost,
        .operations = operations,
    };

    sy_cost_clear(cost, "it was not counted");
    /* Here, where the device has made no thread yet. */
    (void)sy_perf_counters_open(&pass.counters);
    (void)perform(&pass, exp);
    sy_perf_counters_close(&pass.counters);
}

/* ---- paused jobs --------------------------------------------------------- */

/*
 * Return the resident memory of this process, bytes, or UNREADABLE. What
 * /proc/self/statm says is cheaper and counted per CPU, off by up to 64 pages
 * for each of them since Linux 6.2.
 */
static int64_t resident_bytes(void)
{
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    unsigned long long kib;
    char text[1024];
    const char *at;
    ssize_t n;

    if (fd == -1)
        return UNREADABLE;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    at = strstr(text, "\nRss:");
    if (at == NULL || sscanf(at, "\nRss: %llu kB", &kib) != 1)
        return UNREADABLE;
    return (int64_t)(kib * 1024);
}

/* No more are started, one has ended, and its stack is still there. */
static void paused_first(struct pass *pass)
{
    pass->resident[pass->number] = resident_bytes();
}

static int can_pause(const struct sy_experiment *exp)
{
    if (exp->row == SY_ROW_SOFTWARE || exp->row == SY_ROW_BLOCKING)
        return 0;
    return exp->row != SY_ROW_COMBINATION ||
           (exp->switcher->caps & SY_SW_CAN_PAUSE) != 0;
}

void sy_cost_count_paused(const struct sy_experiment *exp, unsigned jobs,
                          struct sy_cost *cost)
{
    struct sy_cost_count *item = &cost->items[SY_COST_RESIDENT_BYTES];
    struct sy_experiment copy = *exp;
    struct pass pass = {
        .batches = {1, jobs},
        .count = 2,
        .reserved = jobs,
        .first = paused_first,
        .cost = cost,
        .resident = {NOT_ALL, NOT_ALL},
    };

    sy_cost_clear(cost, "it was not counted");
    if (!can_pause(exp)) {
        set_why(item, "one operation at a time: none is paused");
        return;
    }
    copy.jobs = jobs;
    copy.device_spec = PAUSED_DEVICE;
    copy.device_ops = NULL;
    if (!perform(&pass, &copy))
        return;
    if (pass.resident[0] == NOT_ALL || pass.resident[1] == NOT_ALL)
        set_why(item, "some had finished before the last was started");
    else if (pass.resident[0] < 0 || pass.resident[1] < 0)
        set_why(item, "/proc/self/smaps_rollup cannot be read");
    else if (pass.resident[1] < pass.resident[0])
        set_why(item, "the process shrank meanwhile");
    else
        set_count(item, pass.resident[1] - pass.resident[0], jobs - 1);
}

/* ---- under callgrind ----------------------------------------------------- */

#if HAVE_REQUESTS

int sy_cost_can_callgrind(const char **why)
{
    *why = "";
    return 1;
}

/* From here on, all threads: instrumentation is the process's. */
static void callgrind_begin(struct pass *pass)
{
    (void)pass;
    CALLGRIND_START_INSTRUMENTATION;
}

static void callgrind_end(struct pass *pass)
{
    (void)pass;
    CALLGRIND_STOP_INSTRUMENTATION;
    CALLGRIND_DUMP_STATS;
}

#else

int sy_cost_can_callgrind(const char **why)
{
    *why = "built without valgrind's headers (Debian's package valgrind)";
    return 0;
}

static void callgrind_begin(struct pass *pass)
{
    (void)pass;
}

static void callgrind_end(struct pass *pass)
{
    (void)pass;
}

#endif

void sy_cost_run_callgrind(const struct sy_experiment *exp, uint64_t operations,
                           struct sy_cost *cost)
{
    struct pass pass = {
        .batches = {2 * (uint64_t)exp->jobs, operations, 2 * operations},
        .count = 3,
        .begin = callgrind_begin,
        .end = callgrind_end,
        .cost = cost,
    };

    sy_cost_clear(cost, "it was not counted");
    (void)perform(&pass, exp);
}

static void set_difference(struct sy_cost_count *c, uint64_t first,
                           uint64_t second, uint64_t operations)
{
    c->count = -1;
    c->per = 0;
    if (second < first)
        snprintf(c->why, sizeof(c->why),
                 "%llu in the batch of %llu operations, %llu in the other",
                 (unsigned long long)second,
                 (unsigned long long)(2 * operations),
                 (unsigned long long)first);
    else
        set_count(c, (int64_t)(second - first), operations);
}

void sy_cost_read_callgrind(const char *first, const char *second,
                            uint64_t operations, struct sy_cost *cost)
{
    struct sy__callgrind_counts a, b;
    char why[SY_COST_WHY_BYTES] = "";

    if (sy__callgrind_read(first, &a, why, sizeof(why)) != 0 ||
        sy__callgrind_read(second, &b, why, sizeof(why)) != 0) {
        set_why(&cost->items[SY_COST_INSTRUCTIONS], why);
        set_why(&cost->items[SY_COST_SYSCALLS], why);
        set_why(&cost->items[SY_COST_MALLOCS], why);
        return;
    }
    set_difference(&cost->items[SY_COST_INSTRUCTIONS], a.instructions,
                   b.instructions, operations);
    set_difference(&cost->items[SY_COST_SYSCALLS], a.syscalls, b.syscalls,
                   operations);
    /* Beginning a batch allocates nothing, while in the first of them slots may
       still be made: more are in flight at once than were in the warm-up. */
    set_count(&cost->items[SY_COST_MALLOCS], (int64_t)b.mallocs,
              2 * operations);
}
