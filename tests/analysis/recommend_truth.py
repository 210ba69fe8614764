#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Recommendations from simulated runs whose best combination is known.

usage: recommend_truth.py ANALYSIS-FOLDER [--cases N] [--seed N] [--verbose]

Each case is a machine made up anew: how many combinations, how far apart, how
noisy; with or without constraints, a bound on p99, several objectives. Run
files are written as the command writes them, and read by what reads those.
A recommendation is right if what it names is within the equivalence band of
the best that is allowed. It must never name what is not allowed. Exit 0 if
both hold as often as they should, 1 otherwise, 77 without numpy or scipy.
"""

import argparse
import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads spin, for matrices so small
sys.dont_write_bytecode = True

try:
    import numpy as np
    import scipy  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from run_files import candidate, compared, load_point, meta, text_of

SWITCHERS = {"asm": ["can-pause", "same-thread", "own-stack"],
             "setjmp": ["can-pause", "same-thread", "own-stack"],
             "ucontext": ["can-pause", "same-thread", "own-stack",
                          "keeps-sigmask", "keeps-fpctl"],
             "threads": ["can-pause", "own-stack"]}
ENGINES = {"queue": (["pollable", "by-memory"], [], None, True),
           "io_uring": (["pollable", "by-memory"], ["io_uring"], "5.11", True),
           "eventfd+epoll": (["pollable", "fd-per-job"], [], None, True),
           "spin": (["busy-wait"], [], None, False)}

NAMED_MIN = 0.95


def parts_of():
    """As `switchyard list --json` prints it."""
    return {
        "switchers": [{"name": n, "works": True, "caps": caps,
                       "needs": {"kernel": None, "calls": [], "absent": []
                                 if n in ("ucontext", "threads")
                                 else ["shadow stack"]}}
                      for n, caps in SWITCHERS.items()],
        "engines": [{"name": n, "works": True, "caps": caps,
                     "baseline": False, "own_event_loop": loop,
                     "needs": {"kernel": kernel, "calls": calls,
                               "absent": []}}
                    for n, (caps, calls, kernel, loop) in ENGINES.items()]}


# What each demand allows, told by the truth and not by what is tested.
DEMANDS = [
    ([], lambda s, e: True),
    (["--require", "no-io_uring"], lambda s, e: e != "io_uring"),
    (["--require", "thread-safe"], lambda s, e: s != "threads"),
    (["--require", "signals-preserved"], lambda s, e: s == "ucontext"),
    (["--require", "shadow-stack"], lambda s, e: s in ("ucontext", "threads")),
    (["--require", "kernel>=5.10"], lambda s, e: e != "io_uring"),
    (["--require", "seccomp=k8s,thread-safe"],
     lambda s, e: e != "io_uring" and s != "threads"),
    (["--deny", "threads,queue"], lambda s, e: s != "threads" and e != "queue"),
    (["--integration", "fd"], lambda s, e: e != "spin"),
]


class World:
    """One machine: what each combination truly costs, and how it is seen."""

    def __init__(self, rng):
        self.rng = rng
        names = [f"{s}+{e}" for s in SWITCHERS for e in ENGINES]
        count = int(rng.integers(3, 11))
        self.names = list(rng.choice(names, count, replace=False))
        # Some are the same, some nearly, some far away.
        step = rng.choice([0.0, 0.005, 0.01, 0.03, 0.1, 0.4], count)
        self.log_ns = {n: float(8 + d * rng.random() * 2)
                       for n, d in zip(self.names, step)}
        self.log_cpu = {n: float(8 + d * rng.random() * 2)
                        for n, d in zip(self.names, rng.permutation(step))}
        self.processes = int(rng.integers(32, 49))
        self.rounds = int(rng.integers(6, 13))
        self.layouts = int(rng.choice([0, 0, 16]))
        self.between = rng.choice([0.002, 0.005, 0.01])
        self.within = rng.choice([0.01, 0.03])
        self.disturbed = rng.choice([0.01, 0.05, 0.15])
        self.has_humps = bool(rng.random() < 0.3)

    def batches(self, log):
        """ns per operation[process, round, candidate]; the last column is the
        twin of the first."""
        rng, names = self.rng, self.names
        shape = (self.processes, self.rounds, len(names) + 1)
        truth = np.array([log[n] for n in names + names[:1]])
        units = self.layouts or self.processes
        if self.has_humps:  # what alignment does: a unit has it, or has not
            own = self.between * 2 * (rng.random((units, 1, shape[2])) < 0.5)
        else:
            own = rng.normal(0, self.between, (units, 1, shape[2]))
        layout = own[np.arange(self.processes) % units]
        if self.layouts:
            layout = layout + rng.normal(0, self.between / 2,
                                         (self.processes, 1, shape[2]))
        machine = rng.normal(0, 0.1, (self.processes, 1, 1))
        drift = np.cumsum(rng.normal(0, 0.02, shape[:2] + (1,)), axis=1)
        noise = self.within * rng.standard_t(4, shape)
        spikes = (rng.random(shape) < self.disturbed) * rng.exponential(
            1.0, shape)
        return np.exp(truth + machine + drift + layout + noise + spikes)

    def comparison(self, run_id):
        lines = [meta(run_id)]
        lines += compared([candidate(i, n) for i, n in enumerate(self.names)],
                          self.batches(self.log_ns),
                          self.batches(self.log_cpu), self.layouts)
        return text_of(lines)

    def load(self, run_id, p99_ns, saturated, repeats, rate):
        """Repeats of a point for each, each window with its own luck."""
        lines = [meta(run_id)]
        for repeat in range(repeats):
            for name in self.names:
                luck = float(np.exp(self.rng.normal(0, 0.03)))
                lines.append(load_point(
                    name, rate, p99_ns[name] * luck, name in saturated,
                    repeat + 1))
        return text_of(lines)


class Case:
    def __init__(self, number, seed):
        self.rng = np.random.default_rng([seed, number])
        self.world = World(self.rng)
        while True:
            self.demand, allows = DEMANDS[
                int(self.rng.integers(len(DEMANDS)))] \
                if self.rng.random() < 0.6 else DEMANDS[0]
            self.allowed = [n for n in self.world.names
                            if allows(*n.split("+", 1))]
            if self.allowed:
                break
        self.kind = str(self.rng.choice(["throughput", "cpu", "slo", "p99"]))

    def write(self, folder):
        """Files, options, and the truth: {name: log cost}, of those that may
        be named."""
        w, rng = self.world, self.rng
        paths = [folder / "compare.jsonl"]
        paths[0].write_bytes(w.comparison("compare"))
        if self.kind in ("throughput", "cpu"):
            log = w.log_ns if self.kind == "throughput" else w.log_cpu
            return paths, ["--objective", self.kind], \
                {n: log[n] for n in self.allowed}, 0.02
        # Every other one beside the one before it.
        p99, last = {}, None
        for n in w.names:
            log = rng.uniform(-0.7, 0.7) if last is None or rng.random() < .5 \
                else last + rng.normal(0, 0.02)
            p99[n], last = float(1e5 * np.exp(log)), log
        saturated = {n for n in w.names if rng.random() < 0.2}
        rate = 20000
        paths.append(folder / "load.jsonl")
        paths[1].write_bytes(w.load("load", p99, saturated, 6, rate))
        options = ["--rate", str(rate)]
        fair = [n for n in self.allowed if n not in saturated]
        if self.kind == "p99":
            return paths, options + ["--objective", "p99"], \
                {n: float(np.log(p99[n])) for n in fair}, 0.05
        # What keeps it with nothing to spare may be left out: of that the
        # windows cannot tell. What breaks it may not be named.
        bound = 1e5
        keeps = {n: w.log_cpu[n] for n in fair if p99[n] <= bound}
        self.clear = [n for n in keeps if p99[n] < bound / 1.1]
        return paths, options + ["--objective", "cpu", "--slo",
                                 f"p99<={bound / 1000:g}us"], keeps, 0.02


def ask(recommend, paths, options):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = recommend.main([*options, "--json", "--",
                                 *map(str, paths)])
    text = out.getvalue()
    return status, json.loads(text) if text.startswith("{") else text


def is_right(case, value, truth, band):
    """Is what was named as good as the best? Where nothing may be named,
    naming nothing is right."""
    choice = value.get("choice") if isinstance(value, dict) else None
    rivals = truth
    if case.kind == "slo":
        rivals = {n: truth[n] for n in case.clear}
    if not rivals:
        return True
    if choice is None:
        return False
    return truth.get(choice, np.inf) <= \
        min(rivals.values()) + np.log(1 + band) + 1e-9


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("analysis")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    sys.path.insert(0, args.analysis)
    from switchyard_analysis import recommend
    right, forbidden, decided = 0, [], 0
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        parts = folder / "parts.json"
        parts.write_text(json.dumps(parts_of()))
        for number in range(args.cases):
            case = Case(number, args.seed)
            paths, options, truth, band = case.write(folder)
            status, value = ask(recommend, paths, [
                *options, *case.demand, "--parts", str(parts)])
            good = is_right(case, value, truth, band)
            right += good
            choice = value.get("choice") if isinstance(value, dict) else None
            decided += choice is not None
            if choice is not None and choice not in truth:
                forbidden.append((number, choice))
            if args.verbose or not good:
                print(f"  case {number}: {case.kind} {' '.join(case.demand)}: "
                      f"exit {status}, "
                      + (f"{value['verdict']} {choice}"
                         if isinstance(value, dict) else value.strip())
                      + (f"; the best: {min(truth, key=truth.get)}"
                         if truth else "; nothing is allowed"))
    print(f"  {right} of {args.cases} as good as the best, {decided} named "
          f"something, {len(forbidden)} named what is not allowed; "
          f"{time.process_time() - began:.1f} s of CPU")
    if forbidden:
        print(f"  not allowed: {forbidden}")
    ok = right >= NAMED_MIN * args.cases and not forbidden
    print(f"\n{int(ok)} passed, {int(not ok)} failed")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
