#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Run files with random damage: what reads them refuses or copes, in words.

usage: mutated_files.py ANALYSIS-FOLDER [--seed N] [--rounds N]

Two properties. A file with any byte changed, or cut anywhere, is refused. A
file whose members were replaced by anything at all, and whose hash was made
right again, is refused or read, never met with an exception; and a histogram
that was exported holds as many values as it says. Exit 0 if both hold, 1
otherwise, 77 without numpy or scipy.
"""

import argparse
import contextlib
import copy
import importlib
import io
import json
import os
import pathlib
import random
import sys
import tempfile
import traceback
import warnings

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads spin, for matrices so small
sys.dont_write_bytecode = True
from damaged_files import ended, lines_of, text_of  # noqa: E402

JUNK = (None, True, False, 0, 1, -1, 3, 255, 4607, 4608, 2 ** 31, 2 ** 62,
        2 ** 63 - 1, 2 ** 63, -2 ** 63, 10 ** 400, 0.5, -0.0, 1e300,
        float("inf"), float("nan"), "", "x", "a,b c", "\ud800", "\0\n", "end",
        [], [None], [[]], [[1]], [[1, 1]], [[1, 2, 3]], [[0, 0]],
        [[4607, 1], [1, 1]], {}, {"": None}, {"buckets": []},
        {"buckets": {}}, {"elapsed_ns": []}, "deep")


def histogram(pairs, smallest, largest):
    return {"count": sum(n for _, n in pairs), "sum": 12345, "min": smallest,
            "max": largest, "clipped": 0, "p50": 1, "p99": None,
            "p999": None, "buckets": [list(pair) for pair in pairs]}


def run_lines():
    """What `switchyard run` writes, as far as it matters here, and a line of
    a type of its own."""
    plain = histogram([(3, 2), (300, 7)], 3, 345)
    mix = [{"workload": "null", "param_bytes": None, "weight": 1},
           {"workload": "sha256", "param_bytes": 1024, "weight": 2}]
    lines = [dict(lines_of()[0], started="2026-01-31T12:00:00Z",
                  argv=["switchyard", "run", "--seed", "1"],
                  environment={"syscall_ns": 99, "steal_boot_permille": 1},
                  libraries={"libc": "glibc 2.36"})]
    lines[0]["machine"] = dict(lines[0]["machine"], cpus_usable=2,
                               memory_bytes=2 ** 30, page_bytes=4096)
    for jobs in (1, 8):
        lines.append({
            "type": "record", "name": "asm+queue", "row": "combination",
            "mix": mix, "device": "workers:1", "jobs": jobs,
            "asked": {"jobs": jobs, "seed": 1}, "status": "ok",
            "window": {"elapsed_ns": 5, "latency_ns": plain}})
    lines.append({"type": "load", "name": "asm+queue", "elapsed_ns": 5,
                  "response_ns": plain,
                  "points": [{"service_ns": plain}, {"service_ns": plain}]})
    lines.append({"type": "record", "name": "software", "status": "skipped",
                  "window": None})
    return lines


def shard_lines(index):
    """One of two shards of what run_lines() has."""
    lines = run_lines()
    lines[0]["shard"] = {"index": index, "of": 2}
    return lines


def record_lines():
    """The records alone, with as much as a report needs."""
    lines = [line for line in run_lines() if line["type"] != "load"]
    for line in lines:
        if line.get("window"):
            line["window"]["operations"] = 9
        line.setdefault("mix", lines[1].get("mix"))
    return lines


def dose_lines():
    """What `switchyard dose` writes."""
    doses = [0, 200, 400, None, 0]
    lines = lines_of(processes=4, rounds=2, labels=(
        "no dose", "switch 200 ns", "switch 400 ns", "as it is"))
    for line in lines:
        line["name"] = "asm+queue"
        if line["type"] not in ("candidate", "batch"):
            continue
        ns = doses[line["candidate"]]
        if ns is None:
            continue
        line["dose"] = {"switch_ns": ns, "wake_ns": 0, "device_ns": 0}
        if line["type"] == "batch":
            line["dose"].update(
                jobs=1000, switches=2000, wakes=1000, device_operations=1000,
                collected=1000, collect_ns=9, switch_ns=100000)
    return lines


def places_in(value, place=()):
    """Of each node below value."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return
    for key, item in items:
        yield place + (key,)
        yield from places_in(item, place + (key,))


def at(lines, place):
    for key in place:
        lines = lines[key]
    return lines


def mutate(lines, rng):
    """One random change of the objects; says which."""
    choice = rng.random()
    number = rng.randrange(len(lines))
    if choice < 0.05:
        lines.insert(rng.randrange(len(lines)), lines[number])
        return f"line {number} twice"
    if choice < 0.10:
        del lines[number]
        return f"line {number} deleted"
    if choice < 0.15:
        other = rng.randrange(len(lines))
        lines[number], lines[other] = lines[other], lines[number]
        return f"lines {number} and {other} swapped"
    if choice < 0.20:
        lines[number] = rng.choice(JUNK)
        return f"line {number} is {str(lines[number])[:40]!r}"
    places = list(places_in(lines[number]))
    if not places:
        return "nothing more"
    place = rng.choice(places)
    owner = at(lines[number], place[:-1])
    if choice < 0.35:
        del owner[place[-1]]
        return f"line {number}: {place} deleted"
    owner[place[-1]] = copy.deepcopy(rng.choice(JUNK))
    return f"line {number}: {place} is {str(owner[place[-1]])[:40]!r}"


def damage(data, rng):
    """One random change of the bytes; says which."""
    where = rng.randrange(len(data))
    choice = rng.random()
    if choice < 0.4:
        return data[:where], f"cut at {where}"
    if choice < 0.8:
        byte = bytes([data[where] ^ 1 << rng.randrange(8)])
        return data[:where] + byte + data[where + 1:], f"a bit at {where}"
    if choice < 0.9:
        return data[:where] + bytes([rng.randrange(256)]) + data[where:], \
            f"a byte more at {where}"
    return data[:where] + data[where + 1:], f"a byte less at {where}"


def text_with_nests(lines):
    """A whole file, in which the word "deep" became a deep nest."""
    data = "".join(json.dumps(line, separators=(",", ":")) + "\n"
                   for line in lines).encode()
    nest = b"[" * 20000 + b"]" * 20000
    return ended(data.replace(b'"deep"', nest), len(lines) - 1)


def call(main, *arguments):
    """(exit code, standard output, what was raised) of a subcommand."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), \
            warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return main(list(arguments)), out.getvalue(), None
        except Exception:  # pylint: disable=broad-except
            return None, out.getvalue(), traceback.format_exc()


def check_exported(text):
    for h in json.loads(text)["histograms"]:
        assert h["count"] == sum(n for _, _, n in h["buckets"]), h
    tags = [h["tag"] for h in json.loads(text)["histograms"]]
    assert len(tags) == len(set(tags)), tags


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("analysis")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=300)
    args = parser.parse_args()
    print(f"seed {args.seed}")
    sys.path.insert(0, args.analysis)
    try:
        judge = importlib.import_module("switchyard_analysis.judge").main
    except ImportError as missing:
        print(f"skipped: {missing}")
        return 77
    export = importlib.import_module("switchyard_analysis.export").main
    merge, report, dose = (
        importlib.import_module("switchyard_analysis." + name).main
        for name in ("merge", "report", "dose"))

    def merge_with_other(argv):
        return merge(["--out", folder, str(other), *argv])

    kinds = [(lines_of(processes=4, rounds=2), judge, ("--json",)),
             (lines_of(processes=4, rounds=2), judge, ()),
             (run_lines(), export, ("--format", "json")),
             (run_lines(), export, ("--format", "hdr")),
             (run_lines(), export, ("--format", "csv")),
             (run_lines(), merge, ()), (shard_lines(1), merge_with_other, ()),
             (record_lines(), report, ("--format", "text")),
             (dose_lines(), dose, ()),
             (dose_lines(), report, ("--format", "text"))]
    rng = random.Random(args.seed)
    failed, codes = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "run.jsonl"
        other = pathlib.Path(folder) / "other.jsonl"
        other.write_bytes(text_of(shard_lines(2)))
        for lines, program, options in kinds:
            path.write_bytes(text_of(lines))
            result = call(program, *options, str(path))
            assert result[0] == 0, ("undamaged", options, result)
        for number in range(args.rounds * len(kinds)):
            lines, program, options = kinds[number % len(kinds)]
            is_bytes = rng.random() < 0.3
            if is_bytes:
                data, what = damage(text_of(lines), rng)
                allowed = (2, 4)
            else:
                lines = copy.deepcopy(lines)
                what = "; ".join(mutate(lines, rng) for _ in
                                 range(rng.choice((1, 1, 2))) if lines)
                data = text_with_nests(lines)
                allowed = (0, 2, 4)
            path.write_bytes(data)
            code, out, raised = call(program, *options, str(path))
            codes[code] = codes.get(code, 0) + 1
            if raised is None and code == 0 and program is export and \
                    "json" in options:
                check_exported(out)
            if raised is not None or code not in allowed:
                failed += 1
                print(f"FAIL {program.__module__} {options}: {what}: exit "
                      f"{code}\n{raised or ''}", flush=True)
    print(f"{failed} failed; exit codes {codes}")
    # Both must have been seen, or this says nothing.
    return 1 if failed or not codes.get(0) or not codes.get(2) else 0


if __name__ == "__main__":
    sys.exit(main())
