/* SPDX-License-Identifier: Apache-2.0 */
/* JSON on standard output. */
#ifndef SWITCHYARD_CLI_PRINT_JSON_H
#define SWITCHYARD_CLI_PRINT_JSON_H

#include <jansson.h>

/* Print an object for people and programs, and drop the caller's reference.
   root may be NULL, as jansson leaves it without memory. Returns an exit
   code. */
int print_json(json_t *root);

#endif
