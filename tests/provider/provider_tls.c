/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS handshakes over memory BIOs with SSL_MODE_ASYNC and the provider: TLS 1.2
 * and 1.3, RSA and ECDSA certificates, RSA key exchange too; many connections
 * at once on one thread, woken by descriptors or by callbacks. The bytes that
 * go through afterwards are checked.
 *
 * usage: provider_tls MODULE DEVICE
 */
#include "../../bench/tls/tls_credentials.h"
#include "loaded_provider.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#define CONNECTIONS 16

static OSSL_LIB_CTX *with;
static OSSL_PROVIDER *provider;

/* The device makes every operation last longer than it takes a job to pause:
   "workers" may complete one before. */
static int takes_its_time;

struct kind {
    const char *name;
    int version;
    const char *key; /* "RSA" or "EC" */
    const char *ciphers;
    const char *groups;
    int by_callback;
};

struct connection {
    SSL *server, *client;
    int server_done, client_done;
    unsigned pauses;
    _Atomic int called; /* by the callback */
};

static SSL_CTX *new_server(const struct kind *kind)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(with, NULL, TLS_server_method());
    EVP_PKEY *key = strcmp(kind->key, "RSA") == 0
                        ? EVP_PKEY_Q_keygen(with, NULL, "RSA", (size_t)2048)
                        : EVP_PKEY_Q_keygen(with, NULL, "EC", "P-256");
    X509 *cert = tls_certificate_make(key);

    OPENSSL_CHECK(ctx != NULL);
    OPENSSL_CHECK(cert != NULL);
    OPENSSL_CHECK(SSL_CTX_use_certificate(ctx, cert) == 1);
    OPENSSL_CHECK(SSL_CTX_use_PrivateKey(ctx, key) == 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_ASYNC);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

static SSL_CTX *new_client(const struct kind *kind)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    OPENSSL_CHECK(ctx != NULL);
    OPENSSL_CHECK(SSL_CTX_set_min_proto_version(ctx, kind->version) == 1);
    OPENSSL_CHECK(SSL_CTX_set_max_proto_version(ctx, kind->version) == 1);
    if (kind->ciphers != NULL)
        OPENSSL_CHECK(SSL_CTX_set_cipher_list(ctx, kind->ciphers) == 1);
    OPENSSL_CHECK(SSL_CTX_set1_groups_list(ctx, kind->groups) == 1);
    return ctx;
}

static int on_wake(SSL *ssl, void *arg)
{
    (void)ssl;
    atomic_store(&((struct connection *)arg)->called, 1);
    return 1;
}

static void connect_memory(struct connection *at, SSL_CTX *server,
                           SSL_CTX *client, int by_callback)
{
    BIO *there, *back;

    memset(at, 0, sizeof(*at));
    at->server = SSL_new(server);
    at->client = SSL_new(client);
    OPENSSL_CHECK(BIO_new_bio_pair(&there, 0, &back, 0) == 1);
    SSL_set_bio(at->server, there, there);
    SSL_set_bio(at->client, back, back);
    SSL_set_accept_state(at->server);
    SSL_set_connect_state(at->client);
    if (by_callback) {
        OPENSSL_CHECK(SSL_set_async_callback(at->server, on_wake) == 1);
        OPENSSL_CHECK(SSL_set_async_callback_arg(at->server, at) == 1);
    }
}

/* Is the paused server of a connection to be resumed? */
static int is_woken(struct connection *at, int by_callback)
{
    struct pollfd wanted = {.events = POLLIN};
    size_t count = 0;

    if (by_callback)
        return atomic_exchange(&at->called, 0);
    OPENSSL_CHECK(SSL_get_all_async_fds(at->server, NULL, &count) == 1);
    CHECK_EQ(count, 1);
    OPENSSL_CHECK(SSL_get_all_async_fds(at->server, &wanted.fd, &count) == 1);
    return poll(&wanted, 1, 0) == 1;
}

/* Returns whether there was something to do. */
static int step_server(struct connection *at, int by_callback)
{
    int result, error;

    if (SSL_waiting_for_async(at->server) && !is_woken(at, by_callback))
        return 0;
    result = SSL_do_handshake(at->server);
    error = SSL_get_error(at->server, result);
    at->server_done = result == 1;
    at->pauses += error == SSL_ERROR_WANT_ASYNC;
    OPENSSL_CHECK(result == 1 || error == SSL_ERROR_WANT_ASYNC ||
                  error == SSL_ERROR_WANT_READ);
    return 1;
}

static void step_client(struct connection *at)
{
    int result = SSL_do_handshake(at->client);

    at->client_done = result == 1;
    OPENSSL_CHECK(result == 1 ||
                  SSL_get_error(at->client, result) == SSL_ERROR_WANT_READ);
}

/* Reads may pause too, for SSL_MODE_ASYNC covers them. */
static void read_all(SSL *ssl, unsigned char *bytes, int count)
{
    int got = 0;

    while (got < count) {
        int n = SSL_read(ssl, bytes + got, count - got);

        if (n > 0)
            got += n;
        else
            OPENSSL_CHECK(SSL_get_error(ssl, n) == SSL_ERROR_WANT_ASYNC);
    }
}

static void check_bytes(struct connection *at, int number)
{
    unsigned char sent[3000], got[sizeof(sent)];

    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (unsigned char)(i * 7 + (size_t)number);
    OPENSSL_CHECK(SSL_write(at->client, sent, sizeof(sent)) == sizeof(sent));
    read_all(at->server, got, sizeof(got));
    CHECK(memcmp(sent, got, sizeof(sent)) == 0);
    OPENSSL_CHECK(SSL_write(at->server, got, sizeof(got)) == sizeof(got));
    memset(got, 0, sizeof(got));
    read_all(at->client, got, sizeof(got));
    CHECK(memcmp(sent, got, sizeof(sent)) == 0);
}

static void handshakes(const struct kind *kind)
{
    static struct connection connection[CONNECTIONS];
    SSL_CTX *server = new_server(kind), *client = new_client(kind);
    uint64_t offloaded = counter(provider, "switchyard-offloaded");
    unsigned pauses = 0;
    int open = CONNECTIONS;

    for (int i = 0; i < CONNECTIONS; i++)
        connect_memory(&connection[i], server, client, kind->by_callback);
    while (open > 0) {
        int busy = 0;

        open = 0;
        for (int i = 0; i < CONNECTIONS; i++) {
            struct connection *at = &connection[i];

            if (!at->client_done)
                step_client(at);
            if (!at->server_done)
                busy += step_server(at, kind->by_callback);
            open += !at->client_done || !at->server_done;
        }
        if (busy == 0)
            usleep(100); /* all wait for the device */
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *at = &connection[i];

        check_bytes(at, i);
        CHECK_EQ(SSL_version(at->server), kind->version);
        pauses += at->pauses;
        SSL_free(at->server);
        SSL_free(at->client);
    }
    offloaded = counter(provider, "switchyard-offloaded") - offloaded;
    printf("%s: %d handshakes, %llu operations offloaded, %u pauses\n",
           kind->name, CONNECTIONS, (unsigned long long)offloaded, pauses);
    CHECK(offloaded >= CONNECTIONS);
    CHECK(pauses > 0 || !takes_its_time);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

int main(int argc, char **argv)
{
    static const struct kind kinds[] = {
        {"TLS 1.3 RSA X25519", TLS1_3_VERSION, "RSA", NULL, "X25519", 0},
        {"TLS 1.3 ECDSA P-256", TLS1_3_VERSION, "EC", NULL, "P-256", 0},
        {"TLS 1.3 RSA by callback", TLS1_3_VERSION, "RSA", NULL, "X25519", 1},
        {"TLS 1.2 RSA", TLS1_2_VERSION, "RSA", "ECDHE", "P-256", 0},
        {"TLS 1.2 ECDSA", TLS1_2_VERSION, "EC", "ECDHE", "X25519:P-256", 0},
        {"TLS 1.2 ECDSA by callback", TLS1_2_VERSION, "EC", "ECDHE",
         "X25519:P-256", 1},
        {"TLS 1.2 RSA key exchange", TLS1_2_VERSION, "RSA", "kRSA", "X25519",
         0},
    };
    char device[256];

    alarm(100);
    if (argc != 3) {
        fprintf(stderr, "usage: provider_tls MODULE DEVICE\n");
        return 2;
    }
    snprintf(device, sizeof(device), "device = %s\n", argv[2]);
    takes_its_time = strncmp(argv[2], "sim", strlen("sim")) == 0;
    with = configured_context(argv[1], device, 1);
    OPENSSL_CHECK(OSSL_PROVIDER_available(with, "switchyard") == 1);
    provider = OSSL_PROVIDER_load(with, "switchyard");
    OPENSSL_CHECK(provider != NULL);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        handshakes(&kinds[i]);
    OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(with);
    return 0;
}
