/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kit for authors of OpenSSL engines and providers that hand operations to
 * something else (a card, a thread, another machine) and let the calling
 * ASYNC_JOB pause meanwhile. Five verbs: begin, submit, wait, complete, cancel.
 *
 *     err = sy_offload_begin(&op, sizeof(*request));
 *     request = sy_offload_data(op);     fill it in
 *     sy_offload_submit(op);
 *     give_to_device(request, op);       which calls sy_offload_complete()
 *     err = sy_offload_wait(op);         pauses the job, or blocks
 *     use the results in request
 *     sy_offload_end(op);
 *
 * It calls OpenSSL's own ASYNC_* functions and nothing else of OpenSSL 3.0 and
 * later, so the same binary runs on OpenSSL's jobs and on a replacement of
 * them. examples/provider_skeleton.c is a whole provider.
 *
 * How wait waits  In a job: it pauses the job, and completion wakes it by the
 *                 wait context's callback if the application has set one (and
 *                 the status ASYNC_STATUS_OK), else by an eventfd that is made
 *                 once for each wait context and kept there. It blocks the
 *                 thread where a job could not pause: outside of jobs, between
 *                 ASYNC_block_pause() and ASYNC_unblock_pause(), in a job
 *                 without a wait context, and if no descriptor can be made.
 * Wakes           An application may resume a paused job at any time, before
 *                 completion or without a wake: wait looks at its own flag
 *                 and pauses again.
 * Threads         begin, submit, wait and end belong to the thread (and the
 *                 job) that began the operation. complete and cancel may be
 *                 called on any thread.
 * Memory          An operation is counted: the author holds it from begin to
 *                 end, the device from submit to complete. Whoever is last
 *                 frees it, and wipes its data. So completion may come after
 *                 end, after the wait context was freed (SSL_free() while a
 *                 job is paused) or not at all, and touches nothing that is
 *                 gone. For that, keep what the device reads and writes in the
 *                 operation's data, not on the job's stack.
 * Errors          0 or -errno; errno is never set, and nothing is put on
 *                 OpenSSL's error queue.
 * Fork            Operations that were in flight are the parent's; in the
 *                 child they end with -ECANCELED. Descriptors are made anew.
 */
#ifndef SWITCHYARD_OFFLOAD_H
#define SWITCHYARD_OFFLOAD_H

#include <stddef.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

struct sy_offload;

/*
 * Begin an operation.
 *
 * @op          set to the operation, NULL on failure; the caller ends it with
 *              sy_offload_end()
 * @data_bytes  memory to come with it, zeroed, aligned for any type; 0: none
 *
 * Returns 0, or
 *   -ENOMEM  no memory
 */
SY_API SY_MUST_CHECK int sy_offload_begin(struct sy_offload **op,
                                          size_t data_bytes);

/* Return the memory that came with an operation: valid for the author until
   end, for the device until complete. NULL if none was asked for. */
SY_API void *sy_offload_data(struct sy_offload *op);

/*
 * Is the calling thread in a job, so that an operation that is begun now will
 * probably pause? An author may compute on the spot where it is not. Any
 * thread. It cannot tell whether pausing is blocked.
 *
 * Returns 1 or 0.
 */
SY_API int sy_offload_in_job(void);

/*
 * Name a function that makes the device go on, for devices that do nothing
 * unless they are polled. It is called, with user, on the waiting thread and
 * only while wait blocks it, every 100 us at least; it may call
 * sy_offload_complete(). Without it a blocked thread sleeps until completion.
 * While a job is paused, polling is the application's business or that of a
 * thread of the author's.
 */
SY_API void sy_offload_set_poll(struct sy_offload *op, void (*poll)(void *user),
                                void *user);

/*
 * Mark the operation as the device's. Call it just before handing it over:
 * from now on exactly one sy_offload_complete() is owed. If the device refuses
 * it, complete it yourself, with a status that says so. Once for each
 * operation.
 */
SY_API void sy_offload_submit(struct sy_offload *op);

/*
 * Wait until the operation is complete or cancelled. The results that were
 * written before sy_offload_complete() are visible then.
 *
 * Must not be called with a lock held that the device, or another job of this
 * thread, needs.
 *
 * Returns the status given to sy_offload_complete(), or
 *   -ECANCELED  sy_offload_cancel() was called, or the process forked and this
 *               is the child. The device may still be at work on the data
 *   -EINVAL     the operation was not submitted
 */
SY_API SY_MUST_CHECK int sy_offload_wait(struct sy_offload *op);

/*
 * Announce that the operation is complete. Exactly once for each submit, as the
 * device's last access to the operation and its data. Any thread, also from
 * within the function that submits; not from a signal handler.
 *
 * It wakes the job by the application's callback or an eventfd. The callback
 * runs on this thread, and while it runs, freeing the wait context on another
 * thread waits: a callback must not wait for such a thread, nor may the caller
 * hold a lock that it needs.
 *
 * @status  returned by sy_offload_wait(): 0 or -errno
 */
SY_API void sy_offload_complete(struct sy_offload *op, int status);

/*
 * Give the operation up: wait returns -ECANCELED, at once if it is waiting,
 * unless the operation is complete already. The device is not stopped, and
 * still owes its sy_offload_complete(), which then only releases the memory.
 * Any thread, as long as the operation has not been ended.
 */
SY_API void sy_offload_cancel(struct sy_offload *op);

/*
 * End the author's part. If the device still has the operation, its memory
 * stays until completion. NULL is allowed.
 */
SY_API void sy_offload_end(struct sy_offload *op);

/*
 * Return how often the job has been paused and resumed for this operation. An
 * ASYNC_pause_job() that came back within a microsecond without anything being
 * complete is taken for one that did not pause, because pausing is blocked:
 * OpenSSL gives no way to ask.
 */
SY_API unsigned sy_offload_pauses(const struct sy_offload *op);

SY_END_DECLS
#endif
