/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table form of the switch that programs can have compiled in (bind/): the
 * same code, and the same contexts, behind two function pointers. Here the
 * compiler has to keep every register that a call keeps, so the asm switcher
 * is the better choice for a program that is not bound.
 */
#include "../shadow_stack.h"
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <switchyard/bind/inline_x86_64.h>
#include <switchyard/bind/layout.h>
#include <switchyard/switcher.h>

/* Mirrors the map in bind/inline_x86_64.h. */
struct inline_ctx {
    uint64_t rbp, rip, rsp, rbx;
};
_Static_assert(offsetof(struct inline_ctx, rsp) == 16, "context map");
_Static_assert(offsetof(struct inline_ctx, rbx) == 24, "context map");
_Static_assert(sizeof(struct inline_ctx) <= SY_CACHE_LINE,
               "a context lies in its slot");
_Static_assert(offsetof(struct sy_job, gate) == 116, "SY_BIND_GATES_AT");
_Static_assert(offsetof(struct sy_job, form) == 118, "SY_BIND_GATES_QUIET");
_Static_assert(offsetof(struct sy_job, end_gate) == 122, "one word");

static int inline_probe(char *why, size_t why_bytes)
{
    if (shadow_stack_is_active()) {
        (void)snprintf(why, why_bytes,
                       "a hardware shadow stack is active, and this switcher "
                       "does not switch it");
        return -ENOTSUP;
    }
    if (why_bytes > 0)
        why[0] = '\0';
    return 0;
}

/* On the stack of who starts a job, until the job has read it. */
struct first_entry {
    sy_switcher_fn fn;
    void *arg;
};

/* The end of a job must be told while its stack is still in use. */
SY_NO_TSAN SY_NORETURN static int run_to_the_end(void *arg)
{
    const struct first_entry first = *(const struct first_entry *)arg;
    struct inline_ctx left;

    (void)sy_bind_inline_swap(&left, sy_switcher_finished(first.fn(first.arg)),
                              0);
    __builtin_unreachable();
}

SY_NO_TSAN static int inline_start(void *from, void *to, void *stack_top,
                                   sy_switcher_fn fn, void *arg)
{
    struct first_entry first = {fn, arg};
    struct sy_bind_kept kept = {.from = from, .to = to};
    int unused;

    return sy_bind_inline_start(&kept, stack_top, run_to_the_end, &first,
                                &unused);
}

SY_NO_TSAN static int inline_swap(void *from, void *to, int value)
{
    return sy_bind_inline_swap(from, to, value);
}

extern const struct sy_switcher_ops sy_switcher_inline;

const struct sy_switcher_ops sy_switcher_inline = {
    .abi = SY_SWITCHER_ABI,
    .caps = SY_SW_CAN_PAUSE | SY_SW_SAME_THREAD | SY_SW_OWN_STACK,
    .name = "inline",
    .summary = "compiled into programs bound to it; here behind a table",
    .bind_form = 1,
    .saved_sp = offsetof(struct inline_ctx, rsp),
    .ctx_bytes = sizeof(struct inline_ctx),
    .probe = inline_probe,
    .start = inline_start,
    .swap = inline_swap,
};
