/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results: the experiments of a run, repetitions with other seeds put
 * together. What the printing looks at; it measures nothing.
 */
#ifndef SWITCHYARD_CLI_RESULTS_H
#define SWITCHYARD_CLI_RESULTS_H

#include <stddef.h>

#include "plan.h"

enum result_status {
    RESULT_OK = 0,
    RESULT_SKIPPED,
    RESULT_FAILED,
    RESULT_NOT_RUN, /* the run was interrupted before its turn */
};

/* The ends of what the rounds of a result gave. */
struct range {
    double low, high;
};

struct result {
    const struct sy_experiment *exp;
    int is_sweep;
    enum result_status status;
    const char *reason;                 /* why it is not RESULT_OK, else "" */
    unsigned rounds;                    /* repetitions that are in it */
    struct range per_s, cpu_us, p99_us; /* of one round; p99_us: 0 to infinity
                                           if a round had too few samples */
    struct sy_outcome sum; /* of the rounds; only added-up members count */
};

struct results {
    struct result *all;
    size_t count;
};

/* Put a plan's outcomes together. Returns 0 or -ENOMEM. */
int results_make(struct results *results, const struct plan *plan);

void results_free(struct results *results);

/* Figures of a result that is RESULT_OK and has operations. */
double result_per_s(const struct result *r);  /* operations per second */
double result_cpu_us(const struct result *r); /* per operation */
int result_syscalls(const struct result *r, double *per_operation);

/* Was the device late by more than a tenth of the median latency? Sets by how
   much on average, and the median; 0 if they are not known. */
int result_is_late(const struct result *r, double *late_us, double *p50_us);

/* Does it have figures at all? */
int result_has_figures(const struct result *r);

/* Where a result stands in the table, from top to bottom. */
enum result_section {
    SECTION_MAIN = 0,
    SECTION_SWEEP,     /* over the number of jobs */
    SECTION_NO_PAUSE,  /* with a switcher that cannot pause: the job layer
                          alone, so no rival of the rows above */
    SECTION_REFERENCE, /* no job at all */
};

enum result_section result_section(const struct result *r);

/* Return "ok", "skipped", "FAILED", "not run". */
const char *result_status_word(enum result_status status);

#endif
