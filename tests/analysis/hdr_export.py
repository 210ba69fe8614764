#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Exported histograms, read back by HdrHistogram's own Java library: the same
counts for the same ranges of values, totals and percentiles.

usage: hdr_export.py ANALYSIS-FOLDER [--seed N]

Exit 0 if all are equal, 1 otherwise, 77 where there is no decoder.
"""

import argparse
import collections
import csv
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from damaged_files import lines_of, text_of  # noqa: E402

JAR = "/usr/share/java/hdrhistogram.jar"
DECODER = pathlib.Path(__file__).resolve().with_name("decode_hdr_log.java")
VALUE_MAX = 2 ** 42 - 1
PACKAGES = "openjdk-17-jdk-headless libhdrhistogram-java"


def bucket_of(value):
    """As docs/run-files.md says it, read the other way round."""
    if value < 256:
        return value
    e = value.bit_length() - 7
    return 128 * e + value // 2 ** (e - 1) - 128


def member(values):
    """The member of a line for {value: count}."""
    buckets = collections.Counter()
    for value, count in values.items():
        buckets[bucket_of(value)] += count
    return {"count": sum(values.values()),
            "sum": min(2 ** 63 - 1, sum(v * n for v, n in values.items())),
            "min": min(values, default=0), "max": max(values, default=0),
            "clipped": 0, "p50": None, "p99": None, "p999": None,
            "buckets": [list(pair) for pair in sorted(buckets.items())]}


def borders():
    """The first and the last value of every bucket."""
    found = set(range(256))
    for e in range(2, 36):
        for r in range(128):
            low = (128 + r) * 2 ** (e - 1)
            found |= {low, low + 2 ** (e - 1) - 1}
    assert max(found) == VALUE_MAX
    return sorted(found)


def cases(rng):
    """{name: {value: count}}."""
    edges = borders()
    found = {
        "empty": {}, "zero": {0: 1}, "one": {1: 1}, "last": {VALUE_MAX: 1},
        "both_ends": {0: 1, VALUE_MAX: 1},
        "single_gaps": {v: 1 for v in range(0, 256, 2)},
        "all_borders": dict.fromkeys(edges, 1),
        "every_bucket": {v: 1 + i for i, v in enumerate(edges[:256:1]
                                                         + edges[256::2])},
        # Where the encoding of a number takes one byte more.
        "powers": {edges[300 + 2 * k]: 2 ** k for k in range(62)},
        "below_powers": {edges[300 + 2 * k]: 2 ** k - 1
                         for k in range(1, 62)},
        "many": {1000: 2 ** 62, 2000: 2 ** 31 + 1, 3000: 2 ** 53 + 1},
    }
    for value in (254, 255, 256, 257, 258, 511, 512, 513, 2 ** 41 - 1,
                  2 ** 41):
        found[f"at_{value}"] = {value: 3}
    for i in range(40):
        top = rng.randrange(1, 43)
        found[f"random_{i}"] = {
            rng.randrange(2 ** rng.randrange(1, top + 1)):
            rng.randrange(1, 2 ** rng.randrange(1, 50))
            for _ in range(rng.randrange(1, 400))}
    return found


def write_run(path, found):
    """Records, and lines of another type with two histograms each."""
    lines = [dict(lines_of()[0], started="2026-01-31T12:00:00Z")]
    names = list(found)
    for name in names[::2]:
        lines.append({"type": "record", "name": name, "jobs": 8,
                      "status": "ok", "window": {
                          "elapsed_ns": 2500000000,
                          "latency_ns": member(found[name])}})
    for name in names[1::2]:
        lines.append({"type": "load", "name": name, "status": "ok",
                      "elapsed_ns": 1000,
                      "response_ns": member(found[name]),
                      "points": [{"service_ns": member(found[name])}]})
    path.write_bytes(text_of(lines))
    wanted = {f"{name}/latency_ns": found[name] for name in names[::2]}
    for name in names[1::2]:
        wanted[f"{name}/response_ns"] = found[name]
        wanted[f"{name}/service_ns"] = found[name]
    return wanted


def run(*words):
    environment = {k: v for k, v in os.environ.items()
                   if k not in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS")}
    return subprocess.run([str(word) for word in words], env=environment,
                          capture_output=True, text=True, timeout=100,
                          check=False)


def java(*words):
    return run("java", "-Xshare:auto", "-XX:-UsePerfData",
               "-XX:TieredStopAtLevel=1", *words)


def why_no_decoder():
    if not os.path.exists(JAR):
        return f"no {JAR} (Debian: {PACKAGES})"
    try:
        modules = java("--list-modules").stdout
    except FileNotFoundError:
        return f"no java (Debian: {PACKAGES})"
    if "jdk.compiler" not in modules:
        return f"this java has no compiler (Debian: {PACKAGES})"
    return None


def export(args, what, source):
    result = run("/usr/bin/python3", "-I", "-B", args.analysis, "export",
                 "--format", what, source)
    assert result.returncode == 0 and result.stderr == "", result
    return result.stdout


def check_plain_formats(args, source, wanted):
    """What csv and json say, against the values: needs no decoder."""
    sizes = {tag: collections.Counter() for tag in wanted}
    for row in csv.DictReader(io.StringIO(export(args, "csv", source))):
        low, high = int(row["low_ns"]), int(row["high_ns"])
        assert row["tag"] in wanted, row
        inside = sum(n for v, n in wanted[row["tag"]].items()
                     if low <= v <= high)
        assert inside == int(row["count"]) > 0, (row, inside)
        sizes[row["tag"]]["count"] += inside
    value = json.loads(export(args, "json", source))
    tags = {h["tag"] for h in value["histograms"]}
    assert tags == set(wanted), tags ^ set(wanted)
    for h in value["histograms"]:
        total = sum(wanted[h["tag"]].values())
        assert h["count"] == total == sum(b[2] for b in h["buckets"]), h
        assert sizes[h["tag"]]["count"] == total, h["tag"]


def check_hdr(args, folder, source, wanted):
    log, values = folder / "log.hlog", folder / "values.txt"
    log.write_text(export(args, "hdr", source))
    values.write_text("".join(
        f"{tag} {v} {n}\n" for tag, found in wanted.items()
        for v, n in found.items()) + "".join(f"{tag}\n" for tag in wanted))
    result = java("-cp", JAR, DECODER, log, values)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr
    read = {}
    for line in result.stdout.splitlines():
        tag, total, largest = line.split()
        assert tag not in read, tag
        read[tag] = int(total)
        assert int(largest) >= max(wanted[tag], default=0), line
    assert read == {tag: sum(v.values()) for tag, v in wanted.items()}, read

    # The tool that comes with the library.
    result = java("-cp", JAR, "org.HdrHistogram.HistogramLogProcessor", "-i",
                  log, "-csv", "-tag", "many/latency_ns" if
                  "many/latency_ns" in wanted else "many/response_ns",
                  "-outputValueUnitRatio", "1")
    assert result.returncode == 0, result
    last = result.stdout.strip().splitlines()[-1].split(",")
    assert int(last[2]) == 2 ** 62 + 2 ** 31 + 2 ** 53 + 2, result.stdout
    return len(read)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("analysis")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(f"seed {args.seed}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        source = folder / "run.jsonl"
        wanted = write_run(source, cases(random.Random(args.seed)))
        check_plain_formats(args, source, wanted)
        why = why_no_decoder()
        if why is not None:
            print(f"skipped: {why}")
            return 77
        count = check_hdr(args, folder, source, wanted)
    print(f"{count} histograms are equal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
