/* SPDX-License-Identifier: Apache-2.0 */
/* Wait contexts used by other threads, also while and after they are freed. */
#include "dropin_test.h"
#include <pthread.h>
#include <stdatomic.h>

#define THREADS 3
#define ROUNDS  3000

static ASYNC_WAIT_CTX *_Atomic shown;
static atomic_bool over;
static atomic_uint called, cleaned;
static atomic_uint in_use; /* threads that have used one */

static int callback(void *arg)
{
    CHECK(arg == &called);
    atomic_fetch_add(&called, 1);
    return 1;
}

static void clean_up(ASYNC_WAIT_CTX *ctx, const void *key, int fd, void *custom)
{
    (void)ctx, (void)key, (void)custom;
    CHECK(fd == 7 || fd == 8);
    atomic_fetch_add(&cleaned, 1);
}

/* What a device's thread may do, at any time. */
static void *use_what_is_shown(void *arg)
{
    bool used = false;
    ASYNC_callback_fn fn;
    ASYNC_WAIT_CTX *ctx;
    size_t n, m;
    void *data;
    int fd;

    (void)arg;
    while (!atomic_load(&over)) {
        ctx = atomic_load(&shown);
        if (ctx == NULL)
            continue;
        if (ASYNC_WAIT_CTX_get_callback(ctx, &fn, &data) == 1)
            (void)fn(data); /* the account does not call for freed ones */
        if (ASYNC_WAIT_CTX_get_fd(ctx, ctx, &fd, &data) == 1)
            CHECK(fd == 7 || fd == 8);
        (void)ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &n);
        (void)ASYNC_WAIT_CTX_get_changed_fds(ctx, NULL, &n, NULL, &m);
        (void)ASYNC_WAIT_CTX_set_status(ctx, ASYNC_STATUS_OK);
        (void)ASYNC_WAIT_CTX_set_wait_fd(ctx, &over, 8, NULL, clean_up);
        (void)ASYNC_WAIT_CTX_clear_fd(ctx, &over);
        if (!used)
            atomic_fetch_add(&in_use, 1);
        used = true;
    }
    return NULL;
}

static void *free_it(void *arg)
{
    ASYNC_WAIT_CTX_free(arg);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS], other;
    ASYNC_WAIT_CTX *ctx;

    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, use_what_is_shown, NULL), 0);
    for (int round = 0; round < ROUNDS || atomic_load(&in_use) < THREADS;
         round++) {
        ctx = ASYNC_WAIT_CTX_new();
        CHECK(ctx != NULL);
        CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(ctx, ctx, 7, NULL, clean_up), 1);
        CHECK_EQ(ASYNC_WAIT_CTX_set_callback(ctx, callback, &called), 1);
        atomic_store(&shown, ctx);
        for (int i = 0; i < 20; i++) {
            CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(ctx, &called, 8, NULL, NULL),
                     1);
            CHECK_EQ(ASYNC_WAIT_CTX_clear_fd(ctx, &called), 1);
        }
        if (round % 100 == 0) {
            CHECK_EQ(pthread_create(&other, NULL, free_it, ctx), 0);
            CHECK_EQ(pthread_join(other, NULL), 0);
        } else {
            ASYNC_WAIT_CTX_free(ctx);
        }
    }
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK(atomic_load(&cleaned) >= ROUNDS);
    printf("%u callbacks, %u cleanups, %llu calls for freed contexts\n",
           atomic_load(&called), atomic_load(&cleaned),
           (unsigned long long)counters().freed_accesses);
    return 0;
}
