/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice from the environment outlives the environment, and a chroot(2)
 * that takes /proc and all files away: it was read when the library was loaded.
 * So this is the program once more, with the environment set.
 */
#include "unit.h"
#include <errno.h>
#include <switchyard/switchyard.h>
#include <unistd.h>

static void choice_is_kept(void)
{
    struct sy_runtime_stats stats = {.size = sizeof(stats)};
    struct sy_runtime *rt;

    CHECK_EQ(clearenv(), 0);
    CHECK_EQ(sy_runtime_open(&rt, NULL), 0);
    CHECK_EQ(sy_runtime_get_stats(rt, &stats), 0);
    CHECK_STR(stats.switcher, "ucontext");
    CHECK_STR(stats.engine, "pipe+poll");
    CHECK_STR(stats.choice, "environment");
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static int in_a_chroot(void)
{
    char root[] = "/tmp/switchyard-chroot-XXXXXX";

    CHECK(mkdtemp(root) != NULL);
    CHECK_EQ(chdir(root), 0);
    CHECK_EQ(rmdir(root), 0); /* it lives on as the working directory */
    if (chroot(".") == -1) {
        printf("skipped: chroot: %s\n", strerror(errno));
        return UNIT_SKIP;
    }
    choice_is_kept();
    fflush(stdout);
    _exit(0); /* LeakSanitizer would look for /proc at exit, for ever */
}

int main(int argc, char **argv)
{
    (void)argv;
    if (geteuid() != 0) {
        printf("skipped: chroot(2) needs root\n");
        return UNIT_SKIP;
    }
    if (argc > 1)
        return in_a_chroot();
    CHECK_EQ(setenv("SWITCHYARD_SWITCHER", "ucontext", 1), 0);
    CHECK_EQ(setenv("SWITCHYARD_ENGINE", "pipe+poll", 1), 0);
    execl("/proc/self/exe", "choice_survives_chroot", "again", (char *)NULL);
    CHECK(0);
    return 1;
}
