/* SPDX-License-Identifier: Apache-2.0 */
#include "context_table.h"

#include <openssl/crypto.h>
#include <pthread.h>

#define BUCKETS 1024

struct entry {
    struct entry *next;
    const void *ctx;
    struct instance *instance;
    enum slot slot;
};

static struct {
    pthread_mutex_t lock;
    struct entry *bucket[BUCKETS];
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A fork takes the lock, so that the child finds it free. */
static void before_fork(void)
{
    pthread_mutex_lock(&table.lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&table.lock);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork);
}

/* Where the entry of a context hangs, or would. With the lock. */
static struct entry **place(const void *ctx)
{
    uintptr_t bits = (uintptr_t)ctx >> 4; /* malloc aligns to 16 */
    struct entry **at = &table.bucket[(bits ^ (bits >> 10)) % BUCKETS];

    while (*at != NULL && (*at)->ctx != ctx)
        at = &(*at)->next;
    return at;
}

int context_enter(const void *ctx, struct instance *instance, enum slot slot)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct entry *entry = OPENSSL_zalloc(sizeof(*entry));

    pthread_once(&once, watch_forks);
    if (entry == NULL)
        return 0;
    *entry = (struct entry){.ctx = ctx, .instance = instance, .slot = slot};
    pthread_mutex_lock(&table.lock);
    *place(ctx) = entry;
    pthread_mutex_unlock(&table.lock);
    return 1;
}

int context_find(const void *ctx, struct instance **instance, enum slot *slot)
{
    const struct entry *entry;

    pthread_mutex_lock(&table.lock);
    entry = *place(ctx);
    if (entry != NULL) {
        *instance = entry->instance;
        *slot = entry->slot;
    }
    pthread_mutex_unlock(&table.lock);
    return entry != NULL;
}

void context_remove(const void *ctx)
{
    struct entry **at, *entry;

    pthread_mutex_lock(&table.lock);
    at = place(ctx);
    entry = *at;
    if (entry != NULL)
        *at = entry->next;
    pthread_mutex_unlock(&table.lock);
    OPENSSL_free(entry);
}
