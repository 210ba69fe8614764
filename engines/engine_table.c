/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <switchyard/engine.h>

#define SY_ENGINE(id) extern const struct sy_engine_ops sy_engine_##id;
#include "engine_list.h"
#undef SY_ENGINE

extern const struct sy_engine_ops *const sy_engines[];

#define SY_ENGINE(id) &sy_engine_##id,
const struct sy_engine_ops *const sy_engines[] = {
#include "engine_list.h"
    NULL,
};
