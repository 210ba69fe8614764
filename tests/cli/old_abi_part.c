/* SPDX-License-Identifier: Apache-2.0 */
/* An engine that was built for an ABI that never was. */
#include <switchyard/engine.h>

extern SY_API const struct sy_engine_ops sy_part_engine;

const struct sy_engine_ops sy_part_engine = {
    .abi = 9999,
    .name = "old",
    .summary = "never works",
};
