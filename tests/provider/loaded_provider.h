/* SPDX-License-Identifier: Apache-2.0 */
/* The provider, loaded into a library context of its own through a
   configuration file, and what its tests have in common. */
#ifndef LOADED_PROVIDER_H
#define LOADED_PROVIDER_H

#include "../unit/unit.h"

#include <openssl/async.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#define OPENSSL_CHECK(cond)                                                    \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__,        \
                    #cond);                                                    \
            ERR_print_errors_fp(stderr);                                       \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

/*
 * Make a library context whose configuration names the provider and the default
 * one.
 *
 * @module      path of switchyard.so
 * @parameters  lines for the provider's section
 * @activate    load it now
 */
static inline OSSL_LIB_CTX *
configured_context(const char *module, const char *parameters, int activate)
{
    char path[] = "provider_test_XXXXXX";
    OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();
    int fd = mkstemp(path);
    FILE *file;

    CHECK(libctx != NULL);
    CHECK(fd != -1);
    file = fdopen(fd, "w");
    CHECK(file != NULL);
    fprintf(file,
            "openssl_conf = init\n"
            "[init]\nproviders = providers\nalg_section = algorithms\n"
            "[algorithms]\ndefault_properties = ?provider=switchyard\n"
            "[providers]\ndefault = one\nswitchyard = two\n"
            "[one]\nactivate = 1\n"
            "[two]\nmodule = %s\n%s\n%s",
            module, parameters, activate ? "activate = 1\n" : "");
    CHECK_EQ(fclose(file), 0);
    OPENSSL_CHECK(OSSL_LIB_CTX_load_config(libctx, path) == 1);
    unlink(path);
    return libctx;
}

/* Read one of the provider's counters. */
static inline uint64_t counter(OSSL_PROVIDER *provider, const char *name)
{
    uint64_t value = UINT64_MAX;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_uint64(name, &value),
        OSSL_PARAM_construct_end(),
    };

    OPENSSL_CHECK(OSSL_PROVIDER_get_params(provider, params) == 1);
    return value;
}

/* Wait until the job of a wait context is to be resumed. */
static inline void wait_for_wake(ASYNC_WAIT_CTX *ctx)
{
    struct pollfd wanted = {.events = POLLIN};
    size_t count = 0;

    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(ctx, NULL, &count), 1);
    CHECK_EQ(count, 1);
    CHECK_EQ(ASYNC_WAIT_CTX_get_all_fds(ctx, &wanted.fd, &count), 1);
    CHECK_EQ(poll(&wanted, 1, 20000), 1);
}

/* Run a function in a job to its end. Returns what it returned. */
static inline int run_in_job(int (*fn)(void *), void *arg, unsigned *pauses)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    int result = -1, state;

    *pauses = 0;
    CHECK(ctx != NULL);
    while ((state = ASYNC_start_job(&job, ctx, &result, fn, &arg,
                                    sizeof(arg))) == ASYNC_PAUSE) {
        ++*pauses;
        wait_for_wake(ctx);
    }
    CHECK_EQ(state, ASYNC_FINISH);
    ASYNC_WAIT_CTX_free(ctx);
    return result;
}

#endif
