/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSL_MODE_ASYNC: libssl runs each operation as a job and hands the API on
 * (SSL_waiting_for_async(3), SSL_get_all_async_fds(3), SSL_set_async_callback
 * (3)). Client and server talk over memory BIOs; the server pauses in its
 * certificate callback, so that no engine is needed.
 */
#include "../../bench/tls/tls_credentials.h"
#include "parity.h"
#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#define WAIT_FD 77 /* a number in the place of an fd */

struct talk {
    SSL_CTX *server_ctx, *client_ctx;
    SSL *server, *client;
    unsigned pauses;
};

static const char fd_key;
static unsigned callbacks, cleanups;
static int pauses_in_callback = 1;

/* With the header alone, the program's jobs are the drop-in's and libssl's are
   OpenSSL's: then a callback of libssl is in no job that the program knows. */
static void need_libssl_on_dropin(void)
{
    Dl_info starts, counts;
    void *start = dlsym(RTLD_DEFAULT, "ASYNC_start_job");
    void *count = dlsym(RTLD_DEFAULT, "sy_openssl_jobs_started");

    if (!parity_on_dropin())
        return;
    CHECK(dladdr(start, &starts) != 0 && dladdr(count, &counts) != 0);
    if (strcmp(starts.dli_fname, counts.dli_fname) != 0)
        parity_skip("libssl calls libcrypto: the drop-in is linked after it");
}

/* ---- certificates ------------------------------------------------------ */

static void use_new_certificate(SSL_CTX *ctx)
{
    struct tls_credentials own;

    CHECK_EQ(tls_credentials_make(&own, TLS_KEY_ECDSA), 0);
    CHECK_EQ(SSL_CTX_use_certificate(ctx, own.certificate), 1);
    CHECK_EQ(SSL_CTX_use_PrivateKey(ctx, own.key), 1);
    tls_credentials_free(&own);
}

/* ---- the certificate callback ------------------------------------------ */

static int pause_in_callback(SSL *ssl, void *arg)
{
    (void)ssl;
    (void)arg;
    callbacks++;
    CHECK(ASYNC_get_current_job() != NULL);
    CHECK(ASYNC_get_wait_ctx(ASYNC_get_current_job()) != NULL);
    for (int i = 0; i < pauses_in_callback; i++)
        CHECK_EQ(ASYNC_pause_job(), 1);
    return 1;
}

static void note_cleanup(ASYNC_WAIT_CTX *wait, const void *key, int fd,
                         void *custom)
{
    (void)wait;
    (void)key;
    (void)custom;
    CHECK_EQ(fd, WAIT_FD);
    cleanups++;
}

static int set_fd_and_pause(SSL *ssl, void *arg)
{
    ASYNC_WAIT_CTX *wait = ASYNC_get_wait_ctx(ASYNC_get_current_job());

    CHECK_EQ(
        ASYNC_WAIT_CTX_set_wait_fd(wait, &fd_key, WAIT_FD, NULL, note_cleanup),
        1);
    return pause_in_callback(ssl, arg);
}

static int call_back_and_pause(SSL *ssl, void *arg)
{
    ASYNC_WAIT_CTX *wait = ASYNC_get_wait_ctx(ASYNC_get_current_job());
    ASYNC_callback_fn callback;
    void *callback_arg;

    CHECK_EQ(ASYNC_WAIT_CTX_get_callback(wait, &callback, &callback_arg), 1);
    CHECK_EQ(ASYNC_WAIT_CTX_set_status(wait, ASYNC_STATUS_OK), 1);
    CHECK_EQ(callback(callback_arg), 1);
    return pause_in_callback(ssl, arg);
}

/* ---- a connection ------------------------------------------------------ */

static void open_talk(struct talk *talk, int version,
                      int (*in_callback)(SSL *, void *))
{
    BIO *server_bio, *client_bio;

    need_libssl_on_dropin();
    memset(talk, 0, sizeof(*talk));
    talk->server_ctx = SSL_CTX_new(TLS_server_method());
    talk->client_ctx = SSL_CTX_new(TLS_client_method());
    CHECK(talk->server_ctx != NULL && talk->client_ctx != NULL);
    CHECK_EQ(SSL_CTX_set_min_proto_version(talk->server_ctx, version), 1);
    CHECK_EQ(SSL_CTX_set_max_proto_version(talk->server_ctx, version), 1);
    use_new_certificate(talk->server_ctx);
    SSL_CTX_set_cert_cb(talk->server_ctx, in_callback, NULL);
    talk->server = SSL_new(talk->server_ctx);
    talk->client = SSL_new(talk->client_ctx);
    CHECK(talk->server != NULL && talk->client != NULL);
    CHECK_EQ(BIO_new_bio_pair(&server_bio, 0, &client_bio, 0), 1);
    SSL_set_bio(talk->server, server_bio, server_bio);
    SSL_set_bio(talk->client, client_bio, client_bio);
    SSL_set_accept_state(talk->server);
    SSL_set_connect_state(talk->client);
    (void)SSL_set_mode(talk->server, SSL_MODE_ASYNC);
}

static void close_talk(struct talk *talk)
{
    SSL_free(talk->server);
    SSL_free(talk->client);
    SSL_CTX_free(talk->server_ctx);
    SSL_CTX_free(talk->client_ctx);
}

/* One call of SSL_do_handshake(). True: it is done. */
static bool step(struct talk *talk, SSL *ssl)
{
    int status, error;

    ERR_clear_error();
    status = SSL_do_handshake(ssl);
    error = SSL_get_error(ssl, status);
    if (error == SSL_ERROR_WANT_ASYNC) {
        CHECK(ssl == talk->server);
        CHECK_EQ(SSL_waiting_for_async(ssl), 1);
        talk->pauses++;
        return false;
    }
    CHECK_EQ(SSL_waiting_for_async(ssl), 0);
    CHECK(error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ);
    return status == 1;
}

/* Until the server pauses; false: the handshake ended before that. */
static bool shake_until_pause(struct talk *talk)
{
    unsigned before = talk->pauses;
    bool done = false;

    for (int i = 0; i < 20 && !done; i++) {
        bool client_done = step(talk, talk->client);

        done = step(talk, talk->server) && client_done;
        if (talk->pauses != before)
            return true;
    }
    CHECK(done);
    return false;
}

static void shake_hands(struct talk *talk)
{
    while (shake_until_pause(talk)) {
    }
}

/* Bytes that the server sends, from a job too, arrive as they were. */
static void send_bytes(struct talk *talk)
{
    static unsigned char sent[10000], got[10000];
    size_t written, read_bytes, total = 0;

    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (unsigned char)(i * 31 >> 3);
    CHECK_EQ(SSL_write_ex(talk->server, sent, sizeof(sent), &written), 1);
    CHECK_EQ(written, sizeof(sent));
    while (total < sizeof(got)) {
        CHECK_EQ(SSL_read_ex(talk->client, got + total, sizeof(got) - total,
                             &read_bytes),
                 1);
        total += read_bytes;
    }
    CHECK_EQ(memcmp(sent, got, sizeof(got)), 0);
    CHECK_EQ(SSL_write_ex(talk->client, sent, 100, &written), 1);
    CHECK_EQ(SSL_read_ex(talk->server, got, sizeof(got), &read_bytes), 1);
    CHECK_EQ(read_bytes, 100);
    CHECK_EQ(memcmp(sent, got, 100), 0);
}

/* ---- rows -------------------------------------------------------------- */

static void handshake_with_pauses(int version, int pauses)
{
    struct talk talk;

    pauses_in_callback = pauses;
    open_talk(&talk, version, pause_in_callback);
    shake_hands(&talk);
    CHECK_EQ(SSL_version(talk.server), version);
    CHECK_EQ(callbacks, 1);
    CHECK_EQ(talk.pauses, pauses);
    send_bytes(&talk);
    close_talk(&talk);
}

static void ssl_pause_tls12(void)
{
    handshake_with_pauses(TLS1_2_VERSION, 1);
}

static void ssl_pause_tls13(void)
{
    handshake_with_pauses(TLS1_3_VERSION, 1);
}

static void ssl_five_pauses_tls12(void)
{
    handshake_with_pauses(TLS1_2_VERSION, 5);
}

static void ssl_five_pauses_tls13(void)
{
    handshake_with_pauses(TLS1_3_VERSION, 5);
}

static void ssl_no_pause(void)
{
    handshake_with_pauses(TLS1_3_VERSION, 0);
}

/* The fds of the wait context, through the functions of libssl. */
static void fds_through_ssl(int version)
{
    struct talk talk;
    size_t count = 99, deleted = 99;
    int fd = -1;

    open_talk(&talk, version, set_fd_and_pause);
    CHECK(shake_until_pause(&talk));
    CHECK_EQ(SSL_get_all_async_fds(talk.server, NULL, &count), 1);
    CHECK_EQ(count, 1);
    CHECK_EQ(SSL_get_all_async_fds(talk.server, &fd, &count), 1);
    CHECK_EQ(fd, WAIT_FD);
    fd = -1;
    CHECK_EQ(
        SSL_get_changed_async_fds(talk.server, &fd, &count, NULL, &deleted), 1);
    CHECK_EQ(count, 1);
    CHECK_EQ(deleted, 0);
    CHECK_EQ(fd, WAIT_FD);
    shake_hands(&talk);
    CHECK_EQ(
        SSL_get_changed_async_fds(talk.server, NULL, &count, NULL, &deleted),
        1);
    CHECK_EQ(count, 0);
    CHECK_EQ(deleted, 0);
    CHECK_EQ(cleanups, 0);
    close_talk(&talk); /* and with it the wait context */
    CHECK_EQ(cleanups, 1);
}

static void ssl_async_fds_tls12(void)
{
    fds_through_ssl(TLS1_2_VERSION);
}

static void ssl_async_fds_tls13(void)
{
    fds_through_ssl(TLS1_3_VERSION);
}

static unsigned called;

static int count_call(SSL *ssl, void *arg)
{
    CHECK(ssl == arg);
    called++;
    return 1;
}

static void ssl_async_callback(void)
{
    struct talk talk;
    int status = -1;

    open_talk(&talk, TLS1_3_VERSION, call_back_and_pause);
    CHECK_EQ(SSL_set_async_callback(talk.server, count_call), 1);
    CHECK_EQ(SSL_set_async_callback_arg(talk.server, talk.server), 1);
    CHECK(shake_until_pause(&talk));
    CHECK_EQ(called, 1);
    CHECK_EQ(SSL_get_async_status(talk.server, &status), 1);
    CHECK_EQ(status, ASYNC_STATUS_OK);
    shake_hands(&talk);
    close_talk(&talk);
}

/* An empty pool is SSL_ERROR_WANT_ASYNC_JOB, and goes by. */
static void ssl_without_jobs(void)
{
    struct talk talk, other;
    int status;

    CHECK_EQ(ASYNC_init_thread(1, 1), 1);
    open_talk(&talk, TLS1_3_VERSION, pause_in_callback);
    open_talk(&other, TLS1_3_VERSION, pause_in_callback);
    CHECK(shake_until_pause(&talk));
    CHECK(!step(&other, other.client));
    status = SSL_do_handshake(other.server);
    CHECK_EQ(SSL_get_error(other.server, status), SSL_ERROR_WANT_ASYNC_JOB);
    shake_hands(&talk);
    shake_hands(&other);
    CHECK_EQ(other.pauses, 1);
    close_talk(&talk);
    close_talk(&other);
}

#define TALKS 16

static void ssl_many_interleaved(void)
{
    static struct talk talks[TALKS];

    pauses_in_callback = 3;
    for (int i = 0; i < TALKS; i++)
        open_talk(&talks[i], i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION,
                  pause_in_callback);
    for (int pause = 0; pause < 3; pause++) {
        for (int i = 0; i < TALKS; i++)
            CHECK(shake_until_pause(&talks[i]));
    }
    for (int i = 0; i < TALKS; i++) {
        CHECK(!shake_until_pause(&talks[i]));
        CHECK_EQ(talks[i].pauses, 3);
        send_bytes(&talks[i]);
        close_talk(&talks[i]);
    }
}

const struct parity_row parity_ssl_rows[] = {
    PARITY_ROW(ssl_pause_tls12),
    PARITY_ROW(ssl_pause_tls13),
    PARITY_ROW(ssl_five_pauses_tls12),
    PARITY_ROW(ssl_five_pauses_tls13),
    PARITY_ROW(ssl_no_pause),
    PARITY_ROW(ssl_async_fds_tls12),
    PARITY_ROW(ssl_async_fds_tls13),
    PARITY_ROW(ssl_async_callback),
    PARITY_ROW(ssl_without_jobs),
    PARITY_ROW(ssl_many_interleaved),
    PARITY_END,
};
