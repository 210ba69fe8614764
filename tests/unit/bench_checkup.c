/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of `switchyard doctor`: every verdict that each can give, from
 * made-up files of /proc and /sys and made-up figures; and that what cannot be
 * read is "unknown", with a reason.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../bench/environment/checkup.h"
#include "unit.h"

#define CPU "sys/devices/system/cpu/"

static char root[] = "/tmp/switchyard-checkup-XXXXXX";
static char proc[64], sys[64];
static struct sy_checkup_figures figures;
static struct sy_finding finding;

static void remove_tree(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    if (system(command) != 0)
        fprintf(stderr, "%s is left over\n", root);
}

/* Write a file below root; NULL removes it. */
static void put(const char *path, const char *content)
{
    char name[512];
    FILE *f;

    snprintf(name, sizeof(name), "%s/%s", root, path);
    if (content == NULL) {
        CHECK(unlink(name) == 0 || errno == ENOENT);
        return;
    }
    for (char *p = name + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        CHECK(mkdir(name, 0777) == 0 || errno == EEXIST);
        *p = '/';
    }
    f = fopen(name, "w");
    CHECK(f != NULL);
    CHECK(fputs(content, f) >= 0);
    CHECK(fclose(f) == 0);
}

/* Nothing to complain about. */
static void fill(void)
{
    memset(&figures, 0, sizeof(figures));
    figures.build = (struct sy_build_facts){
        .version = "1.2.3",
        .git = "",
        .compiler = "cc",
        .flags = "-O2 -g -DNDEBUG",
        .openssl = "OpenSSL 3.0.1 1 Jan 2025",
        .liburing = "2.3",
        .jansson = "2.14",
        .libc = "glibc 2.36",
    };
    figures.cpus_usable = figures.cpus_online = 4;
    figures.fd_limit = 65536;
    figures.memlock_bytes = 65536;
    figures.clock_tick_ns = 20;
    figures.clock_read_ns = 25;
    figures.syscall_ns = 100;
    figures.timer_late_ns = 55000;
    figures.timer_worst_ns = 12345678;
    figures.wake_ns = 4000;
    figures.wake_worst_ns = 9000;
    figures.window_ns = 1000000000;
    figures.io_uring_features = 0x3fff;
    figures.io_uring_setups = 1 << 8 | 1 << 12 | 1 << 13;
    figures.counters = 1;
    put("proc/self/status",
        "Name:\tx\nTracerPid:\t0\nCpus_allowed_list:\t0-3\n");
    put("proc/self/maps", "0-1 r--p 0 0 0 /usr/lib/libc.so.6\n");
    put("proc/self/personality", "00000000\n");
    put("proc/loadavg", "0.25 0.10 0.05 1/100 4242\n");
    put("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\n");
    put("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme tsc\n\n");
    put("proc/cmdline", "root=/dev/sda1 quiet\n");
    put("proc/sys/kernel/randomize_va_space", "2\n");
    put("proc/sys/kernel/perf_event_paranoid", "1\n");
    put("proc/sys/kernel/io_uring_disabled", "0\n");
    put("proc/sys/kernel/osrelease", "6.1.0-13-amd64\n");
    put("proc/sys/vm/max_map_count", "65530\n");
    put(CPU "cpufreq/policy0/scaling_governor", "performance\n");
    put(CPU "cpufreq/policy1/scaling_governor", "performance\n");
    put(CPU "cpufreq/boost", "0\n");
    put(CPU "intel_pstate/no_turbo", NULL);
    put(CPU "smt/active", "0\n");
    put(CPU "isolated", "\n");
    put(CPU "vulnerabilities/meltdown", "Not affected\n");
    put(CPU "vulnerabilities/retbleed", "Vulnerable\n");
    put(CPU "vulnerabilities/spectre_v2", "Mitigation: Retpolines\n");
    put("sys/devices/system/clocksource/clocksource0/current_clocksource",
        "tsc\n");
}

static enum sy_check_state judge(const char *name)
{
    struct sy_kernel_settings settings;
    const struct sy_checkup checkup = {
        .proc = proc, .sys = sys, .settings = &settings, .figures = &figures};

    sy_kernel_settings_read(&settings, sys);
    for (size_t i = 0; sy_checks[i].name != NULL; i++) {
        if (strcmp(sy_checks[i].name, name) != 0)
            continue;
        sy_check_judge(&sy_checks[i], &checkup, &finding);
        return finding.state;
    }
    fprintf(stderr, "there is no check '%s'\n", name);
    exit(1);
}

/* Judge; found must contain words. What is not green says what to do, but for
   what is not known. Everything is as fill() left it afterwards. */
static void expect(int line, const char *name, enum sy_check_state state,
                   const char *words)
{
    const enum sy_check_state got = judge(name);

    if (got != state || strstr(finding.found, words) == NULL) {
        fprintf(stderr, "line %d: %s is %s, not %s: '%s' ('%s' wanted)\n", line,
                name, sy_check_state_name(got), sy_check_state_name(state),
                finding.found, words);
        exit(1);
    }
    if ((state == SY_CHECK_AMBER || state == SY_CHECK_RED) &&
        (finding.effect[0] == '\0' || finding.remedy[0] == '\0')) {
        fprintf(stderr, "line %d: %s gives no advice\n", line, name);
        exit(1);
    }
    fill();
}

#define EXPECT(name, state, words)                                             \
    expect(__LINE__, name, SY_CHECK_##state, words)

static void program(void)
{
    EXPECT("build", GREEN, "-O2");
    figures.build.flags = "-O2 -g -fsanitize=address,undefined -DX";
    EXPECT("build", RED, "built with -fsanitize=address,undefined");
    figures.build.flags = "-O1 -g";
    EXPECT("build", AMBER, "without -O2");
    figures.build.flags = "-g";
    EXPECT("build", AMBER, "without -O2");
    figures.build.flags = "-O2 -O0";
    EXPECT("build", AMBER, "without -O2");
    figures.build.flags = "-O3";
    EXPECT("build", GREEN, "-O3");
    put("proc/self/maps", "0-1 r-xp 0 0 0 /usr/libexec/valgrind/"
                          "vgpreload_core-amd64-linux.so\n");
    EXPECT("build", RED, "valgrind");
    put("proc/self/maps", NULL);
    EXPECT("build", GREEN, "-O2");

    EXPECT("tracer", GREEN, "no");
    put("proc/self/status", "TracerPid:\t4711\n");
    EXPECT("tracer", RED, "4711");
    put("proc/self/status", "Name:\tx\n");
    EXPECT("tracer", UNKNOWN, "TracerPid");

    EXPECT("libraries", GREEN, "OpenSSL 3.0.1, liburing 2.3");
    figures.build.liburing = figures.build.libc = "";
    EXPECT("libraries", GREEN, "liburing none");
}

static void allowed(void)
{
    EXPECT("io_uring", GREEN, "deferred work yes");
    figures.io_uring_setups = 1 << 8 | 1 << 12;
    EXPECT("io_uring", GREEN, "deferred work no");
    figures.io_uring_setups = 1 << 8;
    EXPECT("io_uring", AMBER, "no single-issuer");
    figures.build.liburing = "";
    EXPECT("io_uring", AMBER, "liburing");
    figures.io_uring_features = -EPERM;
    put("proc/sys/kernel/io_uring_disabled", "2\n");
    EXPECT("io_uring", AMBER, "io_uring_disabled is 2");
    figures.io_uring_features = -ENOSYS;
    put("proc/sys/kernel/io_uring_disabled", NULL);
    CHECK(judge("io_uring") == SY_CHECK_AMBER);
    CHECK(strstr(finding.remedy, "Linux 5.11") != NULL);
    CHECK(strstr(finding.found, "io_uring_disabled") == NULL);
    fill();

    EXPECT("mappings", GREEN, "28669 guarded stacks");
    put("proc/sys/vm/max_map_count", "65529\n");
    EXPECT("mappings", AMBER, "65529");
    put("proc/sys/vm/max_map_count", "many\n");
    EXPECT("mappings", UNKNOWN, "max_map_count");
    put("proc/sys/vm/max_map_count", NULL);
    EXPECT("mappings", UNKNOWN, "No such file");

    EXPECT("descriptors", GREEN, "65536");
    figures.fd_limit = 4095;
    EXPECT("descriptors", AMBER, "4095");
    figures.fd_limit = -EPERM;
    EXPECT("descriptors", UNKNOWN, "not permitted");

    EXPECT("memlock", GREEN, "5.12");
    put("proc/sys/kernel/osrelease", "5.11.2\n");
    EXPECT("memlock", AMBER, "64 KiB, and Linux 5.11");
    put("proc/sys/kernel/osrelease", "5.12.0\n");
    EXPECT("memlock", GREEN, "no limit that matters");
    put("proc/sys/kernel/osrelease", "4.19.0\n");
    figures.memlock_bytes = INT64_MAX;
    EXPECT("memlock", GREEN, "no limit");
    put("proc/sys/kernel/osrelease", "4.19.0\n");
    figures.memlock_bytes = 1 << 20;
    EXPECT("memlock", GREEN, "1024 KiB");
    figures.memlock_bytes = -EINVAL;
    EXPECT("memlock", UNKNOWN, "RLIMIT_MEMLOCK");
    put("proc/sys/kernel/osrelease", "unusual\n");
    EXPECT("memlock", UNKNOWN, "osrelease");

    EXPECT("counters", GREEN, "paranoid is 1");
    figures.counters = -EACCES;
    put("proc/sys/kernel/perf_event_paranoid", "4\n");
    EXPECT("counters", AMBER, "paranoid is 4");
    figures.counters = -ENOENT;
    EXPECT("counters", AMBER, "offers no counters");
    figures.counters = -EOPNOTSUPP;
    EXPECT("counters", AMBER, "not supported");
    put("proc/sys/kernel/perf_event_paranoid", NULL);
    EXPECT("counters", UNKNOWN, "perf_event_paranoid");
}

static void kernel(void)
{
    EXPECT("cpus", GREEN, "4 of 4");
    figures.cpus_usable = 1;
    EXPECT("cpus", AMBER, "1 of 4");
    figures.cpus_usable = -EINVAL;
    EXPECT("cpus", UNKNOWN, "sched_getaffinity");

    EXPECT("governor", GREEN, "performance");
    put(CPU "cpufreq/policy1/scaling_governor", "powersave\n");
    EXPECT("governor", AMBER, "performance powersave");
    put(CPU "cpufreq/policy0/scaling_governor", NULL);
    put(CPU "cpufreq/policy1/scaling_governor", NULL);
    EXPECT("governor", UNKNOWN, "sets no frequency");

    EXPECT("turbo", GREEN, "off");
    put(CPU "cpufreq/boost", "1\n");
    EXPECT("turbo", AMBER, "on");
    put(CPU "intel_pstate/no_turbo", "0\n");
    EXPECT("turbo", AMBER, "on");
    put(CPU "intel_pstate/no_turbo", "1\n");
    EXPECT("turbo", GREEN, "off");
    put(CPU "cpufreq/boost", NULL);
    EXPECT("turbo", UNKNOWN, "no switch");

    EXPECT("smt", GREEN, "off");
    put(CPU "smt/active", "1\n");
    EXPECT("smt", AMBER, "on");
    put(CPU "smt/active", NULL);
    EXPECT("smt", UNKNOWN, "not there");

    EXPECT("isolated", GREEN, "none");
    put(CPU "isolated", "2-3\n");
    EXPECT("isolated", GREEN, "2-3, and this program may");
    put(CPU "isolated", "2-3,7\n");
    put("proc/self/status", "Cpus_allowed_list:\t0-1,4-6\n");
    EXPECT("isolated", AMBER, "runs on 0-1,4-6");
    put(CPU "isolated", "2-3,7\n");
    put("proc/self/status", "Cpus_allowed_list:\t0-1,4-7\n");
    EXPECT("isolated", GREEN, "2-3,7");
    put(CPU "isolated", "2-3\n");
    put("proc/self/status", "Cpus_allowed_list:\tall\n");
    EXPECT("isolated", UNKNOWN, "which CPUs");
    put(CPU "isolated", "2-3\n");
    put("proc/self/status", NULL);
    EXPECT("isolated", UNKNOWN, "No such file");
    put(CPU "isolated", NULL);
    EXPECT("isolated", UNKNOWN, "not there");

    EXPECT("virtual", GREEN, "no");
    put("proc/cpuinfo", "flags\t\t: fpu hypervisor lahf_lm\n");
    EXPECT("virtual", AMBER, "yes");
    put("proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\n");
    EXPECT("virtual", UNKNOWN, "no flags");

    EXPECT("mitigations", GREEN, "1 in force, vulnerable to 1");
    put("proc/cmdline", "quiet mitigations=off\n");
    EXPECT("mitigations", AMBER, "switched off");
    put(CPU "vulnerabilities/retbleed", "Not affected\n");
    put(CPU "vulnerabilities/spectre_v2", "Not affected\n");
    EXPECT("mitigations", GREEN, "0 in force, vulnerable to 0");

    EXPECT("aslr", GREEN, "on");
    put("proc/sys/kernel/randomize_va_space", "0\n");
    EXPECT("aslr", AMBER, "off");
    put("proc/sys/kernel/randomize_va_space", "1\n");
    EXPECT("aslr", AMBER, "heap");
    put("proc/self/personality", "00040000\n");
    EXPECT("aslr", AMBER, "setarch -R");
    put("proc/sys/kernel/randomize_va_space", NULL);
    EXPECT("aslr", UNKNOWN, "randomize_va_space");
}

static void now(void)
{
    EXPECT("load", GREEN, "0.00 of 4 CPUs; load average 0.25");
    figures.others_permille = 399;
    EXPECT("load", GREEN, "0.39 of 4");
    figures.others_permille = 400;
    EXPECT("load", AMBER, "0.40 of 4");
    figures.others_permille = 3199;
    EXPECT("load", AMBER, "3.19 of 4");
    figures.others_permille = 3200;
    EXPECT("load", RED, "3.20 of 4");
    figures.cpus_online = 1;
    figures.others_permille = 200;
    EXPECT("load", RED, "0.20 of 1");
    figures.others_permille = -ENOENT;
    EXPECT("load", UNKNOWN, "/proc/stat");
    put("proc/loadavg", NULL);
    EXPECT("load", UNKNOWN, "/proc/loadavg");

    figures.steal_permille = 9;
    EXPECT("steal", GREEN, "0.9 %");
    figures.steal_permille = 10;
    EXPECT("steal", AMBER, "1.0 %");
    figures.steal_permille = 100;
    figures.steal_boot_permille = 51;
    EXPECT("steal", RED, "10.0 % of the time wanted now, 5.1 %");
    figures.steal_boot_permille = -ENOENT;
    EXPECT("steal", UNKNOWN, "/proc/stat");

    EXPECT("clock", GREEN, "tsc: steps of 20 ns");
    figures.clock_tick_ns = 1000;
    EXPECT("clock", AMBER, "steps of 1000 ns");
    figures.clock_tick_ns = 10000;
    EXPECT("clock", RED, "steps of 10 us");
    figures.clock_read_ns = 200;
    EXPECT("clock", AMBER, "200 ns to read");
    figures.clock_drift_ppm = 1000;
    EXPECT("clock", AMBER, "1000 ppm");
    figures.clock_backwards = 1;
    EXPECT("clock", RED, "went back 1 times");
    figures.clock_tick_ns = -EINVAL;
    EXPECT("clock", UNKNOWN, "CLOCK_MONOTONIC");
    put("sys/devices/system/clocksource/clocksource0/current_clocksource",
        NULL);
    EXPECT("clock", UNKNOWN, "source not known");

    EXPECT("syscall", GREEN, "100 ns");
    figures.syscall_ns = 1000;
    EXPECT("syscall", AMBER, "1000 ns");
    figures.syscall_ns = 20000;
    EXPECT("syscall", RED, "20 us");
    figures.syscall_ns = -ENOSYS;
    EXPECT("syscall", UNKNOWN, "not implemented");

    EXPECT("timer", GREEN, "55 us late in the median, 12 ms at worst");
    figures.timer_late_ns = 100000;
    EXPECT("timer", AMBER, "100 us");
    figures.timer_late_ns = 2000000;
    EXPECT("timer", RED, "2000 us");
    figures.timer_late_ns = -EINVAL;
    EXPECT("timer", UNKNOWN, "clock_nanosleep");

    EXPECT("wake", GREEN, "4000 ns");
    figures.wake_ns = 50000;
    EXPECT("wake", AMBER, "50 us");
    figures.wake_ns = 2000000;
    EXPECT("wake", RED, "2000 us");
    figures.wake_ns = -ENOSYS;
    EXPECT("wake", UNKNOWN, "futex");
}

/* Neither tree there: no check may crash, claim anything that it would have
   to read, or find the results worthless. */
static void nothing_to_read(void)
{
    struct sy_kernel_settings settings;
    const struct sy_checkup checkup = {.proc = "/nowhere/proc",
                                       .sys = "/nowhere/sys",
                                       .settings = &settings,
                                       .figures = &figures};
    static const char *const unreadable[] = {
        "tracer",  "load",        "virtual", "clock",    "governor",
        "turbo",   "smt",         "aslr",    "isolated", "mappings",
        "memlock", "mitigations", "counters"};
    size_t unknown = 0;

    sy_kernel_settings_read(&settings, "/nowhere/sys");
    for (size_t i = 0; sy_checks[i].name != NULL; i++) {
        sy_check_judge(&sy_checks[i], &checkup, &finding);
        CHECK(finding.found[0] != '\0');
        CHECK(finding.state != SY_CHECK_RED);
        unknown += finding.state == SY_CHECK_UNKNOWN;
        for (size_t k = 0; k < sizeof(unreadable) / sizeof(*unreadable); k++)
            if (strcmp(unreadable[k], sy_checks[i].name) == 0)
                CHECK_STR("unknown", sy_check_state_name(finding.state));
    }
    CHECK_EQ(unknown, sizeof(unreadable) / sizeof(*unreadable));
}

/* The real machine: figures are there, or say why not. */
static void really_measured(void)
{
    struct sy_checkup_figures m;

    sy_checkup_measure(&m, SY_PROC);
    CHECK(m.cpus_usable >= 1);
    CHECK(m.cpus_online >= m.cpus_usable);
    CHECK(m.clock_tick_ns > 0);
    CHECK_EQ(m.clock_backwards, 0);
    CHECK(m.clock_read_ns > 0);
    CHECK(m.syscall_ns > 0);
    CHECK(m.timer_late_ns >= 0 && m.timer_late_ns <= m.timer_worst_ns);
    CHECK(m.wake_ns >= 0 && m.wake_ns <= m.wake_worst_ns);
    CHECK(m.window_ns >= 1000000000);
    CHECK(m.others_permille >= 0);
    CHECK(m.steal_permille >= 0 && m.steal_permille <= 1000);
    CHECK(m.steal_boot_permille >= 0 && m.steal_boot_permille <= 1000);
    CHECK(m.io_uring_features != 0);
    CHECK(m.counters != 0);

    sy_checkup_measure(&m, "/nowhere");
    CHECK_EQ(m.others_permille, -ENOENT);
    CHECK_EQ(m.steal_permille, -ENOENT);
    CHECK_EQ(m.steal_boot_permille, -ENOENT);
    CHECK(m.syscall_ns > 0);

    /* A quarter of what was wanted since boot was stolen. */
    put("proc/stat", "cpu  100 50 100 800 7 25 25 100 0 0\n");
    CHECK_EQ(sy_steal_since_boot_permille(proc), 250);
    put("proc/stat", "cpu  0 0 0 0 0 0 0 0 0 0\n");
    CHECK_EQ(sy_steal_since_boot_permille(proc), 0);
    put("proc/stat", "cpu  1 2 3\n");
    CHECK_EQ(sy_steal_since_boot_permille(proc), -EINVAL);
}

int main(void)
{
    CHECK(mkdtemp(root) != NULL);
    CHECK(atexit(remove_tree) == 0);
    snprintf(proc, sizeof(proc), "%s/proc", root);
    snprintf(sys, sizeof(sys), "%s/sys", root);
    fill();
    program();
    allowed();
    kernel();
    now();
    nothing_to_read();
    really_measured();
    return 0;
}
