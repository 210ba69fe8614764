/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every operation that the provider offloads: in a job it pauses and is right,
 * outside it is done on the spot; what it does not offload is done as without
 * it. Also in threads, after a fork, and when the operation fails.
 *
 * usage: provider_operations MODULE DEVICE
 */
#include "loaded_provider.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <switchyard/compiler.h>
#include <sys/wait.h>

static OSSL_LIB_CTX *with; /* the provider */
static OSSL_PROVIDER *provider;

static EVP_PKEY *rsa, *pss, *ec, *ec_peer, *x25519, *x25519_peer;
/* The same keys without the provider. */
static EVP_PKEY *plain_rsa, *plain_pss, *plain_ec, *plain_ec_peer,
    *plain_x25519, *plain_x25519_peer;

static const unsigned char message[] = "what is signed";

/* Take a key over into a library context, through its DER form. */
static EVP_PKEY *taken_over(EVP_PKEY *key, OSSL_LIB_CTX *libctx)
{
    unsigned char *der = NULL;
    const unsigned char *at;
    int bytes = i2d_PrivateKey(key, &der);
    EVP_PKEY *copy;

    OPENSSL_CHECK(bytes > 0);
    at = der;
    copy = d2i_AutoPrivateKey_ex(NULL, &at, bytes, libctx, NULL);
    OPENSSL_CHECK(copy != NULL);
    OPENSSL_free(der);
    return copy;
}

static void make_keys(void)
{
    rsa = EVP_PKEY_Q_keygen(with, NULL, "RSA", (size_t)2048);
    ec = EVP_PKEY_Q_keygen(with, NULL, "EC", "P-256");
    ec_peer = EVP_PKEY_Q_keygen(with, NULL, "EC", "P-256");
    x25519 = EVP_PKEY_Q_keygen(with, NULL, "X25519");
    x25519_peer = EVP_PKEY_Q_keygen(with, NULL, "X25519");
    OPENSSL_CHECK(rsa && ec && ec_peer && x25519 && x25519_peer);
    plain_rsa = taken_over(rsa, NULL);
    plain_ec = taken_over(ec, NULL);
    plain_ec_peer = taken_over(ec_peer, NULL);
    plain_x25519 = taken_over(x25519, NULL);
    plain_x25519_peer = taken_over(x25519_peer, NULL);
    plain_pss = EVP_PKEY_Q_keygen(NULL, NULL, "RSA-PSS");
    if (plain_pss == NULL) { /* 3.0 wants a size by context */
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);

        ERR_clear_error();
        OPENSSL_CHECK(EVP_PKEY_keygen_init(ctx) == 1);
        OPENSSL_CHECK(EVP_PKEY_keygen(ctx, &plain_pss) == 1);
        EVP_PKEY_CTX_free(ctx);
    }
    pss = taken_over(plain_pss, with);
}

static void free_keys(void)
{
    EVP_PKEY *const all[] = {rsa,           pss,          ec,
                             ec_peer,       x25519,       x25519_peer,
                             plain_rsa,     plain_pss,    plain_ec,
                             plain_ec_peer, plain_x25519, plain_x25519_peer};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        EVP_PKEY_free(all[i]);
}

/* ---- operations, each with its check by the default provider ------------- */

static void verify(EVP_PKEY *plain, int padding, const unsigned char *sig,
                   size_t bytes)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx;

    OPENSSL_CHECK(EVP_DigestVerifyInit_ex(md, &ctx, "SHA256", NULL, NULL, plain,
                                          NULL) == 1);
    if (padding != 0)
        OPENSSL_CHECK(EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1);
    OPENSSL_CHECK(EVP_DigestVerify(md, sig, bytes, message, sizeof(message)) ==
                  1);
    EVP_MD_CTX_free(md);
}

static int digest_sign(EVP_PKEY *key, EVP_PKEY *plain, int padding)
{
    unsigned char sig[512];
    size_t bytes = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx;

    OPENSSL_CHECK(
        EVP_DigestSignInit_ex(md, &ctx, "SHA256", with, NULL, key, NULL) == 1);
    if (padding != 0)
        OPENSSL_CHECK(EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1);
    OPENSSL_CHECK(EVP_DigestSign(md, NULL, &bytes, message, sizeof(message)) ==
                  1);
    CHECK(bytes <= sizeof(sig));
    OPENSSL_CHECK(EVP_DigestSign(md, sig, &bytes, message, sizeof(message)) ==
                  1);
    EVP_MD_CTX_free(md);
    verify(plain, padding, sig, bytes);
    return 1;
}

static int rsa_digest_sign(void *arg)
{
    (void)arg;
    return digest_sign(rsa, plain_rsa, RSA_PKCS1_PADDING);
}

static int rsa_digest_sign_pss(void *arg)
{
    (void)arg;
    return digest_sign(rsa, plain_rsa, RSA_PKCS1_PSS_PADDING);
}

static int rsa_pss_key(void *arg)
{
    (void)arg;
    return digest_sign(pss, plain_pss, 0);
}

static int ecdsa_digest_sign(void *arg)
{
    (void)arg;
    return digest_sign(ec, plain_ec, 0);
}

static int raw_sign(EVP_PKEY *key, EVP_PKEY *plain)
{
    unsigned char sig[512], digest[32] = {1, 2, 3};
    size_t bytes = sizeof(sig);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(with, key, NULL), *copy;

    OPENSSL_CHECK(EVP_PKEY_sign_init(ctx) == 1);
    OPENSSL_CHECK(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1);
    copy = EVP_PKEY_CTX_dup(ctx); /* both must be known to the provider */
    OPENSSL_CHECK(copy != NULL);
    EVP_PKEY_CTX_free(ctx);
    OPENSSL_CHECK(EVP_PKEY_sign(copy, sig, &bytes, digest, sizeof(digest)) ==
                  1);
    EVP_PKEY_CTX_free(copy);
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, plain, NULL);
    OPENSSL_CHECK(EVP_PKEY_verify_init(ctx) == 1);
    OPENSSL_CHECK(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1);
    OPENSSL_CHECK(EVP_PKEY_verify(ctx, sig, bytes, digest, sizeof(digest)) ==
                  1);
    EVP_PKEY_CTX_free(ctx);
    return 1;
}

static int rsa_raw_sign(void *arg)
{
    (void)arg;
    return raw_sign(rsa, plain_rsa);
}

static int ecdsa_raw_sign(void *arg)
{
    (void)arg;
    return raw_sign(ec, plain_ec);
}

static int decrypt(int padding)
{
    unsigned char secret[48], sealed[256], opened[256];
    size_t sealed_bytes = sizeof(sealed), opened_bytes = sizeof(opened);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, plain_rsa, NULL);

    OPENSSL_CHECK(RAND_bytes(secret, sizeof(secret)) == 1);
    OPENSSL_CHECK(EVP_PKEY_encrypt_init(ctx) == 1);
    OPENSSL_CHECK(EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1);
    OPENSSL_CHECK(EVP_PKEY_encrypt(ctx, sealed, &sealed_bytes, secret,
                                   sizeof(secret)) == 1);
    EVP_PKEY_CTX_free(ctx);

    ctx = EVP_PKEY_CTX_new_from_pkey(with, rsa, NULL);
    OPENSSL_CHECK(EVP_PKEY_decrypt_init(ctx) == 1);
    OPENSSL_CHECK(EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1);
    OPENSSL_CHECK(EVP_PKEY_decrypt(ctx, opened, &opened_bytes, sealed,
                                   sealed_bytes) == 1);
    EVP_PKEY_CTX_free(ctx);
    CHECK_EQ(opened_bytes, sizeof(secret));
    CHECK(memcmp(opened, secret, sizeof(secret)) == 0);
    return 1;
}

static int rsa_decrypt_pkcs1(void *arg)
{
    (void)arg;
    return decrypt(RSA_PKCS1_PADDING);
}

static int rsa_decrypt_oaep(void *arg)
{
    (void)arg;
    return decrypt(RSA_PKCS1_OAEP_PADDING);
}

static size_t derive(OSSL_LIB_CTX *libctx, EVP_PKEY *key, EVP_PKEY *peer,
                     unsigned char *secret, size_t room)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(libctx, key, NULL);
    size_t bytes = 0;

    OPENSSL_CHECK(EVP_PKEY_derive_init(ctx) == 1);
    OPENSSL_CHECK(EVP_PKEY_derive_set_peer(ctx, peer) == 1);
    OPENSSL_CHECK(EVP_PKEY_derive(ctx, NULL, &bytes) == 1);
    CHECK(bytes <= room);
    OPENSSL_CHECK(EVP_PKEY_derive(ctx, secret, &bytes) == 1);
    EVP_PKEY_CTX_free(ctx);
    return bytes;
}

static int derive_both(EVP_PKEY *key, EVP_PKEY *peer, EVP_PKEY *plain,
                       EVP_PKEY *plain_peer)
{
    unsigned char ours[64], theirs[64];
    size_t bytes = derive(with, key, peer, ours, sizeof(ours));

    CHECK_EQ(bytes, 32);
    CHECK_EQ(derive(NULL, plain_peer, plain, theirs, sizeof(theirs)), bytes);
    CHECK(memcmp(ours, theirs, bytes) == 0);
    return 1;
}

static int x25519_derive(void *arg)
{
    (void)arg;
    return derive_both(x25519, x25519_peer, plain_x25519, plain_x25519_peer);
}

static int ecdh_derive(void *arg)
{
    (void)arg;
    return derive_both(ec, ec_peer, plain_ec, plain_ec_peer);
}

static const struct {
    const char *name;
    int (*run)(void *);
} operations[] = {
    {"RSA digest sign", rsa_digest_sign},
    {"RSA digest sign, PSS", rsa_digest_sign_pss},
    {"RSA-PSS key", rsa_pss_key},
    {"RSA sign", rsa_raw_sign},
    {"RSA decrypt, PKCS#1", rsa_decrypt_pkcs1},
    {"RSA decrypt, OAEP", rsa_decrypt_oaep},
    {"ECDSA digest sign", ecdsa_digest_sign},
    {"ECDSA sign", ecdsa_raw_sign},
    {"X25519", x25519_derive},
    {"ECDH", ecdh_derive},
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* ---- cases -------------------------------------------------------------- */

/* The device may be faster than the job: then there is nothing to pause for.
   Not always. */
#define TRIES 100

static void in_jobs(void)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        unsigned pauses = 0, tries = 0;

        while (pauses == 0) {
            uint64_t offloaded = counter(provider, "switchyard-offloaded");
            uint64_t paused = counter(provider, "switchyard-pauses");
            uint64_t on_spot = counter(provider, "switchyard-synchronous");

            CHECK(tries++ < TRIES);
            CHECK_EQ(run_in_job(operations[i].run, NULL, &pauses), 1);
            CHECK_EQ(counter(provider, "switchyard-offloaded"), offloaded + 1);
            CHECK_EQ(counter(provider, "switchyard-synchronous"), on_spot);
            CHECK_EQ(counter(provider, "switchyard-pauses"), paused + pauses);
        }
        printf("  %s: %u pauses\n", operations[i].name, pauses);
    }
}

static void outside_of_jobs(void)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        uint64_t offloaded = counter(provider, "switchyard-offloaded");
        uint64_t on_spot = counter(provider, "switchyard-synchronous");

        CHECK_EQ(operations[i].run(NULL), 1);
        CHECK_EQ(counter(provider, "switchyard-offloaded"), offloaded);
        CHECK_EQ(counter(provider, "switchyard-synchronous"), on_spot + 1);
    }
}

static int blocked_main(void *arg)
{
    size_t i = **(size_t **)arg;
    int result;

    ASYNC_block_pause();
    result = operations[i].run(NULL);
    ASYNC_unblock_pause();
    return result;
}

static void where_pausing_is_blocked(void)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        unsigned pauses;

        CHECK_EQ(run_in_job(blocked_main, &i, &pauses), 1);
        CHECK_EQ(pauses, 0);
    }
}

/* Its errors are raised by the device's thread, and must be seen here. */
static int fails(void *arg)
{
    unsigned char sealed[256], opened[256];
    size_t bytes = sizeof(opened);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(with, rsa, NULL);
    char words[256];
    unsigned long code;

    (void)arg;
    memset(sealed, 0x77, sizeof(sealed));
    sealed[0] = 0;
    OPENSSL_CHECK(EVP_PKEY_decrypt_init(ctx) == 1);
    OPENSSL_CHECK(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) ==
                  1);
    ERR_clear_error();
    CHECK(EVP_PKEY_decrypt(ctx, opened, &bytes, sealed, sizeof(sealed)) <= 0);
    code = ERR_peek_error();
    CHECK(code != 0);
    ERR_error_string_n(code, words, sizeof(words));
    printf("  %s\n", words);
    CHECK_EQ(ERR_GET_LIB(code), ERR_LIB_RSA);
    ERR_clear_error();
    EVP_PKEY_CTX_free(ctx);
    return 1;
}

static void failure_in_a_job(void)
{
    unsigned pauses = 0;

    for (int i = 0; i < TRIES && pauses == 0; i++)
        CHECK_EQ(run_in_job(fails, NULL, &pauses), 1);
    CHECK(pauses > 0);
    CHECK_EQ(fails(NULL), 1);
}

/* Small output buffers are refused, not overrun. */
static int too_small(void *arg)
{
    struct {
        unsigned char sig[16], after[16];
    } room = {.after = {0x55}};
    unsigned char digest[32] = {0};
    size_t bytes = sizeof(room.sig);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(with, rsa, NULL);

    (void)arg;
    OPENSSL_CHECK(EVP_PKEY_sign_init(ctx) == 1);
    CHECK(EVP_PKEY_sign(ctx, room.sig, &bytes, digest, sizeof(digest)) <= 0);
    CHECK(ERR_peek_error() != 0);
    ERR_clear_error();
    CHECK_EQ(room.after[0], 0x55);
    EVP_PKEY_CTX_free(ctx);
    return 1;
}

static void room_that_is_too_small(void)
{
    unsigned pauses;

    CHECK_EQ(run_in_job(too_small, NULL, &pauses), 1);
}

static int not_offloaded(void *arg)
{
    EVP_PKEY *ed = EVP_PKEY_Q_keygen(with, NULL, "ED25519");
    EVP_PKEY *x448[2] = {EVP_PKEY_Q_keygen(with, NULL, "X448"),
                         EVP_PKEY_Q_keygen(with, NULL, "X448")};
    unsigned char sig[64], secret[2][64], wrapped[256], shared[256],
        shared_too[256];
    size_t bytes = sizeof(sig), wrapped_bytes = sizeof(wrapped),
           shared_bytes = sizeof(shared), shared_too_bytes = sizeof(shared_too);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx;

    (void)arg;
    OPENSSL_CHECK(EVP_DigestSignInit_ex(md, NULL, NULL, with, NULL, ed, NULL) ==
                  1);
    OPENSSL_CHECK(EVP_DigestSign(md, sig, &bytes, message, sizeof(message)) ==
                  1);
    EVP_MD_CTX_free(md);
    md = EVP_MD_CTX_new();
    OPENSSL_CHECK(
        EVP_DigestVerifyInit_ex(md, NULL, NULL, with, NULL, ed, NULL) == 1);
    OPENSSL_CHECK(EVP_DigestVerify(md, sig, bytes, message, sizeof(message)) ==
                  1);
    EVP_MD_CTX_free(md);

    derive(with, x448[0], x448[1], secret[0], 64);
    derive(with, x448[1], x448[0], secret[1], 64);
    CHECK(memcmp(secret[0], secret[1], 56) == 0);

    /* A key encapsulation takes our RSA key. */
    ctx = EVP_PKEY_CTX_new_from_pkey(with, rsa, NULL);
    OPENSSL_CHECK(EVP_PKEY_encapsulate_init(ctx, NULL) == 1);
    OPENSSL_CHECK(EVP_PKEY_CTX_set_kem_op(ctx, "RSASVE") == 1);
    OPENSSL_CHECK(EVP_PKEY_encapsulate(ctx, wrapped, &wrapped_bytes, shared,
                                       &shared_bytes) == 1);
    EVP_PKEY_CTX_free(ctx);
    ctx = EVP_PKEY_CTX_new_from_pkey(with, rsa, NULL);
    OPENSSL_CHECK(EVP_PKEY_decapsulate_init(ctx, NULL) == 1);
    OPENSSL_CHECK(EVP_PKEY_CTX_set_kem_op(ctx, "RSASVE") == 1);
    OPENSSL_CHECK(EVP_PKEY_decapsulate(ctx, shared_too, &shared_too_bytes,
                                       wrapped, wrapped_bytes) == 1);
    EVP_PKEY_CTX_free(ctx);
    CHECK_EQ(shared_bytes, shared_too_bytes);
    CHECK(memcmp(shared, shared_too, shared_bytes) == 0);

    EVP_PKEY_free(ed);
    EVP_PKEY_free(x448[0]);
    EVP_PKEY_free(x448[1]);
    return 1;
}

static void goes_through_unchanged(void)
{
    uint64_t offloaded = counter(provider, "switchyard-offloaded");
    unsigned pauses;

    CHECK_EQ(not_offloaded(NULL), 1);
    CHECK_EQ(run_in_job(not_offloaded, NULL, &pauses), 1);
    CHECK_EQ(pauses, 0);
    /* Checks with the provider's own keys are no private-key operations. */
    CHECK_EQ(counter(provider, "switchyard-offloaded"), offloaded);
    CHECK_EQ(EVP_PKEY_eq(rsa, plain_rsa), 1);
    CHECK_EQ(EVP_PKEY_get_bits(ec), 256);
}

static void *many_jobs(void *arg)
{
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < OPERATIONS; i++) {
            unsigned pauses;

            CHECK_EQ(run_in_job(operations[i].run, NULL, &pauses), 1);
            CHECK_EQ(operations[i].run(NULL), 1);
        }
    ASYNC_cleanup_thread();
    return arg;
}

static void in_threads(void)
{
    pthread_t thread[4];

    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, many_jobs, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

/* As a server that forks its workers, while other jobs are under way. */
static void after_a_fork(void)
{
    ASYNC_WAIT_CTX *ctx = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    void *none = NULL;
    int result = -1, state = ASYNC_FINISH;

    if (SY_ASAN || SY_TSAN) {
        printf("  skipped: sanitizers cannot fork with threads\n");
        ASYNC_WAIT_CTX_free(ctx);
        return;
    }
    for (int i = 0; i < TRIES && state != ASYNC_PAUSE; i++)
        state = ASYNC_start_job(&job, ctx, &result, rsa_raw_sign, &none,
                                sizeof(none));
    CHECK_EQ(state, ASYNC_PAUSE);
    for (int i = 0; i < 4; i++) {
        int status = -1;
        pid_t child = fork();

        CHECK(child != -1);
        if (child == 0) {
            alarm(30);
            in_jobs();
            outside_of_jobs();
            many_jobs(NULL);
            _exit(0);
        }
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
    }
    while (state == ASYNC_PAUSE) {
        wait_for_wake(ctx);
        state = ASYNC_start_job(&job, ctx, &result, rsa_raw_sign, &none,
                                sizeof(none));
    }
    CHECK_EQ(state, ASYNC_FINISH);
    CHECK_EQ(result, 1);
    ASYNC_WAIT_CTX_free(ctx);
    in_jobs();
}

#define RUN(name)                                                              \
    do {                                                                       \
        printf("%s\n", #name);                                                 \
        fflush(stdout);                                                        \
        name();                                                                \
    } while (0)

int main(int argc, char **argv)
{
    char device[256];

    alarm(100);
    if (argc != 3) {
        fprintf(stderr, "usage: provider_operations MODULE DEVICE\n");
        return 2;
    }
    snprintf(device, sizeof(device), "device = %s\n", argv[2]);
    with = configured_context(argv[1], device, 1);
    OPENSSL_CHECK(OSSL_PROVIDER_available(with, "switchyard") == 1);
    provider = OSSL_PROVIDER_load(with, "switchyard");
    OPENSSL_CHECK(provider != NULL);
    make_keys();
    RUN(in_jobs);
    RUN(outside_of_jobs);
    RUN(where_pausing_is_blocked);
    RUN(failure_in_a_job);
    RUN(room_that_is_too_small);
    RUN(goes_through_unchanged);
    RUN(in_threads);
    RUN(after_a_fork);
    free_keys();
    OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(with);
    return 0;
}
