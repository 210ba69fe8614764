/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch that is compiled into its caller, for x86-64 under the System V
 * ABI. Every register is clobbered, so the compiler keeps what is live on the
 * stack and nothing else; a context is three words:
 *
 *   +0 rbp  +8 rip  +16 rsp
 *
 * rbp stands in no clobber list, because it may be the frame pointer; the
 * context keeps it. No instruction here pushes on the stack that is left:
 * compilers keep live data below rsp. MXCSR and the x87 control word are not
 * touched. The jumps are notrack: their targets carry no endbr.
 *
 * The target's words are read before ours are written: the other order makes
 * the loads wait for the stores.
 */
#ifndef SWITCHYARD_BIND_INLINE_X86_64_H
#define SWITCHYARD_BIND_INLINE_X86_64_H

#include <switchyard/compiler.h>
#include <switchyard/switcher.h>

#if !defined(__x86_64__) || defined(__ILP32__)
#error "the inline switcher exists for 64-bit x86-64 only"
#endif

#if defined(__AVX512F__)
#define SY_BIND_CLOBBERS_AVX512                                                \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",  \
        "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30",         \
        "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define SY_BIND_CLOBBERS_AVX512
#endif

/* All but what carries operands, and rbp. */
#define SY_BIND_CLOBBERS                                                       \
    "rbx", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", \
        "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",     \
        "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)",   \
        "st(5)", "st(6)", "st(7)", "memory", "cc" SY_BIND_CLOBBERS_AVX512

/*
 * Where the root of a job returns to, for unwinders: rbx is the job's context,
 * behind it lies the struct sy_switcher_link, and the context that this names
 * holds what the resumer goes on with. See switchers/asm/x86_64_sysv.S.
 */
#if defined(__GCC_HAVE_DWARF2_CFI_ASM)
#define SY_BIND_ROOT_BEGINS                                                    \
    ".cfi_remember_state\n\t"                                                  \
    ".cfi_escape 0x0f, 7, 0x73, 0xc0, 0, 0x06, 0x23, 16, 0x06\n\t"             \
    ".cfi_escape 0x10, 16, 6, 0x73, 0xc0, 0, 0x06, 0x23, 8\n\t"                \
    ".cfi_escape 0x10, 6, 6, 0x73, 0xc0, 0, 0x06, 0x23, 0\n\t"
#define SY_BIND_ROOT_ENDS ".cfi_restore_state\n\t"
#else
#define SY_BIND_ROOT_BEGINS
#define SY_BIND_ROOT_ENDS
#endif

/* As the hook swap in switcher.h. */
static inline int sy_bind_inline_swap(void *from, void *to, int value)
{
    __asm__ volatile("movq 8(%%rsi), %%rcx\n\t"
                     "movq 16(%%rsi), %%rdx\n\t"
                     "movq 0(%%rsi), %%r8\n\t"
                     "leaq 1f(%%rip), %%r9\n\t"
                     "movq %%rbp, 0(%%rdi)\n\t"
                     "movq %%r9, 8(%%rdi)\n\t"
                     "movq %%rsp, 16(%%rdi)\n\t"
                     "movq %%rdx, %%rsp\n\t"
                     "movq %%r8, %%rbp\n\t"
                     "notrack jmpq *%%rcx\n"
                     "1:"
                     : "+a"(value), "+D"(from), "+S"(to)
                     :
                     : "rcx", "rdx", "r8", "r9", "r10", "r11",
                       SY_BIND_CLOBBERS);
    return value;
}

/*
 * As the hook start in switcher.h, with the end of the job given: finished is
 * called on the job's stack with what fn returned, and names the context to
 * continue.
 *
 * to's rip is zero until the job pauses for the first time. If it never did,
 * its end goes back to where it was started, and that is right here.
 */
static inline int sy_bind_inline_start(void *from, void *to, void *stack_top,
                                       sy_switcher_fn fn, void *arg,
                                       void *(*finished)(int result))
{
    register void *r8_arg __asm__("r8") = arg;
    int value;

    __asm__ volatile(
        "leaq 1f(%%rip), %%r9\n\t"
        "movq %%rbp, 0(%%rdi)\n\t"
        "movq %%r9, 8(%%rdi)\n\t"
        "movq %%rsp, 16(%%rdi)\n\t"
        "movq $0, 8(%%rsi)\n\t"
        "movq %%rdx, %%rsp\n\t"
        "movq %%rsi, %%rbx\n\t"
        "movq %%rax, %%r12\n\t"
        "movq %%r8, %%rdi\n\t"
        "leaq 64(%%rsi), %%rbp\n\t" SY_BIND_ROOT_BEGINS "callq *%%rcx\n\t"
        "movl %%eax, %%edi\n\t"
        "callq *%%r12\n\t" SY_BIND_ROOT_ENDS "cmpq $0, 8(%%rbx)\n\t"
        "movq 8(%%rax), %%rcx\n\t"
        "movq 16(%%rax), %%rsp\n\t"
        "movq 0(%%rax), %%rbp\n\t"
        "movl $0, %%eax\n\t"
        "je 1f\n\t"
        "notrack jmpq *%%rcx\n"
        "1:"
        : "=a"(value), "+D"(from), "+S"(to), "+d"(stack_top), "+c"(fn),
          "+r"(r8_arg)
        : "0"(finished)
        : "r9", "r10", "r11", SY_BIND_CLOBBERS);
    return value;
}

#endif
