/* SPDX-License-Identifier: Apache-2.0 */
#include "compare_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "plan.h"
#include "shared_memory.h"

#define LOOK_MS     20
#define END_SOON_NS (10 * SY_NS_PER_S)

/* The environment grows by up to a page, so the stack moves within one. */
#define PAD_NAME      "SWITCHYARD_PAD="
#define PAD_BYTES_MAX 4096u

extern char **environ;

struct compare_share *compare_share_make(uint32_t rounds, uint32_t count,
                                         int *fd)
{
    size_t bytes = compare_share_bytes(rounds, count);
    struct compare_share *share =
        shared_memory_make("switchyard-compare", bytes, fd);

    if (share == NULL)
        return NULL;
    share->magic = COMPARE_SHARE_MAGIC;
    share->bytes = bytes;
    share->rounds = rounds;
    share->count = count;
    return share;
}

void compare_share_free(struct compare_share *share, int fd)
{
    shared_memory_free(share, share != NULL ? share->bytes : 0, fd);
}

/* ---- the new process ----------------------------------------------------- */

/* environ without a padding of ours, and with a new one. */
static char **padded_environment(char *pad, unsigned bytes)
{
    size_t count = 0, used = 0;
    char **env;

    while (environ[count] != NULL)
        count++;
    env = calloc(count + 2, sizeof(*env));
    if (env == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], PAD_NAME, strlen(PAD_NAME)) != 0)
            env[used++] = environ[i];
    memcpy(pad, PAD_NAME, strlen(PAD_NAME));
    memset(pad + strlen(PAD_NAME), 'x', bytes);
    pad[strlen(PAD_NAME) + bytes] = '\0';
    env[used] = pad;
    return env;
}

/* "SUBCOMMAND --worker FD ...", or NULL. */
static char **worker_arguments(const struct compare_process *p, char *fd_text)
{
    static char option[] = "--worker";
    char **argv = calloc((size_t)p->argc + 5, sizeof(*argv));

    if (argv == NULL)
        return NULL;
    argv[0] = (char *)(uintptr_t)program();
    argv[1] = (char *)(uintptr_t)p->subcommand; /* not written to */
    argv[2] = option;
    argv[3] = fd_text;
    for (int i = 0; i < p->argc; i++)
        argv[4 + i] = p->argv[i];
    return argv;
}

/* The new process; only what is safe after a fork. */
static SY_NORETURN void become(const struct compare_process *p, char **argv,
                               char **env, int fd, int exit_fd)
{
    sigset_t none;

    /* The parent decides about interrupts, and without it nobody would look
       at the results. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fcntl(fd, F_SETFD, 0);
    fcntl(exit_fd, F_SETFD, 0); /* ends with the process */
    execve(p->exe, argv, env);
    _exit(CLI_ENVIRONMENT);
}

/* ---- waiting for it ------------------------------------------------------ */

static uint64_t now_ns(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

/* Returns whether it was ended by force. */
static int watch(const struct compare_process *p, struct compare_share *share,
                 pid_t pid, int exit_fd)
{
    struct pollfd look = {.fd = exit_fd, .events = POLLIN};
    uint64_t deadline = sy_ns_after(now_ns(), p->timeout_ns);
    int told = 0;

    for (;;) {
        if (poll(&look, 1, LOOK_MS) > 0)
            return 0;
        if (!told && *p->interrupted) {
            told = 1;
            /* Nothing is published along with it. */
            atomic_store_explicit(&share->stop, 1, memory_order_relaxed);
            if (deadline > now_ns() + END_SOON_NS)
                deadline = now_ns() + END_SOON_NS;
        }
        if (now_ns() >= deadline) {
            kill(pid, SIGKILL);
            return 1;
        }
    }
}

/* Say in words how a process ended that did not say so itself. */
static void explain(struct compare_process *p, struct compare_share *share,
                    int status, int forced)
{
    uint32_t running =
        atomic_load_explicit(&share->running, memory_order_relaxed);

    p->end = COMPARE_FAILED;
    p->culprit = (int32_t)running - 1;
    if (forced)
        snprintf(p->reason, sizeof(p->reason), "it did not end within %.1f s",
                 (double)p->timeout_ns / (double)SY_NS_PER_S);
    else if (WIFSIGNALED(status))
        snprintf(p->reason, sizeof(p->reason), "killed by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(p->reason, sizeof(p->reason), "it ended early with status %d",
                 WEXITSTATUS(status));
}

static void conclude(struct compare_process *p, struct compare_share *share,
                     int status, int forced)
{
    /* acquire: both pair with releases in compare_worker.c */
    uint32_t end = atomic_load_explicit(&share->end, memory_order_acquire);

    p->batches = atomic_load_explicit(&share->done, memory_order_acquire);
    if (p->batches > share->rounds * share->count)
        p->batches = 0; /* whoever wrote that */
    p->culprit = -1;
    p->reason[0] = '\0';
    p->end = (enum compare_end)end;
    if (end == COMPARE_DONE)
        return;
    if (end != COMPARE_SKIPPED && end != COMPARE_FAILED) {
        explain(p, share, status, forced);
        return;
    }
    p->culprit = (int32_t)share->culprit;
    snprintf(p->reason, sizeof(p->reason), "%.500s", share->reason);
}

static int supervise(struct compare_process *p, struct compare_share *share,
                     pid_t pid, int exit_fd)
{
    int forced = watch(p, share, pid, exit_fd), status = 0;

    while (waitpid(pid, &status, 0) == -1) {
        if (errno != EINTR) {
            status = 0;
            break;
        }
    }
    conclude(p, share, status, forced);
    return 0;
}

int compare_process_run(struct compare_process *p, struct compare_share *share,
                        int fd)
{
    char pad[sizeof(PAD_NAME) + PAD_BYTES_MAX], fd_text[16];
    uint64_t began = now_ns(), random = share->seed;
    char **argv, **env;
    int ends[2], err;
    pid_t pid;

    p->environment_bytes = (unsigned)(plan_random(&random) % PAD_BYTES_MAX);
    snprintf(fd_text, sizeof(fd_text), "%d", fd);
    argv = worker_arguments(p, fd_text);
    env = padded_environment(pad, p->environment_bytes);
    if (argv == NULL || env == NULL || pipe2(ends, O_CLOEXEC) == -1) {
        err = argv == NULL || env == NULL ? -ENOMEM : -errno;
        goto free_arguments;
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become(p, argv, env, fd, ends[1]);
    err = pid == -1 ? -errno : 0;
    close(ends[1]);
    if (err == 0)
        err = supervise(p, share, pid, ends[0]);
    close(ends[0]);
    p->elapsed_ns = now_ns() - began;

free_arguments:
    free(env);
    free(argv);
    return err;
}
