# SPDX-License-Identifier: Apache-2.0
"""The sections of a report: facts in words, tables and charts, without a form.

Every format of a report, the page too, is made of these.
"""

import math
import shlex

from . import dose, histogram, judge, report_charts as charts
from . import report_drawings as drawings, report_facts, run_file
from .report_charts import bytes_text, count_text, digits, percent_text, \
    rate_text, time_text
from .report_facts import REFERENCES, by_place

# Charts of one kind, one for each workload and device; and lines in one.
PLACES_MAX = 4
LINES_MAX = drawings.LINES_MAX

# More rows of a chart than this are a wall.
ROWS_MAX = 64

SLO = 0.99


class Column:
    """A column of a table: how its values are written, and which are
    better."""

    def __init__(self, title, form=str, better=None):
        self.title, self.form, self.better = title, form, better

    @property
    def is_text(self):
        return self.form is str

    def text(self, value):
        if value is None:
            return "-"
        return self.form(value)


class Table:
    def __init__(self, title, columns, rows, note=""):
        self.title, self.columns, self.rows, self.note = \
            title, columns, rows, note


class Section:
    """paragraphs: [(kind, text)], where the kind is "good", "beware", "bad"
    or "say". commands: to be typed. missing: which command would fill it, if
    it is empty."""

    def __init__(self, name, title):
        self.name, self.title = name, title
        self.paragraphs, self.charts, self.tables = [], [], []
        self.commands = []
        self.missing = None

    def say(self, text, kind="say"):
        self.paragraphs.append((kind, text))

    @property
    def is_empty(self):
        return not (self.paragraphs or self.charts or self.tables)


# ---- naming -----------------------------------------------------------------


def full_text(place):
    mix, device = place
    return mix + (f" on {device}" if device else "")


def jobs_text(jobs):
    return f"{jobs:,} job" + ("s" if jobs != 1 else "")


def label_of(row, jobs_differ):
    if jobs_differ and row.jobs is not None:
        return f"{row.name}, {jobs_text(row.jobs)}"
    return row.name


def labels_of(rows):
    """The least that tells them apart."""
    differ = len({row.jobs for row in rows if row.row == "combination"}) > 1
    return [label_of(row, differ) for row in rows]


def left_out(section, count, what):
    """Said below the last chart."""
    if count > 0:
        section.charts[-1].caption += f" Not shown: {count} more {what}."


def places_of(section, rows):
    """The places that get charts of their own."""
    places = by_place(rows)
    if len(places) > PLACES_MAX:
        section.say(f"{len(places)} workloads and devices were measured; "
                    f"charts show the {PLACES_MAX} with the most rows, tables "
                    "all.")
    return list(places.items())[:PLACES_MAX]


# ---- verdict ----------------------------------------------------------------


def verdict(facts):
    section = Section("verdict", "Verdict")
    if facts.aa_state() == "differs":
        say_trust(section, facts)
    for one in facts.judged:
        say_judged(section, one)
    if not facts.judged and facts.cells:
        say_fastest_seen(section, facts)
    say_offloading(section, facts)
    say_searches(section, facts)
    if facts.aa_state() != "differs":
        say_trust(section, facts)
    if section.is_empty:
        section.say("Nothing here says which combination is faster: these "
                    "runs counted and traced, and compared nothing.")
    section.missing = "switchyard compare"
    return section


def say_judged(section, one):
    if one.refused:
        section.say(f"A comparison gives no verdict: {one.refused}.", "bad")
        return
    for w in one.value["winners"]:
        mix = w["mix"]
        if w["leader"] is None:
            section.say(f"{mix}: too few processes to name a winner.",
                        "beware")
        elif w["winner"]:
            second = w["rivals"][0]
            section.say(
                f"{mix}: {w['winner']} is the fastest. The next, "
                f"{second['label']}, takes {second['ratio']:.3f} times as long "
                f"({second['low']:.3f} .. {second['high']:.3f}), by processes "
                "that had no part in the choice.", "good")
        else:
            near = [r["label"] for r in w["rivals"] if not r["is_told_apart"]]
            words = ", ".join(near[:6])
            if len(near) > 6:
                words += f" and {len(near) - 6} more"
            section.say(f"{mix}: no winner. Half of the processes chose "
                        f"{w['leader']}; the other half does not tell it "
                        f"apart from {words}.", "beware")


def say_fastest_seen(section, facts):
    for place, cells in list(by_place(facts.cells).items())[:PLACES_MAX]:
        members = [c for c in cells if c.is_combination]
        if not members:
            continue
        best = max(members, key=lambda c: c.rate_hz)
        section.say(
            f"{facts.name_of(place)}: most operations per second were seen of "
            f"{best.name} with {jobs_text(best.jobs)}: "
            f"{rate_text(best.rate_hz)}. "
            "These are single runs without intervals, so this is no verdict; "
            "switchyard compare gives one.", "beware")


def say_offloading(section, facts):
    """Nothing else in a table says "do not offload". Where software took part
    in a comparison, that has said it, and better than single windows can."""
    compared = {run_file.mix_text(c["mix"]) for one in facts.judged
                if one.value for c in one.comparisons[0].candidates
                if c.get("row") == "software"}
    for place, cells in list(by_place(facts.cells).items())[:PLACES_MAX]:
        if place[0] in compared:
            continue
        software = [c for c in cells if c.row == "software"]
        members = [c for c in cells if c.is_combination]
        if not software or not members:
            continue
        best = max(members, key=lambda c: c.rate_hz)
        base = max(software, key=lambda c: c.rate_hz)
        factor = best.rate_hz / base.rate_hz
        if report_facts.is_equal(best, base):
            section.say(f"{facts.name_of(place)}: {best.name} is not told "
                        "apart from computing in the loop (software): whether "
                        "offloading pays is not told.", "beware")
        elif factor < 1:
            section.say(f"{facts.name_of(place)}: computing in the loop "
                        f"(software) does {1 / factor:.2f} times what the best "
                        f"combination does, {best.name}: offloading does not "
                        "pay on this device.", "beware")
        else:
            section.say(f"{facts.name_of(place)}: offloading pays: {best.name} "
                        f"does {factor:.2f} times what computing in the loop "
                        "(software) does.")


def say_searches(section, facts):
    groups = {}
    for s in facts.searches:
        groups.setdefault((s.place, s.quantile, s.bound_ns), []).append(s)
    for (place, quantile, bound), members in groups.items():
        held = sorted((s for s in members if s.ok), key=lambda s: -s.rate_hz)
        slo = f"{quantile} ≤ {time_text(bound)}"
        if held:
            section.say(f"{facts.name_of(place)}: with {slo}, the highest rate "
                        f"that holds is {rate_text(held[0].rate_hz)}, of "
                        f"{held[0].name}"
                        + (f"; {rate_text(held[-1].rate_hz)} of "
                           f"{held[-1].name} is the least of {len(held)}"
                           if len(held) > 1 else "") + ".", "good")
        else:
            near = min((s for s in members if s.closest_ns is not None),
                       key=lambda s: s.closest_ns, default=None)
            section.say(f"{facts.name_of(place)}: nothing holds {slo}."
                        + (f" Closest is {near.name}: "
                           f"{time_text(near.closest_ns)} at "
                           f"{rate_text(near.closest_hz)}." if near else ""),
                        "bad")


def say_trust(section, facts):
    state = facts.aa_state()
    if state == "differs":
        section.say("A candidate differs from itself (A/A). By luck that "
                    "happens in one comparison of twenty; if it does again, "
                    "differences of that size mean nothing here.", "bad")
    elif state == "none":
        section.say("No A/A pair: how far a candidate differs from itself on "
                    "this machine is not known. switchyard compare enters one "
                    "by itself.", "beware")
    for run in facts.runs.runs:
        if run.interrupted or run.missing_shards:
            section.say(f"The run {run.run_id} is not complete"
                        + (f" (shards missing: {run.missing_shards})"
                           if run.missing_shards else " (interrupted)")
                        + "; what there is was judged.", "beware")


# ---- what matters -----------------------------------------------------------


def what_matters(facts):
    section = Section("matters", "What matters")
    section.missing = ("switchyard run --jobs 1,8,64 --reference "
                       "software,blocking,callback")
    rows = []
    for place, cells in by_place(facts.cells).items():
        effects = report_facts.effects_of(cells)
        real = [e for e in effects if not e.is_noise]
        if effects and len(rows) < 4 * PLACES_MAX:
            section.say(f"{facts.name_of(place)}: " + (
                f"{real[0].of} moved throughput the most, by a factor of "
                f"{real[0].factor:.2f}." if real else
                "no choice moved throughput by more than the seeds differ."))
        rows += [(facts.name_of(place), e.of, e.note, e.factor,
                  name_of_end(e.fast, e.of), name_of_end(e.slow, e.of),
                  e.cpu_factor, "yes" if e.is_noise else "no")
                 for e in effects]
    if rows:
        section.tables.append(Table(
            "How far each choice moved the result, all else kept", [
                Column("workload and device"), Column("choice"),
                Column("rows compared"), Column("throughput, factor", factor),
                Column("best"), Column("worst"),
                Column("CPU, factor", factor),
                Column("within the noise")], rows))
    return section


def factor(value):
    return f"× {value:.2f}"


def name_of_end(cell, of):
    return jobs_text(cell.jobs) if of == "jobs in flight" else cell.name


# ---- trust ------------------------------------------------------------------

# Borders are those of `switchyard doctor`.
GOOD, BEWARE, BAD, UNKNOWN = "good", "beware", "bad", "not known"


# An interval of the A/A pair that reaches farther shows how little is seen.
AA_REACH = 0.05


def check_text(value, good, effect):
    if value is None:
        return UNKNOWN, "-", ""
    return (GOOD, value, "") if value == good else (BEWARE, value, effect)


def machine_checks(meta):
    machine, state = meta["machine"], meta.get("environment") or {}
    syscall = state.get("syscall_ns")
    steal = state.get("steal_boot_permille")
    cpus = machine.get("cpus_usable")
    governor = state.get("governor")
    yield ("virtual machine",) + (
        (UNKNOWN, "-", "") if machine.get("hypervisor") is None else
        (BEWARE, "yes", "the host takes time away, and hides its frequency")
        if machine["hypervisor"] else (GOOD, "no", ""))
    yield ("CPUs to run on",) + (
        (UNKNOWN, "-", "") if cpus is None else
        (GOOD, str(cpus), "") if cpus > 1 else
        (BEWARE, str(cpus), "loop, device and generator share it"))
    yield ("frequency governor",) + check_text(
        governor, "performance", "the clock rate follows the load, so short "
        "runs are slower")
    yield ("turbo",) + check_text(
        state.get("turbo"), "off", "the clock rate depends on heat and on "
        "what other CPUs do")
    yield ("SMT",) + check_text(
        state.get("smt"), "off", "two CPUs share a core: each slows the other")
    yield ("clock source",) + check_text(
        state.get("clock_source"), "tsc", "reading the clock costs more, and "
        "its steps may be coarse")
    yield ("system call",) + (
        (UNKNOWN, "-", "") if syscall is None else
        (BAD, time_text(syscall), "something stands between program and "
         "kernel") if syscall >= 20000 else
        (BEWARE, time_text(syscall), "engines with more system calls look "
         "worse than elsewhere") if syscall >= 1000 else
        (GOOD, time_text(syscall), ""))
    yield ("steal since boot",) + (
        (UNKNOWN, "-", "") if steal is None else
        (BAD, f"{steal / 10:g} %", "pauses of the host are longer than what "
         "is measured") if steal >= 100 else
        (BEWARE, f"{steal / 10:g} %", "tails hold pauses of the host")
        if steal >= 10 else (GOOD, f"{steal / 10:g} %", ""))


def judged_checks(number, one):
    if one.value is None:
        return
    which = f" (comparison {number})" if number else ""
    aa = one.aa
    if aa is None:
        found = (BEWARE, "none", "how far this machine differs from itself is "
                 "not known")
    else:
        size = (f"{percent_text(aa['ratio'])} ({percent_text(aa['low'])} .. "
                f"{percent_text(aa['high'])})")
        if one.planted:
            found = (BEWARE, size, "extra work was planted: a test of the "
                     "comparison, no measurement")
        elif aa["differs"]:
            found = (BAD, size, "a candidate differs from itself: do not "
                     "believe differences of that size")
        else:
            reach = max(aa["high"], 1 / aa["low"]) - 1
            found = (GOOD, size, "") if reach < AA_REACH else (
                BEWARE, size, f"no difference, but one of {judge.unseen(aa)} "
                "would not have been seen either: measure longer")
    yield (f"A/A pair{which}",) + found
    batches = max(1, one.value["batches"])
    disturbed = sum(c["disturbed"] for c in one.value["candidates"])
    part = disturbed / batches
    yield (f"disturbed batches{which}", GOOD if part < 0.1 else BEWARE,
           f"{100 * part:.1f} % of {batches:,}", "" if part < 0.1 else
           "compare with the ratios of undisturbed batches alone"
           if disturbed < batches else
           "none was undisturbed: measure on a quieter machine")
    yield (f"processes{which}",
           GOOD if one.value["processes"] >= 8 else BEWARE,
           f"{one.value['processes']:,}", "" if one.value["processes"] >= 8
           else "few: intervals are wide, and no winner is named")
    stepped = one.value["tags"].get(run_file.CLOCK)
    if stepped:
        yield (f"clock{which}", BAD, f"stepped in {stepped} batches",
               "their times are not known, and not in the figures")
    cpus = one.value["cpus"]
    if cpus["least"] != cpus["most"]:
        yield (f"CPUs meanwhile{which}", BEWARE,
               f"{cpus['least']} to {cpus['most']}",
               "they were taken away or given back during the run")
    if not one.value["aslr"]:
        yield (f"address randomisation{which}", BEWARE, "off",
               "figures are those of one layout of memory")


def trust(facts):
    section = Section("trust", "How far to trust it")
    section.missing = "switchyard compare"
    rows = list(machine_checks(facts.runs.meta))
    several = len(facts.judged) > 1
    for i, one in enumerate(facts.judged, 1):
        rows += list(judged_checks(i if several else 0, one))
    if facts.aa_state() == "none" and not facts.judged:
        rows.append(("A/A pair", BEWARE, "none", "how far this machine differs "
                     "from itself is not known: run switchyard compare"))
    late = [p for p in facts.loads if "generator_late" in p.faults]
    if facts.loads:
        rows.append(("load generator", BEWARE if late else GOOD,
                     f"late at {len(late)} of {len(facts.loads)} points",
                     "those points are marked" if late else ""))
    seeds = [len(c.records) for c in facts.cells]
    if seeds:
        few = min(seeds) < 3
        rows.append(("seeds of each row", BEWARE if few else GOOD,
                     str(min(seeds)), "one run says nothing of how much runs "
                     "differ" if few else ""))
    wrong = [r for r in facts.without_figures if r.status == "failed"]
    rows.append(("rows that failed", BAD if wrong else GOOD, str(len(wrong)),
                 "; ".join(f"{r.name}: {r.reason}" for r in wrong[:3])))
    states = [row[1] for row in rows]
    worst = next((s for s in (BAD, BEWARE) if s in states), GOOD)
    section.say({
        GOOD: "Nothing that was looked at speaks against these results.",
        BEWARE: "Usable; what is marked \"beware\" bends the results as it "
        "says.",
        BAD: "What is marked \"bad\" makes results of this size worthless."}
        [worst], worst)
    section.tables.append(Table("What was looked at", [
        Column("check"), Column("state"), Column("found"),
        Column("what it does to the results")], rows,
        "switchyard doctor looks at the machine as it is now."))
    return section


# ---- ratios and processes ---------------------------------------------------


def ratio_rows(one, labels):
    base = one.best_of(labels)
    rows = []
    for p in one.ratios_to(base, labels):
        note = ""
        if p["undisturbed"]:
            note = f"Undisturbed only: {p['undisturbed']['ratio']:.3f}"
        rows.append(drawings.Ratio(p["first"], p, p["verdict"], note))
    if one.aa is not None and one.aa["second"] in labels + [base]:
        aa = one.aa
        rows.append(drawings.Ratio(
            "A/A: " + aa["first"], aa, aa["verdict"],
            "The same candidate twice."))
    return base, rows


def ratios(facts):
    section = Section("ratios", "Which is faster, and by how much")
    section.missing = "switchyard compare"
    number = 0
    for one in facts.judged:
        if one.refused:
            section.say(one.refused, "bad")
            continue
        for mix, labels in one.tasks():
            number += 1
            if len(labels) < 2 and one.aa is None:
                continue
            base, rows = ratio_rows(one, labels)
            if not rows:
                continue
            if number <= PLACES_MAX:
                section.charts.append(drawings.forest(
                    f"ratios{number}", f"{mix}: time against {base}",
                    "Mark: estimate; line: interval. All intervals hold "
                    f"together with {100 * one.value['level']:.0f} % "
                    "confidence. Shaded: within "
                    f"{100 * one.value['band']:.0f} % of each other, called "
                    "equivalent.", f"time / time of {base}", rows[:ROWS_MAX],
                    one.value["band"]))
                left_out(section, len(rows) - ROWS_MAX, "rows")
            section.tables.append(ratio_table(one, mix, base, labels, rows))
        for c in one.value["left_out"]:
            section.say(f"{c['label']} was left out ({c['status']}): "
                        f"{c['reason']}.")
    return section


def ratio_table(one, mix, base, labels, rows):
    cpu = {c["label"]: c for c in one.value["candidates"]}
    found = {r.label: r for r in rows}
    lines = []
    for label in sorted(labels, key=one.ns):
        r = found.get(label)
        lines.append((
            label, one.ns(label), cpu[label]["cpu_ns_per_operation"],
            r.ratio if r else None, r.low if r else None,
            r.high if r else None, r.verdict.lower() if r else "base",
            cpu[label]["disturbed"] / max(1, cpu[label]["batches"])))
    return Table(f"{mix}: against {base}, the fastest", [
        Column("candidate"), Column("time per operation", time_text, "lower"),
        Column("CPU per operation", time_text, "lower"),
        Column("ratio", three, "lower"), Column("from", three),
        Column("to", three), Column("verdict"),
        Column("disturbed batches", part_text, "lower")], lines,
        "Which is fastest was seen in these very batches, which flatters it "
        "a little; the verdict above does not have that fault.")


def three(value):
    return f"{value:.3f}"


def part_text(value):
    return f"{100 * value:.0f} %"


def processes(facts):
    section = Section("processes", "Process by process, in run order")
    section.missing = "switchyard compare"
    for number, one in enumerate(facts.judged, 1):
        if one.value is None or number > PLACES_MAX:
            continue
        per_process = one.per_process()
        order = sorted(per_process, key=lambda x: one.ns(x) or 0)
        twin = [x for x in order
                if one.aa and x in (one.aa["first"], one.aa["second"])]
        shown = twin + [x for x in order if x not in twin]
        section.charts.append(drawings.strip(
            f"processes{number}", "Each candidate in each process",
            {x: per_process[x] for x in shown}))
        left_out(section, len(shown) - LINES_MAX, "candidates")
    return section


# ---- latency ----------------------------------------------------------------


def rank_for_charts(rows, key):
    """At most LINES_MAX: the best combinations, and the reference rows."""
    references = [r for r in rows if r.row != "combination"]
    references.sort(key=lambda r: REFERENCES.index(r.row)
                    if r.row in REFERENCES else len(REFERENCES))
    references = references[-3:]
    others = sorted((r for r in rows if r.row == "combination"), key=key)
    return others[:LINES_MAX - len(references)] + references


def rows_of_loads(points):
    """{(name, jobs): open points}, slowest rate first."""
    groups = {}
    for p in points:
        if p.loop == "open" and p.response is not None and p.rate_hz:
            groups.setdefault((p.name, p.jobs), []).append(p)
    for members in groups.values():
        members.sort(key=lambda p: p.rate_hz or 0)
    return groups


class Repeats:
    """Points of one row at one rate, together."""

    def __init__(self, points):
        first = points[0]
        self.name, self.row, self.jobs = first.name, first.row, first.jobs
        self.response = histogram.merged([p.response for p in points])
        self.service = histogram.merged(
            [p.service for p in points if p.service is not None])


def common_points(groups):
    """Of each row the points at the highest rate that all of them held; where
    there is none, at the highest that it held itself."""
    held = [{p.rate_hz for p in points if not p.saturated}
            for points in groups.values()]
    common = set.intersection(*held) if held else set()
    rate = max(common, default=None)
    chosen = []
    for points, rates in zip(groups.values(), held):
        if rates:
            at = rate if rate is not None else max(rates)
            chosen.append(Repeats([p for p in points if p.rate_hz == at
                                   and not p.saturated]))
    return chosen, rate


def percentiles(facts):
    section = Section("percentiles", "How long operations take")
    section.missing = "switchyard load 'asm+*' --rate 2k,10k"
    number = 0
    for place, points in places_of(section, facts.loads):
        groups = rows_of_loads(points)
        if not groups:
            continue
        chosen, rate = common_points(groups)
        if not chosen:
            section.say(f"{facts.name_of(place)}: no row held any of its "
                        "rates, so no distribution of responses is shown; "
                        "measure at lower ones.", "beware")
            continue
        number += 1
        shown = rank_for_charts(chosen, lambda p: histogram.quantile(
            p.response, SLO))
        section.charts.append(drawings.percentiles(
            f"percentiles{number}", facts.name_of(place),
            (f"At {rate_text(rate)}, the highest rate that every row held. "
             if rate else "Each at the highest rate that it held. ")
            + "Response: from the intended start, so it counts waiting behind "
            "other operations; service: from the actual start. Grey dots: "
            "too few samples to say.",
            list(zip(labels_of(shown), (p.response for p in shown),
                     (p.service for p in shown)))))
        left_out(section, len(chosen) - len(shown), "rows")
    if number == 0 and facts.cells:
        number = percentiles_of_cells(section, facts)
    for place, cells in by_place(facts.cells).items():
        section.tables.append(Table(
            f"Service time, closed loop: {facts.name_of(place)}", [
                Column("row"), Column("p50", time_text, "lower"),
                Column("p99", time_text, "lower"),
                Column("p99.9", time_text, "lower"),
                Column("samples", count_text)],
            [(label,) + tuple(sure_quantile(c.latency, q)
                              for q in (0.5, 0.99, 0.999))
             + (c.latency.count,)
             for label, c in zip(labels_of(cells), cells) if c.latency],
            "-: too few samples."))
    rows = [latency_row(facts, label, p)
            for points in by_place(facts.loads).values()
            for label, p in sorted(
                zip(labels_of(points), points), key=lambda item: (
                    item[0], item[1].rate_hz or 0))]
    if rows:
        section.tables.append(Table("Each point of load", [
            Column("row"), Column("workload and device"), Column("loop"),
            Column("planned", rate_text), Column("achieved", rate_text,
                                                 "higher"),
            Column("p50", time_text, "lower"),
            Column("p99", time_text, "lower"),
            Column("p99.9", time_text, "lower"),
            Column("marks")], rows, "Response of an open loop, service time "
            "of a closed one. -: too few samples."))
    return section


def sure_quantile(h, q):
    if h is None or h.count < histogram.samples_for(q):
        return None
    return histogram.quantile(h, q)


def percentiles_of_cells(section, facts):
    number = 0
    for place, cells in places_of(section, facts.cells):
        # Latency grows with what is in flight: only equal numbers compare.
        counts = [c.jobs for c in cells if c.is_combination]
        if not counts:
            continue
        jobs = max(set(counts), key=lambda n: (counts.count(n), n))
        members = [c for c in cells if c.latency is not None
                   and (c.jobs == jobs or not c.is_combination)]
        best = {}
        for c in members:
            if c.name not in best or c.jobs == jobs:
                best[c.name] = c
        shown = rank_for_charts(list(best.values()), lambda c: -c.rate_hz)
        if not shown:
            continue
        number += 1
        section.charts.append(drawings.percentiles(
            f"percentiles{number}", f"{facts.name_of(place)}, {jobs} in flight",
            "A closed loop: it starts an operation when one ends, so this is "
            "service time, as one who is never made to wait sees it. "
            "switchyard load measures response. Grey dots: too few samples "
            "to say.",
            [(label, None, c.latency)
             for label, c in zip(labels_of(shown), shown)]))
        left_out(section, len(best) - len(shown), "rows")
    return number


def latency_row(facts, label, p):
    marks = p.marks + (["simulated time"] if p.virtual_clock else [])
    return (label, facts.name_of(p.place), p.loop, p.rate_hz, p.achieved_hz,
            p.quantile(0.5), p.quantile(0.99), p.quantile(0.999),
            ", ".join(marks))


def load(facts):
    section = Section("load", "Latency against throughput")
    section.missing = ("switchyard load 'asm+*' --rate 2k..20k/7 "
                       "--search 'p99<=200us'")
    number = 0
    for place, points in places_of(section, facts.loads):
        groups = rows_of_loads(points)
        if not groups:
            continue
        firsts = [members[0] for members in groups.values()]

        def capacity(p, groups=groups):
            held = [q.achieved_hz or 0 for q in groups[p.name, p.jobs]
                    if not q.saturated]
            return -max(held, default=0)

        shown = rank_for_charts(firsts, capacity)
        bounds = dict.fromkeys(
            (f"SLO: {s.quantile} ≤ {time_text(s.bound_ns)}", s.bound_ns)
            for s in facts.searches if s.place == place and s.bound_ns)
        chart = drawings.load_curve(
            f"load{number + 1}", facts.name_of(place),
            "Open loop: arrivals do not wait for the program. A cross marks a "
            "rate that was not sustained; its latency would grow with the "
            "length of the run.",
            {label: groups[p.name, p.jobs]
             for label, p in zip(labels_of(shown), shown)}, list(bounds))
        if chart is not None:
            number += 1
            section.charts.append(chart)
            left_out(section, len(firsts) - len(shown), "rows")
    rows = [(s.name, facts.name_of(s.place), s.jobs,
             f"{s.quantile} ≤ {time_text(s.bound_ns)}", s.rate_hz,
             s.closest_ns if s.rate_hz is None else None)
            for s in facts.searches]
    if rows:
        section.tables.append(Table("Highest rate that keeps the bound", [
            Column("row"), Column("workload and device"),
            Column("jobs", count_text), Column("bound"),
            Column("rate", rate_text, "higher"),
            Column("closest, if none holds", time_text, "lower")],
            sorted(rows, key=lambda r: (r[1], r[3], -(r[4] or 0)))))
    return section


# ---- where time goes --------------------------------------------------------


def phases(facts):
    section = Section("phases", "Where the time of a job goes")
    section.missing = "switchyard phases"
    for number, (place, rows) in enumerate(places_of(section, facts.phases),
                                           1):
        labelled = []
        for label, row in zip(labels_of(rows), rows):
            means = {key: h.sum / h.count for key, h in row.phases.items()
                     if key != "whole" and h.count}
            if means and sum(means.values()) > 0:
                labelled.append((label, means))
        labelled.sort(key=lambda item: sum(item[1].values()))
        if not labelled:
            continue
        section.charts.append(drawings.phases(
            f"phases{number}", facts.name_of(place),
            "Means, which add up to the whole. The switcher is in start and "
            "schedule, the engine in notify.", labelled[:ROWS_MAX]))
        left_out(section, len(labelled) - ROWS_MAX, "rows")
        section.tables.append(Table(
            f"Mean time in each phase: {facts.name_of(place)}",
            [Column("row")] + [Column(key, time_text, "lower")
                               for key in drawings.PHASE_WORDS]
            + [Column("whole", time_text, "lower")],
            [(label,) + tuple(means.get(key) for key in drawings.PHASE_WORDS)
             + (sum(means.values()),) for label, means in labelled]))
    return section


COUNTED = (("instructions", "user instructions"), ("syscalls", "system calls"),
           ("mallocs", "allocations"),
           ("switches_voluntary", "context switches"),
           ("faults_minor", "page faults"))


def cost(facts):
    section = Section("cost", "What an operation costs")
    section.missing = "switchyard cost"
    for place, rows in by_place(facts.costs).items():
        lines = [(label,) + tuple(row.per(key) for key, _ in COUNTED)
                 + (row.per("resident_bytes"),)
                 for label, row in zip(labels_of(rows), rows)]
        section.tables.append(Table(
            f"Counted, per operation: {facts.name_of(place)}",
            [Column("row")] + [Column(words, digits, "lower")
                               for _, words in COUNTED]
            + [Column("memory per paused job", bytes_text, "lower")],
            sorted(lines, key=lambda r: math.inf if r[1] is None else r[1]),
            "Counts repeat from run to run. Instructions alone mislead: a "
            "system call is one instruction and takes hundreds of ns."))
        why = {row.why(key) for row in rows for key, _ in COUNTED
               if row.why(key)}
        for words in sorted(why):
            section.say(f"Not counted (-): {words}.")
    for place, cells in by_place(facts.cells).items():
        section.tables.append(Table(
            f"Measured, per operation: {facts.name_of(place)}", [
                Column("row"), Column("throughput", rate_text, "higher"),
                Column("CPU time", time_text, "lower"),
                Column("system calls", digits, "lower"),
                Column("context switches", digits, "lower"),
                Column("page faults", digits, "lower")],
            [(label, c.rate_hz, c.cpu_ns, c.syscalls,
              c.per_operation("switches_voluntary"),
              c.per_operation("faults_minor"))
             for label, c in sorted(zip(labels_of(cells), cells),
                                    key=lambda item: -item[1].rate_hz)],
            "CPU time is that of the process, device threads included."))
    return section


def memory(facts):
    section = Section("memory", "Memory per paused job")
    section.missing = ("switchyard cost --paused-jobs 8; again with 64 and "
                       "1000")
    for number, (place, rows) in enumerate(places_of(section, facts.costs),
                                           1):
        groups = {}
        for row in rows:
            value = row.per("resident_bytes")
            if value is not None:
                groups.setdefault(row.name, {})[row.paused_jobs] = value
        groups = {name: sorted(points.items())
                  for name, points in groups.items()}
        if not groups:
            continue
        order = sorted(groups, key=lambda name: groups[name][-1][1])
        section.charts.append(drawings.memory(
            f"memory{number}", facts.name_of(place),
            "Growth of resident memory, divided by the jobs that are paused: "
            "stack pages that were touched, and the job itself.",
            {name: groups[name] for name in order}))
        if len(order) > LINES_MAX:
            section.charts[-1].caption += (
                f" Shown are the {LINES_MAX} of {len(order)} that need least.")
    if not section.charts:
        growth = memory_of_cells(facts)
        if growth:
            section.say("Not counted by switchyard cost; from what the peak "
                        "memory of whole processes grew between numbers of "
                        "jobs, which is coarse.", "beware")
            section.charts.append(drawings.memory(
                "memory1", "Growth of peak memory per further job",
                "Peak memory at this number of jobs, less that at the "
                "smallest number, divided by the jobs between.", growth))
    return section


# With fewer, chance growth of a process is more than that of its jobs.
JOBS_BETWEEN = 200


def memory_of_cells(facts):
    groups = {}
    for place, cells in list(by_place(facts.cells).items())[:1]:
        for c in cells:
            if c.is_combination and c.rss_peak_bytes is not None and c.jobs:
                groups.setdefault(c.name, []).append(c)
    found = {}
    for name, cells in groups.items():
        cells.sort(key=lambda c: c.jobs)
        first = cells[0]
        points = [(c.jobs, max(0, (c.rss_peak_bytes - first.rss_peak_bytes)
                               / (c.jobs - first.jobs)))
                  for c in cells[1:] if c.jobs - first.jobs >= JOBS_BETWEEN]
        if points and any(value for _, value in points):
            found[name] = points
    return dict(sorted(found.items(), key=lambda item: item[1][-1][1]))


# ---- doses ------------------------------------------------------------------


def doses(facts):
    section = Section("doses", "What a faster part would buy")
    section.missing = "switchyard dose"
    for one in facts.dosed:
        if one.refused:
            section.say(one.refused, "bad")
            continue
        value = one.value
        for factor_value in value["factors"]:
            section.say(" ".join(" ".join(
                dose.factor_sentences(value, factor_value)).split()))
        section.tables.append(Table(f"Doses: {value['what']}", [
            Column("part"),
            Column(f"how often, per {value['operation']}", digits),
            Column("time per ns of dose, ns"), Column("of it, on the critical "
                                                      "path"),
            Column("cost now", time_text, "lower"),
            Column("free would buy at most")],
            [(f["factor"], f["applications_per_operation"],
              dose.bracketed(f["time"] and f["time"]["slope"]),
              dose.bracketed(f["critical_share"], 100, " %"),
              f["cost_now_ns"],
              dose.bracketed(f["time_ceiling"], 100, " %"))
             for f in value["factors"]],
            "Estimates with their intervals. docs/dose.md explains them."))
    return section


# ---- crossover --------------------------------------------------------------


# With fewer numbers of jobs a line over them shows nothing.
JOBS_FOR_A_LINE = 3


def over_jobs(section, facts):
    """Is there a best number of jobs?"""
    for number, (place, cells) in enumerate(places_of(section, facts.cells),
                                            1):
        groups = {}
        for c in cells:
            if c.is_combination:
                groups.setdefault(c.name, []).append((c.jobs, c.rate_hz))
        groups = {name: sorted(points) for name, points in groups.items()
                  if len(points) >= JOBS_FOR_A_LINE}
        if not groups:
            continue
        software = [c.rate_hz for c in cells if c.row == "software"]
        order = sorted(groups, key=lambda name: -max(
            rate for _, rate in groups[name]))
        shown = order[:LINES_MAX]  # the table of costs has all of them
        section.charts.append(drawings.throughput(
            f"jobs{number}", f"{facts.name_of(place)}, by jobs in flight",
            "Where a line grows flat, more jobs only wait longer; below the "
            "dotted one, offloading costs more than it brings.",
            {name: groups[name] for name in shown},
            max(software, default=None)))
        left_out(section, len(order) - len(shown), "rows")


def crossover(facts):
    section = Section("crossover", "Where the answer flips")
    over_jobs(section, facts)
    section.missing = ("switchyard run --jobs 1,8,64 with devices of several "
                       "service times (--device sim:service=fixed:10us)")
    places = list(dict.fromkeys(place for place, _ in facts.bests))
    jobs = sorted({n for _, n in facts.bests if n is not None})
    if len(facts.bests) < 2 or not jobs:
        return section
    places.sort(key=lambda p: (report_facts.service_ns(p) or math.inf, p[0],
                               p[1] or ""))
    shown = places[:8]
    mixes = {mix for mix, _ in places}
    columns = []
    for place in shown:
        ns = report_facts.service_ns(place)
        words = charts.time_tick(ns) if ns is not None else (
            place[1] or "in the loop")
        if len(mixes) > 1:
            words = f"{place[0]}, {words}"
        columns.append((words, place))
    section.charts.append(drawings.heatmap(
        "crossover1", "Which combination does most operations per second",
        "Plain: faster than every other. Hatched: in the lead, and not told "
        "apart from others (within 2 %, or their intervals or seeds overlap). "
        "Equal fills mean equal names.", columns, jobs, facts.bests))
    left_out(section, len(places) - len(shown), "workloads and devices")
    section.tables.append(Table("Best at each point", [
        Column("workload and device"), Column("jobs", count_text),
        Column("best"), Column("operations per second", rate_text, "higher"),
        Column("not told apart from"), Column("measured by")],
        [(facts.name_of(best.place), best.jobs, best.name, best.figure,
          few(best.near), f"switchyard {best.source}")
         for best in sorted(facts.bests.values(), key=lambda b: (
             places.index(b.place), b.jobs or 0))]))
    return section


def few(names):
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more"
                                   if len(names) > 4 else "")


# ---- method -----------------------------------------------------------------


def command_of(run):
    if not run.argv:
        return "not recorded"
    return shlex.join(["switchyard"] + run.argv[1:])


def commands_of(runs):
    """What measured it, and what made this of it."""
    return [command_of(run) for run in runs] + [
        shlex.join(["switchyard", "report", "-o", "report.html"]
                   + [path for run in runs for path in run.paths])]


def method(facts):
    section = Section("method", "Method, versions, how to repeat it")
    section.say(
        "The unit of replication of a comparison is the process; candidates "
        "are interleaved in an order balanced for position and for what runs "
        "before; intervals are simultaneous over all pairs. Nothing is "
        "dropped: disturbed batches are tagged. docs/comparing.md and "
        "docs/load.md have the details and formulae.")
    section.commands = commands_of(facts.runs.runs)
    section.tables.append(runs_table(facts.runs.runs))
    section.tables.append(Table("Workloads and devices", [
        Column("called here"), Column("is")],
        [(name, full_text(place)) for place, name in
         facts.place_names.items()]))
    section.tables.append(Table("Machine and versions", [
        Column("what"), Column("is")], machine_rows(facts.runs)))
    section.say(f"Raw data stays in the run files. A bound of equivalence is "
                f"{100 * report_facts.BAND:.0f} %; service time is what the "
                "description of the device says.")
    return section


def runs_table(runs):
    return Table("Runs", [
        Column("run"), Column("started (UTC)"), Column("seed"),
        Column("protocol"), Column("file"), Column("SHA-256")],
        [(run.run_id, run.meta.get("started") or "-",
          str(run.meta.get("seed", "-")), str(run.protocol or "-"), path,
          sha256)
         for run in runs for path, sha256 in zip(run.paths, run.hashes)])


def machine_rows(found):
    meta = found.meta
    machine, rows = meta["machine"], []
    for key in ("cpu_model", "cpu_id", "arch", "cpus", "cpus_usable",
                "hypervisor", "kernel", "memory_bytes", "page_bytes",
                "fingerprint", "hardware_key", "environment_key"):
        if machine.get(key) is not None:
            value = machine[key]
            rows.append((key.replace("_", " "), bytes_text(value)
                         if key.endswith("_bytes") else str(value)))
    for key, value in (meta.get("environment") or {}).items():
        if value is not None and key not in ("syscall_ns",
                                             "steal_boot_permille"):
            rows.append((key.replace("_", " "), str(value)))
    builds = {}
    for run in found.runs:
        for group in ("build", "libraries"):
            for key, value in (run.meta.get(group) or {}).items():
                values = builds.setdefault((group, key), [])
                if str(value) not in values:
                    values.append(str(value))
    return rows + [(f"{group}: {key}", " and ".join(values))
                   for (group, key), values in builds.items()]


SECTIONS = (verdict, what_matters, trust, ratios, percentiles, load, phases,
            cost, memory, doses, crossover, processes, method)


def sections(facts):
    return [make(facts) for make in SECTIONS]
