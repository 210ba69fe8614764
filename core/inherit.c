/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of runtimes whose owner is gone: the thread that opened them has
 * ended, or the process is the child of a fork.
 *
 * A thread that ends  its jobs are abandoned and its runtimes closed. Stacks
 *                     that a device still uses are kept with their runtime, an
 *                     orphan, until a later sweep on any thread.
 * A fork              the child has copies of the forking thread's runtimes.
 *                     They are made its own when they are first used there:
 *                     with an engine of their own, for the old one's
 *                     descriptors and rings are the parent's too, and without
 *                     the jobs that were paused.
 */
#include "core.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    struct sy_runtime *orphans;
    uint64_t runtimes_orphaned;
    uint64_t jobs_orphaned;
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

void sy__process_lock(void)
{
    pthread_mutex_lock(&process.lock);
}

void sy__process_unlock(void)
{
    pthread_mutex_unlock(&process.lock);
}

/* ---- threads that end -------------------------------------------------- */

void sy__orphans_sweep(void)
{
    struct sy_runtime **at, *rt, *gone = NULL;

    sy__process_lock();
    at = &process.orphans;
    while (*at != NULL) {
        rt = *at;
        sy__quarantine_sweep(rt);
        if (rt->quarantined != 0 || sy__pins(rt->root) != 0) {
            at = &rt->next;
            continue;
        }
        *at = rt->next;
        rt->next = gone;
        gone = rt;
    }
    sy__process_unlock();
    while (gone != NULL) {
        rt = gone;
        gone = rt->next;
        sy__runtime_free(rt);
    }
}

/*
 * End what can be ended, and count it. False: a job ends the thread from
 * within, and its stack is in use until the very end.
 */
static bool end_all_jobs(struct sy_runtime *rt, uint64_t *ended)
{
    bool all = true;

    for (uint32_t i = 1; i < rt->slot_count; i++) {
        struct sy_job *job = rt->slots[i];

        if (sy__is_paused(job) || job->state == SLOT_FINISHED) {
            (*ended)++;
            sy__job_end_unrun(job);
        } else if (job->state == SLOT_LIVE) {
            all = false;
            sy__end_generation(job);
        }
    }
    return all;
}

static void leave_orphan(struct sy_runtime *rt)
{
    uint64_t ended = 0;
    bool all = end_all_jobs(rt, &ended); /* runs code of the user's: unlocked */

    sy__runtime_unlink(rt);
    sy__engine_close(rt);
    sy__process_lock();
    process.runtimes_orphaned++;
    process.jobs_orphaned += ended;
    if (all) { /* else its stacks stay mapped for ever */
        rt->next = process.orphans;
        process.orphans = rt;
    }
    sy__process_unlock();
}

void sy__thread_close_runtimes(struct sy__thread *thread)
{
    struct sy_runtime *rt;

    while (thread->runtimes != NULL) {
        rt = thread->runtimes;
        if (rt->thread == &thread->head) {
            leave_orphan(rt);
        } else {
            sy__inherited_close(rt);
            sy__runtime_free(rt);
        }
    }
    sy__orphans_sweep();
}

int sy_process_get_stats(struct sy_process_stats *stats)
{
    if (stats->size != sizeof(*stats))
        return -EINVAL;
    memset(stats, 0, sizeof(*stats));
    stats->size = sizeof(*stats);
    sy__orphans_sweep();
    sy__process_lock();
    stats->runtimes_orphaned = process.runtimes_orphaned;
    stats->jobs_orphaned = process.jobs_orphaned;
    for (const struct sy_runtime *rt = process.orphans; rt != NULL;
         rt = rt->next)
        stats->jobs_quarantined += rt->quarantined;
    sy__process_unlock();
    return 0;
}

/* ---- the child of a fork ----------------------------------------------- */

/* Was the job running, or an ancestor of the one that ran? */
static bool was_running(const struct sy_job *slot)
{
    return slot->state == SLOT_LIVE && !sy__is_paused(slot);
}

/* What is ready is the parent's: a sy_runtime_run() that goes on in the child
   must neither resume it nor ring for it. */
static void forget_ready(struct sy_runtime *rt)
{
    rt->ready_head = NULL;
    rt->ready_tail = &rt->ready_head;
    rt->ready_count = 0;
}

void sy__runtimes_after_fork(struct sy__thread *thread)
{
    for (struct sy_runtime *rt = thread->runtimes; rt != NULL; rt = rt->next) {
        rt->hot.start_form = 0;
        forget_ready(rt);
        for (uint32_t i = 1; i < rt->slot_count; i++) {
            struct sy_job *slot = rt->slots[i];

            if (was_running(slot)) {
                slot->gate |= GATE_FORKED;
            } else if (!sy__is_free(slot)) {
                slot->end_gate |= END_FORKED;
                if (sy__is_paused(slot))
                    sy__hold(slot);
            }
        }
    }
}

/*
 * May the slot serve the child? The jobs that the fork found running go on
 * there, and end. Those that were paused are the parent's, and so are contexts
 * that need a thread.
 */
static bool survives(const struct sy_runtime *rt, const struct sy_job *slot)
{
    return slot == rt->root || was_running(slot) ||
           (sy__is_free(slot) && (rt->sw->caps & SY_SW_SAME_THREAD) != 0);
}

/* Attach what survives to the new engine. On failure nothing is attached. */
static int attach_survivors(struct sy_runtime *rt)
{
    uint32_t index = 0;
    int err = 0;

    for (uint32_t i = 0; i < rt->slot_count && err == 0; i++) {
        if (survives(rt, rt->slots[i]))
            err = sy__slot_attach(rt, rt->slots[i], index++);
    }
    if (err == 0)
        return 0;
    index--; /* the one that failed */
    for (uint32_t i = 0; index > 0; i++) {
        if (survives(rt, rt->slots[i])) {
            sy__slot_detach(rt, rt->slots[i]);
            index--;
        }
    }
    return err;
}

/* Keep the slots that survive, and forget the rest. */
static void keep_survivors(struct sy_runtime *rt)
{
    uint32_t count = rt->slot_count;
    uint64_t running = 0;

    rt->slot_count = 0;
    rt->hot.free = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct sy_job *slot = rt->slots[i];

        if (!survives(rt, slot)) {
            slot->rt = NULL; /* a handle to it must not lead here */
            continue;
        }
        rt->slots[rt->slot_count++] = slot;
        slot->in_ready = false;
        atomic_fetch_and_explicit(&slot->word, ~WORD_QUEUED,
                                  memory_order_relaxed);
        if (was_running(slot)) {
            running++;
        } else if (slot != rt->root) {
            slot->link = rt->hot.free;
            rt->hot.free = slot;
        }
    }
    rt->lost_in_fork += rt->hot.started - rt->hot.ended - running;
    rt->hot.ended = rt->hot.started - running;
}

static void forget_what_waited(struct sy_runtime *rt)
{
    forget_ready(rt);
    rt->quarantine = NULL;
    rt->quarantined = 0;
    rt->kept = 0;
    rt->root_woken = false;
    rt->fd_used = false;
    rt->root->pins_taken =
        atomic_load_explicit(&rt->root->pins_released, memory_order_relaxed);
}

/* Make a copy of the parent's runtime the child's own. After a failure it can
   be tried again. */
static int start_afresh(struct sy_runtime *rt)
{
    int err;

    sy__engine_drop(rt);
    memset(rt->engine_state, 0, rt->engine->state_bytes);
    err = sy__engine_open(rt);
    if (err != 0)
        return err;
    err = attach_survivors(rt);
    if (err != 0) {
        rt->engine->close(rt->engine_state);
        rt->engine_is_open = false;
        return err;
    }
    keep_survivors(rt);
    forget_what_waited(rt);
    sy__runtime_adopt(rt);
    return 0;
}

void sy__inherited_close(struct sy_runtime *rt)
{
    sy__engine_drop(rt);
    keep_survivors(rt);
    sy__runtime_unlink(rt);
    sy__end_generation(rt->root);
    sy__state_give(rt->engine_state);
}

bool sy__runtime_is_mine(const struct sy_runtime *rt)
{
    const struct sy_runtime *mine = sy__self()->runtimes;

    while (mine != NULL && mine != rt)
        mine = mine->next;
    return mine != NULL;
}

int sy__runtime_own(struct sy_runtime *rt)
{
    int err, saved_errno;

    if (SY_LIKELY(rt != NULL && rt->thread == sy_bind_self))
        return 0;
    if (rt == NULL || !sy__runtime_is_mine(rt))
        return -EXDEV;
    saved_errno = errno;
    err = start_afresh(rt);
    errno = saved_errno;
    return err;
}
