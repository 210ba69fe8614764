# SPDX-License-Identifier: Apache-2.0
"""Run files for tests of the analysis, line by line."""

import hashlib
import json

MIX = [{"workload": "null", "param_bytes": None, "weight": 1}]
DEVICE = "sim:service=fixed:10us"


def meta(run_id, fingerprint="0123456789abcdef", argv=("switchyard",
                                                       "compare"), **more):
    return {"type": "meta", "schema": "switchyard-run/1", "run_id": run_id,
            "shard": {"index": 1, "of": 1}, "started": "2026-01-01T00:00:00Z",
            "seed": 1, "argv": list(argv), "suite": None,
            "machine": {"fingerprint": fingerprint, "kernel": "6.1.0",
                        "cpu_id": "GenuineIntel 6 106 6"},
            "build": {"version": "0.1.0", "git": "abc", "compiler": "GNU 12",
                      "flags": ""}, "libraries": {}, **more}


def row_of(name, jobs=8, device=DEVICE):
    """What lines of all kinds say of a combination or a reference row."""
    switcher, _, rest = name.partition("+")
    engine, _, variant = rest.partition("+")
    is_pair = "+" in name
    return {"row": "combination" if is_pair else name, "name": name,
            "peer": None, "switcher": switcher if is_pair else None,
            "engine": engine or None, "variant": variant or None, "mix": MIX,
            "device": device, "jobs": jobs}


def candidate(number, name, task=0, twin_of=None, **more):
    return {**row_of(name, **more), "type": "candidate", "candidate": number,
            "label": name + (" (twin)" if twin_of is not None else ""),
            "task": task, "twin_of": twin_of, "operations": 1000,
            "status": "ok", "reason": None}


def compared(candidates, ns, cpu_ns, layouts=0, twin=True, **settings):
    """The lines of a comparison. The arrays are figures per operation
    [process, round, candidate]; with a twin, the last column is the first
    candidate's."""
    processes, rounds, count = ns.shape
    lines = [{"type": "comparison", "suite": None, "seed": 1,
              "candidates": count, "processes": processes, "rounds": rounds,
              "budget_ns": 60 * 10 ** 9, "tick_ns": 20, "floor_ns": 10 ** 6,
              "layouts": max(1, layouts), "aslr": True,
              "planted_permille": 0, **settings}]
    if twin:
        first = candidates[0]
        candidates = candidates + [dict(
            first, candidate=count - 1, twin_of=0,
            label=first["label"] + " (twin)")]
    lines += candidates
    for p in range(processes):
        lines.append({"type": "process", "process": p, "status": "ok",
                      "layout": f"layout-{p % layouts}" if layouts else None,
                      "elapsed_ns": 10 ** 9})
        for r in range(rounds):
            for c in range(count):
                lines.append({
                    "type": "batch", "process": p, "round": r, "position": c,
                    "candidate": c, "operations": 1000,
                    "elapsed_ns": int(1000 * ns[p, r, c]),
                    "cpu_ns": int(1000 * cpu_ns[p, r, c]),
                    "thread_cpu_ns": int(1000 * cpu_ns[p, r, c]),
                    "tags": []})
    return lines


def histogram_of(ns, count=10000):
    """A histogram whose p99 is there, within the bucket."""
    def bucket(value):
        value = int(value)
        if value < 256:
            return value
        e = value.bit_length() - 8
        return 128 * (e + 1) + (value >> e) - 128

    low, high = int(ns / 4), int(ns)
    pairs = [[bucket(low), count * 95 // 100],
             [bucket(high), count - count * 95 // 100]]
    return {"count": count, "sum": low * pairs[0][1] + high * pairs[1][1],
            "min": low, "max": high, "p50": low, "p90": low, "p99": high,
            "p999": high, "clipped": 0, "buckets": pairs}


def load_point(name, rate, p99_ns, saturated=False, seed=1, **more):
    window = {"operations": 10000, "elapsed_ns": 10 ** 9,
              "cpu_ns": 5 * 10 ** 8}
    return {**row_of(name, **more), "type": "load", "search": None,
            "loop": "open", "rate_hz": rate,
            "arrivals": {"kind": "poisson", "seed": seed,
                         "trace_arrivals": None},
            "duration_ns": 10 ** 9, "warm_up_ns": 10 ** 8, "seed": seed,
            "virtual_clock": False, "status": "ok", "partial": False,
            "reason": None, "offered": 10000, "done": 10000,
            "elapsed_ns": 10 ** 9, "saturated": saturated,
            "faults": ["backlog_grows"] if saturated else [],
            "response_ns": histogram_of(p99_ns),
            "service_ns": histogram_of(p99_ns / 2), "window": window}


def record(name, ns, cpu_ns, seed=1, latency_ns=None, **more):
    return {**row_of(name, **more), "type": "record", "status": "ok",
            "partial": False, "reason": None,
            "asked": {"jobs": 8, "seed": seed, "stack_bytes": 65536},
            "rss_peak_bytes": 10 ** 7,
            "window": {"operations": 10000, "elapsed_ns": int(10000 * ns),
                       "cpu_ns": int(10000 * cpu_ns),
                       "latency_ns": histogram_of(latency_ns or 8 * ns)}}


def cost(name, resident_bytes, **more):
    return {**row_of(name, **more), "type": "cost", "status": "ok",
            "reason": None, "clock": "virtual", "operations": 1000,
            "counts": {"resident_bytes": {"count": 1000 * resident_bytes,
                                          "per": 1000, "why": None}}}


def ended(data, records, interrupted=False):
    data += json.dumps({"type": "end", "records": records,
                        "interrupted": interrupted, "finished": "x"},
                       separators=(",", ":")).encode()[:-1]
    data += b',"sha256":"'
    return data + hashlib.sha256(data).hexdigest().encode() + b'"}\n'


def text_of(lines, interrupted=False):
    """A whole file."""
    data = "".join(json.dumps(line, separators=(",", ":")) + "\n"
                   for line in lines).encode()
    return ended(data, len(lines) - 1, interrupted)
