/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiments: one way of doing a mix of operations on one device, under a
 * closed loop, measured. What `switchyard run` repeats for each combination.
 *
 * One job performs one operation: it is started, pauses at each offloaded
 * step, and finishes; then a new one takes its place, so that `jobs` are in
 * flight all the time. So the cost of starting and finishing is included.
 *
 * Four phases: warm-up (not counted), the measured window, a short phase in
 * which system calls are counted (counting slows every system call down, so
 * it is kept out of the window), and draining. bench/README.md says what
 * each figure includes.
 *
 * Nothing is printed: the caller does that.
 */
#ifndef SY_BENCH_EXPERIMENT_H
#define SY_BENCH_EXPERIMENT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <switchyard/device.h>
#include <switchyard/engine.h>
#include <switchyard/switcher.h>
#include <switchyard/workload.h>

#include "histogram.h"
#include "traced_window.h"

/* How the operations are done. */
enum sy_row {
    SY_ROW_COMBINATION = 0, /* jobs, with a switcher and an engine */
    SY_ROW_SOFTWARE,        /* every step inline, no device, one at a time */
    SY_ROW_BLOCKING,        /* submit and wait, one at a time */
    SY_ROW_CALLBACK,        /* a state machine by hand, no stack switch */
    SY_ROW_PEER,            /* another runtime, from sy_peer_table() */
    SY_ROWS
};

/* Return "combination", "software", ..., "peer"; "?" for no row. */
const char *sy_row_name(enum sy_row row);

/* Return what the row does, in one line. */
const char *sy_row_summary(enum sy_row row);

/* Most workloads in one mix. */
#define SY_MIX_MAX 16

struct sy_peer_ops;

struct sy_mix_item {
    const struct sy_workload_ops *ops;
    size_t param_bytes; /* as sy_workload_find() set it */
    uint32_t weight;    /* share among the weights of the mix, >= 1 */

    /* The device has hardware of its own: what it returns was made before the
       window, for as many different inputs as operations are in flight or set
       aside, and takes no CPU time here. For workloads whose only step is
       offloaded. The row software computes as ever. */
    bool precomputed;
};

#define SY_JOBS_MAX 1000000u

/* What to measure. Zero what you do not use. All pointers are borrowed for the
   duration of the call. */
struct sy_experiment {
    enum sy_row row;
    const struct sy_switcher_ops *switcher; /* SY_ROW_COMBINATION only */
    const struct sy_engine_ops *engine;     /* SY_ROW_COMBINATION only */
    const char *variant; /* the engine's, or NULL for its first or only one */
    const struct sy_peer_ops *peer; /* SY_ROW_PEER only; see peer.h */

    struct sy_mix_item mix[SY_MIX_MAX];
    unsigned mix_count; /* 1 .. SY_MIX_MAX */

    /* The device. device_spec is what results show: "workers:1". A device from
       outside the library is named by device_ops too; then its options are
       what stands behind the first ':' of device_spec. */
    const char *device_spec;
    const struct sy_device_ops *device_ops;

    unsigned jobs;           /* in flight, 1 .. SY_JOBS_MAX; rows that do one at
                                a time use 1 */
    uint64_t duration_ns;    /* of the window; 0: only operations_max ends it */
    uint64_t operations_max; /* end the window after exactly so many;
                                0: only duration_ns ends it */
    uint64_t seed;           /* for the order of the mix and the inputs */
    bool virtual_clock; /* device, runtime and latencies by a virtual clock:
                           repeats exactly; needs a polled device and
                           operations_max */

    uint64_t verify_every; /* verify every so manieth operation;
                              0: chosen, see sy_outcome.verify_every */
    bool spoil_one; /* spoil one result on purpose before it is verified: the
                       outcome must be SY_OUTCOME_FAILED */

    size_t stack_bytes;  /* of each job; 0: the library's default */
    uint64_t warm_up_ns; /* 0: a tenth of duration_ns, 20 ms .. 500 ms */
    uint64_t timeout_ns; /* for everything; 0: 30 s + 3 * duration_ns, or
                            300 s where duration_ns is 0 */

    /* Filled in if not NULL, in shared memory: see there. */
    struct sy_traced_window *traced_window;

    /* Set by the caller's signal handler: end soon, with what there is. */
    const volatile sig_atomic_t *interrupted; /* may be NULL */
};

enum sy_outcome_status {
    SY_OUTCOME_OK = 0,
    SY_OUTCOME_SKIPPED, /* cannot be done here; reason says why */
    SY_OUTCOME_FAILED,  /* wrong result, crash, hang; reason says what */
};

#define SY_OUTCOME_NONE       INT64_C(-1)
#define SY_OUTCOME_TEXT_BYTES 512
#define SY_OUTCOME_NAME_BYTES 64

/* What the runtime and the device counted within the window. */
struct sy_outcome_runtime {
    uint64_t jobs_started;
    uint64_t jobs_finished;
    uint64_t resumes;
    uint64_t waits;
    uint64_t sleeps;
    uint64_t collected;
    uint64_t spurious;
    uint64_t engine_syscalls;
    uint64_t stacks_peak; /* since the start */
    uint64_t stack_bytes; /* usable, of each */
    char guard[SY_OUTCOME_NAME_BYTES];
};

struct sy_outcome_device {
    uint64_t submitted;
    uint64_t completed;
    uint64_t refused;
    uint64_t late_sum_ns;
    uint64_t late_count;
    uint64_t late_max_ns;             /* since the start */
    uint64_t depth_peak;              /* since the start */
    char poll[SY_OUTCOME_NAME_BYTES]; /* its poll policy; "": it has threads */
};

/* What came out. Fixed memory, no pointers. */
struct sy_outcome {
    enum sy_outcome_status status;
    bool partial; /* interrupted: what is here covers less than was asked */
    char reason[SY_OUTCOME_TEXT_BYTES]; /* one sentence; "" when OK */
    int64_t failed_operation; /* its number, from 0; SY_OUTCOME_NONE */

    unsigned jobs;     /* in flight: what was asked, or 1 where the row does
                          one at a time or the switcher cannot pause */
    unsigned fd_limit; /* descriptors that the process was allowed */

    /* The window. */
    uint64_t operations;    /* finished within it */
    uint64_t elapsed_ns;    /* by the device's clock */
    uint64_t cpu_ns;        /* of the process, device threads included,
                               verification excluded */
    uint64_t thread_cpu_ns; /* of the application's thread alone, verification
                               excluded; does not contain the jobs under a
                               switcher that is not SY_SW_SAME_THREAD */
    uint64_t switches_voluntary; /* context switches of the process */
    uint64_t switches_involuntary;
    uint64_t faults_minor;
    uint64_t faults_major;
    struct sy_histogram latency_ns; /* job started to job finished, one value
                                       for each operation of the window */

    /* Verification. */
    uint64_t verify_every;  /* every so manieth operation was verified */
    uint64_t verified;      /* how many, of the window */
    uint64_t wrong;         /* results that were not right, of all phases */
    uint64_t verify_cpu_ns; /* spent within the window on it; was subtracted
                               from the CPU times; elapsed_ns contains it */

    /* System calls of all threads, over syscall_operations operations that
       followed the window. SY_OUTCOME_NONE: not counted, syscalls_why says
       why. */
    int64_t syscalls;
    uint64_t syscall_operations;
    char syscalls_why[SY_OUTCOME_TEXT_BYTES];

    struct sy_outcome_runtime runtime; /* SY_ROW_COMBINATION; else zero */
    struct sy_outcome_device device;   /* zero for SY_ROW_SOFTWARE */

    uint64_t rss_peak_bytes; /* of the process, since its start */
    char peer_switch[SY_OUTCOME_NAME_BYTES]; /* SY_ROW_PEER: how its jobs
                                switch, in a word: "setjmp"; else "" */
};

/*
 * Write the name of an experiment's row: "asm+queue", "asm+pipe+select",
 * "software"; of a peer its own.
 *
 * Returns buf.
 */
const char *sy_experiment_name(const struct sy_experiment *exp, char *buf,
                               size_t bytes);

/*
 * Write the mix as a suite spells it: "ecdsa-p256-sign",
 * "tls13-handshake=1, aes-128-gcm@16K=40", "precomputed:rsa2048-sign".
 *
 * Returns buf.
 */
const char *sy_experiment_mix(const struct sy_experiment *exp, char *buf,
                              size_t bytes);

/* What stands before the name of a workload with precomputed results. */
#define SY_PRECOMPUTED "precomputed:"

/* Can the results of a workload be precomputed? */
static inline bool sy_can_precompute(const struct sy_workload_ops *ops)
{
    return ops->steps == 1 && ops->offloaded == 1;
}

/*
 * Run an experiment in a process of its own, which isolates crashes, hangs
 * and descriptor limits, and wait for it. The calling process must have no
 * other thread.
 *
 * @out  written on every path
 *
 * Returns 0 if there is an outcome of whatever status, or, with the reason in
 * out->reason,
 *   -EINVAL  the experiment contradicts itself
 *   -EAGAIN, -ENOMEM, -EMFILE  no process
 */
int sy_experiment_run(const struct sy_experiment *exp, struct sy_outcome *out);

/*
 * The same in the calling process: for debuggers, profilers and leak checks.
 * Nothing ends it when it hangs, and it may raise RLIMIT_NOFILE.
 */
int sy_experiment_run_here(const struct sy_experiment *exp,
                           struct sy_outcome *out);

/* Read a quantile of the latencies of the window, as
   sy_histogram_known_quantile(). */
bool sy_outcome_quantile(const struct sy_outcome *out, double q, uint64_t *ns);

#endif
