/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting on eventfds by io_uring: a multishot poll is armed on each of them,
 * and posts one completion for each write.
 *
 * A multishot poll may end by itself, when the completion ring is full or
 * memory is short. Its last completion says so, and may stand for a write or
 * not; the poll is armed again. What was written meanwhile is told by the
 * eventfd's count, as compared with the number of wake-ups collected. It is
 * read then and only then.
 *
 * What the kernel refers to is not the slot but a record, which lives until
 * the last completion of its poll has been seen: the slot may be detached and
 * attached anew before that.
 *
 * The ring is a plain one. With IORING_SETUP_DEFER_TASKRUN its descriptor does
 * not become readable for a foreign loop until its owner enters the ring (seen
 * on Linux 6.18). With IORING_SETUP_COOP_TASKRUN a poll that a job's own OS
 * thread has armed is not looked at while that thread waits for its turn.
 */
#include "eventfd_way.h"

#include "../kernel_wait.h"
#include "../uring_library.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SQ_ENTRIES 64u
#define CQ_ENTRIES 4096u

struct record {
    struct record *next, *previous;
    struct sy_engine_slot *slot; /* NULL: detached */
    uint64_t collected;          /* since the eventfd was read */
};

struct uring_way {
    struct io_uring ring;
    struct record *records;
    struct sy_engine_counts *counts;
    bool foreign; /* fd() was called */
};
_Static_assert(sizeof(struct uring_way) <= EVENTFD_WAY_BYTES, "way");

static int uring_open(void *w, struct sy_engine_counts *counts)
{
    struct uring_way *u = w;

    u->counts = counts;
    return sy__uring_open(&u->ring, SQ_ENTRIES, CQ_ENTRIES);
}

static void drop(struct uring_way *u, struct record *r)
{
    if (r->previous != NULL)
        r->previous->next = r->next;
    else
        u->records = r->next;
    if (r->next != NULL)
        r->next->previous = r->previous;
    free(r);
}

static void uring_close(void *w)
{
    struct uring_way *u = w;

    sy__uring_close(&u->ring);
    while (u->records != NULL)
        drop(u, u->records);
}

/* Returns false where the kernel refuses submissions, see uring_library.h. */
static bool prepare_poll(struct uring_way *u, struct record *r)
{
    struct io_uring_sqe *sqe = sy__uring_sqe(&u->ring);

    if (sqe == NULL)
        return false;
    io_uring_prep_poll_multishot(sqe, sy__eventfd_of(r->slot)->fd, POLLIN);
    io_uring_sqe_set_data(sqe, r);
    return true;
}

static int add(void *w, struct sy_engine_slot *slot)
{
    struct uring_way *u = w;
    struct record *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return -ENOMEM;
    r->slot = slot;
    r->next = u->records;
    if (r->next != NULL)
        r->next->previous = r;
    u->records = r;
    sy__eventfd_of(slot)->way_data = r;
    if (!prepare_poll(u, r)) {
        drop(u, r);
        return -EAGAIN;
    }
    (void)sy__uring_submit(&u->ring);
    return 0;
}

/* The record goes with the last completion of the poll, or with the ring. */
static void take_out(void *w, struct sy_engine_slot *slot)
{
    struct uring_way *u = w;
    struct record *r = sy__eventfd_of(slot)->way_data;
    struct io_uring_sqe *sqe = sy__uring_sqe(&u->ring);

    r->slot = NULL;
    if (sqe == NULL)
        return;
    io_uring_prep_rw(IORING_OP_POLL_REMOVE, sqe, -1, NULL, 0, 0);
    sqe->addr = (uintptr_t)r;
    io_uring_sqe_set_data(sqe, NULL);
    (void)sy__uring_submit(&u->ring);
}

static bool next_completion(struct io_uring *ring, struct io_uring_cqe *out)
{
    struct io_uring_cqe *cqe;
    unsigned head;

    io_uring_for_each_cqe(ring, head, cqe)
    {
        out->user_data = cqe->user_data;
        out->res = cqe->res;
        out->flags = cqe->flags;
        io_uring_cq_advance(ring, 1);
        return true;
    }
    return false;
}

/* A poll that ended: arm it again. Returns whether its slot was woken. */
static bool renew(struct uring_way *u, struct record *r)
{
    uint64_t written;

    u->counts->syscalls++;
    written = sy__bell_clear(sy__eventfd_of(r->slot)->fd);
    written -= r->collected;
    r->collected = 0;
    (void)prepare_poll(u, r); /* if that fails, waiting does too, and says so */
    return written > 0;
}

static unsigned collect(void *w, struct sy_engine_slot **ready, unsigned max)
{
    struct uring_way *u = w;
    struct io_uring_cqe cqe;
    unsigned n = 0;

    while (n < max && next_completion(&u->ring, &cqe)) {
        struct record *r = io_uring_cqe_get_data(&cqe);
        bool ended = (cqe.flags & IORING_CQE_F_MORE) == 0;

        if (r == NULL)
            continue; /* a poll's removal, or ring_own() */
        if (r->slot == NULL) {
            if (ended)
                drop(u, r);
        } else if (!ended) {
            r->collected++;
            ready[n++] = r->slot;
        } else if (renew(u, r)) {
            ready[n++] = r->slot;
        }
    }
    u->counts->syscalls += sy__uring_submit(&u->ring);
    return n;
}

static int uring_wait(void *w, struct sy_engine_slot **ready, unsigned max,
                      uint64_t timeout_ns)
{
    struct uring_way *u = w;
    int n =
        sy__uring_wait(&u->ring, u, collect, ready, max, timeout_ns, u->counts);

    /* Leave the ring readable, with an edge for those who watch for edges. */
    if (u->foreign && n == (int)max) {
        struct io_uring_sqe *sqe = sy__uring_sqe(&u->ring);

        if (sqe != NULL) {
            io_uring_prep_nop(sqe);
            io_uring_sqe_set_data(sqe, NULL);
            u->counts->syscalls += sy__uring_submit(&u->ring);
        }
    }
    return n;
}

static int uring_fd(void *w, int *fd)
{
    struct uring_way *u = w;

    u->foreign = true;
    *fd = u->ring.ring_fd;
    return 0;
}

/* Carry one wake-up through a ring of our own: nothing else tells for certain
   whether kernel and filters let it pass. */
static int uring_probe(const char *variant, char *why, size_t why_bytes)
{
    struct sy_engine_counts counts = {0, 0};
    struct sy_engine_slot slot = {.index = 0}, *ready = NULL;
    struct uring_way u = {.counts = &counts};
    int fd, n, err = uring_open(&u, &counts);

    (void)variant;
    if (sy__uring_is_shortage(err))
        return 0;
    if (err != 0) {
        sy__uring_explain(err, why, why_bytes);
        return -ENOTSUP;
    }
    fd = sy__bell_open();
    sy__eventfd_of(&slot)->fd = fd;
    n = fd < 0 ? fd : add(&u, &slot);
    if (n == 0) {
        sy__bell_ring(fd);
        n = uring_wait(&u, &ready, 1, SY_NS_PER_S);
    }
    uring_close(&u);
    if (fd >= 0)
        (void)close(fd);
    if ((n == 1 && ready == &slot) || sy__uring_is_shortage(n))
        return 0;
    (void)snprintf(why, why_bytes,
                   "no multishot poll on an eventfd (Linux 5.13): result %d",
                   n);
    return -ENOTSUP;
}

const struct eventfd_way sy__eventfd_uring = {
    .name = "io_uring",
    .probe = uring_probe,
    .open = uring_open,
    .close = uring_close,
    .add = add,
    .remove = take_out,
    .wait = uring_wait,
    .fd = uring_fd,
};
