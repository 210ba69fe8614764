/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for what uses io_uring in a build without liburing. */
#include "eventfd/eventfd_way.h"
#include <errno.h>
#include <stdio.h>

static int probe(const char *variant, char *why, size_t why_bytes)
{
    (void)variant;
    (void)snprintf(why, why_bytes, "built without liburing");
    return -ENOTSUP;
}

static int refuse_open(void *state, const struct sy_engine_config *cfg)
{
    (void)state, (void)cfg;
    return -ENOTSUP;
}

/* The rest is required by the contract, and never called: nothing opens. */
static void no_close(void *state)
{
    (void)state;
}

static void no_wake(void *state, struct sy_engine_slot *slot)
{
    (void)state, (void)slot;
}

static int no_wait(void *state, struct sy_engine_slot **ready, unsigned max,
                   uint64_t timeout_ns)
{
    (void)state, (void)ready, (void)max, (void)timeout_ns;
    return -ENOTSUP;
}

static int no_fd(void *state, int *fd)
{
    (void)state;
    *fd = -1;
    return -ENOTSUP;
}

const struct sy_engine_ops sy_engine_io_uring = {
    .abi = SY_ENGINE_ABI,
    .caps = SY_EN_SIGNAL_SAFE | SY_EN_POLLABLE | SY_EN_BY_MEMORY,
    .name = "io_uring",
    .summary = "a message from the waker's ring to the runtime's ring",
    .state_bytes = 1,
    .probe = probe,
    .open = refuse_open,
    .close = no_close,
    .wake = no_wake,
    .wait = no_wait,
    .fd = no_fd,
};

const struct eventfd_way sy__eventfd_uring = {
    .name = "io_uring",
    .probe = probe,
    .open = refuse_open,
};
