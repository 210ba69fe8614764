/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that mean the same in several subcommands: rows for their tables, so
 * that they are spelled, ranged and explained alike. `place` is the rest of the
 * row, ".offset = ...".
 */
#ifndef SWITCHYARD_CLI_COMMON_OPTIONS_H
#define SWITCHYARD_CLI_COMMON_OPTIONS_H

#include <switchyard/runtime.h>

#include "../bench/load/experiment.h"
#include "options.h"

#define COMMON_JOBS(place)                                                     \
    {                                                                          \
        .name = "jobs", .argument = "N[,N...]", .standard = "64",              \
        .help = "jobs in flight", .kind = OPTION_NUMBERS, .min = 1,            \
        .max = SY_JOBS_MAX, place                                              \
    }

#define COMMON_DEVICE(place)                                                   \
    {                                                                          \
        .name = "device", .argument = "SPEC", .standard = "workers:1",         \
        .help = "what executes offloaded steps; may be repeated",              \
        .kind = OPTION_TEXTS, place                                            \
    }

#define COMMON_STACK_BYTES(place)                                              \
    {                                                                          \
        .name = "stack-bytes", .argument = "BYTES", .standard = "64K",         \
        .help = "size of each job's stack", .kind = OPTION_BYTES,              \
        .min = SY_STACK_BYTES_MIN, .max = SY_STACK_BYTES_MAX,                  \
        .whole_pages = 1, place                                                \
    }

#define COMMON_LOAD(place)                                                     \
    {                                                                          \
        .name = "load", .argument = "FILE.so",                                 \
        .help = "use the parts in this file too; may be repeated",             \
        .kind = OPTION_TEXTS, place                                            \
    }

#define COMMON_OUT(place)                                                      \
    {                                                                          \
        .name = "out", .argument = "DIR", .standard = "runs",                  \
        .help = "folder for run files", .kind = OPTION_TEXT, place             \
    }

#endif
