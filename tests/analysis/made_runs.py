# SPDX-License-Identifier: Apache-2.0
"""Run files that nobody measured: whole, with right hashes, of known content.

Imported by tests of the analysis. Each maker returns lines; write() makes the
file, write_run() in the place where the command would have put it.
"""

import hashlib
import json
import math
import pathlib
import random
import sys

SWITCHERS = ("asm", "setjmp", "ucontext", "inline", "boost", "threads")
ENGINES = ("queue", "eventfd+epoll", "pipe+select", "pipe+poll", "io_uring",
           "futex", "eventfd+poll", "signal", "poll", "pipe+epoll")
SIM = "sim:mode=poll,poll=inline,service=fixed:"


def meta(run_id="20260101T000000Z-000000", machine="0123456789abcdef",
         version="0.1.0", argv=("switchyard", "compare"), index=1, of=1,
         **environment):
    """The first line; environment replaces what the machine says of itself."""
    state = {"governor": "performance", "turbo": "off", "smt": "off",
             "isolated": "none", "clock_source": "tsc", "mitigations": "none",
             "syscall_ns": 90, "steal_boot_permille": 0}
    state.update(environment)
    return {
        "type": "meta", "schema": "switchyard-run/1", "run_id": run_id,
        "shard": {"index": index, "of": of}, "started": "2026-01-01T00:00:00Z",
        "seed": 1, "argv": list(argv), "suite": None,
        "machine": {"fingerprint": machine, "hardware_key": machine,
                    "environment_key": machine[::-1], "arch": "x86_64",
                    "cpu_model": f"Example CPU {machine[:4]}",
                    "cpu_id": "Example,1,2,3", "kernel": "6.1.0",
                    "cpus": 8, "cpus_usable": 8, "hypervisor": False,
                    "memory_bytes": 1 << 34, "page_bytes": 4096},
        "environment": state,
        "build": {"version": version, "git": "v" + version,
                  "compiler": "gcc 12.2.0", "flags": "-O2"},
        "libraries": {"openssl": "3.0.22", "openssl_switch": "setjmp",
                      "jansson": "2.14", "libc": "glibc 2.36",
                      "liburing": "2.3"}}


def names(count):
    """(switcher, engine) of so many combinations."""
    pairs = [(s, e) for e in ENGINES for s in SWITCHERS]
    return pairs[:count]


def parts(switcher, engine, device, jobs, workload="null"):
    """The members that describe a row."""
    row = {"name": f"{switcher}+{engine}", "row": "combination", "peer": None,
           "switcher": switcher, "engine": engine.split("+")[0],
           "variant": engine.split("+")[1] if "+" in engine else None}
    if engine == "":
        row.update(name=switcher, row=switcher, switcher=None, engine=None)
    row.update(device=device, jobs=jobs, mix=[
        {"workload": workload, "param_bytes": None, "weight": 1}])
    return row


def factor(switcher, engine):
    """How much longer than asm+queue this one takes, by invention."""
    s = SWITCHERS.index(switcher) if switcher in SWITCHERS else 0
    e = ENGINES.index(engine) if engine in ENGINES else 0
    return (1 + 0.004 * s ** 2) * (1 + 0.06 * e)


# ---- comparisons ------------------------------------------------------------


def comparison(count=3, processes=16, rounds=6, seed=1, slower=(), twin=True,
               device=SIM + "1us", jobs=8, noise=0.004, batch_ns=1000000,
               twin_ratio=1.0):
    """slower: {label: factor} on top of what factor() says."""
    rng = random.Random(seed)
    rows = [parts(s, e, device, jobs) for s, e in names(count)]
    factors = [factor(*pair) for pair in names(count)]
    factors = [f * dict(slower).get(row["name"], 1)
               for f, row in zip(factors, rows)]
    if twin:
        rows.append(dict(rows[0]))
        factors.append(factors[0] * twin_ratio)
    lines = [{"type": "comparison", "suite": "standard", "seed": seed,
              "candidates": len(rows), "processes": processes,
              "rounds": rounds, "budget_ns": None, "tick_ns": 20,
              "floor_ns": batch_ns, "layouts": 1, "aslr": True,
              "planted_permille": 0}]
    for i, row in enumerate(rows):
        is_twin = twin and i == count
        lines.append(dict(
            row, type="candidate", candidate=i, task=0,
            twin_of=0 if is_twin else None,
            operations=1000, status="ok",
            reason=None,
            label=row["name"] + (" (twin)" if is_twin else "")))
    for p in range(processes):
        lines.append({"type": "process", "process": p, "seed": p,
                      "environment_bytes": 0, "stack_offsets_bytes": [],
                      "cpu": p % 8, "layout": None, "status": "ok"})
        own = [rng.gauss(1, noise) for _ in rows]
        for r in range(rounds):
            for c, f in enumerate(factors):
                ns = int(batch_ns * f * own[c] * rng.gauss(1, 0.01))
                lines.append({
                    "type": "batch", "process": p, "round": r, "position": c,
                    "candidate": c, "operations": 1000, "elapsed_ns": ns,
                    "cpu_ns": ns, "thread_cpu_ns": ns, "switches_voluntary": 0,
                    "switches_involuntary": 0, "faults_minor": 0,
                    "faults_major": 0, "steal_ns": 0, "migrations": 0,
                    "verified": 1,
                    "tags": ["steal"] if rng.random() < 0.05 else []})
    return lines


# ---- histograms -------------------------------------------------------------


def bucket_of(value):
    if value < 256:
        return value
    shift = value.bit_length() - 8
    return 128 * shift + (value >> shift)


def histogram(values):
    buckets = {}
    for value in values:
        buckets[bucket_of(value)] = buckets.get(bucket_of(value), 0) + 1
    return {"count": len(values), "sum": sum(values), "min": min(values),
            "max": max(values), "clipped": 0, "p50": None, "p90": None,
            "p99": None, "p999": None, "buckets": sorted(
                [b, n] for b, n in buckets.items())}


def latencies(rng, count, typical_ns, tail=0.3):
    return [int(typical_ns * math.exp(abs(rng.gauss(0, tail))))
            for _ in range(count)]


# ---- other lines ------------------------------------------------------------


def records(count=3, jobs=(1, 8, 64), services=("1us", "10us", "100us"),
            seeds=(1, 2, 3), seed=1, samples=1000):
    """Rows of `switchyard run`, with the reference rows."""
    rng = random.Random(seed)
    lines = []
    rows = names(count) + [("software", ""), ("blocking", ""),
                           ("callback", "")]
    for service in services:
        service_ns = {"1us": 1000, "10us": 10000, "100us": 100000}[service]
        for n in jobs:
            for switcher, engine in rows:
                for one in seeds:
                    lines.append(record(rng, switcher, engine, service,
                                        service_ns, n, one, samples))
    return lines


def record(rng, switcher, engine, service, service_ns, jobs, seed, samples):
    own = 300 * factor(switcher, engine) + (0 if engine else -100)
    # Many jobs hide the device; few wait for it.
    per_op = max(own * (1 + 0.02 * jobs * (engine == "queue")),
                 service_ns / jobs) * rng.gauss(1, 0.01)
    operations = samples
    line = parts(switcher, engine, SIM + service, jobs)
    line.update({
        "type": "record",
        "asked": {"jobs": jobs, "duration_ns": 10 ** 8, "operations_max": 0,
                  "warm_up_ns": 0, "seed": seed, "virtual_clock": False,
                  "verify_every": 0, "spoil_one": False, "stack_bytes": 0},
        "status": "ok", "partial": False, "reason": None,
        "failed_operation": None,
        "verification": {"every": 1, "verified": 1, "wrong": 0, "cpu_ns": 0},
        "window": {
            "operations": operations, "elapsed_ns": int(operations * per_op),
            "cpu_ns": int(operations * own), "thread_cpu_ns": 0,
            "switches_voluntary": 10, "switches_involuntary": 2,
            "faults_minor": 0, "faults_major": 0,
            "latency_ns": histogram(latencies(rng, samples, per_op * jobs)),
            "runtime": None, "device": None},
        "syscalls": {"count": 2 * operations, "operations": operations,
                     "why": None},
        "rss_peak_bytes": 4000000 + 8192 * jobs, "fd_limit": 1024,
        "peer_switch": None})
    return line


RATES = (1000, 4000, 8000, 12000, 16000, 20000, 30000)


def load_points(count=3, rates=RATES, jobs=64, seed=1, samples=4000,
                bound_ns=200000):
    """An M/M/1 server that does 25,000 / factor operations per second."""
    rng = random.Random(seed)
    lines = []
    for number, (switcher, engine) in enumerate(
            names(count) + [("callback", "")]):
        row = parts(switcher, engine, SIM + "10us", jobs)
        service_ns = 40000 * factor(switcher, engine)
        held = None
        for rate in rates:
            use = min(rate * service_ns / 1e9, 0.98)
            saturated = rate * service_ns / 1e9 > 0.9
            service = latencies(rng, samples, service_ns)
            response = [int(v + service_ns * use / (1 - use)
                            * rng.expovariate(1)) for v in service]
            response_h = histogram(response)
            if not saturated and sorted(response)[
                    len(response) * 99 // 100] <= bound_ns:
                held = rate
            lines.append(dict(
                row, type="load", search=number, loop="open", rate_hz=rate,
                arrivals={"kind": "poisson", "seed": seed,
                          "trace_arrivals": None},
                duration_ns=10 ** 9, warm_up_ns=10 ** 8, seed=seed,
                virtual_clock=False, jobs_used=jobs, status="ok",
                partial=False, reason=None,
                verification={"every": 1, "verified": 1, "wrong": 0},
                generator={"where": "thread", "cpu": 1, "why": None,
                           "cpu_ns": 1}, offered=samples, done=samples,
                planned_ns=int(1e9 * samples / rate),
                elapsed_ns=int(1e9 * samples / min(rate, 1e9 / service_ns)),
                backlog_early_milli=1, backlog_late_milli=2,
                saturated=saturated,
                faults=["backlog_grows"] if saturated else [],
                response_ns=response_h, service_ns=histogram(service),
                lateness_ns=histogram([100] * samples), window=None,
                samples=None))
        lines.append(dict(
            row, type="search", search=number, quantile="p99",
            bound_ns=bound_ns, rate_hz=held, above_hz=None, closest_ns=None,
            closest_hz=None, repeats=1, needed=1, resolution_permille=50,
            points=len(rates), complete=True))
    return lines


def phases(count=3, jobs=8, seed=1, samples=500):
    rng = random.Random(seed)
    lines = []
    for switcher, engine in names(count):
        f = factor(switcher, engine)
        each = {"start": 80 * f, "run": 300, "wait": 1000, "notify": 400 * f,
                "schedule": 250 * f, "end": 120}
        values = {key: [int(ns * rng.gauss(1, 0.05)) for _ in range(samples)]
                  for key, ns in each.items()}
        values["whole"] = [sum(v) for v in zip(*values.values())]
        work = {"operations": samples, "elapsed_ns": 10 ** 6, "cpu_ns": 10 ** 6}
        lines.append(dict(
            parts(switcher, engine, SIM + "1us", jobs), type="phases", seed=1,
            status="ok", reason=None, rounds=4, clock="tsc", finished=samples,
            pauses=samples, early=0, unwoken=0, production=work, traced=work,
            phases={key: histogram(v) for key, v in values.items()}))
    return lines


def costs(count=3, jobs=(8, 64, 1000)):
    lines = []
    for switcher, engine in names(count):
        for n in jobs:
            f = factor(switcher, engine)
            counts = {key: {"count": int(1000 * value * f), "per": 1000,
                            "why": None} for key, value in (
                ("instructions", 700), ("syscalls", 2), ("mallocs", 0),
                ("kernel_syscalls", 2), ("switches_voluntary", 0.1),
                ("switches_involuntary", 0), ("faults_minor", 0),
                ("faults_major", 0))}
            for key in ("pmu_instructions_user", "pmu_instructions_kernel",
                        "pmu_cycles_user", "pmu_cycles_kernel"):
                counts[key] = {"count": None, "per": None,
                               "why": "no counters in this machine"}
            counts["resident_bytes"] = {
                "count": int((6000 * f + 40000 / n) * n), "per": n,
                "why": None}
            lines.append(dict(
                parts(switcher, engine, SIM + "1us", n), type="cost",
                clock="virtual", operations=1000, seed=1, status="ok",
                reason=None, counts=counts))
    return lines


# ---- files ------------------------------------------------------------------


def text_of(first, lines, interrupted=False):
    """A whole file."""
    data = "".join(json.dumps(line, separators=(",", ":")) + "\n"
                   for line in [first] + lines)
    data += json.dumps({"type": "end", "records": len(lines),
                        "interrupted": interrupted,
                        "finished": "2026-01-01T00:10:00Z", "sha256": ""},
                       separators=(",", ":"))[:-2]
    return (data + hashlib.sha256(data.encode()).hexdigest() + '"}\n').encode()


def write(path, first, lines, interrupted=False):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text_of(first, lines, interrupted))
    return path


def write_run(folder, name, lines, **of_meta):
    """runs/NAME/<fingerprint>/shard-1of1.jsonl; returns runs/NAME."""
    first = meta(run_id=name, **of_meta)
    shard = first["shard"]
    write(pathlib.Path(folder) / name / first["machine"]["fingerprint"] /
          f"shard-{shard['index']}of{shard['of']}.jsonl", first, lines)
    return pathlib.Path(folder) / name


def write_everything(folder, count, **of_meta):
    """A run of each kind, of so many combinations. Returns their folders."""
    return [
        write_run(folder, "compared", comparison(count), argv=(
            "switchyard", "compare", "--suite", "standard"), **of_meta),
        write_run(folder, "run", records(
            count, seeds=(1, 2, 3) if count < 20 else (1,),
            samples=1000 if count < 20 else 400),
            argv=("switchyard", "run", "--suite", "standard"), **of_meta),
        write_run(folder, "loaded", load_points(
            count, samples=4000 if count < 20 else 1000), argv=(
            "switchyard", "load", "asm+*", "--search", "p99<=200us"),
            **of_meta),
        write_run(folder, "phases", phases(count), argv=(
            "switchyard", "phases"), **of_meta),
        write_run(folder, "cost", costs(count), argv=(
            "switchyard", "cost"), **of_meta)]


if __name__ == "__main__":  # to look at what they become
    for made in write_everything(sys.argv[1], int(sys.argv[2])):
        print(made)
