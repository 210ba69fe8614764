/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread owns: a runtime with a stack for each of its jobs, made when it
 * starts its first one, and the freed wait contexts. The records of threads
 * stay for the life of the process, for counters are read by others.
 *
 * ASYNC_init_thread() sets a limit and may prepare stacks. The limit is kept
 * here, not by the runtime, so that it can be set again while jobs are paused.
 */
#include "dropin.h"
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Thread_local struct dropin_self dropin_self SY_TLS_INITIAL_EXEC = {
    .short_libctx = LIBCTX_NEVER,
};
struct dropin_process dropin;

#define OWN_STACK_MIN_BYTES 8192

typedef void *(*stack_alloc_fn)(size_t *num);
typedef void (*stack_free_fn)(void *addr);

static struct {
    pthread_mutex_t lock;
    struct dropin_thread *threads; /* newest first */
    struct dropin_job *unused_jobs;
    stack_alloc_fn alloc_stack; /* NULL: the library's own stacks */
    stack_free_fn free_stack;
    pthread_key_t key;
    bool has_key;
    /* What the parent had counted when we were forked. */
    uint64_t old_jobs;
    uint64_t old_pauses;
    uint64_t old_fds;
    uint64_t old_abandoned;
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

void dropin_threads_lock(void)
{
    pthread_mutex_lock(&process.lock);
}

void dropin_threads_unlock(void)
{
    pthread_mutex_unlock(&process.lock);
}

void dropin_count(_Atomic uint64_t *counter)
{
    /* relaxed: a counter */
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

uint64_t dropin_now_ns(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

/* ---- records of jobs ----------------------------------------------------- */

static void *default_alloc(size_t *num)
{
    return malloc(*num);
}

static void default_free(void *addr)
{
    free(addr);
}

/* A stack by the functions that the program has set. */
static bool make_own_stack(struct dropin_job *job)
{
    size_t bytes = dropin.options.stack_bytes != 0 ? dropin.options.stack_bytes
                                                   : SY_STACK_BYTES_DEFAULT;
    uintptr_t end;

    job->own_stack = process.alloc_stack(&bytes);
    if (job->own_stack == NULL)
        return false;
    job->free_stack = process.free_stack;
    if (bytes < OWN_STACK_MIN_BYTES) {
        job->free_stack(job->own_stack);
        job->own_stack = NULL;
        return false;
    }
    end = (uintptr_t)job->own_stack + bytes;
    job->stack_top = (void *)(end & ~(uintptr_t)(SY_CACHE_LINE - 1));
    return true;
}

struct dropin_job *dropin_job_new(struct dropin_thread *t)
{
    struct dropin_job *job;

    dropin_threads_lock();
    job = process.unused_jobs;
    if (job != NULL)
        process.unused_jobs = job->next;
    /* relaxed: the lock orders it */
    atomic_store_explicit(&dropin.stacks_made, true, memory_order_relaxed);
    dropin_threads_unlock();
    if (job == NULL)
        job = aligned_alloc(_Alignof(struct dropin_job), sizeof(*job));
    if (job == NULL)
        return NULL;
    *job = (struct dropin_job){.wait = dropin_no_wait};
    if (t->by_hand && process.alloc_stack != NULL && !make_own_stack(job)) {
        dropin_job_give(job);
        return NULL;
    }
    return job;
}

void dropin_job_give(struct dropin_job *job)
{
    if (job->own_stack != NULL)
        job->free_stack(job->own_stack);
    free(job->heap_arg);
    job->own_stack = NULL;
    job->heap_arg = NULL;
    job->slot = NULL;
    dropin_threads_lock();
    job->next = process.unused_jobs;
    process.unused_jobs = job;
    dropin_threads_unlock();
}

/* ---- a thread's record --------------------------------------------------- */

struct dropin_thread *dropin_thread_first_call(void)
{
    struct dropin_thread *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    if (!process.has_key || pthread_setspecific(process.key, t) != 0) {
        free(t);
        return NULL;
    }
    t->tid = (int64_t)syscall(SYS_gettid);
    if (!dropin.has_membarrier)
        dropin_wait_share(t);
    dropin_threads_lock();
    t->next = process.threads;
    process.threads = t;
    dropin_threads_unlock();
    dropin_self.thread = t;
    return t;
}

void dropin_thread_choose_path(struct dropin_thread *t)
{
    bool is_short = t->rt != NULL && t->by_hand && !t->is_forked &&
                    t->orphans == NULL && !dropin.asks_libctx &&
                    !dropin.options.account && !dropin.options.dose &&
                    (t->jobs_max == 0 || t->slots <= t->jobs_max);

    dropin_self.fast = is_short ? t->rt : NULL;
    dropin_self.short_libctx = is_short ? dropin_self.libctx : LIBCTX_NEVER;
}

/* ---- runtimes ------------------------------------------------------------ */

/* The best switcher that keeps jobs on their thread, which OpenSSL's users
   rely on; NULL: none. */
static const char *same_thread_switcher(void)
{
    const struct sy_switcher_ops *const *table = sy_switcher_table();
    const uint32_t wanted = SY_SW_SAME_THREAD | SY_SW_CAN_PAUSE;
    char why[160];

    for (size_t i = 0; table[i] != NULL; i++) {
        if ((table[i]->caps & wanted) == wanted &&
            sy_switcher_probe(table[i], why, sizeof(why)) == 0)
            return table[i]->name;
    }
    return NULL;
}

/* Why a switcher that was asked for will not do; NULL: it does. */
static const char *objection(const char *name)
{
    const struct sy_switcher_ops *ops = sy_switcher_find(name);
    static char why[200];

    if (ops == NULL)
        return "there is no such switcher";
    if ((ops->caps & SY_SW_SAME_THREAD) == 0)
        return "its jobs do not run on the thread that starts them, and what "
               "OpenSSL keeps per thread would be another thread's";
    return sy_switcher_probe(ops, why, sizeof(why)) != 0 ? why : NULL;
}

/* Decide about SWITCHYARD_SWITCHER. */
static void read_switcher(void)
{
    const char *name = dropin.options.switcher, *why;

    if (name[0] == '\0')
        return;
    why = objection(name);
    if (why == NULL)
        return;
    dropin.switcher = same_thread_switcher();
    fprintf(stderr,
            "switchyard: not on switcher %s: %s; OpenSSL's jobs run on "
            "%s\n",
            name, why, dropin.switcher != NULL ? dropin.switcher : "none");
}

/* The environment's choice is looked at once; the library applies it to us as
   to any program. */
static const char *wanted_switcher(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, read_switcher);
    return dropin.switcher;
}

static int open_runtime(struct dropin_thread *t, size_t init)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    const struct sy_switcher_ops *ops;
    int err;

    cfg.switcher = wanted_switcher();
    cfg.flags = SY_RT_SAME_THREAD; /* what OpenSSL keeps is per thread */
    cfg.engine = "queue"; /* nobody wakes these jobs but by resuming them */
    cfg.stack_bytes = dropin.options.stack_bytes;
    cfg.jobs_init = init < UINT32_MAX ? (uint32_t)init : UINT32_MAX;
    err = sy_runtime_open(&t->rt, &cfg);
    if (err == -ENOMEM && init != 0) { /* as OpenSSL: prepared later, then */
        cfg.jobs_init = 0;
        err = sy_runtime_open(&t->rt, &cfg);
    }
    if (err != 0)
        return err;
    err = sy_runtime_get_stats(t->rt, &stats);
    if (err != 0)
        return err;
    t->switcher = stats.switcher;
    ops = sy_switcher_find(stats.switcher);
    t->by_hand = !SY_ASAN && !SY_TSAN && ops != NULL && ops->bind_form != 0 &&
                 dropin_hot(t->rt)->start_form != 0;
    if (!dropin.asks_libctx)
        dropin_self.libctx = dropin_libctx_ask();
    dropin_thread_choose_path(t);
    dropin_explain(t);
    if (dropin.options.account || dropin.options.dose)
        dropin_account_calibrate(t);
    return 0;
}

struct dropin_thread *dropin_thread_with_runtime(size_t init)
{
    struct dropin_thread *t = dropin_thread();
    int err = t == NULL ? -ENOMEM : t->rt == NULL ? open_runtime(t, init) : 0;

    if (err == 0)
        return t;
    dropin_count(&dropin.refused);
    dropin_raise(ASYNC_R_INIT_FAILED, sy_strerror(err));
    return NULL;
}

/* Give up what is paused, and close the runtime. False: not now, a job runs. */
static bool close_runtime(struct dropin_thread *t)
{
    struct sy_runtime *rt = t->rt;
    uint64_t jobs = dropin_hot(rt)->started;
    uint64_t resumes = dropin_hot(rt)->resumes;
    struct dropin_job *job;
    struct sy_job *slot;

    if (sy_job_current() != NULL)
        return false;
    for (job = t->jobs; job != NULL; job = job->next) {
        slot = job->slot;
        if (slot->paused && sy_job_abandon(&slot) == 0)
            t->abandoned++;
    }
    /* Nobody reads the runtime's counters from here on. It is closed without
       the lock, for that takes the library's own, and a fork takes those
       first. */
    dropin_threads_lock();
    t->rt = NULL;
    t->old_jobs += jobs;
    t->old_resumes += resumes;
    dropin_threads_unlock();
    if (sy_runtime_close(rt) != 0) {
        dropin_threads_lock();
        t->rt = rt;
        t->old_jobs -= jobs;
        t->old_resumes -= resumes;
        dropin_threads_unlock();
        return false;
    }
    dropin_thread_choose_path(t);
    dropin_threads_lock();
    job = t->jobs;
    t->jobs = NULL;
    t->slots = 0;
    dropin_threads_unlock();
    while (job != NULL) {
        struct dropin_job *next = job->next;

        dropin_job_give(job);
        job = next;
    }
    return true;
}

static void at_thread_exit(void *arg)
{
    struct dropin_thread *t = arg;

    dropin_self.thread = t;
    dropin_reap(t, true);
    if (t->rt != NULL)
        (void)close_runtime(t);
    dropin_wait_share(t);
    dropin_self = (struct dropin_self){.short_libctx = LIBCTX_NEVER};
}

/* ---- the interface ------------------------------------------------------- */

SY_API int ASYNC_is_capable(void)
{
    const char *name = sy_openssl_switcher();
    const struct sy_switcher_ops *ops;

    if (dropin_forward != NULL)
        return dropin_forward->is_capable != NULL ? dropin_forward->is_capable()
                                                  : 0;
    ops = sy_switcher_find(name);
    return ops != NULL && (ops->caps & SY_SW_CAN_PAUSE) != 0;
}

SY_API int ASYNC_init_thread(size_t max_size, size_t init_size)
{
    struct dropin_thread *t;

    (void)dropin_libcrypto_find();
    if (dropin_forward != NULL)
        return dropin_forward->init_thread != NULL
                   ? dropin_forward->init_thread(max_size, init_size)
                   : 0;
    if (init_size > max_size) {
        dropin_raise(ASYNC_R_INVALID_POOL_SIZE, NULL);
        return 0;
    }
    t = dropin_thread_with_runtime(init_size);
    if (t == NULL)
        return 0;
    t->jobs_max = max_size;
    dropin_thread_choose_path(t);
    return 1;
}

SY_API void ASYNC_cleanup_thread(void)
{
    struct dropin_thread *t = dropin_self.thread;

    if (dropin_forward != NULL) {
        if (dropin_forward->cleanup_thread != NULL)
            dropin_forward->cleanup_thread();
        return;
    }
    if (t == NULL || t->rt == NULL)
        return;
    dropin_reap(t, true);
    if (close_runtime(t))
        t->jobs_max = 0;
}

SY_API int ASYNC_set_mem_functions(stack_alloc_fn alloc_fn,
                                   stack_free_fn free_fn);
SY_API void ASYNC_get_mem_functions(stack_alloc_fn *alloc_fn,
                                    stack_free_fn *free_fn);

/* Can jobs run on stacks that are not the library's? */
static bool can_have_own_stacks(void)
{
    const struct sy_switcher_ops *ops = sy_switcher_find(sy_openssl_switcher());

    return !SY_ASAN && !SY_TSAN && ops != NULL && ops->bind_form != 0;
}

SY_API int ASYNC_set_mem_functions(stack_alloc_fn alloc_fn,
                                   stack_free_fn free_fn)
{
    int is_set = 0;

    (void)dropin_libcrypto_find();
    if (dropin_forward != NULL)
        return dropin_forward->set_mem_functions != NULL
                   ? dropin_forward->set_mem_functions(alloc_fn, free_fn)
                   : 0;
    if ((alloc_fn == NULL) != (free_fn == NULL)) {
        dropin_raise(ERR_R_PASSED_NULL_PARAMETER,
                     "one of the two functions is missing");
        return 0;
    }
    if (alloc_fn != NULL && alloc_fn != default_alloc &&
        !can_have_own_stacks()) {
        dropin_raise(ERR_R_UNSUPPORTED,
                     "this switcher has stacks of its own only");
        return 0;
    }
    dropin_threads_lock();
    /* relaxed: the lock orders it */
    if (!atomic_load_explicit(&dropin.stacks_made, memory_order_relaxed)) {
        if (alloc_fn != NULL) {
            process.alloc_stack = alloc_fn != default_alloc ? alloc_fn : NULL;
            process.free_stack = free_fn;
        }
        is_set = 1;
    }
    dropin_threads_unlock();
    if (!is_set)
        dropin_raise(ASYNC_R_INIT_FAILED, "a stack has been made already");
    return is_set;
}

SY_API void ASYNC_get_mem_functions(stack_alloc_fn *alloc_fn,
                                    stack_free_fn *free_fn)
{
    if (dropin_forward != NULL) {
        if (dropin_forward->get_mem_functions != NULL)
            dropin_forward->get_mem_functions(alloc_fn, free_fn);
        return;
    }
    dropin_threads_lock();
    if (alloc_fn != NULL)
        *alloc_fn =
            process.alloc_stack != NULL ? process.alloc_stack : default_alloc;
    if (free_fn != NULL)
        *free_fn =
            process.alloc_stack != NULL ? process.free_stack : default_free;
    dropin_threads_unlock();
}

const char *sy_openssl_switcher(void)
{
    const struct dropin_thread *t = dropin_self.thread;
    const char *name;

    if (t != NULL && t->rt != NULL)
        return t->switcher;
    name = wanted_switcher();
    if (name == NULL)
        name = dropin.options.switcher[0] != '\0' ? dropin.options.switcher
                                                  : same_thread_switcher();
    return name != NULL ? name : "none";
}

/* ---- counters ------------------------------------------------------------ */

/* Other threads' counters are read as they are: each has one writer. */
struct totals {
    uint64_t jobs, pauses, fds, abandoned, outstanding, oldest_ns;
};

/* Is it paused? Others are asked too. */
SY_NO_TSAN static bool is_outstanding(const struct dropin_job *job)
{
    return job->slot != NULL && *(const volatile uint32_t *)&job->slot->paused;
}

static uint64_t age_ns(struct dropin_job *job, uint64_t now_ns)
{
    if (job->paused_ns == 0 || job->paused_ns > now_ns)
        job->paused_ns = now_ns;
    return now_ns - job->paused_ns;
}

SY_NO_TSAN static void add_thread(struct totals *sum, struct dropin_thread *t,
                                  uint64_t now_ns)
{
    sum->jobs += t->old_jobs - t->warm_ups;
    sum->pauses += t->old_resumes + t->abandoned;
    sum->fds += t->fds;
    sum->abandoned += t->abandoned;
    if (t->rt == NULL)
        return;
    sum->jobs += dropin_hot(t->rt)->started;
    sum->pauses += dropin_hot(t->rt)->resumes;
    for (struct dropin_job *job = t->jobs; job != NULL; job = job->next) {
        if (!is_outstanding(job))
            continue;
        sum->outstanding++;
        sum->pauses++;
        if (age_ns(job, now_ns) > sum->oldest_ns)
            sum->oldest_ns = age_ns(job, now_ns);
    }
}

static struct totals add_all(void)
{
    struct totals sum = {0};
    uint64_t now_ns = dropin_now_ns();

    for (struct dropin_thread *t = process.threads; t != NULL; t = t->next)
        add_thread(&sum, t, now_ns);
    sum.jobs -= process.old_jobs;
    sum.pauses -= process.old_pauses;
    sum.fds -= process.old_fds;
    sum.abandoned -= process.old_abandoned;
    return sum;
}

static struct totals totals(void)
{
    struct totals sum;

    dropin_threads_lock();
    sum = add_all();
    dropin_threads_unlock();
    return sum;
}

uint64_t sy_openssl_jobs_started(void)
{
    return totals().jobs;
}

uint64_t sy_openssl_pauses(void)
{
    return totals().pauses;
}

size_t sy_openssl_outstanding(struct sy_openssl_job_info *out, size_t max)
{
    uint64_t now_ns = dropin_now_ns();
    size_t n = 0;

    dropin_threads_lock();
    for (struct dropin_thread *t = process.threads; t != NULL; t = t->next) {
        for (struct dropin_job *job = t->jobs; job != NULL; job = job->next) {
            if (!is_outstanding(job))
                continue;
            if (n < max)
                out[n] = (struct sy_openssl_job_info){
                    .age_ns = age_ns(job, now_ns),
                    .fn = (uintptr_t)job->fn,
                    .thread_id = t->tid,
                    .is_orphan = job->is_orphan,
                };
            n++;
        }
    }
    dropin_threads_unlock();
    return n;
}

void sy_openssl_get_counters(struct sy_openssl_counters *counters)
{
    struct totals sum;

    if (counters->size != sizeof(*counters))
        return;
    sum = totals();
    *counters = (struct sy_openssl_counters){
        .size = sizeof(*counters),
        .jobs = sum.jobs,
        .pauses = sum.pauses,
        .fds = sum.fds,
        .abandoned = sum.abandoned,
        .outstanding = sum.outstanding,
        .oldest_ns = sum.oldest_ns,
        /* relaxed: counters */
        .orphaned =
            atomic_load_explicit(&dropin.orphaned, memory_order_relaxed),
        .reaped = atomic_load_explicit(&dropin.reaped, memory_order_relaxed),
        .freed_accesses =
            atomic_load_explicit(&dropin.freed_accesses, memory_order_relaxed),
        .refused = atomic_load_explicit(&dropin.refused, memory_order_relaxed),
    };
    dropin_account_counters(counters);
}

/* ---- the life of the process --------------------------------------------- */

/*
 * In the child of a fork: what the parent counted is not ours, other threads
 * are not there, and what was paused is the parent's, which the library takes
 * care of.
 */
static void after_fork_in_child(void)
{
    struct totals sum;

    dropin_threads_unlock();
    dropin_wait_prepare();
    for (struct dropin_thread *t = process.threads; t != NULL; t = t->next) {
        if (t == dropin_self.thread)
            continue;
        t->jobs = NULL;
        dropin_wait_share(t);
    }
    process.old_jobs = process.old_pauses = 0;
    process.old_fds = process.old_abandoned = 0;
    sum = add_all();
    process.old_jobs = sum.jobs;
    /* What is paused is no longer, once the library has seen the fork too. */
    process.old_pauses = sum.pauses - sum.outstanding;
    process.old_fds = sum.fds;
    process.old_abandoned = sum.abandoned;
    /* relaxed: there is one thread */
    atomic_store_explicit(&dropin.orphaned, 0, memory_order_relaxed);
    atomic_store_explicit(&dropin.reaped, 0, memory_order_relaxed);
    atomic_store_explicit(&dropin.freed_accesses, 0, memory_order_relaxed);
    atomic_store_explicit(&dropin.refused, 0, memory_order_relaxed);
    if (dropin_self.thread != NULL) {
        dropin_self.thread->tid = (int64_t)syscall(SYS_gettid);
        dropin_self.thread->is_forked = dropin_self.thread->rt != NULL;
        dropin_self.thread->orphans = NULL; /* the parent's */
        dropin_thread_choose_path(dropin_self.thread);
    }
    dropin_account_forked();
    dropin_dose_forked();
}

static void at_exit(void)
{
    struct dropin_thread *t = dropin_self.thread;

    dropin_account_print();
    if (t != NULL && t->rt != NULL && dropin_forward == NULL) {
        dropin_reap(t, true);
        (void)close_runtime(t);
    }
}

SY_CONSTRUCTOR static void at_load(void)
{
    dropin_options_read();
    dropin_dose_read();
    dropin_wait_prepare();
    process.has_key = pthread_key_create(&process.key, at_thread_exit) == 0;
    (void)pthread_atfork(dropin_threads_lock, dropin_threads_unlock,
                         after_fork_in_child);
    (void)dropin_libcrypto_find();
    dropin_report_load();
    (void)atexit(at_exit);
}

/* ---- the names of switchyard/openssl_async.h ----------------------------- */

int sy_openssl_async_is_capable(void) SY_ALIAS_OF(ASYNC_is_capable);
int sy_openssl_async_init_thread(size_t max_size, size_t init_size)
    SY_ALIAS_OF(ASYNC_init_thread);
void sy_openssl_async_cleanup_thread(void) SY_ALIAS_OF(ASYNC_cleanup_thread);
int sy_openssl_async_set_mem_functions(stack_alloc_fn alloc_fn,
                                       stack_free_fn free_fn)
    SY_ALIAS_OF(ASYNC_set_mem_functions);
void sy_openssl_async_get_mem_functions(stack_alloc_fn *alloc_fn,
                                        stack_free_fn *free_fn)
    SY_ALIAS_OF(ASYNC_get_mem_functions);
