# SPDX-License-Identifier: Apache-2.0
"""What scripts/perf/ prints.

usage: perf_scripts.py CASE [SWITCHER] --nested-walk FILE --command FILE

Exit 0, 1, or 77 if perf, bpftrace, tracefs, a probe or a permission is missing.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                       "scripts", "perf")
UNWINDS_TO_MAIN = ("asm", "inline")
TIME_LIMIT_S = 100

# A device that takes its time on a thread of its own: the loop sleeps.
RUN = ["run", "asm+queue", "--workload", "null", "--reference", "none",
       "--device", "sim:mode=thread,service=fixed:300us", "--jobs", "4",
       "--duration", "60ms"]


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


def check(condition, words):
    if not condition:
        raise Wrong(words)


def run(name, *words, text=None, **more):
    env = dict(os.environ)
    # A program that is traced cannot be searched for leaks.
    env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    done = subprocess.run([os.path.join(SCRIPTS, name), *words], input=text,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=env, timeout=TIME_LIMIT_S,
                          errors="replace", check=False, **more)
    return done


def output(name, *words, **more):
    done = run(name, *words, **more)
    if done.returncode == 3:
        raise Skip(done.stderr.strip().splitlines()[-1])
    check(done.returncode == 0, f"{name} ended with {done.returncode}: "
          f"{done.stderr[-800:]}")
    return done.stdout


def stacks(text):
    """Frames, outermost first, and count of each line."""
    found = []
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        check(count.isdigit() and int(count) > 0, f"no count: {line!r}")
        found.append((stack.split(";"), int(count)))
    return found


def in_order(frames, wanted):
    at = -1
    for name in wanted:
        if name not in frames[at + 1:]:
            return False
        at = frames.index(name, at + 1)
    return True


# ---- flamegraph-fold -------------------------------------------------------


def case_fold(args):
    probe = subprocess.run([args.nested_walk, args.switcher, "states"],
                           capture_output=True, text=True, check=False)
    if probe.returncode == 77:
        raise Skip(probe.stdout.strip() + probe.stderr.strip())
    text = output("flamegraph-fold", "--only", "inner_job", args.nested_walk,
                  args.switcher, "spin")
    found = stacks(text)
    print(text[:400])
    check(sum(count for _, count in found) >= 50, "too few samples")
    for frames, _ in found:
        check(frames[0] == "nested_walk", f"not the program: {frames}")
        check("starter" not in frames, f"it has returned: {frames}")
        if args.switcher in UNWINDS_TO_MAIN:
            check(in_order(frames, ["main", "event_loop", "outer_job",
                                    "inner_job"]),
                  f"not main, loop and job in one line: {frames}")
        else:
            for name in ("main", "event_loop", "outer_job"):
                check(name not in frames, f"{name} is beyond the root: "
                      f"{frames}")


SCRIPT = """
job;man 10/11 [001] 12.000000100: cpu-clock:u: 
\t    50b0 inner+0x10
\t       0 [unknown]
\t    4acb outer
\t    2724 main

job;man 10/11    12.000001100:          cpu-clock:u:
            50b0 inner
            4acb outer
            2724 main

other 12/12 13.0000: cpu-clock:u:
            1111 operator;(a, b)

"""


def case_fold_text(args):
    del args
    check(output("flamegraph-fold", "--text", "-", text=SCRIPT) ==
          "job:man;main;outer;inner 2\nother;operator:(a, b) 1\n", "folding")
    check(output("flamegraph-fold", "--only", "outer", "--text", "-",
                 text=SCRIPT) == "job:man;main;outer;inner 2\n", "--only")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "script.txt")
        out = os.path.join(folder, "folded.txt")
        with open(path, "w", encoding="utf-8") as f:
            f.write(SCRIPT)
        check(output("flamegraph-fold", "--text", path, "-o", out) == "",
              "it printed what it was to write")
        with open(out, encoding="utf-8") as f:
            check(len(f.readlines()) == 2, "-o")


# ---- off-cpu ---------------------------------------------------------------


def load_script(name):
    """The functions of a script, without running it."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, SCRIPTS)
    import perf_samples
    perf_samples.run = lambda main: None
    path = os.path.join(SCRIPTS, name)
    scope = {"__file__": path, "__name__": name}
    with open(path, encoding="utf-8") as f:
        exec(compile(f.read(), path, "exec"), scope)  # pylint: disable=W0122
    return scope, perf_samples


SWITCHES = """
p 1/1 1.000000: sched:sched_switch: prev_comm=p prev_pid=1 prev_prio=120 prev_state=S ==> next_comm=q next_pid=2 next_prio=120
        ff10 __schedule
        ff20 schedule
        1000 wait
        2000 main

p 1/1 1.000001: PERF_RECORD_SWITCH OUT
p 1/2 1.000002: sched:sched_switch: prev_comm=p prev_pid=2 prev_prio=120 prev_state=R ==> next_comm=q next_pid=2 next_prio=120
        3000 spin

p 1/1 1.000101: PERF_RECORD_SWITCH IN
p 1/2 1.000502: PERF_RECORD_SWITCH IN
p 1/1 2.000000: sched:sched_switch: prev_comm=p prev_pid=1 prev_prio=120 prev_state=S ==> next_comm=q next_pid=2 next_prio=120
        1000 wait

"""


def case_off_cpu_text(args):
    del args
    script, samples = load_script("off-cpu")
    found = script["fold"](samples.read_samples(SWITCHES.splitlines()))
    check({stack: round(us) for stack, us in found.items()} ==
          {"p;main;wait;[asleep]": 101, "p;spin;[preempted]": 500},
          f"{found}")


def case_off_cpu(args):
    with tempfile.TemporaryDirectory() as folder:
        text = output("off-cpu", args.command, *RUN, "--out", folder)
    asleep = [f for f, _ in stacks(text) if f[-1] == "[asleep]"]
    print("\n".join(";".join(f) for f in asleep[:5]))
    check(any(in_order(f, ["main", "sy_runtime_run"]) for f in asleep),
          "the loop never slept, or its stack does not lead to main")
    check(any("sy_runtime_run" not in f for f in asleep),
          "the device's thread never slept")


# ---- job-latency -----------------------------------------------------------


def need_probes(program):
    with open(program, "rb") as f:
        if b"stapsdt" not in f.read():
            raise Skip("this build has no USDT probes")


def case_phases_text(args):
    """One job through all its phases, by name and by perf's numbers."""
    del args
    script, _ = load_script("job-latency")
    lines = [f" 7/{tid} 5.{ns:09d}: sdt_switchyard:{name}: (55d0) "
             f"arg1={slot} arg2=0x4"
             for ns, name, slot, tid in (
                 (1000, "start", "0xa", 7), (1500, "pause_2", "0xa", 7),
                 (1600, "start_1", "0xb", 7), (2500, "wake", "0xa", 8),
                 (4500, "seen", "0xa", 7), (5000, "resume_3", "0xa", 7),
                 (5250, "wake", "0xa", 8), (6000, "finish", "0xa", 7),
                 (6100, "pause", "0xb", 7), (6200, "abandon", "0xb", 7))]
    jobs = script["Jobs"]()
    # As perf may print them: not in order.
    for now, name, job in script["read_events"](reversed(lines)):
        getattr(jobs, name)(job, now)
    check(jobs.phases == {"run": [500, 1000, 4500], "device": [1000],
                          "notify": [2000], "queue": [500], "life": [5000]},
          f"{jobs.phases}")
    check(jobs.counts == {"early": 1, "abandoned": 1}, f"{jobs.counts}")
    quantile = script["quantile"]
    values = list(range(100, 0, -1))
    check([quantile(values, q) for q in (0.5, 0.99, 1)] == [50, 99, 100] and
          quantile([3], 0.5) == 3, "quantiles")


def case_job_latency(args):
    need_probes(args.command)
    with tempfile.TemporaryDirectory() as folder:
        text = output("job-latency", args.command, args.command, *RUN, "--out",
                      folder)
    print(text)
    rows = {line.split()[0]: int(line.split()[1])
            for line in text.splitlines()[1:] if line.split()[1].isdigit()}
    check(set(rows) >= {"run", "device", "notify", "queue", "life"}, f"{rows}")
    check(all(rows[p] > 0 for p in ("run", "device", "notify", "queue",
                                    "life")), f"{rows}")
    # A job of one offloaded step runs twice.
    check(rows["run"] > rows["life"], f"{rows}")
    left = subprocess.run(["perf", "probe", "--list", "sdt_switchyard:*"],
                          capture_output=True, text=True, check=False)
    check("sdt_switchyard" not in left.stdout, f"left behind: {left.stdout}")


def case_job_latency_bt(args):
    need_probes(args.command)
    if shutil.which("bpftrace") is None:
        raise Skip("there is no bpftrace")
    if os.geteuid() != 0:
        raise Skip("bpftrace needs root")
    with tempfile.TemporaryDirectory() as folder, \
            open(os.path.join(folder, "out"), "w+", encoding="utf-8") as log:
        tracer = subprocess.Popen(
            [os.path.join(SCRIPTS, "job-latency.bt"), args.command],
            stdout=log, stderr=subprocess.STDOUT)
        # It does not say when all probes are there.
        for _ in range(4):
            time.sleep(1)
            subprocess.run([args.command, *RUN, "--out", folder],
                           capture_output=True, check=False)
        broke = tracer.poll() is not None
        if not broke:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(30)
        log.seek(0)
        text = log.read()
    print(text)
    if broke and re.search(r"Syntax|syntax|Invalid|unknown", text) is None:
        raise Skip("bpftrace does not work here: " +
                   (text.strip().splitlines() or ["?"])[-1])
    check(not broke, "bpftrace refuses the script")
    for phase in ("run", "device", "notify", "queue", "life"):
        match = re.search(rf"^@{phase}_ns: *\n((?:[\[(].*\n)+)", text,
                          re.MULTILINE)
        check(match is not None, f"there is no histogram of {phase}")
        counts = [int(n) for n in re.findall(r"[)\]]\s+(\d+) \|", match[1])]
        check(sum(counts) > 0, f"the histogram of {phase} is empty")


# ---- bad input -------------------------------------------------------------


def case_bad_input(args):
    del args
    for name, words, code, said in (
            ("flamegraph-fold", [], 2, "either a command"),
            ("flamegraph-fold", ["--input", "a", "true"], 2, "either"),
            ("flamegraph-fold", ["-F", "0", "true"], 2, "1 .. 20000 Hz"),
            ("flamegraph-fold", ["-F", "many", "true"], 2, "1 .. 20000 Hz"),
            ("flamegraph-fold", ["--text", "/absent"], 3, "No such file"),
            ("flamegraph-fold", ["--text", "/dev/null"], 4, "no sample"),
            ("off-cpu", [], 2, "either a command"),
            ("job-latency", [], 2, "usage"),
            ("job-latency", ["/dev/null/x", "true"], 2, "/dev/null/x"),
            ("job-latency", [__file__], 2, "a command that runs jobs")):
        done = run(name, *words)
        check(done.returncode == code and said in done.stderr,
              f"{name} {words}: {done.returncode}, {done.stderr}")
        check(done.stdout == "", f"{name} {words}: {done.stdout}")
    if shutil.which("perf") is None:
        raise Skip("there is no perf: the rest needs it")
    for name, words, code, said in (
            ("flamegraph-fold", ["no-such-command-at-all"], 2, "there is no"),
            ("flamegraph-fold", ["--input", __file__], 3, "perf script"),
            ("off-cpu", ["--input", __file__], 3, "perf script")):
        done = run(name, *words)
        check(done.returncode == code and said in done.stderr,
              f"{name} {words}: {done.returncode}, {done.stderr}")
    without = {"PATH": "/nowhere", "HOME": "/"}
    done = subprocess.run(["/usr/bin/python3",
                           os.path.join(SCRIPTS, "flamegraph-fold"), "true"],
                          env=without, capture_output=True, text=True,
                          check=False)
    check(done.returncode == 3 and "linux-perf" in done.stderr, done.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("switcher", nargs="?")
    parser.add_argument("--nested-walk", required=True)
    parser.add_argument("--command", required=True)
    args = parser.parse_args()
    try:
        globals()["case_" + args.case](args)
    except Skip as reason:
        print(f"skip: {reason}")
        return 77
    except Wrong as error:
        print(f"FAIL {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
