/* SPDX-License-Identifier: Apache-2.0 */
#include "dose_program.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>

#include "../bench/load/json_values.h"
#include "../bench/load/run_file.h"
#include "../bench/load/williams.h"
#include "../devices/timed_spin.h"
#include "analysis.h"
#include "command.h"
#include "compare_command.h"
#include "dose_levels.h"
#include "drop_in.h"
#include "interrupt.h"
#include "program_file.h"
#include "program_run.h"
#include "run_output.h"

/* The program as it is, and each set of doses. */
#define TRIALS_MAX (1 + SY_DOSE_LEVELS_MAX)

struct trial {
    char label[64];
    int is_dosed; /* the drop-in gives doses, even if they are of 0 */
    struct sy_dose dose;
    uint64_t real_ps; /* what the spin lasts that is not 0 */
    char text[80];    /* SWITCHYARD_DOSE */
    unsigned lost;    /* runs that did not come to their end */
};

struct campaign {
    struct compare_options options;
    struct sy__spin_rate rate;
    struct trial trials[TRIALS_MAX];
    unsigned count;
    char **words;
    int words_count;
    char path[PATH_MAX];
    uint64_t look_ns; /* what the first run took */
    uint64_t began_ns;
    unsigned runs; /* so far */
    struct sy_run_file *file;
    char why[SY_RUN_PATH_BYTES + 256];
};

static uint64_t now_ns(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

/* ---- what is wanted ------------------------------------------------------ */

/* Options that a program has no use for. */
static int refuse_others(const struct compare_options *o)
{
    const struct run_options *run = &o->run;
    const char *name = run->switcher.count != 0   ? "switcher"
                       : run->engine.count != 0   ? "engine"
                       : run->workload.count != 0 ? "workload"
                       : run->load.count != 0     ? "load"
                       : o->processes != 0        ? "processes"
                       : o->rounds != 0           ? "rounds"
                       : o->time_ns != 0          ? "time"
                                                  : NULL;

    if (name == NULL)
        return -1;
    say("--%s is not for a PROGRAM: --blocks says how often it runs", name);
    return CLI_USAGE;
}

static int read_doses(const struct compare_options *o,
                      struct dose_levels *levels)
{
    struct option_texts factors = o->factor;
    int status;

    if (factors.count == 0)
        factors.item[factors.count++] = "switch,wake";
    status = dose_levels_read(levels, &factors, &o->levels);
    if (status == -1 && levels->count[SY_DOSE_DEVICE] != 0) {
        say("--factor: the drop-in sees switches and wake-ups of a PROGRAM, "
            "and not its device");
        return CLI_USAGE;
    }
    return status;
}

static void set_trial(struct campaign *c, struct trial *t)
{
    uint64_t ticks[SY_DOSE_FACTORS];

    for (int f = 0; f < SY_DOSE_FACTORS; f++) {
        ticks[f] = sy__spin_ticks(&c->rate, t->dose.ns[f]);
        if (ticks[f] != 0)
            t->real_ps = sy__spin_measure_ps(&c->rate, ticks[f]);
    }
    snprintf(t->text, sizeof(t->text), "%s:%" PRIu64 ":%" PRIu64,
             c->rate.by_clock ? "clock" : "tsc", ticks[SY_DOSE_SWITCH],
             ticks[SY_DOSE_WAKE]);
}

static void make_trials(struct campaign *c, const struct dose_levels *levels)
{
    sy__spin_calibrate(&c->rate);
    snprintf(c->trials[0].label, sizeof(c->trials[0].label), "as it is");
    c->count = 1;
    for (unsigned i = 0; i < dose_levels_sets(levels); i++) {
        struct trial *t = &c->trials[c->count++];

        t->is_dosed = 1;
        dose_levels_set(levels, i, &t->dose, t->label, sizeof(t->label));
        set_trial(c, t);
    }
}

static int find_program(struct campaign *c)
{
    char drop_in[PATH_MAX];
    struct program_finding finding;
    int err = program_find(c->words[0], c->path, sizeof(c->path));

    if (err != 0) {
        say("%s: %s", c->words[0],
            err == -ENOENT && strchr(c->words[0], '/') == NULL
                ? "there is no such program in PATH"
                : strerror(-err));
        return CLI_USAGE;
    }
    program_inspect(c->path, &finding);
    if (finding.preload != PROGRAM_TAKES) {
        say("%s %s; it cannot get the drop-in, and so no doses", c->path,
            finding.note);
        return CLI_ENVIRONMENT;
    }
    if (drop_in_find(drop_in) != 0)
        return CLI_ENVIRONMENT;
    if (drop_in_preload(drop_in) != 0) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    return -1;
}

/* ---- runs ---------------------------------------------------------------- */

static int run_once(const struct campaign *c, const struct trial *t,
                    struct program_run *run)
{
    int err;

    *run = (struct program_run){.path = c->path,
                                .words = c->words,
                                .dose = t->is_dosed ? t->text : NULL,
                                .timeout_ns = c->options.timeout_ns,
                                .interrupted = &interrupted};
    err = program_run(run);
    if (err != 0) {
        say("cannot run %s: %s", c->words[0], strerror(-err));
        return CLI_ENVIRONMENT;
    }
    return run->end == PROGRAM_INTERRUPTED ? CLI_INTERRUPTED : -1;
}

/* A first run, with doses of 0: can it be measured at all? */
static int look(struct campaign *c)
{
    struct program_run run;
    int status = run_once(c, &c->trials[1], &run);

    if (status == CLI_INTERRUPTED)
        say("interrupted: nothing was measured yet");
    if (status != -1)
        return status;
    if (run.report.stands_down != 0 && run.report.jobs == 0) {
        say("%s did not pick up the drop-in:%s", c->words[0], run.report.why);
        return CLI_ENVIRONMENT;
    }
    if (run.end != PROGRAM_OK) {
        say("%s fails without any dose: %s", c->words[0], run.reason);
        return CLI_VERDICT;
    }
    if (run.report.jobs == 0) {
        say("%s started no OpenSSL job%s: there is nothing to give a dose to",
            c->words[0],
            run.report.loaded != 0 ? ""
                                   : ", and was not seen to load libcrypto");
        return CLI_INCOMPLETE;
    }
    if (run.report.switches == 0) {
        say("%s picked up a drop-in that gives no doses", c->words[0]);
        return CLI_ENVIRONMENT;
    }
    c->look_ns = run.elapsed_ns;
    return -1;
}

/* ---- the run file -------------------------------------------------------- */

/* Takes the reference. */
static int add_line(struct campaign *c, json_t *object)
{
    char *line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    int err = -ENOMEM;

    json_decref(object);
    snprintf(c->why, sizeof(c->why), "no memory");
    if (line != NULL)
        err = sy_run_file_add_line(c->file, line, c->why, sizeof(c->why));
    free(line);
    return err;
}

static json_t *dose_object(const struct trial *t)
{
    return json_pack(
        "{s:o, s:b, s:o, s:o, s:o}", "label", sy__json_text(t->label),
        "is_dosed", t->is_dosed, "switch_ns",
        sy__json_number(t->dose.ns[SY_DOSE_SWITCH]), "wake_ns",
        sy__json_number(t->dose.ns[SY_DOSE_WAKE]), "real_ps",
        t->real_ps != 0 ? sy__json_number(t->real_ps) : json_null());
}

static int add_settings(struct campaign *c)
{
    json_t *words = json_array(), *doses = json_array();

    for (int i = 0; i < c->words_count; i++)
        (void)json_array_append_new(words, c->words[i][0] != '\0'
                                               ? sy__json_text(c->words[i])
                                               : json_string(""));
    for (unsigned i = 0; i < c->count; i++)
        (void)json_array_append_new(doses, dose_object(&c->trials[i]));
    return add_line(
        c, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "type", "program_doses",
                     "program", words, "doses", doses, "blocks",
                     sy__json_number(c->options.blocks), "timeout_ns",
                     sy__json_number(c->options.timeout_ns), "seed",
                     sy__json_number(c->options.seed)));
}

static int add_run(struct campaign *c, unsigned block, unsigned position,
                   unsigned trial, const struct program_run *run)
{
    static const char *const words[] = {"ok", "failed", "timeout"};
    const struct exec_report *r = &run->report;

    return add_line(
        c, json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, "
                     "s:o, s:o, s:o, s:o}",
                     "type", "program_run", "block", sy__json_number(block),
                     "position", sy__json_number(position), "dose",
                     sy__json_number(trial), "status", words[run->end],
                     "reason", sy__json_text(run->reason), "exit_status",
                     run->exit_status >= 0 ? json_integer(run->exit_status)
                                           : json_null(),
                     "signal",
                     run->signal != 0 ? json_integer(run->signal) : json_null(),
                     "elapsed_ns", sy__json_number(run->elapsed_ns), "cpu_ns",
                     sy__json_number(run->cpu_ns), "jobs",
                     sy__json_number(r->jobs), "pauses",
                     sy__json_number(r->pauses), "switches",
                     sy__json_number(r->switches), "wakes",
                     sy__json_number(r->wakes), "switch_ps",
                     r->switch_ps != 0 ? sy__json_number(r->switch_ps)
                                       : json_null()));
}

static int create_file(struct campaign *c, int argc, char **argv)
{
    static char end[] = "--";
    const int count = argc + 1 + c->words_count;
    char **words = calloc((size_t)count, sizeof(*words));
    const struct sy_run_info info = {
        .seed = c->options.seed, .argc = count, .argv = words};
    int status, used = 0;

    if (words == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    for (int i = 0; i < argc; i++)
        words[used++] = argv[i];
    words[used++] = end;
    for (int i = 0; i < c->words_count; i++)
        words[used++] = c->words[i];
    status = run_output_begin(&c->file, c->options.run.out, "dose", &info);
    free(words);
    if (status != -1 || add_settings(c) == 0)
        return status;
    say("--out: %s", c->why);
    return CLI_ENVIRONMENT;
}

/* ---- measuring ----------------------------------------------------------- */

static double seconds_left(const struct campaign *c)
{
    unsigned all = (unsigned)c->options.blocks * c->count;
    double each = c->runs != 0 ? (double)(now_ns() - c->began_ns) / c->runs
                               : (double)c->look_ns;

    return each * (all - c->runs) / (double)SY_NS_PER_S;
}

static void show_progress(const struct campaign *c, unsigned block,
                          const struct trial *t)
{
    char time[32];

    format_rough_time(time, sizeof(time), seconds_left(c));
    if (stream_takes_colour(stderr))
        say_over("block %u of %u, %s; about %s left", block + 1,
                 (unsigned)c->options.blocks, t->label, time);
    else if (c->runs % c->count == 0)
        fprintf(stderr, "block %u of %u; about %s left\n", block + 1,
                (unsigned)c->options.blocks, time);
}

static int measure_block(struct campaign *c, unsigned block)
{
    unsigned order[SY_WILLIAMS_MAX], i;
    int status;

    sy_williams_order(c->options.seed, block, c->count, order);
    for (i = 0; i < c->count; i++) {
        struct trial *t = &c->trials[order[i]];
        struct program_run run;

        show_progress(c, block, t);
        status = run_once(c, t, &run);
        if (status != -1)
            return status;
        c->runs++;
        if (run.end != PROGRAM_OK && t->lost++ == 0) {
            say_over_end();
            say("block %u, %s: %s", block + 1, t->label, run.reason);
        }
        if (add_run(c, block, i, order[i], &run) != 0) {
            say("--out: cannot write the run file: %s", c->why);
            return CLI_ENVIRONMENT;
        }
    }
    return -1;
}

static int measure_all(struct campaign *c)
{
    int status = -1;

    c->began_ns = now_ns();
    for (unsigned b = 0; b < c->options.blocks && status == -1; b++)
        status = measure_block(c, b);
    say_over_end();
    return status;
}

static int conclude(struct campaign *c, const char *path)
{
    const char *with_json[] = {"dose", "--json", "--", NULL, NULL};
    const char *without[] = {"dose", "--", NULL, NULL};
    unsigned lost = 0;
    int status = CLI_OK;

    with_json[3] = without[2] = path;
    if (!c->options.no_verdict)
        status = analysis_run(c->options.run.json ? with_json : without);
    say("wrote %s", path);
    for (unsigned i = 0; i < c->count; i++)
        lost += c->trials[i].lost;
    if (interrupted) {
        say("interrupted: what was measured until then is saved");
        return CLI_INTERRUPTED;
    }
    return status == CLI_OK && lost != 0 ? CLI_VERDICT : status;
}

static void dry_run(const struct campaign *c)
{
    char time[32];

    for (unsigned i = 0; i < c->count; i++)
        printf("%3u. %s\n", i + 1, c->trials[i].label);
    printf("%u blocks, each of them once in each, in random order\n",
           (unsigned)c->options.blocks);
    printf("Takes about %s.\n",
           format_rough_time(time, sizeof(time), seconds_left(c)));
}

static int carry_out(struct campaign *c, int argc, char **argv)
{
    char path[SY_RUN_PATH_BYTES];
    int status;

    catch_interrupts();
    status = find_program(c);
    if (status == -1)
        status = look(c);
    if (status != -1)
        return status;
    if (c->options.run.dry_run) {
        dry_run(c);
        return CLI_OK;
    }
    status = create_file(c, argc, argv);
    if (status != -1)
        return status;
    status = run_output_end(&c->file, measure_all(c), c->runs, path);
    if (status == -1 || status == CLI_INTERRUPTED)
        return conclude(c, path);
    if (path[0] != '\0')
        say("wrote %s", path);
    return status;
}

int dose_program_run(const struct command *self, int argc, char **argv,
                     int count, char **words)
{
    struct campaign *c = calloc(1, sizeof(*c));
    struct option_texts operands;
    struct dose_levels levels;
    int status;

    if (c == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    c->words = words;
    c->words_count = count;
    options_default(self->options, &c->options);
    status = options_parse(self, argc, argv, &c->options, &operands);
    if (status == -1 && count == 0) {
        say("which program? Write it behind '--'");
        status = CLI_USAGE;
    }
    if (status == -1 && operands.count != 0) {
        say("'%s' is a combination of ours, and '--' stands in front of a "
            "PROGRAM: take one of them",
            operands.item[0]);
        status = CLI_USAGE;
    }
    if (status == -1)
        status = refuse_others(&c->options);
    if (status == -1)
        status = read_doses(&c->options, &levels);
    if (status == -1) {
        make_trials(c, &levels);
        status = carry_out(c, argc, argv);
    }
    free(c);
    return status;
}
