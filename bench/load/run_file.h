/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run files: one JSON object per line, first "meta", then a "record" for each
 * experiment or the lines of a comparison, last "end" with the number of these
 * and a hash of all that stands before it. docs/run-files.md explains every
 * field.
 *
 * A file is written under a name that ends in ".tmp", synced and renamed, so
 * what has the right name is whole; what lost its end shows it. Lines are
 * written whole or not at all: when the disk is full, those before stay.
 *
 * Errors   0 or -errno, with a sentence in why.
 */
#ifndef SY_BENCH_RUN_FILE_H
#define SY_BENCH_RUN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiment.h"

#define SY_RUN_FILE_SCHEMA "switchyard-run/1"

/* Bytes of a path that this part makes, the zero byte included. */
#define SY_RUN_PATH_BYTES 4096

struct sy_run_file;

/* What only the caller knows. Strings are borrowed during create. */
struct sy_run_info {
    const char *run_id; /* a folder name; NULL: the time and a random part */
    unsigned shard_index, shard_of; /* from 1; 0 of 0 is 1 of 1 */
    const char *suite;              /* name of the suite, "" if there is none */
    const char *suite_sha256;       /* 64 hex digits, "" if there is none */
    uint64_t seed;
    int argc;
    char *const *argv;
};

#define SY_RUN_FILE_ID_WORDS                                                   \
    "a name of at most 127 letters, digits, dots, dashes and underscores, "    \
    "with no dot in front"

/* Can a run be called that? */
bool sy_run_file_is_id(const char *run_id);

/*
 * Begin a run file:
 * <folder>/<run-id>/<fingerprint>/shard-<index>of<of>.jsonl.tmp.
 * Folders are made as needed.
 *
 * @out     set to the file, NULL on failure
 * @folder  say "runs"
 *
 * Returns 0, -EACCES, -ENOSPC, -EEXIST (that run has this file already), or
 * another errno of the system, with nothing left behind.
 */
int sy_run_file_create(struct sy_run_file **out, const char *folder,
                       const struct sy_run_info *info, char *why,
                       size_t why_bytes);

/*
 * Add the record of one experiment. After a failure only finish and discard
 * are left.
 */
int sy_run_file_add(struct sy_run_file *file, const struct sy_experiment *exp,
                    const struct sy_outcome *outcome, char *why,
                    size_t why_bytes);

/* What one of the two libraries did, over all rounds. */
struct sy_library_figures {
    uint64_t operations;
    uint64_t elapsed_ns;
    uint64_t cpu_ns;
};

/* The phases of a combination, and what it took to learn them. */
struct sy_phases_record {
    enum sy_outcome_status status;
    const char *reason; /* "" when OK */
    unsigned rounds;
    struct sy_library_figures production, traced;
    const struct sy_traced_window *window; /* of all rounds */
};

/*
 * Write a line of the type "phases", for sy_run_file_add_line().
 *
 * Returns a string to be freed, NULL if there is no memory.
 */
char *sy_run_file_phases(const struct sy_experiment *exp,
                         const struct sy_phases_record *phases);

/*
 * Add a line that the caller made.
 *
 * @line  one JSON object in one line, without its end; its "type" is one of
 *        those of docs/run-files.md
 *
 * After a failure only finish and discard are left.
 */
int sy_run_file_add_line(struct sy_run_file *file, const char *line, char *why,
                         size_t why_bytes);

/*
 * Write the end, sync, give the file its name, and free the handle. Where the
 * end has no room, the line that was added last is given up for it: the file
 * gets its name, its end says that it was cut short, and the result is an
 * error all the same. On another failure what was added stays, without an end,
 * under the name that ends in ".tmp".
 *
 * @file         set to NULL on every path
 * @interrupted  the run was cut short; the end says so
 * @path         set to the name that the file has now, on failure too; room
 *               for SY_RUN_PATH_BYTES; may be NULL
 */
int sy_run_file_finish(struct sy_run_file **file, bool interrupted, char *path,
                       char *why, size_t why_bytes);

/* Remove the file and free the handle; set *file to NULL. NULL is allowed. */
void sy_run_file_discard(struct sy_run_file **file);

/* Return how many lines were added. */
uint64_t sy_run_file_lines(const struct sy_run_file *file);

/*
 * Write the description of an experiment, for lines that the caller makes: the
 * members "row", "peer", "switcher", "engine", "variant", "mix", "device" and
 * "jobs" of a record, as one JSON object.
 *
 * Returns a string to be freed, NULL if there is no memory.
 */
char *sy_run_file_experiment(const struct sy_experiment *exp);

/*
 * Write an outcome as one line of JSON, as it stands in a run file, for
 * `switchyard run --json`.
 *
 * Returns a string to be freed, NULL if there is no memory.
 */
char *sy_run_file_record(const struct sy_experiment *exp,
                         const struct sy_outcome *outcome);

#endif
