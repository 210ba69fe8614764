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
    sy__profile_load();
}

void sy__choice_lock(void)
{
    pthread_mutex_lock(&lock_mutex);
}

void sy__choice_unlock(void)
{
    pthread_mutex_unlock(&lock_mutex);
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
enum source {
    BY_DEFAULT,
    BY_FALLBACK,
    BY_PROFILE,
    BY_ENVIRONMENT,
    BY_CONFIG,
    BY_BINDING,
    BY_LOCK_OF_PROFILE,
    BY_LOCK,
};

static const char *const source_names[] = {
    [BY_DEFAULT] = "default",      [BY_FALLBACK] = "fallback",
    [BY_PROFILE] = "profile",      [BY_ENVIRONMENT] = "environment",
    [BY_CONFIG] = "config",        [BY_BINDING] = "binding",
    [BY_LOCK_OF_PROFILE] = "lock", [BY_LOCK] = "lock",
};

/* A name and where it comes from; name NULL: nobody said anything. */
struct wish {
    const char *name;
    enum source source;
};

/* The strongest of what was said, by source. NULL says nothing; so does "", but
   for a program's: that is a name like any other, and refused. */
static struct wish strongest(const char *const said[])
{
    enum source by = BY_LOCK;

    while (by > BY_DEFAULT &&
           (said[by] == NULL || (said[by][0] == '\0' && by != BY_CONFIG)))
        by--;
    return (struct wish){said[by], by};
}

/* What a choice is made from. */
struct chooser {
    struct sy__choice *out;
    const struct sy_runtime_config *cfg;
    const struct sy_profile *profile; /* that counts here; NULL: none */
    bool use_env, must_be_same_thread;
    char why[WHY_BYTES]; /* the last refusal */
};

static int refuse(struct chooser *c, int err, const char *words)
{
    snprintf(c->why, sizeof(c->why), "%s", words);
    return err;
}

static int probe_switcher(struct chooser *c, const struct sy_switcher_ops *ops)
{
    c->out->sw = ops;
    if (c->must_be_same_thread && (ops->caps & SY_SW_SAME_THREAD) == 0)
        return refuse(c, -ENOTSUP,
                      "its jobs do not run on the thread that starts them");
    return sy_switcher_probe(ops, c->why, WHY_BYTES);
}

static int try_switcher(struct chooser *c, const struct wish *wish)
{
    const struct sy_switcher_ops *ops = sy_switcher_find(wish->name);

    if (c->cfg->switcher_ops != NULL && wish->source == BY_CONFIG)
        return probe_switcher(c, c->cfg->switcher_ops);
    c->out->sw = NULL;
    if (ops == NULL)
        return refuse(c, -ENOENT, "no such switcher");
    return probe_switcher(c, ops);
}

static int first_switcher(struct chooser *c)
{
    const struct sy_switcher_ops *const *ops = sy_switcher_table();

    for (; *ops != NULL; ops++) {
        if (probe_switcher(c, *ops) == 0)
            return 0;
    }
    return -ENOTSUP;
}

static int probe_engine(struct chooser *c, const struct sy_engine_ops *ops,
                        const char *variant)
{
    c->out->engine = ops;
    c->out->variant = variant;
    return sy_engine_probe(ops, variant, c->why, WHY_BYTES);
}

/* The config's own table; its variant, if any, is in the config's name. */
static int probe_engine_ops(struct chooser *c)
{
    const char *variant = sy__engine_variant_in(c->cfg->engine);
    int err = probe_engine(c, c->cfg->engine_ops, variant);

    if (err == 0)
        (void)sy__engine_variant(c->cfg->engine_ops, variant, &c->out->variant);
    return err;
}

static int try_engine(struct chooser *c, const struct wish *wish)
{
    const char *variant;
    const struct sy_engine_ops *ops = sy_engine_find(wish->name, &variant);

    if (c->cfg->engine_ops != NULL && wish->source == BY_CONFIG)
        return probe_engine_ops(c);
    c->out->engine = NULL;
    c->out->variant = NULL;
    if (ops == NULL)
        return refuse(c, -ENOENT, "no such engine or variant");
    return probe_engine(c, ops, variant);
}

static int first_engine(struct chooser *c)
{
    const struct sy_engine_ops *const *ops = sy_engine_table();

    for (; *ops != NULL; ops++) {
        const char *variant;

        sy__engine_variant(*ops, NULL, &variant);
        if (probe_engine(c, *ops, variant) == 0)
            return 0;
    }
    return -ENOTSUP;
}

/* How a part of one kind is found. */
struct kind {
    const char *name;
    int (*try)(struct chooser *c, const struct wish *wish);
    int (*first)(struct chooser *c);
};

static const struct kind switchers = {"switcher", try_switcher, first_switcher};
static const struct kind engines = {"engine", try_engine, first_engine};

/* Write the name of what was found of a kind, its variant too; "": nothing. */
static void write_found(char *to, size_t bytes, const struct chooser *c,
                        const struct kind *kind)
{
    const char *name = "", *variant = NULL;

    if (kind == &switchers) {
        if (c->out->sw != NULL)
            name = c->out->sw->name;
    } else if (c->out->engine != NULL) {
        name = c->out->engine->name;
        variant = c->out->variant;
    }
    snprintf(to, bytes, "%s%s%s", name, variant != NULL ? "+" : "",
             variant != NULL ? variant : "");
}

/* The profile's first wish does not work here: its others, in order, and then
   what is built in. */
static int fall_back(struct chooser *c, const struct kind *kind,
                     const char (*names)[SY_PROFILE_NAME_BYTES],
                     struct wish *wish)
{
    char words[1024];
    int n =
        snprintf(words, sizeof(words), "%s: its %s %s is refused: %s; using ",
                 sy__profile_note(c->use_env), kind->name, wish->name, c->why);
    int err = -ENOTSUP;

    wish->source = BY_FALLBACK;
    for (size_t i = 0; i < SY_PROFILE_FALLBACKS_MAX && names[i][0] != '\0';
         i++) {
        wish->name = names[i];
        err = kind->try(c, wish);
        if (err == 0)
            break;
    }
    if (err != 0) {
        *wish = (struct wish){NULL, BY_DEFAULT};
        err = kind->first(c);
    }
    if (err == 0) {
        write_found(words + n, sizeof(words) - (size_t)n, c, kind);
        sy__profile_say(words);
    }
    return err;
}

static int choose(struct chooser *c, const struct kind *kind, struct wish *wish)
{
    int err;

    if (wish->name == NULL)
        return kind->first(c);
    err = kind->try(c, wish);
    if (err == 0 || wish->source != BY_PROFILE)
        return err;
    return fall_back(c, kind,
                     kind == &switchers ? c->profile->fallback_switchers
                                        : c->profile->fallback_engines,
                     wish);
}

/* One line of SWITCHYARD_EXPLAIN=1. */
static void explain(const struct chooser *c, const struct kind *kind,
                    const struct wish *wish, int err)
{
    char found[2 * NAME_MAX_BYTES];
    const char *name = found, *why = err != 0 ? c->why : "";

    if (!c->use_env || !environment.explain)
        return;
    write_found(found, sizeof(found), c, kind);
    if (found[0] == '\0')
        name = wish->name != NULL ? wish->name : "none";
    fprintf(stderr, "switchyard: %-8s %s, by %s%s%s\n", kind->name, name,
            source_names[wish->source], why[0] != '\0' ? ": refused: " : "",
            why);
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
    if (sw->name == NULL || strcmp(sw->name, bound) == 0) {
        *sw = (struct wish){bound, BY_BINDING};
        return 0;
    }
    if (sw->source == BY_ENVIRONMENT || sw->source == BY_PROFILE) {
        char words[2 * NAME_MAX_BYTES + 64];

        snprintf(words, sizeof(words),
                 "%s, by %s, refused: the program is bound to %s", sw->name,
                 source_names[sw->source], bound);
        sy__choice_explain("switcher", words);
        *sw = (struct wish){bound, BY_BINDING};
        return 0;
    }
    if (sy_switcher_find(sw->name) == NULL)
        return 0; /* for choose() to refuse */
    snprintf(why, WHY_BYTES, "the program is bound to %s", bound);
    return -ENOTSUP;
}

static uint32_t expected_jobs(const struct sy_runtime_config *cfg)
{
    if (cfg->jobs_expected != 0)
        return cfg->jobs_expected;
    return cfg->jobs_max != 0 ? cfg->jobs_max : cfg->jobs_init;
}

/* What everyone said about the switcher, and about the engine. */
static void hear(const struct chooser *c,
                 const struct sy_profile_choice *choice, struct wish *sw,
                 struct wish *engine)
{
    const struct sy_runtime_config *cfg = c->cfg;
    const struct sy_profile *p = c->profile;

    *sw = strongest((const char *const[]){
        [BY_LOCK] = locked.switcher,
        [BY_LOCK_OF_PROFILE] = p != NULL ? p->locked_switcher : NULL,
        [BY_CONFIG] =
            cfg->switcher_ops != NULL ? cfg->switcher_ops->name : cfg->switcher,
        [BY_ENVIRONMENT] = c->use_env ? environment.switcher : NULL,
        [BY_PROFILE] = choice->switcher,
    });
    *engine = strongest((const char *const[]){
        [BY_LOCK] = locked.engine,
        [BY_LOCK_OF_PROFILE] = p != NULL ? p->locked_engine : NULL,
        [BY_CONFIG] =
            cfg->engine_ops != NULL ? cfg->engine_ops->name : cfg->engine,
        [BY_ENVIRONMENT] = c->use_env ? environment.engine : NULL,
        [BY_PROFILE] = choice->engine,
    });
}

/* Does what is still to be decided come from the profile? */
static bool asks_profile(struct wish wish)
{
    return wish.source <= BY_PROFILE;
}

int sy__choose(struct sy__choice *out, const struct sy_runtime_config *cfg,
               const char *bound)
{
    bool use_env = (cfg->flags & SY_RT_NO_ENVIRONMENT) == 0;
    struct chooser c = {
        .out = out,
        .cfg = cfg,
        .profile = sy__profile(use_env),
        .use_env = use_env,
        .must_be_same_thread = (cfg->flags & SY_RT_SAME_THREAD) != 0,
    };
    struct sy_profile_choice profile_choice = {0};
    struct wish sw, engine;
    int err = 0;

    *out = (struct sy__choice){0};
    if (c.profile != NULL)
        sy_profile_choose(c.profile, expected_jobs(cfg), &profile_choice);
    sy__choice_lock(); /* the names do not change once set */
    hear(&c, &profile_choice, &sw, &engine);
    sy__choice_unlock();
    if (asks_profile(sw) || asks_profile(engine))
        sy__profile_tell(use_env);
    if (use_env && sy__profile_note(use_env)[0] != '\0')
        sy__choice_explain("profile", sy__profile_note(use_env));

    if (bound != NULL)
        err = bind(&sw, bound, c.why);
    if (err == 0)
        err = choose(&c, &switchers, &sw);
    explain(&c, &switchers, &sw, err);
    if (err != 0)
        return err;
    err = choose(&c, &engines, &engine);
    explain(&c, &engines, &engine, err);
    if (err != 0)
        return err;

    if (engine.source == BY_PROFILE || profile_choice.engine[0] == '\0')
        out->spin_ns = profile_choice.spin_ns;
    out->reason =
        source_names[sw.source < engine.source ? sw.source : engine.source];
    return 0;
}
