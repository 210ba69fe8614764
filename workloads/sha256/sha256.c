/* SPDX-License-Identifier: Apache-2.0 */
/* A SHA-256 digest of a message of N bytes. */
#include <stdlib.h>
#include <string.h>
#include <switchyard/workload.h>

#include "../workload_bits.h"
#include "../workload_crypto.h"

#define DIGEST_BYTES 32

struct sha_shared {
    uint64_t seed;
    size_t bytes;
    EVP_MD *md;
};

struct sha_slot {
    unsigned char *message;
    EVP_MD_CTX *ctx;
    unsigned char digest[DIGEST_BYTES];
};

static int sha_probe(char *why, size_t why_bytes)
{
    return sy__crypto_probe(sy__crypto_has_digest("SHA256"), "SHA-256", why,
                            why_bytes);
}

/* FIPS 180-2, appendix B.1: the digest of "abc". */
static int answers_as_known(const EVP_MD *md)
{
    static const unsigned char known[DIGEST_BYTES] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    unsigned char digest[DIGEST_BYTES] = {0};

    return EVP_Digest("abc", 3, digest, NULL, md, NULL) == 1 &&
           memcmp(digest, known, sizeof(known)) == 0;
}

static int sha_open(void *shared, const struct sy_workload_config *cfg)
{
    struct sha_shared *s = shared;

    s->seed = cfg->seed;
    s->bytes = cfg->param_bytes != 0 ? cfg->param_bytes : 16384;
    s->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (s->md == NULL)
        return sy__crypto_result(0);
    if (!answers_as_known(s->md)) {
        EVP_MD_free(s->md);
        return sy__crypto_result(0);
    }
    return 0;
}

static void sha_close(void *shared)
{
    EVP_MD_free(((struct sha_shared *)shared)->md);
}

static int sha_prepare(const void *shared, void *slot)
{
    const struct sha_shared *common = shared;
    struct sha_slot *s = slot;

    s->message = malloc(common->bytes);
    s->ctx = EVP_MD_CTX_new();
    if (s->message == NULL || s->ctx == NULL) {
        EVP_MD_CTX_free(s->ctx);
        free(s->message);
        return -ENOMEM;
    }
    for (size_t i = 0; i < common->bytes; i++)
        s->message[i] = (unsigned char)(sy__mix(common->seed + i) & 0xff);
    return 0;
}

static void sha_release(const void *shared, void *slot)
{
    struct sha_slot *s = slot;

    (void)shared;
    EVP_MD_CTX_free(s->ctx);
    free(s->message);
}

static int sha_begin(const void *shared, void *slot, uint64_t n)
{
    struct sha_slot *s = slot;

    (void)shared;
    sy__put_u64(s->message, n);
    memset(s->digest, 0, sizeof(s->digest));
    return 0;
}

static int sha_step(const void *shared, void *slot, uint32_t i)
{
    const struct sha_shared *common = shared;
    struct sha_slot *s = slot;

    (void)i;
    return sy__crypto_result(
        EVP_DigestInit_ex2(s->ctx, common->md, NULL) == 1 &&
        EVP_DigestUpdate(s->ctx, s->message, common->bytes) == 1 &&
        EVP_DigestFinal_ex(s->ctx, s->digest, NULL) == 1);
}

/* In pieces that are no multiple of a block, through a context of its own, so
   that the whole-block path of the step is not what judges it. */
static int sha_verify(const void *shared, void *slot)
{
    const struct sha_shared *common = shared;
    const struct sha_slot *s = slot;
    unsigned char digest[DIGEST_BYTES] = {0};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx != NULL && EVP_DigestInit_ex2(ctx, common->md, NULL) == 1;

    for (size_t at = 0; ok && at < common->bytes; at += 1009) {
        size_t left = common->bytes - at;

        ok = EVP_DigestUpdate(ctx, s->message + at, left < 1009 ? left : 1009);
    }
    ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return sy__crypto_result(ok) == 0 &&
           memcmp(digest, s->digest, sizeof(digest)) == 0;
}

static void sha_spoil(void *slot)
{
    ((struct sha_slot *)slot)->digest[DIGEST_BYTES - 1] ^= 1;
}

const struct sy_workload_ops sy_workload_sha256 = {
    .abi = SY_WORKLOAD_ABI,
    .steps = 1,
    .offloaded = 1u << 0,
    .name = "sha256",
    .summary = "SHA-256 of N bytes (16K if not given)",
    .shared_bytes = sizeof(struct sha_shared),
    .slot_bytes = sizeof(struct sha_slot),
    .param_default = 16384,
    .param_min = 8,
    .param_max = 1024 * 1024,
    .probe = sha_probe,
    .open = sha_open,
    .close = sha_close,
    .prepare = sha_prepare,
    .release = sha_release,
    .begin = sha_begin,
    .step = sha_step,
    .verify = sha_verify,
    .spoil = sha_spoil,
};
