/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thing to measure: how to set it up, how to do it a number of times, how
 * to take it down. What measures (Google Benchmark in bench/micro, the
 * comparison in bench/peers) and what is measured meet here.
 *
 * A scenario is open between open() and close(), and at most one is at a time.
 */
#ifndef SY_BENCH_SCENARIO_H
#define SY_BENCH_SCENARIO_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace measured
{
struct scenario {
    std::string family;    /* what is done: "pair" */
    std::string candidate; /* by what: "asm" */
    std::string params;    /* under which conditions: "depth:4/caller:2" */
    uint64_t batch;        /* operations are run in multiples of this */
    uint64_t jobs;         /* how many there are at once */

    std::function<std::string()> open; /* "", or why not */
    std::function<void(uint64_t)> run; /* that many operations */
    std::function<void()> undo;        /* after each run, and not
                                          counted; may be empty */
    std::function<void()> close;

    std::string name() const
    {
        return family + "/" + candidate + (params.empty() ? "" : "/") + params;
    }
};

using scenarios = std::vector<scenario>;

/* A candidate that does not work here, and why. */
using notices = std::vector<std::string>;

/* A wrong result makes every figure worthless: say which, and exit with 1. A
   plain pointer, so that the measured loops make no strings. */
[[noreturn, gnu::cold]] void wrong_result(const char *what);

/* Bytes that can be allocated without swapping, as the kernel estimates. */
uint64_t memory_available_bytes();

/* Every built-in switcher that works here, through the switcher table of the
   shared library. */
void add_by_table(scenarios &out, notices &notes);

/* The same loops with the job layer bound to one switcher at compile time. */
void add_bound(scenarios &out, notices &notes);

/* Control rows: what the loops cost when nothing switches. */
void add_plain(scenarios &out);

/* From sy_wake() to the job running again, for every engine. */
void add_wakes(scenarios &out, notices &notes);

/* What wake-ups are made of: system calls, hand-overs. */
void add_raw_wakes(scenarios &out, notices &notes);
void add_raw_uring(scenarios &out, notices &notes);
} // namespace measured

#endif
