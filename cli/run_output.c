/* SPDX-License-Identifier: Apache-2.0 */
#include "run_output.h"

#include "command.h"
#include "interrupt.h"

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
        say("%s has no end, but what was measured before", path);
        return CLI_ENVIRONMENT;
    }
    return status;
}
