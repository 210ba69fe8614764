#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/evidence with a stand-in for switchyard, whose answers are known:
what it counts, what it refuses, and that it goes on where it was stopped.

usage: evidence_script.py PATH-OF-scripts/evidence [--only NAME]
"""

import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
from command_line import case, main  # noqa: E402


STAND_IN = """#!/bin/sh
cd "$(dirname "$0")" || exit 9
case "$*" in
version*) cat version.json; exit 0 ;;
esac
echo "$*" >>calls
seed=; for word; do
    [ "$last" = --seed ] && seed=$word
    last=$word
done
[ ! -e fail.$seed ] || exit "$(cat fail.$seed)"
case "$*" in
*--repeat*) kind=twelve ;;
*"permille 50 "*) kind=50 ;;
*"permille 20 "*) kind=20 ;;
*"permille 5 "*) kind=5 ;;
*) kind=aa ;;
esac
[ ! -e bad.$seed ] || kind=bad-$kind
cat $kind.json
"""


def judgement(ratio, truth, half=0.004, winner=None):
    low, high = ratio - half, ratio + half
    differs = low > 1 or high < 1
    return {"units": 8, "processes": 16, "batches": 100,
            "candidates": [{"ns_per_operation": 400.0}],
            "aa": {"ratio": ratio, "low": low, "high": high,
                   "differs": differs, "planted_ratio": truth,
                   "twin": "elsewhere"},
            "pairs": [{"low": 1 - half, "high": 1 + half, "differs": False},
                      {"low": low, "high": high, "differs": differs}],
            "winners": [{"winner": winner}]}


class World:
    def __init__(self, args, folder):
        self.script = args.script
        self.folder = pathlib.Path(folder)
        self.out = self.folder / "out"
        self.state = self.folder / "state.jsonl"
        self.version()
        self.layouts(16)
        self.put("switchyard", STAND_IN).chmod(0o755)
        for name, value in (
                ("aa", judgement(1.001, 1)), ("bad-aa", judgement(1.02, 1)),
                ("50", judgement(1.051, 1.05)), ("20", judgement(1.019, 1.02)),
                ("5", judgement(1.004, 1.005)),
                ("bad-50", judgement(0.95, 1.05)),
                ("bad-5", judgement(0.99, 1.005)),
                ("twelve", judgement(1.001, 1)),
                ("bad-twelve", judgement(1.02, 1, winner="x #3"))):
            self.put(f"{name}.json", json.dumps(value))

    def put(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def version(self, **changes):
        self.put("version.json", json.dumps(dict(
            {"git": "abc", "build_type": "RelWithDebInfo", "compiler": "c",
             "flags": "-O2"}, **changes)))

    def layouts(self, count):
        for number in range(1, count + 1):
            self.put(f"switchyard-layout-{number}", "")

    def bad(self, *seeds):
        for seed in seeds:
            self.put(f"bad.{seed}", "")

    def calls(self):
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def run(self, *words, dirty=True):
        return subprocess.run(
            [self.script, "--program", self.folder / "switchyard", "--out",
             self.out, "--state", self.state,
             *(["--dirty"] if dirty else []), *words],
            capture_output=True, text=True, timeout=120, check=False)

    def verdicts(self, name):
        return json.loads((self.out / f"compare-{name}.json").read_text())


def expect(result, code, *words):
    said = f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    assert result.returncode == code, f"wanted exit {code}, got {said}"
    assert "Traceback" not in result.stderr, said
    for word in words:
        assert word in result.stdout + result.stderr, f"no '{word}' in {said}"


@case
def all_bars_are_kept(w):
    expect(w.run(), 0, "kept: ")
    assert len(w.calls()) == 400, len(w.calls())
    seeds = {words[words.index("--seed") + 1]
             for words in (line.split() for line in w.calls())}
    assert len(seeds) == 400, len(seeds)
    for name, count in (("aa", 200), ("power", 100), ("twelve", 100)):
        value = w.verdicts(name)
        assert len(value["comparisons"]) == count
        assert all(b["held"] for b in value["bars"]), value["bars"]
        text = (w.out / f"compare-{name}.txt").read_text()
        assert "commit:   abc-dirty" in text and "\n$ switchyard" in text
        assert text.count("  seed ") == count, text
    assert w.verdicts("coverage")["bars"][0]["held"]
    assert not list(w.folder.glob("run-*")), "run files are left"


@case
def wrong_answers_are_counted(w):
    """One less than too many, and then one too many."""
    w.bad(*range(1, 17))
    expect(w.run("--part", "aa"), 0, "reported by 16 of 200")
    w.state.unlink()
    w.bad(17)
    expect(w.run("--part", "aa"), 1, "NOT KEPT", "reported by 17 of 200")


@case
def a_wrong_sign_is_not_borne(w):
    w.bad(1001)
    expect(w.run("--part", "power"), 1, "kept: planted 5 %: told apart in 39",
           "NOT KEPT: planted 5 %: estimated with the wrong sign by 1")
    w.state.unlink()
    (w.folder / "bad.1001").unlink()
    w.bad(3002)
    expect(w.run("--part", "power"), 1,
           "NOT KEPT: planted 0.5 %: reported the wrong way round by 1")


@case
def named_winners_are_counted(w):
    w.bad(*range(4001, 4011))
    expect(w.run("--part", "twelve"), 0, "named by 10 of 100")
    w.state.unlink()
    w.bad(4011)
    expect(w.run("--part", "twelve"), 1, "NOT KEPT", "named by 11 of 100")


@case
def a_failed_comparison_is_a_miss(w):
    w.put("fail.5", "1")
    expect(w.run("--part", "aa"), 1, "1 of 200 comparisons failed",
           "reported by 1 of 200")
    w.put("fail.2001", "3")
    expect(w.run("--part", "power"), 3, "cannot be done here")


@case
def it_goes_on_where_it_was_stopped(w):
    expect(w.run("--part", "aa", "--seconds", "1"), 4, "aa: 0 of 200 done")
    expect(w.run("--part", "aa", "--seconds", "7.05"), 4)
    done = len(w.calls())
    assert 0 < done < 200, done
    assert not w.out.exists()
    # Killed while it wrote a line: that comparison is made again.
    text = w.state.read_text()
    w.state.write_text(text[:-30])
    expect(w.run("--part", "aa"), 0)
    assert len(w.calls()) == 201, len(w.calls())
    expect(w.run("--part", "aa"), 0)
    assert len(w.calls()) == 201, len(w.calls())


@case
def builds_that_are_no_evidence(w):
    expect(w.run(dirty=False), 3, "which is no commit", "--dirty")
    w.version(git="abc-dirty")
    expect(w.run(dirty=False), 3, "'abc-dirty'")
    w.version(build_type="Debug")
    expect(w.run(), 3, "was built as 'Debug'")
    w.version()
    (w.folder / "switchyard-layout-9").unlink()
    expect(w.run(), 3, "has 8 executables", "needs 16")
    assert w.calls() == []
    (w.folder / "switchyard").unlink()
    expect(w.run(), 2, "build it first")


@case
def a_state_of_another_build(w):
    expect(w.run("--part", "aa", "--seconds", "1"), 4)
    w.version(git="def")
    expect(w.run("--part", "aa"), 2, "begun with another build", "commit")
    w.version()
    w.put("switchyard", STAND_IN + "\n").chmod(0o755)
    expect(w.run("--part", "aa"), 2, "program_sha256")


@case
def a_prefix_is_put_in_front(w):
    wrapper = w.put("wrapper", '#!/bin/sh\necho "$1" >>"$(dirname "$0")/wrapped"'
                    '\nshift\nexec "$@"\n')
    wrapper.chmod(0o755)
    expect(w.run("--part", "twelve", "--prefix", f"{wrapper} 'a b'"), 0)
    assert (w.folder / "wrapped").read_text() == "a b\n" * 100
    w.state.unlink()
    expect(w.run("--part", "aa", "--prefix", "/nowhere/x"), 2, "--prefix")


@case
def wrong_usage(w):
    for words in (("--part", "none"), ("--seconds", "0"), ("--seed", "-1"),
                  ("--nonesuch",)):
        expect(w.run(*words), 2)
    assert w.calls() == []


if __name__ == "__main__":
    sys.exit(main(World, "script"))
