#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard compare` and `switchyard judge`: plans, files, interrupts,
crashes, bad input. Mechanics only: on a busy machine figures mean nothing.

usage: compare_command.py PATH-OF-switchyard [--schema FILE] [--parts DIR]
                          [--only NAME]

As command_line.py, whose helpers it uses.
"""

import glob
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from command_line import Skip, World, case, expect, main  # noqa: E402

# Small, and without threads of a device.
SMALL = ["compare", "--switcher", "asm,ucontext", "--workload", "null",
         "--device", "sim:mode=poll,service=fixed:1us", "--jobs", "4"]
BRIEF = [*SMALL, "--processes", "4", "--rounds", "2"]


def have_numpy():
    return subprocess.run(["/usr/bin/python3", "-I", "-c",
                           "import numpy, scipy"],
                          capture_output=True, check=False).returncode == 0


def files(w):
    return w.run_files("runs/**/*.jsonl")


def lines_of(w):
    found = files(w)
    assert len(found) == 1, found
    return [json.loads(s) for s in found[0].read_text().splitlines()]


def of(lines, kind):
    return [line for line in lines if line["type"] == kind]


@case
def a_comparison_is_written_whole(w):
    expect(w.run(*BRIEF, "--no-verdict", "--seed", "7"), 0, err="wrote runs/")
    lines = lines_of(w)
    candidates, batches = of(lines, "candidate"), of(lines, "batch")
    assert [c["label"] for c in candidates] == [
        "asm+queue", "ucontext+queue", "asm+queue (twin)"], candidates
    assert candidates[2]["twin_of"] == 0
    assert len({c["operations"] for c in candidates}) == 1, candidates
    assert len(of(lines, "process")) == 4 and len(batches) == 4 * 2 * 3
    assert {(b["process"], b["round"], b["candidate"]) for b in batches} == {
        (p, r, c) for p in range(4) for r in range(2) for c in range(3)}
    assert len({p["environment_bytes"] for p in of(lines, "process")}) > 1
    assert len({str(p["stack_offsets_bytes"])
                for p in of(lines, "process")}) == 4
    for b in batches:
        assert b["elapsed_ns"] > 0 and b["operations"] >= 16, b
        assert ("short" in b["tags"]) == (b["elapsed_ns"] < 1000000), b
        assert ("steal" in b["tags"]) == (b["steal_ns"] > 0), b
    assert lines[-1]["records"] == len(lines) - 2


@case
def lines_keep_the_schema(w):
    if w.schema is None:
        raise Skip("no --schema")
    try:
        import jsonschema
    except ImportError:
        raise Skip("no python3-jsonschema") from None
    schema = json.loads(pathlib.Path(w.schema).read_text())
    expect(w.run(*BRIEF, "--no-verdict"), 0)
    validator = jsonschema.Draft202012Validator(schema)
    seen = set()
    for line in lines_of(w):
        errors = [e.message for e in validator.iter_errors(line)]
        assert not errors, (line, errors)
        seen.add(line["type"])
    assert seen == {"meta", "comparison", "candidate", "process", "batch",
                    "end"}, seen


@case
def orders_differ_between_rounds_and_repeat_with_the_seed(w):
    orders = []
    for _ in range(2):
        expect(w.run(*BRIEF, "--no-verdict", "--seed", "3", "--out",
                     f"runs/{len(orders)}"), 0)
    for path in sorted(files(w)):
        lines = [json.loads(s) for s in path.read_text().splitlines()]
        orders.append([(b["process"], b["round"], b["candidate"])
                       for b in of(lines, "batch")])
    assert orders[0] == orders[1]
    rounds = {tuple(c for p, r, c in orders[0] if (p, r) == (a, b))
              for a in range(4) for b in range(2)}
    assert len(rounds) > 2, rounds


@case
def verdict_and_judge_say_the_same(w):
    if not have_numpy():
        raise Skip("no numpy or scipy")
    first = w.run(*BRIEF)
    expect(first, 0)
    assert "asm+queue / ucontext+queue" in first.stdout or \
        "ucontext+queue / asm+queue" in first.stdout, first.stdout
    path = str(files(w)[0])
    expect(w.run("judge", path), 0, out=first.stdout)
    value = json.loads(w.run("judge", "--json", path).stdout)
    assert value["processes"] == 4 and len(value["pairs"]) == 1, value


@case
def executables_in_other_layouts_take_turns(w):
    """Any executable will do for that: here they are copies."""
    for name in ("switchyard", "switchyard-layout-1", "switchyard-layout-2"):
        shutil.copy2(w.command, pathlib.Path(w.folder) / name)
    w.command = str(pathlib.Path(w.folder) / "switchyard")
    expect(w.run(*BRIEF, "--no-verdict"), 0)
    lines = lines_of(w)
    assert of(lines, "comparison")[0]["layouts"] == 2
    assert [p["layout"] for p in of(lines, "process")] == [
        "switchyard-layout-1", "switchyard-layout-2"] * 2
    expect(w.run(*BRIEF), 3, err=["the analysis is not installed", "wrote"])


def has_twin(w):
    result = w.run(*BRIEF, "--dry-run")
    expect(result, 0)
    assert "The twin's code is " in result.stdout, result.stdout
    return "linked elsewhere" in result.stdout


@case
def the_twin_runs_a_copy_of_the_code(w):
    word = "elsewhere" if has_twin(w) else "same code"
    expect(w.run(*BRIEF, "--no-verdict"), 0)
    lines = lines_of(w)
    assert of(lines, "comparison")[0]["twin"] == word
    offsets = {(p["layout"], p["twin_offset_bytes"])
               for p in of(lines, "process")}
    assert len(offsets) == len(dict(offsets)), offsets  # one per executable
    assert all((offset is None) == (word == "same code")
               for _, offset in offsets), offsets
    done = {c: sum(b["verified"] for b in of(lines, "batch")
                   if b["candidate"] == c) for c in (0, 2)}
    assert done[0] == done[2] > 0, done


@case
def parts_from_files_have_no_twin_elsewhere(w):
    part = w.part("loaded_workload.so")
    result = w.run("compare", "asm+queue", "--load", part, "--workload",
                   "square", *BRIEF[5:], "--dry-run")
    expect(result, 0)
    assert "The twin's code is that of the candidates." in result.stdout, (
        result.stdout)


@case
def of_many_layouts_each_seed_draws_its_own(w):
    for i in range(12):
        name = f"switchyard-layout-{i}" if i else "switchyard"
        shutil.copy2(w.command, pathlib.Path(w.folder) / name)
    w.command = str(pathlib.Path(w.folder) / "switchyard")
    result = w.run(*BRIEF, "--dry-run")
    expect(result, 0)
    assert "8 layouts in turn, drawn from 11\n" in result.stdout, result.stdout
    drawn = []
    for seed in ("1", "1", "2", "3"):
        expect(w.run("compare", "asm+queue", *BRIEF[3:-4], "--processes", "9",
                     "--rounds", "1", "--no-verdict", "--seed", seed, "--out",
                     f"runs/{len(drawn)}"), 0)
        path = next(pathlib.Path(w.folder).glob(f"runs/{len(drawn)}/*/*/*"))
        lines = [json.loads(s) for s in path.read_text().splitlines()]
        settings = of(lines, "comparison")[0]
        assert settings["layouts"] == 8 and settings["layouts_there"] == 11
        names = [p["layout"] for p in of(lines, "process")]
        assert len(set(names[:8])) == 8 and names[8] == names[0], names
        drawn.append(names)
    assert drawn[0] == drawn[1], drawn
    assert len({frozenset(names) for names in drawn}) > 1, drawn


@case
def one_candidate_is_compared_with_itself(w):
    if not have_numpy():
        raise Skip("no numpy or scipy")
    result = w.run("compare", "asm+queue", *BRIEF[3:], "--json")
    expect(result, 0)
    value = json.loads(result.stdout)
    assert value["pairs"] == [] and value["aa"]["planted_ratio"] == 1, value


@case
def planted_work_is_done_and_not_counted(w):
    if not have_numpy():
        raise Skip("no numpy or scipy")
    result = w.run(*BRIEF, "--plant-permille", "1000", "--json")
    expect(result, 0)
    value = json.loads(result.stdout)
    assert value["aa"]["planted_ratio"] == 2, value
    # Twice the work: more than a busy machine can hide.
    assert value["aa"]["ratio"] > 1.2, value["aa"]
    counts = {c["operations"] for c in of(lines_of(w), "candidate")}
    assert len(counts) == 1 and counts.pop() % 1000 == 0


@case
def repeated_combinations_compete(w):
    expect(w.run(*BRIEF, "--repeat", "3", "--no-verdict"), 0)
    candidates = of(lines_of(w), "candidate")
    assert [c["label"] for c in candidates] == [
        "asm+queue #1", "asm+queue #2", "asm+queue #3", "ucontext+queue #1",
        "ucontext+queue #2", "ucontext+queue #3", "asm+queue #1 (twin)"]
    assert {c["task"] for c in candidates} == {0}, candidates
    expect(w.run(*BRIEF, "--repeat", "32"), 2, err="64 candidates", out="")
    expect(w.run(*BRIEF, "--repeat", "0"), 2, err=["--repeat", "1 .. 63"],
           out="")


@case
def reference_rows_and_several_tasks(w):
    # Rows of one task do the same number of operations. The fastest needs
    # many for a batch; with a slow device the others would take long for them.
    expect(w.run("compare", "asm+queue", "--workload",
                 "sha256@1K,sha256@16K", *SMALL[5:-2], "--jobs", "2",
                 "--reference", "callback,software", "--processes", "4",
                 "--rounds", "1", "--no-verdict"), 0)
    candidates = of(lines_of(w), "candidate")
    tasks = {c["mix"][0]["param_bytes"]: c["task"] for c in candidates}
    assert len(set(tasks.values())) == 2 and len(candidates) == 7, candidates
    for c in candidates:
        assert c["task"] == tasks[c["mix"][0]["param_bytes"]], c


@case
def dry_run_measures_for_the_plan_only(w):
    result = w.run(*SMALL, "--time", "4s", "--dry-run")
    expect(result, 0)
    for words in ("asm+queue (twin)", "operations per batch", "processes",
                  "Takes about", "% would be found in four"):
        assert words in result.stdout, result.stdout
    assert files(w) == []


@case
def a_terminal_shows_the_time_left_and_the_noise(w):
    primary, secondary = pty.openpty()
    with subprocess.Popen(
            [w.command, *SMALL, "--processes", "6", "--rounds", "2",
             "--no-verdict"], cwd=w.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=secondary,
            env=dict(os.environ, TERM="xterm", NO_COLOR="")) as process:
        os.close(secondary)
        shown = b""
        while True:
            try:
                data = os.read(primary, 4096)
            except OSError:  # nobody has the other end
                break
            if not data:
                break
            shown += data
    os.close(primary)
    assert process.returncode == 0, shown
    lines = shown.decode().split("\r\x1b[K")
    assert any(re.fullmatch(r"process 1 of 6, about .+ left", line)
               for line in lines), lines
    assert any(re.fullmatch(r"process 6 of 6, noise now "
                            r"\+-\d+\.\d\d %, about .+ left", line)
               for line in lines), lines


@case
def time_is_kept(w):
    began = time.monotonic()
    expect(w.run(*SMALL, "--time", "3s", "--no-verdict"), 0)
    took = time.monotonic() - began
    assert took < 6, f"{took:.1f} s"
    assert len(of(lines_of(w), "process")) >= 4


@case
def numbers_out_of_range(w):
    for option in ("--rounds", "--processes", "--time"):
        expect(w.run(*SMALL, option, "0" if option != "--time" else "0s"), 2,
               err=[option, "accepted"], out="")
    expect(w.run(*SMALL, "--suite", "huge"), 2, err="quick", out="")


@case
def filters_that_match_nothing(w):
    expect(w.run("compare", "--switcher", "asm,!asm"), 4,
           err="nothing matched", out="")
    expect(w.run("compare", "--switcher", "asn"), 2,
           err="did you mean 'asm'?", out="")
    expect(w.run("compare", "--workload", "nul"), 2,
           err="did you mean 'null'?", out="")


@case
def too_many_candidates(w):
    expect(w.run("compare", "--engine", "*", "--jobs", "1,2,4"), 2,
           err="at most 63", out="")


@case
def too_little_time(w):
    expect(w.run("compare", "asm+queue", "--workload", "spin@1000000",
                 "--jobs", "40", "--time", "1s"), 2, err="--time", out="")
    assert files(w) == []


@case
def worker_is_no_option(w):
    expect(w.run("compare", "--worker", "0"), 2, err="own use", out="")
    expect(w.run("compare", "--worker"), 2, err="unknown option", out="")


def start(w, *words):
    return subprocess.Popen([w.command, *words], cwd=w.folder,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("it did not begin")


def begun(w):
    """The file of a comparison that is being measured. Before that another
    comes and goes: whether --out can be written is tried out."""
    for path in glob.glob(f"{w.folder}/runs/**/*.tmp", recursive=True):
        try:
            text = pathlib.Path(path).read_text()
        except FileNotFoundError:
            continue
        if '"type":"comparison"' in text:
            return [pathlib.Path(path)]
    return []


def worker_of(process):
    """The process id of the worker that runs now, or None."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        parent = int(status.rpartition(")")[2].split()[1])
        if parent == process.pid and b"--worker" in words:
            return int(folder.name)
    return None


@case
def interrupt_saves_what_there_is(w):
    process = start(w, *SMALL, "--processes", "4000", "--rounds", "5",
                    "--no-verdict")
    wait_for(lambda: begun(w))
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, (process.returncode, err)
    assert "interrupted" in err, err
    lines = lines_of(w)
    assert lines[-1]["interrupted"] is True and of(lines, "batch"), err


@case
def interrupt_before_anything(w):
    process = start(w, *SMALL)
    time.sleep(0.15)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGINT), (
        process.returncode, err)
    assert files(w) == []


@case
def killed_command_leaves_an_incomplete_file(w):
    process = start(w, *SMALL, "--processes", "4000", "--rounds", "5")
    found = wait_for(lambda: begun(w))
    time.sleep(0.5)
    process.kill()
    process.communicate(timeout=30)
    assert wait_for(lambda: worker_of(process) is None)
    if have_numpy():
        expect(w.run("judge", str(found[0])), 4, err="is incomplete", out="")


@case
def killed_command_and_the_next_one(w):
    """The rest of a killed run is judged where that is wanted, and the next
    comparison is as any other."""
    process = start(w, *SMALL, "--processes", "4000", "--rounds", "2")
    found = wait_for(lambda: begun(w))
    wait_for(lambda: found[0].read_text().count('"type":"process"') > 6)
    process.kill()
    process.communicate(timeout=30)
    expect(w.run(*BRIEF, "--no-verdict"), 0, err="wrote runs/")
    if not have_numpy():
        raise Skip("no numpy or scipy")
    whole = str(files(w)[0])
    result = w.run("judge", str(found[0]), whole)
    assert result.returncode == 4, result
    assert "is incomplete" in result.stderr, result.stderr
    assert "4 processes" in result.stdout, result.stdout
    result = w.run("judge", "--incomplete", str(found[0]))
    expect(result, 0)
    assert "of 4000 processes" in result.stdout, result.stdout


@case
def out_that_cannot_be_written(w):
    """Said before anything is measured: that takes less than a look."""
    (pathlib.Path(w.folder) / "taken").write_text("")
    for more in ([], ["--dry-run"]):
        for place in ("taken", "taken/below", "/proc/nowhere"):
            result = w.run(*BRIEF, "--out", place, *more)
            expect(result, 3, err=["--out", place], out="")
            assert "process" not in result.stderr, result.stderr
    expect(w.run(*BRIEF, "--dry-run", "--out", "a/b"), 0)
    assert not (pathlib.Path(w.folder) / "a").exists()


def take_cpus_away(pid, cpus):
    """From all threads of a process, as taskset -ap does."""
    for thread in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        try:
            os.sched_setaffinity(int(thread.name), cpus)
        except OSError:
            pass  # it has ended meanwhile


@case
def cpus_are_taken_away(w):
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        raise Skip("one CPU only")
    process = start(w, *SMALL, "--processes", "8", "--rounds", "40",
                    "--no-verdict")
    found = wait_for(lambda: begun(w))
    wait_for(lambda: '"type":"process"' in found[0].read_text())
    worker = wait_for(lambda: worker_of(process))
    take_cpus_away(process.pid, {min(allowed)})
    take_cpus_away(worker, {min(allowed)})
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, (process.returncode, err)
    processes = of(lines_of(w), "process")
    assert [p["status"] for p in processes] == ["ok"] * 8, processes
    assert processes[0]["cpus"] == len(allowed), processes[0]
    assert processes[-1]["cpus"] == 1, processes[-1]
    assert processes[-1]["cpu"] is None, processes[-1]
    if have_numpy():
        result = w.run("judge", str(files(w)[0]))
        expect(result, 0)
        assert "CPUs were taken away" in result.stdout, result.stdout


@case
def batches_on_another_cpu_are_tagged(w):
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Skip("one CPU only")
    process = start(w, *SMALL, "--processes", "4", "--rounds", "150",
                    "--no-verdict")
    found = wait_for(lambda: begun(w))
    wait_for(lambda: '"type":"process"' in found[0].read_text())
    while process.poll() is None:
        worker = worker_of(process)
        for cpu in allowed:  # one of them is not that of the candidates
            if worker is not None:
                take_cpus_away(worker, {cpu})
            time.sleep(0.05)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, (process.returncode, err)
    lines = lines_of(w)
    cpu_of = {p["process"]: p["cpu"] for p in of(lines, "process")}
    for b in of(lines, "batch"):
        assert ("displaced" in b["tags"]) == (
            cpu_of[b["process"]] not in (None, b["cpu"])), b
    assert any("displaced" in b["tags"] for b in of(lines, "batch"))


@case
def judge_json_keeps_the_schema(w):
    if w.schema is None or not have_numpy():
        raise Skip("no --schema, or no numpy or scipy")
    try:
        import jsonschema
    except ImportError:
        raise Skip("no python3-jsonschema") from None
    schema = json.loads((pathlib.Path(w.schema).parent /
                         "judgement.schema.json").read_text())
    result = w.run(*BRIEF, "--json")
    expect(result, 0)
    jsonschema.validate(json.loads(result.stdout), schema)


@case
def killed_process_costs_itself_only(w):
    process = start(w, *SMALL, "--processes", "6", "--rounds", "40",
                    "--no-verdict")
    wait_for(lambda: begun(w))
    os.kill(wait_for(lambda: worker_of(process)), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, (process.returncode, err)
    assert "killed by signal 9" in err, err
    ends = [p["status"] for p in of(lines_of(w), "process")]
    assert ends.count("failed") == 1 and ends.count("ok") == 5, ends


@case
def judge_of_what_it_cannot_read(w):
    expect(w.run("judge"), 2, err="1 .. 32 run files", out="")
    if not have_numpy():
        raise Skip("no numpy or scipy")
    expect(w.run("judge", "absent"), 2, err="No such file", out="")
    path = pathlib.Path(w.folder) / "--json"
    path.write_text("x\n")
    expect(w.run("judge", str(path)), 2, err="is not a run file", out="")


if __name__ == "__main__":
    sys.exit(main(World, "command", "--schema", "--parts"))
