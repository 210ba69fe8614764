#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is recommended from runs of all kinds, and what is said where nothing
can be.

usage: recommend_cases.py ANALYSIS-FOLDER [--only NAME]

recommend_truth.py asks how often it is right; this, whether each verdict is
reached and says what it should. Exit 0, 1, or 77 without numpy or scipy.
"""

import json
import os
import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from cases import case, main  # noqa: E402

try:
    import numpy as np
    import scipy  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

try:
    import jsonschema
except ImportError:
    jsonschema = None  # then what is printed is not held against its schema

import forked_analysis
from recommend_truth import parts_of
from run_files import (candidate, compared, cost, load_point, meta, record,
                       text_of)


def noisy(costs, processes=24, rounds=6, spread=0.004, seed=3, twin=0.0):
    """ns[process, round, candidate] of these costs and the first one's twin,
    which is off by so much."""
    rng = np.random.default_rng(seed)
    truth = np.log(list(costs) + [costs[0] * np.exp(twin)])
    shape = (processes, rounds, len(truth))
    return np.exp(truth + rng.normal(0, spread, (processes, 1, len(truth)))
                  + rng.normal(0, 0.01, shape))


def comparison(costs, cpu=None, run_id="20260101T000000Z-000001", jobs=8,
               twin=True, argv=("switchyard", "compare"), **noise):
    """A run file: {name: ns}."""
    names = list(costs)
    ns = noisy(list(costs.values()), **noise)
    cpu_ns = noisy([cpu[n] for n in names], seed=4) if cpu else ns
    if not twin:
        ns, cpu_ns = ns[:, :, :-1], cpu_ns[:, :, :-1]
    lines = [meta(run_id, argv=argv)]
    lines += compared([candidate(i, n, jobs=1 if n in ("software", "blocking")
                                 else jobs) for i, n in enumerate(names)],
                      ns, cpu_ns, twin=twin)
    return text_of(lines)


def loads(p99_ns, saturated=(), repeats=6, rate=20000,
          run_id="20260101T000000Z-000002", spread=0.01, fault=None):
    rng = np.random.default_rng(5)
    points = [load_point(n, rate, v * float(np.exp(rng.normal(0, spread))),
                         n in saturated, r + 1)
              for r in range(repeats) for n, v in p99_ns.items()]
    for p in points:
        if fault is not None and p["saturated"]:
            p["faults"] = [fault]
    return text_of([meta(run_id)] + points)


class World:
    def __init__(self, args, folder):
        self.analysis = os.path.abspath(args.analysis)
        self.folder = pathlib.Path(folder)
        self.schema = json.loads((pathlib.Path(self.analysis).parent / "docs" /
                                  "recommendation.schema.json").read_text())
        self.parts = self.folder / "parts.json"
        self.parts.write_text(json.dumps(parts_of()))
        self.count = 0

    def write(self, data):
        self.count += 1
        path = self.folder / f"run-{self.count}.jsonl"
        path.write_bytes(data)
        return str(path)

    def run(self, *words, what="recommend"):
        return forked_analysis.run(self.analysis, [what, *words], self.folder)

    def ask(self, *files, options=()):
        """The object, of a run that had an answer or none."""
        done = self.run("--parts", str(self.parts), "--json", *options, "--",
                        *files)
        assert done.stdout.startswith("{"), said(done)
        value = json.loads(done.stdout)
        if jsonschema is not None:
            jsonschema.validate(value, self.schema)
        value["exit"] = done.returncode
        return value

    def text(self, *files, options=(), code=0):
        done = self.run("--parts", str(self.parts), *options, "--", *files)
        assert done.returncode == code, said(done)
        assert "Traceback" not in done.stderr, said(done)
        return " ".join((done.stdout + done.stderr).split())

    def refused(self, *files, options=(), code=2):
        done = self.run("--parts", str(self.parts), *options, "--", *files)
        assert done.returncode == code, said(done)
        assert done.stdout == "" and "Traceback" not in done.stderr, said(done)
        return " ".join(done.stderr.split())


def said(done):
    return f"exit {done.returncode}\n{done.stdout}{done.stderr}"


def has(text, *words):
    for word in words:
        assert word in text, f"no '{word}' in: {text}"


FOUR = {"asm+queue": 100, "setjmp+queue": 112, "asm+eventfd+epoll": 130,
        "ucontext+queue": 160}


# ---- verdicts ---------------------------------------------------------------


@case
def the_best_is_named_with_all_that_belongs_to_it(w):
    path = w.write(comparison(FOUR))
    value = w.ask(path)
    assert value["verdict"] == "BEST" and value["choice"] == "asm+queue", value
    assert value["confidence"] == "high" and value["exit"] == 0, value
    assert value["probability_best"] == 1.0, value
    assert [o["verdict"] for o in value["options"]] == [
        None, "SLOWER", "SLOWER", "SLOWER"], value
    assert len(value["pairs"]) == 6, value["pairs"]
    assert {p["verdict"] for p in value["pairs"]} == {"FASTER"}, value
    rival = next(o for o in value["options"] if o["name"] == "setjmp+queue")
    low, high = (rival["against_choice"][k] for k in ("low", "high"))
    assert low < 1.12 < high and high - low < 0.03, rival
    has(w.text(path), "BEST: asm+queue", "setjmp+queue takes 1.1",
        "that had no part in the choice", "Confidence: high",
        "The switcher moves it by about 59.", "The engine moves it by about 30.",
        "Why not", "takes 1.599", "A/A passed")


@case
def a_tie_goes_to_who_asks_for_less_and_to_the_incumbent(w):
    path = w.write(comparison({"asm+eventfd+epoll": 100, "asm+queue": 100.4,
                               "asm+io_uring": 99.8, "ucontext+queue": 150}))
    value = w.ask(path)
    assert value["verdict"] == "TIE" and value["choice"] == "asm+queue", value
    assert sorted(value["within_band"]) == [
        "asm+eventfd+epoll", "asm+io_uring", "asm+queue"], value
    has(w.text(path), "asks for least of a system", "The engine does not "
        "matter here: at most", "as good; lost the tie-break")
    value = w.ask(path, options=["--incumbent", "asm+io_uring"])
    assert value["choice"] == "asm+io_uring", value
    has(w.text(path, options=["--incumbent", "asm+io_uring"]),
        "The tie goes to the incumbent")


@case
def a_tie_goes_to_who_needs_less_memory(w):
    path = w.write(comparison({"asm+queue": 100, "setjmp+queue": 100.3}))
    memory = w.write(text_of([
        meta("20260101T000000Z-00000c"), cost("asm+queue", 9000),
        cost("setjmp+queue", 4500)]))
    assert w.ask(path)["choice"] == "asm+queue"
    value = w.ask(path, memory)
    assert value["choice"] == "setjmp+queue", value
    assert "least memory" in value["tie_break"], value
    by_memory = w.ask(path, memory, options=["--objective", "memory"])
    assert by_memory["verdict"] == "BEST", by_memory
    assert by_memory["confidence"] == "high", by_memory


@case
def an_incumbent_that_is_slower_does_not_stay(w):
    path = w.write(comparison(FOUR))
    value = w.ask(path, options=["--incumbent", "setjmp+queue"])
    assert value["choice"] == "asm+queue", value


@case
def no_decision_says_what_to_run(w):
    path = w.write(comparison({"asm+queue": 100, "setjmp+queue": 100.5,
                               "ucontext+queue": 300},
                              processes=8, spread=0.05))
    value = w.ask(path)
    assert value["verdict"] == "NO DECISION" and value["exit"] == 4, value
    assert value["choice"] is None and value["confidence"] == "low", value
    found = re.search(r"--time (\d+)s", value["next"])
    # 60 s were asked for; a noise that is several times the band needs more.
    assert found and int(found[1]) > 60, value["next"]
    has(value["next"], "switchyard compare", "asm+queue", "setjmp+queue",
        "--workload null", "--jobs 8", "--seed 2")
    assert "ucontext" not in value["next"], value["next"]


@case
def offloading_that_does_not_pay_is_said(w):
    path = w.write(comparison({"asm+queue": 100, "setjmp+queue": 120,
                               "software": 60, "blocking": 400}))
    value = w.ask(path)
    assert value["do_not_offload"] == ["software"], value
    assert value["choice"] == "asm+queue", value
    has(w.text(path), "DO NOT OFFLOAD ASYNCHRONOUSLY", "If you offload all "
        "the same: BEST: asm+queue")
    path = w.write(comparison({"asm+queue": 100, "setjmp+queue": 120,
                               "software": 101, "blocking": 400}))
    assert w.ask(path)["do_not_offload"] == ["software"]
    path = w.write(comparison({"asm+queue": 100, "setjmp+queue": 120,
                               "software": 140, "blocking": 400}))
    assert w.ask(path)["do_not_offload"] == []


@case
def the_switcher_that_does_not_matter(w):
    path = w.write(comparison({"asm+queue": 100, "setjmp+queue": 100.2,
                               "ucontext+queue": 100.3,
                               "asm+eventfd+epoll": 120}))
    value = w.ask(path)
    part = next(m for m in value["matters"] if m["part"] == "switcher")
    assert part["at_most"] < 0.02, value
    has(w.text(path), "The switcher does not matter here: at most 1.")


@case
def objectives_differ_and_it_says_where_the_answer_flips(w):
    path = w.write(comparison(FOUR, cpu={
        "asm+queue": 100, "setjmp+queue": 60, "asm+eventfd+epoll": 130,
        "ucontext+queue": 160}))
    assert w.ask(path)["choice"] == "asm+queue"
    assert w.ask(path, options=["--objective", "cpu"])["choice"] == \
        "setjmp+queue"
    has(w.text(path), "objective cpu setjmp+queue instead")


@case
def numbers_of_jobs_have_choices_of_their_own(w):
    few = w.write(comparison({"asm+queue": 100, "asm+io_uring": 130}))
    many = w.write(comparison({"asm+queue": 130, "asm+io_uring": 100},
                              jobs=512, run_id="20260101T000000Z-000009"))
    value = w.ask(few, many)
    assert value["jobs"] == 512 and value["choice"] == "asm+io_uring", value
    has(w.text(few, many), "8 jobs in flight asm+queue instead")
    assert w.ask(few, many, options=["--jobs", "8"])["choice"] == "asm+queue"
    has(w.refused(few, many, options=["--jobs", "9"], code=4), "--jobs 9",
        "8, 512")
    done = w.run("--parts", str(w.parts), "--emit-profile", "p.conf", few,
                 many)
    assert done.returncode == 0, said(done)
    text = (w.folder / "p.conf").read_text()
    has(text, '[machine "cpu=GenuineIntel 6 106 6"]', "[choice]\n"
        "switcher = asm\nengine = queue\n", '[choice "jobs>=512"]\n'
        "switcher = asm\nengine = io_uring\n", "kernel = 6.1.0", "[end]")


# ---- comparisons beside each other -------------------------------------------


@case
def a_second_comparison_of_the_near_ones_decides(w):
    wide = w.write(comparison({"asm+queue": 100, "setjmp+queue": 100.5,
                               "ucontext+queue": 300},
                              processes=8, spread=0.03))
    near = w.write(comparison({"asm+queue": 100, "setjmp+queue": 100.5},
                              run_id="20260101T000000Z-000003"))
    assert w.ask(wide)["verdict"] == "NO DECISION"
    value = w.ask(wide, near)
    assert value["verdict"] == "TIE" and value["choice"] == "asm+queue", value
    assert value["confidence"] == "high", value
    has(value["why_not"]["ucontext+queue"], "in another comparison it took")


@case
def what_was_only_screened_is_out_if_it_was_far_behind(w):
    near = comparison({"asm+queue": 100, "setjmp+queue": 110})
    screen = [record(n, ns, ns, seed) for seed in (1, 2)
              for n, ns in {"asm+queue": 100, "setjmp+queue": 108,
                            "threads+queue": 200}.items()]
    paths = [w.write(near), w.write(text_of(
        [meta("20260101T000000Z-000004"), *screen]))]
    value = w.ask(*paths)
    assert value["choice"] == "asm+queue", value
    assert value["confidence"] == "high", value
    has(value["why_not"]["threads+queue"], "in the first look", "2.00")
    screen.append(record("ucontext+queue", 120, 120))
    paths[1] = w.write(text_of([meta("20260101T000000Z-000004"), *screen]))
    value = w.ask(*paths)
    assert value["confidence"] == "low", value
    has(value["confidence_why"], "ucontext+queue")


@case
def references_that_are_far_away_need_no_comparison(w):
    screen = [record(n, ns, ns, jobs=1 if "+" not in n else 8)
              for n, ns in {"asm+queue": 100, "setjmp+queue": 108,
                            "software": 20, "blocking": 120}.items()]
    path = w.write(text_of([meta("20260101T000000Z-000004"), *screen]))
    done = w.run("--parts", str(w.parts), "--", path, what="contenders")
    assert done.stdout.splitlines() == [
        "asm+queue", "setjmp+queue", "reference blocking"], said(done)
    both = [w.write(comparison({"asm+queue": 100, "setjmp+queue": 110,
                                "blocking": 120})), path]
    value = w.ask(*both)
    assert value["do_not_offload"] == ["software"], value
    has(w.text(*both), "(software) takes 0.20 times as much, in the first look")


@case
def contenders_are_what_was_not_far_behind(w):
    screen = w.write(text_of([meta("20260101T000000Z-000004")] + [
        record(n, ns, ns, seed) for seed, slow in ((1, 3), (2, 1))
        for n, ns in {"asm+queue": 100, "setjmp+queue": 120 * slow,
                      "threads+queue": 200, "asm+spin": 90}.items()]))

    def contenders(*options):
        done = w.run("--parts", str(w.parts), *options, "--", screen,
                     what="contenders")
        assert done.returncode == 0, said(done)
        return done.stdout.split()

    assert contenders() == ["asm+spin", "asm+queue", "setjmp+queue"]
    assert contenders("--integration", "fd") == ["asm+queue", "setjmp+queue"]
    assert contenders("--incumbent", "threads+queue")[-1] == "threads+queue"


# ---- constraints ------------------------------------------------------------

ALL = {"asm+io_uring": 100, "threads+queue": 110, "asm+spin": 120,
       "asm+queue": 130, "setjmp+eventfd+epoll": 140, "ucontext+queue": 150}


@case
def what_breaks_a_constraint_is_out_and_says_which(w):
    path = w.write(comparison(ALL))
    for options, choice, out, words in (
            (["--require", "no-io_uring"], "threads+queue", "asm+io_uring",
             "it uses io_uring"),
            (["--require", "no-io_uring,thread-safe"], "asm+spin",
             "threads+queue", "threads of their own"),
            (["--require", "kernel>=5.10"], "threads+queue", "asm+io_uring",
             "needs Linux 5.11"),
            (["--require", "kernel>=5.11"], "asm+io_uring", None, None),
            (["--require", "seccomp=k8s"], "threads+queue", "asm+io_uring",
             "refuses io_uring"),
            (["--require", "signals-preserved"], "ucontext+queue",
             "asm+queue", "one signal mask"),
            (["--require", "shadow-stack"], "threads+queue", "asm+io_uring",
             "shadow stack"),
            (["--require", "asan"], "asm+io_uring", None, None),
            (["--require", "max-stack=64K"], "asm+io_uring", None, None),
            (["--integration", "fd", "--deny", "threads,io_uring"],
             "asm+queue", "asm+spin", "no descriptor"),
            (["--integration", "callback"], "asm+io_uring", "threads+queue",
             "the OpenSSL drop-in refuses")):
        value = w.ask(path, options=options)
        assert value["choice"] == choice, (options, value)
        if out is not None:
            has(value["why_not"][out], words)


@case
def stacks_larger_than_allowed(w):
    path = w.write(comparison(FOUR, argv=(
        "switchyard", "compare", "--stack-bytes", "128K")))
    has(w.refused(path, options=["--require", "max-stack=64K"]), "max-stack",
        "rules out 4 of 4")
    assert w.ask(path, options=["--require", "max-stack=128K"])["choice"] == \
        "asm+queue"


@case
def contradictory_constraints_are_named(w):
    path = w.write(comparison(ALL))
    text = w.refused(path, options=["--require", "signals-preserved",
                                    "--deny", "ucontext"])
    has(text, "--require signals-preserved rules out 5 of 6",
        "--deny ucontext rules out 1 of 6: ucontext+queue")


@case
def malformed_options_say_what_is_accepted(w):
    path = w.write(comparison(FOUR))
    for options, words in (
            (["--require", "fast"], ("--require fast", "no-io_uring")),
            (["--require", "kernel>=6"], ("kernel>=6", "kernel>=5.10")),
            (["--require", "kernel"], ("--require kernel", "kernel>=X.Y")),
            (["--require", "max-stack=1"], ("max-stack=1", "4K")),
            (["--require", "seccomp=docker"], ("seccomp=docker", "k8s")),
            (["--deny", "fibers"], ("--deny fibers", "asm", "queue")),
            (["--slo", "p99<200us"], ("--slo p99<200us", "p99<=200us")),
            (["--slo", "p98<=200us"], ("--slo", "p99<=200us")),
            (["--slo", "p99<=200"], ("--slo", "ns, us, ms or s")),
            (["--slo", "p99<=0us"], ("--slo", "1ns")),
            (["--incumbent", "asm+io_uring"], ("--incumbent asm+io_uring",
                                               "asm+queue")),
            (["--workload", "sha256"], ("--workload sha256", "null")),
            (["--device", "workers:1"], ("--device workers:1", "sim"))):
        has(w.refused(path, options=options), *words)


# ---- load and SLOs ----------------------------------------------------------


@case
def what_breaks_the_slo_or_is_saturated_is_out(w):
    paths = [w.write(comparison(FOUR)), w.write(loads(
        {"asm+queue": 300000, "setjmp+queue": 150000,
         "asm+eventfd+epoll": 120000, "ucontext+queue": 110000},
        saturated=["setjmp+queue"]))]
    value = w.ask(*paths, options=["--slo", "p99<=200us", "--objective",
                                   "cpu"])
    assert value["choice"] == "asm+eventfd+epoll", value
    has(value["why_not"]["asm+queue"], "p99<=200us is broken", "us (at most")
    has(value["why_not"]["setjmp+queue"], "saturated at 20,000 op/s",
        "backlog grows")
    # Without a bound or a rate nothing of that counts.
    assert w.ask(*paths)["choice"] == "asm+queue"
    value = w.ask(*paths, options=["--rate", "20000"])
    assert "saturated" in value["why_not"]["setjmp+queue"], value


@case
def a_late_generator_is_not_the_candidates_saturation(w):
    paths = [w.write(comparison(FOUR)), w.write(loads(
        {n: 150000 for n in FOUR}, saturated=["setjmp+queue"],
        fault="generator_late"))]
    value = w.ask(*paths, options=["--slo", "p99<=200us", "--objective",
                                   "cpu"])
    has(value["why_not"]["setjmp+queue"], "not known at 20,000 op/s",
        "generator")
    assert "saturated" not in value["why_not"]["setjmp+queue"], value


@case
def an_slo_that_nothing_keeps_says_who_is_closest(w):
    paths = [w.write(comparison(FOUR)), w.write(loads(
        {n: 300000 + 1000 * v for n, v in FOUR.items()}))]
    text = w.text(*paths, options=["--slo", "p99<=200us", "--objective",
                                   "cpu"], code=1)
    has(text, "Nothing is shown to keep p99<=200us", "The closest is "
        "asm+queue", "2.0", "CPU per operation", "times that of asm+queue")
    value = w.ask(*paths, options=["--slo", "p99<=200us"])
    assert value["verdict"] == "NOTHING LEFT" and value["choice"] is None


@case
def what_is_too_near_to_the_slo_is_not_recommended(w):
    paths = [w.write(comparison(FOUR)), w.write(loads(
        {"asm+queue": 199000, "setjmp+queue": 150000,
         "asm+eventfd+epoll": 120000, "ucontext+queue": 110000},
        spread=0.05))]
    value = w.ask(*paths, options=["--slo", "p99<=200us"])
    assert value["choice"] == "setjmp+queue", value
    has(value["why_not"]["asm+queue"], "is not shown")
    # Of one window nothing is known about the next.
    paths[1] = w.write(loads({"asm+queue": 190000, "setjmp+queue": 150000},
                             repeats=1))
    value = w.ask(*paths, options=["--slo", "p99<=200us"])
    assert value["choice"] == "setjmp+queue", value
    has(value["why_not"]["ucontext+queue"], "no p99 was measured")


@case
def the_least_p99_of_repeats(w):
    path = w.write(loads({"asm+queue": 100000, "setjmp+queue": 130000}))
    value = w.ask(path, options=["--objective", "p99"])
    assert value["choice"] == "asm+queue" and value["verdict"] == "BEST", value
    assert value["confidence"] == "low", value  # there is no A/A
    has(value["confidence_why"], "no A/A")
    both = w.ask(path, w.write(comparison(FOUR)),
                 options=["--objective", "p99"])
    assert both["confidence"] == "high", both
    single = w.write(loads({"asm+queue": 100000, "setjmp+queue": 130000},
                           repeats=1))
    value = w.ask(single, options=["--objective", "p99"])
    assert value["verdict"] == "NO DECISION", value
    has(value["next"], "switchyard load", "--rate 20000", "for seed in")


@case
def simulated_time_is_no_figure(w):
    lines = [load_point("asm+queue", 20000, 1e5, seed=n) for n in range(6)]
    path = w.write(text_of([meta("20260101T000000Z-00000b"), *lines]))
    assert w.ask(path, options=["--objective", "p99"])["choice"] == \
        "asm+queue"
    for line in lines:
        line["virtual_clock"] = True
    path = w.write(text_of([meta("20260101T000000Z-00000b"), *lines]))
    has(w.refused(path, options=["--objective", "p99"], code=4), "real time")


@case
def rates_must_be_chosen_and_be_there(w):
    two = w.write(text_of([meta("20260101T000000Z-000005")] + [
        load_point("asm+queue", rate, 1e5, False, seed)
        for rate in (1000, 2000) for seed in range(6)]))
    has(w.refused(two, options=["--objective", "p99"]), "--rate", "1000, 2000")
    has(w.refused(two, options=["--objective", "p99", "--rate", "5000"],
                  code=4), "--rate 5000", "2000", "switchyard load")
    value = w.ask(two, options=["--objective", "p99", "--rate", "1500"])
    assert value["rate_hz"] == 2000, value
    none = w.write(comparison(FOUR))
    has(w.refused(none, options=["--slo", "p99<=1ms", "--rate", "100"],
                  code=4), "no point of load", "switchyard load")


@case
def an_objective_without_data_says_what_makes_it(w):
    path = w.write(comparison(FOUR))
    for objective, command in (("memory", "switchyard cost"),
                               ("p99", "switchyard run")):
        value = w.ask(path, options=["--objective", objective])
        assert value["exit"] == 4 and value["choice"] is None, value
        has(value["missing"], command, "--workload null", "asm+queue")
        has(w.text(path, options=["--objective", objective], code=4), command)
    only_load = w.write(loads({"asm+queue": 100000, "setjmp+queue": 130000}))
    value = w.ask(only_load, options=["--objective", "cpu"])
    assert value["exit"] == 4, value
    has(value["missing"], "switchyard compare")


# ---- trust, and profiles ----------------------------------------------------


@case
def a_failed_or_missing_twin_writes_no_profile_without_force(w):
    path = w.write(comparison(FOUR, twin=False))
    value = w.ask(path, options=["--emit-profile", "p.conf"])
    assert value["choice"] == "asm+queue", value
    assert value["confidence"] == "low" and value["exit"] == 4, value
    has(value["confidence_why"], "no A/A")
    assert not (w.folder / "p.conf").exists()
    lines = noisy(list(FOUR.values()), twin=0.05)
    path = w.write(text_of([meta("20260101T000000Z-000006")] + compared(
        [candidate(i, n) for i, n in enumerate(FOUR)], lines, lines)))
    value = w.ask(path, options=["--emit-profile", "p.conf"])
    assert value["aa"]["state"] == "failed", value
    assert not (w.folder / "p.conf").exists()
    text = w.text(path, options=["--emit-profile", "p.conf", "--force"])
    has(text, "wrote p.conf")
    has((w.folder / "p.conf").read_text(), "note = written because of --force",
        "confidence = low")


@case
def a_profile_replaces_the_old_one_whole_or_not_at_all(w):
    path = w.write(comparison(FOUR))
    target = w.folder / "p.conf"
    target.write_text("old")
    has(w.text(path, options=["--emit-profile", str(target)]), "wrote")
    text = target.read_text()
    assert text.startswith("[profile]\nformat = 1\n"), text
    assert text.rstrip().endswith("[end]"), text
    has(text, "switcher = setjmp, ucontext", "engine = eventfd+epoll",
        "objective = throughput", "workload = null on sim")
    assert target.stat().st_mode & 0o777 == 0o644
    for bad, word in ((w.folder, "folder"),
                      (w.folder / "no" / "p.conf", "No such file")):
        has(w.text(path, options=["--emit-profile", str(bad)], code=3),
            "--emit-profile", word)
    left = [p.name for p in w.folder.iterdir() if p.name.startswith(".prof")]
    assert left == [], left


@case
def hostile_words_do_not_leave_their_line(w):
    lines = noisy(list(FOUR.values()))
    evil = meta("20260101T000000Z-000007",
                argv=("switchyard", "compare", "x\n[lock]\nswitcher = direct"))
    evil["machine"]["cpu_id"] = 'Odd*?[x]"\n1'
    path = w.write(text_of([evil] + compared(
        [candidate(i, n) for i, n in enumerate(FOUR)], lines, lines)))
    has(w.text(path, options=["--emit-profile", "p.conf"]), "wrote")
    text = (w.folder / "p.conf").read_text()
    assert "\n[lock]" not in text, text
    headings = [s for s in text.splitlines() if s.startswith("[machine")]
    assert headings == ['[machine "cpu=Odd[*][?][[]x]?[?]1"]'], text


# ---- runs -------------------------------------------------------------------


@case
def unusable_runs(w):
    done = w.run("--parts", str(w.parts))
    assert done.returncode == 2 and "needs runs" in done.stderr, said(done)
    has(w.refused(str(w.folder / "absent"), code=2), "absent")
    (w.folder / "empty").mkdir()
    has(w.refused(str(w.folder / "empty"), code=4), "no run file")
    one = w.write(comparison(FOUR))
    other = w.write(comparison(FOUR, run_id="20260101T000000Z-000008").replace(
        b"0123456789abcdef", b"fedcba9876543210"))
    has(w.refused(other), "changed after it was written")
    ns = noisy(list(FOUR.values()))
    other = w.write(text_of(
        [meta("20260101T000000Z-000008", fingerprint="fedcba9876543210")]
        + compared([candidate(i, n) for i, n in enumerate(FOUR)], ns, ns)))
    has(w.refused(one, other), "different machines")
    references = w.write(comparison({"software": 1, "blocking": 2}))
    has(w.refused(references, code=4), "no combination")
    few = w.write(comparison(FOUR, processes=3))
    value = w.ask(few)
    assert value["verdict"] == "NO DECISION", value
    has(value["next"], "--suite standard")


@case
def several_workloads_must_be_told_apart(w):
    ns = noisy([100, 120])
    other = [candidate(i, n) for i, n in enumerate(("asm+queue",
                                                    "setjmp+queue"))]
    for line in other:
        line["mix"] = [{"workload": "sha256", "param_bytes": 1024,
                        "weight": 1}]
    paths = [w.write(comparison(FOUR)), w.write(text_of(
        [meta("20260101T000000Z-00000a")] + compared(other, ns, ns)))]
    has(w.refused(*paths), "--workload", "null; sha256@1024")
    value = w.ask(*paths, options=["--workload", "sha256@1024"])
    assert value["choice"] == "asm+queue", value


@case
def without_parts_demands_are_refused(w):
    path = w.write(comparison(FOUR))
    done = w.run("--require", "no-io_uring", path)
    assert done.returncode == 2 and "--parts" in done.stderr, said(done)
    assert w.run(path).returncode == 0
    bad = w.folder / "bad.json"
    bad.write_text("[]")
    done = w.run("--parts", str(bad), path)
    assert done.returncode == 2 and "list --json" in done.stderr, said(done)


@case
def what_nothing_is_known_of_meets_no_requirement(w):
    path = w.write(comparison({"foreign+queue": 50, "ucontext+queue": 100}))
    assert w.ask(path)["choice"] == "foreign+queue"
    for words in ("thread-safe", "asan", "shadow-stack", "max-stack=64K",
                  "signals-preserved"):
        value = w.ask(path, options=["--require", words])
        assert value["choice"] == "ucontext+queue", (words, value)
    path = w.write(comparison({"asm+foreign": 50, "asm+queue": 100}))
    for words in ("no-io_uring", "kernel>=6.1", "seccomp=k8s"):
        value = w.ask(path, options=["--require", words])
        assert value["choice"] == "asm+queue", (words, value)
    assert w.ask(path, options=["--integration", "fd"])["choice"] == \
        "asm+queue"


@case
def a_name_that_no_profile_can_hold(w):
    path = w.write(comparison({"asm+queue\n[lock]": 50, "asm+queue": 100}))
    has(w.text(path, options=["--emit-profile", "p.conf"], code=2),
        "cannot hold the name")
    assert not (w.folder / "p.conf").exists()


# ---- replay -----------------------------------------------------------------


@case
def claims_are_reproduced_opposite_or_unresolved(w):
    old = w.write(comparison({"asm+queue": 100, "setjmp+queue": 120,
                              "ucontext+queue": 150, "threads+queue": 150.5},
                             run_id="old"))
    new = w.write(comparison({"asm+queue": 100, "setjmp+queue": 80,
                              "ucontext+queue": 100.2,
                              "threads+queue": 110}, run_id="new"))
    done = w.run("--json", "--", old, new, what="replay")
    assert done.returncode == 1, said(done)
    value = json.loads(done.stdout)
    found = {(c["first"], c["second"]): c["outcome"]
             for c in value["claims"]}
    assert found[("asm+queue", "setjmp+queue")] == "opposite", found
    assert found[("asm+queue", "ucontext+queue")] in (
        "unresolved", "reproduced"), found
    assert found[("asm+queue", "threads+queue")] == "reproduced", found
    assert found[("ucontext+queue", "threads+queue")] == "opposite", found
    same = w.run("--", old, old, what="replay")
    assert same.returncode == 0 and "0 opposite, 0 unresolved" in same.stdout, \
        said(same)


@case
def the_command_that_repeats_a_run(w):
    path = w.write(comparison(FOUR, argv=(
        "switchyard", "compare", "asm+queue", "--time", "10s", "--seed", "7",
        "--json", "--out", "elsewhere", "--suite=quick", "--run-id=x")))
    to = w.folder / "words"
    done = w.run("--command", "--to", str(to), "--out", "o", "--", path,
                 what="replay")
    assert done.returncode == 0, said(done)
    words = to.read_bytes().decode().split("\0")
    assert words == ["compare", "asm+queue", "--seed", "7", "--processes",
                     "24", "--rounds", "6", "--no-verdict", "--out", "o",
                     ""], words
    foreign = w.write(comparison(FOUR, argv=("switchyard", "dose")))
    done = w.run("--command", "--to", str(to), "--", foreign, what="replay")
    assert done.returncode == 2 and "switchyard dose" in done.stderr, \
        said(done)


if __name__ == "__main__":
    sys.exit(main(World, "analysis"))
