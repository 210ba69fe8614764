/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Switchyard device as the provider needs it: one that completes operations
 * whoever waits, and that goes on after a fork.
 *
 * A polled device gets a thread that polls it, made at the first operation. A
 * fork waits until no thread of a device is inside OpenSSL, so that the child
 * inherits no lock of OpenSSL's that nobody there would release.
 */
#ifndef DEVICE_RUNNER_H
#define DEVICE_RUNNER_H

#include <stddef.h>
#include <switchyard/device.h>

struct device_runner;

/*
 * Open a device.
 *
 * @runner  set to it, NULL on failure
 * @spec    as for sy_device_open()
 * @why     on failure, in words
 *
 * Returns as sy_device_open(); -EINVAL too for a device that does not compute.
 */
int device_runner_open(struct device_runner **runner, const char *spec,
                       char *why, size_t why_bytes);

/* Close it. Operations not yet complete are announced with -ECANCELED. NULL is
   allowed. */
void device_runner_close(struct device_runner *runner);

/*
 * Submit an operation; its execute should be between device_runner_enter() and
 * device_runner_leave().
 *
 * Returns 0, or -EAGAIN: there is no thread to poll the device, and op was not
 * submitted.
 */
int device_runner_submit(struct device_runner *runner, struct sy_device_op *op);

/* Around what a thread of the device does with OpenSSL. */
void device_runner_enter(void);
void device_runner_leave(void);

#endif
