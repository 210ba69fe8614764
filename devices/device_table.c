/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <switchyard/device.h>

#define SY_DEVICE(id) extern const struct sy_device_ops sy_device_##id;
#include "device_list.h"
#undef SY_DEVICE

#define SY_DEVICE(id) &sy_device_##id,
static const struct sy_device_ops *const table[] = {
#include "device_list.h"
    NULL,
};

const struct sy_device_ops *const *sy_device_table(void)
{
    return table;
}
