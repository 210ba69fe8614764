/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract for authors of engines: how a wake-up travels from a waker on
 * any thread to the runtime.
 *
 * The core gives each job slot a place in the engine (attach), once, when the
 * slot enters the pool. It calls wake for a slot at most once until wait has
 * returned that slot: merging wakes is the core's business. What the waker
 * wrote before is published to the runtime by the core too, with an atomic
 * read-modify-write on each side; the engine only has to carry the slot.
 *
 * Hooks run while control is with the runtime's thread: under a switcher that
 * is not SAME_THREAD that may be an OS thread of a job, so that two hooks never
 * run at once, but not always on the thread that called open. Exceptions are
 * probe (any thread) and wake (any thread, several at once).
 *
 * See engines/README.md for how to add one.
 */
#ifndef SWITCHYARD_ENGINE_H
#define SWITCHYARD_ENGINE_H

#include <stddef.h>
#include <stdint.h>
#include <switchyard/clock.h>
#include <switchyard/compiler.h>

SY_BEGIN_DECLS

#define SY_ENGINE_ABI 2

/* Private bytes of an engine in each slot. */
#define SY_ENGINE_SLOT_BYTES 24

/* What a caller may rely on, and must reckon with. */
enum sy_engine_cap {
    SY_EN_SIGNAL_SAFE = 1 << 0, /* wake is async-signal-safe */
    SY_EN_POLLABLE = 1 << 1,    /* fd gives a descriptor, in every variant */
    SY_EN_FD_PER_JOB = 1 << 2,  /* takes descriptors for each job slot */
    SY_EN_BUSY_WAIT = 1 << 3,   /* wait burns CPU instead of sleeping */
    SY_EN_BASELINE = 1 << 4,    /* there to be compared with, not to be used */
    SY_EN_BY_MEMORY = 1 << 5,   /* wakes of the runtime's own thread need not
                                   come here: they are passed in memory */
};

/* A job slot as the engine sees it. */
struct sy_engine_slot {
    /* The engine's own, 8-byte aligned: zeroed before attach. */
    union {
        unsigned char bytes[SY_ENGINE_SLOT_BYTES];
        uint64_t align;
    } priv;
    uint32_t index; /* 0 .. attached slots - 1, unique in its runtime */
    uint32_t reserved;
};

/* Counters that the engine keeps on the runtime's thread. */
struct sy_engine_counts {
    uint64_t syscalls; /* system calls made by wait, and by what it calls */
    uint64_t sleeps;   /* of these, calls that were allowed to block */
};

/* Bits for sy_engine_config.flags. */
enum sy_engine_flag {
    SY_EN_SAME_THREAD = 1 << 0, /* jobs run on the runtime's own thread: all
                                   hooks but probe and wake are called on the
                                   thread that calls open, unless a job of
                                   another runtime, on an OS thread of its
                                   own, drives this one */
};

struct sy_engine_config {
    const char *variant; /* one of ops->variants, or NULL if it has none */
    struct sy_engine_counts *counts; /* the runtime's; outlives the engine */
    uint32_t flags;                  /* enum sy_engine_flag bits */
};

/* What has become of a feature that an engine would like to have. */
enum sy_feature_state {
    SY_FEATURE_USED = 0,
    SY_FEATURE_MISSING = 1, /* the system does not have it, or refuses it */
    SY_FEATURE_UNUSED = 2,  /* it may be there; the engine does without */
};

/* A line for "switchyard list --verbose". Texts are constants. */
struct sy_engine_feature {
    const char *name;
    uint32_t state;      /* enum sy_feature_state */
    const char *instead; /* what is used instead, or why not; "" if it is used
                            and there is nothing to say */
};

struct sy_engine_ops {
    uint32_t abi;                /* SY_ENGINE_ABI */
    uint32_t caps;               /* enum sy_engine_cap bits, true for every
                                    variant */
    const char *name;            /* stable: appears in result files */
    const char *summary;         /* one line, for "switchyard list" */
    const char *const *variants; /* ways of waiting, best first, ending with
                                    NULL; NULL if there is only one */
    size_t state_bytes;          /* private state: zeroed before open, 64-byte
                                    aligned, mapped for the life of the
                                    process so that a late waker may read it */

    /*
     * Required. Can this variant work here? Returns 0, or -ENOTSUP with the
     * reason in words in why (why_bytes of room). Leaves nothing behind.
     */
    int (*probe)(const char *variant, char *why, size_t why_bytes);

    /* Required. Returns 0 or -errno with nothing left behind. */
    int (*open)(void *state, const struct sy_engine_config *cfg);

    /*
     * Required. All slots are detached, and every wake that began has been
     * collected. A waker may still be inside wake, behind the point where its
     * slot could be collected: close waits for it before it closes what such
     * a waker uses. In the child of a fork, detach and close of what the
     * parent opened only unmap and close, and touch nothing that is shared.
     */
    void (*close)(void *state);

    /*
     * Optional, once per slot. attach returns 0 or -errno with nothing left
     * behind. Before detach the core collects a wake that is on its way, but
     * not in the child of a fork.
     */
    int (*attach)(void *state, struct sy_engine_slot *slot);
    void (*detach)(void *state, struct sy_engine_slot *slot);

    /*
     * Required. Carry slot to the runtime. Any thread. Cannot fail: a call
     * that the kernel refuses for a passing reason is repeated. After the
     * slot can be collected, only state may be touched, not the slot.
     */
    void (*wake)(void *state, struct sy_engine_slot *slot);

    /*
     * Required. Collect slots that were woken: oldest first, if the engine
     * knows which that is.
     *
     * @ready       where to put them
     * @max         room there, >= 1; what does not fit stays for the next call
     * @timeout_ns  how long to wait for the first; 0: not at all;
     *              SY_FOREVER: without limit
     *
     * Returns how many were put (0: the time is over, a signal came, or for
     * no reason), or -errno. May change errno, as every hook but wake.
     */
    int (*wait)(void *state, struct sy_engine_slot **ready, unsigned max,
                uint64_t timeout_ns);

    /*
     * Required with SY_EN_POLLABLE. Set *fd to a descriptor that is readable
     * whenever wait(timeout 0) would return slots. From then on a wait with
     * timeout 0 that returns fewer than max arms the descriptor and looks
     * again before it returns; one that returns max leaves it readable.
     * Returns 0 or -errno.
     */
    int (*fd)(void *state, int *fd);

    /*
     * Optional: for runtimes that spin before they sleep. Look whether wait
     * with timeout 0 may return slots, by reading memory only: no system call,
     * nothing armed or collected. Called again and again, between two calls of
     * wait. Returns not 0 if it may (a false alarm costs a call of wait), 0 if
     * nothing is seen yet (what has been there for long must be seen).
     */
    int (*peek)(void *state);

    /*
     * Optional. Try out what this variant would like to use here, for a
     * runtime with SY_EN_SAME_THREAD. Any thread; leaves nothing
     * behind. Returns how many of max features were written, 0 if the variant
     * does not work here.
     */
    unsigned (*describe)(const char *variant,
                         struct sy_engine_feature *features, unsigned max);
};

/* Return the engines of this library, best first, ending with NULL. */
SY_API const struct sy_engine_ops *const *sy_engine_table(void);

/*
 * Look up an engine by a name like "queue" or "pipe+select".
 *
 * @name     without "+variant" the engine's first variant is meant
 * @variant  set to the variant's constant name, NULL if it has none or on
 *           failure
 *
 * Returns the engine, or NULL if there is none of that name and variant.
 */
SY_API const struct sy_engine_ops *sy_engine_find(const char *name,
                                                  const char **variant);

/*
 * Check an engine that may come from outside: ABI number, required hooks,
 * sizes, and its own probe.
 *
 * @variant  one of ops->variants; NULL: the first
 * @why      on failure: the reason, in words; "" on success
 *
 * Returns 0, -EPROTO (the contract is broken), -ENOENT (no such variant) or
 * -ENOTSUP (not here).
 */
SY_API SY_MUST_CHECK int sy_engine_probe(const struct sy_engine_ops *ops,
                                         const char *variant, char *why,
                                         size_t why_bytes);

SY_END_DECLS
#endif
