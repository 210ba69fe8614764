/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts, resumes, wakes, cancels and abandons jobs in random order on every
 * switcher, while a thread wakes jobs that may have ended long ago. What each
 * job did is compared with what was done to it.
 *
 * usage: start_finish_churn [STEPS [SWITCHER-GLOB [SEED]]]
 */
#include "stress.h"
#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <switchyard/switcher.h>

#define JOBS 64

struct worker {
    struct sy_job *job; /* NULL: not started */
    unsigned pauses, resumes;
    unsigned cancels, cancels_seen;
    int cleanups;
    int ended; /* the job's function returned */
};

/* What the waking thread knows: wakers, many of them out of date. */
struct gossip {
    pthread_mutex_t mutex;
    struct sy_waker wakers[JOBS];
    atomic_int stop;
    uint64_t random;
    unsigned long woken, late;
};

static void count_cleanup(void *arg)
{
    struct worker *w = arg;

    w->cleanups++;
}

static int work(void *arg)
{
    struct worker *w = arg;
    unsigned planned = 1 + w->pauses;

    w->pauses = 0;
    STRESS_CHECK(sy_job_defer(count_cleanup, w) == 0);
    while (w->pauses < planned) {
        int r;

        w->pauses++;
        r = sy_job_pause();
        STRESS_CHECK(r == 0 || r == -ECANCELED || r == SY_NOT_PAUSED);
        if (r == -ECANCELED)
            w->cancels_seen++;
    }
    w->ended = 1;
    return (int)planned;
}

static void *wake_old_jobs(void *arg)
{
    struct gossip *g = arg;

    /* Relaxed: the end of the thread is joined. */
    while (!atomic_load_explicit(&g->stop, memory_order_relaxed)) {
        struct sy_waker waker;
        int r;

        pthread_mutex_lock(&g->mutex);
        waker = g->wakers[stress_random(&g->random) % JOBS];
        pthread_mutex_unlock(&g->mutex);
        r = sy_wake(waker);
        STRESS_CHECK(r == 0 || r == -ESRCH);
        g->woken += r == 0;
        g->late += r != 0;
    }
    return NULL;
}

static void check_end(const struct worker *w, int finished)
{
    STRESS_CHECK(w->cleanups == 1);
    STRESS_CHECK(w->ended == finished);
    STRESS_CHECK(w->cancels_seen <= w->cancels);
}

static void start(struct sy_runtime *rt, struct worker *w, struct gossip *g,
                  size_t i, uint64_t dice)
{
    struct sy_job_spec spec = {.fn = work, .arg = w};
    int result = -1, state;

    memset(w, 0, sizeof(*w));
    w->pauses = (unsigned)(dice % 5); /* how often it is to pause, less one */
    state = sy_job_start(rt, &spec, &w->job, &result);
    STRESS_CHECK(state >= 0);
    if (state == SY_JOB_FINISHED) {
        check_end(w, 1);
        STRESS_CHECK(result == (int)w->pauses);
        STRESS_CHECK(w->job == NULL);
        return;
    }
    pthread_mutex_lock(&g->mutex);
    g->wakers[i] = sy_job_waker(w->job);
    pthread_mutex_unlock(&g->mutex);
}

static void resume(struct worker *w)
{
    int result = -1;
    int state = sy_job_resume(&w->job, &result);

    STRESS_CHECK(state >= 0);
    if (state == SY_JOB_FINISHED) {
        check_end(w, 1);
        STRESS_CHECK(result == (int)w->pauses);
    }
}

static void one_step(struct sy_runtime *rt, struct worker *workers,
                     struct gossip *g, uint64_t dice)
{
    size_t i = dice % JOBS;
    struct worker *w = &workers[i];
    unsigned what = (unsigned)(dice >> 32) % 16;
    int r;

    if (w->job == NULL) {
        start(rt, w, g, i, dice >> 16);
    } else if (what < 8) {
        resume(w);
    } else if (what < 10) {
        r = sy_job_cancel(w->job);
        STRESS_CHECK(r == (w->ended ? -ESRCH : 0));
        w->cancels++;
    } else if (what < 12) {
        int ended = w->ended;

        STRESS_CHECK(sy_job_abandon(&w->job) == 0);
        STRESS_CHECK(w->job == NULL);
        check_end(w, ended);
    } else {
        STRESS_CHECK(sy_runtime_run(rt, 0) >= 0);
    }
}

static void churn(const struct sy_switcher_ops *sw, unsigned long steps,
                  uint64_t seed)
{
    static struct worker workers[JOBS];
    static struct gossip gossip;
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    struct sy_runtime *rt;
    pthread_t thread;
    uint64_t random = seed;
    unsigned long i;

    memset(workers, 0, sizeof(workers));
    memset(&gossip, 0, sizeof(gossip));
    STRESS_CHECK(pthread_mutex_init(&gossip.mutex, NULL) == 0);
    gossip.random = seed;
    config.switcher_ops = sw;
    STRESS_CHECK(sy_runtime_open(&rt, &config) == 0);
    STRESS_CHECK(pthread_create(&thread, NULL, wake_old_jobs, &gossip) == 0);
    for (i = 0; i < steps; i++)
        one_step(rt, workers, &gossip, stress_random(&random));
    for (i = 0; i < JOBS; i++)
        while (workers[i].job != NULL)
            resume(&workers[i]);
    /* Relaxed: the thread is joined. */
    atomic_store_explicit(&gossip.stop, 1, memory_order_relaxed);
    STRESS_CHECK(pthread_join(thread, NULL) == 0);
    STRESS_CHECK(sy_runtime_get_stats(rt, &stats) == 0);
    STRESS_CHECK(stats.jobs_outstanding == 0);
    STRESS_CHECK(stats.jobs_started >= stats.jobs_finished);
    printf("%-10s %llu started, %llu finished, %llu cancels, %llu abandoned; "
           "%lu wakes, %lu too late\n",
           sw->name, (unsigned long long)stats.jobs_started,
           (unsigned long long)stats.jobs_finished,
           (unsigned long long)stats.jobs_cancelled,
           (unsigned long long)stats.jobs_abandoned, gossip.woken, gossip.late);
    STRESS_CHECK(sy_runtime_close(rt) == 0);
    STRESS_CHECK(pthread_mutex_destroy(&gossip.mutex) == 0);
}

int main(int argc, char **argv)
{
    unsigned long steps = stress_number(argc > 1 ? argv[1] : "20000");
    const char *glob = argc > 2 ? argv[2] : "*";
    uint64_t seed = stress_number(argc > 3 ? argv[3] : "1");
    const struct sy_switcher_ops *const *sw;

    printf("seed %llu\n", (unsigned long long)seed);
    for (sw = sy_switcher_table(); *sw != NULL; sw++) {
        char why[256];

        if (fnmatch(glob, (*sw)->name, 0) != 0)
            continue;
        if (sy_switcher_probe(*sw, why, sizeof(why)) == 0)
            churn(*sw, steps, seed);
        else
            printf("%s not here: %s\n", (*sw)->name, why);
        fflush(stdout);
    }
    return 0;
}
