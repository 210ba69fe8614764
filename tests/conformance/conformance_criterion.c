/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance_case.h"
#include "conformance_table.h"
#include <string.h>

struct search {
    const char *switcher, *engine, *body;
    struct sy_conformance_case found;
};

static int compare(void *user, const struct sy_conformance_case *c)
{
    struct search *s = user;

    if (strcmp(c->switcher, s->switcher) != 0 ||
        strcmp(c->engine_name, s->engine) != 0 ||
        strcmp(c->body->name, s->body) != 0)
        return 0;
    s->found = *c;
    return 1;
}

void conformance_criterion_run(const char *switcher, const char *engine,
                               const char *body)
{
    struct search s = {switcher, engine, body, {0}};
    const struct sy_conformance_case *c = &s.found;
    char why[256] = "";
    int code;

    cr_assert(sy_conformance_each(compare, &s) == 1,
              "conformance.%s.%s.%s exists no more: build again", switcher,
              engine, body);
    code =
        sy_conformance_run(c->body, c->sw, c->en, c->variant, why, sizeof(why));
    if (code == SY_CONFORMANCE_SKIP)
        cr_skip_test("%s", why);
    cr_assert(code == SY_CONFORMANCE_PASS, "conformance.%s.%s.%s: %s", switcher,
              engine, body, why);
}
