/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be seen: ratios between two rows of one run, with the bar each has
 * to stay below.
 */
#ifndef SY_BENCH_PEER_BARS_H
#define SY_BENCH_PEER_BARS_H

#include "../micro/bars.h"

namespace peers
{
using measured::bar;
using measured::bar_kind;

inline constexpr bar bars[] = {
    {"bare round trip / two call+ret pairs", "swap/inline-bound/depth:0",
     "pair/two_call_ret_pairs/depth:0", bar_kind::RATIO, 0.9, 0.7},
    {"bare round trip / C++20 coroutine", "swap/inline-bound/depth:0",
     "swap/c++20_coroutine/depth:0", bar_kind::RATIO, 1.1, 0.7},
    {"bare, 1 deep, beyond the calls", "swap/inline-bound/depth:1",
     "pair/plain_call/depth:1", bar_kind::DIFFERENCE, 4, 2},
    {"bare, 4 deep, beyond the calls", "swap/inline-bound/depth:4",
     "pair/plain_call/depth:4", bar_kind::DIFFERENCE, 4, 2},

    {"pair", "pair/asm/depth:0", "pair/openssl/depth:0", bar_kind::RATIO,
     1 / 8.0, 1 / 11.0},
    {"pair, 4 deep, caller 2", "pair/asm/depth:4/caller:2",
     "pair/openssl/depth:4/caller:2", bar_kind::RATIO, 1 / 2.2, 1 / 4.0},
    {"pair", "pair/inline-bound/depth:0", "pair/openssl/depth:0",
     bar_kind::RATIO, 1 / 18.0, 1 / 25.0},
    {"pair, 4 deep, caller 2", "pair/inline-bound/depth:4/caller:2",
     "pair/openssl/depth:4/caller:2", bar_kind::RATIO, 1 / 3.0, 1 / 6.0},

    {"start, finish", "life/inline-bound/args:0/pauses:0",
     "life/openssl/args:0/pauses:0", bar_kind::RATIO, 1 / 14.0, 1 / 19.0},
    {"start, finish, 64 bytes", "life/inline-bound/args:64/pauses:0",
     "life/openssl/args:64/pauses:0", bar_kind::RATIO, 1 / 14.0, 1 / 19.0},
    {"start, finish", "life/asm/args:0/pauses:0",
     "life/openssl/args:0/pauses:0", bar_kind::RATIO, 1 / 9.0, 1 / 12.0},
    {"start, finish, 64 bytes", "life/asm/args:64/pauses:0",
     "life/openssl/args:64/pauses:0", bar_kind::RATIO, 1 / 9.0, 1 / 12.0},
    {"start, pause, finish, by 8", "life/inline-bound/args:0/pauses:1",
     "life/openssl/args:0/pauses:1", bar_kind::RATIO, 1 / 12.0, 1 / 20.0},
    {"start, pause, finish, by 8", "life/asm/args:0/pauses:1",
     "life/openssl/args:0/pauses:1", bar_kind::RATIO, 1 / 6.5, 1 / 10.0},

    {"table beyond bound, per call", "pair/asm/depth:0",
     "pair/asm-bound/depth:0", bar_kind::HALF_DIFFERENCE, 2, 1},

    {"10,000 jobs", "many/inline-bound/jobs:10000/depth:4/prefetch:0",
     "many/fcontext/jobs:10000/depth:4/prefetch:0", bar_kind::RATIO, 0.6, 0.35},
    {"10,000 jobs, prefetched",
     "many/inline-bound/jobs:10000/depth:4/prefetch:1",
     "many/fcontext/jobs:10000/depth:4/prefetch:1", bar_kind::RATIO, 0.6, 0.35},
    {"10,000 jobs", "many/asm/jobs:10000/depth:4/prefetch:0",
     "many/fcontext/jobs:10000/depth:4/prefetch:0", bar_kind::RATIO, 0.6, 0.35},
    {"10,000 jobs, prefetched", "many/asm/jobs:10000/depth:4/prefetch:1",
     "many/fcontext/jobs:10000/depth:4/prefetch:1", bar_kind::RATIO, 0.6, 0.35},

    {"guarded stack, created", "create/asm/stacks:1024",
     "create/mmap_mprotect/stacks:1024", bar_kind::RATIO, 1 / 3.0, 1 / 7.0},
};

/* Very many paused jobs. */
inline constexpr double MILLION_RSS_MAX_BYTES = 4400;
inline constexpr unsigned MILLION_MAPS_MAX = 100;
inline constexpr double MILLION_CREATE_STRETCH_S = 1;
} // namespace peers

#endif
