/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring, for the engines that use it. liburing is needed to build this and
 * looked for at run time: the library does not depend on it.
 *
 * Rings are never made with IORING_SETUP_NO_SQARRAY: liburing 2.3 does not
 * know it and would corrupt the ring's header.
 */
#ifndef SWITCHYARD_ENGINES_URING_LIBRARY_H
#define SWITCHYARD_ENGINES_URING_LIBRARY_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <switchyard/engine.h>

/*
 * Find liburing and make a ring.
 *
 * @entries     room for submissions
 * @cq_entries  room for completions; what does not fit the kernel keeps until
 *              it is asked for (IORING_FEAT_NODROP)
 *
 * Returns 0, -ENOTSUP without liburing, or -errno.
 */
int sy__uring_open(struct io_uring *ring, unsigned entries,
                   unsigned cq_entries);

/* Unmap and close. Also for the copy of a ring in the child of a fork. */
void sy__uring_close(struct io_uring *ring);

/*
 * Submit what was prepared. What the kernel refuses, at once or for more than a
 * second, stays in the ring (io_uring_sq_ready()) and goes with the next
 * submission. Returns how many calls it took.
 */
unsigned sy__uring_submit(struct io_uring *ring);

/* Return an entry to be filled in, submitting others if there is no room.
   NULL: there is still none, because the kernel refuses them. */
struct io_uring_sqe *sy__uring_sqe(struct io_uring *ring);

/* Is err a shortage that may be over by the time it matters, and no reason to
   say that io_uring does not work here? */
bool sy__uring_is_shortage(int err);

/* Say in words why sy__uring_open() returned err. */
void sy__uring_explain(int err, char *why, size_t why_bytes);

/*
 * The wait hook of an engine on a ring.
 *
 * @collect  take completions from the ring until there are none or max slots
 *           were found; returns how many
 */
int sy__uring_wait(struct io_uring *ring, void *state,
                   unsigned (*collect)(void *state,
                                       struct sy_engine_slot **ready,
                                       unsigned max),
                   struct sy_engine_slot **ready, unsigned max,
                   uint64_t timeout_ns, struct sy_engine_counts *counts);

#endif
