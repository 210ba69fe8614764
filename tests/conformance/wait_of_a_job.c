/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

static const char key;

static int set_two(void *arg)
{
    struct sy_wait *wait = sy_job_wait(sy_job_current());

    CHECK(wait == arg);
    CHECK_EQ(sy_wait_set_fd(wait, &key, 10, NULL, NULL), 0);
    CHECK_EQ(sy_job_pause(), 0);
    CHECK_EQ(sy_wait_set_fd(wait, &key, 11, NULL, NULL), 0);
    CHECK_EQ(sy_wait_clear_fd(wait, &key), 0); /* the newest: 11 */
    CHECK_EQ(sy_wait_clear_fd(wait, &key), 0); /* then 10 */
    CHECK_EQ(sy_job_pause(), 0);
    return 0;
}

static void check_changes(struct sy_wait *wait, size_t added, size_t deleted)
{
    size_t n_added = 99, n_deleted = 99;

    CHECK_EQ(sy_wait_changed_fds(wait, NULL, &n_added, NULL, &n_deleted), 0);
    CHECK_EQ(n_added, added);
    CHECK_EQ(n_deleted, deleted);
}

CONFORMANCE(resume_begins_a_window_of_changes)
{
    struct sy_wait *wait;
    struct sy_job *job;
    struct sy_job_spec spec = {.fn = set_two};

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_wait_new(&wait), 0);
    spec.wait = wait;
    spec.arg = wait;
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_PAUSED);
    CHECK(sy_job_wait(job) == wait);
    check_changes(wait, 1, 0);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_PAUSED);
    check_changes(wait, 0, 1);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    check_changes(wait, 0, 0);
    sy_wait_unref(wait);
}

CONFORMANCE(wait_context_serves_one_job)
{
    int steps = 0;
    struct sy_job_spec spec = {.fn = sy_conformance_pause_once, .arg = &steps};
    struct sy_job *job, *other;

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_wait_new(&spec.wait), 0);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_PAUSED);
    other = job;
    CHECK_EQ(sy_job_start(t->rt, &spec, &other, NULL), -EBUSY);
    CHECK(other == NULL);
    CHECK_EQ(steps, 1);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    /* One after the other is fine, also after an abandoned job. */
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_PAUSED);
    CHECK_EQ(sy_job_abandon(&job), 0);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_PAUSED);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
    sy_wait_unref(spec.wait);
}

static void count_cleanup(struct sy_wait *wait, const void *name, int fd,
                          void *custom)
{
    int *cleanups = custom;

    CHECK(wait != NULL);
    CHECK(name == &key);
    CHECK_EQ(fd, 12);
    *cleanups += 1;
}

CONFORMANCE(job_holds_its_wait_context)
{
    int steps = 0, cleanups = 0, round;

    NEEDS(t, SY_SW_CAN_PAUSE);
    for (round = 0; round < 2; round++) {
        struct sy_job_spec spec = {.fn = sy_conformance_pause_once,
                                   .arg = &steps};
        struct sy_job *job;

        CHECK_EQ(sy_wait_new(&spec.wait), 0);
        CHECK_EQ(sy_wait_set_fd(spec.wait, &key, 12, &cleanups, count_cleanup),
                 0);
        CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_PAUSED);
        sy_wait_unref(spec.wait);
        CHECK_EQ(cleanups, round);
        if (round == 0)
            CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
        else
            CHECK_EQ(sy_job_abandon(&job), 0);
        CHECK_EQ(cleanups, round + 1);
    }
}
