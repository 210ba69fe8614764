# SPDX-License-Identifier: Apache-2.0
"""Run files: read, and refused where they are not whole.

read_lines() reads any run file, line by line; read() the lines of a comparison
into one object. docs/run-files.md of the source tree explains every field.
"""

import collections
import hashlib
import json

SCHEMA = "switchyard-run/1"
HASH_KEY = b'"sha256":"'

# A batch takes milliseconds; what took longer than this is no measurement.
BATCH_NS_MAX = 3600 * 10 ** 9

# The tag of a batch in which the clock stepped.
CLOCK = "clock"

# As many as `switchyard compare` makes at most.
ROUNDS_MAX = 100000


class Refused(Exception):
    """A file cannot be used; the text says why, .code is an exit code."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


WRONG = 2
INCOMPLETE = 4


# ---- what lines must hold ---------------------------------------------------


def is_text(value):
    return isinstance(value, str)


def is_number(value):
    """An exact integer; a larger one than this is none of ours."""
    return type(value) is int and -2 ** 63 <= value < 2 ** 63


def is_object(value):
    return isinstance(value, dict)


def has_numbers(*keys):
    """An object in which these, where they are there at all, are numbers."""
    return lambda value: is_object(value) and all(
        value.get(key) is None or is_number(value[key]) for key in keys)


def is_machine(value):
    return has_numbers("cpus", "cpus_usable", "memory_bytes",
                       "page_bytes")(value) \
        and is_text(value.get("fingerprint"))


def is_texts(value):
    return isinstance(value, list) and all(map(is_text, value))


def or_null(is_right):
    return lambda value: value is None or is_right(value)


def is_mix(value):
    return isinstance(value, list) and len(value) > 0 and all(
        is_object(item) and is_text(item.get("workload"))
        and or_null(is_number)(item.get("param_bytes"))
        and is_number(item.get("weight")) for item in value)


def mix_text(mix):
    """The mix as a suite spells it: "sha256@1024=3, null=1"."""
    words = []
    for item in mix:
        size = item.get("param_bytes")
        words.append(item["workload"] + (f"@{size}" if size else "")
                     + (f"={item['weight']}" if len(mix) > 1 else ""))
    return ", ".join(words)


DOSE_KEYS = {"switches", "wakes", "device_operations", "collected",
             "switch_ns", "wake_ns", "collect_ns", "device_ns"}


def is_dose(value):
    """What was counted while something took longer."""
    return is_object(value) and all(map(is_number, value.values())) \
        and DOSE_KEYS <= value.keys()


def is_real_doses(value):
    """How long that was, of each candidate."""
    return isinstance(value, list) and all(
        each is None or is_object(each) and all(
            is_number(each.get(key)) for key in
            ("switch_ps", "wake_ps", "device_ps")) for each in value)


WORDS = {is_text: "text", is_number: "number", is_object: "object",
         is_texts: "list of texts"}

# Of each type of line, the members that somebody here relies on. Types that
# are not named are of a later version; a reader leaves alone what it does not
# know.
SHAPES = {
    "meta": {"run_id": is_text, "machine": is_machine, "build": is_object},
    "record": {"name": is_text},
    "comparison": {"planted_permille": is_number},
    "candidate": {"label": is_text, "task": or_null(is_number),
                  "twin_of": or_null(is_number),
                  "operations": or_null(is_number), "status": is_text,
                  "mix": is_mix, "candidate": or_null(is_number)},
    "process": {"process": is_number, "layout": or_null(is_text)},
    "batch": dict.fromkeys(("elapsed_ns", "operations", "cpu_ns",
                            "thread_cpu_ns", "process", "round", "position",
                            "candidate"), is_number) | {"tags": is_texts},
    "end": {"records": is_number},
}

# Likewise, but they may be absent or null.
MAY_HAVE = {
    "meta": {"argv": is_texts, "libraries": is_object, "started": is_text,
             "environment": has_numbers("syscall_ns", "steal_boot_permille")},
    "candidate": {"dose": has_numbers("switch_ns", "wake_ns", "device_ns")},
    "process": {"doses": is_real_doses},
    "batch": {"dose": is_dose},
    "end": {"finished": is_text},
}


def check_shape(line, where):
    kind = line["type"]
    for key, is_right in MAY_HAVE.get(kind, {}).items():
        if line.get(key) is not None and not is_right(line[key]):
            raise Refused(WRONG, f"{where}: the {kind} has no "
                          f"{WORDS.get(is_right, 'usable')} '{key}'")
    for key, is_right in SHAPES.get(kind, {}).items():
        value = line.get(key)
        # As is_number() does, without a call: there may be millions.
        if is_right is is_number and type(value) is int \
                and -2 ** 63 <= value < 2 ** 63:
            continue
        if key not in line or not is_right(line[key]):
            raise Refused(WRONG, f"{where}: the {kind} has no "
                          f"{WORDS.get(is_right, 'usable')} '{key}'")


# ---- what a file must be ----------------------------------------------------


def read_bytes(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as error:
        raise Refused(WRONG, f"{path}: {error.strerror}") from None


def check_whole(path, data):
    """The last line is an end whose hash is that of all before it."""
    if not data.strip():
        raise Refused(INCOMPLETE, f"{path} is empty")
    if not data.endswith(b"\n"):
        number = data.count(b"\n") + 1
        raise Refused(INCOMPLETE,
                      f"{path} is incomplete: line {number} is cut off")
    last = data[data.rstrip(b"\n").rfind(b"\n") + 1:]
    if b'"type":"end"' not in last:
        raise Refused(INCOMPLETE, f"{path} is incomplete: it has no end; the "
                      "run was killed, or is still going on")
    at = data.rfind(HASH_KEY)
    if at == -1 or not data.endswith(b'"}\n'):
        raise Refused(WRONG, f"{path} has a malformed end")
    at += len(HASH_KEY)
    found = hashlib.sha256(data[:at]).hexdigest()
    said = data[at:-3].decode("ascii", "replace")
    if found != said:
        raise Refused(WRONG, f"{path} was changed after it was written: its "
                      f"hash is {found[:12]}.., its end says {said[:12]}..")


def parse(path, data):
    """The lines as objects, one after the other."""
    decode = json.JSONDecoder().raw_decode
    for number, line in enumerate(data.splitlines(), 1):
        try:
            # Text: of bytes, the encoding would be guessed line by line.
            text = line.decode("utf-8", "surrogatepass")
            value, end = decode(text)
            if end != len(text):
                value = json.loads(text)  # blanks, or more than one
        except (ValueError, RecursionError) as error:
            raise Refused(WRONG, f"{path}:{number}: no JSON: {error}") from None
        if not is_object(value) or not is_text(value.get("type")):
            raise Refused(WRONG, f"{path}:{number}: not a line of a run file")
        check_shape(value, f"{path}:{number}")
        yield value


def check_meta(path, first):
    if first.get("type") != "meta" or "schema" not in first:
        raise Refused(WRONG,
                      f"{path} is not a run file: its first line is no meta")
    if first["schema"] != SCHEMA:
        raise Refused(WRONG, f"{path} has the schema {first['schema']}, "
                      f"not {SCHEMA}: it is of another version")


def check_first_line(path, data):
    """Whose file it is matters more than whether it is whole."""
    line = data[:data.find(b"\n")] if b"\n" in data else data
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        if b"\n" in data:
            raise Refused(WRONG, f"{path} is not a run file: its first line "
                          "is no JSON") from None
        return
    if isinstance(first, dict):
        check_meta(path, first)
    else:
        raise Refused(WRONG, f"{path} is not a run file: its first line is "
                      "no meta")


def read_lines(path, take):
    """Read one run file, of any kind, or raise Refused.

    take(line, where) is called for each line between meta and end, in order,
    with the words "path:number". The file as a whole was checked before, and
    its last line is after: what take() gathers counts when this returns.

    Returns the meta and the end.
    """
    data = read_bytes(path)
    if data.strip():
        check_first_line(path, data)
    check_whole(path, data)
    lines = parse(path, data)
    meta = next(lines)
    check_meta(path, meta)
    count, end = 0, None
    for number, line in enumerate(lines, 2):
        if end is not None:
            raise Refused(WRONG, f"{path} goes on after its end")
        if line["type"] == "end":
            end = line
            continue
        take(line, f"{path}:{number}")
        count += 1
    if end is None or end["records"] != count:
        raise Refused(WRONG, f"{path} has {count} lines between meta and end, "
                      f"its end says {end and end['records']}")
    return meta, end


def is_dosed(path):
    """Was the file written by `switchyard dose`? Of what is no run file: no;
    who reads it says what is wrong with it."""
    try:
        with open(path, "rb") as f:
            return json.loads(f.readline())["argv"][1] == "dose"
    except (OSError, ValueError, RecursionError, TypeError, LookupError):
        return False


# ---- comparisons ------------------------------------------------------------


# What is kept of a batch: there may be hundreds of thousands.
Batch = collections.namedtuple("Batch", "process round candidate operations "
                               "elapsed_ns cpu_ns tags dose")


class Comparison:
    """One run file: its lines by type."""

    def __init__(self, path):
        self.path = path
        self.meta = None
        self.settings = None  # of the line "comparison"
        self.candidates = []
        self.left_out = []
        self.processes = []
        self.batches = []
        self.seen_tags = {}  # each combination once
        self.interrupted = False
        self.incomplete = None  # in words, where only a part was read


def check_batch(comparison, batch, where):
    if not 0 <= batch["candidate"] < len(comparison.candidates):
        raise Refused(WRONG, f"{where}: there is no candidate "
                      f"{batch['candidate']}")
    if not 0 <= batch["round"] < ROUNDS_MAX:
        raise Refused(WRONG, f"{where}: there is no round {batch['round']}")
    if batch["operations"] < 1:
        raise Refused(WRONG, f"{where}: a batch without operations")
    if CLOCK in batch["tags"]:
        return
    if not 0 < batch["elapsed_ns"] <= BATCH_NS_MAX:
        raise Refused(INCOMPLETE, f"{where}: the batch took "
                      f"{batch['elapsed_ns']} ns: the clock stepped")


def add_candidate(comparison, line, where):
    number = len(comparison.candidates)
    if line["status"] != "ok":
        comparison.left_out.append(line)
        return
    if line["candidate"] != number:
        raise Refused(WRONG, f"{where}: candidates out of order")
    twin_of = line["twin_of"]
    if twin_of is not None and not 0 <= twin_of < number:
        raise Refused(WRONG, f"{where}: the twin of no candidate, {twin_of}")
    comparison.candidates.append(line)


def add_line(comparison, line, where):
    kind = line["type"]
    if kind == "comparison":
        comparison.settings = line
    elif kind == "candidate":
        add_candidate(comparison, line, where)
    elif kind == "process":
        comparison.processes.append(line)
    elif kind == "batch":
        check_batch(comparison, line, where)
        tags = tuple(line["tags"])
        comparison.batches.append(Batch(
            line["process"], line["round"], line["candidate"],
            line["operations"], line["elapsed_ns"], line["cpu_ns"],
            comparison.seen_tags.setdefault(tags, tags), line.get("dose")))


def drop_unfinished(comparison):
    """The last process of a file that breaks off may lack batches."""
    last = max((p["process"] for p in comparison.processes), default=None)
    planned = {p["process"]: p.get("batches") for p in comparison.processes}
    there = sum(b.process == last for b in comparison.batches)
    if last is not None and there != planned[last]:
        comparison.processes = [p for p in comparison.processes
                                if p["process"] != last]
        comparison.batches = [b for b in comparison.batches
                              if b.process != last]


def read_part(path):
    """A file that breaks off, because the command was killed: all processes
    that are whole in it. None if it does not break off, or is no run file."""
    data = read_bytes(path)
    whole = data[:data.rfind(b"\n") + 1]
    if not whole.strip():
        return None
    check_first_line(path, data)
    if data == whole and b'"type":"end"' in whole.splitlines()[-1]:
        return None
    lines = parse(path, whole)
    comparison = Comparison(path)
    comparison.meta = next(lines)
    for number, line in enumerate(lines, 2):
        add_line(comparison, line, f"{path}:{number}")
    drop_unfinished(comparison)
    comparison.incomplete = (
        f"{path} has no end: it holds {len(comparison.processes)} of "
        f"{(comparison.settings or {}).get('processes', '?')} processes, and "
        "nothing shows whether they are as they were written")
    return comparison


def read(path, is_incomplete_fine=False):
    """Read one run file of a comparison, or raise Refused."""
    comparison = read_part(path) if is_incomplete_fine else None
    if comparison is None:
        comparison = Comparison(path)
        comparison.meta, end = read_lines(
            path, lambda line, where: add_line(comparison, line, where))
        comparison.interrupted = bool(end.get("interrupted"))
    if comparison.settings is None:
        raise Refused(WRONG, f"{path} is no comparison: it was written by "
                      "'switchyard run' or 'load', not by 'switchyard compare'")
    if not comparison.candidates:
        raise Refused(INCOMPLETE, f"{path} has no candidates")
    return comparison


# What of a machine's description and environment its keys are made of.
HARDWARE = ("arch", "cpu_model", "cpu_id", "cpus", "hypervisor")
ENVIRONMENT = ("kernel", "libc", "page_bytes", "cpus_usable", "governor",
               "turbo", "smt", "isolated", "clock_source", "mitigations")


def machine_facts(meta):
    return {**meta.get("machine", {}), **(meta.get("environment") or {}),
            "libc": (meta.get("libraries") or {}).get("libc")}


def describe_machines(one, other):
    """Words for what makes the machines of two metas different."""
    a, b = machine_facts(one), machine_facts(other)
    words = [f"fingerprints {a.get('fingerprint')} and {b.get('fingerprint')}"]
    for title, key, names in (
            ("hardware", "hardware_key", HARDWARE),
            ("environment", "environment_key", ENVIRONMENT)):
        if a.get(key) == b.get(key):
            continue
        if None in (a.get(key), b.get(key)):
            words.append(f"{title}: one file is older than its key")
            continue
        facts = [f"{name} {a.get(name)} and {b.get(name)}" for name in names
                 if a.get(name) != b.get(name)]
        words.append(f"another {title}"
                     + (": " + ", ".join(facts) if facts else ""))
    return "; ".join(words)


def check_machines(first, other):
    """Refuse to pool what was not measured on one machine in one state."""
    if first.meta.get("machine", {}).get("fingerprint") != \
            other.meta.get("machine", {}).get("fingerprint"):
        raise Refused(WRONG, f"{first.path} and {other.path} differ in "
                      "machine: they are not judged together; "
                      + describe_machines(first.meta, other.meta))


def identity(comparison):
    """What must be the same in files that are pooled, by name; the machine
    aside."""
    meta = comparison.meta
    build = meta.get("build", {})
    return {
        # Files from before there was a version were measured as 1 says.
        "measuring protocol": meta.get("protocol", "1"),
        "version": (build.get("version"), build.get("git")),
        "compiler and flags": (build.get("compiler"), build.get("flags")),
        "libraries": meta.get("libraries"),
        "candidates": [(c["label"], c["mix"], c.get("device"), c.get("jobs"),
                        c["twin_of"]) for c in comparison.candidates],
        "planted work": comparison.settings.get("planted_permille"),
        "twin": comparison.settings.get("twin"),
        "suite": comparison.settings.get("suite"),
    }


def as_text(value):
    if isinstance(value, tuple):
        return " ".join(str(v) for v in value)
    return "none" if value is None else str(value)


def values(first, second):
    """Both in brackets, where they are short enough to be compared by eye."""
    text = f" ({as_text(first)}; {as_text(second)})"
    return text if len(text) <= 100 else ""


def check_same(comparisons):
    """Refuse to pool what was not measured under the same conditions."""
    first = comparisons[0]
    runs = {}
    for c in comparisons:
        key = (c.meta.get("run_id"), c.meta.get("machine", {}).get(
            "fingerprint"), json.dumps(c.meta.get("shard")))
        if key in runs:
            raise Refused(WRONG, f"{runs[key]} and {c.path} are the same run: "
                          "it would count twice")
        runs[key] = c.path
        check_machines(first, c)
        for name, value in identity(c).items():
            if value != identity(first)[name]:
                raise Refused(WRONG, f"{first.path} and {c.path} differ in "
                              f"{name}{values(identity(first)[name], value)}: "
                              "they are not judged together")
