/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One side of an X25519 key agreement: from a fresh private key, its public
 * key and the secret shared with a peer, in one offloaded step. Each operation
 * has a private key of its own; the peer's pair is fixed.
 */
#include <openssl/rand.h>
#include <string.h>
#include <switchyard/workload.h>

#include "../workload_bits.h"
#include "../workload_crypto.h"

#define KEY_BYTES 32

struct x25519_shared {
    EVP_PKEY *peer;                /* both parts: verify needs the private */
    EVP_PKEY *peer_public;         /* what the operation may know */
    unsigned char mask[KEY_BYTES]; /* secret; private key n is made of it */
};

struct x25519_slot {
    unsigned char private_key[KEY_BYTES];
    unsigned char public_key[KEY_BYTES];
    unsigned char secret[KEY_BYTES];
};

static int x25519_probe(char *why, size_t why_bytes)
{
    return sy__crypto_probe(sy__crypto_has_key("X25519"), "X25519", why,
                            why_bytes);
}

static void x25519_close(void *shared)
{
    struct x25519_shared *s = shared;

    EVP_PKEY_free(s->peer_public);
    EVP_PKEY_free(s->peer);
    OPENSSL_cleanse(s->mask, sizeof(s->mask));
}

static int x25519_open(void *shared, const struct sy_workload_config *cfg)
{
    struct x25519_shared *s = shared;
    unsigned char public_key[KEY_BYTES];
    size_t bytes = sizeof(public_key);

    (void)cfg;
    s->peer = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    if (s->peer != NULL &&
        EVP_PKEY_get_raw_public_key(s->peer, public_key, &bytes) == 1)
        s->peer_public = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL,
                                                        public_key, bytes);
    if (s->peer_public == NULL ||
        RAND_priv_bytes(s->mask, sizeof(s->mask)) != 1) {
        x25519_close(s);
        return sy__crypto_result(0);
    }
    return 0;
}

static void x25519_release(const void *shared, void *slot)
{
    (void)shared;
    OPENSSL_cleanse(slot, sizeof(struct x25519_slot));
}

static int x25519_begin(const void *shared, void *slot, uint64_t n)
{
    const struct x25519_shared *common = shared;
    struct x25519_slot *s = slot;
    unsigned char number[8];

    /* From the second byte on: clamping drops bits of the first and last. */
    sy__put_u64(number, n);
    memcpy(s->private_key, common->mask, KEY_BYTES);
    for (size_t i = 0; i < sizeof(number); i++)
        s->private_key[i + 1] ^= number[i];
    memset(s->public_key, 0, sizeof(s->public_key));
    memset(s->secret, 0, sizeof(s->secret));
    return 0;
}

static int derive(EVP_PKEY *own, EVP_PKEY *other,
                  unsigned char secret[KEY_BYTES])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    size_t bytes = KEY_BYTES;
    int ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
             EVP_PKEY_derive_set_peer_ex(ctx, other, 0) == 1 &&
             EVP_PKEY_derive(ctx, secret, &bytes) == 1 && bytes == KEY_BYTES;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static int x25519_step(const void *shared, void *slot, uint32_t i)
{
    const struct x25519_shared *common = shared;
    struct x25519_slot *s = slot;
    size_t bytes = KEY_BYTES;
    EVP_PKEY *own;
    int ok;

    (void)i;
    own = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, s->private_key,
                                          KEY_BYTES);
    ok = own != NULL &&
         EVP_PKEY_get_raw_public_key(own, s->public_key, &bytes) == 1 &&
         derive(own, common->peer_public, s->secret);
    EVP_PKEY_free(own);
    return sy__crypto_result(ok);
}

/* As the peer: from the public key that the operation made. */
static int x25519_verify(const void *shared, void *slot)
{
    const struct x25519_shared *common = shared;
    const struct x25519_slot *s = slot;
    unsigned char secret[KEY_BYTES] = {0};
    EVP_PKEY *other = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL,
                                                     s->public_key, KEY_BYTES);
    int ok = other != NULL && derive(common->peer, other, secret) &&
             CRYPTO_memcmp(secret, s->secret, KEY_BYTES) == 0;

    EVP_PKEY_free(other);
    OPENSSL_cleanse(secret, sizeof(secret));
    return sy__crypto_result(ok) == 0;
}

static void x25519_spoil(void *slot)
{
    ((struct x25519_slot *)slot)->secret[0] ^= 1;
}

const struct sy_workload_ops sy_workload_x25519 = {
    .abi = SY_WORKLOAD_ABI,
    .steps = 1,
    .offloaded = 1u << 0,
    .name = "x25519",
    .summary = "X25519 key agreement: a fresh public key and the shared secret",
    .shared_bytes = sizeof(struct x25519_shared),
    .slot_bytes = sizeof(struct x25519_slot),
    .probe = x25519_probe,
    .open = x25519_open,
    .close = x25519_close,
    .release = x25519_release,
    .begin = x25519_begin,
    .step = x25519_step,
    .verify = x25519_verify,
    .spoil = x25519_spoil,
};
