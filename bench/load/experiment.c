/* SPDX-License-Identifier: Apache-2.0 */
#include "experiment.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <switchyard/clock.h>
#include <switchyard/compiler.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load_cycle.h"
#include "peer.h"

/* How often the waiting process looks at the clock and for an interrupt, and
   how long an interrupted experiment may take to end. */
#define LOOK_MS      20
#define END_SOON_NS  (5 * SY_NS_PER_S)
#define TIMEOUT_NS   (30 * SY_NS_PER_S)
#define TIMEOUT_OPS  (300 * SY_NS_PER_S)
#define WEIGHT_MAX   1000000u
#define DURATION_MAX (24 * 3600 * SY_NS_PER_S)

/* The memory that an experiment's process and its parent share. So even a
   process that crashed has left what it knew. */
struct shared {
    struct sy__progress progress;
    struct sy_outcome out;
    int result;
    _Atomic int is_complete;
};

/* ---- names ------------------------------------------------------------- */

static const struct sy__row_ops *row_ops(enum sy_row row)
{
    switch (row) {
    case SY_ROW_COMBINATION:
        return &sy__row_combination;
    case SY_ROW_SOFTWARE:
        return &sy__row_software;
    case SY_ROW_BLOCKING:
        return &sy__row_blocking;
    case SY_ROW_CALLBACK:
        return &sy__row_callback;
    case SY_ROW_PEER:
        return &sy__row_peer;
    case SY_ROWS:
        break;
    }
    return NULL;
}

const char *sy_row_name(enum sy_row row)
{
    const struct sy__row_ops *ops = row_ops(row);

    return ops != NULL ? ops->name : "?";
}

const char *sy_row_summary(enum sy_row row)
{
    const struct sy__row_ops *ops = row_ops(row);

    return ops != NULL ? ops->summary : "?";
}

const char *sy_experiment_name(const struct sy_experiment *exp, char *buf,
                               size_t bytes)
{
    if (exp->row == SY_ROW_PEER && exp->peer != NULL)
        snprintf(buf, bytes, "%s", exp->peer->name);
    else if (exp->row != SY_ROW_COMBINATION || exp->switcher == NULL ||
             exp->engine == NULL)
        snprintf(buf, bytes, "%s", sy_row_name(exp->row));
    else
        snprintf(buf, bytes, "%s+%s%s%s", exp->switcher->name,
                 exp->engine->name, exp->variant != NULL ? "+" : "",
                 exp->variant != NULL ? exp->variant : "");
    return buf;
}

/* With a suffix where it is exact, as one would type it. */
static int write_param(char *buf, size_t bytes, size_t param)
{
    if (param != 0 && param % (1024 * 1024) == 0)
        return snprintf(buf, bytes, "@%zuM", param / (1024 * 1024));
    if (param != 0 && param % 1024 == 0)
        return snprintf(buf, bytes, "@%zuK", param / 1024);
    return snprintf(buf, bytes, "@%zu", param);
}

const char *sy_experiment_mix(const struct sy_experiment *exp, char *buf,
                              size_t bytes)
{
    size_t used = 0;

    if (bytes > 0)
        buf[0] = '\0';
    for (unsigned i = 0; i < exp->mix_count && used < bytes; i++) {
        const struct sy_mix_item *item = &exp->mix[i];

        used += (size_t)snprintf(
            buf + used, bytes - used, "%s%s%s", i > 0 ? ", " : "",
            item->precomputed ? SY_PRECOMPUTED : "", item->ops->name);
        if (item->ops->param_default != 0 && used < bytes)
            used += (size_t)write_param(buf + used, bytes - used,
                                        item->param_bytes);
        if (exp->mix_count > 1 && used < bytes)
            used +=
                (size_t)snprintf(buf + used, bytes - used, "=%u", item->weight);
    }
    return buf;
}

/* ---- checks ------------------------------------------------------------ */

static int refuse(struct sy_outcome *out, const char *format, ...)
    SY_PRINTF(2, 3);

static int refuse(struct sy_outcome *out, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(out->reason, sizeof(out->reason), format, args);
    va_end(args);
    out->status = SY_OUTCOME_FAILED;
    return -EINVAL;
}

static int check_mix(const struct sy_experiment *exp, struct sy_outcome *out)
{
    if (exp->mix_count < 1 || exp->mix_count > SY_MIX_MAX)
        return refuse(out, "a mix has 1 .. %d workloads, not %u", SY_MIX_MAX,
                      exp->mix_count);
    for (unsigned i = 0; i < exp->mix_count; i++) {
        const struct sy_mix_item *item = &exp->mix[i];

        if (item->ops == NULL || item->ops->abi != SY_WORKLOAD_ABI)
            return refuse(out,
                          "workload number %u of the mix was built for "
                          "another version of the contract",
                          i + 1);
        if (item->weight < 1 || item->weight > WEIGHT_MAX)
            return refuse(out, "the share of %s must be 1 .. %u, not %u",
                          item->ops->name, WEIGHT_MAX, item->weight);
        if (item->precomputed && !sy_can_precompute(item->ops))
            return refuse(out,
                          "results of %s cannot be made beforehand: that "
                          "takes a workload whose only step is offloaded",
                          item->ops->name);
    }
    return 0;
}

static int check(const struct sy_experiment *exp, struct sy_outcome *out)
{
    if (row_ops(exp->row) == NULL)
        return refuse(out, "there is no row %d", (int)exp->row);
    if (exp->row == SY_ROW_COMBINATION &&
        (exp->switcher == NULL || exp->engine == NULL))
        return refuse(out, "a combination needs a switcher and an engine");
    if (exp->row == SY_ROW_PEER && exp->peer == NULL)
        return refuse(out, "the row of a peer needs to be told which");
    if (row_ops(exp->row)->uses_device && exp->device_spec == NULL)
        return refuse(out, "the row %s needs a device", sy_row_name(exp->row));
    if (exp->jobs < 1 || exp->jobs > SY_JOBS_MAX)
        return refuse(out, "jobs must be 1 .. %u, not %u", SY_JOBS_MAX,
                      exp->jobs);
    if (exp->duration_ns == 0 && exp->operations_max == 0)
        return refuse(out, "nothing ends the experiment: it needs a duration "
                           "or a number of operations");
    if (exp->seed > INT64_MAX)
        return refuse(out, "seeds are 0 .. %lld", (long long)INT64_MAX);
    if (exp->duration_ns > DURATION_MAX)
        return refuse(out, "the duration must be at most 24 hours");
    if (exp->virtual_clock && exp->operations_max == 0)
        return refuse(out, "a virtual clock needs a number of operations");
    return check_mix(exp, out);
}

/* Phases take some time, which nothing but a device moves on. */
static int check_phased(const struct sy_experiment *exp, struct sy_outcome *out)
{
    int err = check(exp, out);

    if (err == 0 && exp->virtual_clock && exp->row == SY_ROW_SOFTWARE)
        return refuse(out, "a virtual clock needs a device to move it");
    return err;
}

static void clear(struct sy_outcome *out)
{
    memset(out, 0, sizeof(*out));
    out->failed_operation = SY_OUTCOME_NONE;
    out->syscalls = SY_OUTCOME_NONE;
    snprintf(out->syscalls_why, sizeof(out->syscalls_why),
             "the experiment ended before they were counted");
}

/* A virtual clock leaves the window's time to be ended by operations alone:
   the duration would be that of the simulated world. */
static struct sy_experiment normalised(const struct sy_experiment *exp)
{
    struct sy_experiment copy = *exp;

    if (copy.virtual_clock)
        copy.duration_ns = 0;
    return copy;
}

/* An experiment that was checked and an outcome that is clear. */
static int perform(const struct sy_experiment *exp, struct sy_outcome *out,
                   struct sy__progress *progress, struct sy__gate *gate)
{
    struct sy_experiment copy = normalised(exp);
    int err = sy__load_perform(row_ops(exp->row), &copy, out, progress, gate);

    if (err != 0)
        out->status = SY_OUTCOME_FAILED;
    if (out->syscalls >= 0)
        out->syscalls_why[0] = '\0';
    return err;
}

int sy_experiment_run_here(const struct sy_experiment *exp,
                           struct sy_outcome *out)
{
    struct sy__progress progress = {0, 0, 0};
    int err;

    clear(out);
    err = check_phased(exp, out);
    if (err != 0)
        return err;
    return perform(exp, out, &progress, NULL);
}

int sy__experiment_perform_gated(const struct sy_experiment *exp,
                                 struct sy_outcome *out,
                                 struct sy__progress *progress,
                                 struct sy__gate *gate)
{
    int err;

    clear(out);
    err = check(exp, out);
    if (err != 0)
        return err;
    return perform(exp, out, progress, gate);
}

/* ---- a process of its own ---------------------------------------------- */

static SY_NORETURN void child_main(const struct sy_experiment *exp,
                                   struct shared *shared, struct sy__gate *gate)
{
    struct sy_experiment copy = *exp;

    /* The parent decides about interrupts, and without it nobody would look
       at the result. */
    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    copy.interrupted = NULL; /* a copy that nobody sets any more */
    shared->result = perform(&copy, &shared->out, &shared->progress, gate);
    /* release: pairs with the acquire in judge() */
    atomic_store_explicit(&shared->is_complete, 1, memory_order_release);
    _exit(0);
}

struct watch {
    pid_t pid;
    int exit_fd; /* end of file when the process is gone */
    uint64_t deadline_ns;
    uint64_t interrupted_ns; /* 0: it was not */
};

static uint64_t real_now(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

/* Wait until the process has ended. Returns whether it was ended by force. */
static bool watch_process(struct watch *w, const struct sy_experiment *exp,
                          struct sy__progress *progress)
{
    struct pollfd p = {.fd = w->exit_fd, .events = POLLIN};

    for (;;) {
        uint64_t now;

        if (poll(&p, 1, LOOK_MS) > 0)
            return false;
        now = real_now();
        if (w->interrupted_ns == 0 && exp->interrupted != NULL &&
            *exp->interrupted) {
            w->interrupted_ns = now;
            /* Nothing is published along with it. */
            atomic_store_explicit(&progress->stop, 1, memory_order_relaxed);
            if (w->deadline_ns > now + END_SOON_NS)
                w->deadline_ns = now + END_SOON_NS;
        }
        if (now >= w->deadline_ns) {
            kill(w->pid, SIGKILL);
            return true;
        }
    }
}

static uint64_t timeout_of(const struct sy_experiment *exp)
{
    if (exp->timeout_ns != 0)
        return exp->timeout_ns;
    return exp->duration_ns == 0 ? TIMEOUT_OPS
                                 : TIMEOUT_NS + 3 * exp->duration_ns;
}

/* Say in words how a process ended that did not end well. */
static void explain_end(const struct sy_experiment *exp, struct shared *shared,
                        int status, bool forced, bool was_interrupted)
{
    struct sy_outcome *out = &shared->out;
    char name[SY_OUTCOME_NAME_BYTES * 2];
    unsigned long long begun, finished;

    begun = atomic_load_explicit(&shared->progress.begun, memory_order_relaxed);
    finished =
        atomic_load_explicit(&shared->progress.finished, memory_order_relaxed);
    sy_experiment_name(exp, name, sizeof(name));
    /* A window that nobody closed has no end to divide by. */
    clear(out);
    out->jobs = exp->jobs;
    out->partial = true;
    out->status = SY_OUTCOME_FAILED;
    if (forced && was_interrupted) {
        out->status = SY_OUTCOME_SKIPPED;
        snprintf(out->reason, sizeof(out->reason),
                 "interrupted, and %s did not end by itself", name);
    } else if (forced) {
        snprintf(out->reason, sizeof(out->reason),
                 "%s did not end within %.1f s; %llu operations were begun, "
                 "%llu had finished",
                 name, (double)timeout_of(exp) / (double)SY_NS_PER_S, begun,
                 finished);
    } else if (WIFSIGNALED(status)) {
        snprintf(out->reason, sizeof(out->reason),
                 "%s was killed by signal %d (%s); %llu operations were "
                 "begun, %llu had finished",
                 name, WTERMSIG(status), strsignal(WTERMSIG(status)), begun,
                 finished);
    } else {
        snprintf(out->reason, sizeof(out->reason),
                 "the process of %s ended early with status %d; %llu "
                 "operations were begun, %llu had finished",
                 name, WEXITSTATUS(status), begun, finished);
    }
}

static int supervise(const struct sy_experiment *exp, struct shared *shared,
                     pid_t pid, int exit_fd)
{
    struct watch w = {.pid = pid,
                      .exit_fd = exit_fd,
                      .deadline_ns = sy_ns_after(real_now(), timeout_of(exp))};
    bool forced = watch_process(&w, exp, &shared->progress);
    int status = 0;

    while (waitpid(pid, &status, 0) == -1) {
        if (errno != EINTR) {
            status = 0;
            break;
        }
    }
    /* acquire: pairs with the release in child_main() */
    if (atomic_load_explicit(&shared->is_complete, memory_order_acquire))
        return shared->result;
    explain_end(exp, shared, status, forced, w.interrupted_ns != 0);
    return 0;
}

static int fork_and_run(const struct sy_experiment *exp, struct shared *shared,
                        struct sy__gate *gate)
{
    int ends[2], result;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) == -1)
        return -errno;
    pid = fork();
    if (pid == -1) {
        result = -errno;
        close(ends[0]);
        close(ends[1]);
        return result;
    }
    if (pid == 0) {
        close(ends[0]);
        child_main(exp, shared, gate); /* its end of the pipe closes with it */
    }
    close(ends[1]);
    result = supervise(exp, shared, pid, ends[0]);
    close(ends[0]);
    return result;
}

int sy_experiment_run(const struct sy_experiment *exp, struct sy_outcome *out)
{
    return sy__experiment_run_gated(exp, out, NULL);
}

int sy__experiment_run_gated(const struct sy_experiment *exp,
                             struct sy_outcome *out, struct sy__gate *gate)
{
    struct shared *shared;
    int err;

    clear(out);
    err = check_phased(exp, out);
    if (err != 0)
        return err;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        err = -errno;
        snprintf(out->reason, sizeof(out->reason), "mmap: %s", strerror(-err));
        out->status = SY_OUTCOME_FAILED;
        return err;
    }
    clear(&shared->out);
    err = fork_and_run(exp, shared, gate);
    memcpy(out, &shared->out, sizeof(*out));
    munmap(shared, sizeof(*shared));
    if (err != 0 && out->reason[0] == '\0') {
        snprintf(out->reason, sizeof(out->reason), "no process: %s",
                 strerror(-err));
        out->status = SY_OUTCOME_FAILED;
    }
    return err;
}

/* ---- quantiles --------------------------------------------------------- */

bool sy_outcome_quantile(const struct sy_outcome *out, double q, uint64_t *ns)
{
    return sy_histogram_known_quantile(&out->latency_ns, q, ns);
}
