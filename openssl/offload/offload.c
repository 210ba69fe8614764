/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kit of switchyard/offload.h.
 *
 * An operation has a lock of its own, for who waits and who completes. A link
 * is what the operations of one wait context share: its eventfd, and the
 * knowledge whether the wait context still exists. The wait context holds the
 * link as the custom data of its descriptor, and the descriptor's cleanup
 * function says when it is gone; wakes hold in_wake, so that none is under way
 * when the application has freed the wait context.
 *
 * Locks: an operation's is never held when a link's is taken, nor either one
 * while a job pauses or a callback runs. in_wake comes first, and is recursive:
 * an application's callback may resume the job, or free the wait context,
 * before it returns. Only who frees the wait context waits for a callback: who
 * starts or resumes the job may hold a lock that the callback needs.
 *
 * The descriptor carries no stale wake: completion writes to it only for an
 * operation that is armed (its job pauses, or is about to) and not yet left,
 * and who leaves takes the operation's wake back. With several jobs on one wait
 * context, the last one reads the descriptor.
 */
#include <switchyard/offload.h>

#include <errno.h>
#include <openssl/async.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A pause that took less did not pause (see sy_offload_pauses()), */
#define IMMEDIATE_NS 1000
/* and after so many of these the thread sleeps, for at most so long: longer
   would starve a loop that drives its device between resumes. */
#define IMMEDIATE_MAX 4
#define NAP_NS        1000000
/* How long a blocked thread sleeps between calls of the author's poll. */
#define POLL_NS 100000

struct link {
    atomic_uint refs; /* the wait context, and each operation */
    unsigned forks;   /* what forks was when it was made */
    int is_fd_shown;  /* to the application; the job's thread's */
    pthread_mutex_t in_wake;
    pthread_mutex_t lock;
    /* Guarded by lock: */
    int fd;           /* -1: the wait context is gone */
    unsigned written; /* wakes in the descriptor that nobody took back */
    ASYNC_callback_fn callback;
    void *callback_arg;
};

struct sy_offload {
    atomic_uint refs; /* the author, and from submit to complete the device */
    unsigned forks;
    int is_submitted;
    int cannot_pause;
    unsigned pauses;
    struct link *link; /* NULL until the first pause */
    void (*poll)(void *user);
    void *poll_user;
    size_t data_bytes;

    /* Guarded by link->lock: */
    int is_left;   /* nobody waits any more: no wake */
    int is_woken;  /* by callback or descriptor */
    int has_wrote; /* by descriptor */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by lock: */
    int is_done, is_cancelled;
    int is_armed; /* a wake is wanted */
    int status;

    alignas(max_align_t) unsigned char data[];
};

/* How many forks lie between the first process and this one. */
static atomic_uint forks;

/* Its address is our key in wait contexts. */
static const char key;

static void after_fork_in_child(void)
{
    /* relaxed: there is one thread */
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    /* It fails for want of memory only; then children cannot tell which
       operations are their parent's. */
    (void)pthread_atfork(NULL, NULL, after_fork_in_child);
}

static unsigned forks_now(void)
{
    return atomic_load_explicit(&forks, memory_order_relaxed);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- links -------------------------------------------------------------- */

static void link_put(struct link *link)
{
    /* acq_rel: what other holders did comes before the end */
    if (link == NULL ||
        atomic_fetch_sub_explicit(&link->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (link->forks == forks_now()) {
        pthread_mutex_destroy(&link->lock);
        pthread_mutex_destroy(&link->in_wake);
    }
    free(link);
}

/* The wait context lets go of the link: it is freed, or gets another. */
static void link_detach(struct link *link)
{
    /* After a fork the holder of a lock may be a thread that is not here:
       nobody else is, then, who could be at the link. */
    int is_ours = link->forks == forks_now();

    if (is_ours) {
        pthread_mutex_lock(&link->in_wake);
        pthread_mutex_lock(&link->lock);
    }
    if (link->fd != -1)
        close(link->fd);
    link->fd = -1;
    if (is_ours) {
        pthread_mutex_unlock(&link->lock);
        pthread_mutex_unlock(&link->in_wake);
    }
    link_put(link);
}

static void wait_ctx_freed(ASYNC_WAIT_CTX *ctx, const void *the_key,
                           OSSL_ASYNC_FD fd, void *link)
{
    (void)ctx, (void)the_key, (void)fd;
    link_detach(link);
}

static struct link *link_new(void)
{
    struct link *link = calloc(1, sizeof(*link));
    pthread_mutexattr_t attr;

    if (link == NULL)
        return NULL;
    link->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (link->fd == -1) {
        free(link);
        return NULL;
    }
    atomic_init(&link->refs, 1);
    link->forks = forks_now();
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&link->in_wake, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_mutex_init(&link->lock, NULL);
    return link;
}

/* Find or make the link of a wait context. Returns one that the caller holds,
   or NULL. */
static struct link *link_of(ASYNC_WAIT_CTX *ctx)
{
    struct link *link = NULL;
    OSSL_ASYNC_FD fd;
    void *custom;

    if (ASYNC_WAIT_CTX_get_fd(ctx, &key, &fd, &custom)) {
        link = custom;
        if (link->forks != forks_now()) {
            /* The descriptor is shared with the parent: each process would
               take the other's wakes. */
            (void)ASYNC_WAIT_CTX_clear_fd(ctx, &key);
            link_detach(link);
            link = NULL;
        }
    }
    if (link == NULL) {
        link = link_new();
        if (link == NULL)
            return NULL;
        if (!ASYNC_WAIT_CTX_set_wait_fd(ctx, &key, link->fd, link,
                                        wait_ctx_freed)) {
            link_detach(link);
            return NULL;
        }
    }
    atomic_fetch_add_explicit(&link->refs, 1, memory_order_relaxed);
    return link;
}

/* ---- waking ------------------------------------------------------------- */

static void wake(struct sy_offload *op)
{
    struct link *link = op->link;
    ASYNC_callback_fn callback;
    const uint64_t one = 1;
    void *callback_arg;
    int wanted, taken = 0;

    pthread_mutex_lock(&link->in_wake);
    pthread_mutex_lock(&link->lock);
    callback = link->callback;
    callback_arg = link->callback_arg;
    wanted = link->fd != -1 && !op->is_left && !op->is_woken;
    if (wanted)
        op->is_woken = 1;
    pthread_mutex_unlock(&link->lock);
    if (wanted && callback != NULL)
        taken = callback(callback_arg);
    pthread_mutex_lock(&link->lock);
    /* A callback that answers 0 could not pass it on. Meanwhile the wait may
       have ended, or the wait context be freed. */
    if (wanted && !taken && link->fd != -1 && !op->is_left &&
        write(link->fd, &one, sizeof(one)) == (ssize_t)sizeof(one)) {
        op->has_wrote = 1;
        link->written++;
    }
    pthread_mutex_unlock(&link->lock);
    pthread_mutex_unlock(&link->in_wake);
}

/* The author stops waiting: no wake after this, and none left behind. */
static void leave(struct sy_offload *op)
{
    struct link *link = op->link;
    uint64_t count;

    if (link == NULL || op->forks != forks_now())
        return;
    pthread_mutex_lock(&link->lock);
    op->is_left = 1;
    if (op->has_wrote) {
        op->has_wrote = 0;
        link->written--;
        if (link->written == 0 && link->fd != -1)
            (void)!read(link->fd, &count, sizeof(count));
    }
    pthread_mutex_unlock(&link->lock);
}

/* ---- operations --------------------------------------------------------- */

static void put(struct sy_offload *op)
{
    /* acq_rel: what other holders did comes before the end */
    if (atomic_fetch_sub_explicit(&op->refs, 1, memory_order_acq_rel) != 1)
        return;
    link_put(op->link);
    if (op->forks == forks_now()) {
        pthread_cond_destroy(&op->changed);
        pthread_mutex_destroy(&op->lock);
    } /* else a thread may be in it for ever, which is not here */
    explicit_bzero(op->data, op->data_bytes);
    free(op);
}

int sy_offload_begin(struct sy_offload **out, size_t data_bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sy_offload *op;
    pthread_condattr_t attr;

    *out = NULL;
    pthread_once(&once, watch_forks);
    if (data_bytes > SIZE_MAX - sizeof(*op))
        return -ENOMEM;
    op = calloc(1, sizeof(*op) + data_bytes);
    if (op == NULL)
        return -ENOMEM;
    atomic_init(&op->refs, 1);
    op->forks = forks_now();
    op->data_bytes = data_bytes;
    pthread_mutex_init(&op->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&op->changed, &attr);
    pthread_condattr_destroy(&attr);
    *out = op;
    return 0;
}

void *sy_offload_data(struct sy_offload *op)
{
    return op->data_bytes > 0 ? op->data : NULL;
}

int sy_offload_in_job(void)
{
    return ASYNC_get_current_job() != NULL;
}

void sy_offload_set_poll(struct sy_offload *op, void (*poll)(void *user),
                         void *user)
{
    op->poll = poll;
    op->poll_user = user;
}

void sy_offload_submit(struct sy_offload *op)
{
    op->is_submitted = 1;
    atomic_fetch_add_explicit(&op->refs, 1, memory_order_relaxed);
}

void sy_offload_complete(struct sy_offload *op, int status)
{
    int wanted;

    if (op->forks == forks_now()) { /* else wait has its answer */
        pthread_mutex_lock(&op->lock);
        op->is_done = 1;
        op->status = status;
        wanted = op->is_armed;
        pthread_cond_signal(&op->changed);
        pthread_mutex_unlock(&op->lock);
        if (wanted)
            wake(op);
    }
    put(op);
}

void sy_offload_cancel(struct sy_offload *op)
{
    int wanted;

    if (op->forks != forks_now())
        return;
    pthread_mutex_lock(&op->lock);
    op->is_cancelled = 1;
    wanted = op->is_armed && !op->is_done;
    pthread_cond_signal(&op->changed);
    pthread_mutex_unlock(&op->lock);
    if (wanted)
        wake(op);
}

void sy_offload_end(struct sy_offload *op)
{
    if (op == NULL)
        return;
    leave(op);
    put(op);
}

unsigned sy_offload_pauses(const struct sy_offload *op)
{
    return op->pauses;
}

/* ---- waiting ------------------------------------------------------------ */

/* Sleep until something changes, for at most limit_ns (0: no limit). Called
   with the operation's lock held. */
static void sleep_locked(struct sy_offload *op, uint64_t limit_ns)
{
    uint64_t until_ns = now_ns() + limit_ns;
    struct timespec until = {
        .tv_sec = (time_t)(until_ns / 1000000000u),
        .tv_nsec = (long)(until_ns % 1000000000u),
    };

    if (limit_ns == 0)
        pthread_cond_wait(&op->changed, &op->lock);
    else
        pthread_cond_timedwait(&op->changed, &op->lock, &until);
}

static int is_over(const struct sy_offload *op)
{
    return op->is_done || op->is_cancelled;
}

/* Block the thread, for about limit_ns at most (0: until it is over). */
static void block(struct sy_offload *op, uint64_t limit_ns)
{
    uint64_t nap_ns = op->poll != NULL ? POLL_NS : limit_ns;
    uint64_t end_ns = limit_ns == 0 ? UINT64_MAX : now_ns() + limit_ns;

    do {
        if (op->poll != NULL)
            op->poll(op->poll_user);
        pthread_mutex_lock(&op->lock);
        op->is_armed = 0; /* nobody has to be told */
        if (!is_over(op))
            sleep_locked(op, nap_ns);
        if (is_over(op))
            end_ns = 0;
        pthread_mutex_unlock(&op->lock);
    } while (now_ns() < end_ns);
}

/* Make sure that a wake will find its way. Returns 1, or 0: the job cannot
   pause, or there is none. */
static int get_ready_to_pause(struct sy_offload *op)
{
    ASYNC_JOB *job = op->cannot_pause ? NULL : ASYNC_get_current_job();
    ASYNC_WAIT_CTX *ctx = job == NULL ? NULL : ASYNC_get_wait_ctx(job);
    ASYNC_callback_fn callback = NULL;
    void *callback_arg = NULL;

    if (ctx != NULL && op->link == NULL)
        op->link = link_of(ctx);
    if (ctx == NULL || op->link == NULL) {
        op->cannot_pause = 1;
        return 0;
    }
    if (ASYNC_WAIT_CTX_get_callback(ctx, &callback, &callback_arg) &&
        callback != NULL)
        (void)ASYNC_WAIT_CTX_set_status(ctx, ASYNC_STATUS_OK);
    else
        callback = NULL;
    pthread_mutex_lock(&op->link->lock);
    op->link->callback = callback;
    op->link->callback_arg = callback_arg;
    pthread_mutex_unlock(&op->link->lock);
    return 1;
}

/* Pause the job once. Returns whether it did pause, as far as one can see. */
static int pause_once(struct sy_offload *op)
{
    uint64_t paused_ns = now_ns();

    if (!ASYNC_pause_job()) {
        op->cannot_pause = 1;
        return 0;
    }
    return now_ns() - paused_ns >= IMMEDIATE_NS;
}

/* Is there still something to wait for? If so, a wake is wanted from now on, or
   none if the thread is going to block. */
static int must_wait(struct sy_offload *op, int armed)
{
    int over;

    pthread_mutex_lock(&op->lock);
    over = is_over(op);
    op->is_armed = armed && !over;
    pthread_mutex_unlock(&op->lock);
    return !over;
}

/*
 * Applications learn of a new descriptor when the job pauses. HAProxy takes
 * every one that it finds in a wait context at the end for one that it has
 * learnt of, and aborts. So the first time the job pauses even if the operation
 * was completed in the meantime.
 */
static int must_show_fd(const struct sy_offload *op)
{
    return !op->link->is_fd_shown && op->link->callback == NULL;
}

int sy_offload_wait(struct sy_offload *op)
{
    int immediate = 0, pausable, status;

    if (!op->is_submitted)
        return -EINVAL;
    while (op->forks == forks_now()) {
        /* Perhaps it was complete at once, and needs no descriptor. */
        if (!must_wait(op, 0))
            break;
        pausable = get_ready_to_pause(op);
        if (!pausable) {
            block(op, 0);
            continue;
        }
        if (!must_wait(op, 1)) {
            if (!must_show_fd(op))
                break;
            wake(op);
        }
        op->link->is_fd_shown = 1;
        if (pause_once(op) || op->forks != forks_now() ||
            (!op->cannot_pause && !must_wait(op, 0))) {
            op->pauses++;
            immediate = 0;
        } else if (++immediate >= IMMEDIATE_MAX) {
            block(op, NAP_NS);
        }
    }
    if (op->forks != forks_now())
        return -ECANCELED; /* its locks may be held by the parent's threads */
    leave(op);
    pthread_mutex_lock(&op->lock);
    status = op->is_done ? op->status : -ECANCELED;
    pthread_mutex_unlock(&op->lock);
    return status;
}
