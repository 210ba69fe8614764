/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each job has a default library context of its own, inherited from who starts
 * it; arguments of any size are copied; limits of the pool; windows of changes.
 */
#include "dropin_test.h"
#include <openssl/crypto.h>

static OSSL_LIB_CTX *mine, *jobs, *other;

static OSSL_LIB_CTX *current(void)
{
    return OSSL_LIB_CTX_set0_default(NULL);
}

static int change_it(void *arg)
{
    (void)arg;
    CHECK(current() == mine);
    CHECK(OSSL_LIB_CTX_set0_default(jobs) == mine);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK(current() == jobs);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK(current() == jobs);
    return 1;
}

static int keep_it(void *arg)
{
    (void)arg;
    CHECK(current() == mine);
    CHECK_EQ(ASYNC_pause_job(), 1);
    CHECK(current() == mine);
    return 2;
}

static int change_and_end(void *arg)
{
    (void)arg;
    CHECK(OSSL_LIB_CTX_set0_default(jobs) != NULL);
    return 3;
}

static void contexts(void)
{
    ASYNC_JOB *job = NULL, *job2 = NULL;
    int ret = -1;

    mine = OSSL_LIB_CTX_new();
    jobs = OSSL_LIB_CTX_new();
    other = current();
    CHECK(mine != NULL && jobs != NULL && other != NULL);
    for (int i = 0; i < 3; i++) {
        CHECK(OSSL_LIB_CTX_set0_default(mine) != NULL);
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, change_it, NULL, 0),
                 ASYNC_PAUSE);
        CHECK(current() == mine);
        CHECK_EQ(ASYNC_start_job(&job2, NULL, &ret, keep_it, NULL, 0),
                 ASYNC_PAUSE);
        CHECK(OSSL_LIB_CTX_set0_default(other) == mine);
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0), ASYNC_PAUSE);
        CHECK(current() == other);
        CHECK_EQ(ASYNC_start_job(&job2, NULL, &ret, NULL, NULL, 0),
                 ASYNC_FINISH);
        CHECK_EQ(ret, 2);
        CHECK(current() == other);
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0),
                 ASYNC_FINISH);
        CHECK_EQ(ret, 1);
        CHECK(current() == other);
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, change_and_end, NULL, 0),
                 ASYNC_FINISH);
        CHECK(current() == other);
    }
    OSSL_LIB_CTX_free(mine);
    OSSL_LIB_CTX_free(jobs);
}

static unsigned char sent[100000];

static int look_at(void *arg)
{
    size_t size;

    memcpy(&size, arg, sizeof(size));
    CHECK_EQ(ASYNC_pause_job(), 1);
    for (size_t i = sizeof(size); i < size; i++)
        CHECK_EQ(((unsigned char *)arg)[i], (unsigned char)(i * 7));
    return 1;
}

static int look_at_few(void *arg)
{
    return ((unsigned char *)arg)[0] == 1;
}

static void arguments(void)
{
    static const size_t sizes[] = {8,   9,   15,  16,  17,   31,    32, 33,
                                   48,  63,  64,  65,  95,   96,    97, 100,
                                   112, 127, 128, 129, 1000, 100000};
    ASYNC_JOB *job = NULL;
    int ret = -1;

    for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
        for (size_t i = 0; i < sizes[n]; i++)
            sent[i] = (unsigned char)(i * 7);
        memcpy(sent, &sizes[n], sizeof(sizes[n]));
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, look_at, sent, sizes[n]),
                 ASYNC_PAUSE);
        memset(sent, 0xee, sizes[n]);
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0),
                 ASYNC_FINISH);
    }
    for (size_t n = 1; n < 8; n++) {
        memset(sent, 1, n);
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, look_at_few, sent, n),
                 ASYNC_FINISH);
        CHECK_EQ(ret, 1);
    }
}

static int pause_once(void *arg)
{
    (void)arg;
    return ASYNC_pause_job();
}

static void limits(void)
{
    ASYNC_JOB *job[3] = {NULL, NULL, NULL};
    int ret = -1;

    ASYNC_cleanup_thread();
    CHECK_EQ(ASYNC_init_thread(1, 2), 0);
    CHECK_EQ(async_error(), ASYNC_R_INVALID_POOL_SIZE);
    CHECK_EQ(ASYNC_init_thread(0, 1), 0);
    CHECK_EQ(async_error(), ASYNC_R_INVALID_POOL_SIZE);
    CHECK_EQ(ASYNC_init_thread(2, 1), 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++)
            CHECK_EQ(ASYNC_start_job(&job[i], NULL, &ret, pause_once, NULL, 0),
                     ASYNC_PAUSE);
        CHECK_EQ(ASYNC_start_job(&job[2], NULL, &ret, pause_once, NULL, 0),
                 ASYNC_NO_JOBS);
        CHECK(job[2] == NULL);
        for (int i = 0; i < 2; i++)
            CHECK_EQ(ASYNC_start_job(&job[i], NULL, &ret, NULL, NULL, 0),
                     ASYNC_FINISH);
    }
    CHECK_EQ(ASYNC_init_thread(1, 0), 1); /* less than there are */
    CHECK_EQ(ASYNC_start_job(&job[0], NULL, &ret, pause_once, NULL, 0),
             ASYNC_PAUSE);
    CHECK_EQ(ASYNC_start_job(&job[1], NULL, &ret, pause_once, NULL, 0),
             ASYNC_NO_JOBS);
    CHECK_EQ(ASYNC_start_job(&job[0], NULL, &ret, NULL, NULL, 0), ASYNC_FINISH);
    ASYNC_cleanup_thread();
}

static int add_and_remove(void *arg)
{
    static const int key1, key2;
    ASYNC_WAIT_CTX *ctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());

    (void)arg;
    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(ctx, &key1, 10, NULL, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(ctx, &key2, 20, NULL, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(ctx, &key2, 21, NULL, NULL), 1);
    ASYNC_pause_job(); /* +10 +20 +21 */
    CHECK_EQ(ASYNC_WAIT_CTX_clear_fd(ctx, &key2), 1);
    ASYNC_pause_job(); /* -21 */
    CHECK_EQ(ASYNC_WAIT_CTX_clear_fd(ctx, &key1), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(ctx, &key1, 11, NULL, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_clear_fd(ctx, &key1), 1);
    ASYNC_pause_job(); /* -10 */
    ASYNC_pause_job(); /* nothing */
    return 1;
}

static void windows(void)
{
    static const size_t added[] = {3, 0, 0, 0}, deleted[] = {0, 1, 1, 0};
    static const int gone[] = {0, 21, 10, 0};
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    size_t n_added, n_deleted;
    ASYNC_JOB *job = NULL;
    int ret = -1, add[3], del[3];

    for (int i = 0; i < 4; i++) {
        CHECK_EQ(ASYNC_start_job(&job, ctx, &ret, add_and_remove, NULL, 0),
                 ASYNC_PAUSE);
        CHECK_EQ(ASYNC_WAIT_CTX_get_changed_fds(ctx, NULL, &n_added, NULL,
                                                &n_deleted),
                 1);
        CHECK_EQ(n_added, added[i]);
        CHECK_EQ(n_deleted, deleted[i]);
        CHECK_EQ(
            ASYNC_WAIT_CTX_get_changed_fds(ctx, add, &n_added, del, &n_deleted),
            1);
        if (i == 0) {
            CHECK_EQ(add[0], 21); /* newest first */
            CHECK_EQ(add[2], 10);
        }
        if (deleted[i] != 0)
            CHECK_EQ(del[0], gone[i]);
    }
    CHECK_EQ(ASYNC_start_job(&job, ctx, &ret, NULL, NULL, 0), ASYNC_FINISH);
    ASYNC_WAIT_CTX_free(ctx);
}

int main(void)
{
    contexts();
    arguments();
    limits();
    windows();
    contexts();
    return 0;
}
