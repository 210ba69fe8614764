/* SPDX-License-Identifier: Apache-2.0 */
/* What must be seen in one run of switchyard_wakes. */
#ifndef SY_BENCH_WAKE_BARS_H
#define SY_BENCH_WAKE_BARS_H

#include "../micro/bars.h"

namespace wakes
{
using measured::bar;
using measured::bar_kind;

inline constexpr bar bars[] = {
    {"operation, own thread", "full/queue/own/flight:64",
     "full/openssl+eventfd/own/flight:64", bar_kind::RATIO, 1 / 15.0, 1 / 30.0},
    {"operation, own thread", "full/queue,inline-bound/own/flight:64",
     "full/openssl+eventfd/own/flight:64", bar_kind::RATIO, 1 / 15.0, 1 / 30.0},
    {"operation, other thread", "full/queue/other/flight:64",
     "full/openssl+eventfd/other/flight:64", bar_kind::RATIO, 1 / 6.0,
     1 / 12.0},
    {"operation, other thread", "full/queue,inline-bound/other/flight:64",
     "full/openssl+eventfd/other/flight:64", bar_kind::RATIO, 1 / 6.0,
     1 / 12.0},
    {"operation, other thread, polled", "full/queue/other/flight:64/polled",
     "full/openssl+eventfd/other/flight:64", bar_kind::RATIO, 1 / 6.0,
     1 / 12.0},
    {"operation, other thread", "full/io_uring/other/flight:64",
     "full/openssl+eventfd/other/flight:64", bar_kind::RATIO, 1 / 1.5, 1 / 2.0},
    {"operation, other thread", "full/eventfd+epoll/other/flight:64",
     "full/openssl+eventfd/other/flight:64", bar_kind::RATIO, 1 / 1.2, 1 / 1.5},

    {"system calls, own thread", "full/queue/own/flight:64", nullptr,
     bar_kind::CALLS, 0.05, 0.01},
    {"system calls, own thread", "full/queue/own/flight:256", nullptr,
     bar_kind::CALLS, 0.05, 0.01},
    {"system calls, other thread", "full/queue/other/flight:64", nullptr,
     bar_kind::CALLS, 0.05, 0.01},
    {"system calls, other thread", "full/queue/other/flight:256", nullptr,
     bar_kind::CALLS, 0.05, 0.01},

    {"wake to resumed, polling", "resumed/queue/polling", "hand_over/spin",
     bar_kind::RATIO, 2.5, 1.5},
    {"wake to resumed, spinning", "resumed/queue/spinning", "hand_over/spin",
     bar_kind::RATIO, 2.5, 1.5},
    {"wake to resumed, asleep", "resumed/queue/asleep",
     "hand_over/futex/asleep", bar_kind::RATIO, 1.1, 1.1},
    {"wake to resumed, asleep", "resumed/io_uring/asleep",
     "hand_over/eventfd+epoll/asleep", bar_kind::RATIO, 1.1, 1.1},
    {"wake to resumed, asleep", "resumed/eventfd+epoll/asleep",
     "hand_over/eventfd+epoll/asleep", bar_kind::RATIO, 1.1, 1.1},

    {"idle, time-out of 1 ms", "idle/queue/timeout:1ms", nullptr,
     bar_kind::VALUE, 1, 1},
    {"idle, no time-out", "idle/queue/forever", nullptr, bar_kind::VALUE, 1, 1},

    {"two runtimes, one device", "shared/queue/runtimes:2",
     "shared/queue/runtimes:1", bar_kind::RATIO, 1 / 1.7, 1 / 1.9},
};
} // namespace wakes

#endif
