/* SPDX-License-Identifier: Apache-2.0 */
/* In place of raw_uring.cc where liburing is not there. */
#include "scenario.h"

void measured::add_raw_uring(scenarios &out, notices &notes)
{
    (void)out;
    notes.push_back("raw/io_uring_nop: built without liburing");
}
