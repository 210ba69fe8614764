#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard recommend`: from a run of this machine to a profile.

usage: recommend_command.py PATH-OF-switchyard SOURCE-FOLDER [--only NAME]

What is recommended from which figures is the business of
tests/analysis/recommend_*.py; here, whether the command hands over what it was
told, and what there is on this machine. Uses the helpers of command_line.py.
"""

import json
import os
import pathlib
import sys

sys.dont_write_bytecode = True
from command_line import World, case, expect, main  # noqa: E402

COMPARE = ["compare", "asm+queue", "setjmp+queue", "ucontext+eventfd+epoll",
           "--workload", "null", "--jobs", "4", "--device",
           "sim:mode=poll,poll=inline,service=fixed:0us", "--processes", "6",
           "--rounds", "2", "--no-verdict", "--run-id", "one"]


def measured(w):
    expect(w.run(*COMPARE), 0)
    return "runs/one"


def listed(w):
    value = json.loads(w.run("list", "--json").stdout)
    return {p["name"]: p for p in value["switchers"]}, \
        {p["name"]: p for p in value["engines"]}


@case
def a_recommendation_names_what_was_measured(w):
    run = measured(w)
    result = w.run("recommend", run, "--json")
    assert result.returncode in (0, 4), result.stderr
    value = json.loads(result.stdout)
    assert value["jobs"] == 4 and value["workload"] == "null", value
    names = sorted(o["name"] for o in value["options"])
    assert names == ["asm+queue", "setjmp+queue", "ucontext+eventfd+epoll"]
    assert value["units"] == 6, value
    assert value["aa"]["state"] in ("passed", "failed"), value
    text = w.run("recommend", run)
    assert text.returncode == result.returncode
    assert "null on sim:mode=poll" in text.stdout, text.stdout


@case
def demands_go_by_the_tables_of_the_parts(w):
    run = measured(w)
    for option, value, out, why in (
            ("--require", "signals-preserved", "asm+queue", "signal mask"),
            ("--deny", "setjmp", "setjmp+queue", "denied")):
        result = w.run("recommend", run, option, value, "--json")
        answer = json.loads(result.stdout)
        assert why in answer["why_not"][out], answer
    result = w.run("recommend", run, "--require", "signals-preserved",
                   "--deny", "ucontext")
    expect(result, 2, err=["rules out", "--deny ucontext"], out="")
    result = w.run("recommend", run, "--require",
                   "no-io_uring,thread-safe,asan,kernel>=5.4,seccomp=k8s,"
                   "max-stack=64K", "--integration", "fd", "--json")
    answer = json.loads(result.stdout)
    assert len(answer["demanded"]) == 7, answer


@case
def every_part_of_the_library_says_what_it_needs(w):
    switchers, engines = listed(w)
    for name, part in {**switchers, **engines}.items():
        assert isinstance(part["caps"], list), (name, part)
        assert set(part["needs"]) == {"kernel", "calls", "absent"}, part
    assert "same-thread" in switchers["asm"]["caps"]
    assert "same-thread" not in switchers["threads"]["caps"]
    assert "keeps-sigmask" in switchers["ucontext"]["caps"]
    assert "busy-wait" in engines["poll"]["caps"]
    for name, engine in engines.items():
        assert (engine["needs"]["calls"] == ["io_uring"]) == \
            ("io_uring" in name), engine


@case
def shadow_stacks_are_refused_by_those_who_say_so(w):
    """The list of these is kept by hand; the probes are what counts."""
    switchers, _ = listed(w)
    for name, part in switchers.items():
        folder = pathlib.Path(w.path("source"), "switchers") / name
        asks = any("shadow_stack_is_active" in p.read_text()
                   for p in folder.glob("*.c"))
        assert ("shadow stack" in part["needs"]["absent"]) == asks, name


@case
def a_profile_that_the_library_takes(w):
    run = measured(w)
    result = w.run("recommend", run, "--emit-profile", "p.conf", "--force")
    expect(result, 0, err="wrote p.conf")
    expect(w.run("profile", "verify", "p.conf"), 0)
    shown = w.run("profile", "show", "p.conf")
    expect(shown, 0)
    text = pathlib.Path(w.folder, "p.conf").read_text()
    choice = dict(line.split(" = ") for line in
                  text.split("[choice]")[1].split("[fallback]")[0]
                  .strip().splitlines())
    result = w.run("explain", "--json", env={
        "SWITCHYARD_PROFILE": str(pathlib.Path(w.folder, "p.conf"))})
    value = json.loads(result.stdout)
    assert (value["switcher"], value["engine"], value["by"]) == (
        choice["switcher"], choice["engine"], "profile"), value
    # Made by this library, so it is not stale.
    assert "stale" not in json.dumps(value), value


@case
def an_unwritable_profile(w):
    run = measured(w)
    for path, word in (("no/p.conf", "No such file"), (".", "folder"),
                       ("/proc/p.conf", "--emit-profile /proc/p.conf")):
        result = w.run("recommend", run, "--emit-profile", path, "--force")
        assert result.returncode == 3 and word in result.stderr, result
    assert not list(pathlib.Path(w.folder).glob(".profile-*"))


@case
def a_profile_where_something_else_is(w):
    run = measured(w)
    folder = pathlib.Path(w.folder)
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    expect(w.run("recommend", run, "--emit-profile", "pipe", "--force"), 0)
    written = os.read(reader, 65536)
    os.close(reader)
    assert pipe.is_fifo() and written.startswith(b"[profile]"), written
    (folder / "real.conf").write_text("old", encoding="ascii")
    (folder / "link.conf").symlink_to("real.conf")
    expect(w.run("recommend", run, "--emit-profile", "link.conf", "--force"),
           0)
    assert (folder / "link.conf").is_symlink()
    expect(w.run("profile", "verify", "real.conf"), 0)


@case
def bad_command_lines(w):
    expect(w.run("recommend"), 2, err="needs runs", out="")
    expect(w.run("recommend", "absent"), 2, err="absent", out="")
    expect(w.run("recommend", *["x"] * 13), 2, err="1 .. 12", out="")
    expect(w.run("recommend", "x", "--objective", "speed"), 2,
           err=["--objective", "throughput, cpu, p50, p99, memory"], out="")
    expect(w.run("recommend", "x", "--integration", "poll"), 2,
           err=["--integration", "native, callback, fd"], out="")
    expect(w.run("recommend", "x", "--jobs", "0"), 2, err="1 .. 1000000",
           out="")
    expect(w.run("recommend", "x", "--rate", "0"), 2, err="1 .. 1000000000",
           out="")
    expect(w.run("recommend", "x", "--slo", "fast"), 2,
           err=["--slo fast", "p99<=200us"], out="")
    expect(w.run("recommend", "x", "--require", "fast"), 2,
           err="--require fast", out="")
    expect(w.run("recommend", "x", *["--deny", "asm"] * 5), 2,
           err="at most 4", out="")
    run = measured(w)
    expect(w.run("recommend", run, "--incumbent", "asm+pipe"), 2,
           err=["--incumbent asm+pipe", "asm+queue"], out="")
    expect(w.run("recommend", run, "--deny", "fibers"), 2,
           err="--deny fibers", out="")


if __name__ == "__main__":
    sys.exit(main(World, "command", "source", modules=("numpy", "scipy")))
