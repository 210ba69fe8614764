# SPDX-License-Identifier: Apache-2.0
"""What flamegraph-fold, off-cpu and job-latency share: running perf, and
reading what `perf script` prints."""

import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

EXIT_USAGE, EXIT_ENVIRONMENT, EXIT_INCOMPLETE = 2, 3, 4

# The fields that read_samples() takes apart.
FIELDS = "comm,pid,tid,time,event,ip,sym"

# "nginx: worker 123/124 [001] 36898.755157: cpu-clock:u: rest"; what comes
# behind the time is an event with its own text, or a switch of threads.
HEAD = re.compile(r"^\s*(?P<comm>.+?)\s+(?P<pid>-?\d+)/(?P<tid>\d+)\s+"
                  r"(?:\[\d+\]\s+)?(?P<time>\d+\.\d+):\s*(?P<rest>.*)$")
FRAME = re.compile(r"^\s+(?P<ip>[0-9a-f]+)\s+(?P<sym>.*)$")

Sample = collections.namedtuple("Sample", "comm pid tid time rest frames")


class Stop(Exception):
    """It cannot go on: .code is the exit status, the text says why."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def clean(symbol):
    """A frame as it may stand in a folded stack."""
    symbol = re.sub(r"\+0x[0-9a-f]+$", "", symbol.strip())
    return symbol.replace(";", ":") or "[unknown]"


def read_samples(lines):
    """Yield a Sample for each block; frames innermost first. A frame at
    address 0 is no frame: a job's root links to its resumer through one."""
    head, frames = None, []
    for line in lines:
        match = HEAD.match(line)
        if match and not line.startswith("\t"):
            if head is not None:
                yield Sample(*head, frames)
            head = (match["comm"], int(match["pid"]), int(match["tid"]),
                    float(match["time"]), match["rest"].strip())
            frames = []
            continue
        match = FRAME.match(line)
        if match and head is not None and int(match["ip"], 16) != 0:
            frames.append(clean(match["sym"]))
    if head is not None:
        yield Sample(*head, frames)


def fold(sample):
    """One line of a folded stack, without its count: outermost first."""
    return ";".join([clean(sample.comm), *reversed(sample.frames)])


def write_folded(stacks, out):
    for stack, count in sorted(stacks.items()):
        if round(count) > 0:
            out.write(f"{stack} {round(count)}\n")


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def need_perf():
    if shutil.which("perf") is None:
        raise Stop(EXIT_ENVIRONMENT,
                   "there is no perf (Debian's package linux-perf)")


def need_tracefs():
    if os.geteuid() != 0:
        raise Stop(EXIT_ENVIRONMENT, "tracepoints need root")
    for folder in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"):
        if os.path.isdir(os.path.join(folder, "events", "sched")):
            return folder
    raise Stop(EXIT_ENVIRONMENT, "there are no tracepoints: is tracefs mounted "
               "at /sys/kernel/tracing? (mount -t tracefs none "
               "/sys/kernel/tracing)")


def perf(*words):
    """Run perf for its output."""
    done = subprocess.run(["perf", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False,
                          errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Stop(EXIT_ENVIRONMENT,
                   f"perf {words[0]}: {last_line(done.stderr)}")
    return done.stdout


def record(options, data, command):
    """perf record of a command, whose output goes to standard error: standard
    output is for what this script prints. Warns if the command failed."""
    with tempfile.TemporaryFile("w+") as log:
        words = ["perf", "record", "-q", "-o", data, *options, "--", *command]
        status = subprocess.run(words, stdout=sys.stderr, stderr=log,
                                check=False).returncode
        log.seek(0)
        text = log.read()
    sys.stderr.write(text)
    if not os.path.exists(data) or os.path.getsize(data) == 0:
        raise Stop(EXIT_ENVIRONMENT,
                   f"perf record recorded nothing: {last_line(text)}")
    if status != 0:
        print(f"perf record, or the command, ended with status {status}; what "
              "was recorded is used", file=sys.stderr)


def script(data, *options):
    return perf("script", "-i", data, *options).splitlines()


def check_command(command):
    if not command:
        return
    if shutil.which(command[0]) is None:
        raise Stop(EXIT_USAGE, f"there is no command '{command[0]}'")


def run(main):
    """Call main() and turn what it raises into an exit status."""
    name = os.path.basename(sys.argv[0])
    try:
        status = main()
        sys.stdout.flush()
    except Stop as stop:
        print(f"{name}: {stop}", file=sys.stderr)
        status = stop.code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = EXIT_ENVIRONMENT
    except OSError as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = EXIT_ENVIRONMENT
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
