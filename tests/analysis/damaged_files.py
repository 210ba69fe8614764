#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the analysis says of run files that are damaged, foreign or too small.

usage: damaged_files.py ANALYSIS-FOLDER [--only NAME]

Exit 0 if it says what it should, 1 otherwise, 77 without numpy or scipy.
"""

import hashlib
import json
import pathlib
import random
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from cases import case, main  # noqa: E402
import forked_analysis  # noqa: E402


def lines_of(processes=12, rounds=6, labels=("asm+queue", "setjmp+queue"),
             ratio=1.1, seed=2, run_id="20260101T000000Z-000000",
             fingerprint="0123456789abcdef", version="0.1.0", suite="quick",
             protocol=None):
    """The objects of a run file, its end left out."""
    rng = random.Random(seed)
    count = len(labels) + 1
    factors = [ratio ** i for i in range(len(labels))] + [1.0]
    lines = [
        {"type": "meta", "schema": "switchyard-run/1", "run_id": run_id,
         "shard": {"index": 1, "of": 1},
         "machine": {"fingerprint": fingerprint},
         "build": {"version": version, "git": "abc", "compiler": "c",
                   "flags": ""}, "libraries": {}},
        {"type": "comparison", "suite": suite, "seed": 1,
         "candidates": count, "processes": processes, "rounds": rounds,
         "budget_ns": None, "tick_ns": 20, "floor_ns": 1000000, "layouts": 1,
         "aslr": True, "planted_permille": 0}]
    if protocol is not None:  # files from before there was one lack it
        lines[0]["protocol"] = protocol
    for i in range(count):
        twin = 0 if i == len(labels) else None
        lines.append({"type": "candidate", "candidate": i, "task": 0,
                      "twin_of": twin, "operations": 1000, "status": "ok",
                      "reason": None,
                      "label": labels[0] + " (twin)" if twin == 0
                      else labels[i], "device": "workers:1", "jobs": 8,
                      "mix": [{"workload": "null", "param_bytes": None,
                               "weight": 1}]})
    for p in range(processes):
        lines.append({"type": "process", "process": p, "layout": None,
                      "status": "ok"})
        own = [rng.gauss(1, 0.004) for _ in range(count)]
        for r in range(rounds):
            for c in range(count):
                ns = 1e6 * factors[c] * own[c] * rng.gauss(1, 0.01)
                lines.append({
                    "type": "batch", "process": p, "round": r, "position": c,
                    "candidate": c, "operations": 1000,
                    "elapsed_ns": int(ns), "cpu_ns": int(ns),
                    "thread_cpu_ns": int(ns),
                    "tags": ["steal"] if rng.random() < 0.1 else []})
    return lines


def text_of(lines, interrupted=False, records=None):
    """A whole file."""
    data = "".join(json.dumps(line, separators=(",", ":")) + "\n"
                   for line in lines).encode()
    return ended(data, len(lines) - 1 if records is None else records,
                 interrupted)


def ended(data, records, interrupted=False):
    """All lines of a file, and its end."""
    data += json.dumps({"type": "end", "records": records,
                        "interrupted": interrupted, "finished": "x"},
                       separators=(",", ":")).encode()[:-1]
    data += b',"sha256":"'
    return data + hashlib.sha256(data).hexdigest().encode() + b'"}\n'


class World:
    def __init__(self, args, folder):
        self.analysis = args.analysis
        self.schema = args.schema
        self.folder = pathlib.Path(folder)

    def write(self, data, name="run.jsonl"):
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def judge(self, *files, options=()):
        """options: of Python, which then starts anew."""
        if not options:
            return forked_analysis.run(self.analysis, ["compare", *files])
        return subprocess.run(
            ["/usr/bin/python3", *options, self.analysis, "compare", *files],
            capture_output=True, text=True, timeout=60, check=False)


def expect(result, code, *words):
    said = f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    assert result.returncode == code, f"wanted exit {code}, got {said}"
    text = result.stdout if code == 0 else result.stderr
    for word in words:
        assert word in text, f"no '{word}' in: {said}"
    assert "Traceback" not in result.stderr, said
    if code != 0:
        assert result.stdout == "", said


@case
def a_whole_file(w):
    path = w.write(text_of(lines_of()))
    expect(w.judge(path), 0, "asm+queue is the fastest", "FASTER",
           "no difference, as it should be")
    value = json.loads(w.judge("--json", path).stdout)
    pair = value["pairs"][0]
    assert pair["verdict"] == "FASTER" and pair["differs"], pair
    assert pair["low"] < 1 / 1.1 < pair["high"], pair
    assert pair["undisturbed"]["ratio"] < 1, pair
    assert value["units"] == 12 and value["winners"][0]["winner"] == \
        "asm+queue", value
    assert sum(c["disturbed"] for c in value["candidates"]) == \
        value["tags"]["steal"] > 0, value


@case
def no_file(w):
    expect(w.judge(str(w.folder / "absent")), 2, "No such file")
    expect(w.judge(str(w.folder)), 2, "Is a directory")


@case
def empty(w):
    expect(w.judge(w.write(b"")), 4, "is empty")
    expect(w.judge(w.write(b"\n")), 4, "is empty")


@case
def truncated(w):
    """At every kind of place."""
    data = text_of(lines_of(processes=4, rounds=1))
    ends = [i for i, byte in enumerate(data) if byte == 10]
    for cut in (10, ends[0] + 1, ends[3], ends[3] + 1, ends[-2] + 1,
                len(data) - 40, len(data) - 1):
        result = w.judge(w.write(data[:cut]))
        expect(result, 4, "is incomplete")


@case
def changed_by_hand(w):
    data = text_of(lines_of())
    at = data.index(b'"elapsed_ns":1') + len(b'"elapsed_ns":1')
    expect(w.judge(w.write(data[:at] + b"1" + data[at + 1:])), 2,
           "was changed after it was written")


@case
def not_a_run_file(w):
    expect(w.judge(w.write(b"hello\nworld\n")), 2, "is not a run file")
    expect(w.judge(w.write(b"[1]\n")), 2, "is not a run file")
    expect(w.judge(w.write(b"\xff\xfe\0\n\n")), 2, "is not a run file")
    expect(w.judge(w.write(text_of(lines_of()[1:]))), 2, "is no meta")


@case
def another_schema(w):
    lines = lines_of()
    lines[0]["schema"] = "switchyard-run/9"
    expect(w.judge(w.write(text_of(lines))), 2,
           "has the schema switchyard-run/9, not switchyard-run/1")


@case
def no_comparison(w):
    lines = [lines_of()[0], {"type": "record", "name": "asm+queue"}]
    expect(w.judge(w.write(text_of(lines))), 2, "switchyard run")


@case
def wrong_count(w):
    expect(w.judge(w.write(text_of(lines_of(), records=3))), 2,
           "its end says 3")


@case
def nonsense_in_a_batch(w):
    for key, value, code, words in (
            ("elapsed_ns", 0, 4, "the clock stepped"),
            ("elapsed_ns", -5, 4, "the clock stepped"),
            ("elapsed_ns", 2 ** 62, 4, "the clock stepped"),
            ("operations", 0, 2, "without operations"),
            ("candidate", 9, 2, "there is no candidate 9"),
            ("process", 99, 2, "which is not there"),
            ("round", None, 2, "no number 'round'"),
            ("round", 10 ** 12, 2, "there is no round"),
            ("round", 1, 2, "measured twice")):
        lines = lines_of()
        at = next(i for i, line in enumerate(lines)
                  if line["type"] == "batch" and line["round"] == 0)
        lines[at][key] = value
        expect(w.judge(w.write(text_of(lines))), code, words)


@case
def a_clock_that_stepped(w):
    """Some batches without a time are borne and counted; a candidate that has
    none other has nothing to be judged by."""
    lines = lines_of()
    batches = [line for line in lines if line["type"] == "batch"]
    for batch, elapsed in zip(batches[::7], (0, 2 ** 62, 5, 0)):
        batch["elapsed_ns"] = elapsed
        batch["tags"] = ["clock"]
    path = w.write(text_of(lines))
    expect(w.judge(path), 0, f"The clock stepped in 4 of {len(batches)}",
           "asm+queue is the fastest")
    value = json.loads(w.judge("--json", path).stdout)
    assert value["batches"] == len(batches), value
    assert value["tags"]["clock"] == 4, value
    for batch in batches:
        if batch["candidate"] == 1:
            batch["tags"] = ["clock"]
    expect(w.judge(w.write(text_of(lines))), 4, "0 processes")


@case
def cpus_that_were_taken_away(w):
    lines = lines_of()
    for line in lines:
        if line["type"] == "process":
            line["cpus"] = 1 if line["process"] > 4 else 2
    expect(w.judge(w.write(text_of(lines))), 0, "CPUs were taken away",
           "might use 1 to 2")


@case
def incomplete_files_beside_whole_ones(w):
    """What is incomplete is named, and the rest is judged."""
    whole = w.write(text_of(lines_of()), "a.jsonl")
    data = text_of(lines_of(run_id="other"))
    part = w.write(data[:len(data) // 2], "b.tmp")
    empty_one = w.write(b"", "c.tmp")
    result = w.judge(part, whole, empty_one)
    assert result.returncode == 4, result
    assert result.stdout.startswith("3 candidates, 12 processes"), result
    for text in (result.stdout, result.stderr):
        assert f"{part} is incomplete" in text, text
        assert f"{empty_one} is empty; left out" in text, text
    expect(w.judge(part, empty_one), 4, f"{empty_one} is empty")
    bad = w.write(b"hello\n", "d.jsonl")
    expect(w.judge(whole, bad), 2, f"{bad} is not a run file")


@case
def the_whole_processes_of_a_file_that_breaks_off(w):
    lines = lines_of()
    for line in lines:
        if line["type"] == "process":
            line["batches"] = sum(b["type"] == "batch" and b["process"]
                                  == line["process"] for b in lines)
    # As they are written: a process, its batches, the next process.
    lines[4:] = sorted(lines[4:], key=lambda line: (
        line.get("process", -1), line["type"] != "process"))
    text = text_of(lines)
    ends = [i for i, byte in enumerate(text) if byte == 10]
    seventh = next(i for i, line in enumerate(lines)
                   if line["type"] == "process" and line["process"] == 7)
    for cut in (ends[seventh], ends[seventh] + 20, ends[seventh + 2]):
        path = w.write(text[:cut], "run.tmp")
        expect(w.judge(path), 4, "is incomplete")
        value = json.loads(w.judge("--incomplete", "--json", path).stdout)
        assert value["processes"] == 7 and value["incomplete"], value
        expect(w.judge("--incomplete", path), 0, "has no end: it holds 7 of")
    whole = w.write(text)
    assert w.judge("--incomplete", whole).stdout == w.judge(whole).stdout
    expect(w.judge("--incomplete", w.write(text[:ends[0] - 5])), 4,
           "is incomplete")
    expect(w.judge("--incomplete", w.write(text[:ends[1] + 1])), 4,
           "has no candidates")


@case
def more_after_the_end(w):
    lines = lines_of()
    lines.append({"type": "end", "records": 3})
    lines.append(lines[-2])
    expect(w.judge(w.write(text_of(lines))), 2, "goes on after its end")


@case
def too_few_processes(w):
    expect(w.judge(w.write(text_of(lines_of(processes=3)))), 4,
           "3 processes", "too few")
    expect(w.judge(w.write(text_of(lines_of(processes=5)))), 0,
           "too few processes to name a winner")


@case
def a_process_that_ended_early(w):
    lines = lines_of()
    cut = [line for line in lines if not (
        line["type"] == "batch" and line["process"] == 3
        and line["candidate"] == 1)]
    expect(w.judge(w.write(text_of(cut))), 0, "1 processes ended before")


@case
def an_interrupted_run(w):
    expect(w.judge(w.write(text_of(lines_of(), interrupted=True))), 0,
           "was interrupted")


@case
def shards_are_pooled(w):
    a = w.write(text_of(lines_of()), "a.jsonl")
    b = w.write(text_of(lines_of(seed=3, run_id="other")), "b.jsonl")
    value = json.loads(w.judge("--json", a, b).stdout)
    assert value["processes"] == 24, value


@case
def a_file_without_protocol_is_of_the_first(w):
    a = w.write(text_of(lines_of()), "a.jsonl")
    b = w.write(text_of(lines_of(seed=3, run_id="other", protocol="1")),
                "b.jsonl")
    value = json.loads(w.judge("--json", a, b).stdout)
    assert value["processes"] == 24, value


@case
def what_must_not_be_pooled(w):
    a = w.write(text_of(lines_of()), "a.jsonl")
    for words, changes in (
            ("machine", {"fingerprint": "f" * 16}),
            ("version", {"version": "0.2.0"}),
            ("measuring protocol", {"protocol": "2"}),
            ("suite (quick; standard)", {"suite": "standard"}),
            ("suite (quick; none)", {"suite": None}),
            ("candidates", {"labels": ("asm+queue", "ucontext+queue")})):
        b = w.write(text_of(lines_of(run_id="other", **changes)), "b.jsonl")
        expect(w.judge(a, b), 2, f"differ in {words}", "not judged together")
    expect(w.judge(a, a), 2, "the same run")


@case
def which_of_the_machine_differs_is_named(w):
    def keyed(hardware, environment, **facts):
        lines = lines_of(run_id=hardware + environment)
        lines[0]["machine"] = {"fingerprint": hardware + environment,
                               "hardware_key": hardware,
                               "environment_key": environment,
                               "cpu_model": hardware}
        lines[0]["environment"] = facts
        return w.write(text_of(lines), f"{hardware}-{environment}.jsonl")

    a = keyed("h1", "e1", governor="performance")
    result = w.judge(a, keyed("h1", "e2", governor="powersave"))
    expect(result, 2, "differ in machine", "fingerprints h1e1 and h1e2",
           "another environment: governor performance and powersave")
    assert "another hardware" not in result.stderr, result.stderr
    result = w.judge(a, keyed("h2", "e1", governor="performance"))
    expect(result, 2, "another hardware: cpu_model h1 and h2")
    assert "another environment" not in result.stderr, result.stderr
    older = w.write(text_of(lines_of(run_id="older")), "older.jsonl")
    expect(w.judge(a, older), 2, "differ in machine", "older than its key")


@case
def json_keeps_the_schema(w):
    if w.schema is None:
        print("  no schema given: not looked at")
        return
    try:
        import jsonschema
    except ImportError:
        print("  no python3-jsonschema: not looked at")
        return
    schema = json.loads(pathlib.Path(w.schema).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    cases = [lines_of(), lines_of(processes=4), lines_of(labels=("a",)),
             lines_of(labels=tuple("abcdef"), ratio=1.0)]
    cases[0].insert(5, dict(cases[0][2], candidate=None, status="skipped",
                            label="threads+queue", reason="too many"))
    for lines in cases:
        result = w.judge("--json", w.write(text_of(lines)))
        value = json.loads(result.stdout)
        errors = [f"{list(e.path)}: {e.message}"
                  for e in validator.iter_errors(value)]
        assert not errors, errors
        # A schema that takes anything would pass too.
        for key in value:
            less = {k: v for k, v in value.items() if k != key}
            assert not validator.is_valid(less), key
        assert not validator.is_valid(dict(value, more=1))


@case
def without_numpy(w):
    """-S hides the modules of the distribution."""
    path = w.write(text_of(lines_of()))
    expect(w.judge(path, options=("-I", "-S", "-B")), 3,
           "python3-numpy python3-scipy")


if __name__ == "__main__":
    sys.exit(main(World, "analysis", "--schema", modules=("numpy", "scipy")))
