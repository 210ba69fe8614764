# SPDX-License-Identifier: Apache-2.0
"""What a program demands of a switcher and an engine, and who meets it.

What a part can do is not known here: `switchyard recommend` hands over what
`switchyard list --json` prints, whose members "caps" and "needs" come from the
tables of the parts themselves. A part of which something is not known does not
meet a requirement that asks for it.
"""

import json
import re

from . import run_file
from .run_file import WRONG, Refused

INTEGRATIONS = ("native", "callback", "fd")

# Of each requirement: its words in help and in errors.
REQUIREMENTS = {
    "no-io_uring": "no io_uring",
    "thread-safe": "jobs stay on the runtime's own thread",
    "asan": "works under AddressSanitizer",
    "shadow-stack": "works with a hardware shadow stack",
    "signals-preserved": "each job has its own signal mask",
    "max-stack": "jobs on stacks of at most so many bytes (max-stack=64K)",
    "kernel": "works on this Linux and all later ones (kernel>=5.10)",
    "seccomp": "works under this system call filter (seccomp=k8s)",
}

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def version_of(text):
    """(5, 10) of "5.10"."""
    if not re.fullmatch(r"\d{1,3}\.\d{1,3}", text):
        return None
    return tuple(int(n) for n in text.split("."))


def bytes_of(text):
    found = re.fullmatch(r"(\d{1,9})([KMG]?)", text)
    return int(found[1]) * UNITS[found[2]] if found else None


def parse_requirement(text):
    """(name, value) of one requirement, or Refused."""
    name, value = text, None
    if text.startswith("kernel>="):
        name, value = "kernel", version_of(text[len("kernel>="):])
        if value is None:
            raise Refused(WRONG, f"--require {text}: the version of a kernel "
                          "is written as in kernel>=5.10")
    elif text.startswith("max-stack="):
        name, value = "max-stack", bytes_of(text[len("max-stack="):])
        if value is None or value < 4096:
            raise Refused(WRONG, f"--require {text}: at least 4K, written as "
                          "in max-stack=64K, with K, M or G")
    elif text.startswith("seccomp="):
        name, value = "seccomp", text[len("seccomp="):]
        if value != "k8s":
            raise Refused(WRONG, f"--require {text}: the filter that is known "
                          "is k8s (the default one of container runtimes): "
                          "seccomp=k8s")
    elif text in ("kernel", "max-stack", "seccomp") or \
            text not in REQUIREMENTS:
        raise Refused(WRONG, f"--require {text}: unknown; there are "
                      "no-io_uring, thread-safe, asan, shadow-stack, "
                      "signals-preserved, max-stack=BYTES, kernel>=X.Y and "
                      "seccomp=k8s")
    return name, value


class Parts:
    """What is known of the parts, from `switchyard list --json`."""

    def __init__(self, path=None):
        self.switchers, self.engines = {}, {}
        self.is_known = path is not None
        if path is None:
            return
        try:
            value = json.loads(run_file.read_bytes(path))
            for key, table in (("switchers", self.switchers),
                               ("engines", self.engines)):
                for rank, part in enumerate(value[key]):
                    table[part["name"]] = dict(part, rank=rank)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Refused(WRONG, f"{path}: not what 'switchyard list --json' "
                          "prints") from None

    def rank(self, option):
        """Place in the library's own order; unknown parts come last."""
        last = 1000
        return (self.engines.get(option.engine_name, {}).get("rank", last),
                self.switchers.get(option.switcher, {}).get("rank", last))

    def needs(self, option):
        """How much the option asks of a system: what its parts need that not
        every system has."""
        words = []
        engine = self.engines.get(option.engine_name, {})
        switcher = self.switchers.get(option.switcher, {})
        for part in (switcher, engine):
            needs = part.get("needs") or {}
            words += [f"Linux {needs['kernel']}"] if needs.get("kernel") else []
            words += [f"no {w} in force" for w in needs.get("absent", [])]
            words += needs.get("calls", [])
        if "fd-per-job" in engine.get("caps", []):
            words.append("a descriptor for each job")
        if switcher and "same-thread" not in switcher.get("caps", []):
            words.append("a thread for each job")
        return words


def cap(part, word):
    """Whether a part can do it; None where nothing is known of it."""
    return word in part["caps"] if "caps" in part else None


def needs(part, member, word):
    known = part.get("needs")
    return word in known.get(member, ()) if known is not None else None


def against_switcher(part, name, value, stack_bytes):
    """Why a switcher does not meet a requirement, or None."""
    if name == "thread-safe" and cap(part, "same-thread") is not True:
        return "it runs jobs on threads of their own"
    if name == "signals-preserved" and cap(part, "keeps-sigmask") is not True:
        return "jobs share one signal mask"
    if name == "shadow-stack" and \
            needs(part, "absent", "shadow stack") is not False:
        return "it refuses to work where a hardware shadow stack is in force"
    if name == "asan" and needs(part, "absent", "AddressSanitizer") is not False:
        return "it does not work under AddressSanitizer"
    if name == "max-stack":
        if cap(part, "own-stack") is not True:
            return "its jobs are not on stacks whose size a program chooses"
        if stack_bytes is not None and stack_bytes > value:
            return (f"it was measured with stacks of {stack_bytes:,} bytes, "
                    f"which is more than {value:,}")
    return None


def against_engine(part, name, value):
    known = part.get("needs")
    uses_uring = needs(part, "calls", "io_uring")
    if name == "no-io_uring" and uses_uring is not False:
        return "it uses io_uring"
    if name == "seccomp" and uses_uring is not False:
        return "the default filter of container runtimes refuses io_uring"
    if name == "kernel":
        if known is None:
            return "it is not known which kernel it needs"
        least = known.get("kernel")
        if least is not None and version_of(least) > value:
            return f"it needs Linux {least}"
    return None


class Constraints:
    """All that was demanded on the command line."""

    def __init__(self, require=(), deny=(), integration="native",
                 stack_bytes=None):
        self.require = [(text, *parse_requirement(text)) for text in require]
        self.deny, self.integration = list(deny), integration
        self.stack_bytes = stack_bytes

    def __bool__(self):
        return bool(self.require or self.deny or self.integration == "fd")

    def words(self):
        words = [f"--require {text}" for text, _, _ in self.require]
        words += [f"--deny {name}" for name in self.deny]
        if self.integration != "native":
            words.append(f"--integration {self.integration}")
        return words

    def check_names(self, parts, options):
        """Refuse to deny what nobody has heard of."""
        known = set(parts.switchers) | set(parts.engines)
        known |= {name.partition("+")[0] for name in parts.engines}
        for option in options:
            known |= {option.name, option.switcher, option.engine,
                      option.engine_name}
        for name in self.deny:
            if name not in known:
                raise Refused(WRONG, f"--deny {name}: there is no such part; "
                              "there are " + ", ".join(
                                  sorted(k for k in known if k)))

    def against(self, option, parts):
        """[(constraint, why)]: what the option does not meet."""
        switcher = parts.switchers.get(option.switcher, {})
        engine = parts.engines.get(option.engine_name, {})
        found = []
        for text, name, value in self.require:
            why = against_switcher(switcher, name, value, self.stack_bytes) \
                or against_engine(engine, name, value)
            if why is not None:
                found.append((f"--require {text}", why))
        for name in self.deny:
            if name in (option.name, option.switcher, option.engine,
                        option.engine_name):
                found.append((f"--deny {name}", "denied"))
        if self.integration == "fd" and engine.get("own_event_loop") is not True:
            found.append(("--integration fd", "it has no descriptor that "
                          "another event loop could poll"))
        # What OpenSSL keeps is per thread, so its drop-in takes no other.
        if self.integration == "callback" and \
                cap(switcher, "same-thread") is False:
            found.append(("--integration callback", "it runs jobs on threads "
                          "of their own, which the OpenSSL drop-in refuses"))
        return found


def explain_empty(constraints, options, parts):
    """Which constraints together leave nothing."""
    lines = []
    for word in constraints.words():
        out = [o.name for o in options
               if word in [w for w, _ in constraints.against(o, parts)]]
        lines.append(f"{word} rules out {len(out)} of {len(options)}"
                     + (": " + ", ".join(out[:6])
                        + (" ..." if len(out) > 6 else "") if out else ""))
    return lines
