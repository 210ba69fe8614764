/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads: nothing lost and nothing done twice under load from several
   threads, order kept, everything announced by close, and a new beginning in
   the child of a fork. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/device.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUBMITTERS 4
#define OPS        2500 /* by each */

static _Atomic int bad;

static void expect(const char *what, uint64_t got, uint64_t expected)
{
    if (got == expected)
        return;
    printf("%s: %llu, expected %llu\n", what, (unsigned long long)got,
           (unsigned long long)expected);
    bad = 1;
}

static struct sy_device *open_device(const char *spec)
{
    struct sy_device *device;
    char why[512];

    if (sy_device_open(&device, spec, NULL, why, sizeof(why)) != 0) {
        printf("%s: %s\n", spec, why);
        exit(1);
    }
    return device;
}

struct task {
    struct sy_device_op op;
    _Atomic uint64_t *left;
    uint64_t executed;
    _Atomic int announced;
};

static int execute(void *arg)
{
    ((struct task *)arg)->executed++;
    return -EDOM;
}

static void announced(struct sy_waker waker, void *user)
{
    struct task *task = user;

    (void)waker;
    if (atomic_fetch_add_explicit(&task->announced, 1, memory_order_relaxed) !=
        0)
        bad = 1;
    /* pairs with acquire in await() */
    atomic_fetch_sub_explicit(task->left, 1, memory_order_release);
}

static void submit(struct sy_device *device, struct task *task,
                   _Atomic uint64_t *left)
{
    task->left = left;
    task->op.execute = execute;
    task->op.arg = task;
    task->op.notify = announced;
    task->op.user = task;
    sy_device_submit(device, &task->op);
}

static void await(_Atomic uint64_t *left)
{
    for (int ms = 0; ms < 60000; ms++) {
        /* pairs with release in announced() */
        if (atomic_load_explicit(left, memory_order_acquire) == 0)
            return;
        usleep(1000);
    }
    printf("%llu operations were never announced\n",
           (unsigned long long)atomic_load(left));
    exit(1);
}

struct submitter {
    struct sy_device *device;
    struct task *tasks;
    _Atomic uint64_t left;
};

static void *submitter(void *arg)
{
    struct submitter *s = arg;

    for (size_t i = 0; i < OPS; i++)
        submit(s->device, &s->tasks[i], &s->left);
    await(&s->left);
    return NULL;
}

/* A small queue, so that the line is in use most of the time. */
static void from_many_threads(const char *spec)
{
    static struct submitter submitters[SUBMITTERS];
    struct sy_device *device = open_device(spec);
    struct sy_device_stats stats;
    pthread_t threads[SUBMITTERS];

    for (int i = 0; i < SUBMITTERS; i++) {
        struct submitter *s = &submitters[i];

        s->device = device;
        s->tasks = calloc(OPS, sizeof(*s->tasks));
        atomic_store(&s->left, OPS);
        if (s->tasks == NULL ||
            pthread_create(&threads[i], NULL, submitter, s) != 0)
            exit(1);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        pthread_join(threads[i], NULL);
        for (size_t n = 0; n < OPS; n++) {
            struct task *task = &submitters[i].tasks[n];

            expect("executed", task->executed, 1);
            expect("announced", (uint64_t)task->announced, 1);
            expect("status", (uint64_t)-task->op.status, EDOM);
        }
    }
    sy_device_get_stats(device, &stats);
    expect("submitted", stats.submitted, SUBMITTERS * OPS);
    expect("completed", stats.completed, SUBMITTERS * OPS);
    expect("late_count", stats.late_count, SUBMITTERS * OPS);
    sy_device_close(device);
    for (int i = 0; i < SUBMITTERS; i++)
        free(submitters[i].tasks);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static size_t order[100], ordered;

static int note_order(void *arg)
{
    pthread_mutex_lock(&gate);
    order[ordered++] = *(size_t *)arg;
    pthread_mutex_unlock(&gate);
    return 0;
}

static int note_signals(void *arg)
{
    return pthread_sigmask(SIG_BLOCK, NULL, arg);
}

static void in_order(const char *spec)
{
    struct sy_device *device = open_device(spec);
    struct sy_device_op op[100];
    size_t number[100];

    memset(op, 0, sizeof(op));
    ordered = 0;
    pthread_mutex_lock(&gate); /* let them queue up */
    for (size_t i = 0; i < 100; i++) {
        number[i] = i;
        op[i].execute = note_order;
        op[i].arg = &number[i];
        sy_device_submit(device, &op[i]);
    }
    pthread_mutex_unlock(&gate);
    for (int ms = 0; ms < 60000 && !sy_device_op_done(&op[99]); ms++)
        usleep(1000);
    expect("ordered", ordered, 100);
    for (size_t i = 0; i < ordered; i++)
        expect("order", order[i], i);
    sy_device_close(device);
}

static void signals_are_blocked(void)
{
    struct sy_device *device = open_device("workers");
    struct sy_device_op op;
    sigset_t blocked;

    memset(&op, 0, sizeof(op));
    sigemptyset(&blocked);
    op.execute = note_signals;
    op.arg = &blocked;
    sy_device_submit(device, &op);
    for (int ms = 0; ms < 60000 && !sy_device_op_done(&op); ms++)
        usleep(1000);
    expect("SIGINT blocked", (uint64_t)sigismember(&blocked, SIGINT), 1);
    expect("SIGALRM blocked", (uint64_t)sigismember(&blocked, SIGALRM), 1);
    sy_device_close(device);
}

static _Atomic int slow_began;

static int slow(void *arg)
{
    (void)arg;
    atomic_store(&slow_began, 1);
    usleep(20000);
    return 0;
}

/* Close while one is being executed: it ends; the others are cancelled, those
   in line too. */
static void close_with_pending(void)
{
    struct sy_device *device = open_device("workers:1,queue=4");
    static struct task task[20];
    _Atomic uint64_t left = 20;
    uint64_t cancelled = 0;
    struct sy_device_op first;

    memset(&first, 0, sizeof(first));
    first.execute = slow;
    sy_device_submit(device, &first);
    while (!atomic_load(&slow_began))
        usleep(100);
    for (size_t i = 0; i < 20; i++)
        submit(device, &task[i], &left);
    sy_device_close(device);
    expect("the first is done", (uint64_t)sy_device_op_done(&first), 1);
    expect("status of the first", (uint64_t)-first.status, 0);
    expect("left", atomic_load(&left), 0);
    for (size_t i = 0; i < 20; i++) {
        if (task[i].op.status == -ECANCELED) {
            cancelled++;
            expect("a cancelled one executed", task[i].executed, 0);
        } else {
            expect("status", (uint64_t)-task[i].op.status, EDOM);
            expect("executed", task[i].executed, 1);
        }
    }
    expect("cancelled", cancelled, 20);
}

/* In the child there are no threads: new operations work, old ones are
   dropped, close does not hang. */
static void after_fork(const char *spec, int use_it)
{
    struct sy_device *device = open_device(spec);
    static struct task before[50], after;
    _Atomic uint64_t left = 50, left_after = 1;
    int status = -1;
    pid_t child;

    memset(before, 0, sizeof(before));
    memset(&after, 0, sizeof(after));
    for (size_t i = 0; i < 50; i++)
        submit(device, &before[i], &left);
    child = fork();
    if (child == 0) {
        alarm(20);
        if (use_it) {
            for (size_t i = 0; i < 2; i++) {
                memset(&after, 0, sizeof(after));
                atomic_store(&left_after, 1);
                submit(device, &after, &left_after);
                await(&left_after);
                expect("executed in the child", after.executed, 1);
            }
        }
        sy_device_close(device);
        fflush(stdout);
        _exit(bad);
    }
    await(&left);
    if (child == -1 || waitpid(child, &status, 0) != child || status != 0) {
        printf("%s: the child ended with status %d\n", spec, status);
        bad = 1;
    }
    sy_device_close(device);
}

int main(void)
{
    from_many_threads("workers:1,queue=1");
    from_many_threads("workers:2,queue=8");
    from_many_threads("workers:3,queue=64K");
    from_many_threads("sim:3,service=fixed:100ns,queue=8,mode=thread");
    in_order("workers:1");
    in_order("workers:1,queue=3");
    signals_are_blocked();
    close_with_pending();
    if (SY_TSAN) {
        printf("fork skipped: ThreadSanitizer cannot start threads after it\n");
    } else if (SY_ASAN) {
        printf("fork skipped: AddressSanitizer's allocator may stay locked in "
               "the child of several threads\n");
    } else {
        after_fork("workers:2", 1);
        after_fork("workers:2,queue=3", 1);
        after_fork("workers:2,queue=3", 0);
        after_fork("sim:service=fixed:100us,mode=thread", 1);
    }
    return bad;
}
