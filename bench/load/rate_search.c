/* SPDX-License-Identifier: Apache-2.0 */
#include "rate_search.h"

#include <math.h>

/* How often a rate that was found may turn out to have been lucky. */
#define UNLUCKY_MAX 8

static void note_closest(struct sy_rate_search *s, uint64_t rate_hz,
                         const struct sy_rate_tried *tried)
{
    if (!tried->has_figure ||
        (s->closest_ns != 0 && tried->quantile_ns >= s->closest_ns))
        return;
    s->closest_ns = tried->quantile_ns;
    s->closest_hz = rate_hz;
}

/* Measure until it is clear whether a rate holds. */
static int decide(struct sy_rate_search *s, uint64_t rate_hz, int *holds)
{
    unsigned good = 0, bad = 0;

    *holds = 0;
    while (good < s->needed && bad <= s->repeats - s->needed) {
        struct sy_rate_tried tried = {0, 0, 0};
        int status =
            s->try_once(s->context, rate_hz, (unsigned)s->points, &tried);

        if (status != -1)
            return status;
        s->points++;
        note_closest(s, rate_hz, &tried);
        if (tried.has_figure && tried.is_valid &&
            tried.quantile_ns <= s->bound_ns)
            good++;
        else
            bad++;
    }
    *holds = good >= s->needed;
    return -1;
}

static int try_rate(struct sy_rate_search *s, uint64_t rate_hz, int *holds)
{
    int status = decide(s, rate_hz, holds);

    if (status != -1)
        return status;
    if (*holds)
        s->rate_hz = rate_hz;
    else
        s->above_hz = rate_hz;
    return -1;
}

/* Until one rate holds and a higher one does not, or the range is used up. */
static int bracket(struct sy_rate_search *s)
{
    uint64_t rate = s->start_hz;
    int holds, status = try_rate(s, rate, &holds);

    while (status == -1 && holds && rate < s->high_hz) {
        rate += rate / 2 + 1;
        rate = rate < s->high_hz ? rate : s->high_hz;
        status = try_rate(s, rate, &holds);
    }
    while (status == -1 && s->rate_hz == 0 && rate > s->low_hz) {
        rate /= 2;
        rate = rate > s->low_hz ? rate : s->low_hz;
        status = try_rate(s, rate, &holds);
    }
    return status;
}

static uint64_t between(uint64_t low, uint64_t high)
{
    return (uint64_t)(sqrt((double)low * (double)high) + 0.5);
}

static int is_narrow(const struct sy_rate_search *s)
{
    return (double)(s->above_hz - s->rate_hz) * 1000 <=
           (double)s->rate_hz * s->resolution_permille;
}

static int bisect(struct sy_rate_search *s)
{
    int status = -1, holds;

    while (status == -1 && !is_narrow(s)) {
        uint64_t rate = between(s->rate_hz, s->above_hz);

        if (rate <= s->rate_hz || rate >= s->above_hz)
            break;
        status = try_rate(s, rate, &holds);
    }
    return status;
}

/* Once more what was found; if it was luck, a step lower. */
static int confirm(struct sy_rate_search *s)
{
    int i;

    for (i = 0; i < UNLUCKY_MAX && s->rate_hz != 0; i++) {
        uint64_t rate = s->rate_hz, lower;
        int holds, status = try_rate(s, rate, &holds);

        if (status != -1 || holds)
            return status;
        lower = (uint64_t)((double)rate * 1000 /
                           (1000 + (double)s->resolution_permille));
        s->rate_hz = lower >= s->low_hz && lower < rate ? lower : 0;
    }
    s->rate_hz = 0;
    return -1;
}

int sy_rate_search_run(struct sy_rate_search *s)
{
    int status;

    s->rate_hz = s->above_hz = s->closest_ns = s->closest_hz = 0;
    s->points = 0;
    status = bracket(s);
    if (status == -1 && s->rate_hz != 0 && s->above_hz != 0)
        status = bisect(s);
    if (status == -1 && s->rate_hz != 0)
        status = confirm(s);
    return status;
}
