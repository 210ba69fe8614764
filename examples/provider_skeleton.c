/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider that offloads X25519 with the kit of switchyard/offload.h; what
 * else one does with such keys is the default provider's. The device is a
 * thread for each operation: put yours in give_to_device(). docs/provider.md
 * says how to build and load it.
 */
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <string.h>
#include <switchyard/offload.h>

static OSSL_LIB_CTX *libctx; /* a real one keeps these per provctx */
static OSSL_PROVIDER *underneath;
static OSSL_FUNC_keyexch_derive_fn *derive_underneath;
static OSSL_ALGORITHM keymgmt[2], keyexch[2]; /* the last one is empty */
static OSSL_DISPATCH functions[16];

/* All that the device reads and writes: it may outlive the job. */
struct request {
    struct sy_offload *op;
    void *ctx;
    unsigned char secret[32];
    size_t secret_bytes;
    int result;
};

static void *device(void *arg)
{
    struct request *request = arg;

    request->result =
        derive_underneath(request->ctx, request->secret, &request->secret_bytes,
                          sizeof(request->secret));
    sy_offload_complete(request->op, 0); /* the last access to request */
    return NULL;
}

static int give_to_device(struct request *request)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, device, request) != 0)
        return -1;
    pthread_detach(thread);
    return 0;
}

static int derive(void *ctx, unsigned char *secret, size_t *bytes, size_t room)
{
    struct sy_offload *op;
    struct request *request;
    int result = 0;

    if (secret == NULL || room < sizeof(request->secret) ||
        !sy_offload_in_job() || sy_offload_begin(&op, sizeof(*request)) != 0)
        return derive_underneath(ctx, secret, bytes, room);
    request = sy_offload_data(op);
    request->op = op;
    request->ctx = ctx;
    sy_offload_submit(op);
    if (give_to_device(request) != 0)
        device(request); /* no thread: then here and now */
    /* Here the job pauses. */
    if (sy_offload_wait(op) == 0 && request->result == 1) {
        memcpy(secret, request->secret, request->secret_bytes);
        *bytes = request->secret_bytes;
        result = 1;
    }
    sy_offload_end(op);
    return result;
}

/* Copy the default provider's entry for X25519. Returns 1, or 0: none. */
static int take(int operation, OSSL_ALGORITHM *ours)
{
    int no_cache;
    const OSSL_ALGORITHM *at =
        OSSL_PROVIDER_query_operation(underneath, operation, &no_cache);

    while (at->algorithm_names != NULL &&
           strncmp(at->algorithm_names, "X25519:", 7) != 0)
        at++;
    *ours = *at;
    ours->property_definition = "provider=skeleton";
    return at->algorithm_names != NULL;
}

static void replace_derive(void)
{
    for (size_t i = 0; keyexch->implementation[i].function_id != 0; i++) {
        functions[i] = keyexch->implementation[i];
        if (functions[i].function_id == OSSL_FUNC_KEYEXCH_DERIVE) {
            derive_underneath = OSSL_FUNC_keyexch_derive(&functions[i]);
            functions[i].function = (void (*)(void))derive;
        }
    }
    keyexch->implementation = functions;
}

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_cache)
{
    (void)provctx;
    *no_cache = 0;
    if (operation == OSSL_OP_KEYMGMT)
        return keymgmt;
    return operation == OSSL_OP_KEYEXCH ? keyexch : NULL;
}

/* TLS uses X25519 only if the provider of such keys names the group. */
static int groups(void *provctx, const char *what, OSSL_CALLBACK *cb, void *arg)
{
    (void)provctx;
    return OSSL_PROVIDER_get_capabilities(underneath, what, cb, arg);
}

static void teardown(void *provctx)
{
    (void)provctx;
    OSSL_PROVIDER_unload(underneath);
    OSSL_LIB_CTX_free(libctx);
}

SY_API OSSL_provider_init_fn OSSL_provider_init;

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                       const OSSL_DISPATCH **out, void **provctx)
{
    static const OSSL_DISPATCH ours[] = {
        {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown},
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
        {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))groups},
        {0, NULL},
    };

    (void)handle, (void)in;
    libctx = OSSL_LIB_CTX_new();
    underneath = OSSL_PROVIDER_load(libctx, "default");
    if (underneath == NULL || !take(OSSL_OP_KEYMGMT, keymgmt) ||
        !take(OSSL_OP_KEYEXCH, keyexch)) {
        teardown(NULL);
        return 0;
    }
    replace_derive();
    *out = ours;
    *provctx = OSSL_PROVIDER_get0_provider_ctx(underneath); /* for theirs */
    return 1;
}
