/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second copy of all measured code in this program: core, switchers,
 * engines, devices, workloads and bench/load, the same objects once more, at
 * other addresses (cmake/twin.cmake). A comparison runs the twin of its first
 * candidate in it.
 */
#ifndef SWITCHYARD_CLI_TWIN_H
#define SWITCHYARD_CLI_TWIN_H

#include "../bench/load/batches.h"

/* Return the functions of the second copy, or NULL: this build has none. */
const struct sy_batches_calls *twin_calls(void);

#endif
