/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: run a function that may stop half-way and be continued later.
 *
 * Threads  A job lives and dies on the thread that started it. Nothing here
 *          takes a lock.
 * Errors   0 or an enum sy_job_state on success, -errno on failure. errno is
 *          never set, and every job has an errno of its own.
 * Memory   Handles are opaque. A handle is valid until the job has finished
 *          or was abandoned.
 *
 * Switching keeps what the platform's calling convention keeps. The signal
 * mask and the floating-point control words belong to the thread, not to the
 * job: a job that changes them must undo that before it pauses, finishes or
 * resumes another job, and a job must be resumed with those that it paused
 * with. Debug builds of the library end the program if not (SY_CHECK_LEAKS).
 */
#ifndef SWITCHYARD_JOB_H
#define SWITCHYARD_JOB_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>
#include <switchyard/waker.h>

SY_BEGIN_DECLS

struct sy_job;
struct sy_runtime;
struct sy_wait;

/* What a job runs. Its return value is the job's result. A C++ exception must
   not leave it. */
typedef int (*sy_job_fn)(void *arg);

enum sy_job_state {
    SY_JOB_FINISHED = 0,
    SY_JOB_PAUSED = 1,
};

/* What sy_job_pause() returns when it could not pause; a success. */
#define SY_NOT_PAUSED 1

/* Arguments up to this size are copied without a call to malloc. */
#define SY_JOB_ARG_INLINE_BYTES 128

/* Largest arg_bytes that is accepted. */
#define SY_JOB_ARG_MAX_BYTES 65536

/*
 * Runs on the runtime's thread when a job that sy_runtime_run() resumed has
 * finished, after its stack was left. The handle is valid until it returns. It
 * may start jobs; it must not resume or abandon this one.
 */
typedef void (*sy_job_done_fn)(void *user, struct sy_job *job, int result);

/* A job to start. Zero what you do not use: struct sy_job_spec s = {0}. */
struct sy_job_spec {
    sy_job_fn fn;
    const void *arg;      /* copied before fn runs; may be NULL */
    size_t arg_bytes;     /* 0 .. SY_JOB_ARG_MAX_BYTES. With 0, arg itself is
                             handed to fn and stays the caller's */
    struct sy_wait *wait; /* wait.h: a reference is held while the job lives;
                             one job at a time; may be NULL */
    sy_job_done_fn done;  /* may be NULL: then a job that sy_runtime_run()
                             finished keeps its slot until sy_job_resume()
                             collects the result */
    void *user;           /* for done, and for sy_job_user() */
};

/*
 * Start a job and run it until it pauses or finishes. Works inside a job too,
 * to any depth: a job pauses to whoever resumed it last.
 *
 * @rt      the runtime; must belong to the calling thread
 * @spec    what to run; need not outlive the call
 * @job     set to the handle before fn runs, to NULL when the job finished or
 *          was not started
 * @result  what fn returned; written only when the job finished; may be NULL.
 *          done is not called for a job that finishes within this call.
 *          Both pointers must stay valid until this call returns.
 *
 * Returns SY_JOB_FINISHED or SY_JOB_PAUSED, or
 *   -EINVAL  spec or fn is NULL, arg is NULL although arg_bytes is not 0, or
 *            arg_bytes is larger than SY_JOB_ARG_MAX_BYTES
 *   -EAGAIN  the runtime is at jobs_max; nothing was started
 *   -EBUSY   the wait context belongs to another job that has not finished
 *   -ENOMEM  no stack could be mapped, or no memory for the arguments
 *   -EMFILE  the engine needs one more file descriptor and gets none
 *   -EXDEV   the runtime belongs to another thread
 * and what the engine's attach or the switcher's prepare hook returned.
 */
SY_API SY_MUST_CHECK int sy_job_start(struct sy_runtime *rt,
                                      const struct sy_job_spec *spec,
                                      struct sy_job **job, int *result);

/*
 * Continue a paused job until it pauses again or finishes, or collect the
 * result of one that sy_runtime_run() finished.
 *
 * @job     in: the handle; set to NULL when the job finished
 * @result  as for sy_job_start()
 *
 * Returns SY_JOB_FINISHED or SY_JOB_PAUSED, or, with the job untouched,
 *   -EINVAL  job or *job is NULL
 *   -EBUSY   the job is running, or is an ancestor of the calling job
 *   -EXDEV   the job belongs to another thread, or was started before a fork
 */
SY_API SY_MUST_CHECK int sy_job_resume(struct sy_job **job, int *result);

/*
 * Stop here until someone resumes the calling job. It may return before the
 * operation is complete: loop on your own condition.
 *
 * Returns 0 after a pause, or
 *   SY_NOT_PAUSED  outside a job, while pausing is blocked, under a switcher
 *                  that cannot pause, and in the child of a fork for a job
 *                  that was running then. Library code may so call it without
 *                  asking; who must wait now calls sy_wait_here() (runtime.h)
 *   -ECANCELED     once after sy_job_cancel()
 */
SY_API int sy_job_pause(void);

/*
 * Ask a job to give up: one pause of it (the present one if it is paused, else
 * its next) returns -ECANCELED, and the job is made ready to run. The job
 * decides what it does then; one with operations in flight waits for them.
 * A second cancel before the job saw the first changes nothing.
 *
 * Returns 0, or
 *   -EINVAL  job is NULL
 *   -ESRCH   the job has finished and only awaits collection
 *   -EXDEV   the job belongs to another thread, or was started before a fork
 */
SY_API int sy_job_cancel(struct sy_job *job);

/*
 * End a paused job without running it again. Its deferred functions run now,
 * newest first, on the caller's stack; its frames are not unwound and C++
 * destructors do not run. While operations are pinned, the stack stays
 * untouched in quarantine. A job that finished and awaits collection is
 * released. done is not called.
 *
 * @job  in: the handle; set to NULL on success
 *
 * Returns 0, or, with the job untouched,
 *   -EINVAL  job or *job is NULL
 *   -EBUSY   the job is running, or is an ancestor of the calling job
 *   -EXDEV   the job belongs to another thread, or was started before a fork
 */
SY_API int sy_job_abandon(struct sy_job **job);

/*
 * A hint that a paused job is resumed soon: starts to load what the resume
 * reads and, where the switcher says where it is (saved_sp in switcher.h), the
 * top of the job's stack. It pays when so many jobs wait that they do not fit
 * the caches. Call it some jobs ahead: eight switches take about as long as one
 * line from memory. sy_runtime_run() does that itself.
 *
 *     for (size_t i = 0; i < n; i++) {
 *         if (i + 8 < n && jobs[i + 8] != NULL)
 *             sy_job_prefetch(jobs[i + 8]);
 *         if (jobs[i] != NULL)
 *             state = sy_job_resume(&jobs[i], &results[i]);
 *     }
 *
 * @job  a job of the calling thread; not NULL
 */
SY_API void sy_job_prefetch(const struct sy_job *job);

/*
 * Have fn(arg) called when the calling job ends: after its function returned
 * (on the job's stack) or when it is abandoned (on the abandoner's). Newest
 * first. The functions must not pause.
 *
 * Returns 0, or
 *   -EINVAL  fn is NULL
 *   -EPERM   outside a job
 *   -ENOMEM  no memory; fn will not be called
 */
SY_API SY_MUST_CHECK int sy_job_defer(void (*fn)(void *arg), void *arg);

/*
 * Return the job that is running on this thread, or NULL outside a job.
 */
SY_API struct sy_job *sy_job_current(void);

/* Return the user pointer of the job's spec. job must not be NULL. */
SY_API void *sy_job_user(const struct sy_job *job);

/*
 * Return the wait context of the job's spec, borrowed, or NULL. job must not
 * be NULL.
 */
SY_API struct sy_wait *sy_job_wait(const struct sy_job *job);

/*
 * Forbid pausing in the calling job until sy_job_unblock_pause(); nests. The
 * count belongs to the job and ends with it. Without effect outside a job.
 * Unblocking what is not blocked changes nothing.
 */
SY_API void sy_job_block_pause(void);
SY_API void sy_job_unblock_pause(void);

/*
 * Return a waker (waker.h) for a job. Call on the job's thread; the waker may
 * then be used on any thread, at any time, for as long as the process lives.
 * job must not be NULL.
 */
SY_API struct sy_waker sy_job_waker(struct sy_job *job);

/*
 * Pin the calling job for an operation that is about to be handed to a device
 * and that uses memory of the job: until sy_complete() releases the pin, the
 * job's slot and stack are not reused, even if the job is abandoned. Outside
 * a job, pins the runtime instead.
 *
 * @rt     the runtime to wake when there is no job, which must belong to the
 *         calling thread; not looked at inside a job
 * @waker  set to the waker to hand to sy_complete(); {NULL, 0} on failure
 *
 * Returns 0, or
 *   -EXDEV  rt belongs to another thread
 * and in the child of a fork what making the runtime its own returned
 * (runtime.h).
 */
SY_API SY_MUST_CHECK int sy_job_pin(struct sy_runtime *rt,
                                    struct sy_waker *waker);

SY_END_DECLS
#endif
