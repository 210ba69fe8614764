/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress on standard error: one line that updates itself on a terminal,
 * plain lines elsewhere.
 */
#ifndef SWITCHYARD_CLI_PROGRESS_H
#define SWITCHYARD_CLI_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "plan.h"

struct progress {
    size_t done, count;
    uint64_t planned_ns;      /* of everything */
    uint64_t planned_done_ns; /* of what is done */
    uint64_t started_ns;      /* monotonic clock */
    int is_terminal;
};

void progress_begin(struct progress *p, const struct plan *plan);

/* An experiment begins. */
void progress_show(struct progress *p, const struct plan_entry *entry);

/* It has ended; its outcome is set. */
void progress_done(struct progress *p, const struct plan_entry *entry);

void progress_end(struct progress *p);

#endif
