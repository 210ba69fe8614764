/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring, for the engines that use it. liburing is needed to build this and
 * looked for at run time: the library does not depend on it.
 *
 * What a ring can do is tried when it is made: each feature that the kernel
 * refuses is replaced by the next best, and struct sy__uring says by which.
 *
 * Rings are never made with IORING_SETUP_NO_SQARRAY: liburing 2.3 does not
 * know it and would corrupt the ring's header.
 */
#ifndef SWITCHYARD_ENGINES_URING_LIBRARY_H
#define SWITCHYARD_ENGINES_URING_LIBRARY_H

#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <switchyard/engine.h>
#include <sys/types.h>

/* Defined by newer kernel headers than some liburing has. */
#ifndef IORING_SETUP_TASKRUN_FLAG
#define IORING_SETUP_TASKRUN_FLAG (1u << 9)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1u << 13)
#endif

struct sy__uring {
    struct io_uring ring;
    unsigned flags;      /* of IORING_SETUP_, that the kernel accepted */
    unsigned cq_entries; /* fewer than asked for where memory was short */
    bool registered;     /* see sy__uring_plan */
    pid_t owner;         /* in its child by fork, closing only unmaps */
    pthread_t thread;    /* that made it */
};

/* How to make a ring. */
struct sy__uring_plan {
    unsigned entries;       /* room for submissions */
    unsigned cq_entries;    /* room for completions; what does not fit the
                               kernel keeps until it is asked for
                               (IORING_FEAT_NODROP) */
    const unsigned *setups; /* IORING_SETUP_ flags to try, best first; the
                               last is 0, which works everywhere */
    bool registers;         /* its descriptor, which spares the kernel looking
                               it up, as long as the thread that made it is the
                               one to enter it */
};

/*
 * Find liburing and make a ring.
 *
 * Returns 0, -ENOTSUP without liburing, -ENOSYS where the kernel's io_uring is
 * missing or older than Linux 5.11, or -errno. With -ENOMEM, which a low
 * RLIMIT_MEMLOCK gives before Linux 5.12, smaller rings have been tried.
 */
int sy__uring_open(struct sy__uring *u, const struct sy__uring_plan *plan);

/* Unmap and close. Also for the copy of a ring in the child of a fork. */
void sy__uring_close(struct sy__uring *u);

/* Is the caller the thread that made the ring? */
bool sy__uring_is_here(const struct sy__uring *u);

/* May the ring be entered? 0 or -errno: a filter may forbid that alone. What
   fails for a passing reason may. */
int sy__uring_try_enter(struct sy__uring *u);

/*
 * Submit what was prepared. What the kernel refuses, at once or for more than a
 * second, stays in the ring (io_uring_sq_ready()) and goes with the next
 * submission. Returns how many calls it took. Async-signal-safe.
 */
unsigned sy__uring_submit(struct sy__uring *u);

/* Return an entry to be filled in, submitting others if there is no room.
   NULL: there is still none, because the kernel refuses them. */
struct io_uring_sqe *sy__uring_sqe(struct sy__uring *u);

/* Make the ring's descriptor readable, with an edge for those who watch for
   edges, by a completion without data. Returns how many calls it took. */
unsigned sy__uring_ring_own(struct sy__uring *u);

/* Is err a shortage that may be over by the time it matters, and no reason to
   say that io_uring does not work here? */
bool sy__uring_is_shortage(int err);

/* Say in words why sy__uring_open() or sy__uring_try_enter() returned err. */
void sy__uring_explain(int err, char *why, size_t why_bytes);

/* Describe count features of an engine's own, and what every ring tells:
   registration and room. Returns how many were written, at most max. */
unsigned sy__uring_describe(const struct sy__uring *u,
                            const struct sy__uring_plan *plan,
                            const struct sy_engine_feature *own, unsigned count,
                            struct sy_engine_feature *features, unsigned max);

/*
 * The wait hook of an engine on a ring.
 *
 * @collect  take completions from the ring until there are none or max slots
 *           were found; returns how many
 */
int sy__uring_wait(struct sy__uring *u, void *state,
                   unsigned (*collect)(void *state,
                                       struct sy_engine_slot **ready,
                                       unsigned max),
                   struct sy_engine_slot **ready, unsigned max,
                   uint64_t timeout_ns, struct sy_engine_counts *counts);

#endif
