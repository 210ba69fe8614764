/* SPDX-License-Identifier: Apache-2.0 */
#include "compare_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>

#include "../bench/load/json_values.h"

/* Waiting for a CPU for more than so much of a batch is a disturbance. */
#define WAITED_PART 100

/* What took longer is no batch, and what took less time than its thread was on
   a CPU, by more than the two clocks may disagree, took another: the clock
   stepped. */
#define BATCH_NS_MAX  (3600 * SY_NS_PER_S)
#define DISAGREE_PART 8
#define DISAGREE_NS   (100 * SY_NS_PER_US)

/* Takes the reference. */
static int add(struct sy_run_file *file, json_t *object, char *why,
               size_t why_bytes)
{
    char *line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    int err;

    json_decref(object);
    if (line == NULL) {
        snprintf(why, why_bytes, "no memory");
        return -ENOMEM;
    }
    err = sy_run_file_add_line(file, line, why, why_bytes);
    free(line);
    return err;
}

static json_t *comparison(const struct contest *c, const char *suite)
{
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:b, "
        "s:o}",
        "type", "comparison", "suite", sy__json_text(suite), "seed",
        sy__json_number(c->seed), "candidates", sy__json_number(c->count),
        "processes", sy__json_number(c->processes), "rounds",
        sy__json_number(c->rounds), "budget_ns",
        c->budget_ns == 0 ? json_null() : sy__json_number(c->budget_ns),
        "tick_ns", sy__json_number(c->tick_ns), "floor_ns",
        sy__json_number(c->floor_ns), "layouts", sy__json_number(c->layouts),
        "layouts_there", sy__json_number(c->layouts_there), "twin",
        contest_twin(c), "aslr", (int)c->aslr, "planted_permille",
        sy__json_number(c->plant_permille));
}

/* "candidate" with what the experiment is. */
static json_t *candidate_object(const struct contest *c, uint32_t entry,
                                const char *label)
{
    const struct sy_experiment *exp = &c->plan->entries[entry].exp;
    char *line = sy_run_file_experiment(exp);
    json_t *object = line != NULL ? json_loads(line, 0, NULL) : NULL;
    char name[128];

    free(line);
    if (object == NULL)
        return NULL;
    sy_experiment_name(exp, name, sizeof(name));
    if (json_object_set_new(object, "type", json_string("candidate")) != 0 ||
        json_object_set_new(object, "name", sy__json_text(name)) != 0 ||
        json_object_set_new(object, "label", sy__json_text(label)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
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

/* The members that lines of candidates under doses have besides; else none. */
static json_t *dose_of_candidate(const struct contest *c, unsigned i)
{
    const struct plan_entry *entry = &c->plan->entries[c->candidates[i].entry];
    struct sy_dose dose;

    if (entry->dose < 0)
        return json_object();
    sy_dose_get((unsigned)entry->dose, &dose);
    return json_pack("{s:{s:o, s:o, s:o}}", "dose", "switch_ns",
                     sy__json_number(dose.ns[SY_DOSE_SWITCH]), "wake_ns",
                     sy__json_number(dose.ns[SY_DOSE_WAKE]), "device_ns",
                     sy__json_number(dose.ns[SY_DOSE_DEVICE]));
}

static json_t *dose_of_batch(const struct contest *c,
                             const struct compare_batch *b)
{
    const struct sy_dose_counts *d = &b->dose;
    uint32_t entry = c->candidates[b->candidate].entry;

    if (c->plan->entries[entry].dose < 0)
        return json_object();
    return json_pack(
        "{s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}}", "dose", "jobs",
        sy__json_number(d->jobs), "switches",
        sy__json_number(d->applied[SY_DOSE_SWITCH]), "wakes",
        sy__json_number(d->applied[SY_DOSE_WAKE]), "device_operations",
        sy__json_number(d->applied[SY_DOSE_DEVICE]), "collected",
        sy__json_number(d->collected), "switch_ns",
        sy__json_number(d->switch_ns), "wake_ns", sy__json_number(d->wake_ns),
        "collect_ns", sy__json_number(d->collect_ns), "device_ns",
        sy__json_number(d->device_ns));
}

/* How long the doses are in a process: a list of each candidate's, null for
   one without. */
static json_t *doses_of_process(const struct contest *c,
                                const struct compare_share *share)
{
    json_t *list = json_array();
    int has_doses = 0;

    for (unsigned i = 0; i < c->count; i++) {
        const uint64_t *ps = share->dose_ps[i];
        int level = c->plan->entries[c->candidates[i].entry].dose;

        has_doses |= level >= 0;
        (void)json_array_append_new(
            list,
            level < 0
                ? json_null()
                : json_pack("{s:o, s:o, s:o}", "switch_ps",
                            sy__json_number(ps[SY_DOSE_SWITCH]), "wake_ps",
                            sy__json_number(ps[SY_DOSE_WAKE]), "device_ps",
                            sy__json_number(ps[SY_DOSE_DEVICE])));
    }
    if (has_doses)
        return json_pack("{s:o}", "doses", list);
    json_decref(list);
    return json_object();
}

static json_t *candidate(const struct contest *c, unsigned i)
{
    const struct candidate *one = &c->candidates[i];

    return merged(
        merged(candidate_object(c, one->entry, one->label),
               dose_of_candidate(c, i)),
        json_pack("{s:o, s:o, s:o, s:o, s:s, s:o}", "candidate",
                  sy__json_number(i), "task", sy__json_number(one->task),
                  "twin_of",
                  one->twin_of < 0 ? json_null() : json_integer(one->twin_of),
                  "operations", sy__json_number(c->operations[i]), "status",
                  "ok", "reason", json_null()));
}

static json_t *candidate_left_out(const struct contest *c, unsigned i)
{
    const struct left_out *one = &c->left_out[i];

    return merged(
        candidate_object(c, one->entry, one->label),
        json_pack("{s:o, s:o, s:o, s:o, s:s, s:o}", "candidate", json_null(),
                  "task", json_null(), "twin_of", json_null(), "operations",
                  json_null(), "status",
                  one->status == SY_OUTCOME_SKIPPED ? "skipped" : "failed",
                  "reason", sy__json_text(one->reason)));
}

int compare_file_begin(struct sy_run_file *file, const struct contest *c,
                       const char *suite, char *why, size_t why_bytes)
{
    int err = add(file, comparison(c, suite), why, why_bytes);
    unsigned i;

    for (i = 0; i < c->count && err == 0; i++)
        err = add(file, candidate(c, i), why, why_bytes);
    for (i = 0; i < c->left_out_count && err == 0; i++)
        err = add(file, candidate_left_out(c, i), why, why_bytes);
    return err;
}

static int has_stepped(const struct sy_batch *b)
{
    return b->elapsed_ns == 0 || b->elapsed_ns > BATCH_NS_MAX ||
           b->thread_cpu_ns >
               b->elapsed_ns + b->elapsed_ns / DISAGREE_PART + DISAGREE_NS;
}

static json_t *tags(const struct contest *c, const struct compare_share *share,
                    const struct sy_batch *b)
{
    const struct {
        const char *name;
        int is_so;
    } all[] = {
        {"preempted", b->switches_involuntary > 0},
        {"steal", b->steal_ns > 0},
        {"migrated", b->migrations > 0},
        {"displaced", share->cpu >= 0 && b->cpu != (uint32_t)share->cpu},
        {"waited", b->waited_ns > b->elapsed_ns / WAITED_PART},
        {"major_fault", b->faults_major > 0},
        {"short", b->elapsed_ns < c->floor_ns},
        {"clock", has_stepped(b)},
    };
    json_t *array = json_array();
    size_t i;

    for (i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (all[i].is_so &&
            json_array_append_new(array, json_string(all[i].name)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *batch(const struct contest *c, unsigned process,
                     const struct compare_share *share,
                     const struct compare_batch *b)
{
    const struct sy_batch *m = &b->batch;

    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
        " s:o, s:o, s:o, s:o, s:o}",
        "type", "batch", "process", sy__json_number(process), "round",
        sy__json_number(b->round), "position", sy__json_number(b->position),
        "candidate", sy__json_number(b->candidate), "operations",
        sy__json_number(m->operations), "elapsed_ns",
        sy__json_number(m->elapsed_ns), "cpu_ns", sy__json_number(m->cpu_ns),
        "thread_cpu_ns", sy__json_number(m->thread_cpu_ns),
        "switches_voluntary", sy__json_number(m->switches_voluntary),
        "switches_involuntary", sy__json_number(m->switches_involuntary),
        "faults_minor", sy__json_number(m->faults_minor), "faults_major",
        sy__json_number(m->faults_major), "steal_ns",
        sy__json_number(m->steal_ns), "waited_ns",
        sy__json_number(m->waited_ns), "migrations",
        sy__json_number(m->migrations), "cpu", sy__json_number(m->cpu),
        "verified", sy__json_number(m->verified), "tags", tags(c, share, m));
}

static const char *end_word(enum compare_end end)
{
    switch (end) {
    case COMPARE_DONE:
        return "ok";
    case COMPARE_SKIPPED:
        return "skipped";
    case COMPARE_RUNNING:
    case COMPARE_FAILED:
    case COMPARE_BROKEN:
        break;
    }
    return "failed";
}

static json_t *process_object(unsigned process_number, const char *layout,
                              const struct compare_process *p,
                              const struct compare_share *share)
{
    json_t *offsets = json_array();

    for (uint32_t i = 0; i < share->count; i++)
        (void)json_array_append_new(offsets,
                                    sy__json_number(share->stack_offsets[i]));
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o,"
        " s:o, s:s, s:o, s:o}",
        "type", "process", "process", sy__json_number(process_number), "seed",
        sy__json_number(share->seed & INT64_MAX), "environment_bytes",
        sy__json_number(p->environment_bytes), "stack_offsets_bytes", offsets,
        "cpu", share->cpu < 0 ? json_null() : json_integer(share->cpu), "cpus",
        sy__json_number(share->cpus), "layout", sy__json_text(layout),
        "twin_offset_bytes",
        share->twin_offset_bytes == 0 ? json_null()
                                      : json_integer(share->twin_offset_bytes),
        "first_round", sy__json_number(share->first_round), "rounds",
        sy__json_number(share->rounds), "aslr", (int)share->aslr, "batches",
        sy__json_number(p->batches), "setup_ns",
        sy__json_number(share->setup_ns), "elapsed_ns",
        sy__json_number(p->elapsed_ns), "status", end_word(p->end), "candidate",
        p->culprit < 0 ? json_null() : json_integer(p->culprit), "reason",
        sy__json_text(p->reason));
}

int compare_file_process(struct sy_run_file *file, const struct contest *c,
                         unsigned process_number, const char *layout,
                         const struct compare_process *p,
                         const struct compare_share *share, char *why,
                         size_t why_bytes)
{
    int err = add(file,
                  merged(process_object(process_number, layout, p, share),
                         doses_of_process(c, share)),
                  why, why_bytes);
    uint32_t i;

    for (i = 0; i < p->batches && err == 0; i++)
        err = add(file,
                  merged(batch(c, process_number, share, &share->batches[i]),
                         dose_of_batch(c, &share->batches[i])),
                  why, why_bytes);
    return err;
}
