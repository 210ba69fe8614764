/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CPU's counters count, or say why they do not.
 */
#include <stdio.h>
#include <string.h>

#include "../../bench/environment/perf_counters.h"
#include "unit.h"

#define TURNS 1000000

static volatile unsigned sink;

static void turn(void)
{
    for (unsigned i = 0; i < TURNS; i++)
        sink += i;
}

static void every_counter_counts_or_says_why(void)
{
    struct sy_perf_counters c;
    struct sy_perf_counts counts;
    int opened = sy_perf_counters_open(&c), there = 0;

    for (int i = 0; i < SY_PERF_COUNTERS; i++) {
        CHECK((c.fds[i] == -1) == (c.why[i][0] != '\0'));
        there += c.fds[i] != -1;
    }
    CHECK(there == opened);
    sy_perf_counters_start(&c);
    turn();
    sy_perf_counters_stop(&c, &counts);
    for (int i = 0; i < SY_PERF_COUNTERS; i++) {
        CHECK((counts.value[i] < 0) == (c.why[i][0] != '\0'));
        if (counts.value[i] < 0)
            printf("counter %d: %s\n", i, c.why[i]);
    }
    /* A turn of the loop is one instruction at least. */
    if (counts.value[SY_PERF_INSTRUCTIONS_USER] >= 0)
        CHECK(counts.value[SY_PERF_INSTRUCTIONS_USER] >= TURNS);
    sy_perf_counters_close(&c);
    for (int i = 0; i < SY_PERF_COUNTERS; i++)
        CHECK(c.fds[i] == -1);
}

static void a_second_start_begins_at_zero(void)
{
    struct sy_perf_counters c;
    struct sy_perf_counts first, second;

    sy_perf_counters_open(&c);
    sy_perf_counters_start(&c);
    turn();
    sy_perf_counters_stop(&c, &first);
    sy_perf_counters_start(&c);
    sy_perf_counters_stop(&c, &second);
    if (first.value[SY_PERF_INSTRUCTIONS_USER] >= 0)
        CHECK(second.value[SY_PERF_INSTRUCTIONS_USER] <
              first.value[SY_PERF_INSTRUCTIONS_USER]);
    else
        CHECK(second.value[SY_PERF_INSTRUCTIONS_USER] < 0);
    sy_perf_counters_close(&c);
}

int main(void)
{
    every_counter_counts_or_says_why();
    a_second_start_begins_at_zero();
    return 0;
}
