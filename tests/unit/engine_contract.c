/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What engine.h promises of an engine, checked on the ops tables directly, for
 * every engine and variant, or for those of the engine named on the command
 * line ("queue", "pipe+select").
 *
 * Exit status: 0 all good, 1 a check failed, 77 nothing named works here.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/engine.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOTS        64u
#define WAKERS       4u
#define ROUNDS       200u   /* wake-ups of each slot */
#define MANY_SLOTS   10000u /* more than a completion ring holds */
#define PATIENCE_NS  (10 * SY_NS_PER_S)
#define PATIENCE_MS  10000
#define SOON_NS      (20 * SY_NS_PER_MS)
#define STATE_BYTES  32768
#define FIRST_RLIMIT 40

/* The engine under test. */
static const struct sy_engine_ops *ops;
static const char *variant;
static uint32_t flags; /* of sy_engine_config */
static alignas(64) unsigned char state[STATE_BYTES];
static struct sy_engine_counts counts;
static unsigned failures;

/* As the core does it: the permit is taken with a read-modify-write. */
struct job {
    struct sy_engine_slot slot;
    atomic_uint permits; /* wakes that were not collected yet: 0 or 1 */
    uint64_t written;    /* published by the wake */
    unsigned collected;
};
static struct job jobs[MANY_SLOTS];

static void check_eq(long long got, long long want, const char *what, int line)
{
    if (got == want)
        return;
    failures++;
    fprintf(stderr, "%s:%d: %s%s%s: %s is %lld, not %lld\n", __FILE__, line,
            ops->name, variant != NULL ? "+" : "",
            variant != NULL ? variant : "", what, got, want);
}

#define CHECK_EQ(got, want)                                                    \
    check_eq((long long)(got), (long long)(want), #got, __LINE__)

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * SY_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
    struct timespec ts = {.tv_sec = 0, .tv_nsec = (long)ns};

    nanosleep(&ts, NULL);
}

static int engine_open(void)
{
    const struct sy_engine_config cfg = {
        .variant = variant, .counts = &counts, .flags = flags};

    memset(state, 0, sizeof(state));
    memset(&counts, 0, sizeof(counts));
    return ops->open(state, &cfg);
}

static int attach(struct job *job)
{
    memset(job, 0, sizeof(*job));
    job->slot.index = (uint32_t)(job - jobs);
    return ops->attach != NULL ? ops->attach(state, &job->slot) : 0;
}

static void detach(struct job *job)
{
    if (ops->detach != NULL)
        ops->detach(state, &job->slot);
}

static void setup(unsigned slots)
{
    CHECK_EQ(engine_open(), 0);
    for (unsigned i = 0; i < slots; i++)
        CHECK_EQ(attach(&jobs[i]), 0);
}

static void teardown(unsigned slots)
{
    for (unsigned i = 0; i < slots; i++)
        detach(&jobs[i]);
    ops->close(state);
}

static void wake(struct job *job)
{
    job->written++;
    /* pairs with the acquire in collect() */
    atomic_fetch_add_explicit(&job->permits, 1, memory_order_release);
    ops->wake(state, &job->slot);
}

/* One wait; checks that what it returns was woken, and once. */
static unsigned collect(unsigned max, uint64_t timeout_ns)
{
    struct sy_engine_slot *ready[SLOTS];
    int n = ops->wait(state, ready, max, timeout_ns);

    if (n < 0)
        CHECK_EQ(n, 0);
    for (int i = 0; i < n; i++) {
        struct job *job = (void *)ready[i];

        job->collected++;
        /* pairs with the release in wake() */
        CHECK_EQ(
            atomic_fetch_sub_explicit(&job->permits, 1, memory_order_acq_rel),
            1);
    }
    return n < 0 ? 0 : (unsigned)n;
}

/* ---- one thread ---- */

static void waits_no_longer_than_told(void)
{
    uint64_t start, deadline, took = 0;

    setup(1);
    CHECK_EQ(collect(SLOTS, 0), 0);
    /* A sleep may end early, for a signal or for no reason, and on a busy
       machine several times in a row; but one that never sleeps its time out
       is found. */
    deadline = now_ns() + PATIENCE_NS;
    while (took < SOON_NS && now_ns() < deadline) {
        start = now_ns();
        CHECK_EQ(collect(SLOTS, SOON_NS), 0);
        took = now_ns() - start;
    }
    CHECK_EQ(took >= SOON_NS, true);
    CHECK_EQ(took < PATIENCE_NS, true);
    start = now_ns();
    CHECK_EQ(collect(SLOTS, 1), 0); /* 1 ns must not become "for ever" */
    CHECK_EQ(now_ns() - start < PATIENCE_NS, true);
    teardown(1);
}

static void keeps_a_wake_before_the_wait(void)
{
    setup(2);
    for (unsigned round = 0; round < 100; round++) {
        wake(&jobs[round % 2]);
        CHECK_EQ(collect(SLOTS, round % 3 == 0 ? SY_FOREVER : 0), 1);
        CHECK_EQ(jobs[round % 2].collected, round / 2 + 1);
    }
    CHECK_EQ(collect(SLOTS, 0), 0);
    teardown(2);
}

static void hands_over_in_pieces(unsigned piece)
{
    setup(SLOTS);
    for (unsigned round = 1; round <= 3; round++) {
        unsigned n = 0;

        for (unsigned i = 0; i < SLOTS; i++)
            wake(&jobs[i]);
        for (unsigned calls = 0; n < SLOTS && calls < SLOTS; calls++)
            n += collect(piece, 0);
        CHECK_EQ(n, SLOTS);
        CHECK_EQ(collect(piece, 0), 0);
        for (unsigned i = 0; i < SLOTS; i++)
            CHECK_EQ(jobs[i].collected, round);
    }
    teardown(SLOTS);
}

/* A slot that is always woken again must not keep another one waiting. */
static void starves_nobody(void)
{
    unsigned calls;

    setup(3);
    wake(&jobs[2]);
    wake(&jobs[0]);
    wake(&jobs[1]);
    for (calls = 0; calls < 10 && jobs[2].collected == 0; calls++) {
        CHECK_EQ(collect(1, 0), 1);
        for (unsigned i = 0; i < 2; i++)
            if (atomic_load(&jobs[i].permits) == 0)
                wake(&jobs[i]);
    }
    CHECK_EQ(jobs[2].collected, 1);
    for (unsigned i = 0; i < 3; i++)
        while (atomic_load(&jobs[i].permits) != 0 && calls++ < 100)
            collect(1, 0);
    CHECK_EQ(collect(SLOTS, 0), 0);
    teardown(3);
}

static void keeps_the_order(void)
{
    struct sy_engine_slot *ready[SLOTS];

    /* Who scans cannot know the order. */
    if (strcmp(ops->name, "poll") == 0 ||
        (strcmp(ops->name, "pipe") == 0 && strcmp(variant, "epoll") != 0))
        return;
    setup(SLOTS);
    for (unsigned i = 0; i < SLOTS; i++)
        wake(&jobs[i * 7 % SLOTS]);
    CHECK_EQ(ops->wait(state, ready, SLOTS / 2, 0), SLOTS / 2);
    CHECK_EQ(ops->wait(state, ready + SLOTS / 2, SLOTS / 2, 0), SLOTS / 2);
    for (unsigned i = 0; i < SLOTS; i++)
        CHECK_EQ(ready[i]->index, i * 7 % SLOTS);
    teardown(SLOTS);
}

static void attaches_again(void)
{
    setup(SLOTS);
    for (unsigned round = 0; round < 50; round++) {
        struct job *job = &jobs[round * 5 % SLOTS];

        wake(job);
        CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
        detach(job);
        CHECK_EQ(attach(job), 0);
        CHECK_EQ(collect(SLOTS, 0), 0);
        if (round % 2 == 0) {
            wake(job);
            CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
            CHECK_EQ(job->collected, 1);
        }
    }
    CHECK_EQ(collect(SLOTS, 0), 0);
    teardown(SLOTS);
}

static void *wake_each(void *arg)
{
    const unsigned *slots = arg;

    for (unsigned i = 0; i < *slots; i++)
        wake(&jobs[i]);
    return NULL;
}

/* Woken on the runtime's thread in the first round, by another in the rest. */
static void holds_more_than_a_ring(void)
{
    pthread_t thread;
    struct rlimit limit;
    unsigned n = 0, got, slots = MANY_SLOTS;

    getrlimit(RLIMIT_NOFILE, &limit);
    if ((ops->caps & SY_EN_FD_PER_JOB) != 0) {
        if (limit.rlim_cur / 2 < slots + 100)
            slots = (unsigned)(limit.rlim_cur / 2) - 100;
        if (variant != NULL && strcmp(variant, "select") == 0)
            slots = 400;
    }
    setup(slots);
    for (unsigned round = 1; round <= 3; round++) {
        if (round == 1) {
            wake_each(&slots);
        } else {
            CHECK_EQ(pthread_create(&thread, NULL, wake_each, &slots), 0);
            CHECK_EQ(pthread_join(thread, NULL), 0);
        }
        for (n = 0; n < slots; n += got) {
            got = collect(SLOTS, round != 3 ? PATIENCE_NS : 0);
            if (got == 0)
                break;
        }
        CHECK_EQ(n, slots);
        CHECK_EQ(collect(SLOTS, 0), 0);
    }
    teardown(slots);
}

/* ---- several threads ---- */

struct late_wake {
    struct job *job;
    uint64_t after_ns;
};

static void *wake_later(void *arg)
{
    const struct late_wake *late = arg;

    sleep_ns(late->after_ns);
    wake(late->job);
    return NULL;
}

static void ends_a_sleep(void)
{
    setup(2);
    for (unsigned round = 0; round < 5; round++) {
        struct late_wake late = {&jobs[round % 2], SOON_NS};
        pthread_t thread;
        unsigned n = 0;

        CHECK_EQ(pthread_create(&thread, NULL, wake_later, &late), 0);
        /* 0 before the time is over is allowed: a signal, say. */
        for (uint64_t start = now_ns();
             n == 0 && now_ns() - start < PATIENCE_NS;)
            n = collect(SLOTS, round == 0 ? PATIENCE_NS : SY_FOREVER);
        CHECK_EQ(n, 1);
        pthread_join(thread, NULL);
    }
    CHECK_EQ(collect(SLOTS, 0), 0);
    if ((ops->caps & SY_EN_BUSY_WAIT) == 0) {
        CHECK_EQ(counts.sleeps >= 1, true);
        CHECK_EQ(counts.syscalls >= counts.sleeps, true);
    }
    teardown(2);
}

static atomic_bool enough;

/* Wake every slot of one's own again as soon as it was collected. */
static void *wake_often(void *arg)
{
    unsigned self = *(const unsigned *)arg, left = SLOTS / WAKERS * ROUNDS;

    while (left > 0 && !atomic_load(&enough)) {
        unsigned woken = 0;

        for (unsigned i = self; i < SLOTS; i += WAKERS) {
            struct job *job = &jobs[i];

            /* pairs with the release in collect() */
            if (atomic_load_explicit(&job->permits, memory_order_acquire) != 0)
                continue;
            if (job->written == ROUNDS)
                continue;
            wake(job);
            woken++;
            left--;
        }
        if (woken == 0)
            sched_yield();
        else if (left % 97 == 0)
            sleep_ns(SY_NS_PER_US * 50); /* let the runtime fall asleep */
    }
    return NULL;
}

/* How the runtime's side waits in loses_none(). */
enum waiting { BLOCKING, LEVEL, EDGE };

static unsigned collect_as(enum waiting how, int epfd, unsigned max)
{
    struct epoll_event event;
    unsigned n;
    int got;

    if (how == BLOCKING)
        return collect(max, PATIENCE_NS);
    n = collect(max, 0);
    if (n == max)
        return n; /* as runtime.h asks: once more before one waits ... */
    if (n == 0) {
        do
            got = epoll_wait(epfd, &event, 1, PATIENCE_MS);
        while (got == -1 && errno == EINTR);
        CHECK_EQ(got, 1);
        if (got != 1)
            atomic_store(&enough, true);
    }
    return n;
}

static int watch(enum waiting how, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epfd = epoll_create1(EPOLL_CLOEXEC);

    if (how == EDGE)
        event.events |= EPOLLET;
    CHECK_EQ(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    return epfd;
}

static void loses_none(enum waiting how, unsigned max)
{
    pthread_t threads[WAKERS];
    unsigned selves[WAKERS], n = 0;
    int fd = -1, epfd = -1;

    setup(SLOTS);
    if (how != BLOCKING) {
        CHECK_EQ(ops->fd(state, &fd), 0);
        epfd = watch(how, fd);
    }
    atomic_store(&enough, false);
    for (unsigned i = 0; i < WAKERS; i++) {
        selves[i] = i;
        CHECK_EQ(pthread_create(&threads[i], NULL, wake_often, &selves[i]), 0);
    }
    for (uint64_t start = now_ns();
         n < SLOTS * ROUNDS && !atomic_load(&enough);) {
        n += collect_as(how, epfd, max);
        if (now_ns() - start > 6 * PATIENCE_NS)
            atomic_store(&enough, true);
    }
    atomic_store(&enough, true);
    for (unsigned i = 0; i < WAKERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(n, SLOTS * ROUNDS);
    for (unsigned i = 0; i < SLOTS; i++)
        CHECK_EQ(jobs[i].collected, ROUNDS);
    CHECK_EQ(collect(SLOTS, 0), 0);
    if (epfd != -1)
        close(epfd);
    teardown(SLOTS);
}

/* A waker may still be inside wake when its slot was collected and the engine
   is closed and opened again in the same memory. */
static atomic_uint turn;

static void *wake_at_turn(void *arg)
{
    for (unsigned round = 1; round <= ROUNDS; round++) {
        while (atomic_load(&turn) != round)
            sched_yield();
        wake(&jobs[0]);
    }
    return arg;
}

static void lets_late_wakers_leave(void)
{
    pthread_t thread;
    int fd;

    atomic_store(&turn, 0);
    CHECK_EQ(pthread_create(&thread, NULL, wake_at_turn, NULL), 0);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        unsigned n = 0;

        setup(1);
        if (round % 2 == 0 && (ops->caps & SY_EN_POLLABLE) != 0)
            CHECK_EQ(ops->fd(state, &fd), 0);
        atomic_store(&turn, round);
        for (uint64_t start = now_ns();
             n == 0 && now_ns() - start < PATIENCE_NS;)
            n = collect(1, PATIENCE_NS);
        CHECK_EQ(n, 1);
        teardown(1);
    }
    pthread_join(thread, NULL);
}

/* ---- the descriptor ---- */

static int readable(int fd)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    int got;

    do
        got = poll(&watched, 1, 0);
    while (got == -1 && errno == EINTR);
    return got;
}

static int edge(int epfd, int timeout_ms)
{
    struct epoll_event event;
    int got;

    do
        got = epoll_wait(epfd, &event, 1, timeout_ms);
    while (got == -1 && errno == EINTR);
    return got;
}

static void shows_in_its_descriptor(void)
{
    int fd = -1, again = -1, level, edges;

    setup(SLOTS);
    wake(&jobs[0]);
    CHECK_EQ(ops->fd(state, &fd), 0);
    CHECK_EQ(ops->fd(state, &again), 0);
    CHECK_EQ(again, fd);
    CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ(readable(fd), 1); /* woken before fd() */
    CHECK_EQ(collect(SLOTS, 0), 1);
    CHECK_EQ(collect(SLOTS, 0), 0);
    CHECK_EQ(readable(fd), 0);
    level = watch(LEVEL, fd);
    edges = watch(EDGE, fd);
    for (unsigned round = 0; round < 10; round++) {
        struct late_wake late = {&jobs[0], SY_NS_PER_MS};
        pthread_t thread;
        unsigned n = 0;

        /* One from another thread ... */
        CHECK_EQ(edge(edges, 0), 0);
        CHECK_EQ(pthread_create(&thread, NULL, wake_later, &late), 0);
        CHECK_EQ(edge(edges, PATIENCE_MS), 1);
        CHECK_EQ(edge(level, PATIENCE_MS), 1);
        pthread_join(thread, NULL);
        CHECK_EQ(readable(fd), 1);
        CHECK_EQ(collect(SLOTS, 0), 1);
        CHECK_EQ(collect(SLOTS, 0), 0);
        CHECK_EQ(readable(fd), 0);
        (void)edge(edges, 0); /* a late one is allowed to be there */

        /* ... and several from here, collected in pieces. */
        for (unsigned i = 0; i < 5; i++)
            wake(&jobs[i]);
        CHECK_EQ(edge(edges, PATIENCE_MS), 1);
        while (n < 5) {
            unsigned got = collect(2, 0);

            n += got;
            if (got == 0)
                break;
            if (got == 2) {
                CHECK_EQ(readable(fd), 1);
                CHECK_EQ(edge(edges, PATIENCE_MS), 1);
                CHECK_EQ(edge(level, PATIENCE_MS), 1);
            }
        }
        CHECK_EQ(n, 5);
        CHECK_EQ(collect(SLOTS, 0), 0);
        CHECK_EQ(readable(fd), 0);
        (void)edge(edges, 0);

        /* A wait that may block works as before. */
        wake(&jobs[7]);
        CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
        CHECK_EQ(collect(SLOTS, SY_NS_PER_MS), 0);
        CHECK_EQ(collect(SLOTS, 0), 0);
        CHECK_EQ(readable(fd), 0);
        (void)edge(edges, 0);
    }
    close(level);
    close(edges);
    teardown(SLOTS);
}

/* ---- limits and forks, each in a process of its own ---- */

/* Returns the lowest free descriptor: the same again if nothing leaked. */
static int lowest_fd(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

static void reports_when_descriptors_run_out(void)
{
    const struct rlimit limit = {FIRST_RLIMIT, FIRST_RLIMIT};
    unsigned n = 0;
    int err = 0, before;

    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_EQ(engine_open(), 0);
    before = lowest_fd();
    while (n < SLOTS && (err = attach(&jobs[n])) == 0)
        n++;
    CHECK_EQ(err, (ops->caps & SY_EN_FD_PER_JOB) != 0 ? -EMFILE : 0);
    CHECK_EQ(n > 0, true);
    wake(&jobs[n - 1]);
    CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
    for (unsigned i = 0; i < n; i++)
        detach(&jobs[i]);
    if (strcmp(ops->name, "io_uring") != 0) /* a sender's ring stays */
        CHECK_EQ(lowest_fd(), before);
    for (unsigned i = 0; i < n; i++) /* and the same number again */
        CHECK_EQ(attach(&jobs[i]), 0);
    teardown(n);
}

/* No descriptor is left for whatever wake might need. */
static void wakes_without_descriptors(void)
{
    const struct rlimit limit = {FIRST_RLIMIT, FIRST_RLIMIT};
    pthread_t thread;
    struct late_wake late = {&jobs[1], SY_NS_PER_MS};

    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    setup(2);
    while (dup(STDERR_FILENO) != -1)
        continue;
    wake(&jobs[0]);
    CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
    CHECK_EQ(pthread_create(&thread, NULL, wake_later, &late), 0);
    CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
    pthread_join(thread, NULL);
    teardown(2);
}

static void select_stops_at_its_limit(void)
{
    unsigned n = 0;
    int err = 0;

    if (variant == NULL || strcmp(variant, "select") != 0)
        return;
    CHECK_EQ(engine_open(), 0);
    while (n < MANY_SLOTS && (err = attach(&jobs[n])) == 0)
        n++;
    CHECK_EQ(err, -EMFILE);
    wake(&jobs[n - 1]);
    CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
    teardown(n);
}

static void in_a_child(void (*body)(void))
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        failures = 0;
        body();
        _exit(failures == 0 ? 0 : 1);
    }
    CHECK_EQ(pid > 0, true);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

/* What the child of a fork does with its parent's engine. */
static void close_inherited(void)
{
    int fd;

    teardown(SLOTS);
    setup(2);
    wake(&jobs[0]);
    CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
    if ((ops->caps & SY_EN_POLLABLE) != 0)
        CHECK_EQ(ops->fd(state, &fd), 0);
    wake(&jobs[1]);
    CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
    teardown(2);
}

static void survives_a_fork(bool foreign)
{
    int fd = -1;

    setup(SLOTS);
    if (foreign)
        CHECK_EQ(ops->fd(state, &fd), 0);
    wake(&jobs[0]);
    CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
    wake(&jobs[1]);
    in_a_child(close_inherited);
    if (foreign)
        CHECK_EQ(readable(fd), 1);
    CHECK_EQ(collect(SLOTS, PATIENCE_NS), 1);
    for (unsigned i = 0; i < SLOTS; i++)
        wake(&jobs[i]);
    for (unsigned n = 0, got; n < SLOTS; n += got) {
        got = collect(SLOTS, PATIENCE_NS);
        CHECK_EQ(got > 0, true);
        if (got == 0)
            break;
    }
    CHECK_EQ(collect(SLOTS, 0), 0);
    teardown(SLOTS);
}

static void check_engine(void)
{
    bool pollable =
        (ops->caps & SY_EN_POLLABLE) != 0 ||
        (strcmp(ops->name, "pipe") == 0 && strcmp(variant, "epoll") == 0);
    int before = lowest_fd();

    CHECK_EQ(ops->state_bytes <= STATE_BYTES, true);
    waits_no_longer_than_told();
    keeps_a_wake_before_the_wait();
    hands_over_in_pieces(1);
    hands_over_in_pieces(7);
    hands_over_in_pieces(SLOTS);
    starves_nobody();
    keeps_the_order();
    attaches_again();
    holds_more_than_a_ring();
    ends_a_sleep();
    loses_none(BLOCKING, SLOTS);
    loses_none(BLOCKING, 3);
    lets_late_wakers_leave();
    if (pollable) {
        shows_in_its_descriptor();
        loses_none(LEVEL, SLOTS);
        loses_none(LEVEL, 3);
        loses_none(EDGE, SLOTS);
        loses_none(EDGE, 3);
    }
    in_a_child(reports_when_descriptors_run_out);
    in_a_child(wakes_without_descriptors);
    in_a_child(select_stops_at_its_limit);
    survives_a_fork(false);
    if (pollable)
        survives_a_fork(true);
    /* The main thread of an io_uring engine keeps its ring for sending. */
    if (strcmp(ops->name, "io_uring") != 0)
        CHECK_EQ(lowest_fd(), before);
}

/* Returns whether it works here. */
static bool check_variant(const char *only)
{
    char name[64], why[256] = "";
    unsigned before = failures;

    (void)snprintf(name, sizeof(name), "%s%s%s", ops->name,
                   variant != NULL ? "+" : "", variant != NULL ? variant : "");
    if (only != NULL && strcmp(only, name) != 0 && strcmp(only, ops->name) != 0)
        return false;
    if (ops->probe(variant, why, sizeof(why)) != 0) {
        printf("%s: skipped: %s\n", name, why);
        return false;
    }
    /* As under most switchers, and as under "threads". */
    flags = SY_EN_SAME_THREAD;
    check_engine();
    flags = 0;
    check_engine();
    printf("%s: %s\n", name, failures == before ? "ok" : "FAILED");
    (void)fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : NULL;
    static const char *const one[] = {NULL};
    bool any = false;

    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* children must not repeat it */
    for (unsigned i = 0; sy_engine_table()[i] != NULL; i++) {
        const char *const *name;

        ops = sy_engine_table()[i];
        name = ops->variants != NULL ? ops->variants : one;
        do {
            variant = *name;
            any |= check_variant(only);
        } while (*name != NULL && *++name != NULL);
    }
    if (failures > 0)
        return 1;
    return any ? 0 : 77;
}
