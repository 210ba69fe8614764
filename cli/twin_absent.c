/* SPDX-License-Identifier: Apache-2.0 */
#include "twin.h"

const struct sy_batches_calls *twin_calls(enum twin which)
{
    return which == TWIN_NONE ? &sy_batches_calls : NULL;
}
