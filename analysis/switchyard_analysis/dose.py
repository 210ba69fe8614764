# SPDX-License-Identifier: Apache-2.0
"""Dose-response: what a faster part would buy, from how much a slower one costs.

A response is an array y[unit, level] of time, or CPU time, per operation: a
unit is a process (or an executable's layout) of `switchyard dose`, or a block
of runs of a program. docs/dose.md has the formulae.
"""

import argparse
import json
import sys

import numpy as np

from . import estimate, judge, run_file

FACTORS = ("switch", "wake", "device")
EVENTS = {"switch": "switches", "wake": "wakes", "device": "device_operations"}
ONE = {"switch": "switch", "wake": "wake-up", "device": "device operation"}
SEVERAL = {"switch": "switches", "wake": "wake-ups",
           "device": "device operations"}
FREE = {"switch": "switching", "wake": "a wake-up",
        "device": "a device operation"}

# A spin that is off by more than this is worth a line.
SPIN_PART = 0.05

# The end of a spin is predicted wrong, which is not part of the dose: slopes
# that exceed it by no more than this are not remarkable.
MORE_PART = 0.1

# Other operations at another dose would be another program.
EVENTS_PART = 0.01


# ---- estimates --------------------------------------------------------------


def slopes(x, y):
    """The slope of each row of y[unit, level] against x[level], by least
    squares through the row's own mean: what is common to a block is no
    slope. Levels that a row lacks are left out; with less than two, NaN."""
    there = ~np.isnan(y)
    count = there.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.where(there, x, 0).sum(axis=1) / count
        d = np.where(there, x - centre[:, None], 0)
        return np.where(count > 1, (d * np.where(there, y, 0)).sum(axis=1)
                        / (d * d).sum(axis=1), np.nan)


def critical(freedom, together, level=estimate.LEVEL):
    """What no |t| of several exceeds with probability level (Bonferroni)."""
    return estimate.student_quantile(1 - (1 - level) / (2 * together), freedom)


def interval(values, together):
    """(mean, low, high) of a sample, or None if it is too small."""
    values = values[~np.isnan(values)]
    if len(values) < estimate.PROCESSES_MIN:
        return None
    error = values.std(ddof=1) / np.sqrt(len(values))
    t = critical(len(values) - 1, together)
    mean = values.mean()
    return float(mean), float(mean - t * error), float(mean + t * error)


def bend(x, y, together):
    """How far levels between lie off the line from the first to the last.

    Returns {"level", "interval" as part of the rise, "is_bent"} of the one
    that lies off most surely, or None with no level between.
    """
    found = None
    between = range(1, len(x) - 1)
    for i in between:
        part = (x[i] - x[0]) / (x[-1] - x[0])
        off = y[:, i] - y[:, 0] - part * (y[:, -1] - y[:, 0])
        triple = interval(off, together * len(between))
        if triple is None:
            continue
        rise = float(np.nanmean(y[:, -1] - y[:, 0]))
        value = {"dose_ns": float(x[i]), "off_ns": triple[0],
                 "off_low_ns": triple[1], "off_high_ns": triple[2],
                 "part_of_rise": triple[0] / rise if rise != 0 else None,
                 "is_bent": triple[1] > 0 or triple[2] < 0}
        sure = abs(triple[0]) / max(triple[2] - triple[0], 1e-12)
        if found is None or sure > found[0]:
            found = sure, value
    return found[1] if found else None


def response(x, y, together):
    """The slope of one quantity, whether it is a line, and what bounds it.

    Time is convex in the cost of a part, or should be: it is the longest of
    several chains. Then what a part that costs less buys is at most the slope.
    Where the first step is steeper than the rest, that one is the bound.
    """
    slope = interval(slopes(x, y), together)
    if slope is None:
        return None
    bent = bend(x, y, together)
    bound, by_first_step = slope, False
    if bent is not None and bent["is_bent"] and bent["off_ns"] > 0:
        first = interval(slopes(x[:2], y[:, :2]), together)
        if first is not None and first[0] > slope[0]:
            bound, by_first_step = first, True
    return {"slope": slope, "bound": bound, "bound_is_first_step":
            by_first_step, "bend": bent}


def ceiling(answer, each, cost_ns, total_ns):
    """What a part that costs nothing would buy at most, as parts of the
    whole: no more than all that it costs, whatever else large doses do, nor
    than all there is, as where a device waits while others compute."""
    if answer is None or cost_ns is None or not total_ns:
        return None
    return tuple(min(min(max(0.0, b), each) * cost_ns / total_ns, 1.0)
                 for b in answer["bound"])


# ---- from batches -----------------------------------------------------------


class DoseTable(judge.Table):
    """Batches with what was counted at their doses."""

    def __init__(self, comparisons):
        self.counts = {}
        self.costs = {}
        super().__init__(comparisons)

    def add(self, batch, at, number, path):
        super().add(batch, at, number, path)
        if batch.dose is None:
            return
        total = self.counts.setdefault(batch.candidate, {})
        for key, value in batch.dose.items():
            total[key] = total.get(key, 0) + value
        self.costs.setdefault(batch.candidate, []).append(batch.dose)

    def response(self, values):
        """Of each unit: what is typical of its rounds, as compare has it."""
        return estimate.units(estimate.locations(values), self.groups())


def candidate_factor(candidate):
    """(factor, ns) of a candidate, (None, 0) without a dose."""
    for factor in FACTORS:
        if candidate["dose"].get(factor + "_ns"):
            return factor, candidate["dose"][factor + "_ns"]
    return None, 0


def real_dose(comparisons, number, factor, nominal):
    """What the spin really lasts: the median of what processes measured."""
    found = [p["doses"][number][factor + "_ps"] / 1000
             for c in comparisons for p in c.processes
             if number < len(p.get("doses") or ()) and p["doses"][number]
             and p["doses"][number][factor + "_ps"] > 0]
    return float(np.median(found)) if found else float(nominal)


def cost_now(costs, factor):
    """What one event costs without a dose, in ns: the median of batches, so
    that one in which a thread was interrupted does not count for many."""
    values = []
    for b in costs:
        events = b[EVENTS[factor]]
        if events == 0:
            continue
        value = b[{"switch": "switch_ns", "wake": "wake_ns",
                   "device": "device_ns"}[factor]] / events
        if factor == "wake" and b["collected"] > 0:
            value += b["collect_ns"] / b["collected"]
        values.append(value)
    return float(np.median(values)) if values else None


def find_candidates(comparison):
    """Numbers of: no dose, its twin, the plain one, and of each factor."""
    zero = twin = plain = None
    levels = {}
    for i, c in enumerate(comparison.candidates):
        if c["twin_of"] is not None:
            twin = i
        elif c.get("dose") is None:
            plain = i
        elif candidate_factor(c)[0] is None:
            zero = i
        else:
            factor, ns = candidate_factor(c)
            levels.setdefault(factor, []).append((ns, i))
    return zero, twin, plain, {f: sorted(levels[f]) for f in FACTORS
                               if f in levels}


def dose_object(factor, x, labels, counted, time, cpu, cost_ns, totals,
                clean=None):
    """One factor, for JSON. counted: (jobs, events) of each level."""
    jobs = sum(n for n, _ in counted[1:])
    events = sum(n for _, n in counted[1:])
    each = events / jobs if jobs else 0.0
    per_level = [n / j if j else 0.0 for j, n in counted]
    share = None
    if time is not None and each > 0:
        share = [v / each for v in time["slope"]]
    return {
        "factor": factor,
        "levels": [{"label": label, "dose_ns": float(dose),
                    "applications_per_operation": n}
                   for label, dose, n in zip(labels, x, per_level)],
        "applications_per_operation": each,
        "applications_differ": bool(each > 0 and max(
            abs(n - each) for n in per_level) > EVENTS_PART * each),
        "time": time, "cpu": cpu,
        "critical_share": share,
        "undisturbed_slope": clean,
        "cost_now_ns": cost_ns,
        "time_ceiling": ceiling(time, each, cost_ns,
                                totals["time_ns"]),
        "cpu_ceiling": ceiling(cpu, each, cost_ns, totals["cpu_ns"]),
    }


def typical(values, column):
    """Of one candidate: the median of all of its batches."""
    found = values[:, :, column]
    return float(np.median(found[~np.isnan(found)]))


def analyse_batches(comparisons):
    run_file.check_same(comparisons)
    first = comparisons[0]
    if any("dose" not in c for c in first.candidates
           if c["label"] != "as it is"):
        raise run_file.Refused(run_file.WRONG, f"{first.path} has no doses: "
                               "'switchyard compare' wrote it")
    table = DoseTable(comparisons)
    zero, twin, plain, levels = find_candidates(first)
    if zero is None or not levels:
        raise run_file.Refused(run_file.INCOMPLETE, f"{first.path}: nothing is "
                               "left to be compared with no dose")
    ns = np.exp(table.log_ns)
    time, cpu = table.response(ns), table.response(table.cpu_ns)
    clean = table.response(np.where(table.is_clean, ns, np.nan))
    if len(time) < estimate.PROCESSES_MIN:
        raise run_file.Refused(
            run_file.INCOMPLETE, f"{first.path}: {len(time)} processes in "
            "which every dose was measured are too few: "
            f"{estimate.PROCESSES_MIN} give the widest of intervals")
    base = plain if plain is not None else zero
    totals = {"time_ns": typical(ns, base), "cpu_ns": typical(table.cpu_ns,
                                                             base)}
    zeros = table.costs.get(zero, []) + table.costs.get(twin, [])
    factors = []
    for factor, members in levels.items():
        columns = [zero] + [i for _, i in members]
        silent = [table.labels[i] for i in columns if i not in table.counts]
        if silent:
            raise run_file.Refused(
                run_file.WRONG, f"{first.path}: no batch of '{silent[0]}' "
                "says how often its dose was given")
        x = np.array([0.0] + [real_dose(comparisons, i, factor, nominal)
                              for nominal, i in members])
        counted = [(table.counts[i]["jobs"], table.counts[i][EVENTS[factor]])
                   for i in columns]
        undisturbed = interval(slopes(x, clean[:, columns]), len(levels))
        value = dose_object(
            factor, x, [table.labels[i] for i in columns], counted,
            response(x, time[:, columns], len(levels)),
            response(x, cpu[:, columns], len(levels)),
            cost_now(zeros, factor), totals, undisturbed)
        value["spins"] = [{"asked_ns": nominal, "real_ns": float(real)}
                          for (nominal, _), real in zip(members, x[1:])]
        factors.append(value)
    candidate = first.candidates[base]
    mix = run_file.mix_text(candidate["mix"])
    return {
        "type": "doses", "files": [c.path for c in comparisons],
        "what": f"{candidate.get('name')}, {mix}, "
                f"{candidate.get('jobs')} in flight, {candidate.get('device')}",
        "operation": "operation",
        "unit": "layout" if len(time) != len(table.log_ns) else "process",
        "units": len(time), "units_left_out": table.processes_left_out,
        "batches": table.batches,
        "disturbed": int((~table.is_clean & ~np.isnan(table.log_ns)).sum()),
        "interrupted": any(c.interrupted for c in comparisons),
        "level": estimate.LEVEL,
        "time_ns": totals["time_ns"], "cpu_ns": totals["cpu_ns"],
        "decorated_time_ns": typical(ns, zero),
        "twin": (interval((time[:, twin] - time[:, zero]) / totals["time_ns"],
                          1) if twin is not None else None),
        "factors": factors, "missing": [],
        "left_out": [{"label": c["label"], "status": c["status"],
                      "reason": c.get("reason")} for c in first.left_out],
    }


# ---- from runs of a program ---------------------------------------------------


def read_program(path):
    """(settings, runs, is interrupted) of a file with runs, or None."""
    settings, runs = [], []

    def take(line, where):
        if line["type"] == "program_doses":
            settings.append(line)
        elif line["type"] == "program_run":
            check_run(settings, line, where)
            runs.append(line)

    _, end = run_file.read_lines(path, take)
    if not settings:
        return None
    return settings[0], runs, bool(end.get("interrupted"))


def check_run(settings, line, where):
    """settings: a list of what was read of them so far, one or none."""
    if not settings:
        raise run_file.Refused(run_file.WRONG, f"{where}: a run in front of "
                               "the doses")
    for key in ("block", "dose", "elapsed_ns", "cpu_ns", "jobs", "switches",
                "wakes"):
        value = line.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise run_file.Refused(run_file.WRONG, f"{where}: the run has no "
                                   f"number '{key}'")
    if line["dose"] >= len(settings[0]["doses"]):
        raise run_file.Refused(run_file.WRONG, f"{where}: there is no dose "
                               f"{line['dose']}")
    if line["block"] >= settings[0]["blocks"]:
        raise run_file.Refused(run_file.WRONG, f"{where}: there is no block "
                               f"{line['block']}")


def missing_objects(settings, runs):
    """Doses that runs did not survive, or did not reach."""
    found = []
    for i, dose in enumerate(settings["doses"]):
        mine = [r for r in runs if r["dose"] == i]
        lost = [r for r in mine if r["status"] != "ok"]
        if not lost:
            continue
        reasons = list(dict.fromkeys(r["reason"] for r in lost))
        found.append({"label": dose["label"], "blocks": len(lost),
                      "of": len(mine), "reasons": reasons})
    return found


def analyse_program(path, settings, runs, is_interrupted):
    doses = settings["doses"]
    shape = settings["blocks"], len(doses)
    time, cpu = np.full(shape, np.nan), np.full(shape, np.nan)
    counted = [[0, 0, 0] for _ in doses]
    costs = []
    for r in runs:
        if r["status"] != "ok" or r["jobs"] == 0:
            continue
        time[r["block"], r["dose"]] = r["elapsed_ns"] / r["jobs"]
        cpu[r["block"], r["dose"]] = r["cpu_ns"] / r["jobs"]
        for n, key in enumerate(("jobs", "switches", "wakes")):
            counted[r["dose"]][n] += r[key]
        if r.get("switch_ps"):
            costs.append(r["switch_ps"] / 1000)
    missing = missing_objects(settings, runs)
    blocks = int((~np.isnan(time)).any(axis=1).sum())
    if not any(r["jobs"] for r in runs):
        raise run_file.Refused(run_file.INCOMPLETE, f"{path}: the program "
                               "started no OpenSSL job in any run: there is "
                               "nothing to give a dose to")
    zero = next(i for i, d in enumerate(doses) if d["is_dosed"]
                and not d["switch_ns"] and not d["wake_ns"])
    plain = next((i for i, d in enumerate(doses) if not d["is_dosed"]), None)
    base = plain if plain is not None and not np.isnan(
        time[:, plain]).all() else zero
    if np.isnan(time[:, zero]).all():
        raise run_file.Refused(run_file.INCOMPLETE, f"{path}: no run without "
                               "a dose came to its end: "
                               + "; ".join(m["reasons"][0] for m in missing))
    totals = {"time_ns": float(np.nanmedian(time[:, base])),
              "cpu_ns": float(np.nanmedian(cpu[:, base]))}
    wanted = [f for f in ("switch", "wake") if any(d[f + "_ns"]
                                                  for d in doses)]
    factors = []
    for factor in wanted:
        columns = [zero] + [i for i, d in enumerate(doses)
                            if d[factor + "_ns"]
                            and not np.isnan(time[:, i]).all()]
        x = np.array([0.0] + [(doses[i].get("real_ps") or
                               1000 * doses[i][factor + "_ns"]) / 1000
                              for i in columns[1:]])
        n = 1 if factor == "switch" else 2
        cost = float(np.median(costs)) if costs and factor == "switch" else None
        value = dose_object(
            factor, x, [doses[i]["label"] for i in columns],
            [(counted[i][0], counted[i][n]) for i in columns],
            response(x, time[:, columns], len(wanted)) if len(columns) > 1
            else None,
            response(x, cpu[:, columns], len(wanted)) if len(columns) > 1
            else None, cost, totals)
        value["spins"] = [{"asked_ns": doses[i][factor + "_ns"],
                           "real_ns": float(real)}
                          for i, real in zip(columns[1:], x[1:])]
        factors.append(value)
    if all(len(f["levels"]) == 1 for f in factors) and missing:
        raise run_file.Refused(
            run_file.INCOMPLETE, f"{path}: the program survived no dose: "
            + "; ".join(f"{m['label']}: {m['reasons'][0]}" for m in missing))
    if all(f["time"] is None for f in factors):
        raise run_file.Refused(
            run_file.INCOMPLETE, f"{path}: {blocks} blocks with enough runs "
            f"are too few: {estimate.PROCESSES_MIN} give the widest of "
            "intervals" + "".join(f"; {m['label']}: {m['reasons'][0]}"
                                  for m in missing[:1]))
    return {
        "type": "doses", "files": [path],
        "what": " ".join(settings["program"]), "operation": "job",
        "unit": "block", "units": blocks,
        "units_left_out": settings["blocks"] - blocks, "batches": len(runs),
        "disturbed": None, "interrupted": is_interrupted,
        "level": estimate.LEVEL,
        "time_ns": totals["time_ns"], "cpu_ns": totals["cpu_ns"],
        "decorated_time_ns": float(np.nanmedian(time[:, zero])),
        "twin": None, "factors": factors, "missing": missing, "left_out": [],
    }


# ---- in words -----------------------------------------------------------------


def figure(value):
    """With three digits that count."""
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else (
        f"{value:.1f}" if size >= 10 else f"{value:.2f}")


def bracketed(triple, scale=1.0, unit=""):
    if triple is None:
        return "-"
    a, low, high = (scale * v for v in triple)
    return f"{figure(a)}{unit} [{figure(low)}, {figure(high)}]"


def table_rows(value):
    one = value["operation"]
    rows = [["", f"per {one}", "slope", "on the critical path", "cost now",
             "free would buy at most"]]
    for f in value["factors"]:
        rows.append([
            f["factor"], f"{f['applications_per_operation']:.3f}",
            bracketed(f["time"] and f["time"]["slope"]),
            bracketed(f["critical_share"], 100, " %"),
            f"{figure(f['cost_now_ns'])} ns" if f["cost_now_ns"] is not None
            else "-",
            bracketed(f["time_ceiling"], 100, " %")])
    return rows


def factor_sentences(value, f):
    one = value["operation"]
    name = f["factor"]
    if f["applications_per_operation"] == 0:
        return [f"{name}: there was none; what it costs does not matter here."]
    if f["time"] is None:
        return [f"{name}: too little is left to say anything."]
    slope, each = f["time"]["slope"], f["applications_per_operation"]
    lines = [f"{name}: one ns more for each of the {figure(each)} "
             f"{SEVERAL[name]} of each {one} makes it\ntake "
             f"{bracketed(slope)} ns longer, and costs "
             f"{bracketed(f['cpu'] and f['cpu']['slope'])} ns of CPU."]
    if slope[1] <= 0 <= slope[2]:
        lines[-1] += (" That is\nnot told apart from nothing.")
    if f["time_ceiling"] is not None:
        lines.append(
            f"If {FREE[name]} cost nothing, instead of "
            f"{figure(f['cost_now_ns'])} ns, each {one} would take at most\n"
            f"{bracketed(f['time_ceiling'], 100, ' %')} less time, and "
            f"{bracketed(f['cpu_ceiling'], 100, ' %')} less CPU.")
    else:
        part = 100 * 100 / value["time_ns"]
        lines.append(f"100 ns less for each would buy at most "
                     f"{bracketed(f['time']['bound'], part, ' %')} of the time "
                     "of\neach " + one + ".")
    bent = f["time"]["bend"]
    if bent is not None and bent["is_bent"]:
        way = "above" if bent["off_ns"] > 0 else "below"
        lines.append(f"No line: at +{figure(bent['dose_ns'])} ns the time lies "
                     f"{figure(abs(bent['off_ns']))} ns {way} it."
                     + (" The bound is by the first step." if
                        f["time"]["bound_is_first_step"] else
                        " Large doses cost\nmore than small ones, so the bound "
                        "is a generous one."))
    if slope[1] > (1 + MORE_PART) * each:
        lines.append("That is more than the doses themselves take: at a dose "
                     "the program does other\nthings too, such as sleeping. "
                     "The bound is all that the part costs.")
    if f["applications_differ"]:
        lines.append(f"How many {SEVERAL[name]} there are depends on the dose: "
                     + ", ".join(f"{n['applications_per_operation']:.3f} at "
                                 f"'{n['label']}'" for n in f["levels"]) + ".")
    return lines


def print_notes(value, out):
    notes = []
    for m in value["missing"]:
        notes.append(f"{m['label']}: {m['blocks']} of {m['of']} runs are "
                     f"missing ({'; '.join(m['reasons'][:2])}); the slope is "
                     "that of the rest.")
    for c in value["left_out"]:
        notes.append(f"{c['label']} was left out ({c['status']}): "
                     f"{c['reason']}")
    for f in value["factors"]:
        for s in f["spins"]:
            if abs(s["real_ns"] / s["asked_ns"] - 1) > SPIN_PART:
                notes.append(f"{f['factor']}: a spin of {s['asked_ns']} ns "
                             f"lasts {s['real_ns']:.1f} ns here; the slope is "
                             "by that.")
    if value["units_left_out"]:
        notes.append(f"{value['units_left_out']} {value['unit']} left out: not every "
                     "dose was measured.")
    if value["interrupted"]:
        notes.append("It was interrupted; what there is was used.")
    twin = value["twin"]
    if twin is not None and (twin[1] > 0 or twin[2] < 0):
        notes.append("A/A: without a dose, time differs from itself by "
                     f"{bracketed(twin, 100, ' %')}. By luck that happens once "
                     "in twenty times.")
    if notes:
        print("\nNotes", file=out)
        for note in notes:
            print("  " + note, file=out)


def print_text(value, out):
    one = value["operation"]
    runs = "batches" if value["operation"] == "operation" else "runs"
    units = {"process": "processes", "layout": "layouts", "block": "blocks"}
    print(f"{value['what']}\n{value['units']} "
          f"{units[value['unit']]}, {value['batches']} {runs}"
          + (f", {value['disturbed']} of them disturbed"
             if value["disturbed"] is not None else "") + ".", file=out)
    print(f"As it is: {judge.ns_text(value['time_ns'])} ns and "
          f"{judge.ns_text(value['cpu_ns'])} ns of CPU per {one}; ready for "
          f"doses, without any: {judge.ns_text(value['decorated_time_ns'])} "
          "ns.\n", file=out)
    for line in judge.format_table(table_rows(value)):
        print("  " + line, file=out)
    print(f"\nslope: ns per {one} for each ns more; intervals hold for all "
          f"factors at once with\n{100 * value['level']:.0f} % confidence. On "
          f"the critical path: the slope by how many there are per\n{one}.",
          file=out)
    for f in value["factors"]:
        print(file=out)
        for line in factor_sentences(value, f):
            print(line, file=out)
    print_notes(value, out)


# ---- the command line -----------------------------------------------------------


def analyse(paths):
    if len(paths) == 1:
        program = read_program(paths[0])
        if program is not None:
            return analyse_program(paths[0], *program)
    return analyse_batches([run_file.read(path) for path in paths])


def main(argv):
    parser = argparse.ArgumentParser(prog="analysis dose")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("files", nargs="+", metavar="FILE")
    args = parser.parse_args(argv)
    try:
        value = analyse(args.files)
    except run_file.Refused as refused:
        print(f"switchyard: {refused}", file=sys.stderr)
        return refused.code
    if args.json:
        print(json.dumps(value))
    else:
        print_text(value, sys.stdout)
    return 0
