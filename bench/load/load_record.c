/* SPDX-License-Identifier: Apache-2.0 */
#include "load_record.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_values.h"
#include "run_record.h"

#define NAME_BYTES 64
#define HEX_BYTES  65

static json_t *number_or_null(uint64_t value)
{
    return value == 0 ? json_null() : sy__json_number(value);
}

static json_t *arrivals_object(const struct sy_load_spec *spec)
{
    const struct sy_arrivals *a = &spec->arrivals;

    if (spec->is_closed)
        return json_null();
    return json_pack("{s:s, s:o, s:o}", "kind", sy_arrivals_name(a->kind),
                     "seed", sy__json_number(a->seed), "trace_arrivals",
                     a->kind == SY_ARRIVALS_TRACE
                         ? sy__json_number(a->trace->count)
                         : json_null());
}

static json_t *planned_rate(const struct sy_load_spec *spec)
{
    if (spec->is_closed)
        return json_null();
    return sy__json_number(spec->arrivals.kind == SY_ARRIVALS_TRACE
                               ? sy_arrival_trace_rate_hz(spec->arrivals.trace)
                               : spec->arrivals.rate_hz);
}

static json_t *generator_object(const struct sy_load_result *r)
{
    static const char *const where[] = {
        [SY_LOAD_GENERATOR_NONE] = "",
        [SY_LOAD_GENERATOR_THREAD] = "thread",
        [SY_LOAD_GENERATOR_LOOP] = "loop",
    };

    if (r->generator == SY_LOAD_GENERATOR_NONE)
        return json_null();
    return json_pack(
        "{s:s, s:o, s:o, s:o}", "where", where[r->generator], "cpu",
        r->generator_cpu < 0 ? json_null() : json_integer(r->generator_cpu),
        "why", sy__json_text(r->generator_why), "cpu_ns",
        sy__json_number(r->generator_cpu_ns));
}

static json_t *faults_array(const struct sy_load_result *r)
{
    static const struct {
        unsigned bit;
        const char *name;
    } all[] = {
        {SY_LOAD_NOT_STARTED, "not_started"},
        {SY_LOAD_BELOW_PLAN, "below_plan"},
        {SY_LOAD_BACKLOG_GROWS, "backlog_grows"},
        {SY_LOAD_GENERATOR_LATE, "generator_late"},
        {SY_LOAD_DEVICE_LATE, "device_late"},
    };
    json_t *array = json_array();

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if ((r->faults & all[i].bit) != 0 &&
            json_array_append_new(array, json_string(all[i].name)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* What was counted in the window; null if there was none. */
static json_t *window_object(const struct sy_load_spec *spec,
                             const struct sy_outcome *out)
{
    if (out->elapsed_ns == 0)
        return json_null();
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "operations",
        sy__json_number(out->operations), "elapsed_ns",
        sy__json_number(out->elapsed_ns), "cpu_ns",
        sy__json_number(out->cpu_ns), "thread_cpu_ns",
        sy__json_number(out->thread_cpu_ns), "switches_voluntary",
        sy__json_number(out->switches_voluntary), "switches_involuntary",
        sy__json_number(out->switches_involuntary), "faults_minor",
        sy__json_number(out->faults_minor), "faults_major",
        sy__json_number(out->faults_major), "runtime",
        spec->exp.row == SY_ROW_COMBINATION ? sy__run_runtime(&out->runtime)
                                            : json_null(),
        "device",
        spec->exp.row == SY_ROW_SOFTWARE ? json_null()
                                         : sy__run_device(&out->device));
}

static json_t *samples_object(const struct sy_load_result *r, const char *name,
                              const char *hex)
{
    if (name[0] == '\0')
        return json_null();
    return json_pack("{s:s, s:s, s:o}", "file", name, "sha256", hex, "count",
                     sy__json_number(r->offered));
}

/* Takes both references. */
static json_t *merged(json_t *object, json_t *more)
{
    if (object == NULL || more == NULL ||
        json_object_update(object, more) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(more);
    return object;
}

/* A line's type, and what the experiment is. */
static json_t *head(const struct sy_load_spec *spec, const char *type,
                    int search)
{
    char name[SY_OUTCOME_NAME_BYTES * 2];

    sy_experiment_name(&spec->exp, name, sizeof(name));
    return merged(json_pack("{s:s, s:s, s:o}", "type", type, "name", name,
                            "search",
                            search < 0 ? json_null() : json_integer(search)),
                  sy__run_experiment(&spec->exp));
}

static json_t *load_object(const struct sy_load_spec *spec,
                           const struct sy_load_result *r, int search,
                           const char *name, const char *hex)
{
    const struct sy_outcome *out = &r->outcome;
    int has_response = r->response_ns.count > 0;
    json_t *what = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:s, s:b, s:o, s:{s:o, s:o, "
        "s:o}}",
        "loop", spec->is_closed ? "closed" : "open", "rate_hz",
        planned_rate(spec), "arrivals", arrivals_object(spec), "duration_ns",
        sy__json_number(spec->duration_ns), "warm_up_ns",
        sy__json_number(sy_load_warm_up_ns(spec)), "seed",
        sy__json_number(spec->exp.seed), "virtual_clock",
        (int)spec->exp.virtual_clock, "jobs_used", sy__json_number(out->jobs),
        "status", sy__run_status(out->status), "partial", (int)out->partial,
        "reason", sy__json_text(out->reason), "verification", "every",
        sy__json_number(out->verify_every), "verified",
        sy__json_number(out->verified), "wrong", sy__json_number(out->wrong));
    json_t *came = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, "
        "s:o, s:o}",
        "generator", generator_object(r), "offered",
        sy__json_number(r->offered), "done", sy__json_number(r->done),
        "planned_ns", sy__json_number(r->planned_ns), "elapsed_ns",
        sy__json_number(r->achieved_ns), "achieved_permille",
        sy__json_number(sy_load_achieved_permille(r)), "backlog_early_milli",
        sy__json_number(r->backlog_early_milli), "backlog_late_milli",
        sy__json_number(r->backlog_late_milli), "saturated",
        (r->faults & SY_LOAD_SATURATED) != 0, "faults", faults_array(r),
        "response_ns",
        has_response ? sy__run_histogram(&r->response_ns) : json_null(),
        "service_ns", sy__run_histogram(&r->service_ns), "lateness_ns",
        r->lateness_ns.count > 0 ? sy__run_histogram(&r->lateness_ns)
                                 : json_null(),
        "window", window_object(spec, out), "samples",
        samples_object(r, name, hex));

    return merged(merged(head(spec, "load", search), what), came);
}

static int add(struct sy_run_file *file, json_t *object, char **line, char *why,
               size_t why_bytes)
{
    char *written = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    int err = -ENOMEM;

    json_decref(object);
    if (line != NULL)
        *line = NULL;
    if (written == NULL)
        snprintf(why, why_bytes, "no memory");
    else
        err = sy_run_file_add_line(file, written, why, why_bytes);
    if (err == 0 && line != NULL)
        *line = written;
    else
        free(written);
    return err;
}

int sy_run_file_add_load(struct sy_run_file *file,
                         const struct sy_load_spec *spec,
                         const struct sy_load_result *r, int search,
                         char **line, char *why, size_t why_bytes)
{
    char name[NAME_BYTES] = "", hex[HEX_BYTES] = "";

    if (line != NULL)
        *line = NULL;
    if (r->samples != NULL) {
        int err =
            sy__run_file_add_sidecar(file, "samples", r->samples,
                                     (size_t)r->offered * sizeof(*r->samples),
                                     name, hex, why, why_bytes);

        if (err != 0)
            return err;
    }
    return add(file, load_object(spec, r, search, name, hex), line, why,
               why_bytes);
}

int sy_run_file_add_search(struct sy_run_file *file,
                           const struct sy_load_spec *spec, int search,
                           const struct sy_load_search *found, char **line,
                           char *why, size_t why_bytes)
{
    json_t *more = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "quantile",
        found->quantile, "bound_ns", sy__json_number(found->bound_ns),
        "rate_hz", number_or_null(found->rate_hz), "above_hz",
        number_or_null(found->above_hz), "closest_ns",
        number_or_null(found->closest_ns), "closest_hz",
        number_or_null(found->closest_hz), "repeats",
        sy__json_number(found->repeats), "needed",
        sy__json_number(found->needed), "resolution_permille",
        sy__json_number(found->resolution_permille), "points",
        sy__json_number(found->points), "complete", (int)found->is_complete);

    return add(file, merged(head(spec, "search", search), more), line, why,
               why_bytes);
}
