/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: mapped many at a time, each above a guard.
 *
 *   low addresses                                             high addresses
 *   | guard page | stack_bytes ............ | colour | arguments | context |
 *                ^ low                      ^ arg_area, the stack's end
 *
 * What lies above the usable part takes one page more, so that the whole of
 * stack_bytes is usable. The colour, some cache lines that differ from stack
 * to stack, keeps the tops of many stacks out of the same cache sets; it lies
 * above the context, at the very top.
 *
 * An overflow runs downwards into the guard, away from anything of ours.
 */
#include "core.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard inside one mapping */
#endif

#define COLOURS      16
#define COLOUR_BYTES 128
#define TOP_BYTES                                                              \
    (SY_SWITCHER_CTX_MAX_BYTES + SY_JOB_ARG_INLINE_BYTES +                     \
     (COLOURS - 1) * COLOUR_BYTES)

/* A slab doubles what there is, within these bounds. */
#define SLAB_STACKS_MIN 8
#define SLAB_BYTES_MAX  ((size_t)64 * 1024 * 1024)

struct sy__slab {
    struct sy__slab *next;
    char *base;
    size_t bytes;
    uint32_t stacks;
    uint32_t carved;
};

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Address space of one stack, guard and top included. */
static size_t slot_bytes(const struct sy__stacks *stacks)
{
    size_t page = page_bytes();

    return page + stacks->policy.stack_bytes +
           (TOP_BYTES + page - 1) / page * page;
}

void sy__stacks_init(struct sy__stacks *stacks,
                     const struct sy__stack_policy *policy)
{
    *stacks = (struct sy__stacks){.policy = *policy, .guard = "none"};
}

static int map_slab(struct sy__stacks *stacks, uint32_t wanted)
{
    size_t each = slot_bytes(stacks);
    size_t most = SLAB_BYTES_MAX / each;
    size_t n = stacks->stacks;
    struct sy__slab *slab;

    if (n < SLAB_STACKS_MIN)
        n = SLAB_STACKS_MIN;
    if (n > most)
        n = most;
    if (n > wanted)
        n = wanted;
    if (n == 0)
        n = 1;
    slab = malloc(sizeof(*slab));
    if (slab == NULL)
        return -ENOMEM;
    *slab = (struct sy__slab){
        .next = stacks->slabs,
        .bytes = n * each,
        .stacks = (uint32_t)n,
    };
    slab->base =
        mmap(NULL, slab->bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slab->base == MAP_FAILED) {
        free(slab);
        return -ENOMEM;
    }
    /* A huge page would make the first touch of a stack cost 2 MiB. */
    (void)madvise(slab->base, slab->bytes, MADV_NOHUGEPAGE);
    if ((stacks->policy.flags & SY_RT_DUMP_STACKS) == 0)
        (void)madvise(slab->base, slab->bytes, MADV_DONTDUMP);
    stacks->slabs = slab;
    return 0;
}

/* Make the page at low unusable. */
static int guard_page(struct sy__stacks *stacks, char *low)
{
    size_t page = page_bytes();

    if (stacks->policy.guard == SY_GUARD_NONE)
        return 0;
    if (madvise(low, page, MADV_GUARD_INSTALL) == 0) {
        stacks->guard = "madvise";
        return 0;
    }
    /* Splits the mapping: vm.max_map_count limits how many there can be. */
    if (mprotect(low, page, PROT_NONE) != 0)
        return -ENOMEM;
    stacks->guard = "mprotect";
    return 0;
}

int sy__stacks_carve(struct sy__stacks *stacks, uint32_t wanted,
                     struct sy__stack_place *place)
{
    struct sy__slab *slab = stacks->slabs;
    size_t colour = (stacks->stacks % COLOURS) * COLOUR_BYTES;
    char *slot, *top;
    int err;

    *place = (struct sy__stack_place){0};
    if (slab == NULL || slab->carved == slab->stacks) {
        err = map_slab(stacks, wanted);
        if (err != 0)
            return err;
        slab = stacks->slabs;
    }
    slot = slab->base + slab->carved * slot_bytes(stacks);
    err = guard_page(stacks, slot);
    if (err != 0)
        return err;
    slab->carved++;
    stacks->stacks++;

    top = slot + slot_bytes(stacks) - colour;
    if (stacks->policy.ctx_bytes != 0) {
        top -= (stacks->policy.ctx_bytes + SY_CACHE_LINE - 1) / SY_CACHE_LINE *
               SY_CACHE_LINE;
        place->ctx = top;
    }
    place->arg_area = top - SY_JOB_ARG_INLINE_BYTES;
    place->low = slot + page_bytes();
    return 0;
}

void sy__stacks_uncarve(struct sy__stacks *stacks)
{
    stacks->slabs->carved--;
    stacks->stacks--;
}

void sy__stacks_destroy(struct sy__stacks *stacks)
{
    struct sy__slab *slab;

    while (stacks->slabs != NULL) {
        slab = stacks->slabs;
        stacks->slabs = slab->next;
        munmap(slab->base, slab->bytes);
        free(slab);
    }
    stacks->stacks = 0;
}

void *sy__stack_low_of(const struct sy__stacks *stacks, void *arg_area)
{
    char *end = arg_area;

    /* What lies above arg_area is less than a page. */
    return end - (uintptr_t)end % page_bytes() - stacks->policy.stack_bytes;
}

void sy__stack_wipe(void *low, void *arg_area)
{
    size_t page = page_bytes();
    char *from = low, *end = (char *)arg_area + SY_JOB_ARG_INLINE_BYTES;
    unsigned char resident;

    /* Pages that were never touched read as zeros already, and looking at
       them would make them resident. */
    while (from < end && mincore(from, page, &resident) == 0 &&
           (resident & 1) == 0)
        from += page;
    if (from < end)
        explicit_bzero(from, (size_t)(end - from));
}
