/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every built-in switcher, chosen at run time: the job layer of the shared
 * library, called through the PLT, which calls the switcher through its table.
 * And the same switchers bare, without a job layer.
 */
#include "bare_switch.h"
#include "job_layer.h"
#include <switchyard/switcher.h>

namespace
{
/* ---- a switcher without a job layer ------------------------------------ */

/* The hooks of a table, as bare_switch.h wants them. */
struct by_table {
    static inline const struct sy_switcher_ops *ops; /* set before use */

    static int prepare(void *ctx, const struct sy_stack *stack)
    {
        return ops->prepare != nullptr ? ops->prepare(ctx, stack) : 0;
    }

    static void release(void *ctx)
    {
        if (ops->release != nullptr)
            ops->release(ctx);
    }

    static int start(void *from, void *to, void *stack_top, sy_switcher_fn fn)
    {
        return ops->start(from, to, stack_top, fn, nullptr);
    }

    static int swap(void *from, void *to, int value)
    {
        return ops->swap(from, to, value);
    }
};

/* ---- a switcher that cannot pause -------------------------------------- */

/* The whole job layer without a switch: start, a pause that answers that it
   did not, finish. */
template <int D> int pause_once(void *)
{
    pause_at<job_layer, D>();
    return LIFE_RESULT;
}

template <int D> void run_unpaused(uint64_t n)
{
    struct sy_job *job;
    int result = 0;

    for (; n > 0; n--) {
        if (job_layer::start(job, pause_once<D>, nullptr, 0, &result) ||
            result != LIFE_RESULT)
            measured::wrong_result("a job paused that cannot");
    }
}

template <int D>
void add_unpaused(measured::scenarios &out, const std::string &candidate,
                  const select_fn &select)
{
    out.push_back({"pair", candidate, depth_params(D, 0), RUN_BATCH, 1,
                   [select] {
                       select();
                       return job_layer::open(1);
                   },
                   run_unpaused<D>, nullptr, job_layer::close});
}

/* ---- stacks ------------------------------------------------------------ */

#define STACKS_BATCH 1024

void add_stacks(measured::scenarios &out, const std::string &candidate,
                const select_fn &select)
{
    auto open_close = [](uint64_t n) {
        for (; n > 0; n -= STACKS_BATCH) {
            std::string why = job_layer::open(STACKS_BATCH);

            if (!why.empty())
                measured::wrong_result(why.c_str());
            job_layer::close();
        }
    };
    auto open_only = [](uint64_t) {
        std::string why = job_layer::open(STACKS_BATCH);

        if (!why.empty())
            measured::wrong_result(why.c_str());
    };
    auto open = [select] {
        select();
        return std::string();
    };
    std::string params = "stacks:" + std::to_string(STACKS_BATCH);

    out.push_back({"create_destroy", candidate, params, STACKS_BATCH,
                   STACKS_BATCH, open, open_close, nullptr, select_nothing});
    out.push_back({"create", candidate, params, STACKS_BATCH, STACKS_BATCH,
                   open, open_only, job_layer::close, select_nothing});
}

/* ---- all of it --------------------------------------------------------- */

/* Each job takes a page of stack and its slot; some more for this program. */
size_t jobs_that_fit(bool same_thread)
{
    uint64_t fit = measured::memory_available_bytes() / (6 * 1024);

    return same_thread ? fit : 64; /* a thread each: no more than a test */
}

void add_switcher(measured::scenarios &out, measured::notices &notes,
                  const struct sy_switcher_ops *ops)
{
    auto select = [ops] { job_layer::switcher = ops->name; };
    bool own_stack = (ops->caps & SY_SW_OWN_STACK) != 0;
    bool can_pause = (ops->caps & SY_SW_CAN_PAUSE) != 0;
    bool same_thread = (ops->caps & SY_SW_SAME_THREAD) != 0;
    size_t most_jobs = jobs_that_fit(same_thread);

    if (can_pause) {
        add_pairs<job_layer>(out, "pair", ops->name, select);
        add_many<job_layer>(out, ops->name, select, most_jobs);
        if (most_jobs < 1000000)
            notes.push_back(std::string(ops->name) + ": no more than " +
                            std::to_string(most_jobs) + " jobs: " +
                            (same_thread ? "memory" : "each takes a thread"));
    } else {
        add_unpaused<0>(out, ops->name, select);
        add_unpaused<1>(out, ops->name, select);
        add_unpaused<4>(out, ops->name, select);
        add_unpaused<16>(out, ops->name, select);
    }
    add_lives<job_layer>(out, ops->name, select, can_pause);
    if (!own_stack)
        return;
    add_bare_pairs<by_table>(out, ops->name, [ops] { by_table::ops = ops; });
    add_stacks(out, ops->name, select);
}
} // namespace

void measured::add_by_table(scenarios &out, notices &notes)
{
    const struct sy_switcher_ops *const *ops;
    char why[256];

    for (ops = sy_switcher_table(); *ops != nullptr; ops++) {
        if (sy_switcher_probe(*ops, why, sizeof(why)) == 0)
            add_switcher(out, notes, *ops);
        else
            notes.push_back(std::string((*ops)->name) + ": " + why);
    }
}
