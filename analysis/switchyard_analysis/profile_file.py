# SPDX-License-Identifier: Apache-2.0
"""Profiles, as include/switchyard/profile.h describes them."""

import os
import re
import tempfile

from . import decide
from .run_file import WRONG, Refused

# Limits of the reader.
CHOICES_MAX = 8
FALLBACKS_MAX = 8
FACT_BYTES = 95
VALUE_BYTES = 900


def one_line(text, limit=VALUE_BYTES):
    """A value as the file form takes it."""
    text = "".join(c if c.isprintable() else "?" for c in str(text))
    return text.encode()[:limit].decode(errors="ignore").strip()


def pattern_of(cpu):
    """A pattern that matches this name and no other."""
    return re.sub(r"([*?\[\\])", r"[\1]", one_line(cpu, 200)) \
        .replace("[\\]", "[\\\\]").replace('"', "?")


def build_of(meta):
    """The library with which it was measured, as profiles name it."""
    build = meta["build"]
    if isinstance(build.get("library"), str):
        return build["library"]
    # Files from before that: never the same as any build, so it is stale.
    return f"{build.get('version')}, {build.get('compiler')}"


def split_name(name):
    switcher, _, engine = name.partition("+")
    return switcher, engine


def fits(part):
    """Can a profile hold this name? A run file may hold any."""
    return re.fullmatch(r"[A-Za-z0-9_.+-]{1,31}", part) is not None


def choices(answers):
    """[(least jobs or None, name)], the first for all, from [(jobs, name)]."""
    found = []
    for jobs, name in sorted(answers):
        if not found:
            found.append((None, name))
        elif name != found[-1][1] and len(found) < CHOICES_MAX:
            found.append((jobs, name))
    return found


def ranked(main):
    """Eligible names, best first."""
    names = [n for n in main.evidence.names if n in main.eligible()]
    members = main.decision.members
    return sorted(names, key=lambda n: (n not in members,
                                        main.evidence.mean(n)))


def fallbacks(main, chosen):
    switchers, engines = [], []
    for name in ranked(main):
        switcher, engine = split_name(name)
        if switcher not in switchers and fits(switcher):
            switchers.append(switcher)
        if engine not in engines and fits(engine):
            engines.append(engine)
    # What is chosen for all numbers of jobs needs no place in the lists.
    used = [split_name(name) for _, name in chosen]
    if len(used) == 1:
        switchers = [s for s in switchers if s != used[0][0]]
        engines = [e for e in engines if e != used[0][1]]
    return switchers[:FALLBACKS_MAX], engines[:FALLBACKS_MAX]


def measured(main, question, level):
    meta = question.found.meta
    facts = [("library", one_line(build_of(meta), FACT_BYTES)),
             ("kernel", one_line(meta["machine"].get("kernel"), FACT_BYTES)),
             ("date", meta.get("started")),
             ("command", " ".join(question.found.runs[-1].argv)),
             ("run", ", ".join(r.run_id for r in question.found.runs)),
             ("workload", f"{main.place.mix} on {main.place.device}"),
             ("jobs", main.place.jobs), ("objective", main.objective),
             ("slo", question.args.slo), ("protocol",
                                          question.found.runs[0].protocol)]
    best, near = main.chances.get(main.best_known, (None, None))
    words = level
    if near is not None and main.objective != "memory":
        words += f", within the band of the best in {100 * near:.0f} %"
    facts.append(("confidence", words))
    if main.decision.kind == decide.OPEN:
        facts.append(("note", "no decision: the leader, by --force"))
    elif level != "high":
        facts.append(("note", "written because of --force"))
    return [(key, one_line(value)) for key, value in facts
            if value is not None and one_line(value)]


def text(main, answers, question, level):
    """The profile. answers: what to use, as [(jobs, name)]."""
    cpu = question.found.meta["machine"].get("cpu_id") or "*"
    chosen = choices(answers)
    lines = ["[profile]", "format = 1", "policy = use", "",
             f'[machine "cpu={pattern_of(cpu) if cpu != "*" else cpu}"]',
             "[measured]"]
    lines += [f"{key} = {value}" for key, value in measured(main, question,
                                                            level)]
    for jobs, name in chosen:
        switcher, engine = split_name(name)
        if not fits(switcher) or not fits(engine):
            raise Refused(WRONG, f"no profile was written: it cannot hold the "
                          f"name {name!r}")
        lines.append("[choice]" if jobs is None
                     else f'[choice "jobs>={jobs}"]')
        lines += [f"switcher = {switcher}", f"engine = {engine}"]
    switchers, engines = fallbacks(main, chosen)
    if switchers or engines:
        lines.append("[fallback]")
        lines += [f"switcher = {', '.join(switchers)}"] if switchers else []
        lines += [f"engine = {', '.join(engines)}"] if engines else []
    return "\n".join(lines + ["", "[end]", ""])


def write(path, content):
    """All of it or nothing; what was there stays until then. Devices and pipes
    are written to: to replace one would take it from the whole machine."""
    if os.path.isdir(path):
        raise IsADirectoryError(21, "is a folder")
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "w", encoding="utf-8") as f:
            f.write(content)
        return
    path = os.path.realpath(path)  # what a link points to is replaced
    fd, temporary = tempfile.mkstemp(prefix=".profile-",
                                     dir=os.path.dirname(path))
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            f.write(content)
            f.flush()
            os.fchmod(f.fileno(), 0o644)
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
