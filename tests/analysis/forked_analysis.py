# SPDX-License-Identifier: Apache-2.0
"""The analysis, started many times: each start is a fork of this process,
which has loaded once what takes longest, the packages.

Imported by tests of the analysis. A fork shares nothing with the next one, and
what it prints is caught at its descriptors, so a case sees what it would see
of a process. Tests of the command start the analysis as users do.
"""

import importlib
import os
import runpy
import subprocess
import sys
import tempfile
import time
import traceback

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a fork has one thread

# Those that are there; the analysis itself says which one it misses.
PACKAGES = ("numpy", "numpy.random", "scipy.special", "jinja2", "markupsafe",
            "matplotlib", "matplotlib.figure", "matplotlib.ticker",
            "matplotlib.lines", "matplotlib.patches",
            "matplotlib.backends.backend_agg",
            "matplotlib.backends.backend_pdf",
            "matplotlib.backends.backend_svg")
PATIENCE_S = 120


def load_packages():
    for name in PACKAGES:
        if name not in sys.modules:
            try:
                importlib.import_module(name)
            except ImportError:
                pass


def run(analysis, words, cwd=None):
    """As subprocess.run(["python3", analysis, *words]), with its texts."""
    load_packages()
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            begin(os.path.abspath(analysis), words, cwd, out, err)
        status = wait(child)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess([analysis, *words], status, *texts)


def begin(analysis, words, cwd, out, err):
    """The fork: does not return."""
    status = 1
    try:
        if cwd is not None:
            os.chdir(cwd)
        for number, file in ((1, out), (2, err)):
            os.dup2(file.fileno(), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False,
                          errors="backslashreplace")
        sys.argv = [analysis, *words]
        del sys.path[0]  # that of the test
        try:
            runpy.run_path(analysis, run_name="__main__")
            status = 0
        except SystemExit as end:
            status = end.code or 0
            if not isinstance(status, int):
                print(status, file=sys.stderr)
                status = 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait(child):
    """Its exit status, or minus the signal that ended it."""
    end = time.monotonic() + PATIENCE_S
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, 9)
            os.waitpid(child, 0)
            raise AssertionError(f"the analysis took over {PATIENCE_S} s")
        time.sleep(0.002)
