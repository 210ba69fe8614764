/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control rows: the measured loops with a function call where the others have
 * a switch. What they cost is not the switchers' doing.
 */
#include "measured_loops.h"
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace
{
using plain_fn = int (*)(void *);

/* A "job" is a cache line with a function that a "resume" calls. It goes on
   where it began, for it cannot do otherwise. */
struct alignas(SY_CACHE_LINE) plain_job {
    plain_fn volatile fn;
    uint64_t turns;
};

struct plain_calls {
    static void pause()
    {
        barrier();
    }
};

template <int D> int take_a_turn(void *arg)
{
    pause_at<plain_calls, D>();
    static_cast<plain_job *>(arg)->turns++;
    return 1;
}

template <int C> void call_below(plain_job &job);

template <int C> inline void call_at(plain_job &job)
{
    if constexpr (C == 0)
        (void)job.fn(&job);
    else
        call_below<C>(job);
}

template <int C> SY_NOINLINE void call_below(plain_job &job)
{
    call_at<C - 1>(job);
    barrier();
}

std::vector<plain_job> plain_jobs;

std::string open_plain(size_t jobs, plain_fn fn)
{
    plain_jobs = std::vector<plain_job>(jobs);
    for (plain_job &job : plain_jobs)
        job.fn = fn;
    return "";
}

void close_plain()
{
    plain_jobs = std::vector<plain_job>();
}

template <int C> void run_calls(uint64_t n)
{
    for (; n > 0; n--)
        call_at<C>(plain_jobs[0]);
}

template <int D, int C> void add_calls(measured::scenarios &out)
{
    out.push_back({"pair", "plain_call", depth_params(D, C), RUN_BATCH, 1,
                   [] { return open_plain(1, take_a_turn<D>); }, run_calls<C>,
                   nullptr, close_plain});
}

/* What a pause and a resume cannot go below as long as each is a call: two
   indirect calls and their returns. */
int do_nothing(void *)
{
    barrier();
    return 1;
}

void run_two_pairs(uint64_t n)
{
    for (; n > 0; n--) {
        (void)plain_jobs[0].fn(&plain_jobs[0]);
        (void)plain_jobs[0].fn(&plain_jobs[0]);
    }
}

template <bool AHEAD> void run_many_calls(uint64_t n)
{
    size_t count = plain_jobs.size(), ahead = PREFETCH_AHEAD % count;

    for (; n > 0; n -= count) {
        for (size_t i = 0; i < count; i++) {
            if constexpr (AHEAD) {
                size_t next = i + ahead;

                SY_PREFETCH(&plain_jobs[next < count ? next : next - count]);
            }
            call_at<0>(plain_jobs[i]);
        }
    }
}

template <int D> void add_many_calls(measured::scenarios &out, size_t jobs)
{
    for (bool ahead : {false, true})
        out.push_back({"many", "plain_call",
                       "jobs:" + std::to_string(jobs) +
                           "/depth:" + std::to_string(D) +
                           "/prefetch:" + std::to_string(ahead),
                       whole_batch(jobs), jobs,
                       [jobs] { return open_plain(jobs, take_a_turn<D>); },
                       ahead ? run_many_calls<true> : run_many_calls<false>,
                       nullptr, close_plain});
}

/* ---- start and finish -------------------------------------------------- */

template <bool ARGS> int read_args(void *arg)
{
    barrier();
    if constexpr (ARGS)
        return *static_cast<const int *>(arg);
    return LIFE_RESULT;
}

template <size_t BYTES> void run_copies(uint64_t n)
{
    static const int args[BYTES / sizeof(int) + 1] = {LIFE_RESULT};
    alignas(16) static unsigned char area[BYTES + 1];
    plain_fn volatile fn = read_args<(BYTES > 0)>;
    uint64_t sum = 0, expected = n * LIFE_RESULT;

    for (; n > 0; n--) {
        std::memcpy(area, args, BYTES);
        sum += static_cast<unsigned>(fn(area));
    }
    if (sum != expected)
        measured::wrong_result("a call returned another result");
}

template <size_t BYTES> void add_copies(measured::scenarios &out)
{
    /* A function that is called cannot pause; so there is one control row,
       for 0 pauses. */
    out.push_back({"life", "plain_call",
                   "args:" + std::to_string(BYTES) + "/pauses:0", RUN_BATCH, 1,
                   [] { return std::string(); }, run_copies<BYTES>, nullptr,
                   select_nothing});
}

/* ---- stacks ------------------------------------------------------------ */

#define STACK_BYTES  (64u * 1024)
#define STACKS_BATCH 1024

std::vector<void *> mappings;

void map_stacks(uint64_t n)
{
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));

    for (; n > 0; n--) {
        void *low = mmap(
            nullptr, page + STACK_BYTES, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

        if (low == MAP_FAILED || mprotect(low, page, PROT_NONE) != 0)
            measured::wrong_result("a stack could not be mapped");
        mappings.push_back(low);
    }
}

void unmap_stacks()
{
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));

    for (void *low : mappings)
        munmap(low, page + STACK_BYTES);
    mappings.clear();
}

void map_and_unmap_stacks(uint64_t n)
{
    for (; n > 0; n -= STACKS_BATCH) {
        map_stacks(STACKS_BATCH);
        unmap_stacks();
    }
}

std::string open_mappings()
{
    mappings.reserve(STACKS_BATCH);
    return "";
}
} // namespace

void measured::add_plain(scenarios &out)
{
    std::string stacks = "stacks:" + std::to_string(STACKS_BATCH);

    add_calls<0, 0>(out);
    add_calls<1, 0>(out);
    add_calls<4, 0>(out);
    add_calls<16, 0>(out);
    add_calls<4, 2>(out);
    out.push_back({"pair", "two_call_ret_pairs", "depth:0", RUN_BATCH, 1,
                   [] { return open_plain(1, do_nothing); }, run_two_pairs,
                   nullptr, close_plain});
    for (size_t jobs : {1u, 10u, 64u, 1000u, 10000u, 100000u, 1000000u}) {
        add_many_calls<0>(out, jobs);
        add_many_calls<4>(out, jobs);
    }
    add_copies<0>(out);
    add_copies<64>(out);
    out.push_back({"create_destroy", "mmap_mprotect", stacks, STACKS_BATCH,
                   STACKS_BATCH, open_mappings, map_and_unmap_stacks, nullptr,
                   unmap_stacks});
    out.push_back({"create", "mmap_mprotect", stacks, STACKS_BATCH,
                   STACKS_BATCH, open_mappings, map_stacks, unmap_stacks,
                   unmap_stacks});
}
