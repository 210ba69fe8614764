/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing a record of N bytes with an AEAD cipher, as a TLS 1.3 sender does: a
 * fixed key, a nonce per record, the record header as additional data.
 */
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/workload.h>

#include "../workload_bits.h"
#include "../workload_crypto.h"

#define KEY_BYTES_MAX 32
#define NONCE_BYTES   12
#define AAD_BYTES     5
#define TAG_BYTES     16
#define BYTES_DEFAULT 16384

struct aead_shared {
    uint64_t seed;
    size_t bytes;
    EVP_CIPHER *cipher;
    unsigned char key[KEY_BYTES_MAX];
    unsigned char aad[AAD_BYTES];
};

struct aead_slot {
    EVP_CIPHER_CTX *ctx;
    uint64_t n;
    unsigned char *plain, *sealed;
    unsigned char nonce[NONCE_BYTES], tag[TAG_BYTES];
};

static int gcm_probe(char *why, size_t why_bytes)
{
    return sy__crypto_probe(sy__crypto_has_cipher("AES-128-GCM"), "AES-128-GCM",
                            why, why_bytes);
}

static int chacha_probe(char *why, size_t why_bytes)
{
    return sy__crypto_probe(sy__crypto_has_cipher("ChaCha20-Poly1305"),
                            "ChaCha20-Poly1305", why, why_bytes);
}

static int aead_open(struct aead_shared *s,
                     const struct sy_workload_config *cfg, const char *cipher)
{
    s->seed = cfg->seed;
    s->bytes = cfg->param_bytes != 0 ? cfg->param_bytes : BYTES_DEFAULT;
    s->aad[0] = 23; /* application data, TLS 1.2 on the wire, length */
    s->aad[1] = s->aad[2] = 3;
    s->aad[3] = (unsigned char)((s->bytes + TAG_BYTES) >> 8 & 0xff);
    s->aad[4] = (unsigned char)((s->bytes + TAG_BYTES) & 0xff);
    s->cipher = EVP_CIPHER_fetch(NULL, cipher, NULL);
    if (s->cipher == NULL)
        return sy__crypto_result(0);
    if (RAND_priv_bytes(s->key, sizeof(s->key)) != 1) {
        EVP_CIPHER_free(s->cipher);
        return sy__crypto_result(0);
    }
    return 0;
}

static int gcm_open(void *shared, const struct sy_workload_config *cfg)
{
    return aead_open(shared, cfg, "AES-128-GCM");
}

static int chacha_open(void *shared, const struct sy_workload_config *cfg)
{
    return aead_open(shared, cfg, "ChaCha20-Poly1305");
}

static void aead_close(void *shared)
{
    struct aead_shared *s = shared;

    EVP_CIPHER_free(s->cipher);
    OPENSSL_cleanse(s->key, sizeof(s->key));
}

/* The message of operation n: n, then what the seed gives. */
static void write_plain(const struct aead_shared *common, unsigned char *plain,
                        uint64_t n)
{
    for (size_t i = 0; i < common->bytes; i++)
        plain[i] = (unsigned char)(sy__mix(common->seed + i) & 0xff);
    sy__put_u64(plain, n);
}

static void write_nonce(unsigned char nonce[NONCE_BYTES], uint64_t n)
{
    memset(nonce, 0, NONCE_BYTES);
    sy__put_u64(nonce + NONCE_BYTES - 8, n);
}

static void aead_release(const void *shared, void *slot)
{
    struct aead_slot *s = slot;

    (void)shared;
    EVP_CIPHER_CTX_free(s->ctx); /* wipes its copy of the key */
    free(s->plain);
    free(s->sealed);
}

static int aead_prepare(const void *shared, void *slot)
{
    const struct aead_shared *common = shared;
    struct aead_slot *s = slot;
    int err = -ENOMEM;

    s->ctx = EVP_CIPHER_CTX_new();
    s->plain = malloc(common->bytes);
    s->sealed = malloc(common->bytes);
    if (s->ctx != NULL && s->plain != NULL && s->sealed != NULL)
        err = sy__crypto_result(EVP_EncryptInit_ex2(s->ctx, common->cipher,
                                                    common->key, NULL, NULL));
    if (err != 0) {
        aead_release(shared, slot);
        return err;
    }
    write_plain(common, s->plain, 0);
    return 0;
}

static int aead_begin(const void *shared, void *slot, uint64_t n)
{
    struct aead_slot *s = slot;

    (void)shared;
    s->n = n;
    sy__put_u64(s->plain, n);
    write_nonce(s->nonce, n);
    memset(s->tag, 0, sizeof(s->tag));
    return 0;
}

static int aead_step(const void *shared, void *slot, uint32_t i)
{
    const struct aead_shared *common = shared;
    struct aead_slot *s = slot;
    int bytes = (int)common->bytes, out;

    (void)i;
    return sy__crypto_result(
        EVP_EncryptInit_ex2(s->ctx, NULL, NULL, s->nonce, NULL) == 1 &&
        EVP_EncryptUpdate(s->ctx, NULL, &out, common->aad, AAD_BYTES) == 1 &&
        EVP_EncryptUpdate(s->ctx, s->sealed, &out, s->plain, bytes) == 1 &&
        EVP_EncryptFinal_ex(s->ctx, s->sealed + out, &out) == 1 &&
        EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, s->tag) ==
            1);
}

/* Open the record as its receiver would: context, nonce and expected text are
   made anew from n. */
static int aead_verify(const void *shared, void *slot)
{
    const struct aead_shared *common = shared;
    struct aead_slot *s = slot;
    int bytes = (int)common->bytes, out, ok;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char *opened = malloc(common->bytes);
    unsigned char *expected = malloc(common->bytes);
    unsigned char nonce[NONCE_BYTES];

    write_nonce(nonce, s->n);
    ok = ctx != NULL && opened != NULL && expected != NULL &&
         EVP_DecryptInit_ex2(ctx, common->cipher, common->key, nonce, NULL) ==
             1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, s->tag) ==
             1 &&
         EVP_DecryptUpdate(ctx, NULL, &out, common->aad, AAD_BYTES) == 1 &&
         EVP_DecryptUpdate(ctx, opened, &out, s->sealed, bytes) == 1 &&
         EVP_DecryptFinal_ex(ctx, opened + out, &out) == 1;
    if (ok) {
        write_plain(common, expected, s->n);
        ok = memcmp(opened, expected, common->bytes) == 0;
    }
    (void)sy__crypto_result(ok); /* a wrong tag leaves an error behind */
    free(expected);
    free(opened);
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

static void aead_spoil(void *slot)
{
    ((struct aead_slot *)slot)->sealed[0] ^= 1;
}

/* One AEAD: all but names and the choice of the cipher is the same. */
#define AEAD(id, words, title, choose)                                         \
    const struct sy_workload_ops sy_workload_##id = {                          \
        .abi = SY_WORKLOAD_ABI,                                                \
        .steps = 1,                                                            \
        .offloaded = 1u << 0,                                                  \
        .name = words,                                                         \
        .summary = title " seal of N bytes (16K if not given)",                \
        .shared_bytes = sizeof(struct aead_shared),                            \
        .slot_bytes = sizeof(struct aead_slot),                                \
        .param_default = BYTES_DEFAULT,                                        \
        .param_min = 8,                                                        \
        .param_max = 1024 * 1024,                                              \
        .probe = choose##_probe,                                               \
        .open = choose##_open,                                                 \
        .close = aead_close,                                                   \
        .prepare = aead_prepare,                                               \
        .release = aead_release,                                               \
        .begin = aead_begin,                                                   \
        .step = aead_step,                                                     \
        .verify = aead_verify,                                                 \
        .spoil = aead_spoil,                                                   \
    }

AEAD(aes_128_gcm, "aes-128-gcm", "AES-128-GCM", gcm);
AEAD(chacha20_poly1305, "chacha20-poly1305", "ChaCha20-Poly1305", chacha);
