/* SPDX-License-Identifier: Apache-2.0 */
#include "run_record.h"

#include <stdlib.h>
#include <string.h>
#include <switchyard/profile.h>
#include <time.h>

#include "../environment/build_facts.h"
#include "../environment/checkup.h"
#include "peer.h"
#include "protocol.h"

void sy__run_time(char *text)
{
    struct tm tm;
    time_t now = time(NULL);

    memset(&tm, 0, sizeof(tm));
    gmtime_r(&now, &tm);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

unsigned sy__run_shard(unsigned given)
{
    return given != 0 ? given : 1;
}

/* A string that need not be UTF-8, as arguments need not: what JSON could not
   hold becomes '?'. "" and NULL become null. */
static json_t *text(const char *s)
{
    json_t *value;
    char *copy;

    if (s == NULL || s[0] == '\0')
        return json_null();
    value = json_string(s);
    if (value != NULL)
        return value;
    copy = strdup(s);
    if (copy == NULL)
        return NULL;
    for (char *p = copy; *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    }
    value = json_string(copy);
    free(copy);
    return value;
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *number_or_null(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

/* ---- meta -------------------------------------------------------------- */

static json_t *machine_object(const struct sy_machine *m)
{
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}",
        "fingerprint", m->fingerprint, "hardware_key", m->hardware_key,
        "environment_key", m->environment_key, "arch", text(m->arch),
        "cpu_model", text(m->cpu_model), "cpu_id", text(m->cpu_id), "kernel",
        text(m->kernel), "cpus", number(m->cpus), "cpus_usable",
        number(m->cpus_usable), "hypervisor", (int)m->hypervisor,
        "memory_bytes", number(m->memory_bytes), "page_bytes",
        number(m->page_bytes));
}

/* One string for each line of text; null if there is none. */
static json_t *lines_array(const char *lines)
{
    json_t *array = lines[0] != '\0' ? json_array() : json_null();

    while (*lines != '\0') {
        const size_t bytes = strcspn(lines, "\n");

        if (json_array_append_new(array, json_stringn(lines, bytes)) != 0) {
            json_decref(array);
            return NULL;
        }
        lines += bytes + (lines[bytes] == '\n');
    }
    return array;
}

static json_t *environment_object(const struct sy_machine *m)
{
    const struct sy_kernel_settings *s = &m->settings;

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "governor",
        text(s->governor), "turbo", text(s->turbo), "smt", text(s->smt),
        "isolated", text(s->isolated), "clock_source", text(s->clock_source),
        "mitigations", lines_array(s->mitigations), "syscall_ns",
        number_or_null(sy_syscall_cost_ns()), "steal_boot_permille",
        number_or_null(sy_steal_since_boot_permille(SY_PROC)));
}

static json_t *argv_array(const struct sy_run_info *info)
{
    json_t *array = json_array();

    for (int i = 0; i < info->argc; i++) {
        /* An empty argument is an argument too. */
        json_t *arg =
            info->argv[i][0] == '\0' ? json_string("") : text(info->argv[i]);

        if (json_array_append_new(array, arg) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *suite_object(const struct sy_run_info *info)
{
    if (info->suite == NULL || info->suite[0] == '\0')
        return json_null();
    return json_pack("{s:o, s:o}", "name", text(info->suite), "sha256",
                     text(info->suite_sha256));
}

json_t *sy__run_meta(const struct sy_run_info *info, const char *run_id,
                     const struct sy_machine *machine)
{
    struct sy_build_facts b;
    char now[32];

    sy_build_facts(&b);
    sy__run_time(now);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:{s:i, s:i}, s:s, s:o, s:o, s:o, s:o, s:o,"
        " s:{s:o, s:o, s:o, s:o, s:s}, s:{s:o, s:o, s:o, s:o, s:s}}",
        "type", "meta", "schema", SY_RUN_FILE_SCHEMA, "protocol",
        SY_PROTOCOL_VERSION, "run_id", run_id, "shard", "index",
        (int)sy__run_shard(info->shard_index), "of",
        (int)sy__run_shard(info->shard_of), "started", now, "seed",
        number(info->seed), "argv", argv_array(info), "suite",
        suite_object(info), "machine", machine_object(machine), "environment",
        environment_object(machine), "build", "version", text(b.version), "git",
        text(b.git), "compiler", text(b.compiler), "flags", text(b.flags),
        "library", sy_profile_build(), "libraries", "openssl", text(b.openssl),
        "liburing", text(b.liburing), "jansson", text(b.jansson), "libc",
        text(b.libc), "openssl_switch", sy_openssl_switch());
}

/* ---- record ------------------------------------------------------------ */

static json_t *mix_array(const struct sy_experiment *exp)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < exp->mix_count; i++) {
        const struct sy_mix_item *item = &exp->mix[i];
        json_t *object = json_pack(
            "{s:o, s:o, s:o}", "workload", text(item->ops->name), "param_bytes",
            item->ops->param_default == 0 ? json_null()
                                          : number(item->param_bytes),
            "weight", number(item->weight));

        if (json_array_append_new(array, object) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *buckets_array(const struct sy_histogram *h)
{
    json_t *array = json_array();

    for (size_t i = 0; i < SY_HISTOGRAM_BUCKETS; i++) {
        json_t *pair;

        if (h->buckets[i] == 0)
            continue;
        pair = json_pack("[o, o]", number(i), number(h->buckets[i]));
        if (json_array_append_new(array, pair) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *quantile(const struct sy_histogram *h, double q)
{
    uint64_t value;

    return sy_histogram_known_quantile(h, q, &value) ? number(value)
                                                     : json_null();
}

json_t *sy__run_histogram(const struct sy_histogram *h)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "count", number(h->count), "sum", number(h->sum), "min",
                     number(h->min), "max", number(h->max), "clipped",
                     number(h->clipped), "p50", quantile(h, 0.5), "p90",
                     quantile(h, 0.9), "p99", quantile(h, 0.99), "p999",
                     quantile(h, 0.999), "buckets", buckets_array(h));
}

json_t *sy__run_runtime(const struct sy_outcome_runtime *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "jobs_started", number(r->jobs_started), "jobs_finished",
                     number(r->jobs_finished), "resumes", number(r->resumes),
                     "waits", number(r->waits), "sleeps", number(r->sleeps),
                     "collected", number(r->collected), "spurious",
                     number(r->spurious), "engine_syscalls",
                     number(r->engine_syscalls), "stacks_peak",
                     number(r->stacks_peak), "stack_bytes",
                     number(r->stack_bytes), "guard", text(r->guard));
}

json_t *sy__run_device(const struct sy_outcome_device *d)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "submitted",
        number(d->submitted), "completed", number(d->completed), "refused",
        number(d->refused), "late_sum_ns", number(d->late_sum_ns), "late_count",
        number(d->late_count), "late_max_ns", number(d->late_max_ns),
        "depth_peak", number(d->depth_peak), "poll", text(d->poll));
}

static json_t *syscalls_object(const struct sy_outcome *out)
{
    return json_pack("{s:o, s:o, s:o}", "count", number_or_null(out->syscalls),
                     "operations", number(out->syscall_operations), "why",
                     out->syscalls < 0 ? text(out->syscalls_why) : json_null());
}

/* What the window measured; null if there was none. */
static json_t *window_object(const struct sy_experiment *exp,
                             const struct sy_outcome *out)
{
    if (out->operations == 0)
        return json_null();
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "operations",
        number(out->operations), "elapsed_ns", number(out->elapsed_ns),
        "cpu_ns", number(out->cpu_ns), "thread_cpu_ns",
        number(out->thread_cpu_ns), "switches_voluntary",
        number(out->switches_voluntary), "switches_involuntary",
        number(out->switches_involuntary), "faults_minor",
        number(out->faults_minor), "faults_major", number(out->faults_major),
        "latency_ns", sy__run_histogram(&out->latency_ns), "runtime",
        exp->row == SY_ROW_COMBINATION ? sy__run_runtime(&out->runtime)
                                       : json_null(),
        "device",
        exp->row == SY_ROW_SOFTWARE ? json_null()
                                    : sy__run_device(&out->device));
}

const char *sy__run_status(enum sy_outcome_status status)
{
    switch (status) {
    case SY_OUTCOME_OK:
        return "ok";
    case SY_OUTCOME_SKIPPED:
        return "skipped";
    case SY_OUTCOME_FAILED:
        break;
    }
    return "failed";
}

/* What was asked for. */
static json_t *asked_object(const struct sy_experiment *exp)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:b, s:o}", "jobs",
        number(exp->jobs), "duration_ns", number(exp->duration_ns),
        "operations_max", number(exp->operations_max), "warm_up_ns",
        number(exp->warm_up_ns), "seed", number(exp->seed), "virtual_clock",
        (int)exp->virtual_clock, "verify_every", number(exp->verify_every),
        "spoil_one", (int)exp->spoil_one, "stack_bytes",
        number(exp->stack_bytes));
}

json_t *sy__run_record(const struct sy_experiment *exp,
                       const struct sy_outcome *out)
{
    bool jobs = exp->row == SY_ROW_COMBINATION;
    bool peer = exp->row == SY_ROW_PEER;
    char name[SY_OUTCOME_NAME_BYTES * 2];

    sy_experiment_name(exp, name, sizeof(name));
    return json_pack(
        "{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:b,"
        " s:o, s:o, s:{s:o, s:o, s:o, s:o}, s:o, s:o, s:o, s:o, s:o}",
        "type", "record", "name", text(name), "row",
        peer ? exp->peer->name : sy_row_name(exp->row), "peer",
        peer ? text(exp->peer->name) : json_null(), "switcher",
        jobs ? text(exp->switcher->name) : json_null(), "engine",
        jobs ? text(exp->engine->name) : json_null(), "variant",
        jobs ? text(exp->variant) : json_null(), "mix", mix_array(exp),
        "device", text(exp->device_spec), "jobs", number(out->jobs), "asked",
        asked_object(exp), "status", sy__run_status(out->status), "partial",
        (int)out->partial, "reason", text(out->reason), "failed_operation",
        number_or_null(out->failed_operation), "verification", "every",
        number(out->verify_every), "verified", number(out->verified), "wrong",
        number(out->wrong), "cpu_ns", number(out->verify_cpu_ns), "window",
        window_object(exp, out), "syscalls", syscalls_object(out),
        "rss_peak_bytes", number(out->rss_peak_bytes), "fd_limit",
        number(out->fd_limit), "peer_switch", text(out->peer_switch));
}

json_t *sy__run_experiment(const struct sy_experiment *exp)
{
    bool jobs = exp->row == SY_ROW_COMBINATION;
    bool peer = exp->row == SY_ROW_PEER;

    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "row",
                     peer ? exp->peer->name : sy_row_name(exp->row), "peer",
                     peer ? text(exp->peer->name) : json_null(), "switcher",
                     jobs ? text(exp->switcher->name) : json_null(), "engine",
                     jobs ? text(exp->engine->name) : json_null(), "variant",
                     jobs ? text(exp->variant) : json_null(), "mix",
                     mix_array(exp), "device", text(exp->device_spec), "jobs",
                     number(exp->jobs));
}

/* ---- phases ------------------------------------------------------------ */

static json_t *library_object(const struct sy_library_figures *f)
{
    return json_pack("{s:o, s:o, s:o}", "operations", number(f->operations),
                     "elapsed_ns", number(f->elapsed_ns), "cpu_ns",
                     number(f->cpu_ns));
}

static json_t *phases_object(const struct sy_traced_window *w)
{
    json_t *object = json_object();

    for (int i = 0; i < SY_TRACE_PHASES; i++) {
        if (json_object_set_new(object,
                                sy_trace_phase_name((enum sy_trace_phase)i),
                                sy__run_histogram(&w->phases[i])) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

json_t *sy__run_phases(const struct sy_experiment *exp,
                       const struct sy_phases_record *r)
{
    char name[SY_OUTCOME_NAME_BYTES * 2];
    bool is_ok = r->status == SY_OUTCOME_OK;
    json_t *line = sy__run_experiment(exp), *more;

    sy_experiment_name(exp, name, sizeof(name));
    more = json_pack(
        "{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
        " s:o}",
        "type", "phases", "name", text(name), "seed", number(exp->seed),
        "status", sy__run_status(r->status), "reason", text(r->reason),
        "rounds", number(r->rounds), "clock",
        is_ok ? text(r->window->clock) : json_null(), "finished",
        number(r->window->jobs), "pauses", number(r->window->pauses), "early",
        number(r->window->early), "unwoken", number(r->window->unwoken),
        "production", is_ok ? library_object(&r->production) : json_null(),
        "traced", is_ok ? library_object(&r->traced) : json_null(), "phases",
        is_ok ? phases_object(r->window) : json_null());
    if (line == NULL || more == NULL || json_object_update(line, more) != 0) {
        json_decref(line);
        line = NULL;
    }
    json_decref(more);
    return line;
}
