/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard_dropin: OpenSSL's ASYNC_* functions, as libcrypto has them and as
 * the drop-in has them, in the same loops of the same program.
 *
 * A figure comes from a process of its own, dropin_loops, with the drop-in
 * preloaded or without. Each round runs every loop once each way, in an order
 * shuffled anew, on one CPU. The least and the median of the rounds are
 * printed. A bar is met, or missed, if it is so by both; where they disagree,
 * the verdict is "unclear".
 */
#include "dropin_bars.h"
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <random>
#include <sched.h>
#include <spawn.h>
#include <string>
#include <switchyard/version.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern "C" {
#include "../environment/fingerprint.h"
}

namespace
{
struct options {
    unsigned rounds = 33;
    uint64_t seed = 1;
    int cpu = -1;
    double least_ms = 5;
    std::string filter;
    std::string loops = SY_DROPIN_LOOPS;
    std::string library = SY_DROPIN_LIBRARY;
    const char *json = nullptr;
};

struct row {
    std::string loop;
    bool preloaded;
    uint64_t n; /* operations in one process */
    std::vector<double> ns;

    const char *candidate() const
    {
        return preloaded ? "dropin" : "openssl";
    }

    double least() const
    {
        return measured::least_of(ns);
    }

    double median() const
    {
        return measured::median_of(ns);
    }
};

struct result {
    const dropin::bar *bar;
    const row *ours, *theirs;
    double at_least, at_median;
    const char *verdict;
};

/* ---- one process ------------------------------------------------------- */

/* The environment of this process, LD_PRELOAD only if it is asked for. */
std::vector<std::string> environment_of(const row &r, const options &opt)
{
    std::vector<std::string> out;

    for (char **e = environ; *e != nullptr; e++) {
        if (std::strncmp(*e, "LD_PRELOAD=", 11) != 0)
            out.emplace_back(*e);
    }
    if (r.preloaded)
        out.push_back("LD_PRELOAD=" + opt.library);
    return out;
}

std::vector<char *> pointers(std::vector<std::string> &words)
{
    std::vector<char *> out;

    for (std::string &word : words)
        out.push_back(word.data());
    out.push_back(nullptr);
    return out;
}

[[noreturn]] void give_up(const row &r, const std::string &why)
{
    std::fprintf(stderr, "switchyard_dropin: %s/%s: %s\n", r.loop.c_str(),
                 r.candidate(), why.c_str());
    std::exit(3);
}

std::string read_all(int fd)
{
    char text[256];
    std::string out;
    ssize_t got;

    while ((got = read(fd, text, sizeof(text))) > 0)
        out.append(text, static_cast<size_t>(got));
    return out;
}

/* Nanoseconds for each of n operations, in a new process. */
double run_process(const row &r, uint64_t n, const options &opt)
{
    std::vector<std::string> words = {opt.loops, r.loop, r.candidate(),
                                      std::to_string(n)};
    std::vector<std::string> env = environment_of(r, opt);
    posix_spawn_file_actions_t actions;
    std::string out;
    int ends[2], status = -1, err;
    double ns = 0;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        give_up(r, std::strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    err = posix_spawn(&child, opt.loops.c_str(), &actions, nullptr,
                      pointers(words).data(), pointers(env).data());
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (err != 0)
        give_up(r, opt.loops + ": " + std::strerror(err));
    out = read_all(ends[0]);
    close(ends[0]);
    if (waitpid(child, &status, 0) != child || status != 0)
        give_up(r, "dropin_loops failed");
    if (std::sscanf(out.c_str(), "ns %lf", &ns) != 1 || !(ns > 0))
        give_up(r, "dropin_loops printed no figure");
    return ns;
}

/* ---- all of them ------------------------------------------------------- */

std::vector<row> choose_rows(const options &opt)
{
    std::vector<row> rows;

    for (const dropin::bar &bar : dropin::bars) {
        if (std::string(bar.ours).find(opt.filter) == std::string::npos)
            continue;
        rows.push_back({bar.ours, false, 0, {}});
        rows.push_back({bar.ours, true, 0, {}});
    }
    return rows;
}

/* How many operations take at least so long. */
void calibrate(row &r, const options &opt)
{
    r.n = 1024;
    while (run_process(r, r.n, opt) * static_cast<double>(r.n) <
           opt.least_ms * 1e6)
        r.n *= 4;
}

void measure_all(std::vector<row> &rows, const options &opt)
{
    std::mt19937_64 random(opt.seed);
    std::vector<row *> order;

    for (row &r : rows) {
        calibrate(r, opt);
        order.push_back(&r);
    }
    for (unsigned round = 0; round < opt.rounds; round++) {
        std::shuffle(order.begin(), order.end(), random);
        for (row *r : order)
            r->ns.push_back(run_process(*r, r->n, opt));
        std::fprintf(stderr, "\rround %u of %u", round + 1, opt.rounds);
    }
    std::fprintf(stderr, "\n");
}

const row *find_row(const std::vector<row> &rows, const char *loop,
                    bool preloaded)
{
    for (const row &r : rows) {
        if (r.loop == loop && r.preloaded == preloaded)
            return &r;
    }
    return nullptr;
}

std::vector<result> judge_all(const std::vector<row> &rows)
{
    std::vector<result> results;

    for (const dropin::bar &bar : dropin::bars) {
        result r = {&bar,
                    find_row(rows, bar.ours, true),
                    find_row(rows, bar.theirs, false),
                    NAN,
                    NAN,
                    ""};

        if (r.ours == nullptr || r.theirs == nullptr)
            continue;
        r.at_least =
            measured::compare(bar.kind, r.ours->least(), r.theirs->least());
        r.at_median =
            measured::compare(bar.kind, r.ours->median(), r.theirs->median());
        r.verdict = measured::verdict(bar, r.at_least, r.at_median);
        results.push_back(r);
    }
    return results;
}

/* ---- printing ---------------------------------------------------------- */

void print_all(const std::vector<row> &rows, const std::vector<result> &results,
               const options &opt)
{
    std::printf("seed %llu, %u rounds of processes, CPU %d; %s switches by "
                "%s\n\n",
                static_cast<unsigned long long>(opt.seed), opt.rounds, opt.cpu,
                OpenSSL_version(OPENSSL_VERSION), sy_openssl_switch());
    std::printf("%-24s %12s %12s\n", "row", "least ns", "median ns");
    for (const row &r : rows)
        std::printf("%-24s %12.2f %12.2f\n",
                    (r.loop + "/" + r.candidate()).c_str(), r.least(),
                    r.median());
    std::printf("\n%-30s %9s %9s %9s %9s %9s  %s\n", "metric", "drop-in",
                "openssl", "at least", "at median", "bar", "verdict");
    for (const result &r : results)
        std::printf("%-30s %9.2f %9.2f %9s %9s %9s  %s\n", r.bar->metric,
                    r.ours->least(), r.theirs->least(),
                    measured::figure_words(r.bar->kind, r.at_least).c_str(),
                    measured::figure_words(r.bar->kind, r.at_median).c_str(),
                    measured::figure_words(r.bar->kind, r.bar->limit).c_str(),
                    r.verdict);
}

/* ---- the result file --------------------------------------------------- */

json_t *facts_json(const options &opt)
{
    struct sy_machine machine;

    sy_machine_read(&machine);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:i, s:f, "
        "s:i}",
        "version", sy_version(), "git", SY_BUILD_GIT, "compiler",
        SY_BUILD_COMPILER, "flags", SY_BUILD_FLAGS, "openssl",
        OpenSSL_version(OPENSSL_VERSION), "openssl_switch", sy_openssl_switch(),
        "cpu", machine.cpu_model, "kernel", machine.kernel, "fingerprint",
        machine.fingerprint, "hypervisor", machine.hypervisor, "seed",
        static_cast<json_int_t>(opt.seed), "rounds",
        static_cast<int>(opt.rounds), "least_ms", opt.least_ms, "cpu_number",
        opt.cpu);
}

json_t *row_json(const row &r)
{
    json_t *figures = json_array();

    for (double ns : r.ns)
        json_array_append_new(figures, json_real(ns));
    return json_pack("{s:s, s:s, s:I, s:f, s:f, s:o}", "loop", r.loop.c_str(),
                     "candidate", r.candidate(), "operations",
                     static_cast<json_int_t>(r.n), "least_ns", r.least(),
                     "median_ns", r.median(), "ns", figures);
}

bool write_json(const std::vector<row> &rows,
                const std::vector<result> &results, const options &opt)
{
    std::string unfinished = std::string(opt.json) + ".tmp";
    json_t *row_list = json_array(), *bar_list = json_array(), *all;
    bool written;

    for (const row &r : rows)
        json_array_append_new(row_list, row_json(r));
    for (const result &r : results)
        json_array_append_new(
            bar_list,
            json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:s}", "metric",
                      r.bar->metric, "loop", r.bar->ours, "limit", r.bar->limit,
                      "stretch", r.bar->stretch, "at_least", r.at_least,
                      "at_median", r.at_median, "verdict", r.verdict));
    all = json_pack("{s:o, s:o, s:o}", "meta", facts_json(opt), "rows",
                    row_list, "bars", bar_list);
    written = json_dump_file(all, unfinished.c_str(),
                             JSON_INDENT(1) | JSON_REAL_PRECISION(8)) == 0;
    json_decref(all);
    return written && std::rename(unfinished.c_str(), opt.json) == 0;
}

/* ---- options ----------------------------------------------------------- */

const char usage[] =
    "usage: switchyard_dropin [options]\n"
    "\n"
    "  --rounds N      run every loop N times each way (1 to 10000; 33)\n"
    "  --least-ms MS   one process measures at least so long (0.1 to 1000; 5)\n"
    "  --seed N        of the order within each round (1)\n"
    "  --cpu N         stay on this CPU (the last one this process may use)\n"
    "  --filter TEXT   only loops whose name contains TEXT\n"
    "  --library FILE  the drop-in to preload (the one of this build)\n"
    "  --loops FILE    the program with the loops (the one of this build)\n"
    "  --json FILE     write every figure, too\n"
    "\n"
    "Exit status: 0, whether bars are met or not; 2 wrong usage; 3 a process\n"
    "failed, or the wrong library answered in it.\n";

options read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"rounds", required_argument, nullptr, 'r'},
        {"least-ms", required_argument, nullptr, 'm'},
        {"seed", required_argument, nullptr, 's'},
        {"cpu", required_argument, nullptr, 'c'},
        {"filter", required_argument, nullptr, 'f'},
        {"library", required_argument, nullptr, 'l'},
        {"loops", required_argument, nullptr, 'p'},
        {"json", required_argument, nullptr, 'j'},
        {"help", no_argument, nullptr, 'h'},
        {},
    };
    options opt;
    int c;

    while ((c = getopt_long(argc, argv, "", known, nullptr)) != -1) {
        switch (c) {
        case 'r':
            opt.rounds = static_cast<unsigned>(
                measured::read_number("rounds", optarg, 1, 10000));
            break;
        case 'm':
            opt.least_ms = measured::read_milliseconds("least-ms", optarg);
            break;
        case 's':
            opt.seed = measured::read_number("seed", optarg, 0, UINT64_MAX);
            break;
        case 'c':
            opt.cpu = static_cast<int>(
                measured::read_number("cpu", optarg, 0, CPU_SETSIZE - 1));
            break;
        case 'f':
            opt.filter = optarg;
            break;
        case 'l':
            opt.library = optarg;
            break;
        case 'p':
            opt.loops = optarg;
            break;
        case 'j':
            opt.json = optarg;
            break;
        case 'h':
            std::fputs(usage, stdout);
            std::exit(0);
        default:
            std::fputs(usage, stderr);
            std::exit(2);
        }
    }
    if (optind != argc) {
        std::fputs(usage, stderr);
        std::exit(2);
    }
    return opt;
}
} // namespace

int main(int argc, char **argv)
{
    options opt = read_options(argc, argv);
    std::vector<row> rows = choose_rows(opt);
    std::vector<result> results;

    if (rows.empty()) {
        std::fprintf(stderr, "switchyard_dropin: no loop contains \"%s\"\n",
                     opt.filter.c_str());
        return 2;
    }
    for (const std::string &file : {opt.library, opt.loops}) {
        if (access(file.c_str(), R_OK) != 0) {
            std::fprintf(stderr, "switchyard_dropin: %s: %s\n", file.c_str(),
                         std::strerror(errno));
            return 3;
        }
    }
    opt.cpu = measured::stay_on_one_cpu(opt.cpu);
    measure_all(rows, opt);
    results = judge_all(rows);
    print_all(rows, results, opt);
    if (opt.json != nullptr && !write_json(rows, results, opt)) {
        std::fprintf(stderr, "switchyard_dropin: cannot write %s: %s\n",
                     opt.json, std::strerror(errno));
        return 3;
    }
    return 0;
}
