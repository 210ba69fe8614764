/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/ini.h>
#include <unistd.h>

#include "command.h"
#include "suggest.h"

#define SUITE_BYTES_MAX  ((size_t)1024 * 1024)
#define SUITE_WEIGHT_MAX 1000000

/* ---- finding the file --------------------------------------------------- */

typedef int (*folder_fn)(void *user, const char *folder);

/*
 * Where suites may be: a folder that the environment names, the one that was
 * installed beside this command, and the source tree around a build. Paths are
 * taken from the running executable, so none is compiled in.
 *
 * Returns what fn returned first that is not 0, else 0.
 */
static int each_folder(folder_fn fn, void *user)
{
    const char *environment = getenv("SWITCHYARD_SUITES");
    char exe[PATH_MAX], folder[PATH_MAX + 64];
    ssize_t n;
    int result, up;

    if (environment != NULL && environment[0] != '\0') {
        result = fn(user, environment);
        if (result != 0)
            return result;
    }
    n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (n == -1)
        return 0;
    exe[n] = '\0';
    /* build/<preset>/cli/switchyard is four folders below the tree's root. */
    for (up = 0; up < 6; up++) {
        char *slash = strrchr(exe, '/');

        if (slash == NULL)
            return 0;
        *slash = '\0';
        snprintf(folder, sizeof(folder), "%s/share/switchyard/suites", exe);
        result = fn(user, folder);
        if (result != 0)
            return result;
        snprintf(folder, sizeof(folder), "%s/workloads/suites", exe);
        result = fn(user, folder);
        if (result != 0)
            return result;
    }
    return 0;
}

static int try_folder(void *user, const char *folder)
{
    struct suite *suite = user;
    int n = snprintf(suite->path, sizeof(suite->path), "%s/%s.suite", folder,
                     suite->name);

    return n > 0 && (size_t)n < sizeof(suite->path) &&
           access(suite->path, R_OK) == 0;
}

struct names {
    struct suggestion suggestion;
    char text[64][64]; /* a suggestion refers to these */
    size_t count;
};

static int offer_folder(void *user, const char *folder)
{
    struct names *names = user;
    const struct dirent *entry;
    DIR *dir = opendir(folder);
    size_t i;

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL && names->count < 64) {
        size_t bytes = strlen(entry->d_name);
        char *text = names->text[names->count];

        if (bytes <= 6 || bytes >= 64 + 6 ||
            strcmp(entry->d_name + bytes - 6, ".suite") != 0)
            continue;
        memcpy(text, entry->d_name, bytes - 6);
        text[bytes - 6] = '\0';
        for (i = 0; i < names->count; i++)
            if (strcmp(names->text[i], text) == 0)
                break;
        if (i < names->count)
            continue; /* another folder has it too */
        suggest_offer(&names->suggestion, text);
        names->count++;
    }
    closedir(dir);
    return 0;
}

static void say_unknown_suite(const char *name)
{
    struct names *names = calloc(1, sizeof(*names));
    char list[1024] = "", file[80];
    size_t used = 0, i;

    if (names == NULL)
        return;
    suggest_begin(&names->suggestion, name);
    each_folder(offer_folder, names);
    suggest_say(&names->suggestion, "suite");
    for (i = 0; i < names->count && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
                                 i != 0 ? ", " : "", names->text[i]);
    if (names->count == 0)
        say("no suites are installed here; give a path, or set "
            "SWITCHYARD_SUITES to a folder");
    else
        say("there are %s, or give a path such as ./my.suite", list);
    snprintf(file, sizeof(file), "./%.63s.suite", name);
    if (access(file, R_OK) == 0)
        say("did you mean the file '%s'?", file);
    free(names);
}

/* Sets name and path. Returns -1 or an exit code. */
static int find_suite(struct suite *suite, const char *given)
{
    const char *base = strrchr(given, '/');
    size_t bytes;
    int is_path = base != NULL;

    base = is_path ? base + 1 : given;
    bytes = strlen(base);
    if (bytes > 6 && strcmp(base + bytes - 6, ".suite") == 0) {
        is_path = 1;
        bytes -= 6;
    }
    if (bytes == 0 || bytes >= sizeof(suite->name) ||
        strlen(given) >= sizeof(suite->path)) {
        say("--suite: '%s' is no name of a suite", given);
        return CLI_USAGE;
    }
    memcpy(suite->name, base, bytes);
    suite->name[bytes] = '\0';
    if (is_path) {
        strcpy(suite->path, given);
        return -1;
    }
    if (each_folder(try_folder, suite) != 0)
        return -1;
    say_unknown_suite(given);
    return CLI_USAGE;
}

/* ---- reading it --------------------------------------------------------- */

/* Returns the text, to be freed, or NULL after it said why not. */
static char *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;

    *bytes = 0;
    if (file == NULL) {
        say("--suite: %s: %s", path, strerror(errno));
        return NULL;
    }
    text = malloc(SUITE_BYTES_MAX + 1);
    if (text == NULL) {
        say("no memory");
        goto close_file;
    }
    errno = 0;
    *bytes = fread(text, 1, SUITE_BYTES_MAX + 1, file);
    if (ferror(file)) {
        say("--suite: %s: %s", path, strerror(errno));
        goto free_text;
    }
    if (*bytes > SUITE_BYTES_MAX) {
        say("--suite: %s: larger than %zu bytes", path, SUITE_BYTES_MAX);
        goto free_text;
    }
    fclose(file);
    return text;

free_text:
    free(text);
close_file:
    fclose(file);
    return NULL;
}

static int hash_text(const char *text, size_t bytes, char hex[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0, i;

    if (EVP_Digest(text, bytes, digest, &n, EVP_sha256(), NULL) != 1 || n != 32)
        return -ENOTSUP;
    for (i = 0; i < n; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    return 0;
}

struct suite_key {
    const char *section, *key;
    const char *option; /* of run_options_table; NULL: see take_own() */
    int repeats;
};

static const struct suite_key suite_keys[] = {
    {"suite", "title", NULL, 0},
    {"factors", "switchers", "switcher", 0},
    {"factors", "engines", "engine", 0},
    {"factors", "jobs", "jobs", 0},
    {"factors", "references", "reference", 0},
    {"device", "spec", "device", 1},
    {"load", "kind", NULL, 0},
    {"load", "duration", "duration", 0},
    {"run", "seeds", "seed", 0},
    {"run", "verify", "verify", 0},
    {"run", "stack-bytes", "stack-bytes", 0},
    {"sweep", "of", "sweep-of", 0},
    {"sweep", "jobs", "sweep-jobs", 0},
};

#define SUITE_KEYS_COUNT (sizeof(suite_keys) / sizeof(suite_keys[0]))

struct reading {
    struct suite *suite;
    struct run_options *options;
    unsigned char seen[SUITE_KEYS_COUNT];
};

static int refuse(const struct reading *r, const struct sy_ini_item *item,
                  const char *format, ...) SY_PRINTF(3, 4);
static int refuse(const struct reading *r, const struct sy_ini_item *item,
                  const char *format, ...)
{
    char words[512];
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    say("%s:%u: %s: %s", r->suite->path, item->line,
        item->key != NULL ? item->key : item->section, words);
    return -1;
}

static char *keep_text(struct suite *suite, const char *text)
{
    char *copy = NULL;

    if (suite->texts_count < sizeof(suite->texts) / sizeof(suite->texts[0]))
        copy = strdup(text);
    if (copy != NULL)
        suite->texts[suite->texts_count++] = copy;
    return copy;
}

static int take_mix_heading(struct reading *r, const struct sy_ini_item *item)
{
    struct suite *suite = r->suite;

    if (suite->mixes_count == SUITE_MIXES_MAX)
        return refuse(r, item, "more than %d mixes", SUITE_MIXES_MAX);
    suite->mixes[suite->mixes_count++].line = item->line;
    return 0;
}

static int take_mix_item(struct reading *r, const struct sy_ini_item *item)
{
    const struct option weight = {
        .kind = OPTION_NUMBER, .min = 1, .max = SUITE_WEIGHT_MAX};
    struct suite_mix *mix = &r->suite->mixes[r->suite->mixes_count - 1];
    struct suite_item *to = &mix->items[mix->count];
    uint64_t value;
    char why[256];

    if (mix->count == SUITE_ITEMS_MAX)
        return refuse(r, item, "more than %d workloads in one mix",
                      SUITE_ITEMS_MAX);
    if (options_read(&weight, &value, item->value, 0, why, sizeof(why)) != 0)
        return refuse(r, item, "%s", why);
    to->workload = keep_text(r->suite, item->key);
    if (to->workload == NULL)
        return refuse(r, item, "too many texts, or no memory");
    to->weight = (uint32_t)value;
    to->line = item->line;
    mix->count++;
    return 0;
}

/* The keys that no option stands for. */
static int take_own(struct reading *r, const struct sy_ini_item *item)
{
    if (strcmp(item->key, "title") == 0) {
        r->suite->title = keep_text(r->suite, item->value);
        return r->suite->title != NULL ? 0 : refuse(r, item, "no memory");
    }
    if (strcmp(item->value, "closed") != 0)
        return refuse(r, item, "'%s' is not accepted; accepted: closed",
                      item->value);
    return 0;
}

static int refuse_unknown(const struct reading *r,
                          const struct sy_ini_item *item)
{
    const char *word = item->key != NULL ? item->key : item->section;
    struct suggestion s;
    size_t i;

    suggest_begin(&s, word);
    for (i = 0; i < SUITE_KEYS_COUNT; i++) {
        if (item->key == NULL)
            suggest_offer(&s, suite_keys[i].section);
        else if (strcmp(item->section, suite_keys[i].section) == 0)
            suggest_offer(&s, suite_keys[i].key);
    }
    if (item->key == NULL)
        suggest_offer(&s, "mix");
    return refuse(r, item, "unknown %s%s%s%s",
                  item->key != NULL ? "key" : "section",
                  s.best != NULL ? "; did you mean '" : "",
                  s.best != NULL ? s.best : "", s.best != NULL ? "'?" : "");
}

static int take_heading(struct reading *r, const struct sy_ini_item *item)
{
    size_t i;

    if (strcmp(item->section, "mix") == 0)
        return take_mix_heading(r, item);
    for (i = 0; i < SUITE_KEYS_COUNT; i++) {
        if (strcmp(item->section, suite_keys[i].section) != 0)
            continue;
        if (item->argument != NULL)
            return refuse(r, item, "takes no \"argument\"");
        return 0;
    }
    return refuse_unknown(r, item);
}

static int take_item(void *user, const struct sy_ini_item *item)
{
    struct reading *r = user;
    const struct option *option;
    const char *text;
    char why[512];
    size_t i;

    if (item->key == NULL)
        return take_heading(r, item);
    if (strcmp(item->section, "mix") == 0)
        return take_mix_item(r, item);
    for (i = 0; i < SUITE_KEYS_COUNT; i++)
        if (strcmp(item->section, suite_keys[i].section) == 0 &&
            strcmp(item->key, suite_keys[i].key) == 0)
            break;
    if (i == SUITE_KEYS_COUNT)
        return refuse_unknown(r, item);
    if (r->seen[i] && !suite_keys[i].repeats)
        return refuse(r, item, "given twice");
    if (suite_keys[i].option == NULL) {
        r->seen[i] = 1;
        return take_own(r, item);
    }
    option = options_find(run_options_table, suite_keys[i].option);
    text = keep_text(r->suite, item->value);
    if (text == NULL)
        return refuse(r, item, "too many texts, or no memory");
    if (options_read(option, r->options, text, r->seen[i], why, sizeof(why)) !=
        0)
        return refuse(r, item, "%s", why);
    r->seen[i] = 1;
    return 0;
}

static int check_mixes(const struct suite *suite)
{
    size_t i;

    if (suite->mixes_count == 0) {
        say("%s: [mix] is missing: it says what is measured", suite->path);
        return CLI_USAGE;
    }
    for (i = 0; i < suite->mixes_count; i++) {
        if (suite->mixes[i].count == 0) {
            say("%s:%u: mix: names no workload", suite->path,
                suite->mixes[i].line);
            return CLI_USAGE;
        }
    }
    return -1;
}

int suite_open(struct suite *suite, const char *given,
               struct run_options *options)
{
    struct reading r = {.suite = suite, .options = options};
    const char *why;
    unsigned line;
    size_t bytes;
    char *text;
    int status, err;

    memset(suite, 0, sizeof(*suite));
    status = find_suite(suite, given);
    if (status != -1)
        return status;
    text = read_file(suite->path, &bytes);
    if (text == NULL)
        return CLI_ENVIRONMENT;
    if (hash_text(text, bytes, suite->sha256) != 0) {
        say("libcrypto has no SHA-256");
        free(text);
        return CLI_ENVIRONMENT;
    }
    err = sy_ini_parse(text, bytes, take_item, &r, &line, &why);
    free(text);
    if (err == -EINVAL)
        say("%s:%u: %s", suite->path, line, why);
    if (err != 0)
        return CLI_USAGE;
    return check_mixes(suite);
}

void suite_free(struct suite *suite)
{
    while (suite->texts_count != 0)
        free(suite->texts[--suite->texts_count]);
}
