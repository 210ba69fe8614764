#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the drop-in prints and reports, with a program that forks and pauses.

usage: account_of_a_process.py PRELOAD PROGRAM FAKE
"""

import os
import re
import subprocess
import sys
import tempfile


def run(program, preload, **variables):
    return subprocess.run(
        [program], env=dict(os.environ, LD_PRELOAD=preload, **variables),
        capture_output=True, text=True, timeout=50)


def check(condition, what, text=""):
    if not condition:
        print(f"not so: {what}\n{text}", file=sys.stderr)
        sys.exit(1)


def main():
    preload, program, fake = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report")

        done = run(program, preload, SWITCHYARD_ACCOUNT="1",
                   SWITCHYARD_EXPLAIN="1", SWITCHYARD_EXEC_REPORT=report)
        check(done.returncode == 0, "the program ends well", done.stderr)
        accounts = re.findall(
            r"account of process (\d+) \((\S+)\)\n  jobs +(\d+)\n"
            r"  pauses per job +([\d.]+) \((\d+) pauses\)", done.stderr)
        check(len(accounts) >= 2, "parent and child print accounts",
              done.stderr)
        check(len({a[0] for a in accounts}) == len(accounts),
              "each with its pid", done.stderr)
        lines = re.findall(r"switchyard: OpenSSL jobs run on switcher \S+, "
                           r"stacks \d+ KiB", done.stderr)
        check(len(lines) == 1, "one line explains", done.stderr)
        with open(report, encoding="utf-8") as f:
            text = f.read()
        check(re.search(r"^\d+ jobs_across_fork loaded$", text, re.M),
              "loaded is reported", text)
        for pid, _, jobs, _, pauses in accounts:
            check(f"{pid} exit jobs={jobs} pauses={pauses}\n" in text,
                  f"the end of {pid} is reported", text)
        os.remove(report)

        done = run("/bin/true", preload, SWITCHYARD_ACCOUNT="1",
                   SWITCHYARD_EXEC_REPORT=report)
        check(done.stderr == "", "a program without libcrypto sees nothing",
              done.stderr)
        check(not os.path.exists(report), "and nothing is reported")

        done = run(program, f"{preload}:{fake}",
                   SWITCHYARD_EXEC_REPORT=report)
        check(done.stderr.count("leaves OpenSSL's jobs to libcrypto") == 1,
              "standing down is said once", done.stderr)
        with open(report, encoding="utf-8") as f:
            check("stands-down:" in f.read(), "and reported")

        done = run(program, preload, SWITCHYARD_SWITCHER="threads")
        check(done.returncode == 0 and
              done.stderr.count("not on switcher threads") >= 1,
              "threads is refused with the reason", done.stderr)
        done = run(program, preload, SWITCHYARD_STACK_BYTES="131072",
                   SWITCHYARD_EXPLAIN="1")
        check("stacks 128 KiB" in done.stderr, "SWITCHYARD_STACK_BYTES counts",
              done.stderr)
        done = run(program, preload, SWITCHYARD_STACK_BYTES="12345")
        check(done.returncode == 0 and "is ignored" in done.stderr,
              "a wrong size is ignored, and that is said", done.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
