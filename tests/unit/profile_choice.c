/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a runtime does with a profile. Profiles are read when the library is
 * loaded, so each case is this program again, as "profile_choice CASE", and
 * what it prints on standard error is compared as well.
 */
#include "unit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/switchyard.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct test {
    const char *name;
    const char *body;    /* of the profile, below [machine]; NULL: no file */
    const char *machine; /* pattern, NULL: this machine */
    const char *policy;  /* NULL: none given */
    const char *env;     /* SWITCHYARD_SWITCHER, or NULL */
    uint32_t jobs;       /* that are expected */
    uint32_t flags;
    int cut; /* write the profile without its [end] */
    const char *switcher, *engine, *choice; /* NULL: any */
    const char *note; /* in stats.profile; "": nothing there */
    const char *says; /* in the one line on stderr; NULL: no line */
} tests[] = {
    {"is_used", "[choice]\nswitcher = ucontext\nengine = pipe+poll\n",
     .switcher = "ucontext", .engine = "pipe+poll", .choice = "profile",
     .note = "/p"},
    {"by_jobs",
     "[choice]\nswitcher = ucontext\nengine = pipe+poll\n"
     "[choice \"jobs>=100\"]\nengine = poll\n",
     .jobs = 100, .switcher = "ucontext", .engine = "poll", .choice = "profile",
     .note = "/p"},
    {"by_fewer_jobs",
     "[choice]\nswitcher = ucontext\nengine = pipe+poll\n"
     "[choice \"jobs>=100\"]\nengine = poll\n",
     .jobs = 99, .engine = "pipe+poll", .note = "/p"},
    {"environment_beats_it", "[choice]\nswitcher = ucontext\nengine = poll\n",
     .env = "threads", .switcher = "threads", .engine = "poll",
     .choice = "profile", .note = "/p"},
    {"lock_beats_the_environment",
     "[choice]\nswitcher = ucontext\n[lock]\nswitcher = direct\n",
     .env = "threads", .switcher = "direct", .note = "/p"},
    {"falls_back",
     "[choice]\nswitcher = none-such\nengine = nor+this\n"
     "[fallback]\nswitcher = neither, ucontext\nengine = pipe+poll\n",
     .switcher = "ucontext", .engine = "pipe+poll", .choice = "fallback",
     .note = "/p",
     .says = "its switcher none-such is refused: no such switcher; using "
             "ucontext"},
    {"falls_back_to_what_is_built_in", "[choice]\nengine = nor+this\n",
     .choice = "default", .note = "/p", .says = "engine nor+this is refused"},
    {"same_thread",
     "[choice]\nswitcher = threads\n[fallback]\nswitcher = ucontext\n",
     .flags = SY_RT_SAME_THREAD, .switcher = "ucontext", .note = "/p",
     .says = "do not run on the thread that starts them; using ucontext"},
    {"stale_is_used",
     "[measured]\nlibrary = 0.0.1\n[choice]\nswitcher = ucontext\n",
     .switcher = "ucontext", .note = "is stale: measured with library 0.0.1"},
    {"stale_is_refused",
     "[measured]\nlibrary = 0.0.1\n[choice]\nswitcher = ucontext\n",
     .policy = "strict", .choice = "default", .note = "and so not used",
     .says = "is stale, and so not used: measured with library 0.0.1"},
    {"other_machine", "[choice]\nswitcher = ucontext\n",
     .machine = "Nobody 0 0 0", .choice = "default",
     .note = "none of its machines", .says = "none of its machines is this"},
    {"unknown_key", "[choice]\nswitcher = ucontext\nspeed = high\n",
     .choice = "default", .note = "unknown key speed",
     .says = "is not used: line 6: unknown key speed in [choice]"},
    {"cut_off", "[choice]\nswitcher = ucontext\n", .cut = 1,
     .choice = "default", .note = "it has no [end]", .says = "no [end]"},
    {"absent", NULL, .choice = "default", .note = "No such file",
     .says = "is not used: No such file or directory"},
    {"environment_is_ignored", "[choice]\nswitcher = ucontext\n",
     .flags = SY_RT_NO_ENVIRONMENT, .choice = "default", .note = ""},
};

#define TESTS (sizeof(tests) / sizeof(*tests))

/* In the process that has the profile in its environment. */
static int run_here(const struct test *t)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime_stats stats = {.size = sizeof(stats)};

    config.jobs_expected = t->jobs;
    config.flags = t->flags;
    for (int i = 0; i < 2; i++) { /* the line comes once */
        struct sy_runtime *rt;

        CHECK_EQ(sy_runtime_open(&rt, &config), 0);
        CHECK_EQ(sy_runtime_get_stats(rt, &stats), 0);
        if (t->switcher != NULL)
            CHECK_STR(stats.switcher, t->switcher);
        if (t->engine != NULL)
            CHECK_STR(stats.engine, t->engine);
        if (t->choice != NULL)
            CHECK_STR(stats.choice, t->choice);
        if (t->note[0] == '\0')
            CHECK_STR(stats.profile, "");
        else
            CHECK(strstr(stats.profile, t->note) != NULL);
        CHECK_EQ(sy_runtime_close(rt), 0);
    }
    return 0;
}

static void write_profile(const struct test *t, const char *path)
{
    FILE *f = fopen(path, "w");

    CHECK(f != NULL);
    fprintf(f, "[profile]\nformat = 1\n");
    if (t->policy != NULL)
        fprintf(f, "policy = %s\n", t->policy);
    fprintf(f, "[machine \"cpu=%s\"]\n%s%s",
            t->machine != NULL ? t->machine : sy_profile_cpu(), t->body,
            t->cut ? "" : "[end]\n");
    CHECK_EQ(fclose(f), 0);
}

static size_t read_pipe(int fd, char *to, size_t room)
{
    size_t used = 0;
    ssize_t n;

    while (used < room - 1 && (n = read(fd, to + used, room - 1 - used)) > 0)
        used += (size_t)n;
    to[used] = '\0';
    return used;
}

static void run_again(const struct test *t, const char *path)
{
    int status = -1, ends[2];
    char heard[4096];
    pid_t pid;

    if (t->body != NULL)
        write_profile(t, path);
    CHECK_EQ(pipe(ends), 0);
    pid = fork();
    CHECK(pid != -1);
    if (pid == 0) {
        setenv("SWITCHYARD_PROFILE", path, 1);
        if (t->env != NULL)
            setenv("SWITCHYARD_SWITCHER", t->env, 1);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "profile_choice", t->name, (char *)NULL);
        _exit(126);
    }
    close(ends[1]);
    (void)read_pipe(ends[0], heard, sizeof(heard));
    close(ends[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    unlink(path);
    printf("%s: %s%s", t->name, heard[0] != '\0' ? heard : "(silent)\n",
           WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "" : "FAILED\n");
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    if (t->says == NULL) {
        CHECK_STR(heard, "");
        return;
    }
    CHECK(strncmp(heard, "switchyard: profile ", 20) == 0);
    CHECK(strstr(heard, t->says) != NULL);
    CHECK(strchr(heard, '\n') == heard + strlen(heard) - 1);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/sy-profile-XXXXXX", path[64];

    if (argc > 1) {
        for (size_t i = 0; i < TESTS; i++) {
            if (strcmp(argv[1], tests[i].name) == 0)
                return run_here(&tests[i]);
        }
        return 2;
    }
    unsetenv("SWITCHYARD_SWITCHER");
    unsetenv("SWITCHYARD_ENGINE");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/p", folder);
    for (size_t i = 0; i < TESTS; i++)
        run_again(&tests[i], path);
    CHECK_EQ(rmdir(folder), 0);
    return 0;
}
