/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include <errno.h>
#include <limits.h>
#include <switchyard/errors.h>

int main(void)
{
    /* Every error that a public header names. */
    static const int returned[] = {
        EINVAL, EAGAIN, EBUSY,  ENOMEM,  EMFILE, EXDEV,     ECANCELED,
        ESRCH,  EPERM,  ENOENT, ENOTSUP, EPROTO, ETIMEDOUT, EOVERFLOW};
    static const int others[] = {ENOTTY, 123456, INT_MAX, INT_MIN};
    size_t i, k;

    for (i = 0; i < sizeof(returned) / sizeof(returned[0]); i++) {
        const char *words = sy_strerror(-returned[i]);

        CHECK(words != NULL && words[0] != '\0');
        CHECK(strcmp(words, "unknown error") != 0);
        CHECK(words == sy_strerror(returned[i])); /* either sign */
        for (k = 0; k < i; k++)
            CHECK(strcmp(words, sy_strerror(-returned[k])) != 0);
    }
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK_STR(sy_strerror(others[i]), "unknown error");
    CHECK(sy_strerror(0) != NULL);
    errno = 7;
    (void)sy_strerror(-EINVAL);
    CHECK_EQ(errno, 7);
    return 0;
}
