/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch on x86-64 under the System V ABI.
 *
 * A context is one cache line. It holds what a function must keep for its
 * caller (psABI 3.2.1) and where that caller goes on:
 *
 *   +0 rsp  +8 rip  +16 rbx  +24 rbp  +32 r12  +40 r13  +48 r14  +56 r15
 *
 * rsp is what it is after the return of the call that saved it. asm.c has the
 * same map. MXCSR and the x87 control word are not touched: stmxcsr alone
 * costs as much as all the rest.
 *
 * A job's stack, growing down:
 *
 *       top  +-------------------------------+  64-byte aligned
 *    top - 8 | return into sy__asm_start     |  here the CFI says: no caller
 *            +-------------------------------+
 *            | fn and what it calls          |
 *
 * CFI  While the old frame is left, what was already given up is described as
 *      lying in its context (DW_CFA_expression, relative to rdi); from the
 *      moment rsp is the target's, the frame is the target's, with what is
 *      not yet in place described as lying in scratch registers.
 */
#include "asm_macros.h"

/* DW_CFA_expression: register reg was saved at rdi + offset */
#define SAVED_IN_FROM(reg, offset) .cfi_escape 0x10, reg, 2, 0x75, offset
#define DWARF_RBX 3
#define DWARF_RIP 16

/*
 * int sy__asm_swap(struct asm_ctx *from, struct asm_ctx *to, int value)
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
SY_ASM_FUNC(sy__asm_swap)
    .cfi_startproc
    movl    %edx, %eax
    movq    0(%rsi), %rcx
    movq    8(%rsi), %rdx
    movq    24(%rsi), %r8
    movq    32(%rsi), %r9
    movq    40(%rsi), %r10
    movq    48(%rsi), %r11
    movq    %rbx, 16(%rdi)
    SAVED_IN_FROM(DWARF_RBX, 16)
    movq    16(%rsi), %rbx
    movq    56(%rsi), %rsi

    movq    %rbp, 24(%rdi)
    movq    %r12, 32(%rdi)
    movq    %r13, 40(%rdi)
    movq    %r14, 48(%rdi)
    movq    %r15, 56(%rdi)
    popq    8(%rdi)
    .cfi_def_cfa_offset 0
    SAVED_IN_FROM(DWARF_RIP, 8)
    movq    %rsp, 0(%rdi)

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
SY_ASM_END(sy__asm_swap)

/*
 * int sy__asm_start(struct asm_ctx *from, struct asm_ctx *to, void *stack_top,
 *                   sy_switcher_fn fn, void *arg)
 *
 *   in    rdi = from, rsi = to, rdx = stack_top, rcx = fn, r8 = arg
 *
 * fn is called, so that its return is predicted as long as it does not pause.
 * The frame that calls it has no caller: who started a job need not be who
 * resumes it. rbp = 0 says the same to those who follow frame pointers.
 *
 * to.rip is zero until the job pauses for the first time. If it never did, the
 * return predictor still has our caller on top, and a ret goes there; after a
 * pause only a jmp has a chance.
 */
SY_ASM_FUNC(sy__asm_start)
    .cfi_startproc
    movq    %rbx, 16(%rdi)
    movq    %rbp, 24(%rdi)
    movq    %r12, 32(%rdi)
    movq    %r13, 40(%rdi)
    movq    %r14, 48(%rdi)
    movq    %r15, 56(%rdi)
    movq    $0, 8(%rsi)
    popq    8(%rdi)
    .cfi_def_cfa_offset 0
    SAVED_IN_FROM(DWARF_RIP, 8)
    movq    %rsp, 0(%rdi)

    movq    %rdx, %rsp
    .cfi_undefined rip
    xorl    %ebp, %ebp
    movq    %rsi, %rbx
    movq    %r8, %rdi
    callq   *%rcx
    movl    %eax, %edi
    callq   sy_switcher_finished@PLT

    movq    8(%rbx), %rcx
    movq    8(%rax), %rdx
    movq    16(%rax), %rbx
    movq    24(%rax), %rbp
    movq    32(%rax), %r12
    movq    40(%rax), %r13
    movq    48(%rax), %r14
    movq    56(%rax), %r15
    movq    0(%rax), %rsp
    .cfi_register rip, rdx
    xorl    %eax, %eax
    testq   %rcx, %rcx
    jz      1f
    notrack jmpq *%rdx
1:
    pushq   %rdx
    .cfi_def_cfa_offset 8
    .cfi_offset rip, -8
    ret
    .cfi_endproc
SY_ASM_END(sy__asm_start)

/* What programs bound to this switcher call (bind/bound.h). */
    .globl  sy_bind_asm_swap, sy_bind_asm_start
    .set    sy_bind_asm_swap, sy__asm_swap
    .set    sy_bind_asm_start, sy__asm_start

SY_ASM_NOTES
