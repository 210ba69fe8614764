/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens in the life of a job, as probes: docs/tracing.md describes each
 * with its arguments. In the production library a probe is one nop, or nothing
 * (switchyard/usdt.h); the traced one records what happened (trace_points.h).
 *
 * Macros, so that nothing but the nop is left where nothing is inlined either.
 * Compilers take the lines of a probe's assembly for instructions, and a
 * function with one in it for a large one: what was inlined before must be said
 * to be SY_ALWAYS_INLINE.
 */
#ifndef SY_PROBES_H
#define SY_PROBES_H

#include "trace_points.h"
#include <switchyard/usdt.h>

/* A slot was taken for a job that runs fn, and is about to be entered: with
   what fn and arg are then. */
#define SY_PROBE_START(rt, job, spec_fn, fn, arg)                              \
    do {                                                                       \
        SY_USDT4(start, job, SY_USDT_WORD(job), rt, spec_fn);                  \
        (fn) = sy__trace_start(rt, job, fn, &(arg));                           \
    } while (0)

/* The running job stops. */
#define SY_PROBE_PAUSE(rt, job)                                                \
    do {                                                                       \
        SY_USDT3(pause, job, SY_USDT_WORD(job), rt);                           \
        sy__trace_paused(rt, job);                                             \
    } while (0)

/* Somebody calls sy_wake(), or sy_complete(): then releases_pin is 1. */
#define SY_PROBE_WAKE(waker, releases_pin)                                     \
    SY_USDT3(wake, (waker).slot, (waker).generation, releases_pin)

/* The runtime has learnt that a paused job was woken. */
#define SY_PROBE_SEEN(rt, job)                                                 \
    do {                                                                       \
        SY_USDT3(seen, job, SY_USDT_WORD(job), rt);                            \
        sy__trace_seen(rt, job);                                               \
    } while (0)

/* A paused job is about to be continued. */
#define SY_PROBE_RESUME(rt, job) SY_USDT3(resume, job, SY_USDT_WORD(job), rt)

/* The job's function has returned. */
#define SY_PROBE_FINISH(rt, job, result)                                       \
    do {                                                                       \
        SY_USDT4(finish, job, SY_USDT_WORD(job), rt, result);                  \
        sy__trace_finished(rt, job);                                           \
    } while (0)

/* A paused job is ended without being continued. */
#define SY_PROBE_ABANDON(rt, job)                                              \
    do {                                                                       \
        SY_USDT3(abandon, job, SY_USDT_WORD(job), rt);                         \
        sy__trace_abandoned(rt, job);                                          \
    } while (0)

/* A spin has found a wake-up: the sleep that would have followed is spared. */
#define SY_PROBE_STEAL(rt, spent_ns) SY_USDT2(steal, rt, spent_ns)

#endif
