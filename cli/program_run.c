/* SPDX-License-Identifier: Apache-2.0 */
#include "program_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <switchyard/compiler.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "last_line.h"

#define EXIT_NOT_EXECUTED 127

/* How soon an interrupt or the end of the time is noticed. */
#define LOOK_NS (20 * SY_NS_PER_MS)

static uint64_t now_ns(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

/* Never returns. What fails is told to the parent. */
static SY_NORETURN void become(const struct program_run *run, int errors,
                               int said)
{
    int null = open("/dev/null", O_RDWR), err;
    sigset_t none;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null != -1) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    if (said != -1)
        dup2(said, STDERR_FILENO);
    execv(run->path, run->words);
    err = errno;
    (void)!write(errors, &err, sizeof(err));
    _exit(EXIT_NOT_EXECUTED);
}

static void explain(struct program_run *run, int status, int said)
{
    char words[121];
    const char *colon;

    last_line(said, words, sizeof(words));
    colon = words[0] != '\0' ? ": " : "";
    run->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    run->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    run->reason[0] = '\0';
    if (run->end != PROGRAM_OK)
        return;
    if (run->signal == 0 && run->exit_status == 0)
        return;
    run->end = PROGRAM_FAILED;
    if (run->signal != 0)
        (void)snprintf(run->reason, sizeof(run->reason),
                       "killed by signal %d (%s)%s%s", run->signal,
                       strsignal(run->signal), colon, words);
    else
        (void)snprintf(run->reason, sizeof(run->reason), "exit status %d%s%s",
                       run->exit_status, colon, words);
}

/* Wait for SIGCHLD, which is blocked, but not for long. */
static void look(void)
{
    const struct timespec most = {.tv_nsec = LOOK_NS};
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    (void)sigtimedwait(&child, NULL, &most);
}

static int wait_for(struct program_run *run, pid_t pid, uint64_t began)
{
    uint64_t deadline = sy_ns_after(began, run->timeout_ns);
    struct rusage usage = {.ru_maxrss = 0};
    int status = 0;

    run->end = PROGRAM_OK;
    while (wait4(pid, &status, WNOHANG, &usage) == 0) {
        if (run->end == PROGRAM_OK && *run->interrupted)
            run->end = PROGRAM_INTERRUPTED;
        else if (run->end == PROGRAM_OK && now_ns() >= deadline)
            run->end = PROGRAM_TIMEOUT;
        if (run->end != PROGRAM_OK)
            kill(-pid, SIGKILL);
        look();
    }
    run->elapsed_ns = now_ns() - began;
    run->cpu_ns =
        ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) *
            SY_NS_PER_S +
        ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) *
            SY_NS_PER_US;
    kill(-pid, SIGKILL); /* whom it left behind: he would disturb the next */
    return status;
}

/* 0 once it runs, else why it does not. */
static int read_error(int errors)
{
    int err = 0;
    ssize_t n;

    do
        n = read(errors, &err, sizeof(err));
    while (n == -1 && errno == EINTR);
    return n == (ssize_t)sizeof(err) ? -err : 0;
}

static int start(struct program_run *run, int said)
{
    int errors[2], status, err;
    uint64_t began;
    pid_t pid;

    if (pipe2(errors, O_CLOEXEC) == -1)
        return -errno;
    fflush(NULL);
    began = now_ns();
    pid = fork();
    if (pid == 0)
        become(run, errors[1], said);
    err = pid == -1 ? -errno : 0;
    close(errors[1]);
    if (err == 0) {
        setpgid(pid, pid); /* whichever of the two is first */
        err = read_error(errors[0]);
        status = wait_for(run, pid, began);
        explain(run, status, said);
    }
    close(errors[0]);
    if (run->end == PROGRAM_TIMEOUT)
        (void)snprintf(run->reason, sizeof(run->reason),
                       "it did not end within %.3g s",
                       (double)run->timeout_ns / (double)SY_NS_PER_S);
    return err;
}

int program_run(struct program_run *run)
{
    int told = exec_report_open(), err = told < 0 ? told : 0, said;
    sigset_t child, before;
    char path[64];

    if (err != 0)
        return err;
    said = memfd_create("switchyard-said", MFD_CLOEXEC);
    exec_report_path(told, path, sizeof(path));
    if (setenv("SWITCHYARD_EXEC_REPORT", path, 1) != 0 ||
        (run->dose != NULL ? setenv("SWITCHYARD_DOSE", run->dose, 1)
                           : unsetenv("SWITCHYARD_DOSE")) != 0)
        err = -ENOMEM;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    if (err == 0)
        err = start(run, said);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (err == 0)
        exec_report_read(told, &run->report);
    if (said != -1)
        close(said);
    close(told);
    return err;
}
