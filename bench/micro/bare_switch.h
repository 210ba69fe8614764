/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mechanism (measured_loops.h) that is a switcher alone: two contexts and
 * one stack, without a job layer. The job never finishes: it is dropped.
 *
 * way says how the hooks of switcher.h are called: prepare, release, start
 * (without arguments for fn) and swap.
 */
#ifndef SY_BENCH_BARE_SWITCH_H
#define SY_BENCH_BARE_SWITCH_H

#include "measured_loops.h"
#include <algorithm>
#include <cerrno>
#include <string>
#include <switchyard/switcher.h>
#include <sys/mman.h>

namespace
{
template <class way> struct bare_switch {
    using job = int;

    static constexpr size_t STACK_BYTES = 64 * 1024;

    alignas(64) static inline unsigned char outside[SY_SWITCHER_CTX_MAX_BYTES];
    alignas(64) static inline unsigned char inside[SY_SWITCHER_CTX_MAX_BYTES];
    static inline struct sy_stack stack;

    static std::string open(unsigned)
    {
        void *low = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int err;

        if (low == MAP_FAILED)
            return "mmap: " + std::to_string(errno);
        stack = {low, STACK_BYTES};
        std::fill(outside, outside + sizeof(outside), 0);
        std::fill(inside, inside + sizeof(inside), 0);
        err = way::prepare(inside, &stack);
        return err == 0 ? "" : "prepare: " + std::to_string(err);
    }

    static void close()
    {
        way::release(inside);
        munmap(stack.low, stack.bytes);
    }

    SY_ALWAYS_INLINE static inline bool start(job &, sy_switcher_fn fn,
                                              const void *, size_t, int *)
    {
        return way::start(outside, inside,
                          static_cast<char *>(stack.low) + STACK_BYTES,
                          fn) == 1;
    }

    SY_ALWAYS_INLINE static inline bool resume(job &, int *)
    {
        return way::swap(outside, inside, 1) == 1;
    }

    SY_ALWAYS_INLINE static inline void pause()
    {
        (void)way::swap(inside, outside, 1);
    }
};

template <class way, int D, int C>
void add_bare_pair(measured::scenarios &out, const std::string &candidate,
                   const select_fn &select)
{
    using bare = bare_switch<way>;

    out.push_back({"swap", candidate, depth_params(D, C), RUN_BATCH, 1,
                   [select] {
                       select();
                       return paused_jobs<bare>::template open<D>(1);
                   },
                   run_pair<bare, D, C>, nullptr, bare::close});
}

template <class way>
void add_bare_pairs(measured::scenarios &out, const std::string &candidate,
                    const select_fn &select)
{
    add_bare_pair<way, 0, 0>(out, candidate, select);
    add_bare_pair<way, 1, 0>(out, candidate, select);
    add_bare_pair<way, 4, 0>(out, candidate, select);
    add_bare_pair<way, 16, 0>(out, candidate, select);
    add_bare_pair<way, 4, 2>(out, candidate, select);
}
} // namespace

#endif
