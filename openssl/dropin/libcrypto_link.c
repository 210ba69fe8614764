/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the drop-in needs of libcrypto, looked up at run time: preloaded into a
 * process without libcrypto, it must not bring one in.
 *
 * The default library context of OpenSSL belongs to the thread, and OpenSSL
 * keeps one per job. To ask for it at each switch would cost more than the
 * switch, so we stand in front of the function that changes it. Where the
 * program finds libcrypto's before ours, that does not work, and we ask.
 */
#include "dropin.h"
#include <dlfcn.h>
#include <link.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    _Atomic bool is_found;
    void *handle;
    OSSL_LIB_CTX *(*set0_default)(OSSL_LIB_CTX *libctx);
    void (*err_new)(void);
    void (*err_set_debug)(const char *file, int line, const char *func);
    void (*err_set_error)(int lib, int reason, const char *fmt, ...);
    char why[160];
} libcrypto = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct libcrypto_async real;
const struct libcrypto_async *dropin_forward;

/* ---- symbols ------------------------------------------------------------- */

/* Is an address in this library? */
static bool is_ours(const void *address)
{
    Dl_info mine, its;

    return dladdr(&real, &mine) != 0 && dladdr(address, &its) != 0 &&
           mine.dli_fbase == its.dli_fbase;
}

static void *symbol(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (found == NULL || is_ours(found)) {
        found = dlsym(RTLD_DEFAULT, name);
        if (found != NULL && is_ours(found))
            found = NULL;
    }
    if (found == NULL && libcrypto.handle != NULL) {
        found = dlsym(libcrypto.handle, name);
        if (found != NULL && is_ours(found))
            found = NULL;
    }
    return found;
}

/* A program may have loaded libcrypto where only its own handle leads to. */
static void *loaded_libcrypto(void)
{
    static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.4",
                                        "libcrypto.so.1.1", "libcrypto.so"};
    void *handle = NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        handle = dlopen(names[i], RTLD_LAZY | RTLD_NOLOAD);
        if (handle != NULL)
            break;
    }
    return handle;
}

/* dlsym() gives data pointers; POSIX says that they may be functions. */
void dropin_look_up(void *function, const char *name)
{
    void *found = symbol(name);

    memcpy(function, &found, sizeof(found));
}

/* ---- standing down ------------------------------------------------------- */

static const struct {
    const char *name;
    void *function;
} names[] = {
    {"ASYNC_is_capable", &real.is_capable},
    {"ASYNC_init_thread", &real.init_thread},
    {"ASYNC_cleanup_thread", &real.cleanup_thread},
    {"ASYNC_start_job", &real.start_job},
    {"ASYNC_pause_job", &real.pause_job},
    {"ASYNC_get_current_job", &real.get_current_job},
    {"ASYNC_get_wait_ctx", &real.get_wait_ctx},
    {"ASYNC_block_pause", &real.block_pause},
    {"ASYNC_unblock_pause", &real.unblock_pause},
    {"ASYNC_set_mem_functions", &real.set_mem_functions},
    {"ASYNC_get_mem_functions", &real.get_mem_functions},
    {"ASYNC_WAIT_CTX_new", &real.wait_new},
    {"ASYNC_WAIT_CTX_free", &real.wait_free},
    {"ASYNC_WAIT_CTX_set_wait_fd", &real.wait_set_fd},
    {"ASYNC_WAIT_CTX_get_fd", &real.wait_get_fd},
    {"ASYNC_WAIT_CTX_get_all_fds", &real.wait_all_fds},
    {"ASYNC_WAIT_CTX_get_changed_fds", &real.wait_changed_fds},
    {"ASYNC_WAIT_CTX_clear_fd", &real.wait_clear_fd},
    {"ASYNC_WAIT_CTX_set_callback", &real.wait_set_callback},
    {"ASYNC_WAIT_CTX_get_callback", &real.wait_get_callback},
    {"ASYNC_WAIT_CTX_set_status", &real.wait_set_status},
    {"ASYNC_WAIT_CTX_get_status", &real.wait_get_status},
};

#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

static bool is_one_of_ours(const char *name)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (strcmp(name, names[i].name) == 0)
            return true;
    }
    return false;
}

/* How many symbols a GNU hash table covers: the end of its last chain. */
static size_t count_symbols(const uint32_t *hash)
{
    uint32_t buckets = hash[0], first = hash[1], words = hash[2], last = 0;
    const uint32_t *bucket =
        hash + 4 + words * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = bucket + buckets;

    for (uint32_t i = 0; i < buckets; i++) {
        if (bucket[i] > last)
            last = bucket[i];
    }
    if (last < first)
        return first;
    while ((chain[last - first] & 1) == 0)
        last++;
    return (size_t)last + 1;
}

/* The first function of an object that we ought to have and have not. */
static const char *unknown_function(const struct link_map *map)
{
    const ElfW(Sym) *symbols = NULL;
    const uint32_t *hash = NULL;
    const char *strings = NULL;
    size_t count;

    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_SYMTAB)
            symbols = (const void *)d->d_un.d_ptr;
        else if (d->d_tag == DT_STRTAB)
            strings = (const void *)d->d_un.d_ptr;
        else if (d->d_tag == DT_GNU_HASH)
            hash = (const void *)d->d_un.d_ptr;
    }
    if (symbols == NULL || strings == NULL || hash == NULL)
        return NULL;
    count = count_symbols(hash);
    for (size_t i = 0; i < count; i++) {
        const char *name = strings + symbols[i].st_name;

        if (symbols[i].st_shndx != SHN_UNDEF &&
            strncmp(name, "ASYNC_", strlen("ASYNC_")) == 0 &&
            !is_one_of_ours(name))
            return name;
    }
    return NULL;
}

static void stand_down(void)
{
    for (size_t i = 0; i < NAME_COUNT; i++)
        dropin_look_up(names[i].function, names[i].name);
    dropin_forward = &real;
    fprintf(stderr, "switchyard: leaves OpenSSL's jobs to libcrypto: %s\n",
            libcrypto.why);
}

/* The version and the names that libcrypto has decide whether we can take its
   place: our jobs and its own know nothing of each other. */
static void judge(void *version_function)
{
    unsigned long (*version)(void);
    struct link_map *map = NULL;
    const char *unknown = NULL;
    Dl_info info;

    memcpy(&version, &version_function, sizeof(version));
    if (dladdr1(version_function, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 &&
        map != NULL)
        unknown = unknown_function(map);
    if (version() >> 28 != OPENSSL_VERSION_MAJOR)
        snprintf(libcrypto.why, sizeof(libcrypto.why),
                 "it is of version %lu, and this library is made for %d",
                 version() >> 28, OPENSSL_VERSION_MAJOR);
    else if (unknown != NULL)
        snprintf(libcrypto.why, sizeof(libcrypto.why),
                 "it has %s, which this library has not", unknown);
    if (libcrypto.why[0] != '\0')
        stand_down();
}

static void find(void)
{
    void *version, *first;

    version = symbol("OpenSSL_version_num");
    if (version == NULL) {
        libcrypto.handle = loaded_libcrypto();
        if (libcrypto.handle != NULL)
            version = symbol("OpenSSL_version_num");
    }
    if (version == NULL)
        return;
    judge(version);
    dropin_look_up(&libcrypto.err_new, "ERR_new");
    dropin_look_up(&libcrypto.err_set_debug, "ERR_set_debug");
    dropin_look_up(&libcrypto.err_set_error, "ERR_set_error");
    dropin_look_up(&libcrypto.set0_default, "OSSL_LIB_CTX_set0_default");
    first = dlsym(RTLD_DEFAULT, "OSSL_LIB_CTX_set0_default");
    dropin.asks_libctx = first == NULL || !is_ours(first);
    /* release pairs with acquire in dropin_libcrypto_find() */
    atomic_store_explicit(&libcrypto.is_found, true, memory_order_release);
}

bool dropin_libcrypto_find(void)
{
    /* acquire pairs with release in find() */
    if (SY_LIKELY(
            atomic_load_explicit(&libcrypto.is_found, memory_order_acquire)))
        return true;
    pthread_mutex_lock(&libcrypto.lock);
    if (!atomic_load_explicit(&libcrypto.is_found, memory_order_relaxed))
        find();
    pthread_mutex_unlock(&libcrypto.lock);
    return atomic_load_explicit(&libcrypto.is_found, memory_order_relaxed);
}

int sy_openssl_stands_down(char *why, size_t n)
{
    (void)dropin_libcrypto_find();
    if (n > 0)
        snprintf(why, n, "%s", libcrypto.why);
    return dropin_forward != NULL;
}

/* ---- errors -------------------------------------------------------------- */

void dropin_raise(int reason, const char *what)
{
    if (!dropin_libcrypto_find() || libcrypto.err_set_error == NULL)
        return;
    libcrypto.err_new();
    libcrypto.err_set_debug("switchyard", 0, "ASYNC");
    if (what != NULL)
        libcrypto.err_set_error(ERR_LIB_ASYNC, reason, "%s", what);
    else
        libcrypto.err_set_error(ERR_LIB_ASYNC, reason, NULL);
}

/* ---- the default library context ----------------------------------------- */

void *dropin_libctx_ask(void)
{
    return dropin_libcrypto_find() && libcrypto.set0_default != NULL
               ? libcrypto.set0_default(NULL)
               : NULL;
}

static void note_libctx(void *libctx)
{
    if (dropin.asks_libctx)
        return;
    dropin_self.libctx = libctx;
    if (dropin_self.short_libctx != LIBCTX_NEVER)
        dropin_self.short_libctx = libctx;
}

void dropin_libctx_set(void *libctx)
{
    if (libctx == NULL || libcrypto.set0_default == NULL)
        return;
    (void)libcrypto.set0_default(libctx);
    note_libctx(libctx);
}

SY_API OSSL_LIB_CTX *OSSL_LIB_CTX_set0_default(OSSL_LIB_CTX *libctx)
{
    OSSL_LIB_CTX *old;

    if (!dropin_libcrypto_find() || libcrypto.set0_default == NULL)
        return NULL;
    old = libcrypto.set0_default(libctx);
    /* A thread without jobs asks when it gets its first one. */
    if (libctx != NULL && old != NULL && dropin_self.thread != NULL &&
        dropin_self.thread->rt != NULL)
        note_libctx(libctx);
    return old;
}
