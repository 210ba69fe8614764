#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard doctor`: what it prints and when it exits with 3. Which verdict
comes of what, tests/unit/bench_checkup.c tests; here the machine is as it is.

usage: doctor_command.py PATH-OF-switchyard [--schema FILE]
                         [--run-schema FILE] [--only NAME]

As command_line.py, whose helpers it uses.
"""

import ctypes
import json
import os
import pathlib
import pty
import re
import resource
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
from command_line import Skip, World, case, expect, main  # noqa: E402

PTRACE_TRACEME, PTRACE_CONT = 0, 7
STATES = {"green", "amber", "red", "unknown"}


def check_of(value, name):
    return next(c for c in value["checks"] if c["name"] == name)


def ask(w, *words, **more):
    """The object, and the exit code that goes with it."""
    result = w.run("doctor", "--json", *words, **more)
    value = json.loads(result.stdout)
    states = {c["state"] for c in value["checks"]}
    assert states <= STATES, states
    assert value["worthless"] == ("red" in states), value
    assert value["verdict"] == ("red" if "red" in states else
                                "amber" if "amber" in states else
                                "green"), value
    assert result.returncode == (3 if value["worthless"] else 0), result
    return value


@case
def json_keeps_its_schema(w):
    value = ask(w)
    for c in value["checks"]:
        assert c["found"], c
        if c["state"] in ("amber", "red"):
            assert c["effect"] and c["remedy"], c
    if w.schema is None:
        raise Skip("no --schema")
    try:
        import jsonschema
    except ImportError:
        raise Skip("python3-jsonschema is not installed") from None
    schema = json.loads(pathlib.Path(w.schema).read_text())
    errors = [e.message for e in
              jsonschema.Draft202012Validator(schema).iter_errors(value)]
    assert not errors, errors


@case
def table_is_for_people(w):
    result = w.run("doctor")
    assert result.returncode in (0, 3), result
    assert "\033" not in result.stdout, "colours without a terminal"
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 90, max(lines, key=len)
    names = [c["title"] for c in ask(w)["checks"]]
    rows = [line for line in lines
            if re.match(r".{20}(green|amber|red|not known) ", line)]
    assert [row[:20].rstrip() for row in rows] == names, (rows, names)
    counted = re.search(r"(\d+) green, (\d+) amber, (\d+) red, (\d+) not "
                        "known", result.stdout)
    assert sum(map(int, counted.groups())) == len(names)
    assert (int(counted[3]) > 0) == (result.returncode == 3), result
    advised = len([r for r in rows if re.match(".{20}(amber|red)", r)])
    assert len([x for x in lines if x.startswith(" " * 20 + "effect: ")]) == \
        advised, result.stdout
    assert len([x for x in lines if x.startswith(" " * 20 + "change: ")]) == \
        advised, result.stdout


@case
def colours_on_a_terminal_only(w):
    def on_terminal(**env):
        primary, secondary = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", **env}
        if "NO_COLOR" not in env:
            environment.pop("NO_COLOR", None)
        process = subprocess.Popen([w.command, "doctor"], stdout=secondary,
                                   stderr=subprocess.DEVNULL, env=environment,
                                   cwd=w.folder)
        os.close(secondary)
        text = b""
        while True:
            try:
                got = os.read(primary, 4096)
            except OSError:
                break
            if not got:
                break
            text += got
        os.close(primary)
        process.wait(timeout=60)
        return text.decode()

    coloured = on_terminal()
    assert "\033[32mgreen\033[0m" in coloured, coloured
    assert "\033" not in on_terminal(NO_COLOR="1")


@case
def a_tracer_makes_it_worthless(w):
    """The only red that can be had at will: this process traces it."""
    libc = ctypes.CDLL(None, use_errno=True)
    # LeakSanitizer cannot work in a process that is traced.
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")

    def be_traced():
        if libc.ptrace(PTRACE_TRACEME, 0, None, None) != 0:
            os._exit(99)

    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write_end, 1)
        os.close(read_end)
        be_traced()
        os.execve(w.command, [w.command, "doctor", "--json"], environment)
    os.close(write_end)
    text = b""
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        raise Skip("this process may not be traced")
    libc.ptrace(PTRACE_CONT, child, None, None)
    while got := os.read(read_end, 65536):
        text += got
    os.close(read_end)
    while True:
        _, status = os.waitpid(child, 0)
        if not os.WIFSTOPPED(status):
            break
        libc.ptrace(PTRACE_CONT, child, None,
                    ctypes.c_void_p(os.WSTOPSIG(status)))
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 3, status
    value = json.loads(text)
    tracer = check_of(value, "tracer")
    assert tracer["state"] == "red" and str(os.getpid()) in tracer["found"]
    assert value["worthless"] and value["verdict"] == "red", value


@case
def limits_of_this_process_are_seen(w):
    value = ask(w, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (100, 100)))
    got = check_of(value, "descriptors")
    assert got["state"] == "amber" and "100" in got["found"], got
    cpu = min(os.sched_getaffinity(0))
    value = ask(w, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    got = check_of(value, "cpus")
    assert got["state"] == "amber" and got["found"].startswith("1 of "), got


@case
def nothing_is_changed(w):
    before = os.sched_getaffinity(0)
    ask(w)
    assert os.sched_getaffinity(0) == before
    assert not w.run_files(), w.run_files()


@case
def keys_are_those_of_run_files(w):
    machine = ask(w)["machine"]
    expect(w.run("run", "asm+queue", "--workload", "null", "--no-reference",
                 "--jobs", "4", "--duration", "20ms"), 0)
    path = w.run_files("runs/**/*.jsonl")[0]
    meta = json.loads(path.read_text().splitlines()[0])
    for key in ("fingerprint", "hardware_key", "environment_key"):
        assert meta["machine"][key] == machine[key], (meta, machine)
    assert path.parent.name == machine["fingerprint"]
    assert meta["environment"]["syscall_ns"] > 0, meta


@case
def an_older_run_file_keeps_the_schema(w):
    """From before there were two keys and an environment."""
    if w.path("run_schema") is None:
        raise Skip("no --run-schema")
    try:
        import jsonschema
    except ImportError:
        raise Skip("python3-jsonschema is not installed") from None
    schema = json.loads(pathlib.Path(w.path("run_schema")).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    expect(w.run("run", "asm+queue", "--workload", "null", "--no-reference",
                 "--jobs", "4", "--duration", "20ms"), 0)
    path = w.run_files("runs/**/*.jsonl")[0]
    meta = json.loads(path.read_text().splitlines()[0])
    validator.validate(meta)
    del meta["environment"]
    del meta["machine"]["hardware_key"]
    del meta["machine"]["environment_key"]
    validator.validate(meta)
    meta["machine"]["fingerprint"] = "no key"
    assert not validator.is_valid(meta)


@case
def bad_input(w):
    expect(w.run("doctor", "--frob"), 2, err="--frob", out="")
    expect(w.run("doctor", "now"), 2, err="takes no operand 'now'", out="")
    expect(w.run("doctor", "--json=yes"), 2, err="--json", out="")
    result = w.run("doctor", "--help")
    expect(result, 0)
    for word in ("Exit 3", "amber", "--json"):
        assert word in result.stdout, result.stdout


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(World, "command", "--schema", "--run-schema"))
