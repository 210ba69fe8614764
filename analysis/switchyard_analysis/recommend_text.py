# SPDX-License-Identifier: Apache-2.0
"""A recommendation in words, and as an object for JSON."""

import itertools
import math
import shlex
import textwrap

import numpy as np

from . import decide, estimate, judge, situation, slo

WIDTH = 79

# Names of options in one sentence.
NAMES_SHOWN = 6

# A comparison shorter than this tells little.
SECONDS_MIN = 20
SECONDS_MAX = 24 * 3600

REPEATS = 5


def ratio(log):
    return f"{math.exp(log):.3f}"


def percent_of(log):
    """A log ratio as per cent more, rounded up."""
    return f"{math.ceil(1000 * math.expm1(log) - 1e-9) / 10:.1f} %"


def interval_text(found):
    if found is None:
        return "-"
    centre, low, high = (math.exp(v) for v in found)
    if low == high:
        return f"{centre:.3f}"
    return f"{centre:.3f} ({low:.3f} .. {high:.3f})"


def value_text(value, objective):
    _, unit = situation.TITLES[objective]
    return (slo.time_text(value) if unit == "ns" else f"{value:,.0f} {unit}")


def column_text(values, objective):
    """Values of a column: one unit, as many decimals as the least needs."""
    _, unit = situation.TITLES[objective]
    least = min(values, default=1)
    factor = 1
    if unit == "ns":
        unit, factor = next(((u, f) for u, f in (("s", 1e9), ("ms", 1e6),
                                                 ("us", 1e3))
                             if least >= f), ("ns", 1))
    scaled = [v / factor for v in values]
    decimals = 0 if unit == "bytes" else max(
        0, 3 - math.floor(math.log10(max(least / factor, 1e-3)))
        - 1 + (least / factor < 10))
    return [f"{v:,.{decimals}f} {unit}" for v in scaled]


def listed(names):
    names = list(names)
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more"
                                             if more > 0 else "")


# ---- what to run next -------------------------------------------------------


def where_words(place):
    """Options that choose the place again."""
    words = ["--workload", place.mix] if ", " not in place.mix else []
    if place.device:
        words += ["--device", place.device]
    return words + ["--jobs", str(place.jobs)]


def command_for(found, objective, rate=None, names=None):
    """The command that measures the objective there."""
    where = where_words(found.place)
    if names is None:
        names = [n for n, o in found.options().items()
                 if o.is_combination and o.can_pause]
        names = names if len(names) <= 2 * NAMES_SHOWN else []
    if objective in ("throughput", "cpu"):
        words = ["compare", *names, *where, "--reference",
                 "software,blocking", "--suite", "standard"]
    elif objective == "memory":
        words = ["cost", *names, *where]
    elif rate is not None:
        words = ["load", *names, *where, "--rate", str(rate), "--seed"]
        return (f"for seed in {' '.join(map(str, range(1, REPEATS + 1)))}; do "
                "switchyard " + " ".join(map(shlex.quote, words))
                + " $seed; done")
    else:
        words = ["run", *names, *where, "--seed",
                 ",".join(map(str, range(1, REPEATS + 1)))]
    return "switchyard " + " ".join(map(shlex.quote, words))


def next_command(answer, question):
    """What would make a decision, and why it takes so long."""
    rivals = [n for n in answer.contest.names
              if n != answer.decision.leader]
    open_ = [n for n in rivals if not is_settled(answer, n)]
    names = [answer.decision.leader, *open_, *answer.not_compared]
    if answer.group is None:
        return command_for(answer.found, answer.objective, answer.rate_hz,
                           names), None
    factor = decide.time_factor(answer.contest, [answer.decision.leader,
                                                 *open_],
                                answer.decision.leader)
    spent = answer.group.budget_ns()
    words = ["compare", *names, *where_words(answer.place), "--reference",
             "software,blocking"]
    if factor is None or spent is None:
        words += ["--suite", "standard"]
        return "switchyard " + " ".join(map(shlex.quote, words)), None
    # Fewer candidates take less of the time; a third more, because the width
    # itself is an estimate.
    share = (len(names) + 3) / (len(answer.group.rows) or 1)
    seconds = spent / 1e9 * factor * 4 / 3 * min(1, share)
    seconds = min(SECONDS_MAX, max(SECONDS_MIN, 10 * math.ceil(seconds / 10)))
    seed = 1 + max((c.settings.get("seed") or 0)
                   for c in answer.group.comparisons)
    words += ["--time", f"{seconds}s", "--seed", str(seed % 2 ** 31)]
    return ("switchyard " + " ".join(map(shlex.quote, words)),
            f"{factor:.1f} times the measurements are needed, if the "
            "differences are what they seem")


def is_settled(answer, name):
    """Is it shown that the leader is at most a band behind this one?"""
    most = answer.contest.excess(answer.decision.leader, name)
    return most is not None and most <= answer.evidence.band


# ---- what else there is to say ----------------------------------------------


def plain_ways(answer):
    """[(name, how much they take of what the choice takes)] of what makes
    offloading pointless."""
    found = []
    for name in ("software", "blocking"):
        if name in answer.references:
            most = answer.evidence.excess(name, answer.best_known)
            if most is not None and most <= answer.evidence.band:
                much = interval_text(answer.references[name])
                # Of one side and for one rival: closer than the interval.
                limit = (" times, with 95 % confidence at most "
                         f"{math.exp(most):.3f}" if "(" in much else "")
                found.append((name, f"{much}{limit} times as much as"))
        elif answer.screened_references.get(name, math.inf) <= \
                1 / situation.SCREENED_OUT:
            found.append((name, f"{answer.screened_references[name]:.2f} "
                          "times as much, in the first look, as"))
    return found


def same_parts(answer):
    """[(what, names, log spread)] of options that differ in one part."""
    name = answer.best_known
    if name is None:
        return []
    option = answer.options[name]
    mine = [n for n in answer.evidence.names if n in answer.eligible()]
    found = []
    for what, same in (
            ("switcher", lambda o: o.engine_name == option.engine_name),
            ("engine", lambda o: o.switcher == option.switcher)):
        names = [n for n in mine if same(answer.options[n])]
        if len(names) > 1:
            found.append((what, names, decide.spread(answer.evidence, names)))
    return found


def matters_lines(answer):
    lines = []
    e = answer.evidence
    for what, names, spread in same_parts(answer):
        if spread is None:
            continue
        if spread <= e.band:
            lines.append(f"The {what} does not matter here: at most "
                         f"{percent_of(spread)} ({len(names)} compared).")
        elif any(estimate.differs(*e.pair(a, b)[1:])
                 for a, b in itertools.combinations(names, 2)):
            means = [e.mean(n) for n in names]
            lines.append(f"The {what} moves it by about "
                         f"{percent_of(max(means) - min(means))} "
                         f"({len(names)} compared).")
        else:
            lines.append(f"Whether the {what} matters is not told: by at most "
                         f"{percent_of(spread)} ({len(names)} compared).")
    return lines


def flips(by_jobs, others, main):
    """Where another one would be chosen."""
    lines = []
    for answer in by_jobs:
        if answer is main or answer.decision is None:
            continue
        words = f"{answer.place.jobs} jobs in flight"
        lines.append((words, answer))
    for answer in others:
        lines.append((f"objective {answer.objective}", answer))
    return lines


def flip_text(main, answer):
    if answer.choice is None:
        return f"{answer.decision.kind}" + (
            f", {answer.decision.leader} leads" if answer.decision.leader
            else "")
    if answer.choice == main.choice:
        return f"the same, {answer.choice}"
    if main.choice in answer.decision.members:
        return f"{answer.choice}, and {main.choice} is as good"
    return f"{answer.choice} instead"


# ---- in words ---------------------------------------------------------------


def paragraph(text, out, indent="", first=None):
    print(textwrap.fill(text, WIDTH, initial_indent=first or indent,
                        subsequent_indent=indent, break_long_words=False,
                        break_on_hyphens=False), file=out)


def objective_text(answer, question):
    words = situation.TITLES[answer.objective][0]
    if answer.rate_hz is not None:
        words += f" at {answer.rate_hz:,} op/s"
    if question.bound is not None:
        words += f", with {question.bound.text}"
    return words


def print_asked(answer, question, out):
    place = answer.place
    print(f"{place.mix} on {place.device or 'no device'}, {place.jobs} "
          f"{'job' if place.jobs == 1 else 'jobs'} in flight: least "
          f"{objective_text(answer, question)}", file=out)
    if question.demands:
        print("Demanded: " + ", ".join(question.demands.words()), file=out)
    print(file=out)


def headline(answer, question):
    """The verdict, in one or two sentences."""
    d, e = answer.decision, answer.evidence
    plain = plain_ways(answer)
    words = []
    if plain:
        name, much = plain[0]
        how = ("computing in the caller" if name == "software"
               else "submitting and waiting for each operation")
        words.append(f"DO NOT OFFLOAD ASYNCHRONOUSLY: {how} ({name}) takes "
                     f"{much} {answer.best_known}.")
    if d.kind == decide.NONE:
        return ["NOTHING LEFT: no option may be recommended."]
    if d.kind == decide.OPEN:
        return words + [
            f"NO DECISION: {d.leader} leads, and is not shown to be within "
            f"{percent_of(e.band)} of the best."]
    begin = "If you offload all the same: " if plain else ""
    value = value_text(e.value(d.choice), answer.objective)
    if d.kind == decide.ONLY:
        return words + [f"{begin}ONLY ONE LEFT: {d.choice}, {value}."]
    if d.kind == decide.BEST:
        return words + [f"{begin}BEST: {d.choice}, {value}."]
    rest = [n for n in d.members if n != d.choice]
    return words + [f"{begin}TIE: {d.choice}, {value}; "
                    f"within {percent_of(e.band)} of the best "
                    f"{'is' if len(rest) == 1 else 'are'} also "
                    f"{listed(rest)}."]


def tie_text(answer, question):
    """What decided a tie."""
    d = answer.decision
    if d.kind != decide.TIE:
        return None
    if d.choice == question.args.incumbent:
        return "The tie goes to the incumbent."
    others = [n for n in d.members if n != d.choice]

    def count(name):
        return len(question.parts.needs(answer.options[name]))

    if all(count(d.choice) < count(n) for n in others):
        return "The tie goes to the one that asks for least of a system."
    memory = answer.found.memory()
    if memory and all(n in memory.values for n in d.members) and \
            all(memory.mean(d.choice) < memory.mean(n) - estimate.BAND
                for n in others if count(n) == count(d.choice)):
        return "The tie goes to the one that needs least memory per job."
    return ("The tie goes, of those that ask for least of a system, to the "
            "first in the library's own order.")


def quoted_text(answer):
    d, e = answer.decision, answer.evidence
    mine = [n for n in e.names if n in answer.eligible() and n != d.choice]
    if d.choice is None or not mine:
        return None
    rival = min(mine, key=e.mean)
    found = e.quoted(rival, d.choice)
    if found is None:
        return None
    if answer.objective == "memory":
        return f"{rival} needs {interval_text(found)} times as much."
    same = d.choice == d.leader
    return (f"By the {e.unit}es that had no part in the choice, "
            if e.unit in ("process",) else
            f"By the {e.unit}s that had no part in the choice, ") + \
        f"{rival} takes {interval_text(found)} times as much" + \
        ("." if same else f"; by the others, {d.leader} was first.")


def confidence_text(answer, level, why):
    e = answer.evidence
    words = f"Confidence: {level}"
    if why:
        words += f", because {why}"
    name = answer.best_known
    if name in answer.chances and answer.objective != "memory" and \
            len(answer.chances) > 1:
        best, near = answer.chances[name]
        words += (f". {name} is the best in {100 * best:.0f} %, and within "
                  f"{percent_of(e.band)} of the best in {100 * near:.0f} %, of "
                  f"{decide.RESAMPLINGS:,} resamplings of {e.units} "
                  + ("processes" if e.unit == "process" else e.unit + "s"))
    return words + "."


def option_rows(answer):
    """The table: every combination and reference row."""
    e = answer.evidence
    base = answer.best_known
    rows = [["", situation.TITLES[answer.objective][0],
             f"against {base}", "verdict", "best in"]]
    order = sorted((n for n in answer.options if n in e.names), key=e.mean)
    words = {"FASTER": "LESS", "SLOWER": "MORE"} \
        if answer.objective in ("cpu", "memory") else {}
    texts = dict(zip(order, column_text([e.value(n) for n in order],
                                        answer.objective)))
    for name in order:
        pair = e.pair(name, base) if base and name != base else None
        chance = answer.chances.get(name)
        v = decide.verdict(e, name, base) if base and name != base else ""
        rows.append([name, texts[name],
                     interval_text(pair) if name != base else "1",
                     words.get(v, v),
                     f"{100 * chance[0]:.0f} %" if chance else "-"])
    return rows


def why_not(answer):
    """[(name, why)] of every combination that is not the choice."""
    found = []
    e, d = answer.evidence, answer.decision
    for name, option in answer.options.items():
        if not option.is_combination or name == d.choice:
            continue
        if name in answer.excluded:
            found.append((name, answer.excluded[name]))
        elif name in answer.not_compared:
            found.append((name, answer.not_compared[name]))
        elif name in d.members:
            found.append((name, "as good; lost the tie-break"))
        elif d.choice is not None:
            v = decide.verdict(e, name, d.choice)
            pair = e.pair(name, d.choice)
            found.append((name, {
                "EQUIVALENT": f"as good as {d.choice}, and not shown to be so "
                              "against all others",
                "FASTER": "less by too little to matter",
                "SLOWER": f"takes {interval_text(pair)} times as much",
            }.get(v, "not shown to be as good: "
                  f"{interval_text(pair)} times as much")))
        elif name != d.leader:
            pair = e.pair(d.leader, name)
            found.append((name, f"not told apart from {d.leader}"
                          if pair is None or not estimate.differs(*pair[1:])
                          else f"takes {interval_text(e.pair(name, d.leader))} "
                          f"times as much as {d.leader}"))
    for name, why in answer.found.left_out.items():
        if name not in answer.options:
            found.append((name, f"could not be measured: {why}"))
    return found


def print_why_not(answer, out):
    rows = why_not(answer)
    if not rows:
        return
    print("\nWhy not", file=out)
    groups = {}
    for name, why in rows:
        groups.setdefault(why, []).append(name)
    for why, names in groups.items():
        paragraph(f"{listed(names)}: {why}", out, "    ", "  ")


def print_slo(answer, question, out):
    """Nothing keeps the SLO: who comes closest, and what it costs."""
    if question.bound is None:
        return
    known = {n: s for n, s in answer.slo.items()
             if s[2] is not None and answer.options[n].is_combination}
    kept = [n for n, s in answer.slo.items() if s[0] == slo.KEEPS
            and n not in answer.excluded and answer.options[n].is_combination]
    if kept or not answer.slo:
        return
    print(f"\nNothing is shown to keep {question.bound.text}.", file=out)
    if known:
        name = min(known, key=lambda n: known[n][2])
        figure = known[name][2]
        words = (f"The closest is {name} with {known[name][1]}, "
                 f"{figure / question.bound.ns:.2f} times the bound")
        if name in answer.evidence.names:
            least = min((n for n in answer.evidence.names
                         if answer.options[n].is_combination),
                        key=answer.evidence.mean)
            words += (f"; its {situation.TITLES[answer.objective][0]} is "
                      + value_text(answer.evidence.value(name),
                                   answer.objective)
                      + f", {ratio(answer.evidence.mean(name) - answer.evidence.mean(least))}"
                      f" times that of {least}")
        paragraph(words + ".", out)
    else:
        paragraph("No figure of it is known here; this measures it:", out)
        print("  " + command_for(answer.found, question.bound.quantile,
                                 question.args.rate), file=out)


def print_missing(answer, out):
    title = situation.TITLES[answer.objective][0]
    lack = (f"comparison, and by that alone the {title} is decided"
            if answer.objective in ("throughput", "cpu") else title)
    paragraph(f"NO DECISION: the runs hold no {lack}. This measures it:", out)
    print(f"\n  {answer.missing}", file=out)


def print_evidence(answer, question, out):
    e = answer.evidence
    print("\nEvidence", file=out)
    unit = "processes" if e.unit == "process" else e.unit + "s"
    count = f"; {e.units} {unit}" if answer.objective != "memory" else ""
    paragraph(f"{answer.source}{count}. Intervals hold all at once with "
              f"{100 * estimate.LEVEL:.0f} % confidence; EQUIVALENT: within "
              f"{percent_of(e.band)} of each other.", out, "  ")
    cut = [r.run_id for r in question.found.runs if r.interrupted]
    if cut:
        paragraph(f"Interrupted, and used as far as it goes: {listed(cut)}.",
                  out, "  ")
    state, twin = answer.aa or ("not needed", None)
    if twin is not None:
        label, triple = twin
        ratio, low, high = (math.exp(x) for x in triple)
        text = (f"{judge.percent(ratio)} ({judge.percent(low)} .. "
                f"{judge.percent(high)})")
        seen = judge.unseen({"low": low, "high": high})
        paragraph(f"A/A {state}: {label} against itself {text}; a difference "
                  f"of up to {seen} would not have been seen.", out, "  ")
    elif state == "missing":
        paragraph("A/A: there is none. Nothing shows that this machine takes "
                  "like for like.", out, "  ")


def print_all(answer, by_jobs, others, question, out):
    from . import recommend  # which uses this module, too
    print_asked(answer, question, out)
    if answer.missing is not None:
        print_missing(answer, out)
        print_slo(answer, question, out)
        return
    for sentence in headline(answer, question):
        paragraph(sentence, out)
    if question.args.integration == "callback":
        paragraph("A program that is told by OpenSSL's callback gets its "
                  "wake-ups from there: the engine carries none of them.", out)
    print_slo(answer, question, out)
    if answer.best_known is None:
        print_why_not(answer, out)
        return
    for text in (tie_text(answer, question), quoted_text(answer),
                 confidence_text(answer, *recommend.confidence(answer))):
        if text:
            paragraph(text, out)
    for line in matters_lines(answer):
        paragraph(line, out)
    if answer.decision.kind == decide.OPEN or answer.not_compared:
        command, why = next_command(answer, question)
        print("\nRun this next" + (f" ({why})" if why else "") + ":\n\n  "
              + command, file=out)
    print(file=out)
    for line in judge.format_table(option_rows(answer)):
        print("  " + line, file=out)
    print_why_not(answer, out)
    rows = flips(by_jobs, others, answer)
    if rows:
        print("\nWith something else asked for", file=out)
        width = max(len(words) for words, _ in rows)
        for words, other in rows:
            print(f"  {words.ljust(width)}  {flip_text(answer, other)}",
                  file=out)
    print_evidence(answer, question, out)


# ---- for JSON ---------------------------------------------------------------


def interval_object(found):
    if found is None:
        return None
    return dict(zip(("ratio", "low", "high"), map(float, np.exp(found))))


def answer_object(answer):
    value = {"workload": answer.place.mix, "device": answer.place.device,
             "jobs": answer.place.jobs, "objective": answer.objective,
             "rate_hz": answer.rate_hz, "missing": answer.missing,
             "verdict": decide.OPEN, "choice": None}
    if answer.decision is not None:
        value.update(verdict=answer.decision.kind, choice=answer.choice,
                     leader=answer.decision.leader,
                     within_band=answer.decision.members)
    return value


def as_object(answer, by_jobs, others, question):
    from . import recommend
    value = {"type": "recommendation", **answer_object(answer),
             "slo": question.args.slo, "demanded": question.demands.words(),
             "runs": sorted(run.run_id for run in question.found.runs)}
    if answer.decision is None:
        return value
    e = answer.evidence
    level, why = recommend.confidence(answer)
    state, twin = answer.aa or ("not needed", None)
    base = answer.best_known
    value.update(
        confidence=level, confidence_why=why,
        probability_best=answer.chances.get(base, (None, None))[0],
        probability_within_band=answer.chances.get(base, (None, None))[1],
        do_not_offload=[name for name, _ in plain_ways(answer)],
        band=math.expm1(e.band), level=estimate.LEVEL, unit=e.unit,
        units=e.units, source=answer.source,
        aa={"state": state, **(interval_object(twin[1]) if twin else {})},
        tie_break=tie_text(answer, question),
        matters=[{"part": what, "names": names,
                  "at_most": None if s is None else math.expm1(s)}
                 for what, names, s in same_parts(answer)],
        next=next_command(answer, question)[0]
        if answer.decision.kind == decide.OPEN else None,
        options=[{"name": n, "value": e.value(n),
                  "against_choice": interval_object(
                      e.pair(n, base) if base and n != base else None),
                  "verdict": decide.verdict(e, n, base)
                  if base and n != base else None,
                  "probability_best": answer.chances.get(n, (None,))[0]}
                 for n in e.names if n in answer.options],
        pairs=[{"first": a, "second": b,
                "verdict": decide.verdict(e, a, b),
                **(interval_object(e.pair(a, b)) or {})}
               for a, b in itertools.combinations(
                   [n for n in e.names if n in answer.options], 2)],
        why_not=dict(why_not(answer)),
        elsewhere=[answer_object(other)
                   for _, other in flips(by_jobs, others, answer)])
    return value
