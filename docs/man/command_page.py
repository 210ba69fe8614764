#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The manual page of the command: a template, and what the command says of
itself.

usage: command_page.py SCDOC VERSION HELP.json TEMPLATE OUTPUT

HELP.json is what `switchyard help --json` printed.
"""

import json
import re
import sys

import scdoc_text as scd


def sentence(text):
    text = scd.join(text.split("\n"))  # help is wrapped by hand
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."


def notes_of(text):
    """As plain(), but here two spaces are enough for an example."""
    out = []
    for part in re.split(r"\n\n", text.strip("\n")):
        run = []
        for line in part.split("\n"):
            is_example = line.startswith("  ")
            if run and run[-1].startswith("  ") != is_example:
                out += scd.literal(run) if run[-1].startswith("  ") else \
                    [scd.escape(scd.join(run)), ""]
                run = []
            run.append(line)
        out += scd.literal(run) if run[-1].startswith("  ") else \
            [scd.escape(scd.join(run)), ""]
    return out


def option_lines(option):
    term = f"*--{option['name']}*"
    if option["argument"]:
        term += f" _{scd.escape(option['argument'])}_"
    text = [sentence(option["help"])]
    if option["accepted"]:
        text.append(f"Accepted: {option['accepted']}.")
    if option["default"]:
        text.append(f"Default: {option['default']}.")
    return [term, "\t" + scd.escape(" ".join(text)), ""]


def command_lines(command):
    usage = f"*switchyard {command['name']}*"
    if command["options"]:
        usage += " [options]"
    if command["operands"]:
        usage += " " + scd.escape("x " + command["operands"])[2:]
    lines = [f"## {command['name']}", "", usage, "",
             scd.escape(sentence(command["summary"])), ""]
    for option in command["options"]:
        lines += option_lines(option)
    if command["notes"]:
        lines += notes_of(command["notes"])
    for mode in command["modes"]:
        lines += command_lines(mode)
    return lines


def main(argv):
    scdoc, version, source, template, output = argv
    with open(source, encoding="utf-8") as f:
        told = json.load(f)
    with open(template, encoding="utf-8") as f:
        text = f.read()
    commands = [line for c in told["commands"] for line in command_lines(c)]
    exits = [line for e in told["exit"] for line in
             (f"*{e['code']}*", "\t" + scd.escape(e["meaning"]), "")]
    for mark, lines in (("@DESCRIPTION@", [scd.escape(told["description"])]),
                        ("@SUBCOMMANDS@", commands), ("@EXIT@", exits)):
        assert text.count(mark) == 1, mark
        text = text.replace(mark, "\n".join(lines))
    lines = scd.head("switchyard", 1, version) + text.split("\n")
    scd.write_page(output, lines, scdoc)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
