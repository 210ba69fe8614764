#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a report says of made runs, in each of its forms.

usage: report_contents.py ANALYSIS-FOLDER [--only NAME]

Exit 0 if it says what it should, 1 otherwise, 77 without a package.
"""

import atexit
import base64
import csv
import functools
import gzip
import html.parser
import io
import json
import os
import pathlib
import re
import struct
import sys
import tempfile
import urllib.parse
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from cases import case, main  # noqa: E402
import forked_analysis  # noqa: E402
import made_runs  # noqa: E402


class World:
    """A folder with made runs, and the analysis."""

    def __init__(self, args, folder):
        self.analysis = os.path.abspath(args.analysis)
        self.folder = pathlib.Path(folder)

    def run(self, *argv):
        return forked_analysis.run(self.analysis, ["report", *argv],
                                   self.folder)

    def ok(self, *argv):
        done = self.run(*argv)
        assert done.returncode == 0, (done.returncode, done.stderr)
        return done.stdout

    def page(self, *argv):
        self.ok("--out=page.html", *argv)
        return (self.folder / "page.html").read_text()

    def page_of_everything(self, count=3):
        """Made once: many cases look at it, each for something else."""
        if count not in PAGES:
            PAGES[count] = self.page(*everything(count))
        return PAGES[count]


PAGES = {}


@functools.cache
def everything(count=3):
    """Runs of each kind, made once: the report writes nothing into them."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return [str(p) for p in made_runs.write_everything(folder.name, count)]


class Links(html.parser.HTMLParser):
    """Downloads of a page, and whether its elements are properly nested as
    far as that is needed: SVG."""

    def __init__(self, text):
        super().__init__()
        self.found, self.scripts, self.outside = {}, 0, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "a" and "download" in attrs:
            self.found[attrs["download"]] = attrs["href"]
        self.scripts += tag == "script"
        for key in ("src", "href", "xlink:href"):
            value = attrs.get(key)
            if value and not value.startswith(("#", "data:")):
                self.outside.append(value)


def contents(link):
    """Of a data link: (kind, bytes)."""
    head, _, data = link.partition(",")
    assert head.startswith("data:"), head
    raw = (base64.b64decode(data, validate=True) if head.endswith(";base64")
           else urllib.parse.unquote_to_bytes(data))
    return head, gzip.decompress(raw) if "gzip" in head else raw


# ---- the page ---------------------------------------------------------------


@case
def page_needs_nothing_else(w):
    page = Links(w.page_of_everything())
    assert page.scripts == 0
    assert page.outside == [], page.outside


@case
def page_is_small(w):
    for count in (3, 60):
        size = len(w.page_of_everything(count).encode())
        assert size <= 500_000, (count, size)


@case
def page_is_the_same_each_time(w):
    first = w.page(*everything())
    assert first == w.page(*everything()), "two pages of the same runs differ"


@case
def downloads_parse(w):
    links = Links(w.page_of_everything()).found
    names = {name.removesuffix(".gz"): contents(link)[1]
             for name, link in links.items()}
    assert {"report.json", "report.csv", "histograms.hlog"} <= set(names), \
        list(names)
    value = json.loads(names["report.json"])
    assert {s["name"] for s in value["sections"]} >= {"verdict", "trust"}
    for name, data in names.items():
        if name.endswith(".csv"):
            rows = list(csv.reader(io.StringIO(data.decode())))
            assert len(rows) > 1, name
            assert {len(row) for row in rows} == {len(rows[0])}, name
    check_log(names["histograms.hlog"].decode())


def check_log(text):
    lines = [line for line in text.splitlines() if line.startswith("Tag=")]
    assert len(lines) > 10, len(lines)
    for line in lines:
        packed = base64.b64decode(line.rsplit(",", 1)[1], validate=True)
        cookie, length = struct.unpack(">ii", packed[:8])
        assert cookie & ~0xf0 == 0x1c849304 and length == len(packed) - 8
        payload = zlib.decompress(packed[8:])
        assert struct.unpack(">i", payload[:4])[0] & ~0xf0 == 0x1c849303


@case
def svg_is_well_formed(w):
    import xml.etree.ElementTree as tree
    charts = re.findall(r'<svg class="chart".*?</svg>',
                        w.page_of_everything(), re.S)
    assert len(charts) == 10, len(charts)
    for chart in charts:
        tree.fromstring(chart)
        assert chart.count("<title>") > 2, chart[:200]


@case
def a_comparison_speaks_for_single_windows(w):
    run = str(made_runs.write_run(w.folder, "run", made_runs.records(3)))
    lines = made_runs.comparison(3)
    path = str(made_runs.write_run(w.folder, "with", lines))
    assert "(software) does" in w.page(path, run)
    for line in lines:
        if line.get("label") == "ucontext+queue":
            line.update(row="software", name="software", label="software",
                        device=None, switcher=None, engine=None)
    assert "software" in str(lines), [x.get("label") for x in lines[:5]]
    path = str(made_runs.write_run(w.folder, "compared", lines))
    assert "(software) does" not in w.page(path, run)


@case
def throughput_is_drawn_over_the_number_of_jobs(w):
    page = w.page_of_everything()
    assert "by jobs in flight" in page
    assert re.search(r"<title>asm\+queue, 64 jobs: [\d,]+/s</title>", page)
    assert re.search(r"<title>software, one at a time: [\d,]+/s</title>", page)


@case
def no_colour_is_left_that_dark_pages_do_not_know(w):
    for chart in re.findall(r'<svg class="chart".*?</svg>',
                            w.page_of_everything(), re.S):
        left = set(re.findall(r"#[0-9a-f]{6}\b", chart))
        assert not left, (chart[:80], left)


@case
def marks_say_their_value(w):
    page = w.page_of_everything()
    assert re.search(r"<title>ucontext\+queue: 1\.\d\d\d \(", page)
    assert re.search(r"<title>asm\+queue, response: p99 = [0-9.]+ ", page)
    assert "saturated: backlog grows</title>" in page


@case
def names_cannot_break_the_page(w):
    evil = '<script>alert("x")</script>&amp;'
    lines = made_runs.comparison(3)
    for line in lines:
        if line["type"] == "candidate":
            line["label"] += evil
            line["name"] += evil
    page = w.page(str(made_runs.write_run(w.folder, "evil", lines)))
    assert Links(page).scripts == 0
    assert "alert(" in page  # it is shown, as text


@case
def names_cannot_break_the_texts(w):
    lines = made_runs.comparison(3)
    for line in lines:
        if line["type"] == "candidate":
            line["label"] += "<b>\x1b[2J\n# title"
    path = str(made_runs.write_run(w.folder, "evil", lines))
    text = w.ok("--format", "md", path)
    assert "&lt;b>" in text and "<b>" not in text, text
    assert "\n# title" not in text, text
    text = w.ok("--format", "text", path)
    assert "\x1b" not in text and "\\x1b[2J" in text, text


# ---- contrast ---------------------------------------------------------------


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4
              for v in parts]
    return sum(f * v for f, v in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(a, b):
    """As WCAG 2.1 defines it."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@case
def text_can_be_read(w):
    page = w.page_of_everything()
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    schemes = re.findall(r":root \{ (--[^}]*)\}", style)
    assert len(schemes) == 2, len(schemes)
    for scheme in schemes:
        value = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6});", scheme))
        pairs = [(text, paper) for text in
                 ("ink", "muted", "link", "good", "beware", "bad")
                 for paper in ("paper", "card")]
        pairs += [("ink", f"t{i}") for i in range(1, 9)] + [("ink", "band")]
        for text, paper in pairs:
            ratio = contrast(value[text], value[paper])
            assert ratio >= 4.5, (text, paper, ratio)
        for i in range(1, 9):  # lines and marks: WCAG asks for 3:1
            ratio = contrast(value[f"c{i}"], value["paper"])
            assert ratio >= 3, (i, ratio)


@case
def colours_of_text_are_those_that_are_tested(w):
    style = re.search(r"<style>(.*?)</style>", w.page_of_everything(),
                      re.S)[1]
    used = set(re.findall(r"(?<![-a-z])(?:color|fill): var\(--([a-z0-9]+)\)",
                          style))
    assert used <= {"ink", "muted", "link", "good", "beware", "bad"}, used


# ---- what it says -----------------------------------------------------------


@case
def sections_without_data_say_what_would_measure_it(w):
    path = str(made_runs.write_run(w.folder, "c", made_runs.comparison(3)))
    text = w.ok(path)
    for command in ("switchyard load", "switchyard phases", "switchyard cost",
                    "switchyard run"):
        assert re.search(r"No data\. This command would measure it:\n  "
                         + command, text), command
    assert "switchyard compare\n  switchyard" in text  # how to repeat it


@case
def winner_is_named_with_its_lead(w):
    path = str(made_runs.write_run(w.folder, "c", made_runs.comparison(
        3, slower={"setjmp+queue": 1.3, "ucontext+queue": 1.2})))
    text = " ".join(w.ok(path).split())
    assert re.search(r"asm\+queue is the fastest\. The next, ucontext\+queue, "
                     r"takes 1\.(19|20|21|22)", text), text[:600]


@case
def no_winner_is_named_where_there_is_none(w):
    path = str(made_runs.write_run(w.folder, "c", made_runs.comparison(
        2, noise=0.03, slower={"setjmp+queue": 1 / 1.004})))
    assert "no winner" in w.ok(path)


@case
def pair_that_differs_from_itself_comes_first(w):
    path = str(made_runs.write_run(w.folder, "c", made_runs.comparison(
        3, twin_ratio=1.1)))
    verdict = w.ok(path).split("Verdict\n")[1]
    assert verdict.splitlines()[1].startswith(
        "✗ Bad: A candidate differs from itself"), verdict[:200]


@case
def runs_without_a_twin_say_so(w):
    for lines in (made_runs.comparison(3, twin=False), made_runs.records(3)):
        path = str(made_runs.write_run(w.folder, f"r{len(lines)}", lines))
        assert "No A/A pair" in w.ok(path)


@case
def single_runs_are_no_verdict(w):
    path = str(made_runs.write_run(w.folder, "r", made_runs.records(3)))
    text = " ".join(w.ok(path).split())
    assert "so this is no verdict; switchyard compare gives one" in text


@case
def machine_is_judged_as_doctor_does(w):
    path = str(made_runs.write_run(
        w.folder, "c", made_runs.comparison(3), governor="powersave",
        steal_boot_permille=150))
    value = json.loads(w.ok("--format=json", path))
    (table,) = [s["tables"][0] for s in value["sections"]
                if s["name"] == "trust"]
    states = {row[0]: row[1] for row in table["rows"]}
    assert states["frequency governor"] == "beware", states
    assert states["steal since boot"] == "bad", states
    assert states["turbo"] == "good", states


@case
def saturated_points_hold_no_rate(w):
    path = str(made_runs.write_run(w.folder, "l", made_runs.load_points(3)))
    value = json.loads(w.ok("--format=json", path))
    (tables,) = [s["tables"] for s in value["sections"]
                 if s["name"] == "percentiles"]
    rows = [row for row in tables[-1]["rows"] if row[3] == 30000]
    assert rows and all("backlog grows" in row[-1] for row in rows), rows


@case
def quantiles_need_samples(w):
    path = str(made_runs.write_run(w.folder, "l", made_runs.load_points(
        1, samples=300)))
    value = json.loads(w.ok("--format=json", path))
    (tables,) = [s["tables"] for s in value["sections"]
                 if s["name"] == "percentiles"]
    for row in tables[-1]["rows"]:
        assert row[5] is not None and row[6] is None and row[7] is None, row


@case
def phases_add_up(w):
    path = str(made_runs.write_run(w.folder, "p", made_runs.phases(3)))
    value = json.loads(w.ok("--format=json", path))
    (table,) = [s["tables"][0] for s in value["sections"]
                if s["name"] == "phases"]
    for row in table["rows"]:
        assert abs(sum(row[1:-1]) - row[-1]) < 1e-6 * row[-1], row


@case
def forms_agree(w):
    made = everything()
    value = json.loads(w.ok("--format=json", *made))
    rows = list(csv.DictReader(io.StringIO(w.ok("--format=csv", *made))))
    (table,) = [s["tables"][0] for s in value["sections"]
                if s["name"] == "ratios"]
    at = table["columns"].index("ratio")
    for row in table["rows"]:
        found = [r["value"] for r in rows if r["section"] == "ratios"
                 and r["row"] == row[0] and r["column"] == "ratio"]
        assert found == ([] if row[at] is None else [str(row[at])]), row
    markdown = w.ok("--format=md", *made)
    for section in value["sections"]:
        assert f"## {section['title']}\n" in markdown
    widths = {line.count("|") - line.count("\\|")
              for line in markdown.splitlines()
              if line.startswith("| check") or line.startswith("| A/A")}
    assert widths == {5}, widths


@case
def figures_are_files(w):
    import xml.etree.ElementTree as tree
    w.ok("--figures=figures", *everything())
    names = {p.name for p in (w.folder / "figures").iterdir()}
    bases = {name.rsplit(".")[0] for name in names}
    assert len(bases) == 10, bases
    assert names == {f"{b}.{kind}" for b in bases
                     for kind in ("svg", "pdf", "csv")}, names
    for path in (w.folder / "figures").iterdir():
        data = path.read_bytes()
        if path.suffix == ".pdf":
            assert data.startswith(b"%PDF-") and b"%%EOF" in data[-10:]
        elif path.suffix == ".svg":
            tree.fromstring(data)
            assert b"var(--" not in data  # no page around it
        else:
            assert len(data.splitlines()) > 1


# ---- bad input --------------------------------------------------------------


def refused(w, code, words, *argv):
    before = sorted(os.listdir(w.folder))
    done = w.run("--out=none.html", *argv)
    assert done.returncode == code, (done.returncode, done.stderr)
    assert re.search(words, done.stderr), (words, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    assert sorted(os.listdir(w.folder)) == before, "something was left"


@case
def folder_without_runs_is_refused(w):
    os.mkdir(w.folder / "empty")
    refused(w, 4, "empty: no run file below it", "empty")


@case
def what_is_not_there_is_refused(w):
    refused(w, 2, "absent: No such file", "absent")


@case
def damaged_files_are_refused(w):
    path = made_runs.write(w.folder / "a.jsonl", made_runs.meta(),
                           made_runs.records(1))
    whole = path.read_bytes()
    for name, data, code, words in (
            ("cut.jsonl", whole[:-1000], 4, "incomplete"),
            ("changed.jsonl", whole.replace(b'"jobs":8', b'"jobs":9', 1), 2,
             "changed after it was written"),
            ("empty.jsonl", b"", 4, "is empty"),
            ("other.jsonl", b"hello\n", 2, "not a run file"),
            ("shard-1of1.jsonl.tmp", whole, 4, "not finished")):
        (w.folder / name).write_bytes(data)
        refused(w, code, words, name)
        refused(w, code, words, "a.jsonl", name)


@case
def histogram_that_contradicts_itself_is_refused(w):
    lines = made_runs.records(1)
    lines[0]["window"]["latency_ns"]["count"] += 1
    made_runs.write(w.folder / "a.jsonl", made_runs.meta(), lines)
    refused(w, 2, "the buckets hold 1000 values", "a.jsonl")


@case
def other_machines_are_refused(w):
    for name, machine in (("a", "0123456789abcdef"),
                          ("b", "fedcba9876543210")):
        made_runs.write_run(w.folder, name, made_runs.records(1),
                            machine=machine)
    refused(w, 2, "different machines: fingerprints 0123456789abcdef and "
            "fedcba9876543210; another hardware: cpu_model", "a", "b")


@case
def missing_shards_are_refused(w):
    made_runs.write_run(w.folder, "a", made_runs.records(1), index=2, of=3)
    refused(w, 4, "of 3 shards, missing: 1, 3; 'switchyard merge'", "a")


@case
def same_run_twice_is_one(w):
    path = str(made_runs.write_run(w.folder, "a", made_runs.records(1)))
    assert w.ok("--format=json", path) == w.ok("--format=json", path, path)


@case
def unwritable_output_leaves_nothing(w):
    path = str(made_runs.write_run(w.folder, "a", made_runs.records(1)))
    (w.folder / "file").write_text("x")
    for out in ("--out=none/page.html", "--out=file/page.html"):
        done = w.run(out, path)
        assert done.returncode == 3, (done.returncode, done.stderr)
        assert "cannot write" in done.stderr, done.stderr
    done = w.run("--figures=file", path)
    assert done.returncode == 3 and "cannot write" in done.stderr, done.stderr
    assert sorted(os.listdir(w.folder)) == ["a", "file"]


@case
def measurements_are_not_written_over(w):
    made_runs.write(w.folder / "a.jsonl", made_runs.meta(),
                    made_runs.records(1))
    before = (w.folder / "a.jsonl").read_bytes()
    done = w.run("--out=a.jsonl", "a.jsonl")
    assert done.returncode == 2 and "not written over" in done.stderr
    assert (w.folder / "a.jsonl").read_bytes() == before


@case
def full_disk_is_said(w):
    path = str(made_runs.write_run(w.folder, "a", made_runs.records(1)))
    done = w.run("--out=/dev/full", path)
    assert done.returncode == 3, (done.returncode, done.stderr)
    assert "cannot write /dev/full: No space left" in done.stderr


# ---- merged files and shards ------------------------------------------------


@case
def shards_are_one_run(w):
    lines = made_runs.records(2)
    for index in (1, 2):
        made_runs.write_run(w.folder, "a", lines[index - 1::2], index=index,
                            of=2)
    made_runs.write_run(w.folder, "b", lines)
    a, b = (json.loads(w.ok("--format=json", name)) for name in "ab")
    assert len(a["runs"]) == 1 and len(a["runs"][0]["files"]) == 2
    tables = [[s["tables"] for s in x["sections"] if s["name"] == "cost"]
              for x in (a, b)]
    assert sorted(map(str, tables[0])) == sorted(map(str, tables[1]))


@case
def merged_file_replaces_its_shards(w):
    lines = made_runs.records(2)
    for index in (1, 2):
        made_runs.write_run(w.folder, "a", lines[index - 1::2], index=index,
                            of=2)
    before = json.loads(w.ok("--format=json", "a"))
    done = forked_analysis.run(w.analysis, ["merge", "a"], w.folder)
    assert done.returncode == 0, (done.returncode, done.stderr)
    after = json.loads(w.ok("--format=json", "a"))
    assert [os.path.basename(p) for p in after["runs"][0]["files"]] == \
        ["shard-1of1.jsonl"]
    assert after["sections"][:-1] == before["sections"][:-1]


if __name__ == "__main__":
    sys.exit(main(World, "analysis",
                  modules=("numpy", "scipy", "matplotlib", "jinja2")))
