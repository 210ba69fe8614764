/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every built-in switcher, chosen at run time: the job layer of the shared
 * library, called through the PLT, which calls the switcher through its table.
 * And the same switchers bare, without a job layer.
 */
#include "job_layer.h"
#include <cerrno>
#include <switchyard/switcher.h>
#include <sys/mman.h>

namespace
{
/* ---- a switcher without a job layer ------------------------------------ */

/* Two contexts and one stack. The job never finishes: it is dropped. */
struct bare_switch {
    using job = int;

    static constexpr size_t STACK_BYTES = 64 * 1024;

    alignas(64) static inline unsigned char outside[SY_SWITCHER_CTX_MAX_BYTES];
    alignas(64) static inline unsigned char inside[SY_SWITCHER_CTX_MAX_BYTES];
    static inline const struct sy_switcher_ops *ops; /* set before open() */
    static inline struct sy_stack stack;

    static std::string open(unsigned)
    {
        void *low = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int err = 0;

        if (low == MAP_FAILED)
            return "mmap: " + std::to_string(errno);
        stack = {low, STACK_BYTES};
        std::fill(outside, outside + sizeof(outside), 0);
        std::fill(inside, inside + sizeof(inside), 0);
        if (ops->prepare != nullptr)
            err = ops->prepare(inside, &stack);
        return err == 0 ? "" : "prepare: " + std::to_string(err);
    }

    static void close()
    {
        if (ops->release != nullptr)
            ops->release(inside);
        munmap(stack.low, stack.bytes);
    }

    static bool start(job &, sy_switcher_fn fn, const void *, size_t, int *)
    {
        return ops->start(outside, inside,
                          static_cast<char *>(stack.low) + STACK_BYTES, fn,
                          nullptr) == 1;
    }

    static bool resume(job &, int *)
    {
        return ops->swap(outside, inside, 1) == 1;
    }

    static void pause()
    {
        (void)ops->swap(inside, outside, 1);
    }
};

template <int D, int C>
void add_bare_pair(measured::scenarios &out, const struct sy_switcher_ops *ops)
{
    out.push_back({"swap", ops->name, depth_params(D, C), RUN_BATCH, 1,
                   [ops] {
                       bare_switch::ops = ops;
                       return paused_jobs<bare_switch>::open<D>(1);
                   },
                   run_pair<bare_switch, D, C>, nullptr, bare_switch::close});
}

void add_bare_pairs(measured::scenarios &out, const struct sy_switcher_ops *ops)
{
    add_bare_pair<0, 0>(out, ops);
    add_bare_pair<1, 0>(out, ops);
    add_bare_pair<4, 0>(out, ops);
    add_bare_pair<16, 0>(out, ops);
    add_bare_pair<4, 2>(out, ops);
}

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
                measured::wrong_result(why);
            job_layer::close();
        }
    };
    auto open_only = [](uint64_t) {
        std::string why = job_layer::open(STACKS_BATCH);

        if (!why.empty())
            measured::wrong_result(why);
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
    add_bare_pairs(out, ops);
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
