#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard export`: what it writes of real run files, and bad input.

usage: export_command.py PATH-OF-switchyard [--only NAME]

As command_line.py, whose helpers it uses. What the formats say is checked by
tests/analysis/hdr_export.py.
"""

import csv
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
from command_line import SHORT, World, case, expect, main  # noqa: E402


def measured(w, *more):
    """The run file of a real run, relative to the folder."""
    before = set(w.run_files("runs/**/*.jsonl"))
    expect(w.run("run", *SHORT, "--reference", "none", *more,
                 "ucontext+queue"), 0)
    (path,) = set(w.run_files("runs/**/*.jsonl")) - before
    return str(path.relative_to(w.folder))


def objects_of(w, path):
    text = (pathlib.Path(w.folder) / path).read_text()
    return [json.loads(line) for line in text.splitlines()]


def write(w, lines, name="made.jsonl"):
    """A whole file of these lines, the old end of which is replaced."""
    lines = [line for line in lines if line["type"] != "end"]
    data = "".join(json.dumps(line, separators=(",", ":")) + "\n"
                   for line in lines)
    data += ('{"type":"end","records":%d,"interrupted":false,"finished":'
             '"2026-01-01T00:00:00Z","sha256":"' % (len(lines) - 1))
    data += hashlib.sha256(data.encode()).hexdigest() + '"}\n'
    (pathlib.Path(w.folder) / name).write_text(data)
    return name


def tags_in(log):
    return [line.split(",")[0][len("Tag="):] for line in log.splitlines()
            if line.startswith("Tag=")]


@case
def a_real_run_in_each_format(w):
    path = measured(w)
    (record,) = [line for line in objects_of(w, path)
                 if line["type"] == "record"]
    latency = record["window"]["latency_ns"]

    log = w.run("export", path)
    expect(log, 0)
    assert tags_in(log.stdout) == ["ucontext+queue/latency_ns"], log.stdout
    fields = log.stdout.splitlines()[-1].split(",")
    assert len(fields) == 5 and fields[4].startswith("HISTFAAA"), fields
    assert round(float(fields[3]) * 1e6) == latency["max"], fields
    assert "#[StartTime: " in log.stdout and log.stderr == "", log

    table = w.run("export", "--format", "csv", path)
    expect(table, 0)
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert [int(row["count"]) for row in rows] == [
        count for _, count in latency["buckets"]], table.stdout
    assert int(rows[0]["low_ns"]) <= latency["min"] <= int(rows[0]["high_ns"])

    value = json.loads(w.run("export", "--format=json", path).stdout)
    (found,) = value["histograms"]
    for key in ("count", "sum", "min", "max", "clipped"):
        assert found[key] == latency[key], (key, found)


@case
def the_same_name_gets_tags_that_differ(w):
    one, two = measured(w, "--jobs", "1,2"), measured(w)
    tags = tags_in(w.run("export", one).stdout)
    assert sorted(tags) == ["ucontext+queue/jobs=1/latency_ns",
                            "ucontext+queue/jobs=2/latency_ns"], tags
    tags = tags_in(w.run("export", one, two).stdout)
    assert len(set(tags)) == 3, tags
    # A file that is named twice is written once; a folder stands for the
    # files below it.
    assert len(tags_in(w.run("export", two, two, "./" + one).stdout)) == 3
    assert len(tags_in(w.run("export", "runs").stdout)) == 3
    expect(w.run("export", "runs", "-o", one), 2, err="is the run file itself")


@case
def lines_of_other_types_are_exported_too(w):
    lines = objects_of(w, measured(w))
    latency = lines[1]["window"]["latency_ns"]
    lines.insert(2, {"type": "load", "name": "asm, twice",
                     "response_ns": latency,
                     "phases": [{"seen_ns": latency}, {"seen_ns": latency}]})
    tags = tags_in(w.run("export", write(w, lines)).stdout)
    assert tags == ["ucontext+queue/latency_ns", "asm_twice/response_ns",
                    "asm_twice/phases.0.seen_ns",
                    "asm_twice/phases.1.seen_ns"], tags


@case
def into_a_file(w):
    path = measured(w)
    said = w.run("export", path).stdout
    out = pathlib.Path(w.folder) / "out.hlog"
    for words in (["-o", "out.hlog"], ["--out=out.hlog"],
                  ["--out", "out.hlog"]):
        expect(w.run("export", path, *words), 0, out="")
        assert out.read_text() == said
        out.write_text("old")
    # What a failure would have replaced stays as it was.
    cut = pathlib.Path(w.folder) / "cut.jsonl"
    cut.write_bytes((pathlib.Path(w.folder) / path).read_bytes()[:-9])
    expect(w.run("export", "cut.jsonl", "-o", "out.hlog"), 4,
           err="is incomplete")
    assert out.read_text() == "old"
    left = {p.name for p in pathlib.Path(w.folder).iterdir()}
    assert left == {"runs", "out.hlog", "cut.jsonl"}, left


@case
def what_cannot_be_written(w):
    path = measured(w)
    expect(w.run("export", path, "-o", "absent/out"), 3,
           err="cannot write absent/out: No such file or directory", out="")
    expect(w.run("export", path, "-o", "runs"), 3,
           err="cannot write runs: Is a directory")
    expect(w.run("export", path, "-o", "/dev/full"), 3,
           err="cannot write /dev/full: No space left")
    expect(w.run("export", path, "-o", "x" * 300), 3, err="File name too long")
    expect(w.run("export", path, "-o", "x" * 9000), 2, err="--out: the path")
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([w.command, "export", path], cwd=w.folder,
                                stdout=full, stderr=subprocess.PIPE,
                                text=True, timeout=60, check=False)
    assert result.returncode == 3, result
    assert result.stderr == ("switchyard: cannot write to standard output: No "
                             "space left on device\n"), result.stderr


@case
def measurements_are_not_written_over(w):
    path = measured(w)
    before = (pathlib.Path(w.folder) / path).read_bytes()
    os.symlink(path, pathlib.Path(w.folder) / "link")
    for out in (path, "./" + path, "link"):
        expect(w.run("export", path, "-o", out), 2, err="not written over")
    assert (pathlib.Path(w.folder) / path).read_bytes() == before


@case
def command_lines(w):
    expect(w.run("export"), 2, err="takes 1 .. 32 runs, not 0", out="")
    expect(w.run("export", *["x"] * 33), 2, err="1 .. 32 runs, not 33")
    expect(w.run("export", "--format", "xml", "x"), 2,
           err="accepted: hdr, csv, json")
    expect(w.run("export", "x", "-o"), 2, err="--out needs a value")
    expect(w.run("export", "-q", "x"), 2, err="unknown option '-q'")
    text = w.run("help", "export").stdout
    assert "-o, --out FILE" in text, text
    assert max(map(len, text.splitlines())) <= 80, text
    expect(w.run("export", "--", "-o"), 2, err="-o: No such file")


@case
def files_that_are_not_whole(w):
    path = measured(w)
    data = (pathlib.Path(w.folder) / path).read_bytes()
    made = pathlib.Path(w.folder) / "made.jsonl"
    ends = [i for i, byte in enumerate(data) if byte == 10]
    for cut in (1, 100, ends[0], ends[0] + 1, ends[1] + 1, len(data) - 1):
        made.write_bytes(data[:cut])
        expect(w.run("export", "made.jsonl"), 4, err="is incomplete", out="")
    made.write_bytes(b"")
    expect(w.run("export", "made.jsonl"), 4, err="is empty", out="")
    # A whole file beside it changes nothing: all or none are written.
    expect(w.run("export", path, "made.jsonl"), 4, err="is empty", out="")
    made.write_bytes(data.replace(b'"clipped":0', b'"clipped":1'))
    expect(w.run("export", "made.jsonl"), 2,
           err="was changed after it was written", out="")
    made.write_bytes(b"hello\n")
    expect(w.run("export", "made.jsonl"), 2, err="is not a run file", out="")
    expect(w.run("export", "absent"), 2, err="absent: No such file", out="")
    os.mkdir(os.path.join(w.folder, "empty"))
    expect(w.run("export", "empty"), 4, err="empty: no run file below it",
           out="")


@case
def another_schema(w):
    lines = objects_of(w, measured(w))
    lines[0]["schema"] = "switchyard-run/2"
    expect(w.run("export", write(w, lines)), 2,
           err="has the schema switchyard-run/2, not switchyard-run/1", out="")


@case
def no_histogram(w):
    lines = objects_of(w, measured(w))
    expect(w.run("export", write(w, lines[:1])), 4,
           err="made.jsonl has no histogram", out="")
    lines[1].update(status="skipped", reason="x", window=None)
    expect(w.run("export", write(w, lines)), 4, err="has no histogram", out="")
    expect(w.run("compare", "--switcher", "ucontext", "--engine",
                 "queue", "--workload", "null", "--jobs", "2", "--processes",
                 "4", "--rounds", "1", "--no-verdict", "--out", "compared"), 0)
    (path,) = w.run_files("compared/**/*.jsonl")
    expect(w.run("export", str(path)), 4,
           err="written by 'switchyard compare'", out="")


@case
def histograms_that_contradict_themselves(w):
    for key, value, words in (
            ("count", 1, "the buckets hold"),
            ("count", "1", "no number 'count'"),
            ("max", 10 ** 12, "not in the first and the last bucket"),
            ("clipped", -1, "no number 'clipped'"),
            ("buckets", None, "no list 'buckets'"),
            ("buckets", [[4608, 1]], "no pair of a bucket, 0 .. 4607"),
            ("buckets", [[5, 0]], "no pair of a bucket"),
            ("buckets", [[5, 1], [5, 1]], "bucket 5 does not follow")):
        lines = objects_of(w, measured(w))
        lines[1]["window"]["latency_ns"][key] = value
        expect(w.run("export", write(w, lines)), 2,
               err=["made.jsonl:2: window.latency_ns", words], out="")


@case
def values_that_need_words(w):
    """An interrupted run, clipped values, a name that is no text for a
    terminal."""
    lines = objects_of(w, measured(w))
    latency = lines[1]["window"]["latency_ns"]
    latency["buckets"].append([4607, 2])
    latency.update(count=latency["count"] + 2, clipped=2, max=2 ** 50)
    lines[1]["name"] = "a\ud800b\nc"
    path = write(w, lines)
    result = w.run("export", path)
    expect(result, 0)
    assert "#[a\\ud800b_c/latency_ns: 2 values above 4398046511103 are " \
        "counted in the last bucket]" in result.stdout, result.stdout
    made = pathlib.Path(w.folder) / path
    data = made.read_bytes().replace(b'"interrupted":false',
                                     b'"interrupted":true')
    at = data.rindex(b'"sha256":"') + 10
    made.write_bytes(data[:at] + hashlib.sha256(data[:at]).hexdigest().encode()
                     + b'"}\n')
    expect(w.run("export", path), 0, err="made.jsonl was interrupted")


if __name__ == "__main__":
    sys.exit(main(World, "command"))
