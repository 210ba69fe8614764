/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int fill_and_call(int (*fn)(void *arg), void *arg)
 *
 * Calls fn(arg) with values that nobody else has in the registers that a callee
 * keeps, all but rbp: rbx = a number that is new at each call, r12 = rbx + 1
 * and so on. A debugger must find them again, whatever goes on above.
 */
    .text
    .globl  fill_and_call
    .hidden fill_and_call
    .type   fill_and_call, @function
fill_and_call:
    .cfi_startproc
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    movq    %rsp, %rbp
    .cfi_def_cfa_register rbp
    pushq   %rbx
    .cfi_offset rbx, -24
    pushq   %r12
    .cfi_offset r12, -32
    pushq   %r13
    .cfi_offset r13, -40
    pushq   %r14
    .cfi_offset r14, -48
    pushq   %r15
    .cfi_offset r15, -56
    subq    $8, %rsp
    addq    $16, fill_number(%rip)
    movq    fill_number(%rip), %rbx
    leaq    1(%rbx), %r12
    leaq    2(%rbx), %r13
    leaq    3(%rbx), %r14
    leaq    4(%rbx), %r15
    movq    %rdi, %rax
    movq    %rsi, %rdi
    callq   *%rax
    addq    $8, %rsp
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbx
    popq    %rbp
    .cfi_def_cfa rsp, 8
    retq
    .cfi_endproc
    .size   fill_and_call, . - fill_and_call

    .data
    .balign 8
fill_number:
    .quad   0x5ca1ab1e00000000

    .section .note.GNU-stack, "", @progbits
