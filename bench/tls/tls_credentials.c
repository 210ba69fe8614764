/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_credentials.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#define VALID_S (24 * 60 * 60)

static EVP_PKEY *make_key(enum tls_key key)
{
    return key == TLS_KEY_RSA ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
}

X509 *tls_certificate_make(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name;

    if (cert == NULL)
        return NULL;
    name = X509_get_subject_name(cert);
    if (X509_set_version(cert, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -VALID_S) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(cert), VALID_S) != NULL &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   (const unsigned char *)"localhost", -1, -1,
                                   0) == 1 &&
        X509_set_issuer_name(cert, name) == 1 &&
        X509_set_pubkey(cert, key) == 1 &&
        X509_sign(cert, key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return NULL;
}

int tls_credentials_make(struct tls_credentials *c, enum tls_key key)
{
    c->certificate = NULL;
    c->key = make_key(key);
    if (c->key != NULL)
        c->certificate = tls_certificate_make(c->key);
    if (c->certificate != NULL)
        return 0;
    tls_credentials_free(c);
    return -EIO;
}

void tls_credentials_free(struct tls_credentials *c)
{
    X509_free(c->certificate);
    EVP_PKEY_free(c->key);
    memset(c, 0, sizeof(*c));
}

static int set_up(SSL_CTX *ctx, const struct tls_credentials *c, int is_server,
                  int version)
{
    if (SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, version) != 1)
        return -EIO;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (SSL_CTX_set_num_tickets(ctx, 0) != 1)
        return -EIO;
    if (!is_server) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        return X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
                                   c->certificate) == 1
                   ? 0
                   : -EIO;
    }
    return SSL_CTX_use_certificate(ctx, c->certificate) == 1 &&
                   SSL_CTX_use_PrivateKey(ctx, c->key) == 1
               ? 0
               : -EIO;
}

SSL_CTX *tls_context_make(const struct tls_credentials *c, int is_server,
                          int version)
{
    SSL_CTX *ctx =
        SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());

    if (ctx != NULL && set_up(ctx, c, is_server, version) != 0) {
        SSL_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}
