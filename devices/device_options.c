/* SPDX-License-Identifier: Apache-2.0 */
#include "device_options.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/clock.h>

/* One bit per option records which have been given. */
#define OPTIONS_MAX 32

void sy__explain(char *why, size_t why_bytes, const char *format, ...)
{
    va_list args;

    if (why_bytes == 0)
        return;
    va_start(args, format);
    vsnprintf(why, why_bytes, format, args);
    va_end(args);
}

/* Read digits up to the first other byte; strtoull() would accept spaces and a
   sign, and turn "-1" into a huge number. */
static int read_digits(const char **text, uint64_t *value)
{
    const char *at = *text;

    *value = 0;
    if (*at < '0' || *at > '9')
        return -EINVAL;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        if (*value > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        *value = *value * 10 + digit;
    }
    *text = at;
    return 0;
}

/* Read ".digits" as billionths; nothing there is 0. */
static int read_fraction(const char **text, uint64_t *billionths)
{
    const char *at = *text;
    uint64_t unit = 100000000;

    *billionths = 0;
    if (*at != '.')
        return 0;
    at++;
    if (*at < '0' || *at > '9')
        return -EINVAL;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (unit == 0)
            return -EINVAL;
        *billionths += (uint64_t)(*at - '0') * unit;
        unit /= 10;
    }
    *text = at;
    return 0;
}

int sy__parse_count(const char *text, uint64_t *count)
{
    uint64_t value, factor = 1;
    int err = read_digits(&text, &value);

    *count = 0;
    if (err != 0)
        return err;
    if (*text == 'K' || *text == 'M') {
        factor = *text == 'K' ? 1024 : 1024 * 1024;
        text++;
    }
    if (*text != '\0')
        return -EINVAL;
    if (value > UINT64_MAX / factor)
        return -ERANGE;
    *count = value * factor;
    return 0;
}

int sy__parse_ns(const char *text, uint64_t *ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},
                 {"us", SY_NS_PER_US},
                 {"ms", SY_NS_PER_MS},
                 {"s", SY_NS_PER_S}};
    uint64_t value, billionths;
    int err;

    *ns = 0;
    err = read_digits(&text, &value);
    if (err != 0)
        return err;
    err = read_fraction(&text, &billionths);
    if (err != 0)
        return err;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        uint64_t part = billionths * units[i].ns;

        if (strcmp(text, units[i].name) != 0)
            continue;
        if (part % SY_NS_PER_S != 0)
            return -EINVAL;
        part /= SY_NS_PER_S;
        if (value > (UINT64_MAX - part) / units[i].ns)
            return -ERANGE;
        *ns = value * units[i].ns + part;
        return 0;
    }
    return -EINVAL;
}

int sy__parse_decimal(const char *text, double *value)
{
    uint64_t whole, billionths;
    int err;

    *value = 0;
    err = read_digits(&text, &whole);
    if (err != 0)
        return err;
    err = read_fraction(&text, &billionths);
    if (err != 0)
        return err;
    if (*text != '\0')
        return -EINVAL;
    if (whole >= 1000000000)
        return -ERANGE;
    *value = (double)whole + (double)billionths / 1e9;
    return 0;
}

static int take_value(const char *device, const struct sy__option *option,
                      const char *value, char *why, size_t why_bytes)
{
    if (option->take != NULL)
        return option->take(option->to, value, why, why_bytes);
    if (option->count != NULL) {
        uint64_t count;
        int err = sy__parse_count(value, &count);

        if (err == 0 && count >= option->min && count <= option->max) {
            *option->count = count;
            return 0;
        }
        sy__explain(why, why_bytes, "%s: %s=%s: %s; accepted: %s", device,
                    option->key, value,
                    err == -EINVAL ? "not a number" : "out of range",
                    option->accepts);
        return -EINVAL;
    }
    for (unsigned i = 0; option->words[i] != NULL; i++) {
        if (strcmp(value, option->words[i]) == 0) {
            *option->word = i;
            return 0;
        }
    }
    sy__explain(why, why_bytes, "%s: %s=%s: unknown word; accepted: %s", device,
                option->key, value, option->accepts);
    return -EINVAL;
}

static int explain_unknown(const char *device, const char *key,
                           size_t key_bytes, const struct sy__option *options,
                           size_t count, char *why, size_t why_bytes)
{
    char known[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < count && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
                                 i == 0 ? "" : ", ", options[i].key);
    sy__explain(why, why_bytes, "%s: unknown option \"%.*s\"; accepted: %s",
                device, (int)(key_bytes > 64 ? 64 : key_bytes), key, known);
    return -EINVAL;
}

/* Which option is text about? Returns its index, or count. */
static size_t find_option(const char *key, size_t key_bytes,
                          const struct sy__option *options, size_t count)
{
    size_t i = 0;

    while (i < count && (strlen(options[i].key) != key_bytes ||
                         memcmp(options[i].key, key, key_bytes) != 0))
        i++;
    return i;
}

/* Parse one "key=value"; the key may be missing if it is the first. */
static int parse_part(const char *device, const char *part, size_t bytes,
                      int is_first, uint32_t *given,
                      const struct sy__option *options, size_t count, char *why,
                      size_t why_bytes)
{
    const char *equals = memchr(part, '=', bytes);
    const char *from = equals != NULL ? equals + 1 : part;
    size_t key_bytes = equals != NULL ? (size_t)(equals - part) : 0;
    size_t value_bytes = bytes - (size_t)(from - part), i = 0;
    char value[SY__OPTION_VALUE_BYTES];

    if (equals == NULL && !is_first) {
        sy__explain(why, why_bytes, "%s: \"%.*s\" is not of the form key=value",
                    device, (int)(bytes > 64 ? 64 : bytes), part);
        return -EINVAL;
    }
    if (equals != NULL)
        i = find_option(part, key_bytes, options, count);
    if (i == count)
        return explain_unknown(device, part, key_bytes, options, count, why,
                               why_bytes);
    if ((*given & (1u << i)) != 0) {
        sy__explain(why, why_bytes, "%s: %s: given twice", device,
                    options[i].key);
        return -EINVAL;
    }
    *given |= 1u << i;
    if (value_bytes == 0 || value_bytes >= sizeof(value)) {
        sy__explain(why, why_bytes, "%s: %s: %s; accepted: %s", device,
                    options[i].key,
                    value_bytes == 0 ? "no value" : "value too long",
                    options[i].accepts);
        return -EINVAL;
    }
    memcpy(value, from, value_bytes);
    value[value_bytes] = '\0';
    return take_value(device, &options[i], value, why, why_bytes);
}

int sy__options_parse(const char *device, const char *text,
                      const struct sy__option *options, size_t count, char *why,
                      size_t why_bytes)
{
    const char *at = text;
    uint32_t given = 0;

    assert(count <= OPTIONS_MAX);
    if (*text == '\0')
        return 0;
    for (;;) {
        size_t bytes = strcspn(at, ",");
        int err;

        if (bytes == 0) {
            sy__explain(why, why_bytes, "%s: empty option in \"%.200s\"",
                        device, text);
            return -EINVAL;
        }
        err = parse_part(device, at, bytes, at == text, &given, options, count,
                         why, why_bytes);
        if (err != 0)
            return err;
        if (at[bytes] == '\0')
            return 0;
        at += bytes + 1;
    }
}
