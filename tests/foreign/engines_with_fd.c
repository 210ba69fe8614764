/* SPDX-License-Identifier: Apache-2.0 */
#include "foreign.h"

#include <errno.h>
#include <string.h>

/* The capability bit is for all variants; a variant may have one without. */
static int has_fd(const char *name)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;
    int fd, err;

    config.engine = name;
    config.flags = SY_RT_NO_ENVIRONMENT;
    FOREIGN_CHECK(sy_runtime_open(&rt, &config) == 0);
    err = sy_runtime_fd(rt, &fd);
    FOREIGN_CHECK(err == 0 || err == -ENOTSUP);
    FOREIGN_CHECK(sy_runtime_close(rt) == 0);
    return err == 0;
}

static void try_one(const struct sy_engine_ops *engine, const char *variant,
                    void (*fn)(const char *engine))
{
    char name[64], why[256];

    snprintf(name, sizeof(name), "%s%s%s", engine->name,
             variant != NULL ? "+" : "", variant != NULL ? variant : "");
    if (sy_engine_probe(engine, variant, why, sizeof(why)) != 0)
        printf("%s: left out: %s\n", name, why);
    else if (!has_fd(name))
        printf("%s: left out: it has no descriptor\n", name);
    else
        fn(name);
    fflush(stdout);
}

void foreign_each_engine(void (*fn)(const char *engine))
{
    const struct sy_engine_ops *const *e;

    for (e = sy_engine_table(); *e != NULL; e++) {
        static const char *const one[] = {NULL, NULL};
        const char *const *v = (*e)->variants != NULL ? (*e)->variants : one;

        do
            try_one(*e, *v, fn);
        while (*v != NULL && *++v != NULL);
    }
}

void foreign_open(struct foreign *f, const char *engine)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    int again;

    memset(f, 0, sizeof(*f));
    f->engine = engine;
    config.engine = engine;
    config.flags = SY_RT_NO_ENVIRONMENT;
    FOREIGN_CHECK(sy_runtime_open(&f->rt, &config) == 0);
    FOREIGN_CHECK(sy_runtime_fd(f->rt, &f->fd) == 0);
    FOREIGN_CHECK(sy_runtime_fd(f->rt, &again) == 0 && again == f->fd);
}

void foreign_close(struct foreign *f)
{
    FOREIGN_CHECK(sy_runtime_close(f->rt) == 0);
}
