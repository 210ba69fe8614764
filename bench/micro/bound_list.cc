/* SPDX-License-Identifier: Apache-2.0 */
/* Calls what bound.cc exports, as often as it was compiled. The build defines
   SY_BOUND_LIST, one SY_BOUND(name) for each, and SY_BOUND_COUNT. */
#include "scenario.h"

#define SY_BOUND(name) void add_bound_##name(scenarios &out);
namespace measured
{
SY_BOUND_LIST
}
#undef SY_BOUND

void measured::add_bound(scenarios &out, notices &notes)
{
#define SY_BOUND(name) add_bound_##name(out);
    SY_BOUND_LIST
#undef SY_BOUND
    if (SY_BOUND_COUNT == 0)
        notes.push_back("bound job layers: this version has none");
    (void)out;
}
