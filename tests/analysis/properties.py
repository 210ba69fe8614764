# SPDX-License-Identifier: Apache-2.0
"""Properties of estimates, one function each, and the loop over them.

A property gets a module of the analysis and a generator of random numbers of
its own, which the seed decides, and returns whether it holds.
"""

import argparse
import importlib
import os
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads spin, for matrices so small

try:
    import numpy as np
    import scipy  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

PROPERTIES = []


def holds(function):
    PROPERTIES.append(function)
    return function


def main(name):
    """All of them, of switchyard_analysis.NAME. Returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("analysis")
    parser.add_argument("--only")
    parser.add_argument("--seed", type=int, default=20260101)
    args = parser.parse_args()
    sys.path.insert(0, args.analysis)
    sys.dont_write_bytecode = True
    module = importlib.import_module(f"switchyard_analysis.{name}")

    failed = 0
    for number, function in enumerate(PROPERTIES):
        if args.only and args.only != function.__name__:
            continue
        began = time.monotonic()
        good = function(module, np.random.default_rng([args.seed, number]))
        print(f"{'ok  ' if good else 'FAIL'} {function.__name__} "
              f"({time.monotonic() - began:.1f} s)", flush=True)
        failed += not good
    print(f"{failed} failed, seed {args.seed}")
    return 1 if failed else 0
