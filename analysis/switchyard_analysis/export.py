# SPDX-License-Identifier: Apache-2.0
"""Every histogram of some run files, in a form that other tools read."""

import argparse
import collections
import contextlib
import csv
import datetime
import json
import os
import re
import sys
import tempfile

from . import hdr, histogram, merge, run_file

# How many objects deep a histogram may be in a line.
DEPTH_MAX = 6

# where: path and line; member: the name of the histogram in that line; what:
# what was measured, which tells lines of one name apart.
Found = collections.namedtuple("Found", "where member name what started_s "
                               "elapsed_ns values")


# ---- finding ----------------------------------------------------------------


def find(value, place=(), elapsed_ns=0):
    """(place, elapsed_ns, member) of each histogram in a line. The time is
    that of the innermost object around it that has one."""
    if run_file.is_number(value.get("elapsed_ns")):
        elapsed_ns = max(0, value["elapsed_ns"])
    for key, member in value.items():
        members = [(place + (key,), member)]
        if isinstance(member, list):
            members = [(place + (key, str(i)), item)
                       for i, item in enumerate(member)]
        for inner, item in members:
            if histogram.is_histogram(item):
                yield inner, elapsed_ns, item
            elif isinstance(item, dict) and len(inner) < DEPTH_MAX:
                yield from find(item, inner, elapsed_ns)


def member_names(places):
    """The last word of each place; the whole place where two end alike."""
    last = collections.Counter(place[-1] for place in places)
    return [place[-1] if last[place[-1]] == 1 else ".".join(place)
            for place in places]


def is_plain(value):
    return isinstance(value, (str, int, float))


def description(line, meta):
    """What was measured, and how: the members in front of the results."""
    what = {}
    for key, value in line.items():
        if key == "status" or any(find({key: value})):
            break
        if key == "mix" and run_file.is_mix(value):
            what[key] = run_file.mix_text(value)
        elif key not in ("type", "name") and is_plain(value):
            what[key] = value
    what["run"] = meta["run_id"]
    asked = line.get("asked")
    if isinstance(asked, dict):
        what.update((f"asked.{key}", value) for key, value in asked.items()
                    if is_plain(value))
    return what


def started_s(meta):
    """When the run began, in seconds since 1970; None if it does not say."""
    try:
        return datetime.datetime.strptime(
            meta.get("started"), "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def histograms_of(path):
    """All of a run file, or Refused."""
    lines = []
    meta, end = run_file.read_lines(
        path, lambda line, where: lines.append((line, where))
        if line["type"] != "batch" else None)
    found = []
    for line, where in lines:
        members = list(find(line))
        names = member_names([place for place, _, _ in members])
        what = description(line, meta) if members else None
        name = line.get("name")
        for (place, elapsed_ns, value), member in zip(members, names):
            values = histogram.from_member(value, f"{where}: "
                                           + ".".join(place))
            found.append(Found(where, member,
                               name if run_file.is_text(name)
                               else line["type"], what, started_s(meta),
                               elapsed_ns, values))
    if not found:
        raise run_file.Refused(
            run_file.INCOMPLETE, f"{path} has no histogram"
            + (": it was written by 'switchyard compare', which keeps batches"
               if any(line["type"] == "comparison" for line, _ in lines)
               else ""))
    if end.get("interrupted"):
        print(f"switchyard: {path} was interrupted; what there is was "
              "exported", file=sys.stderr)
    return found


# ---- naming -----------------------------------------------------------------


def as_tag(text):
    """A tag of a log ends at white space and commas."""
    return re.sub(r"[\s,]+", "_", text) or "_"


def tell_apart(members):
    """What to add to the names of histograms that are called the same: of
    what was measured, the first things that differ; at last, a number."""
    added = [()] * len(members)
    for key in dict.fromkeys(k for f in members for k in f.what):
        longer = [a + (f"{key}={f.what[key]}",) if key in f.what else a
                  for f, a in zip(members, added)]
        if len(set(longer)) > len(set(added)):
            added = longer
        if len(set(added)) == len(members):
            break
    seen = collections.Counter()
    for i, words in enumerate(added):
        seen[words] += 1
        if seen[words] > 1:
            added[i] = words + (f"number={seen[words]}",)
    return added


def tags_of(found):
    """A tag for each, and no two alike."""
    groups = collections.defaultdict(list)
    for i, f in enumerate(found):
        groups[f.name, f.member].append(i)
    tags = [None] * len(found)
    for (name, member), numbers in groups.items():
        added = tell_apart([found[i] for i in numbers])
        for i, words in zip(numbers, added):
            tags[i] = as_tag("/".join((name, *words, member)))
    taken = set()
    for i, tag in enumerate(tags):  # what as_tag() made alike
        unique, count = tag, 1
        while unique in taken:
            count += 1
            unique = f"{tag}/{count}"
        taken.add(unique)
        tags[i] = unique
    return tags


# ---- writing ----------------------------------------------------------------


def write_hdr(found, tags, out):
    """A log of HdrHistogram, format 1.3."""
    starts = [f.started_s for f in found if f.started_s is not None]
    first = min(starts, default=None)
    version, legend = hdr.LOG_HEAD
    out.write("#[Written by switchyard export. Values are nanoseconds, "
              "Interval_Max is in milliseconds]\n")
    out.write(version)
    if first is not None:
        when = datetime.datetime.fromtimestamp(first, datetime.timezone.utc)
        out.write(f"#[StartTime: {first:.3f} (seconds since epoch), "
                  f"{when:%Y-%m-%dT%H:%M:%SZ}]\n")
    out.write(legend)
    rows = [((f.started_s or first or 0) - (first or 0), f, tag)
            for f, tag in zip(found, tags)]
    for start, f, tag in sorted(rows, key=lambda row: row[0]):
        if f.values.clipped:
            out.write(f"#[{tag}: {f.values.clipped} values above "
                      f"{histogram.VALUE_MAX} are counted in the last "
                      "bucket]\n")
        out.write(hdr.log_line(tag, start, f.elapsed_ns / 1e9, f.values))


def ranges(values):
    """(low, high, count) of each bucket that is not empty."""
    return [(histogram.low_of(b), histogram.high_of(b), count)
            for b, count in values.pairs]


def write_csv(found, tags, out):
    """One row per bucket that is not empty."""
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("tag", "low_ns", "high_ns", "count"))
    for f, tag in zip(found, tags):
        rows.writerows((tag, *bucket) for bucket in ranges(f.values))


def write_json(found, tags, out):
    """One object, with a list of all histograms."""
    objects = []
    for f, tag in zip(found, tags):
        value = {"tag": tag, "where": f.where, "name": f.name,
                 "member": f.member, "what": f.what,
                 "elapsed_ns": f.elapsed_ns}
        value.update((key, getattr(f.values, key)) for key in
                     ("count", "sum", "min", "max", "clipped"))
        value["buckets"] = ranges(f.values)
        objects.append(value)
    json.dump({"type": "export", "histograms": objects}, out)
    out.write("\n")


FORMATS = {"hdr": write_hdr, "csv": write_csv, "json": write_json}


@contextlib.contextmanager
def opened(path):
    """A file that is there whole, or as it was; devices are written to."""
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "w", encoding="utf-8",
                  errors="backslashreplace") as out:
            yield out
        return
    path = os.path.realpath(path)  # what a link points to is replaced
    handle, temporary = tempfile.mkstemp(prefix=os.path.basename(path) + ".",
                                         dir=os.path.dirname(path))
    try:
        with open(handle, "w", encoding="utf-8",
                  errors="backslashreplace") as out:
            yield out
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(handle, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def check_output(path, inputs):
    """Measurements are not written over."""
    for name in inputs:
        with contextlib.suppress(OSError):
            if os.path.samefile(path, name):
                raise run_file.Refused(
                    run_file.WRONG, f"{path} is the run file itself; it is "
                    "not written over")


def export(args):
    files = [path for given in args.files for path in merge.files_of(given)]
    found = []
    for path in dict.fromkeys(files):
        found += histograms_of(path)
    write, tags = FORMATS[args.format], tags_of(found)
    if args.out is None:
        write(found, tags, sys.stdout)
        return
    check_output(args.out, files)
    try:
        with opened(args.out) as out:
            write(found, tags, out)
    except OSError as error:
        raise run_file.Refused(3, f"cannot write {args.out}: "
                               f"{error.strerror}") from None


def main(argv):
    parser = argparse.ArgumentParser(prog="analysis export")
    parser.add_argument("--format", choices=list(FORMATS), default="hdr")
    parser.add_argument("--out")
    parser.add_argument("files", nargs="+", metavar="RUN")
    try:
        export(parser.parse_args(argv))
    except run_file.Refused as refused:
        print(f"switchyard: {refused}", file=sys.stderr)
        return refused.code
    return 0
