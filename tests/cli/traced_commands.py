#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard phases` and `switchyard trace`: files that keep their format,
phases that add up, bad input. Mechanics only: no test looks at times.

usage: traced_commands.py PATH-OF-switchyard [--schema FILE] [--only NAME]

As command_line.py, whose helpers it uses.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from command_line import Skip, World, case, expect, main  # noqa: E402

# Small, and without threads of a device.
SIM = ["--device", "sim:mode=poll,service=fixed:1us", "--workload", "null"]
PHASES = ["phases", *SIM, "--duration", "10ms", "--jobs", "4"]
TRACE = ["trace", *SIM, "--operations", "40", "--jobs", "4"]
NAMES = ["start", "run", "wait", "notify", "schedule", "end", "whole"]
AFTER = {"start": ["run"], "run": ["wait"], "wait": ["notify"],
         "notify": ["schedule"], "schedule": ["run", "end"], "end": []}


def phases_lines(w):
    files = w.run_files("runs/**/*.jsonl")
    assert len(files) == 1, files
    lines = [json.loads(s) for s in files[0].read_text().splitlines()]
    assert lines[0]["type"] == "meta" and lines[-1]["type"] == "end", lines
    return lines


# ---- phases ------------------------------------------------------------------


@case
def phases_add_up(w):
    result = w.run(*PHASES, "--engine", "queue,eventfd+epoll,pipe")
    expect(result, 0, err="wrote runs/")
    lines = [x for x in phases_lines(w) if x["type"] == "phases"]
    names = [x["name"] for x in lines]
    assert names[0] == "asm+queue" and len(set(names)) >= 4, names
    for line in lines:
        assert line["status"] == "ok" and line["rounds"] == 3, line
        histograms = line["phases"]
        assert list(histograms) == NAMES or set(histograms) == set(NAMES)
        parts = sum(histograms[n]["sum"] for n in NAMES if n != "whole")
        assert parts == histograms["whole"]["sum"], line["name"]
        assert line["finished"] > 0
        # every job of this workload pauses once
        assert line["pauses"] == line["finished"], line
        for name in NAMES:
            h = histograms[name]
            assert h["count"] == line["finished"], (name, h["count"])
            assert sum(n for _, n in h["buckets"]) == h["count"]
        for library in ("production", "traced"):
            assert line[library]["operations"] > 0
        assert line["traced"]["operations"] >= line["finished"]


@case
def phases_show_tables_and_the_overhead(w):
    result = w.run(*PHASES, "--engine", "queue")
    expect(result, 0)
    for words in ("asm+queue: null on sim:", "What tracing cost, over 3 rounds",
                  "per operation untraced", "us traced: x", "submitted",
                  "whole", "p99"):
        assert words in result.stdout, result.stdout
    assert "1 of 1: asm+queue, about " in result.stderr, result.stderr
    assert " left" in result.stderr, result.stderr


@case
def phases_of_jobs_that_cannot_pause(w):
    result = w.run(*PHASES, "--switcher", "direct", "--engine", "queue",
                   "--json")
    expect(result, 0)
    line = json.loads(result.stdout)
    assert line["pauses"] == 0 and line["finished"] > 0, line
    assert line["phases"]["wait"]["count"] == 0
    assert (line["phases"]["start"]["sum"] + line["phases"]["run"]["sum"] ==
            line["phases"]["whole"]["sum"])


@case
def phases_keep_the_schema(w):
    if w.schema is None:
        raise Skip("no --schema")
    try:
        import jsonschema
    except ImportError:
        raise Skip("no python3-jsonschema") from None
    expect(w.run(*PHASES, "--switcher", "asm,direct", "--engine", "queue"), 0)
    schema = json.loads(pathlib.Path(w.schema).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for line in phases_lines(w):
        errors = [e.message for e in validator.iter_errors(line)]
        assert not errors, (line["type"], errors[:3])


@case
def a_combination_that_does_not_work_is_skipped(w):
    result = w.run(*PHASES, "--engine", "pipe+select", "--jobs", "2000")
    expect(result, 4, err="no combination gave figures")
    line = [x for x in phases_lines(w) if x["type"] == "phases"][0]
    assert line["status"] == "skipped" and line["phases"] is None, line
    assert "select()" in line["reason"] and line["reason"] in result.stdout


@case
def phases_refuse_bad_input(w):
    for words, told in (
            (["--duration", "1ms"], "--duration:"),
            (["--jobs", "0"], "--jobs:"),
            (["--seed", "1,2"], "--seed: one number"),
            (["--engine", "nonsense"], "nonsense"),
            (["--device", "nonsense"], "nonsense"),
            (["--bogus"], "--bogus"),
            (["--worker", "0"], "for this command's own use")):
        result = w.run("phases", *words)
        assert result.returncode in (2, 4), (words, result)
        assert told in result.stderr, (words, result.stderr)
        assert w.run_files() == []


def started(w, duration):
    """phases, of one combination, going on."""
    return subprocess.Popen(
        [w.command, *PHASES, "--duration", duration, "--engine", "queue"],
        cwd=w.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True)


@case
def phases_can_be_interrupted(w):
    child = started(w, "2s")
    child.stderr.readline()  # the first experiment begins
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    told = child.communicate(timeout=60)[1]
    assert child.returncode == 130, (child.returncode, told)
    assert "interrupted" in told
    assert phases_lines(w)[-1]["interrupted"]


def children_of(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    if not path.exists():
        raise Skip("the kernel does not say who is whose child")
    return [int(word) for word in path.read_text().split()]


def stopped_worker(command):
    """Stops a child that is switchyard-traced, and returns its number."""
    while command.poll() is None:
        for pid in children_of(command.pid):
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"--worker" in words.split(b"\0"):
                os.kill(pid, signal.SIGSTOP)
                return pid
        time.sleep(0.01)
    raise AssertionError(command.communicate()[1])


@case
def phases_ends_although_its_worker_stands_still(w):
    child = started(w, "1s")
    pid = stopped_worker(child)
    child.send_signal(signal.SIGTERM)
    told = child.communicate(timeout=60)[1]
    assert child.returncode == 130, (child.returncode, told)
    assert phases_lines(w)[-1]["interrupted"]
    assert not os.path.exists(f"/proc/{pid}"), pid


# ---- trace -------------------------------------------------------------------


def check_track(events):
    """One track: in order, phases within their job, each where the one before
    ended."""
    jobs = 0
    job, at, before = None, 0.0, None
    for e in events:
        begin, end = e["ts"], round(e["ts"] + e["dur"], 3)
        if e["cat"] == "job":
            assert job is None or begin >= job[1], (job, e)
            job, at, before = (e["args"]["job"], end), begin, None
            assert e["name"] == f"job {job[0]}"
            jobs += 1
            continue
        assert job is not None and e["args"]["job"] == job[0], (job, e)
        assert begin == at, (at, e)  # no gap
        assert end <= job[1], (job, e)
        assert e["name"] == "start" if before is None else \
            e["name"] in AFTER[before], (before, e)
        at, before = end, e["name"]
        if before == "end":
            assert end == job[1], (job, e)
    return jobs


def check_chrome(text):
    """Chrome's format. Returns how many jobs each runtime has."""
    trace = json.loads(text)
    assert trace["displayTimeUnit"] == "ns"
    names, tracks, processes = {}, {}, {}
    for e in trace["traceEvents"]:
        assert e["ph"] in ("M", "X"), e
        assert isinstance(e["pid"], int) and isinstance(e["tid"], int), e
        key = (e["pid"], e["tid"])
        if e["ph"] == "M":
            assert e["name"] in ("process_name", "thread_name"), e
            table = processes if e["name"] == "process_name" else names
            assert key not in table and e["args"]["name"], e
            table[key] = e["args"]["name"]
            continue
        assert e["name"] and e["cat"] in ("job", "phase"), e
        assert e["ts"] >= 0 and e["dur"] >= 0, e
        tracks.setdefault(key, []).append(e)
    assert set(names) == set(tracks), "each track has a name"
    assert {p for p, _ in processes} == {p for p, _ in tracks}
    assert min(e["ts"] for t in tracks.values() for e in t) == 0
    jobs = dict.fromkeys(processes.values(), 0)
    for key, events in tracks.items():
        # what a viewer does: by time, the longer one outside
        assert [e["ts"] for e in events] == sorted(e["ts"] for e in events)
        jobs[processes[key[0], 0]] += check_track(events)
    return jobs


@case
def trace_is_in_chromes_format(w):
    expect(w.run(*TRACE, "-o", "t.json"), 0, err="wrote t.json")
    jobs = check_chrome(pathlib.Path(w.folder, "t.json").read_text())
    assert len(jobs) == 1 and 36 <= sum(jobs.values()) <= 44, jobs
    assert w.run_files() == [pathlib.Path(w.folder, "t.json")]


@case
def trace_of_several_runtimes_and_another_thread(w):
    result = w.run("trace", "--workload", "tls13-handshake", "--operations",
                   "20", "--switcher", "asm,threads", "--engine",
                   "queue,eventfd", "--out=-")
    expect(result, 0)
    jobs = check_chrome(result.stdout)
    assert len(jobs) >= 4 and all(n >= 10 for n in jobs.values()), jobs
    assert w.run_files() == []


@case
def trace_is_bounded(w):
    result = w.run(*TRACE, "--operations", "1", "--jobs", "1", "-o", "-")
    expect(result, 0)
    assert 1 <= sum(check_chrome(result.stdout).values()) <= 3, result.stdout


@case
def trace_refuses_bad_input(w):
    for words, told in (
            (["--operations", "0"], "--operations: '0'"),
            (["--operations", "100001"], "--operations:"),
            (["--jobs", "0"], "--jobs:"),
            (["--jobs", "1,2"], "--jobs: one number"),
            (["--out", ""], "--out:"),
            (["-o"], "--out needs a value"),
            (["--device", "nonsense"], "nonsense"),
            (["--worker", "x"], "for this command's own use")):
        result = w.run("trace", *words)
        expect(result, 2, err=told, out="")
        assert w.run_files() == []
    expect(w.run(*TRACE, "--engine", "nonsense"), 2, err="nonsense")
    assert w.run_files() == []


@case
def trace_that_cannot_be_written(w):
    pathlib.Path(w.folder, "d").mkdir()
    expect(w.run(*TRACE, "-o", "none/t.json"), 3,
           err=["--out: cannot write none/t.json", "No such file"])
    expect(w.run(*TRACE, "-o", "d"), 3, err=["cannot write d", "directory"])
    if os.path.exists("/dev/full"):
        expect(w.run(*TRACE, "-o", "/dev/full"), 3,
               err=["cannot write /dev/full", "No space"])
    assert w.run_files() == []


@case
def a_trace_that_fails_leaves_the_old_one(w):
    old = pathlib.Path(w.folder, "t.json")
    old.write_text("old")
    result = w.run("trace", "--engine", "pipe+select", "--jobs", "2000", *SIM,
                   "-o", "t.json")
    expect(result, 4, err=["skipped", "nothing is written"])
    assert old.read_text() == "old"
    assert w.run_files() == [old]


@case
def without_the_traced_command(w):
    alone = shutil.copy(w.command, pathlib.Path(w.folder, "switchyard"))
    for words in (PHASES, [*TRACE, "-o", "t.json"]):
        result = subprocess.run(
            [str(alone), *words], cwd=w.folder, capture_output=True, text=True,
            timeout=60, check=False)
        expect(result, 3, err=["switchyard-traced", "neither installed nor"])
    assert w.run_files() == [pathlib.Path(alone)]


@case
def help_lists_both(w):
    for name in ("phases", "trace"):
        assert name in w.run("help").stdout
        result = w.run(name, "--help")
        expect(result, 0)
        assert "docs/tracing.md" in result.stdout


if __name__ == "__main__":
    sys.exit(main(World, "command", "--schema"))
