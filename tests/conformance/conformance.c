/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_S_DEFAULT 120

/* Shared with the child, and with its children: who writes first is right. */
struct verdict {
    atomic_int taken;
    char why[1024];
};

static struct verdict *verdict;
static struct verdict verdict_here;

static void set_why(const char *format, va_list args)
{
    /* Relaxed: the parent reads after it has waited for this process. */
    if (atomic_exchange_explicit(&verdict->taken, 1, memory_order_relaxed) == 0)
        vsnprintf(verdict->why, sizeof(verdict->why), format, args);
}

static void set_why_words(const char *format, ...) SY_PRINTF(1, 2);
static void set_why_words(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_why(format, args);
    va_end(args);
}

static const char *base_name(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash != NULL ? slash + 1 : file;
}

void sy_conformance_fail(const char *file, int line, const char *format, ...)
{
    char words[768];
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    set_why_words("%s:%d: %s", base_name(file), line, words);
    if (verdict == &verdict_here)
        fprintf(stderr, "%s\n", verdict->why);
    /* Not exit(): this may be a job's stack, or the child of a fork. */
    _exit(SY_CONFORMANCE_FAIL);
}

void sy_conformance_equal(const char *file, int line, const char *a_words,
                          const char *b_words, long long a, long long b)
{
    if (a != b)
        sy_conformance_fail(file, line, "%s is %lld, not %s (%lld)", a_words, a,
                            b_words, b);
}

void sy_conformance_at_least(const char *file, int line, const char *a_words,
                             const char *b_words, long long a, long long b)
{
    if (a < b)
        sy_conformance_fail(file, line, "%s is %lld, less than %s (%lld)",
                            a_words, a, b_words, b);
}

void sy_conformance_skip(struct sy_conformance *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_why(format, args);
    va_end(args);
    t->skipped = 1;
}

struct sy_runtime_config sy_conformance_config(const struct sy_conformance *t)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;

    config.switcher_ops = t->sw;
    config.engine_ops = t->en;
    config.engine = t->engine_name;
    return config;
}

struct sy_runtime *sy_conformance_open(const struct sy_runtime_config *config)
{
    struct sy_runtime *rt = NULL;

    CHECK_EQ(sy_runtime_open(&rt, config), 0);
    CHECK(rt != NULL);
    return rt;
}

void sy_conformance_reopen(struct sy_conformance *t,
                           const struct sy_runtime_config *config)
{
    CHECK_EQ(sy_runtime_close(t->rt), 0);
    t->rt = sy_conformance_open(config);
}

struct sy_job *sy_conformance_paused(struct sy_runtime *rt, sy_job_fn fn,
                                     void *arg)
{
    struct sy_job_spec spec = {.fn = fn, .arg = arg};
    struct sy_job *job = NULL;

    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_PAUSED);
    CHECK(job != NULL);
    return job;
}

static unsigned timeout_s(void)
{
    const char *text = getenv("SY_CONFORMANCE_TIMEOUT_S");
    long value = text != NULL ? strtol(text, NULL, 10) : 0;

    return value > 0 && value < 86400 ? (unsigned)value : TIMEOUT_S_DEFAULT;
}

/*
 * ThreadSanitizer takes fibers for threads, and after a fork of several
 * "threads" it ignores what orders them: in such a child it reports races
 * between a job and its resumer. They mean nothing, and checks that fail are
 * heard through shared memory.
 */
static void quiet_after_fork(void)
{
    int fd = SY_TESTS_UNDER_TSAN ? open("/dev/null", O_WRONLY) : -1;

    if (fd != -1)
        dup2(fd, STDERR_FILENO);
}

void sy_conformance_fork(struct sy_conformance *t,
                         void (*fn)(struct sy_conformance *t, void *arg),
                         void *arg)
{
    int status = -1;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    CHECK(pid != -1);
    if (pid == 0) {
        alarm(timeout_s()); /* the parent's is not inherited */
        quiet_after_fork();
        fn(t, arg);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) == -1)
        CHECK_EQ(errno, EINTR);
    if (WIFSIGNALED(status))
        sy_conformance_fail(__FILE__, __LINE__,
                            "the child of a fork was ended by signal %d (%s)",
                            WTERMSIG(status), strsignal(WTERMSIG(status)));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

void sy_conformance_on_thread(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

struct sy_runtime_stats sy_conformance_stats(struct sy_runtime *rt)
{
    struct sy_runtime_stats stats = {.size = sizeof(stats)};

    CHECK_EQ(sy_runtime_get_stats(rt, &stats), 0);
    return stats;
}

int sy_conformance_pause_once(void *arg)
{
    int *steps = arg;

    *steps += 1;
    sy_job_pause();
    *steps += 1;
    return *steps;
}

int sy_conformance_return(void *arg)
{
    return arg != NULL ? *(const int *)arg : 0;
}

static int probe(struct sy_conformance *t)
{
    char why[256] = "";
    int err;

    err = sy_switcher_probe(t->sw, why, sizeof(why));
    if (err == 0)
        err = sy_engine_probe(t->en, t->variant, why, sizeof(why));
    if (err == 0)
        return SY_CONFORMANCE_PASS;
    if (err == -ENOTSUP)
        set_why_words("%s", why);
    else
        set_why_words("the probe returned %d (%s): %s", err, sy_strerror(err),
                      why);
    return err == -ENOTSUP ? SY_CONFORMANCE_SKIP : SY_CONFORMANCE_FAIL;
}

static int run_body(const struct sy_conformance_body *body,
                    struct sy_conformance *t)
{
    struct sy_runtime_config config = sy_conformance_config(t);
    int code = probe(t);

    if (code != SY_CONFORMANCE_PASS)
        return code;
    t->rt = sy_conformance_open(&config);
    body->run(t);
    if (t->skipped)
        code = SY_CONFORMANCE_SKIP;
    CHECK_EQ(sy_runtime_close(t->rt), 0);
    return code;
}

static struct sy_conformance setup(const struct sy_switcher_ops *sw,
                                   const struct sy_engine_ops *en,
                                   const char *variant)
{
    struct sy_conformance t = {.sw = sw, .en = en, .variant = variant};

    if (variant == NULL && en->variants != NULL)
        t.variant = en->variants[0];
    if (t.variant == NULL)
        snprintf(t.engine_name, sizeof(t.engine_name), "%s", en->name);
    else
        snprintf(t.engine_name, sizeof(t.engine_name), "%s+%s", en->name,
                 t.variant);
    return t;
}

int sy_conformance_run_here(const struct sy_conformance_body *body,
                            const struct sy_switcher_ops *sw,
                            const struct sy_engine_ops *en, const char *variant,
                            char *why, size_t why_bytes)
{
    struct sy_conformance t = setup(sw, en, variant);
    int code;

    memset(&verdict_here, 0, sizeof(verdict_here));
    verdict = &verdict_here;
    code = run_body(body, &t);
    snprintf(why, why_bytes, "%s", verdict->why);
    return code;
}

/* Turn the end of the child into a result; why has room for the reason. */
static int judge(int status, char *why, size_t why_bytes)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    if (code == SY_CONFORMANCE_PASS)
        return SY_CONFORMANCE_PASS;
    if (verdict->why[0] != '\0' &&
        (code == SY_CONFORMANCE_SKIP || code == SY_CONFORMANCE_FAIL)) {
        snprintf(why, why_bytes, "%s", verdict->why);
        return code;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(why, why_bytes, "it did not end within %u s", timeout_s());
    else if (WIFSIGNALED(status))
        snprintf(why, why_bytes, "it was ended by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(why, why_bytes,
                 "its process ended with status %d: a sanitizer's report, or "
                 "an exit in the middle (see standard error)",
                 code);
    return SY_CONFORMANCE_FAIL;
}

int sy_conformance_run(const struct sy_conformance_body *body,
                       const struct sy_switcher_ops *sw,
                       const struct sy_engine_ops *en, const char *variant,
                       char *why, size_t why_bytes)
{
    struct sy_conformance t = setup(sw, en, variant);
    int status = 0, code;
    pid_t pid;

    snprintf(why, why_bytes, "%s", "");
    verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (verdict == MAP_FAILED) {
        snprintf(why, why_bytes, "mmap: %s", strerror(errno));
        return SY_CONFORMANCE_FAIL;
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(timeout_s());
        /* exit(), so that sanitizers speak of leaks and races. */
        exit(run_body(body, &t));
    }
    if (pid == -1) {
        snprintf(why, why_bytes, "fork: %s", strerror(errno));
        code = SY_CONFORMANCE_FAIL;
    } else {
        while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
            ;
        code = judge(status, why, why_bytes);
    }
    munmap(verdict, sizeof(*verdict));
    verdict = NULL;
    return code;
}
