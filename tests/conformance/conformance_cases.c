/* SPDX-License-Identifier: Apache-2.0 */
/* The table of bodies, and the product of bodies, switchers and engines. */
#include "conformance.h"
#include <stdio.h>

static const struct sy_conformance_body bodies[] = {
#define SY_BODY(name, varies)                                                  \
    {#name, SY_VARIES_##varies, sy_conformance_body_##name},
#include "conformance_list.h"
#undef SY_BODY
};

#define BODIES (sizeof(bodies) / sizeof(bodies[0]))

const struct sy_conformance_body *sy_conformance_table(size_t *n)
{
    *n = BODIES;
    return bodies;
}

const char *sy_conformance_varies_word(enum sy_conformance_varies varies)
{
    static const char *const words[] = {"neither", "switcher", "engine",
                                        "both"};

    return words[varies];
}

static const struct sy_switcher_ops *default_switcher(void)
{
    const struct sy_switcher_ops *const *sw = sy_switcher_table();
    char why[256];

    for (; *sw != NULL; sw++)
        if (((*sw)->caps & SY_SW_CAN_PAUSE) != 0 &&
            sy_switcher_probe(*sw, why, sizeof(why)) == 0)
            return *sw;
    return *sy_switcher_table();
}

static const struct sy_engine_ops *default_engine(void)
{
    const char *variant;
    const struct sy_engine_ops *en = sy_engine_find("queue", &variant);

    return en != NULL ? en : *sy_engine_table();
}

/* One body on one switcher, with each variant of an engine. */
static int each_variant(const struct sy_conformance_body *body,
                        const struct sy_switcher_ops *sw,
                        const struct sy_engine_ops *en,
                        sy_conformance_case_fn fn, void *user)
{
    static const char *const single[] = {NULL, NULL};
    const char *const *v = en->variants != NULL ? en->variants : single;
    int all = (body->varies & SY_VARIES_ENGINE) != 0;
    int code;

    do {
        struct sy_conformance_case c = {.body = body,
                                        .sw = sw,
                                        .en = en,
                                        .variant = *v,
                                        .switcher = sw->name};

        snprintf(c.engine_name, sizeof(c.engine_name), "%s%s%s", en->name,
                 *v != NULL ? "+" : "", *v != NULL ? *v : "");
        code = fn(user, &c);
        if (code != 0)
            return code;
    } while (all && *v++ != NULL && *v != NULL);
    return 0;
}

static int each_engine(const struct sy_conformance_body *body,
                       const struct sy_switcher_ops *sw,
                       sy_conformance_case_fn fn, void *user)
{
    const struct sy_engine_ops *const *en = sy_engine_table();
    int code = 0;

    if ((body->varies & SY_VARIES_ENGINE) == 0)
        return each_variant(body, sw, default_engine(), fn, user);
    for (; *en != NULL && code == 0; en++)
        code = each_variant(body, sw, *en, fn, user);
    return code;
}

int sy_conformance_each(sy_conformance_case_fn fn, void *user)
{
    int code = 0;
    size_t i;

    for (i = 0; i < BODIES && code == 0; i++) {
        const struct sy_switcher_ops *const *sw = sy_switcher_table();

        if ((bodies[i].varies & SY_VARIES_SWITCHER) == 0) {
            code = each_engine(&bodies[i], default_switcher(), fn, user);
            continue;
        }
        for (; *sw != NULL && code == 0; sw++)
            code = each_engine(&bodies[i], *sw, fn, user);
    }
    return code;
}

size_t sy_conformance_declared(void)
{
    const struct sy_switcher_ops *const *sw;
    const struct sy_engine_ops *const *en;
    size_t switchers = 0, engines = 0, cases = 0, i, v;

    for (sw = sy_switcher_table(); *sw != NULL; sw++)
        switchers++;
    for (en = sy_engine_table(); *en != NULL; en++) {
        for (v = 0; (*en)->variants != NULL && (*en)->variants[v] != NULL; v++)
            engines++;
        if ((*en)->variants == NULL)
            engines++;
    }
    for (i = 0; i < BODIES; i++) {
        size_t s = (bodies[i].varies & SY_VARIES_SWITCHER) ? switchers : 1;
        size_t e = (bodies[i].varies & SY_VARIES_ENGINE) ? engines : 1;

        cases += s * e;
    }
    return cases;
}
