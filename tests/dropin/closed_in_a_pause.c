/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that are freed while their job is paused. The server's job pauses
 * in a certificate callback, as often as the phase says, with a descriptor in
 * its wait context; then the connection is closed. With reap=ssl the job must
 * unwind once it was woken, and the SSL must be freed then; without, the job is
 * listed as an orphan and given up with its thread.
 */
#include "../../bench/tls/tls_credentials.h"
#include "dropin_test.h"
#include <openssl/ssl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PHASES 4
#define ROUNDS 40

static size_t (*reap)(void);
static bool reaps;
static int device; /* an eventfd */
static int freed;  /* SSLs */
static int freed_at_the_end;

static void count_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx,
                        long argl, void *argp)
{
    (void)parent, (void)ptr, (void)ad, (void)idx, (void)argl, (void)argp;
    freed++;
}

/* As an engine does it: with a descriptor, until the operation is complete. */
static void wait_for_device(void)
{
    ASYNC_JOB *job = ASYNC_get_current_job();
    ASYNC_WAIT_CTX *ctx;
    int fd;

    CHECK(job != NULL);
    ctx = ASYNC_get_wait_ctx(job);
    if (!ASYNC_WAIT_CTX_get_fd(ctx, &device, &fd, NULL))
        CHECK_EQ(ASYNC_WAIT_CTX_set_wait_fd(ctx, &device, device, NULL, NULL),
                 1);
    CHECK_EQ(ASYNC_pause_job(), 1);
}

static int certificate(SSL *ssl, void *arg)
{
    int pauses = *(int *)arg;

    (void)ssl;
    for (int i = 0; i < pauses; i++)
        wait_for_device();
    return 1;
}

static SSL_CTX *server_ctx(int *pauses)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct tls_credentials own;

    CHECK(ctx != NULL);
    CHECK_EQ(tls_credentials_make(&own, TLS_KEY_RSA), 0);
    CHECK_EQ(SSL_CTX_use_certificate(ctx, own.certificate), 1);
    CHECK_EQ(SSL_CTX_use_PrivateKey(ctx, own.key), 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_ASYNC);
    SSL_CTX_set_cert_cb(ctx, certificate, pauses);
    tls_credentials_free(&own);
    return ctx;
}

static void connect_both(SSL *server, SSL *client)
{
    BIO *a, *b;

    CHECK_EQ(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    SSL_set_bio(server, a, a);
    SSL_set_bio(client, b, b);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
}

/* Run a handshake until the server has paused so often, or it is done. How
   often it paused. */
static int handshake(SSL *server, SSL *client, int until)
{
    int paused = 0, s = 0, c = 0;

    for (int turns = 0; turns < 1000 && (s != 1 || c != 1); turns++) {
        if (c != 1)
            c = SSL_do_handshake(client);
        if (s != 1)
            s = SSL_do_handshake(server);
        if (s != 1 && SSL_get_error(server, s) == SSL_ERROR_WANT_ASYNC &&
            ++paused == until)
            return paused;
        ERR_clear_error();
    }
    CHECK_EQ(s, 1);
    CHECK_EQ(c, 1);
    return paused;
}

static void ring(void)
{
    CHECK_EQ(eventfd_write(device, 1), 0);
}

static void quiet(void)
{
    eventfd_t value;

    (void)eventfd_read(device, &value);
}

/* Close while the job is paused for the phase-th time of `pauses`. */
static void close_in(int phase, SSL_CTX *server_side, SSL_CTX *client_side)
{
    SSL *server = SSL_new(server_side), *client = SSL_new(client_side);
    struct sy_openssl_counters before = counters();
    int freed_before;

    CHECK(server != NULL && client != NULL);
    connect_both(server, client);
    CHECK_EQ(handshake(server, client, phase), phase);
    CHECK_EQ(SSL_waiting_for_async(server), 1);
    freed_before = freed;
    SSL_free(server);
    CHECK_EQ(counters().orphaned, before.orphaned + 1);
    if (!reaps) {
        CHECK_EQ(freed, freed_before + 1);
        SSL_free(client);
        return;
    }
    CHECK_EQ(freed, freed_before); /* kept, for the device is not done */
    CHECK_EQ(reap(), 1);
    CHECK_EQ(freed, freed_before);
    SSL_free(client);
    CHECK_EQ(freed, freed_before + 1);
    ring();
    for (int i = 0; i <= PHASES && reap() != 0; i++)
        continue;
    CHECK_EQ(reap(), 0);
    CHECK_EQ(freed, freed_before + 2);
    CHECK_EQ(counters().reaped, before.reaped + 1);
    CHECK_EQ(ERR_peek_error(), 0); /* nobody sees how it failed */
    CHECK_EQ(outstanding(), 0);
    quiet();
}

/* Nothing is closed: a job resumed as ever. */
static void complete(SSL_CTX *server_side, SSL_CTX *client_side, int pauses)
{
    SSL *server = SSL_new(server_side), *client = SSL_new(client_side);

    connect_both(server, client);
    CHECK_EQ(handshake(server, client, -1), pauses);
    CHECK_EQ(SSL_waiting_for_async(server), 0);
    SSL_free(server);
    SSL_free(client);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Orphans are looked after when jobs are started, and at the end. */
static void without_asking(SSL_CTX *server_side, SSL_CTX *client_side)
{
    uint64_t reaped = counters().reaped;
    ASYNC_JOB *job = NULL;
    SSL *server, *client;
    int ret;

    for (int i = 0; i < 2; i++) {
        server = SSL_new(server_side);
        client = SSL_new(client_side);
        connect_both(server, client);
        (void)handshake(server, client, 1);
        SSL_free(server);
        SSL_free(client);
        ring();
        if (i == 0) {
            for (int n = 0; n < 100 && counters().reaped == reaped; n++) {
                usleep(1100);
                CHECK_EQ(ASYNC_start_job(&job, NULL, &ret, do_nothing, NULL, 0),
                         ASYNC_FINISH);
            }
            CHECK_EQ(counters().reaped, reaped + 1);
            quiet();
        }
    }
    ASYNC_cleanup_thread();
    CHECK_EQ(counters().reaped, reaped + 2);
    CHECK_EQ(outstanding(), 0);
}

/* Runs after OPENSSL_cleanup(), as it was registered before. */
static void look_at_the_end(void)
{
    if (freed == freed_at_the_end)
        return;
    fprintf(stderr, "%d SSLs freed at the end, expected %d\n", freed,
            freed_at_the_end);
    _exit(1);
}

/* An orphan of a process that ends unwinds while OpenSSL can still do that. */
static void leave_one(SSL_CTX *server_side, SSL_CTX *client_side)
{
    SSL *server = SSL_new(server_side), *client = SSL_new(client_side);

    connect_both(server, client);
    CHECK_EQ(handshake(server, client, 1), 1);
    SSL_free(server);
    SSL_free(client);
    ring();
    freed_at_the_end = freed + 1;
}

int main(void)
{
    const char *option = getenv("SWITCHYARD_OPENSSL");
    SSL_CTX *server_side, *client_side;
    uint64_t abandoned;
    int pauses = PHASES;

    CHECK_EQ(atexit(look_at_the_end), 0);
    reaps = option != NULL && strcmp(option, "reap=ssl") == 0;
    drop_in_function(&reap, "sy_openssl_reap");
    device = eventfd(0, EFD_NONBLOCK);
    CHECK(device != -1);
    server_side = server_ctx(&pauses);
    client_side = SSL_CTX_new(TLS_client_method());
    CHECK(SSL_get_ex_new_index(0, NULL, NULL, NULL, count_freed) >= 0);

    for (int round = 0; round < (reaps ? ROUNDS : 1); round++) {
        SSL_CTX_set_max_proto_version(
            client_side, round % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
        for (int phase = 1; phase <= PHASES; phase++)
            close_in(phase, server_side, client_side);
        complete(server_side, client_side, pauses);
    }
    if (reaps)
        without_asking(server_side, client_side);
    abandoned = counters().abandoned;
    ASYNC_cleanup_thread();
    CHECK_EQ(counters().abandoned, abandoned + (reaps ? 0 : PHASES));
    CHECK_EQ(outstanding(), 0);
    freed_at_the_end = freed;
    if (reaps)
        leave_one(server_side, client_side);
    SSL_CTX_free(server_side);
    SSL_CTX_free(client_side);
    return 0;
}
