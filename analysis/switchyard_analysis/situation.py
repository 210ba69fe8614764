# SPDX-License-Identifier: Apache-2.0
"""Situations: what was measured of one workload on one device with so many
jobs in flight, gathered from lines of all kinds.

A comparison holds candidates of several situations; reference rows that have
one operation in flight at a time belong to every number of jobs.
"""

import collections
import math

import numpy as np

from . import estimate, histogram, judge, run_file
from .decide import Counted, Paired, Unpaired
from .run_file import is_number, is_text

OBJECTIVES = ("throughput", "cpu", "p50", "p99", "memory")

# What an objective is a figure of, and its unit.
TITLES = {"throughput": ("time per operation", "ns"),
          "cpu": ("CPU per operation", "ns"), "p50": ("p50", "ns"),
          "p99": ("p99", "ns"), "memory": ("memory per paused job", "bytes")}

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}

# Rows that have one operation in flight, whatever was asked for.
ONE_AT_A_TIME = ("software", "blocking")

# In a screen of single windows, what takes so many times as long as the best
# is not compared further. Windows differ by less than that on any machine on
# which a comparison could find something.
SCREENED_OUT = 1.5

Place = collections.namedtuple("Place", "mix device jobs")


class Option:
    """Something that a program could use: a combination or a reference row."""

    def __init__(self, row, name, switcher, engine):
        self.row, self.name = row, name
        self.switcher = switcher
        self.engine = engine
        # "pipe+epoll": as profiles and `switchyard list` call it.
        self.engine_name = name.partition("+")[2] if switcher else None

    @property
    def is_combination(self):
        return self.row in (None, "combination") and "+" in self.name

    @property
    def can_pause(self):
        return self.switcher != "direct"


def option_of(row):
    switcher, engine = row.switcher, row.engine
    if switcher is None and "+" in row.name:
        switcher, _, engine = row.name.partition("+")
    return Option(row.row, row.name, switcher, engine)


class Contender:
    """A line "candidate" as a row."""

    def __init__(self, line):
        self.line = line
        text = {key: line[key] if is_text(line.get(key)) else None
                for key in ("name", "row", "switcher", "engine", "device")}
        # Files from before there was a name: the label begins with it.
        self.name = text["name"] or line["label"].split(",")[0].strip()
        self.row = text["row"]
        if self.row is None and "+" not in self.name:
            self.row = self.name
        self.switcher, self.engine = text["switcher"], text["engine"]
        self.device = text["device"]
        self.mix = run_file.mix_text(line["mix"])
        self.jobs = line["jobs"] if is_number(line.get("jobs")) else None


class Group:
    """Comparisons that are judged as one, and their tables."""

    def __init__(self, comparisons):
        self.comparisons = comparisons
        # Refuses what was not measured under the same conditions.
        run_file.check_same(comparisons)
        self.table = judge.Table(comparisons)
        self.rows = [Contender(c) for c in self.table.candidates]
        self.cache = {}

    def logs(self, objective):
        if objective == "throughput":
            return self.table.log_ns
        cpu = self.table.cpu_ns
        return np.log(np.where(cpu > 0, cpu, np.nan))

    def located(self, objective):
        """table[unit, candidate], only of units that have all of them."""
        if objective not in self.cache:
            table = estimate.units(estimate.locations(self.logs(objective)),
                                   self.table.groups())
            self.cache[objective] = estimate.complete(table)
        return self.cache[objective]

    @property
    def unit(self):
        return ("layout" if len(self.located("throughput"))
                != len(self.table.log_ns) else "process")

    def columns(self, place):
        """{name: column} of what belongs to the place."""
        found = {}
        for i, row in enumerate(self.rows):
            if self.table.candidates[i]["twin_of"] is None and \
                    belongs(row, place):
                found.setdefault(row.name, i)
        return found

    def evidence(self, place, objective):
        """A Paired, or None."""
        columns = self.columns(place)
        table = self.located(objective)
        if not columns or len(table) == 0:
            return None
        return Paired(table[:, list(columns.values())], list(columns),
                      unit=self.unit)

    def twins(self):
        """(i, j) of the candidate that was entered twice, or None."""
        for i, candidate in enumerate(self.table.candidates):
            if candidate["twin_of"] is not None:
                return i, candidate["twin_of"]
        return None

    def twin_interval(self, objective):
        """Of the candidate that was entered twice: (label, interval), or
        None."""
        pair = self.twins()
        if pair is None:
            return None
        found = estimate.single(self.located(objective), *pair)
        return (self.table.labels[pair[1]], found) if found else None

    def spent_ns(self):
        return sum(p["elapsed_ns"] for c in self.comparisons
                   for p in c.processes if is_number(p.get("elapsed_ns")))

    def budget_ns(self):
        """What all of it took, as asked for; else what processes took."""
        asked = [c.settings.get("budget_ns") for c in self.comparisons]
        if all(is_number(ns) and ns > 0 for ns in asked):
            return sum(asked)
        return self.spent_ns() or None


def belongs(row, place):
    if row.mix != place.mix:
        return False
    if row.row == "software":
        return True
    if row.device != place.device:
        return False
    return row.row in ONE_AT_A_TIME or row.jobs == place.jobs


def is_simulated(row):
    """On a virtual clock switchers and engines take no time at all."""
    asked = row.line.get("asked")
    return row.line.get("virtual_clock") is True or (
        isinstance(asked, dict) and asked.get("virtual_clock") is True)


class Screened:
    """Names that were measured in single windows only."""

    def __init__(self, records, objective):
        best = {}
        for r in records:
            value = (r.elapsed_ns / r.operations if objective == "throughput"
                     else r.cpu_ns_per_operation)
            if value:
                best[r.name] = min(value, best.get(r.name, math.inf))
        self.best = best

    def factor(self, name, others):
        """How many times as long name takes as the best of others, or
        None."""
        known = [self.best[other] for other in others if other in self.best]
        if name not in self.best or not known:
            return None
        return self.best[name] / min(known)


class Situation:
    """All lines of one place."""

    def __init__(self, found, groups, place):
        self.place = place
        self.groups = [g for g in groups if any(
            belongs(row, place) and row.row in (None, "combination")
            for row in g.rows)]

        def mine(rows):
            return [r for r in rows if belongs(r, place)
                    and not is_simulated(r)]

        self.records = mine(found.records)
        self.loads = mine(found.loads)
        self.searches = mine(found.searches)
        self.costs = mine(found.costs)
        self.left_out = {}
        for group in self.groups:
            for c in group.comparisons:
                for line in c.left_out:
                    row = Contender(line)
                    if belongs(row, place):
                        self.left_out[row.name] = line.get("reason") or \
                            line["status"]
        for row in self.records + self.loads:
            if not row.ok and row.reason:
                self.left_out.setdefault(row.name, row.reason)

    def options(self):
        """{name: Option} of everything that was seen here."""
        found = {}
        rows = [row for g in self.groups for row in g.rows
                if belongs(row, self.place)]
        for row in rows + [r for r in self.records + self.loads
                           + self.searches + self.costs if r.ok]:
            found.setdefault(row.name, option_of(row))
        return found

    def rates(self):
        return sorted({p.rate_hz for p in self.loads
                       if p.loop == "open" and p.rate_hz})

    def points(self, rate_hz):
        """Points of load at the rate, by name."""
        found = collections.defaultdict(list)
        for p in self.loads:
            if p.ok and p.loop == "open" and p.rate_hz == rate_hz:
                found[p.name].append(p)
        return found

    def saturated(self, rate_hz):
        """{name: why} of what did not sustain it, or of which nobody knows."""
        found = {}
        for name, points in self.points(rate_hz).items():
            if not any(p.saturated for p in points):
                continue
            marks = sorted({m for p in points if p.saturated
                            for m in p.marks})
            if marks == ["generator late"]:
                found[name] = (f"not known at {rate_hz:,} op/s: the generator "
                               "of the load was late itself")
            else:
                found[name] = f"saturated at {rate_hz:,} op/s"
                if marks:
                    found[name] += ": " + ", ".join(marks)
        return found

    def quantile_samples(self, quantile, rate_hz):
        """{name: [log ns]} from load at the rate, else from closed loops, and
        which of the two; names with too few samples for it are not there."""
        q = QUANTILES[quantile]
        samples = collections.defaultdict(list)
        if rate_hz is not None:
            for name, points in self.points(rate_hz).items():
                for p in points:
                    ns = p.quantile(q)
                    if ns:
                        samples[name].append(math.log(ns))
            return dict(samples), "load"
        for r in self.records:
            if r.ok and r.latency is not None and \
                    r.latency.count >= histogram.samples_for(q):
                ns = histogram.quantile(r.latency, q)
                if ns:
                    samples[r.name].append(math.log(ns))
        return dict(samples), "record"

    def latency(self, quantile, rate_hz):
        samples, _ = self.quantile_samples(quantile, rate_hz)
        return Unpaired(samples) if samples else None

    def memory(self):
        values = {}
        for cost in self.costs:
            bytes_ = cost.per("resident_bytes") if cost.ok else None
            if bytes_:
                values[cost.name] = max(bytes_, values.get(cost.name, 0))
        return Counted(values) if values else None

    def screened(self, objective):
        """Single windows, where they are figures of the objective."""
        if objective not in ("throughput", "cpu"):
            return Screened([], objective)
        return Screened([r for r in self.records if r.ok], objective)


def places_of(found, groups):
    """All (mix, device, jobs) of which a combination was measured."""
    places = set()
    rows = [row for g in groups for row in g.rows]
    for row in rows + found.records + found.loads + found.costs:
        if option_of(row).is_combination and row.jobs is not None and \
                not is_simulated(row):
            places.add(Place(row.mix, row.device, row.jobs))
    return sorted(places, key=lambda p: (p.mix, p.device or "", p.jobs))
