# SPDX-License-Identifier: Apache-2.0
"""What the exec_*.py tests share: the command in a folder of its own, with a
stand-in for the drop-in beside it, and a loop over cases."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
DROP_IN = "libswitchyard-openssl.so"
CASES = []


class Skip(Exception):
    """The case cannot run here; the text says why."""


def case(function):
    CASES.append(function)
    return function


class World:
    """A copy of the command, so that what is beside it is ours to choose."""

    def __init__(self, command, stand_in, static):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sy-exec-"))
        # Others than root have to reach what is set-uid.
        self.folder.chmod(0o755)
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        self.command = str(self.bin / "switchyard")
        try:
            os.link(command, self.command)
        except OSError:
            shutil.copy2(command, self.command)
        self.drop_in = self.bin / DROP_IN
        shutil.copy2(stand_in, self.drop_in)
        self.static = static

    def environment(self, extra):
        environment = dict(os.environ, **extra)
        for name in ("SWITCHYARD_ACCOUNT", "SWITCHYARD_EXEC_REPORT"):
            environment.pop(name, None)
        return environment

    def start(self, *words, env=None, **more):
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE, **more}
        return subprocess.Popen([self.command, "exec", *words], text=True,
                                env=self.environment(env or {}), **more)

    def run(self, *words, timeout=20, **more):
        process = self.start(*words, **more)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def script(self, name, text, mode=0o755):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)


def expect(result, code, *, err=(), out=None):
    words = f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    assert result.returncode == code, f"wanted exit {code}, got {words}"
    for word in [err] if isinstance(err, str) else err:
        assert word in result.stderr, f"no '{word}' in stderr: {words}"
    if out is not None:
        assert result.stdout == out, f"stdout is not {out!r}: {words}"


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def main():
    command, stand_in, static = sys.argv[1:4]
    only = sys.argv[4:]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for function in CASES:
        if only and function.__name__ not in only:
            continue
        world = World(command, stand_in, static)
        try:
            function(world)
            outcome, why = "passed", ""
        except Skip as reason:
            outcome, why = "skipped", f": {reason}"
        except Exception as error:  # each case on its own
            outcome, why = "failed", f": {type(error).__name__}: {error}"
        finally:
            shutil.rmtree(world.folder, ignore_errors=True)
        counts[outcome] += 1
        print(f"{outcome:8}{function.__name__}{why}", flush=True)
    print(", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    if counts["failed"]:
        return 1
    return 0 if counts["passed"] else SKIPPED
