#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The completion script, driven in bash as a press of the tab key does.

usage: bash_completion.py PATH-OF-switchyard [--script FILE] [--only NAME]

--script: what was made for installation; it must be what the command prints.
Exit 0, 1, or 77 if there is no bash.
"""

import json
import os
import re
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
from command_line import case, main  # noqa: E402


# Bash splits the line at these, and the function sees what it does.
BREAKS = re.compile(r"[=:]|[^\s=:]+")

DRIVER = """
set -u
eval "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_LINE="${COMP_WORDS[*]}"
_switchyard
printf '%s\\n' "${COMPREPLY[@]}"
"""


class World:
    def __init__(self, args, folder):
        self.command = os.path.abspath(args.command)
        self.installed = args.script
        self.script = self.run("completion", "bash")
        self.help = json.loads(self.run("help", "--json"))
        self.folder = folder

    def run(self, *words):
        return subprocess.run([self.command, *words], capture_output=True,
                              text=True, timeout=30, check=True).stdout

    def complete(self, line):
        """What is offered at the end of a line; it ends in the word that is
        being written, or in a space."""
        words = [w for part in shlex.split(line, posix=False)
                 for w in BREAKS.findall(part)]
        if line.endswith(" "):
            words.append("")
        result = subprocess.run(
            ["bash", "--norc", "-c", DRIVER, "bash", self.script,
             self.command, *words], capture_output=True, text=True,
            timeout=30, check=False, cwd=self.folder)
        assert result.returncode == 0 and not result.stderr, \
            f"{line!r}: exit {result.returncode}, {result.stderr}"
        return [s for s in result.stdout.split("\n") if s]

    def names(self, kind):
        return self.run("list", "--names", kind).split()


def expect(offered, wanted):
    assert sorted(offered) == sorted(wanted), f"{offered}, not {wanted}"


def tables(w):
    for command in w.help["commands"]:
        yield command
        yield from command["modes"]


@case
def every_subcommand(w):
    names = [c["name"] for c in w.help["commands"]]
    assert len(names) > 8, names
    expect(w.complete(" "), [*names, "--help", "--version"])
    expect(w.complete("l"), [n for n in names if n.startswith("l")])


@case
def every_option(w):
    for table in tables(w):
        modes = {m["name"].split("--")[1].split()[0] for m in
                 table["modes"]}
        expect(w.complete(f"{table['name']} --"),
               [f"--{o['name']}" for o in table["options"]] +
               [f"--{m}" for m in modes] + ["--help"])


@case
def every_choice(w):
    seen = 0
    for table in tables(w):
        for option in table["options"]:
            if option["choices"]:
                seen += 1
                for between in (" ", "="):
                    expect(w.complete(f"{table['name']} --{option['name']}"
                                      + between), option["choices"])
    assert seen > 3, seen


@case
def names_that_work_here(w):
    for option in ("switcher", "engine", "device", "workload", "reference"):
        names = w.names(option + "s")
        assert names, option
        for between in (" ", "="):
            expect(w.complete(f"run --{option}{between}"), names)
        first = names[0]
        expect(w.complete(f"compare --{option}={first[:3]}"),
               [n for n in names if n.startswith(first[:3])])


@case
def lists_of_names(w):
    switchers = w.names("switchers")
    expect(w.complete("run --switcher=setjmp,"),
           [f"setjmp,{n}" for n in switchers])
    expect(w.complete("run --switcher setjmp,uc"),
           ["setjmp,ucontext"])
    expect(w.complete("run --switcher=!uc"), ["!ucontext"])
    expect(w.complete("run --switcher=setjmp,!uc"), ["setjmp,!ucontext"])


@case
def combinations(w):
    expect(w.complete("run set"), ["setjmp"])
    expect(w.complete("run setjmp+pipe+p"), ["setjmp+pipe+poll"])
    expect(w.complete("compare --jobs 8 setjmp+que"), ["setjmp+queue"])


@case
def a_value_is_no_operand(w):
    expect(w.complete("profile --cpu x v"), ["verify"])
    expect(w.complete("profile --cpu=x:y v"), ["verify"])
    expect(w.complete("run --jobs "), [])
    expect(w.complete("run --device sim:servers=4 --verify "),
           ["all", "sample"])


@case
def files_and_folders(w):
    os.mkdir(os.path.join(w.folder, "a_folder"))
    with open(os.path.join(w.folder, "a_file.jsonl"), "w",
              encoding="ascii"):
        pass
    expect(w.complete("judge a_"), ["a_file.jsonl", "a_folder"])
    expect(w.complete("judge --json a_fi"), ["a_file.jsonl"])
    expect(w.complete("run --out a_"), ["a_folder"])
    expect(w.complete("run --load=a_fi"), ["a_file.jsonl"])
    expect(w.complete("profile verify a_fi"), ["a_file.jsonl"])


@case
def what_a_program_gets_is_its_own(w):
    assert "env" in w.complete("exec -- en"), w.complete("exec -- en")
    assert "env" in w.complete("exec --account en")
    expect(w.complete("exec ls --acc"), [])


@case
def subcommands_of_help(w):
    expect(w.complete("help comp"), ["compare", "completion"])
    expect(w.complete("completion "), ["bash"])


@case
def another_shell(w):
    for words, said in ((["csh"], "bash"), ([], "the name of one shell"),
                        (["bash", "bash"], "the name of one shell")):
        result = subprocess.run([w.command, "completion", *words],
                                capture_output=True, text=True, check=False,
                                timeout=30)
        assert result.returncode == 2 and said in result.stderr, result
        assert not result.stdout, result


@case
def it_is_what_is_installed(w):
    if w.installed is not None:
        with open(w.installed, encoding="utf-8") as f:
            assert f.read() == w.script, "the installed script is another one"


if __name__ == "__main__":
    sys.exit(main(World, "command", "--script", programs=("bash",)))
