# SPDX-License-Identifier: Apache-2.0
"""Runs as objects: everything that was measured in some run files.

    found = runs.load(["runs/night", "runs/other/1f00../shard-1of1.jsonl"])
    for point in found.loads:
        print(point.name, point.jobs, point.rate_hz, point.quantile(0.99))

A path is a run's folder, a folder of several runs, or a file. What is not
whole is refused, and so are files of different machines: run_file.Refused says
why. Times are ns, rates are per second; None: not applicable or not known.
"""

import functools
import gc
import json
import os

from . import histogram, merge, run_file
from .run_file import INCOMPLETE, WRONG, Refused


def number_or_none(value):
    return value if run_file.is_number(value) else None


def inside(line, *keys):
    """A member of members, or None where there is no such number."""
    for key in keys:
        line = line.get(key) if isinstance(line, dict) else None
    return number_or_none(line)


# ---- rows -------------------------------------------------------------------


class Row:
    """What every measured line has in common: which combination, doing what.

    name is "asm+queue", or that of a reference row; row is "combination",
    "software", "blocking", "callback" or the name of a peer. line is the whole
    line, run the Run it belongs to, where its path and number.
    """

    def __init__(self, run, line, where):
        self.run, self.line, self.where = run, line, where
        text = {key: line[key] if run_file.is_text(line.get(key)) else None
                for key in ("name", "row", "peer", "switcher", "engine",
                            "variant", "device", "status", "reason")}
        if text["name"] is None or not run_file.is_mix(line.get("mix")):
            raise Refused(WRONG, f"{where}: the {line['type']} has no usable "
                          "name and mix")
        self.name, self.row, self.peer = text["name"], text["row"], text["peer"]
        self.switcher, self.engine = text["switcher"], text["engine"]
        self.variant, self.device = text["variant"], text["device"]
        self.status, self.reason = text["status"], text["reason"]
        self.mix = run_file.mix_text(line["mix"])
        self.jobs = number_or_none(line.get("jobs"))

    @property
    def is_combination(self):
        return self.row == "combination"

    @property
    def ok(self):
        """Does it have figures?"""
        return self.status == "ok"

    @property
    def place(self):
        """Results of one place may be compared with each other."""
        return self.mix, self.device

    def histogram(self, *keys):
        """The histogram of that member, or None."""
        value = self.line
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if not histogram.is_histogram(value):
            return None
        return histogram.from_member(value, f"{self.where}: "
                                     + ".".join(keys))


class Record(Row):
    """One experiment of `switchyard run`: a closed loop."""

    def __init__(self, run, line, where):
        super().__init__(run, line, where)
        self.seed = inside(line, "asked", "seed")
        self.asked_jobs = inside(line, "asked", "jobs")  # jobs: what it had
        self.operations = inside(line, "window", "operations")
        self.elapsed_ns = inside(line, "window", "elapsed_ns")
        self.cpu_ns = inside(line, "window", "cpu_ns")
        self.rss_peak_bytes = inside(line, "rss_peak_bytes")
        self.syscalls = inside(line, "syscalls", "count")
        self.syscalls_operations = inside(line, "syscalls", "operations")

    @property
    def ok(self):
        return self.status == "ok" and (self.operations or 0) > 0 and \
            (self.elapsed_ns or 0) > 0

    @property
    def rate_hz(self):
        return 1e9 * self.operations / self.elapsed_ns if self.ok else None

    @property
    def cpu_ns_per_operation(self):
        if not self.ok or self.cpu_ns is None:
            return None
        return self.cpu_ns / self.operations

    @functools.cached_property
    def latency(self):
        return self.histogram("window", "latency_ns")


class Load(Row):
    """One point of `switchyard load`."""

    def __init__(self, run, line, where):
        super().__init__(run, line, where)
        self.loop = line.get("loop")              # "open" or "closed"
        self.rate_hz = inside(line, "rate_hz")    # planned; closed: None
        arrivals = line.get("arrivals")
        self.arrivals = (arrivals.get("kind") if isinstance(arrivals, dict)
                         else None)  # "constant", "poisson", "trace"
        self.search = inside(line, "search")
        self.offered, self.done = inside(line, "offered"), inside(line, "done")
        self.elapsed_ns = inside(line, "elapsed_ns")
        self.cpu_ns = inside(line, "window", "cpu_ns")
        self.saturated = line.get("saturated") is True
        faults = line.get("faults")
        self.faults = faults if run_file.is_texts(faults) else []
        self.virtual_clock = line.get("virtual_clock") is True

    @property
    def marks(self):
        """The faults in words."""
        return [fault.replace("_", " ") for fault in self.faults]

    @property
    def achieved_hz(self):
        """As `switchyard load` shows it: the time that the last operations
        took to respond is not held against the rate."""
        permille = inside(self.line, "achieved_permille")
        if self.rate_hz and permille is not None:
            return self.rate_hz * permille / 1000
        if not self.done or not self.elapsed_ns:
            return None
        return 1e9 * self.done / self.elapsed_ns

    @property
    def cpu_ns_per_operation(self):
        operations = inside(self.line, "window", "operations")
        if not operations or self.cpu_ns is None:
            return None
        return self.cpu_ns / operations

    @functools.cached_property
    def response(self):
        """From the intended start; of a closed loop None."""
        return self.histogram("response_ns")

    @functools.cached_property
    def service(self):
        return self.histogram("service_ns")

    def quantile(self, q):
        """Of the response, of a closed loop of the service; None where there
        are too few samples for it."""
        h = self.response or self.service
        if h is None or h.count < histogram.samples_for(q):
            return None
        return histogram.quantile(h, q)


class Search(Row):
    """What `switchyard load --search` found."""

    def __init__(self, run, line, where):
        super().__init__(run, line, where)
        self.search = inside(line, "search")
        self.quantile = line.get("quantile")      # "p99"
        self.bound_ns = inside(line, "bound_ns")
        self.rate_hz = inside(line, "rate_hz")    # None: none holds
        self.closest_ns = inside(line, "closest_ns")
        self.closest_hz = inside(line, "closest_hz")

    @property
    def ok(self):
        return self.rate_hz is not None


PHASES = ("start", "run", "wait", "notify", "schedule", "end")


class Phases(Row):
    """Where jobs of a combination spent their time."""

    @functools.cached_property
    def phases(self):
        """{"start": Histogram, ...}, with "whole"; {} if it has none."""
        found = {key: self.histogram("phases", key)
                 for key in PHASES + ("whole",)}
        return {key: h for key, h in found.items() if h is not None}


class Cost(Row):
    """Of an operation, what was counted."""

    def __init__(self, run, line, where):
        super().__init__(run, line, where)
        counts = line.get("counts")
        self.counts = counts if isinstance(counts, dict) else {}

    def per(self, thing):
        """How many per operation (of "resident_bytes": per job), or None."""
        count = inside(self.counts, thing, "count")
        per = inside(self.counts, thing, "per")
        return count / per if count is not None and per else None

    @property
    def paused_jobs(self):
        """So many jobs were paused when resident_bytes was counted; it is
        not the number in flight of the other counts."""
        return inside(self.counts, "resident_bytes", "per")

    def why(self, thing):
        """Why it was not counted, or None."""
        value = self.counts.get(thing)
        why = value.get("why") if isinstance(value, dict) else None
        return why if run_file.is_text(why) else None


# ---- runs -------------------------------------------------------------------


class Run:
    """What one command measured on one machine, all shards together."""

    def __init__(self, meta):
        self.meta = meta
        self.run_id = meta["run_id"]
        self.paths = []
        self.hashes = []       # SHA-256 of each file, as its end says
        self.interrupted = False
        self.comparisons = []  # run_file.Comparison, one for each shard
        self.records, self.loads, self.searches = [], [], []
        self.phases, self.costs = [], []
        self.programs = []     # lines of doses of programs, as they are

    @property
    def is_dose(self):
        """Candidates differ in what their parts were made to cost more; they
        are no competitors."""
        return any("dose" in line for c in self.comparisons
                   for line in c.candidates)

    @property
    def argv(self):
        argv = self.meta.get("argv")
        return argv if run_file.is_texts(argv) else []

    @property
    def protocol(self):
        """Version of how it was measured; files from before there was one
        were measured as 1 says."""
        return self.meta.get("protocol", "1")

    @property
    def missing_shards(self):
        return self.meta.get("missing_shards") or []


class Runs:
    """All of some runs of one machine."""

    def __init__(self, runs):
        self.runs = runs

    def all_of(self, what):
        return [value for run in self.runs for value in getattr(run, what)]

    records = property(lambda self: self.all_of("records"))
    loads = property(lambda self: self.all_of("loads"))
    searches = property(lambda self: self.all_of("searches"))
    phases = property(lambda self: self.all_of("phases"))
    costs = property(lambda self: self.all_of("costs"))

    @property
    def comparisons(self):
        """Lists of comparisons that judge.judge() takes: shards and repeats
        of the same comparison together. Doses are not among them."""
        groups = {}
        for run in self.runs:
            for c in () if run.is_dose else run.comparisons:
                key = json.dumps(run_file.identity(c), sort_keys=True)
                groups.setdefault(key, []).append(c)
        return list(groups.values())

    @property
    def doses(self):
        """Likewise of doses, one list for each run."""
        return [run.comparisons for run in self.runs if run.is_dose]

    @property
    def meta(self):
        """Of the first run; the machine in it is that of all."""
        return self.runs[0].meta


ROWS = {"record": (Record, "records"), "load": (Load, "loads"),
        "search": (Search, "searches"), "phases": (Phases, "phases"),
        "cost": (Cost, "costs")}


def read_into(runs, path):
    """One file, in one pass: there may be hundreds of thousands of lines."""
    comparison = run_file.Comparison(path)
    others = []

    def take(line, where):
        if line["type"] in ROWS or line["type"].startswith("program_"):
            others.append((line, where))
        else:
            run_file.add_line(comparison, line, where)

    meta, end = run_file.read_lines(path, take)
    run = runs.setdefault((meta["run_id"], meta["machine"]["fingerprint"]),
                          Run(meta))
    run.paths.append(path)
    run.hashes.append(end["sha256"])
    run.interrupted |= bool(end.get("interrupted"))
    if comparison.settings is not None:
        comparison.meta = meta
        comparison.interrupted = bool(end.get("interrupted"))
        if not comparison.candidates:
            raise Refused(INCOMPLETE, f"{path} has no candidates")
        run.comparisons.append(comparison)
    for line, where in others:
        if line["type"] in ROWS:
            make, member = ROWS[line["type"]]
            getattr(run, member).append(make(run, line, where))
        else:
            run.programs.append(line)
    return run, meta


def shard_of(path, meta):
    shard = meta.get("shard")
    index, of = inside(shard or {}, "index"), inside(shard or {}, "of")
    if index is None or of is None or not 1 <= index <= of <= merge.SHARDS_MAX:
        raise Refused(WRONG, f"{path}: its first line does not say which shard "
                      "of which run it is")
    return index, of


def first_line(path):
    """The meta alone: enough to see whether the file is needed."""
    try:
        with open(path, "rb") as f:
            value = json.loads(f.readline())
    except OSError as error:
        raise Refused(WRONG, f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        return {}  # read_lines() finds the words
    return value if isinstance(value, dict) else {}


def needed(paths):
    """Without the shards that a merged file beside them holds already."""
    metas = {path: first_line(path) for path in paths}
    merged = set()
    for path, meta in metas.items():
        if isinstance(meta.get("merged_from"), list):
            merged.update((os.path.dirname(path), shard.get("index"))
                          for shard in meta["merged_from"]
                          if isinstance(shard, dict))
    return [path for path, meta in metas.items()
            if "merged_from" in meta
            or (os.path.dirname(path), inside(meta, "shard", "index"))
            not in merged]


def check_shards(run, shards):
    """All of them, and each once."""
    have = [index for index, _ in shards]
    of = shards[0][1]
    twice = [n for n in have if have.count(n) > 1]
    if twice:
        raise Refused(WRONG, f"run {run.run_id}: shard {twice[0]} of {of} is "
                      "there twice: it would count twice")
    missing = [n for n in range(1, of + 1) if n not in have]
    if missing:
        raise Refused(INCOMPLETE, f"run {run.run_id}: of {of} shards, missing:"
                      f" {merge.numbers(missing)}; 'switchyard merge' makes "
                      "one file of those that are there")


def load(paths):
    """Everything in these folders and files, as Runs; or Refused."""
    files = []
    for path in paths:
        files += merge.files_of(path)
    files = list({os.path.realpath(p): p for p in files}.values())
    for path in files:
        if merge.is_unfinished(path):
            raise Refused(INCOMPLETE, f"{path} was not finished: its run was "
                          "killed, or is going on")
    runs, shards, first = {}, {}, None
    # Nothing here is a cycle, and looking for some among hundreds of thousands
    # of lines takes longer than reading them.
    gc.disable()
    try:
        for path in needed(files):
            run, meta = read_into(runs, path)
            first = first or (path, meta)
            check_machine(first, (path, meta))
            shards.setdefault(id(run), []).append(shard_of(path, meta))
    finally:
        gc.enable()
    for run in runs.values():
        check_shards(run, shards[id(run)])
    if not runs:
        raise Refused(INCOMPLETE, "no run files were given")
    return Runs(list(runs.values()))


def check_machine(one, other):
    """Nothing of another machine, or of another state of this one."""
    a, b = (meta["machine"]["fingerprint"] for _, meta in (one, other))
    if a != b:
        raise Refused(WRONG, f"{one[0]} and {other[0]} are of different "
                      "machines: " + run_file.describe_machines(
                          one[1], other[1]) + "; they are not put together")
