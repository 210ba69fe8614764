#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same TLS server on OpenSSL's own async jobs and on the drop-in.

In each round three processes of switchyard_tls are made, in a shuffled order:
"openssl" (nothing preloaded), "switchyard" (the drop-in preloaded), and
"openssl again", the A/A twin of the first: what its ratio is off 1.0 is what
this machine makes up. They do their handshakes in turns, a batch each, in an
order that is shuffled anew for every turn; so what the machine does besides
hits all of them.

A round gives one ratio to "openssl": the median over its turns. An interval is
that of Student's t over the logarithms of the rounds' ratios.

Exit: 0, 1 if the drop-in was not used, nothing paused, or (--bar) it is not as
fast as asked for, 2 wrong usage, 3 something is missing.
"""

import argparse
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

OPENSSL, SWITCHYARD, TWIN = "openssl", "switchyard", "openssl again"
CONFIG = """openssl_conf = init
[init]
providers = providers
alg_section = algorithms
[providers]
default = underneath
switchyard = offload
[underneath]
activate = 1
[offload]
module = {provider}
device = {device}
activate = 1
[algorithms]
default_properties = ?provider=switchyard
"""

# Of a record: its key, what it is called, its unit, whether more is better.
FIGURES = [
    ("handshakes_per_s", "handshakes/s", "", True),
    ("server_cpu_us", "server CPU per handshake", "us", False),
    ("process_cpu_us", "all CPU per handshake", "us", False),
    ("p50_us", "p50", "us", False),
    ("p99_us", "p99", "us", False),
]


class Failure(Exception):
    """The text says why; the exit code is 1."""


def t_quantile(p, df):
    """Student's t: Hill's expansion about the normal quantile (CACM 396), good
    to three digits from 3 degrees of freedom on."""
    z = statistics.NormalDist().inv_cdf(p)
    return (z + (z**3 + z) / (4 * df) +
            (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2) +
            (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * df**3))


def interval(ratios, confidence):
    """The geometric mean of ratios, and its confidence interval."""
    logs = [math.log(r) for r in ratios]
    mean, n = statistics.fmean(logs), len(logs)
    if n < 4:
        return math.exp(mean), 0.0, math.inf
    half = (t_quantile(0.5 + confidence / 2, n - 1) * statistics.stdev(logs) /
            math.sqrt(n))
    return tuple(math.exp(x) for x in (mean, mean - half, mean + half))


def word(low, high, more_is_better):
    if low > 1:
        return "better" if more_is_better else "worse"
    if high < 1:
        return "worse" if more_is_better else "better"
    return "no difference seen"


class Server:
    """One process, which does a batch when it is told to."""

    def __init__(self, args, candidate, environment):
        self.candidate = candidate
        environment = dict(environment)
        if candidate == SWITCHYARD:
            before = environment.get("LD_PRELOAD")
            environment["LD_PRELOAD"] = (f"{before}:" if before else "") + \
                args.drop_in
        self.process = subprocess.Popen(
            [args.server, "--paced", "--batches", str(args.turns),
             "--in-flight", str(args.in_flight),
             "--handshakes", str(args.handshakes), "--tls", args.tls,
             "--key", args.key, "--wake", args.wake,
             "--pause-us", str(args.pause_us)],
            env=environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def batch(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Failure(f"{self.candidate}: {self.process.stderr.read()}")
        return self.check(json.loads(line))

    def check(self, record):
        jobs = record["drop_in_jobs"]
        if (jobs > 0) != (self.candidate == SWITCHYARD):
            raise Failure(f"{self.candidate}: {jobs} jobs ran on the drop-in" +
                          self.said())
        if record["pauses_per_handshake"] < 0.5:
            raise Failure(
                f"{self.candidate}: {record['pauses_per_handshake']} pauses in "
                "a handshake: nothing that matters was measured" + self.said())
        return record

    def said(self):
        """What the server has to say about it: the provider's reason, say."""
        self.process.kill()
        words = self.process.stderr.read().strip()
        return "; it said:\n" + words if words else ""

    def end(self):
        self.process.kill()
        self.process.communicate()


def measure_round(args, environment, rng, write):
    """A list of turns, each a dictionary of records."""
    candidates = [OPENSSL, SWITCHYARD, TWIN]
    turns, servers = [], {}
    try:
        for candidate in rng.sample(candidates, len(candidates)):
            servers[candidate] = Server(args, candidate, environment)
        for turn in range(args.turns):
            records = {}
            for candidate in rng.sample(candidates, len(candidates)):
                records[candidate] = servers[candidate].batch()
                write({"turn": turn, "place": len(records),
                       "candidate": candidate, **records[candidate]})
            turns.append(records)
    finally:
        for server in servers.values():
            server.end()
    return turns


def measure(args, environment, out):
    rng = random.Random(args.seed)
    rounds = []
    started = time.monotonic()
    for i in range(args.rounds):
        def write(record, i=i):
            if out is not None:
                out.write(json.dumps({"round": i, **record}) + "\n")
        rounds.append(measure_round(args, environment, rng, write))
        if sys.stderr.isatty():
            print(f"\r\033[Kround {i + 1} of {args.rounds}, "
                  f"{time.monotonic() - started:.0f} s", end="",
                  file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return rounds


def judge(rounds, confidence):
    """One dictionary per figure."""
    table = []
    for key, name, unit, more in FIGURES:
        line = {"figure": key, "name": name, "unit": unit,
                "more_is_better": more}
        for candidate in (OPENSSL, SWITCHYARD):
            line[candidate] = statistics.median(
                turn[candidate][key] for turns in rounds for turn in turns)
        for candidate, to in ((SWITCHYARD, "ratio"), (TWIN, "twin")):
            mean, low, high = interval(
                [statistics.median(turn[candidate][key] / turn[OPENSSL][key]
                                   for turn in turns) for turns in rounds],
                confidence)
            line[to] = {"mean": mean, "low": low, "high": high}
        line["verdict"] = word(line["ratio"]["low"], line["ratio"]["high"],
                               more)
        table.append(line)
    return table


def print_table(args, rounds, table):
    some = rounds[0][0][OPENSSL]
    print(f"TLS {args.tls}, {args.key}, {args.in_flight} handshakes in flight, "
          f"woken by {args.wake}, {some['pauses_per_handshake']:.1f} pauses "
          f"each, {len(rounds)} rounds, {args.turns} turns of "
          f"{args.handshakes} handshakes\n")
    print(f"{'':30}{'openssl':>10}{'switchyard':>12}   ratio, "
          f"{args.confidence:.0%} interval     A/A")
    for line in table:
        name = line["name"] + (f" ({line['unit']})" if line["unit"] else "")
        ratio, twin = line["ratio"], line["twin"]
        print(f"{name:30}{line[OPENSSL]:10.1f}{line[SWITCHYARD]:12.1f}   "
              f"{ratio['mean']:.4f} ({ratio['low']:.4f} .. "
              f"{ratio['high']:.4f})  {twin['mean']:.4f}  {line['verdict']}")
    print("\nMedians over all turns; ratios are within a turn.")


def reaches_bar(table):
    """At least as many handshakes, and less CPU time, seen beyond chance."""
    lines = {line["figure"]: line for line in table}
    return (lines["handshakes_per_s"]["ratio"]["high"] >= 1 and
            lines["server_cpu_us"]["verdict"] == "better")


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, metavar="FILE",
                        help="switchyard_tls")
    parser.add_argument("--drop-in", required=True, metavar="FILE",
                        help="libswitchyard-openssl.so")
    parser.add_argument("--provider", metavar="FILE",
                        help="switchyard.so; without it, --pause-us pauses")
    parser.add_argument("--device", metavar="SPEC",
                        default="sim:servers=64,service=fixed:200us",
                        help="of the provider (%(default)s)")
    parser.add_argument("--rounds", type=int, default=10,
                        help="of new processes (%(default)s)")
    parser.add_argument("--turns", type=int, default=12,
                        help="of each process in a round (%(default)s)")
    parser.add_argument("--handshakes", type=int, default=320,
                        help="in a turn (%(default)s)")
    parser.add_argument("--in-flight", type=int, default=64,
                        help="(%(default)s)")
    parser.add_argument("--tls", choices=["1.2", "1.3"], default="1.3",
                        help="(%(default)s)")
    parser.add_argument("--key", choices=["rsa", "ecdsa"], default="ecdsa",
                        help="(%(default)s)")
    parser.add_argument("--wake", choices=["fd", "callback"], default="fd",
                        help="(%(default)s)")
    parser.add_argument("--pause-us", type=int, default=0,
                        help="pause in the certificate callback (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--confidence", type=float, default=0.95,
                        help="(%(default)s)")
    parser.add_argument("--out", metavar="FILE", help="one JSON line per batch")
    parser.add_argument("--json", action="store_true",
                        help="print the verdict as JSON")
    parser.add_argument("--bar", action="store_true",
                        help="exit 1 unless there are at least as many "
                        "handshakes for less CPU time")
    args = parser.parse_args(argv)
    if not 0.5 <= args.confidence < 1 or min(args.rounds, args.turns) < 1:
        parser.error("--rounds and --turns are at least 1, --confidence is "
                     "from 0.5 to below 1")
    if args.provider is None and args.pause_us == 0:
        args.pause_us = 200
    for option in ("server", "drop_in", "provider"):
        path = getattr(args, option)
        if path is None:
            continue
        if not os.path.exists(path):
            print(f"compare_tls: there is no {path}", file=sys.stderr)
            sys.exit(3)
        setattr(args, option, os.path.abspath(path))
    return args


def compare(args, folder):
    environment = {k: v for k, v in os.environ.items()
                   if k not in ("SWITCHYARD_ACCOUNT", "OPENSSL_CONF")}
    if args.provider is not None:
        config = pathlib.Path(folder, "openssl.cnf")
        config.write_text(CONFIG.format(provider=args.provider,
                                        device=args.device))
        environment["OPENSSL_CONF"] = str(config)
    if args.out is None:
        rounds = measure(args, environment, None)
    else:
        with open(args.out, "w", encoding="utf-8") as out:
            rounds = measure(args, environment, out)
    table = judge(rounds, args.confidence)
    if args.json:
        print(json.dumps({"rounds": len(rounds), "figures": table}))
    else:
        print_table(args, rounds, table)
    return reaches_bar(table) or not args.bar


def main():
    args = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="switchyard-tls-") as folder:
        try:
            return 0 if compare(args, folder) else 1
        except Failure as failure:
            print(f"compare_tls: {failure}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main())
