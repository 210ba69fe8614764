/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From sy_wake() to the job running again, for every engine: for a number of
 * paused jobs, all woken, then sy_runtime_run() until all of them have run.
 * One operation is one wake-up.
 *
 *   wake         one thread does both
 *   wake_busy    a thread on another CPU wakes; the runtime polls
 *   wake_asleep  the same, but both threads sleep while they wait: the other
 *                one in a futex, the runtime in sy_runtime_run(), with the
 *                default budget for spinning
 */
#include "job_layer.h"
#include "other_thread.h"
#include <switchyard/engine.h>
#include <sys/resource.h>

namespace
{
using namespace measured;

struct {
    std::string engine;
    struct sy_runtime *rt;
    unsigned count;
    std::vector<struct sy_job *> jobs;
    std::vector<struct sy_waker> wakers;
} woken;

void close_woken()
{
    int result;

    stop = true;
    for (struct sy_job *&job : woken.jobs) {
        if (sy_job_resume(&job, &result) != SY_JOB_FINISHED || result != 1)
            wrong_result("a job did not finish");
    }
    woken.jobs.clear();
    woken.wakers.clear();
    if (sy_runtime_close(woken.rt) != 0)
        wrong_result("jobs were left over");
}

std::string open_woken(const std::string &engine, unsigned count)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_job_spec spec = {};
    int err, result;

    woken.engine = engine;
    woken.count = count;
    cfg.engine = woken.engine.c_str();
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    err = sy_runtime_open(&woken.rt, &cfg);
    if (err != 0)
        return std::string("sy_runtime_open: ") + sy_strerror(err);
    stop = false;
    spec.fn = pause_for_ever<job_layer, 0>;
    for (unsigned i = 0; i < count; i++) {
        struct sy_job *job;

        err = sy_job_start(woken.rt, &spec, &job, &result);
        if (err != SY_JOB_PAUSED) {
            close_woken();
            return std::string("sy_job_start: ") + sy_strerror(err);
        }
        woken.jobs.push_back(job);
        woken.wakers.push_back(sy_job_waker(job));
    }
    return "";
}

void wake_all()
{
    for (const struct sy_waker &waker : woken.wakers)
        (void)sy_wake(waker);
}

/* Until every job has run once. */
void run_all(uint64_t timeout_ns)
{
    for (unsigned seen = 0; seen < woken.count;) {
        int resumed = sy_runtime_run(woken.rt, timeout_ns);

        if (resumed < 0)
            wrong_result("sy_runtime_run failed");
        seen += static_cast<unsigned>(resumed);
    }
}

void run_woken(uint64_t n)
{
    for (; n > 0; n -= woken.count) {
        wake_all();
        run_all(SY_FOREVER);
    }
}

/* ---- woken by another thread ------------------------------------------- */

signpost asked;
std::atomic<uint32_t> asked_bell;
uint64_t asked_times;
std::unique_ptr<other_thread> waking_thread;

std::string open_busy(const std::string &engine, unsigned count)
{
    std::string why = take_two_cpus();

    if (why.empty())
        why = open_woken(engine, count);
    if (!why.empty())
        return why;
    asked.set(0);
    asked_times = 0;
    waking_thread = std::make_unique<other_thread>([](const auto &over) {
        for (uint64_t i = 1; asked.spin_until(i, over); i++)
            wake_all();
    });
    return "";
}

void run_busy(uint64_t n)
{
    for (; n > 0; n -= woken.count) {
        asked.set(++asked_times);
        run_all(0);
    }
}

void ring_asked()
{
    asked_bell.fetch_add(1, std::memory_order_release);
    futex_wake(asked_bell);
}

std::string open_asleep(const std::string &engine, unsigned count)
{
    std::string why = take_two_cpus();

    if (why.empty())
        why = open_woken(engine, count);
    if (!why.empty())
        return why;
    asked_bell = 0;
    waking_thread = std::make_unique<other_thread>(
        [](const auto &over) {
            for (uint32_t seen = 0;; seen++) {
                while (asked_bell.load(std::memory_order_acquire) == seen)
                    futex_wait(asked_bell, seen);
                if (over)
                    return;
                wake_all();
            }
        },
        ring_asked);
    return "";
}

void run_asleep(uint64_t n)
{
    for (; n > 0; n -= woken.count) {
        ring_asked();
        run_all(SY_FOREVER);
    }
}

void close_with_thread()
{
    waking_thread.reset();
    close_woken();
    run_anywhere();
}

/* ---- which rows -------------------------------------------------------- */

/* Why an engine cannot have so many jobs here, found by trying; "" if it can.
   Who takes no descriptors has no such limit. */
std::string too_many(const struct sy_engine_ops *ops, const std::string &name,
                     unsigned jobs)
{
    struct rlimit limit = {};
    std::string why;

    if ((ops->caps & SY_EN_FD_PER_JOB) == 0 || jobs == 1)
        return "";
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    why = open_woken(name, jobs);
    if (why.empty())
        close_woken();
    return why;
}

/* One engine in one variant. */
void add_engine(scenarios &out, notices &notes, const struct sy_engine_ops *ops,
                const char *variant)
{
    std::string name = ops->name;
    char why[256];

    if (variant != nullptr)
        name += std::string("+") + variant;
    if (sy_engine_probe(ops, variant, why, sizeof(why)) != 0) {
        notes.push_back(name + ": " + why);
        return;
    }
    for (unsigned jobs : {1u, 64u, 1000u, 10000u}) {
        std::string params = "jobs:" + std::to_string(jobs);
        std::string no = too_many(ops, name, jobs);

        if (!no.empty()) {
            notes.push_back("wake/" + name + "/" + params + ": " + no);
            continue;
        }
        out.push_back({"wake", name, params, whole_batch(jobs), jobs,
                       [name, jobs] { return open_woken(name, jobs); },
                       run_woken, nullptr, close_woken});
        if (cpus().there < 0)
            continue;
        out.push_back({"wake_busy", name, params, whole_batch(jobs), jobs,
                       [name, jobs] { return open_busy(name, jobs); }, run_busy,
                       nullptr, close_with_thread});
        out.push_back({"wake_asleep", name, params, jobs == 1 ? 8u : jobs, jobs,
                       [name, jobs] { return open_asleep(name, jobs); },
                       run_asleep, nullptr, close_with_thread});
    }
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
