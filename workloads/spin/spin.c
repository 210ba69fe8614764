/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A busy loop of a given length. The number behind the @ is nanoseconds here.
 *
 * The loop is a linear congruential sequence: each value needs the one before,
 * so the loop cannot be shortened by doing several at once, and yet the k-th
 * value can be computed in log2(k) steps, which is how a result is verified.
 */
#include <stddef.h>
#include <switchyard/clock.h>
#include <switchyard/workload.h>

#include "../workload_bits.h"

/* Knuth's MMIX. */
#define FACTOR    6364136223846793005u
#define INCREMENT 1442695040888963407u

#define CALIBRATION_ROUNDS 9
#define CALIBRATION_TURNS  200000

struct spin_shared {
    uint64_t seed, turns;
};

struct spin_slot {
    uint64_t n, result;
};

/* noinline: what is calibrated must be what is run. */
static SY_NOINLINE uint64_t spin(uint64_t x, uint64_t turns)
{
    for (; turns > 0; turns--)
        x = x * FACTOR + INCREMENT;
    return x;
}

/* The value that spin() returns, by squaring: turns the map x -> a * x + c
   into its own square for each bit. */
static uint64_t leap(uint64_t x, uint64_t turns)
{
    uint64_t a = FACTOR, c = INCREMENT;

    for (; turns > 0; turns >>= 1) {
        if ((turns & 1) != 0)
            x = x * a + c;
        c = c * (a + 1);
        a = a * a;
    }
    return x;
}

static int spin_probe(char *why, size_t why_bytes)
{
    if (why_bytes > 0)
        why[0] = '\0';
    return 0;
}

/* The shortest of several rounds: whatever else the machine does in between
   only makes a round longer. */
static int spin_open(void *shared, const struct sy_workload_config *cfg)
{
    const struct sy_clock *clock = sy_clock_monotonic();
    struct spin_shared *s = shared;
    uint64_t shortest_ns = UINT64_MAX, x = cfg->seed;
    size_t ns = cfg->param_bytes != 0 ? cfg->param_bytes : 10000;

    for (int i = 0; i < CALIBRATION_ROUNDS; i++) {
        uint64_t start_ns = sy_clock_now_ns(clock), took_ns;

        x = spin(x, CALIBRATION_TURNS);
        took_ns = sy_clock_now_ns(clock) - start_ns;
        if (took_ns < shortest_ns)
            shortest_ns = took_ns;
    }
    /* x is kept, lest the loop be dropped; the product is < 2^64, for ns is at
       most 10^9. */
    s->seed = x;
    s->turns =
        (uint64_t)ns * CALIBRATION_TURNS / (shortest_ns == 0 ? 1 : shortest_ns);
    if (s->turns == 0)
        s->turns = 1;
    return 0;
}

static void spin_close(void *shared)
{
    (void)shared;
}

static int spin_begin(const void *shared, void *slot, uint64_t n)
{
    struct spin_slot *s = slot;

    (void)shared;
    s->n = n;
    s->result = 0;
    return 0;
}

static int spin_step(const void *shared, void *slot, uint32_t i)
{
    const struct spin_shared *common = shared;
    struct spin_slot *s = slot;

    (void)i;
    s->result = spin(sy__mix(s->n ^ common->seed), common->turns);
    return 0;
}

static int spin_verify(const void *shared, void *slot)
{
    const struct spin_shared *common = shared;
    const struct spin_slot *s = slot;

    return s->result == leap(sy__mix(s->n ^ common->seed), common->turns);
}

static void spin_spoil(void *slot)
{
    ((struct spin_slot *)slot)->result ^= 1;
}

const struct sy_workload_ops sy_workload_spin = {
    .abi = SY_WORKLOAD_ABI,
    .steps = 1,
    .offloaded = 1u << 0,
    .name = "spin",
    .summary = "busy loop of N nanoseconds, calibrated at start (spin@N, "
               "10000 if not given)",
    .shared_bytes = sizeof(struct spin_shared),
    .slot_bytes = sizeof(struct spin_slot),
    .param_default = 10000,
    .param_min = 10,
    .param_max = 1000000000,
    .probe = spin_probe,
    .open = spin_open,
    .close = spin_close,
    .begin = spin_begin,
    .step = spin_step,
    .verify = spin_verify,
    .spoil = spin_spoil,
};
