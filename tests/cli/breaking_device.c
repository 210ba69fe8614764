/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device from outside the library that breaks in the middle: "fail:N" answers
 * -EIO from operation N on, "hang:N" is never done with them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/device.h>

struct breaking {
    struct sy_device *device;
    struct sy_device_op *pending;
    unsigned done, breaks_at;
    int hangs;
};

extern SY_API const struct sy_device_ops sy_part_device;

static int breaking_open(void *state, const struct sy_device_config *cfg,
                         uint32_t *caps, char *why, size_t why_bytes)
{
    struct breaking *b = state;
    char how[5] = "";

    if (sscanf(cfg->options, "%4[a-z]:%u", how, &b->breaks_at) != 2) {
        snprintf(why, why_bytes, "'%s': fail:N or hang:N", cfg->options);
        return -EINVAL;
    }
    b->hangs = strcmp(how, "hang") == 0;
    b->device = cfg->device;
    *caps = SY_DV_POLLED;
    return 0;
}

static int breaking_poll(void *state, uint64_t *next_ns)
{
    struct breaking *b = state;
    struct sy_device_op *op = b->pending;
    int is_broken = b->done >= b->breaks_at, status;

    *next_ns = SY_FOREVER;
    if (op == NULL || (is_broken && b->hangs))
        return 0;
    b->pending = NULL;
    b->done++;
    status = op->execute != NULL ? op->execute(op->arg) : 0;
    sy_device_announce(b->device, op, is_broken ? -EIO : status, 0);
    if (b->pending != NULL)
        *next_ns = 0;
    return 1;
}

static void breaking_close(void *state)
{
    struct breaking *b = state;

    while (b->pending != NULL) {
        struct sy_device_op *op = b->pending;

        b->pending = NULL;
        sy_device_announce(b->device, op, -ECANCELED, 0);
    }
}

static int breaking_submit(void *state, struct sy_device_op *op)
{
    struct breaking *b = state;

    if (b->pending != NULL)
        return -EAGAIN;
    b->pending = op;
    return 0;
}

const struct sy_device_ops sy_part_device = {
    .abi = SY_DEVICE_ABI,
    .name = "breaking",
    .summary = "for tests: breaks in the middle",
    .options = "fail:N or hang:N",
    .state_bytes = sizeof(struct breaking),
    .open = breaking_open,
    .close = breaking_close,
    .submit = breaking_submit,
    .poll = breaking_poll,
};
