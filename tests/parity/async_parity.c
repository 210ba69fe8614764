/* SPDX-License-Identifier: Apache-2.0 */
/*
 * async_parity WAY [--only TEXT] [--even-broken]: every rule of OpenSSL's ASYNC
 * API, as its manual pages state it, one row each.
 *
 * WAY says what must be answering, and it is checked: "stock" (libcrypto
 * itself; the drop-in's counter must be absent), "preload", "link" or "header"
 * (the drop-in; its counter must have moved). Rows on which OpenSSL crashes,
 * corrupts or differs from its manual run on the drop-in only, and say so;
 * --even-broken runs them on OpenSSL too, to show what it does.
 *
 * Exit status: 0 every row passed; 1 one did not, or the wrong library
 * answered; 2 wrong usage; 77 not possible here.
 */
#include "parity.h"
#include <dlfcn.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_USAGE   2
#define EXIT_SKIPPED 77

/* A row takes milliseconds; under valgrind or a sanitizer, seconds. */
#define ROW_TIMEOUT_MS 20000

typedef uint64_t (*jobs_started_fn)(void);

/* What the process of a row leaves behind for the one that started it. */
struct row_report {
    char words[400];
    uint64_t jobs_started;
};

enum outcome { PASSED, FAILED, SKIPPED, NOT_ON_OPENSSL, OUTCOMES };

struct tally {
    unsigned of[OUTCOMES];
    uint64_t jobs_started;
};

static const char *const outcome_words[] = {
    [PASSED] = "ok",
    [FAILED] = "FAILED",
    [SKIPPED] = "skipped",
    [NOT_ON_OPENSSL] = "not here",
};

static const struct parity_row *const tables[] = {
    parity_job_rows,     parity_pool_rows,   parity_wait_rows,
    parity_context_rows, parity_thread_rows, parity_memory_rows,
    parity_ssl_rows,     parity_break_rows,
};

static struct row_report *report;
static jobs_started_fn jobs_started;

/* ---- inside a row ------------------------------------------------------ */

bool parity_on_dropin(void)
{
    return jobs_started != NULL;
}

/* Without exit handlers: a job may be running, on whatever stack. */
static SY_NORETURN void leave_row(int status)
{
    if (jobs_started != NULL)
        report->jobs_started = jobs_started();
    _exit(status);
}

void parity_fail(const char *file, int line, const char *format, ...)
{
    const char *name = strrchr(file, '/');
    va_list args;
    int used;

    used = snprintf(report->words, sizeof(report->words),
                    "%s:%d: ", name != NULL ? name + 1 : file, line);
    va_start(args, format);
    (void)vsnprintf(report->words + used, sizeof(report->words) - (size_t)used,
                    format, args);
    va_end(args);
    leave_row(EXIT_FAILURE);
}

void parity_skip(const char *why)
{
    (void)snprintf(report->words, sizeof(report->words), "%s", why);
    leave_row(EXIT_SKIPPED);
}

ASYNC_WAIT_CTX *parity_new_wait(void)
{
    ASYNC_WAIT_CTX *wait = ASYNC_WAIT_CTX_new();

    CHECK(wait != NULL);
    return wait;
}

ASYNC_JOB *parity_start_paused(ASYNC_WAIT_CTX *wait, int (*fn)(void *),
                               void *args, size_t bytes)
{
    ASYNC_JOB *job = NULL;
    int result = UNTOUCHED;

    CHECK_EQ(ASYNC_start_job(&job, wait, &result, fn, args, bytes),
             ASYNC_PAUSE);
    CHECK(job != NULL);
    CHECK_EQ(result, UNTOUCHED);
    return job;
}

void parity_resume_paused(ASYNC_JOB *job, ASYNC_WAIT_CTX *wait)
{
    ASYNC_JOB *handle = job;
    int result = UNTOUCHED;

    CHECK_EQ(ASYNC_start_job(&handle, wait, &result, NULL, NULL, 0),
             ASYNC_PAUSE);
    CHECK(handle == job);
    CHECK_EQ(result, UNTOUCHED);
}

int parity_resume_finished(ASYNC_JOB *job, ASYNC_WAIT_CTX *wait)
{
    int result = UNTOUCHED;

    CHECK_EQ(ASYNC_start_job(&job, wait, &result, NULL, NULL, 0), ASYNC_FINISH);
    CHECK(job == NULL);
    return result;
}

int parity_run(ASYNC_WAIT_CTX *wait, int (*fn)(void *), void *args,
               size_t bytes)
{
    ASYNC_JOB *job = NULL;
    int result = UNTOUCHED;

    CHECK_EQ(ASYNC_start_job(&job, wait, &result, fn, args, bytes),
             ASYNC_FINISH);
    CHECK(job == NULL);
    return result;
}

int parity_pause_once(void *arg)
{
    (void)arg;
    CHECK_EQ(ASYNC_pause_job(), 1);
    return 1;
}

int parity_return_seven(void *arg)
{
    (void)arg;
    return 7;
}

/* ---- one row after the other ------------------------------------------- */

static SY_NORETURN void be_the_row(const struct parity_row *row)
{
    row->run();
    if (jobs_started != NULL)
        report->jobs_started = jobs_started();
    exit(EXIT_SUCCESS); /* the exit handlers of both libraries belong to it */
}

/* Wait for a child; kill it when its time is up. False: it was. */
static bool wait_bounded(pid_t child, int *status)
{
    struct pollfd ended = {.events = POLLIN};
    bool in_time;

    ended.fd = (int)syscall(SYS_pidfd_open, child, 0);
    in_time = ended.fd == -1 || poll(&ended, 1, ROW_TIMEOUT_MS) != 0;
    if (!in_time)
        (void)kill(child, SIGKILL);
    (void)waitpid(child, status, 0);
    if (ended.fd != -1)
        (void)close(ended.fd);
    return in_time;
}

static enum outcome run_row(const struct parity_row *row)
{
    size_t room = sizeof(report->words);
    bool in_time;
    int status;
    pid_t child;

    memset(report, 0, sizeof(*report));
    (void)fflush(stdout);
    child = fork();
    if (child == -1) {
        perror("async_parity: fork");
        exit(EXIT_SKIPPED);
    }
    if (child == 0)
        be_the_row(row);
    in_time = wait_bounded(child, &status);
    if (!in_time)
        (void)snprintf(report->words, room, "did not end in %d s",
                       ROW_TIMEOUT_MS / 1000);
    else if (WIFSIGNALED(status))
        (void)snprintf(report->words, room, "ended by %s",
                       strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == EXIT_SUCCESS)
        return PASSED;
    else if (WEXITSTATUS(status) == EXIT_SKIPPED)
        return SKIPPED;
    else if (report->words[0] == '\0')
        (void)snprintf(report->words, room, "exit status %d",
                       WEXITSTATUS(status));
    return FAILED;
}

static void run_table(const struct parity_row *row, const char *only,
                      bool even_broken, struct tally *tally)
{
    bool on_openssl = jobs_started == NULL;
    enum outcome outcome;

    for (; row->name != NULL; row++) {
        if (strstr(row->name, only) == NULL)
            continue;
        if (on_openssl && row->openssl != NULL && !even_broken) {
            outcome = NOT_ON_OPENSSL;
            (void)snprintf(report->words, sizeof(report->words), "OpenSSL: %s",
                           row->openssl);
        } else {
            outcome = run_row(row);
            tally->jobs_started += report->jobs_started;
        }
        tally->of[outcome]++;
        printf("%-42s %-8s%s%s\n", row->name, outcome_words[outcome],
               report->words[0] != '\0' ? "  " : "", report->words);
    }
}

/* ---- what answers ------------------------------------------------------ */

/* True: the library that this way promises. */
static bool right_library(bool stock)
{
    void *symbol = dlsym(RTLD_DEFAULT, "sy_openssl_jobs_started");

    memcpy(&jobs_started, &symbol, sizeof(jobs_started));
    if (stock == (jobs_started == NULL))
        return true;
    fprintf(stderr, "async_parity: sy_openssl_jobs_started is %s here\n",
            stock ? "present: the drop-in answers"
                  : "absent: the drop-in is not loaded");
    return false;
}

static int print_tally(const char *way, const struct tally *tally)
{
    bool idle = jobs_started != NULL && tally->jobs_started == 0;

    if (idle)
        printf("no job was started through the drop-in\n");
    printf("%s: %u ok, %u failed, %u skipped, %u not run on OpenSSL", way,
           tally->of[PASSED], tally->of[FAILED], tally->of[SKIPPED],
           tally->of[NOT_ON_OPENSSL]);
    if (jobs_started != NULL)
        printf("; %llu jobs by the drop-in",
               (unsigned long long)tally->jobs_started);
    printf("\n");
    return tally->of[FAILED] != 0 || tally->of[PASSED] == 0 || idle
               ? EXIT_FAILURE
               : EXIT_SUCCESS;
}

static int run_all(const char *way, const char *only, bool even_broken)
{
    struct tally tally = {.jobs_started = 0};

    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED) {
        perror("async_parity: mmap");
        return EXIT_SKIPPED;
    }
    if (!right_library(strcmp(way, "stock") == 0))
        return EXIT_FAILURE;
#if SY_ASAN || SY_TSAN
    if (jobs_started == NULL) {
        printf("skipped: OpenSSL's jobs do not tell the sanitizer of their "
               "stacks\n");
        return EXIT_SKIPPED;
    }
#endif
    printf("%s, %s\n\n", way, OpenSSL_version(OPENSSL_VERSION));
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        run_table(tables[i], only, even_broken, &tally);
    printf("\n");
    return print_tally(way, &tally);
}

static bool is_way(const char *word)
{
    return strcmp(word, "stock") == 0 || strcmp(word, "preload") == 0 ||
           strcmp(word, "link") == 0 || strcmp(word, "header") == 0;
}

int main(int argc, char **argv)
{
    const char *way = NULL, *only = "";
    bool even_broken = false, good = true;

    for (int i = 1; i < argc && good; i++) {
        if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--even-broken") == 0)
            even_broken = true;
        else if (way == NULL && is_way(argv[i]))
            way = argv[i];
        else
            good = false;
    }
    if (way == NULL || !good) {
        fprintf(stderr, "usage: async_parity stock|preload|link|header "
                        "[--only TEXT] [--even-broken]\n");
        return EXIT_USAGE;
    }
    return run_all(way, only, even_broken);
}
