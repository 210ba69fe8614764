/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker threads that execute the operations for real, first come, first
 * served.
 *
 * Its lateness is that of its wake-ups: how long an operation that came while
 * a worker was idle waited until one began with it. An operation that came
 * while every worker was busy, or already being woken, is never late: it had
 * to wait for a worker, not for the device.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/device.h>

#include "../device_options.h"

#define THREADS_MAX 64
#define QUEUE_MAX   65536

/* In due_ns of an operation: no worker was idle when it came. */
#define NOT_DUE UINT64_MAX

struct workers {
    struct sy_device *device;
    struct sy_clock *clock;
    uint64_t threads, queue;
    pthread_t thread[THREADS_MAX];

    /* Raised under the lock, lowered without it. seq_cst: the submitter who
       was refused relies on seeing what an announcer freed (device.c). */
    _Atomic uint64_t inside;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work;
    struct sy_device_op *head, *tail;
    uint64_t idle;   /* workers asleep that nobody has called yet */
    uint64_t called; /* and those called that have not yet noticed */
    int stop;
};

static int workers_submit(void *state, struct sy_device_op *op)
{
    struct workers *workers = state;
    int call = 0;

    op->next = NULL;
    op->due_ns = NOT_DUE;
    pthread_mutex_lock(&workers->lock);
    if (atomic_load_explicit(&workers->inside, memory_order_seq_cst) >=
        workers->queue) {
        pthread_mutex_unlock(&workers->lock);
        return -EAGAIN;
    }
    atomic_fetch_add_explicit(&workers->inside, 1, memory_order_seq_cst);
    if (workers->tail != NULL)
        workers->tail->next = op;
    else
        workers->head = op;
    workers->tail = op;
    if (workers->idle > 0) {
        workers->idle--;
        workers->called++;
        op->due_ns = sy_clock_now_ns(workers->clock);
        call = 1;
    }
    pthread_mutex_unlock(&workers->lock);
    if (call) /* the only system call here, and only for a sleeping worker */
        pthread_cond_signal(&workers->work);
    return 0;
}

/* Wait for an operation and take it; NULL: stop. Called with the lock held. */
static struct sy_device_op *take(struct workers *workers)
{
    struct sy_device_op *op;

    while (workers->head == NULL && !workers->stop) {
        workers->idle++;
        while (workers->head == NULL && !workers->stop && workers->called == 0)
            pthread_cond_wait(&workers->work, &workers->lock);
        /* Called or not: if not, somebody else has taken this one's call, and
           is still counted as idle in its place. */
        if (workers->called > 0)
            workers->called--;
        else
            workers->idle--;
    }
    if (workers->stop)
        return NULL;
    op = workers->head;
    workers->head = op->next;
    if (workers->head == NULL)
        workers->tail = NULL;
    return op;
}

static void *worker(void *state)
{
    struct workers *workers = state;
    struct sy_device_op *op;

    pthread_mutex_lock(&workers->lock);
    while ((op = take(workers)) != NULL) {
        uint64_t late_ns = 0;
        int status = 0;

        pthread_mutex_unlock(&workers->lock);
        if (op->due_ns != NOT_DUE) {
            uint64_t now_ns = sy_clock_now_ns(workers->clock);

            late_ns = now_ns > op->due_ns ? now_ns - op->due_ns : 0;
        }
        if (op->execute != NULL)
            status = op->execute(op->arg);
        atomic_fetch_sub_explicit(&workers->inside, 1, memory_order_seq_cst);
        sy_device_announce(workers->device, op, status, late_ns);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static void stop_threads(struct workers *workers, uint64_t count)
{
    pthread_mutex_lock(&workers->lock);
    workers->stop = 1;
    pthread_mutex_unlock(&workers->lock);
    pthread_cond_broadcast(&workers->work);
    for (uint64_t i = 0; i < count; i++)
        pthread_join(workers->thread[i], NULL);
    pthread_cond_destroy(&workers->work);
    pthread_mutex_destroy(&workers->lock);
}

static int parse_options(struct workers *workers, const char *text, char *why,
                         size_t why_bytes)
{
    const struct sy__option options[] = {
        {.key = "threads",
         .accepts = "1 .. 64",
         .count = &workers->threads,
         .min = 1,
         .max = THREADS_MAX},
        {.key = "queue",
         .accepts = "1 .. 65536",
         .count = &workers->queue,
         .min = 1,
         .max = QUEUE_MAX},
    };

    workers->threads = 1;
    workers->queue = 1024;
    return sy__options_parse("workers", text, options,
                             sizeof(options) / sizeof(options[0]), why,
                             why_bytes);
}

static int workers_open(void *state, const struct sy_device_config *cfg,
                        uint32_t *caps, char *why, size_t why_bytes)
{
    struct workers *workers = state;
    sigset_t all, old;
    int err;

    *caps = 0;
    workers->device = cfg->device;
    workers->clock = cfg->clock;
    err = parse_options(workers, cfg->options, why, why_bytes);
    if (err != 0)
        return err;
    if (!cfg->clock->is_real) {
        sy__explain(why, why_bytes,
                    "workers: threads take real time; a virtual clock does "
                    "not go with them");
        return -ENOTSUP;
    }
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->work, NULL);

    sigfillset(&all); /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (uint64_t i = 0; i < workers->threads && err == 0; i++) {
        err = pthread_create(&workers->thread[i], NULL, worker, workers);
        if (err != 0) {
            sy__explain(why, why_bytes,
                        "workers: thread %llu of %llu could not be made: %s",
                        (unsigned long long)i + 1,
                        (unsigned long long)workers->threads, strerror(err));
            stop_threads(workers, i);
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -err;
}

static void workers_close(void *state)
{
    struct workers *workers = state;
    struct sy_device_op *op;

    stop_threads(workers, workers->threads);
    while ((op = workers->head) != NULL) {
        workers->head = op->next;
        sy_device_announce(workers->device, op, -ECANCELED, 0);
    }
}

const struct sy_device_ops sy_device_workers = {
    .abi = SY_DEVICE_ABI,
    .name = "workers",
    .summary = "worker threads that execute the operation for real",
    .options = "threads=1..64,queue=1..65536",
    .state_bytes = sizeof(struct workers),
    .open = workers_open,
    .close = workers_close,
    .submit = workers_submit,
};
