/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measured loops, written once. Each translation unit that includes this
 * file compiles them for its own way of switching, a mechanism M:
 *
 *   M::job                                   a handle
 *   M::open(n)                               room for n jobs; "" or why not
 *   M::close()                               no job is left
 *   M::start(job, fn, arg, bytes, result)    true: it paused
 *   M::resume(job, result)                   true: it paused again
 *   M::pause()                               inside a job
 *   M::prefetch(job)                         it is resumed soon
 *
 * Everything is in an unnamed namespace: the public functions may be inline
 * and differ from one translation unit to the next.
 *
 * Depth is real: N calls deep means N frames of N different functions, none
 * of which is inlined or leaves by a tail call.
 */
#ifndef SY_BENCH_MEASURED_LOOPS_H
#define SY_BENCH_MEASURED_LOOPS_H

#include "scenario.h"
#include <atomic>
#include <memory>
#include <string>
#include <switchyard/compiler.h>
#include <vector>

/* The loops look this many jobs ahead. */
#define PREFETCH_AHEAD 8
/* Jobs alive at once where starting and finishing are measured. */
#define LIFE_BATCH 8
/* Operations between two looks at the clock, at least. */
#define RUN_BATCH 1024

namespace
{
/* Makes paused jobs return, when a scenario is taken down. */
std::atomic<bool> stop;

/* Work that the compiler can neither drop nor move. Behind a call, it keeps
   that call from becoming a tail call. */
inline void barrier()
{
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

/* ---- depth ------------------------------------------------------------- */

template <class M, int D> void pause_below();

template <class M, int D> inline void pause_at()
{
    if constexpr (D == 0)
        M::pause();
    else
        pause_below<M, D>();
}

template <class M, int D> SY_NOINLINE void pause_below()
{
    pause_at<M, D - 1>();
    barrier();
}

template <class M, int C> bool resume_below(typename M::job &job);

template <class M, int C> inline bool resume_at(typename M::job &job)
{
    int result;

    if constexpr (C == 0)
        return M::resume(job, &result);
    else
        return resume_below<M, C>(job);
}

template <class M, int C> SY_NOINLINE bool resume_below(typename M::job &job)
{
    bool paused = resume_at<M, C - 1>(job);

    barrier();
    return paused;
}

/* ---- jobs -------------------------------------------------------------- */

template <class M, int D> int pause_for_ever(void *)
{
    while (!stop.load(std::memory_order_relaxed))
        pause_at<M, D>();
    return 1;
}

#define LIFE_RESULT 7

template <class M, bool PAUSES, bool ARGS> int live_once(void *arg)
{
    if constexpr (PAUSES)
        M::pause();
    if constexpr (ARGS)
        return *static_cast<const int *>(arg);
    return LIFE_RESULT;
}

/* ---- loops ------------------------------------------------------------- */

template <class M> struct paused_jobs {
    static inline std::unique_ptr<typename M::job[]> jobs;
    static inline size_t count;

    template <int D> static std::string open(size_t n)
    {
        std::string why = M::open(static_cast<unsigned>(n));
        int result;

        if (!why.empty())
            return why;
        stop = false;
        jobs = std::make_unique<typename M::job[]>(n);
        for (count = 0; count < n; count++) {
            if (!M::start(jobs[count], pause_for_ever<M, D>, nullptr, 0,
                          &result))
                measured::wrong_result("a job did not pause");
        }
        return "";
    }

    static void close()
    {
        stop = true;
        for (size_t i = 0; i < count; i++) {
            int result = 0;

            if (M::resume(jobs[i], &result) || result != 1)
                measured::wrong_result("a job did not finish");
        }
        jobs.reset();
        M::close();
    }
};

/* Resume one job, which pauses again: C and D calls deep. */
template <class M, int D, int C> void run_pair(uint64_t n)
{
    typename M::job &job = paused_jobs<M>::jobs[0];

    for (; n > 0; n--) {
        if (!resume_at<M, C>(job))
            measured::wrong_result("a job finished early");
    }
}

/* Resume all jobs, one after the other. n is a multiple of their number. */
template <class M, bool AHEAD> void run_many(uint64_t n)
{
    size_t count = paused_jobs<M>::count;
    size_t ahead = PREFETCH_AHEAD % count;
    typename M::job *jobs = paused_jobs<M>::jobs.get();
    int result;

    for (; n > 0; n -= count) {
        for (size_t i = 0; i < count; i++) {
            if constexpr (AHEAD) {
                size_t next = i + ahead;

                M::prefetch(jobs[next < count ? next : next - count]);
            }
            if (!M::resume(jobs[i], &result))
                measured::wrong_result("a job finished early");
        }
    }
}

/* Start and finish jobs, LIFE_BATCH at a time. */
template <class M, bool PAUSES, size_t BYTES> void run_life(uint64_t n)
{
    static const int args[BYTES / sizeof(int) + 1] = {LIFE_RESULT};
    typename M::job jobs[LIFE_BATCH];
    int results[LIFE_BATCH];
    uint64_t sum = 0, expected = n * LIFE_RESULT;

    for (; n > 0; n -= LIFE_BATCH) {
        for (int i = 0; i < LIFE_BATCH; i++) {
            if (M::start(jobs[i], live_once<M, PAUSES, (BYTES > 0)>,
                         BYTES > 0 ? args : nullptr, BYTES,
                         &results[i]) != PAUSES)
                measured::wrong_result("a start ended otherwise");
        }
        if constexpr (PAUSES) {
            for (int i = 0; i < LIFE_BATCH; i++) {
                if (M::resume(jobs[i], &results[i]))
                    measured::wrong_result("a job did not finish");
            }
        }
        for (int i = 0; i < LIFE_BATCH; i++)
            sum += static_cast<unsigned>(results[i]);
    }
    if (sum != expected)
        measured::wrong_result("a job returned another result");
}

/* ---- scenarios --------------------------------------------------------- */

inline uint64_t whole_batch(uint64_t jobs)
{
    return (RUN_BATCH + jobs - 1) / jobs * jobs;
}

inline std::string depth_params(int depth, int caller)
{
    return "depth:" + std::to_string(depth) +
           (caller > 0 ? "/caller:" + std::to_string(caller) : "");
}

/* Chooses what M stands for, before it is opened. */
using select_fn = std::function<void()>;

template <class M, int D, int C>
void add_pair(measured::scenarios &out, const std::string &family,
              const std::string &candidate, const select_fn &select)
{
    out.push_back({family, candidate, depth_params(D, C), RUN_BATCH, 1,
                   [select] {
                       select();
                       return paused_jobs<M>::template open<D>(1);
                   },
                   run_pair<M, D, C>, nullptr, paused_jobs<M>::close});
}

template <class M>
void add_pairs(measured::scenarios &out, const std::string &family,
               const std::string &candidate, const select_fn &select)
{
    add_pair<M, 0, 0>(out, family, candidate, select);
    add_pair<M, 1, 0>(out, family, candidate, select);
    add_pair<M, 4, 0>(out, family, candidate, select);
    add_pair<M, 16, 0>(out, family, candidate, select);
    add_pair<M, 4, 2>(out, family, candidate, select);
}

template <class M, int D, bool AHEAD>
void add_many_of(measured::scenarios &out, const std::string &candidate,
                 const select_fn &select, size_t jobs)
{
    out.push_back({"many", candidate,
                   "jobs:" + std::to_string(jobs) + "/depth:" +
                       std::to_string(D) + "/prefetch:" + std::to_string(AHEAD),
                   whole_batch(jobs), jobs,
                   [select, jobs] {
                       select();
                       return paused_jobs<M>::template open<D>(jobs);
                   },
                   run_many<M, AHEAD>, nullptr, paused_jobs<M>::close});
}

template <class M>
void add_many(measured::scenarios &out, const std::string &candidate,
              const select_fn &select, size_t most_jobs)
{
    for (size_t jobs : {1u, 10u, 64u, 1000u, 10000u, 100000u, 1000000u}) {
        if (jobs > most_jobs)
            break;
        add_many_of<M, 0, false>(out, candidate, select, jobs);
        add_many_of<M, 0, true>(out, candidate, select, jobs);
        add_many_of<M, 4, false>(out, candidate, select, jobs);
        add_many_of<M, 4, true>(out, candidate, select, jobs);
    }
}

template <class M, bool PAUSES, size_t BYTES>
void add_life(measured::scenarios &out, const std::string &candidate,
              const select_fn &select)
{
    out.push_back(
        {"life", candidate,
         "args:" + std::to_string(BYTES) + "/pauses:" + std::to_string(PAUSES),
         RUN_BATCH, LIFE_BATCH,
         [select] {
             select();
             return M::open(LIFE_BATCH);
         },
         run_life<M, PAUSES, BYTES>, nullptr, M::close});
}

/* can_pause: not under every switcher can a job pause. */
template <class M>
void add_lives(measured::scenarios &out, const std::string &candidate,
               const select_fn &select, bool can_pause)
{
    add_life<M, false, 0>(out, candidate, select);
    add_life<M, false, 64>(out, candidate, select);
    if (!can_pause)
        return;
    add_life<M, true, 0>(out, candidate, select);
    add_life<M, true, 64>(out, candidate, select);
}

inline void select_nothing()
{
}
} // namespace

#endif
