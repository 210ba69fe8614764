#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard report`: of real runs, and what it says of a wrong command line.

usage: report_command.py PATH-OF-switchyard ANALYSIS-FOLDER [--only NAME]

As command_line.py, whose helpers it uses. What a report contains is checked by
tests/analysis/report_contents.py.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
from command_line import SHORT, World, case, expect, main  # noqa: E402


def measured(w, name, *words):
    """Measure something; returns runs/NAME."""
    expect(w.run(*words, "--run-id", name), 0)
    return f"runs/{name}"


def small_run(w, name="small"):
    return measured(w, name, "run", *SHORT, "--device",
                    "sim:mode=poll,service=fixed:1us", "--seed", "1,2,3",
                    "--reference", "software,blocking", "ucontext+queue",
                    "setjmp+queue")


def small_comparison(w, name="compared"):
    return measured(w, name, "compare", "--switcher", "setjmp,ucontext",
                    "--workload", "null", "--device",
                    "sim:mode=poll,poll=inline,service=fixed:1us",
                    "--processes", "4", "--rounds", "2", "--no-verdict")


# ---- of real runs -----------------------------------------------------------


@case
def real_run_becomes_a_page(w):
    expect(w.run("report", "-o", "page.html", small_run(w)), 0,
           err="wrote page.html")
    page = (pathlib.Path(w.folder) / "page.html").read_text()
    assert "<script" not in page and "<svg" in page
    for words in ("ucontext+queue", "software", "What matters"):
        assert words in page, words


@case
def real_comparison_is_judged(w):
    result = w.run("report", small_comparison(w))
    expect(result, 0)
    assert re.search(r"A/A pair +(good|beware|bad) ", result.stdout), \
        result.stdout
    assert "ucontext+queue" in result.stdout


@case
def several_runs_are_one_report(w):
    result = w.run("report", "--format", "json", small_run(w),
                   small_comparison(w))
    expect(result, 0)
    value = json.loads(result.stdout)
    assert [r["run_id"] for r in value["runs"]] == ["small", "compared"]
    empty = {s["name"] for s in value["sections"] if s["missing"]}
    assert empty == {"load", "phases", "memory", "doses"}, empty


@case
def folder_of_all_runs_is_taken(w):
    small_run(w, "one")
    small_run(w, "two")
    result = w.run("report", "--format", "json", "runs")
    expect(result, 0)
    assert len(json.loads(result.stdout)["runs"]) == 2


@case
def command_to_repeat_is_the_one_given(w):
    result = w.run("report", small_run(w))
    expect(result, 0)
    (line,) = [s.strip() for s in result.stdout.splitlines()
               if s.startswith("  switchyard run --duration")]
    assert line.endswith("ucontext+queue setjmp+queue --run-id small"), line
    assert "sim:mode=poll,service=fixed:1us" in line


@case
def figures_go_to_their_folder(w):
    expect(w.run("report", "--figures", "figures", "-o", "page.html",
                 small_comparison(w)), 0, err="figures below figures")
    names = sorted(os.listdir(os.path.join(w.folder, "figures")))
    assert {"processes1.csv", "processes1.pdf", "processes1.svg"} <= set(
        names), names


@case
def run_against_itself_has_no_regression(w):
    path = small_run(w)
    result = w.run("report", path, path, "--fail-on", "regression:5%")
    expect(result, 0)
    assert "Nothing is worse by more than 5 %" in result.stdout


# ---- bad input --------------------------------------------------------------


@case
def no_run(w):
    expect(w.run("report"), 2, err="report takes 1 .. 44 runs, not 0")


@case
def too_many_runs(w):
    expect(w.run("report", *["x"] * 45), 2, err="1 .. 44 runs, not 45")


@case
def folder_without_runs(w):
    expect(w.run("report", "."), 4, err="no run file below it")


@case
def unknown_format(w):
    expect(w.run("report", "--format", "docx", "x"), 2, err="html")


@case
def changes_of_one_run(w):
    expect(w.run("report", "--changes", "x"), 2,
           err="--changes takes two runs, before and after, not 1")
    expect(w.run("report", "--fail-on", "regression:5%", "x"), 2,
           err="--fail-on takes two runs, before and after, not 1")


@case
def threshold_that_is_none(w):
    expect(w.run("report", "--fail-on", "5", "x", "y"), 2,
           err="'5' is not regression:N%")


@case
def path_that_is_too_long(w):
    expect(w.run("report", "-o", "x" * 5000, "y"), 2,
           err="--out: longer than 4096 bytes")


@case
def unwritable_output(w):
    path = small_run(w)
    before = sorted(os.listdir(w.folder))
    expect(w.run("report", "-o", "none/page.html", path), 3,
           err="cannot write none/page.html")
    assert sorted(os.listdir(w.folder)) == before


@case
def run_that_was_killed(w):
    path = small_run(w)
    (file,) = w.run_files(path + "/**/*.jsonl")
    file.rename(str(file) + ".tmp")
    expect(w.run("report", "-o", "page.html", path), 4, err="not finished")
    assert not (pathlib.Path(w.folder) / "page.html").exists()


@case
def packages_that_are_missing(w):
    """-S: without the folders of Debian's packages."""
    result = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-B", w.path("analysis"), "report", "x"],
        cwd=w.folder, capture_output=True, text=True)
    assert result.returncode == 3, result
    for package in ("python3-matplotlib", "python3-jinja2"):
        assert package in result.stderr, result.stderr
    assert "apt-get install" in result.stderr


if __name__ == "__main__":
    sys.exit(main(World, "command", "analysis",
                  modules=("numpy", "scipy", "matplotlib", "jinja2")))
