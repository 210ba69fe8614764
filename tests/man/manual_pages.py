#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages, as man shows them.

usage: manual_pages.py --pages DIR --source DIR [--command SWITCHYARD]
                       [--only NAME]

Exit 0, 1, or 77 if there is no man.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from cases import case, command_line, lacks, run_cases  # noqa: E402

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]+")


class World:
    def __init__(self, args):
        self.pages = pathlib.Path(args.pages)
        self.source = pathlib.Path(args.source)
        self.command = args.command
        self.shown = {}

    def show(self, page):
        """The text of a page, without hyphenation, on wide paper."""
        if page not in self.shown:
            result = subprocess.run(
                ["man", "--warnings", "-l", str(self.pages / page)],
                capture_output=True, text=True, timeout=60, check=False,
                env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "200",
                     "MAN_KEEP_FORMATTING": ""})
            self.shown[page] = (result.returncode, result.stdout,
                                result.stderr)
        return self.shown[page][1]

    def headers(self):
        for path in sorted((self.source / "include/switchyard").glob("*.h")):
            name = path.stem
            yield path, ("switchyard" if name == "switchyard"
                         else f"switchyard_{name}")


def words(text):
    return set(WORD.findall(text))


@case
def no_warnings(w):
    pages = [p.relative_to(w.pages) for p in w.pages.glob("man?/switchyard*")
             if p.suffix != ".scd"]
    assert len(pages) > 15, pages
    for page in pages:
        w.show(page)
        status, text, warnings = w.shown[page]
        assert status == 0 and not warnings, f"{page}: {warnings}"
        assert "NAME" in text and "SEE ALSO" in text, page


@case
def every_header_is_told_in_full(w):
    """No word of a header's comments is lost on the way."""
    for path, name in w.headers():
        text = path.read_text()
        comments = " ".join(re.findall(r"/\*(.*?)\*/", text, re.DOTALL)[1:])
        comments = re.sub(r"clang-format o\w+", "", comments)
        missing = words(comments) - words(w.show(f"man3/{name}.3"))
        assert not missing, f"{name}.3 lacks {sorted(missing)}"


@case
def every_function_leads_to_a_page(w):
    seen = 0
    for path, name in w.headers():
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        for function in re.findall(r"SY_API[^;{]*?\b(sy_[a-z]\w*)\(", text):
            seen += 1
            assert f"{function}(" in w.show(f"man3/{name}.3"), function
            link = (w.pages / f"man3/{function}.3").read_text()
            assert link == f".so man3/{name}.3\n", link
    assert seen > 60, seen


def tables(commands):
    for command in commands:
        yield command
        yield from tables(command["modes"])


@case
def every_option_of_the_command(w):
    if w.command is None:
        return
    told = json.loads(subprocess.run(
        [w.command, "help", "--json"], capture_output=True, text=True,
        check=True, timeout=30).stdout)
    # man may end a line behind any hyphen of a name.
    text = re.sub(r"-\n\s*", "-", w.show("man1/switchyard.1"))
    text = " ".join(text.split())
    at = 0
    for command in tables(told["commands"]):
        at = text.index(f" switchyard {command['name']} ", at)
        for option in command["options"]:
            wanted = f"--{option['name']}"
            if option["argument"]:
                wanted += f" {option['argument']}"
            at = text.index(f" {wanted} ", at)
            for more in (option["help"][1:], option["accepted"],
                         option["default"]):
                if more:
                    assert " ".join(more.split()) in text[at:], \
                        f"{command['name']} {wanted} lacks {more!r}"
        missing = words(command["notes"] or "") - words(text)
        assert not missing, f"{command['name']} lacks {sorted(missing)}"
    for code in told["exit"]:
        assert f"{code['code']} {code['meaning']}" in text, code


@case
def everything_about_profiles(w):
    shown = words(w.show("man5/switchyard-profile.5").lower())
    for path in ("docs/profile.md", "include/switchyard/profile.h"):
        text = (w.source / path).read_text()
        if path.endswith(".h"):
            text = re.findall(r"/\*(.*?)\*/", text, re.DOTALL)[1]
            text = text[text.index("Sections, in this order"):]
        text = re.sub(r"\]\([^)]*\)|^```\w+", "]", text, flags=re.MULTILINE)
        missing = words(text.lower()) - shown - {"profiles"}
        assert not missing, f"{path}: {sorted(missing)}"


def main():
    args = command_line("--pages", "--source", "--command")
    world = World(args)  # of all cases: it keeps the pages
    return lacks(programs=("man",)) or run_cases(lambda _: world, args.only)


if __name__ == "__main__":
    sys.exit(main())
