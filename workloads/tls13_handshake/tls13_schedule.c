/* SPDX-License-Identifier: Apache-2.0 */
#include "tls13_schedule.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

static const unsigned char zeros[TLS13_HASH_BYTES];

/* SHA-256 of nothing: the context of "derived" (RFC 8446, 7.1). */
static const unsigned char empty_hash[TLS13_HASH_BYTES] = {
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
    0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
    0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};

EVP_MAC_CTX *sy__tls13_hmac_new(void)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);

    if (ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        ctx = NULL;
    }
    EVP_MAC_free(mac); /* the context has a reference of its own */
    return ctx;
}

int sy__tls13_hmac(EVP_MAC_CTX *hmac, const unsigned char *key,
                   size_t key_bytes, const unsigned char *data, size_t bytes,
                   unsigned char *out)
{
    size_t out_bytes;

    return EVP_MAC_init(hmac, key, key_bytes, NULL) == 1 &&
           EVP_MAC_update(hmac, data, bytes) == 1 &&
           EVP_MAC_final(hmac, out, &out_bytes, TLS13_HASH_BYTES) == 1;
}

int sy__tls13_expand_label(EVP_MAC_CTX *hmac, const unsigned char *secret,
                           const char *label, const unsigned char *context,
                           size_t context_bytes, unsigned char *out,
                           size_t bytes)
{
    unsigned char info[2 + 1 + 18 + 1 + TLS13_HASH_BYTES + 1];
    unsigned char block[TLS13_HASH_BYTES];
    size_t label_bytes = strlen(label), at = 0;
    int ok;

    assert(label_bytes <= 12 && context_bytes <= TLS13_HASH_BYTES);
    assert(bytes <= TLS13_HASH_BYTES);
    info[at++] = 0;
    info[at++] = (unsigned char)bytes;
    info[at++] = (unsigned char)(6 + label_bytes);
    memcpy(info + at, "tls13 ", 6);
    memcpy(info + at + 6, label, label_bytes);
    at += 6 + label_bytes;
    info[at++] = (unsigned char)context_bytes;
    if (context_bytes > 0)
        memcpy(info + at, context, context_bytes);
    at += context_bytes;
    info[at++] = 1; /* the first and only block of HKDF-Expand */

    ok = sy__tls13_hmac(hmac, secret, TLS13_HASH_BYTES, info, at, block);
    if (ok)
        memcpy(out, block, bytes);
    OPENSSL_cleanse(block, sizeof(block));
    return ok;
}

/* One rung of the ladder: extract ikm with a salt derived from secret. */
static int next_secret(EVP_MAC_CTX *hmac, const unsigned char *secret,
                       const unsigned char *ikm, unsigned char *out)
{
    unsigned char salt[TLS13_HASH_BYTES];
    int ok =
        sy__tls13_expand_label(hmac, secret, "derived", empty_hash,
                               sizeof(empty_hash), salt, sizeof(salt)) &&
        sy__tls13_extract(hmac, salt, sizeof(salt), ikm, TLS13_HASH_BYTES, out);

    OPENSSL_cleanse(salt, sizeof(salt));
    return ok;
}

int sy__tls13_handshake_secret(EVP_MAC_CTX *hmac, const unsigned char *shared,
                               unsigned char *secret)
{
    unsigned char early[TLS13_HASH_BYTES];

    return sy__tls13_extract(hmac, zeros, sizeof(zeros), zeros, sizeof(zeros),
                             early) &&
           next_secret(hmac, early, shared, secret);
}

int sy__tls13_master_secret(EVP_MAC_CTX *hmac, const unsigned char *handshake,
                            unsigned char *secret)
{
    return next_secret(hmac, handshake, zeros, secret);
}

int sy__tls13_traffic(EVP_MAC_CTX *hmac, const unsigned char *secret,
                      const char *phase, const unsigned char *transcript,
                      struct tls13_traffic *traffic)
{
    char client[13], server[13];

    snprintf(client, sizeof(client), "c %.2s traffic", phase);
    snprintf(server, sizeof(server), "s %.2s traffic", phase);
    return sy__tls13_expand_label(hmac, secret, client, transcript,
                                  TLS13_HASH_BYTES, traffic->client,
                                  TLS13_HASH_BYTES) &&
           sy__tls13_expand_label(hmac, secret, server, transcript,
                                  TLS13_HASH_BYTES, traffic->server,
                                  TLS13_HASH_BYTES) &&
           sy__tls13_expand_label(hmac, traffic->server, "key", NULL, 0,
                                  traffic->server_key, TLS13_KEY_BYTES) &&
           sy__tls13_expand_label(hmac, traffic->server, "iv", NULL, 0,
                                  traffic->server_iv, TLS13_IV_BYTES);
}

int sy__tls13_finished(EVP_MAC_CTX *hmac, const unsigned char *traffic_secret,
                       const unsigned char *transcript, unsigned char *out)
{
    unsigned char key[TLS13_HASH_BYTES];
    int ok = sy__tls13_expand_label(hmac, traffic_secret, "finished", NULL, 0,
                                    key, sizeof(key)) &&
             sy__tls13_hmac(hmac, key, sizeof(key), transcript,
                            TLS13_HASH_BYTES, out);

    OPENSSL_cleanse(key, sizeof(key));
    return ok;
}
