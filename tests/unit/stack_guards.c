/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How stacks are guarded, what is said about it, and what happens when a guard
 * is hit or no more can be had. SWITCHYARD_GUARD is read when the library is
 * loaded, and some cases end their process: each case is this program again,
 * as "stack_guards CASE".
 */
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <switchyard/engine.h>
#include <switchyard/switcher.h>
#include <switchyard/switchyard.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if SY_ASAN || SY_TSAN
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define SKIP(why)                                                              \
    do {                                                                       \
        printf("skipped: %s\n", why);                                          \
        return UNIT_SKIP;                                                      \
    } while (0)

static const struct sy_switcher_ops *switcher; /* NULL: the library's choice */

static struct sy_runtime *open_small(uint32_t flags)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;

    config.switcher_ops = switcher;
    config.stack_bytes = SY_STACK_BYTES_MIN;
    config.engine = "queue";
    config.flags = flags;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    return rt;
}

static struct sy_runtime_stats stats_of(struct sy_runtime *rt)
{
    struct sy_runtime_stats stats = {.size = sizeof(stats)};

    CHECK_EQ(sy_runtime_get_stats(rt, &stats), 0);
    return stats;
}

static int pause_once(void *arg)
{
    (void)sy_job_pause();
    return (int)(intptr_t)arg;
}

/* Start jobs until one is refused. How many were started. */
static int start_many(struct sy_runtime *rt, struct sy_job **jobs, int max,
                      int *err)
{
    int n;

    for (n = 0; n < max; n++) {
        struct sy_job_spec spec = {.fn = pause_once,
                                   .arg = (void *)(intptr_t)(n + 1)};

        *err = sy_job_start(rt, &spec, &jobs[n], NULL);
        if (*err < 0) {
            CHECK(jobs[n] == NULL);
            break;
        }
    }
    return n;
}

static void finish_all(struct sy_job **jobs, int n)
{
    for (int i = 0; i < n; i++) {
        int result = 0;

        CHECK_EQ(sy_job_resume(&jobs[i], &result), SY_JOB_FINISHED);
        CHECK_EQ(result, i + 1);
    }
}

static void run_one_job(struct sy_runtime *rt)
{
    struct sy_job *job;
    int err;

    CHECK_EQ(start_many(rt, &job, 1, &err), 1);
    finish_all(&job, 1);
}

static long count_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    long lines = 0;
    int c;

    CHECK(file != NULL);
    while ((c = getc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

/* ---- which means ------------------------------------------------------- */

static int best_means_without_a_wish(void)
{
    struct sy_runtime *rt = open_small(0);

    CHECK_STR(stats_of(rt).guard, "none"); /* no stack yet */
    run_one_job(rt);
    printf("guards by %s; \"%s\"\n", stats_of(rt).guard,
           stats_of(rt).guard_note);
    CHECK(strcmp(stats_of(rt).guard, "none") != 0);
    CHECK_EQ(strcmp(stats_of(rt).guard, "process_madvise") == 0,
             stats_of(rt).guard_note[0] == '\0');
    CHECK_EQ(sy_runtime_close(rt), 0);
    return 0;
}

static int wish_for_mprotect(void)
{
    struct sy_runtime *rt = open_small(0);

    run_one_job(rt);
    CHECK_STR(stats_of(rt).guard, "mprotect");
    CHECK_STR(stats_of(rt).guard_note, "SWITCHYARD_GUARD=mprotect");
    CHECK_EQ(sy_runtime_close(rt), 0);
    rt = open_small(SY_RT_NO_ENVIRONMENT);
    run_one_job(rt);
    CHECK(strstr(stats_of(rt).guard_note, "SWITCHYARD") == NULL);
    CHECK_EQ(sy_runtime_close(rt), 0);
    return 0;
}

static int wish_for_madvise(void)
{
    struct sy_runtime *rt = open_small(0);

    run_one_job(rt);
    if (strcmp(stats_of(rt).guard, "mprotect") == 0)
        SKIP(stats_of(rt).guard_note);
    CHECK_STR(stats_of(rt).guard, "madvise");
    CHECK_STR(stats_of(rt).guard_note, "SWITCHYARD_GUARD=madvise");
    CHECK_EQ(sy_runtime_close(rt), 0);
    return 0;
}

static int no_guard_by_policy(void)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;

    config.guard = SY_GUARD_NONE;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    run_one_job(rt);
    CHECK_STR(stats_of(rt).guard, "none");
    CHECK_EQ(sy_runtime_close(rt), 0);
    return 0;
}

static int locked_memory_gets_mprotect(void)
{
    struct sy_runtime *rt;

    if (SANITIZED)
        SKIP("the sanitizers' shadow is too large to be locked");
    if (mlockall(MCL_FUTURE) == -1)
        SKIP("mlockall(2) is not allowed");
    rt = open_small(0);
    run_one_job(rt);
    CHECK_STR(stats_of(rt).guard, "mprotect");
    printf("%s\n", stats_of(rt).guard_note);
    CHECK(strstr(stats_of(rt).guard_note, "locked") != NULL);
    CHECK_EQ(sy_runtime_close(rt), 0);
    return 0;
}

/* ---- no more ----------------------------------------------------------- */

#define MANY 100000

/* Open a runtime, and keep what is written to standard error meanwhile. */
static int open_and_listen(struct sy_runtime **rt,
                           const struct sy_runtime_config *config, char *words,
                           size_t bytes)
{
    int ends[2], stderr_was = dup(STDERR_FILENO), err;
    ssize_t n;

    CHECK(stderr_was != -1);
    CHECK_EQ(pipe(ends), 0);
    CHECK(dup2(ends[1], STDERR_FILENO) != -1);
    err = sy_runtime_open(rt, config);
    CHECK(dup2(stderr_was, STDERR_FILENO) != -1);
    close(stderr_was);
    close(ends[1]);
    n = read(ends[0], words, bytes - 1); /* a pipe holds more than that */
    CHECK(n >= 0);
    words[n] = '\0';
    close(ends[0]);
    return err;
}

static int mappings_run_out(void)
{
    static struct sy_job *jobs[MANY];
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    struct sy_runtime *rt, *more;
    char words[64], explained[4096];
    long limit, before;
    int n, err = 0;

    if (SANITIZED)
        SKIP("the sanitizers' own mappings count too");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%ld", &limit), 1);
    fclose(file);
    if (limit > 2L * MANY)
        SKIP("vm.max_map_count is too high to be reached here");
    before = count_mappings();
    rt = open_small(0);
    n = start_many(rt, jobs, MANY, &err);
    printf("%d jobs; %s\n", n, stats_of(rt).guard_note);
    CHECK_EQ(err, -ENOMEM);
    CHECK(n > limit / 4);
    CHECK(count_mappings() < limit - limit / 16);
    snprintf(words, sizeof(words), "vm.max_map_count is %ld and %ld mappings",
             limit, count_mappings());
    CHECK(strstr(stats_of(rt).guard_note, words) != NULL);
    CHECK_STR(stats_of(rt).guard, "mprotect");

    /* The budget is that of the process. */
    config.engine = "queue";
    config.jobs_init = 100;
    CHECK_EQ(open_and_listen(&more, &config, explained, sizeof(explained)),
             -ENOMEM);
    CHECK(more == NULL);
    printf("%s", explained);
    snprintf(words, sizeof(words), "vm.max_map_count is %ld and ", limit);
    CHECK(strstr(explained, words) != NULL); /* SWITCHYARD_EXPLAIN=1 */
    config.guard = SY_GUARD_NONE;
    CHECK_EQ(sy_runtime_open(&more, &config), 0);
    CHECK_EQ(sy_runtime_close(more), 0);

    finish_all(jobs, n);
    CHECK_EQ(start_many(rt, jobs, n, &err), n);
    finish_all(jobs, n);
    CHECK_EQ(sy_runtime_close(rt), 0);
    CHECK(count_mappings() < before + 16);
    rt = open_small(0); /* and the budget is whole again */
    CHECK_EQ(start_many(rt, jobs, n / 2, &err), n / 2);
    finish_all(jobs, n / 2);
    CHECK_EQ(sy_runtime_close(rt), 0);
    return 0;
}

static int address_space_runs_out(void)
{
    static struct sy_job *jobs[MANY];
    struct rlimit limit = {.rlim_cur = 512L * 1024 * 1024,
                           .rlim_max = RLIM_INFINITY};
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt, *more;
    int n, err = 0;

    if (SANITIZED)
        SKIP("the sanitizers need more address space than any limit allows");
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    for (int round = 0; round < 3; round++) {
        rt = open_small(0);
        n = start_many(rt, jobs, MANY, &err);
        printf("%d jobs\n", n);
        CHECK_EQ(err, -ENOMEM);
        CHECK(n > 10000); /* of 24 KiB each: most of it was used */
        CHECK_EQ(stats_of(rt).stacks_allocated, n);
        finish_all(jobs, n / 2);
        CHECK_EQ(start_many(rt, jobs, n / 2, &err), n / 2);
        finish_all(jobs, n);
        CHECK_EQ(sy_runtime_close(rt), 0); /* what leaks, the next one lacks */
    }
    config.jobs_init = 1000000;
    CHECK_EQ(sy_runtime_open(&more, &config), -ENOMEM);
    CHECK(more == NULL);
    rt = open_small(0);
    CHECK_EQ(start_many(rt, jobs, 10000, &err), 10000);
    finish_all(jobs, 10000);
    CHECK_EQ(sy_runtime_close(rt), 0);
    return 0;
}

/* ---- guard hits -------------------------------------------------------- */

static volatile int depth_sink;

static int descend(int depth)
{
    volatile char frame[256];

    frame[0] = (char)depth;
    if (depth == 0)
        return 0;
    depth_sink = descend(depth - 1) + frame[0];
    return depth_sink;
}

static int overflow(void *arg)
{
    (void)arg;
    return descend(1000000);
}

static void overflow_in_a_job(void)
{
    struct sy_runtime *rt = open_small(0);
    struct sy_job_spec spec = {.fn = overflow, .user = (void *)0x5eed};
    struct sy_job *job, *other;
    int err;

    CHECK_EQ(start_many(rt, &other, 1, &err), 1);
    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), -1);
}

/* Run fn in a child that has nothing set for SIGSEGV. Its status, and what it
   wrote to standard error. */
static int in_child(void (*fn)(void), char *words, size_t bytes)
{
    int ends[2], status;
    size_t at = 0;
    ssize_t n;
    pid_t pid;

    CHECK_EQ(pipe(ends), 0);
    fflush(stdout);
    pid = fork();
    CHECK(pid != -1);
    if (pid == 0) {
        struct rlimit none = {0};

        (void)setrlimit(RLIMIT_CORE, &none);
        CHECK(signal(SIGSEGV, SIG_DFL) != SIG_ERR);
        CHECK(signal(SIGBUS, SIG_DFL) != SIG_ERR);
        CHECK(dup2(ends[1], STDERR_FILENO) != -1);
        fn();
        _exit(0);
    }
    close(ends[1]);
    while (at < bytes - 1 &&
           (n = read(ends[0], words + at, bytes - 1 - at)) > 0)
        at += (size_t)n;
    words[at] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    printf("status %x, \"%s\"\n", (unsigned)status, words);
    return status;
}

static int overflow_kills(void)
{
    char words[1024];
    int status = in_child(overflow_in_a_job, words, sizeof(words));

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK_STR(words, "");
    return 0;
}

static void install_and_overflow(void)
{
    CHECK_EQ(sy_guard_handler_install(), 0);
    CHECK_EQ(sy_guard_handler_install(), 0);
    overflow_in_a_job();
}

static void names_the_job(void)
{
    char words[1024], says[256];
    int status = in_child(install_and_overflow, words, sizeof(words));
    const char *line = strstr(words, "switchyard:"); /* ASan may warn first */

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    if ((switcher->caps & SY_SW_SAME_THREAD) == 0) {
        CHECK_STR(words, ""); /* its thread has no stack for a handler */
        return;
    }
    snprintf(says, sizeof(says),
             " (number 2, user 0x5eed): it has a stack of 16384 bytes, "
             "high-water mark: all of it; switcher %s; address 0x",
             switcher->name);
    CHECK(line != NULL);
    CHECK(strncmp(line, "switchyard: stack overflow in job 0x", 36) == 0);
    CHECK(strstr(line, says) != NULL);
    CHECK_EQ(line[strlen(line) - 1], '\n');
    CHECK(strchr(line, '\n') == line + strlen(line) - 1);
}

/* Under every switcher whose jobs run on stacks of the pool. */
static int handler_names_the_job(void)
{
    const struct sy_switcher_ops *const *all = sy_switcher_table();
    char why[256];

    for (; *all != NULL; all++) {
        switcher = *all;
        if ((switcher->caps & SY_SW_OWN_STACK) == 0 ||
            sy_switcher_probe(switcher, why, sizeof(why)) != 0)
            continue;
        /* There the C library makes the stacks of threads. */
        if (SANITIZED && (switcher->caps & SY_SW_SAME_THREAD) == 0)
            continue;
        names_the_job();
    }
    return 0;
}

static void own_handler(int number)
{
    (void)number;
    _exit(42);
}

static void install_after_another(void)
{
    static char stack[65536];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = own_handler,
                               .sa_flags = SA_ONSTACK};

    CHECK_EQ(sigaltstack(&own, NULL), 0);
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    install_and_overflow();
}

static int handler_goes_on_to_the_one_before(void)
{
    char words[1024];
    int status = in_child(install_after_another, words, sizeof(words));

    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
    CHECK(strncmp(words, "switchyard: stack overflow in job 0x", 36) == 0);
    return 0;
}

static void *open_and_close(void *arg)
{
    stack_t stack;
    struct sy_runtime *rt = open_small(0);

    CHECK_EQ(sigaltstack(NULL, &stack), 0);
    CHECK_EQ(stack.ss_flags, 0); /* there is one now */
    run_one_job(rt);
    CHECK_EQ(sy_runtime_close(rt), 0);
    return arg;
}

static void *overflow_here(void *arg)
{
    overflow_in_a_job();
    return arg;
}

static void overflow_on_a_later_thread(void)
{
    pthread_t thread;

    CHECK_EQ(sy_guard_handler_install(), 0);
    CHECK_EQ(pthread_create(&thread, NULL, open_and_close, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(pthread_create(&thread, NULL, overflow_here, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static int handler_serves_later_threads(void)
{
    char words[1024];
    int status = in_child(overflow_on_a_later_thread, words, sizeof(words));

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK(strncmp(words, "switchyard: stack overflow in job 0x", 36) == 0);
    return 0;
}

static int write_nowhere(void *arg)
{
    *(volatile char *)arg = 1;
    return 0;
}

static void install_and_write_nowhere(void)
{
    struct sy_job_spec spec = {.fn = write_nowhere, .arg = (void *)16};
    struct sy_job *job;

    CHECK_EQ(sy_guard_handler_install(), 0);
    CHECK_EQ(sy_job_start(open_small(0), &spec, &job, NULL), -1);
}

static void install_and_raise(void)
{
    CHECK_EQ(sy_guard_handler_install(), 0);
    raise(SIGSEGV);
}

static int handler_leaves_other_faults_alone(void)
{
    char words[1024];
    int status;

    status = in_child(install_and_write_nowhere, words, sizeof(words));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK_STR(words, "");
    status = in_child(install_and_raise, words, sizeof(words));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK_STR(words, "");
    return 0;
}

static int address_of_frame(void *arg)
{
    char here;

    *(uintptr_t *)arg = (uintptr_t)&here;
    return 0;
}

static void write_into_a_guard(void)
{
    struct sy_runtime *rt;
    uintptr_t at = 0;
    struct sy_job_spec spec = {.fn = address_of_frame, .arg = &at};
    struct sy_job *job;

    CHECK_EQ(sy_guard_handler_install(), 0);
    rt = open_small(0);
    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_FINISHED);
    *(volatile char *)(at / 4096 * 4096 - SY_STACK_BYTES_MIN - 1) = 1;
}

static int handler_knows_who_it_was_not(void)
{
    char words[1024];
    int status = in_child(write_into_a_guard, words, sizeof(words));

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK(strstr(words, "the guard of a stack was hit") != NULL);
    CHECK(strstr(words, "running: no job") != NULL);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
    const char *guard; /* for the environment */
    bool explain;      /* the same */
} cases[] = {
    {"best_means_without_a_wish", best_means_without_a_wish, NULL, false},
    {"unknown_wish_is_ignored", best_means_without_a_wish, "mprotec", false},
    {"wish_for_mprotect", wish_for_mprotect, "mprotect", false},
    {"wish_for_madvise", wish_for_madvise, "madvise", false},
    {"no_guard_by_policy", no_guard_by_policy, "mprotect", false},
    {"locked_memory_gets_mprotect", locked_memory_gets_mprotect, NULL, false},
    {"mappings_run_out", mappings_run_out, "mprotect", true},
    {"address_space_runs_out", address_space_runs_out, NULL, false},
    {"overflow_kills", overflow_kills, NULL, false},
    {"overflow_kills_by_madvise", overflow_kills, "madvise", false},
    {"overflow_kills_by_mprotect", overflow_kills, "mprotect", false},
    {"handler_names_the_job", handler_names_the_job, NULL, false},
    {"handler_names_the_job_by_mprotect", handler_names_the_job, "mprotect",
     false},
    {"handler_goes_on_to_the_one_before", handler_goes_on_to_the_one_before,
     NULL, false},
    {"handler_serves_later_threads", handler_serves_later_threads, NULL, false},
    {"handler_leaves_other_faults_alone", handler_leaves_other_faults_alone,
     NULL, false},
    {"handler_knows_who_it_was_not", handler_knows_who_it_was_not, NULL, false},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static void run_again(size_t i)
{
    int status = -1;
    pid_t pid = fork();

    CHECK(pid != -1);
    if (pid == 0) {
        if (cases[i].guard != NULL)
            setenv("SWITCHYARD_GUARD", cases[i].guard, 1);
        else
            unsetenv("SWITCHYARD_GUARD");
        if (cases[i].explain)
            setenv("SWITCHYARD_EXPLAIN", "1", 1);
        else
            unsetenv("SWITCHYARD_EXPLAIN");
        execl("/proc/self/exe", "stack_guards", cases[i].name, (char *)NULL);
        _exit(126);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    printf("%s: %s\n", cases[i].name,
           !WIFEXITED(status)                 ? "DIED"
           : WEXITSTATUS(status) == 0         ? "ok"
           : WEXITSTATUS(status) == UNIT_SKIP ? "skipped"
                                              : "FAILED");
    CHECK(WIFEXITED(status) &&
          (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == UNIT_SKIP));
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < CASES; i++) {
        if (argc == 1) {
            fflush(stdout);
            run_again(i);
        } else if (strcmp(argv[1], cases[i].name) == 0) {
            return cases[i].run();
        }
    }
    return argc != 1;
}
