/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard explain: what the library would choose here, now, and why. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/engine.h>
#include <switchyard/switcher.h>
#include <switchyard/switchyard.h>

#include "command.h"
#include "options.h"
#include "print_json.h"
#include "table.h"

struct explain_options {
    uint64_t jobs;
    int json;
};

static const struct option explain_options[] = {
    {.name = "jobs",
     .argument = "N",
     .help = "for a program that expects so many; default: not known",
     .kind = OPTION_NUMBER,
     .max = UINT32_MAX,
     .offset = offsetof(struct explain_options, jobs)},
    {.name = "json",
     .help = "one JSON object",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct explain_options, json)},
    {.name = NULL},
};

/* Who may decide, the strongest first; "": says nothing about it. */
struct voice {
    const char *who;
    char switcher[SY_PROFILE_NAME_BYTES];
    char engine[SY_PROFILE_NAME_BYTES];
    char note[SY_PROFILE_WHY_BYTES + 64];
};

enum { ENVIRONMENT, OWN_PROFILE, SYSTEM_PROFILE, BUILT_IN, VOICES };

static void ask_environment(struct voice *v)
{
    const char *sw = getenv("SWITCHYARD_SWITCHER");
    const char *engine = getenv("SWITCHYARD_ENGINE");

    v->who = "environment";
    snprintf(v->switcher, sizeof(v->switcher), "%s", sw != NULL ? sw : "");
    snprintf(v->engine, sizeof(v->engine), "%s", engine != NULL ? engine : "");
    snprintf(v->note, sizeof(v->note),
             "SWITCHYARD_SWITCHER, SWITCHYARD_ENGINE");
}

static void ask_profile(struct voice *v, const char *who, const char *path,
                        uint32_t jobs)
{
    char why[SY_PROFILE_WHY_BYTES];
    struct sy_profile_choice choice;
    struct sy_profile p;
    const char *state = "";

    v->who = who;
    if (path == NULL || path[0] == '\0') {
        snprintf(v->note, sizeof(v->note), "SWITCHYARD_PROFILE is %s",
                 path == NULL ? "not set" : "empty: no profile at all");
        return;
    }
    if (sy_profile_read(&p, path, NULL, why) != 0) {
        snprintf(v->note, sizeof(v->note), "%.60s: %s", path, why);
        return;
    }
    if (p.machine == 0)
        state = ": is about other machines";
    else if (p.is_stale)
        state = p.is_strict ? ": stale, and so not used" : ": stale";
    snprintf(v->note, sizeof(v->note), "%.160s%s%s%.31s%s%.31s", path, state,
             p.locked_switcher[0] != '\0' ? "; locks switcher " : "",
             p.locked_switcher,
             p.locked_engine[0] != '\0' ? "; locks engine " : "",
             p.locked_engine);
    if (p.is_stale && p.is_strict)
        return;
    sy_profile_choose(&p, jobs, &choice);
    memcpy(v->switcher, choice.switcher, sizeof(v->switcher));
    memcpy(v->engine, choice.engine, sizeof(v->engine));
}

static void ask_library(struct voice *v)
{
    const struct sy_switcher_ops *const *sw = sy_switcher_table();
    const struct sy_engine_ops *const *en = sy_engine_table();
    char why[160];

    v->who = "built in";
    while (*sw != NULL && sy_switcher_probe(*sw, why, sizeof(why)) != 0)
        sw++;
    while (*en != NULL && sy_engine_probe(*en, NULL, why, sizeof(why)) != 0)
        en++;
    snprintf(v->switcher, sizeof(v->switcher), "%s",
             *sw != NULL ? (*sw)->name : "");
    snprintf(v->engine, sizeof(v->engine), "%s",
             *en != NULL ? (*en)->name : "");
    snprintf(v->note, sizeof(v->note), "the first that works here");
}

static void ask_all(struct voice voices[VOICES], uint32_t jobs)
{
    memset(voices, 0, VOICES * sizeof(*voices));
    ask_environment(&voices[ENVIRONMENT]);
    ask_profile(&voices[OWN_PROFILE], "profile", getenv("SWITCHYARD_PROFILE"),
                jobs);
    ask_profile(&voices[SYSTEM_PROFILE], "system profile",
                SY_PROFILE_SYSTEM_PATH, jobs);
    ask_library(&voices[BUILT_IN]);
}

static int print_voices(const struct voice voices[VOICES])
{
    static const struct table_column columns[] = {{"decides", "", 0},
                                                  {"switcher", "", 0},
                                                  {"engine", "", 0},
                                                  {"", "", 0}};
    struct table *t = table_new(columns, 4);

    if (t == NULL) {
        say("no memory for a table");
        return CLI_ENVIRONMENT;
    }
    for (size_t i = 0; i < VOICES; i++) {
        const struct voice *v = &voices[i];

        if (table_row(t) != 0)
            break;
        table_cell(t, "%s", v->who);
        table_cell(t, "%s", v->switcher[0] != '\0' ? v->switcher : "-");
        table_cell(t, "%s", v->engine[0] != '\0' ? v->engine : "-");
        table_cell(t, "%s", v->note);
    }
    table_print(t, stdout);
    table_free(t);
    return CLI_OK;
}

static json_t *to_json(const struct voice voices[VOICES],
                       const struct sy_runtime_stats *stats, uint64_t jobs)
{
    json_t *list = json_array();

    for (size_t i = 0; i < VOICES; i++) {
        const struct voice *v = &voices[i];

        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s}", "who", v->who, "switcher",
                            v->switcher, "engine", v->engine, "note", v->note));
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:s, s:s, s:s, s:s}", "schema",
                     "switchyard-explain/1", "cpu", sy_profile_cpu(), "library",
                     sy_profile_build(), "jobs", (json_int_t)jobs, "voices",
                     list, "switcher", stats->switcher, "engine", stats->engine,
                     "by", stats->choice, "profile", stats->profile);
}

static int run_explain(const struct command *self, int argc, char **argv)
{
    struct explain_options options = {0};
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    struct voice voices[VOICES];
    struct option_texts operands;
    struct sy_runtime *rt;
    int status, err;

    status = options_parse(self, argc, argv, &options, &operands);
    if (status != -1)
        return status;
    ask_all(voices, (uint32_t)options.jobs);
    cfg.jobs_expected = (uint32_t)options.jobs;
    err = sy_runtime_open(&rt, &cfg);
    if (err != 0) {
        (void)print_voices(voices);
        say("a runtime cannot be opened here so: %s; with "
            "SWITCHYARD_EXPLAIN=1 this command prints which part is refused",
            sy_strerror(err));
        return CLI_VERDICT;
    }
    if (sy_runtime_get_stats(rt, &stats) != 0)
        status = CLI_ENVIRONMENT;
    else if (options.json)
        status = print_json(to_json(voices, &stats, options.jobs));
    else {
        printf("machine  %s\nlibrary  %s\n\n", sy_profile_cpu(),
               sy_profile_build());
        status = print_voices(voices);
        printf("\nHere, now: switcher %s, engine %s, by %s.\n", stats.switcher,
               stats.engine, stats.choice);
        if (stats.profile[0] != '\0')
            printf("Profile: %s.\n", stats.profile);
    }
    if (sy_runtime_close(rt) != 0)
        status = CLI_ENVIRONMENT;
    return status;
}

const struct command explain_command = {
    .name = "explain",
    .summary = "Say what the library would choose here, now, and why",
    .operands = "",
    .options = explain_options,
    .notes = "The first row that names a switcher decides about it, likewise "
             "for the engine.\nWhat a program's own config says comes before "
             "all of them.\n",
    .run = run_explain,
};
