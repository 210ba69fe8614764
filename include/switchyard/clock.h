/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks: where runtimes, devices and load generators get the time from.
 *
 * All of them take a pointer to a struct sy_clock, so a virtual clock can
 * replace the real one and make a whole experiment deterministic. Times are
 * nanoseconds since an arbitrary start and never go backwards.
 *
 * Threads  The monotonic clock may be used on any thread. A virtual clock
 *          belongs to one thread.
 */
#ifndef SWITCHYARD_CLOCK_H
#define SWITCHYARD_CLOCK_H

#include <stdint.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

#define SY_NS_PER_US 1000ull
#define SY_NS_PER_MS 1000000ull
#define SY_NS_PER_S  1000000000ull

/* A timeout that never ends. */
#define SY_FOREVER UINT64_MAX

struct sy_clock {
    /* Return the time in ns. */
    uint64_t (*now_ns)(const struct sy_clock *clock);

    /*
     * Let the time pass until until_ns; return at once when that is not in
     * the future. A real clock sleeps; a virtual one moves its hands.
     */
    void (*sleep_until)(struct sy_clock *clock, uint64_t until_ns);

    /* Does time pass by itself? 0 for a virtual clock: then nobody blocks in
       the kernel for a time-out, and sleep_until() is called instead. */
    int is_real;
};

/* Return the real clock: CLOCK_MONOTONIC. Constant for the process. */
SY_API struct sy_clock *sy_clock_monotonic(void);

/* A clock whose hands only sleep_until() moves. Memory is the caller's. */
struct sy_virtual_clock {
    struct sy_clock clock; /* hand out a pointer to this member */
    uint64_t now_ns;
};

/*
 * Set up a virtual clock.
 *
 * @vc        to be initialised; no clean-up is needed
 * @start_ns  its first reading
 */
SY_API void sy_virtual_clock_init(struct sy_virtual_clock *vc,
                                  uint64_t start_ns);

static inline uint64_t sy_clock_now_ns(const struct sy_clock *clock)
{
    return clock->now_ns(clock);
}

/* Return a + b ns, SY_FOREVER instead of an overflow. */
static inline uint64_t sy_ns_after(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns > SY_FOREVER - b_ns ? SY_FOREVER : a_ns + b_ns;
}

SY_END_DECLS
#endif
