/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a wake-up arrives.
 *
 * A slot's word holds its generation and two bits. PERMIT: the job was woken
 * since it last resumed. QUEUED: the slot was handed to the engine and not
 * collected yet. A waker sets both with one compare-and-swap that fails if the
 * generation is another one; the waker that set QUEUED hands the slot to the
 * engine, and nobody else does until the owner has collected it. So an engine
 * may keep its list inside the slots, and a slot is in it at most once.
 *
 * The owner takes PERMIT when it resumes the job, or, where it finds the job
 * simply paused, already when it collects the slot: then in_gate says so
 * (IN_WOKEN) until the job resumes or ends, and a resume takes a permit that
 * was set in between.
 *
 * Every wake writes the word, a merged one too, and the owner's clearing of
 * PERMIT reads what they wrote: all of them stand in one release sequence, so
 * what came before each of them comes before the pause returns.
 *
 * The generation changes only when a waker may know it (END_WAKER): a job of
 * which none was ever made starts and ends without an atomic instruction.
 *
 * A wake that the runtime's own thread makes, for a job that is simply paused,
 * needs none of this: it is noted as if it had been collected already. Where
 * that thread stands in a signal handler it has interrupted itself, and the
 * runtime says whether the ready list may be touched (sy__close_off()).
 */
#include "probes.h"
#include <errno.h>

/* If the calling thread owns the slot and nothing stands against it, release
   so many pins and note the wake. Returns whether it did. */
static inline bool wake_own(struct sy_waker waker, uint32_t pins)
{
    struct sy_job *slot = waker.slot;
    struct sy_runtime *rt;

    /* relaxed: a thread alone makes itself an owner, and ends that */
    if (atomic_load_explicit(&slot->owner, memory_order_relaxed) !=
        sy_bind_self)
        return false;
    rt = slot->rt;
    if (sy__generation(slot) != waker.generation || !slot->paused ||
        rt->fd_used || /* a foreign loop may sleep, and wants the doorbell */
        atomic_load_explicit(&rt->closed_off, memory_order_relaxed))
        return false;
    sy__close_off(rt);
    slot->pins_taken -= pins;
    if ((slot->in_gate & IN_WOKEN) == 0) {
        sy__trace_completed_here(rt, slot);
        rt->collected++;
        sy__note_woken(slot);
        sy__trace_look_ends(rt);
    }
    sy__open_up(rt);
    return true;
}

/* The two lines of a slot that a waker writes are most likely another CPU's:
   fetched at once, for the locked instructions would fetch them in turn. */
static inline void prefetch_for_wake(struct sy_job *slot)
{
    SY_PREFETCH_WRITE(&slot->resumer);
    SY_PREFETCH_WRITE(&slot->eslot);
}

static int wake_by_engine(struct sy_waker waker)
{
    struct sy_job *slot = waker.slot;
    uint64_t old = atomic_load_explicit(&slot->word, memory_order_relaxed);

    sy__trace_completed(waker);
    do {
        if (old >> WORD_SHIFT != waker.generation)
            return -ESRCH;
        /* acq_rel pairs with note_paused(), note_other() and
           sy__clear_permit() */
    } while (!atomic_compare_exchange_weak_explicit(
        &slot->word, &old, old | WORD_PERMIT | WORD_QUEUED,
        memory_order_acq_rel, memory_order_relaxed));
    if ((old & WORD_QUEUED) == 0)
        sy__engine_of(slot->engine_state)
            ->wake(slot->engine_state, &slot->eslot);
    return 0;
}

int sy_wake(struct sy_waker waker)
{
    if (waker.slot == NULL)
        return -ESRCH;
    SY_PROBE_WAKE(waker, 0);
    prefetch_for_wake(waker.slot);
    return wake_own(waker, 0) ? 0 : wake_by_engine(waker);
}

int sy_complete(struct sy_waker waker)
{
    if (waker.slot == NULL)
        return -ESRCH;
    SY_PROBE_WAKE(waker, 1);
    prefetch_for_wake(waker.slot);
    if (wake_own(waker, 1))
        return 0;
    /*
     * The pin first: woken before that, the job could end and find itself
     * still pinned, for nothing. The slot is readable for ever, and if it has
     * gone to another job meanwhile, the generation says so.
     * release pairs with acquire in sy__pins().
     */
    atomic_fetch_add_explicit(&waker.slot->pins_released, 1,
                              memory_order_release);
    return wake_by_engine(waker);
}

void sy__end_generation(struct sy_job *slot)
{
    uint64_t old = atomic_load_explicit(&slot->word, memory_order_relaxed);

    /* QUEUED stays: the slot itself is still on its way to its runtime. */
    while (!atomic_compare_exchange_weak_explicit(
        &slot->word, &old,
        (((old >> WORD_SHIFT) + 1) << WORD_SHIFT) | (old & WORD_QUEUED),
        memory_order_acq_rel, memory_order_relaxed))
        ;
    slot->end_gate &= (uint16_t)~END_WAKER; /* nobody knows the new one */
}
