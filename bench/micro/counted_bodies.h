/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counted loops, for one way of running jobs. Who includes this has
 * defined
 *
 *   handle                                    a type
 *   start(&handle, fn, arg, bytes, &result)   true: it paused
 *   resume(&handle, &result)                  true: it paused again
 *   pause_job()
 */
#ifndef SY_BENCH_COUNTED_BODIES_H
#define SY_BENCH_COUNTED_BODIES_H

#include "counted_loops.h"
#include <stddef.h>
#include <switchyard/compiler.h>

#define RESULT 7

static volatile bool stop;

static int return_at_once(void *arg)
{
    (void)arg;
    return RESULT;
}

static int pause_once(void *arg)
{
    (void)arg;
    pause_job();
    return RESULT;
}

static int pause_for_ever(void *arg)
{
    (void)arg;
    while (!stop)
        pause_job();
    return RESULT;
}

/* Four frames deep. The tests for stop keep the calls from being tail calls,
   and the compiler from knowing what they return. */
static SY_NOINLINE int four_deep(void *arg)
{
    pause_job();
    return stop + (arg != NULL);
}

static SY_NOINLINE int three_deep(void *arg)
{
    return four_deep(arg) + stop;
}

static SY_NOINLINE int two_deep(void *arg)
{
    return three_deep(arg) + stop;
}

static SY_NOINLINE int one_deep(void *arg)
{
    return two_deep(arg) + stop;
}

static int pause_four_deep(void *arg)
{
    while (!stop)
        (void)one_deep(arg);
    return RESULT;
}

static bool run_pairs(unsigned long n, int (*fn)(void *))
{
    int result = 0;
    handle job;

    stop = false;
    if (!start(&job, fn, NULL, 0, &result))
        return false;
    counting_begins();
    for (; n > 0; n--) {
        if (!resume(&job, &result))
            return false;
    }
    counting_ends();
    stop = true;
    return !resume(&job, &result) && result == RESULT;
}

static bool run_pair(unsigned long n)
{
    return run_pairs(n, pause_for_ever);
}

static bool run_pair_deep(unsigned long n)
{
    return run_pairs(n, pause_four_deep);
}

static bool run_finish(unsigned long n, size_t bytes)
{
    static unsigned char args[64];
    int result = 0;
    handle job;

    counting_begins();
    for (; n > 0; n--) {
        if (start(&job, return_at_once, args, bytes, &result) ||
            result != RESULT)
            return false;
    }
    counting_ends();
    return true;
}

static bool run_finish_0(unsigned long n)
{
    return run_finish(n, 0);
}

static bool run_finish_64(unsigned long n)
{
    return run_finish(n, sizeof(unsigned char[64]));
}

static bool run_one_pause(unsigned long n)
{
    int results[COUNTED_BATCH];
    handle jobs[COUNTED_BATCH];
    bool good = true;

    counting_begins();
    for (; n > 0; n -= COUNTED_BATCH) {
        for (int i = 0; i < COUNTED_BATCH; i++)
            good &= start(&jobs[i], pause_once, NULL, 0, &results[i]);
        for (int i = 0; i < COUNTED_BATCH; i++)
            good &= !resume(&jobs[i], &results[i]) && results[i] == RESULT;
    }
    counting_ends();
    return good;
}

/* clang-format off */
#define COUNTED_SCENARIOS                                                      \
    {"pair", run_pair},                                                        \
    {"pair_4_deep", run_pair_deep},                                            \
    {"finish_0", run_finish_0},                                                \
    {"finish_64", run_finish_64},                                              \
    {"one_pause", run_one_pause}
/* clang-format on */

#endif
