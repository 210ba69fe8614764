/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <switchyard/clock.h>
#include <time.h>

static uint64_t monotonic_now_ns(const struct sy_clock *clock)
{
    struct timespec now;

    (void)clock;
    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (uint64_t)now.tv_sec * SY_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void monotonic_sleep_until(struct sy_clock *clock, uint64_t until_ns)
{
    struct timespec until = {
        .tv_sec = (time_t)(until_ns / SY_NS_PER_S),
        .tv_nsec = (long)(until_ns % SY_NS_PER_S),
    };

    (void)clock;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        ; /* a signal came */
}

struct sy_clock *sy_clock_monotonic(void)
{
    static struct sy_clock clock = {
        .now_ns = monotonic_now_ns,
        .sleep_until = monotonic_sleep_until,
        .is_real = 1,
    };

    return &clock;
}

static uint64_t virtual_now_ns(const struct sy_clock *clock)
{
    return ((const struct sy_virtual_clock *)(const void *)clock)->now_ns;
}

static void virtual_sleep_until(struct sy_clock *clock, uint64_t until_ns)
{
    struct sy_virtual_clock *vc = (struct sy_virtual_clock *)(void *)clock;

    if (until_ns > vc->now_ns)
        vc->now_ns = until_ns;
}

_Static_assert(offsetof(struct sy_virtual_clock, clock) == 0,
               "a pointer to the clock is a pointer to the whole");

void sy_virtual_clock_init(struct sy_virtual_clock *vc, uint64_t start_ns)
{
    vc->clock.now_ns = virtual_now_ns;
    vc->clock.sleep_until = virtual_sleep_until;
    vc->clock.is_real = 0;
    vc->now_ns = start_ns;
}
