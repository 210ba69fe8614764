/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard profile: look at profiles as the library does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/engine.h>
#include <switchyard/profile.h>
#include <switchyard/runtime.h>
#include <switchyard/switcher.h>

#include "command.h"
#include "options.h"
#include "suggest.h"

struct profile_options {
    const char *cpu;
};

static const struct option profile_options[] = {
    {.name = "cpu",
     .argument = "NAME",
     .help = "for the machine that is called so; default: this one",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct profile_options, cpu)},
    {.name = NULL},
};

static int read_profile(struct sy_profile *p, const char *path, const char *cpu)
{
    char why[SY_PROFILE_WHY_BYTES];
    int err = sy_profile_read(p, path, cpu, why);

    if (err == 0)
        return CLI_OK;
    say("%s: %s", path, why);
    return err == -EINVAL || err == -EFBIG ? CLI_VERDICT : CLI_ENVIRONMENT;
}

static const char *or_nothing(const char *name)
{
    return name[0] != '\0' ? name : "-";
}

/* ---- verify ------------------------------------------------------------ */

static int check_switcher(const char *name)
{
    const struct sy_switcher_ops *ops = sy_switcher_find(name);
    char why[160] = "no such switcher is built in";
    int works = ops != NULL && sy_switcher_probe(ops, why, sizeof(why)) == 0;

    printf("  switcher %-16s %s%s\n", name,
           works ? "works here" : "refused: ", works ? "" : why);
    return works;
}

static int check_engine(const char *name)
{
    const char *variant;
    const struct sy_engine_ops *ops = sy_engine_find(name, &variant);
    char why[160] = "no such engine or variant is built in";
    int works =
        ops != NULL && sy_engine_probe(ops, variant, why, sizeof(why)) == 0;

    printf("  engine   %-16s %s%s\n", name,
           works ? "works here" : "refused: ", works ? "" : why);
    return works;
}

static int check_named(int (*check)(const char *name), const char *name)
{
    return name[0] == '\0' || check(name);
}

/* Everything that is named is looked at; only what comes first decides. */
static int check_parts(const struct sy_profile *p)
{
    int all = 1;

    for (uint32_t i = 0; i < p->choice_count; i++) {
        all &= check_named(check_switcher, p->choices[i].switcher);
        all &= check_named(check_engine, p->choices[i].engine);
    }
    all &= check_named(check_switcher, p->locked_switcher);
    all &= check_named(check_engine, p->locked_engine);
    for (size_t i = 0; i < SY_PROFILE_FALLBACKS_MAX; i++) {
        (void)check_named(check_switcher, p->fallback_switchers[i]);
        (void)check_named(check_engine, p->fallback_engines[i]);
    }
    return all;
}

static int verify(const struct profile_options *o, const char *const *paths)
{
    struct sy_profile p;
    int status = read_profile(&p, paths[0], o->cpu);

    if (status != CLI_OK)
        return status;
    printf("%s: whole, %u machine%s\n", paths[0], p.machines,
           p.machines == 1 ? "" : "s");
    if (p.machine == 0) {
        say("none of its machines is %s: it is not used there",
            o->cpu != NULL ? o->cpu : sy_profile_cpu());
        return CLI_VERDICT;
    }
    if (p.is_stale) {
        say("stale: measured with library %s, this is %s%s", p.library,
            sy_profile_build(),
            p.is_strict ? "; with policy = strict it is not used" : "");
        if (p.is_strict)
            return CLI_VERDICT;
    }
    if (!check_parts(&p)) {
        say("not all of what it chooses works here: its fallbacks count");
        return CLI_VERDICT;
    }
    printf("  used here as it is\n");
    return CLI_OK;
}

/* ---- show -------------------------------------------------------------- */

static void print_spin(uint64_t spin_ns)
{
    if (spin_ns == 0)
        printf("spin -\n");
    else if (spin_ns == SY_NO_SPIN)
        printf("spin never\n");
    else
        printf("spin %llu ns\n", (unsigned long long)spin_ns);
}

static void print_choice(const char *when, const struct sy_profile_choice *c)
{
    printf("  %-14s switcher %-10s engine %-14s ", when,
           or_nothing(c->switcher), or_nothing(c->engine));
    print_spin(c->spin_ns);
}

static void print_list(const char *what,
                       const char (*names)[SY_PROFILE_NAME_BYTES])
{
    if (names[0][0] == '\0')
        return;
    printf("  %-14s %s", "fall back to", what);
    for (size_t i = 0; i < SY_PROFILE_FALLBACKS_MAX && names[i][0] != '\0'; i++)
        printf("%s %s", i > 0 ? "," : "", names[i]);
    printf("\n");
}

static int show(const struct profile_options *o, const char *const *paths)
{
    struct sy_profile p;
    int status = read_profile(&p, paths[0], o->cpu);

    if (status != CLI_OK)
        return status;
    printf("%s, for %s\n", paths[0],
           o->cpu != NULL ? o->cpu : sy_profile_cpu());
    if (p.machine == 0) {
        printf("  nothing: %u other machine%s\n", p.machines,
               p.machines == 1 ? "" : "s");
        return CLI_OK;
    }
    printf("  machine        %u of %u\n", p.machine, p.machines);
    printf("  measured with  library %s%s, kernel %s\n", or_nothing(p.library),
           p.is_stale ? " (not this one)" : "", or_nothing(p.kernel));
    printf("  policy         %s\n", p.is_strict ? "strict" : "use");
    for (uint32_t i = 0; i < p.choice_count; i++) {
        struct sy_profile_choice c;
        char when[32] = "choice";

        sy_profile_choose(&p, p.choices[i].jobs_min, &c);
        if (p.choices[i].jobs_min != 0)
            snprintf(when, sizeof(when), "jobs>=%u", p.choices[i].jobs_min);
        print_choice(when, &c);
    }
    print_list("switcher", p.fallback_switchers);
    print_list("engine", p.fallback_engines);
    if (p.locked_switcher[0] != '\0' || p.locked_engine[0] != '\0')
        printf("  locked         switcher %-10s engine %s\n",
               or_nothing(p.locked_switcher), or_nothing(p.locked_engine));
    return CLI_OK;
}

/* ---- diff -------------------------------------------------------------- */

static int differs(const char *what, const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return 0;
    printf("  %-22s %-18s %s\n", what, or_nothing(a), or_nothing(b));
    return 1;
}

static void name_spin(char *to, size_t bytes, uint64_t spin_ns)
{
    snprintf(to, bytes, "%s", spin_ns == SY_NO_SPIN ? "never" : "");
    if (spin_ns != 0 && spin_ns != SY_NO_SPIN)
        snprintf(to, bytes, "%llu ns", (unsigned long long)spin_ns);
}

static int differ_at(const struct sy_profile *a, const struct sy_profile *b,
                     uint32_t jobs)
{
    struct sy_profile_choice ca, cb;
    char what[48], spin_a[32], spin_b[32];
    int count;

    sy_profile_choose(a, jobs, &ca);
    sy_profile_choose(b, jobs, &cb);
    snprintf(what, sizeof(what), "switcher, jobs>=%u", jobs);
    count = differs(what, ca.switcher, cb.switcher);
    snprintf(what, sizeof(what), "engine, jobs>=%u", jobs);
    count += differs(what, ca.engine, cb.engine);
    name_spin(spin_a, sizeof(spin_a), ca.spin_ns);
    name_spin(spin_b, sizeof(spin_b), cb.spin_ns);
    snprintf(what, sizeof(what), "spin, jobs>=%u", jobs);
    return count + differs(what, spin_a, spin_b);
}

static int differ_in_lists(const char *what,
                           const char (*a)[SY_PROFILE_NAME_BYTES],
                           const char (*b)[SY_PROFILE_NAME_BYTES])
{
    int count = 0;

    for (size_t i = 0; i < SY_PROFILE_FALLBACKS_MAX; i++)
        count += differs(what, a[i], b[i]);
    return count;
}

static int diff(const struct profile_options *o, const char *const *paths)
{
    struct sy_profile a, b;
    int status = read_profile(&a, paths[0], o->cpu), count;

    if (status == CLI_OK)
        status = read_profile(&b, paths[1], o->cpu);
    if (status != CLI_OK)
        return status;
    printf("  %-22s %-18s %s\n", "", paths[0], paths[1]);
    count = differ_at(&a, &b, 0);
    for (uint32_t i = 0; i < a.choice_count; i++) {
        if (a.choices[i].jobs_min != 0)
            count += differ_at(&a, &b, a.choices[i].jobs_min);
    }
    for (uint32_t i = 0; i < b.choice_count; i++) {
        uint32_t jobs = b.choices[i].jobs_min, k = 0;

        while (k < a.choice_count && a.choices[k].jobs_min != jobs)
            k++;
        if (jobs != 0 && k == a.choice_count)
            count += differ_at(&a, &b, jobs);
    }
    count += differ_in_lists("fallback switcher", a.fallback_switchers,
                             b.fallback_switchers);
    count += differ_in_lists("fallback engine", a.fallback_engines,
                             b.fallback_engines);
    count += differs("locked switcher", a.locked_switcher, b.locked_switcher);
    count += differs("locked engine", a.locked_engine, b.locked_engine);
    count += differs("policy", a.is_strict ? "strict" : "use",
                     b.is_strict ? "strict" : "use");
    count += differs("measured with library", a.library, b.library);
    if (count == 0)
        printf("  no difference for %s\n",
               o->cpu != NULL ? o->cpu : sy_profile_cpu());
    return count == 0 ? CLI_OK : CLI_VERDICT;
}

/* ---- what is wanted ---------------------------------------------------- */

static const struct {
    const char *name;
    size_t files;
    int (*run)(const struct profile_options *o, const char *const *paths);
} verbs[] = {
    {"verify", 1, verify},
    {"show", 1, show},
    {"diff", 2, diff},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static int run_profile(const struct command *self, int argc, char **argv)
{
    struct profile_options options = {0};
    struct option_texts operands;
    struct suggestion s;
    int status;

    status = options_parse(self, argc, argv, &options, &operands);
    if (status != -1)
        return status;
    if (operands.count == 0) {
        say("profile takes one of verify, show, diff, and files");
        return CLI_USAGE;
    }
    suggest_begin(&s, operands.item[0]);
    for (size_t i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].name, operands.item[0]) == 0) {
            if (operands.count - 1 == verbs[i].files)
                return verbs[i].run(&options, operands.item + 1);
            say("profile %s takes %zu file%s, not %zu", verbs[i].name,
                verbs[i].files, verbs[i].files == 1 ? "" : "s",
                operands.count - 1);
            return CLI_USAGE;
        }
        suggest_offer(&s, verbs[i].name);
    }
    suggest_say(&s, "profile command");
    return CLI_USAGE;
}

const struct command profile_command = {
    .name = "profile",
    .summary = "Look at profiles as the library does: verify, show, diff",
    .operands = "verify FILE | show FILE | diff FILE FILE",
    .options = profile_options,
    .notes = "verify says whether a profile would be used here as it is (exit "
             "1: it would not);\nshow prints what it chooses; diff prints what "
             "two choose differently (exit 1).\n",
    .run = run_profile,
};
