# SPDX-License-Identifier: Apache-2.0
"""From the plain text of comments and documents to scdoc, and to a page."""

import os
import re
import subprocess

# "term  text": two spaces or more between them.
DEFINITION = re.compile(r"^( *)(\S+(?: \S+)*) {2,}(\S.*)$")
BULLET = re.compile(r"^( *)- (\S.*)$")


def escape(text):
    """Plain words that scdoc must not take for its own."""
    text = re.sub(r"([\\*_`])", r"\\\1", text)
    # What means something at the beginning of a line.
    return re.sub(r"^([#\-.\[\]|:;])", r"\\\1", text)


def literal(lines, depth=0):
    """Lines as they are, at their smallest common indentation."""
    least = min(len(s) - len(s.lstrip()) for s in lines if s.strip())
    indent = "\t" * depth
    body = [indent + s[least:].replace("\\", "\\\\").replace("`", "\\`")
            for s in lines]
    return [indent + "```", *body, indent + "```", ""]


def join(lines):
    return " ".join(" ".join(lines).split())


def term_of(words):
    """A term in bold, a parameter's "@name" underlined."""
    if words.startswith("@"):
        names = [w.strip().lstrip("@") for w in words.split(",")]
        return ", ".join(f"_{escape(name)}_" for name in names)
    return f"*{escape(words)}*"


def indent_of(line):
    return len(line) - len(line.lstrip(" "))


def takes(line, own):
    """How many lines from here belong to what begins at this indentation."""
    return line.strip() != "" and indent_of(line) > own


def block(lines, after_definition, depth):
    """One block without empty lines; returns scdoc and whether it ended in a
    definition."""
    out, i = [], 0
    while i < len(lines):
        found = DEFINITION.match(lines[i]) or BULLET.match(lines[i])
        alone = i == 0 or after_definition or indent_of(lines[i]) > 0
        own = indent_of(lines[i])
        if own >= 4 and not after_definition:
            out += literal(lines[i:], depth)
            return out, False
        if found and alone:
            n = i + 1
            while n < len(lines) and takes(lines[n], own):
                n += 1
            text = [found.group(found.lastindex), *lines[i + 1:n]]
            if found.lastindex == 3:
                out += ["\t" * depth + term_of(found.group(2)),
                        "\t" * (depth + 1) + escape(join(text)), ""]
            else:
                out += ["\t" * depth + "- " + escape(join(text)), ""]
            after_definition = True
            i = n
            continue
        n = i + 1
        while n < len(lines) and indent_of(lines[n]) < 4 and not (
                indent_of(lines[n]) > own and (DEFINITION.match(lines[n]) or
                                               BULLET.match(lines[n]))):
            n += 1
        out += ["\t" * depth + escape(join(lines[i:n])), ""]
        after_definition = False
        i = n
    return out, after_definition


def plain(text, depth=0):
    """scdoc of a comment's text: paragraphs, "term  text" lists, examples."""
    out, after_definition = [], False
    for lines in re.split(r"\n[ ]*\n", text.strip("\n")):
        lines = [s.rstrip() for s in lines.split("\n") if s.strip()]
        if not lines:
            continue
        if all(indent_of(s) >= 4 for s in lines):
            made, after_definition = literal(lines, depth), False
        else:
            made, after_definition = block(lines, False, depth)
        out += made
    return out


# ---- Markdown, as far as docs/ uses it --------------------------------------


def spans(text):
    """`code` in bold, [words](address) as words."""
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    pieces = text.split("`")
    return "".join(f"*{escape(p)}*" if i % 2 else
                   (escape(p) if i == 0 else escape("x" + p)[1:])
                   for i, p in enumerate(pieces))


def markdown_table(lines):
    rows = [[c.strip() for c in s.strip().strip("|").split("|")]
            for s in lines if not re.match(r"^\|[-| :]+\|$", s.strip())]
    out = []
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            mark = ("[" if number == 0 else "|") if column == 0 else ":"
            how = "<" if number == 0 and column > 0 else \
                "[" if number == 0 else " "
            text = spans(cell)
            out.append(f"{mark}{how} " + (f"*{escape(cell)}*"
                                          if number == 0 else text))
    return out + [""]


def markdown(text):
    """The sections of a document: (heading, scdoc lines)."""
    sections, out = [], []
    heading, lines, i = "", text.split("\n"), 0
    while i < len(lines):
        line = lines[i]
        if line.startswith("#"):
            sections.append((heading, out))
            heading, out = line.lstrip("# "), []
            i += 1
        elif line.startswith("```"):
            n = i + 1
            while not lines[n].startswith("```"):
                n += 1
            out += literal(lines[i + 1:n])
            i = n + 1
        elif line.startswith("    "):
            n = i
            while n < len(lines) and lines[n].startswith("    "):
                n += 1
            out += literal(lines[i:n])
            i = n
        elif line.startswith("|"):
            n = i
            while n < len(lines) and lines[n].startswith("|"):
                n += 1
            out += markdown_table(lines[i:n])
            i = n
        elif line.strip():
            n = i
            while n < len(lines) and lines[n].strip() and not \
                    lines[n].startswith(("#", "```", "|", "    ")):
                n += 1
            out += [spans(join(lines[i:n])), ""]
            i = n
        else:
            i += 1
    sections.append((heading, out))
    return [s for s in sections if s[1]]


# ---- pages ------------------------------------------------------------------


def head(name, section, version):
    return [f'{name}({section}) "Switchyard {version}" "Switchyard"', ""]


def write_page(path, lines, scdoc):
    """Have scdoc make the page. Its source stays beside it, to be looked at
    when something is wrong with it."""
    text = "\n".join(lines) + "\n"
    text = re.sub(r"\n{3,}", "\n\n", text)
    with open(path + ".scd", "w", encoding="utf-8") as f:
        f.write(text)
    result = subprocess.run([scdoc], input=text, capture_output=True,
                            text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{os.path.basename(path)}.scd: {result.stderr}")
    # scdoc turns hyphenation off in front of .TH, which turns it on again;
    # names of functions and variables must stay whole.
    page = re.sub(r"^(\.TH .*)$", r"\1\n.nh\n.ad l", result.stdout, count=1,
                  flags=re.MULTILINE)
    with open(path, "w", encoding="utf-8") as f:
        f.write(page)
