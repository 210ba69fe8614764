/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that is suddenly forbidden to use its rings (a seccomp filter that
 * refuses io_uring_enter) wakes more slots than any ring has room for: each
 * wake returns. Whoever may use rings is not disturbed, and no slot comes
 * twice.
 */
#include "unit.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <switchyard/clock.h>
#include <switchyard/engine.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSED 40 /* more than fit into the runtime's ring and a sender's */

static const struct sy_engine_ops *engine;
static struct sy_engine_slot slots[REFUSED + 2];
static void *state;

/* Returns whether this thread is under the filter now. */
static int refuse_io_uring_enter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]),
                                .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static void *wake_in_vain(void *arg)
{
    int *filtered = arg;

    engine->wake(state, &slots[0]); /* its ring exists and works */
    *filtered = refuse_io_uring_enter();
    for (int i = 1; *filtered && i <= REFUSED; i++)
        engine->wake(state, &slots[i]);
    return NULL;
}

static int find_engine(char *why, size_t why_bytes)
{
    for (const struct sy_engine_ops *const *e = sy_engine_table(); *e != NULL;
         e++)
        if (strcmp((*e)->name, "io_uring") == 0)
            engine = *e;
    snprintf(why, why_bytes, "there is no engine io_uring");
    return engine != NULL && engine->probe(NULL, why, why_bytes) == 0;
}

/* Collect until nothing comes for a while. Returns how often slot i came. */
static void collect(int seen[REFUSED + 2])
{
    struct sy_engine_slot *ready[REFUSED + 2];
    int n;

    while ((n = engine->wait(state, ready, REFUSED + 2, 50 * SY_NS_PER_MS)) > 0)
        while (n-- > 0)
            seen[ready[n]->index]++;
    CHECK_EQ(n, 0);
}

int main(void)
{
    struct sy_engine_counts counts = {0, 0};
    struct sy_engine_config config = {.counts = &counts};
    int seen[REFUSED + 2] = {0}, filtered = 0;
    char why[256];
    pthread_t thread;

    if (!find_engine(why, sizeof(why))) {
        printf("skipped: %s\n", why);
        return UNIT_SKIP;
    }
    state = aligned_alloc(64, (engine->state_bytes + 63) / 64 * 64);
    CHECK(state != NULL);
    memset(state, 0, engine->state_bytes);
    CHECK_EQ(engine->open(state, &config), 0);
    for (int i = 0; i < REFUSED + 2; i++)
        slots[i].index = (uint32_t)i;

    alarm(60);
    CHECK_EQ(pthread_create(&thread, NULL, wake_in_vain, &filtered), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    if (!filtered) {
        printf("skipped: no seccomp filter: %s\n", strerror(errno));
        return UNIT_SKIP;
    }
    engine->wake(state, &slots[REFUSED + 1]);
    collect(seen);
    CHECK_EQ(seen[0], 1);
    CHECK_EQ(seen[REFUSED + 1], 1);
    for (int i = 1; i <= REFUSED; i++)
        CHECK(seen[i] <= 1);
    engine->close(state);
    free(state);
    return 0;
}
