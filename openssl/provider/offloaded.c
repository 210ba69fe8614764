/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that differ from the default provider's. Each one asks the
 * original how much room the result needs, copies the input into an operation
 * of the kit, and has the device's thread call the original; in a job that
 * pauses meanwhile. What was copied back is the original's result and, if it
 * failed, its errors, which OpenSSL keeps per thread.
 *
 * The device works on memory of the operation only, for the job may be dropped
 * while it is paused, with the buffers of its SSL. The context and its keys
 * belong to the job's frames, which OpenSSL never frees then.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/offload.h>

#include "context_table.h"
#include "instance.h"

#define ERRORS_MAX 4

enum call { SIGN, DIGEST_SIGN, DIGEST_SIGN_FINAL, DERIVE, DECRYPT };

struct raised {
    unsigned long code;
    int line;
    char file[64], function[48], data[144];
};

struct request {
    struct sy_device_op device_op;
    struct sy_offload *op;
    const struct original *original;
    void *ctx;
    enum call call;
    unsigned char *out;
    const unsigned char *in;
    size_t out_room, out_bytes, in_bytes;
    int is_computed, result;
    int error_count;
    struct raised error[ERRORS_MAX];
    unsigned char bytes[]; /* in, then out */
};

static int call_original(enum call call, const struct original *original,
                         void *ctx, unsigned char *out, size_t *out_bytes,
                         size_t out_room, const unsigned char *in,
                         size_t in_bytes)
{
    switch (call) {
    case SIGN:
        return original->sign(ctx, out, out_bytes, out_room, in, in_bytes);
    case DIGEST_SIGN:
        return original->digest_sign(ctx, out, out_bytes, out_room, in,
                                     in_bytes);
    case DIGEST_SIGN_FINAL:
        return original->digest_sign_final(ctx, out, out_bytes, out_room);
    case DERIVE:
        return original->derive(ctx, out, out_bytes, out_room);
    case DECRYPT:
        return original->decrypt(ctx, out, out_bytes, out_room, in, in_bytes);
    }
    return 0;
}

/* ---- on the device's thread --------------------------------------------- */

static void keep_errors(struct request *request)
{
    const char *file, *function, *data;
    int flags;

    while (request->error_count < ERRORS_MAX) {
        struct raised *at = &request->error[request->error_count];

        at->code =
            ERR_get_error_all(&file, &at->line, &function, &data, &flags);
        if (at->code == 0)
            break;
        snprintf(at->file, sizeof(at->file), "%s", file);
        snprintf(at->function, sizeof(at->function), "%s", function);
        snprintf(at->data, sizeof(at->data), "%s",
                 (flags & ERR_TXT_STRING) != 0 ? data : "");
        request->error_count++;
    }
    ERR_clear_error();
}

static int execute(void *arg)
{
    struct request *request = arg;

    device_runner_enter();
    ERR_clear_error();
    request->result = call_original(
        request->call, request->original, request->ctx, request->out,
        &request->out_bytes, request->out_room, request->in, request->in_bytes);
    if (request->result <= 0)
        keep_errors(request);
    device_runner_leave();
    request->is_computed = 1;
    return 0;
}

static void announce(struct sy_waker waker, void *user)
{
    struct request *request = user;

    (void)waker;
    sy_offload_complete(request->op, request->device_op.status);
}

/* ---- on the caller's ---------------------------------------------------- */

static void raise_again(const struct request *request)
{
    for (int i = 0; i < request->error_count; i++) {
        const struct raised *at = &request->error[i];

        ERR_new();
        ERR_set_debug(at->file, at->line, at->function);
        if (at->data[0] != '\0')
            ERR_set_error(ERR_GET_LIB(at->code), ERR_GET_REASON(at->code), "%s",
                          at->data);
        else
            ERR_set_error(ERR_GET_LIB(at->code), ERR_GET_REASON(at->code),
                          NULL);
    }
}

static struct request *request_new(enum call call,
                                   const struct original *original, void *ctx,
                                   size_t out_room, const unsigned char *in,
                                   size_t in_bytes)
{
    struct sy_offload *op;
    struct request *request;

    if (in_bytes > SIZE_MAX / 4 || out_room > SIZE_MAX / 4 ||
        sy_offload_begin(&op, sizeof(*request) + in_bytes + out_room) != 0)
        return NULL;
    request = sy_offload_data(op);
    request->device_op.execute = execute;
    request->device_op.arg = request;
    request->device_op.notify = announce;
    request->device_op.user = request;
    request->op = op;
    request->original = original;
    request->ctx = ctx;
    request->call = call;
    request->in = request->bytes;
    request->in_bytes = in_bytes;
    request->out = request->bytes + in_bytes;
    request->out_room = out_room;
    if (in_bytes > 0)
        memcpy(request->bytes, in, in_bytes);
    return request;
}

/* Submit and wait. Returns 1 if the request has a result; 0: it was not done;
   -1: nobody knows, and the context must not be used. */
static int have_it_done(struct instance *instance, struct request *request)
{
    struct sy_offload *op = request->op;
    int status;

    sy_offload_submit(op);
    if (device_runner_submit(instance->runner, &request->device_op) != 0) {
        sy_offload_complete(op, -EAGAIN);
        return 0;
    }
    status = sy_offload_wait(op);
    atomic_fetch_add_explicit(&instance->pauses, sy_offload_pauses(op),
                              memory_order_relaxed);
    if (status == -ECANCELED)
        return -1;
    return status == 0 && request->is_computed;
}

static int take_result(struct request *request, unsigned char *out,
                       size_t *out_bytes)
{
    if (request->result <= 0) {
        raise_again(request);
        return request->result;
    }
    *out_bytes = request->out_bytes;
    /* Of what was decrypted, all the room: its length may be a secret. */
    memcpy(out, request->out,
           request->call == DECRYPT ? request->out_room : request->out_bytes);
    return request->result;
}

static int offload(enum call call, void *ctx, unsigned char *out,
                   size_t *out_bytes, size_t out_room, const unsigned char *in,
                   size_t in_bytes)
{
    struct instance *instance;
    const struct original *original;
    struct request *request;
    enum slot slot;
    size_t need = 0;
    int done, result = 0;

    if (!context_find(ctx, &instance, &slot))
        return 0;
    original = &instance->original[slot];
    if (out == NULL) /* only asks for the size */
        return call_original(call, original, ctx, out, out_bytes, out_room, in,
                             in_bytes);
    if (!sy_offload_in_job())
        goto on_the_spot;
    if (call_original(call, original, ctx, NULL, &need, 0, in, in_bytes) <= 0)
        return 0;
    /* Callers may claim more room than there is. */
    request = request_new(call, original, ctx,
                          out_room < need ? out_room : need, in, in_bytes);
    if (request == NULL)
        goto on_the_spot;
    done = have_it_done(instance, request);
    if (done == 1) {
        atomic_fetch_add_explicit(&instance->offloaded, 1,
                                  memory_order_relaxed);
        result = take_result(request, out, out_bytes);
    }
    sy_offload_end(request->op);
    if (done == 1)
        return result;
    if (done == -1) {
        RAISE(REASON_LOST,
              "the device was closed, or the process has forked, while the "
              "job was paused");
        return 0;
    }

on_the_spot:
    atomic_fetch_add_explicit(&instance->synchronous, 1, memory_order_relaxed);
    return call_original(call, original, ctx, out, out_bytes, out_room, in,
                         in_bytes);
}

static int offloaded_sign(void *ctx, unsigned char *sig, size_t *sig_bytes,
                          size_t sig_room, const unsigned char *tbs,
                          size_t tbs_bytes)
{
    return offload(SIGN, ctx, sig, sig_bytes, sig_room, tbs, tbs_bytes);
}

static int offloaded_digest_sign(void *ctx, unsigned char *sig,
                                 size_t *sig_bytes, size_t sig_room,
                                 const unsigned char *tbs, size_t tbs_bytes)
{
    return offload(DIGEST_SIGN, ctx, sig, sig_bytes, sig_room, tbs, tbs_bytes);
}

static int offloaded_digest_sign_final(void *ctx, unsigned char *sig,
                                       size_t *sig_bytes, size_t sig_room)
{
    return offload(DIGEST_SIGN_FINAL, ctx, sig, sig_bytes, sig_room, NULL, 0);
}

static int offloaded_derive(void *ctx, unsigned char *secret,
                            size_t *secret_bytes, size_t secret_room)
{
    return offload(DERIVE, ctx, secret, secret_bytes, secret_room, NULL, 0);
}

static int offloaded_decrypt(void *ctx, unsigned char *out, size_t *out_bytes,
                             size_t out_room, const unsigned char *in,
                             size_t in_bytes)
{
    return offload(DECRYPT, ctx, out, out_bytes, out_room, in, in_bytes);
}

/* ---- contexts ----------------------------------------------------------- */

static void freectx(void *ctx)
{
    struct instance *instance;
    enum slot slot;

    if (!context_find(ctx, &instance, &slot))
        return;
    context_remove(ctx);
    instance->original[slot].freectx(ctx);
}

/* Takes a context that the default provider has made. */
static void *entered(void *ctx, struct instance *instance, enum slot slot)
{
    if (ctx == NULL || context_enter(ctx, instance, slot))
        return ctx;
    instance->original[slot].freectx(ctx);
    return NULL;
}

static void *dupctx(void *ctx)
{
    struct instance *instance;
    enum slot slot;

    if (!context_find(ctx, &instance, &slot))
        return NULL;
    return entered(instance->original[slot].dupctx(ctx), instance, slot);
}

/*
 * A new context does not say for which algorithm it is, so there is one
 * function for each. The property query is left out: it was for choosing this
 * provider, and underneath is only one to choose.
 */
static void *new_signature(void *provctx, enum slot slot)
{
    struct instance *instance = instance_of(provctx);

    if (instance == NULL)
        return NULL;
    return entered(instance->original[slot].signature_newctx(provctx, NULL),
                   instance, slot);
}

static void *new_rsa_sign(void *provctx, const char *propq)
{
    (void)propq;
    return new_signature(provctx, SLOT_RSA_SIGN);
}

static void *new_ecdsa_sign(void *provctx, const char *propq)
{
    (void)propq;
    return new_signature(provctx, SLOT_ECDSA_SIGN);
}

static void *new_keyexch(void *provctx, enum slot slot)
{
    struct instance *instance = instance_of(provctx);

    if (instance == NULL)
        return NULL;
    return entered(instance->original[slot].keyexch_newctx(provctx), instance,
                   slot);
}

static void *new_x25519_derive(void *provctx)
{
    return new_keyexch(provctx, SLOT_X25519_DERIVE);
}

static void *new_ecdh_derive(void *provctx)
{
    return new_keyexch(provctx, SLOT_ECDH_DERIVE);
}

static void *new_rsa_decrypt(void *provctx)
{
    struct instance *instance = instance_of(provctx);

    if (instance == NULL)
        return NULL;
    return entered(
        instance->original[SLOT_RSA_DECRYPT].asym_cipher_newctx(provctx),
        instance, SLOT_RSA_DECRYPT);
}

/* ---- tables ------------------------------------------------------------- */

typedef void (*function)(void);

/* Keep the original of one entry of a table. Returns what stands in for it. */
static function replace_signature(struct original *original, enum slot slot,
                                  const OSSL_DISPATCH *at)
{
    switch (at->function_id) {
    case OSSL_FUNC_SIGNATURE_NEWCTX:
        original->signature_newctx = OSSL_FUNC_signature_newctx(at);
        return slot == SLOT_RSA_SIGN ? (function)new_rsa_sign
                                     : (function)new_ecdsa_sign;
    case OSSL_FUNC_SIGNATURE_FREECTX:
        original->freectx = OSSL_FUNC_signature_freectx(at);
        return (function)freectx;
    case OSSL_FUNC_SIGNATURE_DUPCTX:
        original->dupctx = OSSL_FUNC_signature_dupctx(at);
        return (function)dupctx;
    case OSSL_FUNC_SIGNATURE_SIGN:
        original->sign = OSSL_FUNC_signature_sign(at);
        return (function)offloaded_sign;
    case OSSL_FUNC_SIGNATURE_DIGEST_SIGN:
        original->digest_sign = OSSL_FUNC_signature_digest_sign(at);
        return (function)offloaded_digest_sign;
    case OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL:
        original->digest_sign_final = OSSL_FUNC_signature_digest_sign_final(at);
        return (function)offloaded_digest_sign_final;
    default:
        return at->function;
    }
}

static function replace_keyexch(struct original *original, enum slot slot,
                                const OSSL_DISPATCH *at)
{
    switch (at->function_id) {
    case OSSL_FUNC_KEYEXCH_NEWCTX:
        original->keyexch_newctx = OSSL_FUNC_keyexch_newctx(at);
        return slot == SLOT_X25519_DERIVE ? (function)new_x25519_derive
                                          : (function)new_ecdh_derive;
    case OSSL_FUNC_KEYEXCH_FREECTX:
        original->freectx = OSSL_FUNC_keyexch_freectx(at);
        return (function)freectx;
    case OSSL_FUNC_KEYEXCH_DUPCTX:
        original->dupctx = OSSL_FUNC_keyexch_dupctx(at);
        return (function)dupctx;
    case OSSL_FUNC_KEYEXCH_DERIVE:
        original->derive = OSSL_FUNC_keyexch_derive(at);
        return (function)offloaded_derive;
    default:
        return at->function;
    }
}

static function replace_asym_cipher(struct original *original,
                                    const OSSL_DISPATCH *at)
{
    switch (at->function_id) {
    case OSSL_FUNC_ASYM_CIPHER_NEWCTX:
        original->asym_cipher_newctx = OSSL_FUNC_asym_cipher_newctx(at);
        return (function)new_rsa_decrypt;
    case OSSL_FUNC_ASYM_CIPHER_FREECTX:
        original->freectx = OSSL_FUNC_asym_cipher_freectx(at);
        return (function)freectx;
    case OSSL_FUNC_ASYM_CIPHER_DUPCTX:
        original->dupctx = OSSL_FUNC_asym_cipher_dupctx(at);
        return (function)dupctx;
    case OSSL_FUNC_ASYM_CIPHER_DECRYPT:
        original->decrypt = OSSL_FUNC_asym_cipher_decrypt(at);
        return (function)offloaded_decrypt;
    default:
        return at->function;
    }
}

OSSL_DISPATCH *offloaded_table(struct instance *instance, int operation,
                               enum slot slot, const OSSL_DISPATCH *table)
{
    struct original *original = &instance->original[slot];
    OSSL_DISPATCH *copy;
    size_t count = 0;

    while (table[count].function_id != 0)
        count++;
    copy = OPENSSL_zalloc((count + 1) * sizeof(*copy));
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        copy[i] = table[i];
        if (operation == OSSL_OP_SIGNATURE)
            copy[i].function = replace_signature(original, slot, &table[i]);
        else if (operation == OSSL_OP_KEYEXCH)
            copy[i].function = replace_keyexch(original, slot, &table[i]);
        else
            copy[i].function = replace_asym_cipher(original, &table[i]);
    }
    return copy;
}
