/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How libswitchyard-traced records phases (switchyard/trace.h).
 *
 * Each slot carries the moments of its present job, and what that job has spent
 * in each phase so far. When the job has finished, that goes into the
 * histograms of its runtime. All of it belongs to the runtime's thread, so
 * nothing is locked, and there is one exception: completed_at, which a waker on
 * any thread writes before it hands the slot over, and which the owner reads
 * and clears when the job goes on.
 *
 *    completed_at  0: not woken since it went on. The first waker writes it;
 *                  of several at once any. A waker that is late by a whole job
 *                  fails the test of the generation, unless the job ends in
 *                  that very moment: then the slot's next job takes it for an
 *                  early completion.
 *
 * A job is watched by the trace in which it was started, and no other: watched
 * is the number of that trace. So starting and stopping need not know jobs.
 *
 * Moments are ticks: of the time stamp counter, where that runs evenly on all
 * processors, for clock_gettime() takes several times as long to read. What a
 * finished job has spent is put aside and made nanoseconds some jobs later, in
 * one go. There the ticks of its phases are added up first, and the sums so far
 * are converted: so the differences between these add up to the last one, which
 * is the whole, and no phase is off by more than 1 ns.
 *
 * Under a clock of the caller's, which may be virtual and belongs to one
 * thread, a waker on another thread writes nothing, and its wake-up counts as
 * completed when it was seen.
 */
#include "trace_points.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Bits of sy_job.traced.watched above the trace's number: moments are read from
   the clock that the runtime was opened with; or by clock_gettime(). */
#define BY_RUNTIME UINT32_C(0x80000000)
#define BY_KERNEL  UINT32_C(0x40000000)

/* How long to look how fast the counter runs. Both ends are off by some tens of
   ns, so the rate by some millionths. */
#define CALIBRATION_NS (20 * SY_NS_PER_MS)

/* So many jobs are put aside: with their histograms' lines, a part of the
   nearest cache. */
#define ASIDE_MAX 32

struct spent {
    uint64_t ticks[SY_TRACE_WHOLE];
    uint32_t paused; /* at all */
};

/* ns = begin_ns + (ticks - begin_ticks) * scale / 2^32 */
struct scale {
    uint64_t begin_ns;
    uint64_t begin_ticks;
    uint64_t scale;
};

struct sy__trace {
    uint32_t watched; /* for new jobs; 0: it is off */
    uint32_t number;  /* of the present or last trace */
    uint64_t jobs;    /* started so far */
    uint64_t submitted_at;
    uint64_t look_at; /* 0: nobody is looking at several at once */
    struct scale scale;
    struct sy_trace_event *events;
    uint32_t events_max, events_first, events_count;
    uint32_t aside;
    struct spent spent[ASIDE_MAX];
    struct sy_trace_phases phases;
};

/* ---- what time it is ----------------------------------------------------- */

static struct {
    bool is_even; /* else clock_gettime() is asked */
    struct scale scale;
} counter;

static pthread_once_t counter_once = PTHREAD_ONCE_INIT;

static uint64_t real_ns(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

/* The kernel has compared the counters of the processors, and uses them. */
static bool kernel_trusts_counter(void)
{
    char name[32] = "";
    FILE *file = fopen(
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        "re");

    if (file == NULL)
        return false;
    if (fgets(name, sizeof(name), file) == NULL)
        name[0] = '\0';
    fclose(file);
    return strcmp(name, SY_TICKS_CLOCKSOURCE "\n") == 0;
}

static void calibrate(void)
{
    struct scale *scale = &counter.scale;
    uint64_t end_ns, ticks;

    if (!kernel_trusts_counter())
        return;
    scale->begin_ns = real_ns();
    scale->begin_ticks = SY_READ_TICKS();
    do {
        SY_CPU_RELAX();
        end_ns = real_ns();
    } while (end_ns - scale->begin_ns < CALIBRATION_NS);
    ticks = SY_READ_TICKS() - scale->begin_ticks;
    if (ticks == 0)
        return;
    scale->scale = ((end_ns - scale->begin_ns) << 32) / ticks;
    counter.is_even = true;
}

static inline uint64_t to_ns(const struct scale *scale, uint64_t ticks)
{
    return SY_MULTIPLY_HIGH_32(ticks, scale->scale);
}

static inline uint64_t moment_ns(const struct scale *scale, uint64_t at)
{
    return scale->begin_ns + to_ns(scale, at - scale->begin_ticks);
}

static inline uint64_t now(const struct sy_runtime *rt, uint32_t watched)
{
    if (SY_LIKELY((watched & (BY_RUNTIME | BY_KERNEL)) == 0))
        return SY_READ_TICKS();
    return (watched & BY_KERNEL) != 0 ? real_ns() : sy_clock_now_ns(rt->clock);
}

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- recording ----------------------------------------------------------- */

static inline unsigned bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < 256)
        return (unsigned)ns;
    shift = SY_HIGHEST_BIT(ns) - 7;
    return shift * 128 + (unsigned)(ns >> shift);
}

static inline void add(struct sy_trace_histogram *h, uint64_t ns)
{
    unsigned bucket = bucket_of(ns);

    if (SY_UNLIKELY(bucket >= SY_TRACE_BUCKETS)) {
        bucket = SY_TRACE_BUCKETS - 1;
        h->clipped++;
    }
    h->min_ns = h->count == 0 ? ns : earlier(h->min_ns, ns);
    h->max_ns = later(h->max_ns, ns);
    h->count++;
    h->sum_ns += ns;
    h->buckets[bucket]++;
}

/* Put into the histograms what was put aside. */
static void settle(struct sy__trace *trace)
{
    struct sy_trace_histogram *h = trace->phases.phase;

    for (uint32_t i = 0; i < trace->aside; i++) {
        const struct spent *spent = &trace->spent[i];
        uint64_t ticks = 0, before_ns = 0, ns = 0;

        for (int phase = 0; phase < SY_TRACE_WHOLE; phase++) {
            ticks += spent->ticks[phase];
            ns = to_ns(&trace->scale, ticks);
            if (phase <= SY_TRACE_RUN || spent->paused != 0)
                add(&h[phase], ns - before_ns);
            before_ns = ns;
        }
        add(&h[SY_TRACE_WHOLE], ns);
    }
    trace->aside = 0;
}

static void keep_event(struct sy__trace *trace, const struct sy_job *job,
                       enum sy_trace_phase phase, uint64_t begin, uint64_t end)
{
    uint32_t at;

    if (trace->events_count == trace->events_max) {
        trace->phases.events_dropped++;
        return;
    }
    at = trace->events_first + trace->events_count++;
    if (at >= trace->events_max)
        at -= trace->events_max;
    trace->events[at] = (struct sy_trace_event){
        .job = job->traced.number,
        .begin_ns = moment_ns(&trace->scale, begin),
        .end_ns = moment_ns(&trace->scale, end),
        .slot = job->eslot.index,
        .phase = phase,
    };
}

static inline void note_event(struct sy__trace *trace, const struct sy_job *job,
                              enum sy_trace_phase phase, uint64_t begin,
                              uint64_t end)
{
    if (SY_UNLIKELY(trace->events_max != 0))
        keep_event(trace, job, phase, begin, end);
}

/* Is the job one of the trace that is on? */
static inline bool is_watched(const struct sy_runtime *rt,
                              const struct sy_job *job)
{
    /* relaxed: the owner alone writes it */
    uint32_t watched =
        atomic_load_explicit(&job->traced.watched, memory_order_relaxed);

    return watched != 0 && watched == rt->trace->watched;
}

static inline void unwatch(struct sy_job *job)
{
    atomic_store_explicit(&job->traced.watched, 0, memory_order_relaxed);
}

/* ---- the points ---------------------------------------------------------- */

void sy__trace_submitted(struct sy_runtime *rt)
{
    struct sy__trace *trace = rt->trace;

    if (trace != NULL && trace->watched != 0)
        trace->submitted_at = now(rt, trace->watched);
}

/* A job begins here. */
static int started(void *arg)
{
    struct sy_job *job = arg;
    struct sy_runtime *rt = job->rt;
    struct sy__trace *trace = rt->trace;
    uint64_t at = later(now(rt, trace->watched), job->traced.submitted_at);

    job->traced.start_ticks = at - job->traced.submitted_at;
    job->traced.since = at;
    note_event(trace, job, SY_TRACE_START, job->traced.submitted_at, at);
    return job->traced.fn(job->traced.arg);
}

sy_job_fn sy__trace_start(struct sy_runtime *rt, struct sy_job *job,
                          sy_job_fn fn, void **arg)
{
    struct sy__trace *trace = rt->trace;

    if (trace == NULL || trace->watched == 0) {
        unwatch(job);
        return fn;
    }
    job->traced.fn = fn;
    job->traced.arg = *arg;
    job->traced.number = ++trace->jobs;
    job->traced.submitted_at = trace->submitted_at;
    job->traced.seen_at = 0;
    job->traced.run_ticks = 0;
    job->traced.wait_ticks = 0;
    job->traced.notify_ticks = 0;
    job->traced.schedule_ticks = 0;
    job->traced.pauses = 0;
    job->traced.early = 0;
    job->traced.unwoken = 0;
    /* relaxed: a waker of this job is made later */
    atomic_store_explicit(&job->traced.completed_at, 0, memory_order_relaxed);
    atomic_store_explicit(&job->traced.watched, trace->watched,
                          memory_order_relaxed);
    *arg = job;
    return started;
}

void sy__trace_paused(struct sy_runtime *rt, struct sy_job *job)
{
    uint64_t at;

    if (!is_watched(rt, job))
        return;
    at = later(now(rt, rt->trace->watched), job->traced.since);
    job->traced.run_ticks += at - job->traced.since;
    note_event(rt->trace, job, SY_TRACE_RUN, job->traced.since, at);
    job->traced.since = at;
    job->traced.seen_at = 0;
    job->traced.pauses++;
}

void sy__trace_completed(struct sy_waker waker)
{
    struct sy_job *slot = waker.slot;
    uint32_t watched =
        atomic_load_explicit(&slot->traced.watched, memory_order_relaxed);
    uint64_t at;

    if (watched == 0 || sy__generation(slot) != waker.generation ||
        atomic_load_explicit(&slot->traced.completed_at,
                             memory_order_relaxed) != 0)
        return;
    if ((watched & BY_RUNTIME) != 0 && !sy__runtime_is_mine(slot->rt))
        return; /* that clock is another thread's */
    at = now(slot->rt, watched);
    /* relaxed: handed over with the word, in wake_by_engine() */
    atomic_store_explicit(&slot->traced.completed_at, at, memory_order_relaxed);
}

void sy__trace_completed_here(struct sy_runtime *rt, struct sy_job *job)
{
    if (!is_watched(rt, job))
        return;
    sy__trace_look_begins(rt);
    if (atomic_load_explicit(&job->traced.completed_at, memory_order_relaxed) ==
        0)
        atomic_store_explicit(&job->traced.completed_at, rt->trace->look_at,
                              memory_order_relaxed);
}

void sy__trace_look_begins(struct sy_runtime *rt)
{
    if (rt->trace != NULL && rt->trace->watched != 0)
        rt->trace->look_at = now(rt, rt->trace->watched);
}

void sy__trace_look_ends(struct sy_runtime *rt)
{
    if (rt->trace != NULL)
        rt->trace->look_at = 0;
}

void sy__trace_seen(struct sy_runtime *rt, struct sy_job *job)
{
    if (!is_watched(rt, job) || job->traced.seen_at != 0)
        return;
    job->traced.seen_at = rt->trace->look_at != 0 ? rt->trace->look_at
                                                  : now(rt, rt->trace->watched);
}

void sy__trace_resumed(struct sy_job *job)
{
    struct sy_runtime *rt = job->rt;
    uint64_t paused, completed, seen, at;

    if (!is_watched(rt, job))
        return;
    paused = job->traced.since;
    at = later(now(rt, rt->trace->watched), paused);
    /* relaxed: the wake-up was taken with the word, if there was one */
    completed =
        atomic_load_explicit(&job->traced.completed_at, memory_order_relaxed);
    atomic_store_explicit(&job->traced.completed_at, 0, memory_order_relaxed);
    seen = job->traced.seen_at;
    if (seen == 0) {
        job->traced.unwoken++;
        seen = completed = at;
    }
    seen = earlier(later(seen, paused), at);
    if (completed == 0)
        completed = seen;
    job->traced.early += completed < paused;
    completed = earlier(later(completed, paused), seen);

    job->traced.wait_ticks += completed - paused;
    job->traced.notify_ticks += seen - completed;
    job->traced.schedule_ticks += at - seen;
    job->traced.since = at;
    note_event(rt->trace, job, SY_TRACE_WAIT, paused, completed);
    note_event(rt->trace, job, SY_TRACE_NOTIFY, completed, seen);
    note_event(rt->trace, job, SY_TRACE_SCHEDULE, seen, at);
}

void sy__trace_finished(struct sy_runtime *rt, struct sy_job *job)
{
    struct sy__trace *trace = rt->trace;
    struct spent *spent;
    uint64_t at, last;

    if (!is_watched(rt, job))
        return;
    unwatch(job);
    at = later(now(rt, trace->watched), job->traced.since);
    last = at - job->traced.since;
    note_event(trace, job,
               job->traced.pauses != 0 ? SY_TRACE_END : SY_TRACE_RUN,
               job->traced.since, at);
    trace->phases.jobs++;
    trace->phases.pauses += job->traced.pauses;
    trace->phases.early += job->traced.early;
    trace->phases.unwoken += job->traced.unwoken;
    spent = &trace->spent[trace->aside++];
    spent->ticks[SY_TRACE_START] = job->traced.start_ticks;
    spent->ticks[SY_TRACE_RUN] =
        job->traced.pauses != 0 ? job->traced.run_ticks : last;
    spent->ticks[SY_TRACE_WAIT] = job->traced.wait_ticks;
    spent->ticks[SY_TRACE_NOTIFY] = job->traced.notify_ticks;
    spent->ticks[SY_TRACE_SCHEDULE] = job->traced.schedule_ticks;
    spent->ticks[SY_TRACE_END] = job->traced.pauses != 0 ? last : 0;
    spent->paused = job->traced.pauses;
    if (trace->aside == ASIDE_MAX)
        settle(trace);
}

void sy__trace_abandoned(struct sy_runtime *rt, struct sy_job *job)
{
    if (!is_watched(rt, job))
        return;
    unwatch(job);
    rt->trace->phases.abandoned++;
}

/* ---- the interface ------------------------------------------------------- */

/* Room for events, and empty histograms. 0 or -ENOMEM, with nothing changed. */
static int make_room(struct sy__trace *trace, uint32_t events_max)
{
    struct sy_trace_event *events = NULL;

    if (events_max != 0) {
        events = calloc(events_max, sizeof(*events));
        if (events == NULL)
            return -ENOMEM;
    }
    free(trace->events);
    trace->events = events;
    trace->events_max = events_max;
    trace->events_first = 0;
    trace->events_count = 0;
    trace->jobs = 0;
    trace->aside = 0;
    memset(&trace->phases, 0, sizeof(trace->phases));
    return 0;
}

/* Choose where moments come from, and begin. */
static void set_clock(struct sy__trace *trace, const struct sy_clock *clock)
{
    const struct scale identity = {.scale = UINT64_C(1) << 32};

    /* Numbers begin anew after 2^30 traces of one runtime. */
    trace->number = trace->number % (BY_KERNEL - 1) + 1;
    trace->scale = identity;
    if (clock != sy_clock_monotonic()) {
        trace->phases.clock = "runtime";
        trace->watched = trace->number | BY_RUNTIME;
        return;
    }
    (void)pthread_once(&counter_once, calibrate);
    if (!counter.is_even) {
        trace->phases.clock = "clock_gettime";
        trace->watched = trace->number | BY_KERNEL;
        return;
    }
    trace->phases.clock = SY_TICKS_CLOCKSOURCE;
    trace->scale = counter.scale;
    trace->watched = trace->number;
}

static int start(struct sy_runtime *rt, const struct sy_trace_config *cfg)
{
    int err;

    if (rt->trace == NULL)
        rt->trace = calloc(1, sizeof(*rt->trace));
    if (rt->trace == NULL)
        return -ENOMEM;
    err = make_room(rt->trace, cfg->events_max);
    if (err != 0)
        return err;
    set_clock(rt->trace, rt->clock);
    return 0;
}

int sy_trace_start(struct sy_runtime *rt, const struct sy_trace_config *cfg)
{
    static const struct sy_trace_config defaults = SY_TRACE_CONFIG_INIT;
    int saved_errno = errno, err = sy__runtime_own(rt);

    if (cfg == NULL)
        cfg = &defaults;
    if (err == 0 && cfg->size != sizeof(*cfg))
        err = -EINVAL;
    if (err == 0 && rt->trace != NULL && rt->trace->watched != 0)
        err = -EBUSY;
    if (err == 0)
        err = start(rt, cfg);
    errno = saved_errno;
    return err;
}

int sy_trace_stop(struct sy_runtime *rt)
{
    int err = sy__runtime_own(rt);

    if (err == 0 && rt->trace != NULL)
        rt->trace->watched = 0;
    return err;
}

/* 0 if there is something to be read. */
static int check_reader(struct sy_runtime *rt)
{
    int err = sy__runtime_own(rt);

    return err == 0 && rt->trace == NULL ? -ENODATA : err;
}

int sy_trace_read(struct sy_runtime *rt, struct sy_trace_phases *phases)
{
    int err;

    if (phases->size != sizeof(*phases))
        return -EINVAL;
    memset(phases, 0, sizeof(*phases));
    phases->size = sizeof(*phases);
    err = check_reader(rt);
    if (err != 0)
        return err;
    settle(rt->trace);
    *phases = rt->trace->phases;
    phases->size = sizeof(*phases);
    return 0;
}

int sy_trace_take(struct sy_runtime *rt, struct sy_trace_event *events,
                  unsigned max)
{
    struct sy__trace *trace;
    int err = check_reader(rt), taken = 0;

    if (err != 0)
        return err;
    trace = rt->trace;
    for (; max > 0 && trace->events_count > 0 && taken < INT32_MAX; max--) {
        events[taken++] = trace->events[trace->events_first];
        if (++trace->events_first == trace->events_max)
            trace->events_first = 0;
        trace->events_count--;
    }
    return taken;
}

void sy__trace_free(struct sy_runtime *rt)
{
    if (rt->trace != NULL)
        free(rt->trace->events);
    free(rt->trace);
}
