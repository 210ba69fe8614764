# SPDX-License-Identifier: Apache-2.0
"""What the exec_*.py tests share: the command in a folder of its own, with a
stand-in for the drop-in beside it."""

import os
import pathlib
import shutil
import subprocess
import time

ARGUMENTS = ("command", "stand_in", "static")
DROP_IN = "libswitchyard-openssl.so"


class World:
    """A copy of the command, so that what is beside it is ours to choose."""

    def __init__(self, args, folder):
        self.folder = pathlib.Path(folder)
        # Others than root have to reach what is set-uid.
        self.folder.chmod(0o755)
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        self.command = str(self.bin / "switchyard")
        try:
            os.link(args.command, self.command)
        except OSError:
            shutil.copy2(args.command, self.command)
        self.drop_in = self.bin / DROP_IN
        shutil.copy2(args.stand_in, self.drop_in)
        self.static = args.static

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


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)
