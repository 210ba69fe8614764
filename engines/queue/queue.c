/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock-free queue in memory into the runtime, and one doorbell, rung only
 * when the runtime sleeps or is about to.
 *
 *      head --> newest --> ... --> oldest        pushed by wakers
 *      pending --> oldest --> ... --> newest     turned round by the runtime
 *
 * head is one word: 0 (nothing there, the runtime is awake), ASLEEP (nothing
 * there, the doorbell is armed), or the newest slot of a list.
 *
 *      waker    CAS  0 -> slot            done
 *               CAS  list -> slot -> list done
 *               CAS  ASLEEP -> slot       ring the doorbell
 *      runtime  XCHG anything -> 0        take all, disarm
 *               CAS  0 -> ASLEEP          arm; sleep only if this succeeds
 *
 * Why no wake-up is lost: all these are read-modify-writes of one word, so
 * they happen in one order. A push comes before the arming, then the arming's
 * CAS finds a list and fails; or after it, then that push or one between the
 * two replaced ASLEEP, and its thread rings. No fence is needed, since there
 * is no second flag to be ordered with. Pushers never pop and the runtime pops
 * everything, so there is no ABA either.
 *
 * At most one waker rings for each arming, and who does not ring is done with
 * state and slot once its CAS succeeded. So close need not know all wakers: it
 * waits until as many have rung (rings_done) as armings were used up
 * (rings_due). A ringer's last access to state is that count; only a
 * FUTEX_WAKE of its address may follow, which at worst wakes for no reason.
 *
 * The doorbell is a futex on rings_done. The runtime reads it before it arms:
 * the ring for that arming changes it, which ends the sleep or prevents it.
 *
 * Once fd() was called the doorbell is an eventfd, and arming is the state in
 * which wait leaves it. Each ring adds 1, so unread, the rings due or made
 * that have not been read, tells exactly whether a read is needed. The eventfd
 * is read only while disarmed, before arming: then it cannot swallow the ring
 * for a slot that has not been collected. A ring that comes late, for an
 * arming of the past, makes the eventfd readable for no reason, which is
 * harmless; unread remembers to clear it.
 */
#include "../kernel_wait.h"
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <switchyard/engine.h>
#include <switchyard/usdt.h>
#include <unistd.h>

#define ASLEEP ((uintptr_t)1)

struct queue_slot {
    uintptr_t next; /* 0: the end; ordered by the CAS and XCHG of head */
};
static_assert(sizeof(struct queue_slot) <= SY_ENGINE_SLOT_BYTES, "slot");

struct queue_state {
    atomic_uintptr_t head; /* wakers write it: alone on its line */

    /* Touched by the waker that rings only. */
    alignas(SY_CACHE_LINE) atomic_uint rings_done;
    atomic_int bell_plus_1; /* the eventfd; 0: none, use the futex */

    /* The runtime's own. */
    alignas(SY_CACHE_LINE) uintptr_t pending;
    uint64_t unread;
    unsigned rings_due;
    bool armed; /* head was set to ASLEEP and not yet exchanged */
    int bell;   /* -1 before fd() */
    pid_t owner;
    struct sy_engine_counts *counts;
};

static struct queue_slot *of(struct sy_engine_slot *slot)
{
    return (void *)slot->priv.bytes;
}

static int queue_probe(const char *variant, char *why, size_t why_bytes)
{
    (void)variant, (void)why, (void)why_bytes;
    return 0;
}

static int queue_open(void *state, const struct sy_engine_config *cfg)
{
    struct queue_state *q = state;

    q->bell = -1;
    q->owner = getpid();
    q->counts = cfg->counts;
    return 0;
}

/* Wait until every ring that is due was made. Short: a ringer is between two
   statements of ring(), or was preempted there. */
static void wait_for_ringers(struct queue_state *q)
{
    const struct timespec nap = {.tv_nsec = 50 * 1000};

    /* pairs with the release in ring() */
    for (unsigned tries = 0;
         atomic_load_explicit(&q->rings_done, memory_order_acquire) !=
         q->rings_due;
         tries++) {
        if (tries < 100)
            (void)sched_yield();
        else /* the ringer may have a lower real-time priority */
            (void)nanosleep(&nap, NULL);
    }
}

static void queue_close(void *state)
{
    struct queue_state *q = state;

    /* In the child of a fork the ringers do not exist. */
    if (getpid() == q->owner)
        wait_for_ringers(q);
    if (q->bell != -1)
        (void)close(q->bell);
}

static void ring(struct queue_state *q, const struct sy_engine_slot *slot)
{
    int bell = atomic_load_explicit(&q->bell_plus_1, memory_order_relaxed) - 1;

    SY_USDT3(doorbell, q, slot, bell);
    if (bell >= 0)
        sy__bell_ring(bell); /* before the count: then close may close it */
    /* pairs with the acquire in wait_for_ringers() */
    atomic_fetch_add_explicit(&q->rings_done, 1, memory_order_release);
    if (bell < 0)
        sy__futex_wake(&q->rings_done);
}

static void queue_wake(void *state, struct sy_engine_slot *slot)
{
    struct queue_state *q = state;
    uintptr_t head = atomic_load_explicit(&q->head, memory_order_relaxed);

    /* release: next, and what the waker wrote; pairs with gather().
       acquire: what the runtime wrote before it armed; pairs with arm(). */
    do
        of(slot)->next = head == ASLEEP ? 0 : head;
    while (!atomic_compare_exchange_weak_explicit(
        &q->head, &head, (uintptr_t)slot, memory_order_acq_rel,
        memory_order_relaxed));
    if (head == ASLEEP)
        ring(q, slot);
}

/* Move what was pushed to pending, which is empty, and disarm. An eventfd with
   nothing to clear stays armed while nothing was pushed. */
static void gather(struct queue_state *q)
{
    uintptr_t list = atomic_load_explicit(&q->head, memory_order_relaxed);

    if (list == 0 || (list == ASLEEP && q->bell != -1 && q->unread == 0))
        return;
    /* pairs with the release in queue_wake() */
    list = atomic_exchange_explicit(&q->head, 0, memory_order_acquire);
    if (q->armed) {
        q->armed = false;
        if (list == ASLEEP)
            return;
        q->rings_due++;
        q->unread += q->bell != -1;
    }
    while (list != 0) {
        struct queue_slot *slot = of((void *)list);
        uintptr_t older = slot->next;

        slot->next = q->pending;
        q->pending = list;
        list = older;
    }
}

static unsigned collect(struct queue_state *q, struct sy_engine_slot **ready,
                        unsigned max)
{
    unsigned n = 0;

    while (n < max) {
        if (q->pending == 0)
            gather(q);
        if (q->pending == 0)
            break;
        for (; n < max && q->pending != 0; n++) {
            ready[n] = (void *)q->pending;
            q->pending = of(ready[n])->next;
        }
    }
    return n;
}

/* Ask for a ring with the next push. False if there is something to collect. */
static bool arm(struct queue_state *q)
{
    uintptr_t none = 0;

    /* release: pairs with the acquire in queue_wake() */
    if (!q->armed)
        q->armed = atomic_compare_exchange_strong_explicit(
            &q->head, &none, ASLEEP, memory_order_release,
            memory_order_relaxed);
    return q->armed;
}

/* Leave the eventfd readable, with an edge for those who watch for edges. */
static void ring_own(struct queue_state *q)
{
    sy__count_call(q->counts, 0);
    sy__bell_ring(q->bell);
    q->unread++;
}

static int wait_on_futex(struct queue_state *q, struct sy_engine_slot **ready,
                         unsigned max, uint64_t timeout_ns)
{
    unsigned n = collect(q, ready, max);
    uint64_t deadline = n == 0 ? sy__deadline_ns(timeout_ns) : 0;
    int err = 0;

    while (n == 0 && timeout_ns != 0 && err == 0) {
        unsigned seen =
            atomic_load_explicit(&q->rings_done, memory_order_relaxed);

        if (arm(q)) {
            sy__count_call(q->counts, timeout_ns);
            err = sy__futex_wait(&q->rings_done, seen, deadline);
        }
        n = collect(q, ready, max);
    }
    if (n == 0 && err != 0 && err != -ETIMEDOUT && err != -EINTR)
        return err;
    return (int)n;
}

static int wait_on_bell(struct queue_state *q, struct sy_engine_slot **ready,
                        unsigned max, uint64_t timeout_ns)
{
    uint64_t deadline = sy__deadline_ns(timeout_ns);
    bool over = timeout_ns == 0;
    unsigned n = 0;

    for (;;) {
        n += collect(q, ready + n, max - n);
        if (n == max) {
            ring_own(q);
            return (int)n;
        }
        if (q->unread > 0) { /* disarmed, see gather() */
            sy__count_call(q->counts, 0);
            q->unread -= sy__bell_clear(q->bell);
        }
        if (!arm(q))
            continue;
        if (n > 0 || over)
            return (int)n;
        sy__count_call(q->counts, timeout_ns);
        over = sy__readable_wait(q->bell, sy__left_ns(deadline)) <= 0;
    }
}

static int queue_wait(void *state, struct sy_engine_slot **ready, unsigned max,
                      uint64_t timeout_ns)
{
    struct queue_state *q = state;

    return q->bell == -1 ? wait_on_futex(q, ready, max, timeout_ns)
                         : wait_on_bell(q, ready, max, timeout_ns);
}

static int queue_peek(void *state)
{
    const struct queue_state *q = state;

    /* The slots come with the exchange in gather(), this orders nothing. */
    return q->pending != 0 ||
           atomic_load_explicit(&q->head, memory_order_relaxed) > ASLEEP;
}

static int queue_fd(void *state, int *fd)
{
    struct queue_state *q = state;

    *fd = -1;
    if (q->bell == -1) {
        int bell = sy__bell_open();

        if (bell < 0)
            return bell;
        /* A late ring for the futex must not be counted as one to read. */
        wait_for_ringers(q);
        q->bell = bell;
        /* Wakers see it with the arming that makes them ring. */
        atomic_store_explicit(&q->bell_plus_1, bell + 1, memory_order_relaxed);
        if (q->pending != 0 || !arm(q))
            ring_own(q);
    }
    *fd = q->bell;
    return 0;
}

const struct sy_engine_ops sy_engine_queue = {
    .abi = SY_ENGINE_ABI,
    .caps = SY_EN_SIGNAL_SAFE | SY_EN_POLLABLE | SY_EN_BY_MEMORY,
    .name = "queue",
    .summary = "a lock-free queue in memory, one doorbell for the runtime",
    .state_bytes = sizeof(struct queue_state),
    .probe = queue_probe,
    .open = queue_open,
    .close = queue_close,
    .wake = queue_wake,
    .wait = queue_wait,
    .fd = queue_fd,
    .peek = queue_peek,
};
