/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch on x86-64 under the System V ABI.
 *
 * A context is one cache line. It holds what a function must keep for its
 * caller (psABI 3.2.1) and where that caller goes on:
 *
 *   +0 rbp  +8 rip  +16 rbx  +24 rsp  +32 r12  +40 r13  +48 r14  +56 r15
 *
 * rsp is what it is after the return of the call that saved it. The first two
 * words are a frame record as a function's prologue makes one. asm.c has the
 * same map. MXCSR and the x87 control word are not touched: stmxcsr alone
 * costs as much as all the rest.
 *
 * A job's stack, growing down:
 *
 *       top  +-------------------------------+  64-byte aligned
 *    top - 8 | return into sy_bind_asm_start     |
 *            +-------------------------------+
 *            | fn and what it calls          |
 *
 * Where does a job's root return to? To who resumed the job last, and for that
 * no instruction is spent: the core keeps a struct sy_switcher_link behind the
 * job's context, for its own use, and it says which context that is. All that
 * the root's caller had is in that context, because it waits.
 *
 * CFI  While the old frame is left, what was already given up is described as
 *      lying in its context (DW_CFA_expression, relative to rdi); from the
 *      moment rsp is the target's, the frame is the target's, with what is
 *      not yet in place described as lying in scratch registers. The root's
 *      caller is described as lying in the context that the link names.
 *
 * rbp  In the root it points to the link. Those who follow frame pointers find
 *      there as next record the resumer's context, as return address 0, and
 *      in the context the frame and the address where it goes on.
 */
#include "../asm_macros.h"

/* DW_CFA_expression: register reg was saved at rdi + offset */
#define SAVED_IN_FROM(reg, offset) .cfi_escape 0x10, reg, 2, 0x75, offset
#define DWARF_RBX 3
#define DWARF_RBP 6
#define DWARF_RIP 16
/* The same at rax + offset */
#define SAVED_IN_RAX(reg, offset) .cfi_escape 0x10, reg, 2, 0x70, offset
/* The same in the context that the link behind the context rbx names */
#define SAVED_IN_RESUMER(reg, offset)                                         \
    .cfi_escape 0x10, reg, 6, 0x73, 0xc0, 0, 0x06, 0x23, offset
/* DW_CFA_val_expression: the caller's rip is our rip + MIRROR_DISTANCE */
#define MIRROR_DISTANCE     128
#define RESUMED_FROM_MIRROR .cfi_escape 0x16, DWARF_RIP, 3, 0x80, 0x80, 1
/* DW_CFA_def_cfa_expression: the CFA is what was saved as rsp */
#define CFA_IN_RESUMER .cfi_escape 0x0f, 7, 0x73, 0xc0, 0, 0x06, 0x23, 24, 0x06
#define CFA_IN_RAX     .cfi_escape 0x0f, 3, 0x70, 24, 0x06

/*
 * int sy_bind_asm_swap(struct asm_ctx *from, struct asm_ctx *to, int value)
 *
 *   in    rdi = from, rsi = to, edx = value for the side that continues
 *   kept  rbx rbp r12-r15
 *   lost  what any call may clobber
 *
 * The target's line is read before ours is written: the other order makes the
 * loads wait for the stores. There is one register too few for that, so rbx
 * alone is stored before its successor is loaded.
 *
 * It leaves by jmp: a ret would go to an address that the return predictor
 * has never seen for this call. notrack: a return address has no endbr.
 */
SY_ASM_FUNC(sy_bind_asm_swap)
    .cfi_startproc
    movl    %edx, %eax
    movq    24(%rsi), %rcx
    movq    8(%rsi), %rdx
    movq    0(%rsi), %r8
    movq    32(%rsi), %r9
    movq    40(%rsi), %r10
    movq    48(%rsi), %r11
    movq    %rbx, 16(%rdi)
    SAVED_IN_FROM(DWARF_RBX, 16)
    movq    16(%rsi), %rbx
    movq    56(%rsi), %rsi

    movq    %rbp, 0(%rdi)
    movq    %r12, 32(%rdi)
    movq    %r13, 40(%rdi)
    movq    %r14, 48(%rdi)
    movq    %r15, 56(%rdi)
    popq    8(%rdi)
    .cfi_def_cfa_offset 0
    SAVED_IN_FROM(DWARF_RIP, 8)
    movq    %rsp, 24(%rdi)

    movq    %rcx, %rsp
    .cfi_register rip, rdx
    .cfi_same_value rbx
    .cfi_register rbp, r8
    .cfi_register r12, r9
    .cfi_register r13, r10
    .cfi_register r14, r11
    .cfi_register r15, rsi
    movq    %r8, %rbp
    movq    %r9, %r12
    movq    %r10, %r13
    movq    %r11, %r14
    movq    %rsi, %r15
    notrack jmpq *%rdx
    .cfi_endproc
SY_ASM_END(sy_bind_asm_swap)

/*
 * int sy_bind_asm_start(struct asm_ctx *from, struct asm_ctx *to, void *stack_top,
 *                   sy_switcher_fn fn, void *arg)
 *
 *   in    rdi = from, rsi = to, rdx = stack_top, rcx = fn, r8 = arg
 *
 * fn is called, so that its return is predicted as long as it does not pause.
 *
 * to.rip is zero until the job is left for the first time. If it never was, we
 * go back to from, which r12 still names: to load the same from memory would
 * make each start wait for the one before. fn has kept r13 to r15 for us, and
 * the return predictor still has our caller on top: a ret goes there, by the
 * address that popq has left below rsp, where no signal handler writes (the red
 * zone). Otherwise only a jmp has a chance.
 *
 * The personality stops C++ exceptions here: a job that is left by one would
 * be the current job for ever.
 */
SY_ASM_FUNC(sy_bind_asm_start)
    .cfi_startproc
    movq    %rbx, 16(%rdi)
    SAVED_IN_FROM(DWARF_RBX, 16)
    movq    %rsi, %rbx
    movq    %rbp, 0(%rdi)
    movq    %r12, 32(%rdi)
    SAVED_IN_FROM(12, 32)
    movq    %rdi, %r12
    movq    %r13, 40(%rdi)
    movq    %r14, 48(%rdi)
    movq    %r15, 56(%rdi)
    movq    $0, 8(%rsi)
    popq    8(%rdi)
    .cfi_def_cfa_offset 0
    SAVED_IN_FROM(DWARF_RIP, 8)
    movq    %rsp, 24(%rdi)

    movq    %rdx, %rsp
    .cfi_endproc

    .cfi_startproc
    .cfi_signal_frame
    .cfi_personality 0x1b, sy__asm_personality /* pcrel, sdata4 */
    .cfi_def_cfa rsp, 0
    RESUMED_FROM_MIRROR
.Lroot:
    leaq    64(%rsi), %rbp
    movq    %r8, %rdi
    callq   *%rcx
    movl    %eax, %edi
    callq   sy_switcher_finished@PLT

    cmpq    $0, 8(%rbx)
    jne     1f
    movq    %r12, %rax
1:
    movq    16(%rax), %rbx
.Lroot_without_rbx:
    movq    0(%rax), %rbp
    movq    24(%rax), %rsp
    .cfi_endproc

    .cfi_startproc
    .cfi_def_cfa rsp, 0
    .cfi_offset rip, -8
    SAVED_IN_RAX(12, 32)
    SAVED_IN_RAX(13, 40)
    SAVED_IN_RAX(14, 48)
    SAVED_IN_RAX(15, 56)
.Lroot_end:
    movq    32(%rax), %r12
    jne     2f
    .cfi_remember_state
    subq    $8, %rsp
    .cfi_def_cfa_offset 8
    .cfi_same_value r12
    .cfi_same_value r13
    .cfi_same_value r14
    .cfi_same_value r15
    xorl    %eax, %eax
    ret
    .cfi_restore_state
2:
    movq    8(%rax), %rdx
    movq    40(%rax), %r13
    movq    48(%rax), %r14
    movq    56(%rax), %r15
    .cfi_same_value r12
    .cfi_same_value r13
    .cfi_same_value r14
    .cfi_same_value r15
    xorl    %eax, %eax
    notrack jmpq *%rdx
    .cfi_endproc
SY_ASM_END(sy_bind_asm_start)

/*
 * Never executed. A frame in which rip is .Lroot + n is described as called
 * from here + n, and this as called by who resumed the job, for two reasons.
 *
 * A debugger takes a caller whose stack lies below that of the called one for
 * an error, but not if one of them is a signal frame. So the root is said to
 * be one; gdb prints <signal handler called>.
 *
 * Where a signal frame was entered, the instruction at rip comes next; in any
 * other caller, the one before it was a call. Without a frame in between, the
 * resumer would be shown at the wrong line, and unwinding for the end of the
 * thread would look into the wrong row of its table.
 */
    .org .Lroot + MIRROR_DISTANCE, 0xcc
    .globl  sy__asm_resumed_by
    .hidden sy__asm_resumed_by
    .type   sy__asm_resumed_by, %function
sy__asm_resumed_by:
    .cfi_startproc
    CFA_IN_RESUMER
    SAVED_IN_RESUMER(DWARF_RBP, 0)
    SAVED_IN_RESUMER(DWARF_RIP, 8)
    SAVED_IN_RESUMER(DWARF_RBX, 16)
    SAVED_IN_RESUMER(12, 32)
    SAVED_IN_RESUMER(13, 40)
    SAVED_IN_RESUMER(14, 48)
    SAVED_IN_RESUMER(15, 56)
    .fill   .Lroot_without_rbx - .Lroot, 1, 0xcc
    CFA_IN_RAX
    SAVED_IN_RAX(DWARF_RBP, 0)
    SAVED_IN_RAX(DWARF_RIP, 8)
    SAVED_IN_RAX(DWARF_RBX, 16)
    SAVED_IN_RAX(12, 32)
    SAVED_IN_RAX(13, 40)
    SAVED_IN_RAX(14, 48)
    SAVED_IN_RAX(15, 56)
    .fill   .Lroot_end - .Lroot_without_rbx, 1, 0xcc
    .cfi_endproc
SY_ASM_END(sy__asm_resumed_by)

SY_ASM_NOTES
