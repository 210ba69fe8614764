#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Count what one operation executes: user instructions, system calls, mallocs.

Runs counted_loops with N and with 2 N operations and divides the difference
by N. Instructions are counted by valgrind's callgrind, system calls by strace.
Counts do not depend on how busy the machine is, so they can be gated; they do
depend on compiler and flags, which the file of expected counts names.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

EXIT_DIFFERENT, EXIT_USAGE, EXIT_ENVIRONMENT, EXIT_SKIPPED = 1, 2, 3, 77
TOLERANCE = 0.02
TIMEOUT_S = 120

INSTRUCTION_N = 4000
SYSCALL_N = 400
# A futex hand-over is one system call each way or two, as the threads happen
# to meet: what threads execute is not a number.
NOT_DETERMINISTIC = ("threads",)


class CannotCount(Exception):
    pass


def run(command):
    """Run a command; return (status, stdout, stderr)."""
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=TIMEOUT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def run_or_fail(command):
    status, out, err = run(command)
    if status == EXIT_SKIPPED:
        # "==": what valgrind says about itself
        raise CannotCount(" ".join(line for line in err.splitlines()
                                   if not line.startswith("==")))
    if status != 0:
        sys.exit(f"{' '.join(command)}: exit status {status}\n{err}")
    return out, err


def count_instructions(loop, n):
    _, err = run_or_fail(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         *loop, str(n)])
    match = re.search(r"Collected\s*:\s*(\d+)", err)
    if match is None:
        raise CannotCount("callgrind printed no count")
    return int(match.group(1))


def count_syscalls(loop, n):
    # -w would count time; the table of -c ends with a line of totals:
    # "100.00  0.000123  1  4567  89 total", errors left out if there are none
    _, err = run_or_fail(["strace", "-f", "-c", "-U", "calls,name",
                          *loop, str(n)])
    for line in reversed(err.splitlines()):
        words = line.split()
        if words and words[-1] == "total":
            return int(words[0])
    raise CannotCount("strace printed no total")


def count_mallocs(loop, n):
    out, _ = run_or_fail([*loop, str(n)])
    match = re.search(r"mallocs (\d+)", out)
    return int(match.group(1))


def per_operation(count, loop, n):
    return (count(loop, 2 * n) - count(loop, n)) / n


def probe(tool, command):
    """Why a tool does not work here, or None."""
    if shutil.which(tool) is None:
        return f"{tool} is not installed"
    status, _, err = run(command)
    if status != 0:
        last = err.strip().splitlines()[-1:] or ["no reason given"]
        return f"{tool} does not work here: {last[0]}"
    return None


def measure(program, facts, only):
    counters = [
        ("instructions", count_instructions, INSTRUCTION_N,
         probe("valgrind", ["valgrind", "--tool=callgrind",
                            "--callgrind-out-file=/dev/null", "true"])),
        ("syscalls", count_syscalls, SYSCALL_N,
         probe("strace", ["strace", "-c", "-o", "/dev/null", "true"])),
        ("mallocs", count_mallocs, SYSCALL_N, None),
    ]
    for _, _, _, why in counters:
        if why is not None:
            print(f"not counted: {why}", file=sys.stderr)
    counts = {}
    for scenario in facts["scenarios"]:
        for candidate in facts["candidates"]:
            name = f"{scenario}/{candidate}"
            if candidate in NOT_DETERMINISTIC or only not in name:
                continue
            loop = [program, scenario, candidate]
            try:
                counts[name] = {
                    what: round(per_operation(count, loop, n), 2)
                    for what, count, n, why in counters if why is None}
            except CannotCount as error:
                print(f"not counted: {name}: {error}", file=sys.stderr)
    return counts


def print_table(counts):
    print(f"{'operation':28} {'instructions':>12} {'syscalls':>9} "
          f"{'mallocs':>8}")
    for name, row in counts.items():
        cells = [f"{row[k]:g}" if k in row else "-"
                 for k in ("instructions", "syscalls", "mallocs")]
        print(f"{name:28} {cells[0]:>12} {cells[1]:>9} {cells[2]:>8}")


def same_build(facts, expected):
    return all(facts[k] == expected[k] for k in ("compiler", "flags", "cpu"))


def check(counts, expected, facts):
    """Print every difference; return the exit status."""
    gated = expected["counts"]
    different = 0
    compared = 0
    # Instructions are the compiler's; what the kernel and the allocator are
    # asked for is ours, whatever compiled it.
    instructions_too = same_build(facts, expected)
    if not instructions_too:
        print("instructions are not compared: expected for "
              f"{expected['compiler']} {expected['flags']} on "
              f"{expected['cpu']}", file=sys.stderr)
    for name, row in gated.items():
        if name not in counts:
            print(f"{name}: expected, but not counted")
            different += 1
            continue
        for what, value in row.items():
            if what == "instructions" and not instructions_too:
                continue
            if what not in counts[name]:
                continue
            got = counts[name][what]
            compared += 1
            # the absolute part: half an event in a hundred operations
            if abs(got - value) > TOLERANCE * value + 0.005:
                print(f"{name}: {what} {got:g}, expected {value:g}")
                different += 1
    for name in counts:
        if name not in gated and not name.endswith("/openssl"):
            print(f"{name}: not gated yet: --update adds it", file=sys.stderr)
    print(f"{compared} counts compared, {different} differ by more than "
          f"{TOLERANCE:.0%}")
    if different:
        return EXIT_DIFFERENT
    return 0 if compared else EXIT_SKIPPED


def write(path, counts, facts):
    """Ours only: what OpenSSL executes is its version's business."""
    expected = {k: facts[k] for k in ("compiler", "flags", "cpu")}
    expected["counts"] = {name: row for name, row in counts.items()
                          if not name.endswith("/openssl")}
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        json.dump(expected, f, indent=1)
        f.write("\n")
    os.replace(path + ".tmp", path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit status: 0; 1 a count differs; 2 wrong usage; 3 the "
        "program or the file cannot be used; 77 nothing could be compared.")
    parser.add_argument("program", help="the built counted_loops")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="only operations whose name contains TEXT")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--check", metavar="FILE",
                       help="compare with the expected counts in FILE")
    group.add_argument("--update", metavar="FILE",
                       help="write the counts to FILE as the expected ones")
    parser.add_argument("--json", metavar="FILE", help="write all counts")
    args = parser.parse_args()
    if args.only and (args.check or args.update):
        parser.error("--check and --update need every operation")

    program = os.path.abspath(args.program)
    expected = None
    try:
        facts = json.loads(run_or_fail([program])[0])
        if args.check:
            with open(args.check, encoding="utf-8") as f:
                expected = json.load(f)
    except (OSError, ValueError) as error:
        print(f"count_instructions: {error}", file=sys.stderr)
        return EXIT_ENVIRONMENT

    counts = measure(program, facts, args.only)
    print_table(counts)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({**facts, "counts": counts}, f, indent=1)
            f.write("\n")
    if args.update:
        write(args.update, counts, facts)
    if expected is not None:
        return check(counts, expected, facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
