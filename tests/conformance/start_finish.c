/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

static int answer(void *arg)
{
    (void)arg;
    return 42;
}

CONFORMANCE(finish_gives_result)
{
    struct sy_job_spec spec = {.fn = answer};
    struct sy_job *job = (struct sy_job *)(void *)&spec; /* not NULL */
    int result = -1;

    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 42);
    CHECK(job == NULL);
}

CONFORMANCE(result_may_be_null)
{
    struct sy_job_spec spec = {.fn = answer};
    struct sy_job *job;
    int steps = 0;

    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_FINISHED);
    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    CHECK_EQ(steps, 2);
}

static int compare_handle(void *arg)
{
    struct sy_job *const *job = arg;

    CHECK(*job != NULL);
    CHECK(*job == sy_job_current());
    return 0;
}

CONFORMANCE(handle_is_set_before_fn_runs)
{
    struct sy_job *job = NULL;
    struct sy_job_spec spec = {.fn = compare_handle, .arg = (void *)&job};

    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_FINISHED);
    CHECK(job == NULL);
}

static int pause_and_compare(void *arg)
{
    struct sy_job *before = sy_job_current();

    (void)arg;
    CHECK(before != NULL);
    sy_job_pause();
    CHECK(sy_job_current() == before);
    return 0;
}

CONFORMANCE(current_job)
{
    struct sy_job_spec spec = {.fn = pause_and_compare};
    struct sy_job *job;
    int state;

    CHECK(sy_job_current() == NULL);
    state = sy_job_start(t->rt, &spec, &job, NULL);
    CHECK(sy_job_current() == NULL);
    if (state == SY_JOB_PAUSED)
        CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    CHECK(sy_job_current() == NULL);
}

static int check_user(void *arg)
{
    CHECK(sy_job_user(sy_job_current()) == arg);
    CHECK(sy_job_wait(sy_job_current()) == NULL);
    sy_job_pause();
    return 0;
}

CONFORMANCE(user_pointer)
{
    int user = 0;
    struct sy_job_spec spec = {.fn = check_user, .arg = &user, .user = &user};
    struct sy_job *job;

    if (sy_job_start(t->rt, &spec, &job, NULL) == SY_JOB_PAUSED) {
        CHECK(sy_job_user(job) == &user);
        CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    }
}

CONFORMANCE(start_refuses_bad_specs)
{
    static char big[SY_JOB_ARG_MAX_BYTES + 1];
    struct sy_job_spec none = {0};
    struct sy_job_spec no_arg = {.fn = answer, .arg_bytes = 1};
    struct sy_job_spec too_big = {
        .fn = answer, .arg = big, .arg_bytes = sizeof(big)};
    const struct sy_job_spec *bad[] = {NULL, &none, &no_arg, &too_big};
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sy_job *job = (struct sy_job *)(void *)big; /* not NULL */
        int result = -1;

        CHECK_EQ(sy_job_start(t->rt, bad[i], &job, &result), -EINVAL);
        CHECK(job == NULL);
        CHECK_EQ(result, -1);
    }
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_started, 0);
}
