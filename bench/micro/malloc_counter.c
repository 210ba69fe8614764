/* SPDX-License-Identifier: Apache-2.0 */
#include "malloc_counter.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <switchyard/compiler.h>

static unsigned long mallocs, frees;
static unsigned long mallocs_before, frees_before;
static unsigned long mallocs_within, frees_within;

void counting_begins(void)
{
    mallocs_before = mallocs;
    frees_before = frees;
}

void counting_ends(void)
{
    mallocs_within = mallocs - mallocs_before;
    frees_within = frees - frees_before;
}

void counting_print(void)
{
    printf("mallocs %lu frees %lu\n", mallocs_within, frees_within);
}

#if defined(__GLIBC__) && SY_COUNT_MALLOCS
/*
 * A program may bring its own allocator, and shared libraries then use it too.
 * These are the names by which glibc's own can still be reached.
 */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void __libc_free(void *old);

SY_API void *malloc(size_t bytes)
{
    mallocs++;
    return __libc_malloc(bytes);
}

SY_API void *calloc(size_t n, size_t bytes)
{
    mallocs++;
    return __libc_calloc(n, bytes);
}

SY_API void *realloc(void *old, size_t bytes)
{
    mallocs++;
    return __libc_realloc(old, bytes);
}

SY_API void free(void *old)
{
    frees += old != NULL;
    __libc_free(old);
}
#endif
