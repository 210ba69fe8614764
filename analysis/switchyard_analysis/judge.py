# SPDX-License-Identifier: Apache-2.0
"""The judgement of a comparison: from run files to verdicts in words."""

import argparse
import json
import math
import sys

import numpy as np

from . import estimate, run_file

# Tags that say that something else happened during a batch.
DISTURBANCES = {"preempted", "steal", "migrated", "displaced", "waited",
                "major_fault"}

# More pairs than this are printed only as ratios to the fastest.
PAIRS_PRINTED = 10

# Above this part, a tag of batches is worth a line.
SHORT_PART = 0.01


class Table:
    """The batches of some comparisons, pooled, as arrays."""

    def __init__(self, comparisons):
        self.candidates = comparisons[0].candidates
        self.labels = [c["label"] for c in self.candidates]
        keys = [(n, p["process"]) for n, c in enumerate(comparisons)
                for p in c.processes]
        self.cpus = [p["cpus"] for c in comparisons for p in c.processes
                     if p.get("cpus")]
        self.layouts = [p.get("layout") for c in comparisons
                        for p in c.processes]
        at = {key: i for i, key in enumerate(keys)}
        rounds = 1 + max((b.round for c in comparisons for b in c.batches),
                         default=0)
        shape = (len(keys), rounds, len(self.candidates))
        self.log_ns = np.full(shape, np.nan)
        self.cpu_ns = np.full(shape, np.nan)
        self.is_clean = np.zeros(shape, dtype=bool)
        self.tags = {}
        self.batches = 0
        for n, c in enumerate(comparisons):
            for b in c.batches:
                self.add(b, at, n, c.path)
        self.pick_usable()

    def add(self, batch, at, number, path):
        row = at.get((number, batch.process))
        if row is None:
            raise run_file.Refused(run_file.WRONG, f"{path}: a batch of "
                                   f"process {batch.process}, which is not "
                                   "there")
        cell = row, batch.round, batch.candidate
        if not np.isnan(self.log_ns[cell]):
            raise run_file.Refused(run_file.WRONG, f"{path}: process "
                                   f"{batch.process}, round "
                                   f"{batch.round}: measured twice")
        for tag in batch.tags:
            self.tags[tag] = self.tags.get(tag, 0) + 1
        self.batches += 1
        if run_file.CLOCK in batch.tags:
            return  # it happened, and nobody knows how long it took
        self.log_ns[cell] = math.log(batch.elapsed_ns / batch.operations)
        self.cpu_ns[cell] = batch.cpu_ns / batch.operations
        self.is_clean[cell] = DISTURBANCES.isdisjoint(batch.tags)

    def pick_usable(self):
        """Processes in which every candidate was measured."""
        has = ~np.isnan(self.log_ns)
        usable = has.any(axis=1).all(axis=1)
        self.processes_left_out = int((~usable).sum())
        self.log_ns = self.log_ns[usable]
        self.cpu_ns = self.cpu_ns[usable]
        self.is_clean = self.is_clean[usable]
        self.layouts = [n for n, u in zip(self.layouts, usable) if u]

    def groups(self):
        names = set(self.layouts)
        return self.layouts if len(names) >= 2 and None not in names else None

    def located(self):
        return estimate.units(estimate.locations(self.log_ns), self.groups())

    def located_clean(self):
        clean = np.where(self.is_clean, self.log_ns, np.nan)
        return estimate.units(estimate.locations(clean), self.groups())

    def averaged(self):
        return estimate.units(estimate.means(self.log_ns), self.groups())


def as_ratio(triple):
    """A log interval as ratios, for JSON."""
    if triple is None:
        return None
    return {"ratio": float(np.exp(triple[0])), "low": float(np.exp(triple[1])),
            "high": float(np.exp(triple[2]))}


def pair_object(table, i, j, triple, clean, means):
    value = {"first": table.labels[i], "second": table.labels[j]}
    value.update(as_ratio(triple))
    value["verdict"] = estimate.verdict(*triple[1:])
    value["differs"] = estimate.differs(*triple[1:])
    value["undisturbed"] = as_ratio(estimate.single(clean, i, j))
    value["mean"] = as_ratio(estimate.single(means, i, j))
    return value


def aa_object(table, located, clean, planted, twin):
    """The candidate that was entered twice."""
    for i, candidate in enumerate(table.candidates):
        j = candidate["twin_of"]
        if j is None:
            continue
        triple = estimate.single(located, i, j)
        if triple is None:
            return None
        value = {"first": table.labels[i], "second": table.labels[j]}
        value.update(as_ratio(triple))
        value["differs"] = estimate.differs(*triple[1:])
        value["verdict"] = estimate.verdict(*triple[1:])
        value["undisturbed"] = as_ratio(estimate.single(clean, i, j))
        value["planted_ratio"] = 1 + planted / 1000
        value["twin"] = twin
        return value
    return None


def candidate_objects(table, located):
    objects = []
    for i, candidate in enumerate(table.candidates):
        column = located[:, i]
        measured = ~np.isnan(table.log_ns[:, :, i])
        clean = table.is_clean[:, :, i] & measured
        objects.append({
            "label": table.labels[i], "mix": run_file.mix_text(candidate["mix"]),
            "task": candidate["task"], "twin_of": candidate["twin_of"],
            "ns_per_operation": float(np.exp(column.mean())),
            "cpu_ns_per_operation": float(np.nanmedian(
                table.cpu_ns[:, :, i])),
            "batches": int(measured.sum()),
            "disturbed": int(measured.sum() - clean.sum())})
    return objects


def winner_objects(table, located):
    """One for each task with several candidates."""
    objects = []
    tasks = {}
    for i, candidate in enumerate(table.candidates):
        if candidate["twin_of"] is None:
            tasks.setdefault(candidate["task"], []).append(i)
    for members in tasks.values():
        if len(members) < 2:
            continue
        found = estimate.winner(located, members)
        value = {"mix": run_file.mix_text(table.candidates[members[0]]["mix"]),
                 "winner": None, "leader": None, "rivals": []}
        if found is not None:
            best, quoted, is_clear = found
            value["leader"] = table.labels[best]
            value["winner"] = table.labels[best] if is_clear else None
            value["rivals"] = [
                dict(as_ratio(triple), label=table.labels[other],
                     is_told_apart=bool(triple[1] > 0))
                for other, triple in sorted(quoted.items(),
                                            key=lambda item: item[1][0])]
        objects.append(value)
    return objects


def judge(comparisons, left_out=(), table=None):
    """The verdicts as one object for JSON. Of files that were left out, the
    reasons are given. Who has the Table of these comparisons already may give
    it."""
    run_file.check_same(comparisons)
    table = table or Table(comparisons)
    planted = comparisons[0].settings.get("planted_permille") or 0
    located = table.located()
    count = len(located)
    if count < estimate.PROCESSES_MIN:
        raise run_file.Refused(
            run_file.INCOMPLETE, f"{comparisons[0].path}: {count} processes in "
            "which every candidate was measured are too few: "
            f"{estimate.PROCESSES_MIN} give the widest of intervals")
    clean, means = table.located_clean(), table.averaged()
    pairs = [(i, j) for j, b in enumerate(table.candidates)
             for i, a in enumerate(table.candidates)
             if i < j and a["task"] == b["task"] and a["twin_of"] is None
             and b["twin_of"] is None]
    results = estimate.compare(located, pairs)
    return {
        "type": "judgement",
        "files": [c.path for c in comparisons],
        "interrupted": any(c.interrupted for c in comparisons),
        "incomplete": [*left_out, *(c.incomplete for c in comparisons
                                    if c.incomplete)],
        "aslr": all(c.settings.get("aslr") for c in comparisons),
        "unit": "layout" if len(located) != len(table.log_ns) else "process",
        "units": count,
        "processes": len(table.log_ns),
        "processes_left_out": table.processes_left_out,
        "batches": table.batches,
        "tags": table.tags,
        "cpus": {"least": min(table.cpus, default=None),
                 "most": max(table.cpus, default=None)},
        "level": estimate.LEVEL,
        "band": 0.02,
        "candidates": candidate_objects(table, located),
        "left_out": [{"label": c["label"], "status": c["status"],
                      "reason": c.get("reason")}
                     for c in comparisons[0].left_out],
        "aa": aa_object(table, located, clean, planted,
                        comparisons[0].settings.get("twin")),
        "pairs": [pair_object(table, i, j, triple, clean, means)
                  for (i, j), triple in results.items()],
        "winners": winner_objects(table, located),
    }


# ---- in words --------------------------------------------------------------


def percent(ratio):
    return f"{100 * (ratio - 1):+.2f} %"


def ratio_text(value):
    if value is None:
        return "-"
    return f"{value['ratio']:.4f} ({value['low']:.4f} .. {value['high']:.4f})"


def format_table(rows):
    """Columns aligned; the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0])] +
                      [cell.rjust(width) for cell, width in
                       zip(row[1:], widths[1:])]).rstrip() for row in rows]


def ns_text(ns):
    return f"{ns:,.1f}" if ns < 10000 else f"{ns:,.0f}"


def print_candidates(value, out):
    mixes = list(dict.fromkeys(c["mix"] for c in value["candidates"]))
    for mix in mixes:
        members = sorted((c for c in value["candidates"] if c["mix"] == mix),
                         key=lambda c: c["ns_per_operation"])
        rows = [["", "ns/operation", "CPU ns/operation", "disturbed batches"]]
        for c in members:
            rows.append([c["label"], ns_text(c["ns_per_operation"]),
                         ns_text(c["cpu_ns_per_operation"]),
                         f"{100 * c['disturbed'] / max(1, c['batches']):.0f} "
                         "%"])
        print(f"\n{mix}", file=out)
        for line in format_table(rows):
            print("  " + line, file=out)


def against(pair, label):
    """The pair as "other against label", turned round where needed."""
    if pair["second"] == label:
        return pair
    turned = {"FASTER": "SLOWER", "SLOWER": "FASTER"}
    value = dict(pair, first=pair["second"], second=pair["first"],
                 verdict=turned.get(pair["verdict"], pair["verdict"]))
    for key in (None, "undisturbed", "mean"):
        old = pair if key is None else pair[key]
        if old is None:
            continue
        new = {"ratio": 1 / old["ratio"], "low": 1 / old["high"],
               "high": 1 / old["low"]}
        if key is None:
            value.update(new)
        else:
            value[key] = new
    return value


def print_pairs(value, out):
    pairs = value["pairs"]
    if not pairs:
        return
    speed = {c["label"]: c["ns_per_operation"] for c in value["candidates"]}
    task = {}
    for c in value["candidates"]:
        task.setdefault(c["task"], []).append(c["label"])
    shown = []
    if len(pairs) <= PAIRS_PRINTED:
        for pair in pairs:
            slower = max(pair["first"], pair["second"], key=speed.get)
            shown.append(against(pair, slower))
    else:
        for labels in task.values():
            best = min(labels, key=speed.get)
            shown += [against(p, best) for p in pairs
                      if best in (p["first"], p["second"])]
        print(f"\n{len(pairs)} pairs were compared; these are those with the "
              "fastest. --json prints all.", file=out)
    rows = [["", "time, as a ratio", "verdict", "undisturbed only"]]
    for pair in sorted(shown, key=lambda p: p["ratio"]):
        clean = pair["undisturbed"]
        rows.append([f"{pair['first']} / {pair['second']}", ratio_text(pair),
                     pair["verdict"],
                     f"{clean['ratio']:.4f}" if clean else "-"])
    print("\nRatios of time per operation, with intervals that hold all at "
          f"once with\n{100 * value['level']:.0f} % confidence; EQUIVALENT: "
          f"within {100 * value['band']:.0f} % of each other.", file=out)
    for line in format_table(rows):
        print("  " + line, file=out)


def print_winners(value, out):
    for w in value["winners"]:
        if w["leader"] is None:
            print(f"\n{w['mix']}: too few processes to name a winner.",
                  file=out)
            continue
        if w["winner"] is not None:
            second = w["rivals"][0]
            print(f"\n{w['mix']}: {w['winner']} is the fastest. The next, "
                  f"{second['label']},\ntakes {second['ratio']:.4f} times as "
                  f"long ({second['low']:.4f} .. {second['high']:.4f}), by "
                  "processes that had no\npart in the choice.", file=out)
            continue
        near = [r["label"] for r in w["rivals"] if not r["is_told_apart"]]
        print(f"\n{w['mix']}: no winner. Half of the processes chose "
              f"{w['leader']}; the other\nhalf does not tell it apart from "
              + ", ".join(near) + ".", file=out)


def unseen(aa):
    """The largest difference that an A/A pair does not rule out, in words."""
    return f"{100 * (max(aa['high'], 1 / aa['low']) - 1):.1f} %"


def print_aa(value, out):
    aa = value["aa"]
    if aa is None:
        return
    text = (f"{percent(aa['ratio'])} ({percent(aa['low'])} .. "
            f"{percent(aa['high'])})")
    if aa["planted_ratio"] != 1:
        print(f"\nPlanted: {aa['first']} does "
              f"{percent(aa['planted_ratio'])} more work than it says; found "
              f"{text}.", file=out)
        return
    where = (", linked elsewhere" if aa["twin"] == "elsewhere"
             else ", sharing its code")
    if aa["differs"]:
        print(f"\nA/A: {aa['second']} differs from itself{where}, by\n{text}. "
              "One such comparison in twenty does by luck; if it\ndoes again, "
              "something is wrong here, and differences of that size mean\n"
              "nothing.", file=out)
    else:
        print(f"\nA/A: {aa['second']} against itself{where}:\n{text}: no "
              "difference, as it should be; one\nof up to "
              f"{unseen(aa)} would not have been seen.", file=out)


def print_notes(value, out):
    tags = value["tags"]
    notes = []
    for c in value["left_out"]:
        notes.append(f"{c['label']} was left out ({c['status']}): "
                     f"{c['reason']}")
    if value["processes_left_out"]:
        notes.append(f"{value['processes_left_out']} processes ended before "
                     "every candidate was measured; they are not in the "
                     "figures.")
    if value["interrupted"]:
        notes.append("The comparison was interrupted; what there is was "
                     "judged.")
    if tags.get(run_file.CLOCK):
        notes.append(f"The clock stepped in {tags[run_file.CLOCK]} of "
                     f"{value['batches']} batches: their times are not known, "
                     "and not in the figures.")
    cpus = value["cpus"]
    if cpus["least"] != cpus["most"]:
        notes.append("CPUs were taken away or given back meanwhile: processes "
                     f"might use {cpus['least']} to {cpus['most']}.")
    for text in value["incomplete"]:
        notes.append(text)
    if not value["aslr"]:
        notes.append("Addresses were not randomised (ASLR off): the figures "
                     "are those of one layout.")
    if tags.get("short", 0) > SHORT_PART * value["batches"]:
        notes.append(f"{tags['short']} of {value['batches']} batches were "
                     "shorter than planned; the clock is a larger part of "
                     "them.")
    for p in value["pairs"]:
        clean = p["undisturbed"]
        if clean and p["differs"] and (clean["ratio"] > 1) != (p["ratio"] > 1):
            notes.append(f"{p['first']} / {p['second']}: the undisturbed "
                         "batches alone say the opposite.")
    if notes:
        print("\nNotes", file=out)
        for note in notes:
            print("  " + note, file=out)


def print_text(value, out):
    words = {"preempted": "preempted", "steal": "CPU time stolen by the host",
             "migrated": "moved to another CPU",
             "displaced": "on another CPU than intended",
             "waited": "waited for a CPU",
             "major_fault": "read from disk"}
    layouts = (f", {value['units']} layouts" if value["unit"] == "layout"
               else "")
    print(f"{len(value['candidates'])} candidates, {value['processes']} "
          f"processes{layouts}, {value['batches']} batches.", file=out)
    print_candidates(value, out)
    found = [f"{words[t]} {n}" for t, n in sorted(value["tags"].items())
             if t in words]
    if found:
        print("\nDisturbances, in batches: " + ", ".join(found) + ".",
              file=out)
    print_pairs(value, out)
    print_winners(value, out)
    print_aa(value, out)
    print_notes(value, out)


def read_all(paths, is_incomplete_fine):
    """The files that are whole, and what is wrong with those that are not;
    Refused if none is whole, or if one is not what it should be."""
    comparisons, left_out = [], []
    for path in paths:
        try:
            comparisons.append(run_file.read(path, is_incomplete_fine))
        except run_file.Refused as refused:
            if refused.code != run_file.INCOMPLETE:
                raise
            last = refused
            left_out.append(f"{refused}; left out")
    if not comparisons:
        raise last
    for text in left_out:
        print(f"switchyard: {text}", file=sys.stderr)
    return comparisons, left_out


def main(argv):
    parser = argparse.ArgumentParser(prog="analysis compare")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--incomplete", action="store_true")
    parser.add_argument("files", nargs="+", metavar="FILE")
    args = parser.parse_args(argv)
    try:
        comparisons, left_out = read_all(args.files, args.incomplete)
        value = judge(comparisons, left_out)
    except run_file.Refused as refused:
        print(f"switchyard: {refused}", file=sys.stderr)
        return refused.code
    if args.json:
        print(json.dumps(value))
    else:
        print_text(value, sys.stdout)
    return run_file.INCOMPLETE if left_out else 0
