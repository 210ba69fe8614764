/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard.so: an OpenSSL provider that has the private-key operations of
 * RSA, ECDSA, X25519 and ECDH done by a Switchyard device. docs/provider.md is
 * its manual.
 *
 * Keys of these kinds must be ours for OpenSSL to ask us, so for each kind
 * everything that the default provider can do with such a key is handed out,
 * most of it as it is. What is not about these keys is not ours at all: OpenSSL
 * goes on to the provider that is loaded beside.
 */
#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <switchyard/compiler.h>
#include <switchyard/version.h>
#include <unistd.h>

#include "instance.h"

#define DEVICE_BY_DEFAULT "workers:2"
#define PROPERTIES        "provider=switchyard"

enum {
    OFFLOAD_RSA = 1 << 0,
    OFFLOAD_ECDSA = 1 << 1,
    OFFLOAD_X25519 = 1 << 2,
    OFFLOAD_ECDH = 1 << 3,
    OFFLOAD_ALL = (1 << 4) - 1,
};

static const struct {
    const char *name;
    unsigned bit;
} offloads[] = {
    {"rsa", OFFLOAD_RSA},
    {"ecdsa", OFFLOAD_ECDSA},
    {"x25519", OFFLOAD_X25519},
    {"ecdh", OFFLOAD_ECDH},
};
#define OFFLOADS (sizeof(offloads) / sizeof(offloads[0]))

/* What there is to hand out: by name, if one of the bits in wanted is set; with
   replaced functions if the one in replaced is. */
static const struct {
    int operation;
    const char *name;
    unsigned wanted, replaced;
    enum slot slot;
} handed_out[] = {
    {OSSL_OP_KEYMGMT, "RSA", OFFLOAD_RSA, 0, SLOT_NONE},
    {OSSL_OP_KEYMGMT, "RSA-PSS", OFFLOAD_RSA, 0, SLOT_NONE},
    {OSSL_OP_SIGNATURE, "RSA", OFFLOAD_RSA, OFFLOAD_RSA, SLOT_RSA_SIGN},
    {OSSL_OP_ASYM_CIPHER, "RSA", OFFLOAD_RSA, OFFLOAD_RSA, SLOT_RSA_DECRYPT},
    {OSSL_OP_KEM, "RSA", OFFLOAD_RSA, 0, SLOT_NONE},
    {OSSL_OP_KEYMGMT, "EC", OFFLOAD_ECDSA | OFFLOAD_ECDH, 0, SLOT_NONE},
    {OSSL_OP_SIGNATURE, "ECDSA", OFFLOAD_ECDSA | OFFLOAD_ECDH, OFFLOAD_ECDSA,
     SLOT_ECDSA_SIGN},
    {OSSL_OP_KEYEXCH, "ECDH", OFFLOAD_ECDSA | OFFLOAD_ECDH, OFFLOAD_ECDH,
     SLOT_ECDH_DERIVE},
    {OSSL_OP_KEM, "EC", OFFLOAD_ECDSA | OFFLOAD_ECDH, 0, SLOT_NONE},
    {OSSL_OP_KEYMGMT, "X25519", OFFLOAD_X25519, 0, SLOT_NONE},
    {OSSL_OP_KEYEXCH, "X25519", OFFLOAD_X25519, OFFLOAD_X25519,
     SLOT_X25519_DERIVE},
    {OSSL_OP_KEM, "X25519", OFFLOAD_X25519, 0, SLOT_NONE},
};

/* ---- instances ---------------------------------------------------------- */

static struct {
    pthread_rwlock_t lock;
    struct instance *first;
} instances = {.lock = PTHREAD_RWLOCK_INITIALIZER};

/* A fork takes the lock, so that the child finds it free. */
static void before_fork(void)
{
    pthread_rwlock_rdlock(&instances.lock);
}

static void after_fork(void)
{
    pthread_rwlock_unlock(&instances.lock);
}

static void after_fork_in_child(void)
{
    static const pthread_rwlock_t fresh = PTHREAD_RWLOCK_INITIALIZER;

    memcpy(&instances.lock, &fresh, sizeof(fresh)); /* others may read */
}

static void explain_all(void);

static void watch_process(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
    (void)atexit(explain_all);
}

static void instance_enter(struct instance *instance)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch_process);
    pthread_rwlock_wrlock(&instances.lock);
    instance->next = instances.first;
    instances.first = instance;
    pthread_rwlock_unlock(&instances.lock);
}

static void instance_remove(struct instance *instance)
{
    struct instance **at;

    pthread_rwlock_wrlock(&instances.lock);
    for (at = &instances.first; *at != NULL; at = &(*at)->next)
        if (*at == instance) {
            *at = instance->next;
            break;
        }
    pthread_rwlock_unlock(&instances.lock);
}

struct instance *instance_of(const void *provctx)
{
    struct instance *at;

    pthread_rwlock_rdlock(&instances.lock);
    at = instances.first;
    while (at != NULL && at->provctx != provctx)
        at = at->next;
    pthread_rwlock_unlock(&instances.lock);
    return at;
}

static void instance_free(struct instance *instance)
{
    instance_remove(instance);
    device_runner_close(instance->runner);
    for (int i = 0; i <= OSSL_OP__HIGHEST; i++)
        OPENSSL_free(instance->algorithms[i]);
    for (int i = 0; i < SLOTS; i++)
        OPENSSL_free(instance->replaced[i]);
    if (instance->underneath != NULL)
        OSSL_PROVIDER_unload(instance->underneath);
    OSSL_LIB_CTX_free(instance->libctx);
    OPENSSL_free(instance);
}

/* ---- errors ------------------------------------------------------------- */

static int library;

static void load_errors(void)
{
    static ERR_STRING_DATA strings[] = {
        {REASON_DEVICE, "the device cannot be opened"},
        {REASON_OFFLOAD, "wrong value of the parameter offload"},
        {REASON_NO_DEFAULT, "no default provider underneath"},
        {REASON_NO_MEMORY, "no memory"},
        {REASON_LOST, "an offloaded operation was lost"},
        {0, NULL},
    };
    static ERR_STRING_DATA name[] = {{0, "switchyard"}, {0, NULL}};

    library = ERR_get_next_error_library();
    name[0].error = ERR_PACK(library, 0, 0);
    (void)ERR_load_strings(library, strings);
    (void)ERR_load_strings(0, name);
}

/* Not the library that OpenSSL has for each provider: its strings are loaded
   only after the provider, so that errors of loading would have no words. */
int error_library(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load_errors);
    return library;
}

/* OpenSSL 3.0 drops the errors of a provider that its configuration file names:
   then this line is all that anybody sees. */
static void tell_why(void)
{
    const char *why;
    int flags;

    if (ERR_peek_last_error_all(NULL, NULL, NULL, &why, &flags) != 0 &&
        (flags & ERR_TXT_STRING) != 0)
        fprintf(stderr, "switchyard provider not loaded: %s\n", why);
}

/* ---- parameters --------------------------------------------------------- */

static const char *configured(const struct instance *instance, const char *name,
                              const char *by_default)
{
    char *value = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_ptr(name, &value, 0),
        OSSL_PARAM_construct_end(),
    };

    if (instance->core_get_params == NULL ||
        !instance->core_get_params(instance->core, params) || value == NULL)
        return by_default;
    return value;
}

static unsigned offload_bit(const char *word, size_t bytes)
{
    for (size_t i = 0; i < OFFLOADS; i++)
        if (strlen(offloads[i].name) == bytes &&
            memcmp(offloads[i].name, word, bytes) == 0)
            return offloads[i].bit;
    return 0;
}

/* "rsa, ecdsa": words separated by commas, and blanks around them. */
static int parse_offload(struct instance *instance, const char *text)
{
    const char *at = text;
    unsigned bit;
    size_t bytes;

    for (;;) {
        at += strspn(at, " \t");
        bytes = strcspn(at, ", \t");
        bit = offload_bit(at, bytes);
        if (bit == 0 || (instance->offload & bit) != 0) {
            RAISE(REASON_OFFLOAD,
                  "offload = %.100s: \"%.*s\" is %s; accepted: a list, "
                  "separated by commas, of rsa, ecdsa, x25519, ecdh",
                  text, (int)(bytes < 64 ? bytes : 64), at,
                  bit == 0 ? "no kind of operation that can be offloaded"
                           : "given twice");
            return 0;
        }
        instance->offload |= bit;
        at += bytes;
        at += strspn(at, " \t");
        if (*at == '\0')
            return 1;
        if (*at == ',')
            at++;
    }
}

static int open_device(struct instance *instance, const char *spec)
{
    char why[512] = "";

    if (device_runner_open(&instance->runner, spec, why, sizeof(why)) != 0) {
        RAISE(REASON_DEVICE, "device = %.200s: %s", spec, why);
        return 0;
    }
    return 1;
}

static void describe(struct instance *instance, const char *device)
{
    size_t used;

    snprintf(instance->about, sizeof(instance->about),
             SY_VERSION_STRING ", device %.160s, offloads", device);
    for (size_t i = 0; i < OFFLOADS; i++) {
        used = strlen(instance->about);
        if ((instance->offload & offloads[i].bit) != 0)
            snprintf(instance->about + used, sizeof(instance->about) - used,
                     " %s", offloads[i].name);
    }
}

static int configure(struct instance *instance)
{
    const char *device = configured(instance, "device", DEVICE_BY_DEFAULT);
    const char *offload = configured(instance, "offload", NULL);

    if (offload == NULL)
        instance->offload = OFFLOAD_ALL;
    else if (!parse_offload(instance, offload))
        return 0;
    describe(instance, device);
    return open_device(instance, device);
}

/* ---- algorithms --------------------------------------------------------- */

static int is_named(const OSSL_ALGORITHM *algorithm, const char *name)
{
    size_t bytes = strcspn(algorithm->algorithm_names, ":");

    return strlen(name) == bytes &&
           strncmp(algorithm->algorithm_names, name, bytes) == 0;
}

/* Hand out one algorithm of the default provider, or leave it. Returns whether
   it was added; -1: no memory. */
static int add(struct instance *instance, int operation,
               const OSSL_ALGORITHM *algorithm, OSSL_ALGORITHM *added)
{
    const size_t count = sizeof(handed_out) / sizeof(handed_out[0]);
    size_t i = 0;
    enum slot slot;

    while (i < count && (handed_out[i].operation != operation ||
                         (handed_out[i].wanted & instance->offload) == 0 ||
                         !is_named(algorithm, handed_out[i].name)))
        i++;
    if (i == count)
        return 0;
    *added = *algorithm;
    added->property_definition = PROPERTIES;
    slot = handed_out[i].slot;
    if ((handed_out[i].replaced & instance->offload) == 0 ||
        instance->replaced[slot] != NULL)
        return 1;
    instance->replaced[slot] =
        offloaded_table(instance, operation, slot, algorithm->implementation);
    added->implementation = instance->replaced[slot];
    return instance->replaced[slot] != NULL ? 1 : -1;
}

static int add_operation(struct instance *instance, int operation)
{
    int no_cache = 0, added;
    const OSSL_ALGORITHM *all = OSSL_PROVIDER_query_operation(
        instance->underneath, operation, &no_cache);
    OSSL_ALGORITHM *ours;
    size_t count = 0;

    while (all != NULL && all[count].algorithm_names != NULL)
        count++;
    ours = OPENSSL_zalloc((count + 1) * sizeof(*ours));
    if (ours == NULL)
        return 0;
    instance->algorithms[operation] = ours;
    for (size_t i = 0; i < count; i++) {
        added = add(instance, operation, &all[i], ours);
        if (added < 0)
            return 0;
        ours += added;
    }
    return 1;
}

static int look_underneath(struct instance *instance)
{
    static const int operations[] = {OSSL_OP_KEYMGMT, OSSL_OP_SIGNATURE,
                                     OSSL_OP_KEYEXCH, OSSL_OP_ASYM_CIPHER,
                                     OSSL_OP_KEM};

    instance->libctx = OSSL_LIB_CTX_new();
    if (instance->libctx != NULL)
        instance->underneath = OSSL_PROVIDER_load(instance->libctx, "default");
    if (instance->underneath == NULL) {
        RAISE(REASON_NO_DEFAULT,
              "libcrypto's default provider cannot be loaded");
        return 0;
    }
    instance->provctx = OSSL_PROVIDER_get0_provider_ctx(instance->underneath);
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (!add_operation(instance, operations[i])) {
            RAISE(REASON_NO_MEMORY, "for the list of algorithms");
            return 0;
        }
    return 1;
}

/* ---- what OpenSSL calls ------------------------------------------------- */

static const OSSL_ALGORITHM *query_operation(void *provctx, int operation,
                                             int *no_cache)
{
    const struct instance *instance = instance_of(provctx);

    *no_cache = 0;
    if (instance == NULL || operation < 0 || operation > OSSL_OP__HIGHEST)
        return NULL;
    return instance->algorithms[operation];
}

/* TLS uses a group only if the provider that has the key's algorithm names the
   group too. Those of algorithms that are not ours it leaves to others. */
static int get_capabilities(void *provctx, const char *capability,
                            OSSL_CALLBACK *take, void *arg)
{
    const struct instance *instance = instance_of(provctx);

    if (instance == NULL || strcasecmp(capability, "TLS-GROUP") != 0)
        return 0;
    return OSSL_PROVIDER_get_capabilities(instance->underneath, capability,
                                          take, arg);
}

static const OSSL_PARAM *gettable_params(void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, NULL, 0),
        OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
        OSSL_PARAM_uint64("switchyard-offloaded", NULL),
        OSSL_PARAM_uint64("switchyard-pauses", NULL),
        OSSL_PARAM_uint64("switchyard-synchronous", NULL),
        OSSL_PARAM_END,
    };

    (void)provctx;
    return params;
}

static int set_text(OSSL_PARAM params[], const char *name, const char *text)
{
    OSSL_PARAM *param = OSSL_PARAM_locate(params, name);

    return param == NULL || OSSL_PARAM_set_utf8_ptr(param, text);
}

static int set_counter(OSSL_PARAM params[], const char *name,
                       const _Atomic uint64_t *counter)
{
    OSSL_PARAM *param = OSSL_PARAM_locate(params, name);

    return param == NULL ||
           OSSL_PARAM_set_uint64(
               param, atomic_load_explicit(counter, memory_order_relaxed));
}

static int get_params(void *provctx, OSSL_PARAM params[])
{
    const struct instance *instance = instance_of(provctx);
    OSSL_PARAM *status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);

    return instance != NULL &&
           set_text(params, OSSL_PROV_PARAM_NAME,
                    "Switchyard offload provider") &&
           set_text(params, OSSL_PROV_PARAM_VERSION, SY_VERSION_STRING) &&
           set_text(params, OSSL_PROV_PARAM_BUILDINFO, instance->about) &&
           (status == NULL || OSSL_PARAM_set_int(status, 1)) &&
           set_counter(params, "switchyard-offloaded", &instance->offloaded) &&
           set_counter(params, "switchyard-pauses", &instance->pauses) &&
           set_counter(params, "switchyard-synchronous",
                       &instance->synchronous);
}

/* For who wants to know whether it was of any use. */
static void explain(struct instance *instance)
{
    const char *wanted = secure_getenv("SWITCHYARD_EXPLAIN");

    if (wanted == NULL || strcmp(wanted, "1") != 0 || instance->is_explained)
        return;
    instance->is_explained = 1;
    fprintf(stderr,
            "switchyard provider: process %ld: %" PRIu64
            " operations offloaded, %" PRIu64 " pauses, %" PRIu64
            " operations done on the spot\n",
            (long)getpid(),
            atomic_load_explicit(&instance->offloaded, memory_order_relaxed),
            atomic_load_explicit(&instance->pauses, memory_order_relaxed),
            atomic_load_explicit(&instance->synchronous, memory_order_relaxed));
}

/* Programs that leave keys behind keep OpenSSL from ending its providers, so
   this is done when the process ends, before OpenSSL's own handler. */
static void explain_all(void)
{
    pthread_rwlock_rdlock(&instances.lock);
    for (struct instance *at = instances.first; at != NULL; at = at->next)
        explain(at);
    pthread_rwlock_unlock(&instances.lock);
}

static void teardown(void *provctx)
{
    struct instance *instance = instance_of(provctx);

    if (instance == NULL)
        return;
    explain(instance);
    instance_free(instance);
}

static OSSL_FUNC_core_get_params_fn *find_get_params(const OSSL_DISPATCH *in)
{
    while (in->function_id != 0 && in->function_id != OSSL_FUNC_CORE_GET_PARAMS)
        in++;
    return in->function_id != 0 ? OSSL_FUNC_core_get_params(in) : NULL;
}

SY_API OSSL_provider_init_fn OSSL_provider_init;

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                       const OSSL_DISPATCH **out, void **provctx)
{
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown},
        {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))gettable_params},
        {OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get_params},
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_operation},
        {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))get_capabilities},
        {0, NULL},
    };
    struct instance *instance = OPENSSL_zalloc(sizeof(*instance));

    if (instance == NULL)
        return 0;
    instance->core = handle;
    instance->core_get_params = find_get_params(in);
    if (!configure(instance) || !look_underneath(instance)) {
        tell_why();
        instance_free(instance);
        return 0;
    }
    instance_enter(instance);
    *out = functions;
    *provctx = instance->provctx;
    return 1;
}
