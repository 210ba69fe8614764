#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sum up what scripts/check did. Called by it.

usage: check_summary.py LOG_DIR STEP=STATE...

Prints the tests of each step, what was skipped with its reason, the names of
what failed, and last "N passed, N failed, N skipped". That line counts the
tests that ctest ran, where the conformance drivers count with each of their
cases; and each step without tests as one. Exit 1 if anything failed.
"""

import collections
import os
import re
import sys
import xml.etree.ElementTree as xml

# What the drivers print at their end: our plain one, and Criterion.
PLAIN = re.compile(
    r"^(\d+) passed, (\d+) failed, (\d+) skipped\n(\d+) cases declared",
    re.MULTILINE)
CRITERION = re.compile(
    r"Synthesis: Tested: \d+ \| Passing: (\d+) \| Failing: (\d+) "
    r"\| Crashing: (\d+)")
SKIPPED_CASES = re.compile(r"^SKIP (\d+) cases: (.*)$", re.MULTILINE)
FAILED_CASE = re.compile(r"^(?:FAIL |\[FAIL\] )(conformance\.[^\s:]+(?:::\w+)?)",
                         re.MULTILINE)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.reasons = collections.Counter()
        self.failures = []
        self.notes = []

    def add_driver(self, name, output):
        """Count the cases of a conformance driver; False if it has none."""
        plain = PLAIN.search(output)
        criterion = CRITERION.search(output)
        if plain:
            passed, failed, skipped, declared = map(int, plain.groups())
            self.notes.append(
                f"{name}: {passed + failed + skipped} cases run, {declared} "
                "declared by the bodies")
            for count, words in SKIPPED_CASES.findall(output):
                self.reasons[words] += int(count)
        elif criterion:
            passed, failed, crashed = map(int, criterion.groups())
            failed, skipped = failed + crashed, 0
            self.notes.append(f"{name}: {passed + failed} cases run; it does "
                              "not count those that it skips")
        else:
            return False
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        self.failures += FAILED_CASE.findall(output)
        return True

    def add_case(self, case):
        name, status = case.get("name"), case.get("status")
        output = case.findtext("system-out") or ""
        before = self.failed
        if self.add_driver(name, output):
            if status == "fail" and self.failed == before:
                self.failed += 1
                self.failures.append(name)
        elif status == "run":
            self.passed += 1
        elif status == "fail":
            self.failed += 1
            self.failures.append(name)
        else:
            self.skipped += 1
            self.reasons[f"{name}: {self.why_skipped(case, output)}"] += 1

    @staticmethod
    def why_skipped(case, output):
        """The last line that the test printed about it."""
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        said = [line for line in lines if re.search(r"\bskip", line, re.I)]
        if said or lines:
            return (said or lines)[-1]
        skipped = case.find("skipped")
        return (skipped.get("message") if skipped is not None else None) or \
            "no reason given"


def main():
    log_dir = sys.argv[1]
    passed = failed = skipped = 0
    failures = []
    for argument in sys.argv[2:]:
        step, state = argument.split("=", 1)
        results = os.path.join(log_dir, step + ".xml")
        tally = Tally()
        tests = 0
        if state != "not run" and os.path.exists(results):
            for case in xml.parse(results).getroot().iter("testcase"):
                tests += 1
                tally.add_case(case)
        passed += tally.passed
        failed += tally.failed
        skipped += tally.skipped
        failures += [f"{step}: {name}" for name in tally.failures]
        if tests > 0:
            print(f"{step}: {tests} tests of ctest")
            for note in tally.notes:
                print(f"    {note}")
            for words, count in sorted(tally.reasons.items()):
                print(f"    skipped {count}: {words}")
        if tests > 0 and (state == "ok" or tally.failed > 0):
            continue
        # A step without tests; or one that failed apart from its tests: a
        # sanitizer's report, a time-out.
        if state == "ok":
            passed += 1
        elif state == "skipped":
            skipped += 1
        else:
            failed += 1
            failures.append(f"{step}: {state}, see {log_dir}/{step}.log")
    for words in failures:
        print(f"failed: {words}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
