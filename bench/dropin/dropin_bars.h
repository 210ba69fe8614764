/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be seen of the drop-in: the same ASYNC_* calls in the same program,
 * answered by it and by libcrypto.
 */
#ifndef SY_BENCH_DROPIN_BARS_H
#define SY_BENCH_DROPIN_BARS_H

#include "../micro/bars.h"

namespace dropin
{
using measured::bar;
using measured::bar_kind;

/* ours and theirs name the same loop: who answers is what differs. */
inline constexpr bar bars[] = {
    {"start/pause pair", "pair", "pair", bar_kind::RATIO, 1 / 7.0, 1 / 10.0},
    {"pair, 4 deep, caller 2", "pair_4_deep", "pair_4_deep", bar_kind::RATIO,
     1 / 2.2, 1 / 4.0},
    {"start, finish", "finish_0", "finish_0", bar_kind::RATIO, 1 / 8.0,
     1 / 12.0},
    {"start, finish, 64 bytes", "finish_64", "finish_64", bar_kind::RATIO,
     1 / 8.0, 1 / 12.0},
    {"start, pause, resume, finish", "one_pause", "one_pause", bar_kind::RATIO,
     1 / 5.5, 1 / 9.0},
    {"ASYNC_get_current_job", "current_job", "current_job", bar_kind::RATIO,
     1 / 2.0, 1 / 3.0},
    {"new wait context, fd, free", "wait_ctx", "wait_ctx", bar_kind::RATIO,
     1 / 2.0, 1 / 2.0},
};
} // namespace dropin

#endif
