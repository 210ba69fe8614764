/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <switchyard/workload.h>

#define SY_WORKLOAD(id) extern const struct sy_workload_ops sy_workload_##id;
#include "workload_list.h"
#undef SY_WORKLOAD

#define SY_WORKLOAD(id) &sy_workload_##id,
static const struct sy_workload_ops *const table[] = {
#include "workload_list.h"
    NULL,
};

const struct sy_workload_ops *const *sy_workload_table(void)
{
    return table;
}
