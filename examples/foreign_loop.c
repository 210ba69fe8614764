/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs in a program that has an event loop of its own: the runtime is one more
 * descriptor in epoll.
 */
#include <pthread.h>
#include <stdio.h>
#include <switchyard/switchyard.h>
#include <sys/epoll.h>
#include <unistd.h>

#define JOBS 3

static struct sy_waker wakers[JOBS];
static int ended;

static void *wake_all(void *arg)
{
    int i;

    (void)arg;
    for (i = 0; i < JOBS; i++)
        sy_wake(wakers[i]);
    return NULL;
}

static int wait_once(void *arg)
{
    sy_job_pause();
    return *(const int *)arg;
}

static void count(void *user, struct sy_job *job, int result)
{
    (void)job;
    *(int *)user += result;
    ended++;
}

static int start_jobs(struct sy_runtime *rt, int *sum)
{
    int i;

    for (i = 0; i < JOBS; i++) {
        int number = i + 1;
        struct sy_job_spec spec = {.fn = wait_once,
                                   .arg = &number,
                                   .arg_bytes = sizeof(number),
                                   .done = count,
                                   .user = sum};
        struct sy_job *job;

        if (sy_job_start(rt, &spec, &job, NULL) != SY_JOB_PAUSED)
            return -1;
        wakers[i] = sy_job_waker(job);
    }
    return 0;
}

int main(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    struct sy_runtime *rt;
    pthread_t thread;
    int loop, fd, sum = 0;

    loop = epoll_create1(EPOLL_CLOEXEC);
    if (loop == -1 || sy_runtime_open(&rt, NULL) != 0 ||
        sy_runtime_fd(rt, &fd) != 0 ||
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == -1)
        return 1;
    if (start_jobs(rt, &sum) != 0)
        return 1;
    printf("%d jobs wait\n", JOBS);
    if (pthread_create(&thread, NULL, wake_all, NULL) != 0)
        return 1;

    /* Once before the first wait, then whenever the descriptor is readable. */
    while (sy_runtime_run(rt, 0) >= 0 && ended < JOBS)
        epoll_wait(loop, &event, 1, -1);

    pthread_join(thread, NULL);
    printf("%d jobs ended, the sum of their results is %d\n", ended, sum);
    close(loop);
    return sy_runtime_close(rt) != 0;
}
