/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every switcher of the library keeps what it should, the example from outside
 * too, and the one with the planted fault is found out.
 *
 * usage: abi_switchers GOOD.so BAD.so
 */
#include "abi_check.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct sy_switcher_ops *load(const char *path)
{
    void *part = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct sy_switcher_ops *ops = NULL;

    if (part != NULL)
        ops = dlsym(part, "sy_part_switcher");
    if (ops == NULL)
        fprintf(stderr, "%s\n", dlerror());
    return ops;
}

/* Returns 1 if the check went wrong. */
static int check_sound(const struct sy_switcher_ops *ops)
{
    char why[256];
    int err = sy_abi_check(ops, why, sizeof(why));

    if (err == -ENOTSUP)
        printf("skip %s: %s\n", ops->name, why);
    else if (err != 0)
        printf("FAIL %s: %s (%d)\n", ops->name, why, err);
    else
        printf("ok   %s\n", ops->name);
    return err != 0 && err != -ENOTSUP;
}

static int check_faulty(const struct sy_switcher_ops *ops)
{
    char why[256];
    int err = sy_abi_check(ops, why, sizeof(why));

    if (err == -EILSEQ && strstr(why, "register r12 was lost across") != NULL) {
        printf("ok   %s: found out: %s\n", ops->name, why);
        return 0;
    }
    printf("FAIL %s: the fault was not named: \"%s\" (%d)\n", ops->name, why,
           err);
    return 1;
}

int main(int argc, char **argv)
{
    const struct sy_switcher_ops *const *built_in = sy_switcher_table();
    const struct sy_switcher_ops *good, *bad;
    int failures = 0;

    (void)setvbuf(stdout, NULL, _IONBF, 0); /* nothing twice after a fork */
    if (argc != 3) {
        fprintf(stderr, "usage: abi_switchers GOOD.so BAD.so\n");
        return 2;
    }
    good = load(argv[1]);
    bad = load(argv[2]);
    if (good == NULL || bad == NULL)
        return 3;
    for (size_t i = 0; built_in[i] != NULL; i++)
        failures += check_sound(built_in[i]);
    failures += check_sound(good);
    failures += check_faulty(bad);
    return failures == 0 ? 0 : 1;
}
