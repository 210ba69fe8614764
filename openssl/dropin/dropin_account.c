/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the drop-in is told by the environment, read once at load, and what it
 * tells: SWITCHYARD_EXPLAIN, SWITCHYARD_ACCOUNT, SWITCHYARD_EXEC_REPORT.
 *
 * When a device's wake-up comes is not ours to see: it is a write to a
 * descriptor that we do not read, or a call of the program's callback. For the
 * account, a thread watches the descriptors of paused jobs, and callbacks are
 * called through one of ours; both take the time.
 */
#include "dropin.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* ---- options ------------------------------------------------------------- */

static bool is_one(const char *name)
{
    const char *value = secure_getenv(name);

    return value != NULL && strcmp(value, "1") == 0;
}

static void copy_value(char *to, size_t room, const char *name)
{
    const char *value = secure_getenv(name);

    if (value != NULL && strlen(value) < room)
        memcpy(to, value, strlen(value) + 1);
}

/* What is too long is no switcher's name, cut off or not. */
static void read_switcher(void)
{
    const char *value = secure_getenv("SWITCHYARD_SWITCHER");

    if (value != NULL)
        snprintf(dropin.options.switcher, sizeof(dropin.options.switcher), "%s",
                 value);
}

static void read_stack_bytes(void)
{
    const char *value = secure_getenv("SWITCHYARD_STACK_BYTES");
    unsigned long long bytes;
    char *end;

    if (value == NULL || value[0] == '\0')
        return;
    errno = 0;
    bytes = strtoull(value, &end, 10);
    if (errno != 0 || *end != '\0' || bytes < SY_STACK_BYTES_MIN ||
        bytes > SY_STACK_BYTES_MAX ||
        bytes % (unsigned long)sysconf(_SC_PAGESIZE) != 0) {
        fprintf(stderr,
                "switchyard: SWITCHYARD_STACK_BYTES=%s is ignored: give a "
                "multiple of the page size, %zu to %zu\n",
                value, SY_STACK_BYTES_MIN, SY_STACK_BYTES_MAX);
        return;
    }
    dropin.options.stack_bytes = (size_t)bytes;
}

static void read_openssl_options(void)
{
    const char *value = secure_getenv("SWITCHYARD_OPENSSL");

    if (value == NULL || value[0] == '\0')
        return;
    if (strcmp(value, "reap=ssl") == 0)
        dropin.options.reap_ssl = true;
    else
        fprintf(stderr,
                "switchyard: SWITCHYARD_OPENSSL=%s is ignored: the "
                "only option is reap=ssl\n",
                value);
}

void dropin_options_read(void)
{
    int saved_errno = errno;

    dropin.options.account = is_one("SWITCHYARD_ACCOUNT");
    dropin.options.explain = is_one("SWITCHYARD_EXPLAIN");
    read_switcher();
    copy_value(dropin.options.exec_report, sizeof(dropin.options.exec_report),
               "SWITCHYARD_EXEC_REPORT");
    read_stack_bytes();
    read_openssl_options();
    errno = saved_errno;
}

/* ---- what is told -------------------------------------------------------- */

void dropin_explain(const struct dropin_thread *t)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    struct sy_runtime_stats stats = {.size = sizeof(stats)};

    /* relaxed: it guards nothing but itself */
    if (!dropin.options.explain ||
        atomic_flag_test_and_set_explicit(&said, memory_order_relaxed) ||
        sy_runtime_get_stats(t->rt, &stats) != 0)
        return;
    fprintf(stderr,
            "switchyard: OpenSSL jobs run on switcher %s, stacks %zu KiB "
            "guarded; jobs are switched %s, the default library context is "
            "%s%s\n",
            stats.switcher, (size_t)(stats.stack_bytes / 1024),
            t->by_hand ? "directly" : "through the job layer",
            dropin.asks_libctx ? "asked for at each switch" : "tracked",
            dropin.options.reap_ssl ? ", reap=ssl" : "");
}

/* Append a line to the file that `switchyard exec` reads. One write: several
   processes do it. */
static void report(const char *line)
{
    int fd, saved_errno = errno;

    if (dropin.options.exec_report[0] == '\0')
        return;
    fd = open(dropin.options.exec_report,
              O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd != -1) {
        if (write(fd, line, strlen(line)) == -1) {
            /* nobody to tell */
        }
        close(fd);
    }
    errno = saved_errno;
}

void dropin_report_load(void)
{
    char line[400], why[200];
    int down;

    if (dropin.options.exec_report[0] == '\0' || !dropin_libcrypto_find())
        return;
    down = sy_openssl_stands_down(why, sizeof(why));
    snprintf(line, sizeof(line), "%ld %s %s%s\n", (long)getpid(),
             program_invocation_short_name, down ? "stands-down:" : "loaded",
             why);
    report(line);
}

/* ---- the account --------------------------------------------------------- */

/* A logarithmic histogram of ns: four buckets to an octave. */
#define BUCKETS_PER_OCTAVE 4
#define OCTAVES            48

/* How many pairs of pause and resume the cost of one is taken from. */
#define PAIRS_PER_BATCH 256
#define BATCHES         16

#define NO_WATCHER (-2) /* yet; -1: it cannot be had */

static struct {
    _Atomic uint64_t buckets[OCTAVES * BUCKETS_PER_OCTAVE];
    _Atomic uint64_t wakes;
    _Atomic uint64_t pair_ps; /* one pause and resume, warm */
    _Atomic int epoll_fd;     /* the watcher's, or NO_WATCHER */
    pthread_mutex_t lock;
} account = {.epoll_fd = NO_WATCHER, .lock = PTHREAD_MUTEX_INITIALIZER};

static size_t bucket_of(uint64_t ns)
{
    unsigned octave = 0;

    while (octave < OCTAVES - 1 && ns >> octave >= 2 * BUCKETS_PER_OCTAVE)
        octave++;
    if (octave == 0 && ns < BUCKETS_PER_OCTAVE)
        return (size_t)ns;
    ns = (ns >> octave) - BUCKETS_PER_OCTAVE;
    if (ns >= BUCKETS_PER_OCTAVE)
        ns = BUCKETS_PER_OCTAVE - 1;
    octave = octave < OCTAVES - 1 ? octave + 1 : octave;
    return (size_t)octave * BUCKETS_PER_OCTAVE + (size_t)ns;
}

/* The greatest value of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    size_t octave = bucket / BUCKETS_PER_OCTAVE;
    uint64_t part = bucket % BUCKETS_PER_OCTAVE;

    return octave == 0 ? part
                       : ((part + BUCKETS_PER_OCTAVE + 1) << (octave - 1)) - 1;
}

static void record(uint64_t ns)
{
    /* relaxed: counters */
    atomic_fetch_add_explicit(&account.buckets[bucket_of(ns)], 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&account.wakes, 1, memory_order_relaxed);
}

static uint64_t percentile(unsigned percent)
{
    uint64_t wakes = atomic_load_explicit(&account.wakes, memory_order_relaxed);
    uint64_t rank = (wakes * percent + 99) / 100, seen = 0;

    for (size_t i = 0; wakes != 0 && i < OCTAVES * BUCKETS_PER_OCTAVE; i++) {
        seen += atomic_load_explicit(&account.buckets[i], memory_order_relaxed);
        if (seen >= rank)
            return bucket_end(i);
    }
    return 0;
}

/* Take the time at which a context's descriptor becomes readable. It runs until
   the process ends. */
static void *watch(void *arg)
{
    int epoll_fd = (int)(intptr_t)arg;
    struct epoll_event events[64];
    int n;

    for (;;) {
        n = epoll_wait(epoll_fd, events, 64, -1);
        if (n == -1 && errno != EINTR)
            return NULL;
        for (int i = 0; i < n; i++)
            dropin_wait_woken(events[i].data.ptr);
    }
}

/* The descriptor of the watcher, which is made if need be; -1: none. */
static int watcher(void)
{
    pthread_attr_t attr;
    sigset_t all, old;
    pthread_t thread;
    int fd;

    /* acquire pairs with release below */
    fd = atomic_load_explicit(&account.epoll_fd, memory_order_acquire);
    if (fd != NO_WATCHER)
        return fd;
    pthread_mutex_lock(&account.lock);
    fd = atomic_load_explicit(&account.epoll_fd, memory_order_relaxed);
    if (fd == NO_WATCHER) {
        fd = epoll_create1(EPOLL_CLOEXEC);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all,
                        &old); /* signals are the program's */
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        if (fd != -1 &&
            pthread_create(&thread, &attr, watch, (void *)(intptr_t)fd) != 0) {
            close(fd);
            fd = -1;
        }
        pthread_attr_destroy(&attr);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        atomic_store_explicit(&account.epoll_fd, fd, memory_order_release);
    }
    pthread_mutex_unlock(&account.lock);
    return fd;
}

void dropin_account_pause(struct dropin_job *job)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT,
                                .data.ptr = job->wait};
    int fds[8], epoll_fd, saved_errno = errno;
    size_t n;

    job->paused_ns = dropin_now_ns();
    if (job->wait == dropin_no_wait || job->wait == dropin_dead_wait)
        return;
    dropin_wait_take_woken(job->wait);
    n = dropin_wait_fds(job->wait, fds, 8);
    epoll_fd = n != 0 ? watcher() : -1;
    for (size_t i = 0; epoll_fd != -1 && i < n && i < 8; i++) {
        if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fds[i], &event) == -1)
            (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], &event);
    }
    errno = saved_errno;
}

void dropin_account_resume(struct dropin_job *job)
{
    uint64_t woken_ns = dropin_wait_take_woken(job->wait);
    uint64_t now_ns = dropin_now_ns();

    if (woken_ns != 0 && woken_ns <= now_ns && job->paused_ns <= woken_ns)
        record(now_ns - woken_ns);
}

static int pause_often(void *arg)
{
    int *left = *(int **)arg;

    while ((*left)-- > 0)
        (void)ASYNC_pause_job();
    return 0;
}

/* What a pause and a resume cost at least: the best of some batches, with all
   of it in the caches. */
void dropin_account_calibrate(struct dropin_thread *t)
{
    uint64_t best_ns = UINT64_MAX, begin_ns, ns, resumes;
    bool had_account = dropin.options.account, had_dose = dropin.options.dose;
    int left, result, *args = &left;
    ASYNC_JOB *job;

    dropin.options.account = dropin.options.dose = false;
    dropin_thread_choose_path(t);
    resumes = dropin_hot(t->rt)->resumes;
    for (int batch = 0; batch < BATCHES; batch++) {
        job = NULL;
        left = PAIRS_PER_BATCH;
        begin_ns = dropin_now_ns();
        do {
            result = ASYNC_start_job(&job, NULL, NULL, pause_often, &args,
                                     sizeof(args));
        } while (result == ASYNC_PAUSE);
        ns = dropin_now_ns() - begin_ns;
        if (result == ASYNC_FINISH)
            t->warm_ups++;
        if (result == ASYNC_FINISH && ns < best_ns)
            best_ns = ns;
    }
    t->old_resumes -= dropin_hot(t->rt)->resumes - resumes;
    dropin.options.account = had_account;
    dropin.options.dose = had_dose;
    dropin_thread_choose_path(t);
    if (best_ns != UINT64_MAX)
        atomic_store_explicit(&account.pair_ps,
                              best_ns * 1000 / PAIRS_PER_BATCH,
                              memory_order_relaxed);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == -1)
        return 0;
    return (uint64_t)now.tv_sec * SY_NS_PER_S + (uint64_t)now.tv_nsec;
}

void dropin_account_counters(struct sy_openssl_counters *counters)
{
    if (!dropin.options.account)
        return;
    counters->wakes =
        atomic_load_explicit(&account.wakes, memory_order_relaxed);
    counters->wake_p50_ns = percentile(50);
    counters->wake_p99_ns = percentile(99);
    /* a start and an end are about as much as a pause and a resume */
    counters->switching_ns =
        (counters->pauses + counters->jobs) *
        atomic_load_explicit(&account.pair_ps, memory_order_relaxed) / 1000;
    counters->process_cpu_ns = cpu_ns();
}

void dropin_account_forked(void)
{
    for (size_t i = 0; i < OCTAVES * BUCKETS_PER_OCTAVE; i++)
        atomic_store_explicit(&account.buckets[i], 0, memory_order_relaxed);
    atomic_store_explicit(&account.wakes, 0, memory_order_relaxed);
    if (account.epoll_fd >= 0)
        close(account.epoll_fd);
    account.epoll_fd = NO_WATCHER;
    pthread_mutex_init(&account.lock, NULL);
}

static void print_account(const struct sy_openssl_counters *c)
{
    char wakes[160] = "not seen";

    if (c->wakes != 0)
        snprintf(wakes, sizeof(wakes),
                 "p50 %.1f us, p99 %.1f us (of %" PRIu64 ")",
                 (double)c->wake_p50_ns / 1e3, (double)c->wake_p99_ns / 1e3,
                 c->wakes);
    fprintf(
        stderr,
        "switchyard: account of process %ld (%s)\n"
        "  jobs                  %" PRIu64 "\n"
        "  pauses per job        %.2f (%" PRIu64 " pauses)\n"
        "  fds created           %" PRIu64 "\n"
        "  wake to resume        %s\n"
        "  switching             %.3f %% of %.3f s CPU (estimated: %.3f ms)\n"
        "  outstanding           %" PRIu64 ", oldest %.3f s\n"
        "  orphaned              %" PRIu64 ", of these reaped %" PRIu64
        "; given up %" PRIu64 "\n"
        "  wait contexts used after they were freed: %" PRIu64
        "; refused calls: %" PRIu64 "\n",
        (long)getpid(), program_invocation_short_name, c->jobs,
        c->jobs != 0 ? (double)c->pauses / (double)c->jobs : 0.0, c->pauses,
        c->fds, wakes,
        c->process_cpu_ns != 0
            ? 100.0 * (double)c->switching_ns / (double)c->process_cpu_ns
            : 0.0,
        (double)c->process_cpu_ns / 1e9, (double)c->switching_ns / 1e6,
        c->outstanding, (double)c->oldest_ns / 1e9, c->orphaned, c->reaped,
        c->abandoned, c->freed_accesses, c->refused);
}

void dropin_account_print(void)
{
    struct sy_openssl_counters counters = {.size = sizeof(counters)};
    uint64_t switches, wakes;
    char line[240];

    if (dropin_forward != NULL)
        return;
    sy_openssl_get_counters(&counters);
    if (dropin.options.account && counters.jobs != 0)
        print_account(&counters);
    if (dropin.options.exec_report[0] == '\0' || !dropin_libcrypto_find())
        return;
    snprintf(line, sizeof(line),
             "%ld exit jobs=%" PRIu64 " pauses=%" PRIu64 "\n", (long)getpid(),
             counters.jobs, counters.pauses);
    report(line);
    if (!dropin.options.dose)
        return;
    dropin_dose_counts(&switches, &wakes);
    snprintf(line, sizeof(line),
             "%ld dose switches=%" PRIu64 " wakes=%" PRIu64
             " switch-ps=%" PRIu64 "\n",
             (long)getpid(), switches, wakes,
             atomic_load_explicit(&account.pair_ps, memory_order_relaxed) / 2);
    report(line);
}
