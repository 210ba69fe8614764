/* SPDX-License-Identifier: Apache-2.0 */
#include "twin.h"

const struct sy_batches_calls *twin_calls(void)
{
    return NULL;
}
