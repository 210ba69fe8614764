# SPDX-License-Identifier: Apache-2.0
"""Joins the shards of a run into one run file.

usage: analysis merge [--out DIR] [--] RUN...

A RUN is a file, or a folder with files somewhere below it. Lines are copied as
they are; only "meta", "end", and what describes a comparison as a whole are
written anew, and nothing of that depends on when or where it is merged. So the
same shards give the same bytes.
"""

import argparse
import hashlib
import json
import os
import re
import sys

from . import run_file
from .run_file import INCOMPLETE, WRONG, Refused

ENVIRONMENT = 3

# The severest of several, as an exit code.
SEVERITY = {0: 0, INCOMPLETE: 1, WRONG: 2, ENVIRONMENT: 3}

SHARD_NAME = re.compile(r"shard-(\d+)of(\d+)\.jsonl(\.tmp)?$")

# As many as `switchyard run --shard` takes. A number from a file is not counted
# up to without a bound.
SHARDS_MAX = 1000

# As the command calls a run, and a machine: names of folders, no paths.
FOLDER_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,126}")

# Options that may differ between shards: which shard, and what is done with
# the results. Those of the first row have a value.
WITH_VALUE = ("--shard", "--out")
FLAGS = ("--json", "--no-verdict")


class Shard:
    """One whole file."""

    def __init__(self, path):
        data = run_file.read_bytes(path)
        if data.strip():
            run_file.check_first_line(path, data)
        run_file.check_whole(path, data)
        self.path = path
        self.raw = data.splitlines(keepends=True)
        self.lines = list(run_file.parse(path, data))
        self.meta, self.end = self.lines[0], self.lines[-1]
        run_file.check_meta(path, self.meta)
        if self.end.get("records") != len(self.lines) - 2 or any(
                line["type"] == "end" for line in self.lines[:-1]):
            raise Refused(WRONG, f"{path} has {len(self.lines) - 2} lines "
                          "between meta and end, its end says "
                          f"{self.end.get('records')}")
        try:
            self.index = int(self.meta["shard"]["index"])
            self.of = int(self.meta["shard"]["of"])
            self.run_id = str(self.meta["run_id"])
            self.machine = self.meta["machine"]
            self.fingerprint = str(self.machine["fingerprint"])
        except (KeyError, TypeError, ValueError):
            raise Refused(WRONG, f"{path}: its first line does not say which "
                          "shard of which run it is") from None
        if not 1 <= self.index <= self.of <= SHARDS_MAX:
            raise Refused(WRONG, f"{path}: there is no shard {self.index} of "
                          f"{self.of}")
        # What is merged is written into folders called so.
        for what, name in (("run", self.run_id),
                           ("machine", self.fingerprint)):
            if not FOLDER_NAME.fullmatch(name):
                raise Refused(WRONG, f"{path}: {name[:40]!a} is no name of a "
                              f"{what}: such a name is 1 .. 127 letters, "
                              "digits, '.', '_' or '-', and does not begin "
                              "with '.'")

    def is_merged(self):
        return "merged_from" in self.meta

    def sha256(self):
        return self.end["sha256"]

    def between(self):
        """The lines between meta and end, with their bytes."""
        return zip(self.lines[1:-1], self.raw[1:-1])

    def is_comparison(self):
        return any(line["type"] == "comparison" for line in self.lines)


# ---- finding files ----------------------------------------------------------


def files_of(given):
    """Files that an argument stands for; those that were not finished too."""
    if not os.path.isdir(given):
        return [given]
    found = []
    for folder, _, names in os.walk(given):
        found += [os.path.join(folder, name) for name in names
                  if SHARD_NAME.search(name)]
    if not found:
        raise Refused(INCOMPLETE, f"{given}: no run file below it")
    return sorted(found)


def is_unfinished(path):
    return path.endswith(".tmp")


# ---- what must be the same --------------------------------------------------


def without_options_of_shards(argv):
    kept, skip = [], False
    for word in argv or []:
        if skip:
            skip = False
        elif word in WITH_VALUE:
            skip = True
        elif word not in FLAGS and not word.startswith(
                tuple(option + "=" for option in WITH_VALUE)):
            kept.append(word)
    return kept


def identity(shard):
    """What the shards of one run have in common, by name."""
    meta = shard.meta
    value = {
        "the number of shards": shard.of,
        "what was asked for": (without_options_of_shards(meta.get("argv")),
                               meta.get("seed"), meta.get("suite")),
        "the build": meta.get("build"),
        "the libraries": meta.get("libraries"),
    }
    for line in shard.lines[1:-1]:
        if line["type"] == "comparison":
            value["the comparison"] = {
                key: line.get(key) for key in
                ("seed", "candidates", "processes", "rounds", "layouts",
                 "planted_permille")}
        elif line["type"] == "candidate":
            value.setdefault("the candidates", []).append(
                {key: line[key] for key in line if key != "operations"})
    return value


def check_machine(shards):
    """Different machines are never pooled."""
    first = shards[0]
    for other in shards[1:]:
        if other.fingerprint != first.fingerprint:
            raise Refused(WRONG, f"run {first.run_id}: {first.path} and "
                          f"{other.path} are of different machines: "
                          + run_file.describe_machines(first.meta, other.meta)
                          + "; merge the folder of each by itself")


def check_same(shards):
    first = identity(shards[0])
    for other in shards[1:]:
        theirs = identity(other)
        for name in first.keys() | theirs.keys():
            if first.get(name) != theirs.get(name):
                raise Refused(WRONG, f"run {shards[0].run_id}: "
                              f"{shards[0].path} and {other.path} differ in "
                              f"{name}: they are not parts of one run")


def each_once(shards):
    """By index. A copy of a shard is no second shard."""
    by_index = {}
    for shard in shards:
        other = by_index.setdefault(shard.index, shard)
        if other.sha256() != shard.sha256():
            raise Refused(WRONG, f"run {shard.run_id}: {other.path} and "
                          f"{shard.path} are both shard {shard.index} of "
                          f"{shard.of}, and differ")
    return [by_index[index] for index in sorted(by_index)]


# ---- the merged file --------------------------------------------------------


def dump(value):
    return json.dumps(value, separators=(",", ":"),
                      ensure_ascii=False).encode() + b"\n"


def merged_meta(shards, missing):
    meta = dict(shards[0].meta)
    meta["shard"] = {"index": 1, "of": 1}
    meta["started"] = min(s.meta.get("started") or "" for s in shards)
    meta["argv"] = without_options_of_shards(meta.get("argv"))
    meta["merged_from"] = [{"index": s.index, "of": s.of, "sha256": s.sha256()}
                           for s in shards]
    meta["missing_shards"] = missing
    return meta


def merged_comparison(settings):
    """One description of what several commands calibrated, each for itself."""
    value = dict(settings[0])
    for key in ("tick_ns", "floor_ns"):
        value[key] = max(line[key] for line in settings)
    value["aslr"] = all(line["aslr"] for line in settings)
    return value


def merged_candidates(lists):
    """Batches say how many operations they had; where the shards differ in
    that, the candidate does not."""
    candidates = [dict(line) for line in lists[0]]
    for i, candidate in enumerate(candidates):
        if any(one[i]["operations"] != candidate["operations"]
               for one in lists):
            candidate["operations"] = None
    return candidates


def of_type(shard, kind):
    return [line for line in shard.lines[1:-1] if line["type"] == kind]


def comparison_lines(shards):
    yield dump(merged_comparison([of_type(s, "comparison")[0]
                                  for s in shards]))
    for candidate in merged_candidates([of_type(s, "candidate")
                                        for s in shards]):
        yield dump(candidate)
    by_process = {}
    for shard in shards:
        for line, raw in shard.between():
            if line["type"] not in ("process", "batch"):
                continue
            if (line["type"] == "process" and line["process"] in by_process):
                raise Refused(WRONG, f"{shard.path}: process "
                              f"{line['process']} is in another shard too")
            by_process.setdefault(line["process"], []).append(raw)
    for process in sorted(by_process):
        yield from by_process[process]


def record_lines(shards):
    for shard in shards:
        for _, raw in shard.between():
            yield raw


def merged_bytes(shards, missing):
    lines = list(comparison_lines(shards) if shards[0].is_comparison()
                 else record_lines(shards))
    data = dump(merged_meta(shards, missing)) + b"".join(lines)
    data += (b'{"type":"end","records":%d,"interrupted":%s,"finished":"%s",'
             b'"sha256":"' % (
                 len(lines),
                 b"true" if missing or any(s.end.get("interrupted")
                                           for s in shards) else b"false",
                 max(s.end.get("finished") or "" for s in shards).encode()))
    return data + hashlib.sha256(data).hexdigest().encode() + b'"}\n'


def write(path, data):
    """Returns whether the file had to be written. Readers see the old one or
    the new one, and never a part."""
    try:
        with open(path, "rb") as f:
            if f.read() == data:
                return False
    except FileNotFoundError:
        pass
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = f"{path}.merging-{os.getpid()}"
    try:
        with open(partial, "xb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
    return True


# ---- one run ----------------------------------------------------------------


def numbers(values):
    """'1, 3 .. 5'."""
    words, values = [], list(values)
    while values:
        count = 1
        while count < len(values) and values[count] == values[0] + count:
            count += 1
        if count > 2:
            words.append(f"{values[0]} .. {values[count - 1]}")
        else:
            words += map(str, values[:count])
        values = values[count:]
    return ", ".join(words)


def destination(shard, out):
    """Of the merged file: beside the shard, or in the same place below out."""
    if out is None:
        return os.path.join(os.path.dirname(shard.path) or ".",
                            "shard-1of1.jsonl")
    return os.path.join(out, shard.run_id, shard.fingerprint,
                        "shard-1of1.jsonl")


def check_destination(path, shards, merged):
    """What was merged earlier may be replaced; what was measured may not."""
    if not os.path.exists(path) or path in [s.path for s in merged]:
        return
    try:
        there = Shard(path)
    except Refused:
        raise Refused(WRONG, f"{path} is in the way, and no file that was "
                      "merged earlier") from None
    if not there.is_merged() and there.sha256() not in [
            s.sha256() for s in shards]:
        raise Refused(WRONG, f"{path} is in the way: it was measured, not "
                      "merged")


def merge_run(files, out, say):
    """Returns an exit code."""
    shards = [f for f in files if not f.is_merged()]
    merged = [f for f in files if f.is_merged()]
    if not shards:
        # Of merged files alone there is nothing to be made but copies.
        shards, merged = each_once(merged), []
    check_machine(shards + merged)
    check_same(shards)
    shards = each_once(shards)
    run_id, of = shards[0].run_id, shards[0].of
    have = [s.index for s in shards]
    missing = [i for i in range(1, of + 1) if i not in have]
    path = destination(shards[0], out)
    check_destination(path, shards, merged)
    is_whole = of == 1
    data = (b"".join(shards[0].raw) if is_whole
            else merged_bytes(shards, missing))
    try:
        is_new = write(path, data)
    except OSError as error:
        raise Refused(ENVIRONMENT, f"cannot write {path}: "
                      f"{error.strerror}") from None
    for shard in shards:
        if shard.end.get("interrupted") and not is_whole:
            say(f"{shard.path} was interrupted: it has "
                f"{shard.end['records']} lines of what it should have")
    if missing:
        say(f"run {run_id}: of {of} shards, missing: {numbers(missing)}")
    what = (f"run {run_id} is one file" if is_whole
            else f"run {run_id}: merged {len(shards)} of {of} shards")
    say(f"{what}; {'wrote' if is_new else 'unchanged:'} {path}")
    return INCOMPLETE if missing else 0


def worse(a, b):
    return a if SEVERITY[a] >= SEVERITY[b] else b


def merge_all(given, out, say):
    runs, status, seen = {}, 0, set()
    for word in given:
        try:
            paths = files_of(word)
        except Refused as refused:
            say(refused)
            status = worse(status, refused.code)
            continue
        for path in paths:
            if os.path.realpath(path) in seen:
                continue
            seen.add(os.path.realpath(path))
            try:
                if is_unfinished(path):
                    raise Refused(INCOMPLETE, f"{path} was not finished: its "
                                  "run was killed, or is going on")
                shard = Shard(path)
                runs.setdefault(shard.run_id, []).append(shard)
            except Refused as refused:
                say(f"{refused}; left out")
                status = worse(status, refused.code)
    for run_id in sorted(runs):
        try:
            status = worse(status, merge_run(runs[run_id], out, say))
        except Refused as refused:
            say(refused)
            status = worse(status, refused.code)
    return status


def main(argv):
    parser = argparse.ArgumentParser(prog="analysis merge")
    parser.add_argument("--out", metavar="DIR")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    args = parser.parse_args(argv)
    return merge_all(args.runs, args.out,
                     lambda text: print(f"switchyard: {text}",
                                        file=sys.stderr))
