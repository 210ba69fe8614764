/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs as files: where a name leads to, and whether the dynamic loader
 * will honour LD_PRELOAD when that file is executed.
 */
#ifndef SWITCHYARD_CLI_PROGRAM_FILE_H
#define SWITCHYARD_CLI_PROGRAM_FILE_H

#include <limits.h>
#include <stddef.h>

enum program_preload {
    PROGRAM_TAKES = 0, /* the loader honours LD_PRELOAD, or nothing was found
                          that speaks against it */
    PROGRAM_IGNORES,   /* it is not looked at; harmless to set */
    PROGRAM_BREAKS,    /* an object of ours would stop the program */
};

#define PROGRAM_NOTE_BYTES (PATH_MAX + 256)

struct program_finding {
    enum program_preload preload;
    /* What the user should know of the file, a sentence behind its name; ""
       if nothing. */
    char note[PROGRAM_NOTE_BYTES];
    /* Of a script: what runs it in the end; otherwise the file itself. */
    char file[PATH_MAX];
};

/*
 * Find what the shell would execute: name itself if it has a slash, otherwise
 * the first executable of that name in PATH.
 *
 * Returns 0, -ENOENT, -EACCES (there is one, but not executable), -EISDIR or
 * -ENAMETOOLONG.
 */
int program_find(const char *name, char *path, size_t path_bytes);

/* Say what becomes of a preload if the file is executed by this process. */
void program_inspect(const char *path, struct program_finding *finding);

#endif
