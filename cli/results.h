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

struct result {
    const struct sy_experiment *exp;
    int is_sweep;
    enum result_status status;
    const char *reason;                 /* why it is not RESULT_OK, else "" */
    unsigned rounds;                    /* repetitions that are in it */
    double lowest_per_s, highest_per_s; /* throughput of one round */
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

/* Does it have figures at all? */
int result_has_figures(const struct result *r);

/* Return where it stands in the table: 0 combinations, 1 the sweep over jobs,
   2 reference rows. */
int result_section(const struct result *r);

/* Return "ok", "skipped", "FAILED", "not run". */
const char *result_status_word(enum result_status status);

#endif
