# SPDX-License-Identifier: Apache-2.0
"""What of a run holds when it is repeated.

usage: analysis replay --command --to FILE [--out DIR] RUN
       analysis replay [--json] OLD NEW

The first form writes the words of the command that repeats a run, each with a
zero byte behind it; the second compares the claims of both.
"""

import argparse
import json
import math
import sys

from . import estimate, judge, merge, run_file, runs
from .run_file import INCOMPLETE, WRONG, Refused

# Options of the original that are not part of what was measured.
WITH_VALUE = merge.WITH_VALUE + ("--run-id",)
FLAGS = merge.FLAGS + ("--dry-run",)

# Of a comparison the counts are repeated, not the time that led to them.
TIMING = ("--time", "--suite", "--processes", "--rounds")

REPEATABLE = ("run", "compare", "load", "cost")

REPRODUCED, OPPOSITE, UNRESOLVED = "reproduced", "opposite", "unresolved"


def without(argv, with_value, flags=()):
    words, skip = [], False
    for word in argv:
        if skip:
            skip = False
        elif word in with_value:
            skip = True
        elif word not in flags and not word.startswith(
                tuple(f"{option}=" for option in with_value)):
            words.append(word)
    return words


def one_run(path):
    found = runs.load([path]).runs
    if len(found) != 1:
        raise Refused(WRONG, f"{path} holds {len(found)} runs; name one: "
                      + ", ".join(run.run_id for run in found))
    return found[0]


def is_word(text):
    """Words are handed over with a zero byte behind each, as UTF-8."""
    return "\0" not in text and not any(
        0xd800 <= ord(c) <= 0xdfff for c in text)


def command_of(run, out):
    """The words that repeat it: suite, seeds, order."""
    argv = run.argv
    if len(argv) < 2 or argv[1] not in REPEATABLE:
        raise Refused(WRONG, f"{run.paths[0]}: made by "
                      f"'{' '.join(argv[:2]) or 'an unknown command'}'; what "
                      "can be repeated are " + ", ".join(REPEATABLE))
    if not all(map(is_word, argv)):
        raise Refused(WRONG, f"{run.paths[0]}: its 'argv' holds what no "
                      "command line can: a zero byte, or half a character")
    words = without(argv[1:], WITH_VALUE, FLAGS)
    if run.comparisons:
        # Which process has which order follows from its number.
        settings = run.comparisons[0].settings
        words = without(words, TIMING)
        words += ["--processes", str(settings["processes"]), "--rounds",
                  str(settings["rounds"]), "--no-verdict"]
    elif argv[1] == "run":
        words.append("--json")
    return words + ["--out", out]


# ---- claims -----------------------------------------------------------------


def outcome(old, new):
    """Of a claim that was made about a log ratio: (low, high) in the old run
    and in the new one."""
    band = estimate.BAND
    said = estimate.verdict(*old)
    if said == "INCONCLUSIVE":
        return None  # nothing was claimed
    low, high = new
    if said == "EQUIVALENT":
        if -band <= low and high <= band:
            return REPRODUCED
        return OPPOSITE if low > band or high < -band else UNRESOLVED
    sign = -1 if said == "FASTER" else 1
    if sign * low > 0 and sign * high > 0:
        return REPRODUCED
    if sign * low < 0 and sign * high < 0:
        return OPPOSITE
    return UNRESOLVED


def logs(pair):
    return math.log(pair["low"]), math.log(pair["high"])


def claims(old, new):
    """One object for each pair of the old comparison."""
    after = {(p["first"], p["second"]): p for p in new["pairs"]}
    found = []
    for pair in old["pairs"]:
        other = after.get((pair["first"], pair["second"]))
        verdict = UNRESOLVED if other is None else \
            outcome(logs(pair), logs(other))
        if verdict is None or (other is None
                               and pair["verdict"] == "INCONCLUSIVE"):
            continue
        found.append({"first": pair["first"], "second": pair["second"],
                      "claim": pair["verdict"],
                      "then": {k: pair[k] for k in ("ratio", "low", "high")},
                      "now": None if other is None else
                      {k: other[k] for k in ("ratio", "low", "high")},
                      "outcome": verdict})
    return found


def rows_of(run):
    """{what: figures} of lines that make no claim by themselves."""
    found = {}
    for row in run.records + run.loads:
        if not row.ok:
            continue
        where = [row.name, f"{row.jobs} jobs"]
        if row in run.loads and row.rate_hz:
            where.append(f"{row.rate_hz} op/s")
        found.setdefault((row.mix, *where), []).append(
            row.cpu_ns_per_operation)
    return {key: [v for v in values if v] for key, values in found.items()}


def figures(old, new):
    """CPU per operation then and now, of rows that are in both."""
    before, after = rows_of(old), rows_of(new)
    found = []
    for key in before:
        if before[key] and after.get(key):
            a, b = (sum(v) / len(v) for v in (before[key], after[key]))
            found.append({"row": ", ".join(key), "then_ns": a, "now_ns": b,
                          "ratio": b / a})
    return found


def differences(old, new):
    """Words for what was not the same."""
    words = []
    a, b = old.meta, new.meta
    if a["machine"].get("fingerprint") != b["machine"].get("fingerprint"):
        words.append("another machine, or another state of it: "
                     + run_file.describe_machines(a, b))
    for name, key in (("build", "build"), ("libraries", "libraries"),
                      ("suite file", "suite")):
        if a.get(key) != b.get(key):
            words.append(f"another {name}")
    return words


def check_comparable(old, new):
    if bool(old.comparisons) != bool(new.comparisons):
        raise Refused(WRONG, f"{old.run_id} and {new.run_id} are of "
                      "different kinds: one is a comparison")
    if old.comparisons and {c["label"] for c in old.comparisons[0].candidates} \
            .isdisjoint(c["label"] for c in new.comparisons[0].candidates):
        raise Refused(WRONG, f"{old.run_id} and {new.run_id} have no "
                      "candidate in common")


def judge_both(old, new):
    check_comparable(old, new)
    value = {"type": "replay", "then": old.run_id, "now": new.run_id,
             "differences": differences(old, new), "claims": [], "rows": [],
             "aa": None}
    if old.comparisons:
        before, after = (judge.judge(r.comparisons) for r in (old, new))
        value["claims"] = claims(before, after)
        value["aa"] = {"then": before["aa"] and before["aa"]["differs"],
                       "now": after["aa"] and after["aa"]["differs"]}
    else:
        value["rows"] = figures(old, new)
        if not value["rows"]:
            raise Refused(INCOMPLETE, f"{old.run_id} and {new.run_id} have no "
                          "figure in common")
    return value


# ---- in words ---------------------------------------------------------------


def print_text(value, out):
    print(f"{value['now']} repeats {value['then']}.", file=out)
    for words in value["differences"]:
        print(f"Not the same: {words}.", file=out)
    if value["rows"]:
        print("\nSingle windows make no claims; CPU per operation then and "
              "now:", file=out)
        rows = [["", "then", "now", "ratio"]]
        rows += [[r["row"], f"{r['then_ns']:,.0f} ns", f"{r['now_ns']:,.0f} ns",
                  f"{r['ratio']:.3f}"] for r in value["rows"]]
        for line in judge.format_table(rows):
            print("  " + line, file=out)
        return
    if not value["claims"]:
        print("\nIt claimed nothing: every pair was INCONCLUSIVE.", file=out)
        return
    rows = [["claim", "then", "now", "outcome"]]
    for c in value["claims"]:
        rows.append([f"{c['first']} is {c['claim']} than {c['second']}"
                     if c["claim"] != "EQUIVALENT" else
                     f"{c['first']} and {c['second']} are EQUIVALENT",
                     judge.ratio_text(c["then"]), judge.ratio_text(c["now"]),
                     c["outcome"]])
    print(file=out)
    for line in judge.format_table(rows):
        print("  " + line, file=out)
    counts = [f"{sum(c['outcome'] == o for c in value['claims'])} {o}"
              for o in (REPRODUCED, OPPOSITE, UNRESOLVED)]
    print("\n" + ", ".join(counts) + ".", file=out)
    for when, word in (("then", "Then"), ("now", "Now")):
        if value["aa"][when]:
            print(f"{word}, the A/A pair differed from itself: differences of "
                  "that size mean nothing.", file=out)


def main(argv):
    parser = argparse.ArgumentParser(prog="analysis replay",
                                     allow_abbrev=False)
    parser.add_argument("--command", action="store_true")
    parser.add_argument("--to")
    parser.add_argument("--out", default="runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    args = parser.parse_args(argv)
    try:
        found = [one_run(path) for path in args.runs]
        if args.command:
            words = command_of(found[0], args.out)
            with open(args.to, "wb") as f:
                f.write(b"".join(w.encode() + b"\0" for w in words))
            return 0
        if len(found) != 2:
            raise Refused(WRONG, "replay compares two runs")
        value = judge_both(*found)
    except Refused as refused:
        print(f"switchyard: {refused}", file=sys.stderr)
        return refused.code
    if args.json:
        json.dump(value, sys.stdout, indent=1)
        print()
    else:
        print_text(value, sys.stdout)
    return 1 if any(c["outcome"] == OPPOSITE for c in value["claims"]) else 0
