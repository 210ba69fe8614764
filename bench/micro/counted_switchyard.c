/* SPDX-License-Identifier: Apache-2.0 */
/* Switchyard, counted: through the table, or, compiled with SY_BIND_SWITCHER,
   bound to one switcher. COUNTED_NAME is what this file then exports. */
#include <stdbool.h>
#include <stdio.h>
#include <switchyard/switchyard.h>

#ifndef COUNTED_NAME
#define COUNTED_NAME counted_by_table
#endif

typedef struct sy_job *handle;

static struct sy_runtime *rt;

static inline bool start(handle *job, sy_job_fn fn, void *arg, size_t bytes,
                         int *result)
{
    struct sy_job_spec spec = {.fn = fn, .arg = arg, .arg_bytes = bytes};

    return sy_job_start(rt, &spec, job, result) == SY_JOB_PAUSED;
}

static inline bool resume(handle *job, int *result)
{
    return sy_job_resume(job, result) == SY_JOB_PAUSED;
}

static inline void pause_job(void)
{
    (void)sy_job_pause();
}

#include "counted_bodies.h"

static bool open_runtime(const char *name)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    int err;

    cfg.switcher = name;
    cfg.engine = "queue";
    cfg.jobs_init = COUNTED_BATCH;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    err = sy_runtime_open(&rt, &cfg);
    if (err != 0)
        fprintf(stderr, "sy_runtime_open: %d\n", err);
    return err == 0;
}

/* A job that hands an operation to a device and pauses until it is complete. */
static int offload(void *arg)
{
    if (sy_job_pin(NULL, arg) != 0)
        return -1;
    (void)sy_job_pause();
    return RESULT;
}

static void count_good(void *user, struct sy_job *job, int result)
{
    unsigned long *good = user;

    (void)job;
    *good += result == RESULT;
}

/* Operations from start to end, the device polled by the same thread. */
static bool run_operation(unsigned long n)
{
    struct sy_waker wakers[COUNTED_BATCH];
    unsigned long good = 0, all = n;
    struct sy_job *job;
    int resumed = 0;

    counting_begins();
    for (; n > 0; n -= COUNTED_BATCH) {
        for (int i = 0; i < COUNTED_BATCH; i++) {
            struct sy_job_spec spec = {.fn = offload,
                                       .arg = &wakers[i],
                                       .done = count_good,
                                       .user = &good};

            if (sy_job_start(rt, &spec, &job, NULL) != SY_JOB_PAUSED)
                return false;
        }
        for (int i = 0; i < COUNTED_BATCH; i++)
            (void)sy_complete(wakers[i]);
        do
            resumed = sy_runtime_run(rt, SY_FOREVER);
        while (resumed >= 0 && good < all - n + COUNTED_BATCH);
    }
    counting_ends();
    return good == all;
}

static const struct counted_scenario scenarios[] = {
    COUNTED_SCENARIOS,
    {"operation", run_operation},
    {NULL, NULL},
};

const struct counted_candidate COUNTED_NAME = {
    .open = open_runtime,
    .scenarios = scenarios,
};
