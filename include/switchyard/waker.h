/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wakers: thread-safe handles that tell a job that what it waits for may have
 * happened.
 *
 * A waker holds no reference. It may be copied, kept and used for as long as
 * the process lives: after its job ended it does nothing.
 *
 * A job has one sticky permit. sy_wake() sets it, resuming the job clears it,
 * and further wakes in between merge into one. So a wake is a hint and not a
 * count: a job looks at its own condition after every pause. Everything that
 * happened in a thread before it called sy_wake() is visible to the job after
 * the pause returns, for merged wakes too.
 *
 * Threads  Everything here may be called on any thread.
 */
#ifndef SWITCHYARD_WAKER_H
#define SWITCHYARD_WAKER_H

#include <stdint.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

struct sy_job;

/* A value, not an object: copy it freely. {NULL, 0} wakes nobody. */
struct sy_waker {
    struct sy_job *slot;
    uint64_t generation;
};

/*
 * Wake the job that this waker belongs to.
 *
 * May be called before the job pauses (the permit waits for it), several
 * times, and after the job, its runtime or its thread is gone. From a signal
 * handler only if the runtime's engine has SY_EN_SIGNAL_SAFE.
 *
 * Returns 0 if the job has the permit now, or
 *   -ESRCH   the job has ended; nothing was done
 */
SY_API int sy_wake(struct sy_waker waker);

/*
 * End an operation that was pinned with sy_job_pin() (job.h): release the pin,
 * then wake the job.
 *
 * Call it exactly once for each sy_job_pin(), as the very last thing, after
 * the last access to memory that belongs to the job: an abandoned job's stack
 * is given back as soon as its last pin is gone.
 *
 * Returns as sy_wake(); -ESRCH means that the job was abandoned meanwhile.
 */
SY_API int sy_complete(struct sy_waker waker);

SY_END_DECLS
#endif
