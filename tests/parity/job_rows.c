/* SPDX-License-Identifier: Apache-2.0 */
/* ASYNC_start_job(3): starting, pausing, resuming, finishing, arguments. */
#include "parity.h"
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void result_codes(void)
{
    CHECK_EQ(ASYNC_ERR, 0);
    CHECK_EQ(ASYNC_NO_JOBS, 1);
    CHECK_EQ(ASYNC_PAUSE, 2);
    CHECK_EQ(ASYNC_FINISH, 3);
    CHECK_EQ(ASYNC_STATUS_UNSUPPORTED, 0);
    CHECK_EQ(ASYNC_STATUS_ERR, 1);
    CHECK_EQ(ASYNC_STATUS_OK, 2);
    CHECK_EQ(ASYNC_STATUS_EAGAIN, 3);
}

static void is_capable(void)
{
    CHECK_EQ(ASYNC_is_capable(), 1);
}

/* ---- results ----------------------------------------------------------- */

static void finish_without_pause(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(parity_run(wait, parity_return_seven, NULL, 0), 7);
    ASYNC_WAIT_CTX_free(wait);
}

static void pause_then_finish(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, parity_pause_once, NULL, 0);

    CHECK_EQ(parity_resume_finished(job, wait), 1);
    ASYNC_WAIT_CTX_free(wait);
}

static int return_argument(void *arg)
{
    return *(int *)arg;
}

/* Whatever fn returns is its result, an error of ASYNC_start_job() or not. */
static void any_result(void)
{
    static const int values[] = {0, 1, 2, 3, -1, INT_MIN, INT_MAX};
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        int value = values[i];

        CHECK_EQ(parity_run(wait, return_argument, &value, sizeof(value)),
                 value);
    }
    ASYNC_WAIT_CTX_free(wait);
}

static int pause_as_often(void *arg)
{
    int times = *(int *)arg;

    for (int i = 0; i < times; i++)
        CHECK_EQ(ASYNC_pause_job(), 1);
    return times;
}

static void result_untouched_by_pauses(void)
{
    int times = 3;
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job =
        parity_start_paused(wait, pause_as_often, &times, sizeof(times));

    parity_resume_paused(job, wait);
    parity_resume_paused(job, wait);
    CHECK_EQ(parity_resume_finished(job, wait), 3);
    ASYNC_WAIT_CTX_free(wait);
}

static void thousand_pauses(void)
{
    int times = 1000;
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job =
        parity_start_paused(wait, pause_as_often, &times, sizeof(times));

    for (int i = 1; i < times; i++)
        parity_resume_paused(job, wait);
    CHECK_EQ(parity_resume_finished(job, wait), times);
    ASYNC_WAIT_CTX_free(wait);
}

/* fn, args and size are ignored when a job is resumed. */
static void resume_ignores_function(void)
{
    static unsigned char other[64];
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    int result = UNTOUCHED;

    CHECK_EQ(ASYNC_start_job(&job, wait, &result, parity_return_seven, other,
                             sizeof(other)),
             ASYNC_FINISH);
    CHECK_EQ(result, 1);
    ASYNC_WAIT_CTX_free(wait);
}

/* The result goes to where the last resume said, not the start. */
static void result_of_the_last_resume(void)
{
    int at_start = UNTOUCHED, at_resume = UNTOUCHED;
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = NULL;

    CHECK_EQ(ASYNC_start_job(&job, wait, &at_start, parity_pause_once, NULL, 0),
             ASYNC_PAUSE);
    CHECK_EQ(ASYNC_start_job(&job, wait, &at_resume, NULL, NULL, 0),
             ASYNC_FINISH);
    CHECK_EQ(at_start, UNTOUCHED);
    CHECK_EQ(at_resume, 1);
    ASYNC_WAIT_CTX_free(wait);
}

/* ---- arguments --------------------------------------------------------- */

struct sized_args {
    size_t bytes;
    unsigned char seed;
    unsigned char pattern[];
};

static unsigned char pattern_at(unsigned char seed, size_t i)
{
    return (unsigned char)(seed + i * 7 + (i >> 8));
}

static void fill_pattern(struct sized_args *args, size_t bytes, int seed)
{
    args->bytes = bytes;
    args->seed = (unsigned char)seed;
    for (size_t i = 0; i < bytes - sizeof(*args); i++)
        args->pattern[i] = pattern_at(args->seed, i);
}

static void check_pattern(const struct sized_args *args)
{
    for (size_t i = 0; i < args->bytes - sizeof(*args); i++)
        CHECK_EQ(args->pattern[i], pattern_at(args->seed, i));
}

/* The copy is as it was at the start, now and after a pause, and aligned for
   anything; what the job writes to it, the caller does not see. */
static int read_pattern_twice(void *arg)
{
    struct sized_args *args = arg;

    CHECK_EQ((uintptr_t)arg % _Alignof(max_align_t), 0);
    check_pattern(args);
    CHECK_EQ(ASYNC_pause_job(), 1);
    check_pattern(args);
    memset(args->pattern, 0xee, args->bytes - sizeof(*args));
    return args->seed;
}

static void copy_of_size(size_t bytes)
{
    struct sized_args *args = malloc(bytes);
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    CHECK(args != NULL);
    fill_pattern(args, bytes, 3);
    job = parity_start_paused(wait, read_pattern_twice, args, bytes);
    fill_pattern(args, bytes, 200); /* the job must not see this */
    CHECK_EQ(parity_resume_finished(job, wait), 3);
    check_pattern(args);
    CHECK_EQ(args->seed, 200);
    ASYNC_WAIT_CTX_free(wait);
    free(args);
}

static void arguments_copied(void)
{
    for (size_t bytes = sizeof(struct sized_args) + 1; bytes <= 128; bytes++)
        copy_of_size(bytes);
}

static void arguments_over_128_bytes(void)
{
    copy_of_size(129);
    copy_of_size(136);
    copy_of_size(1000);
    copy_of_size(4096);
}

/* More than a page, and more than OpenSSL's whole stack of 32 KiB. */
static void arguments_over_4_kib(void)
{
    copy_of_size(4097);
    copy_of_size(32 * 1024 + 1);
    copy_of_size(300000);
}

static int sees_null(void *arg)
{
    return arg == NULL;
}

static void null_arguments(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(parity_run(wait, sees_null, NULL, 0), 1);
    CHECK_EQ(parity_run(wait, sees_null, NULL, 64), 1);
    ASYNC_WAIT_CTX_free(wait);
}

static int return_five(void *arg)
{
    (void)arg;
    return 5;
}

static void arguments_of_size_0(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    int unused = 0;

    CHECK_EQ(parity_run(wait, return_five, &unused, 0), 5);
    ASYNC_WAIT_CTX_free(wait);
}

/* A job that had arguments leaves none to the next one on its stack. */
static void arguments_end_with_the_job(void)
{
    static unsigned char args[64] = {1};
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(parity_run(wait, sees_null, args, sizeof(args)), 0);
        CHECK_EQ(parity_run(wait, sees_null, NULL, 0), 1);
    }
    ASYNC_WAIT_CTX_free(wait);
}

/* Each of several paused jobs has its own copy. */
static void arguments_of_many_jobs(void)
{
    struct sized_args *args = malloc(200);
    ASYNC_WAIT_CTX *waits[16];
    ASYNC_JOB *jobs[16];

    CHECK(args != NULL);
    for (int i = 0; i < 16; i++) {
        waits[i] = parity_new_wait();
        fill_pattern(args, i % 2 == 0 ? 100 : 200, i);
        jobs[i] = parity_start_paused(waits[i], read_pattern_twice, args,
                                      args->bytes);
    }
    for (int i = 15; i >= 0; i--) {
        CHECK_EQ(parity_resume_finished(jobs[i], waits[i]), i);
        ASYNC_WAIT_CTX_free(waits[i]);
    }
    free(args);
}

/* ---- the current job and its wait context ------------------------------ */

static void no_job_outside(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    CHECK(ASYNC_get_current_job() == NULL);
    job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    CHECK(ASYNC_get_current_job() == NULL);
    (void)parity_resume_finished(job, wait);
    CHECK(ASYNC_get_current_job() == NULL);
    ASYNC_WAIT_CTX_free(wait);
}

static ASYNC_JOB *seen_job;
static ASYNC_WAIT_CTX *seen_wait;

static int look_twice(void *arg)
{
    (void)arg;
    seen_job = ASYNC_get_current_job();
    CHECK(seen_job != NULL);
    seen_wait = ASYNC_get_wait_ctx(seen_job);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK(ASYNC_get_current_job() == seen_job);
    CHECK(ASYNC_get_wait_ctx(seen_job) == seen_wait);
    return 1;
}

/* The handle that the caller gets is the one that the job sees. */
static void current_job_is_the_handle(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, look_twice, NULL, 0);

    CHECK(seen_job == job);
    (void)parity_resume_finished(job, wait);
    ASYNC_WAIT_CTX_free(wait);
}

static void wait_context_of_the_job(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, look_twice, NULL, 0);

    CHECK(seen_wait == wait);
    CHECK(ASYNC_get_wait_ctx(job) == wait);
    (void)parity_resume_finished(job, wait);
    ASYNC_WAIT_CTX_free(wait);
}

/* "associated with the ASYNC_WAIT_CTX for the duration of that job" */
static void wait_context_stays_on_resume(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait(), *other = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, look_twice, NULL, 0);

    CHECK_EQ(parity_resume_finished(job, other), 1);
    ASYNC_WAIT_CTX_free(other);
    ASYNC_WAIT_CTX_free(wait);
}

/* ---- pausing ----------------------------------------------------------- */

static void pause_outside_a_job(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK_EQ(parity_run(wait, parity_return_seven, NULL, 0), 7);
    CHECK_EQ(ASYNC_pause_job(), 1);
    ASYNC_WAIT_CTX_free(wait);
}

static int pause_blocked(void *arg)
{
    int blocks = *(int *)arg;

    for (int i = 0; i < blocks; i++)
        ASYNC_block_pause();
    for (int i = 0; i < blocks; i++) {
        CHECK_EQ(ASYNC_pause_job(), 1); /* success, without a pause */
        ASYNC_unblock_pause();
    }
    return blocks;
}

static void block_pause_blocks(void)
{
    int blocks = 1;
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(parity_run(wait, pause_blocked, &blocks, sizeof(blocks)), 1);
    ASYNC_WAIT_CTX_free(wait);
}

static void block_pause_nests(void)
{
    int blocks = 5;
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(parity_run(wait, pause_blocked, &blocks, sizeof(blocks)), 5);
    ASYNC_WAIT_CTX_free(wait);
}

static int block_unblock_pause(void *arg)
{
    (void)arg;
    ASYNC_block_pause();
    ASYNC_unblock_pause();
    CHECK_EQ(ASYNC_pause_job(), 1);
    return 2;
}

static void unblock_lets_pause(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, block_unblock_pause, NULL, 0);

    CHECK_EQ(parity_resume_finished(job, wait), 2);
    ASYNC_WAIT_CTX_free(wait);
}

/* Outside a job both have no effect, in either direction. */
static void block_outside_has_no_effect(void)
{
    int blocks = 1;
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    CHECK_EQ(parity_run(wait, parity_return_seven, NULL, 0), 7);
    ASYNC_block_pause();
    job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    ASYNC_block_pause();
    (void)parity_resume_finished(job, wait);
    ASYNC_unblock_pause();
    ASYNC_unblock_pause();
    ASYNC_unblock_pause();
    CHECK_EQ(parity_run(wait, pause_blocked, &blocks, sizeof(blocks)), 1);
    ASYNC_WAIT_CTX_free(wait);
}

static int unblock_too_often(void *arg)
{
    (void)arg;
    ASYNC_unblock_pause();
    ASYNC_unblock_pause();
    ASYNC_block_pause(); /* not already used up by the two before */
    CHECK_EQ(ASYNC_pause_job(), 1);
    ASYNC_unblock_pause();
    return 3;
}

static void unblock_too_often_is_ignored(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(parity_run(wait, unblock_too_often, NULL, 0), 3);
    ASYNC_WAIT_CTX_free(wait);
}

/* ---- what a pause keeps ------------------------------------------------ */

static SY_NOINLINE int descend(int depth)
{
    volatile unsigned char frame[256];

    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = (unsigned char)(depth + (int)i);
    if (depth == 0)
        CHECK_EQ(ASYNC_pause_job(), 1);
    else
        CHECK_EQ(descend(depth - 1), depth - 1);
    for (size_t i = 0; i < sizeof(frame); i++)
        CHECK_EQ(frame[i], (unsigned char)(depth + (int)i));
    return depth;
}

static int descend_40(void *arg)
{
    (void)arg;
    return descend(40);
}

static void pause_under_40_frames(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, descend_40, NULL, 0);

    CHECK_EQ(descend(10), 10); /* on the caller's stack meanwhile */
    CHECK_EQ(parity_resume_finished(job, wait), 40);
    ASYNC_WAIT_CTX_free(wait);
}

static int compute_slowly(void *arg)
{
    int n = *(int *)arg;
    double sum = 0, term = n;
    long whole = n;

    for (int i = 1; i <= 10; i++) {
        sum += term / i;
        whole = whole * 3 + i;
        term *= 0.5;
        CHECK_EQ(ASYNC_pause_job(), 1);
    }
    return (int)(whole % 10007) + (int)(sum * 100);
}

/* Integers and floating-point values live in registers across pauses. */
static void values_kept_across_pauses(void)
{
    int n = 5, other = 11, expected[2];
    ASYNC_WAIT_CTX *waits[2] = {parity_new_wait(), parity_new_wait()};
    ASYNC_JOB *jobs[2];

    expected[0] = compute_slowly(&n); /* outside a job nothing pauses */
    expected[1] = compute_slowly(&other);
    jobs[0] = parity_start_paused(waits[0], compute_slowly, &n, sizeof(n));
    jobs[1] =
        parity_start_paused(waits[1], compute_slowly, &other, sizeof(other));
    for (int i = 1; i < 10; i++) {
        parity_resume_paused(jobs[i % 2], waits[i % 2]);
        parity_resume_paused(jobs[1 - i % 2], waits[1 - i % 2]);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(parity_resume_finished(jobs[i], waits[i]), expected[i]);
        ASYNC_WAIT_CTX_free(waits[i]);
    }
}

static int same_thread_after_pause(void *arg)
{
    pthread_t self = pthread_self();
    static _Thread_local int local;
    int *address = &local;

    (void)arg;
    local = 17;
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK(pthread_equal(self, pthread_self()));
    CHECK(address == &local);
    CHECK_EQ(local, 17);
    return 1;
}

static void jobs_stay_on_their_thread(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job =
        parity_start_paused(wait, same_thread_after_pause, NULL, 0);

    CHECK_EQ(parity_resume_finished(job, wait), 1);
    ASYNC_WAIT_CTX_free(wait);
}

static int jump_within(void *arg)
{
    static jmp_buf back;
    volatile int turns = 0;

    (void)arg;
    (void)setjmp(back);
    turns++;
    CHECK_EQ(ASYNC_pause_job(), 1);
    if (turns < 3)
        longjmp(back, 1);
    return turns;
}

/* A job may jump within its own frames, over its pauses. */
static void longjmp_within_a_job(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, jump_within, NULL, 0);

    parity_resume_paused(job, wait);
    parity_resume_paused(job, wait);
    CHECK_EQ(parity_resume_finished(job, wait), 3);
    ASYNC_WAIT_CTX_free(wait);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static int raise_twice(void *arg)
{
    (void)arg;
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK_EQ(raise(SIGUSR1), 0);
    return 1;
}

static void signals_in_a_job(void)
{
    struct sigaction action = {.sa_handler = count_signal};
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    job = parity_start_paused(wait, raise_twice, NULL, 0);
    CHECK_EQ(signals, 1);
    (void)parity_resume_finished(job, wait);
    CHECK_EQ(signals, 2);
    ASYNC_WAIT_CTX_free(wait);
}

/* ---- many jobs --------------------------------------------------------- */

#define MANY 200

static int many_pauses(void *arg)
{
    int id = *(int *)arg, sum = 0;

    for (int i = 0; i < 1 + id % 5; i++) {
        sum += id;
        CHECK_EQ(ASYNC_pause_job(), 1);
    }
    return sum;
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

/* Resumed in any order, each one ends with what it began with. */
static void many_jobs_interleaved(void)
{
    ASYNC_WAIT_CTX *waits[MANY];
    ASYNC_JOB *jobs[MANY];
    unsigned random = 1, left = MANY;

    for (int i = 0; i < MANY; i++) {
        waits[i] = parity_new_wait();
        jobs[i] = parity_start_paused(waits[i], many_pauses, &i, sizeof(i));
    }
    while (left > 0) {
        int i = (int)(next_random(&random) % MANY), result = UNTOUCHED;

        if (jobs[i] == NULL)
            continue;
        if (ASYNC_start_job(&jobs[i], waits[i], &result, NULL, NULL, 0) ==
            ASYNC_PAUSE) {
            CHECK_EQ(result, UNTOUCHED);
            continue;
        }
        CHECK_EQ(result, i * (1 + i % 5));
        CHECK(jobs[i] == NULL);
        ASYNC_WAIT_CTX_free(waits[i]);
        left--;
    }
}

static void jobs_are_reused(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    for (int i = 0; i < 1000; i++) {
        ASYNC_JOB *job;

        CHECK_EQ(parity_run(wait, return_argument, &i, sizeof(i)), i);
        job = parity_start_paused(wait, parity_pause_once, NULL, 0);
        CHECK_EQ(parity_resume_finished(job, wait), 1);
    }
    ASYNC_WAIT_CTX_free(wait);
}

/* ---- libcrypto around and inside jobs ---------------------------------- */

static int digest_with_pauses(void *arg)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned bytes = 0;

    (void)arg;
    CHECK(md != NULL);
    CHECK_EQ(EVP_DigestInit_ex(md, EVP_sha256(), NULL), 1);
    CHECK_EQ(EVP_DigestUpdate(md, "a", 1), 1);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK_EQ(EVP_DigestUpdate(md, "bc", 2), 1);
    CHECK_EQ(EVP_DigestFinal_ex(md, digest, &bytes), 1);
    EVP_MD_CTX_free(md);
    CHECK_EQ(bytes, 32);
    return digest[0] << 8 | digest[31];
}

/* SHA-256 of "abc" begins with ba and ends with ad: FIPS 180-4's example. */
static void digest_in_jobs(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, digest_with_pauses, NULL, 0);

    CHECK_EQ(parity_resume_finished(job, wait), 0xbaad);
    ASYNC_WAIT_CTX_free(wait);
}

static int make_and_use_key(void *arg)
{
    unsigned char signature[128];
    size_t bytes = sizeof(signature);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    (void)arg;
    CHECK(key != NULL && md != NULL);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK_EQ(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key), 1);
    CHECK_EQ(
        EVP_DigestSign(md, signature, &bytes, (const unsigned char *)"abc", 3),
        1);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    return bytes > 60;
}

/* What TLS does in a job: its stack must be large enough for that. */
static void sign_in_jobs(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = parity_start_paused(wait, make_and_use_key, NULL, 0);

    CHECK_EQ(parity_resume_finished(job, wait), 1);
    ASYNC_WAIT_CTX_free(wait);
}

static int raise_error(void *arg)
{
    CHECK_EQ(ERR_GET_REASON(ERR_peek_last_error()),
             ERR_R_PASSED_NULL_PARAMETER);
    ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK_EQ(ERR_peek_error(), 0); /* the caller has taken them */
    (void)arg;
    return 1;
}

/* Job and caller share the thread's error queue. */
static void error_queue_shared(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, ERR_R_PASSED_NULL_PARAMETER);
    job = parity_start_paused(wait, raise_error, NULL, 0);
    CHECK_EQ(ERR_GET_REASON(ERR_get_error()), ERR_R_PASSED_NULL_PARAMETER);
    CHECK_EQ(ERR_GET_REASON(ERR_get_error()), ERR_R_INTERNAL_ERROR);
    (void)parity_resume_finished(job, wait);
    ASYNC_WAIT_CTX_free(wait);
}

static void success_raises_no_error(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    ERR_clear_error();
    CHECK_EQ(ASYNC_init_thread(4, 2), 1);
    job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    (void)parity_resume_finished(job, wait);
    ASYNC_WAIT_CTX_free(wait);
    ASYNC_cleanup_thread();
    CHECK_EQ(ERR_peek_error(), 0);
}

const struct parity_row parity_job_rows[] = {
    PARITY_ROW(result_codes),
    PARITY_ROW(is_capable),
    PARITY_ROW(finish_without_pause),
    PARITY_ROW(pause_then_finish),
    PARITY_ROW(any_result),
    PARITY_ROW(result_untouched_by_pauses),
    PARITY_ROW(thousand_pauses),
    PARITY_ROW(resume_ignores_function),
    PARITY_ROW(result_of_the_last_resume),
    PARITY_ROW(arguments_copied),
    PARITY_ROW(arguments_over_128_bytes),
    PARITY_ROW(arguments_over_4_kib),
    PARITY_ROW(null_arguments),
    PARITY_ROW(arguments_of_size_0),
    PARITY_ROW(arguments_end_with_the_job),
    PARITY_ROW(arguments_of_many_jobs),
    PARITY_ROW(no_job_outside),
    PARITY_ROW(current_job_is_the_handle),
    PARITY_ROW(wait_context_of_the_job),
    PARITY_ROW(wait_context_stays_on_resume),
    PARITY_ROW(pause_outside_a_job),
    PARITY_ROW(block_pause_blocks),
    PARITY_ROW(block_pause_nests),
    PARITY_ROW(unblock_lets_pause),
    PARITY_ROW(block_outside_has_no_effect),
    PARITY_ROW(unblock_too_often_is_ignored),
    PARITY_ROW(pause_under_40_frames),
    PARITY_ROW(values_kept_across_pauses),
    PARITY_ROW(jobs_stay_on_their_thread),
    PARITY_ROW(longjmp_within_a_job),
    PARITY_ROW(signals_in_a_job),
    PARITY_ROW(many_jobs_interleaved),
    PARITY_ROW(jobs_are_reused),
    PARITY_ROW(digest_in_jobs),
    PARITY_ROW(sign_in_jobs),
    PARITY_ROW(error_queue_shared),
    PARITY_ROW(success_raises_no_error),
    PARITY_END,
};
