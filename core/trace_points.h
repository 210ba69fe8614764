/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libswitchyard-traced does at its probes: trace.c says how it hangs
 * together. In the library that does not trace these are nothing.
 */
#ifndef SY_TRACE_POINTS_H
#define SY_TRACE_POINTS_H

#include "core.h"
#include <switchyard/trace.h>

#if SY_TRACED
/* A job is about to be given a slot. */
void sy__trace_submitted(struct sy_runtime *rt);
/* It has one, and is about to be entered. Returns what is to be called there in
   the place of fn, and changes *arg accordingly. */
sy_job_fn sy__trace_start(struct sy_runtime *rt, struct sy_job *job,
                          sy_job_fn fn, void **arg);
/* The running job stops. */
void sy__trace_paused(struct sy_runtime *rt, struct sy_job *job);
/* On any thread: somebody wakes the job by way of the engine. */
void sy__trace_completed(struct sy_waker waker);
/* The runtime's own thread wakes a job: completed and seen. */
void sy__trace_completed_here(struct sy_runtime *rt, struct sy_job *job);
/* From the first to the second, what is seen is seen at one moment. */
void sy__trace_look_begins(struct sy_runtime *rt);
void sy__trace_look_ends(struct sy_runtime *rt);
void sy__trace_seen(struct sy_runtime *rt, struct sy_job *job);
/* The job goes on, on its own stack. */
void sy__trace_resumed(struct sy_job *job);
void sy__trace_finished(struct sy_runtime *rt, struct sy_job *job);
void sy__trace_abandoned(struct sy_runtime *rt, struct sy_job *job);
/* The runtime is freed. */
void sy__trace_free(struct sy_runtime *rt);
#else
static inline void sy__trace_submitted(struct sy_runtime *rt)
{
    (void)rt;
}

static inline sy_job_fn sy__trace_start(struct sy_runtime *rt,
                                        struct sy_job *job, sy_job_fn fn,
                                        void **arg)
{
    (void)rt, (void)job, (void)arg;
    return fn;
}

static inline void sy__trace_paused(struct sy_runtime *rt, struct sy_job *job)
{
    (void)rt, (void)job;
}

static inline void sy__trace_completed(struct sy_waker waker)
{
    (void)waker;
}

static inline void sy__trace_completed_here(struct sy_runtime *rt,
                                            struct sy_job *job)
{
    (void)rt, (void)job;
}

static inline void sy__trace_look_begins(struct sy_runtime *rt)
{
    (void)rt;
}

static inline void sy__trace_look_ends(struct sy_runtime *rt)
{
    (void)rt;
}

static inline void sy__trace_seen(struct sy_runtime *rt, struct sy_job *job)
{
    (void)rt, (void)job;
}

static inline void sy__trace_resumed(struct sy_job *job)
{
    (void)job;
}

static inline void sy__trace_finished(struct sy_runtime *rt, struct sy_job *job)
{
    (void)rt, (void)job;
}

static inline void sy__trace_abandoned(struct sy_runtime *rt,
                                       struct sy_job *job)
{
    (void)rt, (void)job;
}

static inline void sy__trace_free(struct sy_runtime *rt)
{
    (void)rt;
}
#endif

#endif
