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
    cfg.jobs_init = COUNTED_BATCH;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    err = sy_runtime_open(&rt, &cfg);
    if (err != 0)
        fprintf(stderr, "sy_runtime_open: %d\n", err);
    return err == 0;
}

const struct counted_candidate COUNTED_NAME = {
    .open = open_runtime,
    .scenarios = scenarios,
};
