/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a runtime with nothing to do takes of a CPU, with the default budget for
 * spinning, after it was busy for a moment: once woken every millisecond by its
 * own timeout, and once by nobody until the end.
 */
#include "wake_rows.h"
#include <switchyard/switchyard.h>

namespace
{
std::string engine_name;
struct sy_runtime *rt;

int pause_once(void *arg)
{
    (void)sy_job_pause();
    return *static_cast<const int *>(arg);
}

/* So that an adaptive runtime has learnt that spinning pays. */
void be_busy()
{
    for (int i = 0; i < 1000; i++) {
        struct sy_job_spec spec = {};
        struct sy_job *job;
        int result = -1;

        spec.fn = pause_once;
        spec.arg = &i;
        spec.arg_bytes = sizeof(i);
        if (sy_job_start(rt, &spec, &job, &result) != SY_JOB_PAUSED ||
            sy_wake(sy_job_waker(job)) != 0 ||
            sy_runtime_run(rt, SY_FOREVER) != 1 ||
            sy_job_resume(&job, &result) != SY_JOB_FINISHED || result != i)
            measured::wrong_result("a job did not run as it should");
    }
}

std::string open_idle(const std::string &engine)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    int err;

    engine_name = engine;
    cfg.engine = engine_name.c_str();
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    err = sy_runtime_open(&rt, &cfg);
    return err == 0 ? "" : std::string("sy_runtime_open: ") + sy_strerror(err);
}

void close_idle()
{
    if (sy_runtime_close(rt) != 0)
        measured::wrong_result("jobs were left over");
}

/* Percent of one CPU. */
double measure_idle(uint64_t for_ns, bool forever)
{
    uint64_t t0, cpu0, cpu, took;
    std::thread waker;

    be_busy();
    t0 = measured::clock_ns(CLOCK_MONOTONIC);
    cpu0 = measured::clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (forever) {
        struct sy_waker end = sy_runtime_waker(rt);

        waker = std::thread([end, for_ns] {
            std::this_thread::sleep_for(std::chrono::nanoseconds(for_ns));
            (void)sy_wake(end);
        });
        /* Only the waker ends it, but waits may end for no reason. */
        while (measured::clock_ns(CLOCK_MONOTONIC) - t0 < for_ns) {
            if (sy_runtime_run(rt, SY_FOREVER) != 0)
                measured::wrong_result("a job ran, and there is none");
        }
    } else {
        while (measured::clock_ns(CLOCK_MONOTONIC) - t0 < for_ns) {
            if (sy_runtime_run(rt, SY_NS_PER_MS) != 0)
                measured::wrong_result("a job ran, and there is none");
        }
    }
    cpu = measured::clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu0;
    took = measured::clock_ns(CLOCK_MONOTONIC) - t0;
    if (waker.joinable())
        waker.join();
    return 100 * static_cast<double>(cpu) / static_cast<double>(took);
}

/* To be woken each millisecond, with no runtime: what the kernel takes. */
double measure_sleeps(uint64_t for_ns)
{
    const struct timespec ms = {0, SY_NS_PER_MS};
    uint64_t t0 = measured::clock_ns(CLOCK_MONOTONIC);
    uint64_t cpu0 = measured::clock_ns(CLOCK_THREAD_CPUTIME_ID), cpu, took;

    while (measured::clock_ns(CLOCK_MONOTONIC) - t0 < for_ns)
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, nullptr);
    cpu = measured::clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu0;
    took = measured::clock_ns(CLOCK_MONOTONIC) - t0;
    return 100 * static_cast<double>(cpu) / static_cast<double>(took);
}
} // namespace

void wakes::add_idle(row_specs &out, uint64_t for_ns)
{
    out.push_back({"idle/clock_nanosleep/timeout:1ms", "% of a CPU",
                   [] { return std::string(); },
                   [=](uint64_t) { return measure_sleeps(for_ns); }, [] {},
                   nullptr, true});
    for (const char *engine : {"queue", "io_uring", "eventfd+epoll"}) {
        for (bool forever : {false, true}) {
            out.push_back(
                {std::string("idle/") + engine +
                     (forever ? "/forever" : "/timeout:1ms"),
                 "% of a CPU", [engine] { return open_idle(engine); },
                 [=](uint64_t) { return measure_idle(for_ns, forever); },
                 close_idle, nullptr, true});
        }
    }
}
