/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dropin_loops LOOP CANDIDATE N: do one thing N times through OpenSSL's
 * ASYNC_* functions. Whoever defines them is measured: libcrypto, or, where it
 * is preloaded, the drop-in. CANDIDATE says which one that must be, "openssl"
 * or "dropin", and is checked against the drop-in's own counter.
 *
 * Prints the nanoseconds per operation, after a short warm-up. Without
 * arguments, prints what can be measured as JSON, for count_instructions.py.
 *
 * Exit status: 0; 1 a result was wrong; 2 wrong usage; 3 the other library
 * answered.
 */
#include "../micro/malloc_counter.h"
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/async.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/compiler.h>
#include <time.h>

#define EXIT_WRONG   1
#define EXIT_USAGE   2
#define EXIT_LIBRARY 3

#define RESULT  7
#define WARM_UP 1024
#define WAIT_FD 5 /* a number: nobody waits for it */

typedef uint64_t (*counter_fn)(void);

static ASYNC_WAIT_CTX *wait_ctx;
static volatile bool stop;

/* Work that the compiler can neither drop nor move. Behind a call, it keeps
   that call from becoming a tail call. */
static inline void barrier(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/* ---- jobs -------------------------------------------------------------- */

static int start(ASYNC_JOB **job, int (*fn)(void *), void *arg, size_t bytes,
                 int *result)
{
    *job = NULL;
    return ASYNC_start_job(job, wait_ctx, result, fn, arg, bytes);
}

static inline int resume(ASYNC_JOB **job, int *result)
{
    return ASYNC_start_job(job, wait_ctx, result, NULL, NULL, 0);
}

static int return_at_once(void *arg)
{
    (void)arg;
    return RESULT;
}

static int return_first_argument(void *arg)
{
    return *(const int *)arg;
}

static int pause_once(void *arg)
{
    (void)arg;
    (void)ASYNC_pause_job();
    return RESULT;
}

static int pause_for_ever(void *arg)
{
    (void)arg;
    while (!stop)
        (void)ASYNC_pause_job();
    return RESULT;
}

static SY_NOINLINE void four_deep(void)
{
    (void)ASYNC_pause_job();
    barrier();
}

static SY_NOINLINE void three_deep(void)
{
    four_deep();
    barrier();
}

static SY_NOINLINE void two_deep(void)
{
    three_deep();
    barrier();
}

static SY_NOINLINE void one_deep(void)
{
    two_deep();
    barrier();
}

static int pause_four_deep(void *arg)
{
    (void)arg;
    while (!stop)
        one_deep();
    return RESULT;
}

static SY_NOINLINE bool resume_two_deep(ASYNC_JOB **job, int *result)
{
    bool paused = resume(job, result) == ASYNC_PAUSE;

    barrier();
    return paused;
}

static SY_NOINLINE bool resume_one_deep(ASYNC_JOB **job, int *result)
{
    bool paused = resume_two_deep(job, result);

    barrier();
    return paused;
}

/* ---- loops: false if a result was wrong -------------------------------- */

static bool end_paused(ASYNC_JOB *job)
{
    int result = 0;

    stop = true;
    return resume(&job, &result) == ASYNC_FINISH && result == RESULT;
}

static ASYNC_JOB *start_paused(int (*fn)(void *))
{
    ASYNC_JOB *job;
    int result;

    stop = false;
    return start(&job, fn, NULL, 0, &result) == ASYNC_PAUSE ? job : NULL;
}

static bool run_pair(uint64_t n)
{
    ASYNC_JOB *job = start_paused(pause_for_ever);
    int result;

    if (job == NULL)
        return false;
    for (; n > 0; n--) {
        if (resume(&job, &result) != ASYNC_PAUSE)
            return false;
    }
    return end_paused(job);
}

static bool run_pair_deep(uint64_t n)
{
    ASYNC_JOB *job = start_paused(pause_four_deep);
    int result;

    if (job == NULL)
        return false;
    for (; n > 0; n--) {
        if (!resume_one_deep(&job, &result))
            return false;
    }
    return end_paused(job);
}

static bool run_finish(uint64_t n, int (*fn)(void *), void *args, size_t bytes)
{
    ASYNC_JOB *job;

    for (; n > 0; n--) {
        int result = 0;

        if (start(&job, fn, args, bytes, &result) != ASYNC_FINISH ||
            result != RESULT)
            return false;
    }
    return true;
}

static bool run_finish_0(uint64_t n)
{
    return run_finish(n, return_at_once, NULL, 0);
}

static bool run_finish_64(uint64_t n)
{
    int args[16] = {RESULT};

    return run_finish(n, return_first_argument, args, sizeof(args));
}

static bool run_one_pause(uint64_t n)
{
    ASYNC_JOB *job;

    for (; n > 0; n--) {
        int result = 0;

        if (start(&job, pause_once, NULL, 0, &result) != ASYNC_PAUSE ||
            resume(&job, &result) != ASYNC_FINISH || result != RESULT)
            return false;
    }
    return true;
}

static int ask_for_current(void *arg)
{
    uint64_t n = *(const uint64_t *)arg, found = 0;
    ASYNC_JOB *self = ASYNC_get_current_job();

    for (uint64_t i = 0; i < n; i++)
        found += ASYNC_get_current_job() == self;
    return self != NULL && found == n ? RESULT : 0;
}

static bool run_current_job(uint64_t n)
{
    ASYNC_JOB *job;
    int result = 0;

    return start(&job, ask_for_current, &n, sizeof(n), &result) ==
               ASYNC_FINISH &&
           result == RESULT;
}

static unsigned long cleaned_up;

static void clean_up(ASYNC_WAIT_CTX *ctx, const void *key, int fd, void *custom)
{
    (void)ctx;
    (void)key;
    (void)custom;
    cleaned_up += fd == WAIT_FD;
}

static bool run_wait_ctx(uint64_t n)
{
    cleaned_up = 0;
    for (uint64_t i = 0; i < n; i++) {
        ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();

        if (ctx == NULL || ASYNC_WAIT_CTX_set_wait_fd(ctx, &wait_ctx, WAIT_FD,
                                                      NULL, clean_up) != 1)
            return false;
        ASYNC_WAIT_CTX_free(ctx);
    }
    return cleaned_up == n;
}

static const struct {
    const char *name;
    bool (*run)(uint64_t n);
} loops[] = {
    {"pair", run_pair},           {"pair_4_deep", run_pair_deep},
    {"finish_0", run_finish_0},   {"finish_64", run_finish_64},
    {"one_pause", run_one_pause}, {"current_job", run_current_job},
    {"wait_ctx", run_wait_ctx},
};

#define LOOPS (sizeof(loops) / sizeof(loops[0]))

/* ---- who answers ------------------------------------------------------- */

static const char *candidate(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "sy_openssl_jobs_started");

    return symbol != NULL ? "dropin" : "openssl";
}

/* Does the counter say that the drop-in ran the jobs, or is there none? */
static bool counter_agrees(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "sy_openssl_jobs_started");
    counter_fn counter;

    if (symbol == NULL)
        return true;
    memcpy(&counter, &symbol, sizeof(counter));
    return counter() > 0;
}

static int print_choices(void)
{
    printf("{\"compiler\": \"%s\", \"flags\": \"%s\", \"cpu\": \"%s\",\n",
           SY_COUNT_COMPILER, SY_COUNT_FLAGS, SY_COUNT_CPU);
    printf(" \"scenarios\": [");
    for (size_t i = 0; i < LOOPS; i++)
        printf("%s\"%s\"", i == 0 ? "" : ", ", loops[i].name);
    printf("],\n \"candidates\": [\"%s\"]}\n", candidate());
    return EXIT_SUCCESS;
}

/* ---- main -------------------------------------------------------------- */

static double now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int run(const char *name, const char *expected, uint64_t n)
{
    bool (*loop)(uint64_t n) = NULL;
    double t0, t1;
    int result;

    for (size_t i = 0; i < LOOPS; i++) {
        if (strcmp(loops[i].name, name) == 0)
            loop = loops[i].run;
    }
    if (loop == NULL)
        return EXIT_USAGE;
    if (strcmp(candidate(), expected) != 0) {
        fprintf(stderr, "dropin_loops: %s answers\n", candidate());
        return EXIT_LIBRARY;
    }
    wait_ctx = ASYNC_WAIT_CTX_new();
    if (wait_ctx == NULL || ASYNC_init_thread(8, 8) != 1 || !run_finish_0(1) ||
        !loop(WARM_UP))
        return EXIT_WRONG;
    counting_begins();
    t0 = now_ns();
    result = loop(n) ? EXIT_SUCCESS : EXIT_WRONG;
    t1 = now_ns();
    counting_ends();
    if (!counter_agrees()) {
        fprintf(stderr, "dropin_loops: no job was started by the drop-in\n");
        return EXIT_LIBRARY;
    }
    printf("ns %.4f\n", (t1 - t0) / (double)n);
    counting_print();
    return result;
}

int main(int argc, char **argv)
{
    int status = EXIT_USAGE;
    unsigned long n;
    char *end;

    if (argc == 1)
        return print_choices();
    if (argc == 4) {
        errno = 0;
        n = strtoul(argv[3], &end, 10);
        if (errno == 0 && *end == '\0' && n > 0)
            status = run(argv[1], argv[2], n);
    }
    if (status == EXIT_USAGE)
        fprintf(stderr, "usage: dropin_loops [LOOP openssl|dropin N]\n"
                        "Without arguments: what loops there are.\n");
    else if (status == EXIT_WRONG)
        fprintf(stderr, "dropin_loops: a result was wrong\n");
    return status;
}
