/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wakes while jobs are resumed by hand, cancelled, abandoned, ended and started
 * anew in the same slots: three threads and a signal handler wake, two runtimes
 * of one thread, which it drives in turns, have the jobs. On every engine,
 * with a foreign loop and without.
 *
 * A letter is put into a mailbox before its job is woken; whichever job has the
 * mailbox looks into it before it pauses. So a letter that stays there, when
 * all is quiet, is a wake-up that was lost.
 *
 * usage: wakes_and_endings [WAKES [ENGINE-GLOB [SEED [SWITCHER]]]]
 */
#include "stress.h"
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>

#define WAKERS   3
#define RUNTIMES 2
#define BOXES    48

/* Long enough to be sure that nothing comes any more. */
#define QUIET_MS 3000

struct box {
    atomic_uint version; /* odd: slot and generation are being changed */
    _Atomic(struct sy_job *) slot;
    _Atomic uint64_t generation;
    atomic_uint letters;
    struct sy_job *job; /* the runtime's thread's from here on */
    struct sy_runtime *rt;
    bool alive; /* its job has not ended */
};

static struct box boxes[BOXES];
static uint64_t random_state;
static atomic_uint signal_random;
static atomic_int waking;      /* threads */
static atomic_bool may_signal; /* the handler may wake */
static unsigned depth;         /* of runs within jobs */

static unsigned pick(unsigned n)
{
    return (unsigned)(stress_random(&random_state) % n);
}

/* In the order of a lock-free hand-over: first who it is, then the look. */
static void move_in(struct box *box, struct sy_waker waker)
{
    atomic_fetch_add(&box->version, 1);
    atomic_store(&box->slot, waker.slot);
    atomic_store(&box->generation, waker.generation);
    atomic_fetch_add(&box->version, 1);
}

/* in_handler: whom it interrupted may be moving in; he looks himself then. */
static void send(struct box *box, bool in_handler)
{
    struct sy_waker waker;
    unsigned version;

    atomic_fetch_add(&box->letters, 1);
    do {
        version = atomic_load(&box->version);
        waker.slot = atomic_load(&box->slot);
        waker.generation = atomic_load(&box->generation);
        if (in_handler && version % 2 != 0)
            return;
    } while (version % 2 != 0 || atomic_load(&box->version) != version);
    (void)sy_wake(waker);
}

static void wake_from_handler(int number)
{
    (void)number;
    if (atomic_load(&may_signal))
        send(&boxes[atomic_fetch_add(&signal_random, 7) % BOXES], true);
}

struct waker_thread {
    pthread_t thread;
    unsigned long wakes;
    uint64_t random;
};

static void *wake_at_random(void *arg)
{
    struct waker_thread *w = arg;

    for (unsigned long i = 0; i < w->wakes; i++) {
        send(&boxes[stress_random(&w->random) % BOXES], false);
        if (stress_random(&w->random) % 64 == 0)
            usleep(100);
    }
    atomic_fetch_sub(&waking, 1);
    return NULL;
}

/* What a job does instead of pausing, now and then. */
static void do_something_else(struct box *box)
{
    struct sy_waker own = sy_job_waker(sy_job_current());
    int err;

    switch (pick(4)) {
    case 0:
        (void)sy_wake(own); /* early */
        break;
    case 1:
        err = sy_wait_here(own, pick(2) * 1000);
        STRESS_CHECK(err == 0 || err == -ETIMEDOUT);
        break;
    case 2:
        if (depth < 3) {
            depth++;
            STRESS_CHECK(sy_runtime_run(box->rt, pick(2) * 1000) >= 0);
            depth--;
        }
        break;
    default:
        break;
    }
}

static int live_in_box(void *arg)
{
    struct box *box = arg;
    unsigned left = 1 + pick(40);

    box->alive = true;
    move_in(box, sy_job_waker(sy_job_current()));
    while (left-- > 0) {
        if (pick(8) == 0)
            do_something_else(box);
        if (atomic_exchange(&box->letters, 0) == 0)
            (void)sy_job_pause();
    }
    box->alive = false;
    return 7;
}

static void note_end(void *user, struct sy_job *job, int result)
{
    struct box *box = user;

    (void)job;
    STRESS_CHECK(result == 7);
    box->job = NULL;
}

static void start(struct box *box)
{
    struct sy_job_spec spec = {
        .fn = live_in_box,
        .arg = box,
        .done = pick(2) == 0 ? note_end : NULL,
        .user = box,
    };
    int result = -1;

    STRESS_CHECK(sy_job_start(box->rt, &spec, &box->job, &result) >= 0);
}

/* Something that the program does to a job of its own. */
static void act_on(struct box *box)
{
    int err = 0, result = -1;

    if (box->job == NULL) {
        start(box);
        return;
    }
    switch (pick(6)) {
    case 0:
    case 1:
        err = sy_job_resume(&box->job, &result);
        break;
    case 2:
        err = sy_job_cancel(box->job);
        if (err == -ESRCH) /* it has ended, the result is to be collected */
            err = sy_job_resume(&box->job, &result);
        break;
    case 3:
        err = sy_job_abandon(&box->job);
        if (err == 0)
            start(box);
        break;
    default:
        break;
    }
    STRESS_CHECK(err >= 0);
}

/* One turn of the program's loop, which is in no hurry. */
static void turn(struct sy_runtime *rt, int fd)
{
    static const uint64_t timeouts_ns[] = {0, 20000, 2 * SY_NS_PER_MS};

    STRESS_CHECK(sy_runtime_run(rt, fd != -1 ? 0 : timeouts_ns[pick(3)]) >= 0);
}

/* One turn when nobody wakes any more, but letters are left. */
static void last_turn(struct sy_runtime *rt, int fd)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    int n;

    if (fd != -1)
        STRESS_CHECK(poll(&watched, 1, QUIET_MS) != 0);
    n = sy_runtime_run(rt, fd != -1 ? 0 : QUIET_MS * SY_NS_PER_MS);
    STRESS_CHECK(fd != -1 ? n >= 0 : n > 0);
}

/* Who ended leaves his letters to the next. */
static void replace_ended(const struct sy_runtime *rt)
{
    int result;

    for (int i = 0; i < BOXES; i++) {
        struct box *box = &boxes[i];

        if (box->rt != rt)
            continue;
        if (box->job != NULL && !box->alive)
            STRESS_CHECK(sy_job_resume(&box->job, &result) == SY_JOB_FINISHED);
        if (box->job == NULL)
            start(box);
    }
}

/* Boxes with letters; of paused jobs only, or of ended ones too. */
static int count_full(const struct sy_runtime *rt, bool of_paused)
{
    int full = 0;

    for (int i = 0; i < BOXES; i++)
        full += boxes[i].rt == rt && atomic_load(&boxes[i].letters) != 0 &&
                (boxes[i].alive || !of_paused);
    return full;
}

static void live(struct sy_runtime *const *rts, const int *fds,
                 unsigned long wakes)
{
    struct waker_thread wakers[WAKERS];
    sigset_t alarm, kept;

    (void)sigemptyset(&alarm);
    (void)sigaddset(&alarm, SIGALRM);
    STRESS_CHECK(pthread_sigmask(SIG_BLOCK, &alarm, &kept) == 0);
    atomic_store(&waking, WAKERS);
    for (int w = 0; w < WAKERS; w++) {
        wakers[w] = (struct waker_thread){.wakes = wakes / WAKERS,
                                          .random = random_state + (unsigned)w};
        STRESS_CHECK(pthread_create(&wakers[w].thread, NULL, wake_at_random,
                                    &wakers[w]) == 0);
    }
    STRESS_CHECK(pthread_sigmask(SIG_SETMASK, &kept, NULL) == 0);
    while (atomic_load(&waking) != 0) {
        unsigned r = pick(RUNTIMES);

        act_on(&boxes[pick(BOXES)]);
        turn(rts[r], fds[r]);
    }
    for (int w = 0; w < WAKERS; w++)
        STRESS_CHECK(pthread_join(wakers[w].thread, NULL) == 0);
    atomic_store(&may_signal, false);
    for (int r = 0; r < RUNTIMES; r++) {
        while (count_full(rts[r], false) > 0) {
            if (count_full(rts[r], true) > 0)
                last_turn(rts[r], fds[r]);
            replace_ended(rts[r]);
        }
    }
}

static struct sy_runtime *open_with(const struct sy_engine_ops *en,
                                    const char *variant, const char *switcher,
                                    uint64_t spin_ns, uint32_t flags)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;
    char name[64];

    snprintf(name, sizeof(name), "%s%s%s", en->name, variant ? "+" : "",
             variant ? variant : "");
    config.engine = name;
    config.switcher = switcher;
    config.spin_ns = spin_ns;
    config.spin_percent = 100;
    config.flags = flags;
    STRESS_CHECK(sy_runtime_open(&rt, &config) == 0);
    return rt;
}

static void blow(const struct sy_engine_ops *en, const char *variant,
                 const char *switcher, unsigned mode, unsigned long wakes)
{
    struct sy_runtime *rts[RUNTIMES];
    int fds[RUNTIMES];

    memset(boxes, 0, sizeof(boxes));
    for (int r = 0; r < RUNTIMES; r++) {
        rts[r] = open_with(en, variant, switcher, mode & 1 ? 20000 : SY_NO_SPIN,
                           mode & 4 ? (uint32_t)SY_RT_ZERO_STACKS : 0);
        fds[r] = -1;
        if (mode & 2)
            STRESS_CHECK(sy_runtime_fd(rts[r], &fds[r]) == 0 || fds[r] == -1);
    }
    for (int i = 0; i < BOXES; i++) {
        boxes[i].rt = rts[i % RUNTIMES];
        start(&boxes[i]);
    }
    atomic_store(&may_signal, (en->caps & SY_EN_SIGNAL_SAFE) != 0);
    live(rts, fds, wakes);
    for (int i = 0; i < BOXES; i++)
        if (boxes[i].job != NULL)
            STRESS_CHECK(sy_job_abandon(&boxes[i].job) == 0);
    for (int r = 0; r < RUNTIMES; r++)
        STRESS_CHECK(sy_runtime_close(rts[r]) == 0);
}

static void blow_all_modes(const struct sy_engine_ops *en, const char *variant,
                           const char *switcher, unsigned long wakes)
{
    for (unsigned mode = 0; mode < 8; mode++) {
        printf("%s%s%s mode %u\n", en->name, variant ? "+" : "",
               variant ? variant : "", mode);
        (void)fflush(stdout);
        blow(en, variant, switcher, mode, wakes);
    }
}

int main(int argc, char **argv)
{
    static const char *const single[] = {NULL, NULL};
    unsigned long wakes = argc > 1 ? stress_number(argv[1]) : 6000;
    const char *glob = argc > 2 ? argv[2] : "*";
    uint64_t seed = argc > 3 ? stress_number(argv[3]) : 1;
    const char *switcher = argc > 4 ? argv[4] : NULL;
    struct sigaction action = {.sa_handler = wake_from_handler};
    struct itimerval every = {{0, 300}, {0, 300}};

    printf("seed %llu\n", (unsigned long long)seed);
    random_state = seed;
    STRESS_CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    STRESS_CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
    for (const struct sy_engine_ops *const *en = sy_engine_table(); *en != NULL;
         en++) {
        const char *const *v = (*en)->variants ? (*en)->variants : single;

        do {
            char name[64], why[128];

            snprintf(name, sizeof(name), "%s%s%s", (*en)->name, *v ? "+" : "",
                     *v ? *v : "");
            if (fnmatch(glob, name, 0) == 0 &&
                sy_engine_probe(*en, *v, why, sizeof(why)) == 0)
                blow_all_modes(*en, *v, switcher, wakes);
        } while (*v != NULL && *++v != NULL);
    }
    return 0;
}
