/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the memory of stacks is marked with, how much of it is used, and what
 * is given back.
 */
#include "unit.h"
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <switchyard/switchyard.h>
#include <sys/mman.h>
#include <unistd.h>

#define JOBS 100

static struct sy_runtime *open_with(const char *switcher, uint32_t flags)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;

    config.switcher = switcher;
    config.engine = "queue";
    config.flags = flags;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    return rt;
}

static size_t high_water(struct sy_runtime *rt)
{
    size_t bytes = 77;

    CHECK_EQ(sy_runtime_stack_high_water(rt, &bytes), 0);
    return bytes;
}

/* Note where its stack is, and pause there. */
static int note_stack(void *arg)
{
    char here = 1;

    *(char *volatile *)arg = &here;
    (void)sy_job_pause();
    return here;
}

static void start_all(struct sy_runtime *rt, struct sy_job **jobs,
                      char **stacks, int n)
{
    for (int i = 0; i < n; i++) {
        struct sy_job_spec spec = {.fn = note_stack, .arg = &stacks[i]};

        CHECK_EQ(sy_job_start(rt, &spec, &jobs[i], NULL), SY_JOB_PAUSED);
    }
}

static void finish_all(struct sy_job **jobs, int n)
{
    for (int i = 0; i < n; i++) {
        int result = 0;

        CHECK_EQ(sy_job_resume(&jobs[i], &result), SY_JOB_FINISHED);
        CHECK_EQ(result, 1);
    }
}

static int count_resident(char *const *stacks, int n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    int resident = 0;

    for (int i = 0; i < n; i++) {
        unsigned char in_memory;

        CHECK_EQ(
            mincore(stacks[i] - (uintptr_t)stacks[i] % page, 1, &in_memory), 0);
        resident += in_memory & 1;
    }
    return resident;
}

/* ---- core dumps -------------------------------------------------------- */

/* Does the mapping around address have this flag in /proc/self/smaps? */
static bool has_flag(const char *address, const char *flag)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    bool inside = false, found = false;
    char line[512];

    CHECK(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned long low, high;

        if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
            inside = (uintptr_t)address >= low && (uintptr_t)address < high;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    fclose(file);
    return found;
}

static void stacks_stay_out_of_core_dumps(void)
{
    const uint32_t flags[] = {0, SY_RT_DUMP_STACKS};

    for (int i = 0; i < 2; i++) {
        struct sy_runtime *rt = open_with(NULL, flags[i]);
        struct sy_job *job;
        char *stack;

        start_all(rt, &job, &stack, 1);
        CHECK_EQ(has_flag(stack, " dd"), i == 0);
        finish_all(&job, 1);
        CHECK_EQ(sy_runtime_close(rt), 0);
    }
}

/* ---- high-water mark --------------------------------------------------- */

#define DEEP_BYTES 30000

static int use_stack(void *arg)
{
    volatile char deep[DEEP_BYTES];

    for (size_t i = 0; i < sizeof(deep); i++)
        deep[i] = 0x55;
    *(char *volatile *)arg = (char *)(uintptr_t)deep;
    return deep[0];
}

static void high_water_mark_is_measured(void)
{
    struct sy_runtime *rt = open_with(NULL, 0);
    char *deep = NULL;
    struct sy_job_spec spec = {.fn = use_stack, .arg = &deep};
    struct sy_job *job, *paused;
    char *stack;

    CHECK_EQ(high_water(rt), 0);
    start_all(rt, &paused, &stack, 1);
    CHECK(high_water(rt) > 0);
    CHECK(high_water(rt) < DEEP_BYTES);
    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_FINISHED);
    printf("%zu bytes for %d\n", high_water(rt), DEEP_BYTES);
    CHECK(high_water(rt) >= DEEP_BYTES);
    CHECK(high_water(rt) < DEEP_BYTES + 8192); /* red zones and all */
    CHECK_EQ(sy_runtime_trim(rt, 0), 1);
    CHECK(high_water(rt) >= DEEP_BYTES); /* still known */
    finish_all(&paused, 1);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static void high_water_mark_survives_wiping(void)
{
    struct sy_runtime *rt = open_with(NULL, SY_RT_ZERO_STACKS);
    char *deep = NULL;
    struct sy_job_spec spec = {.fn = use_stack, .arg = &deep};
    struct sy_job *job;

    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_FINISHED);
    for (int i = 0; i < DEEP_BYTES; i++)
        CHECK_EQ(((volatile char *)deep)[i], 0);
    CHECK(high_water(rt) >= DEEP_BYTES);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static void high_water_mark_needs_stacks(void)
{
    struct sy_runtime *rt = open_with("direct", 0);
    size_t bytes = 77;

    CHECK_EQ(sy_runtime_stack_high_water(rt, &bytes), -ENOTSUP);
    CHECK_EQ(bytes, 0);
    CHECK_EQ(sy_runtime_trim(rt, 0), 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
    CHECK_EQ(sy_runtime_stack_high_water(NULL, &bytes), -EXDEV);
    CHECK_EQ(sy_runtime_trim(NULL, 0), -EXDEV);
}

/* ---- giving back ------------------------------------------------------- */

static void idle_stacks_are_given_back(void)
{
    struct sy_runtime *rt = open_with(NULL, 0);
    struct sy_job *jobs[JOBS];
    char *stacks[JOBS], *again[JOBS];

    CHECK_EQ(sy_runtime_trim(rt, 0), 0);
    start_all(rt, jobs, stacks, JOBS);
    CHECK_EQ(count_resident(stacks, JOBS), JOBS);
    CHECK_EQ(sy_runtime_trim(rt, 0), 0); /* none is idle */
    finish_all(jobs, JOBS / 2);
    CHECK_EQ(count_resident(stacks, JOBS), JOBS);
    CHECK_EQ(sy_runtime_trim(rt, 10), JOBS / 2 - 10);
    CHECK_EQ(count_resident(stacks, JOBS), JOBS / 2 + 10);
    CHECK_EQ(count_resident(stacks + JOBS / 2, JOBS / 2), JOBS / 2);
    start_all(rt, jobs, again, JOBS / 2);
    finish_all(jobs, JOBS);
    CHECK_EQ(sy_runtime_trim(rt, 0), JOBS);
    CHECK_EQ(count_resident(stacks, JOBS), 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

int main(void)
{
    stacks_stay_out_of_core_dumps();
    high_water_mark_is_measured();
    high_water_mark_survives_wiping();
    high_water_mark_needs_stacks();
    idle_stacks_are_given_back();
    return 0;
}
