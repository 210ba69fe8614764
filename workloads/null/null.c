/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing, offloaded: what is left is the cost of offloading. */
#include <stddef.h>
#include <switchyard/workload.h>

#include "../workload_bits.h"

struct null_slot {
    uint64_t n, result;
};

static int null_probe(char *why, size_t why_bytes)
{
    if (why_bytes > 0)
        why[0] = '\0';
    return 0;
}

static int null_open(void *shared, const struct sy_workload_config *cfg)
{
    *(uint64_t *)shared = cfg->seed;
    return 0;
}

static void null_close(void *shared)
{
    (void)shared;
}

static int null_begin(const void *shared, void *slot, uint64_t n)
{
    struct null_slot *s = slot;

    (void)shared;
    s->n = n;
    s->result = 0;
    return 0;
}

static int null_step(const void *shared, void *slot, uint32_t i)
{
    struct null_slot *s = slot;

    (void)i;
    s->result = sy__mix(s->n ^ *(const uint64_t *)shared) + 1;
    return 0;
}

static int null_verify(const void *shared, void *slot)
{
    const struct null_slot *s = slot;

    return s->result == sy__mix(s->n ^ *(const uint64_t *)shared) + 1;
}

static void null_spoil(void *slot)
{
    ((struct null_slot *)slot)->result ^= 1;
}

const struct sy_workload_ops sy_workload_null = {
    .abi = SY_WORKLOAD_ABI,
    .steps = 1,
    .offloaded = 1u << 0,
    .name = "null",
    .summary = "no work: one offloaded step that mixes a number",
    .shared_bytes = sizeof(uint64_t),
    .slot_bytes = sizeof(struct null_slot),
    .probe = null_probe,
    .open = null_open,
    .close = null_close,
    .begin = null_begin,
    .step = null_step,
    .verify = null_verify,
    .spoil = null_spoil,
};
