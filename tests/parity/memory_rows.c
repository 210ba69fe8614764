/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ASYNC_set_mem_functions() and ASYNC_get_mem_functions(), of OpenSSL 3.2: who
 * allocates stacks. Looked up by name, for libraries that lack them.
 */
#include "parity.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef void *(*stack_alloc_fn)(size_t *bytes);
typedef void (*stack_free_fn)(void *stack);
typedef int (*set_mem_fn)(stack_alloc_fn alloc, stack_free_fn release);
typedef void (*get_mem_fn)(stack_alloc_fn *alloc, stack_free_fn *release);

static set_mem_fn set_mem;
static get_mem_fn get_mem;

#if PARITY_OWN_HEADER
static void find_functions(void)
{
    set_mem = ASYNC_set_mem_functions;
    get_mem = ASYNC_get_mem_functions;
}
#else
static void find_functions(void)
{
    void *set = dlsym(RTLD_DEFAULT, "ASYNC_set_mem_functions");
    void *get = dlsym(RTLD_DEFAULT, "ASYNC_get_mem_functions");

    if (set == NULL || get == NULL)
        parity_skip("no ASYNC_set_mem_functions here: OpenSSL has it from 3.2");
    memcpy(&set_mem, &set, sizeof(set_mem));
    memcpy(&get_mem, &get, sizeof(get_mem));
}
#endif

/* Does the drop-in have a reason to refuse stacks that are not its own? */
static bool takes_own_stacks_only(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "sy_openssl_switcher");
    const char *(*switcher)(void);

    if (!parity_on_dropin())
        return false;
#if SY_ASAN || SY_TSAN
    return true; /* the sanitizer must be told of each stack */
#endif
    CHECK(symbol != NULL);
    memcpy(&switcher, &symbol, sizeof(switcher));
    return strcmp(switcher(), "asm") != 0 && strcmp(switcher(), "inline") != 0;
}

/* Before the first stack. */
static void use_functions(stack_alloc_fn alloc, stack_free_fn release)
{
    int taken = set_mem(alloc, release);

    if (taken == 0 && takes_own_stacks_only())
        parity_skip("only asm and inline run on stacks of others");
    CHECK_EQ(taken, 1);
}

#define STACK_BYTES (256 * 1024)

static unsigned char *given;
static size_t asked_bytes;
static unsigned allocs, frees;

/* May answer with another size than it was asked for. */
static void *give_stack(size_t *bytes)
{
    asked_bytes = *bytes;
    *bytes = STACK_BYTES;
    given = aligned_alloc(4096, STACK_BYTES);
    allocs++;
    return given;
}

static void take_stack(void *stack)
{
    frees++;
    free(stack);
}

static void *give_nothing(size_t *bytes)
{
    (void)bytes;
    allocs++;
    return NULL;
}

static int where_am_i(void *arg)
{
    volatile unsigned char frame[100 * 1024]; /* OpenSSL's own has 32 KiB */
    uintptr_t here = (uintptr_t)frame;

    (void)arg;
    for (size_t i = 0; i < sizeof(frame); i += 1024)
        frame[sizeof(frame) - 1 - i] = 1;
    CHECK(here > (uintptr_t)given);
    CHECK(here < (uintptr_t)given + STACK_BYTES);
    return 1;
}

static void mem_functions_give_the_stacks(void)
{
    ASYNC_WAIT_CTX *wait;

    find_functions();
    use_functions(give_stack, take_stack);
    wait = parity_new_wait();
    CHECK_EQ(parity_run(wait, where_am_i, NULL, 0), 1);
    CHECK_EQ(allocs, 1);
    CHECK(asked_bytes >= 32 * 1024);
    CHECK_EQ(parity_run(wait, where_am_i, NULL, 0), 1); /* from the pool */
    CHECK_EQ(allocs, 1);
    CHECK_EQ(frees, 0);
    ASYNC_cleanup_thread();
    CHECK_EQ(frees, 1);
    ASYNC_WAIT_CTX_free(wait);
}

static void mem_functions_told(void)
{
    stack_alloc_fn alloc = NULL;
    stack_free_fn release = NULL;

    find_functions();
    get_mem(&alloc, &release);
    CHECK(alloc != NULL && release != NULL); /* the library's own */
    use_functions(give_stack, take_stack);
    get_mem(&alloc, &release);
    CHECK(alloc == give_stack);
    CHECK(release == take_stack);
    get_mem(NULL, NULL);
}

/* Only before the first stack. */
static void mem_functions_after_a_stack(void)
{
    ASYNC_WAIT_CTX *wait;
    stack_alloc_fn alloc = NULL;
    stack_free_fn release = NULL;

    find_functions();
    wait = parity_new_wait();
    CHECK_EQ(parity_run(wait, parity_return_seven, NULL, 0), 7);
    CHECK_EQ(set_mem(give_stack, take_stack), 0);
    get_mem(&alloc, &release);
    CHECK(alloc != give_stack);
    ASYNC_cleanup_thread();
    CHECK_EQ(parity_run(wait, parity_return_seven, NULL, 0), 7);
    CHECK_EQ(allocs, 0);
    ASYNC_WAIT_CTX_free(wait);
}

/* No memory for a stack: no job, and nothing else happens. */
static void mem_function_without_memory(void)
{
    ASYNC_WAIT_CTX *wait;
    ASYNC_JOB *job = NULL;
    int result = UNTOUCHED, status;

    find_functions();
    use_functions(give_nothing, take_stack);
    wait = parity_new_wait();
    status = ASYNC_start_job(&job, wait, &result, parity_return_seven, NULL, 0);
    CHECK(status == ASYNC_NO_JOBS || status == ASYNC_ERR);
    CHECK(allocs > 0);
    CHECK(job == NULL);
    CHECK_EQ(result, UNTOUCHED);
    CHECK(ASYNC_get_current_job() == NULL);
    CHECK_EQ(frees, 0);
    ASYNC_WAIT_CTX_free(wait);
}

const struct parity_row parity_memory_rows[] = {
    PARITY_ROW(mem_functions_give_the_stacks),
    PARITY_ROW(mem_functions_told),
    PARITY_ROW(mem_functions_after_a_stack),
    PARITY_ROW(mem_function_without_memory),
    PARITY_END,
};
