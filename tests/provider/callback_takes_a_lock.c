/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An application may hold a lock of its own while it starts and resumes a job,
 * and take the same one in its callback, which runs on the device's thread.
 */
#include <openssl/async.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <switchyard/offload.h>
#include <unistd.h>

#define JOBS 5000

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__,        \
                    #cond);                                                    \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

static pthread_mutex_t connection = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct sy_offload *) submitted;
static atomic_bool is_over;
static unsigned long callbacks;

static int take_note(void *arg)
{
    (void)arg;
    CHECK(pthread_mutex_lock(&connection) == 0);
    callbacks++;
    CHECK(pthread_mutex_unlock(&connection) == 0);
    return 1;
}

static void *complete_all(void *arg)
{
    struct sy_offload *op;

    while (!atomic_load(&is_over)) {
        op = atomic_exchange(&submitted, NULL);
        if (op != NULL)
            sy_offload_complete(op, 0);
        else
            (void)usleep(1);
    }
    return arg;
}

static int wait_for_device(void *arg)
{
    struct sy_offload *op;

    (void)arg;
    CHECK(sy_offload_begin(&op, 0) == 0);
    sy_offload_submit(op);
    atomic_store(&submitted, op);
    CHECK(sy_offload_wait(op) == 0);
    sy_offload_end(op);
    return 1;
}

int main(void)
{
    pthread_t device;

    (void)alarm(60);
    CHECK(pthread_create(&device, NULL, complete_all, NULL) == 0);
    for (int i = 0; i < JOBS; i++) {
        ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
        ASYNC_JOB *job = NULL;
        int state, ret = 0;

        CHECK(ctx != NULL);
        CHECK(ASYNC_WAIT_CTX_set_callback(ctx, take_note, NULL) == 1);
        do { /* it has other events than the callback, so it tries again */
            if (job != NULL)
                (void)usleep(1);
            CHECK(pthread_mutex_lock(&connection) == 0);
            state = ASYNC_start_job(&job, ctx, &ret, wait_for_device, NULL, 0);
            CHECK(pthread_mutex_unlock(&connection) == 0);
        } while (state == ASYNC_PAUSE);
        CHECK(state == ASYNC_FINISH && ret == 1);
        ASYNC_WAIT_CTX_free(ctx);
    }
    atomic_store(&is_over, true);
    CHECK(pthread_join(device, NULL) == 0);
    printf("%lu callbacks\n", callbacks);
    CHECK(callbacks > 0);
    return 0;
}
