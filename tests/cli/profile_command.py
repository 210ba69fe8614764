#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard profile` and `switchyard explain`.

usage: profile_command.py PATH-OF-switchyard [--only NAME]

As command_line.py, whose helpers it uses.
"""

import json
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
from command_line import World, case, expect, main  # noqa: E402


def said(result, code, *words, err=()):
    """Check the exit code and words of both streams."""
    expect(result, code, err=err)
    for word in words:
        assert word in result.stdout, f"no '{word}' in {result.stdout}"
    return result.stdout


def profile(w, name, body, machine="*", head="format = 1\n", end="[end]\n"):
    path = pathlib.Path(w.folder) / name
    path.write_text(f'[profile]\n{head}[machine "cpu={machine}"]\n{body}{end}')
    return str(path)


PLAIN = "[choice]\nswitcher = ucontext\nengine = pipe+poll\n"


@case
def verify_takes_what_works(w):
    path = profile(w, "p", PLAIN)
    said(w.run("profile", "verify", path), 0, "used here as it is")


@case
def verify_names_what_is_wrong(w):
    for body, says in (
            ("[choice]\nswicher = asm\n", "unknown key swicher in [choice]"),
            ("[choice]\nspin-ns = fast\n", "from 1 to 1000000000"),
            ("[chioce]\nengine = poll\n", "unknown section [chioce]")):
        path = profile(w, "p", body)
        expect(w.run("profile", "verify", path), 1, err=["line ", says],
               out="")
    path = profile(w, "p", PLAIN, end="")
    expect(w.run("profile", "verify", path), 1, err="no [end]", out="")


@case
def verify_probes_what_is_named(w):
    path = profile(w, "p", "[choice]\nengine = nothing\n"
                   "[fallback]\nengine = pipe+poll\n")
    said(w.run("profile", "verify", path), 1,
         "nothing          refused: no such engine",
         "pipe+poll        works here", err="its fallbacks count")


@case
def verify_for_another_machine(w):
    path = profile(w, "p", PLAIN, machine="Other 1")
    expect(w.run("profile", "verify", path), 1,
           err="none of its machines is")
    expect(w.run("profile", "verify", "--cpu", "Other 1", path), 0)


@case
def verify_says_that_it_is_stale(w):
    measured = "[measured]\nlibrary = 0.0.1\n"
    path = profile(w, "p", measured + PLAIN)
    expect(w.run("profile", "verify", path), 0, err="stale: measured with")
    path = profile(w, "p", measured + PLAIN, head="format = 1\npolicy = strict\n")
    expect(w.run("profile", "verify", path), 1, err="it is not used")


@case
def show_prints_every_choice(w):
    path = profile(w, "p", PLAIN + '[choice "jobs>=64"]\nspin-ns = never\n'
                   "[fallback]\nengine = queue, poll\n[lock]\nengine = poll\n")
    said(w.run("profile", "show", path), 0, "jobs>=64", "spin never",
         "queue, poll", "engine poll")


@case
def diff_prints_what_differs(w):
    a = profile(w, "a", PLAIN)
    b = profile(w, "b", PLAIN + '[choice "jobs>=9"]\nengine = poll\n')
    said(w.run("profile", "diff", a, a), 0, "no difference")
    for pair in ((a, b), (b, a)):
        out = said(w.run("profile", "diff", *pair), 1, "engine, jobs>=9")
        assert "switcher" not in out


@case
def bad_command_lines(w):
    expect(w.run("profile"), 2, err="one of verify, show, diff", out="")
    expect(w.run("profile", "sho", "x"), 2, err="did you mean 'show'?")
    expect(w.run("profile", "show"), 2, err="takes 1 file, not 0")
    expect(w.run("profile", "diff", "x"), 2, err="takes 2 files, not 1")
    expect(w.run("profile", "show", "absent"), 3, err="No such file", out="")
    expect(w.run("profile", "show", w.folder), 1, err="no regular file")
    expect(w.run("explain", "now"), 2, err="no operand 'now'", out="")
    expect(w.run("explain", "--jobs", "many"), 2, err="jobs", out="")


def explain(w, *words, **env):
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith("SWITCHYARD_")}
    result = subprocess.run([w.command, "explain", *words], text=True,
                            env={**clean, **env}, capture_output=True,
                            timeout=60, check=False)
    return result


@case
def explain_follows_the_profile(w):
    path = profile(w, "p", PLAIN + '[choice "jobs>=64"]\nengine = poll\n')

    def chosen(*words, **env):
        result = explain(w, "--json", *words, SWITCHYARD_PROFILE=path, **env)
        found = json.loads(said(result, 0))
        return found["switcher"], found["engine"], found["by"]

    assert chosen() == ("ucontext", "pipe+poll", "profile")
    assert chosen("--jobs", "64") == ("ucontext", "poll", "profile")
    assert chosen(SWITCHYARD_SWITCHER="setjmp") == ("setjmp", "pipe+poll",
                                                    "profile")
    assert chosen(SWITCHYARD_SWITCHER="setjmp", SWITCHYARD_ENGINE="queue") \
        == ("setjmp", "queue", "environment")


@case
def explain_of_a_bad_profile(w):
    path = profile(w, "p", PLAIN, end="")
    said(explain(w, SWITCHYARD_PROFILE=path), 0, "no [end]", "by default",
         err="is not used")
    path = profile(w, "p", PLAIN + "[lock]\nengine = nothing\n")
    said(explain(w, SWITCHYARD_PROFILE=path), 1, "locks engine nothing",
         err="cannot be opened here")


if __name__ == "__main__":
    sys.exit(main(World, "command"))
