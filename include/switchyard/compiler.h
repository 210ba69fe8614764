/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place where compiler extensions are spelled out. Everything else
 * in this project is plain C11 (and, for the public headers, C++17).
 */
#ifndef SWITCHYARD_COMPILER_H
#define SWITCHYARD_COMPILER_H

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

#define SY_API             __attribute__((visibility("default")))
#define SY_MUST_CHECK      __attribute__((warn_unused_result))
#define SY_NOINLINE        __attribute__((noinline))
#define SY_NORETURN        __attribute__((noreturn))
#define SY_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define SY_LIKELY(x)       __builtin_expect(!!(x), 1)
#define SY_UNLIKELY(x)     __builtin_expect(!!(x), 0)
#define SY_CACHE_LINE      64

#endif
