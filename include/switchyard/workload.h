/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract for authors of workloads: an operation made of steps, some of
 * which are worth offloading, and the proof that its result is right.
 *
 * Cutting an operation into steps lets the same code run in a job that pauses
 * at each offloaded step, in a hand-written state machine, in a blocking loop
 * and without any offload; so the rows of a comparison differ in nothing else.
 *
 * See workloads/README.md for how to add one.
 */
#ifndef SWITCHYARD_WORKLOAD_H
#define SWITCHYARD_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

#define SY_WORKLOAD_ABI 1

/* Most steps of an operation. */
#define SY_WORKLOAD_STEPS_MAX 16

struct sy_workload_config {
    uint64_t seed;      /* for what is random and not secret */
    size_t param_bytes; /* the N of "name@N"; 0: param_default */
};

struct sy_workload_ops {
    uint32_t abi;         /* SY_WORKLOAD_ABI */
    uint32_t steps;       /* per operation, 1 .. SY_WORKLOAD_STEPS_MAX */
    uint32_t offloaded;   /* bit i: step i goes to the device */
    uint32_t reserved;    /* 0 */
    const char *name;     /* stable: appears in result files */
    const char *summary;  /* one line, for "switchyard list" */
    size_t shared_bytes;  /* keys and the like: zeroed before open */
    size_t slot_bytes;    /* per operation in flight: zeroed before prepare */
    size_t param_default; /* bytes for "name" without "@N"; 0: takes none */
    size_t param_min, param_max;

    /* Required. Can it work here? 0, or -ENOTSUP with the reason in why. */
    int (*probe)(char *why, size_t why_bytes);

    /* Required. Make keys. Returns 0 or -errno, nothing left behind. */
    int (*open)(void *shared, const struct sy_workload_config *cfg);
    void (*close)(void *shared); /* Required. Wipes the keys. */

    /* Optional, once per slot. */
    int (*prepare)(const void *shared, void *slot);
    void (*release)(const void *shared, void *slot);

    /* Required. Set up the inputs of operation number n (distinct inputs for
       distinct n). Cheap. Returns 0 or -errno. */
    int (*begin)(const void *shared, void *slot, uint64_t n);

    /* Required. Compute step i; called in order, on any thread, one thread at
       a time per slot. Returns 0 or -errno. */
    int (*step)(const void *shared, void *slot, uint32_t i);

    /* Required. Is the result of the last operation right? Returns 1 or 0.
       May cost as much as the operation. */
    int (*verify)(const void *shared, void *slot);

    /* Required. Spoil the result that verify looks at, by one bit; called
       again, restore it. Tests use it to see that verify can fail. */
    void (*spoil)(void *slot);
};

/* Return the workloads of this library, ending with NULL. */
SY_API const struct sy_workload_ops *const *sy_workload_table(void);

/*
 * Look up a workload by "name" or "name@N" (N bytes; suffixes K and M).
 *
 * @param_bytes  set to N, or the workload's default
 * @why          on failure: what is wrong, with the accepted range
 *
 * Returns the workload, or NULL.
 */
SY_API const struct sy_workload_ops *sy_workload_find(const char *name,
                                                      size_t *param_bytes,
                                                      char *why,
                                                      size_t why_bytes);

SY_END_DECLS
#endif
