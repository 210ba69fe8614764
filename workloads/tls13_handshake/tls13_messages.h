/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server and client both know of a handshake: the messages and where
 * things are in them (RFC 8446, section 4), and the certificate, which is a
 * raw public key (RFC 7250).
 */
#ifndef TLS13_MESSAGES_H
#define TLS13_MESSAGES_H

#include "tls13_schedule.h"

#define TLS13_SHARE_BYTES     32
#define TLS13_SIGNATURE_BYTES 72 /* DER of ECDSA on P-256, at most */
#define TLS13_TAG_BYTES       16
#define TLS13_HEADER_BYTES    5 /* of a record */
#define TLS13_FLIGHT_BYTES    512
#define TLS13_CONTEXT_BYTES   (64 + 33 + 1) /* before the hash that is signed */

#define TLS13_CLIENT_HELLO_BYTES   118
#define TLS13_CLIENT_RANDOM_OFFSET 6
#define TLS13_CLIENT_SHARE_OFFSET  86
#define TLS13_SERVER_HELLO_BYTES   90
#define TLS13_SERVER_RANDOM_OFFSET 6
#define TLS13_SERVER_SHARE_OFFSET  52

struct tls13_shared {
    EVP_MD *md;
    EVP_CIPHER *cipher;
    EVP_PKEY *client_key;   /* both parts: for the client's side only */
    EVP_PKEY *client_share; /* the public one */
    EVP_PKEY *key;          /* of the server's certificate */
    EVP_PKEY *certificate;  /* its public part */
    unsigned char client_hello[TLS13_CLIENT_HELLO_BYTES];
    unsigned char server_hello[TLS13_SERVER_HELLO_BYTES];
    unsigned char fixed[160]; /* EncryptedExtensions and Certificate */
    size_t fixed_bytes;
};

/* What the server sent, and what it will send with from now on. */
struct tls13_result {
    unsigned char client_hello[TLS13_CLIENT_HELLO_BYTES]; /* as received */
    unsigned char server_hello[TLS13_SERVER_HELLO_BYTES];
    unsigned char
        record[TLS13_HEADER_BYTES + TLS13_FLIGHT_BYTES + TLS13_TAG_BYTES];
    size_t record_bytes;
    struct tls13_traffic application;
};

/* What a CertificateVerify message signs, before the transcript hash. */
extern const unsigned char sy__tls13_context[TLS13_CONTEXT_BYTES];

/* Complete the handshake as the client, by another way than the server's:
   1 if everything fits and the client hello is that of n. */
int sy__tls13_client_accepts(const struct tls13_shared *common,
                             const struct tls13_result *result, uint64_t n);

/* The secret that two X25519 keys share. Returns 1 or 0. */
int sy__tls13_agree(EVP_PKEY *own, EVP_PKEY *other, unsigned char *secret);

/* Write the random bytes of a client hello that say which operation it is. */
void sy__tls13_number(unsigned char *client_hello, uint64_t n);

#endif
