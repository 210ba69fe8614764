/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch that is compiled into its caller, for x86-64 under the System V
 * ABI. Every register is clobbered, so the compiler keeps what is live on the
 * stack and nothing else; a context is four words:
 *
 *   +0 rbp  +8 rip  +16 rsp  +24 rbx
 *
 * rbp stands in no clobber list, because it may be the frame pointer; the
 * context keeps it. Under clang that goes for rbx too, which is a second frame
 * pointer where locals of a size known only at run time lie beside such with an
 * alignment of their own: clang does not save it around assembly that changes
 * it. Whoever jumps to a context has its address in rsi, so that it can be
 * loaded there, and gcc has nothing to do for it. No instruction here pushes on
 * the stack that is left: compilers keep live data below rsp. MXCSR and the x87
 * control word are not touched. The jumps are notrack: their targets carry no
 * endbr.
 *
 * The target's words are read before ours are written: the other order makes
 * the loads wait for the stores. Its rip can come last, for nothing waits for
 * where a predicted jump goes.
 */
#ifndef SWITCHYARD_BIND_INLINE_X86_64_H
#define SWITCHYARD_BIND_INLINE_X86_64_H

#include <stdint.h>
#include <switchyard/compiler.h>
#include <switchyard/switcher.h>

#if !defined(__x86_64__) || defined(__ILP32__)
#error "the inline switcher exists for 64-bit x86-64 only"
#endif

#if defined(__AVX512F__)
#define SY_BIND_CLOBBERS_AVX512                                                \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",  \
        "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30",         \
        "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define SY_BIND_CLOBBERS_AVX512
#endif

/* What is between clang and rbx: it is stored and loaded again; a start, which
   wants the job's context in it, is handed that in rsi. */
#if defined(__clang__)
#define SY_BIND_STORES_RBX   "movq %%rbx, 24(%%rdi)\n\t"
#define SY_BIND_LOADS_RBX    "\n\tmovq 24(%%rsi), %%rbx"
#define SY_BIND_CLOBBERS_RBX /* kept */
#define SY_BIND_TO           "+S"
#define SY_BIND_TO_ENTERS    "movq %%rbx, 24(%%r12)\n\tmovq %%rsi, %%rbx\n\t"
#define SY_BIND_TO_RETURNS                                                     \
    "movq %%rbx, %%rsi\n\tmovq 24(%%r12), %%rbx\n\tjmp 2f\n"
#define SY_BIND_CLOBBERS_RSI /* an operand */
#else
#define SY_BIND_STORES_RBX
#define SY_BIND_LOADS_RBX
#define SY_BIND_CLOBBERS_RBX "rbx",
#define SY_BIND_TO           "+b"
#define SY_BIND_TO_ENTERS
#define SY_BIND_TO_RETURNS
#define SY_BIND_CLOBBERS_RSI "rsi",
#endif

/* All but what carries operands, rbp and rbx. */
#define SY_BIND_CLOBBERS                                                       \
    "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",      \
        "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",   \
        "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",   \
        "st(7)", "memory", "cc" SY_BIND_CLOBBERS_AVX512

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

/* What a job of this form does when its function has returned, unless that
   needs no more than to go back to where it was started. Not for callers: it is
   jumped to from the job's root. */
SY_API void sy_bind_inline_end(void);

/* As the hook swap in switcher.h. */
SY_ALWAYS_INLINE static inline int sy_bind_inline_swap(void *from, void *to,
                                                       int value)
{
    SY_ASM_INLINE("movq 16(%%rsi), %%rdx\n\t"
                  "movq 0(%%rsi), %%r8\n\t"
                  "leaq 1f(%%rip), %%r9\n\t"
                  "movq %%rbp, 0(%%rdi)\n\t"
                  "movq %%r9, 8(%%rdi)\n\t"
                  "movq %%rsp, 16(%%rdi)\n\t" SY_BIND_STORES_RBX
                  "movq %%rdx, %%rsp\n\t"
                  "movq %%r8, %%rbp\n\t"
                  "notrack jmpq *8(%%rsi)\n"
                  "1:" SY_BIND_LOADS_RBX
                  : "+a"(value), "+D"(from), "+S"(to)
                  :
                  : SY_BIND_CLOBBERS_RBX "rcx", "rdx", "r8", "r9", "r12", "r13",
                    "r14", "r15", SY_BIND_CLOBBERS);
    return value;
}

/* What no swap brings. */
#define SY_BIND_RETURNED 2

/*
 * What a start has at hand, in registers that fn keeps for its caller: the
 * contexts, and three words of the caller's own. Had the caller to reload them
 * from its frame, each start would wait for the one before.
 */
struct sy_bind_kept {
    void *from;
    void *to;
    void *r13, *r14, *r15;
};

/*
 * gate, form, in_gate and end_gate of a job as one word: where it stands, from
 * its context on, and what it is while the end of the job needs nothing but a
 * switch and leaves a slot as the next job needs it.
 */
#define SY_BIND_GATES_AT    "116"
#define SY_BIND_GATES_QUIET "0x10000"

/*
 * Save this flow of control in kept->from, and call fn(arg) below stack_top,
 * as the context kept->to, which is that of a job if fn returns.
 *
 * Returns SY_BIND_RETURNED when fn has returned, the job was never left before,
 * and its gates are quiet: then *result is what fn returned, *kept is as it
 * was, the job's stack is left, and nobody has called sy_switcher_finished().
 * Else *kept and *result are lost, and it returns as the hook start in
 * switcher.h: when fn returns, the job goes on in sy_bind_inline_end(), for
 * what it deferred is promised to run on its own stack.
 *
 * to's rip is zero until the job is left for the first time.
 */
SY_ALWAYS_INLINE static inline int
sy_bind_inline_start(struct sy_bind_kept *kept, void *stack_top,
                     sy_switcher_fn fn, void *arg, int *result)
{
    register void *r12 __asm__("r12") = kept->from;
    register void *r13 __asm__("r13") = kept->r13;
    register void *r14 __asm__("r14") = kept->r14;
    register void *r15 __asm__("r15") = kept->r15;
    int value;

    SY_ASM_INLINE(
        "leaq 1f(%%rip), %%r9\n\t"
        "movq %%rbp, 0(%%r12)\n\t"
        "movq %%r9, 8(%%r12)\n\t"
        "movq %%rsp, 16(%%r12)\n\t" SY_BIND_TO_ENTERS "movq $0, 8(%%rbx)\n\t"
        "movq %%rdx, %%rsp\n\t"
        "leaq 64(%%rbx), %%rbp\n\t" SY_BIND_ROOT_BEGINS "callq *%%rcx\n\t"
        "cmpq $0, 8(%%rbx)\n\t"
        "jne sy_bind_inline_end@PLT\n\t"
        "cmpq $" SY_BIND_GATES_QUIET ", " SY_BIND_GATES_AT "(%%rbx)\n\t"
        "jne sy_bind_inline_end@PLT\n\t"
        "movl %%eax, %%edx\n\t"
        "movq 16(%%r12), %%rsp\n\t"
        "movq 0(%%r12), %%rbp\n\t" SY_BIND_ROOT_ENDS
        "movl $2, %%eax\n\t" /* SY_BIND_RETURNED */
        SY_BIND_TO_RETURNS "1:" SY_BIND_LOADS_RBX "\n2:"
        : "=a"(value), "+d"(stack_top), SY_BIND_TO(kept->to), "+c"(fn),
          "+D"(arg), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15)
        :
        : SY_BIND_CLOBBERS_RSI "r8", "r9", SY_BIND_CLOBBERS);
    kept->from = r12;
    kept->r13 = r13;
    kept->r14 = r14;
    kept->r15 = r15;
    *result = (int)(intptr_t)stack_top;
    return value;
}

#endif
