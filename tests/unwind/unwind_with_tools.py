# SPDX-License-Identifier: Apache-2.0
"""Look at the stacks of nested_walk with gdb and perf.

usage: unwind_with_tools.py CASE NESTED_WALK SWITCHER

  backtrace  gdb's bt in a running job
  jobs       sy jobs and sy bt of scripts/gdb/switchyard.py
  core       the same on a core file
  step       step_through_switches.py
  perf       perf record --call-graph fp

Exit 0, 1, or 77 if the tool is missing or may not be used.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COMMANDS = os.path.join(HERE, "..", "..", "scripts", "gdb", "switchyard.py")
UNWINDS_TO_MAIN = ("asm", "inline")
TIME_LIMIT_S = 120

# What gdb says when a stack does not end as it should.
BAD_ENDS = ("Backtrace stopped", "corrupt stack", "Cannot access memory",
            "?? ()", "Python Exception", "Traceback")


def skip(reason):
    print("skip: " + reason)
    sys.exit(77)


class Wrong(Exception):
    pass


def check(condition, words):
    if not condition:
        raise Wrong(words)


def run(command, **options):
    env = dict(os.environ, DEBUGINFOD_URLS="")
    # A program that is traced cannot be searched for leaks.
    env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=env,
                          timeout=TIME_LIMIT_S, errors="replace", **options)


def gdb(commands, target):
    # What a root shows as its arguments is meaningless (docs/debugging.md).
    command = ["gdb", "-nx", "-batch", "-ex", "set width 0",
               "-ex", "set print frame-arguments none",
               "-ex", "handle SIG59 nostop noprint pass"]
    for each in commands:
        command += ["-ex", each]
    output = run(command + target).stdout
    print(output)
    for words in ("ptrace: Operation not permitted",
                  "Could not trace the inferior"):
        if words in output:
            skip("gdb must not trace a process here")
    return output


def section(output, name):
    """What was printed between the lines [name] and the next one of these."""
    match = re.search(r"^\[\[%s\]\]\n(.*?)(?=^\[\[|\Z)" % re.escape(name), output,
                      re.MULTILINE | re.DOTALL)
    check(match is not None, "gdb did not come to " + name)
    return match.group(1)


def frames(text):
    """The functions of a bt, innermost first."""
    return re.findall(r"^#\d+\s+(?:0x[0-9a-f]+ in )?([^\s(]+|<[^>]+>)", text,
                      re.MULTILINE)


def in_order(names, wanted):
    at = -1
    for name in wanted:
        try:
            at = names.index(name, at + 1)
        except ValueError:
            return False
    return True


def check_running(text, switcher):
    names = frames(text)
    for words in BAD_ENDS:
        check(words not in text, "bt says " + words)
    check("starter" not in names, "who started the job has long returned")
    if switcher in UNWINDS_TO_MAIN:
        check(in_order(names, ["stop_here", "inner_job", "outer_job",
                               "event_loop", "main"]),
              "not from the inner job to main: %s" % names)
    else:
        check(in_order(names, ["stop_here", "inner_job"]),
              "the job is missing: %s" % names)
        for name in ("outer_job", "event_loop", "main"):
            check(name not in names, "%s is beyond the job's root" % name)


def case_backtrace(program, switcher):
    output = gdb(["break stop_here", "run", "echo [[first]]\\n", "bt",
                  "echo [[go]]\\n", "continue", "echo [[second]]\\n", "bt",
                  "echo [[end]]\\n"],
                 ["--args", program, switcher, "stop"])
    check_running(section(output, "first"), switcher)
    check_running(section(output, "second"), switcher)


def check_waiting(text, function):
    names = frames(text)
    for words in BAD_ENDS:
        check(words not in text, "sy bt says " + words)
    # sy_job_pause() is among them unless it left by a jump.
    check(function in names, "not up to %s: %s" % (function, names))
    for name in ("event_loop", "main", "starter"):
        check(name not in names, "%s is beyond the job's root" % name)


def check_states(text, states):
    rows = [line.split() for line in text.splitlines()
            if re.match(r"\s*\d+\s", line)]
    check([row[1] for row in rows] == states,
          "the states are %s, not %s" % ([row[1] for row in rows], states))
    return rows


def case_jobs(program, switcher):
    output = gdb(["source " + COMMANDS, "break event_loop", "run",
                  "echo [[waiting]]\\n", "sy jobs",
                  "echo [[bt 1]]\\n", "sy bt 1", "echo [[bt 2]]\\n", "sy bt 2",
                  "echo [[here]]\\n", "bt",
                  "break stop_here", "continue",
                  "echo [[running]]\\n", "sy jobs",
                  "echo [[outer]]\\n", "sy bt 1",
                  "echo [[inner]]\\n", "sy bt 2",
                  "echo [[no]]\\n", "sy bt 3",
                  "echo [[end]]\\n"],
                 ["--args", program, switcher, "stop"])
    rows = check_states(section(output, "waiting"), ["paused", "paused"])
    check([row[-1] for row in rows] == ["outer_job", "inner_job"],
          "the functions are %s" % [row[-1] for row in rows])
    check(all(row[2] == switcher for row in rows), "the switcher is wrong")
    check_waiting(section(output, "bt 1"), "outer_job")
    check_waiting(section(output, "bt 2"), "inner_job")
    check(in_order(frames(section(output, "here")), ["event_loop", "main"]),
          "bt of the thread is not what it was")
    rows = check_states(section(output, "running"), ["resuming", "running"])
    check([row[-1] for row in rows] == ["outer_job", "inner_job"],
          "the functions are %s" % [row[-1] for row in rows])
    check(in_order(frames(section(output, "outer")),
                   ["outer_job"]), "not the outer job")
    check_running(section(output, "inner"), switcher)
    check("there is no job 3" in section(output, "no"), "a job too many")

    output = gdb(["source " + COMMANDS, "break stop_here", "run",
                  "echo [[states]]\\n", "sy jobs", "echo [[bt]]\\n", "sy bt 3",
                  "echo [[end]]\\n"],
                 ["--args", program, switcher, "states"])
    check_states(section(output, "states"),
                 ["paused", "ready", "finished", "quarantined"])
    check("it has no frames" in section(output, "bt"), "frames of no job")


def core_of(program, switcher, mode, folder):
    """Let the kernel write a core file; its path."""
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as f:
        pattern = f.read().strip()
    if pattern != "core":
        skip("/proc/sys/kernel/core_pattern is %s, not core" % pattern)
    run(["sh", "-c", "ulimit -c unlimited && exec \"$@\"", "sh", program,
         switcher, mode], cwd=folder)
    for name in os.listdir(folder):
        if name.startswith("core"):
            return os.path.join(folder, name)
    skip("no core file was written")


def case_core(program, switcher):
    look = ["source " + COMMANDS, "echo [[jobs]]\\n", "sy jobs",
            "echo [[bt]]\\n", "sy bt 1", "echo [[end]]\\n"]
    states = ["paused", "ready", "finished", "quarantined"]
    with tempfile.TemporaryDirectory() as folder:
        core = core_of(program, switcher, "dump", folder)
        output = gdb(look, [program, core])
    check_states(section(output, "jobs"), states)
    check_waiting(section(output, "bt"), "job_of_one_pause")

    with tempfile.TemporaryDirectory() as folder:
        core = core_of(program, switcher, "hide", folder)
        output = gdb(look, [program, core])
    if switcher == "threads":
        check("without job stacks" in section(output, "jobs"),
              "it does not say why there are no jobs")
        return
    check_states(section(output, "jobs"), states)
    check("leave job stacks out" in section(output, "bt"),
          "it does not say why there is no stack")


def case_step(program, switcher):
    output = gdb(["source " + os.path.join(HERE, "step_through_switches.py")],
                 ["--args", program, switcher, "stop"])
    check(re.search(r"^ok \d+ switches", output, re.MULTILINE),
          "see the line with FAIL")


def case_perf(program, switcher):
    if shutil.which("perf") is None:
        skip("there is no perf")
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "perf.data")
        recorded = run(["perf", "record", "-q", "-e", "cpu-clock:u",
                        "--call-graph", "fp", "-o", data, program, switcher,
                        "spin"])
        if recorded.returncode != 0:
            skip("perf record does not work here: " +
                 recorded.stdout.strip()[-300:])
        script = run(["perf", "script", "-i", data, "-F", "comm,ip,sym"])
    chains = [re.findall(r"^\s+[0-9a-f]+ (\S+)", chain, re.MULTILINE)
              for chain in script.stdout.split("\n\n")]
    spinning = [chain for chain in chains if chain[:1] == ["stop_here"]]
    if not spinning:
        skip("perf took no sample")
    wanted = ["stop_here", "inner_job", "outer_job", "event_loop", "main"]
    good = [chain for chain in spinning if in_order(chain, wanted)]
    print("%d of %d samples lead to main; one: %s" %
          (len(good), len(spinning), spinning[0]))
    check(len(good) == len(spinning), "some samples do not lead to main")


def main():
    if len(sys.argv) != 4 or "case_" + sys.argv[1] not in globals():
        print(__doc__)
        return 2
    case, program, switcher = sys.argv[1:]
    program = os.path.abspath(program)
    if case != "perf" and shutil.which("gdb") is None:
        skip("there is no gdb")
    probe = run([program, switcher, "states"])
    if probe.returncode == 77:
        skip(probe.stdout.strip())
    try:
        globals()["case_" + case](program, switcher)
    except Wrong as error:
        print("FAIL " + str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
