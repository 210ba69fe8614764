/* SPDX-License-Identifier: Apache-2.0 */
/* Which switcher and which engine a new runtime gets, and why. */
#include "core.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 64
#define WHY_BYTES      160

extern const struct sy_switcher_ops *const sy_switchers[];
extern const struct sy_engine_ops *const sy_engines[];

/* Read once, when the library is loaded: later the program may have cleaned
   its environment, changed its root or dropped its privileges. */
static struct {
    char switcher[NAME_MAX_BYTES];
    char engine[NAME_MAX_BYTES];
    char guard[NAME_MAX_BYTES];
    uint64_t spin_ns;
    bool has_spin_ns;
    bool explain;
} environment;

static pthread_mutex_t lock_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool is_set;
    char switcher[NAME_MAX_BYTES];
    char engine[NAME_MAX_BYTES];
} locked;

static void copy_name(char *to, const char *name)
{
    if (name != NULL)
        snprintf(to, NAME_MAX_BYTES, "%s", name);
}

/* A decimal number up to max, and nothing else. */
static bool read_number(uint64_t *out, const char *text, uint64_t max)
{
    uint64_t n = 0;

    if (text == NULL || *text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        n = n * 10 + (uint64_t)(*text - '0');
        if (n > max)
            return false;
    }
    *out = n;
    return true;
}

SY_CONSTRUCTOR static void read_environment(void)
{
    const char *explain = secure_getenv("SWITCHYARD_EXPLAIN");

    copy_name(environment.switcher, secure_getenv("SWITCHYARD_SWITCHER"));
    copy_name(environment.engine, secure_getenv("SWITCHYARD_ENGINE"));
    copy_name(environment.guard, secure_getenv("SWITCHYARD_GUARD"));
    environment.has_spin_ns =
        read_number(&environment.spin_ns, secure_getenv("SWITCHYARD_SPIN_NS"),
                    SY_SPIN_NS_MAX);
    environment.explain = explain != NULL && strcmp(explain, "1") == 0;
}

void sy__choice_lock(void)
{
    pthread_mutex_lock(&lock_mutex);
}

void sy__choice_unlock(void)
{
    pthread_mutex_unlock(&lock_mutex);
}

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

/* The constant name of a variant; name NULL: the first. False: no such. */
static bool find_variant(const struct sy_engine_ops *ops, const char *name,
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

static const char *after_plus(const char *name)
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
            return find_variant(sy_engines[i], after_plus(name), variant)
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
    if (!find_variant(ops, variant, &found)) {
        snprintf(why, why_bytes, "has no variant \"%s\"", variant);
        return -ENOENT;
    }
    return ops->probe(found, why, why_bytes);
}

int sy_lock_choice(const char *switcher, const char *engine)
{
    const char *variant;
    int err = 0;

    if (switcher != NULL && sy_switcher_find(switcher) == NULL)
        return -ENOENT;
    if (engine != NULL && sy_engine_find(engine, &variant) == NULL)
        return -ENOENT;
    sy__choice_lock();
    if (locked.is_set) {
        err = -EBUSY;
    } else {
        copy_name(locked.switcher, switcher);
        copy_name(locked.engine, engine);
        locked.is_set = true;
    }
    sy__choice_unlock();
    return err;
}

/* Who decided, the weakest first. */
enum source { BY_DEFAULT, BY_ENVIRONMENT, BY_CONFIG, BY_BINDING, BY_LOCK };

static const char *const source_names[] = {
    [BY_DEFAULT] = "default", [BY_ENVIRONMENT] = "environment",
    [BY_CONFIG] = "config",   [BY_BINDING] = "binding",
    [BY_LOCK] = "lock",
};

/* A name and where it comes from; name NULL: nobody said anything. */
struct wish {
    const char *name;
    enum source source;
};

static struct wish wish_for(const char *lock, const char *config,
                            const char *env, bool use_env)
{
    if (lock[0] != '\0')
        return (struct wish){lock, BY_LOCK};
    if (config != NULL)
        return (struct wish){config, BY_CONFIG};
    if (use_env && env[0] != '\0')
        return (struct wish){env, BY_ENVIRONMENT};
    return (struct wish){NULL, BY_DEFAULT};
}

static int choose_switcher(struct sy__choice *out, struct wish wish, char *why)
{
    if (wish.name != NULL) {
        out->sw = sy_switcher_find(wish.name);
        if (out->sw == NULL) {
            snprintf(why, WHY_BYTES, "no such switcher");
            return -ENOENT;
        }
        return sy_switcher_probe(out->sw, why, WHY_BYTES);
    }
    for (size_t i = 0; sy_switchers[i] != NULL; i++) {
        out->sw = sy_switchers[i];
        if (sy_switcher_probe(out->sw, why, WHY_BYTES) == 0)
            return 0;
    }
    return -ENOTSUP;
}

static int choose_engine(struct sy__choice *out, struct wish wish, char *why)
{
    if (wish.name != NULL) {
        out->engine = sy_engine_find(wish.name, &out->variant);
        if (out->engine == NULL) {
            snprintf(why, WHY_BYTES, "no such engine or variant");
            return -ENOENT;
        }
        return sy_engine_probe(out->engine, out->variant, why, WHY_BYTES);
    }
    for (size_t i = 0; sy_engines[i] != NULL; i++) {
        out->engine = sy_engines[i];
        find_variant(out->engine, NULL, &out->variant);
        if (sy_engine_probe(out->engine, out->variant, why, WHY_BYTES) == 0)
            return 0;
    }
    return -ENOTSUP;
}

static int use_switcher_ops(struct sy__choice *out,
                            const struct sy_runtime_config *cfg, char *why)
{
    out->sw = cfg->switcher_ops;
    return sy_switcher_probe(out->sw, why, WHY_BYTES);
}

static int use_engine_ops(struct sy__choice *out,
                          const struct sy_runtime_config *cfg, char *why)
{
    const char *variant = after_plus(cfg->engine);
    int err = sy_engine_probe(cfg->engine_ops, variant, why, WHY_BYTES);

    out->engine = cfg->engine_ops;
    if (err == 0)
        (void)find_variant(out->engine, variant, &out->variant);
    return err;
}

/* One line of SWITCHYARD_EXPLAIN=1. */
static void explain(const char *kind, const char *name, const char *variant,
                    enum source source, const char *why)
{
    fprintf(stderr, "switchyard: %-8s %s%s%s, by %s%s%s\n", kind,
            name != NULL ? name : "none", variant != NULL ? "+" : "",
            variant != NULL ? variant : "", source_names[source],
            why[0] != '\0' ? ": refused: " : "", why);
}

const char *sy__environment_guard(void)
{
    return environment.guard;
}

bool sy__environment_spin_ns(uint64_t *ns)
{
    *ns = environment.spin_ns;
    return environment.has_spin_ns;
}

void sy__choice_explain(const char *kind, const char *words)
{
    if (environment.explain)
        fprintf(stderr, "switchyard: %-8s %s\n", kind, words);
}

/* What remains of a wish in a program that is bound to one switcher. */
static int bind(struct wish *sw, const char *bound, char *why)
{
    if (sw->name != NULL && sw->source != BY_ENVIRONMENT &&
        strcmp(sw->name, bound) != 0) {
        if (sy_switcher_find(sw->name) == NULL)
            return 0; /* for choose_switcher() to refuse */
        snprintf(why, WHY_BYTES, "the program is bound to %s", bound);
        return -ENOTSUP;
    }
    *sw = (struct wish){bound, BY_BINDING};
    return 0;
}

int sy__choose(struct sy__choice *out, const struct sy_runtime_config *cfg,
               const char *bound)
{
    bool use_env = (cfg->flags & SY_RT_NO_ENVIRONMENT) == 0;
    struct wish sw, engine;
    char why[WHY_BYTES] = "";
    int err;

    *out = (struct sy__choice){0};
    sy__choice_lock(); /* the names do not change once set */
    sw =
        wish_for(locked.switcher, cfg->switcher, environment.switcher, use_env);
    engine = wish_for(locked.engine, cfg->engine, environment.engine, use_env);
    sy__choice_unlock();

    if (cfg->switcher_ops != NULL && sw.source != BY_LOCK)
        sw = (struct wish){cfg->switcher_ops->name, BY_CONFIG};
    if (bound != NULL) {
        err = bind(&sw, bound, why);
        if (err == 0)
            err = choose_switcher(out, sw, why);
    } else if (cfg->switcher_ops != NULL && sw.source != BY_LOCK) {
        err = use_switcher_ops(out, cfg, why);
    } else {
        err = choose_switcher(out, sw, why);
    }
    if (use_env && environment.explain)
        explain("switcher", out->sw != NULL ? out->sw->name : sw.name, NULL,
                sw.source, why);
    if (err != 0)
        return err;

    if (cfg->engine_ops != NULL && engine.source != BY_LOCK) {
        engine = (struct wish){cfg->engine_ops->name, BY_CONFIG};
        err = use_engine_ops(out, cfg, why);
    } else {
        err = choose_engine(out, engine, why);
    }
    if (use_env && environment.explain)
        explain("engine", out->engine != NULL ? out->engine->name : engine.name,
                out->variant, engine.source, why);
    if (err != 0)
        return err;
    out->reason =
        source_names[sw.source < engine.source ? sw.source : engine.source];
    return 0;
}
