/* SPDX-License-Identifier: Apache-2.0 */
#include "shard.h"

#include <stdlib.h>
#include <string.h>

#include "../bench/load/run_file.h"
#include "command.h"

/* Digits only: strtoul() would take "-1" and " 1". Returns 0 for anything that
   is not 1 .. SHARDS_MAX. */
static unsigned read_number(const char *text, size_t bytes)
{
    unsigned long value;

    if (bytes == 0 || bytes > 4 || strspn(text, "0123456789") < bytes)
        return 0;
    value = strtoul(text, NULL, 10);
    return value <= SHARDS_MAX ? (unsigned)value : 0;
}

int shard_read(struct shard *shard, const char *text, const char *run_id)
{
    const char *slash;

    shard->index = shard->of = 1;
    if (run_id != NULL && !sy_run_file_is_id(run_id)) {
        say("--run-id: '%s' is not " SY_RUN_FILE_ID_WORDS, run_id);
        return CLI_USAGE;
    }
    if (text == NULL)
        return -1;
    slash = strchr(text, '/');
    if (slash != NULL) {
        shard->index = read_number(text, (size_t)(slash - text));
        shard->of = read_number(slash + 1, strlen(slash + 1));
    }
    if (slash == NULL || shard->index == 0 || shard->of == 0 ||
        shard->index > shard->of) {
        say("--shard: '%s' is not I/N, with N 1 .. %d and I 1 .. N, as 2/3",
            text, SHARDS_MAX);
        return CLI_USAGE;
    }
    if (shard->of > 1 && run_id == NULL) {
        say("--shard: shards of one run have one name: give --run-id NAME, "
            "the same to each");
        return CLI_USAGE;
    }
    return -1;
}

int shard_check(const struct shard *shard, size_t count, const char *what)
{
    if (shard->of <= 1 || shard->of <= count)
        return -1;
    say("--shard: %zu %s cannot be divided into %u shards; N is 1 .. %zu here",
        count, what, shard->of, count);
    return CLI_USAGE;
}

int shard_has(const struct shard *shard, size_t i)
{
    return shard->of <= 1 || i % shard->of == shard->index - 1;
}

size_t shard_share(const struct shard *shard, size_t count)
{
    return (count + shard->of - shard->index) / shard->of;
}

void shard_say_next(const struct shard *shard, const char *path)
{
    const char *end = strrchr(path, '/');

    if (shard->of > 1 && end != NULL)
        say("this is shard %u of %u; when all are there: %s merge %.*s",
            shard->index, shard->of, program(), (int)(end - path), path);
}
