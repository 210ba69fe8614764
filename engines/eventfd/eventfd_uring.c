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
 * With IORING_SETUP_DEFER_TASKRUN, or else IORING_SETUP_COOP_TASKRUN, a busy
 * runtime is not interrupted for each write: a flag in the ring's memory tells
 * that there are some, and one enter collects them all. Both need hooks on one
 * thread: a poll that a job's own OS thread has armed is not looked at while
 * that thread waits for its turn. And the descriptor of such a ring does not
 * become readable for a foreign loop until its owner enters the ring (seen on
 * Linux 6.18). So fd() moves all polls to a plain ring, and so
 * does a hook that is called on another thread.
 */
#include "eventfd_way.h"

#include "../kernel_wait.h"
#include "../uring_library.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const unsigned own_loop_setups[] = {
    IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER |
        IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};
static const unsigned plain_setups[] = {0};

static struct sy__uring_plan plan_for(bool own_loop)
{
    return (struct sy__uring_plan){
        .entries = 64,
        .cq_entries = 4096,
        .setups = own_loop ? own_loop_setups : plain_setups,
        .registers = own_loop,
    };
}

struct record {
    struct record *next, *previous;
    struct sy_engine_slot *slot; /* NULL: detached */
    uint64_t collected;          /* since the eventfd was read */
};

struct uring_way {
    struct sy__uring ring;
    struct record *records;
    struct sy_engine_counts *counts;
    bool foreign; /* fd() was called */
    bool once;    /* no multishot poll: before Linux 5.13 */
};
_Static_assert(sizeof(struct uring_way) <= EVENTFD_WAY_BYTES, "way");

static int uring_open(void *w, const struct sy_engine_config *cfg)
{
    struct uring_way *u = w;
    struct sy__uring_plan plan;

    u->counts = cfg->counts;
    plan = plan_for((cfg->flags & SY_EN_SAME_THREAD) != 0);
    return sy__uring_open(&u->ring, &plan);
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
    io_uring_prep_poll_add(sqe, sy__eventfd_of(r->slot)->fd, POLLIN);
    if (!u->once)
        sqe->len = IORING_POLL_ADD_MULTI;
    io_uring_sqe_set_data(sqe, r);
    return true;
}

/* Reset the eventfd. Returns whether a wake-up in it was not collected yet. */
static bool settle(struct uring_way *u, struct record *r)
{
    uint64_t written = sy__bell_clear(sy__eventfd_of(r->slot)->fd);

    u->counts->syscalls++;
    written -= r->collected;
    r->collected = 0;
    return written > 0;
}

/*
 * Take all polls to a plain ring, if they are not in one. The old one is closed
 * first, so that no event is told twice; what it had not told yet is in the
 * eventfds' counts, and is written anew.
 */
static int move_to_plain(struct uring_way *u)
{
    struct sy__uring_plan plan = plan_for(false);
    struct sy__uring plain;
    struct record *r, *next;
    int err;

    if (u->ring.flags == 0)
        return 0;
    err = sy__uring_open(&plain, &plan);
    if (err != 0)
        return err;
    sy__uring_close(&u->ring);
    u->ring = plain;
    for (r = u->records; r != NULL; r = next) {
        next = r->next;
        if (r->slot == NULL) {
            drop(u, r); /* its last completion went with the ring */
            continue;
        }
        if (settle(u, r)) {
            u->counts->syscalls++;
            sy__bell_ring(sy__eventfd_of(r->slot)->fd);
        }
        if (!prepare_poll(u, r))
            return -EAGAIN;
    }
    u->counts->syscalls += sy__uring_submit(&u->ring);
    return 0;
}

/* The job of another runtime, on an OS thread of its own, may drive this one;
   the ring may not be entered there, unless it is a plain one. */
static int follow_thread(struct uring_way *u)
{
    return sy__uring_is_here(&u->ring) ? 0 : move_to_plain(u);
}

static int add(void *w, struct sy_engine_slot *slot)
{
    struct uring_way *u = w;
    struct record *r;
    int err = follow_thread(u);

    if (err != 0)
        return err;
    r = calloc(1, sizeof(*r));
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
    (void)sy__uring_submit(&u->ring); /* now: order begins here */
    return 0;
}

/* The record goes with the last completion of the poll, or with the ring. */
static void take_out(void *w, struct sy_engine_slot *slot)
{
    struct uring_way *u = w;
    struct record *r = sy__eventfd_of(slot)->way_data;
    int err = follow_thread(u);
    struct io_uring_sqe *sqe = err == 0 ? sy__uring_sqe(&u->ring) : NULL;

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
static bool renew(struct uring_way *u, struct record *r, int result)
{
    bool woken = settle(u, r);

    if (result == -EINVAL)
        u->once = true;
    (void)prepare_poll(u, r); /* if that fails, waiting does too, and says so */
    return woken;
}

static unsigned collect(void *w, struct sy_engine_slot **ready, unsigned max)
{
    struct uring_way *u = w;
    struct io_uring_cqe cqe;
    unsigned n = 0;

    while (n < max && next_completion(&u->ring.ring, &cqe)) {
        struct record *r = io_uring_cqe_get_data(&cqe);
        bool ended = (cqe.flags & IORING_CQE_F_MORE) == 0;

        if (r == NULL)
            continue; /* a poll's removal, or see uring_wait() */
        if (r->slot == NULL) {
            if (ended)
                drop(u, r);
        } else if (!ended) {
            r->collected++;
            ready[n++] = r->slot;
        } else if (renew(u, r, cqe.res)) {
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
    int n, err = follow_thread(u);

    if (err != 0)
        return err;
    n = sy__uring_wait(&u->ring, u, collect, ready, max, timeout_ns, u->counts);
    /* Leave the ring readable, with an edge for those who watch for edges. */
    if (u->foreign && n == (int)max)
        u->counts->syscalls += sy__uring_ring_own(&u->ring);
    return n;
}

static int uring_fd(void *w, int *fd)
{
    struct uring_way *u = w;
    int err = move_to_plain(u);

    if (err != 0)
        return err;
    u->foreign = true;
    *fd = u->ring.ring.ring_fd;
    return 0;
}

/* Carry one wake-up through a ring of our own: nothing else tells for certain
   whether kernel and filters let it pass. */
static int try_wake(struct uring_way *u)
{
    struct sy_engine_slot slot = {.index = 0}, *ready = NULL;
    int n, fd = sy__bell_open();

    if (fd < 0)
        return fd;
    sy__eventfd_of(&slot)->fd = fd;
    n = add(u, &slot);
    if (n == 0) {
        sy__bell_ring(fd);
        n = uring_wait(u, &ready, 1, SY_NS_PER_S);
        n = n == 1 && ready == &slot ? 0 : n < 0 ? n : -EIO;
    }
    if (n == 0)
        take_out(u, &slot); /* slot ends here; its record may live on */
    (void)close(fd);
    return n;
}

static int uring_probe(const char *variant, char *why, size_t why_bytes)
{
    struct sy_engine_counts counts = {0, 0};
    const struct sy_engine_config cfg = {.counts = &counts,
                                         .flags = SY_EN_SAME_THREAD};
    struct uring_way u;
    int err;

    (void)variant;
    memset(&u, 0, sizeof(u));
    err = uring_open(&u, &cfg);
    if (err == 0) {
        err = sy__uring_try_enter(&u.ring);
        if (err == 0)
            err = try_wake(&u);
        uring_close(&u);
    }
    if (err == 0 || sy__uring_is_shortage(err))
        return 0;
    sy__uring_explain(err, why, why_bytes);
    return -ENOTSUP;
}

static unsigned describe_open(struct uring_way *u,
                              struct sy_engine_feature *features, unsigned max)
{
    struct sy__uring_plan plan = plan_for(true);
    bool deferred = (u->ring.flags & IORING_SETUP_DEFER_TASKRUN) != 0;
    bool cooperative = (u->ring.flags & IORING_SETUP_COOP_TASKRUN) != 0;
    bool multishot = try_wake(u) == 0 && !u->once;
    const struct sy_engine_feature own[] = {
        {"deferred task work, single issuer",
         deferred ? SY_FEATURE_USED : SY_FEATURE_MISSING,
         deferred      ? "until a foreign loop watches: then a plain ring"
         : cooperative ? "cooperative task work"
                       : "the thread is interrupted for each event"},
        {"cooperative task work",
         cooperative ? SY_FEATURE_USED
         : deferred  ? SY_FEATURE_UNUSED
                     : SY_FEATURE_MISSING,
         cooperative ? ""
         : deferred  ? "deferred task work does more"
                     : "the thread is interrupted for each event"},
        {"multishot poll", multishot ? SY_FEATURE_USED : SY_FEATURE_MISSING,
         multishot ? "" : "a poll that is armed again after each event"},
    };

    return sy__uring_describe(&u->ring, &plan, own,
                              sizeof(own) / sizeof(own[0]), features, max);
}

static unsigned uring_describe(const char *variant,
                               struct sy_engine_feature *features, unsigned max)
{
    struct sy_engine_counts counts = {0, 0};
    const struct sy_engine_config cfg = {.counts = &counts,
                                         .flags = SY_EN_SAME_THREAD};
    struct uring_way u;
    char why[1];
    unsigned n;

    memset(&u, 0, sizeof(u));
    if (uring_probe(variant, why, sizeof(why)) != 0 ||
        uring_open(&u, &cfg) != 0)
        return 0;
    n = describe_open(&u, features, max);
    uring_close(&u);
    return n;
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
    .describe = uring_describe,
};
