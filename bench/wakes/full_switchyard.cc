/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full operation as a Switchyard job: start, pin, submit, pause; the device
 * completes it, which wakes the job; sy_runtime_run() resumes it, it finishes,
 * and its result is checked. Compiled once by the switcher table and once for
 * each switcher that the job layer is bound to (SY_BIND_SWITCHER).
 */
#include "model_device.h"
#include "wake_rows.h"
#include <switchyard/switchyard.h>

#ifdef SY_BIND_SWITCHER
#define SPELL_NAME(a) #a
#define SPELL(a)      SPELL_NAME(a)
#define FULL_SWITCHER SPELL(SY_BIND_SWITCHER)
#define FULL_ADD      add_full_bound
#define FULL_SUFFIX   "," FULL_SWITCHER "-bound"
#else
#define FULL_SWITCHER "asm"
#define FULL_ADD      add_full_by_table
#define FULL_SUFFIX   ""
#endif

namespace
{
using namespace wakes;

using device = model_device<struct sy_waker>;

/* One of those in flight. */
struct place {
    uint64_t input;
};

struct {
    std::string engine;
    struct sy_runtime *rt;
    std::unique_ptr<device> dev;
    uint64_t timeout_ns;
    bool pinned;
    uint64_t next_input;
    uint64_t finished;
    std::vector<place> places;
    std::vector<place *> free_places;
} full;

/* What the author of an offload does: hand the operation over and wait. The
   device has a pointer into this frame, so only completion ends the wait. */
int job_main(void *arg)
{
    operation op = {*static_cast<const uint64_t *>(arg), 0, {0}};
    struct sy_waker waker;

    if (!full.pinned)
        waker = sy_job_waker(sy_job_current());
    else if (SY_UNLIKELY(sy_job_pin(nullptr, &waker) != 0))
        measured::wrong_result("sy_job_pin failed");
    full.dev->submit(&op, waker);
    do /* always once, as the peers: what is complete was announced too */
        (void)sy_job_pause();
    while (op.done.load(std::memory_order_acquire) == 0);
    return static_cast<int>(op.output);
}

void job_done(void *user, struct sy_job *job, int result)
{
    place *p = static_cast<place *>(user);

    (void)job;
    if (SY_UNLIKELY(result != answer_to(p->input)))
        measured::wrong_result("a job returned another operation's result");
    full.finished++;
    full.free_places.push_back(p);
}

void start_one()
{
    place *p = full.free_places.back();
    struct sy_job_spec spec = {};
    struct sy_job *job;

    full.free_places.pop_back();
    p->input = full.next_input++;
    spec.fn = job_main;
    spec.arg = &p->input;
    spec.arg_bytes = sizeof(p->input);
    spec.done = job_done;
    spec.user = p;
    if (SY_UNLIKELY(sy_job_start(full.rt, &spec, &job, nullptr) !=
                    SY_JOB_PAUSED))
        measured::wrong_result("an operation did not pause its job");
}

void run_full(uint64_t n)
{
    uint64_t started = 0;

    full.finished = 0;
    while (full.finished < n) {
        for (; !full.free_places.empty() && started < n; started++)
            start_one();
        full.dev->poll();
        if (sy_runtime_run(full.rt, full.timeout_ns) < 0)
            measured::wrong_result("sy_runtime_run failed");
    }
}

void complete(const struct sy_waker &waker)
{
    (void)sy_complete(waker);
}

void wake(const struct sy_waker &waker)
{
    (void)sy_wake(waker);
}

std::string open_full(const std::string &engine, placement where,
                      unsigned flight, uint64_t timeout_ns, bool pinned)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    int err;

    if (where == placement::OTHER && measured::cpus().there < 0)
        return "needs two CPUs";
    full.engine = engine;
    full.timeout_ns = timeout_ns;
    full.pinned = pinned;
    cfg.engine = full.engine.c_str();
    cfg.switcher = FULL_SWITCHER;
    cfg.jobs_init = flight;
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    err = sy_runtime_open(&full.rt, &cfg);
    if (err != 0)
        return std::string("sy_runtime_open: ") + sy_strerror(err);
    full.places.assign(flight, {});
    full.free_places.clear();
    for (place &p : full.places)
        full.free_places.push_back(&p);
    full.dev = std::make_unique<device>(where, pinned ? complete : wake);
    return "";
}

void close_full()
{
    full.dev.reset();
    if (sy_runtime_close(full.rt) != 0)
        measured::wrong_result("jobs were left over");
}

/* Which way, besides engine and number in flight. */
struct variation {
    placement where;
    bool polled; /* by sy_runtime_run(rt, 0), where the device has a thread */
    bool pinned; /* and ended by sy_complete(); else by sy_wake() */
};

void add(row_specs &out, const std::string &engine, unsigned flight,
         variation v)
{
    /* What the own thread polls is complete when it asks. */
    uint64_t timeout_ns =
        v.where == placement::OWN || v.polled ? 0 : SY_FOREVER;
    std::string name = "full/" + engine + FULL_SUFFIX +
                       (v.where == placement::OWN ? "/own" : "/other") +
                       "/flight:" + std::to_string(flight) +
                       (v.polled ? "/polled" : "") +
                       (v.pinned ? "" : "/unpinned");

    out.push_back({name, "CPU ns/op",
                   [=] {
                       return open_full(engine, v.where, flight, timeout_ns,
                                        v.pinned);
                   },
                   [flight](uint64_t least_ns) {
                       return cpu_ns_per_op(run_full, flight, least_ns);
                   },
                   close_full, run_full});
}
} // namespace

void wakes::FULL_ADD(row_specs &out, const std::vector<std::string> &engines)
{
    for (const std::string &engine : engines) {
        for (unsigned flight : {1u, 8u, 64u, 256u}) {
            add(out, engine, flight, {placement::OWN, false, true});
            add(out, engine, flight, {placement::OTHER, false, true});
        }
        add(out, engine, 64, {placement::OTHER, true, true});
        add(out, engine, 64, {placement::OWN, false, false});
        add(out, engine, 64, {placement::OTHER, false, false});
    }
}
