/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Under a virtual clock each phase lasts as long as the test lets it: which
 * moments count, down to the nanosecond, and what happens to jobs that are
 * woken early, not at all, or twice, are abandoned, or outlive their trace.
 */
#include "../unit/unit.h"
#include <errno.h>
#include <stdbool.h>
#include <switchyard/engine.h>
#include <switchyard/switcher.h>
#include <switchyard/switchyard.h>
#include <switchyard/trace.h>

static struct sy_virtual_clock vc;
static struct sy_runtime *rt;
static bool wake_is_seen_at_once; /* the engine is passed by */

static void pass(uint64_t ns)
{
    vc.now_ns += ns;
}

static int job_main(void *arg)
{
    int pauses = *(const int *)arg;

    pass(10);
    for (int i = 0; i < pauses; i++) {
        CHECK_EQ(sy_job_pause(), 0);
        pass(3);
    }
    return 0;
}

static struct sy_job *started(int pauses)
{
    struct sy_job_spec spec = {
        .fn = job_main, .arg = &pauses, .arg_bytes = sizeof(pauses)};
    struct sy_job *job;

    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL),
             pauses != 0 ? SY_JOB_PAUSED : SY_JOB_FINISHED);
    return job;
}

static void start_trace(uint32_t events_max)
{
    struct sy_trace_config cfg = SY_TRACE_CONFIG_INIT;

    cfg.events_max = events_max;
    CHECK_EQ(sy_trace_start(rt, &cfg), 0);
}

/* The sums of all phases, in their order. */
static const struct sy_trace_phases *stopped(const uint64_t sums_ns[])
{
    static struct sy_trace_phases p;

    CHECK_EQ(sy_trace_stop(rt), 0);
    p.size = sizeof(p);
    CHECK_EQ(sy_trace_read(rt, &p), 0);
    CHECK_STR(p.clock, "runtime");
    for (int i = 0; i < SY_TRACE_PHASES; i++) {
        if (p.phase[i].sum_ns != sums_ns[i])
            fprintf(stderr, "phase %s:\n",
                    sy_trace_phase_name((enum sy_trace_phase)i));
        CHECK_EQ(p.phase[i].sum_ns, sums_ns[i]);
    }
    return &p;
}

static void never_pauses(void)
{
    const uint64_t sums_ns[] = {0, 10, 0, 0, 0, 0, 10};
    const struct sy_trace_phases *p;

    start_trace(0);
    CHECK(started(0) == NULL);
    p = stopped(sums_ns);
    CHECK_EQ(p->jobs, 1);
    CHECK_EQ(p->phase[SY_TRACE_WAIT].count, 0);
    CHECK_EQ(p->phase[SY_TRACE_RUN].buckets[10], 1);
    CHECK_EQ(p->phase[SY_TRACE_WHOLE].buckets[10], 1);
}

static void pauses_twice(void)
{
    /* Twice 100 from pause to wake, 7 from wake to look; 3 after each. */
    const uint64_t notify_ns = wake_is_seen_at_once ? 0 : 14;
    const uint64_t sums_ns[] = {0, 13, 200, notify_ns, 14 - notify_ns, 3, 230};
    const struct sy_trace_phases *p;
    struct sy_job *job;

    start_trace(0);
    job = started(2);
    for (int i = 0; i < 2; i++) {
        pass(100);
        CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
        pass(7);
        CHECK_EQ(sy_runtime_run(rt, 0), 1);
    }
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED); /* its result */
    p = stopped(sums_ns);
    CHECK_EQ(p->jobs, 1);
    CHECK_EQ(p->pauses, 2);
    CHECK_EQ(p->early, 0);
    CHECK_EQ(p->unwoken, 0);
    CHECK_EQ(p->phase[SY_TRACE_WAIT].count, 1);
    CHECK_EQ(p->phase[SY_TRACE_WAIT].buckets[200], 1);
}

/* Woken twice before anybody looks: the first time counts. */
static void woken_twice(void)
{
    const uint64_t notify_ns = wake_is_seen_at_once ? 0 : 9;
    const uint64_t sums_ns[] = {0, 10, 100, notify_ns, 9 - notify_ns, 3, 122};
    struct sy_job *job;

    start_trace(0);
    job = started(1);
    pass(100);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    pass(4);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    pass(5);
    CHECK_EQ(sy_runtime_run(rt, 0), 1);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    (void)stopped(sums_ns);
}

static int woken_by_itself(void *arg)
{
    (void)arg;
    pass(10);
    CHECK_EQ(sy_wake(sy_job_waker(sy_job_current())), 0);
    pass(20);
    CHECK_EQ(sy_job_pause(), 0);
    pass(3);
    return 0;
}

/* Completed before it pauses: it waits for nothing but to be seen. */
static void woken_early(void)
{
    const uint64_t sums_ns[] = {0, 30, 0, 8, 0, 3, 41};
    const struct sy_trace_phases *p;
    struct sy_job_spec spec = {.fn = woken_by_itself};
    struct sy_job *job;

    start_trace(0);
    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_PAUSED);
    pass(8);
    CHECK_EQ(sy_runtime_run(rt, 0), 1);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    p = stopped(sums_ns);
    CHECK_EQ(p->early, 1);
    CHECK_EQ(p->unwoken, 0);
}

/* Resumed by the program, which knows better. */
static void not_woken(void)
{
    const uint64_t sums_ns[] = {0, 10, 50, 0, 0, 3, 63};
    const struct sy_trace_phases *p;
    struct sy_job *job;

    start_trace(0);
    job = started(1);
    pass(50);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    p = stopped(sums_ns);
    CHECK_EQ(p->unwoken, 1);
}

static void abandoned(void)
{
    const uint64_t sums_ns[] = {0, 0, 0, 0, 0, 0, 0};
    const struct sy_trace_phases *p;
    struct sy_job *job;

    start_trace(0);
    job = started(1);
    pass(50);
    CHECK_EQ(sy_job_abandon(&job), 0);
    p = stopped(sums_ns);
    CHECK_EQ(p->abandoned, 1);
    CHECK_EQ(p->jobs, 0);
}

/* Started before the trace, or finished after it: in no histogram. */
static void only_a_part(void)
{
    const uint64_t sums_ns[] = {0, 10, 0, 0, 0, 0, 10};
    const struct sy_trace_phases *p;
    struct sy_job *before = started(1), *behind;

    start_trace(0);
    CHECK_EQ(sy_job_resume(&before, NULL), SY_JOB_FINISHED);
    behind = started(1);
    CHECK(started(0) == NULL);
    p = stopped(sums_ns);
    CHECK_EQ(p->jobs, 1);
    start_trace(0); /* another one */
    CHECK_EQ(sy_job_resume(&behind, NULL), SY_JOB_FINISHED);
    CHECK(started(0) == NULL);
    p = stopped(sums_ns);
    CHECK_EQ(p->jobs, 1);
}

static void no_room(void)
{
    const uint64_t sums_ns[] = {0, 30, 0, 0, 0, 0, 30};
    const struct sy_trace_phases *p;
    struct sy_trace_event events[8];

    start_trace(3);
    for (int i = 0; i < 3; i++)
        CHECK(started(0) == NULL); /* two events each */
    CHECK_EQ(sy_trace_take(rt, events, 0), 0);
    p = stopped(sums_ns);
    CHECK_EQ(p->events_dropped, 3);
    CHECK_EQ(sy_trace_take(rt, events, 2), 2);
    CHECK_EQ(events[1].job, 1);
    CHECK_EQ(events[1].end_ns - events[1].begin_ns, 10);
    CHECK_EQ(sy_trace_take(rt, events, 8), 1);
    CHECK_EQ(events[0].job, 2);
    CHECK_EQ(events[0].phase, SY_TRACE_START);
}

static void wrong_calls(void)
{
    struct sy_trace_config cfg = {.size = 1};
    struct sy_trace_phases p = {.size = 1};
    struct sy_trace_event event;

    CHECK_EQ(sy_trace_read(rt, &p), -EINVAL);
    p.size = sizeof(p);
    CHECK_EQ(sy_trace_read(rt, &p), -ENODATA);
    CHECK_EQ(sy_trace_take(rt, &event, 1), -ENODATA);
    CHECK_EQ(sy_trace_stop(rt), 0);
    CHECK_EQ(sy_trace_start(rt, &cfg), -EINVAL);
    CHECK_EQ(sy_trace_start(NULL, NULL), -EXDEV);
}

static void check(const struct sy_switcher_ops *sw,
                  const struct sy_engine_ops *engine)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;

    cfg.switcher_ops = sw;
    cfg.engine_ops = engine;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    cfg.clock = &vc.clock;
    sy_virtual_clock_init(&vc, 1000);
    wake_is_seen_at_once = (engine->caps & SY_EN_BY_MEMORY) != 0 &&
                           (sw->caps & SY_SW_SAME_THREAD) != 0;
    printf("%s on %s\n", sw->name, engine->name);
    fflush(stdout);
    CHECK_EQ(sy_runtime_open(&rt, &cfg), 0);
    wrong_calls();
    never_pauses();
    no_room();
    if ((sw->caps & SY_SW_CAN_PAUSE) != 0) {
        pauses_twice();
        woken_twice();
        woken_early();
        not_woken();
        abandoned();
        only_a_part();
    }
    CHECK_EQ(sy_runtime_close(rt), 0);
}

int main(void)
{
    const struct sy_switcher_ops *const *sw;
    const struct sy_engine_ops *const *engine;
    char why[256];

    for (sw = sy_switcher_table(); *sw != NULL; sw++)
        for (engine = sy_engine_table(); *engine != NULL; engine++)
            if (sy_switcher_probe(*sw, why, sizeof(why)) == 0 &&
                sy_engine_probe(*engine, NULL, why, sizeof(why)) == 0)
                check(*sw, *engine);
    return 0;
}
