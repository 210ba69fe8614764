/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ASYNC_WAIT_CTX. With OpenSSL, a wake-up that comes after the connection was
 * closed is a use after free. Here the memory of a wait context is never given
 * back: a freed one stays in quarantine until its thread has freed
 * QUARANTINE_MIN others, answers nothing in that time, and counts who asks.
 *
 * A context has a lock of its own, which is held for a few loads and stores;
 * nobody else's code runs under it. Locking costs more than all the rest, and
 * nearly every context is used by one thread only. So a thread uses its own
 * contexts without locks, and only says that it is inside one, until another
 * thread wants one of them. That one pays for both, with a barrier on all
 * processors (membarrier(2)); after that, the thread locks like everybody.
 */
#include "dropin.h"
#include <linux/membarrier.h>
#include <openssl/err.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CONTEXTS_AT_ONCE   32
#define SPINS_BEFORE_YIELD 200

typedef void (*cleanup_fn)(ASYNC_WAIT_CTX *ctx, const void *key, int fd,
                           void *custom);

struct fd_entry {
    struct fd_entry *next; /* older */
    const void *key;
    void *custom;
    cleanup_fn cleanup;
    int fd;
    bool is_used;    /* of the one within the context */
    bool is_added;   /* since the job was last resumed */
    bool is_deleted; /* since then, too; else it would be gone */
};

struct async_wait_ctx_st {
    _Alignas(SY_CACHE_LINE) struct dropin_wait_head head;
    atomic_uint lock;
    int status;
    struct dropin_thread *_Atomic owner;
    struct fd_entry *entries; /* newest first */
    uint32_t added;
    uint32_t deleted;
    ASYNC_callback_fn callback;
    void *callback_arg;
    struct fd_entry room;      /* for the usual one */
    ASYNC_WAIT_CTX *next;      /* in quarantine */
    _Atomic uint64_t woken_ns; /* account: when, or 0 */
};

_Static_assert(sizeof(ASYNC_WAIT_CTX) == 2 * SY_CACHE_LINE,
               "with the usual one descriptor, two lines");

static ASYNC_WAIT_CTX no_wait, dead_wait = {.head.stamp = STAMP_FREED};
ASYNC_WAIT_CTX *const dropin_no_wait = &no_wait;
ASYNC_WAIT_CTX *const dropin_dead_wait = &dead_wait;

/* ---- locking ------------------------------------------------------------- */

static void relax(unsigned spins)
{
    if (spins % SPINS_BEFORE_YIELD != 0)
        SY_CPU_RELAX();
    else
        sched_yield();
}

static pthread_mutex_t sharing;

void dropin_wait_prepare(void)
{
    /* In the child of a fork, another thread may have held it. */
    (void)pthread_mutex_init(&sharing, NULL);
    dropin.has_membarrier =
        !SY_TSAN &&
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0,
                0) == 0;
}

void dropin_wait_share(struct dropin_thread *t)
{
    atomic_store_explicit(&t->in_wait, 0, memory_order_relaxed);
    atomic_store_explicit(&t->is_shared, 1, memory_order_relaxed);
    /* release pairs with acquire in is_shared() */
    atomic_store_explicit(&t->is_known_shared, 1, memory_order_release);
}

/*
 * Have a thread use the locks of its contexts from now on. After the barrier
 * it either sees is_shared, or we see that it is inside, and wait until it is
 * not: it has no fence between writing the one and reading the other.
 */
static void make_shared(struct dropin_thread *t)
{
    unsigned spins = 0;

    pthread_mutex_lock(&sharing);
    if (atomic_load_explicit(&t->is_known_shared, memory_order_relaxed) == 0) {
        atomic_store_explicit(&t->is_shared, 1, memory_order_seq_cst);
        (void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
        /* acquire pairs with release in unlock() */
        while (atomic_load_explicit(&t->in_wait, memory_order_acquire) != 0)
            relax(++spins);
        atomic_store_explicit(&t->is_known_shared, 1, memory_order_release);
    }
    pthread_mutex_unlock(&sharing);
}

/* acquire pairs with release in make_shared() */
static bool is_shared(struct dropin_thread *t)
{
    return t == NULL ||
           atomic_load_explicit(&t->is_known_shared, memory_order_acquire) != 0;
}

static void lock_shared(ASYNC_WAIT_CTX *ctx)
{
    struct dropin_thread *owner;
    unsigned spins = 0;

    for (;;) {
        owner = atomic_load_explicit(&ctx->owner, memory_order_relaxed);
        if (!is_shared(owner))
            make_shared(owner);
        /* acquire pairs with release in unlock() */
        while (atomic_exchange_explicit(&ctx->lock, 1, memory_order_acquire))
            relax(++spins);
        /* It changes under the lock only. */
        if (owner == atomic_load_explicit(&ctx->owner, memory_order_relaxed))
            return;
        atomic_store_explicit(&ctx->lock, 0, memory_order_release);
    }
}

/* Lock a context, alive or not. */
static inline void lock_any(ASYNC_WAIT_CTX *ctx)
{
    struct dropin_thread *t = dropin_self.thread;

    if (SY_LIKELY(t != NULL && atomic_load_explicit(
                                   &ctx->owner, memory_order_relaxed) == t)) {
        /* relaxed, and no fence: make_shared() has the one for both */
        atomic_store_explicit(&t->in_wait, 1, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        if (SY_LIKELY(
                atomic_load_explicit(&t->is_shared, memory_order_relaxed) == 0))
            return;
        atomic_store_explicit(&t->in_wait, 0, memory_order_release);
    }
    lock_shared(ctx);
}

static inline void unlock(ASYNC_WAIT_CTX *ctx)
{
    struct dropin_thread *t = dropin_self.thread;

    /* release pairs with acquire in make_shared() and lock_shared() */
    if (SY_LIKELY(t != NULL &&
                  atomic_load_explicit(&t->in_wait, memory_order_relaxed) != 0))
        atomic_store_explicit(&t->in_wait, 0, memory_order_release);
    else
        atomic_store_explicit(&ctx->lock, 0, memory_order_release);
}

/* Lock a context that is alive; otherwise false. */
static inline bool lock(ASYNC_WAIT_CTX *ctx)
{
    if (SY_UNLIKELY(ctx == NULL))
        return false;
    lock_any(ctx);
    if (SY_LIKELY((dropin_stamp(ctx) & STAMP_FREED) == 0))
        return true;
    unlock(ctx);
    dropin_count(&dropin.freed_accesses);
    return false;
}

/* ---- memory -------------------------------------------------------------- */

static void quarantine(struct dropin_thread *t, ASYNC_WAIT_CTX *ctx)
{
    ctx->next = NULL;
    if (t->freed_last != NULL)
        t->freed_last->next = ctx;
    else
        t->freed_first = ctx;
    t->freed_last = ctx;
    t->freed_count++;
}

/* Contexts that nobody has ever seen stand beside the quarantine. */
static ASYNC_WAIT_CTX *take(struct dropin_thread *t)
{
    ASYNC_WAIT_CTX *ctx;

    if (t->freed_count > QUARANTINE_MIN) {
        ctx = t->freed_first;
        t->freed_first = ctx->next;
        t->freed_count--;
        SY_PREFETCH(t->freed_first); /* the next one, long not used */
        SY_PREFETCH((char *)t->freed_first + SY_CACHE_LINE);
        return ctx;
    }
    if (t->fresh_left == 0) {
        t->fresh = aligned_alloc(_Alignof(ASYNC_WAIT_CTX),
                                 CONTEXTS_AT_ONCE * sizeof(*t->fresh));
        if (t->fresh == NULL)
            return NULL;
        memset(t->fresh, 0, CONTEXTS_AT_ONCE * sizeof(*t->fresh));
        t->fresh_left = CONTEXTS_AT_ONCE;
    }
    t->fresh_left--;
    return t->fresh++;
}

/* It comes from another thread, or from none: its lock is held. */
static void give_to(ASYNC_WAIT_CTX *ctx, struct dropin_thread *t)
{
    atomic_store_explicit(&ctx->owner, t, memory_order_relaxed);
    atomic_store_explicit(&ctx->lock, 0, memory_order_release);
}

SY_API ASYNC_WAIT_CTX *ASYNC_WAIT_CTX_new(void)
{
    struct dropin_thread *t;
    ASYNC_WAIT_CTX *ctx;
    uint64_t stamp;

    if (SY_UNLIKELY(dropin_self.thread == NULL))
        (void)dropin_libcrypto_find();
    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->wait_new != NULL ? dropin_forward->wait_new()
                                                : NULL;
    t = dropin_thread();
    ctx = t != NULL ? take(t) : NULL;
    if (ctx == NULL) {
        dropin_raise(ERR_R_MALLOC_FAILURE, NULL);
        return NULL;
    }
    lock_any(ctx);
    stamp = (dropin_stamp(ctx) >> STAMP_SHIFT) + 1;
    ctx->status = ASYNC_STATUS_UNSUPPORTED;
    ctx->entries = NULL;
    ctx->added = 0;
    ctx->deleted = 0;
    ctx->callback = NULL;
    ctx->callback_arg = NULL;
    ctx->room.is_used = false;
    atomic_store_explicit(&ctx->head.job, NULL, memory_order_relaxed);
    atomic_store_explicit(&ctx->head.stamp, stamp << STAMP_SHIFT,
                          memory_order_relaxed);
    if (SY_UNLIKELY(atomic_load_explicit(&ctx->owner, memory_order_relaxed) !=
                    t))
        give_to(ctx, t);
    else
        unlock(ctx);
    return ctx;
}

static struct fd_entry *entry_new(ASYNC_WAIT_CTX *ctx)
{
    return !ctx->room.is_used ? &ctx->room : malloc(sizeof(struct fd_entry));
}

static void entry_free(ASYNC_WAIT_CTX *ctx, struct fd_entry *entry)
{
    if (entry == &ctx->room)
        entry->is_used = false;
    else
        free(entry);
}

/* Set or clear STAMP_CHANGED; the lock is held. */
static void note_changes(ASYNC_WAIT_CTX *ctx)
{
    uint64_t old = dropin_stamp(ctx), stamp = old & ~STAMP_CHANGED;

    if (ctx->added != 0 || ctx->deleted != 0)
        stamp |= STAMP_CHANGED;
    /* relaxed: see dropin_stamp() */
    if (stamp != old)
        atomic_store_explicit(&ctx->head.stamp, stamp, memory_order_relaxed);
}

/* ---- the end ------------------------------------------------------------- */

bool dropin_is_waiting(const struct dropin_job *job, ASYNC_WAIT_CTX *ctx)
{
    return job != NULL && job->wait == ctx && job->slot != NULL &&
           job->slot->paused &&
           job->stamp >> STAMP_SHIFT == dropin_stamp(ctx) >> STAMP_SHIFT;
}

static void mark_orphan(ASYNC_WAIT_CTX *ctx)
{
    struct dropin_job *job =
        atomic_load_explicit(&ctx->head.job, memory_order_relaxed);

    if (job == NULL || !dropin_is_waiting(job, ctx))
        return;
    if (!job->is_orphan)
        dropin_count(&dropin.orphaned);
    job->is_orphan = true;
}

SY_API void ASYNC_WAIT_CTX_free(ASYNC_WAIT_CTX *ctx)
{
    struct dropin_thread *t;
    struct fd_entry *entry, *next;

    if (SY_UNLIKELY(dropin_forward != NULL)) {
        if (dropin_forward->wait_free != NULL)
            dropin_forward->wait_free(ctx);
        return;
    }
    if (!lock(ctx))
        return;
    mark_orphan(ctx);
    atomic_store_explicit(&ctx->head.stamp, dropin_stamp(ctx) | STAMP_FREED,
                          memory_order_relaxed);
    unlock(ctx);
    /* From here on it is ours alone. */
    for (entry = ctx->entries; entry != NULL; entry = next) {
        next = entry->next;
        if (!entry->is_deleted && entry->cleanup != NULL)
            entry->cleanup(ctx, entry->key, entry->fd, entry->custom);
        entry_free(ctx, entry);
    }
    t = dropin_thread();
    if (t != NULL) /* else it is lost, and harmless */
        quarantine(t, ctx);
}

/* ---- windows of changes -------------------------------------------------- */

static void forget_changes(ASYNC_WAIT_CTX *ctx)
{
    struct fd_entry **at = &ctx->entries, *entry;

    while (*at != NULL) {
        entry = *at;
        if (entry->is_deleted) {
            *at = entry->next;
            entry_free(ctx, entry);
            continue;
        }
        entry->is_added = false;
        at = &entry->next;
    }
    ctx->added = 0;
    ctx->deleted = 0;
    note_changes(ctx);
}

void dropin_wait_new_window(struct dropin_job *job)
{
    uint64_t now = dropin_stamp(job->wait);

    if (now == job->stamp)
        return;
    if (now == (job->stamp | STAMP_CHANGED) && lock(job->wait)) {
        forget_changes(job->wait);
        unlock(job->wait);
        return;
    }
    job->wait = dropin_dead_wait;
    job->stamp = dropin_stamp(job->wait);
}

/* ---- descriptors --------------------------------------------------------- */

SY_API int ASYNC_WAIT_CTX_set_wait_fd(ASYNC_WAIT_CTX *ctx, const void *key,
                                      int fd, void *custom, cleanup_fn cleanup)
{
    struct fd_entry *entry;

    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->wait_set_fd != NULL
                   ? dropin_forward->wait_set_fd(ctx, key, fd, custom, cleanup)
                   : 0;
    if (!lock(ctx))
        return 0;
    entry = entry_new(ctx);
    if (entry == NULL) {
        unlock(ctx);
        dropin_raise(ERR_R_MALLOC_FAILURE, NULL);
        return 0;
    }
    entry->next = ctx->entries;
    entry->key = key;
    entry->custom = custom;
    entry->cleanup = cleanup;
    entry->fd = fd;
    entry->is_used = true;
    entry->is_added = true;
    entry->is_deleted = false;
    ctx->entries = entry;
    ctx->added++;
    note_changes(ctx);
    unlock(ctx);
    if (dropin_self.thread != NULL)
        dropin_self.thread->fds++;
    return 1;
}

/* Where the newest entry with that key hangs that is not deleted, or NULL. */
static struct fd_entry **find(ASYNC_WAIT_CTX *ctx, const void *key)
{
    struct fd_entry **at;

    for (at = &ctx->entries; *at != NULL; at = &(*at)->next) {
        if ((*at)->key == key && !(*at)->is_deleted)
            return at;
    }
    return NULL;
}

SY_API int ASYNC_WAIT_CTX_get_fd(ASYNC_WAIT_CTX *ctx, const void *key, int *fd,
                                 void **custom)
{
    struct fd_entry **at;

    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->wait_get_fd != NULL
                   ? dropin_forward->wait_get_fd(ctx, key, fd, custom)
                   : 0;
    if (!lock(ctx))
        return 0;
    at = find(ctx, key);
    if (at != NULL) {
        if (fd != NULL)
            *fd = (*at)->fd;
        if (custom != NULL)
            *custom = (*at)->custom;
    }
    unlock(ctx);
    return at != NULL;
}

/* The lock is held. */
static size_t list_all(const ASYNC_WAIT_CTX *ctx, int *fds, size_t max)
{
    size_t n = 0;

    for (const struct fd_entry *e = ctx->entries; e != NULL; e = e->next) {
        if (e->is_deleted)
            continue;
        if (fds != NULL && n < max)
            fds[n] = e->fd;
        n++;
    }
    return n;
}

SY_API int ASYNC_WAIT_CTX_get_all_fds(ASYNC_WAIT_CTX *ctx, int *fd,
                                      size_t *numfds)
{
    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->wait_all_fds != NULL
                   ? dropin_forward->wait_all_fds(ctx, fd, numfds)
                   : 0;
    if (dropin_self.thread != NULL)
        dropin_self.thread->last_seen = ctx;
    *numfds = 0;
    if (!lock(ctx))
        return 0;
    *numfds = list_all(ctx, fd, SIZE_MAX);
    unlock(ctx);
    return 1;
}

size_t dropin_wait_fds(ASYNC_WAIT_CTX *ctx, int *fds, size_t max)
{
    size_t n = 0;

    if (lock(ctx)) {
        n = list_all(ctx, fds, max);
        unlock(ctx);
    }
    return n;
}

SY_API int ASYNC_WAIT_CTX_get_changed_fds(ASYNC_WAIT_CTX *ctx, int *addfd,
                                          size_t *numaddfds, int *delfd,
                                          size_t *numdelfds)
{
    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->wait_changed_fds != NULL
                   ? dropin_forward->wait_changed_fds(ctx, addfd, numaddfds,
                                                      delfd, numdelfds)
                   : 0;
    *numaddfds = 0;
    *numdelfds = 0;
    if (!lock(ctx))
        return 0;
    *numaddfds = ctx->added;
    *numdelfds = ctx->deleted;
    for (const struct fd_entry *e = ctx->entries; e != NULL; e = e->next) {
        if (e->is_deleted && delfd != NULL)
            *delfd++ = e->fd;
        else if (e->is_added && !e->is_deleted && addfd != NULL)
            *addfd++ = e->fd;
    }
    unlock(ctx);
    return 1;
}

SY_API int ASYNC_WAIT_CTX_clear_fd(ASYNC_WAIT_CTX *ctx, const void *key)
{
    struct fd_entry **at, *entry;

    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->wait_clear_fd != NULL
                   ? dropin_forward->wait_clear_fd(ctx, key)
                   : 0;
    if (!lock(ctx))
        return 0;
    at = find(ctx, key);
    if (at == NULL) {
        unlock(ctx);
        return 0;
    }
    entry = *at;
    if (entry->is_added) { /* added and deleted in one window: no change */
        ctx->added--;
        *at = entry->next;
        entry_free(ctx, entry);
    } else {
        entry->is_deleted = true;
        ctx->deleted++;
    }
    note_changes(ctx);
    unlock(ctx);
    return 1;
}

/* ---- callback and status ------------------------------------------------- */

void dropin_wait_woken(ASYNC_WAIT_CTX *ctx)
{
    uint64_t none = 0;

    /* relaxed: a time for the account, nothing else hangs on it */
    (void)atomic_compare_exchange_strong_explicit(
        &ctx->woken_ns, &none, dropin_now_ns(), memory_order_relaxed,
        memory_order_relaxed);
}

uint64_t dropin_wait_take_woken(ASYNC_WAIT_CTX *ctx)
{
    return atomic_exchange_explicit(&ctx->woken_ns, 0, memory_order_relaxed);
}

bool dropin_wait_has_callback(ASYNC_WAIT_CTX *ctx)
{
    bool has = false;

    if (lock(ctx)) {
        has = ctx->callback != NULL;
        unlock(ctx);
    }
    return has;
}

/* In place of a callback, when the account wants to know the time, or a wake-up
   shall cost more. */
static int wake_and_tell(void *arg)
{
    ASYNC_callback_fn callback = NULL;
    void *callback_arg = NULL;
    ASYNC_WAIT_CTX *ctx = arg;

    if (dropin.options.dose)
        dropin_dose_wake();
    dropin_wait_woken(ctx);
    if (lock(ctx)) {
        callback = ctx->callback;
        callback_arg = ctx->callback_arg;
        unlock(ctx);
    }
    return callback != NULL ? callback(callback_arg) : 0;
}

SY_API int ASYNC_WAIT_CTX_set_callback(ASYNC_WAIT_CTX *ctx,
                                       ASYNC_callback_fn callback,
                                       void *callback_arg)
{
    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->wait_set_callback != NULL
                   ? dropin_forward->wait_set_callback(ctx, callback,
                                                       callback_arg)
                   : 0;
    if (!lock(ctx))
        return 0;
    ctx->callback = callback;
    ctx->callback_arg = callback_arg;
    unlock(ctx);
    return 1;
}

SY_API int ASYNC_WAIT_CTX_get_callback(ASYNC_WAIT_CTX *ctx,
                                       ASYNC_callback_fn *callback,
                                       void **callback_arg)
{
    bool tells = dropin.options.account || dropin.options.dose, is_set;

    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->wait_get_callback != NULL
                   ? dropin_forward->wait_get_callback(ctx, callback,
                                                       callback_arg)
                   : 0;
    if (!lock(ctx))
        return 0;
    is_set = ctx->callback != NULL;
    if (is_set) {
        *callback = tells ? wake_and_tell : ctx->callback;
        *callback_arg = tells ? ctx : ctx->callback_arg;
    }
    unlock(ctx);
    return is_set;
}

SY_API int ASYNC_WAIT_CTX_set_status(ASYNC_WAIT_CTX *ctx, int status)
{
    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->wait_set_status != NULL
                   ? dropin_forward->wait_set_status(ctx, status)
                   : 0;
    if (!lock(ctx))
        return 0;
    ctx->status = status;
    unlock(ctx);
    return 1;
}

SY_API int ASYNC_WAIT_CTX_get_status(ASYNC_WAIT_CTX *ctx)
{
    int status;

    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->wait_get_status != NULL
                   ? dropin_forward->wait_get_status(ctx)
                   : ASYNC_STATUS_UNSUPPORTED;
    if (!lock(ctx))
        return ASYNC_STATUS_UNSUPPORTED;
    status = ctx->status;
    unlock(ctx);
    return status;
}

/* ---- the names of switchyard/openssl_async.h ----------------------------- */

ASYNC_WAIT_CTX *sy_openssl_wait_ctx_new(void) SY_ALIAS_OF(ASYNC_WAIT_CTX_new);
void sy_openssl_wait_ctx_free(ASYNC_WAIT_CTX *ctx)
    SY_ALIAS_OF(ASYNC_WAIT_CTX_free);
int sy_openssl_wait_ctx_set_wait_fd(ASYNC_WAIT_CTX *ctx, const void *key,
                                    int fd, void *custom_data,
                                    cleanup_fn cleanup)
    SY_ALIAS_OF(ASYNC_WAIT_CTX_set_wait_fd);
int sy_openssl_wait_ctx_get_fd(ASYNC_WAIT_CTX *ctx, const void *key, int *fd,
                               void **custom_data)
    SY_ALIAS_OF(ASYNC_WAIT_CTX_get_fd);
int sy_openssl_wait_ctx_get_all_fds(ASYNC_WAIT_CTX *ctx, int *fd,
                                    size_t *numfds)
    SY_ALIAS_OF(ASYNC_WAIT_CTX_get_all_fds);
int sy_openssl_wait_ctx_get_changed_fds(ASYNC_WAIT_CTX *ctx, int *addfd,
                                        size_t *numaddfds, int *delfd,
                                        size_t *numdelfds)
    SY_ALIAS_OF(ASYNC_WAIT_CTX_get_changed_fds);
int sy_openssl_wait_ctx_clear_fd(ASYNC_WAIT_CTX *ctx, const void *key)
    SY_ALIAS_OF(ASYNC_WAIT_CTX_clear_fd);
int sy_openssl_wait_ctx_set_callback(ASYNC_WAIT_CTX *ctx,
                                     ASYNC_callback_fn callback,
                                     void *callback_arg)
    SY_ALIAS_OF(ASYNC_WAIT_CTX_set_callback);
int sy_openssl_wait_ctx_get_callback(ASYNC_WAIT_CTX *ctx,
                                     ASYNC_callback_fn *callback,
                                     void **callback_arg)
    SY_ALIAS_OF(ASYNC_WAIT_CTX_get_callback);
int sy_openssl_wait_ctx_set_status(ASYNC_WAIT_CTX *ctx, int status)
    SY_ALIAS_OF(ASYNC_WAIT_CTX_set_status);
int sy_openssl_wait_ctx_get_status(ASYNC_WAIT_CTX *ctx)
    SY_ALIAS_OF(ASYNC_WAIT_CTX_get_status);
