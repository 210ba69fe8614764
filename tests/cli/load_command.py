#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard load`: rates, arrivals, searches, files, interrupts, bad input.
Figures are looked at on the virtual clock only, where they repeat exactly.

usage: load_command.py PATH-OF-switchyard [--parts DIR] [--schema FILE]
                       [--only NAME]

As command_line.py, whose helpers it uses.
"""

import hashlib
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from command_line import Skip, World, case, expect, main  # noqa: E402

# One candidate, one server with services of 100 us, a second of virtual time.
REAL_BARE = ["load", "asm+queue", "--workload", "null", "--no-reference"]
REAL = [*REAL_BARE, "--device", "sim:service=fixed:20us,mode=poll"]
BARE = [*REAL_BARE, "--virtual-clock"]
VIRTUAL = [*BARE, "--device", "sim:service=fixed:100us"]


def lines_of(w):
    (found,) = w.run_files("runs/**/*.jsonl")
    return [json.loads(s) for s in found.read_text().splitlines()]


def of(lines, kind):
    return [line for line in lines if line["type"] == kind]


def trace(w, text):
    (pathlib.Path(w.folder) / "t.txt").write_text(text)
    return ["--arrivals", "trace:t.txt"]


def refused(w, words, *more, code=2):
    """The command refuses, says these words, and leaves nothing."""
    expect(w.run(*VIRTUAL, *more), code, err=words, out="")
    assert w.run_files("runs/**/*") == [], w.run_files("runs/**/*")


# ---- what comes out --------------------------------------------------------


@case
def a_sweep_is_shown_and_written(w):
    result = w.run(*VIRTUAL, "--rate", "2k..8k/4", "--arrivals", "constant")
    expect(result, 0, err="wrote runs/")
    points = of(lines_of(w), "load")
    assert [p["rate_hz"] for p in points] == [
        2000, 4000, 6000, 8000], points
    for p in points:
        assert p["loop"] == "open" and p["arrivals"]["kind"] == "constant"
        assert p["offered"] == p["done"] == p["rate_hz"], p
        assert p["response_ns"]["p999"] in (None, 100000), p["response_ns"]
        assert p["response_ns"]["max"] == 100000
        assert p["lateness_ns"]["max"] == 0 and not p["saturated"]
        assert p["faults"] == [] and p["generator"]["where"] == "loop"
    # Too few samples for p99.9 below 3,688.
    assert [p["response_ns"]["p999"] is None for p in points] == [
        True, False, False, False]
    rows = [r.split() for r in result.stdout.splitlines()
            if r.startswith("asm+queue")]
    assert [r[2] for r in rows] == ["2,000", "4,000", "6,000", "8,000"], rows
    assert [r[7] for r in rows] == ["-", "100.0", "100.0", "100.0"], rows


@case
def lists_and_suffixes_of_rates(w):
    result = w.run(*VIRTUAL, "--rate", "2.5k,1k..2k/3,1k,700", "--dry-run")
    expect(result, 0, err="")
    rates = [line.split("poisson, ")[1].split("/s")[0]
             for line in result.stdout.splitlines() if "poisson" in line]
    assert rates == ["700", "1k", "1500", "2k", "2500"], result.stdout
    assert "5 points, about" in result.stdout
    assert w.run_files("runs/**/*") == []


@case
def overload_is_marked(w):
    result = w.run(*VIRTUAL, "--rate", "8k,12k")
    expect(result, 0)
    good, bad = of(lines_of(w), "load")
    assert not good["saturated"] and bad["saturated"]
    assert "below_plan" in bad["faults"] and "backlog_grows" in bad["faults"]
    assert bad["response_ns"]["p50"] > 10 * good["response_ns"]["p50"]
    assert "at 12k/s: saturated: " in result.stdout, result.stdout
    assert "the backlog grew from" in result.stdout


@case
def a_stall_shows_in_the_open_loop_only(w):
    """100 ms once in 10 s: of 10,000 planned arrivals 100 and a few met it, so
    p99.9 is what the tenth of them suffered: 90 ms, and the queue of those
    before. In the closed loop one operation of 90,000 met it."""
    stall = ["--device", "sim:service=fixed:100us,stall=5s:100ms",
             "--duration", "10s", "--warm-up", "100ms"]
    expect(w.run(*BARE, *stall, "--rate", "1k", "--arrivals", "constant"), 0)
    (p,) = of(lines_of(w), "load")
    assert abs(p["response_ns"]["p999"] / 91e6 - 1) < 0.1, p["response_ns"]
    expect(w.run(*BARE, *stall, "--closed", "--jobs", "1", "--out",
                 "runs/c"), 0)
    (path,) = w.run_files("runs/c/**/*.jsonl")
    (p,) = of([json.loads(s) for s in path.read_text().splitlines()], "load")
    assert p["loop"] == "closed" and p["response_ns"] is None
    assert p["arrivals"] is None and p["generator"] is None
    assert p["service_ns"]["p999"] <= 101000, p["service_ns"]
    assert p["service_ns"]["max"] == 100100000, p["service_ns"]


@case
def samples_are_beside_and_hashed(w):
    expect(w.run(*VIRTUAL, "--rate", "1k,2k"), 0)
    (run_file,) = w.run_files("runs/**/*.jsonl")
    for p in of(lines_of(w), "load"):
        data = (run_file.parent / p["samples"]["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == p["samples"]["sha256"]
        assert len(data) == 24 * p["samples"]["count"] == 24 * p["offered"]
        rows = list(struct.iter_unpack("<QQQ", data))
        assert sum(r[1] for r in rows) == p["response_ns"]["sum"]
        assert sum(r[2] for r in rows) == p["service_ns"]["sum"]
        assert max(r[1] for r in rows) == p["response_ns"]["max"]
        intended = [r[0] for r in rows]
        assert intended == sorted(intended) and intended[-1] < 10**9
    expect(w.run(*VIRTUAL, "--rate", "1k", "--no-samples", "--out", "runs2"),
           0)
    assert w.run_files("runs2/**/*.bin") == []


@case
def lines_keep_the_schema(w):
    if w.schema is None:
        raise Skip("no --schema")
    try:
        import jsonschema
    except ImportError:
        raise Skip("no python3-jsonschema") from None
    schema = json.loads(pathlib.Path(w.schema).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for i, more in enumerate((
            ["--rate", "1k,20k"], ["--closed"], ["--search", "p90<=300us"],
            trace(w, "0s\n10ms\n20ms\n"), ["--search", "p90<=1us"],
            ["--device", "workers:1", "--rate", "1k"])):  # one is skipped
        result = w.run(*VIRTUAL, *more, "--json", "--out", f"runs/{i}")
        assert result.returncode in (0, 1, 4), result.stderr
        (path,) = w.run_files(f"runs/{i}/**/*.jsonl")
        lines = [json.loads(s) for s in path.read_text().splitlines()]
        for line in lines:
            errors = [e.message for e in validator.iter_errors(line)]
            assert not errors, (line["type"], errors)
        # --json prints the same lines.
        assert [json.loads(s) for s in result.stdout.splitlines()] == \
            lines[1:-1]


@case
def a_trace_is_played_as_it_is(w):
    """Two bursts of three: the k-th of a burst waits for k services."""
    expect(w.run(*VIRTUAL, *trace(w, "# bursts\n" + "1ms\n" * 3 + "5ms\n" * 3)),
           0)
    (p,) = of(lines_of(w), "load")
    assert p["offered"] == 6 and p["arrivals"]["trace_arrivals"] == 6, p
    assert p["response_ns"]["sum"] == 2 * (100 + 200 + 300) * 1000
    assert p["duration_ns"] == 5000001


# ---- searches --------------------------------------------------------------


@case
def a_search_finds_the_rate(w):
    """Of an M/D/1 queue with services of 100 us, p50 is 150 us at 6.7k/s or
    so; what is found must hold, and what is next must not, in runs of their
    own."""
    result = w.run(*VIRTUAL, "--search", "p50<=150us", "--duration", "4s")
    expect(result, 0)
    lines = lines_of(w)
    (s,) = of(lines, "search")
    assert s["complete"] and s["quantile"] == "p50" and s["needed"] == 2
    assert 5500 < s["rate_hz"] < 7500, s
    assert s["rate_hz"] < s["above_hz"] <= 1.05 * s["rate_hz"] + 2, s
    points = [p for p in of(lines, "load") if p["loop"] == "open"]
    assert len(points) == s["points"] and all(p["search"] == 0 for p in points)
    assert f"holds up to {s['rate_hz']:,}/s" in result.stdout, result.stdout
    said = float(result.stdout.split("there p50 is ")[1].split(" us")[0])
    assert any(p["rate_hz"] == s["rate_hz"] and
               abs(p["response_ns"]["p50"] / 1000 - said) < 0.06
               for p in points), (said, result.stdout)
    for i, rate in enumerate((s["rate_hz"] * 9 // 10, s["above_hz"] * 11 // 10)):
        expect(w.run(*VIRTUAL, "--rate", str(rate), "--seed", "99",
                     "--duration", "10s", "--out", f"again/{i}"), 0)
        (path,) = w.run_files(f"again/{i}/**/*.jsonl")
        (p,) = of([json.loads(t) for t in path.read_text().splitlines()],
                  "load")
        assert (p["response_ns"]["p50"] <= 150000) == (i == 0), p


@case
def a_bound_that_nothing_keeps(w):
    result = w.run(*VIRTUAL, "--search", "p50<=50us")
    expect(result, 1)
    (s,) = of(lines_of(w), "search")
    assert s["rate_hz"] is None and s["closest_ns"] >= 100000, s
    assert "no rate keeps p50 <= 50us; closest: 100." in result.stdout, \
        result.stdout
    assert "times the bound" in result.stdout


@case
def a_search_within_a_range(w):
    expect(w.run(*VIRTUAL, "--search", "p50<=1s", "--rate", "1k..2k"), 0)
    lines = lines_of(w)
    (s,) = of(lines, "search")
    assert s["rate_hz"] == 2000 and s["above_hz"] is None, s
    assert all(1000 <= p["rate_hz"] <= 2000
               for p in of(lines, "load") if p["loop"] == "open")


# ---- bad input -------------------------------------------------------------


@case
def no_rate(w):
    refused(w, ["it needs --rate", "--closed"])


@case
def rates_that_are_none(w):
    for bad in ("0", "-5", "1.5", "1e3", "5K", "", ",", "1k,", "100001k",
                "2k..1k/3", "1k..2k/1", "1k..2k/999", "1k..2k/", "..", "1k..",
                "1k../3", "/3", "1k/3..2k", "1k..2k,3k", "99999999999999",
                "20k per second", "0.0001k"):
        refused(w, ["--rate: ", "not accepted", "1 .. 100M"], "--rate", bad)
    refused(w, "is a range for --search", "--rate", "1k..2k")


@case
def too_few_and_too_many_operations(w):
    refused(w, ["10/s for 10ms are 0.1 operations"], "--rate", "10",
            "--duration", "10ms")
    refused(w, ["100M/s for 20s are 2e+09 operations"], "--rate", "100M",
            "--duration", "20s")


@case
def options_that_contradict(w):
    refused(w, "a closed loop has no rate", "--closed", "--rate", "1k")
    refused(w, "--search does not go with it", "--closed", "--search",
            "p99<=1ms")
    refused(w, "--search it takes a range", "--search", "p99<=1ms", "--rate",
            "1k,2k")
    refused(w, ["a trace has a rate of its own"], "--rate", "1k",
            *trace(w, "0s\n1s\n"))


@case
def searches_that_are_none(w):
    for bad in ("p99", "p99<200us", "p98<=200us", "<=200us", "p99<=", "p99<=0us",
                "p99<=200", "p99<=200us!", "p99>=1ms", "p99<=2h"):
        refused(w, "--search: ", "--search", bad)


@case
def arrivals_that_are_none(w):
    refused(w, "constant, poisson or trace:FILE", "--rate", "1k", "--arrivals",
            "poison")
    refused(w, "nowhere.txt: cannot be opened: No such file", "--arrivals",
            "trace:nowhere.txt")
    refused(w, "t.txt has none", *trace(w, ""))
    refused(w, "t.txt:2: not a time", *trace(w, "0s\nsoon\n"))
    refused(w, "t.txt:2: not a time", *trace(w, "0s\n-1s\n"))
    refused(w, "t.txt:3: earlier than", *trace(w, "0s\n2s\n1s\n"))
    refused(w, ["t.txt ends after 1500ms", "--duration 2s"], "--duration", "2s",
            *trace(w, "0s\n1.5s\n"))
    # A folder can be opened, and not read.
    refused(w, ".: cannot be read", "--arrivals", "trace:.")


@case
def filters_that_match_nothing(w):
    result = w.run("load", "asm+queue", "--engine", "pipe", "--rate", "1k")
    expect(result, 4, err="nothing matched", out="")
    expect(w.run("load", "asn+queue", "--rate", "1k"), 2, out="")


@case
def an_output_folder_that_cannot_be(w):
    pathlib.Path(w.folder, "file").write_text("")
    expect(w.run(*VIRTUAL, "--rate", "1k", "--out", "file/runs"), 3,
           err="--out: cannot make file/runs", out="")


@case
def what_cannot_be_measured_is_skipped(w):
    result = w.run(*BARE, "--device", "workers:1", "--rate", "1k")
    expect(result, 4, err=["skipped", "no point gave figures"])
    (p,) = of(lines_of(w), "load")
    assert p["status"] == "skipped" and p["offered"] == 0, p
    result = w.run("load", "asm+queue", "--workload", "null", "--device",
                   "sim:mode=thread,service=fixed:20us", "--reference",
                   "openssl", "--rate", "1k", "--duration", "50ms", "--out",
                   "runs2")
    expect(result, 0, err="it needs a device that is polled")


@case
def a_device_that_fails_in_the_middle(w):
    part = w.part("breaking_device.so")
    result = w.run(*REAL_BARE, "--load", part, "--device", "breaking:fail:50",
                   "--rate", "1k", "--duration", "100ms")
    expect(result, 1, err=["failed: operation number", "Input/output error"])
    (p,) = of(lines_of(w), "load")
    assert p["status"] == "failed" and p["partial"], p
    assert 0 < p["done"] <= p["offered"] < 100, p


@case
def a_device_that_hangs(w):
    part = w.part("breaking_device.so")
    result = w.run(*REAL_BARE, "--load", part, "--device", "breaking:hang:50",
                   "--rate", "1k", "--duration", "100ms", "--timeout", "500ms")
    expect(result, 1, err=["did not end within 0.5 s", "wrote runs/"])
    (p,) = of(lines_of(w), "load")
    assert p["status"] == "failed" and "50 had finished" in p["reason"], p


@case
def a_full_disk_loses_nothing_else(w):
    """A limit on the size of files stands in for it."""
    result = subprocess.run(
        ["/bin/bash", "-c", 'ulimit -f 8; exec "$0" "$@"', w.command, *VIRTUAL,
         "--rate", "5k"], cwd=w.folder, capture_output=True, text=True,
        timeout=60, check=False)
    expect(result, 3, err="--out: cannot write the run file")
    assert w.run_files("runs/**/*") == [], w.run_files("runs/**/*")


def interrupt(w, words, number):
    process = subprocess.Popen(
        [w.command, *words], cwd=w.folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    while "[1" not in process.stderr.readline():
        pass
    time.sleep(0.6)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@case
def an_interrupt_keeps_what_was_measured(w):
    for i, number in enumerate((signal.SIGINT, signal.SIGTERM)):
        code, out, err = interrupt(
            w, [*REAL, "--rate", "1k,2k", "--duration", "60s", "--warm-up",
                "1ms", "--out", f"runs/{i}"], number)
        assert code == 130, (code, err)
        assert "interrupted: what was measured until then is saved" in err
        assert "cut short" in out, out
        (path,) = w.run_files(f"runs/{i}/**/*.jsonl")
        lines = [json.loads(s) for s in path.read_text().splitlines()]
        (p,) = of(lines, "load")
        assert p["partial"] and p["status"] == "ok" and p["offered"] > 0, p
        assert p["offered"] == p["done"] == p["samples"]["count"], p
        assert lines[-1]["interrupted"] is True


@case
def an_interrupted_search_says_so(w):
    code, _, err = interrupt(
        w, [*REAL, "--search", "p50<=1s", "--duration", "60s"], signal.SIGINT)
    assert code == 130, (code, err)
    (s,) = of(lines_of(w), "search")
    assert s["complete"] is False and s["rate_hz"] is None, s


@case
def the_generator_says_where_it_is(w):
    """With fewer CPUs than threads there is none for it."""
    cpu = min(os.sched_getaffinity(0))
    result = subprocess.run(
        ["taskset", "-c", str(cpu), w.command, *REAL, "--rate", "1k",
         "--duration", "50ms"], cwd=w.folder, capture_output=True, text=True,
        timeout=60, check=False)
    expect(result, 0)
    assert "has no CPU of its own (1 CPU for" in result.stdout, result.stdout
    (p,) = of(lines_of(w), "load")
    assert p["generator"]["where"] == "loop" and p["generator"]["why"], p
    if len(os.sched_getaffinity(0)) < 2:
        return
    result = w.run(*REAL, "--rate", "1k", "--duration", "50ms", "--out", "r2")
    expect(result, 0)
    assert "from a thread that has CPU" in result.stdout, result.stdout


if __name__ == "__main__":
    sys.exit(main(World, "command", "--parts", "--schema"))
