/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, threads, and the children of a fork. */
#include "dropin_test.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static int pause_often(void *arg)
{
    int times = *(int *)arg;

    for (int i = 0; i < times; i++)
        CHECK_EQ(ASYNC_pause_job(), 1);
    return times;
}

static void run(int times)
{
    ASYNC_JOB *job = NULL;
    int ret = -1;

    for (int i = 0; i < times; i++)
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, pause_often, &times,
                                 sizeof(times)),
                 ASYNC_PAUSE);
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0), ASYNC_FINISH);
    CHECK_EQ(ret, times);
}

static void in_child(ASYNC_JOB **parents)
{
    int ret = -1;

    CHECK_EQ(counters().jobs, 0); /* it counts its own */
    CHECK_EQ(counters().pauses, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(ASYNC_start_job(&parents[i], NULL, &ret, NULL, NULL, 0),
                 ASYNC_ERR);
        CHECK_EQ(async_error(), ASYNC_R_FAILED_TO_SWAP_CONTEXT);
    }
    for (int i = 0; i < 10; i++)
        run(i + 1);
    CHECK_EQ(counters().jobs, 10);
    CHECK_EQ(counters().pauses, 55);
    CHECK_EQ(outstanding(), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(ASYNC_start_job(&parents[i], NULL, &ret, NULL, NULL, 0),
                 ASYNC_ERR);
        CHECK_EQ(async_error(), ASYNC_R_FAILED_TO_SWAP_CONTEXT);
    }
    ASYNC_cleanup_thread();
    run(2);
}

static int fork_inside(void *arg)
{
    int status;
    pid_t pid;

    (void)arg;
    CHECK_EQ(ASYNC_pause_job(), 1);
    pid = fork();
    CHECK(pid != -1);
    if (pid == 0)
        return 77; /* the job ends in the child too */
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    return 78;
}

static void fork_in_a_job(void)
{
    ASYNC_JOB *job = NULL;
    int ret = -1;

    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, fork_inside, NULL, 0),
             ASYNC_PAUSE);
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0), ASYNC_FINISH);
    if (ret == 77) {
        run(3);
        _exit(0);
    }
    CHECK_EQ(ret, 78);
}

static void *leave_one_paused(void *arg)
{
    int times = 1, ret = -1;
    ASYNC_JOB *job = NULL;

    (void)arg;
    run(5);
    CHECK_EQ(
        ASYNC_start_job(&job, NULL, &ret, pause_often, &times, sizeof(times)),
        ASYNC_PAUSE);
    return NULL;
}

int main(void)
{
    uint64_t abandoned = counters().abandoned;
    ASYNC_JOB *jobs[3] = {NULL, NULL, NULL};
    int times = 1, ret = -1, status;
    pthread_t threads[4];
    pid_t pid;

    for (int i = 0; i < 3; i++)
        CHECK_EQ(ASYNC_start_job(&jobs[i], NULL, &ret, pause_often, &times,
                                 sizeof(times)),
                 ASYNC_PAUSE);
    fflush(NULL);
    pid = fork();
    CHECK(pid != -1);
    if (pid == 0) {
        in_child(jobs);
        if (SY_ASAN) /* the parent's thread state is kept, and no leak */
            _exit(0);
        return 0;
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(ASYNC_start_job(&jobs[i], NULL, &ret, NULL, NULL, 0),
                 ASYNC_FINISH);
    fork_in_a_job();

    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 4; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, leave_one_paused, NULL),
                     0);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(counters().abandoned, abandoned + 20);
    CHECK_EQ(outstanding(), 0);
    return 0;
}
