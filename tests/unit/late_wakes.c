/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads never stop waking: jobs that live, and those that have ended,
 * were cancelled, were abandoned, whose runtime is closed, and whose slot
 * serves another job. Each wake answers 0 or -ESRCH, and no job is resumed by
 * the waker of the one that had its slot before.
 */
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <switchyard/engine.h>
#include <switchyard/switchyard.h>
#include <unistd.h>

#define HAMMERS 2
#define ROUNDS  200 /* per engine */
#define ENGINES 16
#define RECENT  3

enum end { FINISHED, CANCELLED, ABANDONED, END_KINDS };

/* Written once each, before known counts it. */
static struct sy_waker wakers[ENGINES * ROUNDS];
static atomic_int known;
static atomic_bool enough;
static atomic_ulong answers[2]; /* 0, -ESRCH */

static void *hammer(void *arg)
{
    (void)arg;
    while (!atomic_load_explicit(&enough, memory_order_relaxed)) {
        /* acquire pairs with the release in make_known() */
        int n = atomic_load_explicit(&known, memory_order_acquire);

        for (int i = n < RECENT ? 0 : n - RECENT; i < n; i++) {
            int err = sy_wake(wakers[i]);

            CHECK(err == 0 || err == -ESRCH);
            atomic_fetch_add_explicit(&answers[err != 0], 1,
                                      memory_order_relaxed);
        }
    }
    return NULL;
}

static void make_known(struct sy_waker waker)
{
    int n = atomic_load_explicit(&known, memory_order_relaxed);

    wakers[n] = waker;
    /* release pairs with the acquire in hammer() */
    atomic_store_explicit(&known, n + 1, memory_order_release);
}

static int until_cancelled(void *arg)
{
    const int *is_over = arg;
    int err = 0;

    while (err == 0 && !*is_over)
        err = sy_job_pause();
    return err;
}

static int wait_for_resume(void *arg)
{
    *(int *)arg = 1;
    CHECK_EQ(sy_job_pause(), 0);
    *(int *)arg = 2;
    return 0;
}

static struct sy_job *start(struct sy_runtime *rt, sy_job_fn fn, void *arg)
{
    struct sy_job_spec spec = {.fn = fn, .arg = arg};
    struct sy_job *job;

    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_PAUSED);
    return job;
}

static void end(struct sy_job *job, enum end how, int *is_over)
{
    int result = 1;

    switch (how) {
    case FINISHED:
        *is_over = 1;
        CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
        CHECK_EQ(result, 0);
        break;
    case CANCELLED:
        CHECK_EQ(sy_job_cancel(job), 0);
        CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
        CHECK_EQ(result, -ECANCELED);
        break;
    default:
        CHECK_EQ(sy_job_abandon(&job), 0);
    }
}

static void round_of(const char *engine, enum end how)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_waker older, newer;
    struct sy_runtime *rt;
    struct sy_job *job;
    int is_over = 0, steps = 0;

    config.engine = engine;
    config.flags = SY_RT_NO_ENVIRONMENT;
    config.jobs_max = 1; /* so that the second job has the first one's slot */
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    job = start(rt, until_cancelled, &is_over);
    older = sy_job_waker(job);
    make_known(older);
    for (int i = 0; i < 50; i++) /* while it is woken */
        CHECK(sy_runtime_run(rt, 0) >= 0);
    end(job, how, &is_over);
    CHECK_EQ(sy_wake(older), -ESRCH);

    job = start(rt, wait_for_resume, &steps);
    newer = sy_job_waker(job);
    CHECK(newer.slot == older.slot);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sy_runtime_run(rt, 0), 0);
    CHECK_EQ(steps, 1);
    CHECK_EQ(sy_wake(newer), 0);
    CHECK_EQ(sy_runtime_run(rt, SY_FOREVER), 1);
    CHECK_EQ(steps, 2);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    CHECK_EQ(sy_runtime_close(rt), 0);
    CHECK_EQ(sy_wake(older), -ESRCH);
    CHECK_EQ(sy_wake(newer), -ESRCH);
}

int main(void)
{
    const struct sy_engine_ops *const *e;
    pthread_t threads[HAMMERS];

    alarm(100);
    for (int i = 0; i < HAMMERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, hammer, NULL), 0);
    for (e = sy_engine_table(); *e != NULL; e++) {
        static const char *const one[] = {NULL, NULL};
        const char *const *v = (*e)->variants != NULL ? (*e)->variants : one;
        char name[64], why[256];

        do {
            snprintf(name, sizeof(name), "%s%s%s", (*e)->name,
                     *v != NULL ? "+" : "", *v != NULL ? *v : "");
            if (sy_engine_probe(*e, *v, why, sizeof(why)) != 0) {
                printf("%s: left out: %s\n", name, why);
                continue;
            }
            for (int i = 0; i < ROUNDS; i++)
                round_of(name, (enum end)(i % END_KINDS));
            printf("%s: %d rounds\n", name, ROUNDS);
        } while (*v != NULL && *++v != NULL);
    }
    atomic_store_explicit(&enough, true, memory_order_relaxed);
    for (int i = 0; i < HAMMERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    printf("%lu wakes reached a job, %lu came too late\n",
           atomic_load(&answers[0]), atomic_load(&answers[1]));
    return 0;
}
