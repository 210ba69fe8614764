/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

#define PYTHON "/usr/bin/python3"
#define NEEDED "python3, python3-numpy and python3-scipy"

#define ARCHIVE "analysis.pyz"

static int is_source_tree(const char *folder, char *path)
{
    char file[PATH_MAX + 64];

    if (snprintf(path, PATH_MAX, "%s/analysis", folder) >= PATH_MAX)
        return 0;
    /* Any project may have a folder "analysis": ours holds this. */
    snprintf(file, sizeof(file), "%s/switchyard_analysis/__init__.py", path);
    return access(file, R_OK) == 0;
}

/*
 * The archive of the installation that this command belongs to; around a
 * build, the folder in the source tree, so that an edit needs no build. Paths
 * are taken from the running executable.
 */
static int find_analysis(char *path)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *slash;

    if (n == -1)
        return -ENOENT;
    exe[n] = '\0';
    slash = strrchr(exe, '/');
    if (slash == NULL)
        return -ENOENT;
    *slash = '\0';
    if (snprintf(path, PATH_MAX,
                 "%s/" SY_DATADIR_FROM_BINDIR "/switchyard/" ARCHIVE,
                 exe) < PATH_MAX &&
        access(path, R_OK) == 0)
        return 0;
    for (int up = 0; up < 6; up++) {
        if (is_source_tree(exe, path))
            return 0;
        slash = strrchr(exe, '/');
        if (slash == NULL)
            break;
        *slash = '\0';
    }
    return -ENOENT;
}

static SY_NORETURN void become(const char *path, const char *const *argv)
{
    char *arguments[64];
    size_t count = 0;

    /* execv() changes neither the array nor the words. */
    arguments[count++] = (char *)(uintptr_t)PYTHON;
    arguments[count++] = (char *)(uintptr_t) "-I";
    arguments[count++] = (char *)(uintptr_t) "-B"; /* leaves no files */
    arguments[count++] = (char *)(uintptr_t)path;
    for (; *argv != NULL && count < 63; argv++)
        arguments[count++] = (char *)(uintptr_t)*argv;
    arguments[count] = NULL;
    execv(PYTHON, arguments);
    _exit(127);
}

int analysis_run(const char *const *argv)
{
    char path[PATH_MAX];
    int status = 0;
    pid_t pid;

    if (find_analysis(path) != 0) {
        say("the analysis is not installed beside this command "
            "(share/switchyard/" ARCHIVE ")");
        return CLI_ENVIRONMENT;
    }
    if (access(PYTHON, X_OK) == -1) {
        say("there is no " PYTHON "; the analysis needs the packages " NEEDED);
        return CLI_ENVIRONMENT;
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become(path, argv);
    if (pid == -1) {
        say("the analysis could not be started: %s", strerror(errno));
        return CLI_ENVIRONMENT;
    }
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 127)
        return WEXITSTATUS(status);
    if (WIFSIGNALED(status))
        say("the analysis was killed by signal %d", WTERMSIG(status));
    else
        say("the analysis could not be started");
    return CLI_ENVIRONMENT;
}
