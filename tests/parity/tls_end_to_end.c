/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS from end to end with SSL_MODE_ASYNC: one server, many connections at a
 * time, clients that behave and clients that do not. Jobs pause in the
 * certificate callback, and in the private key operations where a provider
 * makes them.
 *
 * usage: tls_end_to_end [--drop-in] [--free-in-pause] [--connections N]
 *
 *   --drop-in        fail unless the jobs ran on libswitchyard-openssl.so
 *   --free-in-pause  the server also frees connections whose job is paused,
 *                    which leaks those jobs on OpenSSL's own ASYNC
 *
 * SWITCHYARD_PROVIDER_PAUSES=1 in the environment: a provider that makes
 * private key operations pause was loaded by OPENSSL_CONF; fail unless it did.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../bench/tls/tls_credentials.h"

#define REQUEST_BYTES 32
#define REPLY_BYTES   40000 /* several records */
#define IN_FLIGHT     16
#define PAUSES        2 /* of each certificate callback */
#define PAUSE_NS      (SY_NS_PER_MS / 2)
#define PATIENCE_NS   (300 * SY_NS_PER_MS) /* with who says nothing */
#define ROUND_NS      (60 * SY_NS_PER_S)   /* one matrix entry, sanitized too */
#define FDS_MAX       8

enum behaviour {
    BEHAVES = 0,
    LEAVES_AFTER_HELLO, /* in the middle of the handshake */
    LEAVES_IN_PAUSE,    /* while the server's job is paused */
    SENDS_GARBAGE,
    STALLS,   /* sends half a record, then nothing */
    IS_FREED, /* the server frees it during a pause */
    BEHAVIOURS,
};

static const char *const behaviour_names[] = {
    "behaves", "leaves after hello",  "leaves in a pause", "sends garbage",
    "stalls",  "is freed in a pause",
};

enum phase {
    HANDSHAKE = 0,
    REQUEST,
    REPLY,
    GOODBYE,
    DONE,
    FAILED,
};

/* One of the two ends of a connection. */
struct end {
    SSL *ssl;
    int fd; /* -1: memory BIOs */
    enum phase phase;
    size_t moved; /* of the request or the reply */
};

struct connection {
    struct end server, client;
    BIO *to_server, *to_client; /* memory BIOs; NULL with sockets */
    unsigned char id;           /* what its bytes are made from */
    enum behaviour behaviour;
    uint64_t touched_ns; /* when something last moved on the server's side */
    int paused, ever_paused, timed_out;
    /* What the job waits for. */
    OSSL_ASYNC_FD fds[FDS_MAX];
    size_t fds_count;
    /* What the certificate callback waits for. */
    uint64_t due_ns; /* 0: it does not wait */
    int wake_fd;
    const struct matrix *matrix;
};

/* One entry of the matrix. */
struct matrix {
    const char *name;
    int version;
    enum tls_key key;
    int over_sockets;
    SSL_CTX *server, *client;
    int listener;
    struct sockaddr_in address;
};

static unsigned counts[BEHAVIOURS], pauses, freed_in_pause;
static int connection_index;

static void give_up(const struct matrix *m, const struct connection *c,
                    const char *what)
{
    fprintf(stderr, "%s, connection %u (%s): %s\n", m->name,
            c != NULL ? c->id : 0u,
            c != NULL ? behaviour_names[c->behaviour] : "-", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static uint64_t now_ns(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

/* ---- a pause without any provider -------------------------------------- */

static const char callback_key;

static void drop_fd(ASYNC_WAIT_CTX *wait, const void *key, OSSL_ASYNC_FD fd,
                    void *custom)
{
    struct connection *c = custom;

    (void)wait;
    (void)key;
    close(fd);
    c->wake_fd = -1;
}

/* As an engine would: an eventfd in the wait context, written when the time
   has come, and a loop around the pause. */
static int on_certificate(SSL *ssl, void *unused)
{
    struct connection *c = SSL_get_ex_data(ssl, connection_index);
    ASYNC_JOB *job = ASYNC_get_current_job();
    ASYNC_WAIT_CTX *wait;

    (void)unused;
    if (job == NULL)
        return 1;
    wait = ASYNC_get_wait_ctx(job);
    if (c->wake_fd == -1) {
        c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (c->wake_fd == -1 ||
            ASYNC_WAIT_CTX_set_wait_fd(wait, &callback_key, c->wake_fd, c,
                                       drop_fd) != 1)
            return 0;
    }
    for (int i = 0; i < PAUSES; i++) {
        uint64_t value;

        c->due_ns = now_ns() + PAUSE_NS;
        while (c->due_ns != 0)
            if (ASYNC_pause_job() != 1)
                return 0;
        if (read(c->wake_fd, &value, sizeof(value)) == -1 && errno != EAGAIN)
            return 0;
        if (ASYNC_get_current_job() != job)
            return 0;
    }
    return 1;
}

static void wake_what_is_due(struct connection *c)
{
    const uint64_t one = 1;

    if (c->due_ns == 0 || now_ns() < c->due_ns)
        return;
    c->due_ns = 0;
    if (c->wake_fd != -1 &&
        write(c->wake_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        give_up(c->matrix, c, "cannot write to the eventfd");
}

/* ---- bytes -------------------------------------------------------------- */

static unsigned char byte_at(const struct connection *c, size_t at)
{
    return (unsigned char)((at * 31 + at / 251) ^ c->id);
}

static void fill(const struct connection *c, unsigned char *buf, size_t from,
                 size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = byte_at(c, from + i);
}

static int matches(const struct connection *c, const unsigned char *buf,
                   size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (buf[i] != byte_at(c, from + i))
            return 0;
    return 1;
}

/* ---- moving one end ---------------------------------------------------- */

/* What an SSL call came to. */
enum outcome {
    MOVED = 0,
    WAITS,
    PAUSED,
    ENDED,
};

static enum outcome outcome_of(SSL *ssl, int result)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_NONE:
        return MOVED;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
    case SSL_ERROR_WANT_ASYNC_JOB:
        return WAITS;
    case SSL_ERROR_WANT_ASYNC:
        return PAUSED;
    default:
        return ENDED;
    }
}

static enum outcome send_some(struct connection *c, struct end *e, size_t total)
{
    static unsigned char buf[REPLY_BYTES];
    enum outcome outcome;
    size_t n = 0;

    /* Retried with the same bytes, as SSL_write() wants it. */
    fill(c, buf, e->moved, total - e->moved);
    outcome =
        outcome_of(e->ssl, SSL_write_ex(e->ssl, buf, total - e->moved, &n));
    e->moved += n;
    return outcome;
}

static enum outcome take_some(struct connection *c, struct end *e, size_t total)
{
    /* The job may write into it after a pause, so each end has its own. */
    static unsigned char bufs[2][4096];
    unsigned char *buf = bufs[e == &c->server];
    enum outcome outcome;
    size_t n = 0, room = total - e->moved;

    outcome = outcome_of(
        e->ssl, SSL_read_ex(e->ssl, buf, room < 4096 ? room : 4096, &n));
    if (!matches(c, buf, e->moved, n))
        give_up(c->matrix, c, "other bytes arrived than were sent");
    e->moved += n;
    return outcome;
}

static void next_phase(struct end *e)
{
    e->phase++;
    e->moved = 0;
}

static enum outcome move_end(struct connection *c, struct end *e)
{
    const int is_server = e == &c->server;
    enum outcome outcome;

    ERR_clear_error();
    switch (e->phase) {
    case HANDSHAKE:
        outcome = outcome_of(e->ssl, SSL_do_handshake(e->ssl));
        if (outcome == MOVED)
            next_phase(e);
        return outcome;
    case REQUEST:
    case REPLY: {
        const size_t total = e->phase == REQUEST ? REQUEST_BYTES : REPLY_BYTES;

        outcome = is_server == (e->phase == REQUEST) ? take_some(c, e, total)
                                                     : send_some(c, e, total);
        if (outcome == MOVED && e->moved == total)
            next_phase(e);
        return outcome;
    }
    case GOODBYE: {
        int r = SSL_shutdown(e->ssl);

        if (r == 0) /* said; the other's is awaited */
            return WAITS;
        outcome = outcome_of(e->ssl, r);
        if (outcome == MOVED)
            e->phase = DONE;
        return outcome;
    }
    default:
        return WAITS;
    }
}

/* ---- the server's side -------------------------------------------------- */

static void learn_fds(struct connection *c)
{
    size_t n = 0;

    if (SSL_get_all_async_fds(c->server.ssl, NULL, &n) != 1 || n > FDS_MAX ||
        SSL_get_all_async_fds(c->server.ssl, c->fds, &n) != 1)
        give_up(c->matrix, c, "cannot get the descriptors to wait for");
    if (n == 0)
        give_up(c->matrix, c, "paused, and nothing to wait for");
    c->fds_count = n;
}

static int is_ready(const struct connection *c)
{
    struct pollfd polled[FDS_MAX];

    for (size_t i = 0; i < c->fds_count; i++)
        polled[i] = (struct pollfd){.fd = c->fds[i], .events = POLLIN};
    return poll(polled, (nfds_t)c->fds_count, 0) > 0;
}

static void hang_up(struct connection *c, struct end *e)
{
    SSL_free(e->ssl);
    e->ssl = NULL;
    if (e->fd != -1)
        close(e->fd);
    e->fd = -1;
    /* What is in memory BIOs is read to its end, and then there is one. */
    if (c->to_server != NULL)
        BIO_set_mem_eof_return(e == &c->client ? c->to_server : c->to_client,
                               0);
    if (e->phase != DONE)
        e->phase = FAILED;
}

static void on_pause(struct connection *c)
{
    pauses++;
    c->paused = 1;
    c->ever_paused = 1;
    learn_fds(c);
    if (c->behaviour == LEAVES_IN_PAUSE && c->client.ssl != NULL)
        hang_up(c, &c->client);
    if (c->behaviour == IS_FREED) {
        freed_in_pause++;
        c->due_ns = 0;
        hang_up(c, &c->server);
    }
}

static int move_server(struct connection *c)
{
    if (c->server.ssl == NULL)
        return 0;
    wake_what_is_due(c);
    if (c->paused && !is_ready(c))
        return 0;
    c->paused = 0;
    switch (move_end(c, &c->server)) {
    case MOVED:
        c->touched_ns = now_ns();
        if (c->server.phase == DONE)
            hang_up(c, &c->server);
        return 1;
    case PAUSED:
        c->touched_ns = now_ns();
        on_pause(c);
        return 1;
    case ENDED:
        hang_up(c, &c->server);
        return 1;
    default:
        break;
    }
    /* A server that waits for ever has as many of them as there are. */
    if (now_ns() - c->touched_ns > PATIENCE_NS && c->behaviour == STALLS) {
        c->timed_out = 1;
        hang_up(c, &c->server);
        return 1;
    }
    return 0;
}

/* ---- the client's side -------------------------------------------------- */

static void send_raw(struct connection *c, const unsigned char *buf, size_t n)
{
    if (c->to_server != NULL
            ? BIO_write(c->to_server, buf, (int)n) != (int)n
            : send(c->client.fd, buf, n, MSG_NOSIGNAL) != (ssize_t)n)
        give_up(c->matrix, c, "cannot send");
}

static void misbehave(struct connection *c)
{
    unsigned char garbage[600];

    if (RAND_bytes(garbage, sizeof(garbage)) != 1)
        give_up(c->matrix, c, "no random bytes");
    if (c->behaviour == STALLS) {
        /* A handshake record of 512 bytes, of which 100 come. */
        static const unsigned char header[] = {0x16, 0x03, 0x01, 0x02, 0x00,
                                               0x01, 0x00, 0x01, 0xfc};
        memcpy(garbage, header, sizeof(header));
        send_raw(c, garbage, 100);
    } else {
        garbage[0] |= 0x80; /* no record starts like that, but SSL 2's */
        garbage[1] = 0x77;  /* were it 3, TLS's, the next two would be a
                               length, for which the server may well wait */
        garbage[2] = 0x77;
        send_raw(c, garbage, sizeof(garbage));
    }
    c->client.phase = FAILED; /* and that was all of it */
}

static int move_client(struct connection *c)
{
    const enum phase before = c->client.phase;

    if (c->client.ssl == NULL || c->client.phase >= DONE)
        return 0;
    if (c->behaviour == SENDS_GARBAGE || c->behaviour == STALLS) {
        misbehave(c);
        return 1;
    }
    switch (move_end(c, &c->client)) {
    case MOVED:
        return 1;
    case WAITS:
        if (c->behaviour == LEAVES_AFTER_HELLO)
            hang_up(c, &c->client);
        break;
    default:
        hang_up(c, &c->client);
        return 1;
    }
    return c->client.phase != before;
}

/* ---- connections -------------------------------------------------------- */

static void join_by_memory(const struct matrix *m, struct connection *c)
{
    c->to_server = BIO_new(BIO_s_mem());
    c->to_client = BIO_new(BIO_s_mem());
    if (c->to_server == NULL || c->to_client == NULL)
        give_up(m, c, "no memory");
    /* SSL_set_bio() takes one reference each; the third is ours. */
    for (int i = 0; i < 2; i++)
        if (BIO_up_ref(c->to_server) != 1 || BIO_up_ref(c->to_client) != 1)
            give_up(m, c, "no memory");
    SSL_set_bio(c->server.ssl, c->to_server, c->to_client);
    SSL_set_bio(c->client.ssl, c->to_client, c->to_server);
}

static void join_by_sockets(const struct matrix *m, struct connection *c)
{
    c->client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->client.fd == -1 ||
        connect(c->client.fd, (const struct sockaddr *)&m->address,
                sizeof(m->address)) == -1)
        give_up(m, c, "cannot connect");
    c->server.fd =
        accept4(m->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (c->server.fd == -1 || fcntl(c->client.fd, F_SETFL, O_NONBLOCK) == -1 ||
        SSL_set_fd(c->server.ssl, c->server.fd) != 1 ||
        SSL_set_fd(c->client.ssl, c->client.fd) != 1)
        give_up(m, c, "cannot accept");
}

static struct connection *open_connection(const struct matrix *m, unsigned i,
                                          unsigned kinds)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (c == NULL)
        give_up(m, NULL, "no memory");
    c->matrix = m;
    c->id = (unsigned char)i;
    /* Every other one behaves, so that there is somebody to be disturbed. */
    c->behaviour = i % 2 == 0 ? BEHAVES : (enum behaviour)(i / 2 % kinds);
    c->touched_ns = now_ns();
    c->wake_fd = c->server.fd = c->client.fd = -1;
    c->server.ssl = SSL_new(m->server);
    c->client.ssl = SSL_new(m->client);
    if (c->server.ssl == NULL || c->client.ssl == NULL ||
        SSL_set_ex_data(c->server.ssl, connection_index, c) != 1)
        give_up(m, c, "no memory");
    SSL_set_mode(c->server.ssl, SSL_MODE_ASYNC);
    SSL_set_accept_state(c->server.ssl);
    SSL_set_connect_state(c->client.ssl);
    if (m->over_sockets)
        join_by_sockets(m, c);
    else
        join_by_memory(m, c);
    return c;
}

/* Was it as it should be? */
static void judge(const struct connection *c)
{
    const int served = c->server.phase == DONE && c->client.phase == DONE;
    const char *wrong = NULL;

    if (c->behaviour == BEHAVES && !served)
        wrong = "it was not served";
    else if (c->behaviour != BEHAVES && c->server.phase == DONE)
        wrong = "the server thinks that it served it";
    else if (c->behaviour == STALLS && !c->timed_out)
        wrong = "its time was not out";
    else if (c->behaviour != STALLS && c->timed_out)
        wrong = "its time was out";
    else if ((c->behaviour == BEHAVES || c->behaviour == LEAVES_IN_PAUSE ||
              c->behaviour == IS_FREED) &&
             !c->ever_paused)
        wrong = "its job was never paused";
    if (wrong != NULL)
        give_up(c->matrix, c, wrong);
    counts[c->behaviour]++;
}

static void close_connection(struct connection *c)
{
    judge(c);
    SSL_free(c->server.ssl);
    SSL_free(c->client.ssl);
    if (c->client.fd != -1)
        close(c->client.fd);
    BIO_free(c->to_server);
    BIO_free(c->to_client);
    free(c);
}

/* The server is done with it, and its client has seen what there is. */
static int has_ended(struct connection *c)
{
    if (c->server.ssl != NULL)
        return 0;
    /* Who behaves still reads what is on its way. */
    return c->client.phase >= DONE || c->client.ssl == NULL ||
           c->behaviour != BEHAVES;
}

static void serve(const struct matrix *m, unsigned total, unsigned kinds)
{
    struct connection *open[IN_FLIGHT] = {NULL};
    const uint64_t end_ns = now_ns() + ROUND_NS;
    unsigned begun = 0, ended = 0;

    while (ended < total) {
        int moved = 0;

        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            if (open[i] == NULL && begun < total)
                open[i] = open_connection(m, begun++, kinds);
            if (open[i] == NULL)
                continue;
            moved |= move_client(open[i]);
            moved |= move_server(open[i]);
            if (has_ended(open[i])) {
                close_connection(open[i]);
                open[i] = NULL;
                ended++;
                moved = 1;
            }
        }
        if (!moved) /* pauses are short, and so is this */
            (void)poll(NULL, 0, 1);
        if (now_ns() > end_ns)
            give_up(m, NULL, "it takes too long: something is stuck");
    }
}

/* ---- the matrix --------------------------------------------------------- */

static void open_listener(struct matrix *m)
{
    socklen_t n = sizeof(m->address);

    m->address.sin_family = AF_INET;
    m->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    m->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (m->listener == -1 ||
        bind(m->listener, (const struct sockaddr *)&m->address, n) == -1 ||
        listen(m->listener, IN_FLIGHT) == -1 ||
        getsockname(m->listener, (struct sockaddr *)&m->address, &n) == -1)
        give_up(m, NULL, "cannot listen on the loopback interface");
}

static void run_entry(struct matrix *m, const struct tls_credentials *cred,
                      unsigned total, unsigned kinds)
{
    const unsigned before = pauses;

    m->server = tls_context_make(cred, 1, m->version);
    m->client = tls_context_make(cred, 0, m->version);
    if (m->server == NULL || m->client == NULL)
        give_up(m, NULL, "no context");
    SSL_CTX_set_cert_cb(m->server, on_certificate, NULL);
    if (m->over_sockets)
        open_listener(m);
    serve(m, total, kinds);
    if (m->over_sockets)
        close(m->listener);
    SSL_CTX_free(m->server);
    SSL_CTX_free(m->client);
    printf("%-28s %u connections, %u pauses\n", m->name, total,
           pauses - before);
}

/* ---- what it ran on ----------------------------------------------------- */

static uint64_t drop_in_count(const char *function)
{
    uint64_t (*count)(void) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, function);

    memcpy(&count, &symbol, sizeof(count)); /* no cast in ISO C */
    return count != NULL ? count() : 0;
}

static int check_what_it_ran_on(int on_drop_in)
{
    const uint64_t jobs = drop_in_count("sy_openssl_jobs_started");
    const uint64_t counted = drop_in_count("sy_openssl_pauses");

    printf("drop-in: %llu jobs, %llu pauses\n", (unsigned long long)jobs,
           (unsigned long long)counted);
    if (on_drop_in && (jobs == 0 || counted < pauses)) {
        fprintf(stderr, "the jobs did not run on the drop-in\n");
        return 1;
    }
    if (!on_drop_in && jobs != 0) {
        fprintf(stderr, "the jobs ran on the drop-in\n");
        return 1;
    }
    return 0;
}

/* The callback makes PAUSES in each connection that comes so far; more than
   that is the provider's. */
static int check_provider(void)
{
    const unsigned by_callback =
        PAUSES * (counts[BEHAVES] + counts[LEAVES_AFTER_HELLO] +
                  counts[LEAVES_IN_PAUSE]) +
        freed_in_pause;

    if (getenv("SWITCHYARD_PROVIDER_PAUSES") == NULL ||
        pauses >= by_callback + counts[BEHAVES])
        return 0;
    fprintf(stderr,
            "the provider does not pause: %u pauses, %u of them by the "
            "certificate callback\n",
            pauses, by_callback);
    return 1;
}

static void run_matrix(unsigned total, unsigned kinds)
{
    static const enum tls_key keys[] = {TLS_KEY_RSA, TLS_KEY_ECDSA};
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    for (unsigned i = 0; i < 8; i++) {
        const enum tls_key key = keys[i / 4];
        struct tls_credentials cred;
        char name[64];
        struct matrix m = {.name = name,
                           .version = versions[i % 2],
                           .key = key,
                           .over_sockets = i / 2 % 2};

        (void)snprintf(name, sizeof(name), "TLS 1.%d %s %s",
                       m.version == TLS1_2_VERSION ? 2 : 3,
                       key == TLS_KEY_RSA ? "RSA" : "ECDSA",
                       m.over_sockets ? "loopback" : "memory");
        if (tls_credentials_make(&cred, key) != 0)
            give_up(&m, NULL, "no certificate");
        run_entry(&m, &cred, total, kinds);
        tls_credentials_free(&cred);
    }
}

int main(int argc, char **argv)
{
    unsigned total = 40, kinds = IS_FREED;
    int on_drop_in = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--drop-in") == 0) {
            on_drop_in = 1;
        } else if (strcmp(argv[i], "--free-in-pause") == 0) {
            kinds = BEHAVIOURS;
        } else if (strcmp(argv[i], "--connections") == 0 && i + 1 < argc) {
            total = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "see the head of tls_end_to_end.c\n");
            return 2;
        }
    }
    if (!ASYNC_is_capable()) {
        puts("skipped: this OpenSSL was built without ASYNC_JOB");
        return 77;
    }
    signal(SIGPIPE, SIG_IGN); /* as servers do, for clients that left */
    connection_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    run_matrix(total, kinds);
    for (unsigned i = 0; i < BEHAVIOURS; i++)
        printf("%-20s %u\n", behaviour_names[i], counts[i]);
    printf("pauses               %u\n", pauses);
    if (check_what_it_ran_on(on_drop_in) != 0 || check_provider() != 0)
        return 1;
    ASYNC_cleanup_thread();
    return 0;
}
