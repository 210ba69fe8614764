#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Check that a USDT probe costs one nop and nothing else.

usage: count_probes.py COUNTED COUNTED_PLAIN LIBRARY LIBRARY_PLAIN

COUNTED and COUNTED_PLAIN are counted_loops with a library that has probes and
with one that was built without. For each operation, the first may execute as
many instructions more as it passes probes. LIBRARY has every probe that
docs/tracing.md lists, LIBRARY_PLAIN none.

Exit 0, 1 (it costs more), 2 (usage), 77 (nothing can be counted here).
"""

import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
from count_instructions import (  # noqa: E402
    INSTRUCTION_N, CannotCount, count_instructions, per_operation, probe)

# Probes that each operation passes.
PROBES = {
    "pair": 2,         # pause, resume
    "pair_4_deep": 2,
    "finish_0": 2,     # start, finish
    "finish_64": 2,
    "one_pause": 4,
    "operation": 6,    # and wake, seen
}
# Those that bound programs leave to the library are as many or fewer.
CANDIDATES = ("asm", "setjmp", "ucontext", "inline-bound", "asm-bound")

# Of eight operations at a time: padding in front of a loop that is entered
# once for all of them, three instructions at most.
ALIGNMENT = 0.5


def listed(document):
    """The probes in the table of docs/tracing.md."""
    with open(document, encoding="utf-8") as f:
        section = f.read().split("\n## Probes\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def probes_of(library):
    out = subprocess.run(["readelf", "-n", library], capture_output=True,
                         text=True, check=True).stdout
    return set(re.findall(r"Provider: switchyard\s+Name: (\w+)", out))


def check_lists(library, plain, document):
    wrong = 0
    here, there = probes_of(library), probes_of(plain)
    if here != listed(document):
        print(f"the library has {sorted(here)}, {document} lists "
              f"{sorted(listed(document))}")
        wrong += 1
    if there:
        print(f"the library without probes has {sorted(there)}")
        wrong += 1
    return wrong


def main(argv):
    if len(argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    counted, counted_plain, library, plain = argv
    here = os.path.dirname(os.path.abspath(__file__))
    wrong = check_lists(library, plain,
                        os.path.join(here, "../../docs/tracing.md"))
    why = probe("valgrind", ["valgrind", "--tool=callgrind",
                             "--callgrind-out-file=/dev/null", "true"])
    if why is not None:
        print(f"not counted: {why}", file=sys.stderr)
        return 1 if wrong else 77
    known = json.loads(subprocess.run([counted], capture_output=True, text=True,
                                      check=True).stdout)["candidates"]
    print(f"{'operation':24} {'with':>8} {'without':>8} {'probes':>7}")
    for scenario, probes in PROBES.items():
        for candidate in CANDIDATES:
            if candidate not in known:
                continue
            words = [scenario, candidate]
            try:
                a, b = (per_operation(count_instructions, [p, *words],
                                      INSTRUCTION_N)
                        for p in (counted, counted_plain))
            except CannotCount:
                continue
            print(f"{'/'.join(words):24} {a:8.2f} {b:8.2f} {probes:7}")
            if a - b > probes + ALIGNMENT:
                print(f"  more than a nop for each probe: {a - b:+.2f}")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
