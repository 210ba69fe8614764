/* SPDX-License-Identifier: Apache-2.0 */
#include "million.h"
#include "../micro/scenario.h"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <switchyard/job.h>
#include <switchyard/runtime.h>
#include <switchyard/stats.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace
{
double seconds()
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return static_cast<double>(now.tv_sec) +
           static_cast<double>(now.tv_nsec) / 1e9;
}

uint64_t resident_bytes()
{
    unsigned long long pages = 0;
    std::FILE *file = std::fopen("/proc/self/statm", "r");

    if (file == nullptr)
        return 0;
    if (std::fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    std::fclose(file);
    return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t count_maps()
{
    std::FILE *file = std::fopen("/proc/self/maps", "r");
    uint64_t lines = 0;
    int c;

    if (file == nullptr)
        return 0;
    while ((c = std::fgetc(file)) != EOF)
        lines += c == '\n';
    std::fclose(file);
    return lines;
}

/* A value that lives on the job's stack over the pause. */
uint32_t scramble(uint32_t n)
{
    return (n * 2654435761u) ^ (n >> 7);
}

int remember(void *arg)
{
    uint32_t n = *static_cast<const uint32_t *>(arg);
    volatile uint32_t kept = scramble(n);

    (void)sy_job_pause();
    return static_cast<int>((kept ^ n) & 0x7fffffff);
}

void fail(peers::million &m, const char *what, int err)
{
    m.err = err;
    std::snprintf(m.what, sizeof(m.what), "%s", what);
}

void measure(peers::million &m, uint64_t wanted)
{
    struct sy_runtime_config cfg = SY_RUNTIME_CONFIG_INIT;
    std::vector<struct sy_job *> jobs(wanted, nullptr);
    struct sy_runtime_stats stats = {};
    struct sy_job_spec spec = {};
    struct sy_runtime *rt;
    uint64_t rss = resident_bytes();
    double t0 = seconds(), t1;
    int err, result;
    uint32_t n;

    cfg.jobs_init = static_cast<uint32_t>(wanted);
    cfg.flags = SY_RT_NO_ENVIRONMENT;
    err = sy_runtime_open(&rt, &cfg);
    if (err != 0)
        return fail(m, "sy_runtime_open", err);
    t1 = seconds();
    m.create_s = t1 - t0;

    spec.fn = remember;
    spec.arg = &n;
    spec.arg_bytes = sizeof(n);
    for (n = 0; n < wanted; n++) {
        err = sy_job_start(rt, &spec, &jobs[n], &result);
        if (err != SY_JOB_PAUSED) {
            fail(m, "sy_job_start", err);
            break;
        }
        m.jobs++;
    }
    m.start_s = seconds() - t1;
    if (m.jobs == 0)
        return;

    m.rss_per_job = static_cast<double>(resident_bytes() - rss) /
                    static_cast<double>(m.jobs);
    m.maps = count_maps();
    stats.size = sizeof(stats);
    if (sy_runtime_get_stats(rt, &stats) == 0) {
        std::snprintf(m.switcher, sizeof(m.switcher), "%s", stats.switcher);
        std::snprintf(m.guard, sizeof(m.guard), "%s", stats.guard);
    }

    t1 = seconds();
    for (n = 0; n < m.jobs; n++) {
        result = -1;
        err = sy_job_resume(&jobs[n], &result);
        m.right += err == SY_JOB_FINISHED &&
                   result == static_cast<int>((scramble(n) ^ n) & 0x7fffffff);
    }
    m.resume_s = seconds() - t1;
    err = sy_runtime_close(rt);
    if (err != 0)
        fail(m, "sy_runtime_close", err);
}
} // namespace

std::string peers::run_million(million &out, uint64_t jobs)
{
    int pipe_fds[2], status;
    ssize_t got;
    pid_t child;

    out = {};
    out.wanted = jobs;
    /* 4 KiB of stack, a slot and a handle for each */
    if (measured::memory_available_bytes() / (5 * 1024) < jobs)
        return "not enough memory: " +
               std::to_string(measured::memory_available_bytes() >> 20) +
               " MiB available";
    if (pipe(pipe_fds) != 0)
        return "pipe failed";
    child = fork();
    if (child == 0) {
        measure(out, jobs);
        got = write(pipe_fds[1], &out, sizeof(out));
        _exit(got == static_cast<ssize_t>(sizeof(out)) ? 0 : 1);
    }
    ::close(pipe_fds[1]);
    got = read(pipe_fds[0], &out, sizeof(out));
    ::close(pipe_fds[0]);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return "fork failed";
    if (status != 0 || got != static_cast<ssize_t>(sizeof(out)))
        return "the process that held the jobs ended with status " +
               std::to_string(status);
    return "";
}
