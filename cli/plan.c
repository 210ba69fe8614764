/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "suggest.h"

/* Around the window: starting a process, making keys, counting system calls
   and draining. A guess, for the time that is shown only. */
#define AROUND_NS (150 * SY_NS_PER_MS)

#define MIXES_MAX 64

struct mix {
    struct sy_mix_item items[SY_MIX_MAX];
    unsigned count;
    int is_exact; /* was given as "name@N" or "precomputed:name" */
};

struct device {
    const char *spec;
    const struct sy_device_ops *ops; /* NULL: one of the library */
};

/* A switcher with an engine; part first, for parts_choose(). */
struct combination {
    struct part part;
    char bare[64]; /* without the engine's variant */
    const struct part_switcher *switcher;
    const struct part_engine *engine;
};

/* What the experiments are the product of. */
struct factors {
    const struct run_options *options;
    const struct parts *parts;
    struct mix mixes[MIXES_MAX];
    size_t mixes_count;
    struct device devices[OPTION_ITEMS_MAX];
    size_t devices_count;
    struct combination *combinations;
    size_t combinations_count;
    unsigned char *chosen, *swept;       /* for each combination */
    unsigned char references[PARTS_MAX]; /* for each of the parts */
    int sweeps;
};

/* ---- workloads ---------------------------------------------------------- */

static const struct part_workload *find_workload(const struct parts *parts,
                                                 const char *name, size_t bytes)
{
    size_t i;

    for (i = 0; i < parts->workloads_count; i++) {
        const struct part_workload *w = &parts->workloads[i];

        if (strlen(w->part.name) == bytes &&
            memcmp(w->part.name, name, bytes) == 0)
            return w;
    }
    return NULL;
}

static int is_precomputed(const char *text)
{
    return strncmp(text, SY_PRECOMPUTED, strlen(SY_PRECOMPUTED)) == 0;
}

/*
 * Look up "name" or "name@N", both also with "precomputed:" in front.
 *
 * @where  begins the message: "--workload" or "file:line"
 *
 * Returns 0, or -EINVAL after it said what is wrong.
 */
static int resolve_workload(const struct parts *parts, const char *text,
                            const char *where, struct sy_mix_item *item)
{
    int precomputed = is_precomputed(text);
    const char *name = precomputed ? text + strlen(SY_PRECOMPUTED) : text;
    size_t bytes = strcspn(name, "@"), i;
    const struct part_workload *w = find_workload(parts, name, bytes);
    struct option size = {.kind = OPTION_NUMBER};
    struct suggestion s;
    uint64_t value;
    char why[256];

    if (w == NULL) {
        suggest_begin(&s, name);
        for (i = 0; i < parts->workloads_count; i++)
            suggest_offer(&s, parts->workloads[i].part.name);
        suggest_say(&s, "workload");
        say("%s: 'switchyard list' shows what there is", where);
        return -EINVAL;
    }
    if (precomputed && !sy_can_precompute(w->ops)) {
        say("%s: %s: results can be made beforehand for workloads whose only "
            "step is offloaded, and %s has %u steps",
            where, text, w->part.name, (unsigned)w->ops->steps);
        return -EINVAL;
    }
    item->ops = w->ops;
    item->precomputed = precomputed;
    item->weight = 1;
    item->param_bytes = w->ops->param_default;
    if (name[bytes] == '\0')
        return 0;
    if (w->ops->param_default == 0) {
        say("%s: %s takes no size, so '%s' is not accepted", where,
            w->part.name, name + bytes);
        return -EINVAL;
    }
    size.min = w->ops->param_min;
    size.max = w->ops->param_max;
    if (options_read(&size, &value, name + bytes + 1, 0, why, sizeof(why)) !=
        0) {
        say("%s: the N of %s@N: %s; suffixes K and M", where, w->part.name,
            why);
        say("%s is: %s", w->part.name, w->part.summary);
        return -EINVAL;
    }
    item->param_bytes = (size_t)value;
    return 0;
}

static struct mix *add_mix(struct factors *f)
{
    struct mix *mix;

    if (f->mixes_count == MIXES_MAX) {
        say("more than %d workloads", MIXES_MAX);
        return NULL;
    }
    mix = &f->mixes[f->mixes_count++];
    memset(mix, 0, sizeof(*mix));
    return mix;
}

static int mixes_from_suite(struct factors *f, const struct suite *suite,
                            const struct parts *parts)
{
    size_t i, j;
    char where[sizeof(suite->path) + 16];

    for (i = 0; i < suite->mixes_count; i++) {
        const struct suite_mix *from = &suite->mixes[i];
        struct mix *mix = add_mix(f);

        if (mix == NULL)
            return CLI_USAGE;
        for (j = 0; j < from->count; j++) {
            struct sy_mix_item *item = &mix->items[mix->count++];

            snprintf(where, sizeof(where), "%s:%u", suite->path,
                     from->items[j].line);
            if (resolve_workload(parts, from->items[j].workload, where, item) !=
                0)
                return CLI_USAGE;
            item->weight = from->items[j].weight;
        }
    }
    return -1;
}

static int add_exact(struct factors *f, const struct parts *parts,
                     const char *name)
{
    struct mix *mix = add_mix(f);

    if (mix == NULL)
        return CLI_USAGE;
    mix->count = 1;
    if (resolve_workload(parts, name, "--workload", &mix->items[0]) != 0)
        return CLI_USAGE;
    return -1;
}

/* Is this workload, with its usual size, a mix that a pattern chose? */
static struct mix *find_chosen(struct factors *f, const struct part_workload *w)
{
    size_t i;

    for (i = 0; i < f->mixes_count; i++)
        if (!f->mixes[i].is_exact && f->mixes[i].items[0].ops == w->ops)
            return &f->mixes[i];
    return NULL;
}

static void remove_mix(struct factors *f, struct mix *mix)
{
    size_t behind = (size_t)(&f->mixes[f->mixes_count] - (mix + 1));

    memmove(mix, mix + 1, behind * sizeof(*mix));
    f->mixes_count--;
}

/*
 * Add what a pattern chooses, or with '!' in front take it out again. One
 * that begins with '!' and comes first means: all but these.
 */
static int apply_pattern(struct factors *f, const struct parts *parts,
                         const char *pattern, int is_first)
{
    struct option_texts one = {.item = {pattern}, .count = 1};
    unsigned char chosen[PARTS_MAX];
    size_t i;

    if (parts_choose("workload", &one, &parts->workloads[0].part,
                     sizeof(parts->workloads[0]), parts->workloads_count,
                     chosen) < 0)
        return CLI_USAGE;
    for (i = 0; i < parts->workloads_count; i++) {
        const struct part_workload *w = &parts->workloads[i];
        struct mix *mix = find_chosen(f, w);

        if (chosen[i] && mix == NULL && (pattern[0] != '!' || is_first)) {
            if (add_exact(f, parts, w->part.name) != -1)
                return CLI_USAGE;
        } else if (!chosen[i] && mix != NULL && pattern[0] == '!') {
            remove_mix(f, mix);
        }
    }
    return -1;
}

/* In the order in which they were asked for. */
static int mixes_from_options(struct factors *f, const struct parts *parts)
{
    char text[1024], *item, *rest;
    size_t i;
    int status, patterns = 0;

    for (i = 0; i < f->options->workload.count; i++) {
        if (strlen(f->options->workload.item[i]) >= sizeof(text)) {
            say("--workload: longer than %zu bytes", sizeof(text) - 1);
            return CLI_USAGE;
        }
        strcpy(text, f->options->workload.item[i]);
        rest = NULL;
        for (item = strtok_r(text, ", \t", &rest); item != NULL;
             item = strtok_r(NULL, ", \t", &rest)) {
            if (strchr(item, '@') == NULL && !is_precomputed(item)) {
                status = apply_pattern(f, parts, item, patterns++ == 0);
            } else {
                status = add_exact(f, parts, item);
                if (status == -1)
                    f->mixes[f->mixes_count - 1].is_exact = 1;
            }
            if (status != -1)
                return status;
        }
    }
    return -1;
}

/* ---- devices ------------------------------------------------------------ */

/* Threads of the device and the loop need a CPU each. */
static void warn_of_crowding(const char *spec)
{
    const char *threads = strstr(spec, "threads=");
    unsigned long count;
    cpu_set_t set;

    threads = threads != NULL ? threads + 8 : spec + strcspn(spec, ":") + 1;
    count = spec[strcspn(spec, ":")] != '\0' ? strtoul(threads, NULL, 10) : 0;
    if (count == 0)
        count = 1; /* the default */
    if (strncmp(spec, "workers", 7) != 0 ||
        sched_getaffinity(0, sizeof(set), &set) != 0 ||
        count + 1 <= (unsigned long)CPU_COUNT(&set))
        return;
    say("--device: '%s' and the loop need %lu CPUs, and there are %d: they "
        "will be in each other's way",
        spec, count + 1, CPU_COUNT(&set));
}

static int add_device(struct factors *f, const struct parts *parts,
                      const char *spec)
{
    size_t bytes = strcspn(spec, ":"), i;
    const char *options = spec[bytes] != '\0' ? spec + bytes + 1 : "";
    const struct part_device *found = NULL;
    struct sy_device *device;
    struct suggestion s;
    char why[512], name[64];
    int err;

    snprintf(name, sizeof(name), "%.*s", (int)bytes, spec);
    suggest_begin(&s, name);
    for (i = 0; i < parts->devices_count && found == NULL; i++) {
        if (strcmp(parts->devices[i].part.name, name) == 0)
            found = &parts->devices[i];
        suggest_offer(&s, parts->devices[i].part.name);
    }
    if (found == NULL) {
        suggest_say(&s, "device");
        say("--device: 'switchyard list' shows what there is");
        return CLI_USAGE;
    }
    err = sy_device_open_ops(&device, found->ops, options, NULL, why,
                             sizeof(why));
    if (err != 0) {
        say("--device: '%s': %s", spec, why);
        if (err == -EINVAL && found->ops->options != NULL)
            say("--device: %s takes %s", name, found->ops->options);
        return err == -EINVAL ? CLI_USAGE : CLI_ENVIRONMENT;
    }
    sy_device_close(device);
    warn_of_crowding(spec);
    f->devices[f->devices_count].spec = spec;
    f->devices[f->devices_count].ops =
        found->part.file != NULL ? found->ops : NULL;
    f->devices_count++;
    return -1;
}

/* ---- switchers and engines ---------------------------------------------- */

static int list_combinations(struct factors *f, const struct parts *parts)
{
    size_t n = parts->switchers_count * parts->engines_count, i, j;
    struct combination *c;

    f->combinations = calloc(n + 1, sizeof(*f->combinations));
    f->chosen = calloc(n + 1, 1);
    f->swept = calloc(n + 1, 1);
    if (f->combinations == NULL || f->chosen == NULL || f->swept == NULL)
        return -ENOMEM;
    c = f->combinations;
    for (i = 0; i < parts->switchers_count; i++) {
        for (j = 0; j < parts->engines_count; j++, c++) {
            c->switcher = &parts->switchers[i];
            c->engine = &parts->engines[j];
            snprintf(c->part.name, sizeof(c->part.name), "%.31s+%.31s",
                     c->switcher->part.name, c->engine->part.name);
            snprintf(c->bare, sizeof(c->bare), "%.31s+%.31s",
                     c->switcher->part.name, c->engine->part.bare);
            c->part.bare = c->bare;
            /* "asm" stands for "asm+*", and "queue" for "*+queue". */
            c->part.also[0] = c->switcher->part.name;
            c->part.also[1] = c->engine->part.name;
            c->part.also[2] = c->engine->part.bare;
        }
    }
    f->combinations_count = n;
    return 0;
}

/* Narrow f->chosen down to the switchers and engines that options name. */
static int choose_parts(struct factors *f, const struct parts *parts)
{
    unsigned char switchers[PARTS_MAX], engines[PARTS_MAX];
    size_t i;

    if (parts_choose("switcher", &f->options->switcher,
                     &parts->switchers[0].part, sizeof(parts->switchers[0]),
                     parts->switchers_count, switchers) < 0 ||
        parts_choose("engine", &f->options->engine, &parts->engines[0].part,
                     sizeof(parts->engines[0]), parts->engines_count,
                     engines) < 0)
        return CLI_USAGE;
    for (i = 0; i < f->combinations_count; i++) {
        const struct combination *c = &f->combinations[i];

        f->chosen[i] = f->chosen[i] &&
                       switchers[c->switcher - parts->switchers] &&
                       engines[c->engine - parts->engines];
    }
    return -1;
}

static int choose_combinations(struct factors *f, const struct parts *parts,
                               const struct option_texts *operands)
{
    const struct run_options *o = f->options;

    if (list_combinations(f, parts) != 0) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    if (parts_choose("combination", operands, &f->combinations[0].part,
                     sizeof(f->combinations[0]), f->combinations_count,
                     f->chosen) < 0)
        return CLI_USAGE;
    f->sweeps = o->sweep_of.count != 0 && o->sweep_jobs.count != 0;
    if (f->sweeps &&
        parts_choose("combination", &o->sweep_of, &f->combinations[0].part,
                     sizeof(f->combinations[0]), f->combinations_count,
                     f->swept) < 0)
        return CLI_USAGE;
    return choose_parts(f, parts);
}

static int choose_references(struct factors *f)
{
    const struct option_texts *wanted = &f->options->reference;
    const struct part_reference *all = f->parts->references;

    memset(f->references, 0, sizeof(f->references));
    if (f->options->no_reference ||
        (wanted->count == 1 && strcmp(wanted->item[0], "none") == 0))
        return -1;
    if (parts_choose("reference", wanted, &all[0].part, sizeof(all[0]),
                     f->parts->references_count, f->references) < 0)
        return CLI_USAGE;
    return -1;
}

/* ---- the product -------------------------------------------------------- */

int plan_same_task(const struct sy_experiment *a, const struct sy_experiment *b)
{
    unsigned i;

    if (a->mix_count != b->mix_count ||
        strcmp(a->device_spec, b->device_spec) != 0)
        return 0;
    for (i = 0; i < a->mix_count; i++)
        if (a->mix[i].ops != b->mix[i].ops ||
            a->mix[i].param_bytes != b->mix[i].param_bytes ||
            a->mix[i].precomputed != b->mix[i].precomputed ||
            a->mix[i].weight != b->mix[i].weight)
            return 0;
    return 1;
}

int plan_same(const struct sy_experiment *a, const struct sy_experiment *b)
{
    return a->row == b->row && a->peer == b->peer &&
           a->switcher == b->switcher && a->engine == b->engine &&
           a->variant == b->variant && a->jobs == b->jobs &&
           plan_same_task(a, b);
}

struct plan_entry *plan_append(struct plan *plan,
                               const struct plan_entry *entry)
{
    if (plan->count == plan->room) {
        size_t room = plan->room * 2 + 64;
        struct plan_entry *entries =
            realloc(plan->entries, room * sizeof(*entries));

        if (entries == NULL)
            return NULL;
        plan->entries = entries;
        plan->room = room;
    }
    plan->entries[plan->count] = *entry;
    return &plan->entries[plan->count++];
}

/* Add an experiment unless the plan has it with this seed already. Returns 0
   or -ENOMEM. */
static int add_entry(struct plan *plan, const struct plan_entry *entry)
{
    size_t i;

    for (i = 0; i < plan->count; i++)
        if (plan->entries[i].seed == entry->seed &&
            plan_same(&plan->entries[i].exp, &entry->exp))
            return 0;
    return plan_append(plan, entry) != NULL ? 0 : -ENOMEM;
}

static int add_combinations(struct plan *plan, const struct factors *f,
                            struct plan_entry entry, const unsigned char *which)
{
    size_t i;

    entry.exp.row = SY_ROW_COMBINATION;
    for (i = 0; i < f->combinations_count; i++) {
        if (!which[i])
            continue;
        entry.exp.switcher = f->combinations[i].switcher->ops;
        entry.exp.engine = f->combinations[i].engine->ops;
        entry.exp.variant = f->combinations[i].engine->variant;
        if (add_entry(plan, &entry) != 0)
            return -ENOMEM;
    }
    return 0;
}

static int does_one_at_a_time(enum sy_row row)
{
    return row == SY_ROW_SOFTWARE || row == SY_ROW_BLOCKING;
}

static int add_references(struct plan *plan, const struct factors *f,
                          struct plan_entry entry)
{
    unsigned jobs = entry.exp.jobs;
    size_t i;

    for (i = 0; i < f->parts->references_count; i++) {
        if (!f->references[i])
            continue;
        entry.exp.row = f->parts->references[i].row;
        entry.exp.peer = f->parts->references[i].peer;
        /* The same experiment for every number of jobs, so do it once. */
        entry.exp.jobs = does_one_at_a_time(entry.exp.row) ? 1 : jobs;
        if (add_entry(plan, &entry) != 0)
            return -ENOMEM;
    }
    return 0;
}

/* Everything for one seed, mix and device. */
static int add_task(struct plan *plan, const struct factors *f,
                    struct plan_entry entry)
{
    const struct run_options *o = f->options;
    size_t i;

    for (i = 0; i < o->jobs.count; i++) {
        entry.exp.jobs = (unsigned)o->jobs.item[i];
        if (add_combinations(plan, f, entry, f->chosen) != 0)
            return -ENOMEM;
    }
    for (i = 0; f->sweeps && i < o->sweep_jobs.count; i++) {
        entry.is_sweep = 1;
        entry.exp.jobs = (unsigned)o->sweep_jobs.item[i];
        if (add_combinations(plan, f, entry, f->swept) != 0)
            return -ENOMEM;
    }
    entry.is_sweep = 0;
    for (i = 0; i < o->jobs.count; i++) {
        entry.exp.jobs = (unsigned)o->jobs.item[i];
        if (add_references(plan, f, entry) != 0)
            return -ENOMEM;
    }
    return 0;
}

static int add_all(struct plan *plan, const struct factors *f)
{
    const struct run_options *o = f->options;
    size_t s, m, d;

    for (s = 0; s < o->seed.count; s++) {
        for (m = 0; m < f->mixes_count; m++) {
            for (d = 0; d < f->devices_count; d++) {
                struct plan_entry entry;

                memset(&entry, 0, sizeof(entry));
                entry.dose = -1;
                entry.seed = o->seed.item[s];
                entry.exp.seed = o->seed.item[s];
                memcpy(entry.exp.mix, f->mixes[m].items, sizeof(entry.exp.mix));
                entry.exp.mix_count = f->mixes[m].count;
                entry.exp.device_spec = f->devices[d].spec;
                entry.exp.device_ops = f->devices[d].ops;
                entry.exp.duration_ns = o->duration_ns;
                entry.exp.stack_bytes = (size_t)o->stack_bytes;
                entry.exp.verify_every = strcmp(o->verify, "all") == 0;
                if (add_task(plan, f, entry) != 0)
                    return -ENOMEM;
            }
        }
    }
    return 0;
}

/* splitmix64 */
uint64_t plan_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/*
 * Shuffle within each seed's round: a machine that grows slower in the course
 * of a run must not do so for one combination only, and a round that is whole
 * stays comparable when the run is cut short.
 */
static int shuffle(struct plan *plan)
{
    size_t begin = 0, end, i;

    plan->order = calloc(plan->count, sizeof(*plan->order));
    if (plan->order == NULL)
        return -ENOMEM;
    for (i = 0; i < plan->count; i++)
        plan->order[i] = i;
    for (begin = 0; begin < plan->count; begin = end) {
        uint64_t state = plan->entries[begin].seed;

        for (end = begin; end < plan->count &&
                          plan->entries[end].seed == plan->entries[begin].seed;
             end++)
            continue;
        for (i = end; i-- > begin + 1;) {
            size_t j = begin + (size_t)(plan_random(&state) % (i - begin + 1));
            size_t kept = plan->order[i];

            plan->order[i] = plan->order[j];
            plan->order[j] = kept;
        }
    }
    return 0;
}

static int make(struct plan *plan, struct factors *f, const struct suite *suite,
                const struct parts *parts, const struct option_texts *operands)
{
    const struct run_options *o = f->options;
    size_t i;
    int status;

    status = o->workload.count == 0 && suite != NULL
                 ? mixes_from_suite(f, suite, parts)
                 : mixes_from_options(f, parts);
    for (i = 0; status == -1 && i < o->device.count; i++)
        status = add_device(f, parts, o->device.item[i]);
    if (status == -1)
        status = choose_combinations(f, parts, operands);
    if (status == -1)
        status = choose_references(f);
    if (status != -1)
        return status;

    if (memchr(f->chosen, 1, f->combinations_count) == NULL) {
        say("nothing matched: no combination of switcher and engine is left");
        return CLI_INCOMPLETE;
    }
    if (f->mixes_count == 0) {
        say("nothing matched: no workload is left");
        return CLI_INCOMPLETE;
    }
    if (add_all(plan, f) != 0 || shuffle(plan) != 0) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    return -1;
}

int plan_make(struct plan *plan, const struct run_options *options,
              const struct suite *suite, const struct parts *parts,
              const struct option_texts *operands)
{
    struct factors *f = calloc(1, sizeof(*f));
    int status;

    memset(plan, 0, sizeof(*plan));
    if (f == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    f->options = options;
    f->parts = parts;
    status = make(plan, f, suite, parts, operands);
    free(f->combinations);
    free(f->chosen);
    free(f->swept);
    free(f);
    return status;
}

void plan_free(struct plan *plan)
{
    size_t i;

    for (i = 0; i < plan->count; i++)
        free(plan->entries[i].outcome);
    free(plan->entries);
    free(plan->order);
}

void plan_keep_shard(struct plan *plan, const struct shard *shard)
{
    size_t kept = 0, i, k;

    /* Those that stay, in their order of running. */
    for (i = 0; i < plan->count; i++)
        if (shard_has(shard, i))
            plan->order[kept++] = plan->order[i];
    /* They move up, in their order of results, and take their place in the
       order of running along. */
    for (i = 0, k = 0; i < plan->count; i++) {
        size_t at = 0;

        while (at < kept && plan->order[at] != i)
            at++;
        if (at == kept)
            continue;
        plan->entries[k] = plan->entries[i];
        plan->order[at] = k++;
    }
    plan->count = kept;
}

uint64_t plan_entry_ns(const struct plan_entry *entry)
{
    uint64_t warm_up = entry->exp.duration_ns / 10;

    if (warm_up < 20 * SY_NS_PER_MS)
        warm_up = 20 * SY_NS_PER_MS;
    if (warm_up > 500 * SY_NS_PER_MS)
        warm_up = 500 * SY_NS_PER_MS;
    return entry->exp.duration_ns + warm_up + AROUND_NS;
}
