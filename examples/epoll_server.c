/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server as one would write it with a thread for each connection, but with
 * a job for each connection and two threads in all. What a client gets is in
 * the manner of TLS: the server proves itself by signing 32 bytes that the
 * client chose, and after that echoes records. The signature is made by a
 * device, here some threads with libcrypto; meanwhile the thread serves other
 * connections.
 *
 *   epoll_server PORT        serve on 127.0.0.1 until SIGINT or SIGTERM
 *   epoll_server --self-test serve and be the clients, too
 *
 * Each server thread has an epoll instance and a runtime of its own, and the
 * runtime is one more descriptor in it. A job pauses for two reasons: its
 * socket is not ready, or its signature is not. Either way a wake-up is only a
 * hint, and the job looks for itself whether it can go on.
 */
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/device.h>
#include <switchyard/switchyard.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVERS         2
#define DEVICE          "workers:2"
#define CHALLENGE_BYTES 32
#define SIGNATURE_MAX   80 /* ECDSA P-256, DER: at most 72 */
#define RECORD_MAX      2048

struct connection {
    struct server *server;
    struct connection *next, **at; /* in the server's list */
    struct sy_job *job;
    int socket;
    int is_gone; /* the client closed it, and the job was told */
};

struct server {
    pthread_t thread;
    struct sy_runtime *rt;
    struct sy_device *device; /* shared by all servers */
    EVP_PKEY *key;            /* likewise */
    int listener;             /* likewise */
    int loop;
    int runtime_fd;
    int stop_fd; /* an eventfd: somebody wants the server to end */
    int is_stopping, is_full;
    struct connection *connections;
    unsigned long accepted, cut_short; /* by stop(): not by their clients */
    sem_t is_up;
    int error; /* why the thread ended; 0 if it was told to */
};

/* ---- the job: one connection, from top to bottom ----------------------- */

struct signing {
    EVP_PKEY *key;
    unsigned char challenge[CHALLENGE_BYTES];
    unsigned char signature[1 + SIGNATURE_MAX]; /* its length first */
};

/* Runs on a thread of the device, not in the job. */
static int sign(void *arg)
{
    struct signing *s = arg;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    size_t bytes = SIGNATURE_MAX;
    int ok = md != NULL &&
             EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, s->key) == 1 &&
             EVP_DigestSign(md, s->signature + 1, &bytes, s->challenge,
                            CHALLENGE_BYTES) == 1;

    EVP_MD_CTX_free(md);
    s->signature[0] = (unsigned char)bytes;
    return ok ? 0 : -EIO;
}

/* Let others run until something happened to the socket, or to us. */
static int wait_for_socket(void)
{
    int err = sy_job_pause();

    /* A switcher that cannot pause is of no use here. */
    return err == SY_NOT_PAUSED ? -ENOTSUP : err;
}

/* After a call that failed, by errno: 0, try again; else why not. */
static int wait_if_that_helps(void)
{
    if (errno == EAGAIN)
        return wait_for_socket();
    return errno == EINTR ? 0 : -errno;
}

/* The socket is watched edge-triggered: only after EAGAIN comes a new event,
   and it may come before the pause, which then returns at once. */
static int receive(const struct connection *c, void *data, size_t bytes)
{
    char *to = data;

    while (bytes > 0) {
        ssize_t got = recv(c->socket, to, bytes, MSG_DONTWAIT);
        int err = 0;

        if (got == 0)
            return -ECONNRESET;
        if (got > 0) {
            to += got;
            bytes -= (size_t)got;
        } else {
            err = wait_if_that_helps();
        }
        if (err != 0)
            return err;
    }
    return 0;
}

static int transmit(const struct connection *c, const void *data, size_t bytes)
{
    const char *from = data;

    while (bytes > 0) {
        ssize_t put = send(c->socket, from, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        int err = 0;

        if (put >= 0) {
            from += put;
            bytes -= (size_t)put;
        } else {
            err = wait_if_that_helps();
        }
        if (err != 0)
            return err;
    }
    return 0;
}

static int handshake(const struct connection *c)
{
    struct signing s = {.key = c->server->key};
    int err = receive(c, s.challenge, sizeof(s.challenge));

    /*
     * s is on this job's stack, and a thread of the device works on it while
     * we are paused. That is safe whatever becomes of the client:
     * sy_device_call() pins the job, and comes back only when the device is
     * done, with -ECANCELED if the loop gave the job up meanwhile.
     */
    if (err == 0)
        err = sy_device_call(c->server->device, c->server->rt, sign, &s);
    if (err == 0)
        err = transmit(c, s.signature, 1 + (size_t)s.signature[0]);
    return err;
}

static int echo_record(const struct connection *c)
{
    unsigned char record[2 + RECORD_MAX];
    size_t bytes;
    int err = receive(c, record, 2);

    if (err != 0)
        return err;
    bytes = (size_t)record[0] << 8 | record[1];
    if (bytes > RECORD_MAX)
        return -EMSGSIZE;
    err = receive(c, record + 2, bytes);
    return err == 0 ? transmit(c, record, 2 + bytes) : err;
}

/* Its result is why the connection ended. */
static int serve(void *arg)
{
    const struct connection *c = arg;
    int err = handshake(c);

    while (err == 0)
        err = echo_record(c);
    return err;
}

/* ---- the loop ----------------------------------------------------------- */

static int watch(const struct server *server, int fd, uint32_t events,
                 void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};

    return epoll_ctl(server->loop, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/* Listening again when there is a free descriptor: see accept_some(). */
static void make_room(struct server *server)
{
    if (server->is_full && !server->is_stopping)
        server->is_full =
            watch(server, server->listener, EPOLLIN | EPOLLEXCLUSIVE,
                  &server->listener) != 0;
}

/*
 * Runs when the job has finished and nobody is on its stack any more. It may
 * free the connection: the loop calls sy_runtime_run(), and with it this, only
 * when it has gone through all events that it got, which name connections.
 */
static void connection_ended(void *user, struct sy_job *job, int result)
{
    struct connection *c = user;

    (void)job;
    c->server->cut_short += result == -ECANCELED && !c->is_gone;
    *c->at = c->next;
    if (c->next != NULL)
        c->next->at = c->at;
    close(c->socket); /* takes it out of the epoll instance, too */
    make_room(c->server);
    free(c);
}

static void connection_began(struct server *server, int fd)
{
    struct connection *c = calloc(1, sizeof(*c));
    struct sy_job_spec spec = {
        .fn = serve, .arg = c, .done = connection_ended, .user = c};
    int state, result;

    if (c == NULL) {
        close(fd);
        return;
    }
    c->server = server;
    c->socket = fd;
    c->at = &server->connections;
    c->next = server->connections;
    if (c->next != NULL)
        c->next->at = &c->next;
    server->connections = c;
    server->accepted++;
    result = watch(server, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c);
    if (result != 0) {
        connection_ended(c, NULL, result);
        return;
    }
    /* Runs until its first pause. done is not called for a job that ends, or
       cannot begin, within this call. */
    state = sy_job_start(server->rt, &spec, &c->job, &result);
    if (state != SY_JOB_PAUSED)
        connection_ended(c, NULL, state < 0 ? state : result);
}

/* A few at a time: the connections that are there want to be served, too. */
static void accept_some(struct server *server)
{
    for (int i = 0; i < 16; i++) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd != -1) {
            connection_began(server, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                   errno == ENOBUFS) {
            /* The listener stays readable and would keep the loop busy: look
               at it again when a connection has ended. */
            epoll_ctl(server->loop, EPOLL_CTL_DEL, server->listener, NULL);
            server->is_full = 1;
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static void on_socket(struct connection *c, uint32_t events)
{
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) {
        sy_wake(sy_job_waker(c->job));
        return;
    }
    /*
     * The client has closed. The job may be paused for its signature, and the
     * device be writing to its stack: so the job is not thrown away, but
     * asked to give up. Its pause returns -ECANCELED.
     */
    if (!c->is_gone)
        sy_job_cancel(c->job);
    c->is_gone = 1;
}

static void stop(struct server *server)
{
    server->is_stopping = 1;
    epoll_ctl(server->loop, EPOLL_CTL_DEL, server->stop_fd, NULL);
    if (!server->is_full)
        epoll_ctl(server->loop, EPOLL_CTL_DEL, server->listener, NULL);
    for (struct connection *c = server->connections; c != NULL; c = c->next)
        sy_job_cancel(c->job);
}

static int loop(struct server *server)
{
    struct epoll_event events[64];

    for (;;) {
        /* Resume who is ready: every time before waiting, so that it does
           not matter which event came. It costs little when nobody is. */
        int n = sy_runtime_run(server->rt, 0);

        if (n < 0)
            return n;
        if (server->is_stopping && server->connections == NULL)
            return 0;
        n = epoll_wait(server->loop, events, 64, -1);
        if (n == -1 && errno != EINTR)
            return -errno;
        for (int i = 0; i < n; i++) {
            void *what = events[i].data.ptr;

            if (what == &server->listener)
                accept_some(server);
            else if (what == &server->stop_fd)
                stop(server);
            else if (what != &server->runtime_fd)
                on_socket(what, events[i].events);
        }
    }
}

static int set_up(struct server *server)
{
    int err;

    server->loop = epoll_create1(EPOLL_CLOEXEC);
    if (server->loop == -1)
        return -errno;
    err = sy_runtime_fd(server->rt, &server->runtime_fd);
    if (err == 0) /* EPOLLIN | EPOLLET would do as well */
        err = watch(server, server->runtime_fd, EPOLLIN, &server->runtime_fd);
    if (err == 0)
        err = watch(server, server->stop_fd, EPOLLIN, &server->stop_fd);
    if (err == 0) /* one server is told of a new connection, not all */
        err = watch(server, server->listener, EPOLLIN | EPOLLEXCLUSIVE,
                    &server->listener);
    return err;
}

static void *server_thread(void *arg)
{
    struct server *server = arg;

    server->error = sy_runtime_open(&server->rt, NULL);
    if (server->error == 0)
        server->error = set_up(server);
    sem_post(&server->is_up);
    if (server->error == 0)
        server->error = loop(server);
    close(server->loop);
    /* A device that has just completed an operation may not have let go of
       the job yet, though the job has ended. */
    while (server->error == 0 &&
           (server->error = sy_runtime_close(server->rt)) == -EBUSY)
        server->error = sy_runtime_run(server->rt, SY_NS_PER_MS) < 0;
    return NULL;
}

/* ---- all servers -------------------------------------------------------- */

struct service {
    struct server servers[SERVERS];
    int running;
    int listener;
    unsigned port;
    struct sy_device *device;
    EVP_PKEY *key;
};

static int listen_on(struct service *s, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    int on = 1;

    s->listener =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listener == -1 ||
        setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ==
            -1 ||
        bind(s->listener, (struct sockaddr *)&address, bytes) == -1 ||
        listen(s->listener, SOMAXCONN) == -1 ||
        getsockname(s->listener, (struct sockaddr *)&address, &bytes) == -1)
        return -errno;
    s->port = ntohs(address.sin_port);
    return 0;
}

/* Returns 0 or -1, having said why. */
static int service_start(struct service *s, unsigned port)
{
    char why[256];
    int err;

    s->key = EVP_EC_gen("P-256");
    if (s->key == NULL) {
        fprintf(stderr, "no key could be made\n");
        return -1;
    }
    if (sy_device_open(&s->device, DEVICE, NULL, why, sizeof(why)) != 0) {
        fprintf(stderr, "%s: %s\n", DEVICE, why);
        return -1;
    }
    err = listen_on(s, port);
    if (err != 0) {
        fprintf(stderr, "port %u: %s\n", port, sy_strerror(err));
        return -1;
    }
    for (s->running = 0; s->running < SERVERS; s->running++) {
        struct server *server = &s->servers[s->running];

        server->device = s->device;
        server->key = s->key;
        server->listener = s->listener;
        server->loop = -1;
        server->stop_fd = eventfd(0, EFD_CLOEXEC);
        if (server->stop_fd == -1 || sem_init(&server->is_up, 0, 0) == -1 ||
            pthread_create(&server->thread, NULL, server_thread, server) != 0) {
            fprintf(stderr, "no server thread\n");
            return -1;
        }
        while (sem_wait(&server->is_up) == -1)
            continue;             /* a signal came */
        if (server->error != 0) { /* -ENOTSUP: an engine without descriptor */
            fprintf(stderr, "server: %s\n", sy_strerror(server->error));
            return -1;
        }
    }
    return 0;
}

/* Ends the servers; returns 0 if all of them ended well. */
static int service_stop(struct service *s, unsigned long *accepted)
{
    int bad = 0;

    *accepted = 0;
    while (s->running-- > 0) {
        struct server *server = &s->servers[s->running];

        eventfd_write(server->stop_fd, 1);
        pthread_join(server->thread, NULL);
        if (server->error != 0)
            fprintf(stderr, "server: %s\n", sy_strerror(server->error));
        bad |= server->error != 0;
        *accepted += server->accepted;
        fprintf(stderr, "%lu connections, %lu cut short\n", server->accepted,
                server->cut_short);
        close(server->stop_fd);
        sem_destroy(&server->is_up);
    }
    sy_device_close(s->device);
    close(s->listener);
    EVP_PKEY_free(s->key);
    return bad;
}

/* ---- the clients of the self-test --------------------------------------- */

#define CLIENTS   200
#define ROUNDS    5
#define DESERTERS 20 /* clients that reset the connection in the handshake */
#define SECONDS   30 /* for all of it */

static int client_connect(const struct service *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)s->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd != -1 &&
        connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1) {
        close(fd);
        return -1;
    }
    return fd;
}

static int put(int fd, const void *data, size_t bytes)
{
    return send(fd, data, bytes, MSG_NOSIGNAL) == (ssize_t)bytes ? 0 : -1;
}

static int get(int fd, void *data, size_t bytes)
{
    return recv(fd, data, bytes, MSG_WAITALL) == (ssize_t)bytes ? 0 : -1;
}

static void fill(unsigned char *bytes, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(seed * 31 + i * 7 + (i >> 8));
}

static int send_challenge(int fd, unsigned seed)
{
    unsigned char challenge[CHALLENGE_BYTES];

    fill(challenge, sizeof(challenge), seed);
    return put(fd, challenge, sizeof(challenge));
}

static int check_signature(const struct service *s, int fd, unsigned seed)
{
    unsigned char challenge[CHALLENGE_BYTES], bytes, signature[255];
    EVP_MD_CTX *md;
    int ok;

    if (get(fd, &bytes, 1) != 0 || get(fd, signature, bytes) != 0)
        return -1;
    fill(challenge, sizeof(challenge), seed);
    md = EVP_MD_CTX_new();
    ok = md != NULL &&
         EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, s->key) == 1 &&
         EVP_DigestVerify(md, signature, bytes, challenge, sizeof(challenge)) ==
             1;
    EVP_MD_CTX_free(md);
    return ok ? 0 : -1;
}

/* Returns the record's size: different each time. */
static size_t make_record(unsigned char *record, unsigned client,
                          unsigned round)
{
    size_t bytes = (client * 97 + round * 389) % (RECORD_MAX + 1);

    record[0] = (unsigned char)(bytes >> 8);
    record[1] = (unsigned char)bytes;
    fill(record + 2, bytes, client + round);
    return 2 + bytes;
}

static int send_record(int fd, unsigned client, unsigned round)
{
    unsigned char record[2 + RECORD_MAX];

    return put(fd, record, make_record(record, client, round));
}

static int check_record(int fd, unsigned client, unsigned round)
{
    unsigned char expected[2 + RECORD_MAX], got[2 + RECORD_MAX];
    size_t bytes = make_record(expected, client, round);

    return get(fd, got, bytes) == 0 && memcmp(got, expected, bytes) == 0 ? 0
                                                                         : -1;
}

/* A reset instead of an orderly end: while the server signs, most likely. */
static int desert(const struct service *s, unsigned seed)
{
    struct linger at_once = {.l_onoff = 1};
    int fd = client_connect(s);

    if (fd == -1 || send_challenge(fd, seed) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == -1)
        return -1;
    return close(fd);
}

/* All clients do the same step before any of them does the next, so the server
   has all their operations in flight at once. */
static int be_the_clients(const struct service *s)
{
    int fd[CLIENTS], bad = 0;

    for (unsigned i = 0; i < CLIENTS; i++) {
        fd[i] = client_connect(s);
        if (fd[i] == -1)
            return -1;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        bad |= send_challenge(fd[i], i);
        if (i % (CLIENTS / DESERTERS) == 0)
            bad |= desert(s, i);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        bad |= check_signature(s, fd[i], i);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < CLIENTS; i++)
            bad |= send_record(fd[i], i, round);
        for (unsigned i = 0; i < CLIENTS; i++)
            bad |= check_record(fd[i], i, round);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        if (i % 2 == 0) /* the others are open when the server ends */
            bad |= close(fd[i]);
    return bad;
}

static int self_test(void)
{
    struct service s = {0};
    unsigned long accepted;
    int bad;

    alarm(SECONDS);
    if (service_start(&s, 0) != 0)
        return 1;
    bad = be_the_clients(&s);
    if (bad == 0)
        printf("%d connections, %d records: every answer is right\n", CLIENTS,
               CLIENTS * ROUNDS);
    bad |= service_stop(&s, &accepted);
    if (bad == 0 && accepted == CLIENTS + DESERTERS)
        printf("%d clients left early, and nothing is left of them\n",
               DESERTERS);
    else
        bad = 1;
    return bad != 0;
}

static int serve_until_told(unsigned port)
{
    struct service s = {0};
    unsigned long accepted;
    sigset_t told;
    int number;

    sigemptyset(&told);
    sigaddset(&told, SIGINT);
    sigaddset(&told, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &told, NULL); /* before there are threads */
    if (service_start(&s, port) != 0)
        return 1;
    printf("serving on 127.0.0.1:%u\n", s.port);
    fflush(stdout);
    sigwait(&told, &number);
    return service_stop(&s, &accepted);
}

int main(int argc, char **argv)
{
    struct rlimit files;

    /* As many connections as the system allows. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (argc == 2 && strcmp(argv[1], "--self-test") == 0)
        return self_test();
    if (argc == 2 && argv[1][0] >= '0' && argv[1][0] <= '9' &&
        atoi(argv[1]) <= 65535)
        return serve_until_told((unsigned)atoi(argv[1]));
    fprintf(stderr, "usage: %s PORT | --self-test\n", argv[0]);
    return 2;
}
