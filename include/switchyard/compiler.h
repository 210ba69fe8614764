/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place where compiler extensions are spelled out. Everything else
 * in this project is plain C11 (and, for the public headers, C++17).
 */
#ifndef SWITCHYARD_COMPILER_H
#define SWITCHYARD_COMPILER_H

#include <stdint.h>

#ifdef __cplusplus
#define SY_BEGIN_DECLS extern "C" {
#define SY_END_DECLS   }
#else
#define SY_BEGIN_DECLS
#define SY_END_DECLS
#endif

#if !defined(__GNUC__)
#error "Switchyard needs gcc or clang"
#endif

#define SY_API           __attribute__((visibility("default")))
#define SY_MUST_CHECK    __attribute__((warn_unused_result))
#define SY_NOINLINE      __attribute__((noinline))
#define SY_ALWAYS_INLINE __attribute__((always_inline))
/* Are some of the low 8 bits of a word set? An acquire load, as every load of
   this CPU; of an atomic one compilers make two more instructions. */
#if defined(__x86_64__)
#define SY_TEST_ACQUIRE(result, word, bits)                                    \
    __asm__ volatile("testb %2, %1"                                            \
                     : "=@ccnz"(result)                                        \
                     : "m"(word), "i"(bits)                                    \
                     : "memory")
#endif
/* Assembly that counts as one instruction where the compiler decides what to
   inline: it takes every line for one of its own otherwise. */
#define SY_ASM_INLINE      __asm__ __volatile__ __inline__
#define SY_NORETURN        __attribute__((noreturn))
#define SY_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define SY_LIKELY(x)       __builtin_expect(!!(x), 1)
#define SY_UNLIKELY(x)     __builtin_expect(!!(x), 0)
#ifdef __cplusplus
#define SY_THREAD_LOCAL __thread
#else
#define SY_THREAD_LOCAL _Thread_local
#endif

#define SY_CONSTRUCTOR __attribute__((constructor))
/* Another name for a function of the same file. */
#define SY_ALIAS_OF(name)    __attribute__((alias(#name)))
#define SY_PREFETCH(address) __builtin_prefetch(address)
/* To be written: so that it need not be asked for twice. The instruction does
   nothing on an x86-64 CPU that does not have it, and compilers only use it
   when told that this one does. */
#if defined(__x86_64__)
#define SY_PREFETCH_WRITE(address)                                             \
    __asm__ volatile("prefetchw %0" ::"m"(*(const char *)(address)))
#else
#define SY_PREFETCH_WRITE(address) __builtin_prefetch(address, 1)
#endif
#define SY_CACHE_LINE 64

/* In a loop that waits for another processor's write. */
#if defined(__x86_64__)
#define SY_CPU_RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define SY_CPU_RELAX() __asm__ volatile("isb" ::: "memory")
#else
#define SY_CPU_RELAX() __asm__ volatile("" ::: "memory")
#endif

/*
 * A counter that runs evenly where the kernel itself tells the time by it, that
 * is, where its clock source has that name; in ticks of its own rate, not
 * ordered with other instructions, and 0 every time where there is none. And
 * floor(a * b / 2^32).
 */
#if defined(__x86_64__)
#define SY_READ_TICKS()      __builtin_ia32_rdtsc()
#define SY_TICKS_CLOCKSOURCE "tsc"
#elif defined(__aarch64__)
static inline uint64_t sy__read_ticks(void)
{
    uint64_t ticks;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}
#define SY_READ_TICKS()      sy__read_ticks()
#define SY_TICKS_CLOCKSOURCE "arch_sys_counter"
#else
#define SY_READ_TICKS()      UINT64_C(0)
#define SY_TICKS_CLOCKSOURCE "none"
#endif
#define SY_MULTIPLY_HIGH_32(a, b)                                              \
    ((uint64_t)(((__extension__(unsigned __int128)(a)) * (b)) >> 32))
/* Of a 64-bit word that is not 0. */
#define SY_HIGHEST_BIT(word) (63u - (unsigned)__builtin_clzll(word))

/* For thread-locals of a library that is loaded at program start: one load
   instead of a call. */
#define SY_TLS_INITIAL_EXEC __attribute__((tls_model("initial-exec")))

/* AddressSanitizer: code that reads what it does not know to be alive. */
#define SY_NO_ASAN __attribute__((no_sanitize("address")))

/* ThreadSanitizer: code that changes fibers must not keep its shadow stack. */
#if defined(__clang__)
#define SY_NO_TSAN __attribute__((disable_sanitizer_instrumentation))
#else
#define SY_NO_TSAN __attribute__((no_sanitize("thread")))
#endif

/*
 * First in a function that never returns and that is the root of a stack:
 * nobody called it. Backtraces by unwind tables end here, and those by frame
 * pointers.
 */
#if defined(__x86_64__) && defined(__GCC_HAVE_DWARF2_CFI_ASM)
#define SY_ROOT_OF_STACK()                                                     \
    do {                                                                       \
        __asm__ volatile(".cfi_undefined rip");                                \
        *(void *volatile *)__builtin_frame_address(0) = (void *)0;             \
    } while (0)
#elif defined(__aarch64__) && defined(__GCC_HAVE_DWARF2_CFI_ASM)
#define SY_ROOT_OF_STACK()                                                     \
    do {                                                                       \
        __asm__ volatile(".cfi_undefined x30");                                \
        *(void *volatile *)__builtin_frame_address(0) = (void *)0;             \
    } while (0)
#else
#define SY_ROOT_OF_STACK() ((void)0)
#endif

/*
 * Read what controls the calling thread's floating-point arithmetic into an
 * array of SY_FP_WORDS uint32_t: on x86-64 MXCSR without its status flags, and
 * the x87 control word; on AArch64 FPCR.
 */
#if defined(__x86_64__)
#define SY_FP_WORDS      2
#define SY_FP_WORD_NAMES "MXCSR", "the x87 control word"
#define SY_READ_FP_WORDS(words)                                                \
    do {                                                                       \
        (words)[1] = 0; /* fnstcw writes half of it */                         \
        __asm__ volatile("stmxcsr %0\n\tfnstcw %1"                             \
                         : "=m"((words)[0]), "+m"((words)[1]));                \
        (words)[0] &= 0xffc0u;                                                 \
    } while (0)
#elif defined(__aarch64__)
#define SY_FP_WORDS      1
#define SY_FP_WORD_NAMES "FPCR"
#define SY_READ_FP_WORDS(words)                                                \
    do {                                                                       \
        uint64_t fpcr_;                                                        \
        __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr_));                        \
        (words)[0] = (uint32_t)fpcr_;                                          \
    } while (0)
#else
#define SY_FP_WORDS             1
#define SY_FP_WORD_NAMES        ""
#define SY_READ_FP_WORDS(words) ((void)((words)[0] = 0))
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SY_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SY_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SY_TSAN 1
#endif
#endif

#ifndef SY_ASAN
#define SY_ASAN 0
#endif
#ifndef SY_TSAN
#define SY_TSAN 0
#endif

#endif
