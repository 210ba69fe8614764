/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and self-signed certificates for TLS servers that are measured and
   tested, and contexts for them and their clients. */
#ifndef SWITCHYARD_BENCH_TLS_CREDENTIALS_H
#define SWITCHYARD_BENCH_TLS_CREDENTIALS_H

#include <openssl/ssl.h>

enum tls_key {
    TLS_KEY_RSA = 0, /* 2048 bits */
    TLS_KEY_ECDSA,   /* P-256 */
};

struct tls_credentials {
    EVP_PKEY *key;
    X509 *certificate;
};

/* Make a certificate for "localhost", self-signed with key and valid for a day.
   Returns NULL on failure, with OpenSSL's reasons on its error queue. */
X509 *tls_certificate_make(EVP_PKEY *key);

/* Make a key and its certificate. Returns 0 or -EIO, with OpenSSL's reasons on
   its error queue and nothing to free. */
int tls_credentials_make(struct tls_credentials *c, enum tls_key key);

void tls_credentials_free(struct tls_credentials *c);

/*
 * Make a context: for the server if is_server, else for a client that trusts
 * that certificate alone and verifies it.
 *
 * @version  TLS1_2_VERSION or TLS1_3_VERSION, and no other is spoken
 *
 * Sessions are not resumed, so every handshake is a full one. Returns NULL on
 * failure.
 */
SSL_CTX *tls_context_make(const struct tls_credentials *c, int is_server,
                          int version);

#endif
