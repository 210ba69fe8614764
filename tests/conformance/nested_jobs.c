/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#define DEPTH 3

/* Each level starts the next, pauses itself, and resumes the next. */
struct level {
    struct sy_runtime *rt;
    int depth;
    int pauses; /* of this level and those below */
};

static int nest(void *arg)
{
    struct level *level = arg;
    struct level below = {.rt = level->rt, .depth = level->depth + 1};
    struct sy_job *me = sy_job_current();
    struct sy_job_spec spec = {.fn = nest, .arg = &below};
    struct sy_job *job = NULL;
    int result = -1;

    if (level->depth == DEPTH) {
        CHECK_EQ(sy_job_pause(), 0);
        CHECK_EQ(sy_job_pause(), 0);
        level->pauses = 2;
        return DEPTH;
    }
    CHECK_EQ(sy_job_start(level->rt, &spec, &job, &result), SY_JOB_PAUSED);
    CHECK(sy_job_current() == me);
    CHECK_EQ(sy_job_pause(), 0);
    CHECK(sy_job_current() == me);
    while (sy_job_resume(&job, &result) == SY_JOB_PAUSED) {
        CHECK(sy_job_current() == me);
        CHECK_EQ(result, -1);
        CHECK_EQ(sy_job_pause(), 0);
    }
    CHECK(job == NULL);
    CHECK_EQ(result, level->depth + 1);
    CHECK(sy_job_current() == me);
    level->pauses = below.pauses + 1;
    return level->depth;
}

CONFORMANCE(nested_three_deep)
{
    struct level top = {.rt = t->rt, .depth = 1};
    struct sy_job *job;
    int result = -1, resumes = 0;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, nest, &top);
    while (sy_job_resume(&job, &result) == SY_JOB_PAUSED)
        resumes++;
    CHECK_EQ(result, 1);
    CHECK_GE(resumes, 1);
    CHECK_EQ(top.pauses, 2 + 1 + 1);
    CHECK_EQ(sy_conformance_stats(t->rt).jobs_finished, DEPTH);
}

static int resume_ancestors(void *arg)
{
    struct sy_job *parent = *(struct sy_job **)arg;
    struct sy_job *same = parent;

    CHECK(parent != sy_job_current());
    CHECK_EQ(sy_job_resume(&parent, NULL), -EBUSY);
    CHECK_EQ(sy_job_abandon(&parent), -EBUSY);
    CHECK(parent == same);
    return 0;
}

static int start_below(void *arg)
{
    struct sy_job *me = sy_job_current();
    struct sy_job_spec spec = {.fn = resume_ancestors, .arg = (void *)&me};
    struct sy_job *job;

    CHECK_EQ(sy_job_start(arg, &spec, &job, NULL), SY_JOB_FINISHED);
    return 3;
}

CONFORMANCE(resume_ancestor_is_busy)
{
    struct sy_job_spec spec = {.fn = start_below, .arg = t->rt};
    struct sy_job *job;
    int result = -1;

    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 3);
}

struct hand_over {
    struct sy_job *inner;
    struct sy_runtime *rt;
    int steps;
};

static int start_inner(void *arg)
{
    struct hand_over *h = arg;

    h->inner =
        sy_conformance_paused(h->rt, sy_conformance_pause_once, &h->steps);
    return 1;
}

static int finish_inner(void *arg)
{
    struct hand_over *h = arg;
    int result = -1;

    CHECK_EQ(sy_job_resume(&h->inner, &result), SY_JOB_FINISHED);
    return result;
}

/* Started inside one job, resumed by main, then by another job. */
CONFORMANCE(job_pauses_to_its_last_resumer)
{
    struct hand_over h = {.rt = t->rt};
    struct sy_job_spec first = {.fn = start_inner, .arg = &h};
    struct sy_job_spec last = {.fn = finish_inner, .arg = &h};
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_job_start(t->rt, &first, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 1);
    CHECK_EQ(h.steps, 1);
    CHECK_EQ(sy_job_start(t->rt, &last, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 2);
}

struct inside {
    struct sy_runtime *rt;
    struct sy_job *other;
    int other_steps;
};

static int run_others(void *arg)
{
    struct inside *in = arg;
    struct sy_waker me = sy_job_waker(sy_job_current());

    CHECK_EQ(sy_wake(me), 0);
    CHECK_EQ(sy_wake(sy_job_waker(in->other)), 0);
    CHECK_EQ(sy_runtime_run(in->rt, SY_FOREVER), 1); /* but not itself */
    CHECK_EQ(in->other_steps, 2);
    CHECK_EQ(sy_job_pause(), 0); /* the permit is still there */
    return 4;
}

CONFORMANCE(run_inside_a_job)
{
    struct inside in = {.rt = t->rt};
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    in.other = sy_conformance_paused(t->rt, sy_conformance_pause_once,
                                     &in.other_steps);
    job = sy_conformance_paused(t->rt, run_others, &in);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 4);
    CHECK_EQ(sy_job_resume(&in.other, &result), SY_JOB_FINISHED);
}
