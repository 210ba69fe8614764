#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard run --shard`, `compare --shard` and `switchyard merge`.

usage: merge_command.py PATH-OF-switchyard [--schema FILE] [--only NAME]

As command_line.py, whose helpers it uses.
"""

import hashlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from command_line import Skip, World, case, expect, main  # noqa: E402

RUN = ["run", "asm+*", "!*+io_uring*,*uring", "--workload", "null",
       "--no-reference", "--jobs", "2,4", "--duration", "10ms", "--device",
       "sim:mode=poll,service=fixed:1us"]
COMPARE = ["compare", "--switcher", "asm,ucontext", "--workload", "null",
           "--device", "sim:mode=poll,service=fixed:1us", "--jobs", "4",
           "--processes", "5", "--rounds", "2"]


MEASURED = {}  # what shard() measured: one file


def shard(w, words, index, of, run_id="r"):
    """A shard in runs/: measured once, and copied where others need it."""
    key = (*words, index, of, run_id)
    if key in MEASURED:
        path, data = MEASURED[key]
        path = pathlib.Path(w.folder) / path
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists(), path
        path.write_bytes(data)
        return
    expect(w.run(*words, "--run-id", run_id, "--shard", f"{index}/{of}"), 0,
           err="merge runs/")
    path, = w.run_files(f"runs/{run_id}/**/shard-{index}of{of}.jsonl")
    MEASURED[key] = path.relative_to(w.folder), path.read_bytes()


def shards(w, words, of, **more):
    """All files of a run, in order."""
    for index in range(1, of + 1):
        shard(w, words, index, of, **more)
    return sorted(p for p in w.run_files("runs/**/*.jsonl"))


def merged(w):
    found = w.run_files("runs/**/shard-1of1.jsonl")
    assert len(found) == 1, found
    return found[0]


def lines_of(path):
    return [json.loads(s) for s in path.read_text().splitlines()]


def of(lines, kind):
    return [line for line in lines if line["type"] == kind]


def what(record):
    return record["name"], record["jobs"]


def seal(lines):
    """A run file of these lines, with a right end."""
    end = dict(lines[-1], records=len(lines) - 2)
    del end["sha256"]
    data = "".join(json.dumps(line, separators=(",", ":")) + "\n"
                   for line in lines[:-1])
    data += json.dumps(end, separators=(",", ":"))[:-1] + ',"sha256":"'
    return data + hashlib.sha256(data.encode()).hexdigest() + '"}\n'


def forge(path, change, to=None):
    """Write a file again, whole, with its lines changed."""
    lines = lines_of(path)
    change(lines)
    to = to or path
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(seal(lines))
    return to


# ---- shards -----------------------------------------------------------------


@case
def shards_of_a_run_are_the_whole(w):
    expect(w.run(*RUN, "--out", "whole"), 0)
    whole = lines_of(w.run_files("whole/**/*.jsonl")[0])
    parts = [of(lines_of(p), "record") for p in shards(w, RUN, 3)]
    assert len(parts) == 3 and all(parts), parts
    sizes = [len(p) for p in parts]
    assert max(sizes) - min(sizes) <= 1, sizes
    assert sorted(map(what, itertools.chain(*parts))) == sorted(
        map(what, of(whole, "record")))
    metas = [lines_of(p)[0] for p in w.run_files("runs/**/*.jsonl")]
    assert {(m["shard"]["index"], m["shard"]["of"]) for m in metas} == {
        (1, 3), (2, 3), (3, 3)}
    assert {m["run_id"] for m in metas} == {"r"}


@case
def a_shard_is_chosen_by_the_plan_alone(w):
    plans = [w.run(*RUN, "--run-id", "r", "--shard", "2/3", "--dry-run").stdout
             for _ in range(2)]
    assert plans[0] == plans[1] and plans[0], plans
    all_of_it = w.run(*RUN, "--dry-run").stdout.splitlines()[:-1]
    mine = plans[0].splitlines()[:-1]
    assert [line[5:] for line in mine] == [
        line[5:] for line in all_of_it[1::3]], (mine, all_of_it)


@case
def shards_of_a_comparison_are_the_whole(w):
    found = shards(w, COMPARE, 2)
    numbers = [[p["process"] for p in of(lines_of(f), "process")]
               for f in found]
    assert numbers == [[0, 2, 4], [1, 3]], numbers
    for f in found:
        settings = of(lines_of(f), "comparison")[0]
        assert settings["processes"] == 5, settings


@case
def bad_shards(w):
    for text in ("0/3", "4/3", "3", "1/0", "-1/3", "1/1001", "a/b", "1/2/3",
                 "1 /3", "/", ""):
        for command in (RUN, COMPARE):
            expect(w.run(*command, "--run-id", "r", f"--shard={text}"), 2,
                   err=["--shard", "1 .. 1000"], out="")
    expect(w.run(*RUN, "--shard", "1/2"), 2, err="--run-id", out="")
    for name in ("", ".hidden", "a/b", "x" * 128, "ä"):
        expect(w.run(*RUN, f"--run-id={name}"), 2, err="--run-id", out="")
    expect(w.run(*RUN, "--run-id", "r", "--shard", "1/900"), 2,
           err=["experiments", "N is 1 .."], out="")
    expect(w.run(*COMPARE, "--run-id", "r", "--shard", "1/6"), 2,
           err=["5 processes", "N is 1 .. 5"], out="")
    expect(w.run(*COMPARE[:-2], "--run-id", "r", "--shard", "1/2"), 2,
           err="needs --processes and --rounds", out="")
    assert not w.run_files(), w.run_files()


@case
def a_shard_is_not_overwritten(w):
    shard(w, RUN, 1, 2)
    path = w.run_files("runs/**/*.jsonl")[0]
    before = path.read_bytes()
    expect(w.run(*RUN, "--run-id", "r", "--shard", "1/2"), 3,
           err="File exists")
    assert path.read_bytes() == before
    path.rename(str(path) + ".tmp")
    expect(w.run(*RUN, "--run-id", "r", "--shard", "1/2"), 3,
           err=["File exists", "killed"])
    assert pathlib.Path(str(path) + ".tmp").read_bytes() == before


# ---- merging ----------------------------------------------------------------


@case
def a_run_is_merged(w):
    found = shards(w, RUN, 3)
    expect(w.run("merge", "runs/r"), 0, err="merged 3 of 3 shards; wrote",
           out="")
    lines = lines_of(merged(w))
    want = [r for p in found for r in of(lines_of(p), "record")]
    assert of(lines, "record") == want
    meta, end = lines[0], lines[-1]
    assert meta["shard"] == {"index": 1, "of": 1}
    assert meta["merged_from"] == [
        {"index": i, "of": 3, "sha256": lines_of(p)[-1]["sha256"]}
        for i, p in enumerate(found, 1)], meta
    assert meta["missing_shards"] == [] and end["interrupted"] is False
    assert end["records"] == len(want)
    assert "--shard" not in meta["argv"], meta
    assert merged(w).read_text() == seal(lines)


@case
def merged_files_keep_the_schema(w):
    if w.schema is None:
        raise Skip("no --schema")
    try:
        import jsonschema
    except ImportError:
        raise Skip("python3-jsonschema is not installed") from None
    check = jsonschema.Draft202012Validator(
        json.loads(pathlib.Path(w.schema).read_text()))
    shards(w, RUN, 2)
    shards(w, COMPARE, 2, run_id="c")
    expect(w.run("merge", "runs/r", "runs/c"), 0,
           err=["run r: merged", "run c: merged"])
    for path in w.run_files("runs/**/shard-1of1.jsonl"):
        for line in lines_of(path):
            errors = [e.message for e in check.iter_errors(line)]
            assert not errors, (line, errors)


@case
def merging_again_gives_the_same_bytes(w):
    found = shards(w, RUN, 2)
    expect(w.run("merge", "runs/r"), 0, err="wrote")
    before = merged(w).read_bytes()
    stamp = merged(w).stat().st_mtime_ns
    expect(w.run("merge", "runs/r"), 0, err="unchanged")
    assert merged(w).read_bytes() == before
    assert merged(w).stat().st_mtime_ns == stamp
    # In another order, elsewhere, with a copy, with the merged one itself.
    shutil.copy2(found[0], pathlib.Path(w.folder) / "copy.jsonl")
    expect(w.run("merge", str(found[1]), "copy.jsonl", str(found[0]),
                 str(merged(w)), "--out", "other"), 0)
    expect(w.run("merge", str(merged(w)), "--out", "third"), 0,
           err="is one file")
    for where in ("other", "third"):
        path = w.run_files(f"{where}/**/*.jsonl")
        assert len(path) == 1 and path[0].read_bytes() == before, path
        assert path[0].parts[-3:] == merged(w).parts[-3:], path


@case
def what_is_missing_is_named(w):
    for index in (1, 4, 7):
        shard(w, RUN, index, 7)
    expect(w.run("merge", "runs/r"), 4,
           err=["of 7 shards, missing: 2, 3, 5, 6", "merged 3 of 7"])
    lines = lines_of(merged(w))
    assert lines[0]["missing_shards"] == [2, 3, 5, 6]
    assert lines[-1]["interrupted"] is True
    for index in (2, 3, 5, 6):
        shard(w, RUN, index, 7)
    expect(w.run("merge", "runs/r"), 0, err="merged 7 of 7")
    late = merged(w).read_bytes()
    merged(w).unlink()
    expect(w.run("merge", "runs/r"), 0)
    assert merged(w).read_bytes() == late


@case
def damaged_files_are_named_and_left_out(w):
    found = shards(w, RUN, 5)
    data = found[0].read_bytes()
    cut = data[:len(data) // 2]
    found[0].write_bytes(cut)
    found[1].write_bytes(found[1].read_bytes().replace(
        b'"status":"ok"', b'"status":"OK"', 1))
    found[2].rename(str(found[2]) + ".tmp")
    found[3].write_bytes(b"")
    expect(w.run("merge", "runs/r"), 2,
           err=[f"{found[0].name} is incomplete: line",
                f"{found[1].name} was changed after it was written",
                f"{found[2].name}.tmp was not finished",
                f"{found[3].name} is empty",
                "missing: 1 .. 4", "merged 1 of 5"])
    assert of(lines_of(merged(w)), "record") == of(lines_of(found[4]),
                                                   "record")
    # Incomplete alone is 4: nobody changed anything.
    for f in (found[1], found[3]):
        f.unlink()
    expect(w.run("merge", "runs/r"), 4, err="is incomplete")
    assert found[0].read_bytes() == cut


@case
def an_interrupted_shard_makes_an_interrupted_run(w):
    found = shards(w, RUN, 2)

    def cut(lines):
        del lines[-2]
        lines[-1]["interrupted"] = True
    forge(found[1], cut)
    expect(w.run("merge", "runs/r"), 0, err="was interrupted")
    assert lines_of(merged(w))[-1]["interrupted"] is True


@case
def different_machines_are_never_pooled(w):
    found = shards(w, RUN, 2)

    def other(lines):
        lines[0]["machine"].update(fingerprint="f" * 16,
                                   hardware_key="e" * 16, cpu_model="Other")
    theirs = forge(found[1], other,
                   found[1].parent.parent / ("f" * 16) / found[1].name)
    found[1].unlink()
    mine = lines_of(found[0])[0]["machine"]
    expect(w.run("merge", "runs/r"), 2,
           err=[mine["fingerprint"], "f" * 16, "another hardware",
                mine["cpu_model"], "Other", str(found[0].name),
                str(theirs.name)])
    assert not w.run_files("runs/**/shard-1of1.jsonl")
    # Each by itself can be merged, and says what is missing.
    expect(w.run("merge", f"runs/r/{'f' * 16}"), 4, err="missing: 1")


@case
def the_environment_is_told_from_the_hardware(w):
    found = shards(w, RUN, 2)

    def other(lines):
        lines[0]["machine"].update(fingerprint="f" * 16,
                                   environment_key="e" * 16)
        lines[0]["environment"]["governor"] = "powersave"
    forge(found[1], other)
    result = w.run("merge", "runs/r")
    expect(result, 2, err=["another environment: governor", "powersave"])
    assert "another hardware" not in result.stderr, result.stderr


@case
def what_is_no_part_of_the_run_is_refused(w):
    found = shards(w, RUN, 2)
    kept = found[1].read_bytes()

    def put(name, change, words, rest=False):
        """rest: the file is unusable by itself, so the others are merged."""
        forge(found[1], change)
        expect(w.run("merge", "runs/r"), 2,
               err=[words, name] + ["merged 1 of 2"] * rest)
        found[1].write_bytes(kept)
        done = w.run_files("runs/**/shard-1of1.jsonl")
        assert len(done) == rest, done
        for path in done:
            path.unlink()

    name = found[1].name
    put(name, lambda x: x[0].update(argv=["switchyard", "run", "setjmp"]),
        "differ in what was asked for")
    put(name, lambda x: x[0].update(seed=99), "differ in what was asked for")
    put(name, lambda x: x[0]["build"].update(flags="-O0"),
        "differ in the build")
    put(name, lambda x: x[0]["libraries"].update(openssl="OpenSSL 9"),
        "differ in the libraries")
    put(name, lambda x: x[0]["shard"].update(of=3),
        "differ in the number of shards")
    put(name, lambda x: x[0]["shard"].update(index=1), "are both shard 1")
    put(name, lambda x: x[0]["shard"].update(index=3), "no shard 3 of 2",
        True)
    put(name, lambda x: x[0].pop("shard"), "which shard", True)
    put(name, lambda x: x[0].update(schema="switchyard-run/2"),
        "another version", True)


@case
def what_was_measured_is_not_overwritten(w):
    expect(w.run(*RUN, "--run-id", "r", "--seed", "5"), 0)
    path = merged(w)
    before = path.read_bytes()
    for index in (1, 2):
        shard(w, RUN, index, 2)
    result = w.run("merge", *[str(p) for p in
                              w.run_files("runs/**/shard-*of2.jsonl")])
    expect(result, 2, err="in the way")
    assert path.read_bytes() == before
    path.write_bytes(before[:-20])
    expect(w.run("merge", *[str(p) for p in
                            w.run_files("runs/**/shard-*of2.jsonl")]), 2,
           err="in the way")
    assert path.read_bytes() == before[:-20]


@case
def one_bad_run_does_not_stop_the_other(w):
    for run_id in ("a", "b"):
        for index in (1, 2):
            shard(w, RUN, index, 2, run_id=run_id)
    bad = w.run_files("runs/a/**/shard-1of2.jsonl")[0]
    forge(bad, lambda lines: lines[0].update(seed=4711))
    expect(w.run("merge", "runs/a", "runs/b", "runs/absent"), 2,
           err=["run a:", "differ in", "run b: merged 2 of 2", "absent"])
    assert merged(w).parts[-3] == "b"


@case
def a_comparison_is_merged_and_judged(w):
    found = shards(w, COMPARE, 2)
    expect(w.run("merge", "runs/r"), 0, err="merged 2 of 2")
    lines = lines_of(merged(w))
    parts = [lines_of(p) for p in found]
    assert [p["process"] for p in of(lines, "process")] == [0, 1, 2, 3, 4]
    assert len(of(lines, "comparison")) == 1
    assert len(of(lines, "candidate")) == 3
    batches = sorted((json.dumps(b) for p in parts for b in of(p, "batch")))
    assert sorted(json.dumps(b) for b in of(lines, "batch")) == batches
    for i, candidate in enumerate(of(lines, "candidate")):
        theirs = {of(p, "candidate")[i]["operations"] for p in parts}
        assert candidate["operations"] == (
            theirs.pop() if len(theirs) == 1 else None), candidate
    if subprocess.run(["/usr/bin/python3", "-I", "-c", "import numpy, scipy"],
                      capture_output=True, check=False).returncode != 0:
        raise Skip("no numpy or scipy")
    result = w.run("judge", "--json", str(merged(w)))
    expect(result, 0)
    assert json.loads(result.stdout)["processes"] == 5, result.stdout


@case
def bad_input(w):
    expect(w.run("merge"), 2, err="merge takes 1 .. ", out="")
    expect(w.run("merge", *["x"] * 60), 2, err="not 60", out="")
    expect(w.run("merge", "absent"), 2, err="absent: No such file", out="")
    os.mkdir(os.path.join(w.folder, "empty"))
    expect(w.run("merge", "empty"), 4, err="no run file below it", out="")
    (pathlib.Path(w.folder) / "text").write_text("hello\n")
    expect(w.run("merge", "text"), 2, err="not a run file", out="")
    expect(w.run("merge", "--frob"), 2, err="--frob", out="")
    found = shards(w, RUN, 2)
    (pathlib.Path(w.folder) / "file").write_text("")
    expect(w.run("merge", "runs/r", "--out", "file/below"), 3,
           err="cannot write file/below")
    assert [p for p in w.run_files("runs/**/*.jsonl")
            if p.name == "shard-1of1.jsonl"] == []
    assert sorted(w.run_files("runs/**/*.jsonl")) == found
    expect(w.run("merge", "--help"), 0)


if __name__ == "__main__":
    sys.exit(main(World, "command", "--schema"))
