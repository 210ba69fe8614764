/* SPDX-License-Identifier: Apache-2.0 */
/* What a device and a workload promise, each promise one body. */
#ifndef SWITCHYARD_CLI_CONFORM_BODIES_H
#define SWITCHYARD_CLI_CONFORM_BODIES_H

#include <stddef.h>

struct conform_body {
    const char *name;
    /* Returns whether the promise is kept; if not, why says what happened. */
    int (*run)(const void *ops, char *why, size_t why_bytes);
};

/* Both end with a NULL name. */
extern const struct conform_body conform_device_bodies[];
extern const struct conform_body conform_workload_bodies[];

/*
 * Run a body in a child process, for at most 30 s.
 *
 * @why  "" when it passes
 *
 * Returns SY_CONFORMANCE_PASS or SY_CONFORMANCE_FAIL.
 */
int conform_run_body(const struct conform_body *body, const void *ops,
                     char *why, size_t why_bytes);

#endif
