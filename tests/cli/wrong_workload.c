/* SPDX-License-Identifier: Apache-2.0 */
/* A workload whose operation number 1000 has a wrong result. */
#include <stdio.h>
#include <switchyard/workload.h>

#define WRONG 1000

struct copied {
    uint64_t n, result;
};

extern SY_API const struct sy_workload_ops sy_part_workload;

static int copy_probe(char *why, size_t why_bytes)
{
    if (why_bytes != 0)
        why[0] = '\0';
    return 0;
}

static int copy_open(void *shared, const struct sy_workload_config *cfg)
{
    (void)shared, (void)cfg;
    return 0;
}

static void copy_close(void *shared)
{
    (void)shared;
}

static int copy_begin(const void *shared, void *slot, uint64_t n)
{
    struct copied *c = slot;

    (void)shared;
    c->n = n;
    return 0;
}

static int copy_step(const void *shared, void *slot, uint32_t i)
{
    struct copied *c = slot;

    (void)shared, (void)i;
    c->result = c->n == WRONG ? 0 : c->n;
    return 0;
}

static int copy_verify(const void *shared, void *slot)
{
    const struct copied *c = slot;

    (void)shared;
    return c->result == c->n;
}

static void copy_spoil(void *slot)
{
    struct copied *c = slot;

    c->result ^= 1;
}

const struct sy_workload_ops sy_part_workload = {
    .abi = SY_WORKLOAD_ABI,
    .steps = 1,
    .offloaded = 1,
    .name = "wrong-at-1000",
    .summary = "for tests: operation number 1000 goes wrong",
    .slot_bytes = sizeof(struct copied),
    .probe = copy_probe,
    .open = copy_open,
    .close = copy_close,
    .begin = copy_begin,
    .step = copy_step,
    .verify = copy_verify,
    .spoil = copy_spoil,
};
