/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row "blocking": submit each offloaded step and sleep until it is done,
 * as code does that knows nothing of pausing.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../load_cycle.h"

struct blocking {
    sem_t done;
};

static void notify(struct sy_waker waker, void *user)
{
    struct blocking *b = user;

    (void)waker;
    sem_post(&b->done);
}

/* Sleep until another thread posts, or for long enough to look around. */
static void sleep_a_while(struct blocking *b)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    while (sem_timedwait(&b->done, &until) == -1 && errno == EINTR) {
    }
}

static int offload(struct sy__load *load, struct sy__op *op)
{
    struct blocking *b = load->row;
    struct sy_device_op *dop = &op->device_op;

    memset(dop, 0, sizeof(*dop));
    dop->execute = sy__op_step;
    dop->arg = op;
    dop->notify = notify;
    dop->user = b;
    sy_device_submit(load->device, dop);
    while (!sy_device_op_done(dop)) {
        uint64_t next;

        /* A device without a thread is moved on from here. */
        if (sy_device_poll(load->device, &next) > 0)
            continue;
        if (next == SY_FOREVER)
            sleep_a_while(b);
        else
            sy__load_sleep(load, next);
    }
    return dop->status;
}

static int perform(struct sy__load *load, struct sy__op *op)
{
    int err = 0;

    for (op->step = 0; op->step < op->ops->steps && err == 0; op->step++) {
        if (sy__op_offloaded(op, op->step))
            err = offload(load, op);
        else
            err = sy__op_step(op);
    }
    return err;
}

static void run(struct sy__load *load)
{
    struct blocking *b = calloc(1, sizeof(*b));
    struct sy__op *op;

    if (b == NULL || sem_init(&b->done, 0, 0) == -1) {
        free(b);
        sy__load_skip(load, "no memory");
        return;
    }
    load->row = b;
    while ((op = sy__load_take(load)) != NULL)
        sy__load_finish(load, op, perform(load, op));
}

static void release(struct sy__load *load)
{
    struct blocking *b = load->row;

    if (b == NULL)
        return;
    sem_destroy(&b->done);
    free(b);
}

const struct sy__row_ops sy__row_blocking = {
    .name = "blocking",
    .summary = "submit to the device and sleep until it is done, one at a time",
    .one_at_a_time = 1,
    .uses_device = 1,
    .run = run,
    .release = release,
};
