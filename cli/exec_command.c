/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard exec: run a program with the OpenSSL drop-in preloaded, and say
 * whether the program picked it up.
 *
 * The program is a child in our own process group, so that it has the
 * terminal when we have it. Every signal is blocked here and taken by
 * sigwaitinfo(): what somebody sent to us is passed on; what the terminal
 * sent has reached the program by itself, as a member of the group.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "drop_in.h"
#include "exec_report.h"
#include "options.h"
#include "program_file.h"

/* As shells do. */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127
#define EXIT_BY_SIGNAL      128

/* A program that ends sooner is reported on once, with what it did; of one
   that goes on its user wants to know now. */
#define SOON_S     1
#define LOOK_MAX_S 64

struct exec_options {
    int account;
};

static const struct option exec_options[] = {
    {.name = "account",
     .help = "have the drop-in print at exit what jobs, pauses and wake-ups "
             "there were",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct exec_options, account)},
    {.name = NULL},
};

/* One invocation. */
struct exec {
    char drop_in[PATH_MAX];
    char path[PATH_MAX]; /* of the program */
    struct program_finding finding;
    char **words; /* the program's argv */
    int account;
    int report; /* descriptor, or -errno */
    int told;   /* whether it was picked up */
    pid_t child;
    sigset_t inherited_mask;
    struct sigaction inherited_chld;
};

/* ---- saying whether it was picked up ------------------------------------ */

static void say_picked_up(const struct exec *x, const struct exec_report *r)
{
    const char *name = x->words[0];
    char others[64] = "";

    if (r->loaded > 1)
        (void)snprintf(others, sizeof(others), ", in %u programs", r->loaded);
    if (r->exits == 0)
        say("%s picked up the drop-in%s: its OpenSSL jobs run on Switchyard",
            name, others);
    else if (r->jobs == 0)
        say("%s picked up the drop-in%s, but started no OpenSSL job", name,
            others);
    else
        say("%s picked up the drop-in%s: %" PRIu64 " OpenSSL jobs ran on "
            "Switchyard, with %" PRIu64 " pauses",
            name, others, r->jobs, r->pauses);
}

/* Say it, if it is known by now, or has to be. */
static void tell(struct exec *x, int has_ended)
{
    struct exec_report r;

    if (x->told || x->report < 0)
        return;
    exec_report_read(x->report, &r);
    if (r.loaded == 0 && r.stands_down == 0 && !has_ended)
        return;
    x->told = 1;
    if (r.loaded != 0 || r.jobs != 0) /* it may have loaded libcrypto late */
        say_picked_up(x, &r);
    else if (r.stands_down != 0)
        say("%s did not pick up the drop-in and runs on OpenSSL's own jobs: %s",
            x->words[0], r.why);
    else if (x->finding.preload == PROGRAM_TAKES)
        say("%s did not pick up the drop-in: it was not seen to load libcrypto",
            x->words[0]);
    /* Of the others it was said before they started. */
}

/* ---- the child ---------------------------------------------------------- */

/* Never returns. */
static void become_program(struct exec *x, int errors, pid_t parent)
{
    int err;

    /* SIGKILL cannot be passed on, so the program gets its polite form. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_BY_SIGNAL + SIGTERM);
    sigaction(SIGCHLD, &x->inherited_chld, NULL);
    sigprocmask(SIG_SETMASK, &x->inherited_mask, NULL);
    execvp(x->path, x->words);
    err = errno;
    (void)!write(errors, &err, sizeof(err));
    _exit(err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/*
 * Returns 0 once the program has been executed, or the errno value of why it
 * could not be. The read end of the pipe sees its end when exec closes the
 * other one.
 */
static int wait_for_exec(int errors)
{
    int err = 0;
    ssize_t n;

    do
        n = read(errors, &err, sizeof(err));
    while (n == -1 && errno == EINTR);
    return n == (ssize_t)sizeof(err) ? err : 0;
}

static void take_signals(struct exec *x)
{
    struct sigaction standard;
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &x->inherited_mask);
    /* Where SIGCHLD is ignored, children leave no status. */
    memset(&standard, 0, sizeof(standard));
    standard.sa_handler = SIG_DFL;
    sigemptyset(&standard.sa_mask);
    sigaction(SIGCHLD, &standard, &x->inherited_chld);
}

/* Returns -1 if the program runs, else the exit code. */
static int start_program(struct exec *x)
{
    pid_t parent = getpid();
    int errors[2], err;

    if (pipe2(errors, O_CLOEXEC) == -1) {
        say("cannot start %s: %s", x->words[0], strerror(errno));
        return CLI_ENVIRONMENT;
    }
    take_signals(x);
    x->child = fork();
    if (x->child == 0)
        become_program(x, errors[1], parent);
    err = errno;
    close(errors[1]);
    if (x->child == -1) {
        close(errors[0]);
        say("cannot start %s: %s", x->words[0], strerror(err));
        return CLI_ENVIRONMENT;
    }
    err = wait_for_exec(errors[0]);
    close(errors[0]);
    if (err == 0)
        return -1;
    say("cannot execute %s: %s", x->words[0], strerror(err));
    waitpid(x->child, NULL, 0);
    return err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* ---- signals ------------------------------------------------------------ */

static void pass_on(const struct exec *x, const siginfo_t *info)
{
    /* The terminal, or the kernel for it, signals the whole group. Our own are
       of our making: SIGPIPE from a line that nobody reads. */
    if (info->si_code == SI_KERNEL ||
        (info->si_code <= 0 && info->si_pid == getpid()))
        return;
    if (info->si_code == SI_QUEUE)
        sigqueue(x->child, info->si_signo, info->si_value);
    else
        kill(x->child, info->si_signo);
}

/*
 * The program was stopped, so whoever looks after us, usually a shell, should
 * see us stopped; and when he continues us, he means the program.
 */
static void stop_as_well(const struct exec *x)
{
    kill(getpid(), SIGSTOP);
    kill(x->child, SIGCONT);
}

/* Has the program ended? Sets status as waitpid() does. */
static int look_after_child(const struct exec *x, int *status)
{
    pid_t pid;

    /* Orphans of the program are no children of ours. */
    while ((pid = waitpid(x->child, status, WNOHANG | WUNTRACED)) > 0) {
        if (!WIFSTOPPED(*status))
            return 1;
        stop_as_well(x);
    }
    return 0;
}

static int wait_for_program(struct exec *x)
{
    struct timespec look = {.tv_sec = SOON_S};
    sigset_t all;
    int status;

    sigfillset(&all);
    while (!look_after_child(x, &status)) {
        siginfo_t info;
        int waits = !x->told && x->report >= 0;
        int signo = sigtimedwait(&all, &info, waits ? &look : NULL);

        if (signo == -1 && errno == EAGAIN) {
            tell(x, 0);
            /* A program that never loads libcrypto is not to be woken for. */
            if (look.tv_sec < LOOK_MAX_S)
                look.tv_sec *= 2;
        } else if (signo != -1 && signo != SIGCHLD) {
            pass_on(x, &info);
        }
    }
    return status;
}

/* End as the program did, so that who waits for us sees the same. */
static int end_likewise(int status)
{
    const struct rlimit no_core = {0, 0};
    sigset_t one;
    int signo;

    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    signo = WTERMSIG(status);
    fflush(stdout);
    setrlimit(RLIMIT_CORE, &no_core); /* the program's own is enough */
    signal(signo, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, signo);
    kill(getpid(), signo);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    return EXIT_BY_SIGNAL + signo;
}

/* ---- putting it together ------------------------------------------------ */

/* Options end where the program's name stands, so that its own options reach
   it: "exec openssl speed --help". */
static int count_own(int argc, char **argv)
{
    int i = 0;

    while (i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0)
        i++;
    return i;
}

/* Returns -1 to go on, else the exit code. */
static int find_program(struct exec *x)
{
    int err = program_find(x->words[0], x->path, sizeof(x->path));

    if (err == 0) {
        program_inspect(x->path, &x->finding);
        return -1;
    }
    say("%s: %s", x->words[0],
        err == -ENOENT && strchr(x->words[0], '/') == NULL
            ? "there is no such program in PATH"
            : strerror(-err));
    return err == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* Returns -1 to go on, else the exit code. */
static int prepare_environment(struct exec *x)
{
    char report[64];

    if (drop_in_find(x->drop_in) != 0)
        return CLI_ENVIRONMENT;
    x->report = exec_report_open();
    if (x->report >= 0)
        exec_report_path(x->report, report, sizeof(report));
    if ((x->finding.preload != PROGRAM_BREAKS &&
         drop_in_preload(x->drop_in) != 0) ||
        (x->report >= 0 && setenv("SWITCHYARD_EXEC_REPORT", report, 1) != 0) ||
        (x->account && setenv("SWITCHYARD_ACCOUNT", "1", 1) != 0)) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    if (x->report < 0)
        say("cannot tell whether it is picked up: memfd_create: %s",
            strerror(-x->report));
    return -1;
}

static void say_what_it_is(const struct exec *x)
{
    if (x->finding.note[0] == '\0')
        return;
    say("%s %s%s", x->path, x->finding.note,
        x->finding.preload == PROGRAM_TAKES
            ? ""
            : "; it runs on OpenSSL's own jobs");
}

static int run_exec(const struct command *self, int argc, char **argv)
{
    struct exec_options options = {0};
    struct option_texts operands;
    struct exec x = {.report = -ENOENT};
    int own = count_own(argc, argv), status;

    status = options_parse(self, own, argv, &options, &operands);
    if (status != -1)
        return status;
    if (own < argc && strcmp(argv[own], "--") == 0)
        own++;
    if (own == argc) {
        say("which program? 'switchyard exec --help' shows how");
        return CLI_USAGE;
    }
    x.words = argv + own;
    x.account = options.account;
    status = find_program(&x);
    if (status == -1)
        status = prepare_environment(&x);
    if (status != -1)
        return status;
    say_what_it_is(&x);
    status = start_program(&x);
    if (status != -1)
        return status;
    status = wait_for_program(&x);
    tell(&x, 1);
    return end_likewise(status);
}

const struct command exec_command = {
    .name = "exec",
    .summary = "Run a program with its OpenSSL jobs on Switchyard",
    .operands = "[--] PROGRAM [ARG...]",
    .options = exec_options,
    .notes =
        "Preloads " DROP_IN ", which takes over the ASYNC_* functions of\n"
        "OpenSSL, and says on standard error whether the program picked it "
        "up. Where it\n"
        "cannot (statically linked, set-uid to somebody else, another "
        "machine's), that is\n"
        "said first, and the program runs as it would without.\n\n"
        "Signals sent to this command are passed on. It ends as the program "
        "does: with\n"
        "the same exit status, or by the same signal. 127: there is no such "
        "program; 126:\n"
        "it cannot be executed; 3: there is no drop-in, and nothing was run.\n",
    .run = run_exec,
};
