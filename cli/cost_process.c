/* SPDX-License-Identifier: Apache-2.0 */
#include "cost_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/clock.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "last_line.h"
#include "program_file.h"
#include "shared_memory.h"

#define LOOK_MS 20
#define MAGIC   UINT32_C(0x73796374)

/* An operation takes up to some milliseconds; callgrind makes it fifty times
   as many. */
#define NATIVE_NS    (120 * SY_NS_PER_S)
#define CALLGRIND_NS (900 * SY_NS_PER_S)

/* Arguments in front of the user's: valgrind's, "cost --worker FD". */
#define ARGUMENTS_MAX 16

#define FOLDER_BYTES 512

/* Both processes see it. */
struct cost_share {
    uint32_t magic;
    struct cost_task task;
    struct sy_cost cost;
    _Atomic int is_done;
};

/* One pass, as the waiting process sees it. */
struct pass {
    const struct cost_launch *launch;
    const struct cost_task *task;
    struct cost_share *share;
    int share_fd, log_fd;
    char folder[FOLDER_BYTES]; /* for callgrind's files; "" without */
};

/* ---- finding programs ---------------------------------------------------- */

int cost_launch_prepare(struct cost_launch *launch)
{
    ssize_t n = readlink("/proc/self/exe", launch->exe, sizeof(launch->exe));
    const char *why;

    if (n <= 0 || (size_t)n >= sizeof(launch->exe)) {
        say("cannot find this command: /proc/self/exe cannot be read");
        return CLI_ENVIRONMENT;
    }
    launch->exe[n] = '\0';
    launch->no_valgrind = NULL;
    if (!sy_cost_can_callgrind(&why))
        launch->no_valgrind = why;
    else if (program_find("valgrind", launch->valgrind,
                          sizeof(launch->valgrind)) != 0)
        launch->no_valgrind = "valgrind is not installed (Debian's package "
                              "valgrind)";
    if (launch->no_valgrind != NULL)
        launch->valgrind[0] = '\0';
    return -1;
}

/* ---- the new process ----------------------------------------------------- */

int cost_worker_open(const char *fd_text, struct cost_share **share,
                     struct cost_task *task)
{
    size_t bytes;

    *share = shared_memory_open(fd_text, sizeof(**share), &bytes);
    if (*share == NULL || (*share)->magic != MAGIC)
        return -EINVAL;
    *task = (*share)->task;
    return 0;
}

void cost_worker_done(struct cost_share *share, const struct sy_cost *cost)
{
    share->cost = *cost;
    /* release: pairs with the acquire in conclude() */
    atomic_store_explicit(&share->is_done, 1, memory_order_release);
}

struct arguments {
    char *argv[ARGUMENTS_MAX + 1];
    int count;
};

static void add(struct arguments *a, const char *text)
{
    /* execv() changes none of them. */
    a->argv[a->count++] = (char *)(uintptr_t)text;
}

/* All arguments; to be freed. */
static char **join(const struct arguments *a, const struct cost_launch *launch)
{
    char **argv =
        calloc((size_t)a->count + (size_t)launch->argc + 1, sizeof(*argv));

    if (argv == NULL)
        return NULL;
    memcpy(argv, a->argv, (size_t)a->count * sizeof(*argv));
    for (int i = 0; i < launch->argc; i++)
        argv[a->count + i] = launch->argv[i];
    return argv;
}

/* The new process; only what is safe after a fork. */
static SY_NORETURN void become(const struct pass *p, char **argv)
{
    const char *exe =
        p->task->pass == COST_CALLGRIND ? p->launch->valgrind : p->launch->exe;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    /* The parent decides about interrupts, and without it nobody would look
       at the results. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fcntl(p->share_fd, F_SETFD, 0);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    dup2(p->log_fd, STDERR_FILENO);
    execv(exe, argv);
    _exit(CLI_ENVIRONMENT);
}

/* ---- waiting for it ------------------------------------------------------ */

static uint64_t now_ns(void)
{
    return sy_clock_now_ns(sy_clock_monotonic());
}

enum end { END_ITSELF, END_TIMEOUT, END_INTERRUPT };

static enum end wait_for(const struct pass *p, pid_t pid, int *status)
{
    uint64_t limit = p->task->pass == COST_CALLGRIND ? CALLGRIND_NS : NATIVE_NS;
    uint64_t deadline = sy_ns_after(now_ns(), limit);
    enum end end = END_ITSELF;

    for (;;) {
        pid_t got = waitpid(pid, status, end == END_ITSELF ? WNOHANG : 0);

        if (got == pid || (got == -1 && errno != EINTR))
            return end;
        if (end != END_ITSELF)
            continue;
        if (*p->launch->interrupted)
            end = END_INTERRUPT;
        else if (now_ns() >= deadline)
            end = END_TIMEOUT;
        if (end != END_ITSELF)
            kill(pid, SIGKILL);
        else
            poll(NULL, 0, LOOK_MS);
    }
}

static void conclude(const struct pass *p, enum end end, int status,
                     struct sy_cost *cost)
{
    char words[160];

    /* acquire: pairs with the release in cost_worker_done() */
    if (atomic_load_explicit(&p->share->is_done, memory_order_acquire)) {
        *cost = p->share->cost;
        return;
    }
    sy_cost_clear(cost, "it was not counted");
    cost->status = SY_OUTCOME_FAILED;
    last_line(p->log_fd, words, sizeof(words));
    if (end == END_TIMEOUT)
        snprintf(
            cost->reason, sizeof(cost->reason),
            "it did not end within %d s; fewer --operations take less",
            (int)((p->task->pass == COST_CALLGRIND ? CALLGRIND_NS : NATIVE_NS) /
                  SY_NS_PER_S));
    else if (WIFSIGNALED(status))
        snprintf(cost->reason, sizeof(cost->reason),
                 "killed by signal %d (%s)%s%s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)), words[0] != '\0' ? ": " : "",
                 words);
    else
        snprintf(cost->reason, sizeof(cost->reason),
                 "it ended with status %d%s%s", WEXITSTATUS(status),
                 words[0] != '\0' ? ": " : "", words);
}

static int run_it(const struct pass *p, const struct arguments *a,
                  struct sy_cost *cost)
{
    char **argv = join(a, p->launch);
    int status = 0;
    enum end end;
    pid_t pid;

    if (argv == NULL)
        return -ENOMEM;
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become(p, argv);
    free(argv);
    if (pid == -1)
        return -errno;
    end = wait_for(p, pid, &status);
    conclude(p, end, status, cost);
    return end == END_INTERRUPT ? -EINTR : 0;
}

/* ---- a pass -------------------------------------------------------------- */

static int make_folder(struct pass *p)
{
    const char *tmp = getenv("TMPDIR");

    if (tmp == NULL || tmp[0] != '/' || strlen(tmp) > FOLDER_BYTES - 64)
        tmp = "/tmp";
    snprintf(p->folder, sizeof(p->folder), "%s/switchyard-cost-XXXXXX", tmp);
    if (mkdtemp(p->folder) != NULL)
        return 0;
    p->folder[0] = '\0';
    return -errno;
}

static void file_in(const struct pass *p, const char *name,
                    char path[FOLDER_BYTES + 16])
{
    snprintf(path, FOLDER_BYTES + 16, "%s/%s", p->folder, name);
}

static void remove_folder(const struct pass *p)
{
    static const char *const names[] = {"out", "out.1", "out.2", "out.3"};
    char path[FOLDER_BYTES + 16];

    if (p->folder[0] == '\0')
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        file_in(p, names[i], path);
        unlink(path);
    }
    rmdir(p->folder);
}

static int run_pass(struct pass *p, struct sy_cost *cost)
{
    char fd_text[16], out[FOLDER_BYTES + 64], first[FOLDER_BYTES + 16],
        second[FOLDER_BYTES + 16];
    struct arguments a = {.count = 0};
    int err = 0;

    if (p->task->pass == COST_CALLGRIND) {
        err = make_folder(p);
        snprintf(out, sizeof(out), "--callgrind-out-file=%s/out", p->folder);
        add(&a, p->launch->valgrind);
        add(&a, "-q");
        add(&a, "--tool=callgrind");
        add(&a, "--collect-systime=nsec");
        add(&a, "--instr-atstart=no");
        add(&a, out);
        add(&a, p->launch->exe);
    } else {
        add(&a, program());
    }
    snprintf(fd_text, sizeof(fd_text), "%d", p->share_fd);
    add(&a, "cost");
    add(&a, COST_WORKER_OPTION);
    add(&a, fd_text);
    if (err == 0)
        err = run_it(p, &a, cost);
    if (err == 0 && p->task->pass == COST_CALLGRIND &&
        cost->status == SY_OUTCOME_OK) {
        file_in(p, "out.1", first);
        file_in(p, "out.2", second);
        sy_cost_read_callgrind(first, second, p->task->operations, cost);
    }
    remove_folder(p);
    return err;
}

static int open_share(struct pass *p)
{
    p->share =
        shared_memory_make("switchyard-cost", sizeof(*p->share), &p->share_fd);
    if (p->share == NULL)
        return -errno;
    p->log_fd = memfd_create("switchyard-cost-log", MFD_CLOEXEC);
    if (p->log_fd == -1)
        return -errno;
    p->share->magic = MAGIC;
    p->share->task = *p->task;
    return 0;
}

static void close_share(struct pass *p)
{
    shared_memory_free(p->share, sizeof(*p->share), p->share_fd);
    if (p->log_fd != -1)
        close(p->log_fd);
}

int cost_process_run(const struct cost_launch *launch,
                     const struct cost_task *task, struct sy_cost *cost)
{
    struct pass p = {
        .launch = launch, .task = task, .share_fd = -1, .log_fd = -1};
    int err;

    if (task->pass == COST_CALLGRIND && launch->valgrind[0] == '\0') {
        sy_cost_clear(cost, launch->no_valgrind);
        return 0;
    }
    err = open_share(&p);
    if (err == 0)
        err = run_pass(&p, cost);
    close_share(&p);
    if (err != 0 && err != -EINTR) {
        sy_cost_clear(cost, "it was not counted");
        cost->status = SY_OUTCOME_SKIPPED;
        snprintf(cost->reason, sizeof(cost->reason), "no process for it: %s",
                 strerror(-err));
        err = 0;
    }
    return err;
}
