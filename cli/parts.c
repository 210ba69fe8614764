/* SPDX-License-Identifier: Apache-2.0 */
#include "parts.h"

#include <dlfcn.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/errors.h>

#include "command.h"
#include "suggest.h"

/* ---- taking parts in ---------------------------------------------------- */

static struct part *part_at(const struct part *first, size_t stride, size_t i)
{
    return (struct part *)((char *)first + i * stride);
}

/* Fill in what all kinds have. Returns 0 or -EINVAL with the reason. */
static int take_part(struct part *first, size_t stride, size_t count,
                     const char *bare, const char *variant, const char *summary,
                     const char *file, char *why, size_t why_bytes)
{
    struct part *part;
    size_t i;

    if (count == PARTS_MAX) {
        snprintf(why, why_bytes, "more than %d parts of a kind", PARTS_MAX);
        return -EINVAL;
    }
    part = part_at(first, stride, count);
    memset(part, 0, sizeof(*part));
    part->bare = bare;
    part->summary = summary != NULL ? summary : "";
    part->file = file;
    snprintf(part->name, sizeof(part->name), "%s%s%s", bare,
             variant != NULL ? "+" : "", variant != NULL ? variant : "");
    for (i = 0; i < count; i++) {
        if (strcmp(part_at(first, stride, i)->name, part->name) == 0) {
            snprintf(why, why_bytes, "the name '%s' is taken", part->name);
            return -EINVAL;
        }
    }
    return 0;
}

static int has_name(const char *name, char *why, size_t why_bytes)
{
    if (name != NULL && name[0] != '\0' &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name))
        return 1;
    snprintf(why, why_bytes,
             "its name is missing, or has characters other "
             "than a-z, 0-9, _ and -");
    return 0;
}

static int right_abi(uint32_t abi, uint32_t wanted, char *why, size_t why_bytes)
{
    if (abi == wanted)
        return 1;
    snprintf(why, why_bytes, "built for ABI %u, this command has ABI %u", abi,
             wanted);
    return 0;
}

static int has_hook(int there, const char *hook, char *why, size_t why_bytes)
{
    if (!there)
        snprintf(why, why_bytes, "the required hook %s is missing", hook);
    return there;
}

static int add_switcher(struct parts *parts, const struct sy_switcher_ops *ops,
                        const char *file, char *why, size_t why_bytes)
{
    struct part_switcher *p;
    int err;

    if (!right_abi(ops->abi, SY_SWITCHER_ABI, why, why_bytes) ||
        !has_name(ops->name, why, why_bytes) ||
        take_part(&parts->switchers[0].part, sizeof(parts->switchers[0]),
                  parts->switchers_count, ops->name, NULL, ops->summary, file,
                  why, why_bytes) != 0)
        return -EINVAL;
    p = &parts->switchers[parts->switchers_count];
    p->ops = ops;
    err = sy_switcher_probe(ops, p->part.why, sizeof(p->part.why));
    if (err == -EPROTO) {
        snprintf(why, why_bytes, "%s", p->part.why);
        return -EINVAL;
    }
    p->part.works = err == 0;
    parts->switchers_count++;
    return 0;
}

static int add_variant(struct parts *parts, const struct sy_engine_ops *ops,
                       const char *variant, const char *file, char *why,
                       size_t why_bytes)
{
    struct part_engine *p;
    int err;

    if (take_part(&parts->engines[0].part, sizeof(parts->engines[0]),
                  parts->engines_count, ops->name, variant, ops->summary, file,
                  why, why_bytes) != 0)
        return -EINVAL;
    p = &parts->engines[parts->engines_count];
    p->ops = ops;
    p->variant = variant;
    err = sy_engine_probe(ops, variant, p->part.why, sizeof(p->part.why));
    if (err == -EPROTO) {
        snprintf(why, why_bytes, "%s", p->part.why);
        return -EINVAL;
    }
    p->part.works = err == 0;
    parts->engines_count++;
    return 0;
}

static int add_engine(struct parts *parts, const struct sy_engine_ops *ops,
                      const char *file, char *why, size_t why_bytes)
{
    const char *const *variant = ops->variants;

    if (!right_abi(ops->abi, SY_ENGINE_ABI, why, why_bytes) ||
        !has_name(ops->name, why, why_bytes))
        return -EINVAL;
    if (variant == NULL || *variant == NULL)
        return add_variant(parts, ops, NULL, file, why, why_bytes);
    for (; *variant != NULL; variant++)
        if (add_variant(parts, ops, *variant, file, why, why_bytes) != 0)
            return -EINVAL;
    return 0;
}

static int add_device(struct parts *parts, const struct sy_device_ops *ops,
                      const char *file, char *why, size_t why_bytes)
{
    struct part_device *p;
    struct sy_device *device;

    if (!right_abi(ops->abi, SY_DEVICE_ABI, why, why_bytes) ||
        !has_name(ops->name, why, why_bytes) ||
        !has_hook(ops->open != NULL, "open", why, why_bytes) ||
        !has_hook(ops->close != NULL, "close", why, why_bytes) ||
        !has_hook(ops->submit != NULL, "submit", why, why_bytes) ||
        take_part(&parts->devices[0].part, sizeof(parts->devices[0]),
                  parts->devices_count, ops->name, NULL, ops->summary, file,
                  why, why_bytes) != 0)
        return -EINVAL;
    p = &parts->devices[parts->devices_count];
    p->ops = ops;
    /* There is no probe hook: whether it opens with its defaults tells. */
    if (sy_device_open_ops(&device, ops, "", NULL, p->part.why,
                           sizeof(p->part.why)) == 0) {
        sy_device_close(device);
        p->part.works = 1;
    }
    parts->devices_count++;
    return 0;
}

static int add_workload(struct parts *parts, const struct sy_workload_ops *ops,
                        const char *file, char *why, size_t why_bytes)
{
    struct part_workload *p;

    if (!right_abi(ops->abi, SY_WORKLOAD_ABI, why, why_bytes) ||
        !has_name(ops->name, why, why_bytes) ||
        !has_hook(ops->probe != NULL, "probe", why, why_bytes) ||
        !has_hook(ops->open != NULL, "open", why, why_bytes) ||
        !has_hook(ops->close != NULL, "close", why, why_bytes) ||
        !has_hook(ops->begin != NULL, "begin", why, why_bytes) ||
        !has_hook(ops->step != NULL, "step", why, why_bytes) ||
        !has_hook(ops->verify != NULL, "verify", why, why_bytes) ||
        !has_hook(ops->spoil != NULL, "spoil", why, why_bytes) ||
        take_part(&parts->workloads[0].part, sizeof(parts->workloads[0]),
                  parts->workloads_count, ops->name, NULL, ops->summary, file,
                  why, why_bytes) != 0)
        return -EINVAL;
    if (ops->steps < 1 || ops->steps > SY_WORKLOAD_STEPS_MAX) {
        snprintf(why, why_bytes, "steps is %u; the range is 1 .. %d",
                 ops->steps, SY_WORKLOAD_STEPS_MAX);
        return -EINVAL;
    }
    p = &parts->workloads[parts->workloads_count];
    p->ops = ops;
    p->part.works = ops->probe(p->part.why, sizeof(p->part.why)) == 0;
    parts->workloads_count++;
    return 0;
}

static int add_reference(struct parts *parts, enum sy_row row,
                         const struct sy_peer_ops *peer, char *why,
                         size_t why_bytes)
{
    struct part_reference *p;
    const char *switches_by;

    if (take_part(&parts->references[0].part, sizeof(parts->references[0]),
                  parts->references_count,
                  peer != NULL ? peer->name : sy_row_name(row), NULL,
                  peer != NULL ? peer->summary : sy_row_summary(row), NULL, why,
                  why_bytes) != 0)
        return -EINVAL;
    p = &parts->references[parts->references_count++];
    p->row = row;
    p->peer = peer;
    p->part.works =
        peer == NULL || sy_peer_probe(peer, &switches_by, p->part.why,
                                      sizeof(p->part.why)) == 0;
    /* Else every table of such a build would have a row without figures. */
    p->part.on_request = peer != NULL && peer->absent != NULL;
    return 0;
}

static int add_references(struct parts *parts, char *why, size_t why_bytes)
{
    const struct sy_peer_ops *const *peer = sy_peer_table();
    enum sy_row row;
    int err = 0;

    for (row = SY_ROW_COMBINATION + 1; err == 0 && row < SY_ROW_PEER; row++)
        err = add_reference(parts, row, NULL, why, why_bytes);
    for (; err == 0 && *peer != NULL; peer++)
        err = add_reference(parts, SY_ROW_PEER, *peer, why, why_bytes);
    return err;
}

int parts_load(struct parts *parts, const char *file, char *why,
               size_t why_bytes)
{
    char path[4096];
    const void *switcher, *engine, *device, *workload;
    void *object;
    int count = 0;

    /* Without a slash dlopen() would look in the system's folders. */
    snprintf(path, sizeof(path), "%s%s", strchr(file, '/') == NULL ? "./" : "",
             file);
    object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        snprintf(why, why_bytes, "%s", dlerror());
        return -ENOENT;
    }
    switcher = dlsym(object, "sy_part_switcher");
    engine = dlsym(object, "sy_part_engine");
    device = dlsym(object, "sy_part_device");
    workload = dlsym(object, "sy_part_workload");
    if (!switcher && !engine && !device && !workload) {
        snprintf(why, why_bytes,
                 "%s: holds no part: none of sy_part_switcher, "
                 "sy_part_engine, sy_part_device and sy_part_workload is "
                 "defined",
                 file);
        dlclose(object);
        return -ENOEXEC;
    }

#define TAKE(kind)                                                             \
    do {                                                                       \
        char reason[PART_WHY_BYTES] = "";                                      \
        if (kind != NULL &&                                                    \
            add_##kind(parts, kind, file, reason, sizeof(reason)) != 0) {      \
            snprintf(why, why_bytes, "%s: sy_part_" #kind ": %s", file,        \
                     reason);                                                  \
            return -EINVAL;                                                    \
        }                                                                      \
        count += kind != NULL;                                                 \
    } while (0)
    TAKE(switcher);
    TAKE(engine);
    TAKE(device);
    TAKE(workload);
#undef TAKE
    /* The object stays open: parts are used until the process ends. */
    return count;
}

static int add_own(struct parts *parts, char *why, size_t why_bytes)
{
    const struct sy_switcher_ops *const *switcher = sy_switcher_table();
    const struct sy_engine_ops *const *engine = sy_engine_table();
    const struct sy_device_ops *const *device = sy_device_table();
    const struct sy_workload_ops *const *workload = sy_workload_table();
    int err = 0;

    for (; err == 0 && *switcher != NULL; switcher++)
        err = add_switcher(parts, *switcher, NULL, why, why_bytes);
    for (; err == 0 && *engine != NULL; engine++)
        err = add_engine(parts, *engine, NULL, why, why_bytes);
    for (; err == 0 && *device != NULL; device++)
        err = add_device(parts, *device, NULL, why, why_bytes);
    for (; err == 0 && *workload != NULL; workload++)
        err = add_workload(parts, *workload, NULL, why, why_bytes);
    if (err == 0)
        err = add_references(parts, why, why_bytes);
    return err;
}

int parts_open(struct parts *parts, const struct option_texts *files)
{
    char why[4096 + PART_WHY_BYTES] = "";
    size_t i;

    parts->switchers_count = 0;
    parts->engines_count = 0;
    parts->devices_count = 0;
    parts->workloads_count = 0;
    parts->references_count = 0;
    if (add_own(parts, why, sizeof(why)) != 0) {
        say("a part of this library: %s", why);
        return CLI_ENVIRONMENT;
    }
    for (i = 0; i < files->count; i++) {
        if (parts_load(parts, files->item[i], why, sizeof(why)) < 0) {
            say("--load: %s", why);
            return CLI_ENVIRONMENT;
        }
    }
    return -1;
}

/* ---- choosing among them ------------------------------------------------ */

#define ALSO (sizeof(((struct part *)NULL)->also) / sizeof(char *))

/* Few enough to name them all. */
static void say_references(const struct part *first, size_t stride,
                           size_t count)
{
    char names[512] = "";
    size_t used = 0, i;

    for (i = 0; i < count && used < sizeof(names); i++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                 i != 0 ? ", " : "",
                                 part_at(first, stride, i)->name);
    say("there are %s and none", names);
}

static int say_unknown(const char *what, const char *name,
                       const struct part *first, size_t stride, size_t count)
{
    struct suggestion s;
    size_t i, j;

    suggest_begin(&s, name);
    for (i = 0; i < count; i++) {
        const struct part *part = part_at(first, stride, i);

        for (j = 0; j < ALSO; j++)
            if (part->also[j] != NULL)
                suggest_offer(&s, part->also[j]);
        suggest_offer(&s, part->bare);
        suggest_offer(&s, part->name);
    }
    suggest_say(&s, what);
    if (strcmp(what, "reference") == 0)
        say_references(first, stride, count);
    else
        say("'switchyard list' shows what there is");
    return -EINVAL;
}

/* Does a pattern choose the part, by whatever name? */
static int matches(const struct part *part, const char *pattern)
{
    size_t i;

    if (fnmatch(pattern, part->name, 0) == 0 ||
        fnmatch(pattern, part->bare, 0) == 0)
        return 1;
    for (i = 0; i < ALSO; i++)
        if (part->also[i] != NULL && fnmatch(pattern, part->also[i], 0) == 0)
            return 1;
    return 0;
}

struct choice {
    const char *what;
    const struct part *first;
    size_t stride, count;
    unsigned char *chosen;
    int begun; /* has a pattern been applied? */
};

static void choose_all(const struct choice *c)
{
    size_t i;

    for (i = 0; i < c->count; i++)
        c->chosen[i] = !part_at(c->first, c->stride, i)->on_request;
}

static int apply_pattern(struct choice *c, const char *pattern)
{
    int is_glob = strpbrk(pattern, "*?[") != NULL;
    unsigned char value = 1;
    size_t i, hits = 0;

    if (*pattern == '!') {
        value = 0;
        pattern++;
    }
    if (!c->begun && value == 0)
        choose_all(c);
    else if (!c->begun)
        memset(c->chosen, 0, c->count);
    c->begun = 1;
    for (i = 0; i < c->count; i++) {
        const struct part *part = part_at(c->first, c->stride, i);

        if (!matches(part, pattern))
            continue;
        hits++;
        if (value == 0 || !is_glob || !part->on_request)
            c->chosen[i] = value;
    }
    if (hits == 0 && !is_glob)
        return say_unknown(c->what, pattern, c->first, c->stride, c->count);
    return 0;
}

int parts_choose(const char *what, const struct option_texts *patterns,
                 const struct part *first, size_t stride, size_t count,
                 unsigned char *chosen)
{
    struct choice c = {.what = what,
                       .first = first,
                       .stride = stride,
                       .count = count,
                       .chosen = chosen};
    char list[1024], *item, *rest;
    size_t i;
    int sum = 0;

    choose_all(&c);
    for (i = 0; i < patterns->count; i++) {
        if (strlen(patterns->item[i]) >= sizeof(list)) {
            say("--%s: longer than %zu bytes", what, sizeof(list) - 1);
            return -EINVAL;
        }
        strcpy(list, patterns->item[i]);
        for (item = strtok_r(list, ", \t", &rest); item != NULL;
             item = strtok_r(NULL, ", \t", &rest))
            if (apply_pattern(&c, item) != 0)
                return -EINVAL;
        if (!c.begun) {
            say("--%s: '%s' names nothing", what, patterns->item[i]);
            return -EINVAL;
        }
    }
    for (i = 0; i < count; i++)
        sum += chosen[i];
    return sum;
}
