/* SPDX-License-Identifier: Apache-2.0 */
#include "twin.h"

/* sy_batches_calls of the copies, renamed by cmake/twin.cmake. */
extern const struct sy_batches_calls sy_batches_calls_first;
extern const struct sy_batches_calls sy_batches_calls_second;

const struct sy_batches_calls *twin_calls(enum twin which)
{
    static const struct sy_batches_calls *const calls[TWINS] = {
        [TWIN_NONE] = &sy_batches_calls,
        [TWIN_FIRST] = &sy_batches_calls_first,
        [TWIN_SECOND] = &sy_batches_calls_second,
    };

    return which < TWINS ? calls[which] : NULL;
}
