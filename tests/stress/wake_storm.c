/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four threads wake 256 jobs, a million times together, on every engine: no
 * wake may be lost. A job counts the letters in its own mailbox, so merged
 * wakes are no loss, but a letter that nobody is woken for hangs the program
 * (ctest's time limit tells).
 *
 * usage: wake_storm [WAKES [ENGINE-GLOB [SEED]]]
 */
#include "stress.h"
#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define WAKERS 4
#define JOBS   256

struct mailbox {
    struct sy_waker waker;
    atomic_uint letters; /* posted by wakers, taken by the job */
    unsigned long taken; /* the job's own */
    unsigned long expected;
};

struct storm {
    struct mailbox boxes[JOBS];
    unsigned long wakes_each;
    uint64_t seed;
};

struct waker_thread {
    struct storm *storm;
    pthread_t thread;
    uint64_t random;
};

static void *wake_at_random(void *arg)
{
    struct waker_thread *w = arg;
    unsigned long i;

    for (i = 0; i < w->storm->wakes_each; i++) {
        struct mailbox *box =
            &w->storm->boxes[stress_random(&w->random) % JOBS];

        /* Relaxed: sy_wake() is what must make the letter visible. */
        atomic_fetch_add_explicit(&box->letters, 1, memory_order_relaxed);
        STRESS_CHECK(sy_wake(box->waker) == 0);
    }
    return NULL;
}

static int take_letters(void *arg)
{
    struct mailbox *box = arg;

    while (box->taken < box->expected) {
        sy_job_pause();
        box->taken +=
            atomic_exchange_explicit(&box->letters, 0, memory_order_relaxed);
    }
    return 0;
}

/* What the threads will post to each box: the same random numbers again. */
static void expect(struct storm *storm)
{
    unsigned long i;
    int w;

    for (w = 0; w < WAKERS; w++) {
        uint64_t random = storm->seed + (uint64_t)w;

        for (i = 0; i < storm->wakes_each; i++)
            storm->boxes[stress_random(&random) % JOBS].expected++;
    }
}

static void count_end(void *user, struct sy_job *job, int result)
{
    int *ended = user;

    (void)job;
    STRESS_CHECK(result == 0);
    *ended += 1;
}

static int start_jobs(struct sy_runtime *rt, struct storm *storm, int *ended)
{
    int i, started = 0;

    for (i = 0; i < JOBS; i++) {
        struct sy_job_spec spec = {.fn = take_letters,
                                   .arg = &storm->boxes[i],
                                   .done = count_end,
                                   .user = ended};
        struct sy_job *job;
        int state = sy_job_start(rt, &spec, &job, NULL);

        STRESS_CHECK(state >= 0);
        if (state != SY_JOB_PAUSED)
            continue;
        storm->boxes[i].waker = sy_job_waker(job);
        started++;
    }
    return started;
}

static unsigned long sum_taken(const struct storm *storm)
{
    unsigned long sum = 0;
    int i;

    for (i = 0; i < JOBS; i++)
        sum += storm->boxes[i].taken;
    return sum;
}

static struct sy_runtime *open_with(const struct sy_engine_ops *en,
                                    const char *variant)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;
    char name[64];

    snprintf(name, sizeof(name), "%s%s%s", en->name, variant ? "+" : "",
             variant ? variant : "");
    config.engine = name;
    STRESS_CHECK(sy_runtime_open(&rt, &config) == 0);
    return rt;
}

static void blow(const struct sy_engine_ops *en, const char *variant,
                 unsigned long wakes, uint64_t seed)
{
    static struct storm storm;
    struct waker_thread wakers[WAKERS];
    struct sy_runtime *rt = open_with(en, variant);
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    int ended = 0, started, w;

    memset(&storm, 0, sizeof(storm));
    storm.wakes_each = wakes / WAKERS;
    storm.seed = seed;
    expect(&storm);
    for (w = 0; w < JOBS; w++) /* so that no job ends while it is woken */
        storm.boxes[w].expected += 1;
    started = start_jobs(rt, &storm, &ended);
    for (w = 0; w < WAKERS; w++) {
        wakers[w].storm = &storm;
        wakers[w].random = seed + (uint64_t)w;
        STRESS_CHECK(pthread_create(&wakers[w].thread, NULL, wake_at_random,
                                    &wakers[w]) == 0);
    }
    while (sum_taken(&storm) < storm.wakes_each * WAKERS)
        STRESS_CHECK(sy_runtime_run(rt, SY_FOREVER) >= 0);
    for (w = 0; w < WAKERS; w++)
        STRESS_CHECK(pthread_join(wakers[w].thread, NULL) == 0);
    for (w = 0; w < JOBS; w++) { /* the last letter */
        atomic_fetch_add_explicit(&storm.boxes[w].letters, 1,
                                  memory_order_relaxed);
        STRESS_CHECK(sy_wake(storm.boxes[w].waker) == 0);
    }
    while (ended < started)
        STRESS_CHECK(sy_runtime_run(rt, SY_FOREVER) >= 0);
    STRESS_CHECK(sy_runtime_get_stats(rt, &stats) == 0);
    printf("%-18s %lu wakes of %d jobs, %llu collected\n", stats.engine,
           storm.wakes_each * WAKERS, started,
           (unsigned long long)stats.collected);
    STRESS_CHECK(sy_runtime_close(rt) == 0);
}

int main(int argc, char **argv)
{
    unsigned long wakes = stress_number(argc > 1 ? argv[1] : "1000000");
    const char *glob = argc > 2 ? argv[2] : "*";
    uint64_t seed = stress_number(argc > 3 ? argv[3] : "1");
    const struct sy_engine_ops *const *en;

    printf("seed %llu\n", (unsigned long long)seed);
    for (en = sy_engine_table(); *en != NULL; en++) {
        static const char *const single[] = {NULL, NULL};
        const char *const *v = (*en)->variants ? (*en)->variants : single;
        char why[256] = "";

        if (fnmatch(glob, (*en)->name, 0) != 0)
            continue;
        do {
            if (sy_engine_probe(*en, *v, why, sizeof(why)) == 0)
                blow(*en, *v, wakes, seed);
            else
                printf("%s not here: %s\n", (*en)->name, why);
            fflush(stdout);
        } while (*v != NULL && *++v != NULL);
    }
    return 0;
}
