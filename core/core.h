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
#include <switchyard/bind/layout.h>
#include <switchyard/engine.h>
#include <switchyard/stats.h>
#include <switchyard/switcher.h>
#include <switchyard/switchyard.h>

/* 1 in libswitchyard-traced: trace.c. */
#ifndef SY_TRACED
#define SY_TRACED 0
#endif

/* A broken invariant: stops in every build, for nothing after it is safe. */
#define SY_BUG(what) sy__bug(what, __FILE__, __LINE__)
SY_NORETURN void sy__bug(const char *what, const char *file, int line);

/* ---- slots ------------------------------------------------------------- */

/* Why a pause cannot simply switch: bits of sy_job.gate. */
enum {
    GATE_ROOT = 1 << 0,      /* not a job: a thread outside its jobs */
    GATE_NO_PAUSE = 1 << 1,  /* the switcher cannot */
    GATE_FORKED = 1 << 2,    /* it ran, or an ancestor, when we forked */
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
    END_FORKED = 1 << 4, /* the parent's: it was paused when we forked */
    END_WIPE = 1 << 5,   /* SY_RT_ZERO_STACKS */
};

enum slot_state {
    SLOT_UNUSED = 0, /* free, and no job has had it yet */
    SLOT_FREE = SY_BIND_SLOT_FREE,
    SLOT_LIVE = SY_BIND_SLOT_LIVE, /* running, an ancestor, or simply paused */
    SLOT_HELD,        /* paused, and more than a switch resumes it */
    SLOT_FINISHED,    /* by sy_runtime_run(); the result is not collected */
    SLOT_QUARANTINED, /* ended, operations still pinned */
};

/* sy_job.word: the generation, and these. */
#define WORD_PERMIT SY_BIND_PERMIT
#define WORD_QUEUED UINT64_C(2) /* handed to the engine, not yet collected */
#define WORD_SHIFT  2

/* Where jobs take the careful way into and out of a pause: sy_job.in_gate. */
enum {
    IN_WAIT = 1 << 0,  /* a wait context, whose window of changes ends */
    IN_WOKEN = 1 << 1, /* simply paused, and its wake-up was collected: what
                          PERMIT was before */
};

#if !SY_ASAN && !SY_TSAN
_Static_assert(sizeof(struct sy_job) == (SY_TRACED ? 384 : 256),
               "a slot is four cache lines, or six");
#endif

struct sy__thread;

/* A slot whose context is small can be taken for that context, so resumer and
   zero are the link that switchers were promised. */
_Static_assert(offsetof(struct sy_job, ctx_inline) == 0, "slot map");
_Static_assert(offsetof(struct sy_job, resumer) ==
                   SY_CACHE_LINE + offsetof(struct sy_switcher_link, resumer),
               "slot map");
_Static_assert(offsetof(struct sy_job, zero) ==
                   SY_CACHE_LINE + offsetof(struct sy_switcher_link, zero),
               "slot map");

/* Take n slots, linked through link; NULL when there is no memory. */
struct sy_job *sy__slots_take(uint32_t n);
/* Give one back; nobody may be about to wake it. */
void sy__slots_give(struct sy_job *slot);

/* Memory for an engine's state, zeroed and mapped for ever; NULL when there is
   none. */
void *sy__state_take(const struct sy_engine_ops *engine);
void sy__state_give(void *state);
/* Whose state it is. */
const struct sy_engine_ops *sy__engine_of(void *state);

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
    size_t page_bytes;
    size_t each_bytes; /* address space of one stack, guard and top included */
    struct sy__slab *slabs;
    uint32_t stacks;   /* carved so far */
    unsigned means;    /* how the next guard is set */
    const char *guard; /* how they are guarded */
    char note[160];    /* why not by better means, or why no more; or "" */
    bool refused;      /* the last guard, for want of mappings */
    unsigned long mappings_max; /* by guards; 0: not asked for yet */
    size_t high_water_bytes;    /* of what has been wiped or given back */
};

/* Where one stack is. */
struct sy__stack_place {
    void *low;      /* lowest usable byte */
    void *arg_area; /* end of the usable part; SY_JOB_ARG_INLINE_BYTES follow */
    void *ctx;      /* policy.ctx_bytes, zeroed; NULL if that is 0 */
};

/* No stacks yet. */
void sy__stacks_init(struct sy__stacks *stacks,
                     const struct sy__stack_policy *policy);
/* Carve one stack. If something must be mapped, then for at_least stacks where
   that is possible, and for no more than at_most. 0, or -ENOMEM. */
int sy__stacks_carve(struct sy__stacks *stacks, uint32_t at_least,
                     uint32_t at_most, struct sy__stack_place *place);
/* Take back the stack that was carved last. */
void sy__stacks_uncarve(struct sy__stacks *stacks);
/* Unmap everything. Nobody is on any of these stacks. */
void sy__stacks_destroy(struct sy__stacks *stacks);
/* The lowest usable byte of the stack that ends at arg_area. */
void *sy__stack_low_of(const struct sy__stacks *stacks, void *arg_area);
/* Overwrite with zeros what has been used of a stack that nobody is on. */
void sy__stack_wipe(struct sy__stacks *stacks, void *arg_area);
/* Raise high_water_bytes to what has been used of a stack. */
void sy__stack_note_use(struct sy__stacks *stacks, void *arg_area);
/* The most that has been used of any stack. */
size_t sy__stacks_high_water(struct sy__stacks *stacks);
/* Does stack b follow stack a in memory? */
bool sy__stacks_adjacent(const struct sy__stacks *stacks, void *a, void *b);
/* Give back the pages of stacks that follow each other and that nobody is on;
   they read as zeros then. keep_top: not the page with the context. */
void sy__stacks_give_back(struct sy__stacks *stacks, void *first, void *last,
                          bool keep_top);
/* Is there a guard of any stack of the process? Async-signal-safe. */
bool sy__stacks_guard_at(uintptr_t address);

/* ---- guard handler ----------------------------------------------------- */

/* If the handler is installed, see to it that the calling thread has an
   alternate signal stack. 0 or -ENOMEM. */
int sy__guard_handler_join(struct sy__thread *thread);
/* The thread ends. */
void sy__guard_handler_leave(struct sy__thread *thread);

/* ---- threads ----------------------------------------------------------- */

struct sy__thread {
    struct sy_thread head;
    struct sy_runtime *runtimes;
    struct sy__thread *parents; /* of whose fork this is the child; kept, so
                                   that no later one gets its address */
    void *signal_stack; /* ours, for the handler of guard hits; or NULL */
#if SY_CHECK_LEAKS
    sy_job_fn running; /* what the current job runs; NULL outside jobs */
#endif
    struct sy_job nobody; /* current while the thread has no runtime's root */
};

/* The calling thread's state. Never NULL: a shared empty one in threads that
   never opened a runtime. */
extern SY_API _Thread_local struct sy_thread *sy_bind_self SY_TLS_INITIAL_EXEC;

static inline struct sy__thread *sy__self(void)
{
    return (struct sy__thread *)(void *)sy_bind_self;
}

/* For programs that are bound: see bind/bound.h, which is not included here
   because it would rename what we define. */
SY_API int sy_bind_runtime_open(struct sy_runtime **out,
                                const struct sy_runtime_config *cfg,
                                uint32_t layout, const char *switcher);

/* Make the calling thread's state if it has none. 0 or -ENOMEM. */
int sy__thread_join(void);

/* ---- spinning ---------------------------------------------------------- */

struct sy__spin {
    uint64_t longest_ns;  /* 0: never */
    uint64_t next_ns;     /* how long the next may last; 0: none */
    uint64_t saved_at_ns; /* when saved was right; 0: never */
    int64_t saved;        /* budget left, in hundredths of ns; may be owed */
    uint32_t percent;
    uint32_t short_sleeps; /* since next_ns was set back */
    uint32_t doubts;       /* times it was, and nothing found since */
    uint64_t spins;
    uint64_t hits;
    uint64_t spent_ns;
    uint64_t lost_ns;
};

bool sy__spin_config_is_good(const struct sy_runtime_config *cfg);
/* profile_ns: what the profile says, 0 for nothing. */
void sy__spin_init(struct sy__spin *spin, const struct sy_runtime_config *cfg,
                   uint64_t profile_ns);
/* Look for a wake-up until one is there, left_ns have passed or it is time to
   sleep; was there one? The engine can peek and the clock is real. */
bool sy__spin_wait(struct sy_runtime *rt, uint64_t left_ns);
/* A sleep after no such spin, or one in vain, took this long and ended with a
   wake-up. */
void sy__spin_slept(struct sy__spin *spin, uint64_t slept_ns);

/* ---- runtimes ---------------------------------------------------------- */

#define COLLECT_MAX 256 /* slots taken from the engine at once */

struct sy_runtime {
    struct sy_bind_runtime hot;
    struct sy_thread *thread; /* whose it is; stale after a fork */
    const struct sy_switcher_ops *sw;
    uint32_t flags;
    bool adopts; /* fn runs on another thread, or sanitizers must see it */

    struct sy_job *ready_head;  /* collected, not yet resumed; first in, */
    struct sy_job **ready_tail; /* first out */
    uint32_t ready_count;
    atomic_bool closed_off; /* see sy__close_off() */
    bool root_woken;
    bool from_afar; /* something ready has come by the engine */
    bool fd_used;
    bool engine_is_open;

    const struct sy_engine_ops *engine;
    const char *variant;
    void *engine_state;
    struct sy_engine_counts counts;
    struct sy_clock *clock;
    struct sy__spin spin;

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
    const char *profile;
    char engine_name[64];

    struct sy_runtime *next; /* of the same thread */
    struct sy_job *root;     /* stands for the thread outside its jobs */
    void *root_ctx;          /* its context, if that is a large one */
#if SY_TRACED
    struct sy__trace *trace; /* NULL: it has never been traced */
#endif
    struct sy_engine_slot *collect[COLLECT_MAX];
};

/* One more slot with its stack onto rt->free. */
int sy__runtime_grow(struct sy_runtime *rt);
/* Take a slot out of use: to rt->free, or into quarantine. */
void sy__slot_release(struct sy_job *job);
/* Give back what a quarantined slot holds, if its last pin is gone. */
void sy__quarantine_sweep(struct sy_runtime *rt);
/* runtime.c: an engine's place for a slot. 0 or -errno. */
int sy__slot_attach(struct sy_runtime *rt, struct sy_job *slot, uint32_t index);
void sy__slot_detach(struct sy_runtime *rt, struct sy_job *slot);
/* runtime.c: open the engine in its zeroed state. 0 or -errno. */
int sy__engine_open(struct sy_runtime *rt);
/* Detach every slot and close the engine, if it is open. Its state stays. */
void sy__engine_drop(struct sy_runtime *rt);
/* The same, after the last wake-up has arrived; the state is given back. */
void sy__engine_close(struct sy_runtime *rt);
/* Make the runtime the calling thread's. */
void sy__runtime_adopt(struct sy_runtime *rt);
/* Take it out of the calling thread's list. */
void sy__runtime_unlink(struct sy_runtime *rt);
/* Free all but the engine, which is closed. */
void sy__runtime_free(struct sy_runtime *rt);
/* Does the calling thread stand on a stack of this runtime? */
bool sy__is_on_stack_of(const struct sy_runtime *rt);

/* inherit.c: 0 if rt may be used by the calling thread, else -EXDEV. Makes a
   runtime that was inherited over a fork the child's own, which may fail as
   the engine's open and attach. */
int sy__runtime_own(struct sy_runtime *rt);
/* Is it in the calling thread's list? Of an inherited one that says nothing
   about whose it was. */
bool sy__runtime_is_mine(const struct sy_runtime *rt);
/* The same, for the short paths. */
static inline int sy__runtime_own_fast(struct sy_runtime *rt)
{
    return SY_LIKELY(rt != NULL && rt->thread == sy_bind_self)
               ? 0
               : sy__runtime_own(rt);
}
/* Close the engine of an inherited runtime that was never used here. */
void sy__inherited_close(struct sy_runtime *rt);
/* End every job of a thread that ends, and close its runtimes. What a device
   still uses is kept until a sweep finds that its pins are gone. */
void sy__thread_close_runtimes(struct sy__thread *thread);
void sy__orphans_sweep(void);
/* In the child of a fork: the calling thread's jobs and runtimes are old. */
void sy__runtimes_after_fork(struct sy__thread *thread);
/* Around fork(): no other thread may hold these in the child. */
void sy__process_lock(void);
void sy__process_unlock(void);
void sy__choice_lock(void);
void sy__choice_unlock(void);

/*
 * Between these two a wake that the runtime's own thread makes, which can only
 * be in a signal handler then, goes through the engine: the ready list is being
 * changed, or has been found empty and the thread is about to sleep.
 */
static inline void sy__close_off(struct sy_runtime *rt)
{
    atomic_store_explicit(&rt->closed_off, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void sy__open_up(struct sy_runtime *rt)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&rt->closed_off, false, memory_order_relaxed);
}

/* Put a paused job with a permit where sy_runtime_run() finds it. The runtime
   is closed off. */
void sy__make_ready(struct sy_job *job);
/* The same for one that is simply paused and has been woken. */
void sy__note_woken(struct sy_job *job);
/* Make a foreign loop call again if the ready list is not empty. */
void sy__ring_if_left(struct sy_runtime *rt);
/* End the generation of a slot: no waker of it has an effect from now on. */
void sy__end_generation(struct sy_job *slot);

/* Do jobs run on the pool's stacks, and on the runtime's thread? */
static inline bool sy__has_own_stack(const struct sy_runtime *rt)
{
    const uint32_t both = SY_SW_OWN_STACK | SY_SW_SAME_THREAD;

    return (rt->sw->caps & both) == both;
}

/* The lowest usable byte of a slot's stack. */
static inline void *sy__stack_low(const struct sy_job *job)
{
    return sy__stack_low_of(&job->rt->stacks, job->arg_area);
}

/* Paused in a way that a resume may not ignore. */
static inline void sy__hold(struct sy_job *job)
{
    job->paused = false;
    job->state = SLOT_HELD;
}

static inline bool sy__is_paused(const struct sy_job *job)
{
    return job->paused || job->state == SLOT_HELD;
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

/* ---- registry ---------------------------------------------------------- */

/* The constant name of a variant; name NULL: the first. False: no such. */
bool sy__engine_variant(const struct sy_engine_ops *ops, const char *name,
                        const char **variant);
/* What "engine+variant" says of the variant; NULL: nothing. */
const char *sy__engine_variant_in(const char *name);

/* ---- choice ------------------------------------------------------------ */

struct sy__choice {
    const struct sy_switcher_ops *sw;
    const struct sy_engine_ops *engine;
    const char *variant;
    uint64_t spin_ns;   /* of the profile, with its engine; 0: not said */
    const char *reason; /* the weakest source that decided one of them */
};

/* The value of SWITCHYARD_GUARD, or "". */
const char *sy__environment_guard(void);
/* The value of SWITCHYARD_SPIN_NS. False: it is not set, or out of range. */
bool sy__environment_spin_ns(uint64_t *ns);
/* With SWITCHYARD_EXPLAIN=1: say so on standard error. */
void sy__choice_explain(const char *kind, const char *words);

/* Read the profiles and the CPU's name: once, before main(). */
void sy__profile_load(void);
void sy__profile_read_cpu(void);
/* The profile that counts for a runtime, or NULL. use_env: also the one that
   the environment names. */
const struct sy_profile *sy__profile(bool use_env);
/* What stats say about it; "": there is none. */
const char *sy__profile_note(bool use_env);
/* If a profile is there and cannot be used, say so: one line on standard
   error, once in a process, shared by both. */
void sy__profile_tell(bool use_env);
void sy__profile_say(const char *words);

/* Which parts a new runtime gets; bound: the only switcher that may be, or
   NULL. 0 or an error of sy_runtime_open(). */
int sy__choose(struct sy__choice *out, const struct sy_runtime_config *cfg,
               const char *bound);

#endif
