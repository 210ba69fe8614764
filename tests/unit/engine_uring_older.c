/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring of older kernels, and with too little memory: for each feature that
 * is taken away the engines say what they use instead, and work. liburing is
 * replaced by a layer over it that refuses what those kernels refuse; this
 * program is linked with --wrap=dlsym.
 */
#include "unit.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <switchyard/engine.h>
#include <switchyard/job.h>
#include <switchyard/runtime.h>
#include <unistd.h>

#if __has_include(<liburing.h>)
#include <liburing.h>

#define JOBS 300

/* What is missing. */
static unsigned no_setup_flags;
static unsigned cq_entries_max;
static int no_memory;
static int no_registration;
static int no_messages;
static int no_multishot;
static unsigned no_features;

static int (*real_init)(unsigned entries, struct io_uring *ring,
                        struct io_uring_params *params);
static int (*real_submit)(struct io_uring *ring);
static int (*real_register)(struct io_uring *ring);

static int older_init(unsigned entries, struct io_uring *ring,
                      struct io_uring_params *params)
{
    int err;

    if ((params->flags & no_setup_flags) != 0)
        return -EINVAL;
    if (no_memory || params->cq_entries > cq_entries_max)
        return -ENOMEM;
    err = real_init(entries, ring, params);
    params->features &= ~no_features;
    return err;
}

static int older_register(struct io_uring *ring)
{
    return no_registration ? -EINVAL : real_register(ring);
}

/* What is missing becomes an operation that the kernel does not know. */
static int older_submit(struct io_uring *ring)
{
    unsigned mask = *ring->sq.kring_mask;

    for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
        struct io_uring_sqe *sqe = &ring->sq.sqes[i & mask];

        if ((no_messages && sqe->opcode == IORING_OP_MSG_RING) ||
            (no_multishot && sqe->opcode == IORING_OP_POLL_ADD &&
             sqe->len != 0))
            sqe->opcode = 255;
    }
    return real_submit(ring);
}

void *__real_dlsym(void *so, const char *name);
void *__wrap_dlsym(void *so, const char *name);

void *__wrap_dlsym(void *so, const char *name)
{
    static const struct {
        const char *name;
        void **real;
        int (*init)(unsigned, struct io_uring *, struct io_uring_params *);
        int (*other)(struct io_uring *);
    } layers[] = {
        {"io_uring_queue_init_params", (void **)&real_init, older_init, NULL},
        {"io_uring_submit", (void **)&real_submit, NULL, older_submit},
        {"io_uring_register_ring_fd", (void **)&real_register, NULL,
         older_register},
    };

    for (unsigned i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        if (strcmp(name, layers[i].name) != 0)
            continue;
        *layers[i].real = __real_dlsym(so, name);
        if (*layers[i].real == NULL)
            return NULL;
        return layers[i].init != NULL ? *(void *const *)&layers[i].init
                                      : *(void *const *)&layers[i].other;
    }
    return __real_dlsym(so, name);
}

static void as_new_as_it_is(void)
{
    no_setup_flags = no_features = 0;
    no_memory = no_registration = no_messages = no_multishot = 0;
    cq_entries_max = UINT32_MAX;
}

/* ---- what the engines say ---- */

static unsigned state_of(const char *engine, const char *feature)
{
    struct sy_engine_feature features[16];
    const char *variant;
    const struct sy_engine_ops *ops = sy_engine_find(engine, &variant);
    unsigned i, n = ops->describe(variant, features, 16);

    for (i = 0; i < n; i++) {
        if (strcmp(features[i].name, feature) != 0)
            continue;
        CHECK(features[i].state == SY_FEATURE_USED ||
              features[i].instead[0] != '\0');
        return features[i].state;
    }
    fprintf(stderr, "%s says nothing of \"%s\"\n", engine, feature);
    exit(1);
}

/* ---- and whether they work ---- */

static int pause_thrice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sy_job_pause(), 0);
    return 0;
}

static void count_end(void *user, struct sy_job *job, int result)
{
    (void)job, (void)result;
    ++*(unsigned *)user;
}

static struct sy_waker wakers[JOBS];

static void *wake_all(void *arg)
{
    for (int i = 0; i < JOBS; i++)
        (void)sy_wake(wakers[i]);
    return arg;
}

static void carry_wakes(const char *engine, int foreign)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;
    unsigned ended = 0;
    pthread_t thread;
    int fd;

    config.engine = engine;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    if (foreign)
        CHECK_EQ(sy_runtime_fd(rt, &fd), 0);
    for (int i = 0; i < JOBS; i++) {
        struct sy_job_spec spec = {
            .fn = pause_thrice, .done = count_end, .user = &ended};
        struct sy_job *job;
        int result;

        CHECK_EQ(sy_job_start(rt, &spec, &job, &result), SY_JOB_PAUSED);
        wakers[i] = sy_job_waker(job);
    }
    for (int round = 0; round < 3; round++) {
        int resumed = 0;

        if (round == 1) { /* and on the runtime's own thread */
            (void)wake_all(NULL);
        } else {
            CHECK_EQ(pthread_create(&thread, NULL, wake_all, NULL), 0);
            CHECK_EQ(pthread_join(thread, NULL), 0);
        }
        while (resumed < JOBS) {
            int n = sy_runtime_run(rt, 10 * SY_NS_PER_S);

            CHECK(n > 0);
            resumed += n;
        }
        CHECK_EQ(resumed, JOBS);
    }
    CHECK_EQ(ended, JOBS);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static void carry_all(void)
{
    for (int foreign = 0; foreign < 2; foreign++) {
        carry_wakes("io_uring", foreign);
        carry_wakes("eventfd+io_uring", foreign);
    }
}

#define MISSING(engine, feature)                                               \
    CHECK_EQ(state_of(engine, feature), SY_FEATURE_MISSING)

static void without_setup_flags(void)
{
    as_new_as_it_is();
    no_setup_flags = 1u << 13; /* IORING_SETUP_DEFER_TASKRUN, Linux 6.1 */
    MISSING("eventfd+io_uring", "deferred task work, single issuer");
    carry_all();
    no_setup_flags |= IORING_SETUP_SINGLE_ISSUER; /* 6.0 */
    MISSING("io_uring", "single issuer, of the waking threads");
    no_setup_flags |= IORING_SETUP_COOP_TASKRUN; /* 5.19 */
    MISSING("eventfd+io_uring", "cooperative task work");
    carry_all();
}

static void without_operations(void)
{
    as_new_as_it_is();
    no_registration = 1; /* 5.18 */
    MISSING("io_uring", "registered ring descriptor");
    MISSING("eventfd+io_uring", "registered ring descriptor");
    carry_all();
    no_messages = 1; /* 5.18 */
    MISSING("io_uring", "messages between rings");
    carry_all();
    no_multishot = 1; /* 5.13 */
    MISSING("io_uring", "multishot poll, of the doorbell");
    MISSING("eventfd+io_uring", "multishot poll");
    carry_all();
}

static void with_little_memory(void)
{
    as_new_as_it_is();
    cq_entries_max = 100; /* fewer than jobs: completions overflow */
    MISSING("io_uring", "completion ring in full size");
    MISSING("eventfd+io_uring", "completion ring in full size");
    carry_all();
}

/* Not even the smallest ring: it may work later, and says what it lacks. */
static void without_memory(void)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;

    as_new_as_it_is();
    no_memory = 1;
    config.engine = "io_uring";
    CHECK_EQ(sy_runtime_open(&rt, &config), -ENOMEM);
    CHECK(rt == NULL);
    config.engine = NULL;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

static void too_old(void)
{
    const char *variant;
    const struct sy_engine_ops *ops = sy_engine_find("io_uring", &variant);
    char why[256];

    as_new_as_it_is();
    no_features = IORING_FEAT_EXT_ARG; /* 5.11 */
    CHECK_EQ(sy_engine_probe(ops, variant, why, sizeof(why)), -ENOTSUP);
    if (strstr(why, "Linux 5.11") == NULL)
        CHECK_STR(why, "... Linux 5.11 ...");
}

int main(void)
{
    const char *variant;
    const struct sy_engine_ops *ops = sy_engine_find("io_uring", &variant);
    char why[256];

    alarm(100);
    as_new_as_it_is();
    if (sy_engine_probe(ops, variant, why, sizeof(why)) != 0) {
        printf("skipped: %s\n", why);
        return UNIT_SKIP;
    }
    carry_all();
    without_setup_flags();
    without_operations();
    with_little_memory();
    without_memory();
    too_old();
    return 0;
}

#else

int main(void)
{
    printf("skipped: no liburing.h\n");
    return UNIT_SKIP;
}

#endif
