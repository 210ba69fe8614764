/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What callgrind wrote is read: totals without the clock's system calls, and
 * the calls of malloc, by whatever number a name was given; and what is no such
 * file is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../bench/load/callgrind_file.h"
#include "unit.h"

static const char head[] = "# callgrind format\n"
                           "version: 1\n"
                           "positions: line\n"
                           "events: Ir sysCount sysTime sysCpuTime\n"
                           "summary: 0\n\n";

static const char body[] = "ob=(1) libc.so.6\n"
                           "fl=(1) clock.c\n"
                           "fn=(14) clock_gettime@@GLIBC_2.17\n"
                           "38 400\n"
                           "* 0 200 125858 115726\n"
                           "-25 200\n"
                           "\n"
                           "fn=(15) read\n"
                           "+7 40 3 17 9\n"
                           "\n"
                           "fn=(16) clock_gettimes\n"
                           "7 40 5 17 9\n"
                           "\n"
                           "fn=(1) main'2\n"
                           "9 4\n"
                           "cfn=(2) malloc\n"
                           "calls=10 -2 \n"
                           "* 47014 400 233489 218599\n"
                           "cfn=(3) __libc_malloc_impl\n"
                           "calls=1000 -2 \n"
                           "* 5\n"
                           "cfn=(4) calloc'2\n"
                           "calls=3 5\n"
                           "* 5\n"
                           "fn=(14)\n"
                           "cfn=(2)\n"
                           "calls=4 3619 \n"
                           "* 198 77\n"
                           "+1 6 1 2 2\n"
                           "\n";

static char path[] = "/tmp/callgrind_file_XXXXXX";

static void write_file(const char *a, const char *b, const char *c)
{
    FILE *f = fopen(path, "w");

    CHECK(f != NULL);
    CHECK(fprintf(f, "%s%s%s", a, b, c) >= 0);
    CHECK(fclose(f) == 0);
}

static void costs_are_added_up(void)
{
    struct sy__callgrind_counts counts;
    char why[200] = "";

    write_file(head, body, "totals: 50000 408 9 9\n");
    CHECK(sy__callgrind_read(path, &counts, why, sizeof(why)) == 0);
    CHECK(counts.instructions == 50000);
    /* 200 and 1 of the clock itself; what its callee took is the callee's. */
    CHECK(counts.syscalls == 408 - 201);
    CHECK(counts.mallocs == 10 + 3 + 4);
}

static void without_system_calls(void)
{
    struct sy__callgrind_counts counts;
    char why[200] = "";

    write_file(head, "fn=(1) main\n9 4\n", "totals: 4\n");
    CHECK(sy__callgrind_read(path, &counts, why, sizeof(why)) == 0);
    CHECK(counts.instructions == 4 && counts.syscalls == 0);
}

static void expect_refusal(int err, const char *words)
{
    struct sy__callgrind_counts counts;
    char why[200] = "";

    CHECK(sy__callgrind_read(path, &counts, why, sizeof(why)) == err);
    CHECK(strstr(why, words) != NULL);
    CHECK(counts.instructions == 0);
}

static void what_is_no_such_file(void)
{
    write_file("", "", "");
    expect_refusal(-EBADMSG, "no totals");
    write_file(head, body, "");
    expect_refusal(-EBADMSG, "no totals");
    write_file("events: Ir\n", body, "totals: 50000\n");
    expect_refusal(-EBADMSG, "no totals");
    write_file(head, "fn=(99999999) x\ncfn=(\ncalls=\n\n+\n-\n*\n",
               "totals: x\n");
    expect_refusal(-EBADMSG, "no totals");
    CHECK(unlink(path) == 0);
    expect_refusal(-ENOENT, "wrote no file");
}

int main(void)
{
    int fd = mkstemp(path);

    CHECK(fd != -1);
    close(fd);
    costs_are_added_up();
    without_system_calls();
    what_is_no_such_file();
    return 0;
}
