/* SPDX-License-Identifier: Apache-2.0 */
#include "timed_spin.h"

/* The rate is taken over windows of this length; a counter whose rates differ
   by more than so much between windows is not steady. */
#define WINDOW_NS (2 * SY_NS_PER_MS)
#define WINDOWS   5
#define STEADY    0.002

/* A series of spins lasts about as long as this, and is repeated. */
#define SERIES_NS     (200 * SY_NS_PER_US)
#define SERIES        7
#define SPINS_MIN     4
#define SPINS_MAX     4096
#define SPIN_LEAST_NS 40 /* about what reading the counter twice takes */

static uint64_t raw_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * SY_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* A time by both, as close to each other as can be had: whoever is interrupted
   between the two readings tries again. */
static void read_both(uint64_t *ticks, uint64_t *ns)
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < 16; i++) {
        uint64_t before, after, now;

        before = SY_READ_TICKS();
        now = raw_ns();
        after = SY_READ_TICKS();
        if (after - before < best) {
            best = after - before;
            *ticks = before + (after - before) / 2;
            *ns = now;
        }
    }
}

static double rate_of_window(void)
{
    uint64_t t0 = 0, n0 = 0, t1 = 0, n1 = 0;

    read_both(&t0, &n0);
    while (raw_ns() < n0 + WINDOW_NS)
        ;
    read_both(&t1, &n1);
    return n1 > n0 ? (double)(t1 - t0) / (double)(n1 - n0) : 0;
}

void sy__spin_calibrate(struct sy__spin_rate *rate)
{
    double rates[WINDOWS], low, high;

    for (int i = 0; i < WINDOWS; i++)
        rates[i] = rate_of_window();
    for (int i = 1; i < WINDOWS; i++) /* by size */
        for (int j = i; j > 0 && rates[j] < rates[j - 1]; j--) {
            double kept = rates[j];

            rates[j] = rates[j - 1];
            rates[j - 1] = kept;
        }
    /* One window may have been interrupted in the middle of a reading. */
    low = rates[1];
    high = rates[WINDOWS - 2];
    rate->by_clock = low <= 0 || high > low * (1 + STEADY);
    rate->ticks_per_ns = rate->by_clock ? 1 : rates[WINDOWS / 2];
}

uint64_t sy__spin_ticks(const struct sy__spin_rate *rate, uint64_t ns)
{
    return (uint64_t)((double)ns * rate->ticks_per_ns + 0.5);
}

double sy__spin_ns(const struct sy__spin_rate *rate, uint64_t ticks)
{
    return (double)ticks / rate->ticks_per_ns;
}

/* One series; ns for all of its spins. */
static uint64_t series(const struct sy__spin_rate *rate, uint64_t ticks,
                       unsigned spins)
{
    uint64_t began = raw_ns();

    for (unsigned i = 0; i < spins; i++)
        (void)sy__spin(rate, ticks);
    return raw_ns() - began;
}

uint64_t sy__spin_measure_ps(const struct sy__spin_rate *rate, uint64_t ticks)
{
    double each = sy__spin_ns(rate, ticks) + SPIN_LEAST_NS;
    unsigned spins = SPINS_MAX;
    uint64_t with = UINT64_MAX, without = UINT64_MAX;

    if (each * SPINS_MAX > (double)SERIES_NS)
        spins = (unsigned)((double)SERIES_NS / each);
    if (spins < SPINS_MIN)
        spins = SPINS_MIN;
    for (int i = 0; i < SERIES; i++) { /* in turns: the machine may change */
        uint64_t a = series(rate, ticks, spins), b = series(rate, 0, spins);

        with = a < with ? a : with;
        without = b < without ? b : without;
    }
    return with > without ? (with - without) * 1000 / spins : 0;
}
