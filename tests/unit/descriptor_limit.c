/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine that takes descriptors for each job meets the limit: one more job
 * is refused with -EMFILE, those that exist are woken and finish as if nothing
 * had happened, their places serve new jobs although the limit still holds,
 * and when it is raised there are more.
 */
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <switchyard/engine.h>
#include <switchyard/switchyard.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROOM  24 /* descriptors more than are open now */
#define JOBS  64
#define TURNS 3

static struct sy_waker wakers[JOBS];
static int ended;

static int pause_in_turns(void *arg)
{
    (void)arg;
    for (int i = 0; i < TURNS; i++)
        CHECK_EQ(sy_job_pause(), 0);
    return 0;
}

static void count_end(void *user, struct sy_job *job, int result)
{
    (void)user, (void)job;
    CHECK_EQ(result, 0);
    ended++;
}

static void limit_to(rlim_t descriptors)
{
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = descriptors;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static rlim_t first_free(void)
{
    int fd = dup(STDOUT_FILENO);

    CHECK(fd >= 0);
    CHECK_EQ(close(fd), 0);
    return (rlim_t)fd;
}

/* Start jobs from number first on. Returns how many there are then; *err is
   what ended it. */
static int start_jobs(struct sy_runtime *rt, int first, int most, int *err)
{
    int i;

    *err = 0;
    for (i = first; i < most; i++) {
        struct sy_job_spec spec = {.fn = pause_in_turns, .done = count_end};
        struct sy_job *job;
        int state = sy_job_start(rt, &spec, &job, NULL);

        if (state < 0) {
            CHECK(job == NULL);
            *err = state;
            break;
        }
        CHECK_EQ(state, SY_JOB_PAUSED);
        wakers[i] = sy_job_waker(job);
    }
    return i;
}

static void *wake_all(void *arg)
{
    for (int i = 0; i < *(const int *)arg; i++)
        CHECK_EQ(sy_wake(wakers[i]), 0);
    return NULL;
}

static void finish(struct sy_runtime *rt, int jobs)
{
    ended = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        pthread_t thread;
        int resumed = 0;

        CHECK_EQ(pthread_create(&thread, NULL, wake_all, &jobs), 0);
        while (resumed < jobs) {
            int n = sy_runtime_run(rt, SY_FOREVER);

            CHECK(n > 0);
            resumed += n;
        }
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK_EQ(ended, jobs);
}

static void meet_the_limit(const char *engine)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;
    int err, jobs, again, more;

    config.engine = engine;
    config.flags = SY_RT_NO_ENVIRONMENT;
    limit_to(first_free() + ROOM);
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    jobs = start_jobs(rt, 0, JOBS, &err);
    CHECK_EQ(err, -EMFILE);
    CHECK(jobs > 0);
    again = start_jobs(rt, jobs, JOBS, &err);
    CHECK_EQ(err, -EMFILE);
    CHECK_EQ(again, jobs);
    finish(rt, jobs);

    again = start_jobs(rt, 0, jobs, &err); /* in the places of the others */
    CHECK_EQ(err, 0);
    CHECK_EQ(again, jobs);
    limit_to(1024);
    more = start_jobs(rt, jobs, JOBS, &err);
    CHECK_EQ(err, 0);
    CHECK_EQ(more, JOBS);
    finish(rt, JOBS);
    CHECK_EQ(sy_runtime_close(rt), 0);
    printf("%s: %d jobs with %d descriptors\n", engine, jobs, ROOM);
}

int main(void)
{
    const struct sy_engine_ops *const *e;

    alarm(60);
    limit_to(1024);
    for (e = sy_engine_table(); *e != NULL; e++) {
        const char *const *v = (*e)->variants;
        char name[64], why[256];

        if (((*e)->caps & SY_EN_FD_PER_JOB) == 0)
            continue;
        for (; v != NULL && *v != NULL; v++) {
            snprintf(name, sizeof(name), "%s+%s", (*e)->name, *v);
            if (sy_engine_probe(*e, *v, why, sizeof(why)) == 0)
                meet_the_limit(name);
            else
                printf("%s: left out: %s\n", name, why);
        }
    }
    return 0;
}
