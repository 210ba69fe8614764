# SPDX-License-Identifier: Apache-2.0
"""What changed from one run to another: two builds, or two machines.

The two were measured one after the other, so this is weaker than a comparison:
a difference between the hours looks like one between the builds. Replicates
are processes of comparisons, seeds of runs, repeats of points of load.
"""

import math
import re

import numpy as np

from . import estimate, report_charts as charts
from . import report_drawings as drawings, report_facts
from . import report_sections as sections, run_file
from .report_sections import Column, Section, Table

# With fewer, on either side, there is no interval.
REPLICATES_MIN = 3

THRESHOLD = re.compile(r"regression:([0-9]{1,4}(?:\.[0-9]{1,3})?)%")
THRESHOLD_MAX = 1000

REGRESSION = "REGRESSION"


def threshold_of(text):
    """"regression:5%" as 0.05."""
    found = THRESHOLD.fullmatch(text)
    value = float(found[1]) if found else -1
    if not 0 < value <= THRESHOLD_MAX:
        raise run_file.Refused(
            run_file.WRONG, f"--fail-on: '{text}' is not regression:N%, with "
            f"N above 0 and up to {THRESHOLD_MAX}")
    return value / 100


# ---- what is compared -------------------------------------------------------


def of_comparisons(facts):
    """{(what, place, name, jobs): logs of ns per operation}"""
    found = {}
    for one in facts.judged:
        if one.table is None:
            continue
        located = one.table.located()
        for i, c in enumerate(one.table.candidates):
            if c["twin_of"] is None:
                place = (run_file.mix_text(c["mix"]), c.get("device"))
                key = ("time per operation, compared", place,
                       c.get("name") or c["label"], c.get("jobs"))
                found.setdefault(key, []).extend(located[:, i].tolist())
    return found


def of_records(facts):
    found = {}
    for cell in facts.cells:
        key = ("time per operation", cell.place, cell.name, cell.jobs)
        found[key] = [-math.log(r.rate_hz) for r in cell.records]
    return found


def of_loads(facts):
    found = {}
    for p in facts.loads:
        value = p.quantile(sections.SLO)
        if value and p.rate_hz and not p.saturated:
            key = (f"p99 response at {charts.rate_text(p.rate_hz)}", p.place,
                   p.name, p.jobs)
            found.setdefault(key, []).append(math.log(value))
    return found


def measured(facts):
    return {**of_comparisons(facts), **of_records(facts), **of_loads(facts)}


# ---- intervals --------------------------------------------------------------


def welch(before, after, level):
    """(estimate, low, high) of the mean of after minus that of before, of
    samples whose variances may differ (Welch 1947)."""
    before, after = np.array(before), np.array(after)
    parts = [x.var(ddof=1) / len(x) for x in (before, after)]
    centre, error2 = float(after.mean() - before.mean()), sum(parts)
    if error2 < 1e-24:
        return centre, centre, centre
    freedom = error2 ** 2 / sum(
        part ** 2 / (len(x) - 1) for part, x in zip(parts, (before, after)))
    reach = estimate.student_quantile((1 + level) / 2, freedom) * \
        math.sqrt(error2)
    return centre, centre - reach, centre + reach


def verdict(low, high, threshold):
    if threshold is not None and low > math.log1p(threshold):
        return REGRESSION
    return estimate.verdict(low, high)


class Change:
    """One thing that both have."""

    def __init__(self, key, before, after, level, threshold):
        self.what, self.place, self.name, self.jobs = key
        self.count = len(before), len(after)
        self.before, self.after = (math.exp(np.mean(x))
                                   for x in (before, after))
        if min(self.count) < REPLICATES_MIN:
            self.ratio, self.low, self.high = (self.after / self.before, None,
                                               None)
            self.verdict = "INCONCLUSIVE"
        else:
            triple = welch(before, after, level)
            self.ratio, self.low, self.high = map(math.exp, triple)
            self.verdict = verdict(*triple[1:], threshold)

    def label(self):
        words = self.name if self.jobs is None else \
            f"{self.name}, {sections.jobs_text(self.jobs)}"
        return words + (f", {self.what}" if self.what.startswith("p99")
                        else "")


class Changes:
    def __init__(self, before, after, threshold):
        self.before, self.after = before, after
        self.threshold = threshold
        a, b = measured(before), measured(after)
        both = [key for key in a if key in b]
        if not both:
            raise run_file.Refused(
                run_file.INCOMPLETE, "the two runs have nothing in common: no "
                "row with the same name, workload, device and number of jobs")
        told = sum(min(len(a[k]), len(b[k])) >= REPLICATES_MIN for k in both)
        # Bonferroni's, so that all intervals hold together.
        level = 1 - (1 - estimate.LEVEL) / max(1, told)
        self.all = [Change(key, a[key], b[key], level, threshold)
                    for key in both]
        self.gone = [key for key in a if key not in b]
        self.new = [key for key in b if key not in a]
        self.names = report_facts.short_names(
            [key[1] for key in list(a) + list(b)])
        self.machines = None
        one, other = before.runs.meta, after.runs.meta
        if one["machine"]["fingerprint"] != other["machine"]["fingerprint"]:
            self.machines = run_file.describe_machines(one, other)

    @property
    def regressions(self):
        return [c for c in self.all if c.verdict == REGRESSION]


# ---- sections ---------------------------------------------------------------


def verdict_section(changes):
    section = Section("verdict", "What changed")
    if changes.machines:
        section.say("These runs are of different machines, so this compares "
                    f"machines too: {changes.machines}.", "bad")
    counts = {}
    for c in changes.all:
        counts[c.verdict] = counts.get(c.verdict, 0) + 1
    if changes.threshold is not None:
        bad = changes.regressions
        limit = f"{100 * changes.threshold:g} %"
        if bad:
            section.say(
                f"{len(bad)} of {len(changes.all)} are worse by more than "
                f"{limit}, all of the interval: " + sections.few(
                    [f"{c.label()} ({charts.percent_text(c.ratio)})"
                     for c in sorted(bad, key=lambda c: -c.ratio)]) + ".",
                "bad")
        else:
            section.say(f"Nothing is worse by more than {limit} with the "
                        "whole of its interval.", "good")
    section.say("Of all: " + ", ".join(
        f"{n} {v.lower()}" for v, n in sorted(counts.items())) + ".")
    few = [c for c in changes.all if c.low is None]
    if few:
        section.say(f"{len(few)} have fewer than {REPLICATES_MIN} replicates "
                    "on one side: without an interval, no verdict.", "beware")
    for c in changes.all:
        if c.name == "software" and c.verdict in ("FASTER", "SLOWER",
                                                  REGRESSION):
            section.say("The row software has nothing of the library in it, "
                        f"and it changed by {charts.percent_text(c.ratio)} "
                        f"({changes.names[c.place]}, "
                        f"{sections.jobs_text(c.jobs)}): the machine did, "
                        "not only the build.", "beware")
    section.say("The two were measured one after the other: a difference "
                "between the hours looks like one between the builds. Measure "
                "both again before you act on a small one.")
    return section


def ratio_section(changes):
    section = Section("changes", "By how much")
    told = [c for c in changes.all if c.low is not None]
    for number, (place, rows) in enumerate(
            list(report_facts.by_place(told).items())
            [:sections.PLACES_MAX], 1):
        rows = sorted(rows, key=lambda c: -c.ratio)
        shown = rows[:sections.ROWS_MAX]
        section.charts.append(drawings.forest(
            f"changes{number}", changes.names[place],
            "Time after, over time before. All intervals hold together with "
            f"{100 * estimate.LEVEL:.0f} % confidence."
            + (" Dashed: the threshold." if changes.threshold else ""),
            "after / before",
            [drawings.Ratio(c.label(), {"ratio": c.ratio, "low": c.low,
                                        "high": c.high}, c.verdict)
             for c in shown], report_facts.BAND, changes.threshold))
        sections.left_out(section, len(rows) - len(shown), "rows")
    section.tables.append(Table("Each row that both have", [
        Column("row"), Column("workload and device"), Column("what"),
        Column("before", charts.time_text, "lower"),
        Column("after", charts.time_text, "lower"),
        Column("after / before", sections.three, "lower"),
        Column("from", sections.three), Column("to", sections.three),
        Column("verdict"), Column("replicates")],
        [(c.label(), changes.names[c.place], c.what,
          c.before * scale(c), c.after * scale(c), c.ratio, c.low, c.high,
          c.verdict.lower(), f"{c.count[0]} and {c.count[1]}")
         for c in sorted(changes.all, key=lambda c: -c.ratio)]))
    for words, keys in (("before", changes.gone), ("after", changes.new)):
        if keys:
            section.say(f"Only measured {words}: " + sections.few(
                [f"{key[2]} on {changes.names[key[1]]}" for key in keys])
                + ".")
    return section


def scale(change):
    """Rates of runs are per second, all else is in ns."""
    return 1e9 if change.what == "time per operation" else 1


def cost_section(changes):
    section = Section("cost", "What is counted")
    section.missing = "switchyard cost, of both builds"
    after = {(c.place, c.name, c.jobs): c for c in changes.after.costs}
    rows = []
    for one in changes.before.costs:
        other = after.get((one.place, one.name, one.jobs))
        for key, words in sections.COUNTED if other else ():
            a, b = one.per(key), other.per(key)
            if a is not None and b is not None and abs(b - a) > 0.001 * a:
                rows.append((one.name, sections.full_text(one.place),
                             one.jobs, words, a, b,
                             b / a if a else None))
    if rows:
        section.tables.append(Table("Counts that differ, per operation", [
            Column("row"), Column("workload and device"),
            Column("jobs", charts.count_text), Column("what"),
            Column("before", charts.digits, "lower"),
            Column("after", charts.digits, "lower"),
            Column("after / before", sections.three, "lower")], rows,
            "Counts repeat from run to run, so they have no interval."))
    elif changes.before.costs and changes.after.costs:
        section.say("No count differs by more than 0.1 %.")
    return section


def method_section(changes):
    section = Section("method", "What was compared")
    section.commands = [sections.command_of(run) for f in (
        changes.before, changes.after) for run in f.runs.runs]
    section.tables.append(sections.runs_table(
        changes.before.runs.runs + changes.after.runs.runs))
    one, other = (dict(sections.machine_rows(f.runs))
                  for f in (changes.before, changes.after))
    section.tables.append(Table("Machines and versions", [
        Column("what"), Column("before"), Column("after"),
        Column("same")],
        [(key, one.get(key, "-"), other.get(key, "-"),
          "yes" if one.get(key) == other.get(key) else "no")
         for key in dict.fromkeys(list(one) + list(other))]))
    section.say("Ratios are of means of logarithms, intervals are Welch's with "
                "Bonferroni's correction. The replicates are processes (or "
                "layouts) of a comparison, seeds of a run, repeats of a point "
                "of load.")
    return section


def all_sections(changes):
    return [verdict_section(changes), ratio_section(changes),
            cost_section(changes), method_section(changes)]
