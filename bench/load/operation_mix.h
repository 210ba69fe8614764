/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of an experiment: which workload operation number n belongs
 * to, and a pool of slots for each workload. Internal to bench/load.
 */
#ifndef SY_BENCH_OPERATION_MIX_H
#define SY_BENCH_OPERATION_MIX_H

#include <stdbool.h>
#include <stdint.h>
#include <switchyard/device.h>
#include <switchyard/workload.h>

#include "experiment.h"

/* One operation in flight, with the slot of its workload. */
struct sy__op {
    const struct sy_workload_ops *ops;
    const void *shared;
    void *slot;
    uint64_t number; /* from 0, in the order of starting */
    uint64_t started_ns;
    uint64_t intended_ns; /* as planned; only where arrivals are */
    uint64_t arrival;     /* the gate's number for it (load_point.c) */
    uint32_t step;        /* the step that sy__op_step() computes */
    unsigned item;        /* of the mix */
    bool is_precomputed;  /* its result was made with its slot, and is */
    bool is_hidden;       /* spoiled until the device delivers it */
    struct sy__op *next;

    /* For the row. */
    struct sy_device_op device_op;
    void *row;
};

struct sy__mix_part {
    const struct sy_workload_ops *ops;
    uint64_t weight_end; /* sum of the weights up to and with this part */
    void *shared;
    struct sy__op *free;
    bool is_precomputed;
    uint64_t made; /* operations, so far */
};

struct sy__mix {
    struct sy__mix_part parts[SY_MIX_MAX];
    unsigned count;
    uint64_t seed;
};

/* Return the next number of the sequence that *state stands for. */
uint64_t sy__random(uint64_t *state);

/*
 * Probe and open every workload.
 *
 * @offloads  whether there is a device to deliver precomputed results
 *
 * Returns 0, or -errno with the reason in why and nothing left behind.
 */
int sy__mix_open(struct sy__mix *mix, const struct sy_experiment *exp,
                 bool offloads, char *why, size_t why_bytes);

/* All operations have been put back. */
void sy__mix_close(struct sy__mix *mix);

/*
 * Get a slot for operation number n and set up its inputs. The same n is the
 * same operation in every row; a precomputed one keeps the inputs that it was
 * made with. Returns 0 or -errno; *op is NULL then.
 */
int sy__mix_take(struct sy__mix *mix, uint64_t number, struct sy__op **op);

void sy__mix_put(struct sy__mix *mix, struct sy__op *op);

/* Make count slots of the mix in advance, and the results of those that are
   precomputed. Returns 0 or -errno. */
int sy__mix_reserve(struct sy__mix *mix, uint64_t count);

/* Return the largest slot of the mix. */
size_t sy__mix_slot_bytes(const struct sy__mix *mix);

/* Compute step op->step, or deliver its precomputed result; op is a struct
   sy__op. Any thread. */
int sy__op_step(void *op);

static inline int sy__op_offloaded(const struct sy__op *op, uint32_t step)
{
    return (int)(op->ops->offloaded >> step & 1);
}

#endif
