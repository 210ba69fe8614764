/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of the provider: what is right is loaded and described, what is
 * wrong is refused, with words that name it and what is accepted.
 *
 * usage: provider_parameters MODULE
 */
#include "loaded_provider.h"

#include <openssl/core_names.h>

static const char *module;

static void refused(const char *parameters, const char *named,
                    const char *accepted)
{
    OSSL_LIB_CTX *libctx = configured_context(module, parameters, 0);
    const char *words = NULL;
    unsigned long code;
    char reason[256];
    int flags;

    CHECK(OSSL_PROVIDER_load(libctx, "switchyard") == NULL);
    code = ERR_get_error_all(NULL, NULL, NULL, &words, &flags);
    CHECK(code != 0);
    CHECK((flags & ERR_TXT_STRING) != 0);
    ERR_error_string_n(code, reason, sizeof(reason));
    printf("%s\n  %s: %s\n", parameters, reason, words);
    CHECK(strstr(reason, "switchyard") != NULL);
    CHECK(strstr(words, named) != NULL);
    CHECK(strstr(words, accepted) != NULL);
    ERR_clear_error();
    OSSL_LIB_CTX_free(libctx);
}

static void accepted(const char *parameters, const char *build_info)
{
    OSSL_LIB_CTX *libctx = configured_context(module, parameters, 1);
    OSSL_PROVIDER *provider;
    char *name = NULL, *version = NULL, *info = NULL;
    int status = 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_NAME, &name, 0),
        OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_VERSION, &version, 0),
        OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, &info, 0),
        OSSL_PARAM_construct_int(OSSL_PROV_PARAM_STATUS, &status),
        OSSL_PARAM_construct_end(),
    };

    CHECK_EQ(OSSL_PROVIDER_available(libctx, "switchyard"), 1);
    provider = OSSL_PROVIDER_load(libctx, "switchyard");
    OPENSSL_CHECK(OSSL_PROVIDER_get_params(provider, params) == 1);
    CHECK_STR(name, "Switchyard offload provider");
    CHECK(version != NULL && *version != '\0');
    CHECK_EQ(status, 1);
    printf("%s\n  %s\n", parameters, info);
    CHECK(strstr(info, build_info) != NULL);
    OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(libctx);
}

/* What a kind of operation that is not listed leaves out. */
static void only_what_is_listed(void)
{
    OSSL_LIB_CTX *libctx = configured_context(module, "offload = ecdsa\n", 1);
    EVP_SIGNATURE *rsa = EVP_SIGNATURE_fetch(libctx, "RSA", NULL);
    EVP_SIGNATURE *ecdsa = EVP_SIGNATURE_fetch(libctx, "ECDSA", NULL);
    EVP_KEYEXCH *x25519 = EVP_KEYEXCH_fetch(libctx, "X25519", NULL);

    CHECK_STR("default",
              OSSL_PROVIDER_get0_name(EVP_SIGNATURE_get0_provider(rsa)));
    CHECK_STR("switchyard",
              OSSL_PROVIDER_get0_name(EVP_SIGNATURE_get0_provider(ecdsa)));
    CHECK_STR("default",
              OSSL_PROVIDER_get0_name(EVP_KEYEXCH_get0_provider(x25519)));
    EVP_SIGNATURE_free(rsa);
    EVP_SIGNATURE_free(ecdsa);
    EVP_KEYEXCH_free(x25519);
    OSSL_LIB_CTX_free(libctx);
}

/* Loaded and unloaded again and again, and twice at once with two devices. */
static void loaded_again(void)
{
    OSSL_LIB_CTX *one, *two;

    for (int i = 0; i < 5; i++) {
        one = configured_context(module, "device = workers:1\n", 1);
        two = configured_context(module, "device = sim:mode=poll\n", 1);
        CHECK_EQ(OSSL_PROVIDER_available(one, "switchyard"), 1);
        CHECK_EQ(OSSL_PROVIDER_available(two, "switchyard"), 1);
        OSSL_LIB_CTX_free(one);
        OSSL_LIB_CTX_free(two);
    }
}

int main(int argc, char **argv)
{
    alarm(60);
    if (argc != 2) {
        fprintf(stderr, "usage: provider_parameters MODULE\n");
        return 2;
    }
    module = argv[1];
    accepted("", "device workers:2, offloads rsa ecdsa x25519 ecdh");
    accepted("device = workers:1\noffload = rsa\n",
             "device workers:1, offloads rsa");
    accepted("device = sim:servers=2\noffload = ecdh , x25519\n",
             "offloads x25519 ecdh");
    refused("device = worker:2\n", "\"worker\"", "sim, workers");
    refused("device = workers:0\n", "threads=0", "1 .. 64");
    refused("device = workers:two\n", "threads=two", "1 .. 64");
    refused("device = sim:servers=4,service=often\n", "service=often",
            "fixed:TIME");
    refused("device = sim:sevrers=4\n", "sevrers", "servers");
    refused("device = sim:poll=never\n", "poll=never", "heuristic");
    refused("device = sim:execute=no\n", "execute=no", "yes");
    refused("device =\n", "no device \"\"", "sim, workers");
    refused("offload = rsa,dsa\n", "\"dsa\"", "rsa, ecdsa, x25519, ecdh");
    refused("offload = rsa,,ecdh\n", "\"\"", "rsa, ecdsa, x25519, ecdh");
    refused("offload = rsa, rsa\n", "given twice", "rsa, ecdsa, x25519, ecdh");
    refused("offload =\n", "\"\"", "rsa, ecdsa, x25519, ecdh");
    only_what_is_listed();
    loaded_again();
    return 0;
}
