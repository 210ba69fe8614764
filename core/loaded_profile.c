/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiles of this process: read when the library is loaded, for later the
 * program may have changed its root, its environment or its privileges.
 */
#include "core.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 256 /* shown; a longer one is cut in messages only */

struct loaded {
    bool is_usable;
    struct sy_profile profile;
    char note[PATH_BYTES + 2 * SY_PROFILE_WHY_BYTES]; /* "": there is none */
    bool must_be_told;                                /* it is not used */
};

static struct {
    bool has_own; /* SWITCHYARD_PROFILE was set */
    struct loaded own, system;
    atomic_flag told; /* one line in the life of a process */
} loaded = {.told = ATOMIC_FLAG_INIT};

/* What is to be said about a profile that was read. */
static void judge(struct loaded *l, const char *path)
{
    const struct sy_profile *p = &l->profile;

    l->is_usable = p->machine != 0 && !(p->is_stale && p->is_strict);
    l->must_be_told = !l->is_usable;
    if (p->machine == 0)
        snprintf(l->note, sizeof(l->note),
                 "%.255s is not used: none of its machines is this one (%s)",
                 path, sy_profile_cpu());
    else if (p->is_stale)
        snprintf(l->note, sizeof(l->note),
                 "%.255s is stale%s: measured with library %s, this is %s",
                 path, p->is_strict ? ", and so not used" : "", p->library,
                 sy_profile_build());
    else
        snprintf(l->note, sizeof(l->note), "%.255s", path);
}

static void load(struct loaded *l, const char *path, bool may_be_absent)
{
    char why[SY_PROFILE_WHY_BYTES];
    int err = sy_profile_read(&l->profile, path, NULL, why);

    if (may_be_absent && (err == -ENOENT || err == -ENOTDIR))
        return;
    if (err == 0) {
        judge(l, path);
        return;
    }
    snprintf(l->note, sizeof(l->note), "%.255s is not used: %s", path, why);
    l->must_be_told = true;
}

void sy__profile_load(void)
{
    const char *own = secure_getenv("SWITCHYARD_PROFILE");

    sy__profile_read_cpu();
    loaded.has_own = own != NULL;
    if (own != NULL && own[0] != '\0')
        load(&loaded.own, own, false);
    load(&loaded.system, SY_PROFILE_SYSTEM_PATH, true);
}

/* Set to nothing it keeps the system's away, too. */
static bool system_counts(bool use_env)
{
    return !use_env || !loaded.has_own || loaded.own.note[0] != '\0';
}

static const struct loaded *in_use(bool use_env)
{
    if (use_env && loaded.own.is_usable)
        return &loaded.own;
    if (system_counts(use_env) && loaded.system.is_usable)
        return &loaded.system;
    return NULL;
}

const struct sy_profile *sy__profile(bool use_env)
{
    const struct loaded *l = in_use(use_env);

    return l != NULL ? &l->profile : NULL;
}

const char *sy__profile_note(bool use_env)
{
    const struct loaded *l = in_use(use_env);

    if (l != NULL)
        return l->note;
    if (use_env && loaded.own.note[0] != '\0')
        return loaded.own.note;
    return system_counts(use_env) ? loaded.system.note : "";
}

void sy__profile_say(const char *words)
{
    if (!atomic_flag_test_and_set_explicit(&loaded.told, memory_order_relaxed))
        fprintf(stderr, "switchyard: profile %s\n", words);
}

void sy__profile_tell(bool use_env)
{
    if (use_env && loaded.own.must_be_told)
        sy__profile_say(loaded.own.note);
    else if (system_counts(use_env) && loaded.system.must_be_told)
        sy__profile_say(loaded.system.note);
}
