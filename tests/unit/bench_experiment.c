/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiments: every row measures; crashes, hangs, wrong results and
 * interrupts are reported in words; a virtual clock repeats exactly.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../bench/load/experiment.h"
#include "../../bench/load/peer.h"

static int failures;

#define CHECK_EQ(got, want)                                                    \
    check_eq(#got, (long long)(got), (long long)(want), __LINE__)
#define CHECK(what) check_eq(#what, (what) ? 1 : 0, 1, __LINE__)

static void check_eq(const char *what, long long got, long long want, int line)
{
    if (got == want)
        return;
    printf("line %d: %s is %lld, expected %lld\n", line, what, got, want);
    failures++;
}

static void check_words(const struct sy_outcome *out, const char *words,
                        int line)
{
    if (strstr(out->reason, words) != NULL)
        return;
    printf("line %d: \"%s\" does not say \"%s\"\n", line, out->reason, words);
    failures++;
}

/* ---- a workload of this test ------------------------------------------- */

/* Three steps, the outer two offloaded: each adds its number. What goes wrong
   at which operation is set before the experiment's process is made. */
static struct {
    uint64_t crash_at, hang_at, fail_at;
} plan = {UINT64_MAX, UINT64_MAX, UINT64_MAX};

struct sum {
    uint64_t n, value;
};

static int sum_probe(char *why, size_t why_bytes)
{
    (void)why;
    (void)why_bytes;
    return 0;
}

static int sum_open(void *shared, const struct sy_workload_config *cfg)
{
    *(uint64_t *)shared = cfg->seed;
    return 0;
}

static void sum_close(void *shared)
{
    (void)shared;
}

static int sum_begin(const void *shared, void *slot, uint64_t n)
{
    struct sum *s = slot;

    s->n = n;
    s->value = *(const uint64_t *)shared;
    return 0;
}

static int sum_step(const void *shared, void *slot, uint32_t i)
{
    struct sum *s = slot;

    (void)shared;
    if (s->n == plan.crash_at)
        raise(SIGKILL); /* no sanitizer takes it for its own affair */
    while (s->n == plan.hang_at)
        sleep(1);
    if (s->n == plan.fail_at)
        return -EIO;
    s->value += s->n * (i + 1);
    return 0;
}

static int sum_verify(const void *shared, void *slot)
{
    struct sum *s = slot;

    return s->value == *(const uint64_t *)shared + 6 * s->n;
}

static void sum_spoil(void *slot)
{
    ((struct sum *)slot)->value ^= 1;
}

static const struct sy_workload_ops sum = {
    .abi = SY_WORKLOAD_ABI,
    .steps = 3,
    .offloaded = 5,
    .name = "sum",
    .summary = "adds three numbers",
    .shared_bytes = sizeof(uint64_t),
    .slot_bytes = sizeof(struct sum),
    .probe = sum_probe,
    .open = sum_open,
    .close = sum_close,
    .begin = sum_begin,
    .step = sum_step,
    .verify = sum_verify,
    .spoil = sum_spoil,
};

/* A row, or one of the peers. */
struct way {
    enum sy_row row;
    const struct sy_peer_ops *peer;
};

static const struct way combination = {.row = SY_ROW_COMBINATION};

#define WAYS_MAX 16

/* Every row, and every peer that this build has; the rest is NULL, 0. */
static const struct way *every_way(unsigned *count)
{
    static struct way ways[WAYS_MAX];
    const struct sy_peer_ops *const *peer = sy_peer_table();

    *count = 0;
    for (int row = 0; row < SY_ROW_PEER; row++)
        ways[(*count)++] = (struct way){.row = (enum sy_row)row};
    for (; *peer != NULL && *count < WAYS_MAX; peer++)
        if ((*peer)->absent == NULL)
            ways[(*count)++] = (struct way){SY_ROW_PEER, *peer};
        else
            printf("%s is left out: %s\n", (*peer)->name, (*peer)->absent);
    return ways;
}

static struct sy_experiment an_experiment(struct way way, const char *device)
{
    struct sy_experiment exp;

    memset(&exp, 0, sizeof(exp));
    exp.row = way.row;
    exp.peer = way.peer;
    if (way.row == SY_ROW_COMBINATION) {
        exp.switcher = sy_switcher_table()[0];
        exp.engine = sy_engine_find("queue", &exp.variant);
    }
    exp.mix[0].ops = &sum;
    exp.mix[0].weight = 1;
    exp.mix_count = 1;
    exp.device_spec = device;
    exp.jobs = 16;
    exp.duration_ns = 100 * SY_NS_PER_MS;
    exp.warm_up_ns = 20 * SY_NS_PER_MS;
    exp.seed = 7;
    return exp;
}

/* ---- what a good outcome looks like ------------------------------------- */

static void print_outcome(const struct sy_experiment *exp,
                          const struct sy_outcome *out)
{
    static const char *const status[] = {"ok", "skipped", "failed"};
    char name[128], mix[256];
    uint64_t p50, p99;

    sy_outcome_quantile(out, 0.5, &p50);
    sy_outcome_quantile(out, 0.99, &p99);
    printf("%-24s %-16s %-26s %-7s %7llu op %9.0f/s p50 %7.1f p99 %7.1f us, "
           "cpu %6.2f us, calls %5.2f, verified %llu/%llu %s\n",
           sy_experiment_name(exp, name, sizeof(name)),
           sy_experiment_mix(exp, mix, sizeof(mix)), exp->device_spec,
           status[out->status], (unsigned long long)out->operations,
           (double)out->operations * 1e9 / (double)(out->elapsed_ns + 1),
           (double)p50 / 1e3, (double)p99 / 1e3,
           (double)out->cpu_ns / 1e3 / (double)(out->operations + 1),
           (double)out->syscalls / (double)(out->syscall_operations + 1),
           (unsigned long long)out->verified,
           (unsigned long long)out->verify_every, out->reason);
}

static void check_good(const struct sy_experiment *exp,
                       const struct sy_outcome *out)
{
    uint64_t asked = exp->duration_ns;

    print_outcome(exp, out);
    CHECK_EQ(out->status, SY_OUTCOME_OK);
    CHECK_EQ(out->partial, false);
    CHECK_EQ(out->wrong, 0);
    CHECK_EQ(out->latency_ns.count, out->operations);
    CHECK(out->operations > 0);
    CHECK(out->verified >= 50 || out->verified == out->operations);
    CHECK(out->cpu_ns > 0);
    CHECK(out->rss_peak_bytes > 0);
    CHECK(out->syscalls >= 0 || out->syscalls_why[0] != '\0');
    if (asked != 0)
        CHECK(out->elapsed_ns >= asked && out->elapsed_ns < asked * 20);
    if (out->verify_every == 1 && exp->verify_every == 1)
        CHECK_EQ(out->verified, out->operations);
    if (exp->row == SY_ROW_COMBINATION)
        CHECK(out->runtime.jobs_finished > 0);
    CHECK_EQ(out->peer_switch[0] != '\0', exp->row == SY_ROW_PEER);
}

static void check_way(struct way way, const char *device)
{
    struct sy_experiment exp = an_experiment(way, device);
    static struct sy_outcome out;

    exp.duration_ns = 40 * SY_NS_PER_MS;
    exp.warm_up_ns = 5 * SY_NS_PER_MS;
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    check_good(&exp, &out);
    exp.verify_every = 1;
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    check_good(&exp, &out);
}

static void every_row(void)
{
    unsigned count;
    const struct way *ways = every_way(&count);

    for (unsigned i = 0; i < count; i++) {
        check_way(ways[i], "workers:1");
        check_way(ways[i], "sim:servers=4,service=fixed:50us");
        check_way(ways[i], "sim:servers=4,service=fixed:50us,mode=poll");
    }
}

/* Leaks and bad accesses of a whole life show in this process only. */
static void in_this_process(void)
{
    unsigned count;
    const struct way *ways = every_way(&count);

    for (unsigned i = 0; i < count; i++) {
        struct sy_experiment exp = an_experiment(ways[i], "workers:1");
        static struct sy_outcome out;

        exp.mix[1] = exp.mix[0];
        exp.mix[1].weight = 3;
        exp.mix_count = 2;
        CHECK_EQ(sy_experiment_run_here(&exp, &out), 0);
        check_good(&exp, &out);
    }
}

static void every_combination(void)
{
    const struct sy_switcher_ops *const *sw = sy_switcher_table();

    for (; *sw != NULL; sw++) {
        const struct sy_engine_ops *const *en = sy_engine_table();

        for (; *en != NULL; en++) {
            struct sy_experiment exp = an_experiment(combination, "workers:1");
            static struct sy_outcome out;

            exp.switcher = *sw;
            exp.engine = *en;
            exp.variant = NULL;
            exp.duration_ns = 30 * SY_NS_PER_MS;
            exp.warm_up_ns = 5 * SY_NS_PER_MS;
            CHECK_EQ(sy_experiment_run(&exp, &out), 0);
            if (out.status == SY_OUTCOME_SKIPPED && out.reason[0] != '\0')
                print_outcome(&exp, &out);
            else
                check_good(&exp, &out);
        }
    }
}

/* ---- the real workloads -------------------------------------------------- */

static void real_work(void)
{
    unsigned count;
    const struct way *ways = every_way(&count);

    for (unsigned i = 0; i < count; i++) {
        struct sy_experiment exp = an_experiment(ways[i], "workers:1");
        static struct sy_outcome out;
        char why[128];

        exp.mix[0].ops = sy_workload_find(
            "ecdsa-p256-sign", &exp.mix[0].param_bytes, why, sizeof(why));
        if (exp.mix[0].ops == NULL) {
            printf("no ecdsa-p256-sign here: %s\n", why);
            return;
        }
        exp.duration_ns = 60 * SY_NS_PER_MS;
        CHECK_EQ(sy_experiment_run(&exp, &out), 0);
        if (out.status == SY_OUTCOME_SKIPPED) {
            print_outcome(&exp, &out);
            continue;
        }
        check_good(&exp, &out);
        CHECK(out.verified >= 50 || out.verified == out.operations);
    }
}

/* ---- results made beforehand --------------------------------------------- */

/* One step, offloaded; how often it was computed is counted. */
static _Atomic uint64_t computed;

static int one_step(const void *shared, void *slot, uint32_t i)
{
    /* relaxed: read when the threads that count are gone */
    atomic_fetch_add_explicit(&computed, 1, memory_order_relaxed);
    return sum_step(shared, slot, i);
}

static int one_verify(const void *shared, void *slot)
{
    const struct sum *s = slot;

    return s->value == *(const uint64_t *)shared + s->n;
}

static struct sy_workload_ops one_step_workload(void)
{
    struct sy_workload_ops one = sum;

    one.name = "one";
    one.steps = 1;
    one.offloaded = 1;
    one.step = one_step;
    one.verify = one_verify;
    return one;
}

/* Nothing is computed in the window: only once for each slot, and there are
   some more than operations in flight. */
static void precomputed_results(void)
{
    struct sy_workload_ops one = one_step_workload();
    unsigned count;
    const struct way *ways = every_way(&count);

    for (unsigned i = 0; i < count; i++) {
        struct sy_experiment exp =
            an_experiment(ways[i], "sim:servers=16,service=fixed:1us");
        static struct sy_outcome out;
        char mix[256];
        uint64_t done;

        exp.mix[0].ops = &one;
        exp.mix[0].precomputed = true;
        exp.duration_ns = 0;
        exp.operations_max = 5000;
        atomic_store_explicit(&computed, 0, memory_order_relaxed);
        CHECK_EQ(sy_experiment_run_here(&exp, &out), 0);
        check_good(&exp, &out);
        CHECK(strcmp(sy_experiment_mix(&exp, mix, sizeof(mix)),
                     "precomputed:one") == 0);
        done = atomic_load_explicit(&computed, memory_order_relaxed);
        if (ways[i].row == SY_ROW_SOFTWARE)
            CHECK(done >= 5000);
        else
            CHECK(done <= exp.jobs + 1100);
        CHECK(out.verified >= 50);
    }
}

/* What the device delivers is looked at, not what was made beforehand. */
static void precomputed_and_spoiled(void)
{
    struct sy_workload_ops one = one_step_workload();
    struct sy_experiment exp = an_experiment(combination, "workers:1");
    static struct sy_outcome out;

    exp.mix[0].ops = &one;
    exp.mix[0].precomputed = true;
    exp.spoil_one = true;
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    CHECK_EQ(out.status, SY_OUTCOME_FAILED);
    check_words(&out, "wrong result: workload one", __LINE__);

    exp.device_spec = "sim:service=fixed:1us,execute=no";
    exp.spoil_one = false;
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    CHECK_EQ(out.status, SY_OUTCOME_FAILED);
    check_words(&out, "wrong result: workload one", __LINE__);
}

static void precomputed_steps_of_ours(void)
{
    struct sy_experiment exp = an_experiment(combination, "workers:1");
    static struct sy_outcome out;

    exp.mix[0].precomputed = true;
    CHECK_EQ(sy_experiment_run(&exp, &out), -EINVAL);
    check_words(&out, "results of sum cannot be made beforehand", __LINE__);
}

/* ---- by operations, by a virtual clock ----------------------------------- */

static void exact_number(void)
{
    struct sy_experiment exp = an_experiment(combination, "workers:1");
    static struct sy_outcome out;

    exp.duration_ns = 0;
    exp.operations_max = 1000;
    exp.verify_every = 1;
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    check_good(&exp, &out);
    CHECK_EQ(out.operations, 1000);
    CHECK_EQ(out.verified, 1000);
}

/*
 * All jobs are announced in one burst, twice for each operation: a byte is
 * written for each job, and read. So there are four calls and a bit per
 * operation, and none of them may be lost where counting begins or ends. A
 * library that looks for leaks makes two more for its start, and for each of
 * two pauses and resumes.
 */
static void syscalls_of_bursts(void)
{
    struct sy_experiment exp = an_experiment(
        combination, "sim:servers=200,service=fixed:1us,mode=poll");
    static struct sy_outcome out;
    const int64_t least = SY_CHECK_LEAKS ? 4 + 10 : 4;

    exp.switcher = sy_switcher_find("setjmp");
    exp.engine = sy_engine_find("pipe+epoll", &exp.variant);
    exp.virtual_clock = true;
    exp.jobs = 200;
    exp.duration_ns = 0;
    exp.operations_max = 3000; /* counted: a tenth, one burst and a half */
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    check_good(&exp, &out);
    if (out.syscalls < 0)
        return; /* not allowed to count here */
    CHECK_EQ(out.syscall_operations % exp.jobs, 0);
    CHECK(out.syscalls >= least * (int64_t)out.syscall_operations);
    if (!SY_ASAN) /* which makes calls of its own */
        CHECK(out.syscalls < (least + 1) * (int64_t)out.syscall_operations);
}

static void virtual_time_repeats(struct way way)
{
    struct sy_experiment exp = an_experiment(
        way, "sim:servers=2,service=lognormal:50us:0.5,mode=poll");
    static struct sy_outcome a, b;

    exp.virtual_clock = true;
    exp.operations_max = 5000;
    CHECK_EQ(sy_experiment_run(&exp, &a), 0);
    CHECK_EQ(sy_experiment_run(&exp, &b), 0);
    exp.duration_ns = 0;
    check_good(&exp, &a);
    CHECK_EQ(a.operations, 5000);
    CHECK_EQ(a.elapsed_ns, b.elapsed_ns);
    CHECK_EQ(memcmp(&a.latency_ns, &b.latency_ns, sizeof(a.latency_ns)), 0);
    exp.seed++;
    CHECK_EQ(sy_experiment_run(&exp, &b), 0);
}

/* All complete at once, and the device is empty until they go on. There is no
   other thread: a row that sleeps then has overlooked jobs that are ready. */
static void nobody_sleeps_while_jobs_are_ready(struct way way)
{
    struct sy_experiment exp =
        an_experiment(way, "sim:servers=16,service=fixed:50us,mode=poll");
    static struct sy_outcome out;

    exp.virtual_clock = true;
    exp.operations_max = 1000;
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    exp.duration_ns = 0;
    check_good(&exp, &out);
    CHECK(out.switches_voluntary < 10);
}

/* ---- what goes wrong ----------------------------------------------------- */

static void wrong_result(struct way way, uint64_t verify_every)
{
    struct sy_experiment exp = an_experiment(way, "workers:1");
    static struct sy_outcome out;
    char name[128];

    exp.spoil_one = true;
    exp.verify_every = verify_every;
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    CHECK_EQ(out.status, SY_OUTCOME_FAILED);
    CHECK_EQ(out.wrong, 1);
    CHECK(out.failed_operation >= 0);
    check_words(&out, "wrong result: workload sum", __LINE__);
    check_words(&out, sy_experiment_name(&exp, name, sizeof(name)), __LINE__);
    check_words(&out, "operation number", __LINE__);
}

static void crash(void)
{
    struct sy_experiment exp = an_experiment(combination, "workers:1");
    static struct sy_outcome out;

    plan.crash_at = 500;
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    plan.crash_at = UINT64_MAX;
    CHECK_EQ(out.status, SY_OUTCOME_FAILED);
    print_outcome(&exp, &out);
    check_words(&out, "operations were begun", __LINE__);
    CHECK(strstr(out.reason, " 0 operations") == NULL);
    check_words(&out, "killed by signal 9", __LINE__);
}

static void hang(void)
{
    struct sy_experiment exp = an_experiment(combination, "workers:1");
    static struct sy_outcome out;

    plan.hang_at = 500;
    exp.timeout_ns = 500 * SY_NS_PER_MS;
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    plan.hang_at = UINT64_MAX;
    CHECK_EQ(out.status, SY_OUTCOME_FAILED);
    print_outcome(&exp, &out);
    check_words(&out, "did not end within 0.5 s", __LINE__);
}

static void step_error(struct way way)
{
    struct sy_experiment exp = an_experiment(way, "workers:1");
    static struct sy_outcome out;

    plan.fail_at = 500;
    exp.duration_ns = 20 * SY_NS_PER_S; /* it ends where it fails */
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    plan.fail_at = UINT64_MAX;
    CHECK_EQ(out.status, SY_OUTCOME_FAILED);
    CHECK_EQ(out.failed_operation, 500);
    check_words(&out, "operation number 500 of workload sum failed", __LINE__);
}

static volatile sig_atomic_t interrupted;

static void on_alarm(int sig)
{
    (void)sig;
    interrupted = 1;
}

static void interrupt(bool here)
{
    struct sy_experiment exp = an_experiment(combination, "workers:1");
    static struct sy_outcome out;

    interrupted = 0;
    exp.interrupted = &interrupted;
    exp.duration_ns = 30 * SY_NS_PER_S;
    signal(SIGALRM, on_alarm);
    alarm(1);
    CHECK_EQ(here ? sy_experiment_run_here(&exp, &out)
                  : sy_experiment_run(&exp, &out),
             0);
    print_outcome(&exp, &out);
    CHECK_EQ(out.status, SY_OUTCOME_OK);
    CHECK_EQ(out.partial, true);
    CHECK(out.operations > 0);
    CHECK(out.elapsed_ns < 10 * SY_NS_PER_S);
}

static void too_few_descriptors(struct way way, const char *engine)
{
    struct sy_experiment exp = an_experiment(way, "workers:1");
    static struct sy_outcome out;
    struct rlimit few = {64, 64};
    pid_t pid;
    int status = -1;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (engine != NULL)
            exp.engine = sy_engine_find(engine, &exp.variant);
        exp.jobs = 500;
        setrlimit(RLIMIT_NOFILE, &few);
        failures = 0;
        CHECK_EQ(sy_experiment_run(&exp, &out), 0);
        print_outcome(&exp, &out);
        CHECK_EQ(out.status, SY_OUTCOME_SKIPPED);
        check_words(&out, "of 500 jobs could be started", __LINE__);
        check_words(&out, "64", __LINE__);
        /* and the next one goes on */
        exp = an_experiment(combination, "workers:1");
        CHECK_EQ(sy_experiment_run(&exp, &out), 0);
        check_good(&exp, &out);
        fflush(stdout);
        _exit(failures != 0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void many_jobs(struct way way, const char *engine)
{
    struct sy_experiment exp = an_experiment(way, "workers:1");
    static struct sy_outcome out;

    if (engine != NULL)
        exp.engine = sy_engine_find(engine, &exp.variant);
    exp.jobs = 10000;
    exp.verify_every = 1;
    CHECK_EQ(sy_experiment_run(&exp, &out), 0);
    if (out.status == SY_OUTCOME_SKIPPED)
        print_outcome(&exp, &out);
    else
        check_good(&exp, &out);
}

static void nonsense(void)
{
    struct sy_experiment exp = an_experiment(combination, "workers:1");
    struct sy_experiment bad;
    static struct sy_outcome out;

    bad = exp;
    bad.jobs = 0;
    CHECK_EQ(sy_experiment_run(&bad, &out), -EINVAL);
    check_words(&out, "jobs must be 1 .. 1000000, not 0", __LINE__);
    bad = exp;
    bad.duration_ns = 0;
    CHECK_EQ(sy_experiment_run(&bad, &out), -EINVAL);
    check_words(&out, "nothing ends the experiment", __LINE__);
    bad = exp;
    bad.engine = NULL;
    CHECK_EQ(sy_experiment_run(&bad, &out), -EINVAL);
    bad = exp;
    bad.mix[0].weight = 0;
    CHECK_EQ(sy_experiment_run(&bad, &out), -EINVAL);
    bad = exp;
    bad.row = SY_ROW_PEER;
    CHECK_EQ(sy_experiment_run(&bad, &out), -EINVAL);
    check_words(&out, "needs to be told which", __LINE__);
    bad = exp;
    bad.device_spec = "workers:-3";
    CHECK_EQ(sy_experiment_run(&bad, &out), -EINVAL);
    check_words(&out, "workers:-3", __LINE__);
    bad.device_spec = "teapot";
    CHECK_EQ(sy_experiment_run(&bad, &out), -EINVAL);
    check_words(&out, "teapot", __LINE__);
}

/* ---- peers ----------------------------------------------------------------
 */

/* A peer that can do nothing but say no, at the hook that is set. */
static struct {
    int probe, open, start, run;
} refusal;

static int no_probe(const char **switches_by, char *why, size_t why_bytes)
{
    *switches_by = "nothing";
    if (refusal.probe != 0)
        snprintf(why, why_bytes, "it is Sunday");
    return refusal.probe;
}

static int no_open(void *state, const struct sy_peer_config *cfg)
{
    *(struct sy_peer_config *)state = *cfg;
    return refusal.open;
}

static void no_close(void *state)
{
    CHECK_EQ(((struct sy_peer_config *)state)->jobs, 16);
}

/* Where it is not refused, the job is begun and never goes on. */
static int no_start(void *state, void *job, void *user)
{
    (void)state;
    (void)user;
    CHECK_EQ((uintptr_t)job % _Alignof(max_align_t), 0);
    return refusal.start;
}

static int no_run(void *state, uint64_t sleep_ns)
{
    (void)state;
    (void)sleep_ns;
    return refusal.run;
}

static const struct sy_peer_ops no_peer = {
    .name = "no_peer",
    .summary = "says no",
    .state_bytes = sizeof(struct sy_peer_config),
    .job_bytes = 1,
    .probe = no_probe,
    .open = no_open,
    .close = no_close,
    .start = no_start,
    .run = no_run,
};

static void expect_refusal(const struct sy_peer_ops *peer,
                           enum sy_outcome_status status, const char *words,
                           int line)
{
    struct sy_experiment exp =
        an_experiment((struct way){SY_ROW_PEER, peer}, "workers:1");
    static struct sy_outcome out;

    /* One that broke down leaves what was in flight: in its own process. */
    CHECK_EQ(status == SY_OUTCOME_FAILED ? sy_experiment_run(&exp, &out)
                                         : sy_experiment_run_here(&exp, &out),
             0);
    CHECK_EQ(out.status, status);
    check_words(&out, words, line);
}

static void peer_refuses(void)
{
    struct sy_peer_ops absent = {.name = "no_peer", .absent = "not built"};

    expect_refusal(&absent, SY_OUTCOME_SKIPPED, "not built", __LINE__);
    refusal.probe = -ENOTSUP;
    expect_refusal(&no_peer, SY_OUTCOME_SKIPPED, "it is Sunday", __LINE__);
    refusal.probe = 0;
    refusal.open = -EMFILE;
    expect_refusal(&no_peer, SY_OUTCOME_SKIPPED, "no_peer could not be opened",
                   __LINE__);
    refusal.open = 0;
    refusal.start = -ENOMEM;
    expect_refusal(&no_peer, SY_OUTCOME_SKIPPED,
                   "0 of 16 jobs could be started", __LINE__);
    refusal.start = 0;
    refusal.run = -EIO;
    expect_refusal(&no_peer, SY_OUTCOME_FAILED, "no_peer broke down", __LINE__);
}

static const struct way *find_peer(const char *name)
{
    unsigned count;
    const struct way *ways = every_way(&count);

    for (unsigned i = 0; i < count; i++)
        if (ways[i].peer != NULL && strcmp(ways[i].peer->name, name) == 0)
            return &ways[i];
    return NULL;
}

/* A peer without descriptors has as many jobs as asked for. */
static void peers_and_resources(void)
{
    unsigned count;
    const struct way *openssl = find_peer("openssl");
    const struct way *ways = every_way(&count);

    CHECK(openssl != NULL);
    if (openssl != NULL)
        too_few_descriptors(*openssl, NULL);
    for (unsigned i = 0; i < count; i++)
        if (ways[i].row == SY_ROW_PEER)
            many_jobs(ways[i], NULL);
}

static void what_goes_wrong_in_every_row(void)
{
    unsigned count;
    const struct way *ways = every_way(&count);

    for (unsigned i = 0; i < count; i++) {
        wrong_result(ways[i], 0);
        wrong_result(ways[i], 1);
        step_error(ways[i]);
    }
}

static void virtual_time_of_every_row(void)
{
    unsigned count;
    const struct way *ways = every_way(&count);

    for (unsigned i = 0; i < count; i++)
        if (ways[i].row != SY_ROW_SOFTWARE) { /* no device moves its clock */
            virtual_time_repeats(ways[i]);
            nobody_sleeps_while_jobs_are_ready(ways[i]);
        }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
#ifdef __SANITIZE_THREAD__
    printf("skipped: ThreadSanitizer does not know the peers' own jobs\n");
    return 77;
#endif
    every_row();
    in_this_process();
    every_combination();
    real_work();
    precomputed_results();
    precomputed_and_spoiled();
    precomputed_steps_of_ours();
    exact_number();
    syscalls_of_bursts();
    virtual_time_of_every_row();
    what_goes_wrong_in_every_row();
    crash();
    hang();
    interrupt(false);
    interrupt(true);
    too_few_descriptors(combination, "pipe");
    too_few_descriptors(combination, "eventfd");
    peers_and_resources();
    peer_refuses();
    many_jobs(combination, "queue");
    many_jobs(combination, "eventfd");
    nonsense();
    return failures != 0;
}
