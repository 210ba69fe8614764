/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes that perf, bpftrace and SystemTap can attach to, of the provider
 * "switchyard"; docs/tracing.md lists them. Not for users: the library, its
 * engines and the drop-in are built with SY_USDT=1 where <sys/sdt.h> is
 * installed, and nobody else needs that header. Without SY_USDT a probe is
 * nothing.
 *
 * A probe is one nop, and a note in the file that says where the arguments are
 * at that place: in registers or memory. It must be given what is there anyway;
 * an argument that is computed for it costs its computation.
 *
 * ThreadSanitizer would take the arguments that lie in memory for accesses, so
 * its builds have no probes.
 */
#ifndef SWITCHYARD_USDT_H
#define SWITCHYARD_USDT_H

#include <switchyard/compiler.h>

#if defined(SY_USDT) && SY_USDT && !SY_TSAN
#include <sys/sdt.h>

#define SY_USDT2(name, a, b)       DTRACE_PROBE2(switchyard, name, a, b)
#define SY_USDT3(name, a, b, c)    DTRACE_PROBE3(switchyard, name, a, b, c)
#define SY_USDT4(name, a, b, c, d) DTRACE_PROBE4(switchyard, name, a, b, c, d)
#else
#define SY_USDT2(name, a, b)       ((void)(a), (void)(b))
#define SY_USDT3(name, a, b, c)    ((void)(a), (void)(b), (void)(c))
#define SY_USDT4(name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#endif

/* A job's generation and flags, as an argument: read by who attaches to the
   probe, and so not as the atomic that it is. */
#define SY_USDT_WORD(job) (*(const uint64_t *)(const void *)&(job)->word)

#endif
