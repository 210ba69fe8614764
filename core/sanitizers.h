/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sanitizers must be told when a thread changes stacks. In ordinary
 * builds all of this is empty. Where jobs run on threads of their own, nothing
 * is told: there the sanitizers see threads.
 */
#ifndef SY_SANITIZERS_H
#define SY_SANITIZERS_H

#include "core.h"

#if SY_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if SY_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif

#if SY_ASAN || SY_TSAN
#define SY_FIBERS 1
#else
#define SY_FIBERS 0
#endif

static inline size_t sy__stack_size(const struct sy_job *job)
{
    return (size_t)((char *)job->arg_area - (char *)sy__stack_low(job));
}

/* Nobody is on the stack, and nothing that was on it counts any more. */
static inline void sy__stack_forget(struct sy_job *job)
{
#if SY_ASAN
    /* The frames of an abandoned job left their red zones behind. */
    __asan_unpoison_memory_region(sy__stack_low(job), sy__stack_size(job));
#endif
#ifdef VALGRIND_MAKE_MEM_UNDEFINED
    VALGRIND_MAKE_MEM_UNDEFINED(sy__stack_low(job), sy__stack_size(job));
#endif
    (void)job;
}

/* valgrind complains about every system call that it does not know. */
static inline bool sy__valgrind_runs(void)
{
#ifdef RUNNING_ON_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

/* Between these, memcheck does not mind what has never been written. */
static inline void sy__memcheck_pause(void)
{
#ifdef VALGRIND_DISABLE_ERROR_REPORTING
    VALGRIND_DISABLE_ERROR_REPORTING;
#endif
}

static inline void sy__memcheck_resume(void)
{
#ifdef VALGRIND_ENABLE_ERROR_REPORTING
    VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

/* A slot has got its stack. */
static inline void sy__fiber_made(struct sy_job *job)
{
#ifdef VALGRIND_STACK_REGISTER
    VALGRIND_STACK_REGISTER(sy__stack_low(job), job->arg_area);
#endif
#if SY_FIBERS
    job->fiber.bottom = sy__stack_low(job);
    job->fiber.bytes = sy__stack_size(job);
#endif
#if SY_TSAN
    job->fiber.tsan = __tsan_create_fiber(0);
#endif
    (void)job;
}

/* A slot loses its stack. */
static inline void sy__fiber_gone(struct sy_job *job)
{
#if SY_TSAN
    __tsan_destroy_fiber(job->fiber.tsan);
#endif
    sy__stack_forget(job);
}

/* A job was ended where it had paused. */
static inline void sy__fiber_abandoned(struct sy_job *job)
{
#if SY_TSAN
    __tsan_destroy_fiber(job->fiber.tsan);
    job->fiber.tsan = __tsan_create_fiber(0);
#endif
    sy__stack_forget(job);
}

#if SY_FIBERS
/* This side leaves from for to; forever: from will not be continued. */
SY_NO_TSAN static inline void sy__fiber_leave(struct sy_job *from,
                                              struct sy_job *to, bool forever)
{
    if (!sy__has_own_stack(to->rt))
        return;
#if SY_ASAN
    __sanitizer_start_switch_fiber(forever ? NULL : &from->fiber.fake_stack,
                                   to->fiber.bottom, to->fiber.bytes);
#endif
#if SY_TSAN
    if (sy__is_root(from))
        from->fiber.tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->fiber.tsan, 0);
#endif
    (void)from;
    (void)forever;
}

/* This side has arrived in at, for the first time or again. */
static inline void sy__fiber_arrived(struct sy_job *at, bool first)
{
    if (!sy__has_own_stack(at->rt))
        return;
#if SY_ASAN
    const void *bottom;
    size_t bytes;

    __sanitizer_finish_switch_fiber(first ? NULL : at->fiber.fake_stack,
                                    &bottom, &bytes);
    /* The only way to learn where a thread's own stack lies. Not when this job
       comes back from one that it had resumed itself. */
    if (!sy__is_root(at) && sy__is_root(at->resumer) &&
        at->resumer->fiber.bottom == NULL) {
        at->resumer->fiber.bottom = bottom;
        at->resumer->fiber.bytes = bytes;
    }
#endif
    (void)at;
    (void)first;
}
#endif

#endif
