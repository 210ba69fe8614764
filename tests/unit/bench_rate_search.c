/* SPDX-License-Identifier: Apache-2.0 */
/* The search finds the rate at which a known curve crosses the bound, in spite
   of noise; says what is closest where none does; and asks no more than it
   needs. */
#include "../../bench/load/rate_search.h"
#include "unit.h"

#define BOUND_NS 1000

/* p99 of an M/M/1 queue grows as 1 / (1 - rate / capacity). */
struct curve {
    double capacity_hz, idle_ns;
    unsigned noise_every; /* every so manieth point is far too slow */
    unsigned lucky;       /* so many points are far too good at first */
    unsigned invalid;     /* bits: points above capacity are marked invalid */
    uint64_t tried[256];
    unsigned count, ends_at;
};

static int try_once(void *context, uint64_t rate_hz, unsigned repeat,
                    struct sy_rate_tried *tried)
{
    struct curve *c = context;
    double load = (double)rate_hz / c->capacity_hz;

    CHECK_EQ(repeat, c->count);
    CHECK(c->count < 256);
    c->tried[c->count++] = rate_hz;
    if (c->count == c->ends_at)
        return 42;
    tried->has_figure = 1;
    tried->is_valid = !(c->invalid && load >= 1);
    tried->quantile_ns =
        load < 1 ? (uint64_t)(c->idle_ns / (1 - load)) : 1000000;
    if (c->noise_every != 0 && c->count % c->noise_every == 0)
        tried->quantile_ns *= 100;
    if (c->lucky > 0 && load < 1.2) {
        c->lucky--;
        tried->quantile_ns = 1;
    }
    return -1;
}

static struct sy_rate_search search_of(struct curve *curve, uint64_t start_hz)
{
    return (struct sy_rate_search){.bound_ns = BOUND_NS,
                                   .low_hz = 10,
                                   .high_hz = 1000000,
                                   .start_hz = start_hz,
                                   .repeats = 3,
                                   .needed = 2,
                                   .resolution_permille = 50,
                                   .try_once = try_once,
                                   .context = curve};
}

/* The bound is kept up to 9/10 of the capacity. */
static void finds_the_crossing(uint64_t start_hz, unsigned noise_every)
{
    struct curve curve = {
        .capacity_hz = 10000, .idle_ns = 100, .noise_every = noise_every};
    struct sy_rate_search s = search_of(&curve, start_hz);

    CHECK_EQ(sy_rate_search_run(&s), -1);
    CHECK(s.rate_hz <= 9000 && s.rate_hz >= 8500);
    CHECK(s.above_hz > s.rate_hz);
    CHECK(s.above_hz * 1000 <= s.rate_hz * 1050);
    CHECK_EQ(s.points, curve.count);
}

static void says_what_is_closest(void)
{
    struct curve curve = {.capacity_hz = 10000, .idle_ns = 1500};
    struct sy_rate_search s = search_of(&curve, 4000);

    CHECK_EQ(sy_rate_search_run(&s), -1);
    CHECK_EQ(s.rate_hz, 0);
    CHECK_EQ(s.closest_hz, 10);
    CHECK_EQ(s.closest_ns, 1501);
    CHECK_EQ(curve.tried[curve.count - 1], 10);
}

/* Two points of three decide, so a rate that fails is asked twice. */
static void stops_when_it_is_clear(void)
{
    struct curve curve = {.capacity_hz = 10, .idle_ns = 1};
    struct sy_rate_search s = search_of(&curve, 20);

    s.low_hz = 20;
    CHECK_EQ(sy_rate_search_run(&s), -1);
    CHECK_EQ(s.rate_hz, 0);
    CHECK_EQ(s.points, 2);
}

static void the_top_of_the_range_may_hold(void)
{
    struct curve curve = {.capacity_hz = 10000, .idle_ns = 100};
    struct sy_rate_search s = search_of(&curve, 100);

    s.high_hz = 5000;
    CHECK_EQ(sy_rate_search_run(&s), -1);
    CHECK_EQ(s.rate_hz, 5000);
    CHECK_EQ(s.above_hz, 0);
}

/* A good quantile of a saturated point is none. */
static void what_is_invalid_does_not_hold(void)
{
    struct curve curve = {.capacity_hz = 10000, .idle_ns = 1, .invalid = 1};
    struct sy_rate_search s = search_of(&curve, 6000);

    s.bound_ns = 100000000; /* any */
    CHECK_EQ(sy_rate_search_run(&s), -1);
    CHECK(s.rate_hz < 10000 && s.rate_hz >= 9500);
    CHECK(s.above_hz >= 10000);
}

/* Luck made it climb too high: it comes down again. */
static void luck_is_found_out(void)
{
    struct curve curve = {.capacity_hz = 10000, .idle_ns = 100, .lucky = 2};
    struct sy_rate_search s = search_of(&curve, 9400);

    CHECK_EQ(sy_rate_search_run(&s), -1);
    CHECK(s.rate_hz <= 9000 && s.rate_hz >= 8400);
    CHECK(s.above_hz > s.rate_hz);
}

static void can_be_ended(void)
{
    struct curve curve = {.capacity_hz = 10000, .idle_ns = 100, .ends_at = 4};
    struct sy_rate_search s = search_of(&curve, 1000);

    CHECK_EQ(sy_rate_search_run(&s), 42);
    CHECK_EQ(s.points, 3);
}

int main(void)
{
    finds_the_crossing(5000, 0);
    finds_the_crossing(20, 0);
    finds_the_crossing(900000, 0);
    finds_the_crossing(9000, 0);
    finds_the_crossing(5000, 5);
    finds_the_crossing(5000, 7);
    says_what_is_closest();
    stops_when_it_is_clear();
    the_top_of_the_range_may_hold();
    what_is_invalid_does_not_hold();
    luck_is_found_out();
    can_be_ended();
    return 0;
}
