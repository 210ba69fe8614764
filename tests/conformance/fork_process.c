/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

/* New jobs work: one finishes at once, one pauses and is woken. */
static void use_runtime(struct sy_runtime *rt)
{
    int value = 21, steps = 0, result = -1;
    struct sy_job_spec spec = {
        .fn = sy_conformance_return, .arg = &value, .arg_bytes = sizeof(value)};
    struct sy_job *job;

    CHECK_EQ(sy_job_start(rt, &spec, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 21);
    job = sy_conformance_paused(rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    CHECK_EQ(sy_runtime_run(rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 2);
}

/* Skip where the child of a fork cannot be judged. */
#define NEEDS_FORK(t)                                                          \
    do {                                                                       \
        if (SY_TESTS_UNDER_TSAN)                                               \
            SKIP(t, "ThreadSanitizer reports false races between fibers in "   \
                    "the child of a fork, and allows it no threads");          \
    } while (0)

static void start_and_close(struct sy_conformance *t, void *arg)
{
    (void)arg;
    use_runtime(t->rt);
    use_runtime(t->rt);
    CHECK_EQ(sy_runtime_close(t->rt), 0);
}

CONFORMANCE(fork_before_the_first_job)
{
    NEEDS(t, SY_SW_CAN_PAUSE);
    NEEDS_FORK(t);
    sy_conformance_fork(t, start_and_close, NULL);
    use_runtime(t->rt);
    sy_conformance_fork(t, start_and_close, NULL);
    use_runtime(t->rt);
}

static void old_handles_are_refused(struct sy_conformance *t, void *arg)
{
    struct sy_job **jobs = arg, *job = jobs[0];
    int result = -1, i;

    for (i = 0; i < 2; i++) { /* before the runtime is used here, and after */
        CHECK_EQ(sy_job_resume(&job, &result), -EXDEV);
        CHECK(job == jobs[0]);
        CHECK_EQ(sy_job_abandon(&job), -EXDEV);
        CHECK_EQ(sy_job_cancel(job), -EXDEV);
        CHECK_EQ(sy_runtime_run(t->rt, 0), 0);
        use_runtime(t->rt);
    }
    CHECK_EQ(sy_runtime_close(t->rt), 0);
}

CONFORMANCE(fork_with_paused_jobs)
{
    struct sy_job *jobs[4];
    int steps[4] = {0}, i, resumed = 0, result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    NEEDS_FORK(t);
    for (i = 0; i < 4; i++)
        jobs[i] =
            sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps[i]);
    CHECK_EQ(sy_wake(sy_job_waker(jobs[3])), 0); /* on its way at the fork */
    sy_conformance_fork(t, old_handles_are_refused, (void *)jobs);
    for (i = 0; i < 3; i++)
        CHECK_EQ(sy_wake(sy_job_waker(jobs[i])), 0);
    while (resumed < 4) {
        int n = sy_runtime_run(t->rt, SY_FOREVER);

        CHECK_GE(n, 1);
        resumed += n;
    }
    for (i = 0; i < 4; i++) {
        CHECK_EQ(steps[i], 2);
        CHECK_EQ(sy_job_resume(&jobs[i], &result), SY_JOB_FINISHED);
        CHECK_EQ(result, 2);
    }
    use_runtime(t->rt);
}

static void inside(struct sy_conformance *t, void *arg)
{
    (void)arg;
    CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
    /* Otherwise the only thread that came along is not the runtime's. */
    if ((t->sw->caps & SY_SW_SAME_THREAD) != 0)
        use_runtime(t->rt);
    CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
}

static int fork_here(void *arg)
{
    sy_conformance_fork(arg, inside, NULL);
    CHECK_EQ(sy_job_pause(), 0);
    return 13;
}

CONFORMANCE(fork_inside_a_job)
{
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    job = sy_conformance_paused(t->rt, fork_here, t);
    use_runtime(t->rt);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 13);
}

/* In the child, what could not pause waits here; on the child's own engine. */
static void wait_for_a_completion(struct sy_runtime *rt)
{
    struct sy_waker waker;

    CHECK_EQ(sy_job_pin(rt, &waker), 0);
    CHECK_EQ(sy_complete(waker), 0);
    CHECK_EQ(sy_wait_here(waker, SY_FOREVER), 0);
}

struct forker {
    struct sy_runtime *rt;
    pid_t child; /* 0 in the child */
};

static int fork_and_go_on(void *arg)
{
    struct forker *f = *(struct forker **)arg;

    CHECK_EQ(sy_job_pause(), 0);
    f->child = fork();
    CHECK(f->child != -1);
    if (f->child == 0) {
        wait_for_a_completion(f->rt);
        use_runtime(f->rt);
        CHECK_EQ(sy_job_pause(), SY_NOT_PAUSED);
    }
    return 3;
}

CONFORMANCE(fork_in_a_job_that_ends_in_the_child)
{
    struct forker forker = {.rt = t->rt, .child = -1}, *arg = &forker;
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    struct sy_job_spec spec = {
        .fn = fork_and_go_on, .arg = &arg, .arg_bytes = sizeof(arg)};
    struct sy_job *job;
    int result = -1, status = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    NEEDS(t, SY_SW_SAME_THREAD);
    NEEDS_FORK(t);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_PAUSED);
    CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
    CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 3);
    use_runtime(t->rt);
    CHECK_EQ(sy_runtime_get_stats(t->rt, &stats), 0);
    CHECK_EQ(stats.jobs_outstanding, 0);
    if (forker.child == 0) {
        CHECK_EQ(sy_runtime_close(t->rt), 0);
        _exit(0);
    }
    CHECK_EQ(waitpid(forker.child, &status, 0), forker.child);
    CHECK_EQ(status, 0);
}

struct done_fork {
    struct sy_runtime *rt;
    bool in_fn; /* else in done */
    pid_t child;
};

static int pause_and_fork(void *arg)
{
    struct done_fork *f = *(struct done_fork **)arg;

    CHECK_EQ(sy_job_pause(), 0);
    if (f->in_fn)
        f->child = fork();
    return 3;
}

static void fork_and_use_runtime(void *user, struct sy_job *job, int result)
{
    struct done_fork *f = user;

    (void)job;
    CHECK_EQ(result, 3);
    if (!f->in_fn)
        f->child = fork();
    CHECK(f->child != -1);
    use_runtime(f->rt);
}

CONFORMANCE(done_in_the_child_starts_jobs)
{
    struct done_fork f = {.rt = t->rt, .child = -1}, *arg = &f;
    struct sy_job_spec spec = {.fn = pause_and_fork,
                               .arg = &arg,
                               .arg_bytes = sizeof(arg),
                               .done = fork_and_use_runtime,
                               .user = &f};
    struct sy_job *job;
    int status = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    NEEDS(t, SY_SW_SAME_THREAD);
    NEEDS_FORK(t);
    for (int i = 0; i < 2; i++) {
        f.in_fn = i == 0;
        CHECK_EQ(sy_job_start(t->rt, &spec, &job, NULL), SY_JOB_PAUSED);
        CHECK_EQ(sy_wake(sy_job_waker(job)), 0);
        CHECK_GE(sy_runtime_run(t->rt, SY_FOREVER), 1);
        use_runtime(t->rt);
        CHECK_EQ(sy_conformance_stats(t->rt).jobs_outstanding, 0);
        if (f.child == 0) {
            CHECK_EQ(sy_runtime_close(t->rt), 0);
            _exit(0);
        }
        CHECK_EQ(waitpid(f.child, &status, 0), f.child);
        CHECK_EQ(status, 0);
    }
}

/* The first one forks; the parent's second one must not go on in the child. */
static int fork_before_the_next(void *arg)
{
    struct forker *f = *(struct forker **)arg;

    CHECK_EQ(sy_job_pause(), 0);
    f->child = fork();
    CHECK(f->child != -1);
    return 3;
}

CONFORMANCE(fork_with_ready_jobs)
{
    struct forker forker = {.rt = t->rt, .child = -1}, *arg = &forker;
    struct sy_job_spec spec = {
        .fn = fork_before_the_next, .arg = &arg, .arg_bytes = sizeof(arg)};
    struct sy_job *first, *second;
    int result = -1, status = -1, steps = 0;

    NEEDS(t, SY_SW_CAN_PAUSE);
    NEEDS(t, SY_SW_SAME_THREAD);
    NEEDS_FORK(t);
    CHECK_EQ(sy_job_start(t->rt, &spec, &first, NULL), SY_JOB_PAUSED);
    second = sy_conformance_paused(t->rt, sy_conformance_pause_once, &steps);
    CHECK_EQ(sy_wake(sy_job_waker(first)), 0);
    CHECK_EQ(sy_wake(sy_job_waker(second)), 0);
    while (forker.child == -1) /* where the engine's order is its own */
        CHECK_GE(sy_runtime_run(t->rt, SY_FOREVER), 1);
    if (forker.child == 0) {
        CHECK_EQ(steps, 1);
        CHECK_EQ(sy_job_resume(&second, &result), -EXDEV);
        use_runtime(t->rt);
        CHECK_EQ(sy_runtime_close(t->rt), 0);
        _exit(0);
    }
    CHECK_EQ(waitpid(forker.child, &status, 0), forker.child);
    CHECK_EQ(status, 0);
    if (steps == 1)
        CHECK_EQ(sy_runtime_run(t->rt, SY_FOREVER), 1);
    CHECK_EQ(steps, 2);
    CHECK_EQ(sy_job_resume(&first, &result), SY_JOB_FINISHED);
    CHECK_EQ(sy_job_resume(&second, &result), SY_JOB_FINISHED);
}
