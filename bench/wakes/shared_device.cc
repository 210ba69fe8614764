/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a second runtime, on a second thread, adds: both submit to one simulated
 * device without service time and both poll it, so either may complete the
 * other's operations. Each operation does a fixed amount of work in its job, 2
 * us when nobody disturbs. The figure is time by the wall for each operation of
 * both together; beside it, the work alone.
 */
#include "model_device.h"
#include "wake_rows.h"
#include <switchyard/device.h>
#include <switchyard/switchyard.h>

namespace
{
using namespace wakes;

constexpr uint64_t WORK_NS = 2000;
constexpr unsigned IN_FLIGHT = 64;

struct sy_device *shared;
uint64_t work_turns;
std::atomic<uint64_t> work_result;

/* A chain of multiplications: it cannot be shortened, and it shares nothing. */
uint64_t work(uint64_t value)
{
    for (uint64_t i = 0; i < work_turns; i++)
        value = value * 0x9e3779b97f4a7c15u + 1;
    return value;
}

/* So many turns that work() takes WORK_NS: by the shortest of some tries, for
   only interruptions make it longer. */
void calibrate_work()
{
    uint64_t value = 1, least_ns = UINT64_MAX;

    if (work_turns != 0)
        return;
    work_turns = 100000;
    for (int i = 0; i < 20; i++) {
        uint64_t t0 = measured::clock_ns(CLOCK_MONOTONIC), took;

        value = work(value);
        took = measured::clock_ns(CLOCK_MONOTONIC) - t0;
        least_ns = took < least_ns ? took : least_ns;
    }
    if (value == 0) /* it is odd: this keeps the work from being dropped */
        measured::wrong_result("multiplication");
    work_turns = work_turns * WORK_NS / least_ns;
}

/* One runtime with its thread. */
struct side {
    struct sy_runtime *rt = nullptr;
    uint64_t wanted = 0, started = 0, finished = 0;
    unsigned in_flight = 0;
    uint64_t end_ns = 0;
};

/* What the device executes: as much as the model device. */
int execute(void *arg)
{
    operation *op = static_cast<operation *>(arg);

    op->output = static_cast<uint64_t>(answer_to(op->input));
    return 0;
}

struct job_args {
    side *s;
    uint64_t input;
};

int job_main(void *arg)
{
    job_args args = *static_cast<const job_args *>(arg);
    operation op = {work(args.input), 0, {0}};

    if (sy_device_call(shared, args.s->rt, execute, &op) != 0)
        measured::wrong_result("the device failed");
    return op.output == static_cast<uint64_t>(answer_to(op.input));
}

void job_done(void *user, struct sy_job *job, int result)
{
    side *s = static_cast<side *>(user);

    (void)job;
    if (result != 1)
        measured::wrong_result("an operation of the device was wrong");
    s->finished++;
    s->in_flight--;
}

void start_one(side &s)
{
    job_args args = {&s, s.started};
    struct sy_job_spec spec = {};
    struct sy_job *job;
    int result, state;

    spec.fn = job_main;
    spec.arg = &args;
    spec.arg_bytes = sizeof(args);
    spec.done = job_done;
    spec.user = &s;
    s.started++;
    s.in_flight++;
    state = sy_job_start(s.rt, &spec, &job, &result);
    if (state < 0)
        measured::wrong_result("sy_job_start failed");
    /* The other side may have polled before this one could pause. */
    if (state == SY_JOB_FINISHED)
        job_done(&s, nullptr, result);
}

void open_side(side &s)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;

    cfg.switcher = "asm";
    cfg.engine = "queue";
    cfg.jobs_init = IN_FLIGHT;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    if (sy_runtime_open(&s.rt, &cfg) != 0)
        measured::wrong_result("sy_runtime_open failed");
}

void run_side(side &s)
{
    while (s.finished < s.wanted) {
        while (s.in_flight < IN_FLIGHT && s.started < s.wanted)
            start_one(s);
        (void)sy_device_poll(shared, nullptr);
        if (sy_runtime_run(s.rt, 0) < 0)
            measured::wrong_result("sy_runtime_run failed");
    }
    s.end_ns = measured::clock_ns(CLOCK_MONOTONIC);
}

void close_side(side &s)
{
    if (sy_runtime_close(s.rt) != 0)
        measured::wrong_result("jobs were left over");
}

/* The second side keeps polling until the first is done, and the other way
   round: none waits for completions that nobody looks for. */
uint64_t run_both(uint64_t each, bool two)
{
    measured::signpost ready, go;
    side mine, other;
    uint64_t t0, end_ns;

    mine.wanted = other.wanted = each;
    open_side(mine);
    {
        std::unique_ptr<measured::other_thread> helper;

        if (two) {
            helper = std::make_unique<measured::other_thread>(
                [&](const std::atomic<bool> &over) {
                    open_side(other);
                    ready.set(1);
                    if (go.spin_until(1, over))
                        run_side(other);
                    ready.set(2);
                    close_side(other);
                });
            while (ready.get() != 1) {
            }
        }
        t0 = measured::clock_ns(CLOCK_MONOTONIC);
        go.set(1);
        run_side(mine);
        while (two && ready.get() != 2) {
        }
        end_ns = mine.end_ns > other.end_ns ? mine.end_ns : other.end_ns;
    }
    close_side(mine);
    return end_ns - t0;
}

double measure(uint64_t least_ns, bool two)
{
    uint64_t each = least_ns / WORK_NS + IN_FLIGHT;

    return static_cast<double>(run_both(each, two)) /
           static_cast<double>(two ? 2 * each : each);
}

/* The work alone, on as many threads: what the machine allows. */
double measure_work(uint64_t least_ns, bool two)
{
    uint64_t each = least_ns / WORK_NS + IN_FLIGHT, t0, end_ns;
    auto run = [each] {
        uint64_t all = 0;

        for (uint64_t i = 0; i < each; i++)
            all ^= work(i);
        work_result.store(all, std::memory_order_relaxed); /* so it is done */
    };
    measured::signpost ready, go;
    std::unique_ptr<measured::other_thread> helper;

    if (two) {
        helper = std::make_unique<measured::other_thread>(
            [&](const std::atomic<bool> &over) {
                ready.set(1);
                if (go.spin_until(1, over))
                    run();
                ready.set(2);
            });
        while (ready.get() != 1) {
        }
    }
    t0 = measured::clock_ns(CLOCK_MONOTONIC);
    go.set(1);
    run();
    while (two && ready.get() != 2) {
    }
    end_ns = measured::clock_ns(CLOCK_MONOTONIC);
    return static_cast<double>(end_ns - t0) /
           static_cast<double>(two ? 2 * each : each);
}

std::string open_shared()
{
    char why[256];

    if (measured::cpus().there < 0)
        return "needs two CPUs";
    if (sy_device_open(&shared,
                       "sim:mode=poll,lanes=2,servers=1024,"
                       "service=fixed:0us,queue=1024",
                       nullptr, why, sizeof(why)) != 0)
        return why;
    calibrate_work();
    return "";
}

void close_shared()
{
    sy_device_close(shared);
}
} // namespace

void wakes::add_shared_device(row_specs &out)
{
    for (bool two : {false, true}) {
        out.push_back({two ? "shared/work_alone/threads:2"
                           : "shared/work_alone/threads:1",
                       "ns/op", open_shared,
                       [two](uint64_t ns) { return measure_work(ns, two); },
                       close_shared, nullptr});
        out.push_back({two ? "shared/queue/runtimes:2"
                           : "shared/queue/"
                             "runtimes:1",
                       "ns/op", open_shared,
                       [two](uint64_t ns) { return measure(ns, two); },
                       close_shared, nullptr});
    }
}
