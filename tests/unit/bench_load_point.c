/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points of load on a virtual clock agree with queueing theory: evenly spaced
 * arrivals that never meet do not wait; a stall of the device is in the
 * response of every planned arrival, and a closed loop hides it; M/M/1 and
 * M/D/1 wait as Pollaczek and Khinchine say; overload is told. On the real
 * clock nothing is lost, in every row; and what goes wrong is told in words.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <switchyard/clock.h>
#include <unistd.h>

#include "../../bench/load/load_point.h"
#include "../../bench/load/peer.h"
#include "unit.h"

#define US SY_NS_PER_US
#define MS SY_NS_PER_MS
#define S  SY_NS_PER_S

/* ---- a workload of this test: one offloaded step --------------------------
 */

static uint64_t fail_at = UINT64_MAX, hang_at = UINT64_MAX;

static int one_probe(char *why, size_t why_bytes)
{
    (void)why;
    (void)why_bytes;
    return 0;
}

static int one_open(void *shared, const struct sy_workload_config *cfg)
{
    (void)shared;
    (void)cfg;
    return 0;
}

static void one_close(void *shared)
{
    (void)shared;
}

static int one_begin(const void *shared, void *slot, uint64_t n)
{
    (void)shared;
    *(uint64_t *)slot = n;
    return 0;
}

static int one_step(const void *shared, void *slot, uint32_t i)
{
    (void)shared;
    (void)i;
    while (*(uint64_t *)slot == hang_at)
        sleep(1);
    return *(uint64_t *)slot == fail_at ? -EIO : 0;
}

static int one_verify(const void *shared, void *slot)
{
    (void)shared;
    (void)slot;
    return 1;
}

static void one_spoil(void *slot)
{
    (void)slot;
}

static const struct sy_workload_ops one = {
    .abi = SY_WORKLOAD_ABI,
    .steps = 1,
    .offloaded = 1,
    .name = "one",
    .summary = "does nothing, on the device",
    .shared_bytes = 8,
    .slot_bytes = 8,
    .probe = one_probe,
    .open = one_open,
    .close = one_close,
    .begin = one_begin,
    .step = one_step,
    .verify = one_verify,
    .spoil = one_spoil,
};

static struct sy_load_spec spec_of(const char *device,
                                   enum sy_arrivals_kind kind, uint64_t rate_hz)
{
    struct sy_load_spec spec = {
        .exp = {.row = SY_ROW_COMBINATION,
                .switcher = sy_switcher_table()[0],
                .engine = NULL,
                .mix = {{.ops = &one, .weight = 1}},
                .mix_count = 1,
                .device_spec = device,
                .jobs = 64,
                .seed = 1,
                .virtual_clock = true},
        .arrivals = {.kind = kind, .rate_hz = rate_hz, .seed = 1},
        .duration_ns = S,
    };

    for (size_t i = 0; sy_engine_table()[i] != NULL; i++)
        if (strcmp(sy_engine_table()[i]->name, "queue") == 0)
            spec.exp.engine = sy_engine_table()[i];
    return spec;
}

static struct sy_load_result r; /* of the last point */

static void run(const struct sy_load_spec *spec)
{
    sy_load_result_free(&r);
    CHECK_EQ(sy_load_point_run(spec, &r), 0);
}

static void run_well(const struct sy_load_spec *spec)
{
    run(spec);
    CHECK_STR(r.outcome.reason, "");
    CHECK_EQ(r.outcome.status, SY_OUTCOME_OK);
    CHECK(!r.outcome.partial);
}

/* ---- exactly --------------------------------------------------------------
 */

static void nothing_waits_that_does_not_meet(void)
{
    struct sy_load_spec spec =
        spec_of("sim:service=fixed:100us", SY_ARRIVALS_CONSTANT, 1000);

    spec.keeps_samples = true;
    run_well(&spec);
    CHECK_EQ(r.offered, 1000);
    CHECK_EQ(r.done, 1000);
    CHECK_EQ(r.response_ns.min, 100 * US);
    CHECK_EQ(r.response_ns.max, 100 * US);
    CHECK_EQ(r.service_ns.min, 100 * US);
    CHECK_EQ(r.service_ns.max, 100 * US);
    CHECK_EQ(r.lateness_ns.count, 1000);
    CHECK_EQ(r.lateness_ns.max, 0);
    CHECK_EQ(r.generator, SY_LOAD_GENERATOR_LOOP);
    CHECK_EQ(r.planned_ns, 999 * MS);
    CHECK_EQ(r.achieved_ns, 999 * MS + 100 * US);
    CHECK_EQ(sy_load_achieved_permille(&r), 1000);
    CHECK_EQ(r.faults, 0);
    CHECK(r.samples != NULL);
    for (uint64_t i = 0; i < r.offered; i++) {
        CHECK_EQ(r.samples[i].intended_ns, i * MS);
        CHECK_EQ(r.samples[i].response_ns, 100 * US);
        CHECK_EQ(r.samples[i].service_ns, 100 * US);
    }
}

/* With one slot the second of each pair waits in line for the first, and none
   of that is service. */
static void waiting_for_a_slot_is_response(void)
{
    struct sy_arrival_trace trace = {0};
    struct sy_load_spec spec =
        spec_of("sim:service=fixed:100us,servers=9", SY_ARRIVALS_TRACE, 0);
    uint64_t ns[20];

    for (size_t i = 0; i < 20; i++)
        ns[i] = i / 2 * MS;
    trace =
        (struct sy_arrival_trace){.ns = ns, .count = 20, .length_ns = 9 * MS};
    spec.arrivals.trace = &trace;
    spec.exp.jobs = 1;
    spec.duration_ns = 20 * MS;
    spec.warm_up_ns = 10 * MS;
    run_well(&spec);
    CHECK_EQ(r.offered, 20);
    CHECK_EQ(r.service_ns.min, 100 * US);
    CHECK_EQ(r.service_ns.max, 100 * US);
    CHECK_EQ(r.response_ns.max, 200 * US);
    CHECK_EQ(r.response_ns.sum, 10 * 300 * US);
    CHECK_EQ(r.lateness_ns.max, 0); /* not the generator's */
}

static void repeats_exactly(void)
{
    struct sy_load_spec spec =
        spec_of("sim:service=lognormal:50us:0.5", SY_ARRIVALS_POISSON, 15000);
    struct sy_histogram first;

    run_well(&spec);
    first = r.response_ns;
    CHECK(first.count > 14000);
    run_well(&spec);
    CHECK_EQ(memcmp(&first, &r.response_ns, sizeof(first)), 0);
    spec.arrivals.seed++;
    run_well(&spec);
    CHECK(memcmp(&first, &r.response_ns, sizeof(first)) != 0);
}

/* ---- a stall ---------------------------------------------------------------
 */

#define STALL_RATE  1000
#define STALL_AT    (5500 * MS) /* 5 s into the window */
#define STALL_FOR   (100 * MS)
#define STALL_SERVE (100 * US)

/* What an arrival at that time of a D/D/1 queue with the stall takes, by
   Lindley's recursion: *free_ns is when the server is free. */
static uint64_t response_of(uint64_t at_ns, uint64_t *free_ns)
{
    uint64_t start = at_ns > *free_ns ? at_ns : *free_ns;

    if (start >= STALL_AT && start < STALL_AT + STALL_FOR)
        start = STALL_AT + STALL_FOR;
    *free_ns = start + STALL_SERVE;
    if (start<STALL_AT && * free_ns> STALL_AT)
        *free_ns += STALL_FOR;
    return *free_ns - at_ns;
}

static void a_stall_is_in_every_response(void)
{
    struct sy_load_spec spec =
        spec_of("sim:service=fixed:100us,stall=5500ms:100ms",
                SY_ARRIVALS_CONSTANT, STALL_RATE);
    struct sy_histogram theory;
    uint64_t free_ns = 0, hit = 0, expected, measured;

    sy_histogram_clear(&theory);
    spec.duration_ns = 10 * S;
    spec.warm_up_ns = 500 * MS;
    spec.exp.jobs = 4; /* the rest waits in line */
    for (uint64_t i = 0; i < 10500; i++) {
        uint64_t ns = response_of(i * MS, &free_ns);

        if (i >= 500)
            sy_histogram_add(&theory, ns);
        hit += ns > 50 * MS;
    }
    expected = sy_histogram_quantile(&theory, 0.999);
    CHECK(hit > 40 && expected > 80 * MS); /* the calculation sees it */

    run_well(&spec);
    CHECK_EQ(r.offered, 10000);
    CHECK_EQ(r.faults, 0);
    CHECK(sy_histogram_known_quantile(&r.response_ns, 0.999, &measured));
    CHECK_EQ(measured, expected);
    CHECK_EQ(r.response_ns.sum, theory.sum);
    printf("stall: p99.9 %llu us, calculated %llu us\n",
           (unsigned long long)(measured / US),
           (unsigned long long)(expected / US));

    spec.is_closed = true;
    spec.exp.jobs = 1;
    run_well(&spec);
    CHECK(r.done > 90000);
    CHECK_EQ(r.response_ns.count, 0);
    CHECK_EQ(r.service_ns.max, STALL_FOR + STALL_SERVE); /* of one */
    CHECK(sy_histogram_known_quantile(&r.service_ns, 0.999, &measured));
    CHECK(measured <= STALL_SERVE + STALL_SERVE / 256);
}

/* ---- theory ----------------------------------------------------------------
 */

/*
 * The mean wait of M/G/1 is rho / (1 - rho) * E[S] * (1 + cv^2) / 2 (Pollaczek
 * and Khinchine). Where it is waited does not matter: with one job in the line
 * before it, with many inside the device.
 */
static void waits_as_theory_says(const char *shape, double cv2, double rho,
                                 unsigned jobs, double seconds)
{
    char device[128] = "";
    double service = 100 * US, want, got;
    struct sy_load_spec spec =
        spec_of(device, SY_ARRIVALS_POISSON, (uint64_t)(rho * 10000 + 0.5));

    snprintf(device, sizeof(device), "sim:service=%s:100us,queue=65536", shape);
    spec.exp.jobs = jobs;
    spec.duration_ns = (uint64_t)(seconds * 1e9);
    run_well(&spec);
    CHECK_EQ(r.done, r.offered);
    want = rho / (1 - rho) * service * (1 + cv2) / 2;
    got = (double)r.response_ns.sum / (double)r.response_ns.count - service;
    if (jobs == 1)
        got = ((double)r.response_ns.sum - (double)r.service_ns.sum) /
              (double)r.done;
    printf("%s, %.1f, %u jobs: waits %.1f us, %.1f us by theory (%+.1f %%)\n",
           shape, rho, jobs, got / 1000, want / 1000, 100 * (got / want - 1));
    CHECK(fabs(got / want - 1) < 0.05);
    CHECK_EQ(r.faults & ~(unsigned)SY_LOAD_BACKLOG_GROWS, 0);
}

static void queueing_theory(unsigned jobs)
{
    waits_as_theory_says("exponential", 1, 0.5, jobs, 20);
    waits_as_theory_says("exponential", 1, 0.8, jobs, 40);
    waits_as_theory_says("exponential", 1, 0.9, jobs, 100);
    waits_as_theory_says("fixed", 0, 0.5, jobs, 10);
    waits_as_theory_says("fixed", 0, 0.8, jobs, 20);
    waits_as_theory_says("fixed", 0, 0.9, jobs, 50);
}

/* ---- overload --------------------------------------------------------------
 */

static void overload_is_told(void)
{
    struct sy_load_spec spec =
        spec_of("sim:service=fixed:100us", SY_ARRIVALS_POISSON, 10500);
    char why[512];

    run_well(&spec);
    CHECK_EQ(r.faults, SY_LOAD_BELOW_PLAN | SY_LOAD_BACKLOG_GROWS);
    CHECK_EQ(r.done, r.offered);
    CHECK(sy_load_achieved_permille(&r) < 970);
    CHECK(strstr(sy_load_explain(&r, why, sizeof(why)), "backlog grew") !=
          NULL);

    /* 5 s of work come in one; another second is granted. Half a second of it
       all went on the warm-up's. What is left was never started, and counts
       with what it had waited. */
    spec.arrivals.rate_hz = 50000;
    run_well(&spec);
    CHECK(r.faults & SY_LOAD_NOT_STARTED);
    CHECK(r.done > 15500 && r.done < 16500 && r.offered > 49000);
    CHECK_EQ(r.response_ns.count, r.offered);
    CHECK_EQ(r.service_ns.count, r.done);
    CHECK(sy_histogram_quantile(&r.response_ns, 0.5) > S);

    spec.arrivals.rate_hz = 9000;
    run_well(&spec);
    CHECK_EQ(r.faults, 0);
}

/* ---- judging, on figures made up -------------------------------------------
 */

static void judged_by_figures(void)
{
    static struct sy_load_result good, bad;
    char why[512];

    good.offered = good.done = 1000;
    good.planned_ns = S;
    good.achieved_ns = S + 100 * US;
    for (int i = 0; i < 1000; i++) {
        sy_histogram_add(&good.response_ns, 100 * US);
        sy_histogram_add(&good.service_ns, 90 * US);
        sy_histogram_add(&good.lateness_ns, i < 995 ? 5 * US : MS);
    }
    CHECK_EQ(sy_load_judge(&good), 0);
    CHECK(!sy_load_is_late_at(&good, 0.99));
    CHECK(!sy_load_is_late_at(&good, 0.999)); /* too few samples to say */

    bad = good;
    bad.achieved_ns = S + 12 * MS;
    CHECK_EQ(sy_load_judge(&bad), SY_LOAD_BELOW_PLAN);
    bad = good;
    bad.backlog_early_milli = 4000;
    bad.backlog_late_milli = 8900; /* of 500 that came: less than a hundredth */
    CHECK_EQ(sy_load_judge(&bad), 0);
    bad.backlog_late_milli = 9100;
    CHECK_EQ(sy_load_judge(&bad), SY_LOAD_BACKLOG_GROWS);
    bad.backlog_early_milli = 6100;
    bad.backlog_late_milli = 9101; /* by no more than half */
    CHECK_EQ(sy_load_judge(&bad), 0);
    bad = good;
    for (int i = 0; i < 15; i++)
        sy_histogram_add(&bad.lateness_ns, 11 * US);
    CHECK_EQ(sy_load_judge(&bad), SY_LOAD_GENERATOR_LATE);
    bad.faults = SY_LOAD_GENERATOR_LATE;
    CHECK(strstr(sy_load_explain(&bad, why, sizeof(why)), "p99 of") != NULL);
    bad = good;
    bad.done = 999;
    CHECK_EQ(sy_load_judge(&bad), SY_LOAD_NOT_STARTED);
    bad = good;
    bad.outcome.device.late_sum_ns = 1010 * 10 * US;
    bad.outcome.device.late_count = 1000;
    CHECK_EQ(sy_load_judge(&bad), SY_LOAD_DEVICE_LATE);
    bad.faults = SY_LOAD_DEVICE_LATE;
    CHECK((bad.faults & SY_LOAD_SATURATED) == 0);
    CHECK(strstr(sy_load_explain(&bad, why, sizeof(why)), "the device") !=
          NULL);
}

/* ---- the real clock --------------------------------------------------------
 */

/* Whoever generates, each arrival is started once, and has a lateness. */
static void nothing_is_lost(struct sy_load_spec spec)
{
    spec.exp.virtual_clock = false;
    spec.duration_ns = 100 * MS;
    spec.keeps_samples = true;
    run_well(&spec);
    CHECK_EQ(r.offered, 300);
    CHECK_EQ(r.done, 300);
    CHECK_EQ(r.response_ns.count, 300);
    CHECK_EQ(r.lateness_ns.count, 300);
    CHECK(r.generator != SY_LOAD_GENERATOR_NONE);
    CHECK((r.generator == SY_LOAD_GENERATOR_LOOP) ==
          (r.generator_why[0] != '\0'));
    for (uint64_t i = 0; i < 300; i++) {
        CHECK(r.samples[i].service_ns > 0);
        CHECK(r.samples[i].response_ns >= r.samples[i].service_ns);
    }
}

static void in_every_row(void)
{
    static const enum sy_row rows[] = {SY_ROW_COMBINATION, SY_ROW_CALLBACK,
                                       SY_ROW_BLOCKING, SY_ROW_SOFTWARE};
    static const char *const devices[] = {
        "sim:service=exponential:20us,servers=4,mode=poll",
        "sim:service=exponential:20us,servers=4,mode=thread", "workers:1"};
    const struct sy_peer_ops *const *peer = sy_peer_table();

    for (size_t d = 0; d < 3; d++) {
        struct sy_load_spec spec =
            spec_of(devices[d], SY_ARRIVALS_CONSTANT, 3000);

        for (size_t i = 0; i < 4; i++) {
            spec.exp.row = rows[i];
            spec.spins = i % 2 == 1;
            nothing_is_lost(spec);
        }
        spec.exp.row = SY_ROW_PEER;
        for (size_t i = 0; peer[i] != NULL; i++) {
            spec.exp.peer = peer[i];
            if (peer[i]->absent != NULL)
                continue;
            if (d == 0) {
                nothing_is_lost(spec);
                continue;
            }
            spec.exp.virtual_clock = false;
            run(&spec);
            CHECK_EQ(r.outcome.status, SY_OUTCOME_SKIPPED);
            CHECK(strstr(r.outcome.reason, "polled") != NULL);
        }
    }
}

/* ---- what goes wrong -------------------------------------------------------
 */

static void failures_are_told(void)
{
    struct sy_load_spec spec =
        spec_of("sim:service=fixed:10us", SY_ARRIVALS_CONSTANT, 10000);

    fail_at = 5000;
    run(&spec);
    CHECK_EQ(r.outcome.status, SY_OUTCOME_FAILED);
    CHECK_EQ(r.outcome.failed_operation, 5000);
    CHECK(r.outcome.partial);
    CHECK(strstr(r.outcome.reason, "operation number 5000") != NULL);
    CHECK(r.offered > 3000 && r.done <= r.offered);
    fail_at = UINT64_MAX;

    hang_at = 10;
    spec.exp.timeout_ns = 300 * MS;
    run(&spec);
    CHECK_EQ(r.outcome.status, SY_OUTCOME_FAILED);
    CHECK(strstr(r.outcome.reason, "did not end within 0.3 s") != NULL);
    hang_at = UINT64_MAX;

    spec = spec_of("sim:service=never", SY_ARRIVALS_CONSTANT, 1000);
    CHECK_EQ(sy_load_point_run(&spec, &r), -EINVAL);
    CHECK_EQ(r.outcome.status, SY_OUTCOME_FAILED);
    spec = spec_of("workers:1", SY_ARRIVALS_CONSTANT, 1000);
    run(&spec);
    CHECK_EQ(r.outcome.status, SY_OUTCOME_SKIPPED); /* a virtual clock */
    spec = spec_of("sim", SY_ARRIVALS_CONSTANT, 0);
    CHECK_EQ(sy_load_point_run(&spec, &r), -EINVAL);
    CHECK(strstr(r.outcome.reason, "1 .. 100M") != NULL);
    spec.arrivals.rate_hz = SY_RATE_MAX_HZ;
    spec.duration_ns = 11 * S;
    CHECK_EQ(sy_load_point_run(&spec, &r), -EINVAL);
    CHECK(strstr(r.outcome.reason, "a billion") != NULL);
    spec.duration_ns = 0;
    CHECK_EQ(sy_load_point_run(&spec, &r), -EINVAL);
    spec = spec_of("sim", SY_ARRIVALS_TRACE, 0);
    CHECK_EQ(sy_load_point_run(&spec, &r), -EINVAL);
}

static volatile sig_atomic_t stop_now;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    stop_now = 1;
}

static void an_interrupt_keeps_what_there_is(enum sy_row row)
{
    struct sy_load_spec spec =
        spec_of("sim:service=fixed:10us,mode=poll", SY_ARRIVALS_CONSTANT, 1000);

    spec.exp.virtual_clock = false;
    spec.exp.row = row;
    spec.exp.interrupted = &stop_now;
    spec.duration_ns = 3600 * S;
    spec.warm_up_ns = MS;
    stop_now = 0;
    signal(SIGALRM, on_alarm);
    ualarm(300000, 0);
    run(&spec);
    CHECK_EQ(r.outcome.status, SY_OUTCOME_OK);
    CHECK(r.outcome.partial);
    CHECK(r.offered > 0 && r.offered < 3000);
    CHECK_EQ(r.done, r.offered);
}

int main(void)
{
    nothing_waits_that_does_not_meet();
    waiting_for_a_slot_is_response();
    repeats_exactly();
    a_stall_is_in_every_response();
    if (!SY_TSAN) { /* one thread, and a hundred times slower there */
        queueing_theory(4096);
        waits_as_theory_says("exponential", 1, 0.8, 1, 40);
        waits_as_theory_says("fixed", 0, 0.8, 1, 20);
    }
    overload_is_told();
    judged_by_figures();
    in_every_row();
    failures_are_told();
    an_interrupt_keeps_what_there_is(SY_ROW_COMBINATION);
    an_interrupt_keeps_what_there_is(SY_ROW_SOFTWARE);
    sy_load_result_free(&r);
    return 0;
}
