/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard tune: measure what there is, decide, and write a profile.
 *
 * It is made of other subcommands: `run` looks at every combination for a
 * moment, `compare` measures those that were not far behind, for each number
 * of jobs, and `recommend` decides. Each leaves a run file.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <switchyard/profile.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../bench/load/experiment.h"
#include "analysis.h"
#include "child.h"
#include "command.h"
#include "common_options.h"
#include "interrupt.h"
#include "options.h"
#include "parts.h"
#include "recommend_parts.h"

/* Numbers of jobs: a profile takes no more choices. */
#define JOBS_MAX SY_PROFILE_CHOICES_MAX

/* The screen takes this part of the time, and looks so often at each. */
#define SCREEN_PART  3
#define SCREEN_LOOKS 3

/* So few are compared without one. */
#define SCREEN_FROM 7

/* Starting a process and making keys, around each look. */
#define AROUND_NS (150 * SY_NS_PER_MS)

/* A look. */
#define LOOK_MIN_NS (20 * SY_NS_PER_MS)
#define LOOK_MAX_NS SY_NS_PER_S

/* `recommend`, and the rounding of all that came before. */
#define END_NS (2 * SY_NS_PER_S)

#define DEFAULT_PROFILE "switchyard.conf"

#define NAMES_MAX  OPTION_ITEMS_MAX
#define NAME_BYTES 96
#define WORDS_MAX  (NAMES_MAX + 32)

struct tune_options {
    uint64_t time_ns;
    const char *workload, *device, *objective, *integration, *incumbent, *out;
    struct option_numbers jobs;
    struct option_texts require, deny;
    int force, dry_run;
};

static const char *const objectives[] = {"throughput", "cpu", NULL};
static const char *const integrations[] = {"native", "callback", "fd", NULL};

#define AT(member) .offset = offsetof(struct tune_options, member)

static const struct option tune_options_table[] = {
    {.name = "time",
     .argument = "TIME",
     .standard = "120s",
     .help = "that it may take",
     .kind = OPTION_DURATION,
     .min = 10 * SY_NS_PER_S,
     .max = 24 * 3600 * SY_NS_PER_S,
     AT(time_ns)},
    {.name = "workload",
     .argument = "NAME",
     .standard = "ecdsa-p256-sign",
     .help = "for this one",
     .kind = OPTION_TEXT,
     AT(workload)},
    {.name = "device",
     .argument = "SPEC",
     .standard = "workers:1",
     .help = "on this one",
     .kind = OPTION_TEXT,
     AT(device)},
    {.name = "jobs",
     .argument = "N[,N...]",
     .standard = "64",
     .help = "jobs in flight; the profile has a choice for each number where "
             "it differs",
     .kind = OPTION_NUMBERS,
     .min = 1,
     .max = SY_JOBS_MAX,
     AT(jobs)},
    {.name = "objective",
     .argument = "WHAT",
     .standard = "throughput",
     .help = "what is to be least: time or CPU per operation",
     .kind = OPTION_CHOICE,
     .choices = objectives,
     AT(objective)},
    {.name = "integration",
     .argument = "HOW",
     .standard = "native",
     .help = "as of 'switchyard recommend'",
     .kind = OPTION_CHOICE,
     .choices = integrations,
     AT(integration)},
    {.name = "require",
     .argument = "WHAT,...",
     .help = "as of 'switchyard recommend'",
     .kind = OPTION_TEXTS,
     AT(require)},
    {.name = "deny",
     .argument = "PART,...",
     .help = "none of these switchers and engines",
     .kind = OPTION_TEXTS,
     AT(deny)},
    {.name = "incumbent",
     .argument = "SWITCHER+ENGINE",
     .help = "what is in use: it wins a tie",
     .kind = OPTION_TEXT,
     AT(incumbent)},
    COMMON_OUT(AT(out)),
    {.name = "force",
     .help = "write the profile even if the confidence is low",
     .kind = OPTION_FLAG,
     AT(force)},
    {.name = "dry-run",
     .help = "print what would be run",
     .kind = OPTION_FLAG,
     AT(dry_run)},
    {.name = NULL},
};

struct names {
    char item[NAMES_MAX][NAME_BYTES];
    size_t count;
};

struct words {
    const char *item[WORDS_MAX + 1];
    size_t count;
};

struct tune {
    struct tune_options options;
    struct parts parts;
    struct names all, contenders;
    char references[80]; /* to be compared, too; "": none is near */
    char path[PATH_MAX]; /* of the profile */
    char id[64];         /* begins the names of the runs */
    char runs[JOBS_MAX + 1][PATH_MAX + 96]; /* folders, the screen's first */
    char parts_word[RECOMMEND_PARTS_BYTES];
    uint64_t end_ns; /* when it is to be done */
    int has_screen;
};

static uint64_t now_ns(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

static void add(struct words *w, const char *word)
{
    if (w->count < WORDS_MAX)
        w->item[w->count++] = word;
    w->item[w->count] = NULL;
}

static void add_two(struct words *w, const char *option, const char *value)
{
    if (value == NULL)
        return;
    add(w, option);
    add(w, value);
}

static void add_all(struct words *w, const char *option,
                    const struct option_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        add_two(w, option, texts->item[i]);
}

static void add_names(struct words *w, const struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        add(w, names->item[i]);
}

/* ---- what is wanted ------------------------------------------------------ */

/* Everything that works here, can pause and is there to be used. */
static int collect(struct tune *t)
{
    const struct option_texts none = {.count = 0};
    const struct parts *p = &t->parts;
    int status = parts_open(&t->parts, &none);

    if (status != -1)
        return status;
    for (size_t i = 0; i < p->switchers_count; i++) {
        const struct part_switcher *sw = &p->switchers[i];

        if (!sw->part.works || (sw->ops->caps & SY_SW_CAN_PAUSE) == 0)
            continue;
        for (size_t j = 0; j < p->engines_count; j++) {
            const struct part_engine *en = &p->engines[j];

            if (!en->part.works || (en->ops->caps & SY_EN_BASELINE) != 0 ||
                t->all.count == NAMES_MAX)
                continue;
            snprintf(t->all.item[t->all.count++], NAME_BYTES, "%.40s+%.50s",
                     sw->part.name, en->part.name);
        }
    }
    t->contenders = t->all;
    snprintf(t->references, sizeof(t->references), "software,blocking");
    return -1;
}

/* Better now than after two minutes. */
static int check_path(const struct tune *t)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(t->path, '/');
    struct stat st;

    snprintf(folder, sizeof(folder), "%.*s",
             slash == t->path ? 1 : (int)(slash - t->path), t->path);
    if (stat(t->path, &st) == 0 && !S_ISREG(st.st_mode)) {
        say("%s: not a regular file, so it cannot become a profile", t->path);
        return CLI_ENVIRONMENT;
    }
    if (access(folder, W_OK | X_OK) == -1) {
        say("%s: a profile cannot be written there: %s", folder,
            strerror(errno));
        return CLI_ENVIRONMENT;
    }
    return -1;
}

/* The profile's name must hold wherever a program is started. */
static int find_path(struct tune *t, const char *given)
{
    char cwd[PATH_MAX];
    int n;

    if (given[0] == '/') {
        n = snprintf(t->path, sizeof(t->path), "%s", given);
    } else {
        if (getcwd(cwd, sizeof(cwd)) == NULL) {
            say("the working folder: %s", strerror(errno));
            return CLI_ENVIRONMENT;
        }
        if (strncmp(given, "./", 2) == 0)
            given += 2;
        n = snprintf(t->path, sizeof(t->path), "%s/%s", cwd, given);
    }
    if (n >= (int)sizeof(t->path)) {
        say("the path of the profile is longer than %d bytes", PATH_MAX - 1);
        return CLI_USAGE;
    }
    return check_path(t);
}

static int name_runs(struct tune *t)
{
    struct timespec now;
    struct tm utc;
    uint32_t random = 0;
    char text[32];

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random) ||
        clock_gettime(CLOCK_REALTIME, &now) != 0 ||
        gmtime_r(&now.tv_sec, &utc) == NULL ||
        strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &utc) == 0) {
        say("a name for the runs: %s", strerror(errno));
        return CLI_ENVIRONMENT;
    }
    snprintf(t->id, sizeof(t->id), "%s-%06x-tune", text, random & 0xffffff);
    return -1;
}

static int read_options(struct tune *t, const struct command *self, int argc,
                        char **argv)
{
    struct tune_options *o = &t->options;
    struct option_texts operands = {.count = 0};
    int status;

    options_default(self->options, o);
    status = options_parse(self, argc, argv, o, &operands);
    if (status != -1)
        return status;
    if (operands.count > 1) {
        say("tune takes one path, of the profile, not %zu", operands.count);
        return CLI_USAGE;
    }
    if (o->jobs.count > JOBS_MAX) {
        say("--jobs: at most %d numbers, as a profile has at most so many "
            "choices",
            JOBS_MAX);
        return CLI_USAGE;
    }
    if (o->require.count > 4 || o->deny.count > 4) {
        say("--require and --deny: at most 4 of each; one takes a list");
        return CLI_USAGE;
    }
    return find_path(t,
                     operands.count == 1 ? operands.item[0] : DEFAULT_PROFILE);
}

/* ---- the screen ---------------------------------------------------------- */

static const char *jobs_list(const struct tune *t, char *text, size_t bytes)
{
    size_t used = 0;

    for (size_t i = 0; i < t->options.jobs.count && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%" PRIu64,
                                 i == 0 ? "" : ",", t->options.jobs.item[i]);
    return text;
}

static void make_screen(const struct tune *t, struct words *w, char *duration,
                        size_t duration_bytes, char *jobs, size_t jobs_bytes,
                        char *id, size_t id_bytes)
{
    uint64_t looks =
        t->all.count * t->options.jobs.count * (uint64_t)SCREEN_LOOKS;
    uint64_t each = t->options.time_ns / SCREEN_PART / looks;
    uint64_t look = each > AROUND_NS ? each - AROUND_NS : 0;

    look = look < LOOK_MIN_NS ? LOOK_MIN_NS : look;
    look = look > LOOK_MAX_NS ? LOOK_MAX_NS : look;
    snprintf(duration, duration_bytes, "%" PRIu64 "ms",
             (uint64_t)(look / SY_NS_PER_MS));
    snprintf(id, id_bytes, "%s-screen", t->id);
    w->count = 0;
    add(w, "run");
    add_names(w, &t->all);
    add_two(w, "--workload", t->options.workload);
    add_two(w, "--device", t->options.device);
    add_two(w, "--jobs", jobs_list(t, jobs, jobs_bytes));
    add_two(w, "--duration", duration);
    add_two(w, "--seed", "1,2,3");
    add_two(w, "--reference", "software,blocking");
    add_two(w, "--out", t->options.out);
    add_two(w, "--run-id", id);
    add(w, "--json"); /* one object; the table would be taken for the answer */
}

/* Read names, one a line, that the analysis wrote: combinations, and with
   "reference " before them, of rows to compare them with. */
static int read_names(struct tune *t, int fd)
{
    static const char mark[] = "reference ";
    struct names *names = &t->contenders;
    FILE *file = fdopen(fd, "r");
    char line[NAME_BYTES + sizeof(mark)];
    size_t used = 0;

    names->count = 0;
    t->references[0] = '\0';
    if (file == NULL) {
        close(fd);
        return -1;
    }
    rewind(file);
    while (names->count < NAMES_MAX &&
           fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, mark, strlen(mark)) == 0)
            used += (size_t)snprintf(t->references + used,
                                     sizeof(t->references) - used, "%s%.30s",
                                     used == 0 ? "" : ",", line + strlen(mark));
        else if (line[0] != '\0')
            snprintf(names->item[names->count++], NAME_BYTES, "%.*s",
                     NAME_BYTES - 1, line);
    }
    fclose(file);
    return names->count != 0 ? 0 : -1;
}

/* The constraints, as `recommend` and what looks at the screen take them. */
static void add_demands(struct words *w, const struct tune *t)
{
    if (!t->options.dry_run) /* the file has no name elsewhere */
        add(w, t->parts_word);
    add_two(w, "--objective", t->options.objective);
    add_two(w, "--integration", t->options.integration);
    add_all(w, "--require", &t->options.require);
    add_all(w, "--deny", &t->options.deny);
    add_two(w, "--incumbent", t->options.incumbent);
}

/* Who was not far behind in the screen. Returns -1 or an exit code. */
static int pick_contenders(struct tune *t)
{
    char to[64];
    struct words w = {.count = 0};
    int fd = memfd_create("switchyard-contenders", 0), status;

    if (fd == -1) {
        say("no memory: %s", strerror(errno));
        return CLI_ENVIRONMENT;
    }
    snprintf(to, sizeof(to), "--to=/proc/self/fd/%d", fd);
    add(&w, "contenders");
    add(&w, to);
    add_demands(&w, t);
    add(&w, "--");
    add(&w, t->runs[0]);
    status = analysis_run(w.item);
    if (status != CLI_OK) {
        close(fd);
        return status;
    }
    if (read_names(t, fd) != 0) {
        say("the screen left nothing to compare");
        return CLI_INCOMPLETE;
    }
    return -1;
}

static int screen(struct tune *t)
{
    char duration[32], jobs[JOBS_MAX * 24], id[96];
    struct words w;
    int status;

    make_screen(t, &w, duration, sizeof(duration), jobs, sizeof(jobs), id,
                sizeof(id));
    snprintf(t->runs[0], sizeof(t->runs[0]), "%s/%s", t->options.out, id);
    if (t->options.dry_run) {
        child_print(w.item);
        return -1;
    }
    say("a look at %zu combinations and the reference rows, %d times %s each",
        t->all.count, SCREEN_LOOKS, duration);
    status = child_run(w.item, 1);
    if (interrupted)
        return CLI_INTERRUPTED;
    /* Of a combination that fails the run file says so; others go on. */
    if (status != CLI_OK && status != CLI_VERDICT && status != CLI_INCOMPLETE)
        return status;
    return pick_contenders(t);
}

/* ---- the contenders ------------------------------------------------------ */

/* Comparison number i takes its part of the time that is left. */
static int compare(struct tune *t, size_t i)
{
    uint64_t now = now_ns(), left = t->end_ns > now ? t->end_ns - now : 0;
    char time[32], jobs[24], id[96];
    struct words w = {.count = 0};
    int status;

    /* Where nothing is run, nothing is used up. */
    left /= t->options.jobs.count - (t->options.dry_run ? 0 : i);
    if (left < SY_NS_PER_S)
        left = SY_NS_PER_S;
    snprintf(time, sizeof(time), "%" PRIu64 "ms",
             (uint64_t)(left / SY_NS_PER_MS));
    snprintf(jobs, sizeof(jobs), "%" PRIu64, t->options.jobs.item[i]);
    snprintf(id, sizeof(id), "%s-jobs%s", t->id, jobs);
    snprintf(t->runs[i + 1], sizeof(t->runs[i + 1]), "%s/%s", t->options.out,
             id);
    add(&w, "compare");
    if (t->options.dry_run && t->has_screen)
        add(&w, "SWITCHER+ENGINE...");
    else
        add_names(&w, &t->contenders);
    add_two(&w, "--workload", t->options.workload);
    add_two(&w, "--device", t->options.device);
    add_two(&w, "--jobs", jobs);
    add_two(&w, "--reference",
            t->references[0] != '\0' ? t->references : "none");
    add_two(&w, "--time", time);
    add(&w, "--no-verdict");
    add_two(&w, "--out", t->options.out);
    add_two(&w, "--run-id", id);
    if (t->options.dry_run) {
        child_print(w.item);
        return -1;
    }
    say("comparing %zu of them with each other%s%s, %s jobs in flight",
        t->contenders.count, t->references[0] != '\0' ? " and with " : "",
        t->references, jobs);
    status = child_run(w.item, 1);
    if (interrupted)
        return CLI_INTERRUPTED;
    return status == CLI_OK || status == CLI_VERDICT ? -1 : status;
}

/* What there is no time for is refused before anything is measured: then the
   better half of the look goes on alone. */
static int compare_in_time(struct tune *t, size_t i)
{
    int status = compare(t, i);

    while (status == CLI_USAGE && t->has_screen && t->contenders.count > 2) {
        t->contenders.count = (t->contenders.count + 1) / 2;
        say("so the best %zu of the look go on alone; more --time compares "
            "more of them",
            t->contenders.count);
        status = compare(t, i);
    }
    return status;
}

/* ---- the answer ---------------------------------------------------------- */

static int recommend(struct tune *t)
{
    char profile[PATH_MAX + 32];
    struct words w = {.count = 0};
    int status;

    snprintf(profile, sizeof(profile), "--emit-profile=%s", t->path);
    add(&w, "recommend");
    add_demands(&w, t);
    add(&w, profile);
    if (t->options.force)
        add(&w, "--force");
    add(&w, "--");
    for (size_t i = t->has_screen ? 0 : 1; i <= t->options.jobs.count; i++)
        add(&w, t->runs[i]);
    if (t->options.dry_run) {
        child_print(w.item);
        return CLI_OK;
    }
    status = analysis_run(w.item);
    if (status == CLI_OK) {
        fputs("\nThis makes programs use it:\n\n", stderr);
        printf("SWITCHYARD_PROFILE=%s\n", t->path);
        if (fflush(stdout) != 0)
            status = CLI_ENVIRONMENT;
    }
    return status;
}

static int carry_out(struct tune *t, const struct command *self, int argc,
                     char **argv)
{
    const struct option_texts none = {.count = 0};
    int status = read_options(t, self, argc, argv);

    if (status == -1)
        status = collect(t);
    if (status == -1)
        status = name_runs(t);
    if (status == -1)
        status = recommend_parts(&none, t->parts_word);
    if (status != -1)
        return status;
    catch_interrupts();
    t->end_ns = now_ns() + t->options.time_ns - END_NS;
    t->has_screen = t->all.count >= SCREEN_FROM;
    if (t->has_screen)
        status = screen(t);
    for (size_t i = 0; i < t->options.jobs.count && status == -1; i++)
        status = compare_in_time(t, i);
    if (status == CLI_INTERRUPTED)
        say("interrupted: no profile was written; what was measured is in %s",
            t->options.out);
    return status == -1 ? recommend(t) : status;
}

static int run_tune(const struct command *self, int argc, char **argv)
{
    struct tune *t = calloc(1, sizeof(*t));
    int status;

    if (t == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    status = carry_out(t, self, argc, argv);
    free(t);
    return status;
}

const struct command tune_command = {
    .name = "tune",
    .summary = "Measure, decide, and write a profile: all in one",
    .operands = "[PATH]",
    .options = tune_options_table,
    .notes =
        "PATH is that of the profile, ./" DEFAULT_PROFILE " by default. A look "
        "at every combination\ncomes first, a comparison of those that were "
        "not far behind takes most of the\ntime. The last line of standard "
        "output is what a program needs in its\nenvironment. Exit 4: there is "
        "no decision, and no profile without --force.\n",
    .run = run_tune,
};
