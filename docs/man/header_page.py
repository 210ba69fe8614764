#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The manual page of a public header, made from its comments.

usage: header_page.py SCDOC VERSION INCLUDE-DIR HEADER OUTPUT

HEADER is as in #include, "switchyard/job.h". Beside the page, one for each
function is written that refers to it. Headers in folders of their own are
described by their first comment only: what else they hold is no interface.
"""

import os
import re
import sys

import scdoc_text as scd

COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
SKIP = re.compile(r"^(#(if|ifdef|ifndef|endif|else|elif|include|undef)\b.*|"
                  r"SY_(BEGIN|END)_DECLS|struct \w+;|#error.*|"
                  r"/\* clang-format (on|off) \*/)$")
FUNCTION = re.compile(r"\b(\w+)\(")
ATTRIBUTES = re.compile(r"\bSY_(API|MUST_CHECK|NORETURN|ALWAYS_INLINE)\b\s*|"
                        r"\bSY_PRINTF\([^)]*\)")


def comment_text(comment):
    """Without its stars; what stands under them keeps its indentation."""
    lines = comment.split("\n")
    out = [lines[0].strip()]
    for line in lines[1:]:
        stripped = line.strip()
        if stripped.startswith("*"):
            out.append(re.sub(r"^\s*\* ?", "", line))
        else:  # a short comment, aligned by spaces
            out.append(stripped)
    return "\n".join(out).strip("\n")


def pieces(text):
    """What stands together at the top level, without empty lines."""
    piece, depth, in_comment = [], 0, False
    for line in text.split("\n"):
        if not line.strip() and depth <= 0 and not in_comment:
            if piece:
                yield piece
            piece, depth = [], 0
            continue
        piece.append(line)
        bare = re.sub(r'"[^"]*"', '""', line)
        bare = re.sub(r"/\*.*?\*/", "", bare)
        if "/*" in bare:
            in_comment = True
        elif "*/" in bare:
            in_comment = False
        if not in_comment and not bare.startswith("#"):
            depth += bare.count("{") - bare.count("}")
    if piece:
        yield piece


def align(declaration):
    """A prototype on lines of at most 68 columns, its parameters aligned."""
    text = ATTRIBUTES.sub("", declaration)
    text = re.sub(r"\s+", " ", text).strip().replace(" ;", ";")
    text = text.replace("( ", "(").replace("* ", "*")
    if len(text) <= 68:
        return [text]
    # The parenthesis of the parameters, not that of a pointer to a function.
    at = FUNCTION.search(text)
    if at is None:
        return [text]
    column = at.end()
    if column > 40:  # then they would have no room
        column = 4
        lines, words = [text[:at.end()]], text[at.end():]
    else:
        lines, words = [], text[at.end():]
    current = "" if lines else text[:at.end()]
    indent = " " * column
    if lines:
        current = indent
    parts = re.split(r"(?<=,) ", words)
    fresh = True
    for part in parts:
        if not fresh and len(current) + 1 + len(part) > 68:
            lines.append(current)
            current = indent + part
        else:
            current += part if fresh else " " + part
        fresh = False
    return [*lines, current]


def split_piece(piece):
    """The comment at the beginning, and the code."""
    # What is conditional is shown with its conditions.
    conditional = any(s.startswith("#if") for s in piece)
    text = "\n".join(s for s in piece if conditional or s.startswith(" ")
                     or not SKIP.match(s.strip()))
    found = re.match(r"\s*/\*(.*?)\*/[ \t]*\n?", text, re.DOTALL)
    if found is None:
        return "", text
    return comment_text(found.group(1)), text[found.end():]


def declarations(code):
    """The prototypes in code, as (name, lines)."""
    bare = COMMENT.sub("", code)
    bare = re.sub(r"^#(.*\\\n)*.*$", "", bare, flags=re.MULTILINE)
    for statement in re.split(r";\s*", bare):
        if "SY_API" in statement and "(" in statement:
            text = ATTRIBUTES.sub("", statement)
            name = FUNCTION.search(text).group(1)
            yield name, align(statement + ";")


class Page:
    def __init__(self, text):
        self.types, self.functions, self.prototypes = [], [], []
        self.names = []
        found = COMMENT.search(text, text.index("*/") + 2)
        if text.startswith("/* SPDX") and found is not None:
            self.intro = comment_text(found.group(1))
            rest = text[found.end():]
        else:
            raise SystemExit("there is no comment to make a page of")
        rest = re.sub(r"\n#ifndef SWITCHYARD_\w+\n#define SWITCHYARD_\w+\n",
                      "\n", rest)
        self.includes = re.findall(r"#include <(switchyard/[^>]+)>", rest)
        for piece in pieces(rest):
            self.add(*split_piece(piece))

    def add(self, comment, code):
        heading = re.match(r"^-+ (.*?) -+$", comment)
        if heading:
            comment = heading.group(1) + ":"
        made = list(declarations(code))
        if made:
            self.add_functions(comment, made)
        elif code.strip():
            self.types += scd.plain(comment) if comment else []
            self.types += scd.literal(code.strip("\n").split("\n"))
        elif comment:
            target = self.functions if self.functions else self.types
            target += scd.plain(comment)

    def add_functions(self, comment, made):
        self.functions += ["## " + ", ".join(f"{name}()" for name, _ in made)]
        for name, lines in made:
            self.names.append(name)
            self.prototypes += lines
        self.functions += scd.literal(
            [line for _, lines in made for line in lines])
        self.functions += scd.plain(comment)


def first_sentence(intro):
    text = scd.join(intro.split("\n\n")[0].split("\n"))
    sentence = re.split(r"(?<=[^.])\.(?:\s|$)", text)[0]
    first = sentence.split()[0]
    if first[1:].islower() and "'" not in first or first.endswith(":"):
        sentence = sentence[0].lower() + sentence[1:]
    return sentence


def main(argv):
    scdoc, version, include, header, output = argv
    with open(os.path.join(include, header), encoding="utf-8") as f:
        page = Page(f.read())
    name = os.path.basename(output).rsplit(".", 1)[0]
    description_only = header.count("/") > 1
    lines = scd.head(name, 3, version)
    lines += ["# NAME", "", f"{name} - {scd.escape(first_sentence(page.intro))}",
              "", "# SYNOPSIS", "", f"*#include <{scd.escape(header)}>*", ""]
    if page.prototypes and not description_only:
        lines += scd.literal(page.prototypes)
    lines += ["# DESCRIPTION", "", *scd.plain(page.intro)]
    if not description_only:
        if page.types:
            lines += ["# TYPES AND CONSTANTS", "", *page.types]
        if page.functions:
            lines += ["# FUNCTIONS", "", *page.functions]
    others = [re.sub(r"^switchyard_switchyard$", "switchyard", "switchyard_" +
                     os.path.basename(i)[:-2]) for i in page.includes
              if i.count("/") == 1]
    others = [f"*{scd.escape(o)}*(3)" for o in others if o != name]
    lines += ["# SEE ALSO", "", ", ".join(["*switchyard*(1)", *others])]
    scd.write_page(output, lines, scdoc)
    for function in page.names if not description_only else []:
        if function == name:
            continue
        path = os.path.join(os.path.dirname(output), f"{function}.3")
        with open(path, "w", encoding="ascii") as f:
            f.write(f".so man3/{name}.3\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
