/* SPDX-License-Identifier: Apache-2.0 */
#include "compare_worker.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <sys/personality.h>
#include <unistd.h>

#include "../bench/load/williams.h"
#include "command.h"
#include "shared_memory.h"
#include "twin.h"

_Static_assert(COMPARE_CANDIDATES_MAX <= SY_WILLIAMS_MAX, "one design");

/* Where within a page the frames of a candidate's thread begin. */
#define STACK_OFFSET_STEP 16u
#define STACK_OFFSETS     256u

struct worker {
    struct compare_share *share;
    const struct plan *plan;
    struct sy_batches *candidates[COMPARE_CANDIDATES_MAX];
    struct sy_outcome outcome;
};

static uint64_t now_ns(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

struct compare_share *compare_worker_open(const char *fd_text)
{
    size_t bytes;
    struct compare_share *share =
        shared_memory_open(fd_text, sizeof(*share), &bytes);

    if (share == NULL || share->magic != COMPARE_SHARE_MAGIC ||
        share->bytes != bytes || share->count < 1 ||
        share->count > COMPARE_CANDIDATES_MAX ||
        share->bytes != compare_share_bytes(share->rounds, share->count)) {
        shared_memory_free(share, bytes, -1);
        return NULL;
    }
    return share;
}

static void end(struct worker *w, enum compare_end how)
{
    /* release: pairs with the acquire in compare_process.c */
    atomic_store_explicit(&w->share->end, how, memory_order_release);
}

static uint32_t aslr(void)
{
    int persona = personality(0xffffffff), level = 0;
    FILE *f = fopen("/proc/sys/kernel/randomize_va_space", "re");

    if (f != NULL) {
        if (fscanf(f, "%d", &level) != 1)
            level = 0;
        fclose(f);
    }
    return level > 0 && (persona == -1 || (persona & ADDR_NO_RANDOMIZE) == 0);
}

/* CPUs may be taken from a process while it runs. */
static void note_cpus(struct worker *w)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0 &&
        (uint32_t)CPU_COUNT(&set) < w->share->cpus)
        w->share->cpus = (uint32_t)CPU_COUNT(&set);
}

static void note_running(struct worker *w, uint32_t candidate)
{
    /* Only for the report of a crash: no order is needed. */
    atomic_store_explicit(&w->share->running, candidate + 1,
                          memory_order_relaxed);
}

static int blame(struct worker *w, uint32_t candidate)
{
    struct compare_share *s = w->share;

    s->culprit = candidate;
    snprintf(s->reason, sizeof(s->reason), "%.500s", w->outcome.reason);
    end(w, w->outcome.status == SY_OUTCOME_SKIPPED ? COMPARE_SKIPPED
                                                   : COMPARE_FAILED);
    return CLI_VERDICT;
}

/* Low descriptors are for those that can watch no others. */
static int needs_low_descriptors(const struct sy_experiment *exp)
{
    return exp->row == SY_ROW_COMBINATION && exp->variant != NULL &&
           strcmp(exp->variant, "select") == 0;
}

static const struct sy_experiment *experiment(const struct worker *w,
                                              uint32_t candidate)
{
    return &w->plan->entries[w->share->entry[candidate]].exp;
}

/* The code that runs a candidate. */
static const struct sy_batches_calls *calls(const struct worker *w,
                                            uint32_t candidate)
{
    return twin_calls((enum twin)w->share->twin[candidate]);
}

static int64_t twin_offset_bytes(const struct worker *w)
{
    uint32_t i;

    for (i = 0; i < w->share->count; i++)
        if (w->share->twin[i] == TWIN_SECOND)
            return (int64_t)((intptr_t)twin_calls(TWIN_SECOND)->run -
                             (intptr_t)twin_calls(TWIN_FIRST)->run);
    return 0;
}

static int open_one(struct worker *w, uint32_t i, uint64_t *random)
{
    struct compare_share *s = w->share;

    note_running(w, i);
    s->stack_offsets[i] =
        STACK_OFFSET_STEP * (uint32_t)(plan_random(random) % STACK_OFFSETS);
    if (calls(w, i)->open(&w->candidates[i], experiment(w, i),
                          s->stack_offsets[i], s->cpu, &w->outcome) != 0 ||
        w->candidates[i] == NULL)
        return blame(w, i);
    return -1;
}

/* In a random order, so that no candidate always has the first addresses. */
static int open_all(struct worker *w)
{
    struct compare_share *s = w->share;
    uint64_t random = s->seed;
    unsigned order[SY_WILLIAMS_MAX];
    int status = -1;

    sy_williams_order(plan_random(&random), 0, s->count, order);
    for (int low = 1; low >= 0; low--)
        for (uint32_t i = 0; i < s->count && status == -1; i++)
            if (needs_low_descriptors(experiment(w, order[i])) == low)
                status = open_one(w, order[i], &random);
    return status;
}

/* Its level, -1: it takes no doses. */
static int dose_level(const struct worker *w, uint32_t candidate)
{
    return w->plan->entries[w->share->entry[candidate]].dose;
}

static int measure_one(struct worker *w, uint32_t round, uint32_t position,
                       uint32_t candidate)
{
    struct compare_share *s = w->share;
    /* Written by this process only. */
    uint32_t done = atomic_load_explicit(&s->done, memory_order_relaxed);
    struct compare_batch *b = &s->batches[done];
    struct sy_dose_counts before;
    int level = dose_level(w, candidate);

    note_running(w, candidate);
    if (level >= 0)
        sy_dose_read((unsigned)level, &before);
    if (calls(w, candidate)
            ->run(w->candidates[candidate],
                  s->operations[candidate] + s->extra[candidate],
                  &b->batch) != 0) {
        calls(w, candidate)->close(&w->candidates[candidate], &w->outcome);
        return blame(w, candidate);
    }
    if (level >= 0)
        sy_dose_since((unsigned)level, &before, &b->dose);
    b->batch.operations = s->operations[candidate];
    b->round = round;
    b->position = position;
    b->candidate = candidate;
    /* release: pairs with the acquire in compare_process.c */
    atomic_store_explicit(&s->done, done + 1, memory_order_release);
    return -1;
}

static int measure_all(struct worker *w)
{
    struct compare_share *s = w->share;
    unsigned order[SY_WILLIAMS_MAX];
    uint32_t round, i;
    int status = -1;

    for (round = 0; round < s->rounds && status == -1; round++) {
        note_cpus(w);
        sy_williams_order(s->order_seed, s->first_round + round, s->count,
                          order);
        for (i = 0; i < s->count && status == -1; i++) {
            /* Nothing is published along with stop. */
            if (atomic_load_explicit(&s->stop, memory_order_relaxed))
                return -1;
            status = measure_one(w, round, i, order[i]);
        }
    }
    return status;
}

static int close_all(struct worker *w)
{
    uint32_t i;

    for (i = 0; i < w->share->count; i++) {
        if (w->candidates[i] == NULL)
            continue;
        note_running(w, i);
        calls(w, i)->close(&w->candidates[i], &w->outcome);
        if (w->outcome.status != SY_OUTCOME_OK)
            return blame(w, i);
    }
    return -1;
}

static void measure_doses(struct worker *w)
{
    for (uint32_t i = 0; i < w->share->count; i++) {
        int level = dose_level(w, i);

        if (level >= 0)
            sy_dose_measure((unsigned)level, w->share->dose_ps[i]);
    }
}

static int carry_out(struct worker *w)
{
    struct compare_share *s = w->share;
    uint64_t began = now_ns();
    int status;

    s->aslr = aslr();
    s->cpus = UINT32_MAX;
    note_cpus(w);
    s->twin_offset_bytes = twin_offset_bytes(w);
    status = open_all(w);
    if (status != -1)
        return status;
    measure_doses(w);
    s->setup_ns = now_ns() - began;
    began = now_ns();
    status = measure_all(w);
    s->rounds_ns = now_ns() - began;
    if (status != -1)
        return status;
    status = close_all(w);
    if (status != -1)
        return status;
    end(w, COMPARE_DONE);
    return CLI_OK;
}

int compare_worker_run(struct compare_share *share, const struct plan *plan)
{
    struct worker *w = calloc(1, sizeof(*w));
    uint32_t i;
    int status;

    if (w == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    w->share = share;
    w->plan = plan;
    for (i = 0; i < share->count; i++) {
        if (share->entry[i] >= plan->count ||
            twin_calls((enum twin)share->twin[i]) == NULL) {
            end(w, COMPARE_BROKEN);
            free(w);
            return CLI_USAGE;
        }
    }
    status = carry_out(w);
    free(w);
    return status;
}
