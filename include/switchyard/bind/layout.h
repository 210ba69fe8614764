/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the short paths of the job layer read and write. The library is built
 * on these structs, and a program that is bound to one switcher (bound.h) has
 * the same short paths compiled into it. Nobody else should look inside.
 *
 * A program and the library agree if SY_BIND_LAYOUT is equal in both, which
 * sy_bind_runtime_open() checks. Whoever changes anything here raises it.
 */
#ifndef SWITCHYARD_BIND_LAYOUT_H
#define SWITCHYARD_BIND_LAYOUT_H

#include <stdint.h>
#include <switchyard/compiler.h>
#include <switchyard/engine.h>
#include <switchyard/job.h>
#include <switchyard/switcher.h>

SY_BEGIN_DECLS

#define SY_BIND_LAYOUT 6

/* In C++ the word is read with the compiler's own atomics. */
#ifdef __cplusplus
#define SY_BIND_ATOMIC(type)   type
#define SY_BIND_ALIGNED(bytes) alignas(bytes)
#else
#define SY_BIND_ATOMIC(type)   _Atomic(type)
#define SY_BIND_ALIGNED(bytes) _Alignas(bytes)
#endif

/* Bits of sy_job.word; the generation stands above them. */
#define SY_BIND_PERMIT UINT64_C(1) /* woken since it last resumed */

struct sy_thread;
struct sy_defer;

/* A slot: it serves one job after another. job.c says how. */
struct sy_job {
    /* Line 0: the switcher's context, when it is small enough. */
    SY_BIND_ALIGNED(SY_CACHE_LINE) unsigned char ctx_inline[SY_CACHE_LINE];

    /* Line 1: what every switch reads and writes. A waker writes word, and a
       switch has to read it: so both cost one line. */
    struct sy_job *resumer; /* a job, or a root */
    void *zero;             /* NULL: see struct sy_switcher_link */
    void *ctx;
    struct sy_runtime *rt;
    SY_BIND_ATOMIC(uint64_t) word;          /* generation and permit */
    SY_BIND_ATOMIC(uint32_t) pins_released; /* by any thread */
    uint32_t pins_taken;                    /* by the owner */
    int saved_errno;                        /* while something else runs */
    /* In a free slot these four are as the next job needs them. */
    uint16_t gate;     /* not 0: a pause is more than a switch */
    uint16_t form;     /* sy_switcher_ops.bind_form */
    uint16_t in_gate;  /* not 0: a resume is more than a switch */
    uint16_t end_gate; /* not 0: an end is more than a switch */
    uint32_t paused;   /* simply: a resume finds it as it was left */

    /* Line 2: the way to the runtime, for wakers; and where this slot, as a
       resumer, wants to be told how the job that it resumed has ended. */
    /* Whose own wakes need no engine; NULL: nobody's. */
    SY_BIND_ATOMIC(struct sy_thread *) owner;
    void *engine_state;
    struct sy_engine_slot eslot;
    struct sy_job **out_job;
    int *out_result; /* NULL: leave it in the job */

    /* Line 3: once per job. */
    void *user;
    sy_job_done_fn done;
    struct sy_job *link; /* in a free list or in quarantine */
    void *arg_area;      /* the stack's end; arguments follow it */
    struct sy_wait *wait;
    struct sy_defer *defers;
    struct sy_job *ready_next;
    int result;
    uint16_t block_count;
    uint8_t state;
    uint8_t in_ready;

#if defined(SY_TRACED) && SY_TRACED
    /* Lines 4 and 5, of libswitchyard-traced alone: core/trace.c. Bound
       programs need not know, nothing lies behind. */
    struct {
        SY_BIND_ALIGNED(SY_CACHE_LINE) SY_BIND_ATOMIC(uint64_t) completed_at;
        SY_BIND_ATOMIC(uint32_t) watched; /* by which trace; 0: by none */
        uint32_t pauses;
        uint64_t submitted_at;
        uint64_t since;   /* when the present phase began */
        uint64_t seen_at; /* 0: not since it paused */
        uint64_t start_ticks;
        uint64_t run_ticks;
        uint64_t wait_ticks;
        uint64_t notify_ticks;
        uint64_t schedule_ticks;
        uint64_t number;
        uint32_t early;
        uint32_t unwoken;
        int (*fn)(void *arg);
        void *arg;
    } traced;
#endif

#if SY_ASAN || SY_TSAN
    struct {
        void *fake_stack;
        const void *bottom;
        size_t bytes;
        void *tsan;
    } fiber;
#endif
};

/* A bit of sy_bind_runtime.start_form; a form is less. */
#define SY_BIND_STARTS 0x100

/* How many lines of a stack, from the stack pointer on, a resumed job reads
   soon: its pause and a few callers. */
#define SY_BIND_PREFETCH_LINES 3

/* Those states of a slot that the short paths write. */
#define SY_BIND_SLOT_FREE 1
#define SY_BIND_SLOT_LIVE 2

/* The part of a thread's state that the short paths use. */
struct sy_thread {
    struct sy_job *current; /* never NULL: a job, a root, or a nobody */
    int *errno_addr;        /* constant for the life of the thread */
};

/* The part of a runtime that the short paths use. */
struct sy_bind_runtime {
    struct sy_job *free; /* last in, first out */
    int (*start)(void *from, void *to, void *stack_top, sy_switcher_fn fn,
                 void *arg);                      /* of the switcher */
    int (*swap)(void *from, void *to, int value); /* of the switcher */
    uint64_t started;
    uint64_t ended; /* slots given up by a job */
    uint64_t resumes;
    uint16_t first_gate; /* of every job */
    uint16_t start_form; /* its jobs' form with SY_BIND_STARTS; 0: a start is
                            more than a switch to fn */
    uint32_t saved_sp;   /* of the switcher */
};

SY_END_DECLS
#endif
