/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

static int order[64];
static int order_n;
static const int numbers[64] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

static void note(void *arg)
{
    order[order_n++] = *(const int *)arg;
}

static void note_inside(void *arg)
{
    CHECK(sy_job_current() != NULL);
    note(arg);
}

static void note_outside(void *arg)
{
    CHECK(sy_job_current() == NULL);
    note(arg);
}

static int defer_three(void *arg)
{
    (void)arg;
    CHECK_EQ(sy_job_defer(note_inside, (void *)&numbers[1]), 0);
    CHECK_EQ(sy_job_defer(note_inside, (void *)&numbers[2]), 0);
    sy_job_pause();
    CHECK_EQ(sy_job_defer(note_inside, (void *)&numbers[3]), 0);
    CHECK_EQ(order_n, 0);
    return 8;
}

static void check_order(void)
{
    CHECK_EQ(order_n, 3);
    CHECK_EQ(order[0], 3);
    CHECK_EQ(order[1], 2);
    CHECK_EQ(order[2], 1);
    order_n = 0;
}

CONFORMANCE(deferred_run_newest_first)
{
    struct sy_job_spec spec = {.fn = defer_three};
    struct sy_job *job;
    int result = -1, i;

    for (i = 0; i < 2; i++) { /* twice: nothing is left in the slot */
        if (sy_job_start(t->rt, &spec, &job, &result) == SY_JOB_PAUSED)
            CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
        CHECK_EQ(result, 8);
        check_order();
    }
}

static int defer_and_pause(void *arg)
{
    (void)arg;
    CHECK_EQ(sy_job_defer(note_outside, (void *)&numbers[1]), 0);
    CHECK_EQ(sy_job_defer(note_outside, (void *)&numbers[2]), 0);
    CHECK_EQ(sy_job_defer(note_outside, (void *)&numbers[3]), 0);
    sy_job_pause();
    CHECK(0); /* an abandoned job never runs again */
    return 0;
}

CONFORMANCE(deferred_run_at_abandon)
{
    struct sy_job *job;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, defer_and_pause, NULL);
    CHECK_EQ(order_n, 0);
    CHECK_EQ(sy_job_abandon(&job), 0);
    check_order();
}

static int defer_nothing(void *arg)
{
    (void)arg;
    CHECK_EQ(sy_job_defer(NULL, NULL), -EINVAL);
    return 0;
}

CONFORMANCE(defer_refuses)
{
    struct sy_job_spec spec = {.fn = defer_nothing};
    struct sy_job *job;

    CHECK_EQ(sy_job_defer(note, NULL), -EPERM);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_FINISHED);
}

static volatile char *in_fn, *in_deferred;

static void note_stack(void *arg)
{
    volatile char here = 0;

    (void)arg;
    in_deferred = &here;
    CHECK_EQ(here, 0);
}

static int note_stack_and_defer(void *arg)
{
    volatile char here = 0;

    if (*(const int *)arg != 0)
        CHECK_EQ(sy_job_pause(), 0);
    in_fn = &here;
    CHECK_EQ(sy_job_defer(note_stack, NULL), 0);
    return here;
}

CONFORMANCE(deferred_run_on_the_stack_of_their_job)
{
    int pauses;
    struct sy_job_spec spec = {.fn = note_stack_and_defer,
                               .arg = &pauses,
                               .arg_bytes = sizeof(pauses)};
    struct sy_job *job;
    ptrdiff_t apart;

    NEEDS(t, SY_SW_CAN_PAUSE);
    for (int i = 0; i < 4; i++) { /* the first start of a slot is special */
        pauses = i % 2;
        CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), pauses);
        if (pauses != 0)
            CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
        apart = (ptrdiff_t)((intptr_t)in_fn - (intptr_t)in_deferred);
        CHECK_GE(apart, -4096);
        CHECK_GE(4096, apart);
    }
}
