/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: how control moves.
 *
 * A switch needs two parties: the side that leaves does all the bookkeeping
 * and then calls the switcher in tail position, so that control returns to the
 * other side's caller straight from the switch. On the short paths, one test
 * decides: a pause asks whether gate is 0, a resume whether paused is true, an
 * end whether end_gate is 0. Everything unusual (a block, a cancel, a fork,
 * another thread, a wake-up that came early) makes one of these tests fail and
 * is dealt with out of line.
 *
 * Outside its jobs a thread is represented by the root of a runtime, a slot
 * that never runs a function: it is what a job's resumer is in the end.
 */
#include "leak_check.h"
#include "probes.h"
#include "sanitizers.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sy_defer {
    struct sy_defer *next; /* older */
    void (*fn)(void *arg);
    void *arg;
    size_t bytes; /* of arguments that lie behind this struct */
};

/* ---- switching --------------------------------------------------------- */

#if SY_FIBERS
SY_NO_TSAN SY_NOINLINE static int leave_for(struct sy_runtime *rt,
                                            struct sy_job *from,
                                            struct sy_job *to, int value)
{
    sy__fiber_leave(from, to, false);
    return rt->hot.swap(from->ctx, to->ctx, value);
}

static int switch_to(struct sy_runtime *rt, struct sy_job *from,
                     struct sy_job *to, int value)
{
    value = leave_for(rt, from, to, value);
    sy__fiber_arrived(from, false);
    return value;
}

SY_NO_TSAN SY_NOINLINE static int leave_for_new(struct sy_runtime *rt,
                                                struct sy_job *from,
                                                struct sy_job *to, sy_job_fn fn,
                                                void *arg)
{
    sy__fiber_leave(from, to, false);
    return rt->hot.start(from->ctx, to->ctx, to->arg_area, fn, arg);
}

static int switch_to_new(struct sy_runtime *rt, struct sy_job *from,
                         struct sy_job *to, sy_job_fn fn, void *arg)
{
    int value = leave_for_new(rt, from, to, fn, arg);

    sy__fiber_arrived(from, false);
    return value;
}
#else
static inline int switch_to(struct sy_runtime *rt, struct sy_job *from,
                            struct sy_job *to, int value)
{
    return rt->hot.swap(from->ctx, to->ctx, value);
}

static inline int switch_to_new(struct sy_runtime *rt, struct sy_job *from,
                                struct sy_job *to, sy_job_fn fn, void *arg)
{
    return rt->hot.start(from->ctx, to->ctx, to->arg_area, fn, arg);
}
#endif

/*
 * errno is compared before it is written: it seldom changes, and a load that
 * finds what was stored a moment ago is several times as slow as one that does
 * not.
 */
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

/* Leave errno as the side that continues knew it. */
static inline void change_errno(const struct sy_thread *self,
                                struct sy_job *from, const struct sy_job *to)
{
    keep_errno(self, from);
    set_errno(self, to);
}

/* Continue a job of rt that is paused; value is what its pause returns. */
SY_ALWAYS_INLINE static inline int
enter(struct sy_runtime *rt, struct sy_thread *self, struct sy_job *from,
      struct sy_job *job, struct sy_job **out_job, int *out_result, int value)
{
    SY_PROBE_RESUME(rt, job);
    job->paused = false;
    job->resumer = from;
    from->out_job = out_job;
    from->out_result = out_result;
    change_errno(self, from, job);
    self->current = job;
    rt->hot.resumes++;
    return switch_to(rt, from, job, value);
}

/* Pause: back to whoever resumed the job of rt last. */
SY_ALWAYS_INLINE static inline int
leave(struct sy_runtime *rt, struct sy_thread *self, struct sy_job *job)
{
    struct sy_job *to = job->resumer;
    int value;

    SY_PROBE_PAUSE(rt, job);
    change_errno(self, job, to);
    self->current = to;
    value = switch_to(rt, job, to, SY_JOB_PAUSED);
    sy__trace_resumed(job);
    return value;
}

/*
 * What stands for a job of another runtime while it resumes one of this: its
 * own context belongs to the other runtime's switcher.
 */
struct stand_in {
    _Alignas(SY_CACHE_LINE) unsigned char ctx[SY_SWITCHER_CTX_MAX_BYTES];
    struct sy_job root;
};

static void stand_in_init(struct stand_in *in, struct sy_runtime *rt)
{
    memset(in, 0, sizeof(*in));
    in->root.gate = GATE_ROOT;
    in->root.rt = rt;
    in->root.form = rt->root->form;
    in->root.ctx =
        rt->root->ctx == rt->root->ctx_inline ? in->root.ctx_inline : in->ctx;
}

bool sy__clear_permit(struct sy_job *slot)
{
    uint16_t noted = slot->in_gate & IN_WOKEN;
    /* acq_rel pairs with sy_wake(): see waker.c */
    uint64_t old = atomic_fetch_and_explicit(&slot->word, ~WORD_PERMIT,
                                             memory_order_acq_rel);

    slot->in_gate ^= noted;
    return noted != 0 || (old & WORD_PERMIT) != 0;
}

static inline bool has_permit(const struct sy_job *slot)
{
    return (atomic_load_explicit(&slot->word, memory_order_acquire) &
            WORD_PERMIT) != 0;
}

/* Wipe the stacks of jobs that have just ended, now that they were left. */
static void wipe_left_stacks(struct sy_runtime *rt)
{
    struct sy_job *job;

    while (rt->unwiped != NULL) {
        job = rt->unwiped;
        rt->unwiped = job->link;
        sy__slot_release(job);
    }
}

/* Who resumes, when a job of rt is to run: a job of rt, or its root. NULL: a
   job of another runtime. */
static struct sy_job *resumer_for(const struct sy_thread *self,
                                  struct sy_runtime *rt)
{
    struct sy_job *from = self->current;

    if (from->rt == rt)
        return from;
    return sy__is_root(from) ? rt->root : NULL;
}

/* enter() for every case that is not the usual one. */
static int enter_carefully(struct sy_job *job, struct sy_job **out_job,
                           int *out_result)
{
    struct sy_thread *self = sy_bind_self;
    struct sy_runtime *rt = job->rt;
    struct sy_job *from = resumer_for(self, rt), *caller;
    struct stand_in in;
    int value = 0;

    if (has_permit(job))
        (void)sy__clear_permit(job);
    job->in_gate &= (uint16_t)~IN_WOKEN;
    sy_wait_reset_changes(job->wait);
    if ((job->gate & GATE_CANCELLED) != 0) {
        job->gate &= (uint16_t)~GATE_CANCELLED;
        value = -ECANCELED;
    }
    if (job->state == SLOT_HELD)
        job->state = SLOT_LIVE;
    if (from != NULL) {
        value = enter(rt, self, from, job, out_job, out_result, value);
    } else {
        caller = self->current;
        stand_in_init(&in, rt);
        value = enter(rt, self, &in.root, job, out_job, out_result, value);
        sy_bind_self->current = caller; /* not self: we may have forked */
    }
    wipe_left_stacks(rt);
    return value;
}

/* ---- ending ------------------------------------------------------------ */

static void run_defers(struct sy_job *job)
{
    struct sy_defer *defer;

    while (job->defers != NULL) {
        defer = job->defers;
        job->defers = defer->next;
        if (defer->fn != NULL)
            defer->fn(defer->arg);
        else
            explicit_bzero(defer + 1, defer->bytes);
        free(defer);
    }
}

/* All that a job leaves behind but its slot. It pauses no more. */
static void let_go(struct sy_job *job)
{
    job->gate |= GATE_NO_PAUSE;
    if (job->defers != NULL)
        run_defers(job);
    if (job->wait != NULL) {
        sy__wait_detach(job->wait);
        job->wait = NULL;
    }
    job->in_gate = 0;
    if ((job->end_gate & END_WAKER) != 0)
        sy__end_generation(job);
}

static void give_up_slot(struct sy_job *job, int result)
{
    struct sy_runtime *rt = job->rt;

    let_go(job);
    if ((job->end_gate & END_BY_RUN) != 0) {
        job->result = result;
        job->state = SLOT_FINISHED;
        rt->kept++;
    } else if ((job->end_gate & END_WIPE) != 0) {
        job->link = rt->unwiped;
        rt->unwiped = job;
    } else {
        sy__slot_release(job);
    }
}

/* Hand over result and control. Returns the context to continue. */
SY_NO_TSAN static inline void *finish(struct sy_thread *self,
                                      struct sy_job *job, int result)
{
    struct sy_job *to = job->resumer;

    *to->out_job = NULL;
    *(to->out_result != NULL ? to->out_result : &job->result) = result;
    set_errno(self, to);
    self->current = to;
#if SY_FIBERS
    sy__fiber_leave(job, to, true);
#endif
    return to->ctx;
}

SY_NO_TSAN SY_NOINLINE static void *finish_carefully(struct sy_job *job,
                                                     int result)
{
    give_up_slot(job, result);
    return finish(sy_bind_self, job, result);
}

/* The end of a job that was woken and left nothing behind. */
SY_NO_TSAN SY_NOINLINE static void *finish_woken(struct sy_thread *self,
                                                 struct sy_job *job, int result)
{
    job->in_gate = 0;
    sy__end_generation(job);
    job->state = SLOT_FINISHED;
    job->rt->kept++;
    return finish(self, job, result);
}

SY_NO_TSAN void *sy_switcher_finished(int result)
{
    struct sy_thread *self = sy_bind_self;
    struct sy_job *job = self->current;
    struct sy_runtime *rt = job->rt;

    SY_PROBE_FINISH(rt, job, result);
    if (SY_UNLIKELY(job->gate != rt->hot.first_gate))
        return finish_carefully(job, result);
    if (job->end_gate != 0)
        return job->end_gate == (END_WAKER | END_BY_RUN)
                   ? finish_woken(self, job, result)
                   : finish_carefully(job, result);
    job->state = SLOT_FREE;
    job->link = rt->hot.free;
    rt->hot.free = job;
    rt->hot.ended++;
    return finish(self, job, result);
}

/* What a job begins with, if fn cannot be called straight by the switcher. It
   lies on the stack of who starts the job, who waits there until it pauses. */
struct first_entry {
    struct sy_job *job;
    sy_job_fn fn;
    void *arg;
};

static int job_entry(void *arg)
{
    struct first_entry entry = *(const struct first_entry *)arg;

    /* This may be a thread of the job's own. */
    sy_bind_self = entry.job->rt->thread;
    sy__leaks_runs(entry.fn);
#if SY_FIBERS
    sy__fiber_arrived(entry.job, true);
#endif
    return entry.fn(entry.arg);
}

/* ---- starting ---------------------------------------------------------- */

/* Copy arguments that do not fit the job's own place; freed when it ends. */
static void *copy_to_heap(struct sy_job *job, const struct sy_job_spec *spec)
{
    struct sy_defer *defer = malloc(sizeof(*defer) + spec->arg_bytes);

    if (defer == NULL)
        return NULL;
    *defer = (struct sy_defer){.bytes = spec->arg_bytes};
    memcpy(defer + 1, spec->arg, spec->arg_bytes);
    job->defers = defer;
    job->end_gate |= END_DEFERS;
    return defer + 1;
}

_Static_assert(sizeof(struct sy_defer) % 16 == 0, "arguments are aligned");

static int check_spec(const struct sy_job_spec *spec, struct sy_job **job)
{
    if (job == NULL)
        return -EINVAL;
    *job = NULL;
    if (spec == NULL || spec->fn == NULL ||
        spec->arg_bytes > SY_JOB_ARG_MAX_BYTES ||
        (spec->arg == NULL && spec->arg_bytes != 0))
        return -EINVAL;
    return 0;
}

/* Give the job what its spec says. On failure nothing is left behind. */
static int equip(struct sy_job *job, const struct sy_job_spec *spec, void **arg)
{
    int err;

    *arg = (void *)(uintptr_t)spec->arg; /* the caller's: not for us to write */
    if (spec->arg_bytes > SY_JOB_ARG_INLINE_BYTES) {
        *arg = copy_to_heap(job, spec);
        if (*arg == NULL)
            return -ENOMEM;
    } else if (spec->arg_bytes != 0) {
        *arg = memcpy(job->arg_area, spec->arg, spec->arg_bytes);
    }
    if (spec->wait != NULL) {
        err = sy__wait_attach(spec->wait, job);
        if (err != 0) {
            run_defers(job);
            job->end_gate = 0;
            return err;
        }
        job->wait = spec->wait;
        job->end_gate |= END_WAIT;
        job->in_gate |= IN_WAIT;
    }
    if ((job->gate & GATE_WIPE) != 0)
        job->end_gate |= END_WIPE;
    return 0;
}

/* Take the slot that is first in line, and enter it for the first time. */
SY_ALWAYS_INLINE static inline int
enter_new(struct sy_runtime *rt, struct sy_thread *self, struct sy_job *from,
          const struct sy_job_spec *spec, struct sy_job **out_job,
          int *out_result, sy_job_fn fn, void *arg)
{
    struct sy_job *job = rt->hot.free;

    rt->hot.free = job->link;
    rt->hot.started++;
    *out_job = job;
    from->out_job = out_job;
    from->out_result = out_result;
    SY_PROBE_START(rt, job, spec->fn, fn, arg);
    job->user = spec->user;
    job->done = spec->done;
    job->state = SLOT_LIVE;
    job->resumer = from;
    keep_errno(self, from);
    self->current = job;
    return switch_to_new(rt, from, job, fn, arg);
}

/* sy_job_start() for every case that is not the usual one. */
SY_NOINLINE static int start_carefully(struct sy_runtime *rt,
                                       const struct sy_job_spec *spec,
                                       struct sy_job **out_job, int *result)
{
    struct sy_job *from, *caller;
    struct first_entry first;
    struct stand_in in;
    sy_job_fn fn;
    void *arg;
    int err;

    err = check_spec(spec, out_job);
    if (err == 0)
        err = sy__runtime_own(rt);
    if (err == 0)
        sy__trace_submitted(rt);
    if (err == 0 && rt->hot.free == NULL)
        err = sy__runtime_grow(rt);
    if (err == 0)
        err = equip(rt->hot.free, spec, &arg);
    if (err != 0)
        return err;
    fn = spec->fn;
    if (rt->adopts) {
        first = (struct first_entry){rt->hot.free, fn, arg};
        fn = job_entry;
        arg = &first;
    }
    from = resumer_for(sy_bind_self, rt);
    if (from != NULL) {
        err = enter_new(rt, sy_bind_self, from, spec, out_job, result, fn, arg);
    } else {
        caller = sy_bind_self->current;
        stand_in_init(&in, rt);
        err = enter_new(rt, sy_bind_self, &in.root, spec, out_job, result, fn,
                        arg);
        sy_bind_self->current = caller; /* not self: we may have forked */
    }
    wipe_left_stacks(rt);
    return err;
}

static inline void copy_16(unsigned char *to, const unsigned char *from)
{
    memcpy(to, from, 16);
}

/*
 * memcpy() for 1 to SY_JOB_ARG_INLINE_BYTES, which is 128, inline: a call would
 * make every start save registers. From both ends towards the middle, where the
 * two may overlap.
 */
static inline void copy_arg(unsigned char *to, const unsigned char *from,
                            size_t bytes)
{
    const unsigned char *from_end = from + bytes;
    unsigned char *to_end = to + bytes;

    if (bytes < 16) {
        if (bytes >= 8) {
            memcpy(to, from, 8);
            memcpy(to_end - 8, from_end - 8, 8);
        } else {
            for (size_t at = 0; at < bytes; at++)
                to[at] = from[at];
        }
        return;
    }
    if (bytes > 64) {
        copy_16(to + 32, from + 32);
        copy_16(to + 48, from + 48);
        copy_16(to_end - 64, from_end - 64);
        copy_16(to_end - 48, from_end - 48);
    }
    if (bytes > 32) {
        copy_16(to + 16, from + 16);
        copy_16(to_end - 32, from_end - 32);
    }
    copy_16(to, from);
    copy_16(to_end - 16, from_end - 16);
}

_Static_assert(SY_JOB_ARG_INLINE_BYTES == 128, "what copy_arg() copies");

/* With arguments to copy; apart, so that a start without needs no frame. */
SY_NOINLINE static int start_with_copy(struct sy_runtime *rt,
                                       const struct sy_job_spec *spec,
                                       struct sy_job **out_job, int *result)
{
    struct sy_thread *self = sy_bind_self;
    struct sy_job *job = rt->hot.free;

    copy_arg(job->arg_area, spec->arg, spec->arg_bytes);
    return enter_new(rt, self, self->current, spec, out_job, result, spec->fn,
                     job->arg_area);
}

int sy_job_start(struct sy_runtime *rt, const struct sy_job_spec *spec,
                 struct sy_job **out_job, int *result)
{
    struct sy_thread *self = sy_bind_self;
    struct sy_job *from = self->current;

    if (SY_UNLIKELY(from->rt != rt || rt->hot.start_form == 0 ||
                    out_job == NULL || spec == NULL))
        return start_carefully(rt, spec, out_job, result);
    if (SY_UNLIKELY(rt->hot.free == NULL || spec->fn == NULL ||
                    spec->wait != NULL))
        return start_carefully(rt, spec, out_job, result);
    sy__trace_submitted(rt);
    if (spec->arg_bytes == 0)
        return enter_new(rt, self, from, spec, out_job, result, spec->fn,
                         (void *)(uintptr_t)spec->arg); /* the caller's */
    if (SY_UNLIKELY(spec->arg == NULL ||
                    spec->arg_bytes > SY_JOB_ARG_INLINE_BYTES))
        return start_carefully(rt, spec, out_job, result);
    return start_with_copy(rt, spec, out_job, result);
}

/* ---- pausing and resuming ---------------------------------------------- */

/* Every pause that one switch does not settle. */
SY_NOINLINE static int pause_carefully(struct sy_job *job)
{
    struct sy_thread *self = sy_bind_self;

    if ((job->gate &
         (GATE_ROOT | GATE_NO_PAUSE | GATE_FORKED | GATE_BLOCKED)) != 0)
        return SY_NOT_PAUSED;
    if ((job->gate & GATE_CANCELLED) != 0) {
        job->gate &= (uint16_t)~GATE_CANCELLED;
        return -ECANCELED;
    }
    if ((job->gate & GATE_WIPE) != 0)
        sy__hold(job);
    else
        job->paused = true;
    if ((job->gate & GATE_PERMIT) != 0) {
        job->gate &= (uint16_t)~GATE_PERMIT;
        /* noted: a signal handler woke it when it was about to be resumed */
        if (has_permit(job) || (job->in_gate & IN_WOKEN) != 0) {
            sy__close_off(job->rt);
            sy__make_ready(job);
            sy__open_up(job->rt);
            sy__ring_if_left(job->rt);
        }
    }
    return leave(job->rt, self, job);
}

int sy_job_pause(void)
{
    struct sy_thread *self = sy_bind_self;
    struct sy_job *job = self->current;
    struct sy_runtime *rt = job->rt;

    if (SY_UNLIKELY(job->gate != 0))
        return pause_carefully(job);
    job->paused = true;
    return leave(rt, self, job);
}

/* 0 if the calling thread may act on the job. */
static int check_mine(const struct sy_job *job)
{
    return job->rt == NULL || job->rt->thread != sy_bind_self ||
                   (job->end_gate & END_FORKED) != 0
               ? -EXDEV
               : 0;
}

/* Hand over the result of a job that sy_runtime_run() finished. */
static int collect_result(struct sy_job **out_job, int *result)
{
    struct sy_job *job = *out_job;

    if (result != NULL)
        *result = job->result;
    *out_job = NULL;
    job->rt->kept--;
    sy__slot_release(job);
    return SY_JOB_FINISHED;
}

SY_NOINLINE static int resume_carefully(struct sy_job **out_job, int *result)
{
    struct sy_job *job = *out_job;
    int err = check_mine(job);

    if (err != 0)
        return err;
    if (job->state == SLOT_FINISHED)
        return collect_result(out_job, result);
    if (!sy__is_paused(job))
        return -EBUSY;
    return enter_carefully(job, out_job, result);
}

int sy_job_resume(struct sy_job **out_job, int *result)
{
    struct sy_thread *self = sy_bind_self;
    struct sy_job *job, *from = self->current;
    struct sy_runtime *rt = from->rt;

    if (SY_UNLIKELY(out_job == NULL || *out_job == NULL))
        return -EINVAL;
    job = *out_job;
    if (SY_UNLIKELY(!job->paused || job->rt != rt || job->in_gate != 0 ||
                    has_permit(job)))
        return resume_carefully(out_job, result);
    return enter(rt, self, from, job, out_job, result, 0);
}

/* Continue a job that was woken; handle is not NULL, and becomes so when the
   job ends. */
static int enter_woken(struct sy_job *job, struct sy_job **handle)
{
    struct sy_thread *self = sy_bind_self;
    struct sy_job *from = self->current;
    struct sy_runtime *rt = job->rt;

    /* A wake since it was collected is for this resumption too. */
    if (SY_UNLIKELY(!job->paused || job->in_gate != IN_WOKEN ||
                    from->rt != rt || has_permit(job)))
        return enter_carefully(job, handle, NULL);
    job->in_gate = 0;
    return enter(rt, self, from, job, handle, NULL, 0);
}

void sy__job_run_ready(struct sy_job *job)
{
    struct sy_job *handle = job;
    sy_job_done_fn done;

    job->end_gate |= END_BY_RUN;
    if (enter_woken(job, &handle) == SY_JOB_PAUSED) {
        job->end_gate &= (uint16_t)~END_BY_RUN;
        return;
    }
    done = job->done;
    if (done == NULL)
        return;
    done(job->user, job, job->result);
    if (job->rt == NULL)
        return; /* done used the runtime in the child of a fork: a new start */
    job->rt->kept--;
    sy__slot_release(job);
}

void sy_job_prefetch(const struct sy_job *job)
{
    /* A job of another runtime of the thread is at worst prefetched in vain. */
    uint32_t saved_sp = sy_bind_self->current->rt->hot.saved_sp;
    const char *sp;

    SY_PREFETCH((const char *)job + SY_CACHE_LINE);
    if (saved_sp == 0) {
        SY_PREFETCH(job);
        return;
    }
    memcpy(&sp, job->ctx_inline + saved_sp, sizeof(sp));
    for (int line = 0; line < SY_BIND_PREFETCH_LINES; line++)
        SY_PREFETCH(sp + line * SY_CACHE_LINE);
}

/* ---- the rest of the interface ----------------------------------------- */

int sy_job_cancel(struct sy_job *job)
{
    int err;

    if (job == NULL)
        return -EINVAL;
    err = check_mine(job);
    if (err != 0)
        return err;
    if (job->state == SLOT_FINISHED)
        return -ESRCH;
    if ((job->gate & GATE_CANCELLED) != 0)
        return 0;
    job->gate |= GATE_CANCELLED;
    job->rt->cancelled++;
    if (!sy__is_paused(job))
        return 0;
    sy__hold(job);
    return sy_wake(sy_job_waker(job));
}

void sy__job_end_unrun(struct sy_job *job)
{
    if (sy__is_paused(job)) {
        SY_PROBE_ABANDON(job->rt, job);
        job->paused = false; /* what it deferred must not resume it */
        job->state = SLOT_LIVE;
        job->rt->abandoned++;
        let_go(job);
        if (sy__pins(job) == 0 && sy__has_own_stack(job->rt))
            sy__fiber_abandoned(job);
    } else {
        job->rt->kept--;
    }
    sy__slot_release(job);
}

int sy_job_abandon(struct sy_job **out_job)
{
    struct sy_job *job;
    int err;

    if (out_job == NULL || *out_job == NULL)
        return -EINVAL;
    job = *out_job;
    err = check_mine(job);
    if (err != 0)
        return err;
    if (!sy__is_paused(job) && job->state != SLOT_FINISHED)
        return -EBUSY;
    *out_job = NULL;
    sy__job_end_unrun(job);
    return 0;
}

int sy_job_defer(void (*fn)(void *arg), void *arg)
{
    struct sy_job *job = sy_bind_self->current;
    struct sy_defer *defer;

    if (fn == NULL)
        return -EINVAL;
    if (sy__is_root(job))
        return -EPERM;
    defer = malloc(sizeof(*defer));
    if (defer == NULL)
        return -ENOMEM;
    *defer = (struct sy_defer){.next = job->defers, .fn = fn, .arg = arg};
    job->defers = defer;
    job->end_gate |= END_DEFERS;
    return 0;
}

struct sy_job *sy_job_current(void)
{
    struct sy_job *job = sy_bind_self->current;

    return sy__is_root(job) ? NULL : job;
}

void *sy_job_user(const struct sy_job *job)
{
    return job->user;
}

struct sy_wait *sy_job_wait(const struct sy_job *job)
{
    return job->wait;
}

void sy_job_block_pause(void)
{
    struct sy_job *job = sy_bind_self->current;

    if (sy__is_root(job))
        return;
    if ((job->gate & GATE_BLOCKED) == 0) {
        job->gate |= GATE_BLOCKED;
        job->block_count = 0;
    }
    job->block_count++;
}

void sy_job_unblock_pause(void)
{
    struct sy_job *job = sy_bind_self->current;

    if (!sy__is_root(job) && (job->gate & GATE_BLOCKED) != 0 &&
        --job->block_count == 0)
        job->gate &= (uint16_t)~GATE_BLOCKED;
}

struct sy_waker sy_job_waker(struct sy_job *job)
{
    job->end_gate |= END_WAKER;
    return (struct sy_waker){job, sy__generation(job)};
}

int sy_job_pin(struct sy_runtime *rt, struct sy_waker *waker)
{
    struct sy_job *slot = sy_bind_self->current;
    int err;

    if (!sy__is_root(slot))
        rt = slot->rt;
    err = sy__runtime_own_fast(rt);
    if (err != 0) {
        *waker = (struct sy_waker){0};
        return err;
    }
    if (sy__is_root(slot))
        slot = rt->root;
    slot->pins_taken++;
    *waker = sy_job_waker(slot);
    return 0;
}
