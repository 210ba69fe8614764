/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard version: what this command was made of, and runs on. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../bench/environment/build_facts.h"
#include "../bench/environment/fingerprint.h"
#include "command.h"
#include "options.h"
#include "print_json.h"

struct version_options {
    int json;
};

static const struct option version_options[] = {
    {.name = "json",
     .help = "one JSON object",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct version_options, json)},
    {.name = NULL},
};

struct fact {
    const char *key;   /* in JSON */
    const char *title; /* for people */
    const char *value;
};

static json_t *facts_to_json(const struct fact *facts, size_t count)
{
    json_t *root = json_object();
    size_t i;

    json_object_set_new(root, "schema", json_string("switchyard-version/1"));
    for (i = 0; i < count; i++)
        json_object_set_new(root, facts[i].key, json_string(facts[i].value));
    return root;
}

static void collect_facts(const struct sy_build_facts *build,
                          struct fact facts[10])
{
    facts[0] = (struct fact){"version", "switchyard", build->version};
    facts[1] = (struct fact){"git", "git", build->git};
    facts[2] = (struct fact){"openssl", "OpenSSL", build->openssl};
    facts[3] = (struct fact){"openssl_switch", "  its ASYNC_JOB switches by",
                             sy_openssl_switch()};
    facts[4] = (struct fact){"liburing", "liburing", build->liburing};
    facts[5] = (struct fact){"jansson", "jansson", build->jansson};
    facts[6] = (struct fact){"libc", "libc", build->libc};
    facts[7] = (struct fact){"compiler", "compiler", build->compiler};
    facts[8] = (struct fact){"flags", "flags", build->flags};
    facts[9] = (struct fact){"build_type", "build type", SY_BUILD_TYPE};
}

static int run_version(const struct command *self, int argc, char **argv)
{
    struct sy_build_facts build;
    struct fact facts[10];
    const size_t count = sizeof(facts) / sizeof(facts[0]);
    struct version_options options = {0};
    struct option_texts operands;
    size_t i;
    int status;

    status = options_parse(self, argc, argv, &options, &operands);
    if (status != -1)
        return status;
    sy_build_facts(&build);
    collect_facts(&build, facts);
    if (options.json)
        return print_json(facts_to_json(facts, count));
    printf("switchyard %s\n", facts[0].value);
    for (i = 1; i < count; i++)
        printf("%-26s %s\n", facts[i].title,
               facts[i].value[0] != '\0' ? facts[i].value : "-");
    return CLI_OK;
}

const struct command version_command = {
    .name = "version",
    .summary = "Print versions of this command and of what it uses",
    .operands = "",
    .options = version_options,
    .run = run_version,
};
