/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a runtime spins before it sleeps: on a clock that only moves when it
 * is read, looked past or slept on, with an engine of one slot whose wake-up
 * arrives when the test wants it to. So every count is exact.
 */
#include "unit.h"
#include <inttypes.h>
#include <sched.h>
#include <stdint.h>
#include <switchyard/engine.h>
#include <switchyard/stats.h>
#include <switchyard/switchyard.h>
#include <time.h>
#include <unistd.h>

#define READ_NS    40    /* a reading of the clock */
#define LOOK_NS    20    /* a look, with its pause */
#define SLEEP_NS   45000 /* falling asleep and waking up */
#define LONGEST_NS 50000

static uint64_t now_ns, due_ns;
static struct sy_engine_slot *woken;
static unsigned sleeps;

static uint64_t read_clock(const struct sy_clock *clock)
{
    (void)clock;
    return now_ns += READ_NS;
}

static void sleep_until(struct sy_clock *clock, uint64_t until_ns)
{
    (void)clock;
    if (until_ns > now_ns)
        now_ns = until_ns;
}

static struct sy_clock test_clock = {read_clock, sleep_until, 1};

static int probe(const char *variant, char *why, size_t why_bytes)
{
    (void)variant, (void)why, (void)why_bytes;
    return 0;
}

static int open_state(void *state, const struct sy_engine_config *cfg)
{
    (void)state, (void)cfg;
    return 0;
}

static void close_state(void *state)
{
    (void)state;
}

static void take_wake(void *state, struct sy_engine_slot *slot)
{
    (void)state;
    woken = slot;
}

static int is_due(void)
{
    return woken != NULL && now_ns >= due_ns;
}

static int look(void *state)
{
    (void)state;
    now_ns += LOOK_NS;
    return is_due();
}

static int wait_for(void *state, struct sy_engine_slot **ready, unsigned max,
                    uint64_t timeout_ns)
{
    (void)state, (void)max;
    if (!is_due() && timeout_ns != 0) {
        uint64_t until_ns = sy_ns_after(now_ns, timeout_ns);

        CHECK(woken != NULL || until_ns != SY_FOREVER);
        now_ns =
            (woken != NULL && due_ns < until_ns ? due_ns : until_ns) + SLEEP_NS;
        sleeps++;
    }
    if (!is_due())
        return 0;
    ready[0] = woken;
    woken = NULL;
    return 1;
}

static const struct sy_engine_ops engine = {
    .abi = SY_ENGINE_ABI,
    .name = "test",
    .summary = "delivers when it is told to",
    .state_bytes = 8,
    .probe = probe,
    .open = open_state,
    .close = close_state,
    .wake = take_wake,
    .wait = wait_for,
    .peek = look,
};

static struct sy_runtime *open_with(uint64_t spin_ns, uint32_t percent,
                                    const struct sy_engine_ops *ops,
                                    struct sy_clock *clock)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;

    cfg.engine_ops = ops;
    cfg.clock = clock;
    cfg.spin_ns = spin_ns;
    cfg.spin_percent = percent;
    CHECK_EQ(sy_runtime_open(&rt, &cfg), 0);
    now_ns = SY_NS_PER_S;
    sleeps = 0;
    return rt;
}

static struct sy_runtime_stats stats_of(struct sy_runtime *rt)
{
    struct sy_runtime_stats stats = {.size = sizeof(stats)};

    CHECK_EQ(sy_runtime_get_stats(rt, &stats), 0);
    return stats;
}

/* n waits, each ended by a wake-up after so long. */
static void wait_for_wakes(struct sy_runtime *rt, unsigned n, uint64_t after_ns)
{
    while (n-- > 0) {
        due_ns = now_ns + after_ns;
        CHECK_EQ(sy_wake(sy_runtime_waker(rt)), 0);
        CHECK_EQ(sy_runtime_run(rt, SY_FOREVER), 0);
        CHECK(woken == NULL);
    }
}

static void idle_keeps_to_its_budget(uint32_t percent)
{
    struct sy_runtime *rt =
        open_with(LONGEST_NS, percent, &engine, &test_clock);
    uint64_t begin_ns = now_ns, passed_ns, limit_ns;
    struct sy_runtime_stats stats;

    for (int i = 0; i < 1000; i++) {
        /* What comes soon tempts to spin again when nothing comes. */
        wait_for_wakes(rt, 2, 5000);
        CHECK_EQ(sy_runtime_run(rt, SY_NS_PER_MS), 0);
    }
    passed_ns = now_ns - begin_ns;
    stats = stats_of(rt);
    limit_ns = passed_ns * percent / 100 + 10 * LONGEST_NS;
    printf("%" PRIu32 " %%: %" PRIu64 " us passed, %" PRIu64 " spins, %" PRIu64
           " us lost in them, %" PRIu64 " us allowed\n",
           percent, passed_ns / 1000, stats.spins, stats.spin_lost_ns / 1000,
           limit_ns / 1000);
    CHECK(stats.spins_hit > 0);
    CHECK(stats.spin_ns > stats.spin_lost_ns);
    CHECK(stats.spin_lost_ns <= limit_ns);
    CHECK(stats.spin_lost_ns > limit_ns - 3 * LONGEST_NS); /* and used */
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static void what_comes_soon_is_found(void)
{
    struct sy_runtime *rt = open_with(LONGEST_NS, 1, &engine, &test_clock);
    struct sy_runtime_stats stats;

    wait_for_wakes(rt, 10000, 5000);
    stats = stats_of(rt);
    CHECK_EQ(stats.spins, 10000);
    CHECK_EQ(stats.spins_hit, 10000);
    CHECK_EQ(stats.spin_lost_ns, 0);
    CHECK_EQ(sleeps, 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static void what_comes_late_is_slept_for(void)
{
    struct sy_runtime *rt = open_with(LONGEST_NS, 100, &engine, &test_clock);
    struct sy_runtime_stats stats;

    wait_for_wakes(rt, 1000, 300000);
    stats = stats_of(rt);
    CHECK_EQ(stats.spins, 6); /* 50, 25, 12.5, 6.2, 3.1, 1.6 us */
    CHECK_EQ(stats.spins_hit, 0);
    CHECK(stats.spin_lost_ns <= 2 * LONGEST_NS);
    CHECK_EQ(sleeps, 1000);

    /* The first sleep that ends soon brings the spins back. */
    wait_for_wakes(rt, 100, 20000);
    stats = stats_of(rt);
    CHECK_EQ(stats.spins, 6 + 99);
    CHECK_EQ(stats.spins_hit, 99);
    CHECK_EQ(sleeps, 1001);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

/* As if the waker had our processor only when we sleep: after each spin, the
   wake-up comes at once. */
static void what_never_pays_is_tried_less_and_less(void)
{
    struct sy_runtime *rt = open_with(LONGEST_NS, 100, &engine, &test_clock);
    struct sy_runtime_stats stats;

    wait_for_wakes(rt, 10000, 52000);
    stats = stats_of(rt);
    CHECK_EQ(stats.spins_hit, 0);
    CHECK_EQ(sleeps, 10000);
    /* 6 spins each time: at first, after 1, 2, 4 .. 32, and 64 short sleeps */
    CHECK(stats.spins > 6 * 100 && stats.spins < 6 * 170);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static void a_spin_ends_with_the_timeout(void)
{
    struct sy_runtime *rt = open_with(LONGEST_NS, 1, &engine, &test_clock);
    uint64_t begin_ns = now_ns;

    CHECK_EQ(sy_runtime_run(rt, 2000), 0);
    CHECK_EQ(stats_of(rt).spins, 1);
    CHECK(now_ns - begin_ns >= 2000 && now_ns - begin_ns < 3000);
    CHECK_EQ(sleeps, 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static void check_no_spins(struct sy_runtime *rt)
{
    wait_for_wakes(rt, 10, 5000);
    CHECK_EQ(sy_runtime_run(rt, SY_NS_PER_MS), 0);
    CHECK_EQ(stats_of(rt).spins, 0);
    CHECK_EQ(stats_of(rt).spin_ns, 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static void nobody_spins_who_should_not(void)
{
    struct sy_engine_ops blind = engine;
    struct sy_virtual_clock vc;
    struct sy_runtime *rt;

    blind.peek = NULL;
    check_no_spins(open_with(SY_NO_SPIN, 1, &engine, &test_clock));
    check_no_spins(open_with(LONGEST_NS, 1, &blind, &test_clock));
    sy_virtual_clock_init(&vc, 0);
    rt = open_with(LONGEST_NS, 1, &engine, &vc.clock);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sy_runtime_run(rt, SY_NS_PER_MS), 0);
    CHECK_EQ(stats_of(rt).spins, 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

/* With the real clock: what it comes to is printed, for it depends on the
   machine; the budget is kept on any. */
static void idle_in_real_time(void)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_clock *clock = sy_clock_monotonic();
    struct timespec cpu;
    struct sy_runtime_stats stats;
    struct sy_runtime *rt;
    uint64_t begin_ns, passed_ns, cpu_ns;

    cfg.engine = "queue";
    cfg.spin_ns = LONGEST_NS;
    CHECK_EQ(sy_runtime_open(&rt, &cfg), 0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    cpu_ns = (uint64_t)cpu.tv_sec * SY_NS_PER_S + (uint64_t)cpu.tv_nsec;
    begin_ns = sy_clock_now_ns(clock);
    for (int i = 0; i < 300; i++)
        CHECK_EQ(sy_runtime_run(rt, SY_NS_PER_MS), 0);
    passed_ns = sy_clock_now_ns(clock) - begin_ns;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    cpu_ns =
        (uint64_t)cpu.tv_sec * SY_NS_PER_S + (uint64_t)cpu.tv_nsec - cpu_ns;
    stats = stats_of(rt);
    printf("idle for %" PRIu64 " us: %" PRIu64 " spins, %" PRIu64
           " us lost in them, %" PRIu64 " us of processor time in all\n",
           passed_ns / 1000, stats.spins, stats.spin_lost_ns / 1000,
           cpu_ns / 1000);
    CHECK(stats.spins > 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

/* In a process that has SWITCHYARD_SPIN_NS set from the start. */
static void count_spins_of_the_default(void)
{
    struct sy_runtime *rt = open_with(0, 1, &engine, &test_clock);

    wait_for_wakes(rt, 100, 5000);
    printf("%" PRIu64 "\n", stats_of(rt).spins);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static long spins_with(const char *variables, const char *self)
{
    char command[512], line[32] = "";
    FILE *child;

    snprintf(command, sizeof(command), "%s '%s' count", variables, self);
    child = popen(command, "r");
    CHECK(child != NULL);
    CHECK(fgets(line, sizeof(line), child) != NULL);
    CHECK_EQ(pclose(child), 0);
    return strtol(line, NULL, 10);
}

static void environment_is_read(const char *self)
{
    CHECK_EQ(spins_with("SWITCHYARD_SPIN_NS=50000", self), 100);
    CHECK_EQ(spins_with("SWITCHYARD_SPIN_NS=0", self), 0);
    CHECK_EQ(spins_with("SWITCHYARD_SPIN_NS=1000", self), 1); /* too short */
    if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
        return;
    /* What makes no sense is ignored. */
    CHECK_EQ(spins_with("SWITCHYARD_SPIN_NS=", self), 100);
    CHECK_EQ(spins_with("SWITCHYARD_SPIN_NS=-1", self), 100);
    CHECK_EQ(spins_with("SWITCHYARD_SPIN_NS=5us", self), 100);
    CHECK_EQ(spins_with("SWITCHYARD_SPIN_NS=18446744073709551617", self), 100);
}

/* Its wakers may be on the other processors. */
static void a_pinned_runtime_spins(void)
{
    struct sy_runtime *rt;
    cpu_set_t all, one;
    int cpu = sched_getcpu();

    if (cpu < 0 || sched_getaffinity(0, sizeof(all), &all) != 0 ||
        sysconf(_SC_NPROCESSORS_ONLN) == 1)
        return;
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    if (sched_setaffinity(0, sizeof(one), &one) != 0)
        return;
    rt = open_with(0, 1, &engine, &test_clock);
    wait_for_wakes(rt, 10, 5000);
    CHECK_EQ(stats_of(rt).spins_hit, 10);
    CHECK_EQ(sy_runtime_close(rt), 0);
    CHECK_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        count_spins_of_the_default();
        return 0;
    }
    idle_keeps_to_its_budget(1);
    idle_keeps_to_its_budget(3);
    what_comes_soon_is_found();
    what_comes_late_is_slept_for();
    what_never_pays_is_tried_less_and_less();
    a_spin_ends_with_the_timeout();
    nobody_spins_who_should_not();
    unsetenv("SWITCHYARD_SPIN_NS");
    a_pinned_runtime_spins();
    environment_is_read(argv[0]);
    idle_in_real_time();
    return 0;
}
