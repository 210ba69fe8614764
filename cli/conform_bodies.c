/* SPDX-License-Identifier: Apache-2.0 */
#include "conform_bodies.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <switchyard/device.h>
#include <switchyard/workload.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tests/conformance/conformance_table.h"

#define BODY_MS_MAX 30000
#define OPS_COUNT   200

#define BODY(function)                                                         \
    {                                                                          \
#function, function                                                    \
    }

static int fail(char *why, size_t why_bytes, const char *format, ...)
    SY_PRINTF(3, 4);
static int fail(char *why, size_t why_bytes, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, why_bytes, format, args);
    va_end(args);
    return 0;
}

/* ---- devices ------------------------------------------------------------ */

struct load {
    struct sy_device_op op[OPS_COUNT];
    atomic_int executed, announced;
};

static int execute(void *arg)
{
    struct load *load = arg;

    /* Relaxed: only counted, and read when all is announced. */
    atomic_fetch_add_explicit(&load->executed, 1, memory_order_relaxed);
    return 0;
}

static void notify(struct sy_waker waker, void *user)
{
    struct load *load = user;

    (void)waker;
    /* Pairs with the acquire in announced(). */
    atomic_fetch_add_explicit(&load->announced, 1, memory_order_release);
}

static int announced(struct load *load)
{
    /* Pairs with the release in notify(). */
    return atomic_load_explicit(&load->announced, memory_order_acquire);
}

static struct sy_device *submit_all(const void *ops, struct load *load,
                                    char *why, size_t why_bytes)
{
    struct sy_device *device;
    char reason[256];
    int i;

    if (sy_device_open_ops(&device, ops, "", NULL, reason, sizeof(reason)) !=
        0) {
        fail(why, why_bytes, "open without options: %s", reason);
        return NULL;
    }
    for (i = 0; i < OPS_COUNT; i++) {
        load->op[i].execute = execute;
        load->op[i].arg = load;
        load->op[i].notify = notify;
        load->op[i].user = load;
        sy_device_submit(device, &load->op[i]);
    }
    return device;
}

static int announces_everything(const void *ops, char *why, size_t why_bytes)
{
    struct load *load = calloc(1, sizeof(*load));
    struct sy_device *device = submit_all(ops, load, why, why_bytes);
    uint64_t now, end_ns;
    int i;

    if (device == NULL)
        return 0;
    now = sy_clock_now_ns(sy_clock_monotonic());
    for (end_ns = now + 20 * SY_NS_PER_S;
         now < end_ns && announced(load) < OPS_COUNT;
         now = sy_clock_now_ns(sy_clock_monotonic())) {
        sy_device_poll(device, NULL);
        usleep(100);
    }
    if (announced(load) != OPS_COUNT)
        return fail(why, why_bytes,
                    "%d of %d operations were announced within 20 s",
                    announced(load), OPS_COUNT);
    if (atomic_load_explicit(&load->executed, memory_order_relaxed) !=
        OPS_COUNT)
        return fail(
            why, why_bytes, "%d operations were announced, %d executed",
            OPS_COUNT,
            atomic_load_explicit(&load->executed, memory_order_relaxed));
    for (i = 0; i < OPS_COUNT; i++)
        if (!sy_device_op_done(&load->op[i]) || load->op[i].status != 0)
            return fail(why, why_bytes, "operation %d has status %d, done %d",
                        i, load->op[i].status, sy_device_op_done(&load->op[i]));
    sy_device_close(device);
    if (announced(load) != OPS_COUNT)
        return fail(why, why_bytes, "close announced operations again");
    return 1;
}

static int close_announces_what_is_pending(const void *ops, char *why,
                                           size_t why_bytes)
{
    struct load *load = calloc(1, sizeof(*load));
    struct sy_device *device = submit_all(ops, load, why, why_bytes);
    int i;

    if (device == NULL)
        return 0;
    sy_device_close(device);
    if (announced(load) != OPS_COUNT)
        return fail(why, why_bytes,
                    "%d of %d operations are announced after "
                    "close",
                    announced(load), OPS_COUNT);
    for (i = 0; i < OPS_COUNT; i++)
        if (load->op[i].status != 0 && load->op[i].status != -ECANCELED)
            return fail(why, why_bytes,
                        "operation %d has status %d, neither 0 nor %d", i,
                        load->op[i].status, -ECANCELED);
    return 1;
}

static int refuses_unknown_options(const void *ops, char *why, size_t why_bytes)
{
    struct sy_device *device;
    char reason[256] = "";
    int err = sy_device_open_ops(&device, ops, "no-such-option=1", NULL, reason,
                                 sizeof(reason));

    if (err != -EINVAL)
        return fail(why, why_bytes,
                    "open with 'no-such-option=1' gave %d, "
                    "not -EINVAL",
                    err);
    if (reason[0] == '\0')
        return fail(why, why_bytes, "open failed and gave no reason in words");
    return 1;
}

const struct conform_body conform_device_bodies[] = {
    BODY(announces_everything),
    BODY(close_announces_what_is_pending),
    BODY(refuses_unknown_options),
    {NULL, NULL},
};

/* ---- workloads ---------------------------------------------------------- */

struct bench {
    const struct sy_workload_ops *ops;
    void *shared, *slot;
};

/* As the contract says: zeroed memory, in order. The child ends soon, so only
   what the contract names is given back. */
static int set_up(struct bench *b, const void *ops, uint64_t seed, char *why,
                  size_t why_bytes)
{
    struct sy_workload_config cfg = {.seed = seed};
    int err;

    b->ops = ops;
    cfg.param_bytes = b->ops->param_default;
    b->shared = calloc(1, b->ops->shared_bytes + 1);
    b->slot = calloc(1, b->ops->slot_bytes + 1);
    if (b->shared == NULL || b->slot == NULL)
        return fail(why, why_bytes, "no memory");
    err = b->ops->open(b->shared, &cfg);
    if (err != 0)
        return fail(why, why_bytes, "open gave %d", err);
    err = b->ops->prepare != NULL ? b->ops->prepare(b->shared, b->slot) : 0;
    if (err != 0)
        return fail(why, why_bytes, "prepare gave %d", err);
    return 1;
}

static void tear_down(struct bench *b)
{
    if (b->ops->release != NULL)
        b->ops->release(b->shared, b->slot);
    b->ops->close(b->shared);
}

static int operate(struct bench *b, uint64_t n, char *why, size_t why_bytes)
{
    int err = b->ops->begin(b->shared, b->slot, n);
    uint32_t i;

    if (err != 0)
        return fail(why, why_bytes, "begin of operation %llu gave %d",
                    (unsigned long long)n, err);
    for (i = 0; i < b->ops->steps; i++) {
        err = b->ops->step(b->shared, b->slot, i);
        if (err != 0)
            return fail(why, why_bytes, "step %u of operation %llu gave %d", i,
                        (unsigned long long)n, err);
    }
    return 1;
}

/* Twenty operations, each of them checked. */
static int verify_each(const void *ops, int spoilt, char *why, size_t why_bytes)
{
    struct bench b;
    uint64_t n;

    if (!set_up(&b, ops, 1, why, why_bytes))
        return 0;
    for (n = 0; n < 20; n++) {
        if (!operate(&b, n, why, why_bytes))
            return 0;
        if (spoilt)
            b.ops->spoil(b.slot);
        if (b.ops->verify(b.shared, b.slot) != !spoilt)
            return fail(why, why_bytes, "operation %llu %s",
                        (unsigned long long)n,
                        spoilt ? "verifies although it was spoiled"
                               : "does not verify");
    }
    tear_down(&b);
    return 1;
}

static int results_verify(const void *ops, char *why, size_t why_bytes)
{
    return verify_each(ops, 0, why, why_bytes);
}

static int spoiled_results_do_not_verify(const void *ops, char *why,
                                         size_t why_bytes)
{
    return verify_each(ops, 1, why, why_bytes);
}

static int names_real_steps(const void *ops, char *why, size_t why_bytes)
{
    const struct sy_workload_ops *w = ops;

    if (w->steps < 32 && w->offloaded >> w->steps != 0)
        return fail(why, why_bytes,
                    "offloaded is %#x, but there are only %u steps",
                    w->offloaded, w->steps);
    if (w->param_default != 0 &&
        (w->param_default < w->param_min || w->param_default > w->param_max))
        return fail(why, why_bytes, "param_default %zu is outside %zu .. %zu",
                    w->param_default, w->param_min, w->param_max);
    return 1;
}

const struct conform_body conform_workload_bodies[] = {
    BODY(names_real_steps),
    BODY(results_verify),
    BODY(spoiled_results_do_not_verify),
    {NULL, NULL},
};

/* ---- the child ---------------------------------------------------------- */

static SY_NORETURN void run_in_child(const struct conform_body *body,
                                     const void *ops, int to)
{
    char why[512] = "";
    int kept = body->run(ops, why, sizeof(why));
    ssize_t n = 0;

    if (!kept)
        n = write(to, why, strlen(why));
    (void)n; /* without its reason a failure is still one */
    _exit(kept ? SY_CONFORMANCE_PASS : SY_CONFORMANCE_FAIL);
}

int conform_run_body(const struct conform_body *body, const void *ops,
                     char *why, size_t why_bytes)
{
    struct pollfd poll_fd = {.events = POLLIN};
    int pipe_fd[2], status = 0, ready;
    ssize_t n;
    pid_t pid;

    why[0] = '\0';
    fflush(NULL);
    if (pipe(pipe_fd) != 0) {
        snprintf(why, why_bytes, "no pipe: %s", strerror(errno));
        return SY_CONFORMANCE_FAIL;
    }
    pid = fork();
    if (pid == 0) {
        close(pipe_fd[0]);
        run_in_child(body, ops, pipe_fd[1]);
    }
    close(pipe_fd[1]);
    /* The pipe ends with the child, whatever it does. */
    poll_fd.fd = pipe_fd[0];
    ready = pid == -1 ? 0 : poll(&poll_fd, 1, BODY_MS_MAX);
    n = ready > 0 ? read(pipe_fd[0], why, why_bytes - 1) : 0;
    why[n > 0 ? n : 0] = '\0';
    close(pipe_fd[0]);
    if (pid == -1) {
        snprintf(why, why_bytes, "no process: %s", strerror(errno));
        return SY_CONFORMANCE_FAIL;
    }
    if (ready == 0)
        kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    if (ready == 0)
        snprintf(why, why_bytes, "did not end within %d s", BODY_MS_MAX / 1000);
    else if (WIFSIGNALED(status))
        snprintf(why, why_bytes, "ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == SY_CONFORMANCE_PASS)
        return SY_CONFORMANCE_PASS;
    return SY_CONFORMANCE_FAIL;
}
