/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the drop-in share. They are programs that know OpenSSL's
 * headers only, and what sy_openssl_ functions say is looked up, so that the
 * same program can be preloaded and linked.
 */
#ifndef DROPIN_TEST_H
#define DROPIN_TEST_H

#define SY_OPENSSL_NO_NAMES
#include <dlfcn.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/openssl_async.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

#define CHECK_EQ(a, b)                                                         \
    do {                                                                       \
        long long a_ = (long long)(a), b_ = (long long)(b);                    \
        if (a_ != b_) {                                                        \
            fprintf(stderr, "%s:%d: %s is %lld, %s is %lld\n", __FILE__,       \
                    __LINE__, #a, a_, #b, b_);                                 \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

/* A function of the drop-in; the test is nothing without it. */
static inline void drop_in_function(void *function, const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    if (found == NULL) {
        fprintf(stderr, "the drop-in is not there: no %s\n", name);
        exit(1);
    }
    memcpy(function, &found, sizeof(found));
}

static inline struct sy_openssl_counters counters(void)
{
    struct sy_openssl_counters result = {.size = sizeof(result)};
    void (*get)(struct sy_openssl_counters *);

    drop_in_function(&get, "sy_openssl_get_counters");
    get(&result);
    return result;
}

static inline size_t outstanding(void)
{
    size_t (*list)(struct sy_openssl_job_info *, size_t);

    drop_in_function(&list, "sy_openssl_outstanding");
    return list(NULL, 0);
}

/* An error of the ASYNC library is on the queue; its reason. */
static inline int async_error(void)
{
    unsigned long error = ERR_get_error();

    ERR_clear_error();
    CHECK_EQ(ERR_GET_LIB(error), ERR_LIB_ASYNC);
    return ERR_GET_REASON(error);
}

#endif
