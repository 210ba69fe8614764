/* SPDX-License-Identifier: Apache-2.0 */
/* What the workloads on libcrypto have in common. For those of this folder. */
#ifndef WORKLOAD_CRYPTO_H
#define WORKLOAD_CRYPTO_H

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>

/* Turn what libcrypto returned into 0 or -EIO. Its error queue belongs to the
   thread, which runs other jobs too: leave nothing in it. */
static inline int sy__crypto_result(int ok)
{
    if (ok == 1)
        return 0;
    ERR_clear_error();
    return -EIO;
}

/* Answer a probe. */
static inline int sy__crypto_probe(int is_there, const char *what, char *why,
                                   size_t why_bytes)
{
    if (is_there) {
        if (why_bytes > 0)
            why[0] = '\0';
        return 0;
    }
    ERR_clear_error();
    if (why_bytes > 0)
        snprintf(why, why_bytes, "%s does not provide %s",
                 OpenSSL_version(OPENSSL_VERSION), what);
    return -ENOTSUP;
}

/* Is there a key type of this name? */
static inline int sy__crypto_has_key(const char *name)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
    int is_there = ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1;

    EVP_PKEY_CTX_free(ctx);
    return is_there;
}

/* Is there a digest of this name? */
static inline int sy__crypto_has_digest(const char *name)
{
    EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);

    EVP_MD_free(md);
    return md != NULL;
}

/* Is there a cipher of this name? */
static inline int sy__crypto_has_cipher(const char *name)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);

    EVP_CIPHER_free(cipher);
    return cipher != NULL;
}

#endif
