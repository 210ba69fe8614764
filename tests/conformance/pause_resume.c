/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#define PAUSES 1000

static int pause_often(void *arg)
{
    int *pauses = arg;

    while (*pauses < PAUSES) {
        *pauses += 1;
        CHECK_EQ(sy_job_pause(), 0);
    }
    return 7;
}

CONFORMANCE(pause_1000_times)
{
    struct sy_job *job;
    int pauses = 0, result = -1, i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, pause_often, &pauses);
    for (i = 1; i < PAUSES; i++) {
        CHECK_EQ(pauses, i);
        CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_PAUSED);
        CHECK_EQ(result, -1);
    }
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 7);
}

CONFORMANCE(result_untouched_while_paused)
{
    int steps = 0, result = -1;
    struct sy_job_spec spec = {.fn = sy_conformance_pause_once, .arg = &steps};
    struct sy_job *job;

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_PAUSED);
    CHECK_EQ(result, -1);
    CHECK_EQ(steps, 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 2);
    CHECK(job == NULL);
}

CONFORMANCE(pause_outside_a_job)
{
    struct sy_job_spec spec = {.fn = sy_conformance_return};
    struct sy_job *job;

    CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_FINISHED);
    CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
}

CONFORMANCE(resume_refuses_null)
{
    struct sy_job *job = NULL;

    (void)t;
    CHECK_EQ(sy_job_resume(NULL, NULL), -EINVAL);
    CHECK_EQ(sy_job_resume(&job, NULL), -EINVAL);
    CHECK_EQ(sy_job_abandon(NULL), -EINVAL);
    CHECK_EQ(sy_job_abandon(&job), -EINVAL);
    CHECK_EQ(sy_job_cancel(NULL), -EINVAL);
}

static int resume_myself(void *arg)
{
    struct sy_job *me = sy_job_current();
    int result = -1;

    (void)arg;
    CHECK_EQ(sy_job_resume(&me, &result), -EBUSY);
    CHECK(me == sy_job_current());
    CHECK_EQ(result, -1);
    return 5;
}

CONFORMANCE(resume_running_job_is_busy)
{
    struct sy_job_spec spec = {.fn = resume_myself};
    struct sy_job *job;
    int result = -1;

    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 5);
}

static int sum_up(void *arg)
{
    unsigned number = *(const unsigned *)arg;
    volatile unsigned local[16]; /* volatile: kept on the stack, not folded */
    unsigned i, sum = 0;

    for (i = 0; i < 16; i++) {
        local[i] = number * 100 + i;
        CHECK_EQ(sy_job_pause(), 0);
    }
    for (i = 0; i < 16; i++)
        sum += local[i];
    return (int)sum;
}

CONFORMANCE(interleaved_jobs_keep_their_locals)
{
    struct sy_job *jobs[8];
    unsigned i, round;

    NEEDS(t, SY_SW_CAN_PAUSE);
    for (i = 0; i < 8; i++) {
        struct sy_job_spec spec = {
            .fn = sum_up, .arg = &i, .arg_bytes = sizeof(i)};

        CHECK_EQ(sy_job_start(t->rt, &spec, &jobs[i], NULL), SY_JOB_PAUSED);
    }
    for (round = 1; round < 16; round++)
        for (i = 0; i < 8; i++)
            CHECK_EQ(sy_job_resume(&jobs[(i * 3) % 8], NULL), SY_JOB_PAUSED);
    for (i = 0; i < 8; i++) {
        int result = -1;

        CHECK_EQ(sy_job_resume(&jobs[i], &result), SY_JOB_FINISHED);
        CHECK_EQ(result, i * 1600 + 120);
    }
}

/* A hint changes nothing, before the job has paused as well as after it. */
CONFORMANCE(prefetch_is_only_a_hint)
{
    struct sy_job *jobs[3];
    int steps[3] = {0}, result, i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    for (i = 0; i < 3; i++)
        jobs[i] =
            sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps[i]);
    for (i = 0; i < 3; i++) {
        sy_job_prefetch(jobs[2]);
        sy_job_prefetch(jobs[i]);
        CHECK_EQ(sy_job_resume(&jobs[i], &result), SY_JOB_FINISHED);
        CHECK_EQ(steps[i], 2);
    }
}
