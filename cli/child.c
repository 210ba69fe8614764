/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "interrupt.h"

static SY_NORETURN void become(const char *const *words, size_t count,
                               int is_quiet)
{
    char **argv = calloc(count + 2, sizeof(*argv));
    int null = is_quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;

    if (argv == NULL || (is_quiet && dup2(null, STDOUT_FILENO) == -1))
        _exit(CLI_ENVIRONMENT);
    argv[0] = (char *)(uintptr_t)program();
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = (char *)(uintptr_t)words[i];
    /* Nobody would use what it measures when we are gone. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    execv("/proc/self/exe", argv);
    say("/proc/self/exe: %s", strerror(errno));
    _exit(CLI_ENVIRONMENT);
}

/*
 * waitpid() is interrupted by a signal of ours, so that it can be passed on.
 * In the foreground of a terminal the child has got it, too: two interrupts
 * mean the same as one. A signal just before waitpid() is not lost either,
 * but only passed on when the next one comes; so it is not waited in without
 * looking again.
 */
static int wait_for(pid_t pid)
{
    const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    int told = 0, status;

    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);

        if (got == pid)
            break;
        if (got == -1 && errno != EINTR)
            return CLI_ENVIRONMENT;
        if (interrupted && !told) {
            told = 1;
            kill(pid, SIGINT);
            kill(pid, SIGCONT); /* it may have been stopped */
        }
        nanosleep(&pause, NULL);
    }
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    say("it was ended by signal %d", WTERMSIG(status));
    return CLI_ENVIRONMENT;
}

int child_run(const char *const *words, int is_quiet)
{
    size_t count = 0;
    pid_t pid;

    while (words[count] != NULL)
        count++;
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become(words, count, is_quiet);
    if (pid == -1) {
        say("no process: %s", strerror(errno));
        return CLI_ENVIRONMENT;
    }
    return wait_for(pid);
}

/* Is this safe in a shell without quotes? */
static int is_plain(const char *word)
{
    return *word != '\0' &&
           word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                             "uvwxyz0123456789+-_=:,./@%")] == '\0';
}

void child_print(const char *const *words)
{
    fputs("switchyard", stdout);
    for (; *words != NULL; words++) {
        if (is_plain(*words)) {
            printf(" %s", *words);
            continue;
        }
        fputs(" '", stdout);
        for (const char *c = *words; *c != '\0'; c++) {
            if (*c == '\'')
                fputs("'\\''", stdout);
            else
                putchar(*c);
        }
        putchar('\'');
    }
    putchar('\n');
}
