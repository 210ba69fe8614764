/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `switchyard list --json` prints, for other commands that hand it on.
 */
#ifndef SWITCHYARD_CLI_LIST_H
#define SWITCHYARD_CLI_LIST_H

#include <jansson.h>

#include "parts.h"

/*
 * Describe all parts.
 *
 * @verbose  with the features of each engine
 *
 * Returns a new object, or NULL without memory.
 */
json_t *list_to_json(const struct parts *parts, int verbose);

#endif
