/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard_tls: full TLS handshakes of a server whose connections run as
 * OpenSSL async jobs, many in flight, and what each costs.
 *
 * The server is one thread, as servers are that use SSL_MODE_ASYNC: it takes
 * what is ready from epoll, or from the queue that the wait contexts'
 * callbacks fill, and continues those connections. The clients run on the same
 * thread over memory BIOs, in turns with the server, and are not counted: CPU
 * time is read when the turn changes, once for many connections.
 *
 * What pauses is private key operations, if OPENSSL_CONF loads a provider that
 * makes them; or, with --pause-us, the certificate callback, for that time.
 *
 * Prints one JSON object for each batch of handshakes, a line. With --paced it
 * begins a batch when a line comes on standard input, so that two such servers
 * can be measured in turns.
 */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tls_credentials.h"

#define IN_FLIGHT_MAX  4096
#define HANDSHAKES_MAX 10000000
#define EVENTS         64
#define FDS_MAX        8
#define STUCK_MS       10000

enum turn {
    SERVERS = 0,
    CLIENTS,
    NOBODYS, /* paused */
};

struct connection {
    SSL *server, *client;
    BIO *to_server, *to_client;
    uint64_t begun_ns;
    enum turn turn;
    struct connection *next; /* of those whose turn it is */
    struct connection *next_woken;
    int is_woken;    /* these two under the queue's lock */
    uint64_t due_ns; /* of a pause in the certificate callback */
};

struct list {
    struct connection *first, **end;
};

static struct options {
    uint64_t in_flight, handshakes, batches, pause_us;
    int version;
    enum tls_key key;
    int by_callback, paced;
} options = {
    .in_flight = 64,
    .handshakes = 2000,
    .batches = 1,
    .version = TLS1_3_VERSION,
    .key = TLS_KEY_ECDSA,
};

static SSL_CTX *server_ctx, *client_ctx;
static struct connection connections[IN_FLIGHT_MAX];
static struct list turns[2];
static int epoll_fd, connection_index;
static uint64_t wanted, begun, done, pauses, wanted_jobs; /* of a batch */
static uint64_t *latencies_ns;

/* Those that callbacks woke, on the threads of devices. */
static struct {
    pthread_mutex_t lock;
    struct connection *woken;
    int doorbell;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Those that the certificate callback holds back: all for the same time, so
   the first is due first. */
static struct list held;

static void fail(const char *what)
{
    fprintf(stderr, "switchyard_tls: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * SY_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void list_add(struct list *list, struct connection *c)
{
    c->next = NULL;
    if (list->first == NULL)
        list->end = &list->first;
    *list->end = c;
    list->end = &c->next;
}

static struct connection *list_take(struct list *list)
{
    struct connection *c = list->first;

    if (c != NULL)
        list->first = c->next;
    return c;
}

static void give_turn(struct connection *c, enum turn turn)
{
    c->turn = turn;
    list_add(&turns[turn], c);
}

/* ---- waking ------------------------------------------------------------- */

static void ring(void)
{
    const uint64_t one = 1;

    while (write(queue.doorbell, &one, sizeof(one)) == -1 && errno == EINTR) {
    }
}

static int on_wake(SSL *ssl, void *arg)
{
    struct connection *c = arg;
    int was_empty;

    (void)ssl;
    pthread_mutex_lock(&queue.lock);
    was_empty = queue.woken == NULL;
    if (!c->is_woken) {
        c->is_woken = 1;
        c->next_woken = queue.woken;
        queue.woken = c;
    }
    pthread_mutex_unlock(&queue.lock);
    if (was_empty)
        ring();
    return 1;
}

/* A wake-up may come before the pause that it is for, which then does not
   happen. */
static void wake(struct connection *c)
{
    if (c->turn == NOBODYS && c->due_ns == 0)
        give_turn(c, SERVERS);
}

static void take_woken(void)
{
    struct connection *all, *c;
    uint64_t value;

    if (read(queue.doorbell, &value, sizeof(value)) == -1 && errno != EAGAIN)
        fail("cannot read the doorbell");
    pthread_mutex_lock(&queue.lock);
    all = queue.woken;
    queue.woken = NULL;
    for (c = all; c != NULL; c = c->next_woken)
        c->is_woken = 0;
    while (all != NULL) {
        c = all;
        all = c->next_woken;
        wake(c);
    }
    pthread_mutex_unlock(&queue.lock);
}

/* The wait context keeps its descriptors, so most pauses change nothing. */
static void watch_changes(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    OSSL_ASYNC_FD added[FDS_MAX], deleted[FDS_MAX];
    size_t n_added = 0, n_deleted = 0;

    if (SSL_get_changed_async_fds(c->server, NULL, &n_added, NULL,
                                  &n_deleted) != 1)
        fail("no wait context");
    if (n_added == 0 && n_deleted == 0)
        return;
    if (n_added > FDS_MAX || n_deleted > FDS_MAX ||
        SSL_get_changed_async_fds(c->server, added, &n_added, deleted,
                                  &n_deleted) != 1)
        fail("too many descriptors");
    for (size_t i = 0; i < n_deleted; i++)
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, deleted[i], NULL);
    for (size_t i = 0; i < n_added; i++)
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, added[i], &event) == -1)
            fail("cannot watch a descriptor");
}

/* ---- pauses without a provider ------------------------------------------ */

static int on_certificate(SSL *ssl, void *unused)
{
    struct connection *c = SSL_get_ex_data(ssl, connection_index);

    (void)unused;
    c->due_ns = read_clock(CLOCK_MONOTONIC) + options.pause_us * SY_NS_PER_US;
    while (c->due_ns != 0)
        if (ASYNC_pause_job() != 1)
            return 0;
    return 1;
}

/* Returns how long to wait for the next one, in ms; -1: there is none. */
static int release_held(void)
{
    uint64_t now;

    if (held.first == NULL)
        return -1;
    now = read_clock(CLOCK_MONOTONIC);
    while (held.first != NULL && held.first->due_ns <= now) {
        struct connection *c = list_take(&held);

        c->due_ns = 0;
        give_turn(c, SERVERS);
    }
    return held.first == NULL ? -1 : 1;
}

/* ---- connections -------------------------------------------------------- */

static void open_server(struct connection *c)
{
    c->server = SSL_new(server_ctx);
    c->to_server = BIO_new(BIO_s_mem());
    c->to_client = BIO_new(BIO_s_mem());
    if (c->server == NULL || c->to_server == NULL || c->to_client == NULL ||
        SSL_set_ex_data(c->server, connection_index, c) != 1)
        fail("no memory");
    SSL_set_bio(c->server, c->to_server, c->to_client);
    SSL_set_mode(c->server, SSL_MODE_ASYNC);
    SSL_set_accept_state(c->server);
    if (options.by_callback &&
        (SSL_set_async_callback(c->server, on_wake) != 1 ||
         SSL_set_async_callback_arg(c->server, c) != 1))
        fail("cannot set the callback");
    c->begun_ns = read_clock(CLOCK_MONOTONIC);
}

static void open_client(struct connection *c)
{
    c->client = SSL_new(client_ctx);
    if (c->client == NULL || BIO_up_ref(c->to_client) != 1 ||
        BIO_up_ref(c->to_server) != 1)
        fail("no memory");
    SSL_set_bio(c->client, c->to_client, c->to_server);
    SSL_set_connect_state(c->client);
}

static void begin_handshake(struct connection *c)
{
    if (begun == wanted)
        return;
    begun++;
    open_server(c);
    give_turn(c, CLIENTS); /* they speak first */
}

static void end_handshake(struct connection *c)
{
    latencies_ns[done++] = read_clock(CLOCK_MONOTONIC) - c->begun_ns;
    SSL_free(c->server);
    c->server = NULL;
    begin_handshake(c);
}

static void pause_connection(struct connection *c)
{
    pauses++;
    c->turn = NOBODYS;
    if (c->due_ns != 0)
        list_add(&held, c);
    else if (!options.by_callback)
        watch_changes(c);
}

static void move_server(struct connection *c)
{
    int r = SSL_do_handshake(c->server);

    if (r == 1) {
        end_handshake(c);
        return;
    }
    switch (SSL_get_error(c->server, r)) {
    case SSL_ERROR_WANT_READ:
        give_turn(c, CLIENTS);
        break;
    case SSL_ERROR_WANT_ASYNC:
        pause_connection(c);
        break;
    case SSL_ERROR_WANT_ASYNC_JOB:
        wanted_jobs++;
        give_turn(c, SERVERS);
        break;
    default:
        fail("the server's handshake failed");
    }
}

static void move_client(struct connection *c)
{
    int r;

    if (c->client == NULL)
        open_client(c);
    r = SSL_do_handshake(c->client);
    if (r != 1 && SSL_get_error(c->client, r) != SSL_ERROR_WANT_READ)
        fail("a client's handshake failed");
    if (r == 1) {
        SSL_free(c->client);
        c->client = NULL;
    }
    give_turn(c, SERVERS);
}

/* ---- turns -------------------------------------------------------------- */

/* Make the turn of connections whose wake-up came the servers'. */
static void collect(int may_sleep)
{
    struct epoll_event events[EVENTS];
    int wait_ms = release_held(), n;

    if (turns[SERVERS].first != NULL || !may_sleep)
        wait_ms = 0;
    else if (wait_ms == -1)
        wait_ms = STUCK_MS;
    n = epoll_wait(epoll_fd, events, EVENTS, wait_ms);
    if (n == 0 && wait_ms == STUCK_MS)
        fail("nothing has woken any connection for 10 s");
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;

        if (c == NULL)
            take_woken();
        else
            wake(c);
    }
    release_held();
}

/* One turn of all servers that have something to do. Returns the CPU time. */
static uint64_t serve_all(void)
{
    const uint64_t before = read_clock(CLOCK_THREAD_CPUTIME_ID);
    struct connection *c, *next;

    collect(turns[CLIENTS].first == NULL);
    c = turns[SERVERS].first;
    turns[SERVERS].first = NULL;
    for (; c != NULL; c = next) {
        next = c->next;
        move_server(c);
    }
    return read_clock(CLOCK_THREAD_CPUTIME_ID) - before;
}

static void answer_all(void)
{
    struct connection *c;

    while ((c = list_take(&turns[CLIENTS])) != NULL)
        move_client(c);
}

/* ---- the whole ---------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t drop_in_count(const char *function)
{
    uint64_t (*count)(void) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, function);

    memcpy(&count, &symbol, sizeof(count)); /* no cast in ISO C */
    return count != NULL ? count() : 0;
}

static void print_result(uint64_t wall_ns, uint64_t server_ns,
                         uint64_t process_ns)
{
    const double n = (double)done;

    qsort(latencies_ns, done, sizeof(*latencies_ns), by_value);
    printf("{\"handshakes\": %" PRIu64 ", \"in_flight\": %" PRIu64
           ", \"tls\": \"1.%d\", \"key\": \"%s\", \"wake\": \"%s\""
           ", \"handshakes_per_s\": %.1f, \"server_cpu_us\": %.3f"
           ", \"process_cpu_us\": %.3f, \"p50_us\": %.1f, \"p99_us\": %.1f"
           ", \"pauses_per_handshake\": %.3f, \"no_job\": %" PRIu64
           ", \"drop_in_jobs\": %" PRIu64 "}\n",
           done, options.in_flight, options.version == TLS1_2_VERSION ? 2 : 3,
           options.key == TLS_KEY_RSA ? "rsa" : "ecdsa",
           options.by_callback ? "callback" : "fd", n * 1e9 / (double)wall_ns,
           (double)server_ns / 1e3 / n, (double)process_ns / 1e3 / n,
           (double)latencies_ns[done / 2] / 1e3,
           (double)latencies_ns[done * 99 / 100] / 1e3, (double)pauses / n,
           wanted_jobs, drop_in_count("sy_openssl_jobs_started"));
    fflush(stdout);
}

static void run_batch(uint64_t handshakes, int print)
{
    uint64_t wall_ns, process_ns, server_ns = 0;

    wanted = handshakes;
    begun = done = pauses = wanted_jobs = 0;
    process_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    wall_ns = read_clock(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < options.in_flight; i++)
        begin_handshake(&connections[i]);
    while (done < wanted) {
        answer_all();
        server_ns += serve_all();
    }
    if (print)
        print_result(read_clock(CLOCK_MONOTONIC) - wall_ns, server_ns,
                     read_clock(CLOCK_PROCESS_CPUTIME_ID) - process_ns);
}

static int may_begin(void)
{
    int c;

    if (!options.paced)
        return 1;
    while ((c = getchar()) != EOF)
        if (c == '\n')
            return 1;
    return 0;
}

static void run(void)
{
    /* Makes the jobs and fills the caches. */
    run_batch(options.in_flight, 0);
    for (uint64_t i = 0; i < options.batches && may_begin(); i++)
        run_batch(options.handshakes, 1);
}

static void set_up(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    struct tls_credentials credentials;

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    queue.doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    latencies_ns =
        calloc(options.in_flight + options.handshakes, sizeof(*latencies_ns));
    if (epoll_fd == -1 || queue.doorbell == -1 || latencies_ns == NULL ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, queue.doorbell, &event) == -1)
        fail("no memory or descriptors");
    connection_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (tls_credentials_make(&credentials, options.key) != 0)
        fail("cannot make a certificate");
    server_ctx = tls_context_make(&credentials, 1, options.version);
    client_ctx = tls_context_make(&credentials, 0, options.version);
    if (server_ctx == NULL || client_ctx == NULL)
        fail("no context");
    tls_credentials_free(&credentials);
    /* Clients are not what is measured. */
    SSL_CTX_set_verify(client_ctx, SSL_VERIFY_NONE, NULL);
    if (options.pause_us != 0)
        SSL_CTX_set_cert_cb(server_ctx, on_certificate, NULL);
    if (ASYNC_init_thread(options.in_flight, 0) != 1)
        fail("no jobs");
}

static void tear_down(void)
{
    SSL_CTX_free(server_ctx);
    SSL_CTX_free(client_ctx);
    ASYNC_cleanup_thread();
    free(latencies_ns);
    close(queue.doorbell);
    close(epoll_fd);
}

/* ---- options ------------------------------------------------------------ */

static int usage(void)
{
    fputs("usage: switchyard_tls [options]\n"
          "  --in-flight N      handshakes at a time, 1 .. 4096 (64)\n"
          "  --handshakes N     in each batch, 1 .. 10000000 (2000)\n"
          "  --batches N        1 .. 10000000 (1)\n"
          "  --paced            begin a batch when a line is read\n"
          "  --tls 1.2|1.3      (1.3)\n"
          "  --key rsa|ecdsa    2048 bits, P-256 (ecdsa)\n"
          "  --wake fd|callback how the application is told (fd)\n"
          "  --pause-us N       pause in the certificate callback (0)\n",
          stderr);
    return 2;
}

static int read_number(const char *text, uint64_t min, uint64_t max,
                       uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' &&
           *out >= min && *out <= max;
}

static int read_choice(const char *text, const char *zero, const char *one,
                       int *out)
{
    *out = strcmp(text, one) == 0;
    return *out || strcmp(text, zero) == 0;
}

static int read_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"in-flight", required_argument, NULL, 'n'},
        {"handshakes", required_argument, NULL, 'h'},
        {"batches", required_argument, NULL, 'b'},
        {"paced", no_argument, NULL, 'P'},
        {"tls", required_argument, NULL, 't'},
        {"key", required_argument, NULL, 'k'},
        {"wake", required_argument, NULL, 'w'},
        {"pause-us", required_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };
    int o, good = 1, which = 0;

    while (good && (o = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (o) {
        case 'n':
            good = read_number(optarg, 1, IN_FLIGHT_MAX, &options.in_flight);
            break;
        case 'h':
            good = read_number(optarg, 1, HANDSHAKES_MAX, &options.handshakes);
            break;
        case 'b':
            good = read_number(optarg, 1, HANDSHAKES_MAX, &options.batches);
            break;
        case 'P':
            options.paced = 1;
            break;
        case 't':
            good = read_choice(optarg, "1.2", "1.3", &which);
            options.version = which ? TLS1_3_VERSION : TLS1_2_VERSION;
            break;
        case 'k':
            good = read_choice(optarg, "rsa", "ecdsa", &which);
            options.key = which ? TLS_KEY_ECDSA : TLS_KEY_RSA;
            break;
        case 'w':
            good = read_choice(optarg, "fd", "callback", &options.by_callback);
            break;
        case 'p':
            good = read_number(optarg, 0, 1000000, &options.pause_us);
            break;
        default:
            good = 0;
        }
    }
    return good && optind == argc;
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv))
        return usage();
    if (!ASYNC_is_capable())
        fail("this OpenSSL was built without ASYNC_JOB");
    set_up();
    run();
    tear_down();
    return 0;
}
