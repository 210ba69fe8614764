# SPDX-License-Identifier: Apache-2.0
"""Cases, one function each, and the loop over them: what tests share.

A test marks its functions with @case and ends with

    if __name__ == "__main__":
        sys.exit(main(World, "command", "--schema"))

Each case gets a World(args, folder) of its own, which it may change, in a
folder of its own. Prints "NAME: passed" or why not, and their numbers. The
exit code is 0 if none failed, 1 if one did, 77 if none could run here.
"""

import argparse
import importlib.util
import shutil
import tempfile

CASES = []
SKIPPED = 77


class Skip(Exception):
    """The case cannot run here; the text says why."""


def case(function):
    """Those of the test itself: it may import another for what that has."""
    if function.__module__ == "__main__":
        CASES.append(function)
    return function


def command_line(*names):
    """The operands and --options of these names; --only is always one."""
    parser = argparse.ArgumentParser()
    for name in names:
        parser.add_argument(name)
    parser.add_argument("--only", default="")
    return parser.parse_args()


def lacks(modules=(), programs=()):
    """The exit code of a test that cannot run without these, 0 if it can."""
    for name in [m for m in modules if importlib.util.find_spec(m) is None] \
            + [p for p in programs if shutil.which(p) is None]:
        print(f"skipped: there is no {name}")
        return SKIPPED
    return 0


def run_cases(make, only):
    """Those with `only` in their names, each with what make(folder) returns.
    Returns the exit code."""
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for function in CASES:
        name = function.__name__
        if only not in name:
            continue
        with tempfile.TemporaryDirectory(prefix="switchyard-test-") as folder:
            try:
                function(make(folder))
                verdict, why = "passed", ""
            except Skip as skip:
                verdict, why = "skipped", f": {skip}"
            except Exception as error:  # any other end is a failure
                verdict = "failed"
                why = f": {type(error).__name__}: {error}"
        count[verdict] += 1
        print(f"{name}: {verdict}{why}", flush=True)
    print(", ".join(f"{n} {word}" for word, n in count.items()))
    if count["failed"]:
        return 1
    return SKIPPED if count["passed"] == 0 else 0


def main(world, *names, modules=(), programs=()):
    """The whole test, of a World(args, folder)."""
    args = command_line(*names)
    return lacks(modules, programs) or \
        run_cases(lambda folder: world(args, folder), args.only)
