# SPDX-License-Identifier: Apache-2.0
"""The report of some runs: a page, a text, a table or an object.

usage: analysis report [--format html|text|md|json|csv] [--out FILE]
                       [--figures DIR] [--] RUN...
       analysis report --changes | --fail-on=regression:N% ... BEFORE AFTER
"""

import argparse
import csv
import io
import itertools
import json
import os
import re
import sys

from . import export, hdr, report_changes, report_facts, report_page
from . import report_sections, run_file, runs
from .report_sections import full_text

VERDICT = 1
ENVIRONMENT = 3

PAGE_BYTES_MAX = 500_000

# (bytes of histograms, rows of a table): the first with which a page fits.
SIZES = ((150_000, 150), (150_000, 40), (60_000, 30), (20_000, 20), (0, 10))


# ---- histograms -------------------------------------------------------------


def histograms_of(facts):
    """(tag, histogram) of each row and point, those of one row together."""
    for p in facts.loads:
        for member in ("response", "service"):
            h = getattr(p, member)
            if h is not None and h.count:
                rate = f"rate={p.rate_hz}" if p.rate_hz else p.loop
                yield (f"{p.name}/{full_text(p.place)}/jobs={p.jobs}/{rate}/"
                       f"{member}_ns", h)
    for c in facts.cells:
        if c.latency is not None and c.latency.count:
            yield (f"{c.name}/{full_text(c.place)}/jobs={c.jobs}/latency_ns",
                   c.latency)
    for p in facts.phases:
        for phase, h in p.phases.items():
            if h.count:
                yield (f"{p.name}/{full_text(p.place)}/jobs={p.jobs}/{phase}"
                       "_ns", h)


def histogram_log(all_facts, bytes_max):
    """A log of HdrHistogram; and how many histograms did not fit."""
    out = "".join(hdr.LOG_HEAD)
    left = 0
    taken = {}
    for tag, h in itertools.chain.from_iterable(
            map(histograms_of, all_facts)):
        tag = export.as_tag(tag)
        taken[tag] = taken.get(tag, 0) + 1
        if taken[tag] > 1:
            tag = f"{tag}/{taken[tag]}"
        line = hdr.log_line(tag, 0, 0, h)
        if len(out) + len(line) > bytes_max:
            left += 1
            continue
        out += line
    return out, left


# ---- forms other than the page ----------------------------------------------


def as_object(sections, all_facts):
    """Everything in it, for programs."""
    return {
        "type": "report", "runs": [
            {"run_id": run.run_id, "files": run.paths, "sha256": run.hashes,
             "argv": run.argv, "meta": run.meta}
            for f in all_facts for run in f.runs.runs],
        "sections": [{
            "name": s.name, "title": s.title,
            "paragraphs": [{"kind": kind, "text": text}
                           for kind, text in s.paragraphs],
            "commands": s.commands,
            "missing": s.missing if s.is_empty else None,
            "tables": [{"title": t.title,
                        "columns": [c.title for c in t.columns],
                        "rows": t.rows} for t in s.tables],
        } for s in sections]}


def as_csv(sections):
    """Long: one value a line, so that one header fits all tables."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("section", "table", "row", "column", "value"))
    for s in sections:
        for t in s.tables:
            for row in t.rows:
                first = next((i for i, c in enumerate(t.columns)
                              if not c.is_text), 1)
                for column, value in list(zip(t.columns, row))[first:]:
                    if value not in (None, ""):
                        writer.writerow((
                            s.name, t.title,
                            " | ".join("-" if c is None else str(c)
                                       for c in row[:first]),
                            column.title, value))
    return out.getvalue()


def wrapped(text, width=79):
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join(lines + [line])


def column_titles(table):
    return [c.title + (f" ({c.better} is better)" if c.better else "")
            for c in table.columns]


def text_table(table):
    """Aligned. A title that is much wider than its column goes above it, on
    several lines."""
    body = [[c.text(v) for c, v in zip(table.columns, row)]
            for row in table.rows]
    heads = [wrapped(title, max([12] + [len(row[i]) for row in body])
                     ).split("\n")
             for i, title in enumerate(column_titles(table))]
    height = max(map(len, heads))
    heads = [[""] * (height - len(h)) + h for h in heads]
    rows = [[h[k] for h in heads] for k in range(height)] + body
    widths = [max(len(row[i]) for row in rows)
              for i in range(len(table.columns))]
    return "\n".join("  " + "  ".join(
        cell.ljust(width) if column.is_text else cell.rjust(width)
        for cell, width, column in zip(row, widths, table.columns)).rstrip()
        for row in rows)


def as_text(title, subtitle, sections):
    parts = [title, wrapped(subtitle)]
    for s in sections:
        parts.append(f"\n{s.title}\n{'-' * len(s.title)}")
        for kind, text in s.paragraphs:
            parts.append(wrapped(
                (report_page.WORDS[kind] + " " if kind != "say" else "")
                + text))
        parts += [f"  {text}" for text in s.commands]
        if s.is_empty:
            parts.append(f"No data. This command would measure it:\n"
                         f"  {s.missing}")
        for t in s.tables:
            parts.append(f"\n{t.title}\n{text_table(t)}")
            if t.note:
                parts.append(wrapped(t.note))
    # What moves a terminal's cursor is shown, not done.
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]",
                  lambda found: repr(found[0])[1:-1],
                  "\n".join(parts) + "\n")


def as_markdown(title, subtitle, sections):
    def plain(text):
        """A text of a run file begins no line, and no tag."""
        return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", " ".join(text.split()))

    def cell(text):
        return plain(text).replace("|", "\\|")

    parts = [f"# {plain(title)}", plain(subtitle)]
    for s in sections:
        parts.append(f"## {s.title}")
        parts += [(f"**{report_page.WORDS[kind]}** " if kind != "say" else "")
                  + plain(text) for kind, text in s.paragraphs]
        parts += ["    " + " ".join(text.split()) for text in s.commands]
        if s.is_empty:
            parts.append("No data. This command would measure it: "
                         f"`{s.missing}`")
        for t in s.tables:
            lines = ["| " + " | ".join(map(cell, column_titles(t))) + " |",
                     "|" + "|".join("---" if c.is_text else "---:"
                                    for c in t.columns) + "|"]
            lines += ["| " + " | ".join(
                cell(c.text(v)) for c, v in zip(t.columns, row)) + " |"
                for row in t.rows]
            parts += [f"**{plain(t.title)}**", "\n".join(lines)]
            if t.note:
                parts.append(plain(t.note))
    return "\n\n".join(parts) + "\n"


# ---- the page ---------------------------------------------------------------


def as_page(title, subtitle, sections, facts):
    summary = json.dumps(as_object(sections, facts),
                         separators=(",", ":"))
    table = as_csv(sections)
    for room, rows in SIZES:
        log, left = histogram_log(facts, room)
        downloads = [
            report_page.Download("report.json", "application/json", summary,
                                 "all tables and what the runs say of "
                                 "themselves, as one object"),
            report_page.Download("report.csv", "text/csv", table,
                                 "all tables, one value a line")]
        notes = []
        if log.count("Tag="):
            downloads.append(report_page.Download(
                "histograms.hlog", "text/plain", log,
                f"{log.count('Tag=')} histograms, a log of HdrHistogram "
                "(V2), values in ns"))
        if left:
            notes.append(f"{left} histograms are not in this file, to keep it "
                         "small; switchyard export writes all of them.")
        text = report_page.page(title, subtitle, sections, downloads, notes,
                                rows)
        if len(text.encode()) <= PAGE_BYTES_MAX:
            break
    return text


# ---- figures ----------------------------------------------------------------


def write_figures(folder, sections):
    """Each chart as SVG, PDF and CSV. Returns how many."""
    os.makedirs(folder, exist_ok=True)
    count = 0
    for s in sections:
        for chart in s.charts:
            base = os.path.join(folder, chart.name)
            for kind in ("svg", "pdf"):
                data, tips = chart.render(kind)
                if kind == "svg":
                    data = tips.put_into(data.decode()).encode()
                write_file(f"{base}.{kind}", data)
            write_file(f"{base}.csv", chart.csv().encode())
            count += 1
    return count


def write_file(path, data):
    """There whole, or as it was."""
    with export.opened(path) as out:
        out.flush()
        out.buffer.write(data)


# ---- the command ------------------------------------------------------------


FORMATS = ("html", "text", "md", "json", "csv")


def titles(found):
    machine = found.meta["machine"]
    names = [run.run_id for run in found.runs]
    words = ", ".join(names[:3]) + (f" and {len(names) - 3} more"
                                    if len(names) > 3 else "")
    started = min(run.meta.get("started") or "-" for run in found.runs)
    build = found.meta.get("build") or {}
    return (f"Switchyard report: {words}",
            f"{machine.get('cpu_model') or 'unknown CPU'}, "
            f"{machine.get('cpus_usable', '?')} of "
            f"{machine.get('cpus', '?')} CPUs, Linux "
            f"{machine.get('kernel') or 'unknown'}; Switchyard "
            f"{build.get('version') or 'unknown'} "
            f"({build.get('git') or 'no commit'}); measured from {started}")


def in_form(form, title, subtitle, sections, facts):
    """facts: of the runs whose histograms a page carries."""
    if form == "html":
        return as_page(title, subtitle, sections, facts)
    if form == "json":
        return json.dumps(as_object(sections, facts)) + "\n"
    if form == "csv":
        return as_csv(sections)
    if form == "md":
        return as_markdown(title, subtitle, sections)
    return as_text(title, subtitle, sections)


def write_out(path, text):
    if path is None:
        sys.stdout.write(text)
        return
    try:
        write_file(path, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise run_file.Refused(ENVIRONMENT, f"cannot write {path}: "
                               f"{error.strerror}") from None


def report_runs(args):
    """(title, subtitle, sections, facts, exit code) of one machine."""
    facts = [report_facts.Facts(runs.load(args.runs))]
    return (*titles(facts[0].runs), report_sections.sections(facts[0]), facts,
            0)


def report_changes_of(args):
    """Likewise, of two."""
    threshold = (report_changes.threshold_of(args.fail_on)
                 if args.fail_on is not None else None)
    if len(args.runs) != 2:
        raise run_file.Refused(run_file.WRONG, "two runs are compared, before "
                               f"and after, not {len(args.runs)}")
    facts = [report_facts.Facts(runs.load([path])) for path in args.runs]
    changes = report_changes.Changes(*facts, threshold)
    names = [", ".join(run.run_id for run in f.runs.runs) for f in facts]
    subtitle = "; ".join(f"{word}: {titles(f.runs)[1]}" for word, f in
                         zip(("Before", "After"), facts))
    return (f"Switchyard changes: {names[0]} to {names[1]}", subtitle,
            report_changes.all_sections(changes), facts,
            VERDICT if changes.regressions else 0)


def report(args):
    form = args.format or ("html" if args.out else "text")
    make = report_changes_of if args.changes or args.fail_on is not None \
        else report_runs
    title, subtitle, sections, facts, status = make(args)
    if args.out:
        export.check_output(args.out, [path for f in facts
                                       for run in f.runs.runs
                                       for path in run.paths])
    text = in_form(form, title, subtitle, sections, facts)
    if args.figures:
        try:
            count = write_figures(args.figures, sections)
        except OSError as error:
            raise run_file.Refused(
                ENVIRONMENT, f"cannot write {error.filename or args.figures}: "
                f"{error.strerror}") from None
        print(f"switchyard: wrote {count} figures below {args.figures}",
              file=sys.stderr)
    write_out(args.out, text)
    if args.out:
        print(f"switchyard: wrote {args.out}, "
              f"{(len(text.encode()) + 999) // 1000} KB", file=sys.stderr)
    return status


def main(argv):
    parser = argparse.ArgumentParser(prog="analysis report")
    parser.add_argument("--format", choices=FORMATS)
    parser.add_argument("--out")
    parser.add_argument("--figures")
    parser.add_argument("--changes", action="store_true")
    parser.add_argument("--fail-on")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    try:
        return report(parser.parse_args(argv))
    except run_file.Refused as refused:
        print(f"switchyard: {refused}", file=sys.stderr)
        return refused.code
