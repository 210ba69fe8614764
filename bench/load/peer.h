/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers: whole runtimes of other people, which bring jobs, stacks, a scheduler
 * and a way of waking of their own. Each enters every experiment as a row,
 * with the same operations on the same device as the others.
 *
 * A peer gives jobs that are used one operation after the other, as many as
 * are in flight. The row (rows/peer_row.c) takes operations, submits them to
 * the device and books what comes out; it knows no peer.
 *
 * Threads  Hooks run on the thread that called open, wake on any.
 * Errors   0 or -errno.
 * Memory   State and jobs are the row's: zeroed, aligned for any scalar type,
 *          valid until close has returned.
 */
#ifndef SY_BENCH_PEER_H
#define SY_BENCH_PEER_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

/* What a peer calls. */
struct sy_peer_config {
    unsigned jobs;      /* most that are started and have not ended */
    size_t stack_bytes; /* of each job; 0: the peer's default. A peer whose
                           stacks have one size takes that */

    /* What a job does, to be called on its stack; it calls arm and pause.
       Returns the result of the job. */
    int (*body)(void *user);

    /* A job has ended and may be started again. To be called from start or
       run, on their stack: results may be verified in it. */
    void (*ended)(void *user, int result);
};

struct sy_peer_ops {
    const char *name;    /* stable: appears in result files; a-z, 0-9, _ */
    const char *summary; /* one line, for "switchyard list" */
    const char *absent;  /* why this build has it in name only: then no hook is
                            set. NULL: it is there */
    size_t state_bytes;  /* its own, of each experiment */
    size_t job_bytes;    /* its own, of each job; kept between operations */

    /* Required. Can it work here? Returns 0 or -ENOTSUP with the reason, and
       leaves nothing behind. *switches_by: how it moves between stacks, in a
       word for result files; a constant. */
    int (*probe)(const char **switches_by, char *why, size_t why_bytes);

    /* Required. Get ready for one experiment; nothing is left on failure. cfg
       is copied. */
    int (*open)(void *state, const struct sy_peer_config *cfg);

    /* Required. The device has been closed, so nobody calls wake any more.
       After run has failed there may be jobs that have not ended. */
    void (*close)(void *state);

    /* Required. Start a job with body(user), now or in the next run. Returns
       -errno if it was not started, and ended is not called then. */
    int (*start)(void *state, void *job, void *user);

    /* Required. Let the jobs go on that were woken. If there are none, sleep
       until another thread wakes one, for sleep_ns at most; 0: do not. It
       need not return before one has ended: the device has threads then, and
       is not waiting to be polled. Returns how many went on or ended, or
       -errno if the peer is broken. */
    int (*run)(void *state, uint64_t sleep_ns);

    /* Required, within body. The job is about to submit what wake will answer:
       make what wake needs. */
    int (*arm)(void *state, void *job);

    /* Required, within body, after arm: pause until woken. It may return
       early and is called again then; what it returns other than 0 fails the
       operation, once that is complete. */
    int (*pause)(void *state, void *job);

    /* Required. Once after each arm, on any thread, possibly before pause. */
    void (*wake)(void *job);
};

/* Return the peers, those that are absent too, ending with NULL. */
const struct sy_peer_ops *const *sy_peer_table(void);

/*
 * Ask whether a peer works here.
 *
 * @switches_by  as of the hook; "" if it does not work
 * @why          on failure: the reason, in words; "" on success
 *
 * Returns 0 or -ENOTSUP.
 */
int sy_peer_probe(const struct sy_peer_ops *ops, const char **switches_by,
                  char *why, size_t why_bytes);

SY_END_DECLS

#endif
