/* SPDX-License-Identifier: Apache-2.0 */
/* switchyard trace: some operations, job by job, for a trace viewer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/runtime.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chrome_trace.h"
#include "command.h"
#include "common_options.h"
#include "interrupt.h"
#include "options.h"
#include "parts.h"
#include "plan.h"
#include "suite.h"
#include "traced_process.h"

/* A job that pauses P times gives 3 + 4 P events, and one that does not 2; no
   workload pauses more often than this. */
#define PAUSES_MAX 8

struct trace_options {
    struct run_options run;
    uint64_t operations;
};

#define AT(member)     .offset = offsetof(struct trace_options, member)
#define AT_RUN(member) .offset = offsetof(struct trace_options, run.member)

static const struct option trace_options_table[] = {
    {.name = "out",
     .argument = "FILE",
     .standard = "trace.json",
     .help = "where to write; '-' is standard output; also -o FILE",
     .kind = OPTION_TEXT,
     AT_RUN(out)},
    {.name = "operations",
     .argument = "N",
     .standard = "200",
     .help = "how many, of each combination",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 100000,
     AT(operations)},
    COMMON_SWITCHER("", .standard = "asm", AT_RUN(switcher)),
    COMMON_ENGINE("", .standard = "queue", AT_RUN(engine)),
    {.name = "workload",
     .argument = "GLOB,...",
     .standard = "ecdsa-p256-sign",
     .help = "which workloads; 'aes-128-gcm@16K' gives a size",
     .kind = OPTION_TEXTS,
     AT_RUN(workload)},
    {.name = "jobs",
     .argument = "N",
     .standard = "8",
     .help = "jobs in flight",
     .kind = OPTION_NUMBERS,
     .min = 1,
     .max = 10000,
     AT_RUN(jobs)},
    {.name = "device",
     .argument = "SPEC",
     .standard = "workers:1",
     .help = "what executes offloaded steps",
     .kind = OPTION_TEXTS,
     AT_RUN(device)},
    COMMON_SEED("for inputs and order", OPTION_NUMBERS, AT_RUN(seed)),
    COMMON_STACK_BYTES(AT_RUN(stack_bytes)),
    COMMON_LOAD(AT_RUN(load)),
    {.name = NULL},
};

struct invocation {
    struct trace_options options;
    struct option_texts operands;
    struct parts parts;
    struct plan plan;
    struct traced_process traced;
    const struct command *self;
    int argc;
    char **argv;
    size_t traced_count; /* combinations in the file */
    size_t failed_count;
};

/* ---- the file ------------------------------------------------------------ */

/* A file appears under its name when it is whole, so that what was there before
   is not lost for nothing. Devices and pipes are written to directly. */
struct output {
    FILE *to;
    const char *path;
    char temporary[4096]; /* "": none */
};

static int cannot_write(const char *path, int err)
{
    say("--out: cannot write %s: %s", path, strerror(err));
    return CLI_ENVIRONMENT;
}

static int output_open(struct output *o, const char *path)
{
    struct stat st;
    int n;

    *o = (struct output){.path = path, .to = stdout};
    if (strcmp(path, "-") == 0)
        return -1;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return cannot_write(path, EISDIR);
    if (stat(path, &st) == -1 || S_ISREG(st.st_mode)) {
        n = snprintf(o->temporary, sizeof(o->temporary), "%s.tmp", path);
        if (n < 0 || (size_t)n >= sizeof(o->temporary)) {
            o->temporary[0] = '\0';
            return cannot_write("such a long path", ENAMETOOLONG);
        }
    }
    o->to = fopen(o->temporary[0] != '\0' ? o->temporary : path, "we");
    return o->to != NULL ? -1 : cannot_write(path, errno);
}

static void output_discard(struct output *o)
{
    if (o->to != NULL && o->to != stdout)
        (void)fclose(o->to);
    if (o->temporary[0] != '\0')
        (void)unlink(o->temporary);
    o->to = NULL;
}

static int output_finish(struct output *o)
{
    int err = 0;

    errno = 0;
    if (fflush(o->to) != 0 || ferror(o->to))
        err = errno != 0 ? errno : EIO;
    if (o->to != stdout && fclose(o->to) != 0 && err == 0)
        err = errno;
    o->to = NULL;
    if (err == 0 && o->temporary[0] != '\0' &&
        rename(o->temporary, o->path) == -1)
        err = errno;
    if (err == 0)
        return -1;
    output_discard(o);
    return cannot_write(o->path, err);
}

/* ---- tracing ------------------------------------------------------------- */

static void trace_entry(struct invocation *s, size_t entry,
                        struct chrome_trace *to)
{
    struct sy_experiment exp = s->plan.entries[entry].exp;
    struct traced_share *share = s->traced.share;
    char name[SY_OUTCOME_NAME_BYTES * 2], mix[256], title[512];
    int err;

    exp.duration_ns = 0;
    exp.operations_max = s->options.operations;
    sy_experiment_name(&exp, name, sizeof(name));
    err = traced_process_run(&s->traced, &s->plan, entry, &exp);
    if (err == 0)
        err = share->window.error;
    if (err != 0) {
        say("%s: switchyard-traced: %s", name, strerror(-err));
        s->failed_count++;
        return;
    }
    if (share->outcome.status != SY_OUTCOME_OK) {
        say("%s: %s: %s", name,
            share->outcome.status == SY_OUTCOME_SKIPPED ? "skipped" : "FAILED",
            share->outcome.reason);
        s->failed_count += share->outcome.status == SY_OUTCOME_FAILED;
        return;
    }
    if (share->window.events_dropped != 0)
        say("%s: %llu events are left out: there was no room for them", name,
            (unsigned long long)share->window.events_dropped);
    (void)snprintf(title, sizeof(title), "%s: %s on %s", name,
                   sy_experiment_mix(&exp, mix, sizeof(mix)), exp.device_spec);
    chrome_trace_runtime(to, (unsigned)++s->traced_count, title,
                         sy_traced_window_events(&share->window),
                         share->window.events_count);
}

static int trace_all(struct invocation *s)
{
    struct chrome_trace trace;
    struct output o;
    int status = output_open(&o, s->options.run.out);

    if (status != -1)
        return status;
    catch_interrupts();
    chrome_trace_begin(&trace, o.to);
    for (size_t i = 0; i < s->plan.count && !interrupted; i++)
        trace_entry(s, i, &trace);
    chrome_trace_end(&trace);
    if (s->traced_count == 0) {
        output_discard(&o);
        if (interrupted)
            return CLI_INTERRUPTED;
        say("nothing was traced, and nothing is written");
        return s->failed_count != 0 ? CLI_VERDICT : CLI_INCOMPLETE;
    }
    status = output_finish(&o);
    if (status != -1)
        return status;
    if (strcmp(s->options.run.out, "-") != 0)
        say("wrote %s: open it in ui.perfetto.dev or speedscope",
            s->options.run.out);
    if (interrupted)
        return CLI_INTERRUPTED;
    return s->failed_count != 0 ? CLI_VERDICT : CLI_OK;
}

/* ---- the command --------------------------------------------------------- */

/* Options have long names here; -o alone is what everybody types. Returns the
   arguments with it spelled out, to be freed. */
static char **spell_out(int argc, char **argv)
{
    static char out[] = "--out";
    char **spelled = calloc((size_t)argc + 1, sizeof(*spelled));

    for (int i = 0; i < argc && spelled != NULL; i++)
        spelled[i] = strcmp(argv[i], "-o") == 0 ? out : argv[i];
    return spelled;
}

/* What both the command and its worker do first. */
static int make_plan(struct invocation *s)
{
    struct run_options *run = &s->options.run;
    int status;

    options_default(trace_options_table, &s->options);
    run->verify = "sample";
    run->duration_ns = SY_NS_PER_S; /* the plan wants one; see trace_entry() */
    status =
        options_parse(s->self, s->argc, s->argv, &s->options, &s->operands);
    if (status != -1)
        return status;
    run->no_reference = 1;
    if (run->out[0] == '\0') {
        say("--out: the name of a file, or '-'");
        return CLI_USAGE;
    }
    if (run->seed.count > 1 || run->jobs.count > 1) {
        say("--%s: one number", run->seed.count > 1 ? "seed" : "jobs");
        return CLI_USAGE;
    }
    status = parts_open(&s->parts, &run->load);
    return status == -1
               ? plan_make(&s->plan, run, NULL, &s->parts, &s->operands)
               : status;
}

static int be_command(struct invocation *s)
{
    int status = make_plan(s);

    if (status != -1)
        return status;
    s->traced.subcommand = s->self->name;
    s->traced.argc = s->argc;
    s->traced.argv = s->argv;
    status = traced_process_open(
        &s->traced, (uint32_t)(s->options.operations * (3 + 4 * PAUSES_MAX)));
    if (status == -1)
        status = trace_all(s);
    traced_process_close(&s->traced);
    return status;
}

static int be_worker(struct invocation *s, const char *fd_text)
{
    struct traced_share *share = traced_worker_open(fd_text);
    int status;

    if (share == NULL)
        return CLI_USAGE;
    status = make_plan(s);
    if (status != -1)
        return status;
    catch_interrupts();
    return traced_worker_run(share, &s->plan, &interrupted);
}

static int trace_run(const struct command *self, int argc, char **argv)
{
    int is_worker = traced_worker_is_meant(argc, argv);
    struct invocation *s = calloc(1, sizeof(*s));
    char **spelled = spell_out(argc, argv);
    int status = CLI_ENVIRONMENT;

    if (s == NULL || spelled == NULL) {
        say("no memory");
    } else {
        s->self = self;
        s->argc = is_worker ? argc - 2 : argc;
        s->argv = is_worker ? spelled + 2 : spelled;
        status = is_worker ? be_worker(s, argv[1]) : be_command(s);
        plan_free(&s->plan);
    }
    free(spelled);
    free(s);
    return status;
}

const struct command trace_command = {
    .name = "trace",
    .summary = "Write what each job did when, for a trace viewer",
    .operands = "[SWITCHER+ENGINE-GLOB...]",
    .options = trace_options_table,
    .notes =
        "The file is in Chrome's trace event format: a process for each "
        "combination, a\ntrack for each slot, on it jobs and their phases. "
        "Perfetto and speedscope open\nit. docs/tracing.md explains the "
        "phases.\n",
    .run = trace_run,
};
