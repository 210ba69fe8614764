/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that wakers may read for as long as the process lives: job slots and
 * the state of engines. It is reused, but never for anything else.
 */
#include "core.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One allocation holds at least this many slots, so that they lie densely. */
#define CHUNK_SLOTS 64

struct chunk { /* first in its allocation, so that leak checkers see it */
    struct chunk *next;
};

/* Lies before the state of an engine. */
struct state_head {
    _Alignas(SY_CACHE_LINE) const struct sy_engine_ops *engine; /* whose */
    size_t bytes;
    struct state_head *next; /* while it is spare */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct chunk *chunks;
static struct sy_job *spare_slots;
static struct state_head *spare_states;

void sy__slots_lock(void)
{
    pthread_mutex_lock(&lock);
}

void sy__slots_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* Room for n slots behind a chunk header that is padded to a slot's size. */
static bool add_chunk(uint32_t n)
{
    struct chunk *chunk;
    struct sy_job *slots;

    if (n < CHUNK_SLOTS)
        n = CHUNK_SLOTS;
    /* calloc() does not write to memory that is fresh from the kernel. */
    chunk = calloc((size_t)n + 2, sizeof(*slots));
    if (chunk == NULL)
        return false;
    chunk->next = chunks;
    chunks = chunk;
    slots = (struct sy_job *)(void *)((char *)chunk + sizeof(*slots) -
                                      (uintptr_t)chunk % SY_CACHE_LINE);
    while (n-- > 0) {
        slots[n].link = spare_slots;
        spare_slots = &slots[n];
    }
    return true;
}

struct sy_job *sy__slots_take(uint32_t n)
{
    struct sy_job *list = NULL, **end = &list;

    sy__slots_lock();
    while (n > 0) {
        if (spare_slots == NULL && !add_chunk(n))
            break;
        *end = spare_slots;
        end = &spare_slots->link;
        spare_slots = spare_slots->link;
        n--;
    }
    if (n > 0) { /* not enough: put them back */
        *end = spare_slots;
        spare_slots = list;
        list = NULL;
    } else {
        *end = NULL;
    }
    sy__slots_unlock();
    return list;
}

void sy__slots_give(struct sy_job *slot)
{
    sy__slots_lock();
    slot->rt = NULL;
    slot->link = spare_slots;
    spare_slots = slot;
    sy__slots_unlock();
}

static struct state_head *head_of(void *state)
{
    return (struct state_head *)state - 1;
}

/* Take a spare one of this size. NULL: there is none. */
static struct state_head *take_spare(size_t bytes)
{
    struct state_head **at, *head;

    sy__slots_lock();
    for (at = &spare_states; *at != NULL; at = &(*at)->next) {
        if ((*at)->bytes == bytes)
            break;
    }
    head = *at;
    if (head != NULL)
        *at = head->next;
    sy__slots_unlock();
    return head;
}

void *sy__state_take(const struct sy_engine_ops *engine)
{
    size_t bytes = (engine->state_bytes + SY_CACHE_LINE - 1) / SY_CACHE_LINE *
                   SY_CACHE_LINE;
    struct state_head *head = take_spare(bytes);

    if (head == NULL)
        head = aligned_alloc(SY_CACHE_LINE, sizeof(*head) + bytes);
    if (head == NULL)
        return NULL;
    head->engine = engine;
    head->bytes = bytes;
    return memset(head + 1, 0, bytes);
}

void sy__state_give(void *state)
{
    struct state_head *head = head_of(state);

    sy__slots_lock();
    head->next = spare_states;
    spare_states = head;
    sy__slots_unlock();
}

const struct sy_engine_ops *sy__engine_of(void *state)
{
    return head_of(state)->engine;
}
