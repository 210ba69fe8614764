/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No switch at all: a job is called as a function and runs to its end. What
 * remains is the job layer alone, so this is the row to subtract from others.
 */
#include <switchyard/switcher.h>

static int direct_probe(char *why, size_t why_bytes)
{
    if (why_bytes > 0)
        why[0] = '\0';
    return 0;
}

static int direct_start(void *from, void *to, void *stack_top,
                        sy_switcher_fn fn, void *arg)
{
    (void)from;
    (void)to;
    (void)stack_top;
    /* Who called us is the only one that can be continued. */
    (void)sy_switcher_finished(fn(arg));
    return 0;
}

extern const struct sy_switcher_ops sy_switcher_direct;

const struct sy_switcher_ops sy_switcher_direct = {
    .abi = SY_SWITCHER_ABI,
    .caps = SY_SW_SAME_THREAD,
    .name = "direct",
    .summary = "calls the job as a function; it cannot pause",
    .ctx_bytes = 1,
    .probe = direct_probe,
    .start = direct_start,
};
