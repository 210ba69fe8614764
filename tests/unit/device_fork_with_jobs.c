/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fork while a device of threads works and jobs wait for it, as in a server
 * that forks its workers after the start: in the parent all jobs finish; in the
 * child, where the device has no threads left, new jobs finish on it.
 */
#include "unit.h"
#include <errno.h>
#include <switchyard/device.h>
#include <switchyard/switchyard.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS 8

static struct sy_runtime *rt;
static struct sy_device *device;

static int compute(void *arg)
{
    usleep(5000); /* so that most are pending at the fork */
    *(int *)arg += 1;
    return 0;
}

static int offload_twice(void *arg)
{
    int *value = arg, err = sy_device_call(device, rt, compute, value);

    return err != 0 ? err : sy_device_call(device, rt, compute, value);
}

static void start(struct sy_job *jobs[JOBS], int values[JOBS])
{
    for (int i = 0; i < JOBS; i++) {
        struct sy_job_spec spec = {.fn = offload_twice, .arg = &values[i]};
        int result;

        values[i] = 10 * i;
        CHECK_EQ(sy_job_start(rt, &spec, &jobs[i], &result), SY_JOB_PAUSED);
    }
}

static void finish(struct sy_job *jobs[JOBS], const int values[JOBS])
{
    for (int i = 0; i < JOBS; i++)
        while (values[i] != 10 * i + 2)
            CHECK(sy_runtime_run(rt, SY_FOREVER) >= 0);
    for (int i = 0; i < JOBS; i++) {
        int result = -1, state;

        while ((state = sy_job_resume(&jobs[i], &result)) == SY_JOB_PAUSED)
            CHECK(sy_runtime_run(rt, SY_FOREVER) >= 0);
        CHECK_EQ(state, SY_JOB_FINISHED);
        CHECK_EQ(result, 0);
    }
}

static void in_the_child(struct sy_job *old)
{
    struct sy_job *jobs[JOBS] = {NULL};
    int values[JOBS], result;

    alarm(60);
    CHECK_EQ(sy_job_resume(&old, &result), -EXDEV);
    start(jobs, values);
    finish(jobs, values);
    start(jobs, values);
    finish(jobs, values);
    CHECK_EQ(sy_runtime_close(rt), 0);
    sy_device_close(device);
    _exit(0); /* the leaks would be those of the parent's jobs */
}

static void fork_while_working(const char *switcher, const char *engine)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_job *jobs[JOBS] = {NULL};
    int values[JOBS], status = -1;
    char why[256];
    pid_t child;

    printf("%s+%s\n", switcher, engine);
    fflush(stdout);
    config.switcher = switcher;
    config.engine = engine;
    config.flags = SY_RT_NO_ENVIRONMENT;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    CHECK_EQ(sy_device_open(&device, "workers:2", NULL, why, sizeof(why)), 0);
    start(jobs, values);
    child = fork();
    CHECK(child != -1);
    if (child == 0)
        in_the_child(jobs[0]);
    finish(jobs, values);
    start(jobs, values);
    finish(jobs, values);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
    sy_device_close(device);
}

int main(void)
{
    if (SY_TSAN) {
        printf("skipped: ThreadSanitizer cannot start threads after a fork\n");
        return UNIT_SKIP;
    }
    if (SY_ASAN) {
        printf("skipped: AddressSanitizer's allocator may stay locked in the "
               "child of a fork of several threads\n");
        return UNIT_SKIP;
    }
    alarm(100);
    fork_while_working("setjmp", "queue");
    fork_while_working("ucontext", "pipe+poll");
    fork_while_working("threads", "eventfd+epoll");
    return 0;
}
