/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of a peer: one of its jobs for each operation, woken by the device.
 * What is the peer's own is behind struct sy_peer_ops.
 */
#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/errors.h>

#include "../load_cycle.h"
#include "../peer.h"

/* What stays when a job ends, for the next one. */
struct place {
    struct sy__load *load;
    struct sy__op *op;
    struct place *next_free;
    int cannot; /* -errno: the peer has no more of what a job needs */

    alignas(max_align_t) unsigned char job[]; /* the peer's */
};

struct peer {
    const struct sy_peer_ops *ops;
    int is_open;
    void *state;
    unsigned char *places; /* load->jobs of them */
    size_t place_bytes;
    unsigned places_made;
    unsigned in_flight;
    struct place *free;
};

/* ---- inside the job ---------------------------------------------------- */

static void notify(struct sy_waker waker, void *user)
{
    struct place *p = user;
    const struct peer *peer = p->load->row;

    (void)waker;
    peer->ops->wake(p->job);
}

static int offload(struct place *p)
{
    const struct peer *peer = p->load->row;
    struct sy_device_op *dop = &p->op->device_op;
    int err = 0;

    p->cannot = peer->ops->arm(peer->state, p->job);
    if (p->cannot != 0)
        return p->cannot;
    memset(dop, 0, sizeof(*dop));
    dop->execute = sy__op_step;
    dop->arg = p->op;
    dop->notify = notify;
    dop->user = p;
    sy_device_submit(p->load->device, dop);
    do {
        int pause_err = peer->ops->pause(peer->state, p->job);

        if (pause_err != 0)
            err = pause_err;
    } while (!sy_device_op_done(dop));
    return err != 0 ? err : dop->status;
}

static int body(void *user)
{
    struct place *p = user;
    struct sy__op *op = p->op;
    int err = 0;

    for (op->step = 0; op->step < op->ops->steps && err == 0; op->step++) {
        if (sy__op_offloaded(op, op->step))
            err = offload(p);
        else
            err = sy__op_step(op);
    }
    return err;
}

/* ---- starting and ending ------------------------------------------------ */

/* Say which resource ran out, with the figures. */
static void explain(struct sy__load *load, int err)
{
    const struct peer *peer = load->row;
    unsigned fit = peer->places_made - 1;

    if (err == -EMFILE || err == -ENFILE)
        sy__load_skip(load,
                      "%s needs descriptors for each job and the process may "
                      "have %u: %u of %u jobs could be started",
                      peer->ops->name, load->out->fd_limit, fit, load->jobs);
    else
        sy__load_skip(load, "%u of %u jobs could be started: %s", fit,
                      load->jobs, sy_strerror(err));
}

static void free_place(struct peer *peer, struct place *p)
{
    peer->in_flight--;
    p->next_free = peer->free;
    peer->free = p;
}

static void ended(void *user, int result)
{
    struct place *p = user;
    struct sy__load *load = p->load;

    free_place(load->row, p);
    if (p->cannot == 0) {
        sy__load_finish(load, p->op, result);
        return;
    }
    explain(load, p->cannot);
    sy__load_give_back(load, p->op);
}

static struct place *take_place(struct sy__load *load)
{
    struct peer *peer = load->row;
    struct place *p = peer->free;

    if (p != NULL) {
        peer->free = p->next_free;
    } else {
        /* No more than load->jobs are in flight. */
        p = (void *)(peer->places + peer->place_bytes * peer->places_made++);
        p->load = load;
    }
    peer->in_flight++;
    return p;
}

static void start_more(struct sy__load *load)
{
    struct peer *peer = load->row;
    struct sy__op *op;

    while (peer->in_flight < load->jobs && (op = sy__load_take(load)) != NULL) {
        struct place *p = take_place(load);
        int err;

        p->op = op;
        p->cannot = 0;
        err = peer->ops->start(peer->state, p->job, p);
        if (err == 0)
            continue;
        free_place(peer, p);
        explain(load, err);
        sy__load_give_back(load, op);
    }
}

/* ---- the loop ---------------------------------------------------------- */

static void loop(struct sy__load *load)
{
    const struct peer *peer = load->row;

    for (;;) {
        uint64_t next;
        int n;

        start_more(load);
        if (peer->in_flight == 0)
            return;
        sy_device_poll_for(load->device, peer->in_flight, &next);
        /* Only another thread can end a sleep of the peer's. Until the next
           event of a polled device it is the load's clock that sleeps. */
        n = peer->ops->run(peer->state, next == SY_FOREVER ? SY__LOOK_NS : 0);
        if (n == 0 && next != SY_FOREVER)
            sy__load_sleep(load, next);
        if (n < 0) {
            sy__load_fail(load, NULL, "%s broke down: %s", peer->ops->name,
                          sy_strerror(n));
            return;
        }
    }
}

static int open_peer(struct sy__load *load)
{
    struct peer *peer = load->row;
    const struct sy_peer_config cfg = {
        .jobs = load->jobs,
        .stack_bytes = load->exp->stack_bytes,
        .body = body,
        .ended = ended,
    };
    const size_t align = alignof(max_align_t);

    peer->place_bytes = sizeof(struct place) +
                        (peer->ops->job_bytes + align - 1) / align * align;
    peer->state = calloc(1, peer->ops->state_bytes);
    peer->places = calloc(load->jobs, peer->place_bytes);
    if (peer->state == NULL || peer->places == NULL)
        return -ENOMEM;
    return peer->ops->open(peer->state, &cfg);
}

static void run(struct sy__load *load)
{
    const struct sy_peer_ops *ops = load->exp->peer;
    char why[SY_OUTCOME_TEXT_BYTES / 2];
    const char *switches_by;
    struct peer *peer;
    int err;

    if (sy_peer_probe(ops, &switches_by, why, sizeof(why)) != 0) {
        sy__load_skip(load, "%s", why);
        return;
    }
    (void)snprintf(load->out->peer_switch, sizeof(load->out->peer_switch), "%s",
                   switches_by);
    peer = calloc(1, sizeof(*peer));
    if (peer == NULL) {
        sy__load_skip(load, "no memory");
        return;
    }
    peer->ops = ops;
    load->row = peer;
    err = open_peer(load);
    if (err != 0) {
        sy__load_skip(load, "%s could not be opened: %s", ops->name,
                      sy_strerror(err));
        return;
    }
    peer->is_open = 1;
    loop(load);
}

static void release(struct sy__load *load)
{
    struct peer *peer = load->row;

    if (peer == NULL)
        return;
    if (peer->is_open)
        peer->ops->close(peer->state);
    free(peer->places);
    free(peer->state);
    free(peer);
}

const struct sy__row_ops sy__row_peer = {
    .name = "peer",
    .summary = "a runtime of other people, with jobs and wake-ups of its own",
    .uses_device = 1,
    .run = run,
    .release = release,
};
