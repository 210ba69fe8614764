/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run is made of: the options of "switchyard run", and the suite files
 * that set them. A suite's keys are read through the table of options, so both
 * accept the same and refuse in the same words.
 */
#ifndef SWITCHYARD_CLI_SUITE_H
#define SWITCHYARD_CLI_SUITE_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

struct run_options {
    struct option_texts switcher, engine, workload, reference, device, load;
    struct option_numbers jobs, seed, sweep_jobs;
    struct option_texts sweep_of;
    uint64_t duration_ns, stack_bytes;
    const char *verify, *out, *suite, *shard, *run_id;
    int json, no_reference, dry_run;
};

extern const struct option run_options_table[];

#define SUITE_MIXES_MAX 16
#define SUITE_ITEMS_MAX 16 /* workloads in one mix */

struct suite_item {
    char *workload; /* "name" or "name@N" */
    uint32_t weight;
    unsigned line;
};

struct suite_mix {
    struct suite_item items[SUITE_ITEMS_MAX];
    size_t count;
    unsigned line;
};

struct suite {
    char name[64]; /* of the file, without folder and ".suite" */
    char path[4096];
    char sha256[65];
    char *title; /* may be NULL */
    struct suite_mix mixes[SUITE_MIXES_MAX];
    size_t mixes_count;
    char *texts[256]; /* copies that options refer to */
    size_t texts_count;
};

/*
 * Read a suite, and set the options that it names.
 *
 * @given    a path, or the name of a suite that comes with the command
 * @options  holds the defaults; refers to the suite's memory afterwards
 *
 * Returns -1 to go on, else the exit code; what is wrong has been said then.
 * suite_free() is right in both cases.
 */
int suite_open(struct suite *suite, const char *given,
               struct run_options *options);

void suite_free(struct suite *suite);

#endif
