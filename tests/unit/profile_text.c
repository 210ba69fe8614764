/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile may say, what each refusal names, and that nothing is kept of
   one that was refused. */
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/switchyard.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD    "[profile]\nformat = 1\n"
#define MACHINE "[machine \"cpu=Maker 6 1 2\"]\n"
#define CHOICE  "[choice]\nswitcher = asm\nengine = queue\n"
#define END     "[end]\n"

static const char whole[] =
    "# a comment\n" HEAD "policy = strict\n"
    "[machine \"cpu=Other *\"]\n"
    "[choice]\nswitcher = direct\n" MACHINE
    "[measured]\nlibrary = 0.0.9, gcc 1, optimised\nkernel = 6.1\n"
    "note = anything at all, = and [ too\n"
    "[choice]\nswitcher = asm\nengine = queue\nspin-ns = 50000\n"
    "[choice \"jobs>=512\"]\nengine = io_uring\nspin-ns = never\n"
    "[choice \"jobs>=64\"]\nengine = eventfd+epoll\n"
    "[fallback]\nswitcher = setjmp , ucontext\nengine = pipe+poll\n"
    "[lock]\nswitcher = asm\n"
    "[machine \"cpu=Maker *\"]\n" CHOICE END;

static void takes_all(void)
{
    struct sy_profile p;
    struct sy_profile_choice c;
    char why[SY_PROFILE_WHY_BYTES];

    CHECK_EQ(sy_profile_parse(&p, whole, strlen(whole), "Maker 6 1 2", why), 0);
    CHECK_STR(why, "");
    CHECK_EQ(p.machines, 3);
    CHECK_EQ(p.machine, 2); /* the first that matches */
    CHECK_EQ(p.is_strict, 1);
    CHECK_EQ(p.is_stale, 1);
    CHECK_STR(p.library, "0.0.9, gcc 1, optimised");
    CHECK_STR(p.kernel, "6.1");
    CHECK_EQ(p.choice_count, 3);
    CHECK_STR(p.fallback_switchers[0], "setjmp");
    CHECK_STR(p.fallback_switchers[1], "ucontext");
    CHECK_STR(p.fallback_switchers[2], "");
    CHECK_STR(p.fallback_engines[0], "pipe+poll");
    CHECK_STR(p.locked_switcher, "asm");
    CHECK_STR(p.locked_engine, "");

    sy_profile_choose(&p, 0, &c);
    CHECK_STR(c.engine, "queue");
    CHECK_EQ(c.spin_ns, 50000);
    sy_profile_choose(&p, 511, &c);
    CHECK_STR(c.switcher, "asm");
    CHECK_STR(c.engine, "eventfd+epoll");
    CHECK_EQ(c.spin_ns, 50000);
    sy_profile_choose(&p, 512, &c);
    CHECK_STR(c.engine, "io_uring");
    CHECK(c.spin_ns == SY_NO_SPIN);
    CHECK_EQ(c.jobs_min, 512);

    CHECK_EQ(sy_profile_parse(&p, whole, strlen(whole), "Third", why), 0);
    CHECK_EQ(p.machines, 3);
    CHECK_EQ(p.machine, 0);
    CHECK_EQ(p.choice_count, 0);
    sy_profile_choose(&p, 1000, &c);
    CHECK_STR(c.switcher, "");
}

static const struct {
    const char *text, *says;
} refused[] = {
    {"", "empty"},
    {"# nothing\n", "empty"},
    {MACHINE CHOICE END, "line 1: a profile begins with [profile]"},
    {"[profile]\n" MACHINE CHOICE END, "format = 1"},
    {"[profile]\nformat = 2\n" MACHINE CHOICE END, "another version"},
    {HEAD "format = 1\n" MACHINE CHOICE END, "format is given twice"},
    {HEAD "policy = maybe\n" MACHINE CHOICE END, "use or strict"},
    {HEAD "colour = red\n" MACHINE CHOICE END, "accepted: format, policy"},
    {HEAD END, "[end] before the first [machine]"},
    {HEAD "[choice]\nswitcher = asm\n" END, "before the first [machine]"},
    {HEAD MACHINE END, "has no [choice]"},
    {HEAD MACHINE "[choice]\n" END, "is empty"},
    {HEAD "[machine]\n" CHOICE END, "[machine \"cpu=PATTERN\"]"},
    {HEAD "[machine \"cpu=\"]\n" CHOICE END, "[machine \"cpu=PATTERN\"]"},
    {HEAD MACHINE "x = 1\n" CHOICE END, "[machine] has no keys"},
    {HEAD MACHINE "[choise]\nswitcher = asm\n" END, "unknown section"},
    {HEAD MACHINE "[choice]\nswicher = asm\n" END,
     "line 5: unknown key swicher in [choice]; accepted: switcher, engine"},
    {HEAD MACHINE CHOICE "switcher = asm\n" END, "switcher is given twice"},
    {HEAD MACHINE CHOICE CHOICE END, "there twice"},
    {HEAD MACHINE "[choice]\nswitcher =\n" END, "switcher is empty"},
    {HEAD MACHINE "[choice]\nswitcher = a b\n" END, "takes one name"},
    {HEAD MACHINE "[choice]\nengine = 12345678901234567890123456789012\n" END,
     "longer than 31"},
    {HEAD MACHINE CHOICE "spin-ns = 0\n" END, "from 1 to 1000000000"},
    {HEAD MACHINE CHOICE "spin-ns = 1000000001\n" END, "to 1000000000"},
    {HEAD MACHINE CHOICE "spin-ns = -5\n" END, "spin-ns takes a number"},
    {HEAD MACHINE CHOICE "spin-ns = 99999999999999999999999\n" END,
     "spin-ns takes a number"},
    {HEAD MACHINE "[choice \"jobs>512\"]\nengine = queue\n" END, "jobs>=N"},
    {HEAD MACHINE "[choice \"jobs>=0\"]\nengine = queue\n" END,
     "from 1 to 4294967295"},
    {HEAD MACHINE "[choice \"jobs>=4294967296\"]\nengine = queue\n" END,
     "from 1 to 4294967295"},
    {HEAD MACHINE CHOICE "[measured]\nkernel = 6\n" END, "the order is"},
    {HEAD MACHINE "[measured \"x\"]\nkernel = 6\n" CHOICE END, "no argument"},
    {HEAD MACHINE "[measured]\nkernel = 6\nkernel = 6\n" CHOICE END,
     "kernel is given twice"},
    {HEAD MACHINE "[measured]\ndate = 6\ndate = 6\n" CHOICE END,
     "date is given twice"},
    {HEAD MACHINE "[measured]\nweather = fine\n" CHOICE END, "accepted: lib"},
    {HEAD MACHINE CHOICE "[fallback]\nengine = a,,b\n" END, "1 to 31 bytes"},
    {HEAD MACHINE CHOICE "[fallback]\nengine = a;b\n" END, "with commas"},
    {HEAD MACHINE CHOICE "[fallback]\nengine = a,b,c,d,e,f,g,h,i\n" END,
     "more than 8"},
    {HEAD MACHINE CHOICE "[fallback]\nspin-ns = 5\n" END,
     "accepted: switcher, engine"},
    {HEAD MACHINE CHOICE "[lock]\nengine = a,b\n" END, "takes one name"},
    {HEAD MACHINE CHOICE, "it has no [end]"},
    {HEAD MACHINE CHOICE END "[lock]\nengine = a\n", "behind [end]"},
    {HEAD MACHINE CHOICE END "engine = a\n", "[end] has no keys"},
    {HEAD MACHINE CHOICE "[end\n", "line 7: ] is missing"},
    {HEAD MACHINE CHOICE "\x01\n" END, "control character"},
};

static void says_what_is_wrong(void)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        const char *text = refused[i].text;
        struct sy_profile p, empty = {0};
        char why[SY_PROFILE_WHY_BYTES];
        int err = sy_profile_parse(&p, text, strlen(text), "Maker 6 1 2", why);

        if (err != -EINVAL || strstr(why, refused[i].says) == NULL) {
            printf("case %zu: %d \"%s\", wanted \"%s\"\n", i, err, why,
                   refused[i].says);
            CHECK(0);
        }
        CHECK(strchr(why, '\n') == NULL);
        CHECK_EQ(memcmp(&p, &empty, sizeof(p)), 0);
    }
}

/* However it is cut off, it is refused. Up to the last but one byte, for the
   line feed behind [end] says nothing. */
static void refuses_every_part(void)
{
    for (size_t n = 0; n + 1 < strlen(whole); n++) {
        struct sy_profile p;
        char why[SY_PROFILE_WHY_BYTES];

        CHECK_EQ(sy_profile_parse(&p, whole, n, "Maker 6 1 2", why), -EINVAL);
        CHECK(why[0] != '\0');
    }
}

static void make_file(const char *path, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK(fd != -1);
    CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
    CHECK_EQ(close(fd), 0);
}

static void refuses_other_files(void)
{
    char folder[] = "/tmp/sy-profile-XXXXXX", path[64];
    char why[SY_PROFILE_WHY_BYTES];
    struct sy_profile p;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/p", folder);
    CHECK_EQ(sy_profile_read(&p, path, NULL, why), -ENOENT);
    CHECK_STR(why, "No such file or directory");
    CHECK_EQ(sy_profile_read(&p, folder, NULL, why), -EINVAL);
    CHECK_STR(why, "it is no regular file");
    make_file(path, SY_PROFILE_BYTES_MAX + 1);
    CHECK_EQ(sy_profile_read(&p, path, NULL, why), -EFBIG);
    make_file(path, SY_PROFILE_BYTES_MAX);
    CHECK_EQ(sy_profile_read(&p, path, NULL, why), -EINVAL);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(mkfifo(path, 0600), 0); /* nobody writes, and nobody waits */
    CHECK_EQ(sy_profile_read(&p, path, NULL, why), -EINVAL);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rmdir(folder), 0);
}

int main(void)
{
    takes_all();
    says_what_is_wrong();
    refuses_every_part();
    refuses_other_files();
    CHECK(sy_profile_cpu()[0] != '\0');
    CHECK(strstr(sy_profile_build(), sy_version()) != NULL);
    return 0;
}
