/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a part beyond whether it works here: what it can do, from
 * the bits of its table, and what it needs of a system, which no bit says.
 */
#ifndef SWITCHYARD_CLI_PART_FACTS_H
#define SWITCHYARD_CLI_PART_FACTS_H

#include <jansson.h>

#include "parts.h"

/* Return a list of words, one for each bit: "same-thread", "busy-wait". */
json_t *switcher_caps(const struct part_switcher *part);
json_t *engine_caps(const struct part_engine *part);

/*
 * What the part needs:
 *
 *   kernel  the least Linux, "5.11"; null: any that the library runs on
 *   calls   system calls that filters in containers refuse: "io_uring"
 *   absent  what must not be in force: "shadow stack"
 *
 * null for parts that were loaded from files, of which nothing is known.
 */
json_t *switcher_needs(const struct part_switcher *part);
json_t *engine_needs(const struct part_engine *part);

#endif
