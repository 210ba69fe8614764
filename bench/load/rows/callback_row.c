/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row "callback": the program that one would write by hand, with a state
 * machine for each operation and no stack switch. Completions come back on a
 * lock-free list; an eventfd is the doorbell, rung only while the loop sleeps.
 * It is the floor of what any switcher can reach.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../load_cycle.h"

struct callback {
    /* Completed operations, newest first; pushed by any thread. */
    _Atomic(struct sy__op *) completed;
    _Atomic int sleeping;
    int doorbell;
    unsigned in_flight;
};

static void notify(struct sy_waker waker, void *user)
{
    struct sy__op *op = user;
    struct callback *cb = op->row;
    struct sy__op *head =
        atomic_load_explicit(&cb->completed, memory_order_relaxed);

    (void)waker;
    /* op is the loop's as soon as it is on the list. Sequentially consistent
       with the load below: pairs with the two in wait_for_doorbell(). */
    do
        op->next = head;
    while (!atomic_compare_exchange_weak_explicit(
        &cb->completed, &head, op, memory_order_seq_cst, memory_order_relaxed));
    if (atomic_load_explicit(&cb->sleeping, memory_order_seq_cst)) {
        const uint64_t one = 1;

        while (write(cb->doorbell, &one, sizeof(one)) == -1 && errno == EINTR) {
        }
    }
}

/* Take the list of completed operations, oldest first. */
static struct sy__op *collect(struct callback *cb)
{
    struct sy__op *list, *sorted = NULL;

    if (atomic_load_explicit(&cb->completed, memory_order_relaxed) == NULL)
        return NULL;
    /* acquire: pairs with the exchange in notify() */
    list = atomic_exchange_explicit(&cb->completed, NULL, memory_order_acquire);
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

static void wait_for_doorbell(struct callback *cb)
{
    struct pollfd p = {.fd = cb->doorbell, .events = POLLIN};
    uint64_t rung;

    /* Either notify() sees sleeping, or the load below sees its operation. */
    atomic_store_explicit(&cb->sleeping, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&cb->completed, memory_order_seq_cst) == NULL)
        poll(&p, 1, (int)(SY__LOOK_NS / SY_NS_PER_MS));
    atomic_store_explicit(&cb->sleeping, 0, memory_order_relaxed);
    if ((p.revents & POLLIN) != 0 &&
        read(cb->doorbell, &rung, sizeof(rung)) == -1) {
        /* It is not blocking: somebody rang late. The next poll sees it. */
    }
}

static void loop(struct sy__load *load)
{
    struct callback *cb = load->row;

    for (;;) {
        struct sy__op *op, *next_op;
        uint64_t next;

        start_more(load);
        if (cb->in_flight == 0)
            return;
        sy_device_poll(load->device, &next);
        op = collect(cb);
        if (op == NULL && next == SY_FOREVER)
            wait_for_doorbell(cb);
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
    cb->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cb->doorbell == -1) {
        sy__load_skip(load, "no file descriptor for the doorbell: %s",
                      strerror(errno));
        free(cb);
        return;
    }
    load->row = cb;
    loop(load);
}

static void release(struct sy__load *load)
{
    struct callback *cb = load->row;

    if (cb == NULL)
        return;
    close(cb->doorbell);
    free(cb);
}

const struct sy__row_ops sy__row_callback = {
    .name = "callback",
    .summary = "a state machine by hand, completions by callback, no stack "
               "switch",
    .uses_device = 1,
    .run = run,
    .release = release,
};
