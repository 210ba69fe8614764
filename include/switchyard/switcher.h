/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract for authors of switchers.
 *
 * A switcher moves control between stacks and does nothing else: it allocates
 * nothing, knows no jobs, keeps no globals that change. The core owns stacks
 * and context memory, keeps errno, and tells the sanitizers. Hooks run on the
 * runtime's thread, unless they say otherwise.
 *
 * See switchers/README.md for how to add one.
 */
#ifndef SWITCHYARD_SWITCHER_H
#define SWITCHYARD_SWITCHER_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

#define SY_SWITCHER_ABI 1

/* Largest ctx_bytes that is accepted. */
#define SY_SWITCHER_CTX_MAX_BYTES 2048

/* What a caller may rely on; absent means "do not". */
enum sy_switcher_cap {
    SY_SW_CAN_PAUSE = 1 << 0,     /* all but "direct" */
    SY_SW_SAME_THREAD = 1 << 1,   /* jobs run on the runtime's own thread */
    SY_SW_OWN_STACK = 1 << 2,     /* jobs run on a stack from the pool */
    SY_SW_KEEPS_SIGMASK = 1 << 3, /* each context has its own signal mask */
    SY_SW_KEEPS_FPCTL = 1 << 4,   /* FP control words survive a swap */
};

/* The usable part of a stack: [low, low + bytes), 64-byte aligned ends. */
struct sy_stack {
    void *low;
    size_t bytes;
};

/*
 * What the core keeps for itself behind every context of at most SY_CACHE_LINE
 * bytes, at ctx + SY_CACHE_LINE. A switcher needs it for one thing only: to
 * tell debuggers and profilers, by its unwind tables, where the root of a job
 * returns to, at no cost while the program runs.
 *
 * The two words are laid out as a frame record.
 */
struct sy_switcher_link {
    void *resumer; /* from the call of start or swap that enters the context
                      until it pauses or has finished: the context that control
                      goes back to. Else out of date. */
    void *zero;    /* NULL in that time */
};

typedef int (*sy_switcher_fn)(void *arg);

struct sy_switcher_ops {
    uint32_t abi;        /* SY_SWITCHER_ABI */
    uint32_t caps;       /* enum sy_switcher_cap bits */
    const char *name;    /* stable: appears in result files */
    const char *summary; /* one line, for "switchyard list" */
    uint32_t bind_form;  /* 0, but for switchers of this library that programs
                            can be bound to (bind/bound.h) */
    uint32_t saved_sp;   /* where in a context the stack pointer is while the
                            context waits, in bytes: for sy_job_prefetch();
                            a multiple of a pointer's size, if ctx_bytes is
                            at most SY_CACHE_LINE; 0: in no such place */
    size_t ctx_bytes;    /* size of a context, 1 .. SY_SWITCHER_CTX_MAX_BYTES;
                            64-byte aligned, zeroed before its first use */

    /*
     * Required. Can this work here? Returns 0, or -ENOTSUP with the reason
     * in words in why (why_bytes of room). Leaves nothing behind. Any thread.
     */
    int (*probe)(char *why, size_t why_bytes);

    /*
     * Optional, both or neither: once per stack, when it enters and leaves the
     * pool. ctx is that stack's context from then on. Between release and the
     * next prepare the core zeroes it. prepare returns 0 or -errno.
     */
    int (*prepare)(void *ctx, const struct sy_stack *stack);
    void (*release)(void *ctx);

    /*
     * Required. Save this flow of control in from, and call fn(arg) below
     * stack_top, as the context to. When fn returns r, call
     * sy_switcher_finished(r): it names the context to continue, and there
     * control arrives with the value 0. The finished context is dead until it
     * is given to start again, with the same stack, which may happen before
     * this flow has quite left it if the switcher is not SAME_THREAD.
     *
     * Called in tail position: control arrives on the other side as the
     * return of its own call to start or swap, with value. A zeroed context
     * is a valid from. Cannot fail.
     *
     * stack_top is the end of the stack that prepare was given, the same for
     * every start of this context. Without SY_SW_OWN_STACK it is NULL.
     */
    int (*start)(void *from, void *to, void *stack_top, sy_switcher_fn fn,
                 void *arg);

    /*
     * Required with SY_SW_CAN_PAUSE. Save this flow of control in from and
     * continue to; there, control arrives as the return of its own call, with
     * value. Called in tail position. Cannot fail.
     */
    int (*swap)(void *from, void *to, int value);
};

/*
 * For switchers only: say that the function given to start has returned.
 *
 * @result  what it returned
 *
 * Returns the context to continue with the value 0. Runs on the job's stack,
 * and on the thread that ran the function.
 */
SY_API void *sy_switcher_finished(int result);

/*
 * Return the switchers of this library, best first, ending with NULL.
 */
SY_API const struct sy_switcher_ops *const *sy_switcher_table(void);

/* Return the switcher of that name, or NULL. */
SY_API const struct sy_switcher_ops *sy_switcher_find(const char *name);

/*
 * Check a switcher that may come from outside: ABI number, required hooks,
 * sizes, and its own probe.
 *
 * @why  on failure: the reason, in words; "" on success
 *
 * Returns 0, -EPROTO (the contract is broken) or -ENOTSUP (not here).
 */
SY_API SY_MUST_CHECK int sy_switcher_probe(const struct sy_switcher_ops *ops,
                                           char *why, size_t why_bytes);

SY_END_DECLS
#endif
