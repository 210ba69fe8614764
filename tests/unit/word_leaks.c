/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job that leaves the signal mask or a floating-point control word changed
 * when it pauses or finishes ends a program whose library looks for that, and
 * so does who resumes a job with other words than it paused with. Under every
 * switcher: where it keeps the words of each side there is no leak, and nothing
 * must happen. Each case is a child.
 */
#include "unit.h"
#include <errno.h>
#include <fenv.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <switchyard/switcher.h>
#include <switchyard/switchyard.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sy_switcher_ops *sw;
static struct sy_runtime *rt;

/* ---- the words --------------------------------------------------------- */

#if !SY_TSAN /* which changes the mask itself: it is not looked at there */
/* As the message has them; values that nothing else uses. */
#define MASK_HAS  UINT64_C(1) << (SIGUSR1 - 1)
#define MASK_GETS UINT64_C(1) << (SIGUSR2 - 1)

static void change_mask(bool back)
{
    sigset_t set;

    CHECK_EQ(sigemptyset(&set), 0);
    CHECK_EQ(sigaddset(&set, SIGUSR2), 0);
    CHECK_EQ(pthread_sigmask(back ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL), 0);
}
#endif

#if defined(__x86_64__)
#include <fpu_control.h>
#include <xmmintrin.h>

static void change_mxcsr(bool back)
{
    _mm_setcsr(back ? 0x1f80 : 0x5f80);
}

static void change_x87(bool back)
{
    fpu_control_t word = back ? 0x37f : 0x77f;

    _FPU_SETCW(word);
}

#define FP_WORDS                                                               \
    {"MXCSR", 0x1f80, 0x5f80, SY_SW_KEEPS_FPCTL, change_mxcsr},                \
    {                                                                          \
        "the x87 control word", 0x37f, 0x77f, SY_SW_KEEPS_FPCTL, change_x87    \
    }
#elif defined(__aarch64__)
static void change_fpcr(bool back)
{
    CHECK_EQ(fesetround(back ? FE_TONEAREST : FE_UPWARD), 0);
}

#define FP_WORDS                                                               \
    {                                                                          \
        "FPCR", 0, 0x400000, SY_SW_KEEPS_FPCTL, change_fpcr                    \
    }
#else
#error "say here how a floating-point control word is changed on this CPU"
#endif

static const struct word {
    const char *name; /* in the message */
    uint64_t normal, changed;
    uint32_t kept_by; /* enum sy_switcher_cap */
    void (*change)(bool back);
} words[] = {
#if !SY_TSAN
    {"the signal mask", MASK_HAS, MASK_HAS | MASK_GETS, SY_SW_KEEPS_SIGMASK,
     change_mask},
#endif
    FP_WORDS,
};

#define WORDS (sizeof(words) / sizeof(words[0]))

/* ---- who changes them -------------------------------------------------- */

static const struct word *word;

static int change_and_pause(void *arg)
{
    word->change(false);
    (void)sy_job_pause();
    word->change(true);
    return arg != NULL;
}

static int change_and_finish(void *arg)
{
    word->change(false);
    return arg != NULL;
}

static int pause_change_and_finish(void *arg)
{
    (void)sy_job_pause();
    word->change(false);
    return arg != NULL;
}

static int change_for_itself(void *arg)
{
    word->change(false);
    word->change(true);
    (void)sy_job_pause();
    word->change(false);
    word->change(true);
    return arg != NULL;
}

static int pause_once(void *arg)
{
    (void)sy_job_pause();
    return arg != NULL;
}

static void run_to_the_end(sy_job_fn fn)
{
    struct sy_job_spec spec = {.fn = fn};
    struct sy_job *job;
    int state = sy_job_start(rt, &spec, &job, NULL);

    if (state == SY_JOB_PAUSED)
        state = sy_job_resume(&job, NULL);
    CHECK_EQ(state, SY_JOB_FINISHED);
}

static void job_leaks_at_a_pause(void)
{
    run_to_the_end(change_and_pause);
}

static void job_leaks_at_its_end(void)
{
    run_to_the_end(change_and_finish);
}

static void job_leaks_at_its_end_after_a_pause(void)
{
    run_to_the_end(pause_change_and_finish);
}

static void job_leaves_no_trace(void)
{
    run_to_the_end(change_for_itself);
}

static void resumer_leaks(void)
{
    struct sy_job_spec spec = {.fn = pause_once};
    struct sy_job *job;

    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_PAUSED);
    word->change(false);
    CHECK_EQ(sy_job_resume(&job, NULL), SY_JOB_FINISHED);
}

/* They are the thread's, which may have what values it likes. */
static void change_before_the_start_is_no_leak(void)
{
    word->change(false);
    run_to_the_end(pause_once);
    run_to_the_end(pause_once);
}

static int start_one_that_leaks(void *arg)
{
    run_to_the_end(change_and_pause);
    return arg != NULL;
}

static void job_leaks_into_a_job(void)
{
    run_to_the_end(start_one_that_leaks);
}

static int resume_with_a_change(void *arg)
{
    word->change(false);
    CHECK_EQ(sy_job_resume((struct sy_job **)arg, NULL), SY_JOB_FINISHED);
    return 0;
}

static void job_leaks_into_one_that_it_resumes(void)
{
    struct sy_job_spec spec = {.fn = pause_once}, second;
    struct sy_job *job, *other;

    CHECK_EQ(sy_job_start(rt, &spec, &job, NULL), SY_JOB_PAUSED);
    second = (struct sy_job_spec){.fn = resume_with_a_change, .arg = &job};
    CHECK_EQ(sy_job_start(rt, &second, &other, NULL), SY_JOB_FINISHED);
}

/* The child ends as if it had not been forked, and so does the parent. */
static int fork_and_leak(void *arg)
{
    int status;
    pid_t pid = fork();

    CHECK(pid != -1);
    if (pid == 0) {
        run_to_the_end(change_and_finish);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        (void)raise(WTERMSIG(status));
    CHECK_EQ(status, 0);
    return arg != NULL;
}

static void job_leaks_in_a_child(void)
{
    run_to_the_end(fork_and_leak);
}

static const struct {
    const char *name;
    void (*run)(void);
    uint32_t needs;    /* enum sy_switcher_cap */
    bool leaks;        /* unless the switcher keeps the word */
    sy_job_fn who;     /* its name comes first; NULL: code outside jobs */
    const char *how;   /* it let control go */
    sy_job_fn resumed; /* or NULL */
} cases[] = {
    {"job_leaks_at_a_pause", job_leaks_at_a_pause, SY_SW_CAN_PAUSE, true,
     change_and_pause, "paused", NULL},
    {"job_leaks_at_its_end", job_leaks_at_its_end, 0, true, change_and_finish,
     "finished", NULL},
    {"job_leaks_at_its_end_after_a_pause", job_leaks_at_its_end_after_a_pause,
     SY_SW_CAN_PAUSE, true, pause_change_and_finish, "finished", NULL},
    {"job_leaves_no_trace", job_leaves_no_trace, 0, false, NULL, NULL, NULL},
    {"resumer_leaks", resumer_leaks, SY_SW_CAN_PAUSE, true, NULL, "resumed",
     pause_once},
    {"change_before_the_start_is_no_leak", change_before_the_start_is_no_leak,
     0, false, NULL, NULL, NULL},
    {"job_leaks_into_a_job", job_leaks_into_a_job, SY_SW_CAN_PAUSE, true,
     change_and_pause, "paused", NULL},
    {"job_leaks_into_one_that_it_resumes", job_leaks_into_one_that_it_resumes,
     SY_SW_CAN_PAUSE, true, resume_with_a_change, "resumed", pause_once},
    {"job_leaks_in_a_child", job_leaks_in_a_child, SY_SW_SAME_THREAD, true,
     change_and_finish, "finished", NULL},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

/* ---- what it has to say ------------------------------------------------ */

static void add_function(char *text, size_t bytes, sy_job_fn fn)
{
    size_t at = strlen(text);

    if (fn == NULL)
        (void)snprintf(text + at, bytes - at, "code outside jobs");
    else
        (void)snprintf(text + at, bytes - at, "job function %p (",
                       (void *)(uintptr_t)fn);
}

/* The line has to begin, and to end, like this. */
static void check_message(const char *line, size_t which)
{
    char begins[256] = "switchyard: leak: ", says[256] = "", ends[256];

    add_function(begins, sizeof(begins), cases[which].who);
    if (cases[which].resumed != NULL) {
        (void)snprintf(says, sizeof(says), " resumed ");
        add_function(says, sizeof(says), cases[which].resumed);
        (void)snprintf(ends, sizeof(ends),
                       " with another value of %s than it paused with",
                       word->name);
    } else {
        (void)snprintf(ends, sizeof(ends), " %s with %s changed",
                       cases[which].how, word->name);
    }
    (void)snprintf(ends + strlen(ends), sizeof(ends) - strlen(ends),
                   ": %#llx before, %#llx now\n",
                   (unsigned long long)word->normal,
                   (unsigned long long)word->changed);
    CHECK_EQ(strncmp(line, begins, strlen(begins)), 0);
    CHECK(strstr(line, says) != NULL);
    CHECK(strlen(line) > strlen(ends));
    CHECK_STR(line + strlen(line) - strlen(ends), ends); /* and no line more */
}

static void in_child(void (*run)(void))
{
    struct sy_runtime_config config = SY_RUNTIME_CONFIG_INIT;
    struct rlimit none = {0};
    sigset_t set;

    (void)setrlimit(RLIMIT_CORE, &none);
    CHECK_EQ(sigemptyset(&set), 0);
    CHECK_EQ(sigaddset(&set, SIGUSR1), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &set, NULL), 0);
    config.switcher_ops = sw;
    config.engine = "queue";
    CHECK_EQ(sy_runtime_open(&rt, &config), 0);
    run();
    CHECK_EQ(sy_runtime_close(rt), 0);
    _exit(0);
}

static int status_of(size_t which, char *text, size_t bytes)
{
    int ends[2], status;
    size_t at = 0;
    ssize_t n;
    pid_t pid;

    CHECK_EQ(pipe(ends), 0);
    fflush(stdout);
    pid = fork();
    CHECK(pid != -1);
    if (pid == 0) {
        CHECK(dup2(ends[1], STDERR_FILENO) != -1);
        close(ends[0]);
        close(ends[1]);
        in_child(cases[which].run);
    }
    close(ends[1]);
    while (at < bytes - 1 && (n = read(ends[0], text + at, bytes - 1 - at)) > 0)
        at += (size_t)n;
    text[at] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    printf("%s, %s, %s: status %#x, \"%s\"\n", cases[which].name, word->name,
           sw->name, (unsigned)status, text);
    return status;
}

/* Does each side of a switch have this word to itself? */
static bool is_kept(void)
{
    return (sw->caps & SY_SW_SAME_THREAD) == 0 ||
           (sw->caps & word->kept_by) != 0;
}

static void check_case(size_t which)
{
    bool leaks = SY_CHECK_LEAKS && cases[which].leaks && !is_kept();
    char text[1024];
    int status;

    if ((sw->caps & cases[which].needs) != cases[which].needs)
        return;
    status = status_of(which, text, sizeof(text));
    if (leaks)
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    else
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (leaks)
        check_message(text, which);
    else
        CHECK(strstr(text, "switchyard") == NULL); /* ASan may warn */
}

int main(void)
{
    const struct sy_switcher_ops *const *all = sy_switcher_table();
    char why[256];

    printf("the library %s for leaks\n",
           SY_CHECK_LEAKS ? "looks" : "does not look");
    for (; *all != NULL; all++) {
        sw = *all;
        if (sy_switcher_probe(sw, why, sizeof(why)) != 0) {
            printf("%s: %s\n", sw->name, why);
            continue;
        }
        for (size_t i = 0; i < WORDS; i++) {
            word = &words[i];
            for (size_t which = 0; which < CASES; which++)
                check_case(which);
        }
    }
    return 0;
}
