/* SPDX-License-Identifier: Apache-2.0 */
/* OSSL_LIB_CTX_set0_default(3) in and out of jobs: each job has its own. */
#include "parity.h"
#include <openssl/crypto.h>

static OSSL_LIB_CTX *contexts[3];

/* Setting NULL only asks. */
static OSSL_LIB_CTX *current_context(void)
{
    return OSSL_LIB_CTX_set0_default(NULL);
}

static void make_contexts(void)
{
    contexts[0] = current_context();
    CHECK(contexts[0] != NULL);
    for (int i = 1; i < 3; i++) {
        contexts[i] = OSSL_LIB_CTX_new();
        CHECK(contexts[i] != NULL);
    }
}

static void free_contexts(void)
{
    CHECK(OSSL_LIB_CTX_set0_default(contexts[0]) != NULL);
    OSSL_LIB_CTX_free(contexts[1]);
    OSSL_LIB_CTX_free(contexts[2]);
}

/* The number of the current context. */
static int which(void)
{
    OSSL_LIB_CTX *now = current_context();

    for (int i = 0; i < 3; i++) {
        if (contexts[i] == now)
            return i;
    }
    return -1;
}

static void use(int number)
{
    CHECK(OSSL_LIB_CTX_set0_default(contexts[number]) != NULL);
    CHECK_EQ(which(), number);
}

static int tell_which(void *arg)
{
    (void)arg;
    return which();
}

static void job_starts_with_the_callers(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    make_contexts();
    for (int i = 0; i < 6; i++) {
        use(i % 3);
        CHECK_EQ(parity_run(wait, tell_which, NULL, 0), i % 3);
        CHECK_EQ(which(), i % 3);
    }
    free_contexts();
    ASYNC_WAIT_CTX_free(wait);
}

static int use_and_finish(void *arg)
{
    use(*(int *)arg);
    return 1;
}

static void callers_is_back_after_the_end(void)
{
    int inside = 2;
    ASYNC_WAIT_CTX *wait = parity_new_wait();

    make_contexts();
    use(1);
    CHECK_EQ(parity_run(wait, use_and_finish, &inside, sizeof(inside)), 1);
    CHECK_EQ(which(), 1);
    free_contexts();
    ASYNC_WAIT_CTX_free(wait);
}

static int use_pause_and_tell(void *arg)
{
    use(*(int *)arg);
    CHECK_EQ(ASYNC_pause_job(), 1);
    return which();
}

static void callers_is_back_after_a_pause(void)
{
    int inside = 2;
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    make_contexts();
    use(1);
    job =
        parity_start_paused(wait, use_pause_and_tell, &inside, sizeof(inside));
    CHECK_EQ(which(), 1);
    CHECK_EQ(parity_resume_finished(job, wait), 2);
    CHECK_EQ(which(), 1);
    free_contexts();
    ASYNC_WAIT_CTX_free(wait);
}

static int pause_and_tell(void *arg)
{
    (void)arg;
    CHECK_EQ(ASYNC_pause_job(), 1);
    return which();
}

/* The job keeps the one it had, whatever the caller does meanwhile. */
static void caller_changes_during_a_pause(void)
{
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    make_contexts();
    use(1);
    job = parity_start_paused(wait, pause_and_tell, NULL, 0);
    use(2);
    CHECK_EQ(parity_resume_finished(job, wait), 1);
    CHECK_EQ(which(), 2);
    free_contexts();
    ASYNC_WAIT_CTX_free(wait);
}

static int change_at_each_pause(void *arg)
{
    int number = *(int *)arg;

    for (int i = 0; i < 6; i++) {
        use((number + i) % 3);
        CHECK_EQ(ASYNC_pause_job(), 1);
        CHECK_EQ(which(), (number + i) % 3);
    }
    return which();
}

static void contexts_of_interleaved_jobs(void)
{
    ASYNC_WAIT_CTX *waits[3];
    ASYNC_JOB *jobs[3];

    make_contexts();
    for (int i = 0; i < 3; i++) {
        waits[i] = parity_new_wait();
        use(2 - i);
        jobs[i] =
            parity_start_paused(waits[i], change_at_each_pause, &i, sizeof(i));
        CHECK_EQ(which(), 2 - i);
    }
    for (int turn = 1; turn < 6; turn++) {
        for (int i = 0; i < 3; i++) {
            use((turn + i) % 3);
            parity_resume_paused(jobs[i], waits[i]);
            CHECK_EQ(which(), (turn + i) % 3);
        }
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(parity_resume_finished(jobs[i], waits[i]), (i + 5) % 3);
        ASYNC_WAIT_CTX_free(waits[i]);
    }
    free_contexts();
}

/* A job on a used stack does not inherit what the one before had set. */
static void reused_job_forgets(void)
{
    int inside = 2;
    ASYNC_WAIT_CTX *wait = parity_new_wait();
    ASYNC_JOB *job;

    make_contexts();
    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    for (int i = 0; i < 3; i++) {
        job = parity_start_paused(wait, use_pause_and_tell, &inside,
                                  sizeof(inside));
        CHECK_EQ(parity_resume_finished(job, wait), 2);
        use(i % 2);
        CHECK_EQ(parity_run(wait, tell_which, NULL, 0), i % 2);
        job = parity_start_paused(wait, pause_and_tell, NULL, 0);
        CHECK_EQ(parity_resume_finished(job, wait), i % 2);
    }
    free_contexts();
    ASYNC_WAIT_CTX_free(wait);
}

const struct parity_row parity_context_rows[] = {
    PARITY_ROW(job_starts_with_the_callers),
    PARITY_ROW(callers_is_back_after_the_end),
    PARITY_ROW(callers_is_back_after_a_pause),
    PARITY_ROW(caller_changes_during_a_pause),
    PARITY_ROW(contexts_of_interleaved_jobs),
    PARITY_ROW(reused_job_forgets),
    PARITY_END,
};
