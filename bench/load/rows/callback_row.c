/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row "callback": the program that one would write by hand, with a state
 * machine for each operation and no stack switch. Completions come back as in
 * the engine "queue", on a lock-free list with a futex for a doorbell, which is
 * rung only when the loop sleeps or is about to. So it is the floor of what any
 * switcher can reach.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../load_cycle.h"

/* In head: nothing was completed, and who completes something rings. */
#define ASLEEP ((uintptr_t)1)

struct callback {
    /* 0, ASLEEP, or the newest of the completed operations; pushed by any
       thread. One word, so that no fence is needed between a push and the look
       at the doorbell. */
    atomic_uintptr_t head;
    atomic_uint rings; /* the futex */
    unsigned in_flight;
};

static void ring(struct callback *cb)
{
    /* relaxed: a number that differs is all that is told */
    atomic_fetch_add_explicit(&cb->rings, 1, memory_order_relaxed);
    (void)syscall(SYS_futex, &cb->rings, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void notify(struct sy_waker waker, void *user)
{
    struct sy__op *op = user;
    struct callback *cb = op->row;
    uintptr_t head = atomic_load_explicit(&cb->head, memory_order_relaxed);

    (void)waker;
    /* op is the loop's as soon as it is on the list.
       release: pairs with the exchange in collect().
       acquire: pairs with the arming in wait_for_doorbell(). */
    do
        op->next = head == ASLEEP ? NULL : (struct sy__op *)head;
    while (!atomic_compare_exchange_weak_explicit(
        &cb->head, &head, (uintptr_t)op, memory_order_acq_rel,
        memory_order_relaxed));
    if (head == ASLEEP)
        ring(cb);
}

static void rouse(struct sy__load *load)
{
    ring(load->row);
}

/* Take the list of completed operations, oldest first. */
static struct sy__op *collect(struct callback *cb)
{
    uintptr_t head = atomic_load_explicit(&cb->head, memory_order_relaxed);
    struct sy__op *list, *sorted = NULL;

    if (head == 0)
        return NULL;
    /* acquire: pairs with the CAS in notify() */
    head = atomic_exchange_explicit(&cb->head, 0, memory_order_acquire);
    list = head == ASLEEP ? NULL : (struct sy__op *)head;
    while (list != NULL) {
        struct sy__op *next = list->next;

        list->next = sorted;
        sorted = list;
        list = next;
    }
    return sorted;
}

/* Run the machine of one operation up to its next offloaded step or its end. */
static void advance(struct sy__load *load, struct sy__op *op, int err)
{
    struct callback *cb = load->row;
    struct sy_device_op *dop = &op->device_op;

    while (err == 0 && op->step < op->ops->steps) {
        if (sy__op_offloaded(op, op->step)) {
            memset(dop, 0, sizeof(*dop));
            dop->execute = sy__op_step;
            dop->arg = op;
            dop->notify = notify;
            dop->user = op;
            sy_device_submit(load->device, dop);
            return;
        }
        err = sy__op_step(op);
        op->step++;
    }
    cb->in_flight--;
    sy__load_finish(load, op, err);
}

static void start_more(struct sy__load *load)
{
    struct callback *cb = load->row;
    struct sy__op *op;

    while (cb->in_flight < load->jobs && (op = sy__load_take(load)) != NULL) {
        op->row = cb;
        cb->in_flight++;
        advance(load, op, 0);
    }
}

static void wait_for_doorbell(struct sy__load *load)
{
    struct callback *cb = load->row;
    /* Before it is said that we sleep: a ring from then on changes it. */
    unsigned seen = atomic_load_explicit(&cb->rings, memory_order_relaxed);
    uint64_t idle_ns = sy__load_idle_ns(load, SY_FOREVER);
    const struct timespec look = {.tv_nsec = (long)idle_ns};
    uintptr_t none = 0;

    if (idle_ns == 0)
        return;
    /* Either the arming succeeds, and the ring of the next push changes what
       was seen, which ends the sleep or prevents it; or something was pushed.
       release: pairs with the acquire in notify() */
    if (atomic_compare_exchange_strong_explicit(&cb->head, &none, ASLEEP,
                                                memory_order_release,
                                                memory_order_relaxed))
        (void)syscall(SYS_futex, &cb->rings, FUTEX_WAIT_PRIVATE, seen, &look,
                      NULL, 0);
}

static void loop(struct sy__load *load)
{
    struct callback *cb = load->row;

    for (;;) {
        struct sy__op *op, *next_op;
        uint64_t next;

        start_more(load);
        if (cb->in_flight == 0 && load->phase == SY__DRAIN)
            return;
        sy_device_poll_for(load->device, cb->in_flight, &next);
        op = collect(cb);
        if (op == NULL && next == SY_FOREVER)
            wait_for_doorbell(load);
        else if (op == NULL)
            sy__load_sleep(load, next);
        for (; op != NULL; op = next_op) {
            next_op = op->next;
            op->step++;
            advance(load, op, op->device_op.status);
        }
    }
}

static void run(struct sy__load *load)
{
    struct callback *cb = calloc(1, sizeof(*cb));

    if (cb == NULL) {
        sy__load_skip(load, "no memory");
        return;
    }
    load->row = cb;
    load->rouse = rouse;
    loop(load);
}

static void release(struct sy__load *load)
{
    free(load->row);
}

const struct sy__row_ops sy__row_callback = {
    .name = "callback",
    .summary = "a state machine by hand, completions by callback, no stack "
               "switch",
    .uses_device = 1,
    .run = run,
    .release = release,
};
