/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <pthread.h>

struct record {
    struct sy_runtime *rt;
    pthread_t thread;
    int calls;
    int result;
    int started_steps;
    struct sy_job *started;
    struct sy_job *ended;
};

static void note_end(void *user, struct sy_job *job, int result)
{
    struct record *r = user;

    CHECK(pthread_equal(pthread_self(), r->thread));
    CHECK(sy_job_current() == NULL); /* its stack was left */
    CHECK(job == r->ended);
    CHECK(sy_job_user(job) == r);
    r->calls++;
    r->result = result;
}

static int pause_then_five(void *arg)
{
    (void)arg;
    sy_job_pause();
    return 5;
}

CONFORMANCE(done_runs_after_the_stack_was_left)
{
    struct record r = {.rt = t->rt, .thread = pthread_self()};
    struct sy_job_spec spec = {
        .fn = pause_then_five, .done = note_end, .user = &r};
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_job_start(t->rt, &spec, &r.ended, &result), SY_JOB_PAUSED);
    CHECK_EQ(sy_wake(sy_job_waker(r.ended)), 0);
    CHECK_EQ(r.calls, 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(r.calls, 1);
    CHECK_EQ(r.result, 5);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_outstanding, 0);

    /* Not for a job that sy_job_resume() finishes. */
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_PAUSED);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 5);
    CHECK_EQ(r.calls, 1);
}

static void start_another(void *user, struct sy_job *job, int result)
{
    struct record *r = user;

    note_end(user, job, result);
    r->started = sy_conformance_paused(r->rt, sy_conformance_pause_once,
                                       &r->started_steps);
}

CONFORMANCE(done_may_start_jobs)
{
    struct record r = {.rt = t->rt, .thread = pthread_self()};
    struct sy_job_spec spec = {
        .fn = pause_then_five, .done = start_another, .user = &r};
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_job_start(t->rt, &spec, &r.ended, NULL), SY_JOB_PAUSED);
    CHECK_EQ(sy_wake(sy_job_waker(r.ended)), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(r.calls, 1);
    CHECK_EQ(r.started_steps, 1);
    CHECK_EQ(sy_job_resume(&r.started, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 2);
}

CONFORMANCE(result_is_collected_without_done)
{
    struct sy_job *job;
    struct sy_waker waker;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, pause_then_five, NULL);
    waker = sy_job_waker(job);
    CHECK_EQ(sy_wake(waker), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_outstanding, 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 5);
    CHECK(job == NULL);
    CHECK_EQ(sy_wake(waker), -ESRCH);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_outstanding, 0);
}

static void make_waker(void *user, struct sy_job *job, int result)
{
    struct sy_waker *waker = user;

    (void)result;
    *waker = sy_job_waker(job);
}

CONFORMANCE(waker_made_in_done_ends_with_it)
{
    struct sy_waker waker = {0};
    struct sy_job_spec spec = {
        .fn = pause_then_five, .done = make_waker, .user = &waker};
    struct sy_job *job;

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_PAUSED);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK(waker.slot != NULL);
    job = sy_conformance_paused(t->rt, pause_then_five, NULL);
    CHECK(job == waker.slot); /* its next job, and none of the waker's */
    CHECK_EQ(sy_wake(waker), -ESRCH);
    CHECK_EQ(sy_runtime_run(t->rt, 0), 0);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
}
