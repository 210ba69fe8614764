/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mechanism (measured_loops.h) that is Switchyard's public interface, in
 * whichever form this translation unit sees it: calls into the shared library,
 * or, with SY_BIND_SWITCHER, inline fast paths.
 */
#ifndef SY_BENCH_JOB_LAYER_H
#define SY_BENCH_JOB_LAYER_H

#include "measured_loops.h"
#include <string>
#include <switchyard/switchyard.h>

namespace
{
struct job_layer {
    using job = struct sy_job *;

    static inline std::string switcher; /* set before open() */
    static inline struct sy_runtime *rt;

    static std::string open(unsigned jobs)
    {
        struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
        int err;

        cfg.switcher = switcher.c_str();
        cfg.jobs_init = jobs;
        cfg.flags = SY_RT_NO_ENVIRONMENT;
        err = sy_runtime_open(&rt, &cfg);
        if (err != 0)
            return "sy_runtime_open: " + std::to_string(err);
        return "";
    }

    static void close()
    {
        if (sy_runtime_close(rt) != 0)
            measured::wrong_result("jobs were left over");
    }

    SY_ALWAYS_INLINE static inline bool
    start(job &j, sy_job_fn fn, const void *arg, size_t bytes, int *result)
    {
        struct sy_job_spec spec = {};
        int state;

        spec.fn = fn;
        spec.arg = arg;
        spec.arg_bytes = bytes;
        state = sy_job_start(rt, &spec, &j, result);
        if (SY_UNLIKELY(state < 0))
            measured::wrong_result("sy_job_start failed");
        return state == SY_JOB_PAUSED;
    }

    SY_ALWAYS_INLINE static inline bool resume(job &j, int *result)
    {
        return sy_job_resume(&j, result) == SY_JOB_PAUSED;
    }

    SY_ALWAYS_INLINE static inline void pause()
    {
        (void)sy_job_pause();
    }

    SY_ALWAYS_INLINE static inline void prefetch(const job &j)
    {
        sy_job_prefetch(j);
    }
};
} // namespace

#endif
