/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine without a kernel: wake sets a flag in the slot, wait looks at the
 * flag of every slot, again and again. Cheapest to wake, dearest to wait.
 *
 * There is no queue, so "oldest first" cannot be known: the scan goes on where
 * the last one stopped, and so passes nobody over.
 */
#include "../kernel_wait.h"
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <switchyard/engine.h>

/* Fruitless scans before the processor is offered to others, each round. */
#define SCANS_PER_YIELD 32u

struct poll_slot {
    atomic_uint woken;
    uint32_t place; /* in poll_state.slots */
};
static_assert(sizeof(struct poll_slot) <= SY_ENGINE_SLOT_BYTES, "slot");

struct poll_state {
    struct sy_engine_slot **slots;
    uint32_t count, room;
    uint32_t next; /* where the next scan begins */
    struct sy_engine_counts *counts;
};

static struct poll_slot *of(struct sy_engine_slot *slot)
{
    return (void *)slot->priv.bytes;
}

static int poll_probe(const char *variant, char *why, size_t why_bytes)
{
    (void)variant, (void)why, (void)why_bytes;
    return 0;
}

static int poll_open(void *state, const struct sy_engine_config *cfg)
{
    struct poll_state *p = state;

    p->counts = cfg->counts;
    return 0;
}

static void poll_close(void *state)
{
    struct poll_state *p = state;

    free(p->slots);
}

static int poll_attach(void *state, struct sy_engine_slot *slot)
{
    struct poll_state *p = state;

    if (p->count == p->room) {
        uint32_t room = p->room == 0 ? 64 : 2 * p->room;
        void *slots = realloc(p->slots, room * sizeof(*p->slots));

        if (slots == NULL)
            return -ENOMEM;
        p->slots = slots;
        p->room = room;
    }
    of(slot)->place = p->count;
    p->slots[p->count++] = slot;
    return 0;
}

static void poll_detach(void *state, struct sy_engine_slot *slot)
{
    struct poll_state *p = state;
    struct sy_engine_slot *last = p->slots[--p->count];

    p->slots[of(slot)->place] = last;
    of(last)->place = of(slot)->place;
}

static void poll_wake(void *state, struct sy_engine_slot *slot)
{
    (void)state;
    /* pairs with the acquire in scan() */
    atomic_store_explicit(&of(slot)->woken, 1, memory_order_release);
}

static unsigned scan(struct poll_state *p, struct sy_engine_slot **ready,
                     unsigned max)
{
    uint32_t at = p->next < p->count ? p->next : 0;
    unsigned n = 0;

    for (uint32_t left = p->count; left > 0 && n < max; left--) {
        atomic_uint *woken = &of(p->slots[at])->woken;

        /* pairs with the release in poll_wake() */
        if (atomic_load_explicit(woken, memory_order_acquire) != 0) {
            /* The next wake comes after wait has returned this slot. */
            atomic_store_explicit(woken, 0, memory_order_relaxed);
            ready[n++] = p->slots[at];
        }
        if (++at == p->count)
            at = 0;
    }
    p->next = at;
    return n;
}

static int poll_wait(void *state, struct sy_engine_slot **ready, unsigned max,
                     uint64_t timeout_ns)
{
    struct poll_state *p = state;
    uint64_t deadline = 0;
    unsigned n = scan(p, ready, max);

    if (n > 0 || timeout_ns == 0)
        return (int)n;
    deadline = sy__deadline_ns(timeout_ns);
    do {
        for (unsigned i = 0; n == 0 && i < SCANS_PER_YIELD; i++)
            n = scan(p, ready, max);
        if (n > 0)
            return (int)n;
        sy__count_call(p->counts, 0);
        (void)sched_yield();
    } while (sy__left_ns(deadline) > 0);
    return (int)scan(p, ready, max);
}

const struct sy_engine_ops sy_engine_poll = {
    .abi = SY_ENGINE_ABI,
    .caps = SY_EN_SIGNAL_SAFE | SY_EN_BUSY_WAIT | SY_EN_BASELINE,
    .name = "poll",
    .summary = "a flag per job that wait scans without sleeping",
    .state_bytes = sizeof(struct poll_state),
    .probe = poll_probe,
    .open = poll_open,
    .close = poll_close,
    .attach = poll_attach,
    .detach = poll_detach,
    .wake = poll_wake,
    .wait = poll_wait,
};
