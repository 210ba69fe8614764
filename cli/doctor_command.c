/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard doctor: can this machine be measured on, and what to change. */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../bench/environment/checkup.h"
#include "../bench/environment/fingerprint.h"
#include "../bench/load/json_values.h"
#include "command.h"
#include "options.h"
#include "print_json.h"

#define CHECKS_MAX  64
#define WIDTH       80
#define TITLE_WIDTH 20
#define STATE_WIDTH 10

struct doctor_options {
    int json;
};

#define AT(member) .offset = offsetof(struct doctor_options, member)

static const struct option doctor_options_table[] = {
    {.name = "json", .help = "one JSON object", .kind = OPTION_FLAG, AT(json)},
    {.name = NULL},
};

struct diagnosis {
    struct sy_machine machine;
    struct sy_checkup_figures figures;
    struct sy_finding findings[CHECKS_MAX];
    size_t counts[4]; /* by state */
};

static void examine(struct diagnosis *d)
{
    const struct sy_checkup checkup = {.proc = SY_PROC,
                                       .sys = SY_SYS,
                                       .settings = &d->machine.settings,
                                       .figures = &d->figures};

    memset(d, 0, sizeof(*d));
    sy_machine_read(&d->machine);
    sy_checkup_measure(&d->figures, SY_PROC);
    for (size_t i = 0; sy_checks[i].name != NULL && i < CHECKS_MAX; i++) {
        sy_check_judge(&sy_checks[i], &checkup, &d->findings[i]);
        d->counts[d->findings[i].state]++;
    }
}

/* What one reads off the whole: the worst state that is known. */
static enum sy_check_state verdict(const struct diagnosis *d)
{
    if (d->counts[SY_CHECK_RED] != 0)
        return SY_CHECK_RED;
    return d->counts[SY_CHECK_AMBER] != 0 ? SY_CHECK_AMBER : SY_CHECK_GREEN;
}

/* ---- for people ---------------------------------------------------------- */

static const char *colour(enum sy_check_state state)
{
    switch (state) {
    case SY_CHECK_GREEN:
        return "\033[32m";
    case SY_CHECK_AMBER:
        return "\033[33m";
    case SY_CHECK_RED:
        return "\033[1;31m";
    case SY_CHECK_UNKNOWN:
        break;
    }
    return "\033[2m";
}

static void print_state(enum sy_check_state state)
{
    const char *word =
        state == SY_CHECK_UNKNOWN ? "not known" : sy_check_state_name(state);
    int width = (int)strlen(word);

    if (stream_takes_colour(stdout))
        printf("%s%s\033[0m", colour(state), word);
    else
        fputs(word, stdout);
    printf("%*s", width < STATE_WIDTH ? STATE_WIDTH - width : 1, "");
}

/* Print text, folded between words; further lines begin at that column. */
static void print_folded(const char *lead, const char *text, int indent)
{
    int column = indent + (int)strlen(lead);
    const char *between = "";

    fputs(lead, stdout);
    while (*text != '\0') {
        const int word = (int)strcspn(text, " ");

        if (column + (int)strlen(between) + word > WIDTH && column > indent) {
            printf("\n%*s", indent, "");
            column = indent;
            between = "";
        }
        column += printf("%s%.*s", between, word, text);
        between = " ";
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_finding(const struct sy_check *check,
                          const struct sy_finding *f)
{
    printf("%-*s", TITLE_WIDTH, check->title);
    print_state(f->state);
    print_folded("", f->found, TITLE_WIDTH + STATE_WIDTH);
    if (f->effect[0] != '\0') {
        printf("%*s", TITLE_WIDTH, "");
        print_folded("effect: ", f->effect, TITLE_WIDTH);
    }
    if (f->remedy[0] != '\0') {
        printf("%*s", TITLE_WIDTH, "");
        print_folded("change: ", f->remedy, TITLE_WIDTH);
    }
}

static void print_people(const struct diagnosis *d)
{
    const struct sy_machine *m = &d->machine;

    printf("%s, %s, Linux %s\nfingerprint %s: hardware %s, environment %s\n\n",
           m->cpu_model, m->arch, m->kernel, m->fingerprint, m->hardware_key,
           m->environment_key);
    for (size_t i = 0; sy_checks[i].name != NULL; i++)
        print_finding(&sy_checks[i], &d->findings[i]);
    printf("\n%zu green, %zu amber, %zu red, %zu not known.\n",
           d->counts[SY_CHECK_GREEN], d->counts[SY_CHECK_AMBER],
           d->counts[SY_CHECK_RED], d->counts[SY_CHECK_UNKNOWN]);
    switch (verdict(d)) {
    case SY_CHECK_RED:
        puts("Do not measure here now: results would be worthless.");
        break;
    case SY_CHECK_AMBER:
        puts("Results are usable; mind the effects above.");
        break;
    case SY_CHECK_GREEN:
    case SY_CHECK_UNKNOWN:
        puts("Measure.");
        break;
    }
}

/* ---- for programs -------------------------------------------------------- */

static json_t *checks_array(const struct diagnosis *d)
{
    json_t *array = json_array();

    for (size_t i = 0; sy_checks[i].name != NULL; i++) {
        const struct sy_finding *f = &d->findings[i];

        json_array_append_new(
            array, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "name",
                             sy_checks[i].name, "title", sy_checks[i].title,
                             "state", sy_check_state_name(f->state), "found",
                             f->found, "effect", sy__json_text(f->effect),
                             "remedy", sy__json_text(f->remedy)));
    }
    return array;
}

/* A figure, null where it could not be had. */
static void set_figure(json_t *object, const char *name, int64_t value)
{
    json_object_set_new(object, name,
                        value < 0 ? json_null() : json_integer(value));
}

static json_t *figures_object(const struct sy_checkup_figures *m)
{
    json_t *object = json_object();

    set_figure(object, "window_ns", m->window_ns);
    set_figure(object, "clock_tick_ns", m->clock_tick_ns);
    set_figure(object, "clock_read_ns", m->clock_read_ns);
    set_figure(object, "clock_backwards", m->clock_backwards);
    set_figure(object, "clock_drift_ppm", m->clock_drift_ppm);
    set_figure(object, "syscall_ns", m->syscall_ns);
    set_figure(object, "timer_late_ns", m->timer_late_ns);
    set_figure(object, "timer_worst_ns", m->timer_worst_ns);
    set_figure(object, "wake_ns", m->wake_ns);
    set_figure(object, "wake_worst_ns", m->wake_worst_ns);
    set_figure(object, "others_permille", m->others_permille);
    set_figure(object, "steal_permille", m->steal_permille);
    set_figure(object, "steal_boot_permille", m->steal_boot_permille);
    set_figure(object, "gap_ns", m->gap_ns);
    return object;
}

static int print_object(const struct diagnosis *d)
{
    const struct sy_machine *m = &d->machine;

    return print_json(json_pack(
        "{s:s, s:s, s:b, s:{s:s, s:s, s:s, s:s, s:s, s:s}, s:o, s:o}", "schema",
        "switchyard-doctor/1", "verdict", sy_check_state_name(verdict(d)),
        "worthless", verdict(d) == SY_CHECK_RED, "machine", "fingerprint",
        m->fingerprint, "hardware_key", m->hardware_key, "environment_key",
        m->environment_key, "arch", m->arch, "cpu_model", m->cpu_model,
        "kernel", m->kernel, "checks", checks_array(d), "figures",
        figures_object(&d->figures)));
}

static int run_doctor(const struct command *self, int argc, char **argv)
{
    static struct diagnosis d;
    struct doctor_options options = {0};
    struct option_texts operands;
    int status;

    status = options_parse(self, argc, argv, &options, &operands);
    if (status != -1)
        return status;
    if (stream_takes_colour(stderr))
        say_over("measuring for a second");
    examine(&d);
    say_over_end();
    if (options.json) {
        status = print_object(&d);
        if (status != CLI_OK)
            return status;
    } else {
        print_people(&d);
    }
    return verdict(&d) == SY_CHECK_RED ? CLI_ENVIRONMENT : CLI_OK;
}

const struct command doctor_command = {
    .name = "doctor",
    .summary = "Say what about this machine makes results better or worse",
    .operands = "",
    .options = doctor_options_table,
    .notes =
        "Each check is green, amber (results are usable, but see what it does "
        "to\nthem), red (results would be worthless) or not known. Exit 3 if "
        "one is red:\na sanitizer, valgrind or a tracer; less than four fifths "
        "of a CPU left by\nother programs; a host that takes a tenth of the "
        "time; a clock that goes\nback or moves in steps of 10 us; system "
        "calls of 20 us; wake-ups of 2 ms.\nNothing is changed and nothing is "
        "written.\n",
    .run = run_doctor,
};
