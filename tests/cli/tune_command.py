#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard tune`: one command from nothing to a program that uses it.

usage: tune_command.py PATH-OF-switchyard PROGRAM [--only NAME]

PROGRAM opens a runtime without a config, and knows nothing of profiles. The
profile is written by force: whether the machine of a test is quiet enough for
a decision is not what is tested. Uses the helpers of command_line.py.
"""

import glob
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from command_line import World, case, expect, main  # noqa: E402

CHEAP = ["--workload", "null", "--jobs", "8", "--device",
         "sim:mode=poll,poll=inline,service=fixed:1us", "--deny", "threads"]


@case
def a_program_uses_what_was_tuned(w):
    result = w.run("tune", "--time", "20s", "--force", *CHEAP, timeout=240)
    expect(result, 0, err=["a look at", "comparing", "wrote "])
    line = result.stdout.rstrip("\n").splitlines()[-1]
    name, _, path = line.partition("=")
    assert name == "SWITCHYARD_PROFILE", result.stdout
    assert path == os.path.join(os.path.realpath(w.folder),
                                "switchyard.conf"), line
    expect(w.run("profile", "verify", path), 0)
    text = pathlib.Path(path).read_text()
    chosen = re.search(r"\[choice\]\nswitcher = (\S+)\nengine = (\S+)\n", text)
    assert chosen and chosen[1] != "threads", text
    assert "command = switchyard compare" in text, text
    # The same as the recommendation said, if there was one.
    said = re.search(r"(?:BEST|TIE|LEFT): (\S+?),", result.stdout) or \
        re.search(r"NO DECISION: (\S+) leads", result.stdout)
    assert said and said[1] == f"{chosen[1]}+{chosen[2]}", result.stdout
    # All that was measured is there.
    runs = {p.parent.parent.name for p in w.run_files("runs/**/*.jsonl")}
    assert len(runs) == 2 and all("-tune-" in r for r in runs), runs
    done = subprocess.run(
        [w.path("program")], env={"SWITCHYARD_EXPLAIN": "1", name: path},
        capture_output=True, text=True, timeout=60, check=True)
    assert re.search(rf"switcher\s+{re.escape(chosen[1])}, by profile",
                     done.stderr), done.stderr
    assert re.search(rf"engine\s+{re.escape(chosen[2])}, by profile",
                     done.stderr), done.stderr
    plain = subprocess.run([w.path("program")], env={"SWITCHYARD_EXPLAIN": "1"},
                           capture_output=True, text=True, timeout=60,
                           check=True)
    assert "switcher" in plain.stderr, plain.stderr
    assert "by profile" not in plain.stderr, plain.stderr


@case
def a_dry_run_prints_the_commands_and_leaves_nothing(w):
    result = w.run("tune", "--dry-run", "--jobs", "8,64", "--time", "40s",
                   "here.conf")
    expect(result, 0)
    lines = result.stdout.splitlines()
    assert [line.split()[1] for line in lines] == [
        "run", "compare", "compare", "recommend"], lines
    assert "asm+queue" in lines[0] and "pipe" not in lines[0], lines
    assert "--jobs 8 " in lines[1] and "--jobs 64 " in lines[2], lines
    assert lines[3].count("-tune-") == 3, lines
    assert w.run_files() == []


@case
def an_interrupt_ends_it_and_writes_no_profile(w):
    process = subprocess.Popen(
        [w.command, "tune", "--time", "60s", "--force", *CHEAP], cwd=w.folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    # pathlib's glob stumbles over folders that come and go.
    pattern = os.path.join(w.folder, "runs", "**", "*.tmp")
    while not glob.glob(pattern, recursive=True) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, (process.returncode, out, err)
    assert "no profile was written" in err and out == "", (out, err)
    assert not pathlib.Path(w.folder, "switchyard.conf").exists()
    # The look that was going on saved what it had.
    assert w.run_files("runs/**/*.jsonl"), err
    assert not w.run_files("runs/**/*.tmp"), err


@case
def too_little_time_for_all_is_enough_for_some(w):
    result = w.run("tune", "--time", "10s", "--jobs", "8,64", "--workload",
                   "null", "--force")
    if result.returncode == 2:  # not even for two, on a machine so busy
        assert "the best 2 of the look" in result.stderr, result
        return
    expect(result, 0, err="This makes programs use it")


@case
def bad_command_lines(w):
    expect(w.run("tune", "a", "b"), 2, err="one path", out="")
    expect(w.run("tune", "--time", "1s"), 2, err="10s .. 24h", out="")
    expect(w.run("tune", "--jobs", "1,2,3,4,5,6,7,8,9"), 2,
           err="at most 8", out="")
    expect(w.run("tune", "--jobs", "0"), 2, err="1 .. 1000000", out="")
    expect(w.run("tune", "--objective", "p99"), 2, err="throughput, cpu",
           out="")
    expect(w.run("tune", "no/p.conf"), 3, err=["no", "No such file"], out="")
    expect(w.run("tune", "."), 3, err="not a regular file", out="")
    expect(w.run("tune", "--workload", "nul"), 2, err="did you mean 'null'",
           out="")
    expect(w.run("tune", "--device", "sim:servers=0"), 2, err="sim", out="")
    assert w.run_files() == []
    # Before the comparison, which takes most of the time.
    expect(w.run("tune", "--time", "10s", "--workload", "null", "--jobs", "4",
                 "--require", "fast"), 2, err="--require fast", out="")


if __name__ == "__main__":
    sys.exit(main(World, "command", "program", modules=("numpy", "scipy")))
