/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job layer's short paths, compiled into the program and bound to one
 * switcher: compile with -DSY_BIND_SWITCHER=inline (or asm) and include
 * switchyard.h as ever. Start, pause and resume keep their names and meaning;
 * everything unusual goes to the library.
 *
 * A bound program opens its runtimes with that switcher and no other: a config
 * that names another one is refused with -ENOTSUP, and the environment has no
 * say. A library of another layout is refused with -EPROTO. Jobs may be paused
 * and resumed by code that is not bound, and the other way round.
 *
 * A C++ exception must not leave a job's function. Elsewhere that ends the
 * program; under "inline", table or bound, the exception would go on into who
 * resumed the job, and the job would be taken for running for ever.
 *
 * Debug builds of the library look for changed signal masks and floating-point
 * control words (job.h), but not in switches that are compiled in here.
 *
 * With AddressSanitizer or ThreadSanitizer only the choice is bound: they must
 * be told of each switch, and the library does that.
 */
#ifndef SWITCHYARD_BIND_BOUND_H
#define SWITCHYARD_BIND_BOUND_H

#include <stddef.h>
#include <string.h>
#include <switchyard/bind/layout.h>
#include <switchyard/job.h>
#include <switchyard/runtime.h>

/* The bind_form of each switcher that can be bound. */
#define SY_BIND_FORM_inline   1
#define SY_BIND_FORM_asm      2
#define SY_BIND_PASTE(name)   SY_BIND_FORM_##name
#define SY_BIND_FORM_OF(name) SY_BIND_PASTE(name)
#define SY_BIND_FORM          SY_BIND_FORM_OF(SY_BIND_SWITCHER)
#define SY_BIND_QUOTE(name)   #name
#define SY_BIND_NAME_OF(name) SY_BIND_QUOTE(name)

#if SY_BIND_FORM == SY_BIND_FORM_inline
#include <switchyard/bind/inline_x86_64.h>
#elif SY_BIND_FORM != SY_BIND_FORM_asm
#error "SY_BIND_SWITCHER names no switcher that can be bound: inline or asm"
#endif

SY_BEGIN_DECLS

/* The calling thread's state; never NULL. */
extern SY_API SY_THREAD_LOCAL struct sy_thread *sy_bind_self
    SY_TLS_INITIAL_EXEC;

/*
 * As sy_runtime_open(), for a program bound to the switcher of that name and
 * compiled with that SY_BIND_LAYOUT.
 */
SY_API SY_MUST_CHECK int
sy_bind_runtime_open(struct sy_runtime **out,
                     const struct sy_runtime_config *cfg, uint32_t layout,
                     const char *switcher);

static inline int sy_bound_runtime_open(struct sy_runtime **out,
                                        const struct sy_runtime_config *cfg)
{
    return sy_bind_runtime_open(out, cfg, SY_BIND_LAYOUT,
                                SY_BIND_NAME_OF(SY_BIND_SWITCHER));
}

#if !SY_ASAN && !SY_TSAN

/* saved_sp of the switcher, whose contexts lie in the slots. */
#define SY_BIND_SAVED_SP (SY_BIND_FORM == SY_BIND_FORM_inline ? 16 : 24)

#if SY_BIND_FORM == SY_BIND_FORM_asm
SY_API int sy_bind_asm_swap(void *from, void *to, int value);
SY_API int sy_bind_asm_start(void *from, void *to, void *stack_top,
                             sy_switcher_fn fn, void *arg);
#endif

static inline int sy_bound_swap(struct sy_job *from, struct sy_job *to,
                                int value)
{
#if SY_BIND_FORM == SY_BIND_FORM_inline
    return sy_bind_inline_swap(from, to, value);
#else
    return sy_bind_asm_swap(from, to, value);
#endif
}

static inline void sy_bound_keep_errno(const struct sy_thread *self,
                                       struct sy_job *from)
{
    if (SY_UNLIKELY(from->saved_errno != *self->errno_addr))
        from->saved_errno = *self->errno_addr;
}

/* volatile: loaded when it is wanted, and not ahead of the comparison. */
static inline void sy_bound_set_errno(const struct sy_thread *self,
                                      const struct sy_job *to)
{
    if (SY_UNLIKELY(to->saved_errno != *self->errno_addr))
        *self->errno_addr = *(const volatile int *)&to->saved_errno;
}

/* gate and form, or form and in_gate, lie side by side and are compared as one:
   is a pause, or a resume, one switch of the form that we are bound to? */
static inline int sy_bound_are(const uint16_t *first, uint16_t a, uint16_t b)
{
    const uint16_t wanted[2] = {a, b};
    uint32_t both, wanted_both;

    memcpy(&both, first, sizeof(both));
    memcpy(&wanted_both, wanted, sizeof(wanted_both));
    return both == wanted_both;
}

static inline int sy_bound_can_pause(const struct sy_job *job)
{
    return sy_bound_are(&job->gate, 0, SY_BIND_FORM);
}

static inline int sy_bound_can_resume(const struct sy_job *job)
{
    return sy_bound_are(&job->form, SY_BIND_FORM, 0);
}

static inline int sy_bound_is_woken(const struct sy_job *job)
{
    int woken;

    SY_TEST_ACQUIRE(woken, job->word, SY_BIND_PERMIT);
    return woken;
}

#if SY_BIND_FORM == SY_BIND_FORM_inline
/* Enter a new job. If it never pauses and leaves nothing behind, it ends
   here. */
SY_ALWAYS_INLINE static inline int
sy_bound_first_entry(struct sy_thread *self, struct sy_bind_runtime *rt,
                     struct sy_job *from, struct sy_job *job, sy_job_fn fn,
                     void *arg, struct sy_job **out_job, int *out_result)
{
    struct sy_bind_kept kept = {from, job, self, rt, out_job};
    int result, value;

    value = sy_bind_inline_start(&kept, job->arg_area, fn, arg, &result);
    if (value != SY_BIND_RETURNED)
        return value;
    from = (struct sy_job *)kept.from;
    job = (struct sy_job *)kept.to;
    self = (struct sy_thread *)kept.r13;
    rt = (struct sy_bind_runtime *)kept.r14;
    out_job = (struct sy_job **)kept.r15;
    job->state = SY_BIND_SLOT_FREE;
    job->link = rt->free;
    rt->free = job;
    rt->ended++;
    *out_job = NULL;
    if (out_result != NULL)
        *out_result = result;
    sy_bound_set_errno(self, from);
    self->current = from;
    return SY_JOB_FINISHED;
}
#else
SY_ALWAYS_INLINE static inline int
sy_bound_first_entry(struct sy_thread *self, struct sy_bind_runtime *rt,
                     struct sy_job *from, struct sy_job *job, sy_job_fn fn,
                     void *arg, struct sy_job **out_job, int *out_result)
{
    (void)self;
    (void)rt;
    (void)out_job;
    (void)out_result;
    return sy_bind_asm_start(from, job, job->arg_area, fn, arg);
}
#endif

SY_ALWAYS_INLINE static inline int
sy_bound_job_start(struct sy_runtime *runtime, const struct sy_job_spec *spec,
                   struct sy_job **out_job, int *result)
{
    struct sy_bind_runtime *rt = (struct sy_bind_runtime *)(void *)runtime;
    struct sy_thread *self = sy_bind_self;
    struct sy_job *job, *from = self->current;
    void *arg;

    if (SY_UNLIKELY(from->rt != runtime ||
                    rt->start_form != (SY_BIND_FORM | SY_BIND_STARTS) ||
                    out_job == NULL || spec == NULL))
        return sy_job_start(runtime, spec, out_job, result);
    job = rt->free;
    if (SY_UNLIKELY(job == NULL || spec->fn == NULL || spec->wait != NULL ||
                    spec->arg_bytes > SY_JOB_ARG_INLINE_BYTES ||
                    (spec->arg == NULL && spec->arg_bytes != 0)))
        return sy_job_start(runtime, spec, out_job, result);
    arg = (void *)(uintptr_t)spec->arg;
    if (spec->arg_bytes != 0)
        arg = memcpy(job->arg_area, spec->arg, spec->arg_bytes);
    rt->free = job->link;
    rt->started++;
    *out_job = job;
    from->out_job = out_job;
    from->out_result = result;
    job->user = spec->user;
    job->done = spec->done;
    job->state = SY_BIND_SLOT_LIVE;
    job->resumer = from;
    sy_bound_keep_errno(self, from);
    self->current = job;
    return sy_bound_first_entry(self, rt, from, job, spec->fn, arg, out_job,
                                result);
}

SY_ALWAYS_INLINE static inline int sy_bound_job_resume(struct sy_job **out_job,
                                                       int *result)
{
    struct sy_thread *self = sy_bind_self;
    struct sy_job *job, *from = self->current;
    struct sy_runtime *rt = from->rt;

    if (SY_UNLIKELY(out_job == NULL || *out_job == NULL))
        return sy_job_resume(out_job, result);
    job = *out_job;
    if (SY_UNLIKELY(job->paused != 1 || job->rt != rt ||
                    !sy_bound_can_resume(job) || sy_bound_is_woken(job)))
        return sy_job_resume(out_job, result);
    job->paused = 0;
    job->resumer = from;
    from->out_job = out_job;
    from->out_result = result;
    sy_bound_keep_errno(self, from);
    sy_bound_set_errno(self, job);
    self->current = job;
    ((struct sy_bind_runtime *)(void *)rt)->resumes++;
    return sy_bound_swap(from, job, 0);
}

SY_ALWAYS_INLINE static inline int sy_bound_job_pause(void)
{
    struct sy_thread *self = sy_bind_self;
    struct sy_job *job = self->current, *to;

    if (SY_UNLIKELY(!sy_bound_can_pause(job)))
        return sy_job_pause();
    to = job->resumer;
    job->paused = 1;
    sy_bound_keep_errno(self, job);
    sy_bound_set_errno(self, to);
    self->current = to;
    return sy_bound_swap(job, to, SY_JOB_PAUSED);
}

SY_ALWAYS_INLINE static inline void
sy_bound_job_prefetch(const struct sy_job *job)
{
    const char *sp;

    SY_PREFETCH((const char *)job + SY_CACHE_LINE);
    memcpy(&sp, job->ctx_inline + SY_BIND_SAVED_SP, sizeof(sp));
    for (int line = 0; line < SY_BIND_PREFETCH_LINES; line++)
        SY_PREFETCH(sp + line * SY_CACHE_LINE);
}

#define sy_job_start    sy_bound_job_start
#define sy_job_resume   sy_bound_job_resume
#define sy_job_pause    sy_bound_job_pause
#define sy_job_prefetch sy_bound_job_prefetch

#endif

#define sy_runtime_open sy_bound_runtime_open

SY_END_DECLS
#endif
