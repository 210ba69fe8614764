/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is here, as the analysis takes it: a file in memory with the
 * output of `switchyard list --json`, which it inherits.
 */
#ifndef SWITCHYARD_CLI_RECOMMEND_PARTS_H
#define SWITCHYARD_CLI_RECOMMEND_PARTS_H

#include "options.h"

#define RECOMMEND_PARTS_BYTES 48

/*
 * Make the file.
 *
 * @files  what --load named
 * @word   set to "--parts=/proc/self/fd/N"
 *
 * Returns -1 to go on, else the exit code; what is wrong has been said then.
 * The file lives as long as this process.
 */
int recommend_parts(const struct option_texts *files,
                    char word[RECOMMEND_PARTS_BYTES]);

#endif
