/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Under the switcher "threads" a runtime has several threads: while a job runs
 * on its own, the one that opened the runtime waits, and takes the signals. So
 * a signal handler may wake jobs at the very moment at which a job does.
 */
#include "unit.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <switchyard/switchyard.h>
#include <time.h>
#include <unistd.h>

#define JOBS         16
#define HANDLER_LAPS 3000
#define LASTS_NS     (3000 * SY_NS_PER_MS)

static struct sy_runtime *rt;
static struct sy_waker wakers[JOBS];
static unsigned long turns[JOBS];
static atomic_bool is_driven;

static void wake_all(int laps)
{
    for (int lap = 0; lap < laps; lap++) {
        for (int i = 0; i < JOBS; i++)
            CHECK_EQ(sy_wake(wakers[i]), 0);
    }
}

static void wake_in_handler(int number)
{
    (void)number;
    wake_all(HANDLER_LAPS);
}

static int count_turns(void *arg)
{
    unsigned long *mine = arg;

    while (sy_job_pause() == 0)
        ++*mine;
    return 0;
}

static int drive(void *arg)
{
    uint64_t end_ns = sy_clock_now_ns(sy_clock_monotonic()) + LASTS_NS;

    while (sy_clock_now_ns(sy_clock_monotonic()) < end_ns) {
        wake_all(3);
        CHECK(sy_runtime_run(rt, 0) >= 0);
    }
    atomic_store(&is_driven, false);
    (void)arg;
    return 0;
}

static void *send_signals(void *arg)
{
    const struct timespec nap = {.tv_nsec = 20 * 1000};

    while (atomic_load(&is_driven)) {
        CHECK_EQ(pthread_kill(*(pthread_t *)arg, SIGUSR1), 0);
        (void)nanosleep(&nap, NULL);
    }
    return NULL;
}

int main(void)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_job_spec spec = {.fn = count_turns};
    struct sigaction action = {.sa_handler = wake_in_handler};
    pthread_t sender, self = pthread_self();
    struct sy_job *jobs[JOBS], *driver;

    if (SY_TSAN) {
        printf("skipped: the job's errno is set on the thread that waits, and "
               "ThreadSanitizer takes that for the handler's doing\n");
        return UNIT_SKIP;
    }
    alarm(100);
    cfg.switcher = "threads";
    cfg.engine = "queue";
    CHECK_EQ(sy_runtime_open(&rt, &cfg), 0);
    for (int i = 0; i < JOBS; i++) {
        spec.arg = &turns[i];
        CHECK_EQ(sy_job_start(rt, &spec, &jobs[i], NULL), SY_JOB_PAUSED);
        wakers[i] = sy_job_waker(jobs[i]);
    }
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    atomic_store(&is_driven, true);
    CHECK_EQ(pthread_create(&sender, NULL, send_signals, &self), 0);
    spec = (struct sy_job_spec){.fn = drive};
    CHECK_EQ(sy_job_start(rt, &spec, &driver, NULL), SY_JOB_FINISHED);
    CHECK_EQ(pthread_join(sender, NULL), 0);
    while (sy_runtime_run(rt, 0) > 0)
        continue;
    for (int i = 0; i < JOBS; i++) {
        unsigned long before = turns[i];

        CHECK_EQ(sy_wake(wakers[i]), 0);
        CHECK_EQ(sy_runtime_run(rt, 0), 1);
        CHECK_EQ(turns[i], before + 1);
        CHECK_EQ(sy_job_abandon(&jobs[i]), 0);
    }
    CHECK_EQ(sy_runtime_close(rt), 0);
    return 0;
}
