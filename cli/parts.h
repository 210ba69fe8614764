/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts: every switcher, engine variant, device, workload and reference row
 * that this process knows, those of the library and those loaded from files,
 * and whether each works here.
 *
 * A file is a shared object that defines one or more of
 *
 *     const struct sy_switcher_ops sy_part_switcher;
 *     const struct sy_engine_ops sy_part_engine;
 *     const struct sy_device_ops sy_part_device;
 *     const struct sy_workload_ops sy_part_workload;
 *
 * with default visibility.
 */
#ifndef SWITCHYARD_CLI_PARTS_H
#define SWITCHYARD_CLI_PARTS_H

#include <stddef.h>
#include <switchyard/device.h>
#include <switchyard/engine.h>
#include <switchyard/switcher.h>
#include <switchyard/workload.h>

#include "../bench/load/experiment.h"
#include "../bench/load/peer.h"
#include "options.h"

#define PARTS_MAX      64
#define PART_WHY_BYTES 256

/* What all kinds have. */
struct part {
    char name[64];    /* of an engine: with its variant */
    const char *bare; /* an engine's name without variant, else name */
    const char *summary;
    const char *file;         /* where it was loaded from; NULL: the library */
    const char *also[3];      /* more names to be chosen by; NULL: none */
    int works;                /* here */
    int on_request;           /* chosen by its full name only */
    char why[PART_WHY_BYTES]; /* if not; else "" */
};

struct part_switcher {
    struct part part;
    const struct sy_switcher_ops *ops;
};

struct part_engine {
    struct part part;
    const struct sy_engine_ops *ops;
    const char *variant; /* NULL if it has none */
};

struct part_device {
    struct part part;
    const struct sy_device_ops *ops;
};

struct part_workload {
    struct part part;
    const struct sy_workload_ops *ops;
};

struct part_reference {
    struct part part;
    enum sy_row row;
    const struct sy_peer_ops *peer; /* of SY_ROW_PEER, else NULL */
};

struct parts {
    struct part_switcher switchers[PARTS_MAX];
    struct part_engine engines[PARTS_MAX];
    struct part_device devices[PARTS_MAX];
    struct part_workload workloads[PARTS_MAX];
    struct part_reference references[PARTS_MAX];
    size_t switchers_count, engines_count, devices_count, workloads_count,
        references_count;
};

/*
 * Collect and probe everything.
 *
 * @files  what --load named
 *
 * Returns -1 to go on, else the exit code; what is wrong has been said then.
 */
int parts_open(struct parts *parts, const struct option_texts *files);

/*
 * Add the parts of one file.
 *
 * @why  on failure: what is wrong, in words
 *
 * Returns how many parts it held, or
 *   -ENOENT   the file is not there, or is no shared object
 *   -ENOEXEC  it holds no part
 *   -EINVAL   one of its parts breaks its contract
 */
int parts_load(struct parts *parts, const char *file, char *why,
               size_t why_bytes);

/*
 * Choose parts by patterns: comma-separated names and globs, left to right;
 * "!" in front removes. A list that begins with "!" begins with everything.
 * The name of an engine without its variant stands for all variants. Neither
 * a glob nor "all" chooses what is there on request.
 *
 * @what    "switcher", ...: for the message about a name that does not exist
 * @first   the first part; the others follow at a distance of stride bytes
 * @chosen  set to 1 or 0 for each part
 *
 * Returns how many are chosen, or -EINVAL after it said what is unknown.
 */
int parts_choose(const char *what, const struct option_texts *patterns,
                 const struct part *first, size_t stride, size_t count,
                 unsigned char *chosen);

#endif
