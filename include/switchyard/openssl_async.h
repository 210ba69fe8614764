/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's ASYNC_* functions on Switchyard: libswitchyard-openssl.so.
 *
 * A program that is preloaded with the library, or linked with it before
 * libcrypto, needs no header but <openssl/async.h>. This one is for programs
 * that start jobs themselves and shall run them here wherever the library
 * stands on the linker's command line: include it instead of
 * <openssl/async.h>, or after it, and ASYNC_start_job and its like name
 * functions of this library only. What libssl and providers call is not
 * changed by that. docs/openssl.md says what is different from OpenSSL's own.
 *
 * Threads  As OpenSSL's, but every function for a wait context may be called
 *          on any thread, at any time, also when the context was freed.
 * Errors   As OpenSSL's: 1 or 0, ASYNC_*; the reason is on its error queue.
 *
 * With SY_OPENSSL_NO_NAMES nothing is renamed, and only what starts with
 * sy_openssl_ is declared.
 */
#ifndef SWITCHYARD_OPENSSL_ASYNC_H
#define SWITCHYARD_OPENSSL_ASYNC_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

/* ---- what only this library has ---------------------------------------- */

/* How many jobs this process has started, and how often they paused. A fork
   starts from 0. Any thread. */
SY_API uint64_t sy_openssl_jobs_started(void);
SY_API uint64_t sy_openssl_pauses(void);

struct sy_openssl_job_info {
    uint64_t age_ns;   /* since it paused last; without SWITCHYARD_ACCOUNT
                          since it was first listed here, so 0 at first */
    uintptr_t fn;      /* address of the job's function */
    int64_t thread_id; /* as gettid(2), of the thread it belongs to */
    int32_t is_orphan; /* 1: its wait context or its SSL has been freed */
};

/*
 * List the jobs that are paused, of all threads. Any thread; jobs that other
 * threads start or end meanwhile may or may not be seen.
 *
 * @out  room for max entries; may be NULL if max is 0
 *
 * Returns how many there are, which may be more than were written.
 */
SY_API size_t sy_openssl_outstanding(struct sy_openssl_job_info *out,
                                     size_t max);

/*
 * Are all calls forwarded to libcrypto, because it is of another major version
 * or has an ASYNC_* function that this library has not?
 *
 * @why  set to the reason, "" if not; may be NULL if n is 0
 * @n    bytes at why; a longer reason is cut off
 *
 * Returns 1 or 0.
 */
SY_API int sy_openssl_stands_down(char *why, size_t n);

/* Return the name of the switcher that the jobs of the calling thread run on,
   or would: "asm"; "none" if none will do. It stays valid for ever. */
SY_API const char *sy_openssl_switcher(void);

/*
 * With SWITCHYARD_OPENSSL=reap=ssl: resume those jobs of the calling thread
 * whose SSL was freed while they waited and whose operation is complete now,
 * and free what has ended. Starting a job does that too, every millisecond at
 * most. Not inside a job.
 *
 * Returns how many are left.
 */
SY_API size_t sy_openssl_reap(void);

struct sy_openssl_counters {
    size_t size; /* sizeof(struct sy_openssl_counters) */

    uint64_t jobs;           /* started */
    uint64_t pauses;         /* of all jobs */
    uint64_t fds;            /* added to wait contexts */
    uint64_t orphaned;       /* jobs whose wait context or SSL was freed while
                                they were paused */
    uint64_t reaped;         /* of these, ended by reap=ssl */
    uint64_t abandoned;      /* given up paused, when their thread or its pool
                                ended */
    uint64_t outstanding;    /* now: paused */
    uint64_t oldest_ns;      /* of these, the greatest age */
    uint64_t freed_accesses; /* calls for a wait context that was freed */
    uint64_t refused;        /* starts and resumes that could not be done */

    /* The rest is 0 unless SWITCHYARD_ACCOUNT=1 was set at load. */
    uint64_t wakes;       /* wake-ups whose time is known */
    uint64_t wake_p50_ns; /* from the wake-up to the resume */
    uint64_t wake_p99_ns;
    uint64_t switching_ns;   /* in switches and their bookkeeping, estimated */
    uint64_t process_cpu_ns; /* CPU time of the process */
};

/*
 * Read the counters of the process. Any thread.
 *
 * @counters  size must be set; every other member is written; one of an
 *            unknown size is left as it is
 */
SY_API void sy_openssl_get_counters(struct sy_openssl_counters *counters);

/* ---- OpenSSL's functions under names of our own ------------------------- */

struct async_job_st;
struct async_wait_ctx_st;

SY_API int sy_openssl_async_is_capable(void);
SY_API int sy_openssl_async_init_thread(size_t max_size, size_t init_size);
SY_API void sy_openssl_async_cleanup_thread(void);
SY_API int sy_openssl_async_start_job(struct async_job_st **job,
                                      struct async_wait_ctx_st *ctx, int *ret,
                                      int (*func)(void *), void *args,
                                      size_t size);
SY_API int sy_openssl_async_pause_job(void);
SY_API struct async_job_st *sy_openssl_async_get_current_job(void);
SY_API struct async_wait_ctx_st *
sy_openssl_async_get_wait_ctx(struct async_job_st *job);
SY_API void sy_openssl_async_block_pause(void);
SY_API void sy_openssl_async_unblock_pause(void);
SY_API int sy_openssl_async_set_mem_functions(void *(*alloc_fn)(size_t *num),
                                              void (*free_fn)(void *addr));
SY_API void sy_openssl_async_get_mem_functions(void *(**alloc_fn)(size_t *num),
                                               void (**free_fn)(void *addr));

SY_API struct async_wait_ctx_st *sy_openssl_wait_ctx_new(void);
SY_API void sy_openssl_wait_ctx_free(struct async_wait_ctx_st *ctx);
SY_API int sy_openssl_wait_ctx_set_wait_fd(
    struct async_wait_ctx_st *ctx, const void *key, int fd, void *custom_data,
    void (*cleanup)(struct async_wait_ctx_st *, const void *, int, void *));
SY_API int sy_openssl_wait_ctx_get_fd(struct async_wait_ctx_st *ctx,
                                      const void *key, int *fd,
                                      void **custom_data);
SY_API int sy_openssl_wait_ctx_get_all_fds(struct async_wait_ctx_st *ctx,
                                           int *fd, size_t *numfds);
SY_API int sy_openssl_wait_ctx_get_changed_fds(struct async_wait_ctx_st *ctx,
                                               int *addfd, size_t *numaddfds,
                                               int *delfd, size_t *numdelfds);
SY_API int sy_openssl_wait_ctx_clear_fd(struct async_wait_ctx_st *ctx,
                                        const void *key);
SY_API int sy_openssl_wait_ctx_set_callback(struct async_wait_ctx_st *ctx,
                                            int (*callback)(void *arg),
                                            void *callback_arg);
SY_API int sy_openssl_wait_ctx_get_callback(struct async_wait_ctx_st *ctx,
                                            int (**callback)(void *arg),
                                            void **callback_arg);
SY_API int sy_openssl_wait_ctx_set_status(struct async_wait_ctx_st *ctx,
                                          int status);
SY_API int sy_openssl_wait_ctx_get_status(struct async_wait_ctx_st *ctx);

#ifndef SY_OPENSSL_NO_NAMES

typedef struct async_job_st ASYNC_JOB;
typedef struct async_wait_ctx_st ASYNC_WAIT_CTX;
typedef int (*ASYNC_callback_fn)(void *arg);
typedef void *(*ASYNC_stack_alloc_fn)(size_t *num);
typedef void (*ASYNC_stack_free_fn)(void *addr);

/* Spelled as in OpenSSL's header, so that both can be included. */
#ifndef OSSL_ASYNC_FD
#define OSSL_ASYNC_FD     int
#define OSSL_BAD_ASYNC_FD -1
#endif

#ifndef ASYNC_ERR
#define ASYNC_ERR     0
#define ASYNC_NO_JOBS 1
#define ASYNC_PAUSE   2
#define ASYNC_FINISH  3
#endif

#ifndef ASYNC_STATUS_OK
#define ASYNC_STATUS_UNSUPPORTED 0
#define ASYNC_STATUS_ERR         1
#define ASYNC_STATUS_OK          2
#define ASYNC_STATUS_EAGAIN      3
#endif

#define ASYNC_is_capable               sy_openssl_async_is_capable
#define ASYNC_init_thread              sy_openssl_async_init_thread
#define ASYNC_cleanup_thread           sy_openssl_async_cleanup_thread
#define ASYNC_start_job                sy_openssl_async_start_job
#define ASYNC_pause_job                sy_openssl_async_pause_job
#define ASYNC_get_current_job          sy_openssl_async_get_current_job
#define ASYNC_get_wait_ctx             sy_openssl_async_get_wait_ctx
#define ASYNC_block_pause              sy_openssl_async_block_pause
#define ASYNC_unblock_pause            sy_openssl_async_unblock_pause
#define ASYNC_set_mem_functions        sy_openssl_async_set_mem_functions
#define ASYNC_get_mem_functions        sy_openssl_async_get_mem_functions
#define ASYNC_WAIT_CTX_new             sy_openssl_wait_ctx_new
#define ASYNC_WAIT_CTX_free            sy_openssl_wait_ctx_free
#define ASYNC_WAIT_CTX_set_wait_fd     sy_openssl_wait_ctx_set_wait_fd
#define ASYNC_WAIT_CTX_get_fd          sy_openssl_wait_ctx_get_fd
#define ASYNC_WAIT_CTX_get_all_fds     sy_openssl_wait_ctx_get_all_fds
#define ASYNC_WAIT_CTX_get_changed_fds sy_openssl_wait_ctx_get_changed_fds
#define ASYNC_WAIT_CTX_clear_fd        sy_openssl_wait_ctx_clear_fd
#define ASYNC_WAIT_CTX_set_callback    sy_openssl_wait_ctx_set_callback
#define ASYNC_WAIT_CTX_get_callback    sy_openssl_wait_ctx_get_callback
#define ASYNC_WAIT_CTX_set_status      sy_openssl_wait_ctx_set_status
#define ASYNC_WAIT_CTX_get_status      sy_openssl_wait_ctx_get_status

#endif /* SY_OPENSSL_NO_NAMES */

SY_END_DECLS
#endif
