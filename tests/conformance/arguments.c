/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <string.h>

static unsigned char original[SY_JOB_ARG_MAX_BYTES];
static size_t bytes_now;

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 31 + bytes_now);
}

static void check_copy(const unsigned char *copy)
{
    size_t i;

    for (i = 0; i < bytes_now; i++)
        if (copy[i] != pattern(i))
            sy_conformance_fail(__FILE__, __LINE__,
                                "byte %zu of %zu is %u, not %u", i, bytes_now,
                                copy[i], pattern(i));
}

static int read_argument(void *arg)
{
    CHECK(arg != (void *)original);
    CHECK_EQ((uintptr_t)arg % 16, 0);
    check_copy(arg);
    sy_job_pause();
    check_copy(arg);
    memset(arg, 0, bytes_now); /* the copy is the job's to change */
    return 1;
}

CONFORMANCE(arguments_are_copied)
{
    static const size_t sizes[] = {1,   15,  16,   48,    127,
                                   128, 129, 4096, 65535, SY_JOB_ARG_MAX_BYTES};
    size_t s, i;

    for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct sy_job_spec spec = {
            .fn = read_argument, .arg = original, .arg_bytes = sizes[s]};
        struct sy_job *job;
        int result = -1, state;

        bytes_now = sizes[s];
        for (i = 0; i < bytes_now; i++)
            original[i] = pattern(i);
        state = sy_job_start(t->rt, &spec, &job, &result);
        memset(original, 0xee, sizeof(original));
        if (state == SY_JOB_PAUSED)
            state = sy_job_resume(&job, &result);
        CHECK_EQ(state, SY_JOB_FINISHED);
        CHECK_EQ(result, 1);
        CHECK_EQ(original[0], 0xee);
    }
}

static int compare_pointer(void *arg)
{
    return arg == (void *)original;
}

static int is_null(void *arg)
{
    return arg == NULL;
}

CONFORMANCE(zero_bytes_hand_over_the_pointer)
{
    struct sy_job_spec pointer = {.fn = compare_pointer, .arg = original};
    struct sy_job_spec null = {.fn = is_null};
    struct sy_job *job;
    int result = -1;

    CHECK_EQ(sy_job_start(t->rt, &pointer, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 1);
    result = -1;
    CHECK_EQ(sy_job_start(t->rt, &null, &job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 1);
}
