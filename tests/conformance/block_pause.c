/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

static int block_twice(void *arg)
{
    (void)arg;
    sy_job_block_pause();
    sy_job_block_pause();
    CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
    sy_job_unblock_pause();
    CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
    sy_job_unblock_pause();
    CHECK_EQ(sy_job_pause(), 0);
    return 1;
}

CONFORMANCE(block_pause_nests)
{
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, block_twice, NULL);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 1);
}

static int block_and_return(void *arg)
{
    (void)arg;
    sy_job_block_pause();
    return 0;
}

CONFORMANCE(block_ends_with_its_job)
{
    struct sy_job_spec spec = {.fn = block_and_return};
    struct sy_job *job;
    int steps = 0;

    NEEDS(t, SY_SW_CAN_PAUSE);
    sy_job_block_pause(); /* outside a job: nothing */
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_FINISHED);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    CHECK_EQ(steps, 2);
}

static int unblock_too_often(void *arg)
{
    (void)arg;
    sy_job_unblock_pause();
    sy_job_unblock_pause();
    CHECK_EQ(sy_job_pause(), 0);
    sy_job_block_pause(); /* one is enough, whatever was before */
    CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
    return 0;
}

CONFORMANCE(unbalanced_unblock_changes_nothing)
{
    struct sy_job *job;

    NEEDS(t, SY_SW_CAN_PAUSE);
    sy_job_unblock_pause();
    job = sy_conformance_paused(t->rt, unblock_too_often, NULL);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
}

static void *complete(void *arg)
{
    const struct sy_waker *waker = arg;

    CHECK_EQ(sy_complete(*waker), 0);
    return NULL;
}

static int wait_while_blocked(void *arg)
{
    struct sy_waker waker;

    sy_job_block_pause();
    CHECK_EQ(sy_job_pin(arg, &waker), 0);
    CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
    sy_conformance_on_thread(complete, &waker);
    CHECK_EQ(sy_wait_here(waker, SY_FOREVER), 0);
    CHECK_EQ(sy_wait_here(waker, 0), -ETIMEDOUT);
    return 9;
}

CONFORMANCE(blocked_job_waits_here)
{
    struct sy_job_spec spec = {.fn = wait_while_blocked, .arg = t->rt};
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 9);
}
