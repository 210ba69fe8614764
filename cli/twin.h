/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The twins: two more copies in this program of all measured code (core,
 * switchers, engines, devices, workloads and bench/load), at other addresses.
 * They are made of the same objects in the same way (cmake/twin.cmake), so
 * only where they lie can make a difference. The code that the command itself
 * calls is neither of them: it is exported to parts from files, so it takes
 * the address of its thread-local state from a table, which costs 1 %.
 */
#ifndef SWITCHYARD_CLI_TWIN_H
#define SWITCHYARD_CLI_TWIN_H

#include "../bench/load/batches.h"

/* Which code runs a candidate. */
enum twin {
    TWIN_NONE = 0, /* the command's own */
    TWIN_FIRST,
    TWIN_SECOND,
    TWINS
};

/* Return the functions of a copy, or NULL: this build has none. */
const struct sy_batches_calls *twin_calls(enum twin which);

#endif
