/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A switcher from outside the library, small enough to read at once. Built a
 * second time as "bad_switcher", which loses register r12.
 */
#include <stddef.h>
#include <switchyard/switcher.h>

#ifdef LOSE_R12
#define NAME    "bad"
#define SUMMARY "an example that loses a register"
#else
#define NAME    "good"
#define SUMMARY "an example: pushes registers, keeps a stack pointer"
#endif

int good_start(void *from, void *to, void *stack_top, sy_switcher_fn fn,
               void *arg);
int good_swap(void *from, void *to, int value);

static int good_probe(char *why, size_t why_bytes)
{
    if (why_bytes > 0)
        why[0] = '\0';
    return 0;
}

extern SY_API const struct sy_switcher_ops sy_part_switcher;

const struct sy_switcher_ops sy_part_switcher = {
    .abi = SY_SWITCHER_ABI,
    .caps = SY_SW_CAN_PAUSE | SY_SW_SAME_THREAD | SY_SW_OWN_STACK,
    .name = NAME,
    .summary = SUMMARY,
    .ctx_bytes = sizeof(void *),
    .probe = good_probe,
    .start = good_start,
    .swap = good_swap,
};
