/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 64 jobs that two threads wake, 3,200 times each thread. A job counts the
 * letters in its own mailbox, so that merged wake-ups are no loss; but a letter
 * that the loop is not told of leaves a job unfinished, and the alarm ends the
 * program.
 */
#include "foreign.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define JOBS    64
#define WAKERS  2
#define ROUNDS  50
#define LIMIT_S 100

struct mailbox {
    struct sy_waker waker;
    atomic_uint letters;
    unsigned taken; /* the job's own */
};

static struct mailbox boxes[JOBS];

static int take_letters(void *arg)
{
    struct mailbox *box = arg;

    while (box->taken < WAKERS * ROUNDS) {
        FOREIGN_CHECK(sy_job_pause() == 0);
        box->taken +=
            atomic_exchange_explicit(&box->letters, 0, memory_order_relaxed);
    }
    return 0;
}

static void count_end(void *user, struct sy_job *job, int result)
{
    struct foreign *f = user;

    (void)job;
    FOREIGN_CHECK(result == 0);
    f->jobs_left--;
}

static void *post_letters(void *arg)
{
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < JOBS; i++) {
            /* Relaxed: sy_wake() is what makes the letter visible. */
            atomic_fetch_add_explicit(&boxes[i].letters, 1,
                                      memory_order_relaxed);
            FOREIGN_CHECK(sy_wake(boxes[i].waker) == 0);
        }
        /* Sometimes the loop finds everything done and sleeps, sometimes not.
         */
        if (round % 4 == 0)
            usleep(200);
    }
    return NULL;
}

int foreign_turn(struct foreign *f)
{
    f->turns++;
    FOREIGN_CHECK(sy_runtime_run(f->rt, 0) >= 0);
    return f->jobs_left > 0;
}

static void start_jobs(struct foreign *f)
{
    for (int i = 0; i < JOBS; i++) {
        struct sy_job_spec spec = {
            .fn = take_letters, .arg = &boxes[i], .done = count_end, .user = f};
        struct sy_job *job;

        boxes[i].taken = 0;
        FOREIGN_CHECK(sy_job_start(f->rt, &spec, &job, NULL) == SY_JOB_PAUSED);
        boxes[i].waker = sy_job_waker(job);
        f->jobs_left++;
    }
}

static void run_loop(const struct foreign_loop *loop, const char *engine)
{
    struct foreign f;
    pthread_t threads[WAKERS];

    foreign_open(&f, engine);
    start_jobs(&f);
    for (int i = 0; i < WAKERS; i++)
        FOREIGN_CHECK(pthread_create(&threads[i], NULL, post_letters, NULL) ==
                      0);
    loop->run(&f);
    for (int i = 0; i < WAKERS; i++)
        FOREIGN_CHECK(pthread_join(threads[i], NULL) == 0);
    FOREIGN_CHECK(f.jobs_left == 0);
    printf("%s, %s: %d jobs, %d wake-ups, %lu turns\n", loop->name, engine,
           JOBS, WAKERS * ROUNDS * JOBS, f.turns);
    foreign_close(&f);
}

static void run_loops(const char *engine)
{
    for (const struct foreign_loop *l = foreign_loops; l->name != NULL; l++)
        run_loop(l, engine);
}

int main(void)
{
    alarm(LIMIT_S);
    foreign_each_engine(run_loops);
    return 0;
}
