/* SPDX-License-Identifier: Apache-2.0 */
/* The switchers and engines that were built in: tables, names, probes. */
#include "core.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

extern const struct sy_switcher_ops *const sy_switchers[];
extern const struct sy_engine_ops *const sy_engines[];

const struct sy_switcher_ops *const *sy_switcher_table(void)
{
    return sy_switchers;
}

const struct sy_engine_ops *const *sy_engine_table(void)
{
    return sy_engines;
}

const struct sy_switcher_ops *sy_switcher_find(const char *name)
{
    for (size_t i = 0; sy_switchers[i] != NULL; i++) {
        if (strcmp(sy_switchers[i]->name, name) == 0)
            return sy_switchers[i];
    }
    return NULL;
}

bool sy__engine_variant(const struct sy_engine_ops *ops, const char *name,
                        const char **variant)
{
    *variant = NULL;
    if (ops->variants == NULL)
        return name == NULL;
    for (size_t i = 0; ops->variants[i] != NULL; i++) {
        if (name == NULL || strcmp(ops->variants[i], name) == 0) {
            *variant = ops->variants[i];
            return true;
        }
    }
    return false;
}

const char *sy__engine_variant_in(const char *name)
{
    const char *plus = name != NULL ? strchr(name, '+') : NULL;

    return plus != NULL ? plus + 1 : NULL;
}

const struct sy_engine_ops *sy_engine_find(const char *name,
                                           const char **variant)
{
    size_t bytes = strcspn(name, "+");

    *variant = NULL;
    for (size_t i = 0; sy_engines[i] != NULL; i++) {
        if (strncmp(sy_engines[i]->name, name, bytes) == 0 &&
            sy_engines[i]->name[bytes] == '\0')
            return sy__engine_variant(sy_engines[i],
                                      sy__engine_variant_in(name), variant)
                       ? sy_engines[i]
                       : NULL;
    }
    return NULL;
}

static int refuse(char *why, size_t why_bytes, int err, const char *words)
{
    snprintf(why, why_bytes, "%s", words);
    return err;
}

int sy_switcher_probe(const struct sy_switcher_ops *ops, char *why,
                      size_t why_bytes)
{
    refuse(why, why_bytes, 0, "");
    if (ops->abi != SY_SWITCHER_ABI) {
        snprintf(why, why_bytes,
                 "built for switcher ABI %u, this library has %u",
                 (unsigned)ops->abi, (unsigned)SY_SWITCHER_ABI);
        return -EPROTO;
    }
    if (ops->name == NULL || ops->summary == NULL)
        return refuse(why, why_bytes, -EPROTO, "has no name or no summary");
    if (ops->probe == NULL || ops->start == NULL)
        return refuse(why, why_bytes, -EPROTO,
                      "lacks a required hook: probe, start");
    if ((ops->caps & SY_SW_CAN_PAUSE) != 0 && ops->swap == NULL)
        return refuse(why, why_bytes, -EPROTO,
                      "says that it can pause and has no swap hook");
    if ((ops->prepare == NULL) != (ops->release == NULL))
        return refuse(why, why_bytes, -EPROTO,
                      "has only one of the hooks prepare and release");
    if (ops->ctx_bytes == 0 || ops->ctx_bytes > SY_SWITCHER_CTX_MAX_BYTES) {
        snprintf(why, why_bytes, "ctx_bytes is %zu; accepted: 1 to %d",
                 ops->ctx_bytes, SY_SWITCHER_CTX_MAX_BYTES);
        return -EPROTO;
    }
    if ((ops->caps & SY_SW_OWN_STACK) == 0 && ops->ctx_bytes > SY_CACHE_LINE)
        return refuse(why, why_bytes, -EPROTO,
                      "needs SY_SW_OWN_STACK for a context of more than 64 "
                      "bytes");
    if (ops->saved_sp != 0 && (ops->ctx_bytes > SY_CACHE_LINE ||
                               ops->saved_sp % sizeof(void *) != 0 ||
                               ops->saved_sp + sizeof(void *) > ops->ctx_bytes))
        return refuse(why, why_bytes, -EPROTO,
                      "saved_sp names no word of a context of at most 64 "
                      "bytes");
    return ops->probe(why, why_bytes);
}

int sy_engine_probe(const struct sy_engine_ops *ops, const char *variant,
                    char *why, size_t why_bytes)
{
    const char *found;

    refuse(why, why_bytes, 0, "");
    if (ops->abi != SY_ENGINE_ABI) {
        snprintf(why, why_bytes, "built for engine ABI %u, this library has %u",
                 (unsigned)ops->abi, (unsigned)SY_ENGINE_ABI);
        return -EPROTO;
    }
    if (ops->name == NULL || ops->summary == NULL)
        return refuse(why, why_bytes, -EPROTO, "has no name or no summary");
    if (ops->probe == NULL || ops->open == NULL || ops->close == NULL ||
        ops->wake == NULL || ops->wait == NULL)
        return refuse(why, why_bytes, -EPROTO,
                      "lacks a required hook: probe, open, close, wake, wait");
    if ((ops->caps & SY_EN_POLLABLE) != 0 && ops->fd == NULL)
        return refuse(why, why_bytes, -EPROTO,
                      "says that it is pollable and has no fd hook");
    if (!sy__engine_variant(ops, variant, &found)) {
        snprintf(why, why_bytes, "has no variant \"%s\"", variant);
        return -ENOENT;
    }
    return ops->probe(found, why, why_bytes);
}
