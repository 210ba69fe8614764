/* SPDX-License-Identifier: Apache-2.0 */
#include "json_values.h"

#include <stdlib.h>
#include <string.h>

json_t *sy__json_text(const char *s)
{
    json_t *value;
    char *copy;

    if (s == NULL || s[0] == '\0')
        return json_null();
    value = json_string(s);
    if (value != NULL)
        return value;
    copy = strdup(s);
    if (copy == NULL)
        return NULL;
    for (char *p = copy; *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    }
    value = json_string(copy);
    free(copy);
    return value;
}

json_t *sy__json_number(uint64_t value)
{
    return json_integer((json_int_t)value);
}
