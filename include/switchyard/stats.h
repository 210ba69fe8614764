/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stats: what a runtime has done so far, and what the process lost. Counters
 * only grow; they cost at most one addition where they are kept.
 */
#ifndef SWITCHYARD_STATS_H
#define SWITCHYARD_STATS_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

struct sy_runtime;

struct sy_runtime_stats {
    size_t size; /* set to sizeof(struct sy_runtime_stats) by the caller */

    uint64_t jobs_started;
    uint64_t jobs_finished;
    uint64_t jobs_cancelled; /* sy_job_cancel() calls that took effect */
    uint64_t jobs_abandoned;
    uint64_t resumes; /* pauses are jobs_started + resumes - jobs_finished
                         while nothing runs */

    uint64_t jobs_outstanding; /* now: started, neither ended nor collected */
    uint64_t jobs_quarantined; /* now: abandoned, operations still pinned */
    uint64_t stacks_allocated; /* now: pooled and in use */
    uint64_t stacks_peak;      /* most of them in use at once */
    uint64_t stack_bytes;      /* usable size of each */

    uint64_t waits;        /* times the engine was asked */
    uint64_t sleeps;       /* waits that were allowed to block */
    uint64_t spins;        /* times it looked for a while before a sleep */
    uint64_t spins_hit;    /* of these, that found a wake-up */
    uint64_t spin_ns;      /* in spins, up to the last reading of the clock:
                              one of 1 us or less may count for nothing, and
                              one that was preempted as what it was meant
                              to take */
    uint64_t spin_lost_ns; /* of this, in spins that found nothing; what
                              spin_percent limits */
    uint64_t collected;    /* wake-ups that arrived, by the engine or past it */
    uint64_t spurious;     /* of these, for a job that was not waiting */
    uint64_t engine_syscalls; /* system calls made by the engine on the
                                 runtime's thread */

    const char *switcher;   /* names in use; valid until sy_runtime_close() */
    const char *engine;     /* with its variant, as "pipe+epoll" */
    const char *guard;      /* below stacks: "process_madvise", "madvise",
                               "mprotect", or "none" */
    const char *guard_note; /* why no better guards, or no more of them, with
                               the limit and the count; "" if there is nothing
                               to say */
    const char *choice;     /* why these parts, the weakest reason of the two:
                               "lock", "binding", "config", "environment",
                               "profile", "fallback" (of the profile),
                               "default" */
    const char *profile;    /* path of the profile that counts, followed by
                               what is wrong with it: that it is stale, or why
                               it is not used; "": there is none */
};

/*
 * Read the counters of a runtime. Call on the runtime's thread.
 *
 * @stats  size must be set; every other member is written
 *
 * Returns 0, or
 *   -EINVAL  stats->size is not known to this library
 *   -EXDEV   the runtime belongs to another thread
 */
SY_API SY_MUST_CHECK int sy_runtime_get_stats(struct sy_runtime *rt,
                                              struct sy_runtime_stats *stats);

/* What threads left behind when they ended with a runtime open. */
struct sy_process_stats {
    size_t size; /* set to sizeof(struct sy_process_stats) by the caller */

    uint64_t runtimes_orphaned; /* closed by the library at thread exit */
    uint64_t jobs_orphaned;     /* abandoned by the library at thread exit */
    uint64_t jobs_quarantined;  /* now: whose stacks wait for a pin */
};

/*
 * Read the counters of the process. Any thread.
 *
 * Returns 0, or -EINVAL if stats->size is not known to this library.
 */
SY_API SY_MUST_CHECK int sy_process_get_stats(struct sy_process_stats *stats);

SY_END_DECLS
#endif
