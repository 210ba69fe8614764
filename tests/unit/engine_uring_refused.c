/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring that is forbidden, wholly or in part, from the start or suddenly.
 *
 * From the start: each of the three system calls is refused with each errno
 * that filters use. Without io_uring_setup or io_uring_enter the engines say
 * that they do not work here, and why; without io_uring_register, which only
 * makes it faster, they work. An engine chosen by the library works in any
 * case.
 *
 * Suddenly: a thread that is forbidden to use the ring that it has wakes more
 * slots than any ring has room for. Each of them arrives, once.
 *
 * For a passing reason: that the kernel is busy, or a signal came, is no reason
 * to say that io_uring does not work here.
 */
#include "unit.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <switchyard/engine.h>
#include <switchyard/runtime.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED 40 /* more than fit into the runtime's ring and a sender's */

static const char *const names[] = {"io_uring", "eventfd+io_uring"};
static const struct sy_engine_ops *engine;
static struct sy_engine_slot slots[REFUSED + 2];
static void *state;

/* Returns whether this thread is under the filter now. */
static int install(struct sock_filter *code, size_t steps)
{
    struct sock_fprog filter = {.len = (unsigned short)steps, .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static int refuse(long number, unsigned err)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    return install(code, sizeof(code) / sizeof(code[0]));
}

static void *wake_in_spite(void *arg)
{
    int *filtered = arg;

    engine->wake(state, &slots[0]); /* its ring exists and works */
    *filtered = refuse(SYS_io_uring_enter, EPERM);
    for (int i = 1; *filtered && i <= REFUSED; i++)
        engine->wake(state, &slots[i]);
    return NULL;
}

/* Collect until nothing comes for a while. Counts how often slot i came. */
static void collect(int seen[REFUSED + 2])
{
    struct sy_engine_slot *ready[REFUSED + 2];
    int n;

    while ((n = engine->wait(state, ready, REFUSED + 2, 50 * SY_NS_PER_MS)) > 0)
        while (n-- > 0)
            seen[ready[n]->index]++;
    CHECK_EQ(n, 0);
}

static void refused_suddenly(uint32_t flags)
{
    struct sy_engine_counts counts = {0, 0};
    struct sy_engine_config config = {.counts = &counts, .flags = flags};
    int seen[REFUSED + 2] = {0}, filtered = 0;
    pthread_t thread;

    state = aligned_alloc(64, (engine->state_bytes + 63) / 64 * 64);
    CHECK(state != NULL);
    memset(state, 0, engine->state_bytes);
    memset(slots, 0, sizeof(slots));
    CHECK_EQ(engine->open(state, &config), 0);
    for (int i = 0; i < REFUSED + 2; i++)
        slots[i].index = (uint32_t)i;

    CHECK_EQ(pthread_create(&thread, NULL, wake_in_spite, &filtered), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    if (!filtered) {
        printf("skipped: no seccomp filter: %s\n", strerror(errno));
        exit(UNIT_SKIP);
    }
    engine->wake(state, &slots[REFUSED + 1]);
    collect(seen);
    for (int i = 0; i < REFUSED + 2; i++)
        CHECK_EQ(seen[i], 1);
    engine->close(state);
    free(state);
}

/* What a library does that was not told which engine to use. */
static void open_default(void)
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;

    config.flags = SY_RT_NO_ENVIRONMENT;
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    CHECK_EQ(sy_runtime_close(rt), 0);
}

/* In a process of its own. */
static void refused_from_the_start(long number, unsigned err)
{
    const char *word = err == EPERM ? "forbidden" : "hides it";
    int works = number == SYS_io_uring_register;

    if (!refuse(number, err))
        exit(UNIT_SKIP);
    for (unsigned i = 0; i < 2; i++) {
        struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
        const char *variant;
        const struct sy_engine_ops *ops = sy_engine_find(names[i], &variant);
        struct sy_engine_feature features[16];
        struct sy_runtime *rt;
        char why[256];

        CHECK_EQ(sy_engine_probe(ops, variant, why, sizeof(why)),
                 works ? 0 : -ENOTSUP);
        if (!works && strstr(why, word) == NULL)
            CHECK_STR(why, word);
        CHECK_EQ(ops->describe(variant, features, 16) > 0, works);
        config.engine = names[i];
        CHECK_EQ(sy_runtime_open(&rt, &config), works ? 0 : -ENOTSUP);
        CHECK_EQ(sy_runtime_close(rt), 0);
    }
    open_default();
    exit(0);
}

/* In a process of its own: entering with nothing to submit and nothing to wait
   for fails, as if the kernel were busy. */
static void refused_in_passing(unsigned err)
{
    const unsigned submits =
        offsetof(struct seccomp_data, args) + 1 * sizeof(uint64_t);
    const unsigned flags =
        offsetof(struct seccomp_data, args) + 3 * sizeof(uint64_t);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, submits),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1 /* GETEVENTS */, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    char why[256];

    if (!install(code, sizeof(code) / sizeof(code[0])))
        exit(UNIT_SKIP);
    for (unsigned i = 0; i < 2; i++) {
        const char *variant;
        const struct sy_engine_ops *ops = sy_engine_find(names[i], &variant);

        CHECK_EQ(sy_engine_probe(ops, variant, why, sizeof(why)), 0);
    }
    exit(0);
}

/* number: the system call that is refused; 0: see refused_in_passing() */
static void in_a_child(long number, unsigned err)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0 && number == 0)
        refused_in_passing(err);
    if (pid == 0)
        refused_from_the_start(number, err);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) != UNIT_SKIP)
        CHECK_EQ(WEXITSTATUS(status), 0);
}

static int find_engine(char *why, size_t why_bytes)
{
    const char *variant;

    engine = sy_engine_find("io_uring", &variant);
    return engine->probe(NULL, why, why_bytes) == 0;
}

int main(void)
{
    static const long numbers[] = {SYS_io_uring_setup, SYS_io_uring_enter,
                                   SYS_io_uring_register};
    char why[256];

    alarm(60);
    if (!find_engine(why, sizeof(why))) {
        printf("skipped: %s\n", why);
        return UNIT_SKIP;
    }
    for (unsigned i = 0; i < 3; i++) {
        in_a_child(numbers[i], EPERM);
        in_a_child(numbers[i], ENOSYS);
    }
    in_a_child(0, EAGAIN);
    in_a_child(0, EINTR);
    refused_suddenly(0);
    refused_suddenly(SY_EN_SAME_THREAD);
    return 0;
}
