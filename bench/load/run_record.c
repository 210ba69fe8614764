/* SPDX-License-Identifier: Apache-2.0 */
#include "run_record.h"

#include <stdlib.h>
#include <string.h>
#include <switchyard/profile.h>
#include <time.h>

#include "../environment/build_facts.h"
#include "../environment/checkup.h"
#include "json_values.h"
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
        "environment_key", m->environment_key, "arch", sy__json_text(m->arch),
        "cpu_model", sy__json_text(m->cpu_model), "cpu_id",
        sy__json_text(m->cpu_id), "kernel", sy__json_text(m->kernel), "cpus",
        sy__json_number(m->cpus), "cpus_usable",
        sy__json_number(m->cpus_usable), "hypervisor", (int)m->hypervisor,
        "memory_bytes", sy__json_number(m->memory_bytes), "page_bytes",
        sy__json_number(m->page_bytes));
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
        sy__json_text(s->governor), "turbo", sy__json_text(s->turbo), "smt",
        sy__json_text(s->smt), "isolated", sy__json_text(s->isolated),
        "clock_source", sy__json_text(s->clock_source), "mitigations",
        lines_array(s->mitigations), "syscall_ns",
        number_or_null(sy_syscall_cost_ns()), "steal_boot_permille",
        number_or_null(sy_steal_since_boot_permille(SY_PROC)));
}

static json_t *argv_array(const struct sy_run_info *info)
{
    json_t *array = json_array();

    for (int i = 0; i < info->argc; i++) {
        /* An empty argument is an argument too. */
        json_t *arg = info->argv[i][0] == '\0' ? json_string("")
                                               : sy__json_text(info->argv[i]);

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
    return json_pack("{s:o, s:o}", "name", sy__json_text(info->suite), "sha256",
                     sy__json_text(info->suite_sha256));
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
        sy__json_number(info->seed), "argv", argv_array(info), "suite",
        suite_object(info), "machine", machine_object(machine), "environment",
        environment_object(machine), "build", "version",
        sy__json_text(b.version), "git", sy__json_text(b.git), "compiler",
        sy__json_text(b.compiler), "flags", sy__json_text(b.flags), "library",
        sy_profile_build(), "libraries", "openssl", sy__json_text(b.openssl),
        "liburing", sy__json_text(b.liburing), "jansson",
        sy__json_text(b.jansson), "libc", sy__json_text(b.libc),
        "openssl_switch", sy_openssl_switch());
}

/* ---- record ------------------------------------------------------------ */

/* As a suite spells it. */
static json_t *workload_name(const struct sy_mix_item *item)
{
    char name[128];

    snprintf(name, sizeof(name), "%s%s",
             item->precomputed ? SY_PRECOMPUTED : "", item->ops->name);
    return sy__json_text(name);
}

static json_t *mix_array(const struct sy_experiment *exp)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < exp->mix_count; i++) {
        const struct sy_mix_item *item = &exp->mix[i];
        json_t *object = json_pack(
            "{s:o, s:o, s:o}", "workload", workload_name(item), "param_bytes",
            item->ops->param_default == 0 ? json_null()
                                          : sy__json_number(item->param_bytes),
            "weight", sy__json_number(item->weight));

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
        pair = json_pack("[o, o]", sy__json_number(i),
                         sy__json_number(h->buckets[i]));
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

    return sy_histogram_known_quantile(h, q, &value) ? sy__json_number(value)
                                                     : json_null();
}

json_t *sy__run_histogram(const struct sy_histogram *h)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "count", sy__json_number(h->count), "sum",
                     sy__json_number(h->sum), "min", sy__json_number(h->min),
                     "max", sy__json_number(h->max), "clipped",
                     sy__json_number(h->clipped), "p50", quantile(h, 0.5),
                     "p90", quantile(h, 0.9), "p99", quantile(h, 0.99), "p999",
                     quantile(h, 0.999), "buckets", buckets_array(h));
}

json_t *sy__run_runtime(const struct sy_outcome_runtime *r)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "jobs_started", sy__json_number(r->jobs_started), "jobs_finished",
        sy__json_number(r->jobs_finished), "resumes",
        sy__json_number(r->resumes), "waits", sy__json_number(r->waits),
        "sleeps", sy__json_number(r->sleeps), "collected",
        sy__json_number(r->collected), "spurious", sy__json_number(r->spurious),
        "engine_syscalls", sy__json_number(r->engine_syscalls), "stacks_peak",
        sy__json_number(r->stacks_peak), "stack_bytes",
        sy__json_number(r->stack_bytes), "guard", sy__json_text(r->guard));
}

json_t *sy__run_device(const struct sy_outcome_device *d)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "submitted",
        sy__json_number(d->submitted), "completed",
        sy__json_number(d->completed), "refused", sy__json_number(d->refused),
        "late_sum_ns", sy__json_number(d->late_sum_ns), "late_count",
        sy__json_number(d->late_count), "late_max_ns",
        sy__json_number(d->late_max_ns), "depth_peak",
        sy__json_number(d->depth_peak), "poll", sy__json_text(d->poll));
}

static json_t *syscalls_object(const struct sy_outcome *out)
{
    return json_pack(
        "{s:o, s:o, s:o}", "count", number_or_null(out->syscalls), "operations",
        sy__json_number(out->syscall_operations), "why",
        out->syscalls < 0 ? sy__json_text(out->syscalls_why) : json_null());
}

/* What the window measured; null if there was none. */
static json_t *window_object(const struct sy_experiment *exp,
                             const struct sy_outcome *out)
{
    if (out->operations == 0)
        return json_null();
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "operations",
        sy__json_number(out->operations), "elapsed_ns",
        sy__json_number(out->elapsed_ns), "cpu_ns",
        sy__json_number(out->cpu_ns), "thread_cpu_ns",
        sy__json_number(out->thread_cpu_ns), "switches_voluntary",
        sy__json_number(out->switches_voluntary), "switches_involuntary",
        sy__json_number(out->switches_involuntary), "faults_minor",
        sy__json_number(out->faults_minor), "faults_major",
        sy__json_number(out->faults_major), "latency_ns",
        sy__run_histogram(&out->latency_ns), "runtime",
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
        sy__json_number(exp->jobs), "duration_ns",
        sy__json_number(exp->duration_ns), "operations_max",
        sy__json_number(exp->operations_max), "warm_up_ns",
        sy__json_number(exp->warm_up_ns), "seed", sy__json_number(exp->seed),
        "virtual_clock", (int)exp->virtual_clock, "verify_every",
        sy__json_number(exp->verify_every), "spoil_one", (int)exp->spoil_one,
        "stack_bytes", sy__json_number(exp->stack_bytes));
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
        "type", "record", "name", sy__json_text(name), "row",
        peer ? exp->peer->name : sy_row_name(exp->row), "peer",
        peer ? sy__json_text(exp->peer->name) : json_null(), "switcher",
        jobs ? sy__json_text(exp->switcher->name) : json_null(), "engine",
        jobs ? sy__json_text(exp->engine->name) : json_null(), "variant",
        jobs ? sy__json_text(exp->variant) : json_null(), "mix", mix_array(exp),
        "device", sy__json_text(exp->device_spec), "jobs",
        sy__json_number(out->jobs), "asked", asked_object(exp), "status",
        sy__run_status(out->status), "partial", (int)out->partial, "reason",
        sy__json_text(out->reason), "failed_operation",
        number_or_null(out->failed_operation), "verification", "every",
        sy__json_number(out->verify_every), "verified",
        sy__json_number(out->verified), "wrong", sy__json_number(out->wrong),
        "cpu_ns", sy__json_number(out->verify_cpu_ns), "window",
        window_object(exp, out), "syscalls", syscalls_object(out),
        "rss_peak_bytes", sy__json_number(out->rss_peak_bytes), "fd_limit",
        sy__json_number(out->fd_limit), "peer_switch",
        sy__json_text(out->peer_switch));
}

json_t *sy__run_experiment(const struct sy_experiment *exp)
{
    bool jobs = exp->row == SY_ROW_COMBINATION;
    bool peer = exp->row == SY_ROW_PEER;

    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "row",
        peer ? exp->peer->name : sy_row_name(exp->row), "peer",
        peer ? sy__json_text(exp->peer->name) : json_null(), "switcher",
        jobs ? sy__json_text(exp->switcher->name) : json_null(), "engine",
        jobs ? sy__json_text(exp->engine->name) : json_null(), "variant",
        jobs ? sy__json_text(exp->variant) : json_null(), "mix", mix_array(exp),
        "device", sy__json_text(exp->device_spec), "jobs",
        sy__json_number(exp->jobs));
}

/* ---- phases ------------------------------------------------------------ */

static json_t *library_object(const struct sy_library_figures *f)
{
    return json_pack("{s:o, s:o, s:o}", "operations",
                     sy__json_number(f->operations), "elapsed_ns",
                     sy__json_number(f->elapsed_ns), "cpu_ns",
                     sy__json_number(f->cpu_ns));
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
        "type", "phases", "name", sy__json_text(name), "seed",
        sy__json_number(exp->seed), "status", sy__run_status(r->status),
        "reason", sy__json_text(r->reason), "rounds",
        sy__json_number(r->rounds), "clock",
        is_ok ? sy__json_text(r->window->clock) : json_null(), "finished",
        sy__json_number(r->window->jobs), "pauses",
        sy__json_number(r->window->pauses), "early",
        sy__json_number(r->window->early), "unwoken",
        sy__json_number(r->window->unwoken), "production",
        is_ok ? library_object(&r->production) : json_null(), "traced",
        is_ok ? library_object(&r->traced) : json_null(), "phases",
        is_ok ? phases_object(r->window) : json_null());
    if (line == NULL || more == NULL || json_object_update(line, more) != 0) {
        json_decref(line);
        line = NULL;
    }
    json_decref(more);
    return line;
}
