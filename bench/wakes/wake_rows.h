/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of switchyard_wakes: how to set it up, how to get one figure, how to
 * take it down. Each file that measures something exports one function, which
 * adds its rows. A row is open between open() and close(), and at most one is
 * at a time.
 */
#ifndef SY_BENCH_WAKE_ROWS_H
#define SY_BENCH_WAKE_ROWS_H

#include "../micro/other_thread.h"
#include "../micro/scenario.h"

namespace wakes
{
struct row_spec {
    std::string name; /* "full/queue/own/flight:64" */
    const char *unit; /* of the figure: "CPU ns/op" */

    std::function<std::string()> open; /* "", or why not */

    /* One figure, from measuring for about that long. */
    std::function<double(uint64_t least_ns)> measure;
    std::function<void()> close;

    /* That many operations, for counting system calls; may be empty. */
    std::function<void(uint64_t)> run;

    bool once = false; /* one round is enough: it takes long */
};

using row_specs = std::vector<row_spec>;

/* CPU time of the calling thread for each operation. What is in flight is let
   run out from time to time, but not often. */
double cpu_ns_per_op(const std::function<void(uint64_t)> &run, uint64_t flight,
                     uint64_t least_ns);

/* Start, submit, pause, complete, wake, resume, finish: full/... */
void add_full_by_table(row_specs &out, const std::vector<std::string> &engines);
void add_full_bound(row_specs &out, const std::vector<std::string> &engines);
void add_full_openssl(row_specs &out);

/* From the wake-up on one CPU to the job on another: resumed/..., and what it
   cannot beat: hand_over/... */
void add_latencies(row_specs &out, const std::vector<std::string> &engines);

/* One and two runtimes on one device that they poll: shared/... */
void add_shared_device(row_specs &out);

/* What a runtime that has nothing to do takes: idle/... . Each measurement
   takes for_ns. */
void add_idle(row_specs &out, uint64_t for_ns);
} // namespace wakes

#endif
