/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exception that a job does not catch ends the program, as it does in a
 * thread. If it went on to who resumed the job, that code would run on with
 * the job for ever the current one.
 *
 * The end of a thread inside a job, though, ends the thread.
 *
 * usage: unwind_exception SWITCHER
 */
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <pthread.h>
#include <switchyard/job.h>
#include <switchyard/runtime.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CAUGHT = 1, /* outside the job */
    NO_RUNTIME = 2,
    AS_IT_SHOULD = 5
};

static const char *switcher;

static int throw_one(void *)
{
    (void)sy_job_pause();
    throw 42;
}

static int end_thread(void *)
{
    (void)sy_job_pause();
    pthread_exit(&switcher);
}

static void run(sy_job_fn fn)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_job_spec spec = {};
    struct sy_runtime *rt;
    struct sy_job *job;

    cfg.switcher = switcher;
    if (sy_runtime_open(&rt, &cfg) != 0)
        _exit(NO_RUNTIME);
    spec.fn = fn;
    if (sy_job_start(rt, &spec, &job, nullptr) != SY_JOB_PAUSED ||
        sy_job_resume(&job, nullptr) != SY_JOB_FINISHED)
        _exit(NO_RUNTIME);
}

static void *throw_in_job(void *)
{
    std::set_terminate([] { _exit(AS_IT_SHOULD); });
    try {
        run(throw_one);
    } catch (...) {
        _exit(CAUGHT);
    }
    return nullptr;
}

static void *end_in_job(void *)
{
    run(end_thread);
    return nullptr;
}

/* In a process of its own, for it may end in any way. */
static bool ends(const char *what, void *(*body)(void *))
{
    pthread_t thread;
    void *result = nullptr;
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        alarm(20);
        if (pthread_create(&thread, nullptr, body, nullptr) != 0 ||
            pthread_join(thread, &result) != 0)
            _exit(NO_RUNTIME);
        _exit(result == &switcher ? AS_IT_SHOULD : 0);
    }
    if (waitpid(child, &status, 0) == child && WIFEXITED(status) &&
        WEXITSTATUS(status) == AS_IT_SHOULD) {
        std::printf("ok   %s, %s\n", switcher, what);
        return true;
    }
    std::printf("FAIL %s, %s: status %#x\n", switcher, what,
                static_cast<unsigned>(status));
    return false;
}

int main(int argc, char **argv)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    struct sy_runtime *rt;
    bool good;
    int err;

    if (argc != 2)
        return 2;
    switcher = argv[1];
    cfg.switcher = switcher;
    err = sy_runtime_open(&rt, &cfg);
    if (err == -ENOENT || err == -ENOTSUP) {
        std::printf("skip: no switcher %s here (%d)\n", switcher, err);
        return 77;
    }
    std::fflush(stdout);
    good = ends("an exception ends the program", throw_in_job);
    /* The thread that would end is not the one that was asked. */
    if (std::strcmp(switcher, "threads") != 0)
        good = ends("pthread_exit() ends the thread", end_in_job) && good;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
