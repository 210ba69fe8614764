# SPDX-License-Identifier: Apache-2.0
"""What a report says, before it has a form: facts drawn from runs.

Facts(runs) computes everything once; report_sections.py puts it into words,
tables and charts.
"""

import math
import re
import statistics

from . import dose, estimate, histogram, judge, report_charts as charts, run_file

# Two figures of single runs that differ by less than this are called equal.
BAND = 0.02

# A device's description says how long an operation takes: service=fixed:10us.
SERVICE = re.compile(r"service=[a-z]*:?([0-9.]+)(ns|us|ms|s)\b")
UNIT_NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}

REFERENCES = ("software", "blocking", "callback", "openssl")


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


class Cell:
    """Records of one row at one number of jobs, all seeds together."""

    def __init__(self, records):
        first = records[0]
        self.records = records
        self.name, self.row, self.jobs = first.name, first.row, first.jobs
        self.switcher, self.place = first.switcher, first.place
        self.engine = "+".join(filter(None, (first.engine, first.variant)))
        rates = [r.rate_hz for r in records]
        self.rate_hz = geometric_mean(rates)
        self.rate_low, self.rate_high = min(rates), max(rates)
        cpu = [r.cpu_ns_per_operation for r in records
               if r.cpu_ns_per_operation is not None]
        self.cpu_ns = statistics.fmean(cpu) if cpu else None
        rss = [r.rss_peak_bytes for r in records
               if r.rss_peak_bytes is not None]
        self.rss_peak_bytes = statistics.median(rss) if rss else None
        self.operations = sum(r.operations for r in records)

    @property
    def is_combination(self):
        """One that has as many in flight as it was asked for: what cannot
        pause has one, and is no choice for who wants more."""
        return self.row == "combination" and all(
            r.asked_jobs in (None, r.jobs) for r in self.records)

    @property
    def latency(self):
        return histogram.merged([r.latency for r in self.records
                                 if r.latency is not None])

    def per_operation(self, member):
        """A count of the window, per operation."""
        values = [r.line["window"].get(member) for r in self.records]
        if not all(map(run_file.is_number, values)):
            return None
        return sum(values) / self.operations

    @property
    def syscalls(self):
        pairs = [(r.syscalls, r.syscalls_operations) for r in self.records
                 if r.syscalls is not None and r.syscalls_operations]
        if not pairs:
            return None
        return sum(n for n, _ in pairs) / sum(of for _, of in pairs)


def cells_of(records):
    groups = {}
    for r in records:
        if r.ok:
            groups.setdefault((r.place, r.name, r.jobs), []).append(r)
    return [Cell(group) for group in groups.values()]


def is_equal(a, b):
    """Are the rates of two cells not told apart? They are if they are within
    the band, or if their seeds overlap; no interval is claimed."""
    if max(a.rate_hz, b.rate_hz) < min(a.rate_hz, b.rate_hz) * (1 + BAND):
        return True
    return (len(a.records) > 1 and len(b.records) > 1
            and a.rate_low <= b.rate_high and b.rate_low <= a.rate_high)


class Judged:
    """A comparison and its judgement; or why there is none."""

    def __init__(self, comparisons):
        self.comparisons = comparisons
        self.refused, self.value, self.table = None, None, None
        try:
            self.table = judge.Table(comparisons)
            self.value = judge.judge(comparisons, table=self.table)
        except run_file.Refused as refused:
            self.refused = str(refused)

    @property
    def planted(self):
        return bool(self.comparisons[0].settings.get("planted_permille"))

    @property
    def aa(self):
        return self.value["aa"] if self.value else None

    def tasks(self):
        """(mix, labels) of each; twins apart."""
        groups = {}
        for c in self.value["candidates"]:
            if c["twin_of"] is None:
                groups.setdefault(c["task"], (c["mix"], []))[1].append(
                    c["label"])
        return list(groups.values())

    def ns(self, label):
        for c in self.value["candidates"]:
            if c["label"] == label:
                return c["ns_per_operation"]
        return None

    def ratios_to(self, base, labels):
        """Pairs "label / base", fastest first."""
        found = [judge.against(p, base) for p in self.value["pairs"]
                 if base in (p["first"], p["second"])]
        found = [p for p in found if p["first"] in labels]
        return sorted(found, key=lambda p: p["ratio"])

    def best_of(self, labels):
        return min(labels, key=self.ns)

    def per_process(self):
        """{label: ns per operation of each process, in run order}."""
        log_ns = estimate.locations(self.table.log_ns)
        # The effect of rounds is common to all, so levels are comparable.
        return {label: [math.exp(v) for v in log_ns[:, i]]
                for i, label in enumerate(self.table.labels)}


def service_ns(place):
    """How long the device takes for an operation, where its description says
    so."""
    found = SERVICE.search(place[1] or "")
    return float(found[1]) * UNIT_NS[found[2]] if found else None


def kind_of(device):
    """Of "sim:mode=poll,service=fixed:10us" the first word."""
    return re.split(r"[:,]", device or "", maxsplit=1)[0]


def short_names(places):
    """{place: the shortest name that tells it from the others}."""
    def forms(place):
        mix, device = place
        ns = service_ns(place)
        if device is None:
            yield mix
        elif ns is not None:
            yield f"{mix} on {kind_of(device)}, {charts.time_tick(ns)}"
        else:
            yield f"{mix} on {kind_of(device)}"
        yield f"{mix} on {device}"

    places = list(dict.fromkeys(places))
    first = [next(forms(place)) for place in places]
    return {place: name if first.count(name) == 1 else list(forms(place))[-1]
            for place, name in zip(places, first)}


class Best:
    """What is fastest at one number of jobs and one place."""

    def __init__(self, place, jobs, name, is_clear, near, figure, source):
        self.place, self.jobs, self.name = place, jobs, name
        self.is_clear, self.near = is_clear, near
        self.figure, self.source = figure, source


def bests_of_cells(cells):
    found = {}
    for cell in cells:
        if cell.is_combination:
            found.setdefault((cell.place, cell.jobs), []).append(cell)
    result = {}
    for (place, jobs), members in found.items():
        if len(members) < 2:
            continue
        members.sort(key=lambda c: -c.rate_hz)
        near = [c.name for c in members[1:] if is_equal(members[0], c)]
        result[place, jobs] = Best(place, jobs, members[0].name, not near,
                                   near, members[0].rate_hz, "run")
    return result


def bests_of_judged(judged):
    found = {}
    for one in judged:
        if one.value is None:
            continue
        rows = {}
        for c in one.comparisons[0].candidates:
            if c["twin_of"] is None and c.get("row", "combination") == \
                    "combination":
                place = (run_file.mix_text(c["mix"]), c.get("device"))
                rows.setdefault((place, c.get("jobs")), []).append(c)
        for (place, jobs), members in rows.items():
            if len(members) < 2:
                continue
            labels = [c["label"] for c in members]
            name = {c["label"]: c.get("name") or c["label"] for c in members}
            best = one.best_of(labels)
            near = [name[p["first"]] for p in one.ratios_to(best, labels)
                    if p["verdict"] != "SLOWER"]
            found[place, jobs] = Best(place, jobs, name[best], not near, near,
                                      1e9 / one.ns(best), "compare")
    return found


# ---- what matters -----------------------------------------------------------


class Effect:
    """How far one choice moved the result: its two ends."""

    def __init__(self, of, note, cells):
        self.of, self.note = of, note
        self.slow = min(cells, key=lambda c: c.rate_hz)
        self.fast = max(cells, key=lambda c: c.rate_hz)
        self.factor = self.fast.rate_hz / self.slow.rate_hz
        self.is_noise = is_equal(self.fast, self.slow)
        cpu = [c.cpu_ns for c in cells if c.cpu_ns]
        self.cpu_factor = max(cpu) / min(cpu) if len(cpu) > 1 else None


def effects_of(cells):
    """The four things that one chooses, around the best combination of one
    place; only rows that differ in that thing alone are compared."""
    combinations = [c for c in cells if c.is_combination]
    if not combinations:
        return []
    best = max(combinations, key=lambda c: c.rate_hz)
    at = [c for c in combinations if c.jobs == best.jobs]
    blocking = [c for c in cells if c.row == "blocking"]
    sets = [
        ("asynchronous or not", f"{best.name} and blocking, {best.jobs} and 1 "
         "in flight", [best] + blocking[:1]),
        ("jobs in flight", f"of {best.name}",
         [c for c in combinations if c.name == best.name]),
        ("engine", f"with the switcher {best.switcher}",
         [c for c in at if c.switcher == best.switcher]),
        ("switcher", f"with the engine {best.engine}",
         [c for c in at if c.engine == best.engine])]
    effects = [Effect(of, note, members) for of, note, members in sets
               if len(members) > 1]
    return sorted(effects, key=lambda e: -e.factor)


# ---- everything -------------------------------------------------------------


def by_place(rows):
    """{place: rows}, the place with the most first."""
    groups = {}
    for row in rows:
        groups.setdefault(row.place, []).append(row)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


class Dosed:
    """A dose-response and what follows from it; or why nothing does."""

    def __init__(self, run):
        self.run, self.value, self.refused = run, None, None
        try:
            self.value = dose.analyse(run.paths)
        except run_file.Refused as refused:
            self.refused = str(refused)


class Facts:
    def __init__(self, runs):
        self.runs = runs
        self.judged = [Judged(group) for group in runs.comparisons]
        self.dosed = [Dosed(run) for run in runs.runs
                      if run.is_dose or run.programs]
        self.cells = cells_of(runs.records)
        self.loads = [p for p in runs.loads if p.ok]
        self.searches = runs.searches
        self.phases = [p for p in runs.phases if p.ok and p.phases]
        self.costs = [c for c in runs.costs if c.ok]
        self.bests = {**bests_of_cells(self.cells),
                      **bests_of_judged(self.judged)}
        self.place_names = short_names(
            [row.place for row in runs.records + runs.loads + runs.searches
             + runs.phases + runs.costs] + [place for place, _ in self.bests])
        self.without_figures = [
            row for row in runs.records + runs.loads + runs.phases + runs.costs
            if not row.ok]

    def name_of(self, place):
        return self.place_names[place]

    def aa_state(self):
        """"none", "differs", "planted" or "same", of all comparisons."""
        states = set()
        for one in self.judged:
            if one.planted:
                states.add("planted")
            elif one.aa is None:
                states.add("none")
            else:
                states.add("differs" if one.aa["differs"] else "same")
        for state in ("differs", "none", "planted", "same"):
            if state in states:
                return state
        return "none"
