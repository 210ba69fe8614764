/* SPDX-License-Identifier: Apache-2.0 */
#include <switchyard/workload.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void explain(char *why, size_t why_bytes, const char *format, ...)
    SY_PRINTF(3, 4);

static void explain(char *why, size_t why_bytes, const char *format, ...)
{
    va_list args;

    if (why_bytes == 0)
        return;
    va_start(args, format);
    vsnprintf(why, why_bytes, format, args);
    va_end(args);
}

/* Digits with an optional K or M; anything else, and more than fits, is no
   size. Returns 1 or 0. */
static int parse_size(const char *text, size_t *size)
{
    size_t value = 0, factor = 1;

    if (*text < '0' || *text > '9')
        return 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        size_t digit = (size_t)(*text - '0');

        if (value > (SIZE_MAX - digit) / 10)
            return 0;
        value = value * 10 + digit;
    }
    if (*text == 'K' || *text == 'M') {
        factor = *text == 'K' ? 1024 : 1024 * 1024;
        text++;
    }
    if (*text != '\0' || value > SIZE_MAX / factor)
        return 0;
    *size = value * factor;
    return 1;
}

static const struct sy_workload_ops *find(const char *name, size_t bytes)
{
    const struct sy_workload_ops *const *table = sy_workload_table();

    for (; *table != NULL; table++)
        if (strlen((*table)->name) == bytes &&
            memcmp((*table)->name, name, bytes) == 0)
            return *table;
    return NULL;
}

static void explain_unknown(const char *name, size_t bytes, char *why,
                            size_t why_bytes)
{
    const struct sy_workload_ops *const *table = sy_workload_table();
    char known[512] = "";
    size_t used = 0;

    for (size_t i = 0; table[i] != NULL && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
                                 i == 0 ? "" : ", ", table[i]->name);
    explain(why, why_bytes, "no workload \"%.*s\"; there are: %s",
            (int)(bytes > 64 ? 64 : bytes), name, known);
}

const struct sy_workload_ops *sy_workload_find(const char *name,
                                               size_t *param_bytes, char *why,
                                               size_t why_bytes)
{
    size_t bytes = strcspn(name, "@");
    const struct sy_workload_ops *ops = find(name, bytes);

    *param_bytes = 0;
    explain(why, why_bytes, "%s", "");
    if (ops == NULL) {
        explain_unknown(name, bytes, why, why_bytes);
        return NULL;
    }
    if (name[bytes] == '\0') {
        *param_bytes = ops->param_default;
        return ops;
    }
    if (ops->param_default == 0) {
        explain(why, why_bytes, "%s: takes no @N", ops->name);
        return NULL;
    }
    if (!parse_size(name + bytes + 1, param_bytes) ||
        *param_bytes < ops->param_min || *param_bytes > ops->param_max) {
        *param_bytes = 0;
        explain(why, why_bytes,
                "%s: \"@%.64s\" is not accepted; N is %zu .. "
                "%zu, K and M multiply by 1024 and 1048576",
                ops->name, name + bytes + 1, ops->param_min, ops->param_max);
        return NULL;
    }
    return ops;
}
