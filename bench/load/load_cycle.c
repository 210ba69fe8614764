/* SPDX-License-Identifier: Apache-2.0 */
#include "load_cycle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/poll_policy.h>
#include <sys/resource.h>
#include <time.h>

/* Verifications of each workload in the warm-up, to learn what they cost. */
#define PROBES 8

/* What verification may cost, as a part of the window, and how many there
   should be at least and at most. */
#define VERIFY_SHARE 0.02
#define VERIFY_MIN   50
#define VERIFY_MAX   1024

/* Results set aside for verification take no more memory than this. */
#define HELD_BYTES_MAX ((uint64_t)64 << 20)

#define WARM_UP_MIN_NS (20 * SY_NS_PER_MS)
#define WARM_UP_MAX_NS (500 * SY_NS_PER_MS)
#define COUNT_MIN_NS   (10 * SY_NS_PER_MS)
#define COUNT_MAX_NS   (100 * SY_NS_PER_MS)

/* ---- how it ends ------------------------------------------------------- */

static void end_with(struct sy__load *load, enum sy_outcome_status status,
                     const char *format, va_list args)
{
    struct sy_outcome *out = load->out;

    if (out->status != SY_OUTCOME_OK)
        return;
    out->status = status;
    vsnprintf(out->reason, sizeof(out->reason), format, args);
}

void sy__load_skip(struct sy__load *load, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    end_with(load, SY_OUTCOME_SKIPPED, format, args);
    va_end(args);
}

void sy__load_fail(struct sy__load *load, const struct sy__op *op,
                   const char *format, ...)
{
    va_list args;

    if (op != NULL && load->out->status == SY_OUTCOME_OK)
        load->out->failed_operation = (int64_t)op->number;
    va_start(args, format);
    end_with(load, SY_OUTCOME_FAILED, format, args);
    va_end(args);
}

bool sy__load_is_interrupted(const struct sy__load *load)
{
    const volatile sig_atomic_t *flag = load->exp->interrupted;

    /* Nothing is published along with stop. */
    return atomic_load_explicit(&load->progress->stop, memory_order_relaxed) ||
           (flag != NULL && *flag);
}

/* ---- verification ------------------------------------------------------ */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t = {0, 0};

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * SY_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void verify(struct sy__load *load, struct sy__op *op)
{
    char name[128];

    if (load->exp->spoil_one && load->phase != SY__WARM_UP &&
        load->out->wrong == 0)
        op->ops->spoil(op->slot);
    if (op->ops->verify(op->shared, op->slot) == 1)
        return;
    load->out->wrong++;
    sy__load_fail(
        load, op, "wrong result: workload %s, %s, operation number %llu",
        op->ops->name, sy_experiment_name(load->exp, name, sizeof(name)),
        (unsigned long long)op->number);
}

/* Learn in the warm-up what a verification costs. */
static void verify_probe(struct sy__load *load, struct sy__op *op)
{
    uint64_t before;

    if (load->probed[op->item] >= PROBES)
        return;
    load->probed[op->item]++;
    before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    verify(load, op);
    load->probe_ns[op->item] += clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
}

/* What the verification of one operation costs, on average over the mix. */
static double verify_cost_ns(const struct sy__load *load)
{
    double sum = 0, weights = 0;

    for (unsigned i = 0; i < load->exp->mix_count; i++) {
        double weight = load->exp->mix[i].weight;

        if (load->probed[i] == 0)
            continue; /* so rare that it did not occur yet */
        sum += weight * (double)load->probe_ns[i] / (double)load->probed[i];
        weights += weight;
    }
    return weights > 0 ? sum / weights + 1 : 1;
}

/* Verify now, and note what it cost. */
static void verify_inline(struct sy__load *load, struct sy__op *op)
{
    uint64_t before;

    if (load->phase != SY__WINDOW) {
        /* No clock here: it is a system call, and these may be counted. */
        verify(load, op);
        return;
    }
    before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    verify(load, op);
    load->out->verify_cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
    load->out->verified++;
}

/* Halve the sample: of the operations set aside keep those whose number is a
   multiple of twice as much. */
static void thin_out(struct sy__load *load)
{
    struct sy__op **link = &load->held;

    load->out->verify_every *= 2;
    while (*link != NULL) {
        struct sy__op *op = *link;

        if (op->number % load->out->verify_every == 0) {
            link = &op->next;
            continue;
        }
        *link = op->next;
        sy__mix_put(&load->mix, op);
        load->held_count--;
    }
}

/*
 * Look at a finished operation. Results of a sample are set aside and verified
 * when everything is over, so that verification disturbs neither the latency
 * of others nor the CPU time. The sample begins with every operation and is
 * thinned out when there is no more room, so nothing need be known about how
 * many will come. Returns 1 if the slot was kept.
 */
static int sample(struct sy__load *load, struct sy__op *op)
{
    if (load->exp->verify_every != 0) {
        if (op->number % load->exp->verify_every == 0)
            verify_inline(load, op);
        return 0;
    }
    if (load->phase == SY__WARM_UP)
        verify_probe(load, op);
    if (load->phase != SY__WINDOW)
        return 0;
    while (load->held_count >= load->held_max)
        thin_out(load);
    if (op->number % load->out->verify_every != 0)
        return 0;
    op->next = load->held;
    load->held = op;
    load->held_count++;
    return 1;
}

void sy__load_verify_held(struct sy__load *load)
{
    while (load->held != NULL) {
        struct sy__op *op = load->held;

        load->held = op->next;
        load->held_count--;
        verify(load, op);
        load->out->verified++;
        sy__mix_put(&load->mix, op);
    }
}

/* How many operations to verify: between half of held_max and all of it. */
static void choose_sample(struct sy__load *load)
{
    double window = (double)load->exp->duration_ns;
    double want = window * VERIFY_SHARE / verify_cost_ns(load);
    uint64_t room = HELD_BYTES_MAX / (sy__mix_slot_bytes(&load->mix) + 1);

    if (load->exp->verify_every != 0)
        return;
    load->out->verify_every = 1;
    load->held_max = 2 * VERIFY_MIN + 16; /* they end out of order */
    if (load->exp->duration_ns == 0 || want > VERIFY_MAX)
        load->held_max = VERIFY_MAX;
    else if (want > (double)load->held_max)
        load->held_max = (uint64_t)want;
    if (load->held_max > room)
        load->held_max = room < 2 ? 2 : room;
}

/* ---- the window -------------------------------------------------------- */

static void take_snapshot(struct sy__load *load, struct sy__snapshot *s)
{
    struct rusage usage;

    memset(s, 0, sizeof(*s));
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        s->switches_voluntary = (uint64_t)usage.ru_nvcsw;
        s->switches_involuntary = (uint64_t)usage.ru_nivcsw;
        s->faults_minor = (uint64_t)usage.ru_minflt;
        s->faults_major = (uint64_t)usage.ru_majflt;
    }
    if (load->device != NULL)
        sy_device_get_stats(load->device, &s->device);
    s->runtime.size = sizeof(s->runtime);
    if (load->runtime != NULL &&
        sy_runtime_get_stats(load->runtime, &s->runtime) != 0)
        memset(&s->runtime, 0, sizeof(s->runtime));
    s->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    s->thread_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    s->now_ns = sy_clock_now_ns(load->clock);
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void note_runtime(struct sy_outcome_runtime *to,
                         const struct sy_runtime_stats *a,
                         const struct sy_runtime_stats *b)
{
    to->jobs_started = b->jobs_started - a->jobs_started;
    to->jobs_finished = b->jobs_finished - a->jobs_finished;
    to->resumes = b->resumes - a->resumes;
    to->waits = b->waits - a->waits;
    to->sleeps = b->sleeps - a->sleeps;
    to->collected = b->collected - a->collected;
    to->spurious = b->spurious - a->spurious;
    to->engine_syscalls = b->engine_syscalls - a->engine_syscalls;
    to->stacks_peak = b->stacks_peak;
    to->stack_bytes = b->stack_bytes;
    if (b->guard != NULL)
        snprintf(to->guard, sizeof(to->guard), "%s", b->guard);
}

static void note_device(struct sy_outcome_device *to,
                        const struct sy_device_stats *a,
                        const struct sy_device_stats *b)
{
    to->submitted = b->submitted - a->submitted;
    to->completed = b->completed - a->completed;
    to->refused = b->refused - a->refused;
    to->late_sum_ns = b->late_sum_ns - a->late_sum_ns;
    to->late_count = b->late_count - a->late_count;
    to->late_max_ns = b->late_max_ns;
    to->depth_peak = b->depth_peak;
}

void sy__load_close_window(struct sy__load *load)
{
    const struct sy__snapshot *a = &load->opened;
    struct sy_outcome *out = load->out;
    struct sy__snapshot b;

    take_snapshot(load, &b);
    sy__traced_window_ends(load);
    out->elapsed_ns = b.now_ns - a->now_ns;
    out->cpu_ns = less(b.cpu_ns - a->cpu_ns, out->verify_cpu_ns);
    out->thread_cpu_ns =
        less(b.thread_cpu_ns - a->thread_cpu_ns, out->verify_cpu_ns);
    out->switches_voluntary = b.switches_voluntary - a->switches_voluntary;
    out->switches_involuntary =
        b.switches_involuntary - a->switches_involuntary;
    out->faults_minor = b.faults_minor - a->faults_minor;
    out->faults_major = b.faults_major - a->faults_major;
    note_runtime(&out->runtime, &a->runtime, &b.runtime);
    note_device(&out->device, &a->device, &b.device);
}

/* ---- phases ------------------------------------------------------------ */

static void enter(struct sy__load *load, enum sy__phase phase, uint64_t now,
                  uint64_t duration_ns)
{
    load->phase = phase;
    load->phase_operations = 0;
    load->phase_began_ns = now;
    load->phase_end_ns = sy_ns_after(now, duration_ns);
}

static uint64_t between(uint64_t value, uint64_t low, uint64_t high)
{
    if (value < low)
        return low;
    return value < high ? value : high;
}

static uint64_t warm_up_ns(const struct sy_experiment *exp)
{
    if (exp->warm_up_ns != 0)
        return exp->warm_up_ns;
    if (exp->duration_ns == 0)
        return 0;
    return between(exp->duration_ns / 10, WARM_UP_MIN_NS, WARM_UP_MAX_NS);
}

/*
 * Warm means: the time is over, and as many operations have finished as are in
 * flight at once, which takes every slot and stack through its first use. A
 * load so slow that this would take long is cut off after the window's length.
 */
static bool is_warm(const struct sy__load *load, uint64_t now)
{
    const struct sy_experiment *exp = load->exp;
    uint64_t operations = load->jobs;

    if (exp->duration_ns == 0) {
        if (operations < exp->operations_max / 10)
            operations = exp->operations_max / 10;
        return load->phase_operations >= operations;
    }
    if (now < load->phase_end_ns || load->phase_operations == 0)
        return false;
    return load->phase_operations >= operations ||
           now >= sy_ns_after(load->phase_end_ns, exp->duration_ns);
}

/* Cut off after the window's length, like the warm-up. */
static void settle(struct sy__load *load, enum sy__phase phase)
{
    enter(load, phase, sy_clock_now_ns(load->clock), load->exp->duration_ns);
}

static bool is_settled(const struct sy__load *load, uint64_t now)
{
    if (load->phase_operations >= load->jobs)
        return true;
    return load->exp->duration_ns != 0 && now >= load->phase_end_ns;
}

void sy__load_prepare_sample(struct sy__load *load)
{
    choose_sample(load);
    if (sy__mix_reserve(&load->mix, load->held_max) != 0)
        sy__load_skip(load, "no memory for the operations to be verified");
}

static void end_warm_up(struct sy__load *load)
{
    sy__load_prepare_sample(load);
    settle(load, SY__SETTLE);
}

void sy__load_open_window(struct sy__load *load)
{
    uint64_t duration_ns = load->exp->duration_ns;

    sy__traced_window_begins(load);
    take_snapshot(load, &load->opened);
    enter(load, SY__WINDOW, load->opened.now_ns,
          duration_ns != 0 ? duration_ns : SY_FOREVER);
}

/* Opening the counter lets jobs finish whose calls it has not seen: they must
   not be among the operations that its figure is divided by. */
static void end_window(struct sy__load *load)
{
    struct sy_outcome *out = load->out;

    sy__load_close_window(load);
    if (sy__syscall_counter_open(&load->counter, out->syscalls_why,
                                 sizeof(out->syscalls_why)) != 0)
        load->phase = SY__DRAIN;
    else
        settle(load, SY__SETTLE_COUNTER);
}

static void begin_count(struct sy__load *load)
{
    struct sy_outcome *out = load->out;
    uint64_t duration_ns = load->exp->duration_ns / 10;

    if (sy__syscall_counter_start(&load->counter, out->syscalls_why,
                                  sizeof(out->syscalls_why)) != 0) {
        (void)sy__syscall_counter_close(&load->counter);
        load->phase = SY__DRAIN;
        return;
    }
    enter(load, SY__COUNT_SYSCALLS, sy_clock_now_ns(load->clock),
          load->exp->duration_ns == 0
              ? SY_FOREVER
              : between(duration_ns, COUNT_MIN_NS, COUNT_MAX_NS));
}

/*
 * As many operations as are in flight, or a multiple of that: where they finish
 * in bursts, their calls come together too, before the first of them is
 * finished, and a part of a burst would count as operations without calls. Cut
 * off like the warm-up.
 */
static bool is_counted(const struct sy__load *load, uint64_t now)
{
    const struct sy_experiment *exp = load->exp;
    bool is_whole =
        load->phase_operations > 0 && load->phase_operations % load->jobs == 0;

    /* By operations: a tenth of them, as by time. */
    if (exp->duration_ns == 0)
        return is_whole && load->phase_operations >= exp->operations_max / 10;
    if (now < load->phase_end_ns || load->phase_operations == 0)
        return false;
    return is_whole || now >= sy_ns_after(load->phase_end_ns, exp->duration_ns);
}

static void end_count(struct sy__load *load)
{
    struct sy_outcome *out = load->out;

    out->syscalls = sy__syscall_counter_close(&load->counter);
    out->syscall_operations = load->phase_operations;
    if (out->syscalls < 0) {
        out->syscalls = SY_OUTCOME_NONE;
        snprintf(out->syscalls_why, sizeof(out->syscalls_why),
                 "the counter could not be read");
    }
    load->phase = SY__DRAIN;
}

/* Cut it short: an interrupt, or a reason to stop was found. */
static void break_off(struct sy__load *load)
{
    if (load->phase == SY__WINDOW)
        sy__load_close_window(load);
    if (load->phase <= SY__WINDOW)
        load->out->partial = true;
    if (load->phase == SY__SETTLE_COUNTER)
        (void)sy__syscall_counter_close(&load->counter);
    else if (load->phase == SY__COUNT_SYSCALLS)
        end_count(load);
    load->phase = SY__DRAIN;
}

static void go_on(struct sy__load *load, uint64_t now)
{
    uint64_t operations_max = load->exp->operations_max;

    if (load->phase != SY__DRAIN &&
        (sy__load_is_interrupted(load) || load->out->status != SY_OUTCOME_OK)) {
        break_off(load);
        return;
    }
    switch (load->phase) {
    case SY__WARM_UP:
        if (is_warm(load, now))
            end_warm_up(load);
        break;
    case SY__SETTLE:
        if (is_settled(load, now))
            sy__load_open_window(load);
        break;
    case SY__WINDOW:
        if (load->out->operations > 0 && now >= load->phase_end_ns)
            end_window(load);
        else if (operations_max != 0 && load->out->operations == operations_max)
            end_window(load);
        break;
    case SY__SETTLE_COUNTER:
        if (is_settled(load, now))
            begin_count(load);
        break;
    case SY__COUNT_SYSCALLS:
        if (is_counted(load, now))
            end_count(load);
        break;
    case SY__DRAIN:
        break;
    }
}

/* ---- for rows ---------------------------------------------------------- */

struct sy__op *sy__load_take(struct sy__load *load)
{
    struct sy__op *op = NULL;
    int err;

    if (load->phase == SY__DRAIN)
        return NULL;
    if (sy__load_is_interrupted(load) || load->out->status != SY_OUTCOME_OK) {
        break_off(load);
        return NULL;
    }
    if (load->gate != NULL) {
        int admitted = load->gate->admit(load);

        if (admitted == -1)
            load->phase = SY__DRAIN;
        if (admitted != 1)
            return NULL;
    }
    err = sy__mix_take(&load->mix, load->begun, &op);
    if (err != 0) {
        if (err == -ENOMEM)
            sy__load_skip(load, "no memory for operation number %llu",
                          (unsigned long long)load->begun);
        else
            sy__load_fail(load, NULL,
                          "operation number %llu could not be set up: %s",
                          (unsigned long long)load->begun, strerror(-err));
        break_off(load);
        return NULL;
    }
    load->begun++;
    /* Only for the report of a crash: no order is needed. */
    atomic_store_explicit(&load->progress->begun, load->begun,
                          memory_order_relaxed);
    op->started_ns = sy_clock_now_ns(load->clock);
    if (load->gate != NULL && load->gate->began != NULL)
        load->gate->began(load, op);
    return op;
}

void sy__load_give_back(struct sy__load *load, struct sy__op *op)
{
    sy__mix_put(&load->mix, op);
}

void sy__load_finish(struct sy__load *load, struct sy__op *op, int result)
{
    uint64_t now = sy_clock_now_ns(load->clock);
    uint64_t finished =
        atomic_load_explicit(&load->progress->finished, memory_order_relaxed);

    /* Only for the report of a crash: no order is needed. */
    atomic_store_explicit(&load->progress->finished, finished + 1,
                          memory_order_relaxed);
    load->phase_operations++;
    if (load->phase == SY__WINDOW) {
        load->out->operations++;
        sy_histogram_add(&load->out->latency_ns, now - op->started_ns);
    }
    /* Its slot is about to be given away. */
    if (load->gate != NULL)
        load->gate->finished(load, op, now);
    if (result != 0) {
        char name[128];

        sy__load_fail(load, op,
                      "operation number %llu of workload %s failed, %s: %s",
                      (unsigned long long)op->number, op->ops->name,
                      sy_experiment_name(load->exp, name, sizeof(name)),
                      strerror(result < 0 ? -result : result));
        sy__mix_put(&load->mix, op);
    } else if (!sample(load, op)) {
        sy__mix_put(&load->mix, op);
    }
    if (load->gate == NULL)
        go_on(load, now);
}

static uint64_t until_look(const struct sy__load *load, uint64_t next_ns)
{
    uint64_t now;

    if (next_ns == SY_FOREVER)
        return SY__LOOK_NS;
    now = sy_clock_now_ns(load->clock);
    if (next_ns <= now)
        return 0;
    return next_ns - now < SY__LOOK_NS ? next_ns - now : SY__LOOK_NS;
}

uint64_t sy__load_idle_ns(struct sy__load *load, uint64_t next_ns)
{
    uint64_t ns = until_look(load, next_ns);

    if (ns == 0 || load->gate == NULL || load->gate->doze == NULL)
        return ns;
    return load->gate->doze(load, ns);
}

void sy__load_sleep(struct sy__load *load, uint64_t next_ns)
{
    uint64_t ns = until_look(load, next_ns);

    if (load->gate != NULL && load->gate->sleep != NULL)
        load->gate->sleep(load, ns);
    else
        load->clock->sleep_until(load->clock,
                                 sy_clock_now_ns(load->clock) + ns);
}

/* ---- the whole --------------------------------------------------------- */

/* A process of its own may use what it is allowed at most: rows that need
   descriptors for each job are to be measured, not refused. */
static void raise_fd_limit(struct sy_outcome *out)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit most = {limit.rlim_max, limit.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &most) == 0)
            limit = most;
    }
    out->fd_limit =
        limit.rlim_cur > UINT32_MAX ? UINT32_MAX : (unsigned)limit.rlim_cur;
}

static int open_device(struct sy__load *load)
{
    const struct sy_experiment *exp = load->exp;
    struct sy_outcome *out = load->out;
    char why[SY_OUTCOME_TEXT_BYTES / 2] = "";
    int err;

    if (exp->device_ops != NULL) {
        const char *options = strchr(exp->device_spec, ':');

        err = sy_device_open_ops(&load->device, exp->device_ops,
                                 options != NULL ? options + 1 : "",
                                 load->clock, why, sizeof(why));
    } else {
        err = sy_device_open(&load->device, exp->device_spec, load->clock, why,
                             sizeof(why));
    }
    if (err == 0) {
        sy_device_poll_policy(load->device, out->device.poll,
                              sizeof(out->device.poll));
        return 0;
    }
    if (why[0] == '\0')
        snprintf(why, sizeof(why), "%s", strerror(-err));
    if (err != -EINVAL && err != -ENOENT) {
        sy__load_skip(load, "device %.200s: %s", exp->device_spec, why);
        return 0;
    }
    snprintf(out->reason, sizeof(out->reason), "device %.200s: %s",
             exp->device_spec, why);
    return -EINVAL;
}

static int run_row(const struct sy__row_ops *row, struct sy__load *load)
{
    int err = 0;

    if (row->uses_device)
        err = open_device(load);
    if (err == 0 && load->gate != NULL)
        err = load->gate->begin(load);
    if (err == 0 && load->out->status == SY_OUTCOME_OK) {
        enter(load, SY__WARM_UP, sy_clock_now_ns(load->clock),
              warm_up_ns(load->exp));
        row->run(load);
        if (load->phase != SY__DRAIN)
            break_off(load);
    }
    if (load->gate != NULL && load->gate->end != NULL)
        load->gate->end(load);
    sy_device_close(load->device);
    load->device = NULL;
    if (row->release != NULL)
        row->release(load);
    return err;
}

int sy__load_perform(const struct sy__row_ops *row,
                     const struct sy_experiment *exp, struct sy_outcome *out,
                     struct sy__progress *progress, struct sy__gate *gate)
{
    struct sy__load *load = calloc(1, sizeof(*load));
    char why[SY_OUTCOME_TEXT_BYTES];
    struct rusage usage;
    int err;

    if (load == NULL) {
        snprintf(out->reason, sizeof(out->reason), "no memory");
        return -ENOMEM;
    }
    load->exp = exp;
    load->out = out;
    load->progress = progress;
    load->gate = gate;
    load->jobs = row->one_at_a_time ? 1 : exp->jobs;
    load->clock = sy_clock_monotonic();
    if (exp->virtual_clock) {
        sy_virtual_clock_init(&load->virtual_clock, 0);
        load->clock = &load->virtual_clock.clock;
    }
    out->jobs = load->jobs;
    out->verify_every = exp->verify_every;
    raise_fd_limit(out);

    err = sy__mix_open(&load->mix, exp, row->uses_device, why, sizeof(why));
    if (err != 0) {
        sy__load_skip(load, "%s", why);
        err = 0;
    } else {
        err = run_row(row, load);
        sy__load_verify_held(load);
        sy__mix_close(&load->mix);
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        out->rss_peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    free(load);
    return err;
}
