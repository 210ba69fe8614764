/* SPDX-License-Identifier: Apache-2.0 */
#include "traced_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "beside.h"
#include "command.h"
#include "interrupt.h"
#include "shared_memory.h"

/* "sy traced", and the layout of struct traced_share. */
#define MAGIC (UINT64_C(0x7379747261636564) ^ sizeof(struct traced_share))

/* Looks at a worker that was told to end, 20 ms from one to the next. */
#define END_SOON_LOOKS 500

/* ---- the command's side -------------------------------------------------- */

static int make_share(struct traced_process *p, uint32_t events_max)
{
    size_t bytes = sizeof(*p->share) + sy_traced_window_bytes(events_max) -
                   sizeof(struct sy_traced_window);

    p->share = shared_memory_make("switchyard-traced", bytes, &p->fd);
    if (p->share == NULL)
        return -errno;
    p->share->magic = MAGIC;
    p->share->bytes = bytes;
    p->share->window.events_max = events_max;
    return 0;
}

int traced_process_open(struct traced_process *p, uint32_t events_max)
{
    static const char *const places[] = {"switchyard-traced", NULL};
    int err;

    p->share = NULL;
    p->fd = -1;
    if (beside_find("switchyard-traced, which traces,", places, p->exe) != 0)
        return CLI_ENVIRONMENT;
    err = make_share(p, events_max);
    if (err == 0)
        return -1;
    say("no memory to share with %s: %s", p->exe, strerror(-err));
    return CLI_ENVIRONMENT;
}

void traced_process_close(struct traced_process *p)
{
    shared_memory_free(p->share, p->share != NULL ? p->share->bytes : 0, p->fd);
    p->share = NULL;
    p->fd = -1;
}

/* "phases --worker FD ...", or NULL. */
static char **worker_arguments(const struct traced_process *p, char *fd_text)
{
    static char option[] = TRACED_WORKER_OPTION;
    char **argv = calloc((size_t)p->argc + 5, sizeof(*argv));

    if (argv == NULL)
        return NULL;
    argv[0] = (char *)(uintptr_t)program();
    argv[1] = (char *)(uintptr_t)p->subcommand;
    argv[2] = option;
    argv[3] = fd_text;
    for (int i = 0; i < p->argc; i++)
        argv[4 + i] = p->argv[i];
    return argv;
}

/* The new process; only what is safe after a fork. Ctrl-C reaches it too, and
   ends its experiment soon; without the command nobody would look. */
static SY_NORETURN void become(const struct traced_process *p, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fcntl(p->fd, F_SETFD, 0);
    execv(p->exe, argv);
    _exit(CLI_ENVIRONMENT);
}

static void clear_share(struct traced_share *share)
{
    struct sy_traced_window *w = &share->window;
    uint32_t events_max = w->events_max;

    memset(&share->outcome, 0, sizeof(share->outcome));
    memset(w, 0, sizeof(*w));
    w->events_max = events_max;
    share->is_done = 0;
}

static void explain_end(struct traced_share *share, int status)
{
    struct sy_outcome *out = &share->outcome;

    memset(out, 0, sizeof(*out));
    out->status = SY_OUTCOME_FAILED;
    if (WIFSIGNALED(status))
        snprintf(out->reason, sizeof(out->reason),
                 "switchyard-traced was killed by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out->reason, sizeof(out->reason),
                 "switchyard-traced ended early with status %d",
                 WEXITSTATUS(status));
}

/* It was told to end: it does so soon, or, stuck, is ended. */
static int wait_for_end(pid_t pid)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int status = 0;

    for (int looks = 0; looks < END_SOON_LOOKS; looks++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return status;
        nanosleep(&pause, NULL);
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        ;
    return status;
}

/* An interrupt that comes to this process alone is passed on. */
static int wait_for(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        if (interrupted) {
            kill(pid, SIGINT);
            kill(pid, SIGCONT); /* it may have been stopped */
            return wait_for_end(pid);
        }
    return status;
}

int traced_process_run(struct traced_process *p, const struct plan *plan,
                       size_t entry, const struct sy_experiment *exp)
{
    char fd_text[16], **argv;
    int status = 0;
    pid_t pid;

    clear_share(p->share);
    p->share->entry = entry;
    p->share->count = plan->count;
    p->share->duration_ns = exp->duration_ns;
    p->share->operations_max = exp->operations_max;
    p->share->seed = exp->seed;
    snprintf(fd_text, sizeof(fd_text), "%d", p->fd);
    argv = worker_arguments(p, fd_text);
    if (argv == NULL)
        return -ENOMEM;
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become(p, argv);
    free(argv);
    if (pid == -1)
        return -errno;
    status = wait_for(pid);
    if (!p->share->is_done)
        explain_end(p->share, status);
    return 0;
}

/* ---- the worker's side --------------------------------------------------- */

int traced_worker_is_meant(int argc, char **argv)
{
    return argc >= 2 && strcmp(argv[0], TRACED_WORKER_OPTION) == 0;
}

struct traced_share *traced_worker_open(const char *fd_text)
{
    size_t bytes;
    struct traced_share *share =
        shared_memory_open(fd_text, sizeof(*share), &bytes);

    if (share != NULL && share->magic == MAGIC && share->bytes == bytes)
        return share;
    shared_memory_free(share, bytes, -1);
    say(TRACED_WORKER_OPTION " is for this command's own use, with a "
                             "switchyard-traced of the same build");
    return NULL;
}

int traced_worker_run(struct traced_share *share, const struct plan *plan,
                      const volatile sig_atomic_t *interrupt)
{
    struct sy_experiment exp;

    if (plan->count != share->count || share->entry >= plan->count) {
        say("switchyard-traced makes another plan of the same arguments: it "
            "knows other parts");
        return CLI_ENVIRONMENT;
    }
    exp = plan->entries[share->entry].exp;
    exp.duration_ns = share->duration_ns;
    exp.operations_max = share->operations_max;
    exp.seed = share->seed;
    exp.traced_window = &share->window;
    exp.interrupted = interrupt;
    if (sy_experiment_run(&exp, &share->outcome) != 0 &&
        share->outcome.status == SY_OUTCOME_OK)
        share->outcome.status = SY_OUTCOME_FAILED;
    share->is_done = 1;
    return CLI_OK;
}
