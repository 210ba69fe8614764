/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TLS 1.3 server computes for a full handshake (RFC 8446) with X25519,
 * an ECDSA P-256 certificate and AES-128-GCM, between receiving a ClientHello
 * and having its first encrypted record ready:
 *
 *   0  key share: an X25519 key pair            offloaded
 *   1  the secret shared with the client        offloaded
 *   2  transcript, handshake traffic keys
 *   3  CertificateVerify: an ECDSA signature    offloaded
 *   4  Finished, application traffic keys
 *   5  seal EncryptedExtensions .. Finished     offloaded
 *
 * Only the network and the parsing are missing. The messages are well formed;
 * the certificate is a raw public key, so no chain has to be invented.
 */
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <string.h>
#include <switchyard/workload.h>

#include "../workload_bits.h"
#include "../workload_crypto.h"
#include "tls13_messages.h"

struct tls13_slot {
    EVP_PKEY_CTX *keygen, *sign;
    EVP_MD_CTX *transcript, *snapshot;
    EVP_MAC_CTX *hmac;
    EVP_CIPHER_CTX *seal;

    uint64_t n;
    EVP_PKEY *share; /* from step 0 to step 1 */
    unsigned char secret[TLS13_SHARE_BYTES];
    unsigned char handshake[TLS13_HASH_BYTES];
    struct tls13_traffic traffic;
    unsigned char flight[TLS13_FLIGHT_BYTES];
    size_t flight_bytes;
    struct tls13_result result;
};

/* Random bytes and shares are zero in these forms. */
/* clang-format off */
static const unsigned char client_hello_form[TLS13_CLIENT_HELLO_BYTES] = {
    1, 0, 0, TLS13_CLIENT_HELLO_BYTES - 4, 3, 3, /* ClientHello, 1.2 */
    [38] = 0,                                    /* no session id */
    0, 2, 0x13, 0x01,                            /* TLS_AES_128_GCM_SHA256 */
    1, 0,                                        /* no compression */
    0, 71,                                       /* bytes of extensions */
    0, 43, 0, 3, 2, 3, 4,                        /* supported_versions: 1.3 */
    0, 10, 0, 4, 0, 2, 0, 29,                    /* supported_groups: x25519 */
    0, 13, 0, 4, 0, 2, 4, 3,                     /* ecdsa_secp256r1_sha256 */
    0, 20, 0, 2, 1, 2,                           /* raw public key */
    0, 51, 0, 38, 0, 36, 0, 29, 0, 32,           /* key_share, to the end */
};

static const unsigned char server_hello_form[TLS13_SERVER_HELLO_BYTES] = {
    2, 0, 0, TLS13_SERVER_HELLO_BYTES - 4, 3, 3, /* ServerHello, 1.2 */
    [38] = 0,                                    /* no session id */
    0x13, 0x01, 0,                               /* cipher, compression */
    0, 46,                                       /* bytes of extensions */
    0, 51, 0, 36, 0, 29, 0, 32,                  /* key_share, 32 bytes */
    [84] = 0, 43, 0, 2, 3, 4,                    /* supported_versions: 1.3 */
};

static const unsigned char encrypted_extensions[] = {
    8, 0, 0, 7, 0, 5,
    0, 20, 0, 1, 2,                              /* raw public key */
};
/* clang-format on */

/* RFC 8446, section 4.4.3: 64 spaces, a text, a zero byte. */
const unsigned char sy__tls13_context[TLS13_CONTEXT_BYTES] =
    "                                                                "
    "TLS 1.3, server CertificateVerify";

static int tls13_probe(char *why, size_t why_bytes)
{
    return sy__crypto_probe(
        sy__crypto_has_key("X25519") && sy__crypto_has_key("EC") &&
            sy__crypto_has_digest("SHA256") &&
            sy__crypto_has_cipher("AES-128-GCM"),
        "X25519, ECDSA, SHA-256 and AES-128-GCM", why, why_bytes);
}

int sy__tls13_agree(EVP_PKEY *own, EVP_PKEY *other, unsigned char *secret)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    size_t bytes = TLS13_SHARE_BYTES;
    int ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
             EVP_PKEY_derive_set_peer_ex(ctx, other, 0) == 1 &&
             EVP_PKEY_derive(ctx, secret, &bytes) == 1 &&
             bytes == TLS13_SHARE_BYTES;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

void sy__tls13_number(unsigned char *client_hello, uint64_t n)
{
    sy__put_u64(client_hello + TLS13_CLIENT_RANDOM_OFFSET, n);
}

static void tls13_close(void *shared)
{
    struct tls13_shared *s = shared;

    EVP_PKEY_free(s->certificate);
    EVP_PKEY_free(s->key); /* these wipe their private parts */
    EVP_PKEY_free(s->client_share);
    EVP_PKEY_free(s->client_key);
    EVP_CIPHER_free(s->cipher);
    EVP_MD_free(s->md);
}

/* EncryptedExtensions, and a Certificate message with the public key. */
static int write_fixed(struct tls13_shared *s)
{
    unsigned char *encoded = NULL, *out = s->fixed;
    const unsigned char *at;
    int bytes = i2d_PUBKEY(s->key, &encoded);
    unsigned char length = (unsigned char)bytes;

    if (bytes < 0 ||
        (size_t)bytes + sizeof(encrypted_extensions) + 13 > sizeof(s->fixed)) {
        OPENSSL_free(encoded);
        return 0;
    }
    at = encoded;
    s->certificate = d2i_PUBKEY(NULL, &at, bytes);

    memcpy(out, encrypted_extensions, sizeof(encrypted_extensions));
    out += sizeof(encrypted_extensions);
    /* Three-byte lengths of the message, no context, the list, the entry. */
    memcpy(out, "\x0b\0\0\0\0\0\0\0\0\0\0", 11);
    out[3] = (unsigned char)(length + 9);
    out[7] = (unsigned char)(length + 5);
    out[10] = length;
    memcpy(out + 11, encoded, length);
    memset(out + 11 + length, 0, 2); /* no extensions */
    s->fixed_bytes = sizeof(encrypted_extensions) + 13 + length;
    OPENSSL_free(encoded);
    return s->certificate != NULL;
}

static int write_client(struct tls13_shared *s, uint64_t seed)
{
    unsigned char *share = s->client_hello + TLS13_CLIENT_SHARE_OFFSET;
    size_t bytes = TLS13_SHARE_BYTES;

    memcpy(s->client_hello, client_hello_form, sizeof(client_hello_form));
    for (size_t i = 0; i < 3; i++) /* the first 8 bytes are n */
        sy__put_u64(s->client_hello + TLS13_CLIENT_RANDOM_OFFSET + 8 + 8 * i,
                    sy__mix(seed + i));
    if (EVP_PKEY_get_raw_public_key(s->client_key, share, &bytes) != 1)
        return 0;
    s->client_share =
        EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, share, bytes);
    return s->client_share != NULL;
}

static int tls13_open(void *shared, const struct sy_workload_config *cfg)
{
    struct tls13_shared *s = shared;

    memcpy(s->server_hello, server_hello_form, sizeof(server_hello_form));
    s->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    s->client_key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    s->key = EVP_EC_gen("P-256");
    if (s->md == NULL || s->cipher == NULL || s->client_key == NULL ||
        s->key == NULL || !write_client(s, cfg->seed) || !write_fixed(s)) {
        tls13_close(s);
        return sy__crypto_result(0);
    }
    return 0;
}

static void tls13_release(const void *shared, void *slot)
{
    struct tls13_slot *s = slot;

    (void)shared;
    EVP_PKEY_free(s->share);
    EVP_CIPHER_CTX_free(s->seal);
    EVP_MAC_CTX_free(s->hmac);
    EVP_MD_CTX_free(s->snapshot);
    EVP_MD_CTX_free(s->transcript);
    EVP_PKEY_CTX_free(s->sign);
    EVP_PKEY_CTX_free(s->keygen);
    OPENSSL_cleanse(s, sizeof(*s));
}

static int tls13_prepare(const void *shared, void *slot)
{
    const struct tls13_shared *common = shared;
    struct tls13_slot *s = slot;
    int ok;

    s->keygen = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
    s->sign = EVP_PKEY_CTX_new_from_pkey(NULL, common->key, NULL);
    s->transcript = EVP_MD_CTX_new();
    s->snapshot = EVP_MD_CTX_new();
    s->hmac = sy__tls13_hmac_new();
    s->seal = EVP_CIPHER_CTX_new();
    ok = s->keygen != NULL && s->sign != NULL && s->transcript != NULL &&
         s->snapshot != NULL && s->hmac != NULL && s->seal != NULL &&
         EVP_PKEY_keygen_init(s->keygen) == 1 &&
         EVP_PKEY_sign_init(s->sign) == 1 &&
         EVP_PKEY_CTX_set_signature_md(s->sign, common->md) == 1 &&
         EVP_EncryptInit_ex2(s->seal, common->cipher, NULL, NULL, NULL) == 1;
    if (!ok)
        tls13_release(shared, slot);
    return sy__crypto_result(ok);
}

/* A ClientHello comes in. */
static int tls13_begin(const void *shared, void *slot, uint64_t n)
{
    const struct tls13_shared *common = shared;
    struct tls13_slot *s = slot;

    EVP_PKEY_free(s->share); /* of an operation that failed in between */
    s->share = NULL;
    s->n = n;
    s->flight_bytes = 0;
    memset(&s->result, 0, sizeof(s->result));
    memcpy(s->result.client_hello, common->client_hello,
           sizeof(s->result.client_hello));
    sy__tls13_number(s->result.client_hello, n);
    memcpy(s->result.server_hello, common->server_hello,
           sizeof(s->result.server_hello));
    return 0;
}

static int make_share(struct tls13_slot *s)
{
    size_t bytes = TLS13_SHARE_BYTES;

    return EVP_PKEY_keygen(s->keygen, &s->share) == 1 &&
           EVP_PKEY_get_raw_public_key(
               s->share, s->result.server_hello + TLS13_SERVER_SHARE_OFFSET,
               &bytes) == 1;
}

static int make_secret(const struct tls13_shared *common, struct tls13_slot *s)
{
    int ok = sy__tls13_agree(s->share, common->client_share, s->secret);

    EVP_PKEY_free(s->share);
    s->share = NULL;
    return ok;
}

/* Add a message to the transcript, and hash all of it so far. */
static int hash_on(struct tls13_slot *s, const unsigned char *message,
                   size_t bytes, unsigned char *hash)
{
    return EVP_DigestUpdate(s->transcript, message, bytes) == 1 &&
           EVP_MD_CTX_copy_ex(s->snapshot, s->transcript) == 1 &&
           EVP_DigestFinal_ex(s->snapshot, hash, NULL) == 1;
}

static int make_handshake_keys(const struct tls13_shared *common,
                               struct tls13_slot *s)
{
    struct tls13_result *r = &s->result;
    unsigned char hash[TLS13_HASH_BYTES];
    int ok =
        RAND_bytes(r->server_hello + TLS13_SERVER_RANDOM_OFFSET, 32) == 1 &&
        EVP_DigestInit_ex2(s->transcript, common->md, NULL) == 1 &&
        EVP_DigestUpdate(s->transcript, r->client_hello,
                         sizeof(r->client_hello)) == 1 &&
        hash_on(s, r->server_hello, sizeof(r->server_hello), hash) &&
        sy__tls13_handshake_secret(s->hmac, s->secret, s->handshake) &&
        sy__tls13_traffic(s->hmac, s->handshake, "hs", hash, &s->traffic);

    OPENSSL_cleanse(s->secret, sizeof(s->secret));
    return ok;
}

/* Append CertificateVerify to what is fixed. */
static int sign_transcript(const struct tls13_shared *common,
                           struct tls13_slot *s)
{
    unsigned char content[TLS13_CONTEXT_BYTES + TLS13_HASH_BYTES];
    unsigned char digest[TLS13_HASH_BYTES];
    unsigned char *out = s->flight + common->fixed_bytes;
    size_t bytes = TLS13_SIGNATURE_BYTES;

    memcpy(s->flight, common->fixed, common->fixed_bytes);
    memcpy(content, sy__tls13_context, TLS13_CONTEXT_BYTES);
    if (!hash_on(s, s->flight, common->fixed_bytes,
                 content + TLS13_CONTEXT_BYTES) ||
        EVP_DigestInit_ex2(s->snapshot, common->md, NULL) != 1 ||
        EVP_DigestUpdate(s->snapshot, content, sizeof(content)) != 1 ||
        EVP_DigestFinal_ex(s->snapshot, digest, NULL) != 1 ||
        EVP_PKEY_sign(s->sign, out + 8, &bytes, digest, sizeof(digest)) != 1)
        return 0;
    memcpy(out, "\x0f\0\0\0\4\3\0", 7); /* ecdsa_secp256r1_sha256 */
    out[3] = (unsigned char)(4 + bytes);
    out[7] = (unsigned char)bytes;
    s->flight_bytes = common->fixed_bytes + 8 + bytes;
    return 1;
}

/* Append Finished, and derive what protects the application's data. */
static int finish(const struct tls13_shared *common, struct tls13_slot *s)
{
    unsigned char *verify = s->flight + common->fixed_bytes;
    unsigned char *out = s->flight + s->flight_bytes;
    unsigned char hash[TLS13_HASH_BYTES], master[TLS13_HASH_BYTES];
    int ok;

    memcpy(out, "\x14\0\0\x20", 4);
    ok = hash_on(s, verify, (size_t)(out - verify), hash) &&
         sy__tls13_finished(s->hmac, s->traffic.server, hash, out + 4) &&
         hash_on(s, out, 4 + TLS13_HASH_BYTES, hash) &&
         sy__tls13_master_secret(s->hmac, s->handshake, master) &&
         sy__tls13_traffic(s->hmac, master, "ap", hash, &s->result.application);
    s->flight_bytes += 4 + TLS13_HASH_BYTES;
    OPENSSL_cleanse(master, sizeof(master));
    return ok;
}

/* Sequence number 0: the nonce is the IV itself. */
static int seal_flight(struct tls13_slot *s)
{
    unsigned char *record = s->result.record;
    unsigned char *at = record + TLS13_HEADER_BYTES;
    size_t sealed_bytes;
    int out, ok;

    s->flight[s->flight_bytes++] = 22; /* the true type: handshake */
    sealed_bytes = s->flight_bytes + TLS13_TAG_BYTES;
    record[0] = 23;
    record[1] = record[2] = 3;
    record[3] = (unsigned char)(sealed_bytes >> 8);
    record[4] = (unsigned char)(sealed_bytes & 0xff);
    ok = EVP_EncryptInit_ex2(s->seal, NULL, s->traffic.server_key,
                             s->traffic.server_iv, NULL) == 1 &&
         EVP_EncryptUpdate(s->seal, NULL, &out, record, TLS13_HEADER_BYTES) ==
             1 &&
         EVP_EncryptUpdate(s->seal, at, &out, s->flight,
                           (int)s->flight_bytes) == 1 &&
         EVP_EncryptFinal_ex(s->seal, at + out, &out) == 1 &&
         EVP_CIPHER_CTX_ctrl(s->seal, EVP_CTRL_AEAD_GET_TAG, TLS13_TAG_BYTES,
                             at + s->flight_bytes) == 1;
    s->result.record_bytes = TLS13_HEADER_BYTES + sealed_bytes;
    return ok;
}

static int tls13_step(const void *shared, void *slot, uint32_t i)
{
    const struct tls13_shared *common = shared;
    struct tls13_slot *s = slot;

    switch (i) {
    case 0:
        return sy__crypto_result(make_share(s));
    case 1:
        return sy__crypto_result(make_secret(common, s));
    case 2:
        return sy__crypto_result(make_handshake_keys(common, s));
    case 3:
        return sy__crypto_result(sign_transcript(common, s));
    case 4:
        return sy__crypto_result(finish(common, s));
    case 5:
        return sy__crypto_result(seal_flight(s));
    default:
        return -EINVAL;
    }
}

static int tls13_verify(const void *shared, void *slot)
{
    const struct tls13_slot *s = slot;

    return sy__crypto_result(
               sy__tls13_client_accepts(shared, &s->result, s->n)) == 0;
}

static void tls13_spoil(void *slot)
{
    struct tls13_slot *s = slot;

    s->result.record[TLS13_HEADER_BYTES] ^= 1;
}

const struct sy_workload_ops sy_workload_tls13_handshake = {
    .abi = SY_WORKLOAD_ABI,
    .steps = 6,
    .offloaded = 1u << 0 | 1u << 1 | 1u << 3 | 1u << 5,
    .name = "tls13-handshake",
    .summary = "TLS 1.3 server handshake: X25519, ECDSA P-256, AES-128-GCM; "
               "4 of 6 steps offloaded",
    .shared_bytes = sizeof(struct tls13_shared),
    .slot_bytes = sizeof(struct tls13_slot),
    .probe = tls13_probe,
    .open = tls13_open,
    .close = tls13_close,
    .prepare = tls13_prepare,
    .release = tls13_release,
    .begin = tls13_begin,
    .step = tls13_step,
    .verify = tls13_verify,
    .spoil = tls13_spoil,
};
