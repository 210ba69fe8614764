/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include <switchyard/clock.h>

static void hands_move_by_sleeping_only(void)
{
    struct sy_virtual_clock vc;
    struct sy_clock *clock = &vc.clock;

    sy_virtual_clock_init(&vc, 500);
    CHECK_EQ(clock->is_real, 0);
    CHECK_EQ(sy_clock_now_ns(clock), 500);
    CHECK_EQ(sy_clock_now_ns(clock), 500);
    clock->sleep_until(clock, 900);
    CHECK_EQ(sy_clock_now_ns(clock), 900);
    clock->sleep_until(clock, 600); /* not in the future */
    CHECK_EQ(sy_clock_now_ns(clock), 900);
    clock->sleep_until(clock, 900);
    CHECK_EQ(sy_clock_now_ns(clock), 900);
}

static void real_time_passes(void)
{
    struct sy_clock *clock = sy_clock_monotonic();
    uint64_t start_ns = sy_clock_now_ns(clock), wake_ns;

    CHECK(clock == sy_clock_monotonic());
    CHECK(clock->is_real != 0);
    wake_ns = sy_ns_after(start_ns, 2 * SY_NS_PER_MS);
    clock->sleep_until(clock, wake_ns);
    CHECK(sy_clock_now_ns(clock) >= wake_ns);
    clock->sleep_until(clock, start_ns); /* past: returns */
    clock->sleep_until(clock, 0);
}

static void sums_do_not_overflow(void)
{
    CHECK_EQ(sy_ns_after(1, 2), 3);
    CHECK(sy_ns_after(SY_FOREVER, 1) == SY_FOREVER);
    CHECK(sy_ns_after(1, SY_FOREVER) == SY_FOREVER);
    CHECK(sy_ns_after(SY_FOREVER - 1, 1) == SY_FOREVER);
    CHECK(sy_ns_after(SY_FOREVER - 2, 1) == SY_FOREVER - 1);
}

int main(void)
{
    hands_move_by_sleeping_only();
    real_time_passes();
    sums_do_not_overflow();
    return 0;
}
