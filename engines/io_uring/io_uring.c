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
 * descriptor would not become readable for a foreign loop (seen on 6.18). See
 * docs/adr/0010.
 *
 * What cannot be sent goes onto a list in memory, whose links are in the
 * slots: it has room for every slot. Who pushes onto the empty list rings a
 * bell, an eventfd that the runtime's ring polls. That is the way of
 *
 *      a kernel without messages (before Linux 5.18),
 *      a thread that has no ring (no descriptor, no memory, a filter),
 *      a signal handler that interrupted its own thread's sending, and
 *      the runtime's own thread, which needs no bell: it looks at the list
 *      before it sleeps.
 *
 * Why none is lost: the runtime takes the whole list with one exchange, so a
 * push finds the list empty, and rings, or comes before an exchange that takes
 * it. Each ring is a completion, or its poll has ended; then it is armed
 * before the list is looked at again.
 *
 * A waker that sent a message is done with slot and state when the message is
 * posted. One that rings is counted, and close waits for it.
 *
 * Signal handlers may wake. A thread's ring is used by one flow of control at
 * a time (busy); it is made with signals blocked, and without malloc.
 */
#include "../kernel_wait.h"
#include "../uring_library.h"
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/usdt.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's pthread_setspecific() calls malloc for keys from here on, which a
   signal handler must not. Other libraries never do. */
#define KEYS_WITHOUT_MALLOC 32u

struct uring_slot {
    /*
     * That a message was sent before it was received, the kernel guarantees;
     * sent says so in the terms of C11, in which close must come after the
     * wakers' last look at state. Its value does not matter.
     */
    atomic_uint sent;
    uintptr_t next; /* in the list; 0: the end */
};
static_assert(sizeof(struct uring_slot) <= SY_ENGINE_SLOT_BYTES, "slot");

struct uring_state {
    /* Wakers read from here. */
    struct sy__uring ring;
    bool same_thread; /* SY_EN_SAME_THREAD */
    int bell;

    /* The runtime's own. */
    struct sy_engine_counts *counts;
    uintptr_t pending;   /* taken from the list, oldest first */
    bool bell_once;      /* no multishot poll: before Linux 5.13 */
    bool list_first;     /* in the next collect(): neither starves the other */
    atomic_bool foreign; /* fd() was called; this and the next are for wakes
                            on this thread */
    atomic_bool waiting;

    /* Wakers write here. */
    alignas(SY_CACHE_LINE) atomic_uintptr_t list; /* newest first */
    atomic_uint ringing;                          /* wakers in strand() */
    atomic_bool no_messages;                      /* the kernel knows none */
};

static struct uring_slot *of(struct sy_engine_slot *slot)
{
    return (void *)slot->priv.bytes;
}

/* ---- a ring for each thread that wakes ---- */

static const unsigned sender_setups[] = {IORING_SETUP_SINGLE_ISSUER, 0};

static const struct sy__uring_plan sender_plan = {
    .entries = 4,
    .cq_entries = 8,
    .setups = sender_setups,
    .registers = true,
};

/* A thread's ring for sending. */
struct sender {
    struct sy__uring ring;
    unsigned forks;     /* as in senders when it was made */
    atomic_bool busy;   /* a message is being sent; for signal handlers */
    atomic_bool broken; /* holds a message that the kernel refused to take, and
                           that a later one would take along: not used again */
};

/* The one thing that cannot be in a runtime's state: a thread wakes jobs of
   many runtimes, and its ring is closed when the thread ends. */
static struct {
    pthread_once_t once;
    pthread_key_t key; /* struct sender of each thread */
    int err;
    bool none;         /* the key cannot be set in a signal handler */
    atomic_uint forks; /* a child must not submit to its parent's rings */
} senders = {.once = PTHREAD_ONCE_INIT};

static void sender_close(void *sender)
{
    struct sender *s = sender;

    sy__uring_close(&s->ring);
    (void)munmap(s, sizeof(*s));
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
    senders.none = (unsigned)senders.key >= KEYS_WITHOUT_MALLOC;
}

static struct sender *sender_open(unsigned forks)
{
    struct sender *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (s == MAP_FAILED)
        return NULL;
    s->forks = forks;
    if (sy__uring_open(&s->ring, &sender_plan) != 0) {
        (void)munmap(s, sizeof(*s));
        return NULL;
    }
    if (pthread_setspecific(senders.key, s) != 0) {
        sender_close(s);
        return NULL;
    }
    return s;
}

/* Return the calling thread's ring, making it first, or NULL. */
static struct sender *own_sender(void)
{
    unsigned forks = atomic_load_explicit(&senders.forks, memory_order_relaxed);
    struct sender *s = pthread_getspecific(senders.key);
    sigset_t all, kept;

    if (s != NULL && s->forks == forks)
        return s;
    if (senders.none)
        return NULL;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &kept);
    s = pthread_getspecific(senders.key); /* a handler may have been faster */
    if (s != NULL && s->forks != forks) {
        (void)pthread_setspecific(senders.key, NULL);
        sender_close(s);
        s = NULL;
    }
    if (s == NULL)
        s = sender_open(forks);
    (void)pthread_sigmask(SIG_SETMASK, &kept, NULL);
    return s;
}

/* Returns 0, -ECOMM if the message is still in the sender's ring, or why the
   kernel refused it: then nothing was posted, and nothing is left behind. */
static int send_message(struct sender *s, int ring_fd,
                        struct sy_engine_slot *slot)
{
    struct io_uring *ring = &s->ring.ring;
    struct io_uring_sqe *sqe = sy__uring_sqe(&s->ring);
    struct io_uring_cqe *cqe;
    unsigned head, refusals = 0;
    int err = 0;

    if (sqe == NULL)
        return -ECOMM;
    io_uring_prep_msg_ring(sqe, ring_fd, 0, (uintptr_t)slot, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    (void)sy__uring_submit(&s->ring);
    if (io_uring_sq_ready(ring) != 0)
        return -ECOMM;
    io_uring_for_each_cqe(ring, head, cqe)
    {
        err = cqe->res;
        refusals++;
    }
    if (refusals == 0)
        return 0;
    io_uring_cq_advance(ring, refusals);
    return err < 0 ? err : -EIO;
}

/* ---- waking ---- */

/* A signal handler runs on the thread that it interrupts: order of the
   program is all that the flags between them need. */
static bool begin(atomic_bool *flag)
{
    bool was = atomic_load_explicit(flag, memory_order_relaxed);

    atomic_store_explicit(flag, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    return !was;
}

static void end(atomic_bool *flag)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(flag, false, memory_order_relaxed);
}

/* Returns whether the slot is on its way. */
static bool send_slot(struct uring_state *u, struct sy_engine_slot *slot)
{
    struct sender *s;
    int err, ring_fd = u->ring.ring.ring_fd; /* see sent: the last look */

    if (atomic_load_explicit(&u->no_messages, memory_order_relaxed))
        return false;
    s = own_sender();
    if (s == NULL || !begin(&s->busy))
        return false;
    err = -ECOMM;
    if (!atomic_load_explicit(&s->broken, memory_order_relaxed)) {
        /* pairs with the acquire in take_completions() */
        atomic_store_explicit(&of(slot)->sent, 1, memory_order_release);
        SY_USDT3(doorbell, u, slot, ring_fd);
        err = send_message(s, ring_fd, slot);
    }
    if (err == -ECOMM)
        atomic_store_explicit(&s->broken, true, memory_order_relaxed);
    else if (err == -EINVAL)
        atomic_store_explicit(&u->no_messages, true, memory_order_relaxed);
    end(&s->busy);
    return err == 0;
}

/* Push the slot onto the list. Returns whether it was empty. */
static bool push(struct uring_state *u, struct sy_engine_slot *slot)
{
    uintptr_t head = atomic_load_explicit(&u->list, memory_order_relaxed);

    do
        of(slot)->next = head;
    /* release pairs with the acquire in gather(); seq_cst: see announce() */
    while (!atomic_compare_exchange_weak_explicit(
        &u->list, &head, (uintptr_t)slot, memory_order_seq_cst,
        memory_order_relaxed));
    return head == 0;
}

/* Can nobody be asleep, or about to be, who would have to be told? */
static bool is_awake(const struct uring_state *u)
{
    /* pair with announce() */
    return !atomic_load_explicit(&u->waiting, memory_order_seq_cst) &&
           !atomic_load_explicit(&u->foreign, memory_order_seq_cst);
}

static void strand(struct uring_state *u, struct sy_engine_slot *slot,
                   bool on_own_thread)
{
    bool was_empty;

    atomic_fetch_add_explicit(&u->ringing, 1, memory_order_relaxed);
    was_empty = push(u, slot);
    if (was_empty && !(on_own_thread && is_awake(u))) {
        SY_USDT3(doorbell, u, slot, u->bell);
        sy__bell_ring(u->bell);
    }
    /* pairs with the acquire in wait_for_ringers() */
    atomic_fetch_sub_explicit(&u->ringing, 1, memory_order_release);
}

static void uring_wake(void *state, struct sy_engine_slot *slot)
{
    struct uring_state *u = state;
    bool on_own_thread = u->same_thread && sy__uring_is_here(&u->ring);
    int kept = errno;

    if (on_own_thread || !send_slot(u, slot))
        strand(u, slot, on_own_thread);
    errno = kept;
}

/* ---- the runtime ---- */

static const unsigned receiver_setups[] = {0};

static struct sy__uring_plan receiver_plan(bool same_thread)
{
    return (struct sy__uring_plan){
        .entries = 8,
        .cq_entries = 4096,
        .setups = receiver_setups,
        .registers = same_thread,
    };
}

static bool prepare_bell(struct uring_state *u)
{
    struct io_uring_sqe *sqe = sy__uring_sqe(&u->ring);

    if (sqe == NULL)
        return false;
    io_uring_prep_poll_add(sqe, u->bell, POLLIN);
    if (!u->bell_once)
        sqe->len = IORING_POLL_ADD_MULTI;
    io_uring_sqe_set_data(sqe, u);
    return true;
}

static int uring_open(void *state, const struct sy_engine_config *cfg)
{
    struct uring_state *u = state;
    bool same_thread = (cfg->flags & SY_EN_SAME_THREAD) != 0;
    struct sy__uring_plan plan = receiver_plan(same_thread);
    int err;

    (void)pthread_once(&senders.once, senders_init);
    if (senders.err != 0)
        return senders.err;
    u->counts = cfg->counts;
    u->same_thread = same_thread;
    u->bell = sy__bell_open();
    if (u->bell < 0)
        return u->bell;
    err = sy__uring_open(&u->ring, &plan);
    if (err != 0)
        goto close_bell;
    if (prepare_bell(u))
        (void)sy__uring_submit(&u->ring);
    if (io_uring_sq_ready(&u->ring.ring) != 0) {
        err = sy__uring_try_enter(&u->ring);
        if (err == 0)
            err = -EAGAIN;
        goto close_ring;
    }
    return 0;

close_ring:
    sy__uring_close(&u->ring);
close_bell:
    (void)close(u->bell);
    return err;
}

/* Short: a ringer is between two statements of strand(), or was preempted
   there. */
static void wait_for_ringers(struct uring_state *u)
{
    const struct timespec nap = {.tv_nsec = 50 * 1000};

    /* pairs with the release in strand() */
    for (unsigned tries = 0;
         atomic_load_explicit(&u->ringing, memory_order_acquire) != 0;
         tries++) {
        if (tries < 100)
            (void)sched_yield();
        else /* the ringer may have a lower real-time priority */
            (void)nanosleep(&nap, NULL);
    }
}

static void uring_close(void *state)
{
    struct uring_state *u = state;

    /* In the child of a fork the ringers do not exist. */
    if (getpid() == u->ring.owner)
        wait_for_ringers(u);
    sy__uring_close(&u->ring);
    (void)close(u->bell);
}

/* The poll of the bell ended, as it does when completions overflow. */
static void renew_bell(struct uring_state *u, int result)
{
    if (result == -EINVAL)
        u->bell_once = true;
    u->counts->syscalls++;
    (void)sy__bell_clear(u->bell);
    (void)prepare_bell(u); /* if that fails, waiting does too, and says so */
}

static unsigned take_completions(struct uring_state *u,
                                 struct sy_engine_slot **ready, unsigned max)
{
    struct io_uring *ring = &u->ring.ring;
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0, n = 0;

    io_uring_for_each_cqe(ring, head, cqe)
    {
        void *data = io_uring_cqe_get_data(cqe);

        if (n == max)
            break;
        seen++;
        if (data == u && (cqe->flags & IORING_CQE_F_MORE) == 0)
            renew_bell(u, cqe->res);
        if (data == u || data == NULL)
            continue; /* the bell, or see uring_wait() */
        ready[n] = data;
        /* pairs with the release in send_slot() */
        (void)atomic_load_explicit(&of(ready[n])->sent, memory_order_acquire);
        n++;
    }
    if (seen > 0)
        io_uring_cq_advance(ring, seen);
    if (io_uring_sq_ready(ring) != 0)
        u->counts->syscalls += sy__uring_submit(&u->ring);
    return n;
}

/* Move what was pushed to pending, which is empty. */
static void gather(struct uring_state *u)
{
    /* seq_cst: see announce() */
    uintptr_t list = atomic_load_explicit(&u->list, memory_order_seq_cst);

    if (list == 0)
        return;
    /* pairs with the release in push() */
    list = atomic_exchange_explicit(&u->list, 0, memory_order_acquire);
    while (list != 0) {
        struct uring_slot *slot = of((void *)list);
        uintptr_t older = slot->next;

        slot->next = u->pending;
        u->pending = list;
        list = older;
    }
}

static unsigned take_list(struct uring_state *u, struct sy_engine_slot **ready,
                          unsigned max)
{
    unsigned n = 0;

    while (n < max) {
        if (u->pending == 0)
            gather(u);
        if (u->pending == 0)
            break;
        ready[n] = (void *)u->pending;
        u->pending = of(ready[n])->next;
        n++;
    }
    return n;
}

/* The list comes last in any case: a completion of the bell tells of it. */
static unsigned collect(void *state, struct sy_engine_slot **ready,
                        unsigned max)
{
    struct uring_state *u = state;
    unsigned n = 0;

    if (u->list_first)
        n = take_list(u, ready, max);
    u->list_first = !u->list_first;
    n += take_completions(u, ready + n, max - n);
    return n + take_list(u, ready + n, max - n);
}

/*
 * Have wakes on the own thread ring, before the list is looked at. There the
 * order of the program is enough. But a signal handler may wake on that thread
 * while a job's OS thread drives the runtime: each writes, then reads what the
 * other writes, and one of them sees it (all four seq_cst).
 */
static void announce(struct uring_state *u, atomic_bool *flag)
{
    if (sy__uring_is_here(&u->ring))
        atomic_store_explicit(flag, true, memory_order_relaxed);
    else
        atomic_store_explicit(flag, true, memory_order_seq_cst);
    atomic_signal_fence(memory_order_seq_cst);
}

static int uring_wait(void *state, struct sy_engine_slot **ready, unsigned max,
                      uint64_t timeout_ns)
{
    struct uring_state *u = state;
    int n;

    announce(u, &u->waiting);
    n = sy__uring_wait(&u->ring, u, collect, ready, max, timeout_ns, u->counts);
    end(&u->waiting);
    /* Leave the ring readable, with an edge for those who watch for edges. */
    if (n == (int)max &&
        atomic_load_explicit(&u->foreign, memory_order_relaxed))
        u->counts->syscalls += sy__uring_ring_own(&u->ring);
    return n;
}

/* Also what the kernel keeps for us: it is handed over when we enter. */
static int uring_peek(void *state)
{
    struct uring_state *u = state;
    const struct io_uring *ring = &u->ring.ring;

    return u->pending != 0 ||
           atomic_load_explicit(&u->list, memory_order_relaxed) != 0 ||
           io_uring_cq_ready(ring) != 0 ||
           (IO_URING_READ_ONCE(*ring->sq.kflags) &
            (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
}

static int uring_fd(void *state, int *fd)
{
    struct uring_state *u = state;

    announce(u, &u->foreign);
    if (u->pending != 0 ||
        atomic_load_explicit(&u->list, memory_order_seq_cst) != 0)
        u->counts->syscalls += sy__uring_ring_own(&u->ring);
    *fd = u->ring.ring.ring_fd;
    return 0;
}

/* ---- trying out ---- */

/* As collect(), but counts the bell's completions. */
static unsigned hear_bell(void *state, struct sy_engine_slot **ready,
                          unsigned max)
{
    struct uring_state *u = state;
    bool rang = io_uring_cq_ready(&u->ring.ring) != 0;

    (void)take_completions(u, ready, max);
    return rang ? 1 : 0;
}

/* Does the bell end a sleep? It works without messages, and nothing else tells
   for certain whether kernel and filters let it pass. */
static int try_bell(struct uring_state *u)
{
    struct sy_engine_slot *none[1];
    int n;

    sy__bell_ring(u->bell);
    n = sy__uring_wait(&u->ring, u, hear_bell, none, 1, SY_NS_PER_S, u->counts);
    if (n < 0)
        return n;
    return n == 1 ? 0 : -EIO;
}

static int uring_probe(const char *variant, char *why, size_t why_bytes)
{
    struct sy_engine_counts counts = {0, 0};
    const struct sy_engine_config cfg = {.counts = &counts};
    struct uring_state u;
    int err;

    (void)variant;
    memset(&u, 0, sizeof(u));
    err = uring_open(&u, &cfg);
    if (err == 0) {
        err = try_bell(&u);
        uring_close(&u);
    }
    if (err == 0 || sy__uring_is_shortage(err))
        return 0;
    sy__uring_explain(err, why, why_bytes);
    return -ENOTSUP;
}

/* Send one message between two rings of our own. */
static bool try_message(struct uring_state *u, struct sender *s)
{
    struct sy_engine_slot slot = {.index = 0}, *ready = NULL;

    return send_message(s, u->ring.ring.ring_fd, &slot) == 0 &&
           sy__uring_wait(&u->ring, u, collect, &ready, 1, 0, u->counts) == 1;
}

static unsigned describe_open(struct uring_state *u, struct sender *s,
                              struct sy_engine_feature *features, unsigned max)
{
    struct sy__uring_plan plan = receiver_plan(true);
    bool sending = s != NULL && try_message(u, s);
    bool single = s != NULL && s->ring.flags != 0;
    bool rings = s != NULL && !senders.none;
    bool multishot = try_bell(u) == 0 && !u->bell_once;
    const struct sy_engine_feature own[] = {
        {"messages between rings",
         sending ? SY_FEATURE_USED : SY_FEATURE_MISSING,
         sending ? "" : "a list in memory, and an eventfd that the ring polls"},
        {"a ring for each waking thread",
         rings ? SY_FEATURE_USED : SY_FEATURE_MISSING,
         rings ? "" : "a list in memory, and an eventfd that the ring polls"},
        {"single issuer, of the waking threads",
         single ? SY_FEATURE_USED : SY_FEATURE_MISSING,
         single ? "" : "rings that any thread might enter"},
        {"deferred task work", SY_FEATURE_UNUSED,
         "messages are read from memory; with it each would wait for an enter"},
        {"multishot poll, of the doorbell",
         multishot ? SY_FEATURE_USED : SY_FEATURE_MISSING,
         multishot ? "" : "a poll that is armed again after each ring"},
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
    struct uring_state u;
    struct sender s;
    unsigned n;
    int err;

    (void)variant;
    memset(&u, 0, sizeof(u));
    memset(&s, 0, sizeof(s));
    if (uring_open(&u, &cfg) != 0)
        return 0;
    err = sy__uring_open(&s.ring, &sender_plan);
    n = describe_open(&u, err == 0 ? &s : NULL, features, max);
    if (err == 0)
        sy__uring_close(&s.ring);
    uring_close(&u);
    return n;
}

const struct sy_engine_ops sy_engine_io_uring = {
    .abi = SY_ENGINE_ABI,
    .caps = SY_EN_SIGNAL_SAFE | SY_EN_POLLABLE | SY_EN_BY_MEMORY,
    .name = "io_uring",
    .summary = "a message from the waker's ring to the runtime's ring",
    .state_bytes = sizeof(struct uring_state),
    .probe = uring_probe,
    .open = uring_open,
    .close = uring_close,
    .wake = uring_wake,
    .wait = uring_wait,
    .fd = uring_fd,
    .peek = uring_peek,
    .describe = uring_describe,
};
