#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard replay`: a run, once more.

usage: replay_command.py PATH-OF-switchyard [--only NAME]

Uses the helpers of command_line.py.
"""

import glob
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from command_line import World, case, expect, main  # noqa: E402

COMPARE = ["compare", "asm+queue", "ucontext+queue", "--workload", "null",
           "--jobs", "4", "--device",
           "sim:mode=poll,poll=inline,service=fixed:0us", "--seed", "5",
           "--no-verdict", "--run-id", "one"]
COUNTS = ["--processes", "5", "--rounds", "3"]


def lines_of(path):
    return [json.loads(s) for s in path.read_text().splitlines()]


def text_of(lines):
    """A whole file of changed lines, its hash made right again."""
    data = "".join(json.dumps(line, separators=(",", ":")) + "\n"
                   for line in lines)
    data = data[:data.rindex('"sha256":"') + 10].encode()
    return data + hashlib.sha256(data).hexdigest().encode() + b'"}\n'


def begun(w, folder):
    """Files that are being written. pathlib's glob stumbles over folders that
    come and go."""
    return glob.glob(os.path.join(w.folder, folder, "**", "*.tmp"),
                     recursive=True)


def of(lines, kind):
    return [line for line in lines if line["type"] == kind]


def keeps_the_schema(value):
    try:
        import jsonschema
    except ImportError:
        return  # the rest of the case holds without it
    schema = pathlib.Path(__file__).resolve().parents[2] / \
        "docs/replay.schema.json"
    jsonschema.validate(value, json.loads(schema.read_text()))


@case
def a_comparison_is_repeated_in_its_order(w):
    expect(w.run(*COMPARE, *COUNTS), 0)
    result = w.run("replay", "runs/one", "--json", "--out", "again")
    assert result.returncode in (0, 1), result
    value = json.loads(result.stdout)
    keeps_the_schema(value)
    assert value["then"] == "one" and value["differences"] == [], value
    old = lines_of(w.run_files("runs/**/*.jsonl")[0])
    new = lines_of(w.run_files("again/replay-*/**/*.jsonl")[0])
    for a, b in ((old, new), (new, old)):
        settings = of(a, "comparison")[0]
        assert settings["seed"] == 5, settings
        assert settings["processes"] == 5 and settings["rounds"] == 3
        assert [p["seed"] for p in of(a, "process")] == \
            [p["seed"] for p in of(b, "process")]
        assert [(x["process"], x["position"], x["candidate"])
                for x in of(a, "batch")] == \
            [(x["process"], x["position"], x["candidate"])
             for x in of(b, "batch")]
    assert all(c["outcome"] in ("reproduced", "opposite", "unresolved")
               for c in value["claims"]), value


@case
def a_plain_run_is_put_beside_itself(w):
    expect(w.run("run", "asm+queue", "setjmp+queue", "--no-reference",
                 "--workload", "null", "--duration", "20ms", "--jobs", "2",
                 "--run-id", "two"), 0)
    result = w.run("replay", "runs/two")
    expect(result, 0, err="repeating runs/two")
    assert "repeats two" in result.stdout, result.stdout
    assert "null, asm+queue, 2 jobs" in result.stdout, result.stdout
    keeps_the_schema(json.loads(
        w.run("replay", "runs/two", "--json", "--out", "again").stdout))


@case
def a_dry_run_prints_the_command(w):
    expect(w.run(*COMPARE, "--time", "3s"), 0)
    result = w.run("replay", "runs/one", "--dry-run")
    expect(result, 0)
    words = result.stdout.split()
    assert words[:2] == ["switchyard", "compare"], words
    assert "--time" not in words and "--run-id" not in words, words
    assert words[words.index("--seed") + 1] == "5", words
    settings = of(lines_of(w.run_files("runs/**/*.jsonl")[0]), "comparison")[0]
    assert int(words[words.index("--processes") + 1]) == \
        settings["processes"], (words, settings)
    assert len(w.run_files()) == 1, w.run_files()


@case
def an_interrupt_concludes_nothing(w):
    expect(w.run(*COMPARE, *COUNTS), 0)
    path = w.run_files("runs/**/*.jsonl")[0]
    process = subprocess.Popen(
        [w.command, "replay", str(path), "--out", "again"], cwd=w.folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not begun(w, "again") and process.poll() is None and \
            time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    if process.returncode in (0, 1):
        return  # it was faster
    assert process.returncode == 130, (process.returncode, err)
    assert out == "" and "nothing is concluded" in err, (out, err)


@case
def what_cannot_be_repeated(w):
    expect(w.run("replay"), 2, err="one run", out="")
    expect(w.run("replay", "absent"), 2, err="absent", out="")
    os.mkdir(os.path.join(w.folder, "empty"))
    expect(w.run("replay", "empty"), 4, err="no run file", out="")
    expect(w.run(*COMPARE, *COUNTS), 0)
    expect(w.run(*COMPARE[:-1], "other", *COUNTS), 0)
    expect(w.run("replay", "runs"), 2, err=["2 runs", "one", "other"], out="")
    path = w.run_files("runs/one/**/*.jsonl")[0]
    pathlib.Path(w.folder, "cut.jsonl").write_bytes(path.read_bytes()[:-9])
    expect(w.run("replay", "cut.jsonl"), 4, err="cut off", out="")
    lines = [json.loads(s) for s in path.read_text().splitlines()]
    for word in ("run\0--load\0made.so", "\ud800"):
        lines[0]["argv"].append(word)
        pathlib.Path(w.folder, "made.jsonl").write_bytes(text_of(lines))
        lines[0]["argv"].pop()
        expect(w.run("replay", "--dry-run", "made.jsonl"), 2,
               err="no command line can", out="")


if __name__ == "__main__":
    sys.exit(main(World, "command", modules=("numpy", "scipy")))
