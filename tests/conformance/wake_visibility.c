/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread wrote before it called sy_wake() is visible after the pause.
 * The data is plain, so ThreadSanitizer reports a wake that carries nothing.
 * "landed" orders nothing: it is relaxed, and counted after the wake; it only
 * says when all wakes have been made.
 */
#include "conformance.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define WAKERS 4

struct cell {
    struct letters *letters;
    struct sy_waker waker;
    pthread_t thread;
    int value; /* plain on purpose */
};

struct letters {
    struct cell cells[WAKERS];
    atomic_int landed;
};

static void *write_and_wake(void *arg)
{
    struct cell *cell = arg;

    cell->value = 11;
    CHECK_EQ(sy_wake(cell->waker), 0);
    atomic_fetch_add_explicit(&cell->letters->landed, 1, memory_order_relaxed);
    return NULL;
}

static void post(struct letters *l, struct sy_waker waker, int from, int to)
{
    int i;

    for (i = from; i < to; i++) {
        struct cell *cell = &l->cells[i];

        cell->letters = l;
        cell->waker = waker;
        CHECK_EQ(pthread_create(&cell->thread, NULL, write_and_wake, cell), 0);
    }
}

static void await(struct letters *l, int landed)
{
    while (atomic_load_explicit(&l->landed, memory_order_relaxed) < landed)
        sched_yield();
}

static int sum_cells(const struct letters *l)
{
    int i, sum = 0;

    for (i = 0; i < WAKERS; i++)
        sum += l->cells[i].value;
    return sum;
}

static void join(struct letters *l)
{
    int i;

    for (i = 0; i < WAKERS; i++)
        CHECK_EQ(pthread_join(l->cells[i].thread, NULL), 0);
}

static int post_then_pause(void *arg)
{
    struct letters *l = arg;

    post(l, sy_job_waker(sy_job_current()), 0, WAKERS);
    await(l, WAKERS); /* they run while this job has not paused */
    CHECK_EQ(sy_job_pause(), 0);
    return sum_cells(l);
}

CONFORMANCE(wake_before_the_pause_carries_writes)
{
    static struct letters l;
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, post_then_pause, &l);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, WAKERS * 11);
    join(&l);
}

static int pause_then_sum(void *arg)
{
    CHECK_EQ(sy_job_pause(), 0);
    return sum_cells(arg);
}

CONFORMANCE(merged_wakes_carry_writes)
{
    static struct letters l;
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, pause_then_sum, &l);
    post(&l, sy_job_waker(job), 0, WAKERS);
    await(&l, WAKERS); /* one permit for all of them */
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, WAKERS * 11);
    join(&l);
}

static int pause_twice_then_sum(void *arg)
{
    struct letters *l = arg;

    CHECK_EQ(sy_job_pause(), 0); /* ended by sy_job_resume(), not by a wake */
    post(l, sy_job_waker(sy_job_current()), 2, WAKERS);
    await(l, WAKERS);
    CHECK_EQ(sy_job_pause(), 0);
    return sum_cells(l);
}

/* Two wakes for a pause that is resumed directly, two after that. */
CONFORMANCE(wake_after_a_resume_carries_writes)
{
    static struct letters l;
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, pause_twice_then_sum, &l);
    post(&l, sy_job_waker(job), 0, 2);
    await(&l, 2);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_PAUSED);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, WAKERS * 11);
    join(&l);
}

#define ROUNDS 300

struct ping {
    struct sy_waker waker;
    atomic_int turn; /* which letter the thread may write */
    int letter;
};

static void *ping_main(void *arg)
{
    struct ping *p = arg;
    int i;

    for (i = 1; i <= ROUNDS; i++) {
        /* pairs with the release in read_letters(): it gives letter back */
        while (atomic_load_explicit(&p->turn, memory_order_acquire) < i)
            sched_yield();
        p->letter = i;
        CHECK_EQ(sy_wake(p->waker), 0);
    }
    return NULL;
}

static int read_letters(void *arg)
{
    struct ping *p = arg;
    int i, sum = 0;

    p->waker = sy_job_waker(sy_job_current());
    for (i = 1; i <= ROUNDS; i++) {
        /* pairs with the acquire in ping_main() */
        atomic_store_explicit(&p->turn, i, memory_order_release);
        CHECK_EQ(sy_job_pause(), 0);
        CHECK_EQ(p->letter, i);
        sum += p->letter;
    }
    return sum;
}

CONFORMANCE(every_wake_carries_writes)
{
    static struct ping p;
    struct sy_job *job;
    pthread_t thread;
    int result = -1, i;

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(pthread_create(&thread, NULL, ping_main, &p), 0);
    job = sy_conformance_paused(t->rt, read_letters, &p);
    for (i = 0; i < ROUNDS; i++)
        CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, ROUNDS * (ROUNDS + 1) / 2);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}
