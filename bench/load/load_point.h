/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points of load: one experiment under arrivals that do not wait for it (an
 * open loop), or with a fixed number in flight (a closed one).
 * docs/load.md explains what is counted from where, and why.
 *
 * An arrival that finds all `jobs` of the experiment busy waits in line, first
 * come, first served; the line has no limit and takes no memory.
 *
 * Nothing is printed: the caller does that.
 */
#ifndef SY_BENCH_LOAD_POINT_H
#define SY_BENCH_LOAD_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arrivals.h"
#include "experiment.h"

/* Most raw samples that are kept of one point. */
#define SY_LOAD_SAMPLES_MAX UINT64_C(4000000)

/* Most arrivals, by the rate, in one window. */
#define SY_LOAD_ARRIVALS_MAX UINT64_C(1000000000)

struct sy_load_spec {
    /* Row, mix, device, jobs, seed, verification, stacks, interrupted and
       timeout_ns (0: chosen). What says how long it takes is not used. With
       virtual_clock everything below is by the virtual clock, too. */
    struct sy_experiment exp;

    bool is_closed; /* jobs in flight all the time; arrivals is not used */
    struct sy_arrivals arrivals;
    uint64_t duration_ns; /* of the window */
    uint64_t warm_up_ns;  /* before it; 0: a tenth of it, 20 .. 500 ms */
    bool keeps_samples;
    bool spins; /* where the loop is the generator it never sleeps */
};

/* Who says that an arrival is due. */
enum sy_load_generator {
    SY_LOAD_GENERATOR_NONE = 0, /* a closed loop needs none */
    SY_LOAD_GENERATOR_THREAD,   /* a thread with a CPU of its own */
    SY_LOAD_GENERATOR_LOOP,     /* the application's thread, between jobs */
};

/* One operation, in the order of intended starts. Files have it as it is. */
struct sy_load_sample {
    uint64_t intended_ns; /* since the window opened */
    uint64_t response_ns; /* from then to the end */
    uint64_t service_ns;  /* from the actual start; 0: it never started */
};

/* Why a point says nothing about the row at that rate, or that the rate is too
   high. Bits. */
enum sy_load_fault {
    SY_LOAD_NOT_STARTED = 1 << 0,    /* arrivals were left when time was up */
    SY_LOAD_BELOW_PLAN = 1 << 1,     /* achieved less than 99 % of the rate */
    SY_LOAD_BACKLOG_GROWS = 1 << 2,  /* to the end of the window */
    SY_LOAD_GENERATOR_LATE = 1 << 3, /* p50, p90 or p99 of its lateness is more
                                        than a tenth of the response's */
    SY_LOAD_DEVICE_LATE = 1 << 4,    /* on average, by more than a tenth of the
                                        median response */
};

/* The rate was not sustained, by the row or by the generator. */
#define SY_LOAD_SATURATED                                                      \
    (SY_LOAD_NOT_STARTED | SY_LOAD_BELOW_PLAN | SY_LOAD_BACKLOG_GROWS |        \
     SY_LOAD_GENERATOR_LATE)

/* What came out. The operations meant are those that were to begin in the
   window, whenever they ended; of a closed loop those that began in it. */
struct sy_load_result {
    struct sy_outcome outcome; /* its figures are of what ended in the window */

    enum sy_load_generator generator;
    int generator_cpu;         /* -1: it has none of its own */
    char generator_why[128];   /* why not; "" */
    uint64_t generator_cpu_ns; /* of its thread, in the window; it is part of
                                  outcome.cpu_ns */

    uint64_t offered;     /* operations */
    uint64_t done;        /* of these; the rest never started */
    uint64_t planned_ns;  /* from the first to the last intended start */
    uint64_t achieved_ns; /* from the first intended start to the last end */
    uint64_t backlog_early_milli; /* thousandths of an operation: how many had
                                     arrived and not ended, on average over the
                                     second quarter of the window */
    uint64_t backlog_late_milli;  /* over the last */

    struct sy_histogram response_ns; /* empty of a closed loop. What never
                                        started counts with as long as it had
                                        waited */
    struct sy_histogram service_ns;
    struct sy_histogram lateness_ns; /* the generator's own */

    unsigned faults; /* enum sy_load_fault bits */

    struct sy_load_sample *samples; /* offered of them; NULL: none were kept */
    size_t samples_bytes;           /* private */
};

/*
 * Measure one point, in a process of its own, as sy_experiment_run() does.
 *
 * @out  written on every path; sy_load_result_free() is right on every path
 *
 * Returns as sy_experiment_run().
 */
int sy_load_point_run(const struct sy_load_spec *spec,
                      struct sy_load_result *out);

void sy_load_result_free(struct sy_load_result *result);

/* Return about how long a point takes if the rate is sustained. */
uint64_t sy_load_point_ns(const struct sy_load_spec *spec);

/* Return the warm-up that a point will have. */
uint64_t sy_load_warm_up_ns(const struct sy_load_spec *spec);

/* Return the faults of a result, from its other figures. */
unsigned sy_load_judge(const struct sy_load_result *result);

/* Is that quantile of the generator's lateness more than a tenth of the
   response's? Then the latter is not to be trusted. No, if there are too few
   samples. */
bool sy_load_is_late_at(const struct sy_load_result *result, double q);

/* Return the achieved rate as thousandths of the planned one: how much longer
   than its plan the work took, the median response left out, and how much of
   it was done. 1000 where there is no plan. */
unsigned sy_load_achieved_permille(const struct sy_load_result *result);

/* Write what the faults are, in words with their figures: "a; b". Returns
   buf; "" if there is none. */
const char *sy_load_explain(const struct sy_load_result *result, char *buf,
                            size_t bytes);

#endif
