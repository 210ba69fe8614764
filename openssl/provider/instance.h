/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loaded provider: its device, its counters, and the default provider
 * underneath, in a library context of its own.
 *
 * Our provider's context, as OpenSSL passes it around, is the default
 * provider's. So its functions, and all that a later OpenSSL may add to them,
 * can be handed out as they are, and only those that are offloaded are
 * replaced (offloaded.c).
 */
#ifndef INSTANCE_H
#define INSTANCE_H

#include <openssl/core_dispatch.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <stdatomic.h>
#include <stdint.h>

#include "device_runner.h"

/* Our reasons, on OpenSSL's error queue. */
enum {
    REASON_DEVICE = 1,
    REASON_OFFLOAD,
    REASON_NO_DEFAULT,
    REASON_NO_MEMORY,
    REASON_LOST,
};

/* The kinds of context that do something which is offloaded. */
enum slot {
    SLOT_RSA_SIGN,
    SLOT_ECDSA_SIGN,
    SLOT_X25519_DERIVE,
    SLOT_ECDH_DERIVE,
    SLOT_RSA_DECRYPT,
    SLOTS,
    SLOT_NONE = SLOTS,
};

/* What the default provider does in a slot; NULL where it has nothing. */
struct original {
    OSSL_FUNC_signature_newctx_fn *signature_newctx;
    OSSL_FUNC_keyexch_newctx_fn *keyexch_newctx;
    OSSL_FUNC_asym_cipher_newctx_fn *asym_cipher_newctx;
    OSSL_FUNC_signature_freectx_fn *freectx;
    OSSL_FUNC_signature_dupctx_fn *dupctx;
    OSSL_FUNC_signature_sign_fn *sign;
    OSSL_FUNC_signature_digest_sign_fn *digest_sign;
    OSSL_FUNC_signature_digest_sign_final_fn *digest_sign_final;
    OSSL_FUNC_keyexch_derive_fn *derive;
    OSSL_FUNC_asym_cipher_decrypt_fn *decrypt;
};

struct instance {
    struct instance *next;

    const OSSL_CORE_HANDLE *core;
    OSSL_FUNC_core_get_params_fn *core_get_params;

    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *underneath; /* the default provider in libctx */
    void *provctx;             /* its context, and ours */

    struct device_runner *runner;
    unsigned offload; /* bits of the families in provider.c */
    int is_explained;
    char about[256]; /* build info */
    struct original original[SLOTS];
    OSSL_ALGORITHM *algorithms[OSSL_OP__HIGHEST + 1];
    OSSL_DISPATCH *replaced[SLOTS];

    _Atomic uint64_t offloaded;   /* operations that the device did */
    _Atomic uint64_t pauses;      /* of jobs, for these */
    _Atomic uint64_t synchronous; /* done on the spot */
};

/* Find the instance of a provider context; NULL: none. */
struct instance *instance_of(const void *provctx);

/* Put an error of ours on the calling thread's queue, with words of its own. */
#define RAISE(reason, ...) ERR_raise_data(error_library(), reason, __VA_ARGS__)

/* Return the number under which OpenSSL knows our errors. */
int error_library(void);

/*
 * Make the dispatch table of a slot: a copy of the default provider's with the
 * offloaded functions, and what they need, replaced. The originals are kept in
 * the instance.
 *
 * @operation  OSSL_OP_...
 *
 * Returns the table, for OPENSSL_free(), or NULL: no memory.
 */
OSSL_DISPATCH *offloaded_table(struct instance *instance, int operation,
                               enum slot slot, const OSSL_DISPATCH *table);

#endif
