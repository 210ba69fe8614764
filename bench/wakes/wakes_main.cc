/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard_wakes: what it costs from an operation's completion until its job
 * goes on, for every engine, beside OpenSSL's ASYNC and what wake-ups are made
 * of, in one process.
 *
 * Each round measures every row once, in an order shuffled anew; a row is set
 * up and taken down each time. The least and the median of the rounds are
 * printed. A bar is met, or missed, if it is so by both; where they disagree,
 * the verdict is "unclear". System calls are counted after all rounds, for
 * counting makes them slower.
 */
#include "wake_bars.h"
#include "wake_rows.h"
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <random>
#include <switchyard/engine.h>
#include <switchyard/version.h>

extern "C" {
#include "../environment/fingerprint.h"
#include "../load/syscall_counter.h"
}

namespace
{
/* Operations while system calls are counted. */
constexpr uint64_t COUNTED_OPS = 2048;

struct options {
    unsigned rounds = 15;
    uint64_t seed = 1;
    double least_ms = 5;
    uint64_t idle_ms = 2000;
    std::string filter;
    const char *json = nullptr;
    bool list = false;
};

struct row {
    const wakes::row_spec *what;
    std::vector<double> figures; /* one per round */
    std::string why_not;
    double calls = NAN; /* system calls per operation */

    double least() const
    {
        return measured::least_of(figures);
    }

    double median() const
    {
        return measured::median_of(figures);
    }
};

struct result {
    const wakes::bar *bar;
    const row *ours, *theirs;
    double at_least, at_median;
    const char *verdict;
};

/* ---- measuring --------------------------------------------------------- */

void measure_once(row &r, const options &opt)
{
    if (!r.why_not.empty() || (r.what->once && !r.figures.empty()))
        return;
    r.why_not = r.what->open();
    if (!r.why_not.empty())
        return;
    r.figures.push_back(
        r.what->measure(static_cast<uint64_t>(opt.least_ms * 1e6)));
    r.what->close();
}

void measure_all(std::vector<row> &rows, const options &opt)
{
    std::mt19937_64 random(opt.seed);
    std::vector<row *> order;

    for (row &r : rows)
        order.push_back(&r);
    for (unsigned round = 0; round < opt.rounds; round++) {
        std::shuffle(order.begin(), order.end(), random);
        for (row *r : order)
            measure_once(*r, opt);
        std::fprintf(stderr, "\rround %u of %u", round + 1, opt.rounds);
    }
    std::fprintf(stderr, "\n");
}

/* Those of all threads, the device's too. Returns why it cannot be done. */
std::string count_calls(row &r)
{
    struct sy__syscall_counter counter;
    char why[256] = "";
    int64_t calls = -1;
    int err;

    if (r.figures.empty() || !r.what->run)
        return "";
    r.why_not = r.what->open();
    if (!r.why_not.empty())
        return "";
    r.what->run(COUNTED_OPS); /* descriptors are made and watched here */
    err = sy__syscall_counter_open(&counter, why, sizeof(why));
    if (err == 0) {
        err = sy__syscall_counter_start(&counter, why, sizeof(why));
        if (err == 0)
            r.what->run(COUNTED_OPS);
        calls = sy__syscall_counter_close(&counter);
    }
    r.what->close();
    if (err != 0 || calls < 0)
        return why[0] != '\0' ? why : "the counter could not be read";
    r.calls = static_cast<double>(calls) / static_cast<double>(COUNTED_OPS);
    return "";
}

std::string count_all_calls(std::vector<row> &rows)
{
    for (row &r : rows) {
        std::string why = count_calls(r);

        if (!why.empty())
            return why;
    }
    return "";
}

/* ---- judging ----------------------------------------------------------- */

const row *find_row(const std::vector<row> &rows, const char *name)
{
    for (const row &r : rows) {
        if (name != nullptr && r.what->name == name && !r.figures.empty())
            return &r;
    }
    return nullptr;
}

double compare_to(const wakes::bar &bar, const row &ours, const row *theirs,
                  double (row::*of)() const)
{
    return measured::compare(bar.kind, (ours.*of)(),
                             theirs != nullptr ? (theirs->*of)() : NAN);
}

result judge(const wakes::bar &bar, const std::vector<row> &rows)
{
    result r = {
        &bar,    find_row(rows, bar.ours), find_row(rows, bar.theirs), NAN, NAN,
        "no row"};

    if (r.ours == nullptr || (bar.theirs != nullptr && r.theirs == nullptr))
        return r;
    if (bar.kind == wakes::bar_kind::CALLS) {
        if (std::isnan(r.ours->calls)) {
            r.verdict = "not counted";
            return r;
        }
        r.at_least = r.at_median = r.ours->calls;
    } else {
        r.at_least = compare_to(bar, *r.ours, r.theirs, &row::least);
        r.at_median = compare_to(bar, *r.ours, r.theirs, &row::median);
    }
    r.verdict = measured::verdict(bar, r.at_least, r.at_median);
    return r;
}

/* ---- printing ---------------------------------------------------------- */

void print_rows(const std::vector<row> &rows)
{
    std::printf("%-50s %-10s %11s %11s %9s\n", "row", "unit", "least", "median",
                "calls/op");
    for (const row &r : rows) {
        char calls[32] = "";

        if (!std::isnan(r.calls))
            std::snprintf(calls, sizeof(calls), "%.3f", r.calls);
        if (r.figures.empty())
            std::printf("%-50s not measured: %s\n", r.what->name.c_str(),
                        r.why_not.c_str());
        else
            std::printf("%-50s %-10s %11.2f %11.2f %9s\n", r.what->name.c_str(),
                        r.what->unit, r.least(), r.median(), calls);
    }
}

void print_results(const std::vector<result> &results)
{
    std::printf("\n%-32s %-40s %-36s %9s %9s %7s  %s\n", "metric", "ours",
                "compared with", "at least", "at median", "bar", "verdict");
    for (const result &r : results) {
        const wakes::bar &bar = *r.bar;

        std::printf("%-32s %-40s %-36s %9s %9s %7s  %s\n", bar.metric, bar.ours,
                    bar.theirs != nullptr ? bar.theirs : "",
                    measured::figure_words(bar.kind, r.at_least).c_str(),
                    measured::figure_words(bar.kind, r.at_median).c_str(),
                    measured::figure_words(bar.kind, bar.limit).c_str(),
                    r.verdict);
    }
}

/* ---- the result file --------------------------------------------------- */

json_t *facts_json(const options &opt, const std::string &no_calls)
{
    struct sy_machine machine;

    sy_machine_read(&machine);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:i, "
        "s:f, s:I, s:s, s:i, s:i}",
        "version", sy_version(), "git", SY_BUILD_GIT, "compiler",
        SY_BUILD_COMPILER, "flags", SY_BUILD_FLAGS, "openssl",
        OpenSSL_version(OPENSSL_VERSION), "openssl_switch", sy_openssl_switch(),
        "glibc", gnu_get_libc_version(), "cpu", machine.cpu_model, "kernel",
        machine.kernel, "fingerprint", machine.fingerprint, "hypervisor",
        static_cast<int>(machine.hypervisor), "seed",
        static_cast<json_int_t>(opt.seed), "rounds",
        static_cast<int>(opt.rounds), "least_ms", opt.least_ms, "idle_ms",
        static_cast<json_int_t>(opt.idle_ms), "calls_not_counted",
        no_calls.c_str(), "cpu_number", measured::cpus().here,
        "other_cpu_number", measured::cpus().there);
}

json_t *row_json(const row &r)
{
    json_t *object = json_pack("{s:s, s:s}", "name", r.what->name.c_str(),
                               "unit", r.what->unit);
    json_t *figures;

    if (r.figures.empty()) {
        json_object_set_new(object, "not_measured",
                            json_string(r.why_not.c_str()));
        return object;
    }
    figures = json_array();
    for (double f : r.figures)
        json_array_append_new(figures, json_real(f));
    json_object_set_new(object, "least", json_real(r.least()));
    json_object_set_new(object, "median", json_real(r.median()));
    json_object_set_new(object, "figures", figures);
    if (!std::isnan(r.calls))
        json_object_set_new(object, "calls_per_op", json_real(r.calls));
    return object;
}

json_t *result_json(const result &r)
{
    const wakes::bar &bar = *r.bar;
    json_t *object =
        json_pack("{s:s, s:s, s:s?, s:f, s:f, s:s}", "metric", bar.metric,
                  "ours", bar.ours, "theirs", bar.theirs, "limit", bar.limit,
                  "stretch", bar.stretch, "verdict", r.verdict);

    if (!std::isnan(r.at_least)) {
        json_object_set_new(object, "at_least", json_real(r.at_least));
        json_object_set_new(object, "at_median", json_real(r.at_median));
    }
    return object;
}

bool write_json(const options &opt, const std::vector<row> &rows,
                const std::vector<result> &results, const std::string &no_calls)
{
    std::string unfinished = std::string(opt.json) + ".tmp";
    json_t *row_list = json_array(), *bar_list = json_array(), *all;
    bool written;

    for (const row &r : rows)
        json_array_append_new(row_list, row_json(r));
    for (const result &r : results)
        json_array_append_new(bar_list, result_json(r));
    all = json_pack("{s:o, s:o, s:o}", "meta", facts_json(opt, no_calls),
                    "rows", row_list, "bars", bar_list);
    written = json_dump_file(all, unfinished.c_str(),
                             JSON_INDENT(1) | JSON_REAL_PRECISION(8)) == 0;
    json_decref(all);
    return written && std::rename(unfinished.c_str(), opt.json) == 0;
}

/* ---- options ----------------------------------------------------------- */

const char usage[] =
    "usage: switchyard_wakes [options]\n"
    "\n"
    "  --rounds N    measure every row N times (1 to 10000; 15)\n"
    "  --seed N      for the order of the rows in each round (1)\n"
    "  --least-ms X  run each row about so long at a time (0.1 to 1000; 5)\n"
    "  --idle-ms N   watch an idle runtime so long; 0: do not (2000)\n"
    "  --filter TEXT only rows whose name contains TEXT\n"
    "  --json FILE   write everything to FILE too\n"
    "  --list        print the rows and exit\n"
    "  --help        print this and exit\n"
    "\n"
    "Exit status: 0, 1 if a result was wrong, 2 wrong usage, 3 if FILE could\n"
    "not be written. Whether a bar was met does not show in it.\n";

options read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"rounds", required_argument, nullptr, 'r'},
        {"seed", required_argument, nullptr, 's'},
        {"least-ms", required_argument, nullptr, 'm'},
        {"idle-ms", required_argument, nullptr, 'i'},
        {"filter", required_argument, nullptr, 'f'},
        {"json", required_argument, nullptr, 'j'},
        {"list", no_argument, nullptr, 'l'},
        {"help", no_argument, nullptr, 'h'},
        {nullptr, 0, nullptr, 0},
    };
    options opt;
    int c;

    while ((c = getopt_long(argc, argv, "", known, nullptr)) != -1) {
        switch (c) {
        case 'r':
            opt.rounds = static_cast<unsigned>(
                measured::read_number("rounds", optarg, 1, 10000));
            break;
        case 's':
            opt.seed = measured::read_number("seed", optarg, 0, INT64_MAX);
            break;
        case 'm':
            opt.least_ms = measured::read_milliseconds("least-ms", optarg);
            break;
        case 'i':
            opt.idle_ms = measured::read_number("idle-ms", optarg, 0, 100000);
            break;
        case 'f':
            opt.filter = optarg;
            break;
        case 'j':
            opt.json = optarg;
            break;
        case 'l':
            opt.list = true;
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

/* ---- which rows -------------------------------------------------------- */

/* Every engine in every variant that works here, by name. */
std::vector<std::string> engine_names(measured::notices &notes)
{
    static const char *const single[] = {nullptr, nullptr};
    std::vector<std::string> names;
    const struct sy_engine_ops *const *en;

    for (en = sy_engine_table(); *en != nullptr; en++) {
        const char *const *v =
            (*en)->variants != nullptr ? (*en)->variants : single;

        do {
            std::string name = (*en)->name;
            char why[256];

            if (*v != nullptr)
                name += std::string("+") + *v;
            if (sy_engine_probe(*en, *v, why, sizeof(why)) == 0)
                names.push_back(name);
            else
                notes.push_back(name + ": " + why);
        } while (*v != nullptr && *++v != nullptr);
    }
    return names;
}

wakes::row_specs all_rows(const options &opt, measured::notices &notes)
{
    std::vector<std::string> engines = engine_names(notes);
    wakes::row_specs all;

    wakes::add_full_by_table(all, engines);
    wakes::add_full_bound(all, {"queue"});
    wakes::add_full_openssl(all);
    wakes::add_latencies(all, engines);
    wakes::add_shared_device(all);
    if (opt.idle_ms != 0)
        wakes::add_idle(all, opt.idle_ms * 1000000);
    return all;
}
} // namespace

double wakes::cpu_ns_per_op(const std::function<void(uint64_t)> &run,
                            uint64_t flight, uint64_t least_ns)
{
    uint64_t at_once = flight < 4 ? 128 : 32 * flight, done = 0;
    uint64_t t0, cpu0;

    run(2 * flight); /* touch everything once */
    t0 = measured::clock_ns(CLOCK_MONOTONIC);
    cpu0 = measured::clock_ns(CLOCK_THREAD_CPUTIME_ID);
    do {
        run(at_once);
        done += at_once;
    } while (measured::clock_ns(CLOCK_MONOTONIC) - t0 < least_ns);
    return static_cast<double>(measured::clock_ns(CLOCK_THREAD_CPUTIME_ID) -
                               cpu0) /
           static_cast<double>(done);
}

int main(int argc, char **argv)
{
    options opt = read_options(argc, argv);
    measured::notices notes;
    std::vector<row> rows;
    std::vector<result> results;
    std::string no_calls;
    wakes::row_specs all;

    (void)measured::cpus(); /* before this thread gives up all but one */
    all = all_rows(opt, notes);
    for (const wakes::row_spec &spec : all) {
        if (spec.name.find(opt.filter) != std::string::npos)
            rows.push_back({&spec, {}, ""});
    }
    if (opt.list) {
        for (const row &r : rows)
            std::printf("%s\n", r.what->name.c_str());
        return 0;
    }
    if (rows.empty()) {
        std::fprintf(stderr, "switchyard_wakes: no row contains \"%s\"\n",
                     opt.filter.c_str());
        return 2;
    }
    for (const std::string &note : notes)
        std::fprintf(stderr, "not measured: %s\n", note.c_str());
    if (!measured::run_on(measured::cpus().here))
        std::fprintf(stderr, "this thread cannot be kept on one CPU\n");

    measure_all(rows, opt);
    no_calls = count_all_calls(rows);
    if (!no_calls.empty())
        std::fprintf(stderr, "system calls not counted: %s\n",
                     no_calls.c_str());
    for (const wakes::bar &bar : wakes::bars) {
        if (std::strstr(bar.ours, opt.filter.c_str()) != nullptr)
            results.push_back(judge(bar, rows));
    }

    std::printf("seed %llu, %u rounds, CPU %d, device and waker on CPU %d; "
                "OpenSSL switches by %s\n\n",
                static_cast<unsigned long long>(opt.seed), opt.rounds,
                measured::cpus().here, measured::cpus().there,
                sy_openssl_switch());
    print_rows(rows);
    print_results(results);
    if (opt.json != nullptr && !write_json(opt, rows, results, no_calls)) {
        std::fprintf(stderr, "switchyard_wakes: cannot write %s: %s\n",
                     opt.json, std::strerror(errno));
        return 3;
    }
    return 0;
}
