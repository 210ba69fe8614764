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

struct spare_state {
    struct spare_state *next;
    size_t bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct chunk *chunks;
static struct sy_job *spare_slots;
static struct spare_state *spare_states;

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

/* At least one line: a spare state holds its own list entry. */
static size_t whole_lines(size_t bytes)
{
    return (bytes / SY_CACHE_LINE + 1) * SY_CACHE_LINE;
}

void *sy__state_take(size_t bytes)
{
    struct spare_state **at, *state;

    bytes = whole_lines(bytes);
    sy__slots_lock();
    for (at = &spare_states; *at != NULL; at = &(*at)->next) {
        if ((*at)->bytes == bytes)
            break;
    }
    state = *at;
    if (state != NULL)
        *at = state->next;
    sy__slots_unlock();
    if (state == NULL)
        state = aligned_alloc(SY_CACHE_LINE, bytes);
    if (state != NULL)
        memset(state, 0, bytes);
    return state;
}

void sy__state_give(void *state, size_t bytes)
{
    struct spare_state *spare = state;

    bytes = whole_lines(bytes);
    sy__slots_lock();
    spare->bytes = bytes;
    spare->next = spare_states;
    spare_states = spare;
    sy__slots_unlock();
}
