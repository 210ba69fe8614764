#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard dose`: plans, counts, files, programs that do not survive a dose,
interrupts, bad input. Mechanics only: times are not looked at.

usage: dose_command.py PATH-OF-switchyard [--program FILE] [--schema FILE]
                       [--only NAME]

As command_line.py, whose helpers it uses.
"""

import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from command_line import Skip, World, case, main  # noqa: E402

# Small, and without threads of a device.
SMALL = ["dose", "--workload", "null", "--jobs", "2", "--switcher", "ucontext",
         "--device", "sim:mode=poll,poll=inline,service=fixed:1us",
         "--levels", "switch=200ns,400ns", "--levels", "wake=200ns",
         "--levels", "device=300ns"]
BRIEF = [*SMALL, "--processes", "4", "--rounds", "2"]

# More ticks than 200 ns have, fewer than 100 us, on any CPU.
BETWEEN = "1500"


def program_case(function):
    @functools.wraps(function)
    def with_program(w):
        if w.path("program") is None:
            raise Skip("no --program")
        function(w)
    return case(with_program)


def expect(result, code, *, err=(), out=()):
    """Check the exit code, and words on stderr and stdout."""
    words = f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    assert result.returncode == code, f"wanted exit {code}, got {words}"
    # Columns are as wide as what is in them.
    squeezed = re.sub(" +", " ", result.stdout)
    for what, text in ((err, result.stderr), (out, squeezed)):
        for word in [what] if isinstance(what, str) else what:
            assert word in text, f"no '{word}' in: {words}"


def have_numpy():
    return subprocess.run(["/usr/bin/python3", "-I", "-c",
                           "import numpy, scipy"],
                          capture_output=True, check=False).returncode == 0


def need_numpy():
    if not have_numpy():
        raise Skip("no numpy or scipy")


def path_of(w):
    found = w.run_files("runs/**/*.jsonl")
    assert len(found) == 1, found
    return found[0]


def lines_of(w):
    return [json.loads(s) for s in path_of(w).read_text().splitlines()]


def of(lines, kind):
    return [line for line in lines if line["type"] == kind]


def validate(w, lines, kinds):
    if w.schema is None:
        raise Skip("no --schema")
    try:
        import jsonschema
    except ImportError:
        raise Skip("no python3-jsonschema") from None
    schema = json.loads(pathlib.Path(w.schema).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for line in lines:
        errors = [e.message for e in validator.iter_errors(line)]
        assert not errors, (line, errors)
    assert {line["type"] for line in lines} == kinds


def program(w, *words, options=(), status=0, **kw):
    """Run it under doses, four blocks."""
    r = w.run("dose", "--blocks", "4", *options, "--", w.path("program"), *words)
    expect(r, status, **kw)
    return r


# ---- combinations of ours ----------------------------------------------------


@case
def every_dose_is_applied_and_counted(w):
    """Four switches, a wake-up and a device operation for each job, and all of
    it at every level, 0 included."""
    expect(w.run(*BRIEF, "--no-verdict"), 0, err="wrote runs/")
    lines = lines_of(w)
    candidates = of(lines, "candidate")
    assert [c["label"] for c in candidates] == [
        "no dose", "switch +200ns", "switch +400ns", "wake +200ns",
        "device +300ns", "as it is", "no dose (twin)"], candidates
    assert candidates[0]["dose"] == {"switch_ns": 0, "wake_ns": 0,
                                     "device_ns": 0}
    assert candidates[2]["dose"]["switch_ns"] == 400
    assert "dose" not in candidates[5]
    assert candidates[5]["name"] == "ucontext+queue", candidates[5]
    batches = of(lines, "batch")
    assert len(batches) == 4 * 2 * 7
    for b in batches:
        if b["candidate"] == 5:
            assert "dose" not in b
            continue
        d = b["dose"]
        assert d["jobs"] > b["operations"], b  # the lead-in comes on top
        assert d["switches"] == 4 * d["jobs"], b
        assert d["wakes"] == d["collected"] == d["jobs"], b
        assert d["device_operations"] == d["jobs"], b
    for p in of(lines, "process"):
        assert p["doses"][5] is None
        assert p["doses"][0] == {"switch_ps": 0, "wake_ps": 0, "device_ps": 0}
        assert p["doses"][1]["switch_ps"] > 0 and \
            p["doses"][3]["wake_ps"] > 0 and p["doses"][4]["device_ps"] > 0


@case
def lines_keep_the_schema(w):
    expect(w.run(*BRIEF, "--no-verdict"), 0)
    validate(w, lines_of(w), {"meta", "comparison", "candidate", "process",
                              "batch", "end"})


@case
def every_switcher_and_engine_takes_doses(w):
    listed = json.loads(w.run("list", "--json").stdout)
    switchers = [s["name"] for s in listed["switchers"] if s["works"]]
    engines = [e["name"] for e in listed["engines"] if e["works"]]
    assert len(switchers) > 2 and len(engines) > 2, listed
    pairs = [(s, "queue") for s in switchers if s != "direct"]
    pairs += [("ucontext", e) for e in engines if e != "queue"]
    for number, (switcher, engine) in enumerate(pairs):
        out = f"runs/{number}"
        r = w.run("dose", f"{switcher}+{engine}", "--workload", "null",
                  "--jobs", "3", "--device", "workers:2", "--levels",
                  "switch=1us", "--levels", "wake=1us", "--levels",
                  "device=1us", "--processes", "4", "--rounds", "1", "--out",
                  out, "--no-verdict")
        expect(r, 0)
        found, = w.run_files(out + "/**/*.jsonl")
        lines = [json.loads(s) for s in found.read_text().splitlines()]
        dosed = [b["dose"] for b in of(lines, "batch") if "dose" in b]
        assert len(dosed) == 4 * 5, (switcher, engine, len(dosed))
        for d in dosed:
            # A job whose operation is done at once does not pause.
            assert 2 * d["jobs"] <= d["switches"] <= 4 * d["jobs"], (
                switcher, engine, d)
            assert d["device_operations"] == d["jobs"], (switcher, engine, d)


@case
def table_sentences_and_json(w):
    need_numpy()
    first = w.run(*BRIEF)
    expect(first, 0, out=["on the critical path", "free would buy at most",
                          " switch 4.000 ", "switch: one ns more for each"])
    path = str(path_of(w))
    again = w.run("judge", path)
    expect(again, 0)
    assert again.stdout == first.stdout, again.stdout
    value = json.loads(w.run("judge", "--json", path).stdout)
    assert value["type"] == "doses" and value["units"] == 4, value
    assert [f["factor"] for f in value["factors"]] == ["switch", "wake",
                                                       "device"]
    for f in value["factors"]:
        mean, low, high = f["time"]["slope"]
        assert low <= mean <= high, f
    assert value["factors"][0]["time"]["bend"] is not None
    assert value["factors"][1]["time"]["bend"] is None  # two levels


@case
def one_factor(w):
    expect(w.run(*SMALL[:9], "--factor", "wake", "--levels", "0,1us,2us",
                 "--processes", "4", "--rounds", "1", "--no-verdict"), 0)
    assert [c["label"] for c in of(lines_of(w), "candidate")] == [
        "no dose", "wake +1us", "wake +2us", "as it is", "no dose (twin)"]


@case
def a_dry_run_measures_nothing(w):
    expect(w.run(*BRIEF, "--dry-run"), 0,
           out=["switch +400ns", "as it is", "Takes about"])
    assert not w.run_files("runs/**/*")


@case
def an_interrupt_keeps_what_there_is(w):
    p = subprocess.Popen([w.command, *SMALL, "--time", "60s", "--no-verdict"],
                         cwd=w.folder, stderr=subprocess.PIPE, text=True)
    for line in p.stderr:
        if "process 1 of" in line:
            break
    time.sleep(0.3)
    p.send_signal(signal.SIGINT)
    err = p.communicate(timeout=60)[1]
    assert p.returncode == 130, (p.returncode, err)
    assert "interrupted: what was measured until then is saved" in err, err
    assert of(lines_of(w), "end")[0]["interrupted"] is True


@case
def bad_doses_are_refused(w):
    for words, said in [
            (["--levels", "switch=-1ns"], "'-1ns' is not accepted"),
            (["--levels", "switch=2h"], "'2h' is not accepted; the range is "
             "0ns .. 10ms"),
            (["--levels", "switch=11ms"], ".. 10ms"),
            (["--levels", "switch=200"], "with a unit"),
            (["--levels", "switch=0"], "no dose above 0"),
            (["--levels", "switch="], "is not accepted"),
            (["--levels", "200ns"], "of which factor is '200ns'?"),
            (["--levels", "sleep=1us"], "there is no factor 'sleep'"),
            (["--levels", "switch=1ns,2ns,3ns,4ns,5ns,6ns"],
             "more than 5 doses"),
            (["--factor", "sleep"], "there is no factor 'sleep'; there are "
             "switch, wake, device"),
            (["--factor", "wake", "--levels", "switch=1us"],
             "not among those of --factor"),
            (["--processes", "0"], "the range is 4 .."),
            (["--rounds", "0"], "the range is 1 .."),
            (["--blocks", "0"], "the range is 4 .."),
            (["--timeout", "0s"], "the range is"),
            (["--jobs", "1,2", "ucontext+queue"],
             "one combination, workload, device and number of"),
            (["asm+queue", "ucontext+queue"], "this chooses 2")]:
        r = w.run("dose", "--workload", "null", *words)
        expect(r, 2, err=said)
    assert not w.run_files("runs/**/*")


@case
def a_folder_that_cannot_be_written(w):
    pathlib.Path(w.folder, "file").write_text("")
    expect(w.run(*BRIEF, "--out", "file/runs"), 3, err="--out")


@case
def a_comparison_has_no_doses(w):
    need_numpy()
    expect(w.run("compare", *SMALL[1:9], "--processes", "4", "--rounds", "1",
                 "--no-verdict"), 0)
    analysis = pathlib.Path(__file__).resolve().parents[2] / "analysis"
    r = subprocess.run(["/usr/bin/python3", "-I", "-B", analysis, "dose", "--",
                        path_of(w)], capture_output=True, text=True,
                       check=False)
    assert r.returncode == 2 and "has no doses" in r.stderr, r


# ---- programs ------------------------------------------------------------------


@program_case
def a_program_under_doses(w):
    r = program(w, "300", options=["--no-verdict"], err="wrote runs/")
    lines = lines_of(w)
    runs = of(lines, "program_run")
    labels = [d["label"] for d in of(lines, "program_doses")[0]["doses"]]
    assert labels == ["as it is", "no dose", "switch +200ns", "switch +400ns",
                      "wake +1us", "wake +2us"], labels
    assert {(x["block"], x["dose"]) for x in runs} == {
        (b, d) for b in range(4) for d in range(6)}, r.stderr
    assert len({tuple(x["dose"] for x in runs if x["block"] == b)
                for b in range(4)}) > 1  # orders differ
    for x in runs:
        assert x["status"] == "ok" and x["jobs"] == x["pauses"] == 300, x
        dosed = x["dose"] != 0
        assert x["switches"] == (1200 if dosed else 0), x
        assert x["wakes"] == (300 if dosed else 0), x


@program_case
def lines_of_a_program_keep_the_schema(w):
    program(w, "100", options=["--no-verdict"])
    validate(w, lines_of(w), {"meta", "program_doses", "program_run", "end"})


@program_case
def what_follows_of_a_program(w):
    need_numpy()
    r = program(w, "3000", out=["per job", " switch 4.000 ", " wake 1.000 ",
                                "4 blocks, 24 runs"])
    again = w.run("judge", str(path_of(w)))
    expect(again, 0)
    assert again.stdout == r.stdout, again.stdout


@program_case
def wake_ups_by_callback(w):
    program(w, "200", "callback", options=["--no-verdict", "--factor", "wake"])
    for x in of(lines_of(w), "program_run"):
        assert x["status"] == "ok", x
        assert x["wakes"] == (200 if x["dose"] != 0 else 0), x


@program_case
def a_dose_that_crashes_the_program_is_marked(w):
    need_numpy()
    program(w, "2000", "crash", BETWEEN, status=1,
            options=["--factor", "switch", "--levels", "100ns,200ns,100us"],
            err=["switch +100us: killed by signal 6", "too slow for me"],
            out=["switch +100us: 4 of 4 runs are missing (killed by signal 6",
                 "the slope is that of the rest", " switch 4.000 "])
    runs = of(lines_of(w), "program_run")
    assert [x["signal"] for x in runs if x["status"] == "failed"] == [6] * 4


@program_case
def a_dose_that_hangs_the_program_is_ended(w):
    need_numpy()
    program(w, "2000", "hang", BETWEEN, status=1,
            options=["--factor", "wake", "--levels", "200ns,100us",
                     "--timeout", "2s"],
            err="wake +100us: it did not end within 2 s",
            out="wake +100us: 4 of 4 runs are missing (it did not end")


@program_case
def a_program_that_survives_no_dose(w):
    need_numpy()
    program(w, "10", "crash", "0", status=4,
            err=["the program survived no dose: switch +200ns", "wrote"])


@program_case
def programs_that_take_no_dose(w):
    program(w, "10", "never", status=4, err="started no OpenSSL job: there is "
            "nothing to give a dose to")
    expect(w.run("dose", "--", "no-such-program-here"), 2,
           err="there is no such program in PATH")
    expect(w.run("dose", "--"), 2, err="which program?")
    expect(w.run("dose", "--", "/bin/false"), 1,
           err="/bin/false fails without any dose: exit status 1")
    expect(w.run("dose", "asm+queue", "--", "/bin/true"), 2, err="take one")
    expect(w.run("dose", "--workload", "null", "--", "/bin/true"), 2,
           err="--workload is not for a PROGRAM")
    expect(w.run("dose", "--factor", "device", "--", "/bin/true"), 2,
           err="sees switches and wake-ups of a PROGRAM")
    expect(w.run("dose", "--blocks", "0", "--", "/bin/true"), 2,
           err="the range is 4 ..")
    assert not w.run_files("runs/**/*")


@program_case
def a_folder_for_runs_that_cannot_be_written(w):
    pathlib.Path(w.folder, "file").write_text("")
    program(w, "10", options=["--out", "file/runs"], status=3, err="--out")


@program_case
def a_dry_run_of_a_program(w):
    program(w, "10", options=["--dry-run"], out=["switch +400ns",
                                                 "Takes about"])
    assert not w.run_files("runs/**/*")


@program_case
def an_interrupt_ends_the_program(w):
    p = subprocess.Popen([w.command, "dose", "--blocks", "100", "--no-verdict",
                          "--factor", "switch", "--levels", "100us",
                          "--", w.path("program"), "2000", "hang", BETWEEN],
                         cwd=w.folder, stderr=subprocess.PIPE, text=True)
    for line in p.stderr:
        if "block 1 of" in line:
            break
    time.sleep(0.5)
    p.send_signal(signal.SIGINT)
    err = p.communicate(timeout=30)[1]
    assert p.returncode == 130, (p.returncode, err)
    assert "is saved" in err, err
    assert of(lines_of(w), "end")[0]["interrupted"] is True


@program_case
def the_drop_in_minds_only_the_command(w):
    """A variable of another shape is ignored, and said to be."""
    environment = dict(os.environ, SWITCHYARD_DOSE="switch=200")
    r = subprocess.run([w.command, "exec", w.path("program"), "10"], cwd=w.folder,
                       capture_output=True, text=True, env=environment,
                       check=False)
    assert r.returncode == 0, r
    assert "SWITCHYARD_DOSE=switch=200 is ignored" in r.stderr, r


if __name__ == "__main__":
    sys.exit(main(World, "command", "--program", "--schema"))
