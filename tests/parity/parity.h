/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of async_parity share: a row is one rule of OpenSSL's ASYNC
 * API, run in a process of its own, so that a crash or a hang is the failure of
 * that row.
 *
 * The rows see the API through this header only, so that the same source is
 * compiled with OpenSSL's header and with Switchyard's.
 */
#ifndef SY_TESTS_PARITY_H
#define SY_TESTS_PARITY_H

#if PARITY_OWN_HEADER
#include <switchyard/openssl_async.h>
#else
#include <openssl/async.h>
#endif
#include <openssl/asyncerr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>

struct parity_row {
    const char *name; /* NULL ends a table */
    void (*run)(void);
    /* What OpenSSL does instead, for the rows that do not run on it. */
    const char *openssl;
};

/* clang-format off */
#define PARITY_ROW(f)         {.name = #f, .run = (f)}
#define PARITY_BREAKS(f, how) {.name = #f, .run = (f), .openssl = (how)}
#define PARITY_END            {.name = NULL}
/* clang-format on */

/* One table per file: job_rows.c and so on. */
extern const struct parity_row parity_job_rows[];
extern const struct parity_row parity_pool_rows[];
extern const struct parity_row parity_wait_rows[];
extern const struct parity_row parity_context_rows[];
extern const struct parity_row parity_thread_rows[];
extern const struct parity_row parity_memory_rows[];
extern const struct parity_row parity_ssl_rows[];
extern const struct parity_row parity_break_rows[];

/* True: not Debian's libcrypto alone, but the drop-in answers. */
bool parity_on_dropin(void);

/* End the row, and say why. From any thread of it. */
_Noreturn void parity_fail(const char *file, int line, const char *format, ...)
    SY_PRINTF(3, 4);
_Noreturn void parity_skip(const char *why);

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond))                                                           \
            parity_fail(__FILE__, __LINE__, "%s is false", #cond);             \
    } while (0)

#define CHECK_EQ(a, b)                                                         \
    parity_equal(__FILE__, __LINE__, #a, #b, (long long)(a), (long long)(b))

static inline void parity_equal(const char *file, int line, const char *a_words,
                                const char *b_words, long long a, long long b)
{
    if (a != b)
        parity_fail(file, line, "%s is %lld, not %s (%lld)", a_words, a,
                    b_words, b);
}

/* ---- what nearly every row does ---------------------------------------- */

/* What a result has before a job gives it one. */
#define UNTOUCHED 0x5eed

/* A wait context without fds; the row frees it. */
ASYNC_WAIT_CTX *parity_new_wait(void);

/* Start, and see that it paused: the handle is set, the result untouched. */
ASYNC_JOB *parity_start_paused(ASYNC_WAIT_CTX *wait, int (*fn)(void *),
                               void *args, size_t bytes);

/* Resume, and see that it paused again. */
void parity_resume_paused(ASYNC_JOB *job, ASYNC_WAIT_CTX *wait);

/* Resume, and see that it finished; return its result. */
int parity_resume_finished(ASYNC_JOB *job, ASYNC_WAIT_CTX *wait);

/* Start, and see that it finished without a pause; return its result. */
int parity_run(ASYNC_WAIT_CTX *wait, int (*fn)(void *), void *args,
               size_t bytes);

/* Jobs. */
int parity_pause_once(void *arg);   /* returns 1 */
int parity_return_seven(void *arg); /* without a pause */

#endif
