/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of core/ share. Read job.c for how control moves, waker.c for
 * how a wake-up arrives, runtime.c for who owns what.
 *
 * One struct sy_job is a slot: it is made once, lives in memory that is never
 * given back (a late waker may read it), owns a stack while it is in a
 * runtime's pool, and serves one job after another.
 */
#ifndef SY_CORE_H
#define SY_CORE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <switchyard/engine.h>
#include <switchyard/stats.h>
#include <switchyard/switcher.h>
#include <switchyard/switchyard.h>

/* A broken invariant: stops in every build, for nothing after it is safe. */
#define SY_BUG(what) sy__bug(what, __FILE__, __LINE__)
SY_NORETURN void sy__bug(const char *what, const char *file, int line);

/* ---- slots ------------------------------------------------------------- */

/* Why a pause cannot simply switch: bits of sy_job.gate. */
enum {
    GATE_ROOT = 1 << 0,      /* not a job: a thread outside its jobs */
    GATE_NO_PAUSE = 1 << 1,  /* the switcher cannot */
    GATE_FORKED = 1 << 2,    /* was running when the process forked */
    GATE_BLOCKED = 1 << 3,   /* block_count > 0 */
    GATE_CANCELLED = 1 << 4, /* one pause has to return -ECANCELED */
    GATE_PERMIT = 1 << 5,    /* its wake-up was collected while it ran */
    GATE_WIPE = 1 << 6,      /* SY_RT_ZERO_STACKS */
};

/* Why the end of a job is more than a switch: bits of sy_job.end_gate. */
enum {
    END_WAKER = 1 << 0,  /* somebody may know this generation */
    END_DEFERS = 1 << 1, /* deferred functions, or arguments on the heap */
    END_WAIT = 1 << 2,   /* a wait context to let go */
    END_BY_RUN = 1 << 3, /* resumed by sy_runtime_run(): keep the result */
    END_FORKED = 1 << 4, /* the slot is from before the fork: drop it */
    END_WIPE = 1 << 5,   /* SY_RT_ZERO_STACKS */
};

enum slot_state {
    SLOT_UNUSED = 0, /* free, and no job has had it yet */
    SLOT_FREE,
    SLOT_LIVE,        /* running, an ancestor, or simply paused */
    SLOT_HELD,        /* paused, and more than a switch resumes it */
    SLOT_FINISHED,    /* by sy_runtime_run(); the result is not collected */
    SLOT_QUARANTINED, /* ended, operations still pinned */
};

/* sy_job.word: the generation, and these. */
#define WORD_PERMIT UINT64_C(1) /* woken since it last resumed */
#define WORD_QUEUED UINT64_C(2) /* handed to the engine, not yet collected */
#define WORD_SHIFT  2

struct sy__thread;
struct sy__defer;

#if SY_ASAN || SY_TSAN
struct sy__fiber {
    void *fake_stack;
    const void *bottom;
    size_t bytes;
    void *tsan;
};
#endif

struct sy_job {
    /* Line 0: the switcher's context, when it is small enough. */
    _Alignas(SY_CACHE_LINE) unsigned char ctx_inline[SY_CACHE_LINE];

    /* Line 1: what every switch reads and writes. */
    struct sy_job *resumer;          /* a job, or a root */
    struct sy__thread *resumable_by; /* its thread, while simply paused */
    void *ctx;
    struct sy_runtime *rt;
    struct sy_job **out_job;
    int *out_result;
    struct sy_wait *wait;
    int saved_errno; /* while something else runs */
    uint16_t gate;
    uint16_t end_gate;

    /* Line 2: what wakers touch. */
    _Atomic uint64_t word;
    _Atomic uint32_t pins_released; /* by any thread */
    uint32_t pins_taken;            /* by the owner */
    const struct sy_engine_ops *engine;
    void *engine_state;
    struct sy_engine_slot eslot;

    /* Line 3: once per job. */
    void *user;
    sy_job_done_fn done;
    struct sy__defer *defers;
    struct sy_job *link; /* in a free list or in quarantine */
    struct sy_job *ready_next;
    void *arg_area;  /* the end of the usable stack; arguments follow it */
    void *stack_top; /* the same, or NULL without SY_SW_OWN_STACK */
    void *stack_low;
    int result;
    uint16_t block_count;
    uint8_t state; /* enum slot_state */
    bool in_ready;

    /* Only where fn cannot be called straight by the switcher. */
    sy_job_fn fn;
    void *arg;
#if SY_ASAN || SY_TSAN
    struct sy__fiber fiber;
#endif
};

/* A slot whose context is small can be taken for that context, so resumer and
   resumable_by are the link that switchers were promised. */
_Static_assert(offsetof(struct sy_job, ctx_inline) == 0, "slot map");
_Static_assert(offsetof(struct sy_job, resumer) ==
                   SY_CACHE_LINE + offsetof(struct sy_switcher_link, resumer),
               "slot map");
_Static_assert(offsetof(struct sy_job, resumable_by) ==
                   SY_CACHE_LINE + offsetof(struct sy_switcher_link, zero),
               "slot map");

/* Take n slots, linked through link; NULL when there is no memory. */
struct sy_job *sy__slots_take(uint32_t n);
/* Give one back; nobody may be about to wake it. */
void sy__slots_give(struct sy_job *slot);

/* Memory for an engine's state, zeroed and mapped for ever. */
void *sy__state_take(size_t bytes);
void sy__state_give(void *state, size_t bytes);

/* Around fork(): no other thread may hold the pool's lock in the child. */
void sy__slots_lock(void);
void sy__slots_unlock(void);

static inline uint64_t sy__generation(const struct sy_job *slot)
{
    return atomic_load_explicit(&slot->word, memory_order_relaxed) >>
           WORD_SHIFT;
}

static inline bool sy__is_free(const struct sy_job *slot)
{
    return slot->state <= SLOT_FREE;
}

static inline bool sy__is_root(const struct sy_job *slot)
{
    return (slot->gate & GATE_ROOT) != 0;
}

static inline uint32_t sy__pins(const struct sy_job *slot)
{
    /* acquire pairs with release in sy_complete(): what the device did to the
       job's memory comes before its reuse. */
    return slot->pins_taken -
           atomic_load_explicit(&slot->pins_released, memory_order_acquire);
}

/* ---- stacks ------------------------------------------------------------ */

struct sy__stack_policy {
    size_t stack_bytes;
    size_t ctx_bytes; /* room wanted above the stack; may be 0 */
    uint32_t guard;   /* enum sy_guard */
    uint32_t flags;   /* enum sy_runtime_flag bits */
};

struct sy__slab; /* one mapping of many stacks */

struct sy__stacks {
    struct sy__stack_policy policy;
    struct sy__slab *slabs;
    uint32_t stacks;   /* carved so far */
    const char *guard; /* how they are guarded */
};

/* Where one stack is. */
struct sy__stack_place {
    void *low;      /* lowest usable byte */
    void *arg_area; /* end of the usable part; SY_JOB_ARG_INLINE_BYTES follow */
    void *ctx;      /* policy.ctx_bytes; NULL if that is 0 */
};

/* No stacks yet. */
void sy__stacks_init(struct sy__stacks *stacks,
                     const struct sy__stack_policy *policy);
/* Carve one stack. What is mapped at once has room for at most wanted stacks.
   0, or -ENOMEM. */
int sy__stacks_carve(struct sy__stacks *stacks, uint32_t wanted,
                     struct sy__stack_place *place);
/* Take back the stack that was carved last. */
void sy__stacks_uncarve(struct sy__stacks *stacks);
/* Unmap everything. Nobody is on any of these stacks. */
void sy__stacks_destroy(struct sy__stacks *stacks);
/* Overwrite with zeros what has been used of a stack that nobody is on. */
void sy__stack_wipe(void *low, void *arg_area);

/* ---- threads ----------------------------------------------------------- */

struct sy__thread {
    struct sy_job *current; /* never NULL: a job, a root, or &nobody */
    int *errno_addr;        /* constant for the life of the thread */
    struct sy_runtime *runtimes;
    struct sy_job nobody; /* current while the thread has no runtime's root */
};

/* Never NULL: a shared empty one in threads that never opened a runtime. */
extern _Thread_local struct sy__thread *sy__self SY_TLS_INITIAL_EXEC;

/* Make the calling thread's state if it has none. 0 or -ENOMEM. */
int sy__thread_join(void);

/* ---- runtimes ---------------------------------------------------------- */

#define COLLECT_MAX 256 /* slots taken from the engine at once */

struct sy_runtime {
    struct sy__thread *thread; /* whose it is; stale after a fork */
    const struct sy_switcher_ops *sw;
    struct sy_job *free; /* last in, first out */
    /* Its thread, if a start needs nothing but a switch to fn; else NULL. */
    struct sy__thread *starts_quickly;
    int (*start)(void *from, void *to, void *stack_top, sy_switcher_fn fn,
                 void *arg);                      /* sw->start */
    int (*swap)(void *from, void *to, int value); /* sw->swap */
    uint64_t started;
    uint64_t ended; /* slots given up by a job */
    uint64_t resumes;
    uint32_t flags;
    uint16_t first_gate; /* of every job: GATE_NO_PAUSE, GATE_WIPE or none */
    bool adopts; /* fn runs on another thread, or sanitizers must see it */

    struct sy_job *ready_head;  /* collected, not yet resumed; first in, */
    struct sy_job **ready_tail; /* first out */
    uint32_t ready_count;
    bool root_woken;
    bool fd_used;

    const struct sy_engine_ops *engine;
    const char *variant;
    void *engine_state;
    struct sy_engine_counts counts;
    struct sy_clock *clock;

    struct sy__stacks stacks;
    struct sy_job **slots; /* by eslot.index; [0] is root */
    uint32_t slot_count;
    uint32_t slot_room;
    uint32_t jobs_max;
    struct sy_job *quarantine;
    struct sy_job *unwiped; /* ended, their stacks just left */
    uint32_t quarantined;

    uint64_t kept; /* now: finished, the result not collected */
    uint64_t cancelled;
    uint64_t abandoned;
    uint64_t lost_in_fork;
    uint64_t waits;
    uint64_t collected;
    uint64_t spurious;
    const char *choice;
    char engine_name[64];

    struct sy_runtime *next; /* of the same thread */
    struct sy_job *root;     /* stands for the thread outside its jobs */
    void *root_ctx;          /* its context, if that is a large one */
    struct sy_engine_slot *collect[COLLECT_MAX];
};

/* 0 if rt may be used by the calling thread, else -EXDEV. Makes a runtime that
   was inherited over a fork the child's own. */
int sy__runtime_own(struct sy_runtime *rt);
/* One more slot with its stack onto rt->free. */
int sy__runtime_grow(struct sy_runtime *rt);
/* Take a slot out of use: to rt->free, or into quarantine. */
void sy__slot_release(struct sy_job *job);
/* Give back what a quarantined slot holds, if its last pin is gone. */
void sy__quarantine_sweep(struct sy_runtime *rt);
/* End every job of a thread that ends, and close its runtimes. What a device
   still uses is kept, and freed by a later call of this or of
   sy_runtime_open() on any thread. */
void sy__thread_close_runtimes(struct sy__thread *thread);
/* In the child of a fork: the calling thread's jobs and runtimes are old. */
void sy__runtimes_after_fork(struct sy__thread *thread);

/* Put a paused job with a permit where sy_runtime_run() finds it. */
void sy__make_ready(struct sy_job *job);
/* Make a foreign loop call again if the ready list is not empty. */
void sy__ring_if_left(struct sy_runtime *rt);
/* End the generation of a slot: no waker of it has an effect from now on. */
void sy__end_generation(struct sy_job *slot);

static inline bool sy__is_paused(const struct sy_job *job)
{
    return job->resumable_by != NULL || job->state == SLOT_HELD;
}

/* job.c: resume a ready job for sy_runtime_run(). */
void sy__job_run_ready(struct sy_job *job);
/* job.c: end a job that is paused or awaits collection. */
void sy__job_end_unrun(struct sy_job *job);
/* job.c: forget that a slot was woken; whether it was. */
bool sy__clear_permit(struct sy_job *slot);

/* ---- wait contexts ----------------------------------------------------- */

/* Tie a context to a job: 0, or -EBUSY if another one has it. */
int sy__wait_attach(struct sy_wait *wait, const struct sy_job *job);
void sy__wait_detach(struct sy_wait *wait);

/* ---- choice ------------------------------------------------------------ */

struct sy__choice {
    const struct sy_switcher_ops *sw;
    const struct sy_engine_ops *engine;
    const char *variant;
    const char *reason; /* the weakest source that decided one of them */
};

/* Which parts a new runtime gets. 0 or an error of sy_runtime_open(). */
int sy__choose(struct sy__choice *out, const struct sy_runtime_config *cfg);

#endif
