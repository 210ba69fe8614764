#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The analysis as it is installed: one archive, found by the command that was
installed with it, and the same bytes from whatever folder it was made.

usage: installed_analysis.py CMAKE BUILD-FOLDER SOURCE-FOLDER

Exit 0 if it is so, 1 otherwise.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile


def run(*words, **more):
    return subprocess.run([str(word) for word in words], timeout=120,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, **more)


def expect(result, code, word):
    said = f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    assert result.returncode == code and word in result.stderr, \
        f"wanted exit {code} and '{word}', got {said}"


def check_installed(cmake, build, folder):
    installed = folder / "installed"
    result = run(cmake, "--install", build,
                 env=dict(os.environ, DESTDIR=str(installed)))
    assert result.returncode == 0, result.stderr
    archives = list(installed.rglob("share/switchyard/analysis.pyz"))
    commands = list(installed.rglob("bin/switchyard"))
    assert len(archives) == len(commands) == 1, (archives, commands)
    archive, command = archives[0], commands[0]

    # No "analysis" of the source tree is around it, so this is the archive's.
    (folder / "empty.jsonl").write_bytes(b"")
    expect(run(command, "export", folder / "empty.jsonl"), 4,
           "empty.jsonl is empty")
    # It runs by itself, too, and says what there is.
    expect(run("/usr/bin/python3", "-I", archive), 2, "the subcommands compare, ")

    # A folder "analysis" of somebody else's is not taken for ours.
    archive.unlink()
    (installed / "analysis").mkdir()
    (installed / "analysis" / "__main__.py").write_text("print('not ours')\n")
    expect(run(command, "export", folder / "empty.jsonl"), 3,
           "the analysis is not installed")


def check_bytes(build, source, folder):
    copy = folder / "elsewhere" / "a"
    shutil.copytree(source / "analysis", copy)
    for path in copy.rglob("*.py"):
        os.utime(path, (10 ** 9, 10 ** 9))
        path.chmod(0o700)
    result = run("/usr/bin/python3", "-I",
                 source / "cmake" / "analysis_archive.py", copy,
                 folder / "again.pyz")
    assert result.returncode == 0, result.stderr
    built = (build / "cli" / "analysis.pyz").read_bytes()
    assert (folder / "again.pyz").read_bytes() == built, \
        "the archive depends on where and when it was made"
    for where in (build, source, folder):
        assert os.fsencode(where.resolve()) not in built, where
    names = zipfile.ZipFile(folder / "again.pyz").namelist()
    assert names == sorted(names) and "__main__.py" in names, names


def main():
    cmake, build, source = sys.argv[1:]
    build, source = pathlib.Path(build), pathlib.Path(source)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        check_installed(cmake, build, folder)
        check_bytes(build, source, folder)
    print("the installed archive runs, and its bytes repeat")
    return 0


if __name__ == "__main__":
    sys.exit(main())
