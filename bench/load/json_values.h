/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON values that every record needs, for what is said of a run in run files
 * and on standard output.
 */
#ifndef SY_BENCH_JSON_VALUES_H
#define SY_BENCH_JSON_VALUES_H

#include <jansson.h>
#include <stdint.h>

/*
 * A string that need not be UTF-8, as arguments need not: what JSON could not
 * hold becomes '?'. "" and NULL become null.
 *
 * Returns a new reference, NULL if there is no memory.
 */
json_t *sy__json_text(const char *s);

/* The same for a number. */
json_t *sy__json_number(uint64_t value);

#endif
