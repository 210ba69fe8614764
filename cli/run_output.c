/* SPDX-License-Identifier: Apache-2.0 */
#include "run_output.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "interrupt.h"

int run_output_begin(struct sy_run_file **file, const char *folder,
                     const char *subcommand, const struct sy_run_info *info)
{
    const size_t words = (size_t)info->argc;
    static char command[] = "switchyard";
    char **argv = calloc(words + 3, sizeof(*argv));
    struct sy_run_info whole = *info;
    char why[SY_RUN_PATH_BYTES + 256] = "";
    int err;

    *file = NULL;
    if (argv == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    /* What to type again; not argv[0], which may name somebody's folders. */
    argv[0] = command;
    argv[1] = (char *)(uintptr_t)subcommand; /* not written to */
    memcpy(argv + 2, info->argv, words * sizeof(*argv));
    whole.argc += 2;
    whole.argv = argv;
    if (whole.suite == NULL)
        whole.suite = whole.suite_sha256 = "";
    err = sy_run_file_create(file, folder, &whole, why, sizeof(why));
    free(argv);
    if (err == 0)
        return -1;
    say("--out: %s", why);
    return CLI_ENVIRONMENT;
}

static int is_unfinished(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot != NULL && strcmp(dot, ".tmp") == 0;
}

int run_output_end(struct sy_run_file **file, int status, uint64_t measured,
                   char *path)
{
    const int has_failed = status != -1 && status != CLI_INTERRUPTED;
    char why[SY_RUN_PATH_BYTES + 256] = "";

    path[0] = '\0';
    if (has_failed && measured == 0) {
        sy_run_file_discard(file);
        return status;
    }
    if (sy_run_file_finish(file, has_failed || interrupted != 0, path, why,
                           sizeof(why)) != 0) {
        say("--out: cannot write the run file: %s", why);
        say("%s has what was measured before%s", path,
            is_unfinished(path) ? ", but no end" : "");
        return CLI_ENVIRONMENT;
    }
    return status;
}

int run_output_say(int status, const char *path, const char *done)
{
    if (interrupted)
        say("interrupted: what was %s until then is saved", done);
    if (path[0] != '\0')
        say("wrote %s", path);
    return interrupted && status != CLI_ENVIRONMENT ? CLI_INTERRUPTED : status;
}
