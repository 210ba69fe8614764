/* SPDX-License-Identifier: Apache-2.0 */
/* Signing the SHA-256 digest of a short message: RSA-2048 (PKCS#1 v1.5) and
   ECDSA on P-256. The digest is part of the input, only the signature is
   offloaded, as accelerators have it. */
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>
#include <switchyard/workload.h>

#include "../workload_bits.h"
#include "../workload_crypto.h"

#define DIGEST_BYTES    32
#define MESSAGE_BYTES   64
#define SIGNATURE_BYTES 256 /* RSA-2048; DER of ECDSA on P-256 has up to 72 */

struct sign_shared {
    uint64_t seed;
    EVP_MD *md;
    EVP_PKEY *key;        /* with the private part */
    EVP_PKEY *public_key; /* from its encoding: knows nothing of the private */
};

struct sign_slot {
    EVP_PKEY_CTX *ctx;
    EVP_MD_CTX *md_ctx;
    uint64_t n;
    size_t signature_bytes;
    unsigned char digest[DIGEST_BYTES];
    unsigned char signature[SIGNATURE_BYTES];
};

static int rsa_probe(char *why, size_t why_bytes)
{
    return sy__crypto_probe(sy__crypto_has_key("RSA") &&
                                sy__crypto_has_digest("SHA256"),
                            "RSA with SHA-256", why, why_bytes);
}

static int ecdsa_probe(char *why, size_t why_bytes)
{
    return sy__crypto_probe(sy__crypto_has_key("EC") &&
                                sy__crypto_has_digest("SHA256"),
                            "ECDSA with SHA-256", why, why_bytes);
}

static void sign_close(void *shared)
{
    struct sign_shared *s = shared;

    EVP_PKEY_free(s->public_key);
    EVP_PKEY_free(s->key); /* wipes the private part */
    EVP_MD_free(s->md);
}

/* Keep key, which may be NULL for want of one, and make the rest. */
static int sign_open(struct sign_shared *s,
                     const struct sy_workload_config *cfg, EVP_PKEY *key)
{
    unsigned char *encoded = NULL;
    const unsigned char *at;
    int bytes = key == NULL ? -1 : i2d_PUBKEY(key, &encoded);

    s->seed = cfg->seed;
    s->key = key;
    if (bytes > 0) {
        at = encoded;
        s->public_key = d2i_PUBKEY(NULL, &at, bytes);
        OPENSSL_free(encoded);
    }
    s->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (s->public_key == NULL || s->md == NULL) {
        sign_close(s);
        return sy__crypto_result(0);
    }
    return 0;
}

static int rsa_open(void *shared, const struct sy_workload_config *cfg)
{
    return sign_open(shared, cfg, EVP_RSA_gen(2048));
}

static int ecdsa_open(void *shared, const struct sy_workload_config *cfg)
{
    return sign_open(shared, cfg, EVP_EC_gen("P-256"));
}

static void sign_release(const void *shared, void *slot)
{
    struct sign_slot *s = slot;

    (void)shared;
    EVP_PKEY_CTX_free(s->ctx);
    EVP_MD_CTX_free(s->md_ctx);
}

static int sign_prepare(const void *shared, void *slot)
{
    const struct sign_shared *common = shared;
    struct sign_slot *s = slot;
    int ok;

    s->md_ctx = EVP_MD_CTX_new();
    s->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, common->key, NULL);
    ok = s->md_ctx != NULL && s->ctx != NULL &&
         EVP_PKEY_sign_init(s->ctx) == 1 &&
         EVP_PKEY_CTX_set_signature_md(s->ctx, common->md) == 1;
    if (!ok)
        sign_release(shared, slot);
    return sy__crypto_result(ok);
}

static void write_message(const struct sign_shared *common, uint64_t n,
                          unsigned char message[MESSAGE_BYTES])
{
    memset(message, 's', MESSAGE_BYTES);
    sy__put_u64(message, common->seed);
    sy__put_u64(message + 8, n);
}

static int sign_begin(const void *shared, void *slot, uint64_t n)
{
    const struct sign_shared *common = shared;
    struct sign_slot *s = slot;
    unsigned char message[MESSAGE_BYTES];

    s->n = n;
    memset(s->signature, 0, sizeof(s->signature));
    write_message(common, n, message);
    return sy__crypto_result(
        EVP_DigestInit_ex2(s->md_ctx, common->md, NULL) == 1 &&
        EVP_DigestUpdate(s->md_ctx, message, sizeof(message)) == 1 &&
        EVP_DigestFinal_ex(s->md_ctx, s->digest, NULL) == 1);
}

static int sign_step(const void *shared, void *slot, uint32_t i)
{
    struct sign_slot *s = slot;

    (void)shared;
    (void)i;
    s->signature_bytes = sizeof(s->signature);
    return sy__crypto_result(EVP_PKEY_sign(s->ctx, s->signature,
                                           &s->signature_bytes, s->digest,
                                           sizeof(s->digest)));
}

/* With the public key alone, over the whole message made anew from n. */
static int sign_verify(const void *shared, void *slot)
{
    const struct sign_shared *common = shared;
    const struct sign_slot *s = slot;
    unsigned char message[MESSAGE_BYTES];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok;

    write_message(common, s->n, message);
    ok = ctx != NULL &&
         EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL,
                                 common->public_key, NULL) == 1 &&
         EVP_DigestVerify(ctx, s->signature, s->signature_bytes, message,
                          sizeof(message)) == 1;
    EVP_MD_CTX_free(ctx);
    return sy__crypto_result(ok) == 0;
}

static void sign_spoil(void *slot)
{
    struct sign_slot *s = slot;

    s->signature[s->signature_bytes - 1] ^= 1;
}

/* One kind of signature: all but names and the key is the same. */
#define SIGN(id, words, title, kind)                                           \
    const struct sy_workload_ops sy_workload_##id = {                          \
        .abi = SY_WORKLOAD_ABI,                                                \
        .steps = 1,                                                            \
        .offloaded = 1u << 0,                                                  \
        .name = words,                                                         \
        .summary = title " of a SHA-256 digest",                               \
        .shared_bytes = sizeof(struct sign_shared),                            \
        .slot_bytes = sizeof(struct sign_slot),                                \
        .probe = kind##_probe,                                                 \
        .open = kind##_open,                                                   \
        .close = sign_close,                                                   \
        .prepare = sign_prepare,                                               \
        .release = sign_release,                                               \
        .begin = sign_begin,                                                   \
        .step = sign_step,                                                     \
        .verify = sign_verify,                                                 \
        .spoil = sign_spoil,                                                   \
    }

SIGN(rsa2048_sign, "rsa2048-sign", "RSA-2048 signature (PKCS#1 v1.5)", rsa);
SIGN(ecdsa_p256_sign, "ecdsa-p256-sign", "ECDSA signature on P-256", ecdsa);
