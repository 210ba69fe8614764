/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls with known values in every register that a callee must keep, and
 * entries that record the stack pointer they found. See abi_check.c.
 *
 * struct abi_call, as in abi_check.c:
 *
 *   +0    fn
 *   +8    five arguments
 *   +48   rbx rbp r12-r15 before the call
 *   +96   the same after it
 *   +144  rsp before, rsp after
 *   +160  rflags after
 */
#define FUNC(name) .text; .balign 16; .globl name; .hidden name;              \
    .type name, @function; name:
#define END(name) .size name, . - name

/* int sy__abi_call(struct abi_call *call) */
FUNC(sy__abi_call)
    .cfi_startproc
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    pushq   %rdi
    .cfi_adjust_cfa_offset 8

    movq    %rsp, 144(%rdi)
    movq    48(%rdi), %rbx
    movq    56(%rdi), %rbp
    movq    64(%rdi), %r12
    movq    72(%rdi), %r13
    movq    80(%rdi), %r14
    movq    88(%rdi), %r15
    movq    0(%rdi), %rax
    movq    16(%rdi), %rsi
    movq    24(%rdi), %rdx
    movq    32(%rdi), %rcx
    movq    40(%rdi), %r8
    movq    8(%rdi), %rdi
    callq   *%rax

    /* Only rsp is trusted: whatever else was lost, we return intact. */
    movq    (%rsp), %rdx
    movq    %rbx, 96(%rdx)
    movq    %rbp, 104(%rdx)
    movq    %r12, 112(%rdx)
    movq    %r13, 120(%rdx)
    movq    %r14, 128(%rdx)
    movq    %r15, 136(%rdx)
    movq    %rsp, 152(%rdx)
    pushfq
    .cfi_adjust_cfa_offset 8
    popq    160(%rdx)
    .cfi_adjust_cfa_offset -8
    cld

    popq    %rdi
    .cfi_adjust_cfa_offset -8
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_same_value r15
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_same_value r14
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_same_value r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_same_value r12
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_same_value rbp
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_same_value rbx
    retq
    .cfi_endproc
END(sy__abi_call)

/*
 * int sy__abi_entry(void *arg): calls sy__abi_entered(arg, rsp) with the stack
 * pointer as this function found it, on a stack that is aligned in any case.
 */
FUNC(sy__abi_entry)
    .cfi_startproc
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    leaq    8(%rsp), %rsi
    movq    %rsp, %rbp
    .cfi_def_cfa_register rbp
    andq    $-16, %rsp
    callq   sy__abi_entered
    movq    %rbp, %rsp
    .cfi_def_cfa_register rsp
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_same_value rbp
    retq
    .cfi_endproc
END(sy__abi_entry)

/* void sy__abi_get_fpctl(uint32_t *mxcsr, uint32_t *x87) */
FUNC(sy__abi_get_fpctl)
    .cfi_startproc
    stmxcsr (%rdi)
    movl    $0, (%rsi)
    fnstcw  (%rsi)
    retq
    .cfi_endproc
END(sy__abi_get_fpctl)

/* void sy__abi_set_fpctl(const uint32_t *mxcsr, const uint32_t *x87) */
FUNC(sy__abi_set_fpctl)
    .cfi_startproc
    ldmxcsr (%rdi)
    fldcw   (%rsi)
    retq
    .cfi_endproc
END(sy__abi_set_fpctl)

.section .note.GNU-stack, "", @progbits
