/* SPDX-License-Identifier: Apache-2.0 */
#include "cost_file.h"

#include <jansson.h>
#include <stdlib.h>

#include "../bench/load/json_values.h"
#include "../bench/load/run_file.h"

static json_t *count_object(const struct sy_cost_count *c)
{
    if (c->count < 0)
        return json_pack("{s:n, s:n, s:o}", "count", "per", "why",
                         sy__json_text(c->why));
    return json_pack("{s:I, s:I, s:n}", "count", (json_int_t)c->count, "per",
                     (json_int_t)c->per, "why");
}

static json_t *counts_object(const struct sy_cost *cost)
{
    json_t *counts = json_object();

    for (unsigned i = 0; i < SY_COST_ITEMS; i++)
        if (json_object_set_new(counts, sy_cost_item_name((enum sy_cost_item)i),
                                count_object(&cost->items[i])) != 0) {
            json_decref(counts);
            return NULL;
        }
    return counts;
}

static const char *status_name(enum sy_outcome_status status)
{
    if (status == SY_OUTCOME_OK)
        return "ok";
    return status == SY_OUTCOME_SKIPPED ? "skipped" : "failed";
}

static json_t *own_members(const struct sy_experiment *exp, uint64_t operations,
                           const struct sy_cost *cost)
{
    char name[SY_OUTCOME_NAME_BYTES * 2];

    sy_experiment_name(exp, name, sizeof(name));
    return json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:s, s:o, s:o}", "type",
                     "cost", "name", name, "jobs", (json_int_t)cost->jobs,
                     "clock", exp->virtual_clock ? "virtual" : "real",
                     "operations", (json_int_t)operations, "seed",
                     (json_int_t)exp->seed, "status", status_name(cost->status),
                     "reason", sy__json_text(cost->reason), "counts",
                     counts_object(cost));
}

char *cost_file_line(const struct sy_experiment *exp, uint64_t operations,
                     const struct sy_cost *cost)
{
    char *what = sy_run_file_experiment(exp), *line = NULL;
    json_t *object = what != NULL ? json_loads(what, 0, NULL) : NULL;
    json_t *own = own_members(exp, operations, cost);

    if (object != NULL && own != NULL && json_object_update(object, own) == 0)
        line = json_dumps(object, JSON_COMPACT);
    json_decref(own);
    json_decref(object);
    free(what);
    return line;
}
