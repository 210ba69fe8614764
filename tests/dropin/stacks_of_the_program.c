/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ASYNC_set_mem_functions(), which OpenSSL has from 3.2 on: before the first
 * stack only, both functions or none.
 */
#include "dropin_test.h"

typedef void *(*alloc_fn)(size_t *num);
typedef void (*free_fn)(void *addr);

static int (*set_functions)(alloc_fn alloc, free_fn give_back);
static void (*get_functions)(alloc_fn *alloc, free_fn *give_back);

static int allocated, freed;
static bool refuses;
static char *low, *high;

static void *my_alloc(size_t *num)
{
    if (refuses)
        return NULL;
    *num = 256 * 1024;
    allocated++;
    low = malloc(*num);
    high = low + *num;
    return low;
}

static void my_free(void *addr)
{
    freed++;
    free(addr);
}

static int is_on_it(void *arg)
{
    char here;

    (void)arg;
    CHECK_EQ(ASYNC_pause_job(), 1);
    return (uintptr_t)&here >= (uintptr_t)low &&
           (uintptr_t)&here < (uintptr_t)high;
}

int main(void)
{
    ASYNC_JOB *job = NULL;
    free_fn give_back;
    alloc_fn alloc;
    int ret = -1;

    drop_in_function(&set_functions, "ASYNC_set_mem_functions");
    drop_in_function(&get_functions, "ASYNC_get_mem_functions");
    get_functions(&alloc, &give_back);
    CHECK(alloc != NULL && give_back != NULL);
    CHECK_EQ(set_functions(alloc, give_back), 1); /* what is there */
    CHECK_EQ(set_functions(NULL, NULL), 1);       /* nothing changes */
    CHECK_EQ(set_functions(my_alloc, NULL), 0);
    CHECK_EQ(async_error(), ERR_R_PASSED_NULL_PARAMETER);
    CHECK_EQ(set_functions(NULL, my_free), 0);
    CHECK_EQ(async_error(), ERR_R_PASSED_NULL_PARAMETER);
    if (set_functions(my_alloc, my_free) == 0) {
        CHECK_EQ(async_error(), ERR_R_UNSUPPORTED);
        fprintf(stderr, "skipped: this switcher, or a sanitizer, needs the "
                        "library's own stacks\n");
        return 77;
    }
    get_functions(&alloc, &give_back);
    CHECK(alloc == my_alloc && give_back == my_free);

    refuses = true;
    CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, is_on_it, NULL, 0),
             ASYNC_NO_JOBS);
    CHECK(job == NULL);
    refuses = false;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, is_on_it, NULL, 0),
                 ASYNC_PAUSE);
        CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, NULL, NULL, 0),
                 ASYNC_FINISH);
        CHECK_EQ(ret, 1);
    }
    CHECK_EQ(allocated, 1); /* one job at a time */
    CHECK_EQ(set_functions(my_alloc, my_free), 0);
    CHECK_EQ(async_error(), ASYNC_R_INIT_FAILED);
    ASYNC_cleanup_thread();
    CHECK_EQ(freed, allocated);
    return 0;
}
