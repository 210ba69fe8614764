/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces: how long jobs spend in each phase of their lives.
 *
 * Only a program that is linked with libswitchyard-traced, a second build of
 * the library, gets them; libswitchyard answers -ENOTSUP to everything here,
 * and is none the slower for it. docs/tracing.md has formulae and figures.
 *
 *   submitted  sy_job_start() takes a slot           -+ start
 *   started    the job's function begins             -+ run
 *   paused     it pauses                             -+ wait
 *   completed  sy_wake() or sy_complete() is called  -+ notify
 *   seen       the runtime has learnt of it          -+ schedule
 *   resumed    the job goes on                       -+ run, or end
 *   finished   its function has returned
 *
 * What is recorded: moments, slots and numbers. No arguments, no results and
 * no memory of the program.
 *
 * Threads  Everything here belongs to the runtime's thread.
 * Errors   0 or a count on success, -errno on failure; errno is never set.
 */
#ifndef SWITCHYARD_TRACE_H
#define SWITCHYARD_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

struct sy_runtime;

/* The phases of a job, in the order of its life. Where it pauses more than
   once, what it spent in each of its pauses is added up. */
enum sy_trace_phase {
    SY_TRACE_START = 0, /* submitted to started: the way onto its stack */
    SY_TRACE_RUN,       /* started, or resumed, to paused; to finished if it
                           never pauses */
    SY_TRACE_WAIT,      /* paused to completed; 0 if that came before */
    SY_TRACE_NOTIFY,    /* completed to seen; from paused, if it was completed
                           before that */
    SY_TRACE_SCHEDULE,  /* seen to resumed: in line, and the way back onto its
                           stack */
    SY_TRACE_END,       /* resumed for the last time to finished */
    SY_TRACE_WHOLE,     /* submitted to finished: the sum of the others */
    SY_TRACE_PHASES
};

/* Return "start", "run", ..., "whole"; "?" for no phase. In every library. */
SY_API const char *sy_trace_phase_name(enum sy_trace_phase phase);

/* Buckets as docs/run-files.md numbers them: 128 in each octave, so that a
   bucket is at most 1/128 of its lower end wide; the last ends at 2^42 - 1. */
#define SY_TRACE_BUCKETS 4608

struct sy_trace_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t min_ns, max_ns; /* exact; 0 while count is 0 */
    uint64_t clipped;        /* values above 2^42 - 1, in the last bucket */
    uint64_t buckets[SY_TRACE_BUCKETS];
};

/*
 * What the jobs spent that were started and finished while the trace was on.
 * Each of them counts once in start, run and whole, and once in each of wait,
 * notify, schedule and end if it paused at all. So the sums of the phases add
 * up to the sum of the whole, to the nanosecond.
 */
struct sy_trace_phases {
    size_t size; /* set to sizeof(struct sy_trace_phases) by the caller */

    uint64_t jobs;      /* finished, and in the histograms */
    uint64_t abandoned; /* started, and ended without being continued */
    uint64_t pauses;    /* of the jobs in the histograms */
    uint64_t early;     /* of these pauses, those that were completed before */
    uint64_t unwoken;   /* and those that were resumed although the runtime had
                           seen no wake-up: all the time is wait */
    uint64_t events_dropped; /* for want of room, since sy_trace_start() */
    const char *clock;       /* where the moments came from: "tsc",
                                "clock_gettime", or "runtime", that is, the
                                clock that the runtime was opened with */
    struct sy_trace_histogram phase[SY_TRACE_PHASES];
};

/* One phase of one job. */
struct sy_trace_event {
    uint64_t job;      /* its number, from 1, in the order of starts */
    uint64_t begin_ns; /* as CLOCK_MONOTONIC counts, or the runtime's clock */
    uint64_t end_ns;   /* not before begin_ns */
    uint32_t slot;     /* its place in the runtime, from 1; others have it
                          before and after */
    uint32_t phase;    /* enum sy_trace_phase, never SY_TRACE_WHOLE */
};

struct sy_trace_config {
    size_t size;         /* sizeof(struct sy_trace_config) */
    uint32_t events_max; /* how many events are kept until they are taken; the
                            rest is counted and dropped; 0: none */
};

#define SY_TRACE_CONFIG_INIT                                                   \
    {                                                                          \
        sizeof(struct sy_trace_config), 0                                      \
    }

/*
 * Trace the jobs that are started from now on. What an earlier trace of this
 * runtime recorded is forgotten.
 *
 * @cfg  NULL: SY_TRACE_CONFIG_INIT
 *
 * The first call in a process takes some 20 ms: it measures how fast the time
 * stamp counter runs.
 *
 * Returns 0, or
 *   -EINVAL   cfg->size is not known to this library
 *   -EBUSY    the runtime is being traced
 *   -ENOMEM   no memory
 *   -EXDEV    the runtime belongs to another thread
 *   -ENOTSUP  this is not libswitchyard-traced
 */
SY_API SY_MUST_CHECK int sy_trace_start(struct sy_runtime *rt,
                                        const struct sy_trace_config *cfg);

/*
 * Stop tracing. Jobs that have not finished are left out of the histograms;
 * their events stay. What was recorded can be read until the next start, or
 * until the runtime is closed.
 *
 * Returns 0 (not being traced is no error), -EXDEV or -ENOTSUP.
 */
SY_API int sy_trace_stop(struct sy_runtime *rt);

/*
 * Read the histograms, while the runtime is traced or afterwards.
 *
 * @phases  size must be set; every other member is written
 *
 * Returns 0, or
 *   -EINVAL   phases->size is not known to this library
 *   -ENODATA  the runtime has never been traced
 *   -EXDEV    the runtime belongs to another thread
 *   -ENOTSUP  this is not libswitchyard-traced
 */
SY_API SY_MUST_CHECK int sy_trace_read(struct sy_runtime *rt,
                                       struct sy_trace_phases *phases);

/*
 * Take events out of the buffer, oldest end first. Those of one job come in
 * order, and each begins where the one before ended.
 *
 * @events  room for max of them
 *
 * Returns how many were taken, or -ENODATA, -EXDEV, -ENOTSUP as above.
 */
SY_API SY_MUST_CHECK int sy_trace_take(struct sy_runtime *rt,
                                       struct sy_trace_event *events,
                                       unsigned max);

SY_END_DECLS
#endif
