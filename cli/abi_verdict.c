/* SPDX-License-Identifier: Apache-2.0 */
#include "abi_verdict.h"

#include <errno.h>

#include "../tests/abi/abi_check.h"
#include "../tests/conformance/conformance_table.h"

int abi_verdict(const struct sy_switcher_ops *ops, char *why, size_t why_bytes,
                int *hung)
{
    int err = sy_abi_check(ops, why, why_bytes);

    *hung = err == -ETIMEDOUT;
    if (err == 0)
        return SY_CONFORMANCE_PASS;
    return err == -EILSEQ || err == -ETIMEDOUT || err == -EPROTO
               ? SY_CONFORMANCE_FAIL
               : SY_CONFORMANCE_SKIP;
}
