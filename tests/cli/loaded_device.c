/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device from outside the library: does each operation when it is polled.
 * It takes one at a time, so that what it refuses has to wait in line.
 */
#include <errno.h>
#include <stdio.h>
#include <switchyard/device.h>

struct one_at_a_time {
    struct sy_device *device;
    struct sy_device_op *pending;
};

extern SY_API const struct sy_device_ops sy_part_device;

static int one_open(void *state, const struct sy_device_config *cfg,
                    uint32_t *caps, char *why, size_t why_bytes)
{
    struct one_at_a_time *one = state;

    if (cfg->options[0] != '\0') {
        snprintf(why, why_bytes, "'%s': there are no options", cfg->options);
        return -EINVAL;
    }
    one->device = cfg->device;
    *caps = SY_DV_POLLED;
    return 0;
}

static int one_poll(void *state, uint64_t *next_ns)
{
    struct one_at_a_time *one = state;
    struct sy_device_op *op = one->pending;

    *next_ns = SY_FOREVER;
    if (op == NULL)
        return 0;
    one->pending = NULL;
    sy_device_announce(one->device, op,
                       op->execute != NULL ? op->execute(op->arg) : 0, 0);
    if (one->pending != NULL)
        *next_ns = 0;
    return 1;
}

static void one_close(void *state)
{
    struct one_at_a_time *one = state;

    while (one->pending != NULL) {
        struct sy_device_op *op = one->pending;

        one->pending = NULL;
        sy_device_announce(one->device, op, -ECANCELED, 0);
    }
}

static int one_submit(void *state, struct sy_device_op *op)
{
    struct one_at_a_time *one = state;

    if (one->pending != NULL)
        return -EAGAIN;
    one->pending = op;
    return 0;
}

const struct sy_device_ops sy_part_device = {
    .abi = SY_DEVICE_ABI,
    .name = "one-at-a-time",
    .summary = "an example: a queue of one, done when polled",
    .options = "nothing",
    .state_bytes = sizeof(struct one_at_a_time),
    .open = one_open,
    .close = one_close,
    .submit = one_submit,
    .poll = one_poll,
};
