/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three threads wake 64 jobs at a pace that changes, while the runtime changes
 * how it waits: spinning, sleeping at once, and sleeping in a poll(2) of its
 * own on the runtime's descriptor. Every wake must be seen: all waits are
 * without a time-out, so that one that is lost ends in ctest's time limit.
 *
 * usage: spin_and_sleep [WAKES [ENGINE [SEED]]]
 */
#include "stress.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <switchyard/stats.h>
#include <time.h>

#define WAKERS 3
#define JOBS   64

/* How the runtime waits in one run of the storm. */
static const struct way {
    const char *name;
    uint64_t spin_ns;
    uint32_t spin_percent;
    int foreign; /* waits in poll(2) in between */
} ways[] = {
    {"sleep", SY_NO_SPIN, 1, 0},
    {"spin, then sleep", 20000, 100, 0},
    {"spin by default, then sleep", 0, 0, 0},
    {"spin or sleep, and foreign poll", 20000, 100, 1},
};

struct mailbox {
    struct sy_waker waker;
    atomic_uint letters;
};

static struct mailbox boxes[JOBS];
static unsigned long taken, wakes_each;
static int stop;

struct waker_thread {
    pthread_t thread;
    uint64_t random;
};

/* From back to back to naps that outlast every spin. */
static void take_a_break(uint64_t random)
{
    struct timespec nap = {.tv_nsec = 100 * 1000};

    if (random % 256 == 0)
        nanosleep(&nap, NULL);
    else if (random % 16 == 0)
        for (uint64_t n = random / 16 % 4096; n > 0; n--)
            SY_CPU_RELAX();
}

static void *wake_at_random(void *arg)
{
    struct waker_thread *w = arg;

    for (unsigned long i = 0; i < wakes_each; i++) {
        uint64_t random = stress_random(&w->random);
        struct mailbox *box = &boxes[random % JOBS];

        /* Relaxed: sy_wake() is what must make the letter visible. */
        atomic_fetch_add_explicit(&box->letters, 1, memory_order_relaxed);
        STRESS_CHECK(sy_wake(box->waker) == 0);
        take_a_break(random / JOBS);
    }
    return NULL;
}

static int take_letters(void *arg)
{
    struct mailbox *box = arg;

    while (!stop) {
        sy_job_pause();
        taken +=
            atomic_exchange_explicit(&box->letters, 0, memory_order_relaxed);
    }
    return 0;
}

static void count_end(void *user, struct sy_job *job, int result)
{
    int *ended = user;

    (void)job;
    STRESS_CHECK(result == 0);
    *ended += 1;
}

/* Once around a loop; every few turns it waits in another way. */
static void wait_once(struct sy_runtime *rt, const struct way *way, int fd,
                      uint64_t *random)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};

    if (!way->foreign || stress_random(random) % 4 == 0) {
        STRESS_CHECK(sy_runtime_run(rt, SY_FOREVER) >= 0);
        return;
    }
    /* once before the first time it waits: see sy_runtime_fd() */
    if (sy_runtime_run(rt, 0) == 0 && poll(&watched, 1, -1) == 1)
        STRESS_CHECK(sy_runtime_run(rt, 0) >= 0);
}

static void storm(const char *engine, const struct way *way, uint64_t seed)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    struct waker_thread wakers[WAKERS];
    struct sy_runtime *rt;
    int ended = 0, fd = -1;

    config.engine = engine;
    config.spin_ns = way->spin_ns;
    config.spin_percent = way->spin_percent;
    STRESS_CHECK(sy_runtime_open(&rt, &config) == 0);
    if (way->foreign && sy_runtime_fd(rt, &fd) != 0) {
        printf("%s, %s: no descriptor\n", engine, way->name);
        STRESS_CHECK(sy_runtime_close(rt) == 0);
        return;
    }
    memset(boxes, 0, sizeof(boxes));
    taken = 0;
    stop = 0;
    for (int i = 0; i < JOBS; i++) {
        struct sy_job_spec spec = {.fn = take_letters,
                                   .arg = &boxes[i],
                                   .done = count_end,
                                   .user = &ended};
        struct sy_job *job;

        STRESS_CHECK(sy_job_start(rt, &spec, &job, NULL) == SY_JOB_PAUSED);
        boxes[i].waker = sy_job_waker(job);
    }
    for (int i = 0; i < WAKERS; i++) {
        wakers[i].random = seed + (uint64_t)i;
        STRESS_CHECK(pthread_create(&wakers[i].thread, NULL, wake_at_random,
                                    &wakers[i]) == 0);
    }
    while (taken < wakes_each * WAKERS)
        wait_once(rt, way, fd, &seed);
    for (int i = 0; i < WAKERS; i++)
        STRESS_CHECK(pthread_join(wakers[i].thread, NULL) == 0);
    stop = 1;
    for (int i = 0; i < JOBS; i++)
        STRESS_CHECK(sy_wake(boxes[i].waker) == 0);
    while (ended < JOBS)
        STRESS_CHECK(sy_runtime_run(rt, SY_FOREVER) >= 0);
    STRESS_CHECK(taken == wakes_each * WAKERS);
    STRESS_CHECK(sy_runtime_get_stats(rt, &stats) == 0);
    printf("%s, %s: %lu wakes, %llu collected, %llu sleeps, %llu of %llu spins "
           "hit\n",
           engine, way->name, taken, (unsigned long long)stats.collected,
           (unsigned long long)stats.sleeps,
           (unsigned long long)stats.spins_hit,
           (unsigned long long)stats.spins);
    fflush(stdout);
    STRESS_CHECK(sy_runtime_close(rt) == 0);
}

int main(int argc, char **argv)
{
    unsigned long wakes = stress_number(argc > 1 ? argv[1] : "150000");
    const char *engine = argc > 2 ? argv[2] : "queue";
    uint64_t seed = stress_number(argc > 3 ? argv[3] : "1");

    printf("seed %llu\n", (unsigned long long)seed);
    wakes_each = wakes / WAKERS;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        storm(engine, &ways[i], seed);
    return 0;
}
