/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <pthread.h>

struct operation {
    struct sy_runtime *rt;
    struct sy_waker waker;
    volatile unsigned char *memory; /* of the job, written by the device */
    int done;
    int complete_result;
};

static void *device(void *arg)
{
    struct operation *op = arg;

    *op->memory = 0x5a;
    op->done = 1;
    op->complete_result = sy_complete(op->waker);
    return NULL;
}

static int offload(void *arg)
{
    struct operation *op = arg;
    volatile unsigned char memory = 0;

    op->memory = &memory;
    CHECK_EQ(sy_job_pin(op->rt, &op->waker), 0);
    sy_job_pause();
    CHECK_EQ(memory, 0x5a);
    return op->done;
}

CONFORMANCE(pinned_job_is_completed)
{
    struct operation op = {.rt = t->rt};
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, offload, &op);
    sy_conformance_on_thread(device, &op);
    CHECK_EQ(op.complete_result, 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 1);
}

CONFORMANCE(abandoned_pinned_job_is_quarantined)
{
    struct sy_runtime_config config = sy_conformance_config(t);
    struct operation op = {0};
    struct sy_runtime_stats stats;
    struct sy_job *job, *other;
    int steps = 0, result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    sy_conformance_reopen(t, &config);
    op.rt = t->rt;
    job = sy_conformance_paused(t->rt, offload, &op);
    CHECK_EQ(sy_job_abandon(&job), 0);
    stats = sy_conformance_stats(t->rt);
    CHECK_EQ(stats.jobs_quarantined, 1);
    CHECK_EQ(stats.jobs_outstanding, 0);

    /* Another job must not get that stack: the device still writes to it. */
    other = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    sy_conformance_on_thread(device, &op);
    CHECK_EQ(op.complete_result, -ESRCH);
    CHECK_EQ(sy_job_resume(&other, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 2);

    (void)!sy_runtime_run(t->rt, 0);
    other = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_job_resume(&other, &result), SY_JOB_FINISHED);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_quarantined, 0);
}

struct late_completion {
    struct sy_runtime *rt;
    struct sy_waker waker;
    int data; /* plain, so that ThreadSanitizer sees what orders it */
};

static int pin_and_pause(void *arg)
{
    struct late_completion *late = arg;

    CHECK_EQ(sy_job_pin(late->rt, &late->waker), 0);
    sy_job_pause();
    return 0;
}

static void *write_and_complete(void *arg)
{
    struct late_completion *late = arg;

    late->data = 0x5a;
    CHECK_EQ(sy_complete(late->waker), -ESRCH);
    return NULL;
}

/* Nobody is woken any more; that the stack is no longer in quarantine says that
   the operation is over. */
CONFORMANCE(completion_after_the_end_carries_writes)
{
    struct late_completion late = {.rt = t->rt};
    struct sy_job *job;
    pthread_t thread;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, pin_and_pause, &late);
    CHECK_EQ(sy_job_abandon(&job), 0);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_quarantined, 1);
    CHECK_EQ(pthread_create(&thread, NULL, write_and_complete, &late), 0);
    while (sy_conformance_stats(t->rt).jobs_quarantined != 0)
        CHECK_EQ(sy_runtime_run(t->rt, SY_NS_PER_MS), 0);
    CHECK_EQ(late.data, 0x5a);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

CONFORMANCE(runtime_is_pinned_outside_a_job)
{
    volatile unsigned char memory = 0;
    struct operation op = {.rt = t->rt, .memory = &memory};
    pthread_t thread;

    CHECK_EQ(sy_job_pin(t->rt, &op.waker), 0);
    CHECK(op.waker.slot != NULL);
    CHECK_EQ(pthread_create(&thread, NULL, device, &op), 0);
    CHECK_EQ(sy_wait_here(op.waker, SY_FOREVER), 0);
    CHECK_EQ(op.done, 1);
    CHECK_EQ(memory, 0x5a);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(op.complete_result, 0);
}
