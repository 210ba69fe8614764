/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runtimes: who owns slots, stacks and the engine, and the loop that resumes
 * what is ready.
 *
 * The ready list holds slots whose wake-up was collected. It is a list of
 * slots, not of jobs: an entry may be out of date by the time its turn comes
 * (the job was resumed by hand, or ended, or its slot serves another job), and
 * then it is passed over, because the permit is gone.
 */
#include "leak_check.h"
#include "probes.h"
#include "sanitizers.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- slots of a runtime ------------------------------------------------ */

static struct sy_job *slot_of(struct sy_engine_slot *eslot)
{
    return (struct sy_job *)(void *)((char *)eslot -
                                     offsetof(struct sy_job, eslot));
}

static bool is_queued(const struct sy_job *slot)
{
    return (atomic_load_explicit(&slot->word, memory_order_acquire) &
            WORD_QUEUED) != 0;
}

static bool keeps_stacks(const struct sy_runtime *rt)
{
    return (rt->sw->caps & SY_SW_OWN_STACK) != 0;
}

int sy__slot_attach(struct sy_runtime *rt, struct sy_job *slot, uint32_t index)
{
    bool by_memory;

    memset(&slot->eslot, 0, sizeof(slot->eslot));
    slot->eslot.index = index;
    slot->engine_state = rt->engine_state;
    /* Jobs with threads of their own share their runtime's state with the
       thread that waits for them, where a signal handler may run meanwhile. */
    by_memory = (rt->engine->caps & SY_EN_BY_MEMORY) != 0 &&
                (rt->sw->caps & SY_SW_SAME_THREAD) != 0;
    /* relaxed: who finds himself here has written it himself */
    atomic_store_explicit(&slot->owner, by_memory ? sy_bind_self : NULL,
                          memory_order_relaxed);
    return rt->engine->attach != NULL
               ? rt->engine->attach(rt->engine_state, &slot->eslot)
               : 0;
}

void sy__slot_detach(struct sy_runtime *rt, struct sy_job *slot)
{
    atomic_store_explicit(&slot->owner, NULL, memory_order_relaxed);
    if (rt->engine->detach != NULL)
        rt->engine->detach(rt->engine_state, &slot->eslot);
}

/* Give the slot a stack, or at least a place for arguments. */
static int furnish(struct sy_runtime *rt, struct sy_job *slot,
                   uint32_t at_least, uint32_t at_most)
{
    struct sy__stack_place place = {0};
    struct sy_stack stack;
    int err;

    memset(slot->ctx_inline, 0, sizeof(slot->ctx_inline));
    slot->ctx = slot->ctx_inline;
    if (!keeps_stacks(rt)) {
        slot->arg_area = aligned_alloc(SY_CACHE_LINE, SY_JOB_ARG_INLINE_BYTES);
        return slot->arg_area != NULL ? 0 : -ENOMEM;
    }
    err = sy__stacks_carve(&rt->stacks, at_least, at_most, &place);
    if (err != 0)
        return err;
    slot->arg_area = place.arg_area;
    if (place.ctx != NULL)
        slot->ctx = place.ctx;
    if (rt->sw->prepare != NULL) {
        stack.low = place.low;
        stack.bytes = (size_t)((char *)place.arg_area - (char *)place.low);
        err = rt->sw->prepare(slot->ctx, &stack);
        if (err != 0) {
            sy__stacks_uncarve(&rt->stacks);
            return err;
        }
    }
    if (sy__has_own_stack(rt)) {
        sy__fiber_made(slot);
        sy__stack_forget(slot);
    }
    return 0;
}

static void unfurnish(struct sy_runtime *rt, struct sy_job *slot)
{
    if (!keeps_stacks(rt)) {
        free(slot->arg_area);
        return;
    }
    if (sy__has_own_stack(rt))
        sy__fiber_gone(slot);
    if (rt->sw->release != NULL)
        rt->sw->release(slot->ctx);
}

/* Room for n more slots. */
static int make_room(struct sy_runtime *rt, uint32_t n)
{
    uint32_t room = rt->slot_room != 0 ? rt->slot_room * 2 : 16;
    struct sy_job **slots;

    if (n <= rt->slot_room - rt->slot_count)
        return 0;
    if (room - rt->slot_count < n)
        room = rt->slot_count + n;
    slots = realloc(rt->slots, room * sizeof(struct sy_job *));
    if (slots == NULL)
        return -ENOMEM;
    rt->slots = slots;
    rt->slot_room = room;
    return 0;
}

/* A form that no program is bound to sends its jobs here, where they are
   traced. */
static uint16_t bind_form(const struct sy_runtime *rt)
{
    return SY_TRACED ? 0 : (uint16_t)rt->sw->bind_form;
}

/* Take a slot into the runtime, which has room for it: attached, but without a
   stack yet. */
static int add_slot(struct sy_runtime *rt, struct sy_job *slot)
{
    int err;

    slot->rt = rt;
    slot->paused = false;
    slot->zero = NULL;
    slot->state = SLOT_UNUSED;
    slot->gate = rt->hot.first_gate;
    slot->end_gate = 0;
    slot->in_gate = 0;
    slot->form = bind_form(rt);
    slot->in_ready = false;
    slot->defers = NULL;
    slot->wait = NULL;
    slot->pins_taken = 0;
    atomic_store_explicit(&slot->pins_released, 0, memory_order_relaxed);
    err = sy__slot_attach(rt, slot, rt->slot_count);
    if (err == 0)
        rt->slots[rt->slot_count++] = slot;
    return err;
}

/* Take a slot into the pool; at_least and at_most as for the stacks. */
static int add_job(struct sy_runtime *rt, struct sy_job *slot,
                   uint32_t at_least, uint32_t at_most)
{
    int err;

    err = add_slot(rt, slot);
    if (err != 0)
        return err;
    err = furnish(rt, slot, at_least, at_most);
    if (err != 0) {
        sy__slot_detach(rt, slot);
        rt->slot_count--;
        return err;
    }
    slot->link = rt->hot.free;
    rt->hot.free = slot;
    return 0;
}

/* Add a list of slots to the pool; n and at_most as for the stacks. Those that
   could not be added are given back. */
static int add_jobs(struct sy_runtime *rt, struct sy_job *list, uint32_t n,
                    uint32_t at_most)
{
    struct sy_job *slot;
    int err = 0;

    while (list != NULL) {
        slot = list;
        list = slot->link;
        if (err == 0)
            err = add_job(rt, slot, n--, at_most--);
        if (err != 0)
            sy__slots_give(slot);
    }
    return err;
}

/* Add n jobs to the pool, which is to have at_most more. On failure those that
   were added stay. Slots are taken for as many jobs as there are already:
   their memory is never given back, should there be no stacks for them. */
static int grow(struct sy_runtime *rt, uint32_t n, uint32_t at_most)
{
    struct sy_job *list;
    uint32_t some;
    int err = make_room(rt, n);

    while (err == 0 && n > 0) {
        some = n < rt->slot_count ? n : rt->slot_count;
        list = sy__slots_take(some);
        if (list == NULL)
            return -ENOMEM;
        err = add_jobs(rt, list, n, at_most);
        n -= some;
        at_most -= some;
    }
    return err;
}

int sy__runtime_grow(struct sy_runtime *rt)
{
    int err, saved_errno = errno;
    uint32_t jobs;

    sy__quarantine_sweep(rt);
    if (rt->hot.free != NULL)
        return 0;
    jobs = rt->slot_count - 1; /* without the root */
    if (rt->jobs_max != 0 && jobs >= rt->jobs_max)
        return -EAGAIN;
    err = grow(rt, 1, rt->jobs_max != 0 ? rt->jobs_max - jobs : UINT32_MAX);
    errno = saved_errno;
    return err;
}

/* Where the stack is that of a thread, the thread still lives on it. */
static void wipe(struct sy_job *job)
{
    if (sy__has_own_stack(job->rt)) {
        sy__stack_forget(job);
        sy__stack_wipe(&job->rt->stacks, job->arg_area);
    } else {
        explicit_bzero(job->arg_area, SY_JOB_ARG_INLINE_BYTES);
    }
    /* It holds registers. What prepare made must stay. */
    if (job->rt->sw->prepare == NULL)
        explicit_bzero(job->ctx, job->rt->sw->ctx_bytes);
}

void sy__slot_release(struct sy_job *job)
{
    struct sy_runtime *rt = job->rt;

    rt->hot.ended++;
    if ((job->end_gate & END_WAKER) != 0)
        sy__end_generation(job); /* a waker made after the job had ended */
    if (sy__pins(job) != 0) {
        job->state = SLOT_QUARANTINED;
        job->link = rt->quarantine;
        rt->quarantine = job;
        rt->quarantined++;
        return;
    }
    if ((job->end_gate & END_WIPE) != 0)
        wipe(job);
    job->gate = rt->hot.first_gate;
    job->in_gate = 0;
    job->end_gate = 0;
    job->state = SLOT_FREE;
    job->link = rt->hot.free;
    rt->hot.free = job;
}

void sy__quarantine_sweep(struct sy_runtime *rt)
{
    struct sy_job **at = &rt->quarantine, *job;

    while (*at != NULL) {
        job = *at;
        if (sy__pins(job) != 0) {
            at = &job->link;
            continue;
        }
        *at = job->link;
        rt->quarantined--;
        if (sy__has_own_stack(rt))
            sy__fiber_abandoned(job);
        rt->hot.ended--; /* it was counted when it ended */
        sy__slot_release(job);
    }
}

/* ---- collecting and running -------------------------------------------- */

/* How far ahead memory is fetched: long enough for a slot to come from beyond
   the caches while those before it are dealt with. */
#define SLOTS_AHEAD  8
#define STACKS_AHEAD 6

/* So many slots and the ends of their stacks fit the first cache of any CPU
   (450 bytes each of 32 KiB, and the rest for the program): nothing to fetch.
 */
#define SLOTS_AT_HAND 64

SY_ALWAYS_INLINE static inline void make_ready(struct sy_job *job)
{
    struct sy_runtime *rt = job->rt;

    SY_PROBE_SEEN(rt, job);
    if (job->in_ready)
        return;
    job->in_ready = true;
    job->ready_next = NULL;
    *rt->ready_tail = job;
    rt->ready_tail = &job->ready_next;
    rt->ready_count++;
}

void sy__make_ready(struct sy_job *job)
{
    make_ready(job);
}

SY_ALWAYS_INLINE static inline void note_woken(struct sy_job *job)
{
    job->in_gate |= IN_WOKEN;
    make_ready(job);
}

void sy__note_woken(struct sy_job *job)
{
    note_woken(job);
}

static struct sy_job *pop_ready(struct sy_runtime *rt)
{
    struct sy_job *job = rt->ready_head;

    rt->ready_head = job->ready_next;
    if (rt->ready_head == NULL)
        rt->ready_tail = &rt->ready_head;
    rt->ready_count--;
    job->in_ready = false;
    return job;
}

/* What is left in the ready list is nothing that the engine knows of: a
   foreign loop has to be told by a wake-up of our own. */
void sy__ring_if_left(struct sy_runtime *rt)
{
    if (rt->fd_used && rt->ready_head != NULL)
        (void)sy_wake(sy_runtime_waker(rt));
}

/* The permit of a job that is simply paused is taken with the same instruction
   that ends its being queued, and noted where only the owner looks: so its
   resumption needs no atomic one. A wake that comes before it does sets the
   permit anew. */
static void note_paused(struct sy_runtime *rt, struct sy_job *job)
{
    /* acq_rel pairs with sy_wake(): the next waker hands the slot over anew,
       and what those before us wrote is there */
    uint64_t old = atomic_fetch_and_explicit(
        &job->word, ~(WORD_QUEUED | WORD_PERMIT), memory_order_acq_rel);

    if ((old & WORD_PERMIT) == 0) {
        rt->spurious++;
        return;
    }
    note_woken(job);
}

static void note_other(struct sy_runtime *rt, struct sy_job *slot)
{
    /* acq_rel pairs with sy_wake(): the next waker hands the slot over anew */
    uint64_t old = atomic_fetch_and_explicit(&slot->word, ~WORD_QUEUED,
                                             memory_order_acq_rel);

    if (slot == rt->root)
        rt->root_woken = true;
    else if ((old & WORD_PERMIT) == 0 || sy__is_free(slot))
        rt->spurious++;
    else if (sy__is_paused(slot))
        make_ready(slot);
    else if (slot->state == SLOT_LIVE)
        slot->gate |= GATE_PERMIT;
}

/* Atomic instructions wait for all loads before them, so that no two slots
   would be fetched at once. */
static void prefetch_slot(const struct sy_job *slot)
{
    SY_PREFETCH(slot);
    SY_PREFETCH_WRITE(&slot->resumer); /* where word is */
    SY_PREFETCH(&slot->user);
}

static void note_collected(struct sy_runtime *rt, int n)
{
    rt->collected += (uint64_t)n;
    rt->from_afar = true;
    sy__trace_look_begins(rt);
    for (int i = 1; i < n && i < SLOTS_AHEAD; i++)
        prefetch_slot(slot_of(rt->collect[i]));
    for (int i = 0; i < n; i++) {
        struct sy_job *slot = slot_of(rt->collect[i]);

        if (i + SLOTS_AHEAD < n)
            prefetch_slot(slot_of(rt->collect[i + SLOTS_AHEAD]));
        if (slot->paused)
            note_paused(rt, slot);
        else
            note_other(rt, slot);
    }
    sy__trace_look_ends(rt);
}

/* Ask the engine once. How many slots it gave, or -errno. */
static int collect_once(struct sy_runtime *rt, uint64_t timeout_ns)
{
    int n, saved_errno = errno; /* wake keeps errno, the other hooks do not */

    rt->waits++;
    n = rt->engine->wait(rt->engine_state, rt->collect, COLLECT_MAX,
                         timeout_ns);
    if (n > 0)
        note_collected(rt, n);
    errno = saved_errno;
    return n;
}

/* The clock is not read before there is nothing else to do: until then the
   deadline is 0. */
static void set_deadline(const struct sy_runtime *rt, uint64_t timeout_ns,
                         uint64_t *deadline_ns)
{
    if (*deadline_ns == 0)
        *deadline_ns = sy_ns_after(sy_clock_now_ns(rt->clock), timeout_ns);
}

static uint64_t time_left_ns(const struct sy_runtime *rt, uint64_t deadline_ns)
{
    uint64_t now_ns;

    if (deadline_ns == SY_FOREVER)
        return SY_FOREVER;
    now_ns = sy_clock_now_ns(rt->clock);
    return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

static bool is_over(const struct sy_runtime *rt, uint64_t timeout_ns,
                    uint64_t *deadline_ns)
{
    if (timeout_ns == 0)
        return true;
    set_deadline(rt, timeout_ns, deadline_ns);
    return time_left_ns(rt, *deadline_ns) == 0;
}

/*
 * Collect all that can be had, waiting until the deadline for the first. One
 * round is bounded by the number of slots, so that busy wakers cannot hold us
 * here. 0 or -errno.
 */
static int collect(struct sy_runtime *rt, uint64_t timeout_ns)
{
    uint32_t rounds = rt->slot_count / COLLECT_MAX + 1;
    int n;

    do {
        n = collect_once(rt, timeout_ns);
        timeout_ns = 0;
    } while (n == COLLECT_MAX && --rounds > 0);
    return n < 0 ? n : 0;
}

/* Does the engine say, without a system call, that there is something? */
static bool sees_something(const struct sy_runtime *rt)
{
    return rt->engine->peek != NULL && rt->engine->peek(rt->engine_state) != 0;
}

/* collect(), after looking for a while and with an eye on how long it took. */
static int collect_spinning(struct sy_runtime *rt, uint64_t deadline_ns)
{
    uint64_t begin_ns, left_ns = time_left_ns(rt, deadline_ns);
    uint64_t before = rt->collected;
    int err;

    if (sy__spin_wait(rt, left_ns)) {
        err = collect(rt, 0);
        if (err != 0 || rt->collected != before)
            return err;
    }
    begin_ns = sy_clock_now_ns(rt->clock);
    if (deadline_ns != SY_FOREVER)
        left_ns = deadline_ns > begin_ns ? deadline_ns - begin_ns : 0;
    err = collect(rt, left_ns);
    if (rt->collected != before)
        sy__spin_slept(&rt->spin, sy_clock_now_ns(rt->clock) - begin_ns);
    return err;
}

/* collect() by the runtime's clock: a virtual one is moved, not waited for. */
static int collect_until(struct sy_runtime *rt, uint64_t timeout_ns,
                         uint64_t *deadline_ns)
{
    uint64_t left_ns, before = rt->collected;
    int err;

    if (sees_something(rt)) {
        err = collect(rt, 0);
        if (err != 0 || rt->collected != before)
            return err;
    }
    set_deadline(rt, timeout_ns, deadline_ns);
    if (rt->spin.longest_ns != 0)
        return collect_spinning(rt, *deadline_ns);
    left_ns = time_left_ns(rt, *deadline_ns);
    if (rt->clock->is_real || left_ns == 0 || left_ns == SY_FOREVER)
        return collect(rt, left_ns);
    err = collect(rt, 0);
    if (err != 0 || rt->collected != before)
        return err;
    rt->clock->sleep_until(rt->clock, *deadline_ns);
    return collect(rt, 0);
}

/* Was it woken since it last resumed? */
static bool is_woken(const struct sy_job *job)
{
    return (job->in_gate & IN_WOKEN) != 0 ||
           (atomic_load_explicit(&job->word, memory_order_relaxed) &
            WORD_PERMIT) != 0;
}

/* Have the stack of the next in line fetched; the one behind it, or NULL. A job
   that runs may take jobs out of the list, this one too: a slot is never
   unmapped, so what is read then is only useless. */
static struct sy_job *prefetch_next(const struct sy_job *job)
{
    sy_job_prefetch(job);
    return job->ready_next;
}

/* Is what the ready jobs will touch in the nearest cache? A waker on another
   CPU had their slots, and a device there what lies on their stacks. */
static bool is_at_hand(const struct sy_runtime *rt)
{
    return !rt->from_afar &&
           rt->slot_count <= SLOTS_AT_HAND + 1; /* and the root */
}

/* Resume what was ready when we began, each once. How many were resumed. The
   runtime is closed off, but for the jobs and their done functions. */
static int run_ready(struct sy_runtime *rt)
{
    uint32_t turns = rt->ready_count;
    struct sy_job *job, *ahead = NULL;
    int resumed = 0;

    if (turns > 1 && !is_at_hand(rt))
        ahead = rt->ready_head->ready_next;
    rt->from_afar = false;

    for (int i = 1; i < STACKS_AHEAD && ahead != NULL; i++)
        ahead = prefetch_next(ahead);
    while (turns-- > 0 && rt->ready_head != NULL) {
        if (ahead != NULL)
            ahead = prefetch_next(ahead);
        job = pop_ready(rt);
        if (!is_woken(job))
            continue;
        if (sy__is_paused(job)) {
            sy__open_up(rt);
            sy__job_run_ready(job);
            sy__close_off(rt);
            resumed++;
        } else if (job->state == SLOT_LIVE) {
            job->gate |= GATE_PERMIT; /* an ancestor: when it pauses */
        }
    }
    return resumed;
}

static bool take_root_wake(struct sy_runtime *rt)
{
    bool woken = rt->root_woken;

    rt->root_woken = false;
    if (woken)
        (void)sy__clear_permit(rt->root);
    return woken;
}

/* sy_runtime_run() of the calling thread's own runtime, which is closed off. */
static int run(struct sy_runtime *rt, uint64_t timeout_ns)
{
    uint64_t deadline_ns = timeout_ns == SY_FOREVER ? SY_FOREVER : 0;
    int err, resumed;
    bool woken;

    do {
        if (rt->ready_head != NULL || timeout_ns == 0)
            err = collect(rt, 0);
        else
            err = collect_until(rt, timeout_ns, &deadline_ns);
        if (err != 0)
            return err;
        woken = take_root_wake(rt);
        resumed = run_ready(rt);
    } while (resumed == 0 && !woken && !is_over(rt, timeout_ns, &deadline_ns));
    return resumed;
}

int sy_runtime_run(struct sy_runtime *rt, uint64_t timeout_ns)
{
    int err = sy__runtime_own_fast(rt);

    if (err != 0)
        return err;
    if (rt->quarantine != NULL)
        sy__quarantine_sweep(rt);
    sy__close_off(rt);
    err = run(rt, timeout_ns);
    sy__open_up(rt);
    if (err >= 0)
        sy__ring_if_left(rt);
    return err;
}

int sy_wait_here(struct sy_waker waker, uint64_t timeout_ns)
{
    struct sy_job *slot = waker.slot;
    struct sy_runtime *rt;
    uint64_t deadline_ns;
    int err;

    if (slot == NULL || sy__generation(slot) != waker.generation)
        return -ESRCH;
    rt = slot->rt;
    err = sy__runtime_own(rt);
    if (err != 0)
        return err;
    deadline_ns = timeout_ns == SY_FOREVER ? SY_FOREVER : 0;
    sy__close_off(rt);
    while (!sy__clear_permit(slot)) {
        err = timeout_ns == 0 ? collect(rt, 0)
                              : collect_until(rt, timeout_ns, &deadline_ns);
        if (err != 0 || sy__clear_permit(slot))
            break;
        if (is_over(rt, timeout_ns, &deadline_ns)) {
            err = -ETIMEDOUT;
            break;
        }
    }
    if (err == 0 && slot == rt->root)
        rt->root_woken = false;
    sy__open_up(rt);
    sy__ring_if_left(rt);
    return err;
}

struct sy_waker sy_runtime_waker(struct sy_runtime *rt)
{
    return (struct sy_waker){rt->root, sy__generation(rt->root)};
}

int sy_runtime_fd(struct sy_runtime *rt, int *fd)
{
    int err, saved_errno = errno;

    *fd = -1;
    err = sy__runtime_own(rt);
    if (err != 0)
        return err;
    if (rt->engine->fd == NULL)
        return -ENOTSUP;
    err = rt->engine->fd(rt->engine_state, fd);
    errno = saved_errno;
    if (err != 0)
        return err;
    rt->fd_used = true;
    sy__ring_if_left(rt);
    return 0;
}

/* ---- opening and closing ----------------------------------------------- */

/* Wait for wakers that have taken a slot and not handed it over yet. */
static void collect_stragglers(struct sy_runtime *rt)
{
    for (uint32_t i = 0; i < rt->slot_count; i++) {
        while (is_queued(rt->slots[i])) {
            if (collect_once(rt, SY_NS_PER_MS) < 0)
                return; /* a broken engine: nothing more can be done */
        }
    }
}

static void free_slots(struct sy_runtime *rt)
{
    for (uint32_t i = rt->slot_count; i-- > 0;) {
        if (rt->slots[i] != rt->root)
            unfurnish(rt, rt->slots[i]);
        sy__slots_give(rt->slots[i]);
    }
    free(rt->slots);
}

void sy__engine_drop(struct sy_runtime *rt)
{
    if (!rt->engine_is_open)
        return;
    for (uint32_t i = rt->slot_count; i-- > 0;)
        sy__slot_detach(rt, rt->slots[i]);
    rt->engine->close(rt->engine_state);
    rt->engine_is_open = false;
}

void sy__engine_close(struct sy_runtime *rt)
{
    sy__close_off(rt);
    sy__end_generation(rt->root);
    if (rt->engine_is_open)
        collect_stragglers(rt);
    sy__engine_drop(rt);
    sy__state_give(rt->engine_state);
}

void sy__runtime_free(struct sy_runtime *rt)
{
    free_slots(rt);
    sy__stacks_destroy(&rt->stacks);
    if (rt->root_ctx != NULL)
        free(rt->root_ctx);
    sy__trace_free(rt);
    free(rt);
}

void sy__runtime_unlink(struct sy_runtime *rt)
{
    struct sy_runtime **at = &sy__self()->runtimes;

    while (*at != rt)
        at = &(*at)->next;
    *at = rt->next;
    if (sy_bind_self->current == rt->root)
        sy_bind_self->current = &sy__self()->nobody;
}

static int check_config(const struct sy_runtime_config *cfg)
{
    const uint32_t flags = SY_RT_NO_ENVIRONMENT | SY_RT_DUMP_STACKS |
                           SY_RT_ZERO_STACKS | SY_RT_SAME_THREAD;

    if (cfg->size != sizeof(*cfg) || (cfg->flags & ~flags) != 0 ||
        cfg->guard > SY_GUARD_NONE || !sy__spin_config_is_good(cfg))
        return -EINVAL;
    if (cfg->stack_bytes != 0 &&
        (cfg->stack_bytes < SY_STACK_BYTES_MIN ||
         cfg->stack_bytes > SY_STACK_BYTES_MAX ||
         cfg->stack_bytes % (size_t)sysconf(_SC_PAGESIZE) != 0))
        return -EINVAL;
    if (cfg->jobs_max != 0 && cfg->jobs_init > cfg->jobs_max)
        return -EINVAL;
    return 0;
}

static void set_parts(struct sy_runtime *rt, const struct sy__choice *choice,
                      const struct sy_runtime_config *cfg)
{
    struct sy__stack_policy policy = {
        .stack_bytes =
            cfg->stack_bytes != 0 ? cfg->stack_bytes : SY_STACK_BYTES_DEFAULT,
        .ctx_bytes =
            choice->sw->ctx_bytes > SY_CACHE_LINE ? choice->sw->ctx_bytes : 0,
        .guard = cfg->guard,
        .flags = cfg->flags,
    };

    rt->sw = choice->sw;
    rt->hot.start = rt->sw->start;
    rt->hot.swap = rt->sw->swap;
    rt->hot.saved_sp = rt->sw->saved_sp;
    sy__leaks_watch(rt);
    rt->engine = choice->engine;
    rt->variant = choice->variant;
    rt->choice = choice->reason;
    rt->profile = sy__profile_note((cfg->flags & SY_RT_NO_ENVIRONMENT) == 0);
    snprintf(rt->engine_name, sizeof(rt->engine_name), "%s%s%s",
             rt->engine->name, rt->variant != NULL ? "+" : "",
             rt->variant != NULL ? rt->variant : "");
    rt->flags = cfg->flags;
    rt->jobs_max = cfg->jobs_max;
    rt->clock = cfg->clock != NULL ? cfg->clock : sy_clock_monotonic();
    if (rt->engine->peek != NULL && rt->clock->is_real)
        sy__spin_init(&rt->spin, cfg, choice->spin_ns);
    rt->ready_tail = &rt->ready_head;
    if ((rt->sw->caps & SY_SW_CAN_PAUSE) == 0)
        rt->hot.first_gate |= GATE_NO_PAUSE;
    if ((rt->flags & SY_RT_ZERO_STACKS) != 0)
        rt->hot.first_gate |= GATE_WIPE;
    rt->adopts = (rt->sw->caps & SY_SW_SAME_THREAD) == 0 ||
                 (SY_FIBERS && keeps_stacks(rt));
    sy__stacks_init(&rt->stacks, &policy);
}

void sy__runtime_adopt(struct sy_runtime *rt)
{
    rt->thread = sy_bind_self;
    if (!rt->adopts && (rt->hot.first_gate & GATE_WIPE) == 0)
        rt->hot.start_form = (uint16_t)(bind_form(rt) | SY_BIND_STARTS);
    if (sy__is_root(rt->thread->current))
        rt->thread->current = rt->root;
}

int sy__engine_open(struct sy_runtime *rt)
{
    struct sy_engine_config cfg = {
        .variant = rt->variant,
        .counts = &rt->counts,
        .flags =
            (rt->sw->caps & SY_SW_SAME_THREAD) != 0 ? SY_EN_SAME_THREAD : 0,
    };
    int err = rt->engine->open(rt->engine_state, &cfg);

    rt->engine_is_open = err == 0;
    return err;
}

static int add_root(struct sy_runtime *rt)
{
    struct sy_job *root;
    int err;

    if (rt->sw->ctx_bytes > SY_CACHE_LINE) {
        size_t bytes = (rt->sw->ctx_bytes + SY_CACHE_LINE - 1) / SY_CACHE_LINE *
                       SY_CACHE_LINE;

        rt->root_ctx = aligned_alloc(SY_CACHE_LINE, bytes);
        if (rt->root_ctx == NULL)
            return -ENOMEM;
        memset(rt->root_ctx, 0, bytes);
    }
    err = make_room(rt, 1);
    root = err == 0 ? sy__slots_take(1) : NULL;
    if (root == NULL) {
        free(rt->root_ctx);
        return -ENOMEM;
    }
    err = add_slot(rt, root);
    if (err != 0) {
        sy__slots_give(root);
        free(rt->root_ctx);
        return err;
    }
    rt->root = root;
    rt->root->gate = GATE_ROOT;
    memset(rt->root->ctx_inline, 0, sizeof(rt->root->ctx_inline));
    rt->root->ctx = rt->root_ctx != NULL ? rt->root_ctx : rt->root->ctx_inline;
    return 0;
}

static int open_runtime(struct sy_runtime **out,
                        const struct sy_runtime_config *cfg, const char *bound)
{
    static const struct sy_runtime_config defaults = SY_RUNTIME_CONFIG_INIT;
    struct sy__choice choice;
    struct sy_runtime *rt;
    int err;

    *out = NULL;
    if (cfg == NULL)
        cfg = &defaults;
    err = check_config(cfg);
    if (err == 0)
        err = sy__choose(&choice, cfg, bound);
    if (err == 0)
        err = sy__thread_join();
    if (err == 0)
        err = sy__guard_handler_join(sy__self());
    if (err != 0)
        return err;
    sy__orphans_sweep();

    rt = calloc(1, sizeof(*rt));
    if (rt == NULL)
        return -ENOMEM;
    set_parts(rt, &choice, cfg);
    rt->engine_state = sy__state_take(rt->engine);
    if (rt->engine_state == NULL) {
        err = -ENOMEM;
        goto drop_runtime;
    }
    err = sy__engine_open(rt);
    if (err != 0)
        goto drop_state;
    err = add_root(rt);
    if (err != 0)
        goto drop_engine;
    sy__runtime_adopt(rt);
    rt->next = sy__self()->runtimes;
    sy__self()->runtimes = rt;
    if (cfg->jobs_init != 0)
        err = grow(rt, cfg->jobs_init, cfg->jobs_init);
    if (err != 0) {
        sy__runtime_unlink(rt);
        sy__engine_close(rt);
        sy__runtime_free(rt);
        return err;
    }
    *out = rt;
    return 0;

drop_engine:
    rt->engine->close(rt->engine_state);
    free(rt->slots);
drop_state:
    sy__state_give(rt->engine_state);
drop_runtime:
    free(rt);
    return err;
}

bool sy__is_on_stack_of(const struct sy_runtime *rt)
{
    const struct sy_job *job = sy_bind_self->current;

    for (; !sy__is_root(job); job = job->resumer) {
        if (job->rt == rt)
            return true;
    }
    return false;
}

int sy_runtime_open(struct sy_runtime **out,
                    const struct sy_runtime_config *cfg)
{
    int saved_errno = errno;
    int err = open_runtime(out, cfg, NULL);

    errno = saved_errno;
    return err;
}

int sy_bind_runtime_open(struct sy_runtime **out,
                         const struct sy_runtime_config *cfg, uint32_t layout,
                         const char *switcher)
{
    int err, saved_errno = errno;

    *out = NULL;
    if (layout != SY_BIND_LAYOUT)
        return -EPROTO;
    err = open_runtime(out, cfg, switcher);
    errno = saved_errno;
    return err;
}

int sy_runtime_close(struct sy_runtime *rt)
{
    int saved_errno = errno;

    if (rt == NULL)
        return 0;
    if (!sy__runtime_is_mine(rt))
        return -EXDEV;
    if (sy__is_on_stack_of(rt))
        return -EBUSY;
    if (rt->thread == sy_bind_self) { /* else it is a copy of the parent's */
        sy__quarantine_sweep(rt);
        if (rt->hot.started != rt->hot.ended || rt->quarantined != 0 ||
            sy__pins(rt->root) != 0)
            return -EBUSY;
        sy__runtime_unlink(rt);
        sy__engine_close(rt);
    } else {
        sy__inherited_close(rt);
    }
    sy__runtime_free(rt);
    errno = saved_errno;
    return 0;
}

/* ---- what stacks hold -------------------------------------------------- */

int sy_runtime_stack_high_water(struct sy_runtime *rt, size_t *bytes)
{
    int err, saved_errno = errno;

    *bytes = 0;
    err = sy__runtime_own(rt);
    if (err != 0)
        return err;
    if (!keeps_stacks(rt))
        return -ENOTSUP;
    *bytes = sy__stacks_high_water(&rt->stacks);
    errno = saved_errno;
    return 0;
}

/* Mark the free slots whose stacks have been used, but for keep of them. How
   many were marked. */
static int mark_idle(struct sy_runtime *rt, uint32_t keep, bool *idle)
{
    int marked = 0;

    for (struct sy_job *job = rt->hot.free; job != NULL; job = job->link) {
        if (keep > 0) {
            keep--;
        } else if (job->state == SLOT_FREE) {
            sy__stack_forget(job);
            sy__stack_note_use(&rt->stacks, job->arg_area);
            idle[job->eslot.index] = true;
            marked++;
        }
    }
    return marked;
}

/* Slots are numbered in the order in which their stacks were carved: those
   that follow each other in memory are given back with one call. */
static void give_back_idle(struct sy_runtime *rt, const bool *idle)
{
    bool keep_top = rt->sw->prepare != NULL; /* what it made is there */
    void *first = NULL, *last = NULL;

    for (uint32_t i = 1; i < rt->slot_count; i++) {
        void *arg_area = rt->slots[i]->arg_area;

        if (!idle[i])
            continue;
        if (first == NULL || keep_top ||
            !sy__stacks_adjacent(&rt->stacks, last, arg_area)) {
            if (first != NULL)
                sy__stacks_give_back(&rt->stacks, first, last, keep_top);
            first = arg_area;
        }
        last = arg_area;
    }
    if (first != NULL)
        sy__stacks_give_back(&rt->stacks, first, last, keep_top);
}

int sy_runtime_trim(struct sy_runtime *rt, uint32_t keep)
{
    int err, trimmed, saved_errno = errno;
    bool *idle;

    err = sy__runtime_own(rt);
    if (err != 0)
        return err;
    if (!keeps_stacks(rt) || (rt->sw->caps & SY_SW_SAME_THREAD) == 0)
        return 0;
    sy__quarantine_sweep(rt);
    idle = calloc(rt->slot_count, sizeof(*idle));
    if (idle == NULL) {
        errno = saved_errno;
        return -ENOMEM;
    }
    trimmed = mark_idle(rt, keep, idle);
    give_back_idle(rt, idle);
    free(idle);
    errno = saved_errno;
    return trimmed;
}

/* ---- stats ------------------------------------------------------------- */

/* Slots are reused last in, first out: those that were ever used are as many
   as were in use at once. */
static uint64_t count_used(const struct sy_runtime *rt)
{
    uint64_t used = 0;

    for (uint32_t i = 1; i < rt->slot_count; i++)
        used += rt->slots[i]->state != SLOT_UNUSED;
    return used;
}

int sy_runtime_get_stats(struct sy_runtime *rt, struct sy_runtime_stats *stats)
{
    int err;

    if (stats->size != sizeof(*stats))
        return -EINVAL;
    memset(stats, 0, sizeof(*stats));
    stats->size = sizeof(*stats);
    err = sy__runtime_own(rt);
    if (err != 0)
        return err;
    sy__quarantine_sweep(rt);
    stats->jobs_started = rt->hot.started;
    stats->jobs_finished =
        rt->hot.ended + rt->kept - rt->abandoned - rt->lost_in_fork;
    stats->jobs_cancelled = rt->cancelled;
    stats->jobs_abandoned = rt->abandoned;
    stats->resumes = rt->hot.resumes;
    stats->jobs_outstanding = rt->hot.started - rt->hot.ended;
    stats->jobs_quarantined = rt->quarantined;
    stats->stacks_allocated = rt->stacks.stacks;
    stats->stacks_peak = count_used(rt);
    stats->stack_bytes = rt->stacks.policy.stack_bytes;
    stats->waits = rt->waits;
    stats->sleeps = rt->counts.sleeps;
    stats->spins = rt->spin.spins;
    stats->spins_hit = rt->spin.hits;
    stats->spin_ns = rt->spin.spent_ns;
    stats->spin_lost_ns = rt->spin.lost_ns;
    stats->collected = rt->collected;
    stats->spurious = rt->spurious;
    stats->engine_syscalls = rt->counts.syscalls;
    stats->switcher = rt->sw->name;
    stats->engine = rt->engine_name;
    stats->guard = rt->stacks.guard;
    stats->guard_note = rt->stacks.note;
    stats->choice = rt->choice;
    stats->profile = rt->profile;
    return 0;
}
