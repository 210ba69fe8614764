/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many system calls a runtime makes for wake-ups that come together, by
 * engines that have a descriptor for each job: one call for a batch, and what
 * must be done for each descriptor of it. An eventfd is not read.
 */
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <switchyard/engine.h>
#include <switchyard/switchyard.h>
#include <sys/resource.h>
#include <unistd.h>

#define JOBS_MAX 300
#define ROUNDS   5

static const struct {
    const char *engine;
    unsigned each; /* calls for each wake-up */
} engines[] = {
    {"eventfd+epoll", 0},
    {"pipe+epoll", 1},  /* read */
    {"pipe+poll", 1},   /* read */
    {"pipe+select", 4}, /* read, pipe2, close, close */
};

static struct sy_waker wakers[JOBS_MAX];

static int pause_in_rounds(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++)
        CHECK_EQ(sy_job_pause(), 0);
    return 0;
}

static void *wake_all(void *arg)
{
    for (unsigned i = 0; i < *(const unsigned *)arg; i++)
        CHECK_EQ(sy_wake(wakers[i]), 0);
    return NULL;
}

static void ignore_end(void *user, struct sy_job *job, int result)
{
    (void)user, (void)job, (void)result;
}

static uint64_t syscalls(struct sy_runtime *rt)
{
    struct sy_runtime_stats stats = {.size = sizeof(stats)};

    CHECK_EQ(sy_runtime_get_stats(rt, &stats), 0);
    return stats.engine_syscalls;
}

/* batches: an engine is asked for at most 256 at once. */
static void count(const char *engine, unsigned jobs, unsigned batches,
                  unsigned each, uint64_t timeout_ns)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_job_spec spec = {.fn = pause_in_rounds, .done = ignore_end};
    struct sy_runtime *rt;
    uint64_t made = 0;

    config.engine = engine;
    config.flags = SY_RT_NO_ENVIRONMENT;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    for (unsigned i = 0; i < jobs; i++) {
        struct sy_job *job;

        CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_PAUSED);
        wakers[i] = sy_job_waker(job);
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t before = syscalls(rt);
        pthread_t thread;

        CHECK_EQ(pthread_create(&thread, NULL, wake_all, &jobs), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(sy_runtime_run(rt, timeout_ns), (int)jobs);
        made = syscalls(rt) - before;
        CHECK_EQ(made, batches + (uint64_t)each * jobs);
    }
    printf("%s, %u together: %llu calls\n", engine, jobs,
           (unsigned long long)made);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

int main(void)
{
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 1024; /* the usual one, and all that select takes */
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        count(engines[i].engine, 1, 1, engines[i].each, 0);
        count(engines[i].engine, 64, 1, engines[i].each, 0);
        count(engines[i].engine, 64, 1, engines[i].each, SY_FOREVER);
        count(engines[i].engine, JOBS_MAX, 2, engines[i].each, 0);
    }
    return 0;
}
