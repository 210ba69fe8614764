/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which switcher and engine a runtime gets: lock, config, environment, built-in
 * order. The environment is read when the library is loaded, so each case is
 * this program again, as "choice_precedence CASE".
 */
#include "unit.h"
#include <errno.h>
#include <switchyard/switchyard.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect(const struct sy_runtime_config *config, const char *switcher,
                   const char *engine, const char *choice)
{
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    struct sy_runtime *rt;

    CHECK_EQ(sy_runtime_open(&rt, config), 0);
    CHECK_EQ(sy_runtime_get_stats(rt, &stats), 0);
    CHECK_STR(stats.switcher, switcher);
    CHECK_STR(stats.engine, engine);
    if (choice != NULL)
        CHECK_STR(stats.choice, choice);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static int environment_is_used(void)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;

    CHECK_EQ(setenv("SWITCHYARD_SWITCHER", "setjmp", 1), 0); /* too late */
    expect(NULL, "ucontext", "pipe+poll", "environment");
    config.switcher = "direct";
    config.engine = "pipe+select";
    expect(&config, "direct", "pipe+select", "config");
    return 0;
}

static int environment_may_be_ignored(void)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    struct sy_runtime *rt;

    config.flags = SY_RT_NO_ENVIRONMENT;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    CHECK_EQ(sy_runtime_get_stats(rt, &stats), 0);
    CHECK_STR(stats.choice, "default");
    CHECK_EQ(sy_runtime_close(rt), 0);
    return 0;
}

static int unknown_name_is_refused(void)
{
    struct sy_runtime *rt;

    CHECK_EQ(sy_runtime_open(&rt, NULL), -ENOENT);
    CHECK(rt == NULL);
    return 0;
}

static int lock_beats_the_rest(void)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    char name[] = "threads";

    CHECK_EQ(sy_lock_choice("no-such-switcher", NULL), -ENOENT);
    CHECK_EQ(sy_lock_choice(NULL, "no-such-engine"), -ENOENT);
    CHECK_EQ(sy_lock_choice(name, "poll"), 0);
    name[0] = 'X'; /* it was copied */
    CHECK_EQ(sy_lock_choice("ucontext", NULL), -EBUSY);
    expect(NULL, "threads", "poll", "lock");
    config.switcher = "direct";
    config.engine = "pipe";
    expect(&config, "threads", "poll", "lock");
    return 0;
}

static int half_a_lock(void)
{
    CHECK_EQ(sy_lock_choice("threads", NULL), 0);
    expect(NULL, "threads", "pipe+poll", NULL);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
    const char *switcher; /* for the environment */
} cases[] = {
    {"environment_is_used", environment_is_used, "ucontext"},
    {"environment_may_be_ignored", environment_may_be_ignored, "ucontext"},
    {"unknown_name_is_refused", unknown_name_is_refused, "ucontex"},
    {"lock_beats_the_rest", lock_beats_the_rest, "ucontext"},
    {"half_a_lock", half_a_lock, "ucontext"},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static void run_again(size_t i)
{
    int status = -1;
    pid_t pid = fork();

    CHECK(pid != -1);
    if (pid == 0) {
        setenv("SWITCHYARD_SWITCHER", cases[i].switcher, 1);
        setenv("SWITCHYARD_ENGINE", "pipe+poll", 1);
        execl("/proc/self/exe", "choice_precedence", cases[i].name,
              (char *)NULL);
        _exit(126);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    printf("%s: %s\n", cases[i].name,
           WEXITSTATUS(status) == 0 ? "ok" : "FAILED");
    CHECK_EQ(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
    size_t i;

    for (i = 0; i < CASES; i++) {
        if (argc == 1) {
            fflush(stdout);
            run_again(i);
        } else if (strcmp(argv[1], cases[i].name) == 0) {
            return cases[i].run();
        }
    }
    return argc != 1;
}
