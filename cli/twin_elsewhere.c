/* SPDX-License-Identifier: Apache-2.0 */
#include "twin.h"

/* sy_batches_calls of the second copy, renamed by cmake/twin.cmake. */
extern const struct sy_batches_calls sy_batches_calls_twin;

const struct sy_batches_calls *twin_calls(void)
{
    return &sy_batches_calls_twin;
}
