/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <switchyard/switcher.h>

#define SY_SWITCHER(id) extern const struct sy_switcher_ops sy_switcher_##id;
#include "switcher_list.h"
#undef SY_SWITCHER

extern const struct sy_switcher_ops *const sy_switchers[];

#define SY_SWITCHER(id) &sy_switcher_##id,
const struct sy_switcher_ops *const sy_switchers[] = {
#include "switcher_list.h"
    NULL,
};
