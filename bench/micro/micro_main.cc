/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard_micro: every scenario under Google Benchmark. Names are
 * family/candidate/conditions, as in pair/asm/depth:4, for --benchmark_filter.
 */
#include "scenario.h"
#include <benchmark/benchmark.h>
#include <cstdio>

namespace
{
/* Jobs from which setting up takes longer than measuring: Google Benchmark
   would do it again for each guess at the number of iterations. */
constexpr uint64_t MANY_JOBS = 100000;

void measure(benchmark::State &state, const measured::scenario &s)
{
    std::string why = s.open();

    if (!why.empty()) {
        state.SkipWithError(why.c_str());
        return;
    }
    while (state.KeepRunningBatch(static_cast<int64_t>(s.batch))) {
        s.run(s.batch);
        if (s.undo) {
            state.PauseTiming();
            s.undo();
            state.ResumeTiming();
        }
    }
    s.close();
}
} // namespace

int main(int argc, char **argv)
{
    measured::scenarios all;
    measured::notices notes;

    measured::add_plain(all);
    measured::add_by_table(all, notes);
    measured::add_bound(all, notes);
    measured::add_raw_wakes(all, notes);
    measured::add_wakes(all, notes);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    for (const std::string &note : notes)
        std::fprintf(stderr, "not measured: %s\n", note.c_str());
    std::fprintf(stderr, "If Google Benchmark says that the library was built "
                         "as DEBUG, it means itself: Debian's package is. "
                         "Switchyard is not.\n");
    for (const measured::scenario &s : all) {
        auto *b = benchmark::RegisterBenchmark(
            s.name().c_str(),
            [&s](benchmark::State &state) { measure(state, s); });

        if (s.jobs >= MANY_JOBS)
            b->Iterations(static_cast<int64_t>(5 * s.batch));
    }
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
