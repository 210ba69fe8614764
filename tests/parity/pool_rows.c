/* SPDX-License-Identifier: Apache-2.0 */
/* ASYNC_init_thread() and ASYNC_cleanup_thread(): the pool of a thread. */
#include "parity.h"
#include <openssl/err.h>

#define MANY 300

struct many {
    ASYNC_WAIT_CTX *waits[MANY];
    ASYNC_JOB *jobs[MANY];
};

static void start_some(struct many *some, int count)
{
    for (int i = 0; i < count; i++) {
        some->waits[i] = parity_new_wait();
        some->jobs[i] =
            parity_start_paused(some->waits[i], parity_pause_once, NULL, 0);
    }
}

static void finish_some(struct many *some, int count)
{
    for (int i = 0; i < count; i++) {
        CHECK_EQ(parity_resume_finished(some->jobs[i], some->waits[i]), 1);
        ASYNC_WAIT_CTX_free(some->waits[i]);
    }
}

/* A start that finds no job leaves everything as it was. */
static void expect_no_jobs(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job = NULL;
    int result = UNTOUCHED;

    ERR_clear_error();
    CHECK_EQ(ASYNC_start_job(&job, wait, &result, parity_return_seven, NULL, 0),
             ASYNC_NO_JOBS);
    CHECK(job == NULL);
    CHECK_EQ(result, UNTOUCHED);
    CHECK(ASYNC_get_current_job() == NULL);
    ASYNC_WAIT_CTX_free(wait);
}

static void expect_limit(int limit)
{
    struct many some;

    start_some(&some, limit);
    expect_no_jobs();
    finish_some(&some, limit);
}

static void pool_is_made_by_itself(void)
{
    struct many some;

    start_some(&some, 5);
    finish_some(&some, 5);
}

static void init_thread_succeeds(void)
{
    static const struct {
        size_t max, init;
    } good[] = {{0, 0}, {1, 0}, {1, 1}, {5, 2}, {64, 64}};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct many some;

        CHECK_EQ(ASYNC_init_thread(good[i].max, good[i].init), 1);
        start_some(&some, 1);
        finish_some(&some, 1);
        ASYNC_cleanup_thread();
    }
}

/* (0, n) too, although a maximum of 0 is no limit. */
static void init_thread_errors(void)
{
    static const struct {
        size_t max, init;
    } bad[] = {{0, 1}, {1, 2}, {5, 6}, {0, (size_t)-1}, {3, (size_t)-1}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned long error;

        ERR_clear_error();
        CHECK_EQ(ASYNC_init_thread(bad[i].max, bad[i].init), 0);
        error = ERR_get_error();
        CHECK_EQ(ERR_GET_LIB(error), ERR_LIB_ASYNC);
        CHECK_EQ(ERR_GET_REASON(error), ASYNC_R_INVALID_POOL_SIZE);
        CHECK_EQ(ERR_get_error(), 0);
    }
}

/* The words of the error are those that OpenSSL has for it. */
static void init_thread_error_words(void)
{
    const char *reason;

    ERR_clear_error();
    CHECK_EQ(ASYNC_init_thread(1, 2), 0);
    reason = ERR_reason_error_string(ERR_get_error());
    CHECK(reason != NULL);
    CHECK_EQ(reason[0], 'i'); /* "invalid pool size" */
}

static void jobs_after_a_failed_init(void)
{
    struct many some;

    CHECK_EQ(ASYNC_init_thread(1, 2), 0);
    start_some(&some, 3);
    finish_some(&some, 3);
}

static void max_size_limits(void)
{
    CHECK_EQ(ASYNC_init_thread(3, 0), 1);
    expect_limit(3);
    expect_limit(3);
}

static void precreated_jobs_count(void)
{
    CHECK_EQ(ASYNC_init_thread(4, 4), 1);
    expect_limit(4);
}

static void partly_precreated_pool(void)
{
    CHECK_EQ(ASYNC_init_thread(4, 2), 1);
    expect_limit(4);
}

/* "This call can be retried again at a later time." */
static void no_jobs_can_be_retried(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    CHECK_EQ(ASYNC_init_thread(1, 0), 1);
    for (int i = 0; i < 10; i++) {
        job = parity_start_paused(wait, parity_pause_once, NULL, 0);
        expect_no_jobs();
        (void)parity_resume_finished(job, wait);
    }
    ASYNC_WAIT_CTX_free(wait);
}

static void no_jobs_raises_no_error(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    CHECK_EQ(ASYNC_init_thread(1, 0), 1);
    job = parity_start_paused(wait, parity_pause_once, NULL, 0);
    expect_no_jobs();
    CHECK_EQ(ERR_peek_error(), 0);
    (void)parity_resume_finished(job, wait);
    ASYNC_WAIT_CTX_free(wait);
}

static void max_size_0_is_no_limit(void)
{
    struct many some;

    CHECK_EQ(ASYNC_init_thread(0, 0), 1);
    start_some(&some, MANY);
    finish_some(&some, MANY);
}

static void cleanup_without_init(void)
{
    struct many some;

    ASYNC_cleanup_thread();
    ASYNC_cleanup_thread();
    start_some(&some, 2);
    finish_some(&some, 2);
    ASYNC_cleanup_thread();
    ASYNC_cleanup_thread();
}

/* After a clean-up the thread is as at its beginning: no limit. */
static void cleanup_forgets_the_limit(void)
{
    struct many some;

    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    expect_limit(1);
    ASYNC_cleanup_thread();
    start_some(&some, 10);
    finish_some(&some, 10);
}

static void init_again_after_cleanup(void)
{
    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    expect_limit(1);
    ASYNC_cleanup_thread();
    CHECK_EQ(ASYNC_init_thread(3, 1), 1);
    expect_limit(3);
    ASYNC_cleanup_thread();
}

static void thousand_pools(void)
{
    for (int i = 0; i < 1000; i++) {
        struct many some;

        CHECK_EQ(ASYNC_init_thread(2, 2), 1);
        start_some(&some, 2);
        finish_some(&some, 2);
        ASYNC_cleanup_thread();
    }
}

const struct parity_row parity_pool_rows[] = {
    PARITY_ROW(pool_is_made_by_itself),
    PARITY_ROW(init_thread_succeeds),
    PARITY_ROW(init_thread_errors),
    PARITY_ROW(init_thread_error_words),
    PARITY_ROW(jobs_after_a_failed_init),
    PARITY_ROW(max_size_limits),
    PARITY_ROW(precreated_jobs_count),
    PARITY_ROW(partly_precreated_pool),
    PARITY_ROW(no_jobs_can_be_retried),
    PARITY_ROW(no_jobs_raises_no_error),
    PARITY_ROW(max_size_0_is_no_limit),
    PARITY_ROW(cleanup_without_init),
    PARITY_ROW(cleanup_forgets_the_limit),
    PARITY_ROW(init_again_after_cleanup),
    PARITY_ROW(thousand_pools),
    PARITY_END,
};
