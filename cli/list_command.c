/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard list: what there is, and whether it works here. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/poll_policy.h>
#include <switchyard/runtime.h>

#include "command.h"
#include "list.h"
#include "options.h"
#include "part_facts.h"
#include "parts.h"
#include "print_json.h"
#include "table.h"

struct list_options {
    int json;
    int verbose;
    const char *names;
    struct option_texts load;
};

#define KINDS 5

/* As in JSON, and for --names. */
static const char *const kind_keys[KINDS + 1] = {
    "switchers", "engines", "devices", "workloads", "references", NULL};

static const struct option list_options[] = {
    {.name = "json",
     .help = "one JSON object instead of tables",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct list_options, json)},
    {.name = "verbose",
     .help = "also what each engine would like to use, and what it uses",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct list_options, verbose)},
    {.name = "names",
     .argument = "KIND",
     .help = "only the names of one kind that work here, one a line",
     .kind = OPTION_CHOICE,
     .choices = kind_keys,
     .offset = offsetof(struct list_options, names)},
    {.name = "load",
     .argument = "FILE.so",
     .help = "also list the parts in this file; may be repeated",
     .kind = OPTION_TEXTS,
     .offset = offsetof(struct list_options, load)},
    {.name = NULL},
};

/* One kind of part, in a form that needs no knowledge of it. */
struct kind {
    const char *title;
    const char *key; /* in JSON */
    const struct part *first;
    size_t stride, count;
    int are_engines, are_switchers;
};

static const struct part *kind_part(const struct kind *kind, size_t i)
{
    return (const struct part *)((const char *)kind->first + i * kind->stride);
}

static void describe_kinds(const struct parts *parts, struct kind kinds[KINDS])
{
    kinds[0] = (struct kind){"Switchers",
                             kind_keys[0],
                             &parts->switchers[0].part,
                             sizeof(parts->switchers[0]),
                             parts->switchers_count,
                             0,
                             1};
    kinds[1] = (struct kind){"Engines",
                             kind_keys[1],
                             &parts->engines[0].part,
                             sizeof(parts->engines[0]),
                             parts->engines_count,
                             1,
                             0};
    kinds[2] = (struct kind){"Devices",
                             kind_keys[2],
                             &parts->devices[0].part,
                             sizeof(parts->devices[0]),
                             parts->devices_count,
                             0,
                             0};
    kinds[3] = (struct kind){"Workloads",
                             kind_keys[3],
                             &parts->workloads[0].part,
                             sizeof(parts->workloads[0]),
                             parts->workloads_count,
                             0,
                             0};
    kinds[4] = (struct kind){
        .title = "Reference rows",
        .key = kind_keys[4],
        .first = &parts->references[0].part,
        .stride = sizeof(parts->references[0]),
        .count = parts->references_count,
    };
}

/* Does the engine give a descriptor for a foreign event loop? Tried, because
   the table of an engine does not say it of each variant. */
static int has_descriptor(const struct part *part)
{
    const struct part_engine *engine = (const void *)part;
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;
    int fd, err;

    config.engine_ops = engine->ops;
    config.engine = part->name;
    config.flags = SY_RT_NO_ENVIRONMENT;
    if (!part->works || sy_runtime_open(&rt, &config) != 0)
        return 0;
    err = sy_runtime_fd(rt, &fd);
    /* It has no jobs, and is this thread's, so it can be closed. */
    return sy_runtime_close(rt) == 0 && err == 0;
}

static int is_baseline(const struct kind *kind, const struct part *part)
{
    return kind->are_engines &&
           (((const struct part_engine *)(const void *)part)->ops->caps &
            SY_EN_BASELINE) != 0;
}

#define FEATURES_MAX 16

/* What the engine tells of itself here; most tell nothing. */
static unsigned describe(const struct part *part,
                         struct sy_engine_feature features[FEATURES_MAX])
{
    const struct part_engine *engine = (const void *)part;

    if (!part->works || engine->ops->describe == NULL)
        return 0;
    return engine->ops->describe(engine->variant, features, FEATURES_MAX);
}

static const char *feature_word(const struct sy_engine_feature *feature)
{
    return feature->state == SY_FEATURE_USED      ? "used"
           : feature->state == SY_FEATURE_MISSING ? "missing"
                                                  : "not used";
}

static const char *own_loop_word(const struct kind *kind,
                                 const struct part *part)
{
    if (!kind->are_engines)
        return "";
    if (!part->works)
        return "?";
    return has_descriptor(part) ? "yes" : "no";
}

static int print_kind(const struct kind *kind)
{
    const struct table_column columns[] = {
        {kind->title, "", 0},      {"works here", "", 0},
        {"own event loop", "", 0}, {"what it is", "", 0},
        {"loaded from", "", 0},
    };
    struct table *table = table_new(columns, 5);
    size_t i;

    if (table == NULL)
        return CLI_ENVIRONMENT;
    for (i = 0; i < kind->count; i++) {
        const struct part *part = kind_part(kind, i);

        if (table_row(table) != 0) {
            table_free(table);
            return CLI_ENVIRONMENT;
        }
        table_cell(table, "%s", part->name);
        table_cell(table, "%s", part->works ? "yes" : "no");
        table_cell(table, "%s", own_loop_word(kind, part));
        table_cell(table, "%s%s", part->summary,
                   is_baseline(kind, part) ? " (baseline)" : "");
        table_cell(table, "%s", part->file != NULL ? part->file : "");
    }
    table_print(table, stdout);
    table_free(table);
    /* Below the table, because a reason may be long. */
    for (i = 0; i < kind->count; i++)
        if (!kind_part(kind, i)->works)
            printf("%s does not work here: %s\n", kind_part(kind, i)->name,
                   kind_part(kind, i)->why);
    if (kind->are_engines)
        fputs("own event loop: it has a descriptor that a loop of yours can "
              "watch.\nbaseline: there to be compared with; pipe is how older "
              "offload engines wake.\n",
              stdout);
    putchar('\n');
    return CLI_OK;
}

/* "heuristic[:threshold=24[:failover=50us]]" would be hard to read: what a
   policy takes is named, without the defaults. */
static void name_policy(const struct sy_poll_policy_ops *ops, char *name,
                        size_t bytes)
{
    const char *a = ops->values[0].name, *b = ops->values[1].name;

    snprintf(name, bytes, "%s%s%s%s%s%s", ops->name, a != NULL ? "[:" : "",
             a != NULL ? a : "", b != NULL ? "[:" : "", b != NULL ? b : "",
             b != NULL   ? "]]"
             : a != NULL ? "]"
                         : "");
}

static int print_policies(void)
{
    const struct table_column columns[] = {
        {"Poll policies", "", 0}, {"when a polled device is looked at", "", 0}};
    struct table *table = table_new(columns, 2);
    char name[128];

    if (table == NULL)
        return CLI_ENVIRONMENT;
    for (size_t i = 0; sy_poll_policy_table()[i] != NULL; i++) {
        if (table_row(table) != 0) {
            table_free(table);
            return CLI_ENVIRONMENT;
        }
        name_policy(sy_poll_policy_table()[i], name, sizeof(name));
        table_cell(table, "%s", name);
        table_cell(table, "%s%s", sy_poll_policy_table()[i]->summary,
                   i == 0 ? " (default)" : "");
    }
    table_print(table, stdout);
    table_free(table);
    fputs(
        "An option of polled devices, as in sim:servers=4,poll=timer:10us\n\n",
        stdout);
    return CLI_OK;
}

static json_t *policies_to_json(void)
{
    json_t *array = json_array();

    for (size_t i = 0; array != NULL && sy_poll_policy_table()[i] != NULL; i++)
        json_array_append_new(
            array,
            json_pack("{s:s, s:s}", "name", sy_poll_policy_table()[i]->name,
                      "summary", sy_poll_policy_table()[i]->summary));
    return array;
}

static int add_features(struct table *table, const struct part *part)
{
    struct sy_engine_feature features[FEATURES_MAX];
    unsigned i, n = describe(part, features);

    for (i = 0; i < n; i++) {
        if (table_row(table) != 0)
            return CLI_ENVIRONMENT;
        table_cell(table, "%s", part->name);
        table_cell(table, "%s", features[i].name);
        table_cell(table, "%s", feature_word(&features[i]));
        table_cell(table, "%s", features[i].instead);
    }
    return CLI_OK;
}

static int print_features(const struct kind *engines)
{
    const struct table_column columns[] = {
        {"Features of", "", 0},
        {"feature", "", 0},
        {"here", "", 0},
        {"instead, or why", "", 0},
    };
    struct table *table = table_new(columns, 4);
    int status = CLI_OK;
    size_t i;

    if (table == NULL)
        return CLI_ENVIRONMENT;
    for (i = 0; status == CLI_OK && i < engines->count; i++)
        status = add_features(table, kind_part(engines, i));
    if (status == CLI_OK)
        table_print(table, stdout);
    table_free(table);
    return status;
}

/* A text from a foreign file need not be UTF-8, which JSON must be. */
static json_t *json_text(const char *text)
{
    json_t *string = json_string(text);

    return string != NULL ? string : json_string("(not UTF-8)");
}

static json_t *features_to_json(const struct part *part)
{
    struct sy_engine_feature features[FEATURES_MAX];
    unsigned i, n = describe(part, features);
    json_t *array = json_array();

    for (i = 0; i < n; i++)
        json_array_append_new(array,
                              json_pack("{s:o, s:s, s:o}", "name",
                                        json_text(features[i].name), "state",
                                        feature_word(&features[i]), "instead",
                                        json_text(features[i].instead)));
    return array;
}

static json_t *kind_to_json(const struct kind *kind, int verbose)
{
    json_t *array = json_array();
    size_t i;

    for (i = 0; array != NULL && i < kind->count; i++) {
        const struct part *part = kind_part(kind, i);
        json_t *object = json_pack(
            "{s:o, s:o, s:b, s:o, s:o}", "name", json_text(part->name),
            "summary", json_text(part->summary), "works", part->works, "reason",
            json_text(part->why), "file",
            part->file != NULL ? json_text(part->file) : json_null());

        if (kind->are_switchers) {
            const struct part_switcher *sw = (const void *)part;

            json_object_set_new(object, "caps", switcher_caps(sw));
            json_object_set_new(object, "needs", switcher_needs(sw));
        }
        if (kind->are_engines) {
            const struct part_engine *engine = (const void *)part;

            json_object_set_new(object, "caps", engine_caps(engine));
            json_object_set_new(object, "needs", engine_needs(engine));
            json_object_set_new(object, "own_event_loop",
                                json_boolean(has_descriptor(part)));
            json_object_set_new(object, "baseline",
                                json_boolean(is_baseline(kind, part)));
        }
        if (kind->are_engines && verbose)
            json_object_set_new(object, "features", features_to_json(part));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *kinds_to_json(const struct kind *kinds, size_t count,
                             int verbose)
{
    json_t *root = json_object();
    size_t i;

    json_object_set_new(root, "schema", json_string("switchyard-list/1"));
    for (i = 0; i < count; i++)
        json_object_set_new(root, kinds[i].key,
                            kind_to_json(&kinds[i], verbose));
    json_object_set_new(root, "poll_policies", policies_to_json());
    return root;
}

static int print_names(const struct kind *kinds, const char *key)
{
    const struct kind *kind = kinds;

    while (strcmp(kind->key, key) != 0)
        kind++;
    for (size_t i = 0; i < kind->count; i++)
        if (kind_part(kind, i)->works)
            puts(kind_part(kind, i)->name);
    return CLI_OK;
}

json_t *list_to_json(const struct parts *parts, int verbose)
{
    struct kind kinds[KINDS];

    describe_kinds(parts, kinds);
    return kinds_to_json(kinds, KINDS, verbose);
}

static int run_list(const struct command *self, int argc, char **argv)
{
    static struct parts parts;
    struct list_options options;
    struct option_texts operands;
    struct kind kinds[KINDS];
    size_t i;
    int status;

    memset(&options, 0, sizeof(options));
    options_default(self->options, &options);
    status = options_parse(self, argc, argv, &options, &operands);
    if (status == -1)
        status = parts_open(&parts, &options.load);
    if (status != -1)
        return status;
    describe_kinds(&parts, kinds);
    if (options.names != NULL && (options.json || options.verbose)) {
        say("--names prints names only: no --json, no --verbose");
        return CLI_USAGE;
    }
    if (options.names != NULL)
        return print_names(kinds, options.names);
    if (options.json)
        return print_json(list_to_json(&parts, options.verbose));
    status = CLI_OK;
    for (i = 0; status == CLI_OK && i < KINDS; i++)
        status = print_kind(&kinds[i]);
    if (status == CLI_OK)
        status = print_policies();
    for (i = 0; options.verbose && status == CLI_OK && i < KINDS; i++)
        if (kinds[i].are_engines)
            status = print_features(&kinds[i]);
    if (status != CLI_OK)
        say("no memory");
    return status;
}

const struct command list_command = {
    .name = "list",
    .summary = "List switchers, engines, devices, workloads and reference "
               "rows, and whether they work here",
    .operands = "",
    .options = list_options,
    .run = run_list,
};
