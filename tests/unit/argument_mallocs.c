/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job that starts, pauses and finishes in a pool that is warm calls malloc
 * for nothing, arguments of up to SY_JOB_ARG_INLINE_BYTES included; with more,
 * once, and gives it back when it ends or is abandoned.
 */
#include "unit.h"
#include <stdbool.h>
#include <switchyard/switcher.h>
#include <switchyard/switchyard.h>

/* ---- counting ---------------------------------------------------------- */

#if defined(__GLIBC__) && !SY_ASAN && !SY_TSAN
#define CAN_COUNT 1
#else
#define CAN_COUNT 0
#endif

static long mallocs, frees;

#if CAN_COUNT
/* A program may bring its own allocator; these are the names by which glibc's
   own can still be reached. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *old);

SY_API void *malloc(size_t bytes)
{
    mallocs++;
    return __libc_malloc(bytes);
}

SY_API void *calloc(size_t n, size_t bytes)
{
    mallocs++;
    return __libc_calloc(n, bytes);
}

SY_API void *realloc(void *old, size_t bytes)
{
    mallocs++;
    return __libc_realloc(old, bytes);
}

SY_API void *aligned_alloc(size_t alignment, size_t bytes)
{
    mallocs++;
    return __libc_memalign(alignment, bytes);
}

SY_API void free(void *old)
{
    frees += old != NULL;
    __libc_free(old);
}
#endif

/* ---- jobs -------------------------------------------------------------- */

static unsigned char arguments[SY_JOB_ARG_MAX_BYTES];

static int read_and_pause(void *arg)
{
    (void)sy_job_pause();
    return arg != NULL ? *(const unsigned char *)arg : 0;
}

/* One job from its start to its end: how often malloc and free are called. */
static void one_job(struct sy_runtime *rt, size_t bytes, bool abandon,
                    long expected)
{
    struct sy_job_spec spec = {.fn = read_and_pause,
                               .arg = bytes != 0 ? arguments : NULL,
                               .arg_bytes = bytes};
    struct sy_job *job;
    int result = -1, state;
    long mallocs_before = mallocs, frees_before = frees;

    state = sy_job_start(rt, &spec, &job, &result);
    if (state == SY_JOB_PAUSED && abandon)
        state = sy_job_abandon(&job);
    else if (state == SY_JOB_PAUSED)
        state = sy_job_resume(&job, &result);
    mallocs_before = mallocs - mallocs_before;
    frees_before = frees - frees_before;
    CHECK_EQ(state, SY_JOB_FINISHED);
    if (mallocs_before != expected || frees_before != expected)
        printf("with %zu bytes of arguments:\n", bytes);
    CHECK_EQ(mallocs_before, expected);
    CHECK_EQ(frees_before, expected);
    if (!abandon)
        CHECK_EQ(result, bytes != 0 ? arguments[0] : 0);
}

static void one_switcher(const struct sy_switcher_ops *sw)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;
    bool can_pause = (sw->caps & SY_SW_CAN_PAUSE) != 0;

    config.switcher_ops = sw;
    config.engine = "queue";
    config.jobs_init = 1;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    for (size_t bytes = 0; bytes <= SY_JOB_ARG_INLINE_BYTES; bytes++)
        one_job(rt, bytes, false, 0);
    one_job(rt, SY_JOB_ARG_INLINE_BYTES, can_pause, 0);
    one_job(rt, SY_JOB_ARG_INLINE_BYTES + 1, false, 1);
    one_job(rt, SY_JOB_ARG_MAX_BYTES, can_pause, 1);
    one_job(rt, SY_JOB_ARG_INLINE_BYTES, false, 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
    printf("%s: as expected\n", sw->name);
}

int main(void)
{
    const struct sy_switcher_ops *const *all = sy_switcher_table();
    char why[256];

    if (!CAN_COUNT) {
        printf("skipped: malloc is a sanitizer's, or not glibc's\n");
        return UNIT_SKIP;
    }
    memset(arguments, 0x5a, sizeof(arguments));
    for (; *all != NULL; all++) {
        if (sy_switcher_probe(*all, why, sizeof(why)) == 0)
            one_switcher(*all);
        else
            printf("%s: %s\n", (*all)->name, why);
    }
    CHECK(mallocs > 0); /* ours are the ones that are called */
    return 0;
}
