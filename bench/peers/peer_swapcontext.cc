/* SPDX-License-Identifier: Apache-2.0 */
/* glibc's swapcontext(3). */
#include "peer_glibc.h"

namespace
{
void hop(ucontext_t *from, ucontext_t *to)
{
    swapcontext(from, to);
}

using swapcontext_jobs = parked_jobs<ucontext_t, hop>;

template <> void swapcontext_jobs::enter_fresh(ucontext_t *fresh)
{
    swapcontext(&outside, fresh);
}
} // namespace

void peers::add_swapcontext(measured::scenarios &out)
{
    add_pairs<swapcontext_jobs>(out, "swap", "swapcontext", select_nothing);
    add_many<swapcontext_jobs>(out, "swapcontext", select_nothing, 10000);
    add_lives<swapcontext_jobs>(out, "swapcontext", select_nothing, true);
}
