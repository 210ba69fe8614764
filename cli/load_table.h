/* SPDX-License-Identifier: Apache-2.0 */
/* Points of load for people: a table for each task, and what is to be said
   under it. */
#ifndef SWITCHYARD_CLI_LOAD_TABLE_H
#define SWITCHYARD_CLI_LOAD_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../bench/load/load_point.h"

#define LOAD_QUANTILES 4 /* p50, p90, p99, p99.9 */

/* What the table needs of a point; the rest is in the run file. */
struct load_shown {
    struct sy_experiment exp; /* borrows what the plan's entry does */
    size_t entry;             /* of the plan */
    uint64_t rate_hz;         /* planned; 0: a closed loop */
    unsigned jobs;
    enum sy_outcome_status status;
    int is_partial;
    uint64_t offered;
    double achieved_hz;
    uint64_t response_ns[LOAD_QUANTILES]; /* 0: too few samples */
    uint64_t service_ns[LOAD_QUANTILES];
    int is_late[LOAD_QUANTILES]; /* the generator, by too much for it */
    double cpu_ns;               /* of the row and the device, per operation */
    double loop_part; /* of the time the loop had a CPU; < 0: unknown */
    unsigned faults;
    char why[512]; /* faults, or the reason of a status */
    enum sy_load_generator generator;
    int generator_cpu;
    char generator_why[128];
};

/* Take what is shown out of a result. */
void load_shown_take(struct load_shown *shown, const struct sy_load_spec *spec,
                     size_t entry, const struct sy_load_result *result);

/* How a point is called in lines: "asm+queue at 20k/s", "asm+queue, 64 in
   flight". Returns buf. */
const char *load_shown_name(const struct load_shown *shown, char *buf,
                            size_t bytes);

/* Print the tables of all points, sorted. Returns 0 or -ENOMEM. */
int load_table_print(struct load_shown *shown, size_t count, FILE *to);

#endif
