/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's ASYNC_JOB, counted. */
#include <openssl/async.h>
#include <stdbool.h>
#include <stddef.h>

typedef ASYNC_JOB *handle;

static ASYNC_WAIT_CTX *wait_ctx;

static inline bool start(handle *job, int (*fn)(void *), void *arg,
                         size_t bytes, int *result)
{
    *job = NULL;
    return ASYNC_start_job(job, wait_ctx, result, fn, arg, bytes) ==
           ASYNC_PAUSE;
}

static inline bool resume(handle *job, int *result)
{
    return ASYNC_start_job(job, wait_ctx, result, NULL, NULL, 0) == ASYNC_PAUSE;
}

static inline void pause_job(void)
{
    (void)ASYNC_pause_job();
}

#include "counted_bodies.h"

static bool open_openssl(const char *name)
{
    (void)name;
    wait_ctx = ASYNC_WAIT_CTX_new();
    return wait_ctx != NULL &&
           ASYNC_init_thread(COUNTED_BATCH, COUNTED_BATCH) == 1;
}

static const struct counted_scenario scenarios[] = {
    COUNTED_SCENARIOS,
    {NULL, NULL},
};

const struct counted_candidate counted_openssl = {
    .open = open_openssl,
    .scenarios = scenarios,
};
