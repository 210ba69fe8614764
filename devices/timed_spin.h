/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spinning for a known time: what experiments add to a part to see what it
 * would be worth if the part were faster.
 *
 * The CPU's counter is used where it proves steady against CLOCK_MONOTONIC_RAW,
 * else CLOCK_MONOTONIC itself. A spin lasts at least as long as it should; how
 * long it really lasts is measured, not assumed.
 *
 * Threads  A rate is constant once it is there; everything else is local.
 */
#ifndef SY_DEVICES_TIMED_SPIN_H
#define SY_DEVICES_TIMED_SPIN_H

#include <stdbool.h>
#include <stdint.h>
#include <switchyard/clock.h>
#include <switchyard/compiler.h>
#include <time.h>

struct sy__spin_rate {
    double ticks_per_ns; /* 1 where the clock is used */
    bool by_clock;
};

/* Measure how fast the counter goes: takes some milliseconds. */
void sy__spin_calibrate(struct sy__spin_rate *rate);

/* Return the ticks of so many ns, and back. */
uint64_t sy__spin_ticks(const struct sy__spin_rate *rate, uint64_t ns);
double sy__spin_ns(const struct sy__spin_rate *rate, uint64_t ticks);

/* Return the time in ticks. */
static inline uint64_t sy__spin_now(const struct sy__spin_rate *rate)
{
    struct timespec now;

    if (SY_LIKELY(!rate->by_clock))
        return SY_READ_TICKS();
    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (uint64_t)now.tv_sec * SY_NS_PER_S + (uint64_t)now.tv_nsec;
}

/*
 * Spin for so many ticks. With 0 it reads the time as often as a spin that ends
 * at once: so what differs between two spins is the time between them alone.
 *
 * Returns the time at the end, in ticks.
 */
static inline uint64_t sy__spin(const struct sy__spin_rate *rate,
                                uint64_t ticks)
{
    uint64_t began = sy__spin_now(rate), now;

    do
        now = sy__spin_now(rate);
    while (now - began < ticks);
    return now;
}

/*
 * Measure how much longer a spin of so many ticks lasts than one of none, by
 * CLOCK_MONOTONIC_RAW: the least of several series, for what else happens on
 * the machine only makes them longer.
 *
 * Returns picoseconds.
 */
uint64_t sy__spin_measure_ps(const struct sy__spin_rate *rate, uint64_t ticks);

#endif
