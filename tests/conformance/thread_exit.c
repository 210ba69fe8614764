/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <pthread.h>

struct leaver {
    const struct sy_conformance *t;
    struct sy_waker waker;
    struct sy_waker runtime_waker;
    int cleanups;
};

static void count(void *arg)
{
    int *cleanups = arg;

    *cleanups += 1;
}

static int defer_and_pause(void *arg)
{
    struct leaver *l = arg;

    CHECK_EQ(sy_job_defer(count, &l->cleanups), 0);
    sy_job_pause();
    CHECK(0); /* never resumed */
    return 0;
}

static void *leave_jobs_behind(void *arg)
{
    struct leaver *l = arg;
    struct sy_runtime_config config = sy_conformance_config(l->t);
    struct sy_runtime *rt = sy_conformance_open(&config);
    struct sy_job *job;

    (void)sy_conformance_paused(rt, defer_and_pause, l);
    (void)sy_conformance_paused(rt, defer_and_pause, l);
    job = sy_conformance_paused(rt, defer_and_pause, l);
    l->waker = sy_job_waker(job);
    l->runtime_waker = sy_runtime_waker(rt);
    return NULL;
}

static struct sy_process_stats process_stats(void)
{
    struct sy_process_stats stats = {.size = sizeof(stats)};

    CHECK_EQ(sy_process_get_stats(&stats), 0);
    return stats;
}

CONFORMANCE(thread_exit_abandons_its_jobs)
{
    struct leaver l = {.t = t};
    struct sy_process_stats before = process_stats(), after;

    NEEDS(t, SY_SW_CAN_PAUSE);
    sy_conformance_on_thread(leave_jobs_behind, &l);
    after = process_stats();
    CHECK_EQ(l.cleanups, 3);
    CHECK_EQ(after.runtimes_orphaned - before.runtimes_orphaned, 1);
    CHECK_EQ(after.jobs_orphaned - before.jobs_orphaned, 3);
    CHECK_EQ(after.jobs_quarantined, 0);
}

CONFORMANCE(wake_after_thread_exit)
{
    struct leaver l = {.t = t};
    int i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    for (i = 0; i < 5; i++) {
        sy_conformance_on_thread(leave_jobs_behind, &l);
        CHECK_EQ(sy_wake(l.waker), -ESRCH);
        CHECK_EQ(sy_wake(l.runtime_waker), -ESRCH);
    }
}

static int end_the_thread(void *arg)
{
    struct leaver *l = *(struct leaver **)arg;

    l->waker = sy_job_waker(sy_job_current());
    pthread_exit(NULL);
}

static void *end_inside_a_job(void *arg)
{
    struct leaver *l = arg;
    struct sy_runtime_config config = sy_conformance_config(l->t);
    struct sy_runtime *rt = sy_conformance_open(&config);
    struct sy_job_spec spec = {
        .fn = end_the_thread, .arg = &l, .arg_bytes = sizeof(l)};
    struct sy_job *job;

    (void)!sy_job_start(rt, &spec, &job, NULL);
    CHECK(0); /* not reached */
    return NULL;
}

/* The engine is closed, and its descriptors may be somebody else's by now. */
CONFORMANCE(wake_after_a_thread_ended_inside_a_job)
{
    struct leaver l = {.t = t};

    NEEDS(t, SY_SW_SAME_THREAD);
    if (SY_TESTS_UNDER_TSAN)
        SKIP(t, "ThreadSanitizer cannot end a thread on a fiber's stack");
    sy_conformance_on_thread(end_inside_a_job, &l);
    CHECK_EQ(sy_wake(l.waker), -ESRCH);
}
