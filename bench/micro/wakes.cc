/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wake to ready on one thread: sy_wake() for a number of paused jobs, then
 * sy_runtime_run() until all of them have run. One operation is one wake-up.
 */
#include "job_layer.h"
#include <switchyard/engine.h>

namespace
{
#define BURST_MAX 32

struct {
    std::string engine;
    struct sy_runtime *rt;
    unsigned count;
    struct sy_job *jobs[BURST_MAX];
    struct sy_waker wakers[BURST_MAX];
} woken;

std::string open_woken(const std::string &engine, unsigned count)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_job_spec spec = {};
    int err, result;

    woken.engine = engine;
    woken.count = count;
    cfg.engine = woken.engine.c_str();
    cfg.jobs_init = count;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    err = sy_runtime_open(&woken.rt, &cfg);
    if (err != 0)
        return "sy_runtime_open: " + std::to_string(err);
    stop = false;
    spec.fn = pause_for_ever<job_layer, 0>;
    for (unsigned i = 0; i < count; i++) {
        if (sy_job_start(woken.rt, &spec, &woken.jobs[i], &result) !=
            SY_JOB_PAUSED)
            measured::wrong_result("a job did not pause");
        woken.wakers[i] = sy_job_waker(woken.jobs[i]);
    }
    return "";
}

void close_woken()
{
    int result;

    stop = true;
    for (unsigned i = 0; i < woken.count; i++) {
        if (sy_job_resume(&woken.jobs[i], &result) != SY_JOB_FINISHED)
            measured::wrong_result("a job did not finish");
    }
    if (sy_runtime_close(woken.rt) != 0)
        measured::wrong_result("jobs were left over");
}

void run_woken(uint64_t n)
{
    for (; n > 0; n -= woken.count) {
        for (unsigned i = 0; i < woken.count; i++)
            (void)sy_wake(woken.wakers[i]);
        for (unsigned seen = 0; seen < woken.count;) {
            int resumed = sy_runtime_run(woken.rt, SY_FOREVER);

            if (resumed < 0)
                measured::wrong_result("sy_runtime_run failed");
            seen += static_cast<unsigned>(resumed);
        }
    }
}

/* One engine in one variant. */
void add_engine(measured::scenarios &out, measured::notices &notes,
                const struct sy_engine_ops *ops, const char *variant)
{
    std::string name = ops->name;
    char why[256];

    if (variant != nullptr)
        name += std::string("+") + variant;
    if (sy_engine_probe(ops, variant, why, sizeof(why)) != 0) {
        notes.push_back(name + ": " + why);
        return;
    }
    for (unsigned burst : {1u, 32u})
        out.push_back({"wake", name, "burst:" + std::to_string(burst),
                       whole_batch(burst), burst,
                       [name, burst] { return open_woken(name, burst); },
                       run_woken, nullptr, close_woken});
}
} // namespace

void measured::add_wakes(scenarios &out, notices &notes)
{
    const struct sy_engine_ops *const *ops;

    for (ops = sy_engine_table(); *ops != nullptr; ops++) {
        if ((*ops)->variants == nullptr) {
            add_engine(out, notes, *ops, nullptr);
            continue;
        }
        for (const char *const *v = (*ops)->variants; *v != nullptr; v++)
            add_engine(out, notes, *ops, *v);
    }
}
