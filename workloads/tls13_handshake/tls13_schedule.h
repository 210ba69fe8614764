/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key schedule of TLS 1.3 with SHA-256 (RFC 8446, section 7.1): HKDF
 * (RFC 5869) on an HMAC context that the caller keeps, so that it allocates
 * nothing. Secrets, salts and hashes have 32 bytes.
 *
 * All functions return 1, or 0 when libcrypto fails.
 */
#ifndef TLS13_SCHEDULE_H
#define TLS13_SCHEDULE_H

#include <openssl/evp.h>
#include <stddef.h>

#define TLS13_HASH_BYTES 32
#define TLS13_KEY_BYTES  16
#define TLS13_IV_BYTES   12

/* The two traffic secrets of a phase, and what the server sends with. */
struct tls13_traffic {
    unsigned char client[TLS13_HASH_BYTES];
    unsigned char server[TLS13_HASH_BYTES];
    unsigned char server_key[TLS13_KEY_BYTES];
    unsigned char server_iv[TLS13_IV_BYTES];
};

/* Make an HMAC-SHA256 context; NULL on failure. Ends with
   EVP_MAC_CTX_free(). */
EVP_MAC_CTX *sy__tls13_hmac_new(void);

int sy__tls13_hmac(EVP_MAC_CTX *hmac, const unsigned char *key,
                   size_t key_bytes, const unsigned char *data, size_t bytes,
                   unsigned char *out);

/* HKDF-Extract: the same HMAC, with the salt as the key. */
#define sy__tls13_extract sy__tls13_hmac

/* HKDF-Expand-Label of up to 32 bytes; label without "tls13 ", at most 12
   bytes; context at most 32. */
int sy__tls13_expand_label(EVP_MAC_CTX *hmac, const unsigned char *secret,
                           const char *label, const unsigned char *context,
                           size_t context_bytes, unsigned char *out,
                           size_t bytes);

/* From the shared secret to the handshake secret, without a pre-shared key. */
int sy__tls13_handshake_secret(EVP_MAC_CTX *hmac, const unsigned char *shared,
                               unsigned char *secret);

/* From the handshake secret to the master secret. */
int sy__tls13_master_secret(EVP_MAC_CTX *hmac, const unsigned char *handshake,
                            unsigned char *secret);

/* The traffic secrets of a phase ("hs" or "ap"), given the transcript hash. */
int sy__tls13_traffic(EVP_MAC_CTX *hmac, const unsigned char *secret,
                      const char *phase, const unsigned char *transcript,
                      struct tls13_traffic *traffic);

/* The verify_data of a Finished message. */
int sy__tls13_finished(EVP_MAC_CTX *hmac, const unsigned char *traffic_secret,
                       const unsigned char *transcript, unsigned char *out);

#endif
