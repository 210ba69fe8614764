/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side: it judges what the server did. Its key schedule goes
   through libcrypto's own HKDF and not through tls13_schedule.c, so that a
   fault there does not cancel out. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdint.h>
#include <string.h>

#include "tls13_messages.h"

static int hkdf(int mode, const unsigned char *key, const unsigned char *salt,
                const unsigned char *info, size_t info_bytes,
                unsigned char *out, size_t bytes)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[6], *p = params;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    int ok;

    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    *p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    *p++ = OSSL_PARAM_construct_octet_string(
        OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key, TLS13_HASH_BYTES);
    if (salt != NULL)
        *p++ = OSSL_PARAM_construct_octet_string(
            OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, TLS13_HASH_BYTES);
    if (info != NULL)
        *p++ = OSSL_PARAM_construct_octet_string(
            OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info, info_bytes);
    *p = OSSL_PARAM_construct_end();
    ok = ctx != NULL && EVP_KDF_derive(ctx, out, bytes, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}

static int extract(const unsigned char *salt, const unsigned char *ikm,
                   unsigned char *out)
{
    return hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, ikm, salt, NULL, 0, out,
                TLS13_HASH_BYTES);
}

static int expand(const unsigned char *secret, const char *label,
                  const unsigned char *hash, unsigned char *out, size_t bytes)
{
    size_t label_bytes = strlen(label);
    size_t hash_bytes = hash == NULL ? 0 : TLS13_HASH_BYTES;
    unsigned char info[64] = {0, (unsigned char)bytes,
                              (unsigned char)label_bytes};

    memcpy(info + 3, label, label_bytes);
    info[3 + label_bytes] = (unsigned char)hash_bytes;
    if (hash != NULL)
        memcpy(info + 4 + label_bytes, hash, hash_bytes);
    return hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, secret, NULL, info,
                4 + label_bytes + hash_bytes, out, bytes);
}

/* What the client computes, and the messages that it computes it from. */
struct client {
    const struct tls13_shared *common;
    const struct tls13_result *result;
    unsigned char handshake[TLS13_HASH_BYTES]; /* the handshake secret */
    unsigned char server[TLS13_HASH_BYTES];    /* its traffic secret */
    unsigned char flight[TLS13_FLIGHT_BYTES + 1];
    size_t flight_bytes;
};

/* Hash both hellos and so many bytes of the flight. */
static int hash_transcript(const struct client *c, size_t flight_bytes,
                           unsigned char *hash)
{
    const struct tls13_result *r = c->result;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok =
        ctx != NULL && EVP_DigestInit_ex2(ctx, c->common->md, NULL) == 1 &&
        EVP_DigestUpdate(ctx, r->client_hello, sizeof(r->client_hello)) == 1 &&
        EVP_DigestUpdate(ctx, r->server_hello, sizeof(r->server_hello)) == 1 &&
        EVP_DigestUpdate(ctx, c->flight, flight_bytes) == 1 &&
        EVP_DigestFinal_ex(ctx, hash, NULL) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

static int derive_handshake(struct client *c)
{
    const unsigned char zeros[TLS13_HASH_BYTES] = {0};
    unsigned char secret[TLS13_HASH_BYTES], hash[TLS13_HASH_BYTES];
    unsigned char salt[TLS13_HASH_BYTES];
    EVP_PKEY *share = EVP_PKEY_new_raw_public_key_ex(
        NULL, "X25519", NULL,
        c->result->server_hello + TLS13_SERVER_SHARE_OFFSET, TLS13_SHARE_BYTES);
    int ok = share != NULL &&
             sy__tls13_agree(c->common->client_key, share, secret) &&
             EVP_Digest("", 0, hash, NULL, c->common->md, NULL) == 1 &&
             extract(zeros, zeros, salt) &&
             expand(salt, "tls13 derived", hash, salt, sizeof(salt)) &&
             extract(salt, secret, c->handshake) &&
             hash_transcript(c, 0, hash) &&
             expand(c->handshake, "tls13 s hs traffic", hash, c->server,
                    sizeof(c->server));

    EVP_PKEY_free(share);
    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(salt, sizeof(salt));
    return ok;
}

/* Decrypt the record into the flight. Sequence number 0: the nonce is the IV
   itself. */
static int open_record(struct client *c)
{
    const struct tls13_result *r = c->result;
    const unsigned char *at = r->record + TLS13_HEADER_BYTES;
    unsigned char key[TLS13_KEY_BYTES], iv[TLS13_IV_BYTES];
    unsigned char tag[TLS13_TAG_BYTES];
    size_t bytes = r->record_bytes - TLS13_HEADER_BYTES - TLS13_TAG_BYTES;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int out, ok;

    if (r->record_bytes > sizeof(r->record) ||
        r->record_bytes <= TLS13_HEADER_BYTES + TLS13_TAG_BYTES)
        bytes = 0;
    memcpy(tag, at + bytes, sizeof(tag));
    ok = bytes > 0 && ctx != NULL &&
         expand(c->server, "tls13 key", NULL, key, sizeof(key)) &&
         expand(c->server, "tls13 iv", NULL, iv, sizeof(iv)) &&
         EVP_DecryptInit_ex2(ctx, c->common->cipher, key, iv, NULL) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TLS13_TAG_BYTES,
                             tag) == 1 &&
         EVP_DecryptUpdate(ctx, NULL, &out, r->record, TLS13_HEADER_BYTES) ==
             1 &&
         EVP_DecryptUpdate(ctx, c->flight, &out, at, (int)bytes) == 1 &&
         EVP_DecryptFinal_ex(ctx, c->flight + out, &out) == 1;
    c->flight_bytes = bytes;
    EVP_CIPHER_CTX_free(ctx);
    OPENSSL_cleanse(key, sizeof(key));
    return ok;
}

static int check_signature(const struct client *c, const unsigned char *hash,
                           const unsigned char *signature, size_t bytes)
{
    unsigned char content[TLS13_CONTEXT_BYTES + TLS13_HASH_BYTES];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok;

    memcpy(content, sy__tls13_context, TLS13_CONTEXT_BYTES);
    memcpy(content + TLS13_CONTEXT_BYTES, hash, TLS13_HASH_BYTES);
    ok = ctx != NULL &&
         EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL,
                                 c->common->certificate, NULL) == 1 &&
         EVP_DigestVerify(ctx, signature, bytes, content, sizeof(content)) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static int check_finished(const struct client *c, const unsigned char *hash,
                          const unsigned char *verify_data)
{
    unsigned char key[TLS13_HASH_BYTES], mac[TLS13_HASH_BYTES];
    size_t bytes = 0;
    int ok =
        expand(c->server, "tls13 finished", NULL, key, sizeof(key)) &&
        EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, sizeof(key), hash,
                  TLS13_HASH_BYTES, mac, sizeof(mac), &bytes) != NULL &&
        bytes == sizeof(mac) &&
        CRYPTO_memcmp(mac, verify_data, sizeof(mac)) == 0;

    OPENSSL_cleanse(key, sizeof(key));
    return ok;
}

/* Walk through the flight: what is fixed, CertificateVerify, Finished, and the
   type of the record at the end. */
static int check_flight(const struct client *c)
{
    const struct tls13_shared *common = c->common;
    size_t at = common->fixed_bytes, signature_bytes, end;
    const unsigned char *f = c->flight;
    unsigned char hash[TLS13_HASH_BYTES];

    if (c->flight_bytes < at + 8 ||
        memcmp(f, common->fixed, common->fixed_bytes) != 0)
        return 0;
    signature_bytes = f[at + 7];
    end = at + 8 + signature_bytes;
    if (f[at] != 15 || f[at + 1] != 0 || f[at + 2] != 0 ||
        f[at + 3] != 4 + signature_bytes || f[at + 4] != 4 || f[at + 5] != 3 ||
        f[at + 6] != 0 || c->flight_bytes != end + 4 + TLS13_HASH_BYTES + 1)
        return 0;
    if (memcmp(f + end, "\x14\x00\x00\x20", 4) != 0 ||
        f[c->flight_bytes - 1] != 22)
        return 0;
    return hash_transcript(c, at, hash) &&
           check_signature(c, hash, f + at + 8, signature_bytes) &&
           hash_transcript(c, end, hash) &&
           check_finished(c, hash, f + end + 4);
}

/* The secrets that protect what follows. */
static int check_application(const struct client *c)
{
    const struct tls13_traffic *theirs = &c->result->application;
    const unsigned char zeros[TLS13_HASH_BYTES] = {0};
    unsigned char secret[TLS13_HASH_BYTES], hash[TLS13_HASH_BYTES];
    struct tls13_traffic ours;
    int ok =
        EVP_Digest("", 0, hash, NULL, c->common->md, NULL) == 1 &&
        expand(c->handshake, "tls13 derived", hash, secret, sizeof(secret)) &&
        extract(secret, zeros, secret) &&
        hash_transcript(c, c->flight_bytes - 1, hash) &&
        expand(secret, "tls13 c ap traffic", hash, ours.client,
               sizeof(ours.client)) &&
        expand(secret, "tls13 s ap traffic", hash, ours.server,
               sizeof(ours.server)) &&
        expand(ours.server, "tls13 key", NULL, ours.server_key,
               sizeof(ours.server_key)) &&
        expand(ours.server, "tls13 iv", NULL, ours.server_iv,
               sizeof(ours.server_iv)) &&
        CRYPTO_memcmp(&ours, theirs, sizeof(ours)) == 0;

    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(&ours, sizeof(ours));
    return ok;
}

int sy__tls13_client_accepts(const struct tls13_shared *common,
                             const struct tls13_result *result, uint64_t n)
{
    struct client c = {.common = common, .result = result};
    unsigned char hello[TLS13_CLIENT_HELLO_BYTES];
    int ok;

    memcpy(hello, common->client_hello, sizeof(hello));
    sy__tls13_number(hello, n);
    ok = memcmp(hello, result->client_hello, sizeof(hello)) == 0 &&
         derive_handshake(&c) && open_record(&c) && check_flight(&c) &&
         check_application(&c);
    OPENSSL_cleanse(&c, sizeof(c));
    return ok;
}
