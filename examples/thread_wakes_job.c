/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another thread does a job's work and wakes it. The pin keeps the job's
 * stack, where the operation lives, until sy_complete().
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <switchyard/switchyard.h>

struct operation {
    struct sy_waker waker;
    int input, output;
    atomic_int done;
};

static void *worker(void *arg)
{
    struct operation *op = arg;
    struct sy_waker waker = op->waker; /* op may go once done is set */

    op->output = op->input * op->input;
    /* pairs with the acquire in square() */
    atomic_store_explicit(&op->done, 1, memory_order_release);
    sy_complete(waker);
    return NULL;
}

static int square(void *arg)
{
    struct operation op = {.input = 12};
    pthread_t thread;

    if (sy_job_pin(arg, &op.waker) != 0)
        return -1;
    if (pthread_create(&thread, NULL, worker, &op) != 0) {
        sy_complete(op.waker);
        return -1;
    }
    pthread_detach(thread);
    printf("job: handed over %d\n", op.input);
    /* A pause may end early, so look: pairs with the release in worker(). */
    while (!atomic_load_explicit(&op.done, memory_order_acquire))
        if (sy_job_pause() == SY_NOT_PAUSED &&
            sy_wait_here(op.waker, SY_FOREVER) != 0)
            return -1;
    printf("job: got %d\n", op.output);
    return op.output;
}

static void report(void *user, struct sy_job *job, int result)
{
    (void)job;
    printf("main: the job returned %d\n", result);
    *(int *)user = 1;
}

int main(void)
{
    int ended = 0, result;
    struct sy_job_spec spec = {.fn = square, .done = report, .user = &ended};
    struct sy_runtime *rt;
    struct sy_job *job;

    if (sy_runtime_open(&rt, NULL) != 0)
        return 1;
    spec.arg = rt;
    if (sy_job_start(rt, &spec, &job, &result) == SY_JOB_FINISHED)
        report(&ended, NULL, result);
    while (!ended)
        if (sy_runtime_run(rt, SY_FOREVER) < 0)
            return 1;
    return sy_runtime_close(rt) != 0;
}
