/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kit for authors: every way of waiting and being woken, and completions
 * that come when nobody waits any more.
 *
 * One behaviour is run for each argument, all of them without.
 */
#include "../unit/unit.h"

#include <errno.h>
#include <openssl/async.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <switchyard/compiler.h>
#include <switchyard/offload.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPS 5

static struct sy_offload *current; /* what the test completes or cancels */
static int last_status;
static unsigned last_pauses;

/* ---- a device: one detached thread for each operation ------------------- */

struct late {
    struct sy_offload *op;
    unsigned after_us;
};

static atomic_int completing;

static void *complete_late(void *arg)
{
    struct late *late = arg;

    usleep(late->after_us);
    *(int *)sy_offload_data(late->op) += 1;
    sy_offload_complete(late->op, 7);
    free(late);
    atomic_fetch_sub(&completing, 1);
    return NULL;
}

static void complete_after(struct sy_offload *op, unsigned after_us)
{
    struct late *late = malloc(sizeof(*late));
    pthread_attr_t attr;
    pthread_t thread;

    CHECK(late != NULL);
    *late = (struct late){op, after_us};
    atomic_fetch_add(&completing, 1);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    CHECK_EQ(pthread_create(&thread, &attr, complete_late, late), 0);
    pthread_attr_destroy(&attr);
}

static void device_idle(void)
{
    while (atomic_load(&completing) > 0)
        usleep(100);
}

/* ---- jobs --------------------------------------------------------------- */

struct plan {
    int ops;
    unsigned after_us; /* 0: completed by hand, through current */
    int block_pause;
};

static int job_main(void *arg)
{
    struct plan plan = *(struct plan *)arg;

    if (plan.block_pause)
        ASYNC_block_pause();
    for (int i = 0; i < plan.ops; i++) {
        struct sy_offload *op;
        int *value;

        CHECK_EQ(sy_offload_begin(&op, sizeof(int)), 0);
        value = sy_offload_data(op);
        CHECK_EQ(*value, 0);
        *value = 41;
        sy_offload_submit(op);
        current = op;
        if (plan.after_us > 0)
            complete_after(op, plan.after_us);
        last_status = sy_offload_wait(op);
        last_pauses = sy_offload_pauses(op);
        if (last_status == 7)
            CHECK_EQ(*value, 42);
        sy_offload_end(op);
    }
    if (plan.block_pause)
        ASYNC_unblock_pause();
    return 5;
}

static int start(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, struct plan plan)
{
    int result = -1;
    int state =
        ASYNC_start_job(job, ctx, &result, job_main, &plan, sizeof(plan));

    if (state == ASYNC_FINISH)
        CHECK_EQ(result, 5);
    return state;
}

static void complete_current(void)
{
    *(int *)sy_offload_data(current) += 1;
    sy_offload_complete(current, 7);
}

static OSSL_ASYNC_FD only_fd(ASYNC_WAIT_CTX *ctx)
{
    OSSL_ASYNC_FD fd = -1;
    size_t count = 9;

    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count), 1);
    CHECK_EQ(count, 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(ctx, &fd, &count), 1);
    return fd;
}

static int readable(int fd, int timeout_ms)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};

    return poll(&wanted, 1, timeout_ms) == 1;
}

/* ---- the cases ---------------------------------------------------------- */

static void one_descriptor_is_reused(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct plan plan = {.ops = OPS};
    int fd = -1, state, wakes = 0;
    size_t added, deleted;

    while ((state = start(&job, ctx, plan)) == ASYNC_PAUSE) {
        CHECK_EQ(
            ASYNC_WAIT_CTX_get_changed_fds(ctx, NULL, &added, NULL, &deleted),
            1);
        CHECK_EQ(added, wakes == 0);
        CHECK_EQ(deleted, 0);
        CHECK(fd == -1 || fd == only_fd(ctx));
        fd = only_fd(ctx);
        CHECK(!readable(fd, 0));
        complete_current();
        CHECK(readable(fd, 0));
        wakes++;
    }
    CHECK_EQ(state, ASYNC_FINISH);
    CHECK_EQ(wakes, OPS);
    CHECK_EQ(last_status, 7);
    CHECK_EQ(last_pauses, 1);
    CHECK(!readable(fd, 0)); /* no wake is left behind */
    device_idle();
    CHECK(!readable(fd, 0));
    ASYNC_WAIT_CTX_free(ctx);
}

static atomic_int callbacks;
static int callback_answer;

static int on_wake(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return callback_answer;
}

static void callback_wakes(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct plan plan = {.ops = OPS};
    int state, seen = 0;

    atomic_store(&callbacks, 0);
    callback_answer = 1;
    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(ctx, on_wake, &callbacks), 1);
    while ((state = start(&job, ctx, plan)) == ASYNC_PAUSE) {
        CHECK_EQ(ASYNC_WAIT_CTX_get_status(ctx), ASYNC_STATUS_OK);
        complete_current();
        seen++;
        CHECK_EQ(atomic_load(&callbacks), seen);
        CHECK(!readable(only_fd(ctx), 0));
    }
    CHECK_EQ(state, ASYNC_FINISH);
    CHECK_EQ(seen, OPS);
    ASYNC_WAIT_CTX_free(ctx);
}

static void callback_that_fails_is_backed_up(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct plan plan = {.ops = 1};

    callback_answer = 0;
    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(ctx, on_wake, &callbacks), 1);
    CHECK_EQ(start(&job, ctx, plan), ASYNC_PAUSE);
    complete_current();
    CHECK(readable(only_fd(ctx), 0));
    CHECK_EQ(start(&job, ctx, plan), ASYNC_FINISH);
    CHECK(!readable(only_fd(ctx), 0));
    ASYNC_WAIT_CTX_free(ctx);
}

static void outside_of_jobs_it_blocks(void)
{
    struct plan plan = {.ops = OPS, .after_us = 1000};

    CHECK_EQ(sy_offload_in_job(), 0);
    CHECK_EQ(job_main(&plan), 5);
    CHECK_EQ(last_status, 7);
    CHECK_EQ(last_pauses, 0);
    device_idle();
}

static void where_pausing_is_blocked_it_blocks(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct plan plan = {.ops = 2, .after_us = 30000, .block_pause = 1};
    struct rusage before, after;

    CHECK_EQ(getrusage(RUSAGE_THREAD, &before), 0);
    CHECK_EQ(start(&job, ctx, plan), ASYNC_FINISH);
    CHECK_EQ(getrusage(RUSAGE_THREAD, &after), 0);
    CHECK_EQ(last_status, 7);
    CHECK(after.ru_nvcsw - before.ru_nvcsw >= plan.ops); /* it slept */
    ASYNC_WAIT_CTX_free(ctx);
    device_idle();
}

static void without_a_wait_context_it_blocks(void)
{
    ASYNC_JOB *job = NULL;
    struct plan plan = {.ops = 2, .after_us = 2000};

    CHECK_EQ(start(&job, NULL, plan), ASYNC_FINISH);
    CHECK_EQ(last_status, 7);
    CHECK_EQ(last_pauses, 0);
    device_idle();
}

static void resumed_too_early_it_pauses_again(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct plan plan = {.ops = 1};

    for (int i = 0; i < 20; i++) {
        CHECK_EQ(start(&job, ctx, plan), ASYNC_PAUSE);
        usleep(20);
    }
    complete_current();
    CHECK(readable(only_fd(ctx), 0));
    CHECK_EQ(start(&job, ctx, plan), ASYNC_FINISH);
    CHECK_EQ(last_status, 7);
    CHECK_EQ(last_pauses, 20);
    CHECK(!readable(only_fd(ctx), 0));
    ASYNC_WAIT_CTX_free(ctx);
}

static void a_tight_loop_of_resumes_ends(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct plan plan = {.ops = OPS, .after_us = 3000};
    int state;

    while ((state = start(&job, ctx, plan)) == ASYNC_PAUSE)
        ;
    CHECK_EQ(state, ASYNC_FINISH);
    CHECK_EQ(last_status, 7);
    device_idle();
    CHECK(!readable(only_fd(ctx), 0));
    ASYNC_WAIT_CTX_free(ctx);
}

static int completed_at_once(void *arg)
{
    struct sy_offload *op;

    (void)arg;
    CHECK_EQ(sy_offload_begin(&op, 0), 0);
    CHECK(sy_offload_data(op) == NULL);
    CHECK_EQ(sy_offload_wait(op), -EINVAL);
    sy_offload_submit(op);
    sy_offload_complete(op, -EAGAIN);
    CHECK_EQ(sy_offload_wait(op), -EAGAIN);
    CHECK_EQ(sy_offload_wait(op), -EAGAIN);
    sy_offload_end(op);
    sy_offload_end(NULL);
    return 1;
}

static void complete_before_wait_needs_no_pause(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int result = 0;
    size_t count = 9;

    CHECK_EQ(ASYNC_start_job(&job, ctx, &result, completed_at_once, NULL, 0),
             ASYNC_FINISH);
    CHECK_EQ(result, 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count), 1);
    CHECK_EQ(count, 0);
    ASYNC_WAIT_CTX_free(ctx);
}

static void *cancel_current(void *arg)
{
    usleep(2000);
    sy_offload_cancel(current);
    return arg;
}

static void cancel_ends_the_wait(int with_callback)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct plan plan = {.ops = 1};
    struct sy_offload *op;
    pthread_t thread;

    if (with_callback)
        CHECK_EQ(ASYNC_WAIT_CTX_set_callback(ctx, on_wake, &callbacks), 1);
    atomic_store(&callbacks, 0);
    callback_answer = 1;
    CHECK_EQ(start(&job, ctx, plan), ASYNC_PAUSE);
    op = current;
    CHECK_EQ(pthread_create(&thread, NULL, cancel_current, NULL), 0);
    if (with_callback)
        while (atomic_load(&callbacks) == 0)
            usleep(100);
    else
        CHECK(readable(only_fd(ctx), 10000));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(start(&job, ctx, plan), ASYNC_FINISH);
    CHECK_EQ(last_status, -ECANCELED);
    CHECK(!readable(only_fd(ctx), 0));
    ASYNC_WAIT_CTX_free(ctx);
    /* Now the device: the data is still there. */
    *(int *)sy_offload_data(op) += 1;
    sy_offload_complete(op, 0);
    CHECK_EQ(atomic_load(&callbacks), with_callback);
}

static void cancel_wakes_job_and_frees_later(void)
{
    cancel_ends_the_wait(0);
    cancel_ends_the_wait(1);
}

static void cancel_and_complete_at_once(void)
{
    for (int i = 0; i < 200; i++) {
        ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
        ASYNC_JOB *job = NULL;
        struct plan plan = {.ops = 1, .after_us = 1 + (unsigned)i % 60};
        int state = start(&job, ctx, plan);

        if (state == ASYNC_PAUSE) {
            sy_offload_cancel(current);
            state = start(&job, ctx, plan);
        }
        CHECK_EQ(state, ASYNC_FINISH);
        CHECK(last_status == 7 || last_status == -ECANCELED);
        CHECK(job == NULL);
        ASYNC_WAIT_CTX_free(ctx);
    }
    device_idle();
}

/* As when SSL_free() drops a paused job: its wait context is freed, completion
   comes later. The job's own memory is a leak of OpenSSL's, so the author's end
   comes from a job that is resumed without one. */
static void wait_context_freed_before_completion(void)
{
    for (int with_callback = 0; with_callback < 2; with_callback++) {
        ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
        struct sy_offload *op;
        ASYNC_JOB *job = NULL;
        struct plan plan = {.ops = 1};
        int fds_before = dup(0), fd;

        close(fds_before);
        atomic_store(&callbacks, 0);
        callback_answer = 1;
        if (with_callback)
            CHECK_EQ(ASYNC_WAIT_CTX_set_callback(ctx, on_wake, &callbacks), 1);
        CHECK_EQ(start(&job, ctx, plan), ASYNC_PAUSE);
        op = current;
        fd = only_fd(ctx);
        CHECK_EQ(fd, fds_before);
        ASYNC_WAIT_CTX_free(ctx);
        fd = dup(0); /* reuses the number: nothing may be written to it */
        CHECK_EQ(fd, fds_before);
        *(int *)sy_offload_data(op) += 1;
        sy_offload_complete(op, 7);
        CHECK_EQ(atomic_load(&callbacks), 0);
        close(fd);
        /* job is lost here, as after SSL_free(), with the operation it holds */
    }
}

/* The device's thread wakes while the wait context goes; jobs that were still
   paused are lost. */
static void wait_context_freed_during_completion(void)
{
    for (int i = 0; i < 300; i++) {
        ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
        ASYNC_JOB *job = NULL;
        struct plan plan = {.ops = 1, .after_us = 1 + (unsigned)i % 120};

        (void)start(&job, ctx, plan);
        ASYNC_WAIT_CTX_free(ctx);
    }
    device_idle();
}

static void two_jobs_on_one_wait_context(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job[2] = {NULL, NULL};
    struct plan plan = {.ops = 1};
    struct sy_offload *op[2];

    for (int i = 0; i < 2; i++) {
        int state = start(&job[i], ctx, plan);

        if (i == 1 && state == ASYNC_ERR) {
            /* An implementation may allow one job at a time. */
            sy_offload_complete(op[0], 1);
            CHECK_EQ(start(&job[0], ctx, plan), ASYNC_FINISH);
            ASYNC_WAIT_CTX_free(ctx);
            return;
        }
        CHECK_EQ(state, ASYNC_PAUSE);
        op[i] = current;
    }
    sy_offload_complete(op[0], 1);
    sy_offload_complete(op[1], 2);
    CHECK(readable(only_fd(ctx), 0));
    CHECK_EQ(start(&job[0], ctx, plan), ASYNC_FINISH);
    CHECK_EQ(last_status, 1);
    CHECK(readable(only_fd(ctx), 0)); /* the other one's wake is not eaten */
    CHECK_EQ(start(&job[1], ctx, plan), ASYNC_FINISH);
    CHECK_EQ(last_status, 2);
    CHECK(!readable(only_fd(ctx), 0));
    ASYNC_WAIT_CTX_free(ctx);
}

static int polls;

static void poll_device(void *user)
{
    if (++polls == 10)
        sy_offload_complete(user, 3);
}

static void a_blocked_thread_polls(void)
{
    struct sy_offload *op;

    CHECK_EQ(sy_offload_begin(&op, 16), 0);
    sy_offload_set_poll(op, poll_device, op);
    sy_offload_submit(op);
    CHECK_EQ(sy_offload_wait(op), 3);
    CHECK_EQ(polls, 10);
    sy_offload_end(op);
}

static void ended_before_completion(void)
{
    struct sy_offload *op;

    CHECK_EQ(sy_offload_begin(&op, 4096), 0);
    sy_offload_submit(op);
    complete_after(op, 2000);
    sy_offload_end(op);
    device_idle();
}

static void a_fork_gives_the_child_its_own(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL, *fresh = NULL;
    struct plan plan = {.ops = 1}, timed = {.ops = 2, .after_us = 500};
    int status = -1, state;
    pid_t child;

    CHECK_EQ(start(&job, ctx, plan), ASYNC_PAUSE);
    child = fork();
    CHECK(child != -1);
    if (child == 0) {
        alarm(20);
        /* Jobs of before may be refused altogether; if not, it is over. */
        state = start(&job, ctx, plan);
        if (state == ASYNC_FINISH)
            CHECK_EQ(last_status, -ECANCELED);
        while ((state = start(&fresh, ctx, timed)) == ASYNC_PAUSE)
            CHECK(readable(only_fd(ctx), 10000));
        CHECK_EQ(state, ASYNC_FINISH);
        CHECK_EQ(last_status, 7);
        ASYNC_WAIT_CTX_free(ctx);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK(!readable(only_fd(ctx), 0)); /* the child woke its own only */
    complete_current();
    CHECK(readable(only_fd(ctx), 0));
    CHECK_EQ(start(&job, ctx, plan), ASYNC_FINISH);
    CHECK_EQ(last_status, 7);
    ASYNC_WAIT_CTX_free(ctx);
}

#define CASE(name)                                                             \
    {                                                                          \
#name, name                                                            \
    }
static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    CASE(one_descriptor_is_reused),
    CASE(callback_wakes),
    CASE(callback_that_fails_is_backed_up),
    CASE(outside_of_jobs_it_blocks),
    CASE(where_pausing_is_blocked_it_blocks),
    CASE(without_a_wait_context_it_blocks),
    CASE(resumed_too_early_it_pauses_again),
    CASE(a_tight_loop_of_resumes_ends),
    CASE(complete_before_wait_needs_no_pause),
    CASE(cancel_wakes_job_and_frees_later),
    CASE(cancel_and_complete_at_once),
    CASE(two_jobs_on_one_wait_context),
    CASE(a_blocked_thread_polls),
    CASE(ended_before_completion),
    CASE(a_fork_gives_the_child_its_own),
    CASE(wait_context_freed_before_completion),
    CASE(wait_context_freed_during_completion),
};

int main(int argc, char **argv)
{
    size_t run = 0;

    alarm(60);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (argc > 1 && strcmp(argv[1], cases[i].name) != 0)
            continue;
        printf("%s\n", cases[i].name);
        fflush(stdout);
        cases[i].run();
        run++;
    }
    device_idle();
    if (run == 0) {
        fprintf(stderr, "no such case: %s\n", argv[1]);
        return 2;
    }
    return 0;
}
