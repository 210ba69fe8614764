/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Under every switcher and every engine, with wakes of the runtime's own thread
 * and of another one: the phases of a job follow each other without a gap, and
 * their sums are the sum of the whole.
 */
#include "../unit/unit.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <switchyard/engine.h>
#include <switchyard/switcher.h>
#include <switchyard/switchyard.h>
#include <switchyard/trace.h>

#define JOBS       12
#define PAUSES_MAX 3
#define ROUNDS     5
#define EVENTS_MAX (JOBS * ROUNDS * (3 + 4 * PAUSES_MAX))

/* What the waker has to do; one place for each job that is paused. */
struct post {
    struct sy_waker waker;
    bool wanted;
};

struct task {
    int pauses;
    struct post *post;
};

static struct post posts[JOBS];
static sem_t work, done;
static bool by_thread;
static int finished;

static int pausing(void *arg)
{
    const struct task *task = arg;
    struct post *post = task->post;
    int n = task->pauses;

    for (int i = 0; i < n; i++) {
        CHECK_EQ(sy_job_pin(NULL, &post->waker), 0);
        post->wanted = true;
        CHECK_EQ(sy_job_pause(), 0);
    }
    return n;
}

static void count_finished(void *user, struct sy_job *job, int result)
{
    (void)user, (void)job, (void)result;
    finished++;
}

static void wake_all(void)
{
    for (int i = 0; i < JOBS; i++) {
        if (posts[i].wanted) {
            posts[i].wanted = false;
            (void)sy_complete(posts[i].waker);
        }
    }
}

static void *wakes(void *arg)
{
    (void)arg;
    for (;;) {
        sem_wait(&work);
        if (!by_thread)
            return NULL;
        wake_all();
        sem_post(&done);
    }
}

/* Some of them pause up to PAUSES_MAX times, as far as the switcher can. */
static void run_jobs(struct sy_runtime *rt, bool can_pause)
{
    struct task tasks[JOBS];
    int paused = 0;

    finished = 0;
    for (int i = 0; i < JOBS; i++) {
        struct sy_job_spec spec = {
            .fn = pausing, .arg = &tasks[i], .done = count_finished};
        struct sy_job *job;
        int state;

        tasks[i] =
            (struct task){can_pause ? i % (PAUSES_MAX + 1) : 0, &posts[i]};
        state = sy_job_start(rt, &spec, &job, NULL);
        CHECK_EQ(state, tasks[i].pauses != 0 ? SY_JOB_PAUSED : SY_JOB_FINISHED);
        paused += state == SY_JOB_PAUSED;
    }
    while (finished < paused) {
        if (by_thread) {
            sem_post(&work);
            sem_wait(&done);
        } else {
            wake_all();
        }
        CHECK(sy_runtime_run(rt, SY_FOREVER) >= 0);
    }
}

static void check_histogram(const struct sy_trace_histogram *h, uint64_t count)
{
    uint64_t in_buckets = 0;

    for (int i = 0; i < SY_TRACE_BUCKETS; i++)
        in_buckets += h->buckets[i];
    CHECK_EQ(h->count, count);
    CHECK_EQ(in_buckets, count);
    CHECK(h->min_ns <= h->max_ns);
    CHECK(h->sum_ns >= h->max_ns);
}

static void check_phases(const struct sy_trace_phases *p, bool can_pause)
{
    uint64_t jobs = JOBS * ROUNDS, pausing_jobs = 0, pauses = 0, sum_ns = 0;

    for (int i = 0; i < JOBS && can_pause; i++) {
        pauses += (uint64_t)(i % (PAUSES_MAX + 1)) * ROUNDS;
        pausing_jobs += (i % (PAUSES_MAX + 1) != 0) * (uint64_t)ROUNDS;
    }
    CHECK_EQ(p->jobs, jobs);
    CHECK_EQ(p->pauses, pauses);
    CHECK_EQ(p->abandoned, 0);
    CHECK_EQ(p->unwoken, 0);
    CHECK_EQ(p->early, 0);
    for (int phase = 0; phase < SY_TRACE_PHASES; phase++) {
        bool always = phase == SY_TRACE_START || phase == SY_TRACE_RUN ||
                      phase == SY_TRACE_WHOLE;

        check_histogram(&p->phase[phase], always ? jobs : pausing_jobs);
        if (phase != SY_TRACE_WHOLE)
            sum_ns += p->phase[phase].sum_ns;
    }
    CHECK_EQ(sum_ns, p->phase[SY_TRACE_WHOLE].sum_ns);
}

/* What may follow a phase. */
static bool may_follow(uint32_t before, uint32_t next)
{
    switch (before) {
    case SY_TRACE_START:
        return next == SY_TRACE_RUN;
    case SY_TRACE_RUN:
        return next == SY_TRACE_WAIT;
    case SY_TRACE_WAIT:
        return next == SY_TRACE_NOTIFY;
    case SY_TRACE_NOTIFY:
        return next == SY_TRACE_SCHEDULE;
    case SY_TRACE_SCHEDULE:
        return next == SY_TRACE_RUN || next == SY_TRACE_END;
    default:
        return false;
    }
}

/* Each job's events, which come in between those of others. */
static void check_events(struct sy_runtime *rt, const struct sy_trace_phases *p)
{
    static struct sy_trace_event events[EVENTS_MAX + 1];
    static struct sy_trace_event last[JOBS * ROUNDS + 1];
    uint64_t sums_ns[SY_TRACE_PHASES] = {0}, jobs = 0;
    int n = sy_trace_take(rt, events, EVENTS_MAX + 1);

    memset(last, 0, sizeof(last));
    CHECK_EQ(p->events_dropped, 0);
    CHECK_EQ(n, 2 * p->jobs + 4 * p->pauses);
    for (int i = 0; i < n; i++) {
        const struct sy_trace_event *e = &events[i];
        struct sy_trace_event *before;

        CHECK(e->job >= 1 && e->job <= JOBS * ROUNDS);
        CHECK(e->slot >= 1);
        CHECK(e->phase < SY_TRACE_WHOLE);
        CHECK(e->begin_ns <= e->end_ns);
        before = &last[e->job];
        if (before->job == 0) {
            CHECK_EQ(e->phase, SY_TRACE_START);
            jobs++;
        } else {
            CHECK(may_follow(before->phase, e->phase));
            CHECK_EQ(e->begin_ns, before->end_ns);
            CHECK_EQ(e->slot, before->slot);
        }
        sums_ns[e->phase] += e->end_ns - e->begin_ns;
        *before = *e;
    }
    CHECK_EQ(jobs, p->jobs);
    /* The ends of events are rounded, and those of phases otherwise. */
    for (int phase = 0; phase < SY_TRACE_WHOLE; phase++)
        CHECK(llabs((long long)(sums_ns[phase] - p->phase[phase].sum_ns)) <= n);
    CHECK_EQ(sy_trace_take(rt, events, 1), 0);
}

static void check_combination(const struct sy_switcher_ops *sw,
                              const char *engine)
{
    bool can_pause = (sw->caps & SY_SW_CAN_PAUSE) != 0;
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_trace_config trace = SY_TRACE_CONFIG_INIT;
    struct sy_trace_phases phases = {.size = sizeof(phases)};
    struct sy_runtime *rt;

    cfg.switcher_ops = sw;
    cfg.engine = engine;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    trace.events_max = EVENTS_MAX;
    CHECK_EQ(sy_runtime_open(&rt, &cfg), 0);
    CHECK_EQ(sy_trace_read(rt, &phases), -ENODATA);
    CHECK_EQ(sy_trace_start(rt, &trace), 0);
    CHECK_EQ(sy_trace_start(rt, &trace), -EBUSY);
    for (int i = 0; i < ROUNDS; i++)
        run_jobs(rt, can_pause);
    CHECK_EQ(sy_trace_stop(rt), 0);
    CHECK_EQ(sy_trace_read(rt, &phases), 0);
    check_phases(&phases, can_pause);
    check_events(rt, &phases);

    run_jobs(rt, can_pause); /* of these, nothing is recorded */
    CHECK_EQ(sy_trace_read(rt, &phases), 0);
    CHECK_EQ(phases.jobs, JOBS * ROUNDS);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

/* Compiled for one switcher (bind/bound.h), the program has only that. */
#if defined(SY_BIND_SWITCHER)
static bool is_ours(const struct sy_switcher_ops *sw)
{
    return strcmp(sw->name, SY_BIND_NAME_OF(SY_BIND_SWITCHER)) == 0;
}
#else
static bool is_ours(const struct sy_switcher_ops *sw)
{
    (void)sw;
    return true;
}
#endif

static int check_all(void)
{
    const struct sy_switcher_ops *const *sw;
    const struct sy_engine_ops *const *engine;
    char why[256], name[128];
    int checked = 0;

    for (sw = sy_switcher_table(); *sw != NULL; sw++) {
        if (!is_ours(*sw) || sy_switcher_probe(*sw, why, sizeof(why)) != 0)
            continue;
        for (engine = sy_engine_table(); *engine != NULL; engine++) {
            const char *const none[] = {NULL, NULL};
            const char *const *v = (*engine)->variants;

            for (v = v != NULL ? v : none; v == none || *v != NULL; v++) {
                (void)snprintf(name, sizeof(name), "%s%s%s", (*engine)->name,
                               *v != NULL ? "+" : "", *v != NULL ? *v : "");
                if (sy_engine_probe(*engine, *v, why, sizeof(why)) == 0) {
                    printf("%s on %s, woken by %s thread\n", (*sw)->name, name,
                           by_thread ? "another" : "the same");
                    fflush(stdout);
                    check_combination(*sw, name);
                    checked++;
                }
                if (v == none)
                    break;
            }
        }
    }
    return checked;
}

int main(void)
{
    pthread_t thread;

    CHECK(check_all() > 0);
    CHECK_EQ(sem_init(&work, 0, 0), 0);
    CHECK_EQ(sem_init(&done, 0, 0), 0);
    by_thread = true;
    CHECK_EQ(pthread_create(&thread, NULL, wakes, NULL), 0);
    CHECK(check_all() > 0);
    by_thread = false;
    sem_post(&work);
    pthread_join(thread, NULL);
    return 0;
}
