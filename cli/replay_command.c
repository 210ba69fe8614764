/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard replay: does what a run found hold, here and now? */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis.h"
#include "child.h"
#include "command.h"
#include "interrupt.h"
#include "options.h"

/* Of a command line that a run file holds. */
#define WORDS_MAX       256
#define WORDS_BYTES_MAX 65536

struct replay_options {
    const char *out;
    int json, dry_run;
};

#define AT(member) .offset = offsetof(struct replay_options, member)

static const struct option replay_options_table[] = {
    {.name = "out",
     .argument = "DIR",
     .standard = "runs",
     .help = "in a new folder of this one the repetition is written",
     .kind = OPTION_TEXT,
     AT(out)},
    {.name = "json",
     .help = "the outcome as one JSON object",
     .kind = OPTION_FLAG,
     AT(json)},
    {.name = "dry-run",
     .help = "print the command that repeats it",
     .kind = OPTION_FLAG,
     AT(dry_run)},
    {.name = NULL},
};

/* The words of the command, and the bytes that they point into. */
struct repetition {
    char *bytes;
    const char *word[WORDS_MAX + 1];
    char folder[PATH_MAX];
};

static int name_folder(struct repetition *r, const char *out)
{
    unsigned random = 0;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        say("a name for the folder: %s", strerror(errno));
        return CLI_ENVIRONMENT;
    }
    if (snprintf(r->folder, sizeof(r->folder), "%s/replay-%08x", out, random) >=
        (int)sizeof(r->folder)) {
        say("--out: the path is longer than %d bytes", PATH_MAX - 1);
        return CLI_USAGE;
    }
    return -1;
}

/* Each word has a zero byte behind it. */
static int read_words(struct repetition *r, int fd)
{
    struct stat st;
    size_t count = 0, bytes;

    if (fstat(fd, &st) == -1 || st.st_size < 1 || st.st_size > WORDS_BYTES_MAX)
        return -1;
    bytes = (size_t)st.st_size;
    r->bytes = calloc(1, bytes + 1);
    if (r->bytes == NULL || pread(fd, r->bytes, bytes, 0) != (ssize_t)bytes)
        return -1;
    for (size_t at = 0; at < bytes; at += strlen(r->bytes + at) + 1) {
        if (count == WORDS_MAX)
            return -1;
        r->word[count++] = r->bytes + at;
    }
    return 0;
}

/* What the run file says of how it was made. Returns -1 or an exit code. */
static int command_of_run(struct repetition *r, const char *run)
{
    int fd = memfd_create("switchyard-replay", 0), status = CLI_ENVIRONMENT;
    char to[64];

    if (fd == -1) {
        say("no memory: %s", strerror(errno));
        return CLI_ENVIRONMENT;
    }
    snprintf(to, sizeof(to), "--to=/proc/self/fd/%d", fd);
    status = analysis_run((const char *const[]){
        "replay", "--command", to, "--out", r->folder, "--", run, NULL});
    if (status == CLI_OK) {
        status = -1;
        if (read_words(r, fd) != 0) {
            say("%s: its command line has more than %d words", run, WORDS_MAX);
            status = CLI_USAGE;
        }
    }
    close(fd);
    return status;
}

static int repeat(const struct repetition *r, const char *run,
                  const struct replay_options *o)
{
    int status;

    catch_interrupts();
    say("repeating %s", run);
    status = child_run(r->word, 1);
    if (interrupted) {
        say("interrupted: nothing is concluded from a part");
        return CLI_INTERRUPTED;
    }
    /* Where a row failed, the run file says so, and others are compared. */
    if (status != CLI_OK && status != CLI_VERDICT && status != CLI_INCOMPLETE)
        return status;
    if (o->json)
        return analysis_run((const char *const[]){"replay", "--json", "--", run,
                                                  r->folder, NULL});
    return analysis_run(
        (const char *const[]){"replay", "--", run, r->folder, NULL});
}

static int run_replay(const struct command *self, int argc, char **argv)
{
    struct replay_options options = {0};
    struct repetition r = {.bytes = NULL};
    struct option_texts runs = {.count = 0};
    int status;

    options_default(self->options, &options);
    status = options_parse(self, argc, argv, &options, &runs);
    if (status != -1)
        return status;
    if (runs.count != 1) {
        say("replay takes one run, not %zu", runs.count);
        return CLI_USAGE;
    }
    status = name_folder(&r, options.out);
    if (status == -1)
        status = command_of_run(&r, runs.item[0]);
    if (status == -1 && options.dry_run) {
        child_print(r.word);
        status = CLI_OK;
    }
    if (status == -1)
        status = repeat(&r, runs.item[0], &options);
    free(r.bytes);
    return status;
}

const struct command replay_command = {
    .name = "replay",
    .summary = "Repeat a run here, and say which of its claims hold",
    .operands = "RUN",
    .options = replay_options_table,
    .notes =
        "Suite, seeds and order are those of the run. Of each claim of a "
        "comparison it\nsays: reproduced, opposite, or unresolved. Exit 1 if "
        "any is opposite. Runs that\nmake no claims are put side by side.\n",
    .run = run_replay,
};
