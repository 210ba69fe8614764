/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a job that has paused or leaves something behind:
 * bind/inline_x86_64.h has the contexts, and the root that comes here by a
 * jump, with
 *
 *   rbx = the job's context, rbp = the link behind it, eax = what fn returned,
 *   rsp = the end of the job's stack
 *
 * It is described to unwinders as the root is there: its caller is in the
 * context that the link names.
 */
#include "../asm_macros.h"

SY_ASM_FUNC(sy_bind_inline_end)
    .cfi_startproc
    .cfi_escape 0x0f, 7, 0x73, 0xc0, 0, 0x06, 0x23, 16, 0x06
    .cfi_escape 0x10, 16, 6, 0x73, 0xc0, 0, 0x06, 0x23, 8
    .cfi_escape 0x10, 6, 6, 0x73, 0xc0, 0, 0x06, 0x23, 0
    movl    %eax, %edi
    callq   sy_switcher_finished@PLT
    movq    8(%rax), %rcx
    movq    16(%rax), %rsp
    movq    0(%rax), %rbp
    movq    %rax, %rsi
    xorl    %eax, %eax
    notrack jmpq *%rcx
    .cfi_endproc
SY_ASM_END(sy_bind_inline_end)

SY_ASM_NOTES
