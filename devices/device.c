/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every device has in common: the line of operations that wait while the
 * device is full, the announcement, the counters, and a new beginning in the
 * child of a fork.
 *
 * The line. A device answers -EAGAIN when it is full, and frees the room of an
 * operation before it announces it. Who is refused joins the line, and then
 * tries to drain it: so either that attempt finds the room, or the operation
 * that holds the room announces itself later, sees the line, and drains it.
 * One thread drains at a time, with no lock held while it is in the device's
 * submit hook, so that a device may announce from there.
 *
 * Counters. Each thread counts on cache lines of its own, its shard, and who
 * asks adds them up: submitting, announcing and polling write nothing that
 * other threads write, unless the device is full.
 */
#include <switchyard/device.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/job.h>
#include <switchyard/runtime.h>

#include "device_options.h"
#include "poll_policy_options.h"
#include "thread_number.h"

/* Threads with a shard of their own; the rest share one more. */
#define SHARDS 16

enum counter {
    SUBMITTED,
    ENTERED, /* the device, and */
    LEFT,    /* were announced by it */
    OUTSIDE, /* announced without having been inside */
    REFUSED,
    REPEATED,
    LATE_SUM_NS,
    LATE_COUNT,
    COUNTERS,
};

struct shard {
    _Alignas(SY_CACHE_LINE) _Atomic uint64_t count[COUNTERS];
    _Atomic uint64_t late_max_ns, depth_peak;
    _Atomic uint64_t polled_ns; /* for the poll policy */
};

struct sy_device {
    const struct sy_device_ops *ops;
    struct sy_clock *clock;
    char *options;
    void *state;
    uint32_t caps;
    _Atomic uint32_t fork_seen; /* FORK_REMAKING, or what forks was when the
                                   state was made */
    _Atomic int polling;        /* a thread is in the poll hook */
    int remake_error;           /* the state could not be made after a fork */
    struct sy__poll_choice poll;
    _Atomic uint32_t shards_used; /* a bit for each shard */

    /* The line: see the top of the file. */
    _Alignas(SY_CACHE_LINE) _Atomic uint64_t
        waiting;               /* operations in it, + CLOSING */
    _Atomic int draining;      /* a thread hands operations over */
    _Atomic int drain_again;   /* and must look once more before it stops */
    pthread_mutex_t line_lock; /* guards head and tail */
    struct sy_device_op *head, *tail;

    struct shard shard[SHARDS + 1];
};

/* In waiting: keeps every operation out of the device, in the line. */
#define CLOSING       (UINT64_MAX / 2)
#define FORK_REMAKING UINT32_MAX

/* In done of an operation, before the 1. */
#define IN_FLIGHT 0x6f70f117u

/* Every so manieth operation, the depth is added up over all threads. */
#define DEPTH_SAMPLE 32

_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t),
               "done is a plain word in the public header, for C++");

/* How many forks lie between the first process and this one. Written only by
   the fork handler, when there is one thread. */
static _Atomic uint32_t forks;

/* States from before a fork. Their locks may be held by threads that do not
   exist here, so they are never touched again; kept reachable, so that a leak
   checker does not report what they own. */
struct left_behind {
    struct left_behind *next;
    void *state;
};
static _Atomic(struct left_behind *) left_behind;

static void after_fork_in_child(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    /* It fails for want of memory only; then children cannot use devices, as
       with any library that does not mind forks. */
    (void)pthread_atfork(NULL, NULL, after_fork_in_child);
}

static _Atomic uint32_t *done_word(const struct sy_device_op *op)
{
    return (_Atomic uint32_t *)(uintptr_t)&op->done;
}

int sy_device_op_done(const struct sy_device_op *op)
{
    /* pairs with the release in sy_device_announce() */
    return atomic_load_explicit(done_word(op), memory_order_acquire) == 1;
}

static void raise_to(_Atomic uint64_t *peak, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(peak, memory_order_relaxed);

    while (value > seen &&
           !atomic_compare_exchange_weak_explicit(
               peak, &seen, value, memory_order_relaxed, memory_order_relaxed))
        ;
}

/* ---- counters ----------------------------------------------------------- */

static SY_NOINLINE void use_shard(struct sy_device *device, unsigned i)
{
    atomic_fetch_or_explicit(&device->shards_used, UINT32_C(1) << i,
                             memory_order_relaxed);
}

static struct shard *own_shard(struct sy_device *device)
{
    unsigned number = sy__thread_number();
    unsigned i = number < SHARDS ? number : SHARDS;

    if (SY_UNLIKELY(
            (atomic_load_explicit(&device->shards_used, memory_order_relaxed) >>
                 i &
             1) == 0))
        use_shard(device, i);
    return &device->shard[i];
}

static uint64_t shard_get(const struct shard *shard, enum counter counter)
{
    /* pairs with the release in count(), see pending() */
    return atomic_load_explicit(&shard->count[counter], memory_order_acquire);
}

static void count(struct sy_device *device, struct shard *shard,
                  enum counter counter, uint64_t n)
{
    _Atomic uint64_t *at = &shard->count[counter];

    if (SY_UNLIKELY(shard == &device->shard[SHARDS]))
        atomic_fetch_add_explicit(at, n, memory_order_release);
    else /* nobody else writes it */
        atomic_store_explicit(
            at, atomic_load_explicit(at, memory_order_relaxed) + n,
            memory_order_release);
}

static uint64_t sum(const struct sy_device *device, enum counter counter)
{
    uint32_t used =
        atomic_load_explicit(&device->shards_used, memory_order_relaxed);
    uint64_t all = 0;

    for (unsigned i = 0; used >> i != 0; i++)
        if ((used >> i & 1) != 0)
            all += shard_get(&device->shard[i], counter);
    return all;
}

/* How many operations were submitted and not announced. Those announced are
   added up first: whose announcement is seen, its submission is seen too, so
   that this is never less than it should be. */
static uint64_t pending(const struct sy_device *device)
{
    uint64_t announced = sum(device, LEFT) + sum(device, OUTSIDE);

    return sum(device, SUBMITTED) - announced;
}

/* Note how deep the device is now. With several threads only a sample is
   added up; the entered come first, so as not to count what came meanwhile. */
static void note_depth(struct sy_device *device, struct shard *shard)
{
    uint32_t used =
        atomic_load_explicit(&device->shards_used, memory_order_relaxed);
    uint64_t entered = shard_get(shard, ENTERED), left;

    if ((used & (used - 1)) == 0) {
        left = shard_get(shard, LEFT);
    } else {
        if (entered % DEPTH_SAMPLE != 0)
            return;
        entered = sum(device, ENTERED);
        left = sum(device, LEFT);
    }
    if (entered > left)
        raise_to(&shard->depth_peak, entered - left);
}

/* ---- opening and closing ------------------------------------------------ */

static int open_state(struct sy_device *device, char *why, size_t why_bytes)
{
    struct sy_device_config cfg = {
        .options = device->options,
        .clock = device->clock,
        .device = device,
        .poll_policy = device->poll.is_given ? device->poll.ops : NULL,
    };
    size_t bytes = device->ops->state_bytes;
    int err;

    device->caps = 0;
    device->state = calloc(1, bytes == 0 ? 1 : bytes);
    if (device->state == NULL) {
        sy__explain(why, why_bytes, "%s: no memory", device->ops->name);
        return -ENOMEM;
    }
    err = device->ops->open(device->state, &cfg, &device->caps, why, why_bytes);
    if (err != 0) {
        free(device->state);
        device->state = NULL;
    }
    return err;
}

static void leave_state_behind(struct sy_device *device)
{
    struct left_behind *node = malloc(sizeof(*node));

    if (node != NULL) {
        node->state = device->state;
        node->next = atomic_load_explicit(&left_behind, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(
            &left_behind, &node->next, node, memory_order_relaxed,
            memory_order_relaxed))
            ;
    }
    device->state = NULL;
}

/* Was the state made by this process? */
static int is_ours(struct sy_device *device)
{
    /* acquire: pairs with the release in begin_afresh() */
    return atomic_load_explicit(&device->fork_seen, memory_order_acquire) ==
           atomic_load_explicit(&forks, memory_order_relaxed);
}

static void reset_counters(struct sy_device *device)
{
    atomic_store_explicit(&device->shards_used, 0, memory_order_relaxed);
    for (int i = 0; i <= SHARDS; i++) {
        struct shard *shard = &device->shard[i];

        for (int c = 0; c < COUNTERS; c++)
            atomic_store_explicit(&shard->count[c], 0, memory_order_relaxed);
        atomic_store_explicit(&shard->late_max_ns, 0, memory_order_relaxed);
        atomic_store_explicit(&shard->depth_peak, 0, memory_order_relaxed);
        atomic_store_explicit(&shard->polled_ns, 0, memory_order_relaxed);
    }
}

/* First use in the child of a fork: the device's threads are gone, its locks
   may be held for ever, and what was pending belongs to the parent. */
static SY_NOINLINE void begin_afresh(struct sy_device *device)
{
    uint32_t now = atomic_load_explicit(&forks, memory_order_relaxed);
    uint32_t seen =
        atomic_load_explicit(&device->fork_seen, memory_order_acquire);

    while (seen != now) {
        if (seen == FORK_REMAKING) { /* another thread is at it */
            seen =
                atomic_load_explicit(&device->fork_seen, memory_order_acquire);
            continue;
        }
        if (!atomic_compare_exchange_strong_explicit(
                &device->fork_seen, &seen, FORK_REMAKING, memory_order_acquire,
                memory_order_acquire))
            continue;
        leave_state_behind(device);
        pthread_mutex_init(&device->line_lock, NULL);
        device->head = device->tail = NULL;
        atomic_store_explicit(&device->waiting, 0, memory_order_relaxed);
        atomic_store_explicit(&device->draining, 0, memory_order_relaxed);
        atomic_store_explicit(&device->drain_again, 0, memory_order_relaxed);
        atomic_store_explicit(&device->polling, 0, memory_order_relaxed);
        reset_counters(device);
        device->remake_error = open_state(device, NULL, 0);
        /* pairs with the acquire in is_ours() and above */
        atomic_store_explicit(&device->fork_seen, now, memory_order_release);
        return;
    }
}

static int check_ops(const struct sy_device_ops *ops, char *why,
                     size_t why_bytes)
{
    if (ops->abi != SY_DEVICE_ABI) {
        sy__explain(why, why_bytes,
                    "the device was built for ABI %u, this library has %u",
                    (unsigned)ops->abi, (unsigned)SY_DEVICE_ABI);
        return -EPROTO;
    }
    if (ops->name == NULL || ops->open == NULL || ops->close == NULL ||
        ops->submit == NULL) {
        sy__explain(why, why_bytes,
                    "a device needs name, open, close and submit");
        return -EPROTO;
    }
    return 0;
}

static int check_polling(const struct sy_device *device, char *why,
                         size_t why_bytes)
{
    int is_polled = (device->caps & SY_DV_POLLED) != 0;

    if (is_polled && device->ops->poll == NULL) {
        sy__explain(why, why_bytes, "%s: a polled device needs a poll hook",
                    device->ops->name);
        return -EPROTO;
    }
    if (!is_polled && device->poll.is_given) {
        sy__explain(why, why_bytes,
                    "%s: poll=%s: this device has threads and is not polled",
                    device->ops->name, device->poll.ops->name);
        return -EINVAL;
    }
    return 0;
}

int sy_device_open_ops(struct sy_device **out, const struct sy_device_ops *ops,
                       const char *options, struct sy_clock *clock, char *why,
                       size_t why_bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sy_device *device;
    int err;

    *out = NULL;
    sy__explain(why, why_bytes, "%s", "");
    err = check_ops(ops, why, why_bytes);
    if (err != 0)
        return err;
    pthread_once(&once, watch_forks);

    device = aligned_alloc(SY_CACHE_LINE, sizeof(*device));
    if (device == NULL)
        goto no_memory;
    memset(device, 0, sizeof(*device));
    device->ops = ops;
    device->clock = clock != NULL ? clock : sy_clock_monotonic();
    device->options = strdup(options != NULL ? options : "");
    if (device->options == NULL)
        goto free_device;
    pthread_mutex_init(&device->line_lock, NULL);
    atomic_init(&device->fork_seen,
                atomic_load_explicit(&forks, memory_order_relaxed));
    err = sy__poll_choice_take(ops->name, device->options, &device->poll, why,
                               why_bytes);
    if (err == 0)
        err = open_state(device, why, why_bytes);
    if (err == 0) {
        err = check_polling(device, why, why_bytes);
        if (err != 0) {
            ops->close(device->state);
            free(device->state);
        }
    }
    if (err != 0)
        goto free_options;
    *out = device;
    return 0;

free_options:
    pthread_mutex_destroy(&device->line_lock);
    free(device->options);
    free(device);
    return err;
free_device:
    free(device);
no_memory:
    sy__explain(why, why_bytes, "%s: no memory", ops->name);
    return -ENOMEM;
}

static int explain_unknown_device(const char *spec, size_t name_bytes,
                                  char *why, size_t why_bytes)
{
    const struct sy_device_ops *const *table = sy_device_table();
    char known[256] = "";
    size_t used = 0;

    for (size_t i = 0; table[i] != NULL && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
                                 i == 0 ? "" : ", ", table[i]->name);
    sy__explain(why, why_bytes, "no device \"%.*s\"; there are: %s",
                (int)(name_bytes > 64 ? 64 : name_bytes), spec, known);
    return -ENOENT;
}

int sy_device_open(struct sy_device **out, const char *spec,
                   struct sy_clock *clock, char *why, size_t why_bytes)
{
    const struct sy_device_ops *const *table = sy_device_table();
    size_t name_bytes = strcspn(spec, ":");
    const char *options = spec + name_bytes;

    *out = NULL;
    if (*options == ':') {
        options++;
        if (*options == '\0') {
            sy__explain(why, why_bytes, "%.64s: no options after the colon",
                        spec);
            return -EINVAL;
        }
    }
    for (; *table != NULL; table++)
        if (strlen((*table)->name) == name_bytes &&
            memcmp((*table)->name, spec, name_bytes) == 0)
            return sy_device_open_ops(out, *table, options, clock, why,
                                      why_bytes);
    return explain_unknown_device(spec, name_bytes, why, why_bytes);
}

/* ---- the line ----------------------------------------------------------- */

static struct sy_device_op *pop_line(struct sy_device *device)
{
    struct sy_device_op *op;

    pthread_mutex_lock(&device->line_lock);
    op = device->head;
    if (op != NULL) {
        device->head = op->next;
        if (device->head == NULL)
            device->tail = NULL;
    }
    pthread_mutex_unlock(&device->line_lock);
    return op;
}

static void push_line_front(struct sy_device *device, struct sy_device_op *op)
{
    pthread_mutex_lock(&device->line_lock);
    op->next = device->head;
    device->head = op;
    if (device->tail == NULL)
        device->tail = op;
    pthread_mutex_unlock(&device->line_lock);
}

static void push_line_back(struct sy_device *device, struct sy_device_op *op)
{
    op->next = NULL;
    pthread_mutex_lock(&device->line_lock);
    if (device->tail != NULL)
        device->tail->next = op;
    else
        device->head = op;
    device->tail = op;
    pthread_mutex_unlock(&device->line_lock);
}

/* Hand an operation to the device. After a success op may be gone already. */
static int hand_over(struct sy_device *device, struct sy_device_op *op)
{
    struct shard *shard = own_shard(device);
    int err = device->ops->submit(device->state, op);

    if (err != 0)
        return err;
    count(device, shard, ENTERED, 1);
    note_depth(device, shard);
    return 0;
}

/* Hand over from the front of the line until it is empty or the device full;
   the caller is the only one who drains. */
static void drain_front(struct sy_device *device)
{
    struct sy_device_op *op;

    while (atomic_load_explicit(&device->waiting, memory_order_relaxed) <
               CLOSING &&
           (op = pop_line(device)) != NULL) {
        if (hand_over(device, op) != 0) {
            push_line_front(device, op);
            return;
        }
        /* Only now: until it is inside, later ones must queue up behind it. */
        atomic_fetch_sub_explicit(&device->waiting, 1, memory_order_seq_cst);
    }
}

static void drain_line(struct sy_device *device)
{
    uint64_t waiting;

    /* seq_cst throughout: the submitter writes waiting and then looks for
       room, the announcer makes room and then reads waiting; at least one must
       see the other. draining and drain_again do the same for two drainers. */
    for (;;) {
        waiting = atomic_load_explicit(&device->waiting, memory_order_seq_cst);
        if (waiting == 0 || waiting >= CLOSING)
            return;
        atomic_store_explicit(&device->drain_again, 1, memory_order_seq_cst);
        if (atomic_exchange_explicit(&device->draining, 1,
                                     memory_order_seq_cst) != 0)
            return;
        atomic_store_explicit(&device->drain_again, 0, memory_order_seq_cst);
        drain_front(device);
        atomic_store_explicit(&device->draining, 0, memory_order_seq_cst);
        if (atomic_load_explicit(&device->drain_again, memory_order_seq_cst) ==
            0)
            return;
    }
}

/* ---- operations --------------------------------------------------------- */

/* Everything about an announcement but the line and the counters. op is gone
   when it returns. */
static void announce(struct sy_device *device, struct sy_device_op *op,
                     int status)
{
    struct sy_waker waker = op->waker;
    sy_device_notify_fn notify = op->notify;
    void *user = op->user;

    op->status = status;
    op->completed_ns = sy_clock_now_ns(device->clock);
    /* pairs with the acquire in sy_device_op_done() */
    atomic_store_explicit(done_word(op), 1, memory_order_release);
    if (notify != NULL)
        notify(waker, user);
    else
        (void)sy_complete(waker); /* abandoned or not, it is complete */
}

void sy_device_announce(struct sy_device *device, struct sy_device_op *op,
                        int status, uint64_t late_ns)
{
    struct shard *shard = own_shard(device);

    /* Twice, or never submitted. Only a device that breaks its contract does
       that, and it is seen only while op is still the submitter's and at
       rest; then nothing happens but this. */
    if (SY_UNLIKELY(atomic_load_explicit(done_word(op), memory_order_relaxed) !=
                    IN_FLIGHT)) {
        count(device, shard, REPEATED, 1);
        return;
    }
    count(device, shard, LEFT, 1);
    if (status != -ECANCELED) {
        count(device, shard, LATE_SUM_NS, late_ns);
        count(device, shard, LATE_COUNT, 1);
        raise_to(&shard->late_max_ns, late_ns);
    }
    announce(device, op, status);
    drain_line(device);
}

static void announce_outside(struct sy_device *device, struct sy_device_op *op,
                             int status)
{
    count(device, own_shard(device), OUTSIDE, 1);
    announce(device, op, status);
}

static void submit(struct sy_device *device, struct sy_device_op *op)
{
    struct shard *shard;

    if (SY_UNLIKELY(!is_ours(device)))
        begin_afresh(device);

    op->status = 0;
    op->next = NULL;
    atomic_store_explicit(done_word(op), IN_FLIGHT, memory_order_relaxed);
    op->submitted_ns = sy_clock_now_ns(device->clock);
    shard = own_shard(device);
    count(device, shard, SUBMITTED, 1);

    if (SY_UNLIKELY(device->state == NULL)) {
        announce_outside(device, op, device->remake_error);
        return;
    }
    if (SY_LIKELY(atomic_load_explicit(&device->waiting,
                                       memory_order_seq_cst) == 0) &&
        SY_LIKELY(hand_over(device, op) == 0))
        return;

    count(device, shard, REFUSED, 1);
    /* waiting before the list: an operation that is in the list but not yet
       counted could be drained and leave waiting below zero. */
    atomic_fetch_add_explicit(&device->waiting, 1, memory_order_seq_cst);
    push_line_back(device, op);
    drain_line(device);
}

void sy_device_submit(struct sy_device *device, struct sy_device_op *op)
{
    submit(device, op);
    if (SY_UNLIKELY((device->poll.ops->flags & SY_PP_AFTER_SUBMIT) != 0) &&
        (device->caps & SY_DV_POLLED) != 0 && sy_job_current() == NULL)
        (void)sy_device_poll(device, NULL);
}

void sy_device_close(struct sy_device *device)
{
    struct sy_device_op *op;

    if (device == NULL)
        return;
    if (!is_ours(device)) {
        leave_state_behind(device);
    } else if (device->state != NULL) {
        atomic_fetch_add_explicit(&device->waiting, CLOSING,
                                  memory_order_seq_cst);
        device->ops->close(device->state);
        while ((op = pop_line(device)) != NULL)
            announce_outside(device, op, -ECANCELED);
        free(device->state);
        pthread_mutex_destroy(&device->line_lock);
    }
    free(device->options);
    free(device);
}

/* ---- polling ------------------------------------------------------------ */

static int call_poll_hook(struct sy_device *device, uint64_t *next_ns)
{
    int announced;

    if ((device->caps & SY_DV_SHARED_POLL) != 0)
        return device->ops->poll(device->state, next_ns);
    /* acquire and release: what one poll wrote, the next one reads */
    if (atomic_exchange_explicit(&device->polling, 1, memory_order_acquire) !=
        0) {
        *next_ns = sy_clock_now_ns(device->clock); /* worth while at once */
        return 0;
    }
    announced = device->ops->poll(device->state, next_ns);
    atomic_store_explicit(&device->polling, 0, memory_order_release);
    return announced;
}

/* Poll if the policy says so, and ask it when to poll again. */
static int poll_by_policy(struct sy_device *device, uint64_t active,
                          uint64_t *next_ns)
{
    const struct sy__poll_choice *poll = &device->poll;
    struct shard *shard = own_shard(device);
    struct sy_poll_view view = {
        .now_ns = sy_clock_now_ns(device->clock),
        .inside = pending(device),
        .active = active,
    };
    uint64_t again_ns = 0, event_ns = SY_FOREVER;
    int announced;

    view.polled_ns =
        atomic_load_explicit(&shard->polled_ns, memory_order_relaxed);
    if (view.inside > 0 && !poll->ops->decide(poll->values, &view, &again_ns)) {
        *next_ns = again_ns;
        return 0;
    }
    announced = view.inside > 0 ? call_poll_hook(device, &event_ns) : 0;
    view.now_ns = view.polled_ns = sy_clock_now_ns(device->clock);
    atomic_store_explicit(&shard->polled_ns, view.now_ns, memory_order_relaxed);
    view.inside = pending(device);
    *next_ns = SY_FOREVER;
    if (view.inside == 0)
        return announced;
    *next_ns = poll->ops->decide(poll->values, &view, &again_ns) ? view.now_ns
                                                                 : again_ns;
    /* A virtual clock stands still while we look again and again. */
    if (!device->clock->is_real && *next_ns <= view.now_ns)
        *next_ns = event_ns;
    return announced;
}

int sy_device_poll_for(struct sy_device *device, uint64_t active,
                       uint64_t *next_ns)
{
    uint64_t next = SY_FOREVER;
    int announced = 0;

    if (SY_UNLIKELY(!is_ours(device)))
        begin_afresh(device);
    if (device->state != NULL && (device->caps & SY_DV_POLLED) != 0)
        announced = device->poll.ops->decide == NULL
                        ? call_poll_hook(device, &next)
                        : poll_by_policy(device, active, &next);
    if (next_ns != NULL)
        *next_ns = next;
    return announced;
}

int sy_device_poll(struct sy_device *device, uint64_t *next_ns)
{
    return sy_device_poll_for(device, 0, next_ns);
}

int sy_device_set_poll_policy(struct sy_device *device,
                              const struct sy_poll_policy_ops *ops,
                              const uint64_t *values)
{
    if ((device->caps & SY_DV_POLLED) == 0)
        return -ENOTSUP;
    return sy__poll_choice_set(&device->poll, ops, values);
}

char *sy_device_poll_policy(const struct sy_device *device, char *words,
                            size_t words_bytes)
{
    if ((device->caps & SY_DV_POLLED) == 0)
        sy__explain(words, words_bytes, "%s", "");
    else
        sy__poll_choice_words(&device->poll, words, words_bytes);
    return words;
}

/* ---- a call from a job -------------------------------------------------- */

/* Where pausing is not possible: block the thread for an operation, and poll
   for it if nobody else can. Returns what sy_wait_here() returned. */
static int wait_for(struct sy_device *device, struct sy_waker waker,
                    const struct sy_device_op *op)
{
    uint64_t next_ns = SY_FOREVER, now_ns, timeout_ns;
    int err;

    (void)sy_device_poll(device, &next_ns);
    if (sy_device_op_done(op))
        return 0;
    timeout_ns = SY_FOREVER;
    if (next_ns != SY_FOREVER && !device->clock->is_real) {
        device->clock->sleep_until(device->clock, next_ns);
        return 0;
    }
    if (next_ns != SY_FOREVER) {
        now_ns = sy_clock_now_ns(device->clock);
        timeout_ns = next_ns > now_ns ? next_ns - now_ns : 0;
    }
    err = sy_wait_here(waker, timeout_ns);
    return err == -ETIMEDOUT ? 0 : err;
}

int sy_device_call(struct sy_device *device, struct sy_runtime *rt,
                   sy_device_execute_fn execute, void *arg)
{
    struct sy_device_op op = {.execute = execute, .arg = arg};
    struct sy_waker waker;
    int result = 0, err;

    err = sy_job_pin(rt, &op.waker);
    if (err != 0)
        return err;
    waker = op.waker;
    sy_device_submit(device, &op);
    /* Whatever happens meanwhile, the device still has a pointer into this
       frame: the only way out is completion. */
    while (!sy_device_op_done(&op)) {
        err = sy_job_pause();
        if (err == SY_NOT_PAUSED)
            err = wait_for(device, waker, &op);
        if (err != 0 && result == 0)
            result = err;
        if (err != 0 && err != -ECANCELED) /* no way to wait is left */
            sy_clock_monotonic()->sleep_until(
                sy_clock_monotonic(),
                sy_clock_now_ns(sy_clock_monotonic()) + SY_NS_PER_MS);
    }
    return result != 0 ? result : op.status;
}

void sy_device_get_stats(struct sy_device *device,
                         struct sy_device_stats *stats)
{
    uint64_t peak;

    memset(stats, 0, sizeof(*stats));
    stats->completed = sum(device, LEFT) + sum(device, OUTSIDE);
    stats->submitted = sum(device, SUBMITTED);
    stats->refused = sum(device, REFUSED);
    stats->repeated = sum(device, REPEATED);
    stats->late_sum_ns = sum(device, LATE_SUM_NS);
    stats->late_count = sum(device, LATE_COUNT);
    for (int i = 0; i <= SHARDS; i++) {
        const struct shard *shard = &device->shard[i];

        peak = atomic_load_explicit(&shard->depth_peak, memory_order_relaxed);
        if (peak > stats->depth_peak)
            stats->depth_peak = peak;
        peak = atomic_load_explicit(&shard->late_max_ns, memory_order_relaxed);
        if (peak > stats->late_max_ns)
            stats->late_max_ns = peak;
    }
}
