/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process wrote last, to say why it ended.
 */
#ifndef SWITCHYARD_CLI_LAST_LINE_H
#define SWITCHYARD_CLI_LAST_LINE_H

#include <stddef.h>

/*
 * The last line of a file that is not empty, cut if it has no room, for JSON
 * and terminals: what is not printable ASCII becomes '?'.
 *
 * @fd    -1: no file
 * @line  set on every path; "" if there is none
 */
void last_line(int fd, char *line, size_t bytes);

#endif
