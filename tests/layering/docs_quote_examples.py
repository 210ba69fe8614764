#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Do the documents quote the tree as it is?

usage: docs_quote_examples.py ROOT

A code block below the line

    <!-- quote: path/of/file -->

has to stand in that file, line for line and in one piece. Relative links of
every document have to lead to a file. Exit 0 or 1.
"""

import glob
import os
import re
import sys

QUOTE = re.compile(r"^<!-- quote: (\S+) -->$")
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)[^)]*\)")


def read_lines(path):
    with open(path, encoding="utf-8") as f:
        return f.read().split("\n")


def stands_in(block, lines):
    return any(lines[i:i + len(block)] == block
               for i in range(len(lines) - len(block) + 1))


def block_after(lines, start):
    """Return the fenced block that begins at or just after start, or None."""
    while start < len(lines) and lines[start] == "":
        start += 1
    if start >= len(lines) or not lines[start].startswith("```"):
        return None
    for end in range(start + 1, len(lines)):
        if lines[end] == "```":
            return lines[start + 1:end]
    return None


def main():
    root = sys.argv[1]
    failures, quotes, links = [], 0, 0
    documents = sorted(
        p for p in glob.glob(os.path.join(root, "**", "*.md"), recursive=True)
        if not os.path.relpath(p, root).startswith(("build/", "runs/")))
    for document in documents:
        shown = os.path.relpath(document, root)
        lines = read_lines(document)
        in_code = False
        for number, line in enumerate(lines, 1):
            if line.startswith("```"):
                in_code = not in_code
            if in_code:
                continue
            for link in LINK.findall(line):
                links += 1
                target = os.path.join(os.path.dirname(document), link)
                if not os.path.exists(target):
                    failures.append(f"{shown}:{number}: links to {link}, "
                                    "which does not exist")
            match = QUOTE.match(line)
            if not match:
                continue
            quotes += 1
            source = os.path.join(root, match.group(1))
            block = block_after(lines, number)
            if not os.path.exists(source):
                failures.append(f"{shown}:{number}: there is no "
                                f"{match.group(1)}")
            elif not block:
                failures.append(f"{shown}:{number}: no code block follows")
            elif not stands_in(block, read_lines(source)):
                failures.append(f"{shown}:{number}: the block differs from "
                                f"{match.group(1)}")
    for failure in failures:
        print(failure)
    print(f"{len(documents)} documents, {quotes} quotes, {links} links, "
          f"{len(failures)} failures")
    return 1 if failures or quotes == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
