/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: mapped many at a time, each above a guard.
 *
 *   low addresses                                             high addresses
 *   | guard page | stack_bytes ............ | arguments | context | colour |
 *                ^ low                      ^ arg_area, the stack's end
 *
 * What lies above the usable part takes one page more, so that the whole of
 * stack_bytes is usable. The colour, some cache lines that differ from stack
 * to stack, keeps the tops of many stacks out of the same cache sets.
 *
 * An overflow runs downwards into the guard, away from anything of ours.
 *
 * A slab is one mapping, and there are few of them: each new one doubles what
 * there is. Guard regions (Linux 6.13) keep it one mapping. They are set some
 * stacks ahead, many with one system call. Where that does not work, one by
 * one; where the kernel has none, by mprotect(), which splits the mapping in
 * three for each guard, and so is kept within a budget.
 */
#include "sanitizers.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

#define COLOURS      16
#define COLOUR_BYTES 128
#define TOP_BYTES                                                              \
    (SY_SWITCHER_CTX_MAX_BYTES + SY_JOB_ARG_INLINE_BYTES +                     \
     (COLOURS - 1) * COLOUR_BYTES)

/* A slab doubles what there is, within these bounds. Address space costs
   nothing until it is touched, unless it is locked into memory: then there are
   no guard regions either (SPLIT). */
#define SLAB_STACKS_MIN      8
#define SLAB_BYTES_MAX       ((size_t)UINT32_MAX / (sizeof(size_t) > 4 ? 1 : 16))
#define SLAB_BYTES_MAX_SPLIT ((size_t)64 * 1024 * 1024)

/* How many guards are set with one call. More are not cheaper, and each makes
   the start of one job slower. */
#define GUARDS_AHEAD 64

/* What one mprotect() adds to the mappings of the process, and which part of
   vm.max_map_count is left to the rest of the program. */
#define GUARD_MAPPINGS     2
#define MAPPINGS_LEFT_PART 8

enum guard_means { BY_PROCESS_MADVISE, BY_MADVISE, BY_MPROTECT };

static const char *const guard_names[] = {
    [BY_PROCESS_MADVISE] = "process_madvise",
    [BY_MADVISE] = "madvise",
    [BY_MPROTECT] = "mprotect",
};

/*
 * The structs are never freed, only reused, so that the handler of a fault may
 * walk through all of them at any time. What it reads is atomic.
 */
struct sy__slab {
    struct sy__slab *next; /* of the same pool, or spare */
    struct sy__slab *older;
    _Atomic uintptr_t base; /* 0: not mapped */
    _Atomic size_t bytes;
    _Atomic size_t each_bytes;
    uint32_t first; /* how many stacks the pool had before */
    uint32_t stacks;
    uint32_t carved;
    uint32_t guarded; /* >= carved */
    uint32_t split;   /* of these, by mprotect() */
};

static struct sy__slab
    *_Atomic newest_slab;             /* changed under sy__slots_lock() */
static struct sy__slab *spare_slabs;  /* likewise */
static _Atomic uint32_t split_guards; /* of the process */

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static char *slab_base(const struct sy__slab *slab)
{
    /* relaxed: the pool's own thread, or a lock, ordered it */
    return (char *)atomic_load_explicit(&slab->base, memory_order_relaxed);
}

static size_t slab_bytes(const struct sy__slab *slab)
{
    return atomic_load_explicit(&slab->bytes, memory_order_relaxed);
}

static void first_means(struct sy__stacks *stacks)
{
    const char *wish = (stacks->policy.flags & SY_RT_NO_ENVIRONMENT) == 0
                           ? sy__environment_guard()
                           : "";

    if (sy__valgrind_runs()) {
        stacks->means = BY_MADVISE;
        snprintf(stacks->note, sizeof(stacks->note),
                 "valgrind does not know process_madvise");
    }
    for (unsigned i = BY_MADVISE; i <= BY_MPROTECT; i++) {
        if (strcmp(wish, guard_names[i]) == 0) {
            stacks->means = i;
            snprintf(stacks->note, sizeof(stacks->note), "SWITCHYARD_GUARD=%s",
                     wish);
        }
    }
}

void sy__stacks_init(struct sy__stacks *stacks,
                     const struct sy__stack_policy *policy)
{
    size_t page = page_bytes();

    *stacks = (struct sy__stacks){
        .policy = *policy,
        .page_bytes = page,
        .each_bytes = page + policy->stack_bytes + page,
        .guard = "none",
        .means = BY_PROCESS_MADVISE,
    };
    first_means(stacks);
}

/* ---- slabs ------------------------------------------------------------- */

static struct sy__slab *register_slab(char *base, size_t bytes, size_t each)
{
    struct sy__slab *slab;

    sy__slots_lock();
    slab = spare_slabs;
    if (slab != NULL) {
        spare_slabs = slab->next;
    } else {
        slab = calloc(1, sizeof(*slab));
        if (slab != NULL) {
            slab->older =
                atomic_load_explicit(&newest_slab, memory_order_relaxed);
            /* release pairs with acquire in sy__stacks_guard_at() */
            atomic_store_explicit(&newest_slab, slab, memory_order_release);
        }
    }
    sy__slots_unlock();
    if (slab == NULL)
        return NULL;
    slab->carved = 0;
    slab->guarded = 0;
    slab->split = 0;
    atomic_store_explicit(&slab->bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&slab->each_bytes, each, memory_order_relaxed);
    /* release pairs with acquire in sy__stacks_guard_at() */
    atomic_store_explicit(&slab->base, (uintptr_t)base, memory_order_release);
    return slab;
}

static void unmap_slab(struct sy__slab *slab)
{
    char *base = slab_base(slab);

    atomic_store_explicit(&slab->base, 0, memory_order_relaxed);
    munmap(base, slab_bytes(slab));
    /* relaxed: a counter */
    atomic_fetch_sub_explicit(&split_guards, slab->split, memory_order_relaxed);
    sy__slots_lock();
    slab->next = spare_slabs;
    spare_slabs = slab;
    sy__slots_unlock();
}

/* How many stacks the next slab should have. */
static size_t slab_stacks(const struct sy__stacks *stacks, uint32_t at_least,
                          uint32_t at_most)
{
    size_t most =
        (stacks->means == BY_MPROTECT ? SLAB_BYTES_MAX_SPLIT : SLAB_BYTES_MAX) /
        stacks->each_bytes;
    size_t n = stacks->stacks;

    if (n < SLAB_STACKS_MIN)
        n = SLAB_STACKS_MIN;
    if (n < at_least)
        n = at_least;
    if (n > at_most)
        n = at_most;
    if (n > most)
        n = most;
    return n > 0 ? n : 1;
}

/* Map room for n stacks, or for fewer if there is no more. NULL: for none. */
static char *map_stacks(size_t *n, size_t each)
{
    char *base;

    for (; *n > 0; *n /= 2) {
        base = mmap(NULL, *n * each, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
                    0);
        if (base != MAP_FAILED)
            return base;
    }
    return NULL;
}

static int add_slab(struct sy__stacks *stacks, uint32_t at_least,
                    uint32_t at_most)
{
    size_t each = stacks->each_bytes;
    size_t n = slab_stacks(stacks, at_least, at_most);
    struct sy__slab *slab;
    char *base;

    base = map_stacks(&n, each);
    if (base == NULL)
        return -ENOMEM;
    slab = register_slab(base, n * each, each);
    if (slab == NULL) {
        munmap(base, n * each);
        return -ENOMEM;
    }
    /* A huge page would make the first touch of a stack cost 2 MiB. */
    (void)madvise(base, n * each, MADV_NOHUGEPAGE);
    if ((stacks->policy.flags & SY_RT_DUMP_STACKS) == 0)
        (void)madvise(base, n * each, MADV_DONTDUMP);
    slab->stacks = (uint32_t)n;
    slab->first = stacks->stacks;
    slab->next = stacks->slabs;
    stacks->slabs = slab;
    return 0;
}

bool sy__stacks_guard_at(uintptr_t address)
{
    const struct sy__slab *slab =
        atomic_load_explicit(&newest_slab, memory_order_acquire);

    for (; slab != NULL; slab = slab->older) {
        uintptr_t base =
            atomic_load_explicit(&slab->base, memory_order_acquire);
        size_t each =
            atomic_load_explicit(&slab->each_bytes, memory_order_relaxed);

        if (base != 0 && address >= base && address - base < slab_bytes(slab))
            return (address - base) % each < page_bytes();
    }
    return false;
}

/* ---- guards ------------------------------------------------------------ */

/* What guards by mprotect() have added to the mappings of the process. */
static unsigned long split_mappings(void)
{
    return (unsigned long)GUARD_MAPPINGS *
           atomic_load_explicit(&split_guards, memory_order_relaxed);
}

/* -1: not known. */
static long max_map_count(void)
{
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    long limit = -1;

    if (file == NULL)
        return -1;
    if (fscanf(file, "%ld", &limit) != 1)
        limit = -1;
    fclose(file);
    return limit;
}

static long count_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "re");
    long lines = 0;
    int c;

    if (file == NULL)
        return -1;
    while ((c = getc_unlocked(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static int refuse_for_mappings(struct sy__stacks *stacks)
{
    long limit, used;

    if (stacks->refused) /* counting takes long */
        return -ENOMEM;
    stacks->refused = true;
    limit = max_map_count();
    used = count_mappings();
    if (limit > 0 && used > 0)
        snprintf(stacks->note, sizeof(stacks->note),
                 "mprotect: vm.max_map_count is %ld and %ld mappings are in "
                 "use, %lu by guards, which may take %lu",
                 limit, used, split_mappings(), stacks->mappings_max);
    else
        snprintf(stacks->note, sizeof(stacks->note),
                 "mprotect: too many mappings; how many there may be is not "
                 "known without /proc");
    sy__choice_explain("guards", stacks->note);
    return -ENOMEM;
}

/* Splits the mapping: vm.max_map_count limits how many there can be, and the
   rest of the program needs some too. */
static int guard_by_mprotect(struct sy__stacks *stacks, struct sy__slab *slab,
                             char *low)
{
    if (stacks->mappings_max == 0) {
        long limit = max_map_count();

        /* Not known: the kernel will say when it is enough. */
        stacks->mappings_max =
            limit > 0 ? (unsigned long)(limit - limit / MAPPINGS_LEFT_PART)
                      : ULONG_MAX;
    }
    /* relaxed: a counter */
    atomic_fetch_add_explicit(&split_guards, 1, memory_order_relaxed);
    if (split_mappings() > stacks->mappings_max ||
        mprotect(low, stacks->page_bytes, PROT_NONE) == -1) {
        atomic_fetch_sub_explicit(&split_guards, 1, memory_order_relaxed);
        return refuse_for_mappings(stacks);
    }
    stacks->refused = false;
    slab->guarded++;
    slab->split++;
    return 0;
}

static int guard_by_madvise(struct sy__slab *slab, char *low)
{
    if (madvise(low, page_bytes(), MADV_GUARD_INSTALL) == -1)
        return -errno;
    slab->guarded++;
    return 0;
}

/* Guard some stacks ahead with one call. */
static int guard_by_process_madvise(struct sy__slab *slab, char *low,
                                    size_t each)
{
    struct iovec guards[GUARDS_AHEAD];
    size_t n = slab->stacks - slab->guarded, page = page_bytes();
    ssize_t done;
    int self, err;

    if (n > GUARDS_AHEAD)
        n = GUARDS_AHEAD;
    for (size_t i = 0; i < n; i++)
        guards[i] = (struct iovec){low + i * each, page};
    /* Not kept open: after a fork it would mean the parent. */
    self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self == -1)
        return -errno;
    done = syscall(SYS_process_madvise, self, guards, n, MADV_GUARD_INSTALL, 0);
    err = done == -1 ? -errno : 0;
    close(self);
    if (err != 0)
        return err;
    if ((size_t)done < page)
        return -EAGAIN;
    slab->guarded += (uint32_t)((size_t)done / page);
    return 0;
}

static void fall_back(struct sy__stacks *stacks, int err)
{
    errno = -err; /* for %m */
    snprintf(stacks->note, sizeof(stacks->note), "%s(MADV_GUARD_INSTALL): %m%s",
             guard_names[stacks->means],
             stacks->means == BY_MADVISE && err == -EINVAL
                 ? ": needs Linux 6.13, and memory that is not locked"
                 : "");
    stacks->means++;
    sy__choice_explain("guards", stacks->note);
}

/* Set the guard of the next stack to be carved, if it has none yet. */
static int guard_next(struct sy__stacks *stacks, struct sy__slab *slab)
{
    size_t each = stacks->each_bytes;
    char *low = slab_base(slab) + slab->carved * each;
    int err;

    if (slab->carved < slab->guarded || stacks->policy.guard == SY_GUARD_NONE)
        return 0;
    if (stacks->means == BY_PROCESS_MADVISE) {
        err = guard_by_process_madvise(slab, low, each);
        if (err != 0)
            fall_back(stacks, err);
    }
    if (stacks->means == BY_MADVISE && slab->carved == slab->guarded) {
        err = guard_by_madvise(slab, low);
        if (err == -ENOMEM)
            return err;
        if (err != 0)
            fall_back(stacks, err);
    }
    if (stacks->means == BY_MPROTECT && slab->carved == slab->guarded) {
        err = guard_by_mprotect(stacks, slab, low);
        if (err != 0)
            return err;
    }
    stacks->guard = guard_names[stacks->means];
    return 0;
}

/* ---- carving ----------------------------------------------------------- */

_Static_assert(TOP_BYTES <= 4096, "the top fits into a page of any size");

static struct sy__stack_place place_of(const struct sy__stacks *stacks,
                                       const struct sy__slab *slab, uint32_t i)
{
    size_t each = stacks->each_bytes;
    char *slot = slab_base(slab) + i * each;
    char *top = slot + each - (slab->first + i) % COLOURS * COLOUR_BYTES;
    struct sy__stack_place place = {.low = slot + stacks->page_bytes};

    if (stacks->policy.ctx_bytes != 0) {
        top -= (stacks->policy.ctx_bytes + SY_CACHE_LINE - 1) / SY_CACHE_LINE *
               SY_CACHE_LINE;
        place.ctx = top;
    }
    place.arg_area = top - SY_JOB_ARG_INLINE_BYTES;
    return place;
}

int sy__stacks_carve(struct sy__stacks *stacks, uint32_t at_least,
                     uint32_t at_most, struct sy__stack_place *place)
{
    struct sy__slab *slab = stacks->slabs;
    int err;

    *place = (struct sy__stack_place){0};
    if (slab == NULL || slab->carved == slab->stacks) {
        err = add_slab(stacks, at_least, at_most);
        if (err != 0)
            return err;
        slab = stacks->slabs;
    }
    err = guard_next(stacks, slab);
    if (err != 0)
        return err;
    *place = place_of(stacks, slab, slab->carved);
    slab->carved++;
    stacks->stacks++;
    return 0;
}

void sy__stacks_uncarve(struct sy__stacks *stacks)
{
    struct sy__slab *slab = stacks->slabs;
    struct sy__stack_place place;

    slab->carved--;
    stacks->stacks--;
    place = place_of(stacks, slab, slab->carved);
    if (place.ctx != NULL)
        memset(place.ctx, 0, stacks->policy.ctx_bytes);
}

void sy__stacks_destroy(struct sy__stacks *stacks)
{
    struct sy__slab *slab;

    while (stacks->slabs != NULL) {
        slab = stacks->slabs;
        stacks->slabs = slab->next;
        unmap_slab(slab);
    }
    stacks->stacks = 0;
}

void *sy__stack_low_of(const struct sy__stacks *stacks, void *arg_area)
{
    char *end = arg_area;

    /* What lies above arg_area, itself included, is at most a page. */
    return end - (uintptr_t)end % page_bytes() - stacks->policy.stack_bytes;
}

/* ---- what has been used of a stack ------------------------------------- */

/*
 * The first page of [from, end) that is in memory, or end. Pages that were
 * never touched read as zeros, and looking at them would bring them in.
 */
static char *first_resident(char *from, char *end)
{
    size_t page = page_bytes();
    unsigned char resident[64];

    while (from < end) {
        size_t pages = ((size_t)(end - from) + page - 1) / page;

        if (pages > sizeof(resident))
            pages = sizeof(resident);
        if (mincore(from, pages * page, resident) == -1)
            return from;
        for (size_t i = 0; i < pages; i++) {
            if ((resident[i] & 1) != 0)
                return from + i * page;
        }
        from += pages * page;
    }
    return end;
}

/* Reads what the sanitizers take for other frames' red zones. */
SY_NO_ASAN SY_NO_TSAN SY_NOINLINE static size_t bytes_used(char *low, char *end)
{
    const volatile unsigned char *at =
        (unsigned char *)first_resident(low, end);
    size_t used;

    sy__memcheck_pause();
    while (at < (unsigned char *)end && *at == 0)
        at++;
    used = (size_t)((unsigned char *)end - at);
    sy__memcheck_resume();
    return used;
}

void sy__stack_note_use(struct sy__stacks *stacks, void *arg_area)
{
    size_t used = bytes_used(sy__stack_low_of(stacks, arg_area), arg_area);

    if (used > stacks->high_water_bytes)
        stacks->high_water_bytes = used;
}

size_t sy__stacks_high_water(struct sy__stacks *stacks)
{
    for (const struct sy__slab *slab = stacks->slabs; slab != NULL;
         slab = slab->next) {
        for (uint32_t i = 0; i < slab->carved; i++)
            sy__stack_note_use(stacks, place_of(stacks, slab, i).arg_area);
    }
    return stacks->high_water_bytes;
}

void sy__stack_wipe(struct sy__stacks *stacks, void *arg_area)
{
    char *low = sy__stack_low_of(stacks, arg_area);
    char *end = (char *)arg_area + SY_JOB_ARG_INLINE_BYTES;
    char *from = first_resident(low, end);

    sy__stack_note_use(stacks, arg_area);
    /* What was swapped out is not seen as resident. */
    if (from > low)
        (void)madvise(low, (size_t)(from - low), MADV_DONTNEED);
    if (from < end)
        explicit_bzero(from, (size_t)(end - from));
}

void sy__stacks_give_back(struct sy__stacks *stacks, void *first, void *last,
                          bool keep_top)
{
    char *low = sy__stack_low_of(stacks, first);
    char *end = (char *)sy__stack_low_of(stacks, last) +
                stacks->policy.stack_bytes +
                (keep_top ? 0 : stacks->page_bytes);

    /* The guards in between stay. */
    (void)madvise(low, (size_t)(end - low), MADV_DONTNEED);
}

bool sy__stacks_adjacent(const struct sy__stacks *stacks, void *a, void *b)
{
    return (char *)sy__stack_low_of(stacks, a) + stacks->each_bytes ==
           (char *)sy__stack_low_of(stacks, b);
}
