/* SPDX-License-Identifier: Apache-2.0 */
/* glibc's _setjmp(3) and _longjmp(3), after a first entry by makecontext(3). */
#include "peer_glibc.h"
#include <csetjmp>

namespace
{
struct jump_context {
    jmp_buf at;
};

SY_NOINLINE void hop(jump_context *from, jump_context *to)
{
    if (_setjmp(from->at) == 0)
        _longjmp(to->at, 1);
}

using setjmp_jobs = parked_jobs<jump_context, hop>;

template <> SY_NOINLINE void setjmp_jobs::enter_fresh(ucontext_t *fresh)
{
    if (_setjmp(outside.at) == 0)
        setcontext(fresh);
}
} // namespace

void peers::add_setjmp(measured::scenarios &out)
{
    add_pairs<setjmp_jobs>(out, "swap", "_setjmp", select_nothing);
    add_many<setjmp_jobs>(out, "_setjmp", select_nothing, 10000);
    add_lives<setjmp_jobs>(out, "_setjmp", select_nothing, true);
}
