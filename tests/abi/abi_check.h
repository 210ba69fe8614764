/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a switcher keep what the platform's calling convention and its own
 * capability bits promise? Used by the tests, and by "switchyard conform".
 */
#ifndef SWITCHYARD_ABI_CHECK_H
#define SWITCHYARD_ABI_CHECK_H

#include <stddef.h>
#include <switchyard/switcher.h>

/*
 * Run jobs on a switcher and look at every switch from both sides: registers,
 * stack alignment, stack bounds, floating-point control words, signal mask,
 * the value handed over, the order of things.
 *
 * It runs in a child process, so a switcher that crashes or hangs does no
 * harm; the answer then says how far it came.
 *
 * @ops    the switcher
 * @why    what is wrong, in words; "" when nothing is
 * @bytes  room in why; 256 is enough
 *
 * Returns 0, or
 *   -EILSEQ   it does not keep what it should
 *   -ETIMEDOUT  it hung
 *   -EPROTO, -ENOTSUP  as sy_switcher_probe()
 *   another -errno     the check itself could not run
 */
int sy_abi_check(const struct sy_switcher_ops *ops, char *why, size_t bytes);

#endif
