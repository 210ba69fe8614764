# SPDX-License-Identifier: Apache-2.0
"""Which switcher and engine to use, from what was measured.

usage: analysis recommend [OPTION...] RUN...

docs/choosing.md explains every verdict. Nothing is recommended that breaks a
constraint or the SLO, or that did not sustain the rate.
"""

import argparse
import json
import sys

from . import (constraints, decide, estimate, profile_file, recommend_text,
               run_file, runs, situation, slo)
from .run_file import INCOMPLETE, WRONG, Refused

NO_ANSWER = 1       # nothing keeps the SLO, or nothing is left
ENVIRONMENT = 3

# Rows of reference that need no asynchronous jobs.
REFERENCES = ("software", "blocking")


class Question:
    """What is asked, of one place and objective."""

    def __init__(self, args, found, groups, parts, demands, bound):
        self.args, self.found, self.groups = args, found, groups
        self.parts, self.demands, self.bound = parts, demands, bound


class Answer:
    """The outcome for one place and objective."""

    def __init__(self, place, objective):
        self.place, self.objective = place, objective
        self.evidence = self.group = self.decision = None
        self.contest = None     # the evidence, of those that may be chosen
        self.options = {}
        self.excluded = {}      # {name: why}
        self.not_compared = {}  # {name: why}: eligible, but open
        self.slo = {}
        self.rate_hz = None
        self.source = None      # words for where the figures come from
        self.missing = None     # why there is no data, and what makes it
        self.references = {}    # {name: interval} against the choice
        self.screened_references = {}  # {name: factor}, of those in no
                                       # comparison
        self.chances = {}
        self.aa = None

    @property
    def choice(self):
        return self.decision.choice if self.decision else None

    @property
    def best_known(self):
        """The choice, or who leads where there is none."""
        return self.choice or (self.decision.leader if self.decision else None)

    def eligible(self):
        return [name for name, o in self.options.items()
                if o.is_combination and name not in self.excluded]


# ---- which data -------------------------------------------------------------


def measured_rate(found, question):
    """The rate whose points count, or None."""
    asked, rates = question.args.rate, found.rates()
    needs = question.bound is not None or \
        question.args.objective in situation.QUANTILES
    if asked is None:
        if not needs or not rates:
            return None
        if len(rates) > 1:
            raise Refused(WRONG, "--rate: points of several rates were "
                          "measured; choose one: "
                          + ", ".join(str(r) for r in rates))
        return rates[0]
    if not rates:
        return None if not needs else missing_rate(found, question)
    higher = [r for r in rates if r >= asked]
    return higher[0] if higher else missing_rate(found, question)


def missing_rate(found, question):
    rates = found.rates()
    raise Refused(INCOMPLETE, f"--rate {question.args.rate}: "
                  + (f"the highest that was measured is {rates[-1]}"
                     if rates else "no point of load was measured")
                  + "; this measures it:\n  "
                  + recommend_text.command_for(found, "p99",
                                               question.args.rate))


def evidences(found, objective, rate_hz):
    """[(Evidence, Group or None, words)] for the objective."""
    if objective == "memory":
        value = found.memory()
        return [(value, None, "counted by 'switchyard cost'")] if value else []
    if objective in situation.QUANTILES:
        samples, source = found.quantile_samples(objective, rate_hz)
        words = (f"open loop at {rate_hz:,} op/s" if source == "load" else
                 "closed loop: each operation waits for the one before, which "
                 "hides delays")
        return [(decide.Unpaired(samples), None, words)] if samples else []
    pairs = []
    for group in found.groups:
        value = group.evidence(found.place, objective)
        if value is not None and value.units >= 1:
            pairs.append((value, group, "comparison of "
                          + ", ".join(sorted({c.meta["run_id"] for c in
                                              group.comparisons}))))
    return pairs


# ---- who may be chosen ------------------------------------------------------


def exclude(answer, found, question):
    """Fill in who may not be chosen, and why."""
    facts = question.parts
    for name, option in answer.options.items():
        if not option.is_combination:
            continue
        against = question.demands.against(option, facts)
        engine = facts.engines.get(option.engine_name, {})
        if not option.can_pause:
            answer.excluded[name] = "it cannot pause a job"
        elif against:
            answer.excluded[name] = "; ".join(f"{word}: {why}"
                                              for word, why in against)
        elif engine.get("baseline") is True and name != question.args.incumbent:
            answer.excluded[name] = "a baseline, there to be compared with"
    if answer.rate_hz is not None:
        for name, why in found.saturated(answer.rate_hz).items():
            answer.excluded.setdefault(name, why)
    if question.bound is not None:
        answer.slo, _ = slo.judge(found, question.bound, answer.rate_hz)
        for name, (state, words, _) in answer.slo.items():
            if state != slo.KEEPS:
                answer.excluded.setdefault(
                    name, f"{question.bound.text} "
                    + {slo.BREAKS: "is broken: ", slo.UNSURE: "is not shown: ",
                       slo.UNKNOWN: "is not shown: "}[state] + words)


def tie_break(answer, found, question):
    """Sort key: the incumbent, then who asks for less of a system, then who
    needs less memory, then the library's own order."""
    memory = found.memory()

    def key(name):
        option = answer.options[name]
        bytes_ = memory.values.get(name) if memory else None
        return (name != question.args.incumbent,
                len(question.parts.needs(option)),
                # Within the band memory is no reason either.
                round(memory.mean(name) / estimate.BAND) if bytes_ else 0,
                question.parts.rank(option))
    return key


# ---- deciding ---------------------------------------------------------------


def settled(other, names, pairs, screened):
    """Why an option that was not in the deciding comparison need not be, or
    None."""
    for evidence, group, _ in pairs:
        if other not in evidence.names:
            continue
        for name in names:
            if name not in evidence.names:
                continue
            most = evidence.excess(name, other)
            if most is not None and most <= evidence.band:
                behind = evidence.mean(other) - evidence.mean(name)
                return ("in another comparison it took "
                        f"{recommend_text.ratio(behind)} times as much as "
                        f"{name}")
    factor = screened.factor(other, names)
    if factor is not None and factor >= situation.SCREENED_OUT:
        return (f"in the first look it took {factor:.2f} times as much as the "
                "best")
    return None


def decide_place(answer, found, question, pairs):
    names = set(answer.eligible())
    key = tie_break(answer, found, question)
    screened = found.screened(answer.objective)
    best = None
    for evidence, group, words in sorted(
            pairs, key=lambda p: (-len(names & set(p[0].names)), -p[0].units)):
        mine = [n for n in evidence.names if n in names]
        if not mine:
            continue
        contest = evidence.among(mine)
        made = decide.decide(contest, mine, key)
        open_, why = {}, {}
        for other in sorted(names - set(mine)):
            reason = settled(other, mine, pairs, screened)
            if reason is None:
                open_[other] = "it was not compared with the others"
            else:
                why[other] = reason
        option = (made.is_decided and not open_, made.is_decided, evidence,
                  group, words, made, open_, why, contest)
        if best is None or option[:2] > best[:2]:
            best = option
        if option[0]:
            break
    if best is None:
        answer.decision = decide.Decision(decide.NONE)
        answer.evidence, answer.group, answer.source = pairs[0]
        return
    (_, _, answer.evidence, answer.group, answer.source, answer.decision,
     answer.not_compared, why, answer.contest) = best
    for name, reason in why.items():
        answer.excluded.setdefault(name, reason)


def against_references(answer, screened):
    """Would the plain ways of doing it be as good?"""
    rival = answer.best_known
    if rival is None:
        return
    for name, option in answer.options.items():
        if option.is_combination:
            continue
        state = answer.slo.get(name)
        if state is not None and state[0] != slo.KEEPS:
            continue
        if name in answer.excluded:
            continue
        if name in answer.evidence.names:
            answer.references[name] = answer.evidence.pair(name, rival)
        elif screened.factor(name, [rival]) is not None:
            answer.screened_references[name] = screened.factor(name, [rival])


def twin_of(answer, question):
    """The A/A of the comparison that decides; where none does, of any that
    is there. Counts need none."""
    if answer.objective == "memory":
        return "not needed", None
    objective = answer.objective if answer.objective in (
        "throughput", "cpu") else "throughput"
    groups = [answer.group] if answer.group else question.groups
    found = [g.twin_interval(objective) for g in groups]
    found = [f for f in found if f is not None]
    if not found:
        return "missing", None
    label, triple = max(found, key=lambda f: abs(f[1][0]))
    # An A/A difference that is too small to matter is no reason to doubt
    # what is larger than that.
    failed = estimate.differs(*triple[1:]) and \
        estimate.verdict(*triple[1:]) != "EQUIVALENT"
    return ("failed" if failed else "passed"), (label, triple)


def consider(question, place, objective, is_main=False):
    """The answer for one place and objective."""
    found = situation.Situation(question.found, question.groups, place)
    answer = Answer(place, objective)
    answer.found = found
    answer.options = found.options()
    answer.rate_hz = measured_rate(found, question)
    exclude(answer, found, question)
    pairs = evidences(found, objective, answer.rate_hz)
    if not pairs:
        answer.missing = recommend_text.command_for(found, objective,
                                                    question.args.rate)
        return answer
    seen = {name for evidence, _, _ in pairs for name in evidence.names}
    screened = found.screened(objective)
    for name in answer.eligible():
        if name not in seen and name not in screened.best:
            answer.excluded[name] = \
                f"no {situation.TITLES[objective][0]} was measured"
    decide_place(answer, found, question, pairs)
    against_references(answer, screened)
    answer.aa = twin_of(answer, question)
    if is_main and answer.best_known is not None:
        names = [n for n in answer.evidence.names if n in answer.eligible()]
        answer.chances = decide.chances(answer.evidence, names)
    return answer


def confidence(answer):
    """("high" or "low", why it is low)."""
    if answer.choice is None:
        return "low", "there is no decision"
    if answer.not_compared:
        return "low", ", ".join(answer.not_compared) + " were not compared"
    state, _ = answer.aa
    if state == "failed":
        return "low", "the A/A pair differs: the machine takes like for unlike"
    if state == "missing":
        return "low", "there is no A/A pair in these runs"
    return "high", None


# ---- the command line -------------------------------------------------------


def pick_place(args, places):
    """The place that is asked about, and all others of its workload and
    device."""
    for option, value, member in (("--workload", args.workload, "mix"),
                                  ("--device", args.device, "device")):
        seen = list(dict.fromkeys(getattr(p, member) for p in places))
        if value is None and len(seen) > 1:
            raise Refused(WRONG, f"{option}: the runs have several; choose one: "
                          + "; ".join(str(s) for s in seen))
        if value is not None and value not in seen:
            raise Refused(WRONG, f"{option} {value}: not in these runs; they "
                          "have " + "; ".join(str(s) for s in seen))
        places = [p for p in places if getattr(p, member) == (value or seen[0])]
    jobs = [p.jobs for p in places]
    if args.jobs is None:
        return places[-1], places
    if args.jobs not in jobs:
        raise Refused(INCOMPLETE, f"--jobs {args.jobs}: not in these runs; "
                      "they have " + ", ".join(map(str, jobs)))
    return places[jobs.index(args.jobs)], [places[jobs.index(args.jobs)]]


def stack_bytes_of(found):
    """The stacks with which all of it was measured, or None."""
    sizes = [line["asked"]["stack_bytes"] for line in
             (r.line for r in found.records)
             if run_file.is_object(line.get("asked"))
             and run_file.is_number(line["asked"].get("stack_bytes"))]
    for run in found.runs:
        argv = run.argv
        for i, word in enumerate(argv):
            text = (word.partition("=")[2] if word.startswith("--stack-bytes=")
                    else argv[i + 1] if word == "--stack-bytes"
                    and i + 1 < len(argv) else None)
            if text is not None and constraints.bytes_of(text):
                sizes.append(constraints.bytes_of(text))
        if not any(word.startswith("--stack-bytes") for word in argv):
            sizes.append(64 << 10)  # the commands' default
    return max(sizes, default=None)


def split(texts):
    return [word.strip() for text in texts or () for word in text.split(",")
            if word.strip()]


def make_question(args):
    demands = constraints.Constraints(split(args.require), split(args.deny),
                                      args.integration)
    bound = slo.Bound(args.slo) if args.slo else None
    parts = constraints.Parts(args.parts)
    if demands and not parts.is_known:
        raise Refused(WRONG, "--require, --deny and --integration fd need "
                      "--parts FILE, the output of 'switchyard list --json'")
    found = runs.load(args.runs)
    demands.stack_bytes = stack_bytes_of(found)
    groups = [situation.Group(c) for c in found.comparisons]
    return Question(args, found, groups, parts, demands, bound)


def check_incumbent(answer, incumbent):
    if incumbent is None:
        return
    names = [n for n, o in answer.options.items() if o.is_combination]
    if incumbent not in names:
        raise Refused(WRONG, f"--incumbent {incumbent}: not in these runs; "
                      "they have " + ", ".join(sorted(names)))


def check_left(answer, question):
    """Constraints that no option meets, whatever it costs."""
    options = [o for o in answer.options.values()
               if o.is_combination and o.can_pause]
    if not options:
        raise Refused(INCOMPLETE, "the runs have no combination that can "
                      "pause")
    if question.demands and all(question.demands.against(o, question.parts)
                                for o in options):
        raise Refused(WRONG, "nothing that was measured meets all that is "
                      "demanded:\n  " + "\n  ".join(constraints.explain_empty(
                          question.demands, options, question.parts)))


def answer_all(question):
    """The main answer, those for other numbers of jobs, and for other
    objectives."""
    args = question.args
    places = situation.places_of(question.found, question.groups)
    if not places:
        raise Refused(INCOMPLETE, "the runs have no combination that was "
                      "measured in real time: 'switchyard compare' measures "
                      "some")
    place, around = pick_place(args, places)
    main = consider(question, place, args.objective, is_main=True)
    check_incumbent(main, args.incumbent)
    question.demands.check_names(question.parts, main.options.values())
    check_left(main, question)
    by_jobs = [main if p == place else consider(question, p, args.objective)
               for p in around]
    others = []
    for objective in situation.OBJECTIVES:
        if objective != args.objective:
            try:
                others.append(consider(question, place, objective))
            except Refused:
                continue  # that objective would need a --rate
    return main, by_jobs, [o for o in others if o.decision is not None]


def parse(argv):
    parser = argparse.ArgumentParser(prog="analysis recommend",
                                     allow_abbrev=False)
    parser.add_argument("--workload")
    parser.add_argument("--device")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--rate", type=int)
    parser.add_argument("--slo")
    parser.add_argument("--objective", default="throughput",
                        choices=situation.OBJECTIVES)
    parser.add_argument("--integration", default="native",
                        choices=constraints.INTEGRATIONS)
    parser.add_argument("--require", action="append")
    parser.add_argument("--deny", action="append")
    parser.add_argument("--incumbent")
    parser.add_argument("--emit-profile", metavar="FILE")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--parts", metavar="FILE")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("runs", nargs="*", metavar="RUN")
    args = parser.parse_args(argv)
    if not args.runs:
        raise Refused(WRONG, "recommend needs runs: 'switchyard compare' "
                      "makes one, 'switchyard tune' does all of it")
    return args


def status_of(main, question):
    if main.missing is not None:
        return INCOMPLETE
    if main.decision.kind == decide.NONE:
        return NO_ANSWER
    if main.decision.kind == decide.OPEN:
        return INCOMPLETE
    return 0


def emit(main, by_jobs, question):
    """Write the profile. Returns (exit code, sentence)."""
    path = question.args.emit_profile
    level, why = confidence(main) if main.decision else ("low", "no data")
    if main.best_known is None:
        return NO_ANSWER, "no profile was written: there is nothing to put " \
            "into it"
    if level != "high" and not question.args.force:
        return INCOMPLETE, f"no profile was written, because {why}; --force " \
            "writes it all the same"
    # For other numbers of jobs only what is as sure.
    answers = [(a.place.jobs, a.choice) for a in by_jobs
               if a is not main and a.choice is not None
               and (question.args.force or confidence(a)[0] == "high")]
    answers.append((main.place.jobs, main.best_known))
    try:
        profile_file.write(path, profile_file.text(main, answers, question,
                                                   level))
    except Refused as refused:
        return refused.code, str(refused)
    except OSError as error:
        return ENVIRONMENT, f"--emit-profile {path}: {error.strerror}"
    return 0, f"wrote {path}"


def main(argv):
    try:
        args = parse(argv)
        question = make_question(args)
        main_answer, by_jobs, others = answer_all(question)
    except Refused as refused:
        print(f"switchyard: {refused}", file=sys.stderr)
        return refused.code
    status = status_of(main_answer, question)
    if args.json:
        json.dump(recommend_text.as_object(main_answer, by_jobs, others,
                                           question), sys.stdout, indent=1)
        print()
    else:
        recommend_text.print_all(main_answer, by_jobs, others, question,
                                 sys.stdout)
    if args.emit_profile:
        code, sentence = emit(main_answer, by_jobs, question)
        print(f"switchyard: {sentence}", file=sys.stderr)
        status = code if code != 0 else 0 if args.force else status
    return status
