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

    /* The line: see the top of the file. */
    _Atomic uint64_t waiting;  /* operations in it, + CLOSING */
    _Atomic int draining;      /* a thread hands operations over */
    _Atomic int drain_again;   /* and must look once more before it stops */
    pthread_mutex_t line_lock; /* guards head and tail */
    struct sy_device_op *head, *tail;

    /* Counters of the submitting side, and of the announcing side, on lines of
       their own. Relaxed: each is only ever read as a number. */
    _Alignas(SY_CACHE_LINE) _Atomic uint64_t submitted;
    _Atomic uint64_t refused, depth_peak;
    _Alignas(SY_CACHE_LINE) _Atomic int64_t inside;
    _Atomic uint64_t completed, late_max_ns, late_sum_ns, late_count;
};

/* In waiting: keeps every operation out of the device, in the line. */
#define CLOSING       (UINT64_MAX / 2)
#define FORK_REMAKING UINT32_MAX

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
    return (int)atomic_load_explicit(done_word(op), memory_order_acquire);
}

static void raise_to(_Atomic uint64_t *peak, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(peak, memory_order_relaxed);

    while (value > seen &&
           !atomic_compare_exchange_weak_explicit(
               peak, &seen, value, memory_order_relaxed, memory_order_relaxed))
        ;
}

/* ---- opening and closing ------------------------------------------------ */

static int open_state(struct sy_device *device, char *why, size_t why_bytes)
{
    struct sy_device_config cfg = {
        .options = device->options,
        .clock = device->clock,
        .device = device,
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
    atomic_store_explicit(&device->inside, 0, memory_order_relaxed);
    atomic_store_explicit(&device->submitted, 0, memory_order_relaxed);
    atomic_store_explicit(&device->completed, 0, memory_order_relaxed);
    atomic_store_explicit(&device->refused, 0, memory_order_relaxed);
    atomic_store_explicit(&device->depth_peak, 0, memory_order_relaxed);
    atomic_store_explicit(&device->late_max_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&device->late_sum_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&device->late_count, 0, memory_order_relaxed);
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
    err = open_state(device, why, why_bytes);
    if (err == 0 && (device->caps & SY_DV_POLLED) != 0 && ops->poll == NULL) {
        sy__explain(why, why_bytes, "%s: a polled device needs a poll hook",
                    ops->name);
        ops->close(device->state);
        free(device->state);
        err = -EPROTO;
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
    int64_t inside;
    int err = device->ops->submit(device->state, op);

    if (err != 0)
        return err;
    /* If it was announced before this line, inside is one short here and not
       one too many: the peak is never exaggerated. */
    inside =
        atomic_fetch_add_explicit(&device->inside, 1, memory_order_relaxed) + 1;
    if (inside > 0)
        raise_to(&device->depth_peak, (uint64_t)inside);
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

/* Everything about an announcement but the line and the counter of what is
   inside. op is gone when it returns. */
static void announce(struct sy_device *device, struct sy_device_op *op,
                     int status)
{
    struct sy_waker waker = op->waker;
    sy_device_notify_fn notify = op->notify;
    void *user = op->user;

    op->status = status;
    op->completed_ns = sy_clock_now_ns(device->clock);
    atomic_fetch_add_explicit(&device->completed, 1, memory_order_relaxed);
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
    atomic_fetch_sub_explicit(&device->inside, 1, memory_order_relaxed);
    if (status != -ECANCELED) {
        atomic_fetch_add_explicit(&device->late_sum_ns, late_ns,
                                  memory_order_relaxed);
        atomic_fetch_add_explicit(&device->late_count, 1, memory_order_relaxed);
        raise_to(&device->late_max_ns, late_ns);
    }
    announce(device, op, status);
    drain_line(device);
}

void sy_device_submit(struct sy_device *device, struct sy_device_op *op)
{
    if (SY_UNLIKELY(!is_ours(device)))
        begin_afresh(device);

    op->status = 0;
    op->next = NULL;
    atomic_store_explicit(done_word(op), 0, memory_order_relaxed);
    op->submitted_ns = sy_clock_now_ns(device->clock);
    atomic_fetch_add_explicit(&device->submitted, 1, memory_order_relaxed);

    if (SY_UNLIKELY(device->state == NULL)) {
        announce(device, op, device->remake_error);
        return;
    }
    if (SY_LIKELY(atomic_load_explicit(&device->waiting,
                                       memory_order_seq_cst) == 0) &&
        SY_LIKELY(hand_over(device, op) == 0))
        return;

    atomic_fetch_add_explicit(&device->refused, 1, memory_order_relaxed);
    /* waiting before the list: an operation that is in the list but not yet
       counted could be drained and leave waiting below zero. */
    atomic_fetch_add_explicit(&device->waiting, 1, memory_order_seq_cst);
    push_line_back(device, op);
    drain_line(device);
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
            announce(device, op, -ECANCELED);
        free(device->state);
        pthread_mutex_destroy(&device->line_lock);
    }
    free(device->options);
    free(device);
}

int sy_device_poll(struct sy_device *device, uint64_t *next_ns)
{
    uint64_t next = SY_FOREVER;
    int announced = 0;

    if (SY_UNLIKELY(!is_ours(device)))
        begin_afresh(device);
    if (device->state != NULL && (device->caps & SY_DV_POLLED) != 0) {
        /* acquire and release: what one poll wrote, the next one reads */
        if (atomic_exchange_explicit(&device->polling, 1,
                                     memory_order_acquire) == 0) {
            announced = device->ops->poll(device->state, &next);
            atomic_store_explicit(&device->polling, 0, memory_order_release);
        } else {
            next = sy_clock_now_ns(device->clock); /* worth while at once */
        }
    }
    if (next_ns != NULL)
        *next_ns = next;
    return announced;
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
    stats->completed =
        atomic_load_explicit(&device->completed, memory_order_relaxed);
    stats->submitted =
        atomic_load_explicit(&device->submitted, memory_order_relaxed);
    stats->refused =
        atomic_load_explicit(&device->refused, memory_order_relaxed);
    stats->depth_peak =
        atomic_load_explicit(&device->depth_peak, memory_order_relaxed);
    stats->late_max_ns =
        atomic_load_explicit(&device->late_max_ns, memory_order_relaxed);
    stats->late_sum_ns =
        atomic_load_explicit(&device->late_sum_ns, memory_order_relaxed);
    stats->late_count =
        atomic_load_explicit(&device->late_count, memory_order_relaxed);
}
