#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input, exit codes and files of the `switchyard` command.

usage: command_line.py PATH-OF-switchyard [--parts DIR] [--abi-parts DIR]
                       [--schema FILE] [--only NAME]
"""

import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from cases import Skip, case, main  # noqa: E402

SHORT = ["--duration", "20ms", "--workload", "null", "--jobs", "4"]


class World:
    """The command, in a folder of the case's own."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.command = self.path("command")
        self.schema = self.path("schema")

    def path(self, argument):
        """What the test was given, absolute; None if it was not."""
        value = getattr(self.args, argument, None)
        return value and os.path.abspath(value)

    def run(self, *words, env=None, timeout=60, **more):
        environment = dict(os.environ, **(env or {}))
        environment.pop("SWITCHYARD_SWITCHER", None)
        environment.pop("SWITCHYARD_ENGINE", None)
        return subprocess.run(
            [self.command, *words], cwd=self.folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=timeout, text=True, **more)

    def part(self, name, folder="parts", where=""):
        path = os.path.join(self.path(folder) or "", name)
        if self.path(folder) is None or not os.path.exists(path):
            raise Skip(f"{name} was not built{where}")
        return path

    def abi_part(self, name):
        return self.part(name, "abi_parts", " (x86-64 only)")

    def run_files(self, pattern="**/*"):
        return [p for p in pathlib.Path(self.folder).glob(pattern)
                if p.is_file()]


def expect(result, code, *, err=(), out=None):
    """Check the exit code, words on stderr, and stdout if out is given."""
    words = f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    assert result.returncode == code, f"wanted exit {code}, got {words}"
    for word in [err] if isinstance(err, str) else err:
        assert word in result.stderr, f"no '{word}' in stderr: {words}"
    if out is not None:
        assert result.stdout == out, f"stdout is not {out!r}: {words}"


def records_of(path):
    lines = [json.loads(s) for s in path.read_text().splitlines()]
    assert lines[0]["type"] == "meta" and lines[-1]["type"] == "end", lines
    return lines


# ---- subcommands and options ----------------------------------------------


@case
def no_subcommand(w):
    expect(w.run(), 2, err="usage: switchyard", out="")


@case
def unknown_subcommand(w):
    expect(w.run("lsit"), 2, err="did you mean 'list'?", out="")


@case
def help_as_json(w):
    whole = json.loads(w.run("help", "--json").stdout)
    assert whole["schema"] == "switchyard-help/1", whole
    names = [c["name"] for c in whole["commands"]]
    assert {"list", "run", "help"} <= set(names), names
    assert [e["code"] for e in whole["exit"]] == [0, 1, 2, 3, 4, 130], whole
    run = next(c for c in whole["commands"] if c["name"] == "run")
    verify = next(o for o in run["options"] if o["name"] == "verify")
    assert verify["choices"] == ["all", "sample"], verify
    one = json.loads(w.run("help", "run", "--json").stdout)
    assert one["commands"] == [run], one
    expect(w.run("help", "--json", "rnu"), 2, err="did you mean 'run'?",
           out="")


@case
def names_of_one_kind(w):
    listed = json.loads(w.run("list", "--json").stdout)
    for kind in ("switchers", "engines", "devices", "workloads",
                 "references"):
        names = [p["name"] for p in listed[kind] if p["works"]]
        expect(w.run("list", "--names", kind), 0,
               out="".join(f"{n}\n" for n in names))
    expect(w.run("list", "--names", "engine"), 2, err="switchers, engines",
           out="")
    expect(w.run("list", "--names", "engines", "--json"), 2,
           err="--names prints names only", out="")


@case
def help_is_data(w):
    for words in (["help"], ["--help"], ["-h"], ["help", "run"],
                  ["list", "--help"], ["run", "-h"], ["conform", "--help"],
                  ["version", "-h"], ["help", "--help"]):
        result = w.run(*words)
        expect(result, 0)
        assert result.stdout.startswith("usage: switchyard"), words
        assert result.stderr == "", words


@case
def help_lists_every_option_with_its_range(w):
    text = w.run("run", "--help").stdout
    for word in ("--jobs", "1 .. 1000000", "--stack-bytes", "16384 ..",
                 "--duration", "10ms .. 1h", "default: workers:1"):
        assert word in text, word


@case
def help_of_unknown_subcommand(w):
    expect(w.run("help", "rnu"), 2, err="did you mean 'run'?", out="")


@case
def unknown_option(w):
    expect(w.run("run", "--job", "4"), 2,
           err=["unknown option '--job'", "did you mean '--jobs'?"], out="")
    expect(w.run("list", "--jsno"), 2, err="did you mean '--json'?", out="")
    expect(w.run("run", "-j", "4"), 2, err="unknown option '-j'", out="")
    expect(w.run("--versoin"), 2, err="unknown option", out="")


@case
def option_without_value(w):
    expect(w.run("run", "--jobs"), 2, err="--jobs needs a value", out="")


@case
def flag_with_value(w):
    expect(w.run("list", "--json=yes"), 2, err="--json takes no value", out="")


@case
def operand_where_none_is_taken(w):
    expect(w.run("list", "everything"), 2, err="takes no operand 'everything'",
           out="")


@case
def conform_without_file(w):
    expect(w.run("conform"), 2, err="conform needs a file", out="")


# ---- names ----------------------------------------------------------------


@case
def unknown_switcher(w):
    expect(w.run("run", "--switcher", "setjump"), 2,
           err=["unknown switcher 'setjump'", "did you mean 'setjmp'?"], out="")


@case
def unknown_engine(w):
    expect(w.run("run", "--engine", "evenfd"), 2,
           err=["unknown engine", "did you mean 'eventfd'?"], out="")
    expect(w.run("run", "--engine", "pipe+selct"), 2,
           err="did you mean 'pipe+select'?", out="")
    expect(w.run("run", "--engine", "!quue"), 2,
           err="did you mean 'queue'?", out="")


@case
def unknown_workload(w):
    expect(w.run("run", "--workload", "rsa-sign"), 2,
           err="unknown workload 'rsa-sign'", out="")
    expect(w.run("run", "--workload", "aes-128-gmc"), 2,
           err="did you mean 'aes-128-gcm'?", out="")


@case
def unknown_combination(w):
    expect(w.run("run", "ucontext+quue"), 2,
           err="did you mean 'ucontext+queue'?", out="")


@case
def unknown_reference(w):
    expect(w.run("run", "--reference", "blokcing"), 2,
           err=["unknown reference 'blokcing'", "did you mean 'blocking'?",
                "callback, openssl, boost_fiber and none"], out="")
    expect(w.run("run", "--reference", "opensll"), 2,
           err="did you mean 'openssl'?", out="")
    expect(w.run("run", "--reference", "openssl,boost-fiber"), 2,
           err="did you mean 'boost_fiber'?", out="")
    expect(w.run("run", "--reference", "!boost_fibre"), 2,
           err="did you mean 'boost_fiber'?", out="")
    expect(w.run("run", "--reference", "peer"), 2,
           err="unknown reference 'peer'", out="")
    path = pathlib.Path(w.folder, "mine.suite")
    path.write_text(SUITE.replace("= none", "= boostfiber"))
    expect(w.run("run", "--suite", str(path)), 2,
           err="did you mean 'boost_fiber'?", out="")


@case
def unknown_device(w):
    expect(w.run("run", "--device", "worker:1"), 2,
           err="did you mean 'workers'?", out="")


@case
def unknown_suite(w):
    expect(w.run("run", "--suite", "standrad"), 2,
           err=["did you mean 'standard'?", "quick", "give a path"], out="")
    pathlib.Path(w.folder, "my.suite").write_text(SUITE)
    expect(w.run("run", "--suite", "my"), 2, err="./my.suite'?", out="")


def planned(w, *words):
    """What a dry run would measure, as (name, the rest) pairs."""
    result = w.run("run", *words, "--no-reference", "--dry-run")
    expect(result, 0)
    return re.findall(r"^ *\d+\. (\S+) +(\S+) on ", result.stdout, re.M)


@case
def half_a_combination_stands_for_all(w):
    assert (sorted(planned(w, "ucontext")) ==
            sorted(planned(w, "ucontext+*")) != [])
    assert sorted(planned(w, "pipe")) == sorted(planned(w, "*+pipe+*"))
    assert planned(w, "ucontext", "!pipe", "!queue,poll") != []
    expect(w.run("run", "ucontex"), 2, err="did you mean 'ucontext'?", out="")


@case
def workloads_are_shown_as_asked(w):
    result = w.run("run", "ucontext+queue", "--no-reference", "--duration",
                   "20ms", "--jobs", "4", "--workload",
                   "sha256,null,aes-128-gcm@4K")
    expect(result, 0)
    headings = re.findall(r"^(\S+) on workers", result.stdout, re.M)
    assert headings == ["sha256@16K", "null", "aes-128-gcm@4K"], headings
    assert {task for _, task in planned(w, "queue", "--workload",
                                        "!n*,!spin,null")} >= {"null"}
    assert "spin" not in str(planned(w, "queue", "--workload", "*,!spin"))


@case
def more_workers_than_cpus_is_said(w):
    cpus = len(os.sched_getaffinity(0))
    result = w.run("run", "ucontext+queue", "--dry-run", "--device",
                   f"workers:{cpus}")
    expect(result, 0, err=f"need {cpus + 1} CPUs")
    assert w.run("run", "--dry-run", "--device", "sim").stderr == ""


@case
def nothing_matched(w):
    expect(w.run("run", "--switcher", "nothing*"), 4, err="nothing matched",
           out="")
    expect(w.run("run", "--engine", "queue,!queue"), 4, err="nothing matched",
           out="")
    expect(w.run("run", "--workload", "x?????????y"), 4,
           err="nothing matched", out="")
    assert w.run_files() == []


@case
def empty_names(w):
    expect(w.run("run", "--switcher", ""), 2, err="names nothing", out="")
    expect(w.run("run", "--engine", ","), 2, err="names nothing", out="")


# ---- values ---------------------------------------------------------------


def expect_refused(w, option, values, *words):
    for value in values:
        expect(w.run("run", option, value), 2,
               err=[option + ":", f"'{value}'", *words], out="")
        expect(w.run("run", f"{option}={value}"), 2, err=option + ":", out="")
    assert w.run_files() == []


@case
def jobs_out_of_range(w):
    expect_refused(w, "--jobs",
                   ["0", "-1", "1000001", "1M", "1k", "99999999999999999999999", "", "1.5",
                    "1e3", "8,", ",8", "8,0", "+8", "0x10", "8 8", "many"],
                   "1 .. 1000000")


@case
def jobs_take_a_suffix(w):
    result = w.run("run", "ucontext+queue", "--jobs", "8,2K", "--dry-run")
    expect(result, 0)
    assert "2048 in flight" in result.stdout, result.stdout


@case
def duration_out_of_range(w):
    expect_refused(w, "--duration",
                   ["0s", "-1s", "2", "9ms", "2h", "1.5s", "s", "2 s", "2S",
                    "99999999999999999999s", "9999999999999999h"],
                   "10ms .. 1h")


@case
def seed_out_of_range(w):
    expect_refused(w, "--seed", ["-1", "9223372036854775808", "x", ""],
                   "0 .. 9223372036854775807")


@case
def stack_bytes_out_of_range(w):
    page = resource.getpagesize()
    expect_refused(w, "--stack-bytes",
                   ["0", "-65536", "4096", "16383", str(16384 + 1),
                    str(65536 + page // 2), "2G", "65536B",
                    "99999999999999999999G"],
                   "16384 .. 1073741824", f"a multiple of {page}")


@case
def verify_is_a_choice(w):
    expect_refused(w, "--verify", ["none", "", "ALL"], "accepted: all, sample")


@case
def malformed_device(w):
    for spec, word in (("workers:0", "workers"), ("workers:-1", "workers"),
                       ("workers:many", "workers"),
                       ("workers:99999999", "workers"),
                       ("sim:servers=0", "servers"),
                       ("sim:srevers=1", "srevers"),
                       ("sim:queue=0", "queue"),
                       ("sim:service=lognormal", "service"),
                       ("sim:service=lognormal:50", "service"),
                       ("sim:service=lognormal:-50us:0.3", "service"),
                       ("sim:servers", "servers"), ("sim:,", "sim"),
                       ("", "device")):
        result = w.run("run", "--device", spec, *SHORT)
        expect(result, 2, err=["--device", word] if spec else "device", out="")
    assert w.run_files() == []


@case
def results_made_beforehand(w):
    """More is done than one CPU could compute, and it is verified."""
    result = w.run("run", "ucontext+queue", "--reference", "software",
                   "--workload", "precomputed:rsa2048-sign,precomputed:null",
                   "--jobs", "16", "--duration", "100ms", "--device",
                   "sim:servers=64,service=fixed:200us,mode=poll", "--json")
    expect(result, 0)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["mix"][0]["workload"] for r in records].count(
        "precomputed:rsa2048-sign") == 2, result.stdout
    for r in records:
        assert r["status"] == "ok" and r["verification"]["verified"] > 0, r
        if r["row"] != "software":
            assert r["device"].startswith("sim:"), r
    for name, word in (("precomputed:tls13-handshake", "6 steps"),
                       ("precomputed:", "switchyard list"),
                       ("precomputed:nul", "null"),
                       ("precomputed:null@4", "takes no size"),
                       ("precomputed:precomputed:null", "switchyard list")):
        expect(w.run("run", "--workload", name), 2, err=word, out="")


@case
def the_knee_of_the_number_of_jobs(w):
    """Four at once, by a device that waits for four: fewer take twenty times
    as long."""
    result = w.run("run", "ucontext+queue", "--reference", "software",
                   "--workload", "precomputed:rsa2048-sign", "--jobs", "4",
                   "--sweep-of", "ucontext+queue", "--sweep-jobs", "1,3,4,32",
                   "--duration", "200ms", "--device",
                   "sim:servers=4,service=fixed:1ms,batch=4,gather=20ms,"
                   "mode=poll")
    expect(result, 0)
    assert re.search(r"the fewest with 95 % of the highest throughput: "
                     r"(4|32)\n", result.stdout), result.stdout
    assert re.search(r"the fewest with as much as software alone "
                     r"\([\d,]+ ops/s\): 4\n", result.stdout), result.stdout


@case
def workload_size_out_of_range(w):
    for name, word in (("aes-128-gcm@0", "range"), ("aes-128-gcm@-1", "range"),
                       ("aes-128-gcm@99999999999999999999", "range"),
                       ("aes-128-gcm@", "range"), ("aes-128-gcm@x", "range"),
                       ("x25519@16", "takes no size")):
        expect(w.run("run", "--workload", name), 2,
               err=["--workload", word], out="")
    result = w.run("run", "--workload", "spin@0")
    expect(result, 2, err="nanoseconds", out="")
    assert "bytes" not in result.stderr, result.stderr


@case
def sweep_options_go_together(w):
    expect(w.run("run", "--sweep-jobs", "1,8"), 2, err="go together", out="")


# ---- list and version ------------------------------------------------------


@case
def list_names_everything(w):
    result = w.run("list")
    expect(result, 0)
    for word in ("asm", "setjmp", "ucontext", "threads", "direct", "queue",
                 "io_uring", "eventfd+epoll", "pipe+select", "poll", "sim",
                 "workers", "null", "tls13-handshake", "software",
                 "callback", "openssl", "boost_fiber"):
        assert re.search(rf"^{re.escape(word)}\s", result.stdout, re.M) or (
            word == "asm"), word
    assert result.stderr == ""


@case
def list_json_gives_a_reason_where_it_does_not_work(w):
    result = w.run("list", "--json")
    expect(result, 0)
    data = json.loads(result.stdout)
    for kind in ("switchers", "engines", "devices", "workloads",
                 "references"):
        assert data[kind], kind
        for part in data[kind]:
            assert part["works"] or part["reason"], part
    loops = {e["name"]: e["own_event_loop"] for e in data["engines"]}
    assert loops["queue"] and loops["pipe+epoll"], loops
    assert not loops["pipe+select"] and not loops["poll"], loops


@case
def list_verbose_tells_features(w):
    data = json.loads(w.run("list", "--json", "--verbose").stdout)
    engines = {e["name"]: e for e in data["engines"]}
    for engine in data["engines"]:
        assert engine["works"] or not engine["features"], engine
        for feature in engine["features"]:
            assert feature["state"] in ("used", "missing", "not used"), feature
            assert feature["state"] == "used" or feature["instead"], feature
    result = w.run("list", "--verbose")
    expect(result, 0)
    for name in ("io_uring", "eventfd+io_uring"):
        if not engines[name]["works"]:
            raise Skip("no io_uring here: " + engines[name]["reason"])
        assert engines[name]["features"], name
        for feature in engines[name]["features"]:
            assert re.search(rf"^{re.escape(name)}\s+"
                             rf"{re.escape(feature['name'])}\s+"
                             rf"{feature['state']}\b",
                             result.stdout, re.M), (feature, result.stdout)
    usual = json.loads(w.run("list", "--json").stdout)
    assert "features" not in usual["engines"][0], usual["engines"][0]
    assert "Features of" not in w.run("list").stdout
    # One feature refused: it is missing, and the engine works.
    result = w.run("list", "--json", "--verbose",
                   preexec_fn=lambda: refuse_io_uring(427))  # register
    for engine in json.loads(result.stdout)["engines"]:
        if engine["name"] in ("io_uring", "eventfd+io_uring"):
            assert engine["works"], engine
            states = {f["name"]: f["state"] for f in engine["features"]}
            assert states["registered ring descriptor"] == "missing", states


@case
def list_has_no_escapes_without_a_terminal(w):
    assert "\033" not in w.run("list").stdout


@case
def version_words(w):
    for words in (["version"], ["--version"]):
        result = w.run(*words)
        expect(result, 0)
        assert result.stdout.startswith("switchyard 0."), result.stdout
        assert "OpenSSL" in result.stdout
    data = json.loads(w.run("version", "--json").stdout)
    for key in ("version", "git", "openssl", "liburing", "compiler",
                "build_type"):
        assert key in data, key


@case
def stdout_that_cannot_be_written(w):
    with open("/dev/full", "w") as full:
        result = subprocess.run([w.command, "list"], stdout=full,
                                stderr=subprocess.PIPE, text=True, timeout=60)
    assert result.returncode == 3, result
    assert "standard output" in result.stderr, result.stderr


# ---- parts from files -----------------------------------------------------


@case
def load_missing_file(w):
    expect(w.run("run", "--load", "./missing.so", *SHORT), 3,
           err=["--load", "missing.so"], out="")
    expect(w.run("list", "--load", "missing.so"), 3, err="missing.so", out="")
    expect(w.run("conform", "./missing.so"), 3, err="missing.so", out="")


@case
def load_something_else(w):
    text = pathlib.Path(w.folder, "text.so")
    text.write_text("not a shared object\n")
    expect(w.run("list", "--load", "./text.so"), 3, err="text.so", out="")
    expect(w.run("list", "--load", w.part("no_part.so")), 3,
           err=["holds no part", "sy_part_switcher"], out="")


@case
def load_another_abi(w):
    expect(w.run("list", "--load", w.part("old_abi_part.so")), 3,
           err=["sy_part_engine", "ABI 9999"], out="")
    result = w.run("conform", w.part("old_abi_part.so"))
    expect(result, 1)
    assert "ABI 9999" in result.stdout, result.stdout


@case
def load_twice_is_a_clash(w):
    part = w.part("loaded_device.so")
    expect(w.run("list", "--load", part, "--load", part), 3,
           err="is taken", out="")


@case
def loaded_parts_are_measured(w):
    result = w.run("run", "--load", w.part("loaded_device.so"), "--load",
                   w.part("loaded_workload.so"), "--load",
                   w.abi_part("good_switcher.so"), "--workload", "square",
                   "--device", "one-at-a-time", "--duration", "20ms",
                   "--jobs", "4", "--no-reference", "--verify", "all", "--json",
                   "good+queue")
    expect(result, 0)
    assert "not checked by run" in result.stderr, result.stderr
    (record,) = [json.loads(s) for s in result.stdout.splitlines()]
    assert record["status"] == "ok", record
    assert record["name"] == "good+queue", record
    assert record["switcher"] == "good" and record["engine"] == "queue", record
    assert record["device"] == "one-at-a-time", record
    assert [item["workload"] for item in record["mix"]] == ["square"], record
    operations = record["window"]["operations"]
    assert record["verification"]["verified"] == operations > 0, record
    assert record["window"]["device"]["refused"] > 0, record


@case
def conform_passes_a_good_switcher(w):
    result = w.run("conform", w.abi_part("good_switcher.so"), timeout=300)
    expect(result, 0)
    assert re.search(r"[1-9]\d* passed, 0 failed", result.stdout)


@case
def conform_names_the_lost_register(w):
    # Bodies that crash for want of r12, in children, are no findings of ours.
    options = os.environ.get("ASAN_OPTIONS", "")
    result = w.run("conform", w.abi_part("bad_switcher.so"), timeout=300,
                   env={"ASAN_OPTIONS": options + ":log_path=stderr"})
    expect(result, 1)
    assert "register r12 was lost" in result.stdout, result.stdout


@case
def conform_says_little_unless_asked(w):
    part = w.part("loaded_device.so")
    few = w.run("conform", part, timeout=120).stdout
    many = w.run("conform", "--verbose", part, timeout=120).stdout
    assert len(few.split()) < len(many.split()) and ": ok" not in few, few
    assert "announces_everything: ok" in many, many


@case
def conform_checks_devices_and_workloads(w):
    for name in ("loaded_device.so", "loaded_workload.so"):
        result = w.run("conform", w.part(name), timeout=120)
        expect(result, 0)
        assert re.search(r"[1-9]\d* passed, 0 failed", result.stdout)


# ---- suites ---------------------------------------------------------------

SUITE = """[mix]
null = 1
[factors]
switchers = ucontext
engines = queue
jobs = 4
references = none
[load]
duration = 20ms
"""


def expect_suite_error(w, text, *words):
    path = pathlib.Path(w.folder, "mine.suite")
    path.write_text(text)
    expect(w.run("run", "--suite", str(path)), 2,
           err=["mine.suite:", *words], out="")


@case
def suites_of_the_project_are_read(w):
    for name in ("quick", "standard", "sweet-spot", "rigorous"):
        result = w.run("run", "--suite", name, "--dry-run")
        expect(result, 0)
        assert "experiments, about" in result.stdout


@case
def standard_suite_is_short_enough(w):
    result = w.run("run", "--suite", "standard", "--dry-run")
    minutes, seconds = re.search(r"about (?:(\d+) min )?(\d+) s\n",
                                 result.stdout).groups()
    seconds = int(minutes or 0) * 60 + int(seconds)
    assert seconds <= 150, f"{seconds} s"


@case
def suite_errors_name_line_key_and_range(w):
    expect_suite_error(w, SUITE.replace("jobs = 4", "jobs = 0"),
                       "mine.suite:6:", "jobs", "1 .. 1000000")
    expect_suite_error(w, SUITE.replace("20ms", "20"), ":9:", "duration",
                       "10ms .. 1h")
    expect_suite_error(w, SUITE.replace("null = 1", "null = 0"), ":2:", "null",
                       "1 .. 1000000")
    expect_suite_error(w, SUITE.replace("jobs", "jbos"), ":6:",
                       "did you mean 'jobs'?")
    expect_suite_error(w, SUITE.replace("[load]", "[laod]"), ":8:",
                       "did you mean 'load'?")
    expect_suite_error(w, SUITE.replace("jobs = 4", "jobs = 4\njobs = 5"),
                       ":7:", "given twice")
    expect_suite_error(w, SUITE.replace("null = 1", "nul = 1"), ":2",
                       "unknown workload")
    expect_suite_error(w, SUITE.replace("[mix]\nnull = 1\n", ""), "[mix]")
    expect_suite_error(w, "[mix]\n", ":1:", "names no workload")
    expect_suite_error(w, "null = 1\n", ":1:", "before the first")
    expect_suite_error(w, SUITE + "kind = open\n", ":10:", "kind", "closed")


@case
def suite_that_is_not_there(w):
    expect(w.run("run", "--suite", "./none.suite"), 3, err="none.suite",
           out="")
    expect(w.run("run", "--suite", "/"), 2, err="--suite", out="")


@case
def suite_hash_is_in_the_result(w):
    path = pathlib.Path(w.folder, "mine.suite")
    path.write_text(SUITE)
    expect(w.run("run", "--suite", str(path)), 0)
    digest = subprocess.run(["sha256sum", str(path)], text=True, check=True,
                            stdout=subprocess.PIPE).stdout.split()[0]
    (file,) = w.run_files("runs/**/*.jsonl")
    lines = records_of(file)
    assert lines[0]["suite"] == {"name": "mine", "sha256": digest}, lines[0]
    assert len(lines) == 3, lines


@case
def options_override_a_suite(w):
    path = pathlib.Path(w.folder, "mine.suite")
    path.write_text(SUITE)
    result = w.run("run", "--suite", str(path), "--jobs", "2,3", "--dry-run")
    expect(result, 0)
    assert "2 in flight" in result.stdout and "3 in flight" in result.stdout
    assert "4 in flight" not in result.stdout


@case
def suite_found_through_the_environment(w):
    pathlib.Path(w.folder, "elsewhere.suite").write_text(SUITE)
    expect(w.run("run", "--suite", "elsewhere", "--dry-run",
                 env={"SWITCHYARD_SUITES": w.folder}), 0)


# ---- runs and their files --------------------------------------------------


@case
def run_prints_a_table_with_references(w):
    result = w.run("run", *SHORT, "--switcher", "ucontext,setjmp", "--engine",
                   "queue,pipe+select", "--sweep-of", "ucontext+queue",
                   "--sweep-jobs", "1,8")
    expect(result, 0, err=["wrote runs/", f"to repeat it: {w.command} run"])
    for word in ("ops/s", "CPU per job", "per job", "verified", "Noise:",
                 "ucontext+queue", "setjmp+pipe+select", "software",
                 "blocking", "callback", *peers_here(w),
                 "Best for this workload",
                 "What matters", "asynchronous or not", "jobs in flight",
                 "engine (", "switcher ("):
        assert word in result.stdout, word
    assert "\033" not in result.stdout + result.stderr


def references(w):
    """The reference rows of `switchyard list`, as name: part."""
    listed = json.loads(w.run("list", "--json").stdout)["references"]
    return {part["name"]: part for part in listed}


def peers_here(w):
    return [name for name, part in references(w).items() if part["works"] and
            name not in ("software", "blocking", "callback")]


@case
def every_peer_meets_every_workload(w):
    """As a row of its own, with all results verified."""
    peers = peers_here(w)
    assert "openssl" in peers, peers
    result = w.run("run", "--duration", "20ms", "--jobs", "16", "--workload",
                   "*,!rsa*", "--device", "workers:1", "--device",
                   "sim:servers=4,service=fixed:50us", "ucontext+queue",
                   "--reference", ",".join(peers), "--verify", "all", "--json",
                   timeout=180)
    expect(result, 0)
    seen = set()
    for line in result.stdout.splitlines():
        record = json.loads(line)
        assert record["status"] == "ok", record
        verification = record["verification"]
        assert verification["verified"] == record["window"]["operations"] > 0
        assert verification["wrong"] == 0, record
        if record["row"] == "combination":
            assert record["peer"] is record["peer_switch"] is None, record
            continue
        assert record["row"] == record["peer"] == record["name"], record
        assert record["peer_switch"], record
        assert record["window"]["device"]["completed"] > 0, record
        seen.add((record["peer"], record["mix"][0]["workload"],
                  record["device"]))
    tasks = {row[1:] for row in seen}
    assert seen == {(peer, *task) for peer in peers for task in tasks}
    assert len(tasks) >= 2 * 7, tasks


@case
def peers_are_rows_by_default(w):
    names = re.findall(r"^ *\d+\. (\S+)", w.run(
        "run", "ucontext+queue", "--dry-run").stdout, re.M)
    assert sorted(names) == sorted(["ucontext+queue", *(
        name for name, part in references(w).items() if part["works"])]), names


@case
def a_peer_that_was_not_built_is_there_on_request(w):
    absent = [name for name, part in references(w).items()
              if not part["works"]]
    if not absent:
        raise Skip("every peer was built")
    for glob in ("*", f"{absent[0][:-1]}?", "!software"):
        planned_names = w.run("run", "ucontext+queue", "--dry-run",
                              "--reference", glob).stdout
        assert absent[0] not in planned_names, (glob, planned_names)
    result = w.run("run", *SHORT, "ucontext+queue", "--reference",
                   absent[0] + ",*", "--json")
    expect(result, 0)
    (record,) = [r for r in map(json.loads, result.stdout.splitlines())
                 if r["name"] == absent[0]]
    assert record["status"] == "skipped", record
    assert "built without" in record["reason"], record
    assert record["peer"] == absent[0] and not record["peer_switch"], record


@case
def a_peer_fails_with_its_name(w):
    for peer in peers_here(w):
        result = w.run("run", "--duration", "2s", "--jobs", "4", "--load",
                       w.part("wrong_workload.so"), "--workload",
                       "wrong-at-1000", "ucontext+queue", "--reference", peer,
                       "--verify", "all", "--json")
        expect(result, 1)
        (record,) = [r for r in map(json.loads, result.stdout.splitlines())
                     if r["name"] == peer]
        assert record["status"] == "failed", record
        assert record["failed_operation"] == 1000, record
        assert f"{peer}, operation number 1000" in record["reason"], record


@case
def a_row_alone_is_no_contest(w):
    result = w.run("run", *SHORT, "ucontext+queue", "--no-reference")
    expect(result, 0)
    for word in ("Best", "What matters", "Noise"):
        assert word not in result.stdout, result.stdout


@case
def what_cannot_pause_stands_below_the_line(w):
    result = w.run("run", *SHORT, "direct+queue", "ucontext+queue")
    expect(result, 0)
    main, rest = re.split(r"^-+\n", result.stdout, maxsplit=2,
                          flags=re.M)[1:]
    assert "ucontext+queue" in main and "direct+queue" not in main
    assert rest.startswith("direct+queue"), rest
    assert "because direct cannot pause" in rest, rest


@case
def the_table_fits_120_columns(w):
    result = w.run("run", "--duration", "20ms", "--workload", "x25519",
                   "--switcher", "ucontext,threads", "--engine", "eventfd,pipe",
                   "--seed", "1,2", "--jobs", "64")
    expect(result, 0)
    table = result.stdout.split("\n\n")[1]
    assert max(map(len, table.splitlines())) <= 120, table


@case
def a_busy_machine_is_said(w):
    if not os.access("/proc/stat", os.R_OK):
        raise Skip("/proc/stat cannot be read")
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
               for _ in range(len(os.sched_getaffinity(0)))]
    try:
        result = w.run("run", "ucontext+queue", "ucontext+poll", "--workload",
                       "null", "--jobs", "4", "--duration", "500ms")
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    expect(result, 0)
    assert "The machine was busy: other programs" in result.stdout
    assert (result.stdout.index("The machine was busy") <
            result.stdout.index("Best for this")), result.stdout


@case
def differences_within_the_noise_are_not_ranked(w):
    result = w.run("run", *SHORT, "ucontext+queue", "ucontext+eventfd+epoll",
                   "setjmp+queue", "--seed", "1,2,3", "--reference", "none")
    expect(result, 0)
    assert "Noise: the rounds of one row differed" in result.stdout
    noise = float(re.search(r"A factor below x ([\d.]+) says nothing",
                            result.stdout).group(1))
    ranking = re.search(r"By effect on throughput: (.*)", result.stdout)
    if ranking is None:
        assert "does not\n  tell which pair" in result.stdout, result.stdout
        return
    for effect in ranking.group(1).split(", "):
        factor = float(re.search(r"x ([\d.]+)", effect).group(1))
        assert factor >= noise or "within the noise" in effect, ranking


@case
def run_file_and_json_follow_the_schema(w):
    if not w.schema or not os.path.exists(w.schema):
        raise Skip("the schema is not there")
    try:
        import jsonschema
    except ImportError:
        raise Skip("python3-jsonschema is not installed") from None
    with open(w.schema) as file:
        schema = json.load(file)
    checker = jsonschema.validators.validator_for(schema)(schema)
    result = w.run("run", *SHORT, "ucontext+queue", "setjmp+pipe", "--json")
    expect(result, 0)
    lines = result.stdout.splitlines()
    assert len(lines) == 4 + 3 + len(peers_here(w)), result.stdout
    (file,) = w.run_files("runs/**/*.jsonl")
    written = file.read_text().splitlines()
    assert written[1:-1] == lines, "records differ from the file's"
    for line in written:
        checker.validate(json.loads(line))


def on_a_terminal(w, **environment):
    """Run with standard error on a terminal; return what it showed."""
    master, slave = pty.openpty()
    env = dict(os.environ, TERM="xterm", **environment)
    process = subprocess.Popen(
        [w.command, "run", *SHORT, "ucontext+queue", "--no-reference"],
        cwd=w.folder, env=env, stdout=subprocess.DEVNULL, stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
    except OSError:
        pass  # how a terminal says that nobody writes any more
    os.close(master)
    assert process.wait(timeout=60) == 0, shown
    return shown


@case
def progress_line_updates_itself_on_a_terminal(w):
    shown = on_a_terminal(w)
    assert b"\r\033[K[1/1] ucontext+queue" in shown, shown
    env = {"NO_COLOR": "1"}
    shown = on_a_terminal(w, **env)
    assert b"\033" not in shown and b"[1/1] ucontext+queue" in shown, shown


@case
def dry_run_writes_nothing(w):
    result = w.run("run", *SHORT, "--dry-run")
    expect(result, 0)
    assert "experiments, about" in result.stdout
    assert w.run_files() == []


@case
def order_follows_the_seed(w):
    def order(seed):
        return w.run("run", "--dry-run", "--seed", seed).stdout
    assert order("5") == order("5")
    assert order("5").replace("seed 5", "") != order("6").replace("seed 6", "")


@case
def further_seeds_repeat(w):
    result = w.run("run", *SHORT, "ucontext+queue", "--no-reference", "--seed",
                   "1,2,3")
    expect(result, 0)
    assert "rounds" in result.stdout and "Noise" in result.stdout
    (file,) = w.run_files("runs/**/*.jsonl")
    assert len(records_of(file)) == 5


@case
def every_result_is_verified_when_asked(w):
    result = w.run("run", *SHORT, "ucontext+queue", "--no-reference",
                   "--verify", "all", "--json")
    expect(result, 0)
    record = json.loads(result.stdout)
    verification = record["verification"]
    assert verification["every"] == 1, record
    assert verification["verified"] == record["window"]["operations"] > 0, record
    assert verification["wrong"] == 0, record
    assert "do not compare speed" in w.run(
        "run", *SHORT, "ucontext+queue", "--no-reference", "--verify",
        "all").stdout


@case
def out_folder_that_cannot_be_written(w):
    blocker = pathlib.Path(w.folder, "file")
    blocker.write_text("")
    expect(w.run("run", *SHORT, "--out", "file/runs"), 3, err="--out", out="")
    expect(w.run("run", *SHORT, "--out", "/proc/nowhere"), 3, err="--out",
           out="")


@case
def out_folder_without_permission(w):
    folder = pathlib.Path(w.folder, "closed")
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o555)
        expect(w.run("run", *SHORT, "--out", str(folder)), 3, err="--out",
               out="")
        return
    runner = shutil.which("setpriv")
    if runner is None:
        raise Skip("root may write everywhere, and setpriv is not installed")
    # 65534 may have no way to the command's folder; its copy is in reach.
    os.chmod(w.folder, 0o755)
    copy = pathlib.Path(w.folder, "switchyard")
    shutil.copy(w.command, copy)
    result = subprocess.run(
        [runner, "--reuid=65534", "--regid=65534", "--clear-groups",
         str(copy), "run", *SHORT, "--out", str(folder)], cwd=w.folder,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if "ermission denied" in result.stderr and result.returncode in (126, 127):
        raise Skip("the case's folder is out of reach for another user")
    expect(result, 3, err="--out", out="")
    assert list(folder.iterdir()) == []


@case
def disk_full(w):
    if os.geteuid() != 0:
        raise Skip("only root may mount a small tmpfs")
    disk = pathlib.Path(w.folder, "disk")
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o",
                              "size=16k,nr_inodes=64", "tmpfs", str(disk)],
                             stderr=subprocess.PIPE, text=True)
    if mounted.returncode != 0:
        raise Skip("no tmpfs: " + mounted.stderr.strip())
    try:
        result = w.run("run", "--duration", "10ms", "--workload", "null",
                       "--jobs", "4", "--seed", "1,2,3", "--engine", "queue",
                       "--out", str(disk))
        expect(result, 3, err=["--out", "No space left", "wrote "])
        assert re.search(r"^asm\+queue +4 +[\d,]+", result.stdout, re.M), result
        (left,) = [p for p in disk.glob("**/*") if p.is_file()]
        lines = [json.loads(line) for line in left.read_text().splitlines()]
        assert sum(line["type"] == "record" for line in lines) >= 1, lines
        exported = w.run("export", str(left))
        if left.suffix == ".tmp":  # not even the end had room
            expect(exported, 4, err="is incomplete")
        else:
            expect(exported, 0, err="was interrupted")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@case
def file_size_limit_is_like_a_full_disk(w):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
    result = w.run("run", *SHORT, "--switcher", "ucontext,setjmp",
                   preexec_fn=limit)
    expect(result, 3, err=["--out", "File too large"])
    for path in w.run_files("runs/**/*.jsonl*"):
        if path.suffix == ".tmp":
            expect(w.run("export", str(path)), 4, err="is incomplete")
        else:
            expect(w.run("export", str(path)), 0, err="was interrupted")


@case
def few_descriptors(w):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    result = w.run("run", "--duration", "20ms", "--workload", "null", "--jobs",
                   "500", "--switcher", "ucontext", "--engine",
                   "queue,eventfd+epoll,pipe+select", "--no-reference",
                   "--json", preexec_fn=limit)
    expect(result, 0)
    records = {record["engine"]: record
               for record in map(json.loads, result.stdout.splitlines())}
    assert len(records) == 3, sorted(records)
    assert records["queue"]["status"] == "ok", records["queue"]
    for name, record in records.items():
        if name == "queue":
            continue
        assert record["status"] == "skipped", record
        assert re.search(r"descriptor|64", record["reason"]), record["reason"]


@case
def full_device_loses_nothing(w):
    result = w.run("run", *SHORT, "ucontext+queue", "--no-reference",
                   "--verify", "all", "--jobs", "64", "--device",
                   "sim:servers=1,service=fixed:10us,queue=2", "--json")
    expect(result, 0)
    record = json.loads(result.stdout)
    assert record["status"] == "ok", record
    window, verification = record["window"], record["verification"]
    assert window["device"]["refused"] > 0, window
    assert verification["verified"] == window["operations"] > 0, record
    assert verification["wrong"] == 0, record
    # What is lost never comes back, so no more than the jobs may be missing
    # from what entered the device in the window, or came from before it.
    device = window["device"]
    assert abs(device["submitted"] - device["completed"]) <= 64, device
    assert abs(device["completed"] - window["operations"]) <= 64, window


@case
def late_device_is_named(w):
    """The device is busy with the computation, far beyond its service time."""
    result = w.run("run", "--duration", "400ms", "--workload",
                   "ecdsa-p256-sign", "--jobs", "16", "ucontext+queue",
                   "--no-reference",
                   "--device", "sim:servers=16,service=fixed:1us,mode=poll")
    expect(result, 0)
    assert re.search(r"^The device itself was late.*: ucontext\+queue "
                     r"\([\d.,]+ of [\d.,]+ us\)\.$", result.stdout,
                     re.M), result.stdout


@case
def one_job_is_shown_where_no_more_are_possible(w):
    result = w.run("run", *SHORT, "direct+queue", "--no-reference")
    expect(result, 0)
    assert re.search(r"^direct\+queue +1 ", result.stdout, re.M), result.stdout


@case
def wrong_result_fails_the_run(w):
    words = ["run", "--duration", "2s", "--jobs", "4", "--load",
             w.part("wrong_workload.so"), "--workload", "wrong-at-1000",
             "setjmp+pipe+select", "--no-reference", "--verify", "all"]
    result = w.run(*words)
    expect(result, 1)
    text = "".join(result.stdout.splitlines(keepends=True)) + result.stderr
    for word in ("FAILED", "wrong result: workload wrong-at-1000, "
                 "setjmp+pipe+select, operation number 1000"):
        assert word in text, text
    result = w.run(*words, "--json")
    expect(result, 1)
    record = json.loads(result.stdout)
    assert record["status"] == "failed", record
    assert record["failed_operation"] == 1000, record
    assert record["verification"]["wrong"] == 1, record


def refuse_io_uring(number=425):
    """Refuse io_uring_setup(2) with EPERM, as container runtimes do."""
    import ctypes
    import struct
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in (
        (load, 0, 0, 0),              # the number of the system call
        (jump_if_equal, 0, 1, number),   # the same on every architecture
        (give, 0, 0, 0x00050001),     # SECCOMP_RET_ERRNO | EPERM
        (give, 0, 0, 0x7fff0000)))    # SECCOMP_RET_ALLOW
    buffer = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(
        struct.pack("HP", 4, ctypes.addressof(buffer)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    if (prctl(38, 1, 0, 0, 0) != 0 or   # PR_SET_NO_NEW_PRIVS
            prctl(22, 2, ctypes.addressof(program), 0, 0) != 0):
        raise OSError(ctypes.get_errno(), "no seccomp filter")


def expect_without_io_uring(w, reason, **more):
    """The engines on io_uring say why they do not work; the rest does."""
    usual = {e["name"]: e
             for e in json.loads(w.run("list", "--json").stdout)["engines"]}
    if not usual["io_uring"]["works"]:
        raise Skip("no io_uring here: " + usual["io_uring"]["reason"])
    result = w.run("list", "--json", **more)
    expect(result, 0)
    for engine in json.loads(result.stdout)["engines"]:
        if "io_uring" in engine["name"]:
            assert not engine["works"], engine
            assert reason in engine["reason"], engine
        else:
            assert engine == usual[engine["name"]], engine
    result = w.run("run", *SHORT, "--switcher", "ucontext", "--no-reference",
                   "--json", **more)
    expect(result, 0)
    for line in result.stdout.splitlines():
        record = json.loads(line)
        if "io_uring" in record["name"]:
            assert record["status"] == "skipped", record
            assert reason in record["reason"], record
        else:
            assert record["status"] == "ok", record


@case
def io_uring_refused_by_a_filter(w):
    expect_without_io_uring(w, "forbidden here", preexec_fn=refuse_io_uring)


@case
def liburing_is_not_there_at_run_time(w):
    options = os.environ.get("ASAN_OPTIONS", "")
    expect_without_io_uring(
        w, "liburing.so.2 was not found",
        env={"LD_PRELOAD": w.part("hide_liburing.so"),
             "ASAN_OPTIONS": options + ":verify_asan_link_order=0"})


def start(w, *words):
    return subprocess.Popen([w.command, *words], cwd=w.folder, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def interrupt_when(w, number, process, line):
    """Send the signal when progress shows the line."""
    seen = ""
    for text in process.stderr:
        seen += text
        if line in text:
            time.sleep(0.3)
            process.send_signal(number)
            break
    out, err = process.communicate(timeout=60)
    return out, seen + err


def check_interrupted(w, number):
    process = start(w, "run", "--duration", "1s", "--workload", "null",
                    "--jobs", "4", "--switcher", "ucontext,setjmp", "--engine",
                    "queue,pipe")
    out, err = interrupt_when(w, number, process, "[2/")
    assert process.returncode == 130, f"exit {process.returncode}: {err}"
    assert "interrupted" in err and "wrote runs/" in err, err
    (file,) = w.run_files("runs/**/*.jsonl")
    lines = records_of(file)
    assert 3 <= len(lines) <= 4, lines
    assert lines[-1]["interrupted"] is True, lines[-1]
    assert lines[-1]["records"] == len(lines) - 2, lines[-1]
    assert w.run_files("runs/**/*.tmp") == []
    assert "not run" in out, out


@case
def interrupt_keeps_what_was_measured(w):
    check_interrupted(w, signal.SIGINT)


@case
def terminate_keeps_what_was_measured(w):
    check_interrupted(w, signal.SIGTERM)


@case
def interrupt_of_the_whole_group(w):
    """As the terminal does it: the children get the signal too."""
    process = subprocess.Popen(
        [w.command, "run", "--duration", "2s", "--workload", "null", "--jobs",
         "4", "ucontext+queue", "--json"], cwd=w.folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, f"exit {process.returncode}: {err}"
    (file,) = w.run_files("runs/**/*.jsonl")
    assert records_of(file)[-1]["interrupted"] is True
    assert '"status": "failed"' not in out.replace('":"', '": "'), out


@case
def killed_run_leaves_nothing_that_looks_whole(w):
    process = start(w, "run", "--duration", "5s", "--workload", "null",
                    "--jobs", "4", "ucontext+queue")
    interrupt_when(w, signal.SIGKILL, process, "[1/")
    assert w.run_files("runs/**/*.jsonl") == []


if __name__ == "__main__":
    sys.exit(main(World, "command", "--parts", "--abi-parts", "--schema"))
