/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that mean the same in several subcommands: rows for their tables, so
 * that they are spelled, ranged and explained alike. `place` is the rest of the
 * row, ".offset = ..."; where it is "...", ".standard" may stand there too.
 * `words` end the help.
 */
#ifndef SWITCHYARD_CLI_COMMON_OPTIONS_H
#define SWITCHYARD_CLI_COMMON_OPTIONS_H

#include <switchyard/runtime.h>

#include "../bench/load/experiment.h"
#include "options.h"

#define COMMON_SWITCHER(words, ...)                                            \
    {                                                                          \
        .name = "switcher", .argument = "GLOB,...",                            \
        .help = "which switchers; '!' in front takes out" words,               \
        .kind = OPTION_TEXTS, __VA_ARGS__                                      \
    }

#define COMMON_ENGINE(words, ...)                                              \
    {                                                                          \
        .name = "engine", .argument = "GLOB,...",                              \
        .help = "which engines; 'pipe' means its variants too" words,          \
        .kind = OPTION_TEXTS, __VA_ARGS__                                      \
    }

#define COMMON_REFERENCE(place)                                                \
    {                                                                          \
        .name = "reference", .argument = "GLOB,...",                           \
        .help = "which reference rows, or 'none'; 'switchyard list' shows "    \
                "them;\n                              default: all"            \
                " that were built",                                            \
        .kind = OPTION_TEXTS, place                                            \
    }

#define COMMON_NO_REFERENCE(place)                                             \
    {                                                                          \
        .name = "no-reference", .help = "no reference rows",                   \
        .kind = OPTION_FLAG, place                                             \
    }

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

/* At most what JSON readers take. Of kind OPTION_NUMBERS where the run takes
   several. */
#define COMMON_SEED(words, number_kind, place)                                 \
    {                                                                          \
        .name = "seed", .argument = "N", .standard = "1", .help = words,       \
        .kind = number_kind, .max = INT64_MAX, place                           \
    }

#define COMMON_VERIFY(place)                                                   \
    {                                                                          \
        .name = "verify", .argument = "WHICH", .standard = "sample",           \
        .help = "which results are verified", .kind = OPTION_CHOICE,           \
        .choices = (const char *const[]){"all", "sample", NULL}, place         \
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
