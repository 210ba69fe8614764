/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ASYNC_start_job() and ASYNC_pause_job(). An ASYNC_JOB is a slot of the
 * library's job layer; its user pointer leads to a struct dropin_job.
 *
 * There are two ways to switch. Where the switcher is one that programs can be
 * bound to, it is done by hand, as bind/bound.h does: for OpenSSL's functions
 * return other values than ours, and only who calls the switcher in tail
 * position chooses what arrives on the other side. It does so as the return of
 *
 *   ASYNC_pause_job()                1
 *   ASYNC_start_job() of a pause     ASYNC_PAUSE
 *   ASYNC_start_job() of an end      ASYNC_FINISH; but 0 if the job never
 *                                    paused, for then it ends by a return
 *
 * Under any other switcher, and with sanitizers, sy_job_start() and its like do
 * it, and their results are translated. Both ways share all that comes before
 * and after a switch; the short paths are those where nothing does.
 */
#include "dropin.h"
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/usdt.h>

_Static_assert(SY_BIND_LAYOUT == 6, "the short paths below know this layout");

/* What ASYNC_pause_job() returns, when it paused and when it could not. */
#define PAUSE_RETURNS 1

/* ---- errno, as in bound.h ------------------------------------------------ */

static inline void keep_errno(const struct sy_thread *self, struct sy_job *from)
{
    if (SY_UNLIKELY(from->saved_errno != *self->errno_addr))
        from->saved_errno = *self->errno_addr;
}

/* volatile: loaded when it is wanted, and not ahead of the comparison. */
static inline void set_errno(const struct sy_thread *self,
                             const struct sy_job *to)
{
    if (SY_UNLIKELY(to->saved_errno != *self->errno_addr))
        *self->errno_addr = *(const volatile int *)&to->saved_errno;
}

/* ---- switching by hand --------------------------------------------------- */

static inline struct dropin_job *job_of(const struct sy_job *slot)
{
    return slot->user;
}

SY_ALWAYS_INLINE static inline int enter_by_hand(struct sy_thread *self,
                                                 struct sy_job *from,
                                                 struct sy_job *slot,
                                                 ASYNC_JOB **job, int *ret)
{
    struct sy_bind_runtime *hot = dropin_hot(slot->rt);

    SY_USDT3(resume, slot, SY_USDT_WORD(slot), slot->rt);
    slot->paused = 0;
    slot->resumer = from;
    from->out_job = (struct sy_job **)(void *)job;
    from->out_result = ret;
    keep_errno(self, from);
    set_errno(self, slot);
    self->current = slot;
    hot->resumes++;
    return hot->swap(from->ctx, slot->ctx, PAUSE_RETURNS);
}

SY_ALWAYS_INLINE static inline int leave_by_hand(struct sy_thread *self,
                                                 struct sy_job *slot)
{
    struct sy_job *to = slot->resumer;

    SY_USDT3(pause, slot, SY_USDT_WORD(slot), slot->rt);
    *to->out_job = slot; /* the first time, the caller has no handle yet */
    slot->paused = 1;
    keep_errno(self, slot);
    set_errno(self, to);
    self->current = to;
    return dropin_hot(slot->rt)->swap(slot->ctx, to->ctx, ASYNC_PAUSE);
}

/*
 * The end of a job that was resumed: as sy_switcher_finished(), but the resumer
 * gets to see ASYNC_FINISH. What the switcher saves of us is never used: the
 * next start begins at the stack's end.
 */
static int finish_by_hand(struct sy_job *slot, int result)
{
    struct sy_bind_runtime *hot = dropin_hot(slot->rt);
    struct sy_thread *self = sy_bind_self;
    struct sy_job *to = slot->resumer;

    SY_USDT4(finish, slot, SY_USDT_WORD(slot), slot->rt, result);
    *to->out_job = NULL;
    *(to->out_result != NULL ? to->out_result : &slot->result) = result;
    slot->gate = hot->first_gate; /* a block of pauses ends with its job */
    slot->state = SY_BIND_SLOT_FREE;
    slot->link = hot->free;
    hot->free = slot;
    hot->ended++;
    set_errno(self, to);
    self->current = to;
    return hot->swap(slot->ctx, to->ctx, ASYNC_FINISH);
}

/* ---- before and after switches ------------------------------------------- */

/* The resumer's library context is left for the job's. */
static void libctx_enter(struct dropin_job *job)
{
    void *mine = dropin_libctx_now();

    if (job->libctx == mine)
        return;
    dropin_libctx_set(job->libctx);
    job->caller_libctx = mine;
    job->libctx = LIBCTX_APART;
}

/* And back. */
static void libctx_leave(struct dropin_job *job)
{
    void *mine = dropin_libctx_now();
    void *callers =
        job->libctx == LIBCTX_APART ? job->caller_libctx : job->libctx;

    if (mine != callers)
        dropin_libctx_set(callers);
    job->libctx = mine;
}

/* All that a job leaves behind but its slot. */
SY_NOINLINE static void end_carefully(struct dropin_job *job)
{
    if (dropin.options.dose)
        dropin_dose_switch();
    libctx_leave(job);
    if (job->heap_arg != NULL) {
        explicit_bzero(job->heap_arg, job->heap_bytes);
        free(job->heap_arg);
        job->heap_arg = NULL;
    }
    job->at_end = 0;
    job->is_orphan = false;
}

static int job_entry(void *arg)
{
    struct dropin_job *job = arg;
    int result = job->fn(job->arg);

    if (SY_UNLIKELY(job->at_end != 0 ||
                    job->libctx != dropin_self.short_libctx))
        end_carefully(job);
    /* likely: else a job that returns saves a register for one that does not */
    if (SY_LIKELY((job->by_swap | job->resumed) == 0))
        return result;
    job->by_swap = job->resumed; /* for the next job of this slot */
    return finish_by_hand(job->slot, result);
}

/* ---- pausing ------------------------------------------------------------- */

SY_NOINLINE static int pause_carefully(struct sy_job *slot)
{
    struct dropin_thread *t = dropin_self.thread;
    struct dropin_job *job;

    if (dropin_forward != NULL)
        return dropin_forward->pause_job != NULL ? dropin_forward->pause_job()
                                                 : 0;
    if (slot->gate != 0) {
        (void)sy_job_pause(); /* it does not: that is what the gate is for */
        return PAUSE_RETURNS;
    }
    job = job_of(slot);
    libctx_leave(job);
    if (dropin.options.account)
        dropin_account_pause(job);
    if (dropin.options.dose)
        dropin_dose_switch();
    if (t->by_hand)
        return leave_by_hand(sy_bind_self, slot);
    (void)sy_job_pause();
    return PAUSE_RETURNS;
}

SY_API int ASYNC_pause_job(void)
{
    struct sy_thread *self = sy_bind_self;
    struct sy_job *slot = self->current;
    const struct dropin_job *job;

    if (SY_UNLIKELY(slot->gate != 0))
        return pause_carefully(slot);
    job = job_of(slot);
    if (SY_UNLIKELY(job->libctx != dropin_self.short_libctx))
        return pause_carefully(slot);
    return leave_by_hand(self, slot);
}

/* ---- resuming ------------------------------------------------------------ */

static int refuse(int reason, const char *what)
{
    dropin_count(&dropin.refused);
    dropin_raise(reason, what);
    return ASYNC_ERR;
}

/* Switch to a paused job of the calling thread, with all that comes before. */
static int resume_mine(struct dropin_thread *t, ASYNC_JOB **handle, int *ret)
{
    struct sy_job *slot = (struct sy_job *)(void *)*handle;
    struct dropin_job *job = job_of(slot);
    int state, result = 0;

    libctx_enter(job);
    dropin_wait_new_window(job);
    if (dropin.options.account)
        dropin_account_resume(job);
    if (dropin.options.dose)
        dropin_dose_resume(job);
    job->paused_ns = 0;
    if (t->by_hand) {
        job->resumed = 1;
        return enter_by_hand(sy_bind_self, sy_bind_self->current, slot, handle,
                             ret);
    }
    state = sy_job_resume(&slot, &result);
    if (state == SY_JOB_PAUSED)
        return ASYNC_PAUSE;
    if (state < 0)
        return refuse(ASYNC_R_FAILED_TO_SWAP_CONTEXT, sy_strerror(-state));
    *handle = NULL;
    if (ret != NULL)
        *ret = result;
    return ASYNC_FINISH;
}

/* What else the caller gave is of no use here; OpenSSL ignores it too. */
SY_NOINLINE static int resume_carefully(ASYNC_JOB **handle, int *ret)
{
    struct dropin_thread *t = dropin_self.thread;
    const struct sy_job *slot = (const struct sy_job *)(const void *)*handle;

    (void)dropin_libcrypto_find();
    if (dropin_forward != NULL)
        return dropin_forward->start_job != NULL
                   ? dropin_forward->start_job(handle, NULL, ret, NULL, NULL, 0)
                   : ASYNC_ERR;
    if (t == NULL || t->rt == NULL || slot->rt != t->rt)
        return refuse(ASYNC_R_FAILED_TO_SWAP_CONTEXT,
                      "the job belongs to another thread, or was given up");
    if (!slot->paused)
        return refuse(ASYNC_R_FAILED_TO_SWAP_CONTEXT,
                      "the job is running, has ended, or was paused before a "
                      "fork");
    if (t->orphans != NULL)
        dropin_reap(t, false);
    return resume_mine(t, handle, ret);
}

int dropin_resume(struct sy_job *slot, int *ret)
{
    ASYNC_JOB *handle = (ASYNC_JOB *)(void *)slot;

    return resume_mine(dropin_self.thread, &handle, ret);
}

/* ---- starting ------------------------------------------------------------ */

static inline void copy_ends(unsigned char *to, const unsigned char *from,
                             size_t at, size_t bytes)
{
    memcpy(to + at, from + at, 16);
    memcpy(to + bytes - 16 - at, from + bytes - 16 - at, 16);
}

/*
 * memcpy() for at most SY_JOB_ARG_INLINE_BYTES, without a call, for which a
 * start would have to save registers. In pieces of 16 bytes from both ends,
 * which meet or overlap in the middle.
 */
static inline void copy_arg(unsigned char *to, const unsigned char *from,
                            size_t bytes)
{
    if (SY_UNLIKELY(bytes < 16)) {
        if (bytes >= 8) {
            memcpy(to, from, 8);
            memcpy(to + bytes - 8, from + bytes - 8, 8);
            return;
        }
        for (size_t at = 0; at < bytes; at++)
            to[at] = from[at];
        return;
    }
    copy_ends(to, from, 0, bytes);
    if (bytes <= 32)
        return;
    copy_ends(to, from, 16, bytes);
    if (bytes <= 64)
        return;
    copy_ends(to, from, 32, bytes);
    if (bytes > 96)
        copy_ends(to, from, 48, bytes);
}

_Static_assert(SY_JOB_ARG_INLINE_BYTES == 128, "what copy_arg() copies");

/* Say what the slot's next job is. Its arguments are in place. */
static inline void equip(struct dropin_job *job, ASYNC_WAIT_CTX *ctx,
                         int (*fn)(void *), void *arg, void *libctx)
{
    job->libctx = libctx;
    if (ctx == NULL)
        ctx = dropin_no_wait;
    else /* relaxed: who frees the context asks the job itself */
        atomic_store_explicit(&dropin_wait_head(ctx)->job, job,
                              memory_order_relaxed);
    job->wait = ctx;
    job->stamp = dropin_stamp(ctx) & ~STAMP_CHANGED;
    job->fn = fn;
    job->arg = arg;
    job->resumed = 0;
}

/*
 * A job that never pauses best ends by a return to where it was called, which
 * the processor predicts. One that does is best called in tail position, for
 * that return would be predicted wrong. The slot's last job says which of the
 * two this one is likely to be; both work for both.
 */
SY_NOINLINE static int enter_new(struct sy_job *from, struct sy_job *slot)
{
    struct dropin_job *job = job_of(slot);
    const struct sy_bind_runtime *hot = dropin_hot(slot->rt);
    int value;

    if (job->by_swap != 0)
        return hot->start(from->ctx, slot->ctx, job->stack_top, job_entry, job);
    value = hot->start(from->ctx, slot->ctx, job->stack_top, job_entry, job);
    return value != 0 ? value : ASYNC_FINISH;
}

SY_ALWAYS_INLINE static inline int start_by_hand(struct sy_thread *self,
                                                 struct sy_job *from,
                                                 struct sy_job *slot,
                                                 ASYNC_JOB **handle, int *ret)
{
    struct sy_bind_runtime *hot = dropin_hot(slot->rt);

    hot->free = slot->link;
    hot->started++;
    from->out_job = (struct sy_job **)(void *)handle;
    from->out_result = ret;
    /* fn is not at hand here */
    SY_USDT4(start, slot, SY_USDT_WORD(slot), slot->rt, (void *)0);
    slot->state = SY_BIND_SLOT_LIVE;
    slot->resumer = from;
    keep_errno(self, from);
    self->current = slot;
    return enter_new(from, slot);
}

static int no_work(void *arg)
{
    (void)arg;
    return 0;
}

/*
 * See to it that the first free slot of the thread has what a job needs. A slot
 * that no job has had yet becomes known by running one that does nothing.
 */
static int furnish_slot(struct dropin_thread *t)
{
    struct sy_bind_runtime *hot = dropin_hot(t->rt);
    struct sy_job_spec spec = {.fn = no_work};
    struct dropin_job *job = NULL;
    struct sy_job *ignored;
    int err;

    if (!t->is_forked && hot->free != NULL &&
        hot->free->state == SY_BIND_SLOT_FREE && job_of(hot->free) != NULL)
        return 0;
    job = dropin_job_new(t);
    if (job == NULL)
        return -ENOMEM;
    spec.user = job;
    err = sy_job_start(t->rt, &spec, &ignored, NULL);
    if (err != 0) {
        dropin_job_give(job);
        return err;
    }
    t->warm_ups++;
    job->slot = hot->free;
    if (job->own_stack == NULL)
        job->stack_top = hot->free->arg_area;
    dropin_threads_lock(); /* others list them */
    job->next = t->jobs;
    t->jobs = job;
    t->slots++;
    dropin_threads_unlock();
    if (t->is_forked) {
        t->is_forked = false;
        dropin_thread_choose_path(t);
    }
    return 0;
}

/* Copy arguments; *arg: where they are. */
static int keep_args(struct dropin_job *job, struct sy_job *slot,
                     const void *args, size_t size, void **arg)
{
    *arg = NULL;
    if (args == NULL)
        return 0;
    *arg = slot->arg_area;
    if (size > SY_JOB_ARG_INLINE_BYTES) {
        job->heap_arg = malloc(size);
        if (job->heap_arg == NULL)
            return -ENOMEM;
        job->heap_bytes = size;
        job->at_end = 1;
        *arg = job->heap_arg;
    }
    memcpy(*arg, args, size);
    return 0;
}

static int start_by_library(struct dropin_thread *t, struct dropin_job *job,
                            ASYNC_JOB **handle, int *ret)
{
    struct sy_job_spec spec = {.fn = job_entry, .arg = job, .user = job};
    struct sy_job *slot = NULL;
    int state, result = 0;

    state = sy_job_start(t->rt, &spec, &slot, &result);
    if (state == SY_JOB_PAUSED) {
        *handle = (ASYNC_JOB *)(void *)slot;
        return ASYNC_PAUSE;
    }
    if (state < 0)
        return refuse(ASYNC_R_INIT_FAILED, sy_strerror(-state));
    if (ret != NULL)
        *ret = result;
    return ASYNC_FINISH;
}

static bool is_full(const struct dropin_thread *t)
{
    const struct sy_bind_runtime *hot = dropin_hot(t->rt);

    return t->jobs_max != 0 && hot->started - hot->ended >= t->jobs_max;
}

SY_NOINLINE static int start_carefully(ASYNC_JOB **handle, ASYNC_WAIT_CTX *ctx,
                                       int *ret, int (*func)(void *),
                                       void *args, size_t size)
{
    struct dropin_thread *t;
    struct dropin_job *job;
    struct sy_job *slot;
    void *arg;

    (void)dropin_libcrypto_find();
    if (dropin_forward != NULL)
        return dropin_forward->start_job != NULL
                   ? dropin_forward->start_job(handle, ctx, ret, func, args,
                                               size)
                   : ASYNC_ERR;
    if (handle == NULL || func == NULL)
        return refuse(ERR_R_PASSED_NULL_PARAMETER,
                      "no place for the job, or no function");
    t = dropin_thread_with_runtime(0);
    if (t == NULL)
        return ASYNC_ERR;
    if (t->orphans != NULL)
        dropin_reap(t, false);
    if (is_full(t) || furnish_slot(t) != 0) {
        dropin_count(&dropin.refused);
        return ASYNC_NO_JOBS;
    }
    slot = dropin_hot(t->rt)->free;
    job = job_of(slot);
    if (keep_args(job, slot, args, size, &arg) != 0)
        return refuse(ERR_R_MALLOC_FAILURE, NULL);
    equip(job, ctx, func, arg, dropin_libctx_now());
    if (dropin.options.account || dropin.options.dose)
        job->at_end = 1;
    if (dropin.options.dose)
        dropin_dose_switch();
    if (!t->by_hand)
        return start_by_library(t, job, handle, ret);
    return start_by_hand(sy_bind_self, sy_bind_self->current, slot, handle,
                         ret);
}

/* The first free slot, if the next job can simply be started in it. */
static inline struct sy_job *ready_slot(const struct sy_job *from)
{
    struct sy_job *slot = dropin_hot(from->rt)->free;

    return SY_LIKELY(from->rt == dropin_self.fast && slot != NULL &&
                     slot->state == SY_BIND_SLOT_FREE)
               ? slot
               : NULL;
}

SY_ALWAYS_INLINE static inline int start_in(struct sy_job *slot,
                                            ASYNC_JOB **handle,
                                            ASYNC_WAIT_CTX *ctx, int *ret,
                                            int (*func)(void *), void *arg)
{
    struct sy_thread *self = sy_bind_self;

    equip(job_of(slot), ctx, func, arg, dropin_self.libctx);
    return start_by_hand(self, self->current, slot, handle, ret);
}

/* Apart from resuming, and from each other: so none saves registers that only
   another one needs. */
SY_NOINLINE static int start_with_copy(ASYNC_JOB **handle, ASYNC_WAIT_CTX *ctx,
                                       int *ret, int (*func)(void *),
                                       void *args, size_t size)
{
    struct sy_job *slot = ready_slot(sy_bind_self->current);

    if (SY_UNLIKELY(slot == NULL || size > SY_JOB_ARG_INLINE_BYTES ||
                    func == NULL))
        return start_carefully(handle, ctx, ret, func, args, size);
    copy_arg(slot->arg_area, args, size);
    return start_in(slot, handle, ctx, ret, func, slot->arg_area);
}

SY_NOINLINE static int start_without(ASYNC_JOB **handle, ASYNC_WAIT_CTX *ctx,
                                     int *ret, int (*func)(void *))
{
    struct sy_job *slot = ready_slot(sy_bind_self->current);

    if (SY_UNLIKELY(slot == NULL || func == NULL))
        return start_carefully(handle, ctx, ret, func, NULL, 0);
    return start_in(slot, handle, ctx, ret, func, NULL);
}

SY_API int ASYNC_start_job(ASYNC_JOB **handle, ASYNC_WAIT_CTX *ctx, int *ret,
                           int (*func)(void *), void *args, size_t size)
{
    struct sy_thread *self;
    struct sy_job *from, *slot;
    struct dropin_job *job;

    if (SY_UNLIKELY(handle == NULL))
        return start_carefully(handle, ctx, ret, func, args, size);
    slot = (struct sy_job *)(void *)*handle;
    if (slot == NULL)
        return args != NULL
                   ? start_with_copy(handle, ctx, ret, func, args, size)
                   : start_without(handle, ctx, ret, func);
    self = sy_bind_self;
    from = self->current;
    if (SY_UNLIKELY(slot->rt != from->rt || !slot->paused))
        return resume_carefully(handle, ret);
    job = job_of(slot);
    if (SY_UNLIKELY(job->libctx != dropin_self.short_libctx ||
                    dropin_stamp(job->wait) != job->stamp))
        return resume_carefully(handle, ret);
    job->resumed = 1;
    return enter_by_hand(self, from, slot, handle, ret);
}

/* ---- the rest of the interface ------------------------------------------- */

SY_API ASYNC_JOB *ASYNC_get_current_job(void)
{
    struct sy_job *slot = sy_job_current();

    if (SY_UNLIKELY(dropin_forward != NULL))
        return dropin_forward->get_current_job != NULL
                   ? dropin_forward->get_current_job()
                   : NULL;
    return (ASYNC_JOB *)(void *)slot;
}

SY_API ASYNC_WAIT_CTX *ASYNC_get_wait_ctx(ASYNC_JOB *handle)
{
    const struct dropin_job *job;

    if (dropin_forward != NULL)
        return dropin_forward->get_wait_ctx != NULL
                   ? dropin_forward->get_wait_ctx(handle)
                   : NULL;
    if (handle == NULL)
        return NULL;
    job = job_of((const struct sy_job *)(const void *)handle);
    if (job == NULL || job->wait == dropin_no_wait)
        return NULL;
    return dropin_stamp(job->wait) >> STAMP_SHIFT == job->stamp >> STAMP_SHIFT
               ? job->wait
               : dropin_dead_wait;
}

SY_API void ASYNC_block_pause(void)
{
    if (dropin_forward == NULL)
        sy_job_block_pause();
    else if (dropin_forward->block_pause != NULL)
        dropin_forward->block_pause();
}

SY_API void ASYNC_unblock_pause(void)
{
    if (dropin_forward == NULL)
        sy_job_unblock_pause();
    else if (dropin_forward->unblock_pause != NULL)
        dropin_forward->unblock_pause();
}

/* ---- the names of switchyard/openssl_async.h ----------------------------- */

int sy_openssl_async_start_job(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret,
                               int (*func)(void *), void *args, size_t size)
    SY_ALIAS_OF(ASYNC_start_job);
int sy_openssl_async_pause_job(void) SY_ALIAS_OF(ASYNC_pause_job);
ASYNC_JOB *sy_openssl_async_get_current_job(void)
    SY_ALIAS_OF(ASYNC_get_current_job);
ASYNC_WAIT_CTX *sy_openssl_async_get_wait_ctx(ASYNC_JOB *job)
    SY_ALIAS_OF(ASYNC_get_wait_ctx);
void sy_openssl_async_block_pause(void) SY_ALIAS_OF(ASYNC_block_pause);
void sy_openssl_async_unblock_pause(void) SY_ALIAS_OF(ASYNC_unblock_pause);
