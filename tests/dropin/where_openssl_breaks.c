/* SPDX-License-Identifier: Apache-2.0 */
/* What crashes, hangs or corrupts with OpenSSL's own jobs. */
#include "dropin_test.h"
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int inner(void *arg)
{
    CHECK_EQ(*(int *)arg, 5);
    CHECK_EQ(ASYNC_pause_job(), 1);
    return 11;
}

static int outer(void *arg)
{
    ASYNC_JOB *job = NULL, *me = ASYNC_get_current_job();
    int ret = -1, five = 5;

    (void)arg;
    CHECK(me != NULL);
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, inner, &five, sizeof(five)),
             ASYNC_PAUSE);
    CHECK_EQ(ret, -1);
    CHECK(ASYNC_get_current_job() == me);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0), ASYNC_FINISH);
    CHECK_EQ(ret, 11);
    CHECK(job == NULL);
    return 22;
}

static void nested_start(void)
{
    ASYNC_JOB *job = NULL;
    int ret = -1;

    for (int i = 0; i < 3; i++) { /* in fresh slots, then in used ones */
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, outer, NULL, 0),
                 ASYNC_PAUSE);
        CHECK(job != NULL);
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0),
                 ASYNC_FINISH);
        CHECK_EQ(ret, 22);
        CHECK(job == NULL);
    }
    CHECK(ASYNC_get_current_job() == NULL);
}

static int pause_once(void *arg)
{
    (void)arg;
    CHECK_EQ(ASYNC_pause_job(), 1);
    return 1;
}

static void no_wait_context(void)
{
    ASYNC_JOB *job = NULL;
    int ret = -1;

    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, pause_once, NULL, 0),
             ASYNC_PAUSE);
    CHECK(ASYNC_get_wait_ctx(job) == NULL);
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0), ASYNC_FINISH);
    CHECK_EQ(ret, 1);
}

static int block_and_leave(void *arg)
{
    (void)arg;
    ASYNC_block_pause();
    ASYNC_block_pause();
    CHECK_EQ(ASYNC_pause_job(), 1); /* it does not */
    return 2;
}

static int pause_then_block(void *arg)
{
    (void)arg;
    CHECK_EQ(ASYNC_pause_job(), 1);
    ASYNC_block_pause();
    return 3;
}

static void unbalanced_block(void)
{
    ASYNC_JOB *job = NULL;
    int ret = -1;

    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, block_and_leave, NULL, 0),
             ASYNC_FINISH);
    CHECK_EQ(ret, 2);
    no_wait_context(); /* pauses */
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, pause_then_block, NULL, 0),
             ASYNC_PAUSE);
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0), ASYNC_FINISH);
    CHECK_EQ(ret, 3);
    no_wait_context();
    ASYNC_unblock_pause();
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Both belong to the thread: a first entry must not bring old ones back. */
static void mask_and_rounding(void)
{
    sigset_t wanted, seen;
    ASYNC_JOB *job = NULL;
    int ret;

    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &wanted, NULL), 0);
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, nothing, NULL, 0), ASYNC_FINISH);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &seen), 0);
    CHECK_EQ(sigismember(&seen, SIGUSR1), 1);
    CHECK_EQ(fegetround(), FE_UPWARD);
    sigemptyset(&wanted);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &wanted, NULL), 0);
    CHECK_EQ(fesetround(FE_TONEAREST), 0);
    ASYNC_cleanup_thread();
}

static void *resume_elsewhere(void *arg)
{
    ASYNC_JOB **job = arg, *before = *job;
    int ret = -1;

    CHECK_EQ(ASYNC_start_job(job, NULL, &ret, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQ(async_error(), ASYNC_R_FAILED_TO_SWAP_CONTEXT);
    no_wait_context(); /* with jobs of its own */
    CHECK_EQ(ASYNC_start_job(job, NULL, &ret, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQ(async_error(), ASYNC_R_FAILED_TO_SWAP_CONTEXT);
    CHECK(*job == before);
    return NULL;
}

static void wrong_thread(void)
{
    ASYNC_JOB *job = NULL;
    pthread_t thread;
    int ret = -1;

    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, pause_once, NULL, 0),
             ASYNC_PAUSE);
    CHECK_EQ(pthread_create(&thread, NULL, resume_elsewhere, &job), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0), ASYNC_FINISH);
}

static int resume_myself(void *arg)
{
    ASYNC_JOB *me = ASYNC_get_current_job();
    int ret = -1;

    (void)arg;
    CHECK_EQ(ASYNC_start_job(&me, NULL, &ret, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQ(async_error(), ASYNC_R_FAILED_TO_SWAP_CONTEXT);
    return 4;
}

static void running_job(void)
{
    ASYNC_JOB *job = NULL;
    int ret = -1;

    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, resume_myself, NULL, 0),
             ASYNC_FINISH);
    CHECK_EQ(ret, 4);
}

static volatile int endless = 1;

static int descend(volatile char *above)
{
    volatile char frame[512];

    frame[0] = *above;
    if (endless == 0)
        return 0;
    return descend(frame) + frame[0];
}

static int overflow(void *arg)
{
    return descend(arg);
}

static void stack_overflow(void)
{
    struct rlimit no_core = {0, 0};
    ASYNC_JOB *job = NULL;
    int status, ret;
    char c = 0;
    pid_t pid;

    pid = fork();
    CHECK(pid != -1);
    if (pid == 0) {
        (void)setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        (void)ASYNC_start_job(&job, NULL, &ret, overflow, &c, 1);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}

static void never_resumed(void)
{
    struct sy_openssl_counters before = counters(), after;
    ASYNC_JOB *job = NULL, *handle;
    int ret = -1;

    CHECK_EQ(outstanding(), 0);
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, pause_once, NULL, 0),
             ASYNC_PAUSE);
    CHECK_EQ(outstanding(), 1);
    handle = job;
    ASYNC_cleanup_thread();
    CHECK_EQ(outstanding(), 0);
    after = counters();
    CHECK_EQ(after.abandoned, before.abandoned + 1);
    CHECK_EQ(after.pauses, before.pauses + 1);
    CHECK_EQ(after.jobs, before.jobs + 1);
    CHECK_EQ(ASYNC_start_job(&handle, NULL, &ret, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQ(async_error(), ASYNC_R_FAILED_TO_SWAP_CONTEXT);
}

static int look_at_my_context(void *arg)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    size_t count = 7;
    int fd;

    (void)arg;
    CHECK(ctx != NULL);
    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(ctx, ctx, 42, NULL, NULL), 1);
    CHECK_EQ(ASYNC_pause_job(), 1);
    ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job()); /* freed meanwhile */
    CHECK(ctx != NULL);
    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(ctx, ctx, &fd, NULL), 0);
    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(ctx, ctx, 43, NULL, NULL), 0);
    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count), 0);
    CHECK_EQ(count, 0);
    return 5;
}

static int never_called(void *arg)
{
    (void)arg;
    CHECK(false);
    return 0;
}

static void freed_context(void)
{
    struct sy_openssl_counters before = counters();
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new(), *others[100];
    ASYNC_callback_fn callback;
    ASYNC_JOB *job = NULL;
    int ret = -1;
    void *arg;

    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(ctx, never_called, NULL), 1);
    CHECK_EQ(ASYNC_start_job(&job, ctx, &ret, look_at_my_context, NULL, 0),
             ASYNC_PAUSE);
    ASYNC_WAIT_CTX_free(ctx);
    CHECK_EQ(counters().orphaned, before.orphaned + 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(ctx, &callback, &arg), 0);
    CHECK_EQ(ASYNC_WAIT_CTX_set_status(ctx, ASYNC_STATUS_OK), 0);
    ASYNC_WAIT_CTX_free(ctx);
    for (int i = 0; i < 100; i++) { /* none of them is that one */
        others[i] = ASYNC_WAIT_CTX_new();
        CHECK(others[i] != ctx);
    }
    for (int i = 0; i < 100; i++)
        ASYNC_WAIT_CTX_free(others[i]);
    CHECK_EQ(ASYNC_start_job(&job, ctx, &ret, NULL, NULL, 0), ASYNC_FINISH);
    CHECK_EQ(ret, 5);
    CHECK_EQ(counters().freed_accesses, before.freed_accesses + 6);
}

int main(void)
{
    mask_and_rounding();
    nested_start();
    no_wait_context();
    unbalanced_block();
    wrong_thread();
    running_job();
    stack_overflow();
    never_resumed();
    freed_context();
    nested_start();
    CHECK(counters().jobs > 0);
    return 0;
}
