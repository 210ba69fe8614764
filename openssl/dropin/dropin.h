/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the drop-in share. dropin_jobs.c starts, pauses and resumes
 * (read it first), dropin_wait.c has wait contexts, dropin_threads.c what a
 * thread owns and what happens at its end, libcrypto_link.c everything that is
 * asked of libcrypto, ssl_reaper.c connections closed in a pause,
 * dropin_account.c what is printed.
 */
#ifndef SY_DROPIN_H
#define SY_DROPIN_H

#include <openssl/async.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <switchyard/bind/layout.h>
#include <switchyard/openssl_async.h>
#include <switchyard/switchyard.h>

/* The calling thread's state in the job layer, as in bind/bound.h; never
   NULL. */
extern SY_API _Thread_local struct sy_thread *sy_bind_self SY_TLS_INITIAL_EXEC;

/* ---- per job ------------------------------------------------------------ */

/* In place of a library context: the job's differs from its resumer's. */
#define LIBCTX_APART ((void *)UINTPTR_MAX)
/* What no job has. */
#define LIBCTX_NEVER ((void *)(UINTPTR_MAX - 1))

/*
 * What the drop-in keeps for a slot of the library, whose user pointer leads
 * here: made when the slot is first used, and kept with it. The memory is never
 * given back, for a handle may be asked for its wait context at any time.
 */
struct dropin_job {
    /* What each switch reads. */
    _Alignas(SY_CACHE_LINE) void *libctx; /* the default library context of the
                             job, which is that of its resumer while it runs;
                             or LIBCTX_APART */
    ASYNC_WAIT_CTX *wait;                 /* never NULL */
    uint64_t stamp;                       /* of wait, when its window began */
    int (*fn)(void *arg);
    void *arg;
    void *stack_top;
    uint32_t resumed; /* since it was started: its end is a swap */
    uint32_t by_swap; /* its end is one in any case */
    uint32_t at_end;  /* not 0: its end is more than that */

    void *caller_libctx; /* of the resumer, while they are apart */
    struct sy_job *slot;
    struct dropin_job *next; /* of the same thread, or unused */
    void *heap_arg;          /* arguments too large for the slot */
    size_t heap_bytes;
    void *own_stack; /* from ASYNC_set_mem_functions(), or NULL */
    void (*free_stack)(void *addr);
    uint64_t paused_ns; /* since when; 0: not known */
    bool is_orphan;
};

/* ---- per thread --------------------------------------------------------- */

/* What a thread's short paths look at; the rest is behind thread. */
struct dropin_self {
    struct sy_runtime *fast; /* its jobs can be switched to by hand, and nothing
                                else is to be done; or NULL */
    void *short_libctx; /* the default library context, while fast is set; else
                           LIBCTX_NEVER */
    void *libctx;       /* that context, if it is tracked */
    struct dropin_thread *thread; /* NULL: it has not called us yet */
};

extern _Thread_local struct dropin_self dropin_self SY_TLS_INITIAL_EXEC;

#define QUARANTINE_MIN 512 /* freed wait contexts that are not reused yet */

struct orphan; /* ssl_reaper.c */

struct dropin_thread {
    struct dropin_thread *next; /* in the process */
    struct sy_runtime *rt;      /* NULL: none yet */
    bool by_hand;               /* the switcher is one that we can switch by */
    bool is_forked;  /* the runtime is the parent's until a job was started */
    size_t jobs_max; /* 0: no limit */
    size_t slots;    /* how many of the runtime's are in jobs */
    int64_t tid;
    const char *switcher;
    struct dropin_job *jobs;

    uint64_t warm_ups; /* jobs of our own among those started */
    uint64_t fds;
    uint64_t old_jobs; /* counters of runtimes that were closed */
    uint64_t old_resumes;
    uint64_t abandoned;

    _Atomic uint32_t in_wait;   /* dropin_wait.c: inside one of its contexts */
    _Atomic uint32_t is_shared; /* others use its contexts as well */
    _Atomic uint32_t is_known_shared; /* and it has noticed */

    ASYNC_WAIT_CTX *freed_first; /* quarantine, oldest first */
    ASYNC_WAIT_CTX *freed_last;
    size_t freed_count;
    ASYNC_WAIT_CTX *fresh; /* never used so far */
    size_t fresh_left;
    ASYNC_WAIT_CTX *last_seen; /* asked about by ssl_reaper.c */

    struct orphan *orphans;
    uint64_t orphans_seen_ns;
};

struct dropin_thread *dropin_thread_first_call(void);

/* The calling thread's, made if need be; NULL without memory. */
static inline struct dropin_thread *dropin_thread(void)
{
    return SY_LIKELY(dropin_self.thread != NULL) ? dropin_self.thread
                                                 : dropin_thread_first_call();
}

/* The same with a runtime; NULL with the error raised. */
struct dropin_thread *dropin_thread_with_runtime(size_t init);
/* Give fast and short_libctx their values, for what they hang on changed. */
void dropin_thread_choose_path(struct dropin_thread *t);
/* A struct dropin_job for a new slot; NULL without memory or stack. */
struct dropin_job *dropin_job_new(struct dropin_thread *t);
void dropin_job_give(struct dropin_job *job);
/* Around looking at the jobs of other threads. */
void dropin_threads_lock(void);
void dropin_threads_unlock(void);

static inline struct sy_bind_runtime *dropin_hot(struct sy_runtime *rt)
{
    return (struct sy_bind_runtime *)(void *)rt;
}

/* ---- jobs --------------------------------------------------------------- */

/* Resume a paused job of the calling thread: ASYNC_FINISH, ASYNC_PAUSE. */
int dropin_resume(struct sy_job *slot, int *ret);

/* ---- wait contexts ------------------------------------------------------ */

/* The first word of a wait context: its generation, and these. */
#define STAMP_CHANGED UINT64_C(1) /* something was added or deleted */
#define STAMP_FREED   UINT64_C(2)
#define STAMP_SHIFT   2

struct dropin_wait_head {
    _Atomic uint64_t stamp;
    struct dropin_job *_Atomic job; /* the last that was started with it */
};

static inline struct dropin_wait_head *dropin_wait_head(ASYNC_WAIT_CTX *ctx)
{
    return (struct dropin_wait_head *)(void *)ctx;
}

/* Stand for no wait context, and for one that is gone. */
extern ASYNC_WAIT_CTX *const dropin_no_wait;
extern ASYNC_WAIT_CTX *const dropin_dead_wait;

static inline uint64_t dropin_stamp(ASYNC_WAIT_CTX *ctx)
{
    /* relaxed: whoever changes a context that a job waits with tells the
       resumer by other means */
    return atomic_load_explicit(&dropin_wait_head(ctx)->stamp,
                                memory_order_relaxed);
}

/* At load, and in the child of a fork: how others may share a thread's wait
   contexts. */
void dropin_wait_prepare(void);
/* The thread is gone: its contexts are everybody's. */
void dropin_wait_share(struct dropin_thread *t);
/* The job goes on: a new window of changes begins. */
void dropin_wait_new_window(struct dropin_job *job);
/* Is the job paused, and waits with this context? */
bool dropin_is_waiting(const struct dropin_job *job, ASYNC_WAIT_CTX *ctx);
/* Account: it was woken now; when it was, once, or 0. */
void dropin_wait_woken(ASYNC_WAIT_CTX *ctx);
uint64_t dropin_wait_take_woken(ASYNC_WAIT_CTX *ctx);
/* Will it be told of a wake-up by a call? */
bool dropin_wait_has_callback(ASYNC_WAIT_CTX *ctx);
/* The descriptors of a context; how many there are. */
size_t dropin_wait_fds(ASYNC_WAIT_CTX *ctx, int *fds, size_t max);

/* ---- process ------------------------------------------------------------ */

struct dropin_options {
    bool reap_ssl;
    bool account;
    bool dose;
    bool explain;
    size_t stack_bytes;
    char switcher[32];
    char exec_report[256];
};

struct dropin_process {
    struct dropin_options options;
    const char *switcher; /* forced, for the wanted one will not do; or NULL */
    bool has_membarrier;
    bool asks_libctx; /* libcrypto's own function is in the way: ask it */
    _Atomic uint64_t orphaned;
    _Atomic uint64_t reaped;
    _Atomic uint64_t freed_accesses;
    _Atomic uint64_t refused;
    _Atomic bool stacks_made; /* no more ASYNC_set_mem_functions() */
};

extern struct dropin_process dropin;

uint64_t dropin_now_ns(void);
void dropin_count(_Atomic uint64_t *counter);

/* Print the one line of SWITCHYARD_EXPLAIN. */
void dropin_explain(const struct dropin_thread *t);
/* SWITCHYARD_ACCOUNT: a job pauses, and goes on. */
void dropin_account_pause(struct dropin_job *job);
void dropin_account_resume(struct dropin_job *job);
/* Learn what a switch costs, on a thread that has just got its runtime. */
void dropin_account_calibrate(struct dropin_thread *t);
/* Fill in what the account knows. */
void dropin_account_counters(struct sy_openssl_counters *counters);
/* In the child of a fork. */
void dropin_account_forked(void);
/* The process ends. */
void dropin_account_print(void);

/* SWITCHYARD_DOSE, see dropin_dose.c: control changes hands; a device wakes a
   job; a job is resumed, which is both where the wake-up was not seen. */
void dropin_dose_switch(void);
void dropin_dose_wake(void);
void dropin_dose_resume(const struct dropin_job *job);
/* So often. */
void dropin_dose_counts(uint64_t *switches, uint64_t *wakes);
/* In the child of a fork. */
void dropin_dose_forked(void);
/* At load. */
void dropin_dose_read(void);

/* At load: read the options; tell `switchyard exec` that we are here. */
void dropin_options_read(void);
void dropin_report_load(void);

/* ---- libcrypto ---------------------------------------------------------- */

/* The functions that we stand for, of libcrypto. */
struct libcrypto_async {
    int (*is_capable)(void);
    int (*init_thread)(size_t max_size, size_t init_size);
    void (*cleanup_thread)(void);
    int (*start_job)(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret,
                     int (*func)(void *), void *args, size_t size);
    int (*pause_job)(void);
    ASYNC_JOB *(*get_current_job)(void);
    ASYNC_WAIT_CTX *(*get_wait_ctx)(ASYNC_JOB *job);
    void (*block_pause)(void);
    void (*unblock_pause)(void);
    int (*set_mem_functions)(void *(*alloc_fn)(size_t *),
                             void (*free_fn)(void *));
    void (*get_mem_functions)(void *(**alloc_fn)(size_t *),
                              void (**free_fn)(void *));
    ASYNC_WAIT_CTX *(*wait_new)(void);
    void (*wait_free)(ASYNC_WAIT_CTX *ctx);
    int (*wait_set_fd)(ASYNC_WAIT_CTX *ctx, const void *key, int fd,
                       void *custom,
                       void (*cleanup)(ASYNC_WAIT_CTX *, const void *, int,
                                       void *));
    int (*wait_get_fd)(ASYNC_WAIT_CTX *ctx, const void *key, int *fd,
                       void **custom);
    int (*wait_all_fds)(ASYNC_WAIT_CTX *ctx, int *fds, size_t *count);
    int (*wait_changed_fds)(ASYNC_WAIT_CTX *ctx, int *added, size_t *n_added,
                            int *deleted, size_t *n_deleted);
    int (*wait_clear_fd)(ASYNC_WAIT_CTX *ctx, const void *key);
    int (*wait_set_callback)(ASYNC_WAIT_CTX *ctx, ASYNC_callback_fn callback,
                             void *arg);
    int (*wait_get_callback)(ASYNC_WAIT_CTX *ctx, ASYNC_callback_fn *callback,
                             void **arg);
    int (*wait_set_status)(ASYNC_WAIT_CTX *ctx, int status);
    int (*wait_get_status)(ASYNC_WAIT_CTX *ctx);
};

/* NULL: we do the work ourselves. Else every call is to be forwarded; those
   that this libcrypto has not are NULL. */
extern const struct libcrypto_async *dropin_forward;

/* Look at libcrypto, if that has not been done: false while there is none. */
bool dropin_libcrypto_find(void);
/* Set a pointer to a function, at function, to somebody else's of that name, or
   to NULL. */
void dropin_look_up(void *function, const char *name);
/* Raise an error of the ASYNC library on OpenSSL's queue; what may be NULL. */
void dropin_raise(int reason, const char *what);
/* The calling thread's default library context, as libcrypto has it, or NULL
   where it knows none. */
void *dropin_libctx_ask(void);
/* Change it. */
void dropin_libctx_set(void *libctx);

static inline void *dropin_libctx_now(void)
{
    return SY_UNLIKELY(dropin.asks_libctx) ? dropin_libctx_ask()
                                           : dropin_self.libctx;
}

/* ---- orphans ------------------------------------------------------------ */

/* Look after the orphans of a thread, if it is time (or at once). */
void dropin_reap(struct dropin_thread *t, bool at_once);

#endif
