/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simplest switch: everything is pushed on the stack that is left, and a
 * context is a stack pointer.
 *
 *   rsp -> +0 r15  +8 r14  +16 r13  +24 r12  +32 rbp  +40 rbx  +48 return
 */
#ifdef LOSE_R12
#define RESTORE_R12 addq $8, %rsp
#else
#define RESTORE_R12 popq %r12
#endif

    .text
    .globl  good_swap
    .hidden good_swap
    .type   good_swap, @function
good_swap: /* rdi = from, rsi = to, edx = value */
    movl    %edx, %eax
    pushq   %rbx
    pushq   %rbp
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    movq    %rsp, (%rdi)
    movq    (%rsi), %rsp
continue_target:
    popq    %r15
    popq    %r14
    popq    %r13
    RESTORE_R12
    popq    %rbp
    popq    %rbx
    retq
    .size   good_swap, . - good_swap

    .globl  good_start
    .hidden good_start
    .type   good_start, @function
good_start: /* rdi = from, rdx = stack_top, rcx = fn, r8 = arg */
    pushq   %rbx
    pushq   %rbp
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    movq    %rsp, (%rdi)
    movq    %rdx, %rsp
    movq    %r8, %rdi
    callq   *%rcx
    movl    %eax, %edi
    callq   sy_switcher_finished@PLT
    movq    (%rax), %rsp
    xorl    %eax, %eax
    jmp     continue_target
    .size   good_start, . - good_start

    .section .note.GNU-stack, "", @progbits
