/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait contexts: what a foreign event loop needs to know about a job that it
 * did not start: file descriptors to watch, a callback, a status.
 *
 * A wait context is passive. No engine looks at it: it carries what the
 * author of an offload engine puts in to the author of an event loop.
 *
 * Keys are addresses that name an offload engine (say, of a static variable).
 * The list runs from the newest entry to the oldest, and a key may occur more
 * than once; look-ups find the newest.
 *
 * "Changes" are what was added and deleted since the job was last resumed. An
 * entry deleted in the window in which it was added is no change at all.
 *
 * Threads  One thread at a time. Reference counts are atomic.
 * Memory   Reference counted; a job holds one reference while it lives.
 */
#ifndef SWITCHYARD_WAIT_H
#define SWITCHYARD_WAIT_H

#include <stddef.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

struct sy_wait;

/* Called for an entry when the context goes away while it still holds it. */
typedef void (*sy_wait_cleanup_fn)(struct sy_wait *wait, const void *key,
                                   int fd, void *custom);

/* What a device calls instead of writing to a descriptor. Returns 0 or
   -errno. */
typedef int (*sy_wait_callback_fn)(void *arg);

enum sy_wait_status {
    SY_WAIT_STATUS_UNSUPPORTED = 0, /* nobody has set it */
    SY_WAIT_STATUS_ERR = 1,
    SY_WAIT_STATUS_OK = 2,
    SY_WAIT_STATUS_EAGAIN = 3, /* the device was full: try again later */
};

/*
 * Make an empty wait context with one reference.
 *
 * @out  set to it, NULL on failure
 *
 * Returns 0 or -ENOMEM.
 */
SY_API SY_MUST_CHECK int sy_wait_new(struct sy_wait **out);

/* Take one more reference. wait must not be NULL. */
SY_API void sy_wait_ref(struct sy_wait *wait);

/*
 * Drop a reference. The last one runs the cleanup of each entry that was not
 * deleted, newest first, and frees the context. NULL is allowed.
 */
SY_API void sy_wait_unref(struct sy_wait *wait);

/*
 * Add a descriptor.
 *
 * @key      names the offload engine; any address, NULL too
 * @fd       a descriptor, >= 0; stays the caller's
 * @custom   handed to sy_wait_get_fd() and to cleanup
 * @cleanup  may be NULL
 *
 * Returns 0, -EINVAL (wait is NULL or fd < 0) or -ENOMEM.
 */
SY_API SY_MUST_CHECK int sy_wait_set_fd(struct sy_wait *wait, const void *key,
                                        int fd, void *custom,
                                        sy_wait_cleanup_fn cleanup);

/*
 * Look up the newest entry with a key.
 *
 * @fd, @custom  set to what was stored (-1, NULL when not found); may be NULL
 *
 * Returns 0, -EINVAL (wait is NULL) or -ENOENT.
 */
SY_API SY_MUST_CHECK int sy_wait_get_fd(const struct sy_wait *wait,
                                        const void *key, int *fd,
                                        void **custom);

/*
 * List every descriptor, newest first.
 *
 * @fds    room for *count descriptors; NULL: only count them
 * @count  in: room in fds (ignored when that is NULL); out: how many there
 *         are, which may be more than were written
 *
 * Returns 0, or
 *   -EINVAL     wait or count is NULL
 *   -EOVERFLOW  there was not room for all; the first ones were written
 */
SY_API SY_MUST_CHECK int sy_wait_all_fds(const struct sy_wait *wait, int *fds,
                                         size_t *count);

/*
 * List what was added and deleted since the job was last resumed, newest
 * first. Parameters and results as for sy_wait_all_fds(), twice.
 */
SY_API SY_MUST_CHECK int sy_wait_changed_fds(const struct sy_wait *wait,
                                             int *added, size_t *added_count,
                                             int *deleted,
                                             size_t *deleted_count);

/*
 * Delete the newest entry with a key that is not deleted yet. Its cleanup is
 * not called: the descriptor is the caller's again.
 *
 * Returns 0, -EINVAL (wait is NULL) or -ENOENT.
 */
SY_API int sy_wait_clear_fd(struct sy_wait *wait, const void *key);

/*
 * Store what a device is to call when an operation is done, instead of waking
 * through a descriptor. NULL removes it.
 *
 * Returns 0 or -EINVAL (wait is NULL).
 */
SY_API int sy_wait_set_callback(struct sy_wait *wait,
                                sy_wait_callback_fn callback, void *arg);

/*
 * Read the callback.
 *
 * @callback, @arg  set to what was stored, else NULL; neither may be NULL
 *
 * Returns 0, -EINVAL (wait is NULL) or -ENOENT (none is set).
 */
SY_API SY_MUST_CHECK int sy_wait_get_callback(const struct sy_wait *wait,
                                              sy_wait_callback_fn *callback,
                                              void **arg);

/*
 * Set the status that the last submission left.
 *
 * Returns 0 or -EINVAL (wait is NULL, or status is none of the enum).
 */
SY_API int sy_wait_set_status(struct sy_wait *wait, enum sy_wait_status status);

/* Return the status; SY_WAIT_STATUS_UNSUPPORTED for NULL. */
SY_API enum sy_wait_status sy_wait_get_status(const struct sy_wait *wait);

/*
 * Begin a new window of changes: forget what was added, remove what was
 * deleted. Resuming a job does this for its context. NULL is allowed.
 */
SY_API void sy_wait_reset_changes(struct sy_wait *wait);

SY_END_DECLS
#endif
