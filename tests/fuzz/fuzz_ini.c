/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text at all: the parser stays within bounds, hands out only what the
 * header promises, and says where it stopped exactly when it stopped.
 */
#undef NDEBUG /* a broken assertion is what the fuzzer looks for */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <switchyard/ini.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct seen {
    unsigned line;
    size_t bytes;
    unsigned stop_after; /* items; 0: never */
};

static void check_text(struct seen *seen, const char *s)
{
    size_t i, n = strlen(s);

    assert(n <= SY_INI_LINE_MAX_BYTES);
    for (i = 0; i < n; i++)
        assert((unsigned char)s[i] >= 32 || s[i] == '\t');
    seen->bytes += n;
}

static int take(void *user, const struct sy_ini_item *item)
{
    struct seen *seen = user;

    assert(item->line >= 1 && item->line > seen->line);
    seen->line = item->line;
    assert(item->section != NULL && item->section[0] != '\0');
    check_text(seen, item->section);
    if (item->argument != NULL)
        check_text(seen, item->argument);
    assert((item->key == NULL) == (item->value == NULL));
    if (item->key != NULL) {
        assert(item->key[0] != '\0');
        check_text(seen, item->key);
        check_text(seen, item->value);
    }
    if (seen->stop_after != 0 && --seen->stop_after == 0)
        return 7;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct seen seen = {0, 0, bytes != 0 ? data[0] % 8u : 0};
    unsigned line = 12345;
    const char *why = "unset";
    int result;

    result = sy_ini_parse((const char *)data, bytes, take, &seen, &line, &why);
    assert(result == 0 || result == -EINVAL || result == 7);
    assert((result == 0) == (line == 0));
    assert((result == -EINVAL) == (why != NULL));
    return 0;
}
