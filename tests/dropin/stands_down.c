/* SPDX-License-Identifier: Apache-2.0 */
/* The drop-in leaves everything to a libcrypto that it does not know. */
#include "dropin_test.h"

static int pause_once(void *arg)
{
    CHECK_EQ(*(int *)arg, 9);
    CHECK(ASYNC_get_current_job() != NULL);
    CHECK(ASYNC_get_wait_ctx(ASYNC_get_current_job()) != NULL);
    CHECK_EQ(ASYNC_pause_job(), 1);
    ASYNC_block_pause();
    ASYNC_unblock_pause();
    return 10;
}

int main(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    int ret = -1, nine = 9, fd = -1;
    int (*down)(char *, size_t);
    ASYNC_callback_fn callback;
    ASYNC_JOB *job = NULL;
    size_t n, m;
    void *data;
    char why[160];

    drop_in_function(&down, "sy_openssl_stands_down");
    CHECK_EQ(down(why, sizeof(why)), 1);
    CHECK(strstr(why, getenv("EXPECTED_REASON")) != NULL);
    CHECK_EQ(ASYNC_is_capable(), 1);
    CHECK_EQ(ASYNC_init_thread(2, 1), 1);
    CHECK(ctx != NULL);
    CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(ctx, ctx, 5, NULL, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_fd(ctx, ctx, &fd, &data), 1);
    CHECK_EQ(fd, 5);
    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &n), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_changed_fds(ctx, NULL, &n, NULL, &m), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(ctx, &callback, &data), 0);
    CHECK_EQ(ASYNC_WAIT_CTX_set_callback(ctx, pause_once, NULL), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_set_status(ctx, ASYNC_STATUS_OK), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_status(ctx), ASYNC_STATUS_OK);
    CHECK_EQ(ASYNC_start_job(&job, ctx, &ret, pause_once, &nine, sizeof(nine)),
             ASYNC_PAUSE);
    CHECK_EQ(ASYNC_start_job(&job, ctx, &ret, pause_once, &nine, sizeof(nine)),
             ASYNC_FINISH);
    CHECK_EQ(ret, 10);
    CHECK_EQ(ASYNC_WAIT_CTX_clear_fd(ctx, ctx), 1);
    ASYNC_WAIT_CTX_free(ctx);
    ASYNC_cleanup_thread();
    CHECK_EQ(counters().jobs, 0); /* not ours */
    return 0;
}
