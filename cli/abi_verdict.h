/* SPDX-License-Identifier: Apache-2.0 */
/* The check of the calling convention, which exists for some CPUs only. */
#ifndef SWITCHYARD_CLI_ABI_VERDICT_H
#define SWITCHYARD_CLI_ABI_VERDICT_H

#include <stddef.h>
#include <switchyard/switcher.h>

/*
 * Check whether a switcher keeps registers, alignment and what else the
 * calling convention demands.
 *
 * @why   "" when all is well
 * @hung  set to whether it failed because it hung
 *
 * Returns SY_CONFORMANCE_PASS, _FAIL or _SKIP.
 */
int abi_verdict(const struct sy_switcher_ops *ops, char *why, size_t why_bytes,
                int *hung);

#endif
