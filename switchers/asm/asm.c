/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch in assembly: one .S file per CPU and ABI, of which this file
 * mirrors the context map.
 */
#include "../shadow_stack.h"
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <switchyard/switcher.h>
#include <unwind.h>

#if !defined(__x86_64__) || defined(__ILP32__)
#error "no assembly for this CPU and ABI"
#endif

struct asm_ctx { /* the map in x86_64_sysv.S */
    uint64_t rbp, rip, rbx, rsp, r12, r13, r14, r15;
};
_Static_assert(offsetof(struct asm_ctx, rbp) == 0, "context map");
_Static_assert(offsetof(struct asm_ctx, rip) == 8, "context map");
_Static_assert(offsetof(struct asm_ctx, rbx) == 16, "context map");
_Static_assert(offsetof(struct asm_ctx, rsp) == 24, "context map");
_Static_assert(offsetof(struct asm_ctx, r12) == 32, "context map");
_Static_assert(offsetof(struct asm_ctx, r13) == 40, "context map");
_Static_assert(offsetof(struct asm_ctx, r14) == 48, "context map");
_Static_assert(offsetof(struct asm_ctx, r15) == 56, "context map");
_Static_assert(sizeof(struct asm_ctx) == SY_CACHE_LINE, "one cache line");
_Static_assert(sizeof(struct asm_ctx) +
                       offsetof(struct sy_switcher_link, resumer) ==
                   64,
               "where the CFI looks for the resumer");

int sy_bind_asm_start(void *from, void *to, void *stack_top, sy_switcher_fn fn,
                      void *arg);
int sy_bind_asm_swap(void *from, void *to, int value);

/*
 * What an unwinder that wants to pass the root of a job asks. A backtrace does
 * not ask; an exception is told that there is no way, so that it ends the
 * program where it was thrown; the end of the thread (pthread_exit()) goes on
 * through who resumed the job.
 */
_Unwind_Reason_Code sy__asm_personality(int version, _Unwind_Action actions,
                                        _Unwind_Exception_Class exception_class,
                                        struct _Unwind_Exception *exception,
                                        struct _Unwind_Context *context);

_Unwind_Reason_Code sy__asm_personality(int version, _Unwind_Action actions,
                                        _Unwind_Exception_Class exception_class,
                                        struct _Unwind_Exception *exception,
                                        struct _Unwind_Context *context)
{
    (void)version;
    (void)exception_class;
    (void)exception;
    (void)context;
    return (actions & _UA_FORCE_UNWIND) != 0 ? _URC_CONTINUE_UNWIND
                                             : _URC_FATAL_PHASE1_ERROR;
}

static int asm_probe(char *why, size_t why_bytes)
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

extern const struct sy_switcher_ops sy_switcher_asm;

const struct sy_switcher_ops sy_switcher_asm = {
    .abi = SY_SWITCHER_ABI,
    .caps = SY_SW_CAN_PAUSE | SY_SW_SAME_THREAD | SY_SW_OWN_STACK,
    .name = "asm",
    .summary = "assembly; saves what the calling convention keeps",
    .bind_form = 2,
    .saved_sp = offsetof(struct asm_ctx, rsp),
    .ctx_bytes = sizeof(struct asm_ctx),
    .probe = asm_probe,
    .start = sy_bind_asm_start,
    .swap = sy_bind_asm_swap,
};
