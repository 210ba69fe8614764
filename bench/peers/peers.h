/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other people's ways of switching, in the loops of bench/micro. Each file
 * that implements one exports one function, which adds its scenarios; those
 * whose package was not there when this was configured are left out.
 */
#ifndef SY_BENCH_PEERS_H
#define SY_BENCH_PEERS_H

#include "../micro/scenario.h"

namespace peers
{
void add_openssl(measured::scenarios &out);
void add_fcontext(measured::scenarios &out);
void add_fiber(measured::scenarios &out);
void add_coroutine(measured::scenarios &out);
void add_swapcontext(measured::scenarios &out);
void add_setjmp(measured::scenarios &out);
void add_futex(measured::scenarios &out);
} // namespace peers

#endif
