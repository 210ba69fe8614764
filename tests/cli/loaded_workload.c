/* SPDX-License-Identifier: Apache-2.0 */
/* A workload from outside the library: squares a number in two steps. */
#include <stdio.h>
#include <switchyard/workload.h>

struct square {
    uint64_t n, result;
};

extern SY_API const struct sy_workload_ops sy_part_workload;

static int square_probe(char *why, size_t why_bytes)
{
    if (why_bytes != 0)
        why[0] = '\0';
    return 0;
}

static int square_open(void *shared, const struct sy_workload_config *cfg)
{
    *(uint64_t *)shared = cfg->seed;
    return 0;
}

static void square_close(void *shared)
{
    *(uint64_t *)shared = 0;
}

static int square_begin(const void *shared, void *slot, uint64_t n)
{
    struct square *s = slot;

    s->n = n + *(const uint64_t *)shared;
    s->result = 0;
    return 0;
}

static int square_step(const void *shared, void *slot, uint32_t i)
{
    struct square *s = slot;

    (void)shared;
    s->result = i == 0 ? s->n : s->result * s->n;
    return 0;
}

static int square_verify(const void *shared, void *slot)
{
    const struct square *s = slot;

    (void)shared;
    return s->result == s->n * s->n;
}

static void square_spoil(void *slot)
{
    struct square *s = slot;

    s->result ^= 1;
}

const struct sy_workload_ops sy_part_workload = {
    .abi = SY_WORKLOAD_ABI,
    .steps = 2,
    .offloaded = 2,
    .name = "square",
    .summary = "an example: n * n",
    .shared_bytes = sizeof(uint64_t),
    .slot_bytes = sizeof(struct square),
    .probe = square_probe,
    .open = square_open,
    .close = square_close,
    .begin = square_begin,
    .step = square_step,
    .verify = square_verify,
    .spoil = square_spoil,
};
