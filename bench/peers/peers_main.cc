/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard_peers: Switchyard and other people's switchers in one process, on
 * one CPU, in the same loops.
 *
 * Each round measures every row once, in an order shuffled anew; a row is set
 * up and taken down each time, so that memory falls differently. The least and
 * the median of the rounds are printed. A bar is met, or missed, if it is so
 * by both; where they disagree, the verdict is "unclear".
 */
#include "million.h"
#include "peer_bars.h"
#include "peers.h"
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <openssl/crypto.h>
#include <random>
#include <sched.h>
#include <switchyard/version.h>

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
    uint64_t million = 1000000;
    std::string filter;
    const char *json = nullptr;
    bool list = false;
};

struct row {
    const measured::scenario *what;
    uint64_t n;             /* operations for each look at the clock */
    std::vector<double> ns; /* per operation, one per round */
    std::string why_not;

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
    const peers::bar *bar;
    const row *ours, *theirs; /* nullptr: no such row here */
    double at_least, at_median;
    const char *verdict;
};

/* ---- which rows -------------------------------------------------------- */

/* Of all that bench/micro knows, what is compared here. */
const char *const wanted[] = {
    "swap/*/depth:0",
    "swap/*/depth:1",
    "swap/*/depth:4",
    "swap/*/depth:4/caller:2",
    "pair/*/depth:0",
    "pair/*/depth:1",
    "pair/*/depth:4",
    "pair/*/depth:4/caller:2",
    "life/*/args:0/pauses:0",
    "life/*/args:64/pauses:0",
    "life/*/args:0/pauses:1",
    "many/*/jobs:10000/depth:4/prefetch:0",
    "many/*/jobs:10000/depth:4/prefetch:1",
    "create/*/stacks:1024",
};

bool is_wanted(const measured::scenario &s, const options &opt)
{
    std::string general = s.family + "/*/" + s.params;

    if (s.name().find(opt.filter) == std::string::npos)
        return false;
    for (const char *w : wanted) {
        if (general == w)
            return true;
    }
    return false;
}

void add_peers(measured::scenarios &out)
{
    peers::add_openssl(out);
#if SY_PEER_BOOST
    peers::add_fcontext(out);
    peers::add_fiber(out);
#endif
#if SY_PEER_COROUTINE
    peers::add_coroutine(out);
#endif
    peers::add_setjmp(out);
    peers::add_swapcontext(out);
    peers::add_futex(out);
}

/* ---- measuring --------------------------------------------------------- */

double now_ns()
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return static_cast<double>(now.tv_sec) * 1e9 +
           static_cast<double>(now.tv_nsec);
}

/* ns for n operations. The scenario is open. */
double run_timed(const measured::scenario &s, uint64_t n)
{
    double t0, sum = 0;

    if (!s.undo) {
        t0 = now_ns();
        s.run(n);
        return now_ns() - t0;
    }
    for (; n > 0; n -= s.batch) {
        t0 = now_ns();
        s.run(s.batch);
        sum += now_ns() - t0;
        s.undo();
    }
    return sum;
}

/* How many operations take at least so long. Warms up, too. */
void calibrate(row &r, double least_ns)
{
    r.why_not = r.what->open();
    if (!r.why_not.empty())
        return;
    r.n = r.what->batch;
    while (run_timed(*r.what, r.n) < least_ns)
        r.n *= 2;
    r.what->close();
}

void measure_once(row &r)
{
    if (!r.why_not.empty())
        return;
    r.why_not = r.what->open();
    if (!r.why_not.empty())
        return;
    (void)run_timed(*r.what, r.what->batch); /* touch everything once */
    r.ns.push_back(run_timed(*r.what, r.n) / static_cast<double>(r.n));
    r.what->close();
}

void measure_all(std::vector<row> &rows, const options &opt)
{
    std::mt19937_64 random(opt.seed);
    std::vector<row *> order;

    for (row &r : rows) {
        calibrate(r, opt.least_ms * 1e6);
        order.push_back(&r);
    }
    for (unsigned round = 0; round < opt.rounds; round++) {
        std::shuffle(order.begin(), order.end(), random);
        for (row *r : order)
            measure_once(*r);
        std::fprintf(stderr, "\rround %u of %u", round + 1, opt.rounds);
    }
    std::fprintf(stderr, "\n");
}

/* ---- judging ----------------------------------------------------------- */

const row *find_row(const std::vector<row> &rows, const char *name)
{
    for (const row &r : rows) {
        if (r.what->name() == name && !r.ns.empty())
            return &r;
    }
    return nullptr;
}

result judge(const peers::bar &bar, const std::vector<row> &rows)
{
    result r = {
        &bar,    find_row(rows, bar.ours), find_row(rows, bar.theirs), NAN, NAN,
        "no row"};

    if (r.ours == nullptr || r.theirs == nullptr)
        return r;
    r.at_least =
        measured::compare(bar.kind, r.ours->least(), r.theirs->least());
    r.at_median =
        measured::compare(bar.kind, r.ours->median(), r.theirs->median());
    r.verdict = measured::verdict(bar, r.at_least, r.at_median);
    return r;
}

/* ---- printing ---------------------------------------------------------- */

void print_rows(const std::vector<row> &rows)
{
    std::printf("%-52s %12s %12s\n", "row", "least ns", "median ns");
    for (const row &r : rows) {
        if (r.ns.empty())
            std::printf("%-52s not measured: %s\n", r.what->name().c_str(),
                        r.why_not.c_str());
        else
            std::printf("%-52s %12.2f %12.2f\n", r.what->name().c_str(),
                        r.least(), r.median());
    }
}

/* "asm" of "pair/asm/depth:0" */
std::string candidate_of(const char *name)
{
    const char *from = std::strchr(name, '/') + 1;

    return std::string(from, std::strchr(from, '/'));
}

void print_result(const result &r)
{
    const peers::bar &bar = *r.bar;

    std::printf("%-37s %-12s %-18s ", bar.metric,
                candidate_of(bar.ours).c_str(),
                candidate_of(bar.theirs).c_str());
    if (r.ours == nullptr || r.theirs == nullptr) {
        std::printf("%9s %9s %9s %9s %9s  no row: %s\n", "-", "-", "-", "-",
                    measured::figure_words(bar.kind, bar.limit).c_str(),
                    r.ours == nullptr ? bar.ours : bar.theirs);
        return;
    }
    std::printf("%9.2f %9.2f %9s %9s %9s  %s\n", r.ours->least(),
                r.theirs->least(),
                measured::figure_words(bar.kind, r.at_least).c_str(),
                measured::figure_words(bar.kind, r.at_median).c_str(),
                measured::figure_words(bar.kind, bar.limit).c_str(), r.verdict);
}

void print_limit(const char *metric, double value, const char *unit,
                 const char *sense, double limit, bool met)
{
    std::printf("%-37s %14.1f %-14s %s %9.0f  %s\n", metric, value, unit, sense,
                limit, met ? "met" : "missed");
}

void print_million(const peers::million &m)
{
    double asked = static_cast<double>(m.wanted);
    double wrong = static_cast<double>(m.jobs - m.right);

    std::printf("\nMany paused jobs at once, under %s, guards by %s\n",
                m.switcher, m.guard);
    if (m.err != 0)
        std::printf("stopped: %s returned %d\n", m.what, m.err);
    print_limit("paused", static_cast<double>(m.jobs), "jobs", "at least",
                asked, m.jobs == m.wanted && m.err == 0);
    if (m.jobs == 0)
        return;
    print_limit("finished with a wrong result", wrong, "jobs", "at most ", 0,
                m.jobs == m.right);
    print_limit("resident", m.rss_per_job, "bytes per job", "at most ",
                peers::MILLION_RSS_MAX_BYTES,
                m.rss_per_job <= peers::MILLION_RSS_MAX_BYTES);
    print_limit("maps of the process", static_cast<double>(m.maps), "",
                "at most ", peers::MILLION_MAPS_MAX,
                m.maps <= peers::MILLION_MAPS_MAX);
    std::printf("created in %.2f s (stretch, for 1,000,000: %.0f s), started "
                "in %.2f s, resumed and finished in %.2f s\n",
                m.create_s, peers::MILLION_CREATE_STRETCH_S, m.start_s,
                m.resume_s);
}

/* ---- the result file --------------------------------------------------- */

void put_string(std::FILE *f, const char *name, const char *value)
{
    std::fprintf(f, "\"%s\": \"", name);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            std::fputc('\\', f);
        if (static_cast<unsigned char>(*value) >= ' ')
            std::fputc(*value, f);
    }
    std::fputs("\"", f);
}

void put_facts(std::FILE *f, const options &opt)
{
    struct sy_machine machine;

    sy_machine_read(&machine);
    std::fputs("  \"meta\": {", f);
    put_string(f, "version", sy_version());
    std::fputs(", ", f);
    put_string(f, "git", SY_BUILD_GIT);
    std::fputs(", ", f);
    put_string(f, "compiler", SY_BUILD_COMPILER);
    std::fputs(", ", f);
    put_string(f, "flags", SY_BUILD_FLAGS);
    std::fputs(",\n    ", f);
    put_string(f, "openssl", OpenSSL_version(OPENSSL_VERSION));
    std::fputs(", ", f);
    put_string(f, "openssl_switch", sy_openssl_switch());
    std::fputs(", ", f);
    put_string(f, "glibc", gnu_get_libc_version());
    std::fputs(",\n    ", f);
    put_string(f, "cpu", machine.cpu_model);
    std::fputs(", ", f);
    put_string(f, "kernel", machine.kernel);
    std::fputs(", ", f);
    put_string(f, "fingerprint", machine.fingerprint);
    std::fprintf(f,
                 ", \"hypervisor\": %s,\n    \"seed\": %llu, \"rounds\": %u, "
                 "\"least_ms\": %g, \"cpu_number\": %d},\n",
                 machine.hypervisor ? "true" : "false",
                 static_cast<unsigned long long>(opt.seed), opt.rounds,
                 opt.least_ms, opt.cpu);
}

void put_rows(std::FILE *f, const std::vector<row> &rows)
{
    const char *separator = "";

    std::fputs("  \"rows\": [", f);
    for (const row &r : rows) {
        std::fprintf(f, "%s\n    {", separator);
        separator = ",";
        put_string(f, "name", r.what->name().c_str());
        std::fputs(", ", f);
        if (r.ns.empty()) {
            put_string(f, "not_measured", r.why_not.c_str());
            std::fputs("}", f);
            continue;
        }
        std::fprintf(f,
                     "\"operations\": %llu, \"least_ns\": %.4f, "
                     "\"median_ns\": %.4f,\n     \"ns\": [",
                     static_cast<unsigned long long>(r.n), r.least(),
                     r.median());
        for (size_t i = 0; i < r.ns.size(); i++)
            std::fprintf(f, "%s%.4f", i == 0 ? "" : ", ", r.ns[i]);
        std::fputs("]}", f);
    }
    std::fputs("],\n", f);
}

void put_results(std::FILE *f, const std::vector<result> &results)
{
    const char *separator = "";

    std::fputs("  \"bars\": [", f);
    for (const result &r : results) {
        std::fprintf(f, "%s\n    {", separator);
        separator = ",";
        put_string(f, "metric", r.bar->metric);
        std::fputs(", ", f);
        put_string(f, "ours", r.bar->ours);
        std::fputs(", ", f);
        put_string(f, "theirs", r.bar->theirs);
        std::fprintf(f, ",\n     \"limit\": %.4f, \"stretch\": %.4f, ",
                     r.bar->limit, r.bar->stretch);
        if (r.ours != nullptr && r.theirs != nullptr)
            std::fprintf(f, "\"at_least\": %.4f, \"at_median\": %.4f, ",
                         r.at_least, r.at_median);
        put_string(f, "verdict", r.verdict);
        std::fputs("}", f);
    }
    std::fputs("]", f);
}

void put_million(std::FILE *f, const peers::million &m)
{
    std::fputs(",\n  \"paused_jobs\": {", f);
    put_string(f, "switcher", m.switcher);
    std::fputs(", ", f);
    put_string(f, "guard", m.guard);
    std::fprintf(f,
                 ", \"wanted\": %llu, \"jobs\": %llu, \"right\": %llu, "
                 "\"rss_per_job\": %.1f, \"maps\": %llu,\n    \"create_s\": "
                 "%.3f, \"start_s\": %.3f, "
                 "\"resume_s\": %.3f, \"err\": %d}",
                 static_cast<unsigned long long>(m.wanted),
                 static_cast<unsigned long long>(m.jobs),
                 static_cast<unsigned long long>(m.right), m.rss_per_job,
                 static_cast<unsigned long long>(m.maps), m.create_s, m.start_s,
                 m.resume_s, m.err);
}

bool write_json(const options &opt, const std::vector<row> &rows,
                const std::vector<result> &results, const peers::million *m)
{
    std::string unfinished = std::string(opt.json) + ".tmp";
    std::FILE *f = std::fopen(unfinished.c_str(), "w");
    bool bad;

    if (f == nullptr)
        return false;
    std::fputs("{\n", f);
    put_facts(f, opt);
    put_rows(f, rows);
    put_results(f, results);
    if (m != nullptr)
        put_million(f, *m);
    std::fputs("\n}\n", f);
    bad = std::ferror(f) != 0;
    return std::fclose(f) == 0 && !bad &&
           std::rename(unfinished.c_str(), opt.json) == 0;
}

/* ---- options ----------------------------------------------------------- */

const char usage[] =
    "usage: switchyard_peers [options]\n"
    "\n"
    "  --rounds N    measure every row N times (1 to 10000; 33)\n"
    "  --seed N      for the order of the rows in each round (1)\n"
    "  --least-ms X  run each row at least so long at a time (0.1 to 1000; 5)\n"
    "  --cpu N       run on this CPU (the last that may be used)\n"
    "  --filter TEXT only rows whose name contains TEXT\n"
    "  --million N   how many jobs to pause at once; 0: skip it (1000000)\n"
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
        {"cpu", required_argument, nullptr, 'c'},
        {"filter", required_argument, nullptr, 'f'},
        {"million", required_argument, nullptr, 'n'},
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
            opt.seed = measured::read_number("seed", optarg, 0, UINT64_MAX);
            break;
        case 'm':
            opt.least_ms = measured::read_milliseconds("least-ms", optarg);
            break;
        case 'c':
            opt.cpu = static_cast<int>(
                measured::read_number("cpu", optarg, 0, CPU_SETSIZE - 1));
            break;
        case 'f':
            opt.filter = optarg;
            break;
        case 'n':
            opt.million =
                measured::read_number("million", optarg, 0, 100000000);
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
} // namespace

int main(int argc, char **argv)
{
    options opt = read_options(argc, argv);
    measured::scenarios all;
    measured::notices notes;
    std::vector<row> rows;
    std::vector<result> results;
    peers::million million = {};
    std::string no_million = "not asked for";

    measured::add_plain(all);
    measured::add_bound(all, notes);
    measured::add_by_table(all, notes);
    add_peers(all);
    for (const char *w : wanted) {
        for (const measured::scenario &s : all) {
            if (s.family + "/*/" + s.params == w && is_wanted(s, opt))
                rows.push_back({&s, 0, {}, ""});
        }
    }
    if (opt.list) {
        for (const row &r : rows)
            std::printf("%s\n", r.what->name().c_str());
        return 0;
    }
    if (rows.empty()) {
        std::fprintf(stderr, "switchyard_peers: no row contains \"%s\"\n",
                     opt.filter.c_str());
        return 2;
    }

    opt.cpu = measured::stay_on_one_cpu(opt.cpu);
    for (const std::string &note : notes)
        std::fprintf(stderr, "not measured: %s\n", note.c_str());
    if (opt.million != 0)
        no_million = peers::run_million(million, opt.million);
    measure_all(rows, opt);
    for (const peers::bar &bar : peers::bars)
        results.push_back(judge(bar, rows));

    std::printf("seed %llu, %u rounds, CPU %d; OpenSSL switches by %s\n\n",
                static_cast<unsigned long long>(opt.seed), opt.rounds, opt.cpu,
                sy_openssl_switch());
    print_rows(rows);
    std::printf("\n%-37s %-12s %-18s %9s %9s %9s %9s %9s  %s\n", "metric",
                "ours", "peer", "ours ns", "peer ns", "at least", "at median",
                "bar", "verdict");
    for (const result &r : results)
        print_result(r);
    if (no_million.empty())
        print_million(million);
    else
        std::printf("\npaused jobs: %s\n", no_million.c_str());
    if (opt.json != nullptr &&
        !write_json(opt, rows, results,
                    no_million.empty() ? &million : nullptr)) {
        std::fprintf(stderr, "switchyard_peers: cannot write %s: %s\n",
                     opt.json, std::strerror(errno));
        return 3;
    }
    return no_million.empty() && million.right != million.jobs ? 1 : 0;
}
