/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SWITCHYARD_OPENSSL=reap=ssl: what becomes of a connection that is freed while
 * its job is paused. OpenSSL frees the SSL; the job, which stands in the middle
 * of its code, would use freed memory when resumed, so nobody resumes it, and
 * it is lost with all that it holds.
 *
 * With this option SSL_free() of such a connection takes its BIOs away, so that
 * whatever the job wants to read or write fails, and keeps the SSL. When the
 * job's operation is complete (a descriptor of its wait context is readable, or
 * its callback was called) the job is resumed, unwinds with an error, and the
 * SSL is freed. A job that has neither descriptor nor callback is resumed at
 * the next occasion.
 *
 * Nobody tells us which job is an SSL's. libssl asks for the descriptors of its
 * wait context through a function of ours: so we learn the context, and the
 * context knows its job.
 *
 * The owner of the job does all of it, when it starts a job, asks for it
 * (sy_openssl_reap()), or ends. After OPENSSL_cleanup() nobody does: the job
 * would run in a libcrypto that is not there any more.
 */
#include "dropin.h"
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#define REAP_EVERY_NS (SY_NS_PER_MS)
#define FDS_MAX       16

/* How long a thread that ends waits for its orphans. */
#define REAP_AT_END_NS (100 * SY_NS_PER_MS)

struct orphan {
    struct orphan *next;
    SSL *ssl;
    struct dropin_job *job;
    ASYNC_WAIT_CTX *wait;
    _Atomic bool is_woken; /* by its callback, on any thread */
};

/* Of libssl and libcrypto, where the process has them. */
static struct {
    pthread_once_t once;
    void (*ssl_free)(SSL *ssl);
    int (*waiting_for_async)(SSL *ssl);
    int (*all_async_fds)(SSL *ssl, int *fds, size_t *count);
    void (*set0_rbio)(SSL *ssl, BIO *bio);
    void (*set0_wbio)(SSL *ssl, BIO *bio);
    void (*set_info_callback)(SSL *ssl, void (*cb)(const SSL *, int, int));
    void (*set_msg_callback)(SSL *ssl, void (*cb)(int, int, int, const void *,
                                                  size_t, SSL *, void *));
    BIO *(*bio_new_mem_buf)(const void *buf, int len);
    int (*err_set_mark)(void);
    int (*err_pop_to_mark)(void);
    int (*openssl_atexit)(void (*handler)(void));
} ssl_api = {.once = PTHREAD_ONCE_INIT};

static void look_up_all(void)
{
    (void)dropin_libcrypto_find();
    dropin_look_up(&ssl_api.ssl_free, "SSL_free");
    dropin_look_up(&ssl_api.waiting_for_async, "SSL_waiting_for_async");
    dropin_look_up(&ssl_api.all_async_fds, "SSL_get_all_async_fds");
    dropin_look_up(&ssl_api.set0_rbio, "SSL_set0_rbio");
    dropin_look_up(&ssl_api.set0_wbio, "SSL_set0_wbio");
    dropin_look_up(&ssl_api.set_info_callback, "SSL_set_info_callback");
    dropin_look_up(&ssl_api.set_msg_callback, "SSL_set_msg_callback");
    dropin_look_up(&ssl_api.bio_new_mem_buf, "BIO_new_mem_buf");
    dropin_look_up(&ssl_api.err_set_mark, "ERR_set_mark");
    dropin_look_up(&ssl_api.err_pop_to_mark, "ERR_pop_to_mark");
    dropin_look_up(&ssl_api.openssl_atexit, "OPENSSL_atexit");
}

static bool can_reap(void)
{
    return ssl_api.waiting_for_async != NULL && ssl_api.all_async_fds != NULL &&
           ssl_api.set0_rbio != NULL && ssl_api.set0_wbio != NULL &&
           ssl_api.set_info_callback != NULL &&
           ssl_api.set_msg_callback != NULL &&
           ssl_api.bio_new_mem_buf != NULL && ssl_api.err_set_mark != NULL &&
           ssl_api.err_pop_to_mark != NULL && ssl_api.openssl_atexit != NULL;
}

/* ---- the end of the process --------------------------------------------- */

static struct {
    pthread_once_t once;
    bool is_watched;
    _Atomic bool is_over;
} openssl_end = {.once = PTHREAD_ONCE_INIT};

static void openssl_ends(void)
{
    /* relaxed: threads that use OpenSSL now are wrong anyway */
    atomic_store_explicit(&openssl_end.is_over, true, memory_order_relaxed);
}

static void process_ends(void)
{
    if (dropin_self.thread != NULL)
        dropin_reap(dropin_self.thread, true);
}

/* Handlers of exit() run last in, first out. libcrypto, which has an SSL by
   now, has set its own, so ours runs while it still works. */
static void watch_openssl_end(void)
{
    openssl_end.is_watched =
        ssl_api.openssl_atexit(openssl_ends) == 1 && atexit(process_ends) == 0;
}

/* The paused job of an SSL; NULL: there is none of this thread. */
static struct dropin_job *job_of_ssl(struct dropin_thread *t, SSL *ssl)
{
    struct dropin_job *job;
    ASYNC_WAIT_CTX *ctx;
    size_t count;

    t->last_seen = NULL;
    if (ssl_api.all_async_fds(ssl, NULL, &count) == 0 || t->last_seen == NULL)
        return NULL;
    ctx = t->last_seen;
    /* relaxed: the job is asked itself */
    job =
        atomic_load_explicit(&dropin_wait_head(ctx)->job, memory_order_relaxed);
    if (job == NULL || !dropin_is_waiting(job, ctx) || job->slot->rt != t->rt)
        return NULL;
    return job;
}

static int note_woken(void *arg)
{
    struct orphan *orphan = arg;

    /* release pairs with acquire in is_complete() */
    atomic_store_explicit(&orphan->is_woken, true, memory_order_release);
    return 1;
}

/* An end that fails in both directions. */
static int take_bios(SSL *ssl)
{
    BIO *in = ssl_api.bio_new_mem_buf("", 0);
    BIO *out = ssl_api.bio_new_mem_buf("", 0);

    if (in == NULL || out == NULL)
        return -ENOMEM; /* what was made is lost with the process's memory */
    ssl_api.set0_rbio(ssl, in);
    ssl_api.set0_wbio(ssl, out);
    return 0;
}

/* Keep an SSL and its job for later. False: it cannot be done. */
static bool adopt(struct dropin_thread *t, SSL *ssl, struct dropin_job *job)
{
    struct orphan *orphan = calloc(1, sizeof(*orphan));
    ASYNC_callback_fn callback;
    void *arg;

    if (orphan == NULL)
        return false;
    pthread_once(&openssl_end.once, watch_openssl_end);
    if (!openssl_end.is_watched || take_bios(ssl) != 0) {
        free(orphan);
        return false;
    }
    /* Both belong to a program that believes the connection gone. */
    ssl_api.set_info_callback(ssl, NULL);
    ssl_api.set_msg_callback(ssl, NULL);
    orphan->ssl = ssl;
    orphan->job = job;
    orphan->wait = job->wait;
    if (ASYNC_WAIT_CTX_get_callback(job->wait, &callback, &arg) == 1)
        (void)ASYNC_WAIT_CTX_set_callback(job->wait, note_woken, orphan);
    job->is_orphan = true;
    dropin_count(&dropin.orphaned);
    orphan->next = t->orphans;
    t->orphans = orphan;
    dropin_thread_choose_path(t);
    return true;
}

SY_API void SSL_free(SSL *ssl);

SY_API void SSL_free(SSL *ssl)
{
    struct dropin_thread *t = dropin_self.thread;
    struct dropin_job *job;

    pthread_once(&ssl_api.once, look_up_all);
    if (ssl_api.ssl_free == NULL)
        return;
    if (dropin.options.reap_ssl && ssl != NULL && t != NULL && t->rt != NULL &&
        dropin_forward == NULL && can_reap() &&
        ssl_api.waiting_for_async(ssl) != 0) {
        job = job_of_ssl(t, ssl);
        if (job != NULL && adopt(t, ssl, job))
            return;
    }
    ssl_api.ssl_free(ssl);
}

/* Is the operation complete for which the job waits, as far as one can see? */
static bool is_complete(struct orphan *orphan)
{
    ASYNC_callback_fn callback;
    struct pollfd polled[FDS_MAX];
    int fds[FDS_MAX];
    size_t n;
    void *arg;

    /* acquire pairs with release in note_woken() */
    if (atomic_load_explicit(&orphan->is_woken, memory_order_acquire))
        return true;
    n = dropin_wait_fds(orphan->wait, fds, FDS_MAX);
    if (n > FDS_MAX)
        n = FDS_MAX;
    if (n == 0)
        return ASYNC_WAIT_CTX_get_callback(orphan->wait, &callback, &arg) != 1;
    for (size_t i = 0; i < n; i++)
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    return poll(polled, n, 0) != 0; /* an error is no reason to wait on */
}

/* Resume one orphan. True: it has ended, and is freed. */
static bool resume_orphan(struct orphan *orphan)
{
    int result, state;

    /* relaxed: the wake-up was seen already */
    atomic_store_explicit(&orphan->is_woken, false, memory_order_relaxed);
    (void)ssl_api.err_set_mark(); /* how it fails is nobody's error */
    state = dropin_resume(orphan->job->slot, &result);
    (void)ssl_api.err_pop_to_mark();
    if (state == ASYNC_PAUSE)
        return false;
    ssl_api.ssl_free(orphan->ssl);
    dropin_count(&dropin.reaped);
    free(orphan);
    return true;
}

static void reap_once(struct dropin_thread *t)
{
    struct orphan *list = t->orphans, *orphan;
    int saved_errno = errno;

    /* Jobs that run meanwhile see no orphans, and may make new ones. */
    t->orphans = NULL;
    while (list != NULL) {
        orphan = list;
        list = orphan->next;
        if (!is_complete(orphan) || !resume_orphan(orphan)) {
            orphan->next = t->orphans;
            t->orphans = orphan;
        }
    }
    errno = saved_errno;
}

void dropin_reap(struct dropin_thread *t, bool at_once)
{
    uint64_t begin_ns, now_ns;

    /* relaxed: as in openssl_ends() */
    if (t->orphans == NULL || sy_job_current() != NULL ||
        atomic_load_explicit(&openssl_end.is_over, memory_order_relaxed))
        return;
    begin_ns = now_ns = dropin_now_ns();
    if (!at_once && now_ns - t->orphans_seen_ns < REAP_EVERY_NS)
        return;
    t->orphans_seen_ns = now_ns;
    reap_once(t);
    while (at_once && t->orphans != NULL &&
           dropin_now_ns() - begin_ns < REAP_AT_END_NS) {
        (void)poll(NULL, 0, 1);
        reap_once(t);
    }
    if (t->orphans == NULL)
        dropin_thread_choose_path(t);
}

size_t sy_openssl_reap(void)
{
    struct dropin_thread *t = dropin_self.thread;
    size_t left = 0;

    if (t == NULL || dropin_forward != NULL)
        return 0;
    t->orphans_seen_ns = 0;
    dropin_reap(t, false);
    for (const struct orphan *orphan = t->orphans; orphan != NULL;
         orphan = orphan->next)
        left++;
    return left;
}
