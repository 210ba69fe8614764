/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices: what executes an offloaded operation. The first half of this file
 * is for programs that submit operations; the second is the contract for
 * authors of devices.
 *
 * A device belongs to no thread: sy_device_submit() may be called on any
 * thread, and completions are announced on whatever thread the device uses.
 */
#ifndef SWITCHYARD_DEVICE_H
#define SWITCHYARD_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/clock.h>
#include <switchyard/compiler.h>
#include <switchyard/waker.h>

SY_BEGIN_DECLS

struct sy_runtime;
struct sy_device;
struct sy_device_op;
struct sy_device_ops;
struct sy_poll_policy_ops;

typedef int (*sy_device_execute_fn)(void *arg);
typedef void (*sy_device_notify_fn)(struct sy_waker waker, void *user);

/*
 * One operation. Memory is the submitter's and stays valid until the
 * operation is announced. Zero what you do not use.
 */
struct sy_device_op {
    sy_device_execute_fn execute; /* the computation; returns 0 or -errno;
                                     NULL: none, only the device's time */
    void *arg;                    /* for execute */

    /* How completion is announced: notify(waker, user), on the device's
       thread, after the last access to this struct; NULL: sy_complete(waker).
       It must be short and must not submit. */
    sy_device_notify_fn notify;
    struct sy_waker waker; /* as from sy_job_pin() (job.h) */
    void *user;

    /* Written by the device. */
    int status;            /* what execute returned; -ECANCELED if the device
                              was closed first */
    uint64_t submitted_ns; /* device clock, at sy_device_submit() */
    uint64_t completed_ns; /* device clock, just before done was set */

    uint32_t done; /* 0 at first; read with sy_device_op_done() only */

    /* The device's own, from submit to completion. */
    struct sy_device_op *next;
    uint64_t due_ns;
};

/*
 * Is the operation complete? Once it answers 1, status and what execute wrote
 * are visible. Any thread.
 */
SY_API int sy_device_op_done(const struct sy_device_op *op);

/*
 * Open a device from its description.
 *
 * @out    set to the device, NULL on failure
 * @spec   "name" or "name:options", options being "key=value" separated by
 *         commas; the first may be a bare value, for the device's main key.
 *         "sim:servers=4,service=lognormal:50us:0.3,queue=64", "workers:2".
 *         A polled device also takes "poll=POLICY", see poll_policy.h
 * @clock  borrowed until close; NULL: sy_clock_monotonic()
 * @why    on failure: what is wrong with spec, in words, with the accepted
 *         range; "" on success
 *
 * Returns 0, or
 *   -ENOENT   no device of that name
 *   -EINVAL   an option is unknown, malformed or out of range
 *   -ENOTSUP  does not work here (say, a virtual clock with device threads)
 *   -ENOMEM, -EAGAIN  no memory, no thread
 */
SY_API SY_MUST_CHECK int sy_device_open(struct sy_device **out,
                                        const char *spec,
                                        struct sy_clock *clock, char *why,
                                        size_t why_bytes);

/* As sy_device_open(), for a device from outside this library. Also returns
   -EPROTO: built for another ABI, or a required hook is missing. */
SY_API SY_MUST_CHECK int sy_device_open_ops(struct sy_device **out,
                                            const struct sy_device_ops *ops,
                                            const char *options,
                                            struct sy_clock *clock, char *why,
                                            size_t why_bytes);

/*
 * Close a device. Operations not yet complete are announced with the status
 * -ECANCELED before it returns. NULL is allowed.
 */
SY_API void sy_device_close(struct sy_device *device);

/*
 * Submit an operation. It cannot fail: when the device is full, the operation
 * waits in line, first come first served, and stats count it.
 */
SY_API void sy_device_submit(struct sy_device *device, struct sy_device_op *op);

/*
 * Let a polled device announce what is due, if its poll policy says that now is
 * the time (poll_policy.h). Any thread, several at once: a device without
 * SY_DV_SHARED_POLL serves one and lets the others return at once. Must not be
 * called inside a job.
 *
 * @next_ns  set to the time of the device's clock at which polling again is
 *           worth while; SY_FOREVER if nothing is pending or the device has
 *           threads of its own; may be NULL
 *
 * Returns how many operations were announced.
 */
SY_API int sy_device_poll(struct sy_device *device, uint64_t *next_ns);

/*
 * As sy_device_poll(), for a caller who may have better to do than to poll.
 *
 * @active  how many jobs he has started that have not ended: while some of
 *          them do not wait for the device, the policy "heuristic" may put a
 *          poll off. 0, as with sy_device_poll(): nothing else to do
 */
SY_API int sy_device_poll_for(struct sy_device *device, uint64_t active,
                              uint64_t *next_ns);

/*
 * Have an operation executed by the device for the calling job: submit, pause
 * until it is complete, and wait here where pausing is not possible. After a
 * cancel it still waits for the device, for the operation may use the job's
 * memory.
 *
 * @rt  the calling thread's runtime
 *
 * Returns the operation's status, or
 *   -ECANCELED  the job was cancelled meanwhile; the operation is complete
 * or what sy_job_pin() and sy_wait_here() return.
 */
SY_API SY_MUST_CHECK int sy_device_call(struct sy_device *device,
                                        struct sy_runtime *rt,
                                        sy_device_execute_fn execute,
                                        void *arg);

struct sy_device_stats {
    uint64_t submitted;
    uint64_t completed;
    uint64_t refused;    /* times the device was full, and the op had to wait */
    uint64_t depth_peak; /* most operations inside the device at once, with
                            those just being announced; a sample where several
                            threads submit */
    uint64_t late_max_ns; /* how long after its due time the device came to
                             an operation, to compute or to announce it: its
                             own lateness */
    uint64_t late_sum_ns; /* over late_count operations */
    uint64_t late_count;
    uint64_t repeated; /* announcements of what was not in flight: the device
                          is broken; see sy_device_announce() */
};

/* Read the counters. Any thread. */
SY_API void sy_device_get_stats(struct sy_device *device,
                                struct sy_device_stats *stats);

/* ---- the contract for authors; see devices/README.md ------------------- */

#define SY_DEVICE_ABI 1

enum sy_device_cap {
    SY_DV_POLLED = 1 << 0,      /* needs sy_device_poll(); has no thread */
    SY_DV_SHARED_POLL = 1 << 1, /* several threads may be in poll at once */
};

struct sy_device_config {
    const char *options;      /* what stands behind "name:", "" if nothing */
    struct sy_clock *clock;   /* never NULL */
    struct sy_device *device; /* for sy_device_announce() */
    const struct sy_poll_policy_ops *poll_policy; /* asked for by the user, who
                                 thus wants to poll; NULL: none was named */
};

struct sy_device_ops {
    uint32_t abi;        /* SY_DEVICE_ABI */
    uint32_t reserved;   /* 0 */
    const char *name;    /* stable: appears in result files */
    const char *summary; /* one line, for "switchyard list" */
    const char *options; /* one line of help on what it takes */
    size_t state_bytes;  /* private state, zeroed before open */

    /* Required. *caps: enum sy_device_cap bits for these options. Returns 0 or
       -errno, with the reason in why and nothing left behind. */
    int (*open)(void *state, const struct sy_device_config *cfg, uint32_t *caps,
                char *why, size_t why_bytes);

    /* Required. Announces what is pending with status -ECANCELED. */
    void (*close)(void *state);

    /* Required. Take the operation: 0, or -EAGAIN when full. Any thread. */
    int (*submit)(void *state, struct sy_device_op *op);

    /* Required with SY_DV_POLLED; as sy_device_poll(). On one thread at a time,
       unless SY_DV_SHARED_POLL is set. */
    int (*poll)(void *state, uint64_t *next_ns);
};

/*
 * For devices only: an operation is complete. Sets status, the time and done,
 * announces it, and submits what waits in line, which may call the submit hook:
 * give the operation's room free first, and hold no lock that submit takes. op
 * must not be touched after.
 *
 * Exactly once for each operation. A second time is counted (stats.repeated)
 * and ignored as long as the submitter keeps op's memory and does not submit
 * it again; later it cannot be told from an announcement of something else.
 *
 * @late_ns  how much later than it should have been, as the device knows it
 */
SY_API void sy_device_announce(struct sy_device *device,
                               struct sy_device_op *op, int status,
                               uint64_t late_ns);

/* Return the devices of this library, ending with NULL. */
SY_API const struct sy_device_ops *const *sy_device_table(void);

SY_END_DECLS
#endif
