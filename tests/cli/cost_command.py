#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard cost`: counts that repeat, counts that are known beforehand,
lines in run files, what is absent and why, interrupts, bad input.

usage: cost_command.py PATH-OF-switchyard [--schema FILE] [--only NAME]

As command_line.py, whose helpers it uses.
"""

import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from command_line import Skip, World, case, expect, main  # noqa: E402
from compare_command import start, wait_for, worker_of  # noqa: E402

# By a virtual clock, without a thread but the load's own.
EXACT = ["--device", "sim:mode=poll,service=fixed:1us", "--workload", "null"]
SMALL = ["cost", "asm+queue", *EXACT, "--jobs", "8", "--operations", "64",
         "--paused-jobs", "100"]
UNDER_VALGRIND = ("instructions", "syscalls", "mallocs")


def rows(result):
    return {row["name"]: row
            for row in map(json.loads, result.stdout.splitlines())}


def count(w, *words, **more):
    result = w.run(*words, "--json", timeout=200, **more)
    expect(result, 0, err="wrote runs/")
    return rows(result)


def under_valgrind(row):
    """The counts, or a skip with the reason for which there are none."""
    counts = row["counts"]
    for name in UNDER_VALGRIND:
        if counts[name]["count"] is None:
            raise Skip(f"{name}: {counts[name]['why']}")
    return {name: counts[name]["count"] for name in UNDER_VALGRIND}


@case
def instructions_repeat_exactly(w):
    """And nothing is left in the temporary folder."""
    folder = pathlib.Path(w.folder, "tmp")
    folder.mkdir()
    seen = []
    for _ in range(2):
        row = count(w, *SMALL, "--reference", "none",
                    env={"TMPDIR": str(folder)})["asm+queue"]
        assert list(folder.iterdir()) == []
        assert row["clock"] == "virtual" and row["status"] == "ok", row
        seen.append(under_valgrind(row))
    assert seen[0] == seen[1], seen
    assert seen[0]["instructions"] > 64 * 50, seen


@case
def twice_the_operations_are_twice_the_count(w):
    counts = []
    for n in ("64", "128"):
        row = count(w, "cost", "asm+queue", *EXACT, "--reference", "none",
                    "--jobs", "8", "--operations", n)["asm+queue"]
        counts.append(under_valgrind(row)["instructions"])
        assert row["counts"]["instructions"]["per"] == int(n), row
    # Inputs differ from operation to operation, and so may the path of a heap.
    assert abs(counts[1] - 2 * counts[0]) <= counts[1] * 0.02, counts


@case
def rows_cost_what_they_are_known_to_cost(w):
    found = count(w, "cost", "asm+queue", "ucontext+queue", *EXACT,
                  "--reference", "software,callback,openssl", "--jobs", "8",
                  "--operations", "64")
    assert set(found) == {"asm+queue", "ucontext+queue", "software",
                          "callback", "openssl"}, found.keys()
    of = {name: under_valgrind(row) for name, row in found.items()}
    assert of["software"]["syscalls"] == 0, of
    assert of["software"]["mallocs"] == 0, of
    assert of["callback"]["mallocs"] == 0, of
    assert of["software"]["instructions"] < of["callback"]["instructions"], of
    assert of["callback"]["instructions"] < of["asm+queue"]["instructions"], of
    # There and back again at least, and glibc's swapcontext() asks the kernel
    # for the signal mask each time.
    more = of["ucontext+queue"]["syscalls"] - of["asm+queue"]["syscalls"]
    assert more >= 2 * 64, of
    # ASYNC_start_job() copies its argument to the heap.
    assert of["openssl"]["mallocs"] == 2 * 64, of
    assert found["openssl"]["counts"]["mallocs"]["per"] == 2 * 64, found


@case
def mallocs_of_a_workload_are_seen(w):
    """OpenSSL allocates when it signs; the exact number is its own."""
    row = count(w, "cost", "asm+queue", "--device", EXACT[1], "--workload",
                "ecdsa-p256-sign", "--reference", "none", "--jobs", "2",
                "--operations", "8")["asm+queue"]
    assert under_valgrind(row)["mallocs"] >= 8, row


@case
def a_paused_job_keeps_memory(w):
    found = count(w, *SMALL, "--reference", "software,callback")
    page = os.sysconf("SC_PAGE_SIZE")
    memory = found["asm+queue"]["counts"]["resident_bytes"]
    assert memory["count"] is not None and memory["per"] == 99, memory
    # At least the page of its stack that it has touched.
    assert memory["count"] >= 99 * page, memory
    memory = found["callback"]["counts"]["resident_bytes"]
    assert memory["count"] < 99 * page, memory
    memory = found["software"]["counts"]["resident_bytes"]
    assert memory["count"] is None and "one operation at a time" in \
        memory["why"], memory


@case
def what_the_kernel_counts(w):
    row = count(w, "cost", "asm+queue", "--workload", "null", "--device",
                "workers:1", "--reference", "blocking", "--jobs", "8",
                "--operations", "64")
    assert {r["clock"] for r in row.values()} == {"real"}, row
    for name in ("switches_voluntary", "switches_involuntary",
                 "faults_minor", "faults_major"):
        counted = row["blocking"]["counts"][name]
        assert counted["count"] >= 0 and counted["per"] == 256, counted
    for r in row.values():
        for name, c in r["counts"].items():
            assert (c["count"] is None) == (c["why"] is not None), (name, c)
            assert (c["count"] is None) == (c["per"] is None), (name, c)
    kernel = row["blocking"]["counts"]["kernel_syscalls"]
    if kernel["count"] is not None:
        # It sleeps, or finds the operation done after it was told of it.
        assert kernel["count"] >= 64, kernel


@case
def without_valgrind_the_columns_say_why(w):
    result = w.run(*SMALL, "--reference", "none", "--json",
                   env={"PATH": w.folder})
    expect(result, 0)
    row = rows(result)["asm+queue"]
    for name in UNDER_VALGRIND:
        assert row["counts"][name]["count"] is None, row
        assert "valgrind" in row["counts"][name]["why"], row
    assert row["counts"]["resident_bytes"]["count"] is not None, row
    result = w.run(*SMALL, "--reference", "none", env={"PATH": w.folder})
    expect(result, 0)
    assert "no instructions, syscalls (callgrind), mallocs: " in \
        result.stdout, result.stdout
    result = w.run(*SMALL, "--dry-run", env={"PATH": w.folder})
    expect(result, 0)
    assert "none under callgrind: " in result.stdout, result.stdout


@case
def a_valgrind_that_breaks_down_is_quoted(w):
    if not shutil.which("valgrind"):
        raise Skip("no valgrind, so none is expected to be tried")
    program = pathlib.Path(w.folder, "valgrind")
    program.write_text("#!/bin/sh\necho first >&2\necho out of luck >&2\n"
                       "exit 5\n")
    program.chmod(0o755)
    result = w.run(*SMALL, "--reference", "none", "--json",
                   env={"PATH": w.folder + ":/usr/bin:/bin"})
    expect(result, 0)
    why = rows(result)["asm+queue"]["counts"]["instructions"]["why"]
    if "headers" in why:
        raise Skip(why)
    assert "status 5: out of luck" in why, why


@case
def the_table_is_for_people_and_lines_keep_the_schema(w):
    result = w.run(*SMALL, "--reference", "software,openssl", timeout=200)
    expect(result, 0)
    for word in ("null on sim:mode=poll,service=fixed:1us, per operation",
                 "asm+queue", "software", "openssl", "resident"):
        assert word in result.stdout, result.stdout
    if w.schema is None:
        raise Skip("no --schema")
    try:
        import jsonschema
    except ImportError:
        raise Skip("no python3-jsonschema") from None
    schema = json.loads(pathlib.Path(w.schema).read_text())
    found = w.run_files("runs/**/*.jsonl")
    assert len(found) == 1, found
    lines = [json.loads(s) for s in found[0].read_text().splitlines()]
    validator = jsonschema.Draft202012Validator(schema)
    for line in lines:
        errors = [e.message for e in validator.iter_errors(line)]
        assert not errors, (line, errors)
    assert [line["type"] for line in lines] == ["meta", *["cost"] * 3, "end"]
    assert lines[0]["argv"][:2] == ["switchyard", "cost"]
    broken = dict(lines[1], counts=dict(lines[1]["counts"], mallocs=3))
    assert list(validator.iter_errors(broken)), "the schema accepts anything"


@case
def a_plan_counts_nothing(w):
    result = w.run(*SMALL, "--dry-run")
    expect(result, 0)
    assert "8 in flight, virtual clock" in result.stdout, result.stdout
    assert "256 operations counted without valgrind" in result.stdout
    assert w.run_files() == []
    result = w.run("cost", "--dry-run", "--device", "workers:1")
    expect(result, 0)
    assert "real clock" in result.stdout and "direct" not in result.stdout
    assert "eventfd" not in result.stdout, result.stdout


@case
def bad_options_name_the_range(w):
    for option, value, words in (
            ("--operations", "0", "1 .. 10000000"),
            ("--operations", "many", "1 .. 10000000"),
            ("--operations", "10000001", "1 .. 10000000"),
            ("--paused-jobs", "1", "2 .. 1000000"),
            ("--jobs", "0", "1 .. 1000000"),
            ("--seed", "-1", "--seed"),
            ("--device", "abacus", "device"),
            ("--workload", "nul", "null"),
            ("--switcher", "asn", "asm"),
            ("--duration", "1s", "--duration")):
        expect(w.run("cost", option, value), 2, err=words, out="")
    expect(w.run("cost", "asm+queue", "--switcher", "ucontext"), 4,
           err="nothing matched", out="")
    expect(w.run("cost", "--worker", "3"), 2, err="--worker", out="")
    expect(w.run("cost", "--worker", "x"), 2, err="--worker", out="")
    assert w.run_files() == []


@case
def a_folder_that_cannot_be_written(w):
    pathlib.Path(w.folder, "file").write_text("")
    expect(w.run(*SMALL, "--out", "file/runs"), 3, err="--out", out="")


@case
def ctrl_c_keeps_what_was_counted(w):
    with subprocess.Popen(
            [w.command, "cost", "asm+queue", *EXACT, "--reference",
             "software,callback", "--operations", "2K", "--json"],
            cwd=w.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True) as process:
        first = process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=60)
    assert process.returncode == 130, (process.returncode, err)
    assert "interrupted" in err, err
    found = w.run_files("runs/**/*.jsonl")
    assert len(found) == 1, found
    lines = [json.loads(s) for s in found[0].read_text().splitlines()]
    assert lines[-1]["type"] == "end" and lines[-1]["interrupted"], lines[-1]
    shown = [json.loads(s) for s in (first + rest).splitlines()]
    assert lines[1:-1] == shown and 1 <= len(shown) < 3, shown


@case
def a_row_that_is_not_possible_here_is_left_out(w):
    few = (64, 64)
    # Polled, so that no job ends before all have been started.
    result = w.run("cost", "asm+eventfd+epoll", *EXACT,
                   "--reference", "software", "--jobs", "200",
                   "--operations", "8", "--json", timeout=200,
                   preexec_fn=lambda: resource.setrlimit(
                       resource.RLIMIT_NOFILE, few))
    expect(result, 0)
    found = rows(result)
    assert found["software"]["status"] == "ok", found
    row = found["asm+eventfd+epoll"]
    assert row["status"] == "skipped" and "descriptor" in row["reason"], row
    assert {c["count"] for c in row["counts"].values()} == {None}, row


@case
def a_killed_process_costs_its_row_only(w):
    process = start(w, "cost", "asm+queue", *EXACT, "--reference", "software",
                    "--operations", "1M", "--json")
    os.kill(wait_for(lambda: worker_of(process)), signal.SIGKILL)
    row = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert row["status"] == "failed", row
    assert "killed by signal 9" in row["reason"], row


if __name__ == "__main__":
    sys.exit(main(World, "command", "--schema"))
