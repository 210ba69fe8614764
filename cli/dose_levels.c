/* SPDX-License-Identifier: Apache-2.0 */
#include "dose_levels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define FACTOR_NAMES "switch, wake, device"

/* About one, and about two, of what the part costs in a program as it is: so
   that what is seen is a slope, and not another program. */
static const uint64_t usual[SY_DOSE_FACTORS][2] = {
    [SY_DOSE_SWITCH] = {200, 400},
    [SY_DOSE_WAKE] = {1 * SY_NS_PER_US, 2 * SY_NS_PER_US},
    [SY_DOSE_DEVICE] = {20 * SY_NS_PER_US, 40 * SY_NS_PER_US},
};

/* -1: no such factor. */
static int find_factor(const char *name, size_t bytes)
{
    for (int f = 0; f < SY_DOSE_FACTORS; f++) {
        const char *known = sy_dose_factor_name((enum sy_dose_factor)f);

        if (strlen(known) == bytes && strncmp(known, name, bytes) == 0)
            return f;
    }
    return -1;
}

static int read_factors(const struct option_texts *factors,
                        unsigned char chosen[SY_DOSE_FACTORS])
{
    size_t i;

    memset(chosen, factors->count == 0, SY_DOSE_FACTORS);
    for (i = 0; i < factors->count; i++) {
        const char *at = factors->item[i];

        for (;;) {
            size_t n = strcspn(at, ",");
            int f = find_factor(at, n);

            if (f < 0) {
                say("--factor: there is no factor '%.*s'; there "
                    "are " FACTOR_NAMES,
                    (int)n, at);
                return CLI_USAGE;
            }
            chosen[f] = 1;
            if (at[n] == '\0')
                break;
            at += n + 1;
        }
    }
    return -1;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* The list behind "FACTOR=". 0 is always there, and may be written. */
static int read_list(struct dose_levels *out, int f, const char *list)
{
    static const struct option dose = {
        .name = "levels", .kind = OPTION_DURATION, .max = SY_DOSE_NS_MAX};
    char text[64], why[256];
    uint64_t ns;

    out->count[f] = 0;
    for (;;) {
        size_t n = strcspn(list, ",");

        snprintf(text, sizeof(text), "%.*s", (int)n, list);
        if (strcmp(text, "0") == 0)
            ns = 0;
        else if (options_read(&dose, &ns, text, 0, why, sizeof(why)) != 0) {
            say("--levels: %s", why);
            return CLI_USAGE;
        }
        for (unsigned i = 0; i < out->count[f]; i++)
            if (out->ns[f][i] == ns)
                ns = 0; /* there already */
        if (ns != 0 && out->count[f] == DOSE_LEVELS_MAX) {
            say("--levels: more than %d doses above 0 for the factor %s",
                DOSE_LEVELS_MAX, sy_dose_factor_name((enum sy_dose_factor)f));
            return CLI_USAGE;
        }
        if (ns != 0)
            out->ns[f][out->count[f]++] = ns;
        if (list[n] == '\0')
            break;
        list += n + 1;
    }
    if (out->count[f] == 0) {
        say("--levels: no dose above 0 for the factor %s",
            sy_dose_factor_name((enum sy_dose_factor)f));
        return CLI_USAGE;
    }
    qsort(out->ns[f], out->count[f], sizeof(out->ns[f][0]), by_size);
    return -1;
}

/* The only one that was chosen, -1: there are several. */
static int only_factor(const unsigned char chosen[SY_DOSE_FACTORS])
{
    int only = -1;

    for (int f = 0; f < SY_DOSE_FACTORS; f++)
        if (chosen[f])
            only = only == -1 ? f : -2;
    return only < 0 ? -1 : only;
}

static int read_levels(struct dose_levels *out, const char *text,
                       const unsigned char chosen[SY_DOSE_FACTORS])
{
    const char *equals = strchr(text, '=');
    int f = only_factor(chosen);

    if (equals != NULL)
        f = find_factor(text, (size_t)(equals - text));
    if (equals != NULL && f < 0) {
        say("--levels: there is no factor '%.*s'; there are " FACTOR_NAMES,
            (int)(equals - text), text);
        return CLI_USAGE;
    }
    if (f < 0) {
        say("--levels: of which factor is '%s'? Write FACTOR=%s, "
            "with " FACTOR_NAMES,
            text, text);
        return CLI_USAGE;
    }
    if (!chosen[f]) {
        say("--levels: the factor %s is not among those of --factor",
            sy_dose_factor_name((enum sy_dose_factor)f));
        return CLI_USAGE;
    }
    return read_list(out, f, equals != NULL ? equals + 1 : text);
}

int dose_levels_read(struct dose_levels *out,
                     const struct option_texts *factors,
                     const struct option_texts *levels)
{
    unsigned char chosen[SY_DOSE_FACTORS];
    int status = read_factors(factors, chosen);
    size_t i;

    memset(out, 0, sizeof(*out));
    for (int f = 0; f < SY_DOSE_FACTORS && status == -1; f++) {
        if (!chosen[f])
            continue;
        out->count[f] = 2;
        memcpy(out->ns[f], usual[f], sizeof(usual[f]));
    }
    for (i = 0; i < levels->count && status == -1; i++)
        status = read_levels(out, levels->item[i], chosen);
    return status;
}

unsigned dose_levels_sets(const struct dose_levels *levels)
{
    unsigned sets = 1;

    for (int f = 0; f < SY_DOSE_FACTORS; f++)
        sets += levels->count[f];
    return sets;
}

void dose_levels_set(const struct dose_levels *levels, unsigned number,
                     struct sy_dose *dose, char *name, size_t bytes)
{
    char time[32];

    memset(dose, 0, sizeof(*dose));
    snprintf(name, bytes, "no dose");
    if (number-- == 0)
        return;
    for (int f = 0; f < SY_DOSE_FACTORS; f++) {
        if (number >= levels->count[f]) {
            number -= levels->count[f];
            continue;
        }
        dose->ns[f] = levels->ns[f][number];
        snprintf(name, bytes, "%s +%s",
                 sy_dose_factor_name((enum sy_dose_factor)f),
                 format_duration(time, sizeof(time), dose->ns[f]));
        return;
    }
}
