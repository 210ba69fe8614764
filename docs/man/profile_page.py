#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The manual page of profiles, from profile.h and docs/profile.md.

usage: profile_page.py SCDOC VERSION SOURCE-DIR OUTPUT
"""

import os
import sys

import header_page
import scdoc_text as scd


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def behind_the_example(text):
    """The document begins with what the comment begins with."""
    blocks = text.split("\n\n")
    at = max(i for i, b in enumerate(blocks) if b.startswith("    "))
    return "\n\n".join(blocks[at + 1:])


def main(argv):
    scdoc, version, source, output = argv
    page = header_page.Page(read(source, "include/switchyard/profile.h"))
    sections = scd.markdown(read(source, "docs/profile.md"))
    lines = scd.head("switchyard-profile", 5, version)
    lines += ["# NAME", "",
              "switchyard-profile - which switcher and engine a program uses",
              "", "# SYNOPSIS", "",
              "*/etc/switchyard/profile.conf*, or the file that "
              "*SWITCHYARD\\_PROFILE* names", ""]
    for heading, text in sections:
        # What comes first is in the comment of the header, and more exact.
        if heading == sections[0][0]:
            lines += ["# DESCRIPTION", "", *text, "# FORMAT", "",
                      *scd.plain(behind_the_example(page.intro))]
        else:
            lines += [f"# {scd.escape(heading.upper())}", "", *text]
    lines += ["# FILES", "", "*/etc/switchyard/profile.conf*",
              "\tthe system's profile", "", "# SEE ALSO", "",
              "*switchyard*(1), *switchyard\\_profile*(3), "
              "*switchyard\\_runtime*(3)"]
    scd.write_page(output, lines, scdoc)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
