/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "checkup.h"

/* CPU times of the kernel count in steps of 10 ms, so this is 1 % of one. */
#define WINDOW_NS (1000 * SY_NS_PER_MS)

#define CLOCK_READS    50000
#define CALLS          200
#define CHUNKS         64
#define WAKES          100
#define IDLE_NS        (200 * SY_NS_PER_US)
#define CPUS_VISITED   64
#define DRIFT_READINGS 20

static int64_t read_ns(clockid_t id)
{
    struct timespec now;

    if (clock_gettime(id, &now) == -1)
        return -errno;
    return (int64_t)now.tv_sec * (int64_t)SY_NS_PER_S + now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Sorts the values. */
static int64_t median(int64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_size);
    return values[count / 2];
}

/* ---- the clock ----------------------------------------------------------- */

static void measure_clock(struct sy_checkup_figures *m)
{
    int64_t first = read_ns(CLOCK_MONOTONIC), last = first, tick = INT64_MAX;
    int64_t costs[CHUNKS];

    if (first < 0) {
        m->clock_tick_ns = m->clock_read_ns = first;
        return;
    }
    for (int i = 0; i < CLOCK_READS; i++) {
        const int64_t now = read_ns(CLOCK_MONOTONIC);

        m->clock_backwards += now < last;
        if (now > last && now - last < tick)
            tick = now - last;
        last = now;
    }
    /* A clock that stood still moves in steps of more than all that. */
    m->clock_tick_ns = tick != INT64_MAX ? tick : (int64_t)SY_NS_PER_S;
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        first = read_ns(CLOCK_MONOTONIC);
        for (int i = 0; i < CALLS; i++)
            last = read_ns(CLOCK_MONOTONIC);
        costs[chunk] = (last - first) / CALLS;
    }
    m->clock_read_ns = median(costs, CHUNKS);
}

/* Each CPU may have a counter of its own: what was read on one must not be
   later than what is read on the next. */
static void visit_cpus(struct sy_checkup_figures *m)
{
    cpu_set_t allowed, one;
    int64_t last = 0;
    int visited = 0;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) == -1)
        return;
    for (int round = 0; round < 3; round++) {
        visited = 0;
        for (unsigned cpu = 0; cpu < CPU_SETSIZE && visited < CPUS_VISITED;
             cpu++) {
            if (!CPU_ISSET(cpu, &allowed))
                continue;
            visited++;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            if (sched_setaffinity(0, sizeof(one), &one) == -1)
                continue;
            m->clock_backwards += read_ns(CLOCK_MONOTONIC) < last;
            last = read_ns(CLOCK_MONOTONIC);
        }
    }
    (void)sched_setaffinity(0, sizeof(allowed), &allowed);
}

/* Both clocks at one moment: the reading that was interrupted least. */
static void read_both(int64_t *raw, int64_t *adjusted)
{
    int64_t best = INT64_MAX;

    for (int i = 0; i < DRIFT_READINGS; i++) {
        const int64_t before = read_ns(CLOCK_MONOTONIC);
        const int64_t between = read_ns(CLOCK_MONOTONIC_RAW);
        const int64_t after = read_ns(CLOCK_MONOTONIC);

        if (after - before < best) {
            best = after - before;
            *raw = between;
            *adjusted = before + best / 2;
        }
    }
}

/* ---- system calls and wake-ups ------------------------------------------- */

int64_t sy_syscall_cost_ns(void)
{
    int64_t costs[CHUNKS];

    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        const int64_t begin = read_ns(CLOCK_MONOTONIC);

        for (int i = 0; i < CALLS; i++)
            (void)syscall(SYS_getppid);
        costs[chunk] = (read_ns(CLOCK_MONOTONIC) - begin) / CALLS;
    }
    return median(costs, CHUNKS);
}

static void measure_timer(struct sy_checkup_figures *m)
{
    int64_t late[WAKES];

    for (int i = 0; i < WAKES; i++) {
        const int64_t due = read_ns(CLOCK_MONOTONIC) + (int64_t)IDLE_NS;
        const struct timespec until = {
            .tv_sec = (time_t)(due / (int64_t)SY_NS_PER_S),
            .tv_nsec = (long)(due % (int64_t)SY_NS_PER_S)};
        int err;

        do
            err = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        while (err == EINTR);
        if (err != 0) {
            m->timer_late_ns = -err;
            return;
        }
        late[i] = read_ns(CLOCK_MONOTONIC) - due;
    }
    m->timer_late_ns = median(late, WAKES);
    m->timer_worst_ns = late[WAKES - 1];
}

/* Two threads; word counts the wake-ups that were sent. */
struct wakes {
    _Atomic uint32_t word;
    _Atomic uint32_t seen; /* by the sleeper, to let the waker go on */
    _Atomic int64_t sent_ns;
    int64_t late[WAKES];
};

static void *sleep_and_note(void *arg)
{
    struct wakes *w = arg;

    for (uint32_t i = 0; i < WAKES; i++) {
        /* pairs with the release in measure_wake(): sent_ns is there */
        while (atomic_load_explicit(&w->word, memory_order_acquire) == i)
            (void)syscall(SYS_futex, &w->word, FUTEX_WAIT_PRIVATE, i, NULL,
                          NULL, 0);
        w->late[i] = read_ns(CLOCK_MONOTONIC) -
                     atomic_load_explicit(&w->sent_ns, memory_order_relaxed);
        /* pairs with the acquire in measure_wake() */
        atomic_store_explicit(&w->seen, i + 1, memory_order_release);
    }
    return NULL;
}

static void measure_wake(struct sy_checkup_figures *m)
{
    const struct timespec idle = {.tv_nsec = (long)IDLE_NS};
    struct wakes *w = calloc(1, sizeof(*w));
    pthread_t thread;
    int err;

    m->wake_ns = -ENOMEM;
    if (w == NULL)
        return;
    err = pthread_create(&thread, NULL, sleep_and_note, w);
    m->wake_ns = -err;
    for (uint32_t i = 0; i < WAKES && err == 0; i++) {
        /* Long enough for the sleeper's CPU to become idle. */
        (void)nanosleep(&idle, NULL);
        atomic_store_explicit(&w->sent_ns, read_ns(CLOCK_MONOTONIC),
                              memory_order_relaxed);
        /* pairs with the acquire in sleep_and_note() */
        atomic_store_explicit(&w->word, i + 1, memory_order_release);
        (void)syscall(SYS_futex, &w->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL,
                      0);
        /* pairs with the release in sleep_and_note() */
        while (atomic_load_explicit(&w->seen, memory_order_acquire) <= i)
            (void)sched_yield();
    }
    if (err == 0) {
        (void)pthread_join(thread, NULL);
        m->wake_ns = median(w->late, WAKES);
        m->wake_worst_ns = w->late[WAKES - 1];
    }
    free(w);
}

/* ---- what others take ---------------------------------------------------- */

struct cpu_ticks {
    long long busy, steal; /* busy without steal */
};

static int read_ticks(struct cpu_ticks *t, const char *proc)
{
    long long user, nice, system, idle, iowait, irq, softirq, steal;
    char line[512];
    int err = sy_kernel_line(proc, "stat", line, sizeof(line));

    if (err != 0)
        return err;
    if (sscanf(line, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &user,
               &nice, &system, &idle, &iowait, &irq, &softirq, &steal) != 8)
        return -EINVAL;
    t->busy = user + nice + system + irq + softirq;
    t->steal = steal;
    return 0;
}

static int64_t permille(long long part, long long of)
{
    return of <= 0 || part <= 0 ? 0 : part * 1000 / of;
}

int64_t sy_steal_since_boot_permille(const char *proc)
{
    struct cpu_ticks t;
    int err = read_ticks(&t, proc);

    return err != 0 ? err : permille(t.steal, t.busy + t.steal);
}

static int64_t own_cpu_ns(void)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) == -1)
        return 0;
    return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) *
               (int64_t)SY_NS_PER_S +
           ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* Want the CPU until then: only what wants it can be robbed of it. */
static void spin_until(struct sy_checkup_figures *m, int64_t until_ns)
{
    int64_t last = read_ns(CLOCK_MONOTONIC);

    while (last < until_ns) {
        const int64_t now = read_ns(CLOCK_MONOTONIC);

        if (now < 0)
            return;
        if (now - last > m->gap_ns)
            m->gap_ns = now - last;
        m->clock_backwards += now < last;
        last = now;
    }
}

/* ---- what is allowed ----------------------------------------------------- */

static void probe_io_uring(struct sy_checkup_figures *m)
{
    static const unsigned setups[] = {
        0, 1u << 8 /* COOP_TASKRUN */, 1u << 12 /* SINGLE_ISSUER */,
        1u << 12 | 1u << 13 /* with DEFER_TASKRUN */};

    for (size_t i = 0; i < sizeof(setups) / sizeof(*setups); i++) {
        struct io_uring_params params;
        long fd;

        memset(&params, 0, sizeof(params));
        params.flags = setups[i];
        fd = syscall(SYS_io_uring_setup, 4, &params);
        if (i == 0)
            m->io_uring_features = fd == -1 ? -errno : (int64_t)params.features;
        if (fd == -1)
            continue;
        m->io_uring_setups |= setups[i];
        close((int)fd);
    }
}

static void probe_counters(struct sy_checkup_figures *m)
{
    struct perf_event_attr attr;
    long fd;

    memset(&attr, 0, sizeof(attr));
    attr.size = sizeof(attr);
    attr.type = PERF_TYPE_HARDWARE;
    attr.config = PERF_COUNT_HW_INSTRUCTIONS;
    attr.exclude_kernel = 1;
    attr.exclude_hv = 1;
    fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    m->counters = fd == -1 ? -errno : 1;
    if (fd != -1)
        close((int)fd);
}

static int64_t soft_limit(const struct rlimit *limit)
{
    return limit->rlim_cur > (rlim_t)INT64_MAX ? INT64_MAX
                                               : (int64_t)limit->rlim_cur;
}

static void read_limits(struct sy_checkup_figures *m)
{
    struct rlimit limit;
    cpu_set_t set;

    m->cpus_usable = sched_getaffinity(0, sizeof(set), &set) == -1
                         ? -errno
                         : CPU_COUNT(&set);
    m->cpus_online = sysconf(_SC_NPROCESSORS_ONLN);
    m->fd_limit =
        getrlimit(RLIMIT_NOFILE, &limit) == -1 ? -errno : soft_limit(&limit);
    m->memlock_bytes =
        getrlimit(RLIMIT_MEMLOCK, &limit) == -1 ? -errno : soft_limit(&limit);
}

/* ---- all of it ----------------------------------------------------------- */

static void measure_window(struct sy_checkup_figures *m, const char *proc)
{
    const int64_t begin = read_ns(CLOCK_MONOTONIC), own = own_cpu_ns();
    const int64_t tick_ns = (int64_t)SY_NS_PER_S / sysconf(_SC_CLK_TCK);
    struct cpu_ticks before, after;
    int64_t raw[2] = {0, 0}, adjusted[2] = {0, 0}, drift;
    int err = read_ticks(&before, proc);

    read_both(&raw[0], &adjusted[0]);
    measure_clock(m);
    visit_cpus(m);
    m->syscall_ns = sy_syscall_cost_ns();
    measure_timer(m);
    measure_wake(m);
    spin_until(m, begin + (int64_t)WINDOW_NS);
    read_both(&raw[1], &adjusted[1]);
    m->window_ns = read_ns(CLOCK_MONOTONIC) - begin;
    drift = (adjusted[1] - adjusted[0]) - (raw[1] - raw[0]);
    m->clock_drift_ppm =
        (drift < 0 ? -drift : drift) * 1000000 / (int64_t)WINDOW_NS;
    if (err == 0)
        err = read_ticks(&after, proc);
    if (err != 0) {
        m->others_permille = m->steal_permille = err;
        return;
    }
    m->others_permille =
        permille((after.busy - before.busy) * tick_ns - (own_cpu_ns() - own),
                 m->window_ns);
    m->steal_permille =
        permille(after.steal - before.steal,
                 after.busy - before.busy + after.steal - before.steal);
}

void sy_checkup_measure(struct sy_checkup_figures *m, const char *proc)
{
    memset(m, 0, sizeof(*m));
    sy_build_facts(&m->build);
    read_limits(m);
    probe_io_uring(m);
    probe_counters(m);
    measure_window(m, proc);
    m->steal_boot_permille = sy_steal_since_boot_permille(proc);
}
