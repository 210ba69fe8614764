#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard exec`: signals and the terminal.

usage: exec_signals.py SWITCHYARD STAND-IN.so STATIC-PROGRAM [--only NAME]
"""

import os
import pty
import signal
import sys
import time

sys.dont_write_bytecode = True
from command_line import case, main  # noqa: E402
from exec_cases import ARGUMENTS, World, wait_for  # noqa: E402

# Prints the number of each signal it gets; SIGTERM ends it.
LISTENER = """
import signal, sys
def told(signo, frame):
    print(signo, flush=True)
    if signo == signal.SIGTERM:
        sys.exit(9)
skipped = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD)
for signo in signal.valid_signals() - set(skipped):
    signal.signal(signo, told)
print("ready", flush=True)
while True:
    signal.pause()
"""


def listener(w, **more):
    process = w.start("--", "/usr/bin/python3", "-S", "-c", LISTENER, **more)
    assert process.stdout.readline() == "ready\n"
    return process


def state_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(word) for word in f.read().split()]


def start_sleep(w):
    """The command, and the program that it has executed."""
    process = w.start("--", "sleep", "30")

    def name():
        with open(f"/proc/{children_of(process.pid)[0]}/comm") as f:
            return f.read()
    wait_for(lambda: children_of(process.pid) and name() == "sleep\n",
             "the program is executed")
    return process, children_of(process.pid)[0]


@case
def every_usual_signal_is_passed_on(w):
    process = listener(w)
    signals = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1,
               signal.SIGUSR2, signal.SIGALRM, signal.SIGWINCH,
               signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE,
               signal.SIGABRT, signal.SIGURG, signal.SIGIO, signal.SIGPWR,
               signal.SIGSEGV, signal.SIGRTMIN, signal.SIGRTMAX,
               signal.SIGCONT]
    for signo in signals:
        process.send_signal(signo)
        assert process.stdout.readline() == f"{int(signo)}\n", signo
    process.terminate()
    out, _ = process.communicate(timeout=10)
    assert out == "15\n" and process.returncode == 9, process.returncode


@case
def each_once(w):
    process = listener(w)
    for _ in range(200):
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == "10\n"
    process.terminate()
    out, _ = process.communicate(timeout=10)
    assert out == "15\n", out


@case
def a_signal_that_the_program_does_not_catch(w):
    process, _ = start_sleep(w)
    process.send_signal(signal.SIGUSR2)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGUSR2, process.returncode


@case
def a_stopped_program_stops_the_command(w):
    process, child = start_sleep(w)
    os.kill(child, signal.SIGSTOP)
    wait_for(lambda: state_of(process.pid) == "T", "the command stops")
    process.send_signal(signal.SIGCONT)
    wait_for(lambda: state_of(child) == "S", "the program goes on")
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM


@case
def killed_outright_it_does_not_leave_the_program(w):
    process, child = start_sleep(w)
    process.kill()
    process.communicate(timeout=10)
    wait_for(lambda: not os.path.exists(f"/proc/{child}") or
             state_of(child) == "Z", "the program ends too")


class Terminal:
    """A shell with job control on a terminal of its own."""

    def __init__(self, w):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["PS1"] = "> "
            os.execv("/bin/bash", ["bash", "--norc", "--noprofile",
                                   "--noediting", "-i"])
        self.seen = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, words):
        def look():
            nonlocal words
            os.set_blocking(self.fd, False)
            try:
                self.seen += os.read(self.fd, 65536).decode()
            except BlockingIOError:
                pass
            return words in self.seen
        try:
            wait_for(look, f"'{words}' on the terminal")
        except AssertionError as error:
            raise AssertionError(f"{error}; there is {self.seen!r}") from None
        self.seen = self.seen[self.seen.index(words) + len(words):]

    def close(self):
        # What runs in the foreground outlives its shell, if it minds no signal.
        os.killpg(os.tcgetpgrp(self.fd), signal.SIGKILL)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@case
def interrupted_from_the_terminal_once(w):
    t = Terminal(w)
    try:
        script = w.script("listener", "#!/usr/bin/python3 -S\n" + LISTENER)
        t.type(f"{w.command} exec {script}; echo status $?\n")
        t.expect("ready\r\n")
        t.type("\x03")
        t.expect("2\r\n")
        time.sleep(0.3)
        t.type("\x1c")
        t.expect("3\r\n")  # and no second 2 before it
        assert "2" not in t.seen
        t.type("\x1a")
        t.expect("20\r\n")
    finally:
        t.close()


@case
def ctrl_c_ends_both(w):
    t = Terminal(w)
    try:
        t.type(f"{w.command} exec sleep 30; echo status $?\n")
        time.sleep(0.5)
        t.type("\x03")
        # bash gives up the rest of the line when a job ended by SIGINT.
        t.type("echo status $?\n")
        t.expect("status 130")
    finally:
        t.close()


@case
def ctrl_z_fg_and_bg(w):
    t = Terminal(w)
    try:
        # The terminal echoes what is typed, so the words are taken apart.
        t.type(f"{w.command} exec sh -c 'echo be''gun; read x; echo got $x'\n")
        t.expect("begun")
        t.type("\x1a")
        t.expect("Stopped")
        t.type("echo shell a''gain\n")
        t.expect("shell again")
        t.type("fg\n")
        time.sleep(0.3)
        t.type("words\n")
        t.expect("got words")
        t.type("echo status $?\n")
        t.expect("status 0")
        # In the background, reading from the terminal stops it.
        t.type(f"{w.command} exec sh -c 'read x; echo got $x' &\n")
        time.sleep(0.5)
        t.type("\n")  # shells tell before they prompt
        t.expect("Stopped")
        t.type("fg\n")
        time.sleep(0.3)
        t.type("more\n")
        t.expect("got more")
    finally:
        t.close()


if __name__ == "__main__":
    sys.exit(main(World, *ARGUMENTS))
