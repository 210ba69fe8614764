/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <stdalign.h>

static SY_NOINLINE int descend(int depth)
{
    if (depth == 0) {
        CHECK_EQ(sy_job_pause(), 0);
        return 0;
    }
    return descend(depth - 1) + 1; /* + 1: keeps this from being a tail call */
}

static int job_main(void *arg)
{
    return descend(*(const int *)arg);
}

CONFORMANCE(pause_under_100_frames)
{
    int depth = 100, result = -1;
    struct sy_job *job = NULL;
    struct sy_job_spec spec = {
        .fn = job_main, .arg = &depth, .arg_bytes = sizeof(depth)};

    NEEDS(t, SY_SW_CAN_PAUSE);
    CHECK_EQ(sy_job_start(t->rt, &spec, &job, &result), SY_JOB_PAUSED);
    CHECK_EQ(result, -1); /* untouched until the job finishes */
    CHECK_EQ(sy_job_resume(&job, &result), SY_JOB_FINISHED);
    CHECK_EQ(result, 100);
    CHECK(job == NULL);
}

/* A compiler that has locals of a size known only at run time beside such with
   an alignment of their own wants one more register to find them again. */
#define MARK_FRAME(bytes)                                                      \
    const int frame_bytes = (bytes);                                           \
    volatile unsigned char sized[frame_bytes];                                 \
    alignas(64) volatile unsigned char aligned[64];                            \
    do {                                                                       \
        sized[frame_bytes - 1] = 1;                                            \
        for (int i = 0; i < 64; i++)                                           \
            aligned[i] = (unsigned char)(frame_bytes + i);                     \
    } while (0)

#define CHECK_FRAME()                                                          \
    do {                                                                       \
        CHECK_EQ(sized[frame_bytes - 1], 1);                                   \
        for (int i = 0; i < 64; i++)                                           \
            CHECK_EQ(aligned[i], (unsigned char)(frame_bytes + i));            \
        CHECK_EQ((uintptr_t)aligned % 64, 0);                                  \
    } while (0)

static int pause_in_marked_frame(void *arg)
{
    MARK_FRAME(*(const int *)arg);

    if (frame_bytes % 2 == 0)
        CHECK_EQ(sy_job_pause(), 0);
    CHECK_FRAME();
    return frame_bytes;
}

static SY_NOINLINE int start_in_marked_frame(struct sy_runtime *rt, int bytes,
                                             struct sy_job **job, int *result)
{
    struct sy_job_spec spec = {
        .fn = pause_in_marked_frame, .arg = &bytes, .arg_bytes = sizeof(bytes)};
    int state;
    MARK_FRAME(bytes);

    state = sy_job_start(rt, &spec, job, result);
    CHECK_FRAME();
    return state;
}

static SY_NOINLINE int resume_in_marked_frame(int bytes, struct sy_job **job,
                                              int *result)
{
    int state;
    MARK_FRAME(bytes);

    state = sy_job_resume(job, result);
    CHECK_FRAME();
    return state;
}

CONFORMANCE(frames_of_unknown_size_are_kept)
{
    struct sy_job *job;
    int result = -1;

    NEEDS(t, SY_SW_CAN_PAUSE);
    for (int bytes = 1; bytes < 200; bytes++) {
        int state = start_in_marked_frame(t->rt, bytes, &job, &result);

        CHECK_EQ(state, bytes % 2 == 0 ? SY_JOB_PAUSED : SY_JOB_FINISHED);
        if (state == SY_JOB_PAUSED)
            state = resume_in_marked_frame(200 - bytes, &job, &result);
        CHECK_EQ(state, SY_JOB_FINISHED);
        CHECK_EQ(result, bytes);
    }
}
