/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where OpenSSL 3.0 crashes, corrupts, leaks or does otherwise than its manual
 * says: what Switchyard decided instead. Not run on OpenSSL.
 */
#include "parity.h"
#include <dlfcn.h>
#include <errno.h>
#include <fenv.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- nested starts ----------------------------------------------------- */

static int return_nine(void *arg)
{
    (void)arg;
    return 9;
}

static int start_another(void *arg)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *self = ASYNC_get_current_job();
    int result;

    (void)arg;
    result = parity_run(wait, return_nine, NULL, 0);
    CHECK(ASYNC_get_current_job() == self);
    ASYNC_WAIT_CTX_free(wait);
    return result + 1;
}

static void nested_start_in_a_fresh_job(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(parity_run(wait, start_another, NULL, 0), 10);
    ASYNC_WAIT_CTX_free(wait);
}

static void nested_start_in_a_reused_job(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(parity_run(wait, parity_return_seven, NULL, 0), 7);
        CHECK_EQ(parity_run(wait, start_another, NULL, 0), 10);
    }
    ASYNC_WAIT_CTX_free(wait);
}

/* The inner job pauses to the outer one, which resumes it and may itself pause
   while the inner one is paused. */
static int hold_a_paused_job(void *arg)
{
    int depth = *(int *)arg;
    ASYNC_JOB *self = ASYNC_get_current_job(), *inner;
    ASYNC_WAIT_CTX *wait;
    int deeper = depth - 1, result;

    CHECK(self != NULL);
    if (depth == 0)
        return parity_pause_once(NULL);
    wait = parity_new_wait();
    inner =
        parity_start_paused(wait, hold_a_paused_job, &deeper, sizeof(deeper));
    CHECK(inner != self);
    CHECK(ASYNC_get_current_job() == self);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK(ASYNC_get_current_job() == self);
    for (int i = 0; i < depth - 1; i++)
        parity_resume_paused(inner, wait);
    result = parity_resume_finished(inner, wait);
    ASYNC_WAIT_CTX_free(wait);
    return result + 1;
}

static void nested_jobs_pause(void)
{
    int depth = 1;
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job =
        parity_start_paused(wait, hold_a_paused_job, &depth, sizeof(depth));

    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_EQ(parity_resume_finished(job, wait), 2);
    ASYNC_WAIT_CTX_free(wait);
}

/* An outer job that pauses in each of its turns until the inner one is done. */
static int drive_inner(void *arg)
{
    int depth = *(int *)arg, deeper = depth - 1;
    int result = UNTOUCHED, status, turns = 0;
    ASYNC_WAIT_CTX *wait;
    ASYNC_JOB *inner = NULL;

    if (depth == 0)
        return parity_pause_once(NULL);
    wait = parity_new_wait();
    while ((status = ASYNC_start_job(&inner, wait, &result, drive_inner,
                                     &deeper, sizeof(deeper))) == ASYNC_PAUSE) {
        CHECK_EQ(result, UNTOUCHED);
        CHECK_EQ(ASYNC_pause_job(), 1);
        turns++;
    }
    CHECK_EQ(status, ASYNC_FINISH);
    CHECK_EQ(turns, 1);
    ASYNC_WAIT_CTX_free(wait);
    return result + 1;
}

static void nested_five_deep(void)
{
    int depth = 5;
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job =
        parity_start_paused(wait, drive_inner, &depth, sizeof(depth));

    CHECK_EQ(parity_resume_finished(job, wait), 6);
    ASYNC_WAIT_CTX_free(wait);
}

/* ---- handles ----------------------------------------------------------- */

static int resume_oneself(void *arg)
{
    ASYNC_JOB *self = ASYNC_get_current_job();
    int result = UNTOUCHED;

    (void)arg;
    ERR_clear_error();
    CHECK_EQ(ASYNC_start_job(&self, NULL, &result, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQ(ERR_GET_LIB(ERR_peek_last_error()), ERR_LIB_ASYNC);
    CHECK_EQ(result, UNTOUCHED);
    CHECK(ASYNC_get_current_job() != NULL);
    CHECK_EQ(ASYNC_pause_job(), 1);
    return 4;
}

static void resume_of_the_running_job(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, resume_oneself, NULL, 0);

    CHECK_EQ(parity_resume_finished(job, wait), 4);
    ASYNC_WAIT_CTX_free(wait);
}

static void *resume_elsewhere(void *arg)
{
    ASYNC_JOB *job = arg;
    int result = UNTOUCHED;

    ERR_clear_error();
    CHECK_EQ(ASYNC_start_job(&job, NULL, &result, NULL, NULL, 0), ASYNC_ERR);
    CHECK_EQ(ERR_GET_LIB(ERR_peek_last_error()), ERR_LIB_ASYNC);
    CHECK_EQ(result, UNTOUCHED);
    CHECK(ASYNC_get_current_job() == NULL);
    return NULL;
}

/* It is refused, and the job goes on where it belongs. */
static void resume_on_another_thread(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    pthread_t other;

    CHECK_EQ(pthread_create(&other, NULL, resume_elsewhere, job), 0);
    CHECK_EQ(pthread_join(other, NULL), 0);
    CHECK_EQ(parity_resume_finished(job, wait), 1);
    ASYNC_WAIT_CTX_free(wait);
}

static void pause_without_wait_context(void)
{
    ASYNC_JOB *job = parity_start_paused(NULL, parity_pause_once, NULL, 0);

    CHECK(ASYNC_get_wait_ctx(job) == NULL);
    CHECK_EQ(parity_resume_finished(job, NULL), 1);
}

/* ---- what a job must not leave to others ------------------------------- */

static int block_and_finish(void *arg)
{
    (void)arg;
    ASYNC_block_pause();
    ASYNC_block_pause();
    return 1;
}

/* The count of blocks is the job's and ends with it. */
static void unbalanced_block(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(parity_run(wait, block_and_finish, NULL, 0), 1);
        job = parity_start_paused(wait, parity_pause_once, NULL, 0);
        CHECK_EQ(parity_resume_finished(job, wait), 1);
    }
    ASYNC_WAIT_CTX_free(wait);
}

static int usr2_blocked(void *arg)
{
    sigset_t now;

    (void)arg;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    return sigismember(&now, SIGUSR2);
}

/* A job made before the thread changed its signal mask does not undo that. */
static void signal_mask_changed_after_init(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    sigset_t usr2;

    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    CHECK_EQ(sigemptyset(&usr2), 0);
    CHECK_EQ(sigaddset(&usr2, SIGUSR2), 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr2, NULL), 0);
    CHECK_EQ(parity_run(wait, usr2_blocked, NULL, 0), 1);
    CHECK_EQ(usr2_blocked(NULL), 1);
    ASYNC_WAIT_CTX_free(wait);
}

static int rounding_now(void *arg)
{
    (void)arg;
    return fegetround();
}

static void rounding_changed_after_init(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    CHECK_EQ(fesetround(FE_DOWNWARD), 0);
    CHECK_EQ(parity_run(wait, rounding_now, NULL, 0), FE_DOWNWARD);
    CHECK_EQ(fegetround(), FE_DOWNWARD);
    ASYNC_WAIT_CTX_free(wait);
}

static int keep_errno(void *arg)
{
    (void)arg;
    errno = EDOM;
    CHECK_EQ(ASYNC_pause_job(), 1);
    return errno;
}

/* Each job has its errno, the caller another. */
static void errno_of_each_job(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    errno = ERANGE;
    job = parity_start_paused(wait, keep_errno, NULL, 0);
    CHECK_EQ(errno, ERANGE);
    errno = EXDEV;
    CHECK_EQ(parity_resume_finished(job, wait), EDOM);
    CHECK_EQ(errno, EXDEV);
    ASYNC_WAIT_CTX_free(wait);
}

/* ---- stacks ------------------------------------------------------------ */

#define NEIGHBOURS      256
#define NEIGHBOUR_BYTES 4000
#define UNHARMED        0xa5

static unsigned char *neighbours[NEIGHBOURS];
static volatile uintptr_t deepest;

/* What lies on the heap where a stack that OpenSSL allocates would be, too. */
static void make_neighbours(void)
{
    for (int i = 0; i < NEIGHBOURS; i++) {
        neighbours[i] = malloc(NEIGHBOUR_BYTES);
        CHECK(neighbours[i] != NULL);
        memset(neighbours[i], UNHARMED, NEIGHBOUR_BYTES);
    }
}

static bool neighbours_unharmed(void)
{
    for (int i = 0; i < NEIGHBOURS; i++) {
        for (int byte = 0; byte < NEIGHBOUR_BYTES; byte++) {
            if (neighbours[i][byte] != UNHARMED)
                return false;
        }
    }
    return true;
}

/* The fault must be where the stack ends, not in whatever lies below it. */
static void on_overflow(int number, siginfo_t *info, void *context)
{
    uintptr_t fault = (uintptr_t)info->si_addr, last = deepest;

    (void)number;
    (void)context;
    if (fault >= last || last - fault > 3 * 4096)
        parity_fail(__FILE__, __LINE__, "fault at %p, last touched %p",
                    (void *)fault, (void *)last);
    CHECK(neighbours_unharmed());
    _exit(EXIT_SUCCESS);
}

static SY_NOINLINE int overflow(int depth)
{
    volatile unsigned char frame[1024];

    frame[0] = (unsigned char)depth;
    deepest = (uintptr_t)frame;
    if (depth > 1 << 20)
        return 0;
    return overflow(depth + 1) + frame[0];
}

static int overflow_the_stack(void *arg)
{
    (void)arg;
    return overflow(0);
}

static void overflow_hits_a_guard(void)
{
    static unsigned char handler_stack[64 * 1024];
    stack_t alternate = {.ss_sp = handler_stack,
                         .ss_size = sizeof(handler_stack)};
    struct sigaction action = {.sa_sigaction = on_overflow,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    make_neighbours();
    CHECK_EQ(sigaltstack(&alternate, NULL), 0);
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    (void)parity_run(wait, overflow_the_stack, NULL, 0);
    parity_fail(__FILE__, __LINE__, "a stack had no end");
}

static long resident_kib(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long size, resident;

    CHECK(f != NULL);
    CHECK_EQ(fscanf(f, "%ld %ld", &size, &resident), 2);
    (void)fclose(f);
    return resident * sysconf(_SC_PAGESIZE) / 1024;
}

static void abandon_some(int count)
{
    for (int i = 0; i < count; i++) {
        ASYNC_WAIT_CTX *wait = parity_new_wait();

        (void)parity_start_paused(wait, parity_pause_once, NULL, 0);
        ASYNC_WAIT_CTX_free(wait);
        ASYNC_cleanup_thread();
    }
}

/* The clean-up of the thread frees what was never resumed. */
static void never_resumed(void)
{
    long before;

#if SY_ASAN || SY_TSAN
    parity_skip("a sanitizer keeps freed memory resident");
#endif
    abandon_some(200);
    before = resident_kib();
    abandon_some(2000);
    CHECK(resident_kib() - before < 2048); /* OpenSSL: 5.5 KiB for each */
}

static void *leave_paused_jobs(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        ASYNC_WAIT_CTX *wait = parity_new_wait();

        (void)parity_start_paused(wait, parity_pause_once, NULL, 0);
        ASYNC_WAIT_CTX_free(wait);
    }
    return NULL;
}

static void threads_end_with_paused_jobs(void)
{
    pthread_t thread;
    long before = 0;

#if SY_ASAN || SY_TSAN
    parity_skip("a sanitizer keeps freed memory resident");
#endif
    for (int i = 0; i < 110; i++) {
        if (i == 10)
            before = resident_kib();
        CHECK_EQ(pthread_create(&thread, NULL, leave_paused_jobs, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK(resident_kib() - before < 2048);
}

/* ---- contexts that are gone -------------------------------------------- */

static const char late_key;

static int never_called(void *arg)
{
    (void)arg;
    parity_fail(__FILE__, __LINE__, "the callback of a freed context");
}

static void *look_at_freed(void *arg)
{
    ASYNC_callback_fn callback;
    void *custom;
    size_t count = 99;
    int fd;

    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(arg, &callback, &custom), 0);
    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(arg, &late_key, &fd, &custom), 0);
    CHECK_EQ(ASYNC_WAIT_CTX_set_status(arg, ASYNC_STATUS_OK), 0);
    CHECK_EQ(ASYNC_WAIT_CTX_get_status(arg), ASYNC_STATUS_UNSUPPORTED);
    if (ASYNC_WAIT_CTX_get_all_fds(arg, NULL, &count) != 0)
        CHECK_EQ(count, 0);
    return NULL;
}

/* A device that is late finds a context that answers "nothing". */
static void late_wake_of_a_freed_context(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    void *const late = (void *)wait;
    pthread_t device;

    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(wait, never_called, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(wait, &late_key, 11, NULL, NULL), 1);
    ASYNC_WAIT_CTX_free(wait);
    CHECK_EQ(pthread_create(&device, NULL, look_at_freed, late), 0);
    CHECK_EQ(pthread_join(device, NULL), 0);
}

const struct parity_row parity_break_rows[] = {
    PARITY_BREAKS(nested_start_in_a_fresh_job,
                  "error, then SIGSEGV when the outer job ends"),
    PARITY_BREAKS(nested_start_in_a_reused_job,
                  "the previous job's value, then SIGSEGV"),
    PARITY_BREAKS(nested_jobs_pause, "SIGSEGV"),
    PARITY_BREAKS(nested_five_deep, "SIGSEGV"),
    PARITY_BREAKS(resume_of_the_running_job,
                  "gives the running job back to the pool"),
    PARITY_BREAKS(resume_on_another_thread, "SIGSEGV"),
    PARITY_BREAKS(pause_without_wait_context, "SIGSEGV on resume"),
    PARITY_BREAKS(unbalanced_block, "the next job's pause is swallowed"),
    PARITY_BREAKS(signal_mask_changed_after_init,
                  "the first entry reverts the thread's mask"),
    PARITY_BREAKS(rounding_changed_after_init,
                  "the first entry reverts the rounding mode"),
    PARITY_BREAKS(errno_of_each_job, "one errno for all"),
    PARITY_BREAKS(overflow_hits_a_guard,
                  "overwrites its own control block and the heap"),
    PARITY_BREAKS(never_resumed, "leaks the job"),
    PARITY_BREAKS(threads_end_with_paused_jobs, "leaks the jobs"),
    PARITY_BREAKS(late_wake_of_a_freed_context, "use after free"),
    PARITY_END,
};
