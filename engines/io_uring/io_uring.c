/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wake-up is a completion in the runtime's ring: the waker's thread has a
 * ring of its own and sends a message from there (IORING_OP_MSG_RING), whose
 * 64 bits are the slot. The runtime reads completions from mapped memory and
 * enters the kernel only to sleep. When its ring is full the kernel keeps the
 * rest in order (IORING_FEAT_NODROP) and hands it over when entered.
 *
 * The runtime's ring has no IORING_SETUP_DEFER_TASKRUN: with it the kernel
 * would hold every message back until the runtime entered, and the ring's
 * descriptor would not become readable for a foreign loop (seen on 6.18).
 *
 * Where a thread cannot have a ring (no descriptor, no memory), or the kernel
 * refuses a message, the waker submits a no-op to the runtime's own ring,
 * under a lock: its completion is the wake-up then.
 *
 * A waker that sent a message is done with slot and state when the message is
 * posted. One that holds the lock is waited for by close, which takes it.
 */
#include "../kernel_wait.h"
#include "../uring_library.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SQ_ENTRIES        8u
#define CQ_ENTRIES        4096u
#define SENDER_SQ_ENTRIES 4u
#define SENDER_CQ_ENTRIES 8u

struct uring_state {
    struct io_uring ring; /* wakers read ring_fd, and submit under the lock */
    pthread_mutex_t lock; /* submissions to ring */
    struct sy_engine_counts *counts;
    pid_t owner;
    bool foreign; /* fd() was called */
};

/*
 * That a message was sent before it was received, the kernel guarantees; sent
 * says so in the terms of C11, in which close must come after the wakers' last
 * look at state. Its value does not matter.
 */
struct uring_slot {
    atomic_uint sent;
};
static_assert(sizeof(struct uring_slot) <= SY_ENGINE_SLOT_BYTES, "slot");

static struct uring_slot *of(struct sy_engine_slot *slot)
{
    return (void *)slot->priv.bytes;
}

/* A thread's ring for sending. */
struct sender {
    struct io_uring ring;
    unsigned forks; /* as in senders when it was made */
};

/* The one thing that cannot be in a runtime's state: a thread wakes jobs of
   many runtimes, and its ring is closed when the thread ends. */
static struct {
    pthread_once_t once;
    pthread_key_t key; /* struct sender of each thread */
    int err;
    atomic_uint forks; /* a child must not submit to its parent's rings */
} senders = {.once = PTHREAD_ONCE_INIT};

static void sender_close(void *sender)
{
    struct sender *s = sender;

    sy__uring_close(&s->ring);
    free(s);
}

static void note_fork(void)
{
    atomic_fetch_add_explicit(&senders.forks, 1, memory_order_relaxed);
}

static void senders_init(void)
{
    senders.err = -pthread_key_create(&senders.key, sender_close);
    if (senders.err == 0)
        senders.err = -pthread_atfork(NULL, NULL, note_fork);
}

static void drop_own_sender(struct sender *s)
{
    (void)pthread_setspecific(senders.key, NULL);
    sender_close(s);
}

/* Return the calling thread's ring, making it first, or NULL. */
static struct sender *own_sender(void)
{
    unsigned forks = atomic_load_explicit(&senders.forks, memory_order_relaxed);
    struct sender *s = pthread_getspecific(senders.key);

    if (s != NULL && s->forks == forks)
        return s;
    if (s != NULL)
        drop_own_sender(s);
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->forks = forks;
    if (sy__uring_open(&s->ring, SENDER_SQ_ENTRIES, SENDER_CQ_ENTRIES) != 0) {
        free(s);
        return NULL;
    }
    if (pthread_setspecific(senders.key, s) != 0) {
        sender_close(s);
        return NULL;
    }
    return s;
}

static int uring_open(void *state, const struct sy_engine_config *cfg)
{
    struct uring_state *u = state;
    int err;

    (void)pthread_once(&senders.once, senders_init);
    if (senders.err != 0)
        return senders.err;
    err = sy__uring_open(&u->ring, SQ_ENTRIES, CQ_ENTRIES);
    if (err != 0)
        return err;
    err = -pthread_mutex_init(&u->lock, NULL);
    if (err != 0) {
        sy__uring_close(&u->ring);
        return err;
    }
    u->counts = cfg->counts;
    u->owner = getpid();
    return 0;
}

static void uring_close(void *state)
{
    struct uring_state *u = state;

    /* In the child of a fork a thread that does not exist may hold it. */
    if (getpid() == u->owner) {
        (void)pthread_mutex_lock(&u->lock);
        (void)pthread_mutex_unlock(&u->lock);
        (void)pthread_mutex_destroy(&u->lock);
    }
    sy__uring_close(&u->ring);
}

/* Returns how many system calls it took. If the kernel refuses this too, there
   is no way left: the wake-up waits in the ring for the next one that gets
   through, and is lost when the ring has no more room. */
static unsigned post_directly(struct uring_state *u,
                              struct sy_engine_slot *slot)
{
    struct io_uring_sqe *sqe;
    unsigned calls = 0;

    (void)pthread_mutex_lock(&u->lock);
    sqe = sy__uring_sqe(&u->ring);
    if (sqe != NULL) {
        io_uring_prep_nop(sqe);
        io_uring_sqe_set_data(sqe, slot);
        calls = sy__uring_submit(&u->ring);
    }
    (void)pthread_mutex_unlock(&u->lock);
    return calls;
}

enum sent {
    SENT,
    REFUSED, /* nothing was posted, and nothing is left behind */
    STUCK,   /* the message is still in the sender's ring */
};

static enum sent send_message(struct sender *s, int ring_fd,
                              struct sy_engine_slot *slot)
{
    struct io_uring_sqe *sqe = sy__uring_sqe(&s->ring);
    unsigned refusals;

    if (sqe == NULL)
        return STUCK;
    io_uring_prep_msg_ring(sqe, ring_fd, 0, (uintptr_t)slot, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    (void)sy__uring_submit(&s->ring);
    if (io_uring_sq_ready(&s->ring) != 0)
        return STUCK;
    refusals = io_uring_cq_ready(&s->ring);
    io_uring_cq_advance(&s->ring, refusals);
    return refusals == 0 ? SENT : REFUSED;
}

static void uring_wake(void *state, struct sy_engine_slot *slot)
{
    struct uring_state *u = state;
    int kept = errno, ring_fd = u->ring.ring_fd;
    struct sender *s = own_sender();

    enum sent sent;

    /* pairs with the acquire in collect() */
    atomic_store_explicit(&of(slot)->sent, 1, memory_order_release);
    sent = s != NULL ? send_message(s, ring_fd, slot) : REFUSED;
    /* A later message would take the stuck one along: a second delivery. */
    if (sent == STUCK)
        drop_own_sender(s);
    if (sent != SENT)
        (void)post_directly(u, slot);
    errno = kept;
}

static unsigned collect(void *state, struct sy_engine_slot **ready,
                        unsigned max)
{
    struct uring_state *u = state;
    struct sy_engine_slot *slot;
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0, n = 0;

    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        if (n == max)
            break;
        slot = io_uring_cqe_get_data(cqe);
        seen++;
        if (slot == NULL)
            continue; /* the runtime's own doorbell, see uring_wait() */
        /* pairs with the release in uring_wake() */
        (void)atomic_load_explicit(&of(slot)->sent, memory_order_acquire);
        ready[n++] = slot;
    }
    if (seen > 0)
        io_uring_cq_advance(&u->ring, seen);
    return n;
}

static int uring_wait(void *state, struct sy_engine_slot **ready, unsigned max,
                      uint64_t timeout_ns)
{
    struct uring_state *u = state;
    int n =
        sy__uring_wait(&u->ring, u, collect, ready, max, timeout_ns, u->counts);

    /* Leave the ring readable, with an edge for those who watch for edges. */
    if (u->foreign && n == (int)max)
        u->counts->syscalls += post_directly(u, NULL);
    return n;
}

static int uring_fd(void *state, int *fd)
{
    struct uring_state *u = state;

    u->foreign = true;
    *fd = u->ring.ring_fd;
    return 0;
}

/* Send one message between two rings of our own: nothing else tells for
   certain whether kernel and filters let it pass. */
static int uring_probe(const char *variant, char *why, size_t why_bytes)
{
    struct sy_engine_slot slot = {.index = 0};
    struct io_uring target;
    struct sender s;
    bool sent;
    int err;

    (void)variant;
    err = sy__uring_open(&target, SQ_ENTRIES, CQ_ENTRIES);
    if (err != 0)
        goto explain;
    err = sy__uring_open(&s.ring, SENDER_SQ_ENTRIES, SENDER_CQ_ENTRIES);
    if (err != 0)
        goto close_target;
    sent = send_message(&s, target.ring_fd, &slot) == SENT &&
           io_uring_cq_ready(&target) == 1;
    sy__uring_close(&s.ring);
    sy__uring_close(&target);
    if (sent)
        return 0;
    (void)snprintf(why, why_bytes,
                   "the kernel sends no messages between rings (Linux 5.18)");
    return -ENOTSUP;

close_target:
    sy__uring_close(&target);
explain:
    if (sy__uring_is_shortage(err))
        return 0;
    sy__uring_explain(err, why, why_bytes);
    return -ENOTSUP;
}

const struct sy_engine_ops sy_engine_io_uring = {
    .abi = SY_ENGINE_ABI,
    .caps = SY_EN_POLLABLE,
    .name = "io_uring",
    .summary = "a message from the waker's ring to the runtime's ring",
    .state_bytes = sizeof(struct uring_state),
    .probe = uring_probe,
    .open = uring_open,
    .close = uring_close,
    .wake = uring_wake,
    .wait = uring_wait,
    .fd = uring_fd,
};
