/* SPDX-License-Identifier: Apache-2.0 */
/* Files that come with this command: where they are. */
#ifndef SWITCHYARD_CLI_BESIDE_H
#define SWITCHYARD_CLI_BESIDE_H

#include <limits.h>

/*
 * Find a file, in the places given, each relative to the folder of this
 * command (or absolute).
 *
 * @what    for the message if it is not there
 * @places  ends with NULL: as installed, beside the command, as built
 * @path    set to the file's full path, PATH_MAX bytes
 *
 * Returns 0, or -ENOENT, having said what was looked for where.
 */
int beside_find(const char *what, const char *const *places, char *path);

/* Can a file be named in LD_PRELOAD? Returns 0, or -EINVAL, and has said why.
 */
int beside_check_preload(const char *path);

#endif
