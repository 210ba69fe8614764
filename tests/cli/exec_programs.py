#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`switchyard exec`: what it says of programs, and their exit statuses.

usage: exec_programs.py SWITCHYARD STAND-IN.so STATIC-PROGRAM [--only NAME]
"""

import os
import resource
import shutil
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
from command_line import Skip, case, expect, main  # noqa: E402
from exec_cases import ARGUMENTS, DROP_IN, World  # noqa: E402

OWN_JOBS = "it runs on OpenSSL's own jobs"


def no_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def lines(result):
    """What the command itself said."""
    return [s for s in result.stderr.splitlines()
            if s.startswith("switchyard: ")]


# ---- exit statuses ----------------------------------------------------------


@case
def status_is_the_program_s(w):
    for status in (0, 1, 2, 77, 126, 127, 255):
        expect(w.run("--", "sh", "-c", f"exit {status}"), status)


@case
def ends_by_the_program_s_signal(w):
    for signo in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV,
                  signal.SIGABRT, signal.SIGPIPE, signal.SIGUSR1):
        expect(w.run("sh", "-c", f"kill -{int(signo)} $$",
                     preexec_fn=no_cores), -signo)


@case
def status_under_a_shell_is_128_and_the_signal(w):
    result = subprocess.run(
        ["sh", "-c", f"{w.command} exec sh -c 'kill -9 $$'; echo $?"],
        capture_output=True, text=True, timeout=20)
    assert result.stdout == "137\n", result


@case
def status_where_children_were_ignored(w):
    expect(w.run("sh", "-c", "exit 5", preexec_fn=lambda: signal.signal(
        signal.SIGCHLD, signal.SIG_IGN)), 5)


@case
def missing_program(w):
    expect(w.run("--", "no-such-program"), 127, err="no such program in PATH",
           out="")
    expect(w.run("--", "./no/such"), 127, err="No such file", out="")
    expect(w.run("--", ""), 127, out="")


@case
def not_executable(w):
    path = w.script("plain", "#!/bin/sh\n", mode=0o644)
    expect(w.run("--", path), 126, err="Permission denied", out="")
    expect(w.run("--", str(w.folder)), 126, err="Is a directory", out="")


@case
def interpreter_is_missing(w):
    path = w.script("odd", "#!/no/such/interpreter\n")
    expect(w.run("--", path), 127, err="cannot execute", out="")


@case
def text_without_a_header_goes_to_a_shell(w):
    path = w.script("bare", "echo bare\nexit 4\n")
    expect(w.run("--", path), 4, err="has no header", out="bare\n")


@case
def no_program(w):
    expect(w.run(), 2, err="which program?", out="")
    expect(w.run("--account", "--"), 2, err="which program?", out="")


@case
def options_before_the_program_only(w):
    expect(w.run("--acount", "--", "true"), 2, err="account", out="")
    expect(w.run("echo", "--account", "--", "-x"), 0, out="--account -- -x\n")
    words = [str(i) for i in range(300)]
    expect(w.run("--", "echo", *words), 0, out=" ".join(words) + "\n")


@case
def found_in_path(w):
    w.script("found-here", "#!/bin/sh\necho found\n")
    path = f"/no/such:{w.folder}:{os.environ['PATH']}"
    expect(w.run("found-here", env={"PATH": path}), 0, out="found\n")


# ---- what the program is given ---------------------------------------------


@case
def preload_is_set(w):
    expect(w.run("sh", "-c", 'echo "$LD_PRELOAD"'), 0, out=f"{w.drop_in}\n")


@case
def earlier_preload_is_kept(w):
    other = w.folder / "other.so"
    shutil.copy2(w.drop_in, other)
    expect(w.run("sh", "-c", 'echo "$LD_PRELOAD"',
                 env={"LD_PRELOAD": str(other),
                      # For a command that is sanitized itself.
                      "ASAN_OPTIONS": "verify_asan_link_order=0"}), 0,
           out=f"{other}:{w.drop_in}\n")


@case
def account_is_asked_for(w):
    ask = ["sh", "-c", "echo ${SWITCHYARD_ACCOUNT-unset}"]
    expect(w.run(*ask), 0, out="unset\n")
    expect(w.run("--account", "--", *ask), 0, out="1\n")


@case
def streams_and_descriptors_are_the_program_s(w):
    process = w.start("--", "sh", "-c", "cat; echo err >&2; ls /proc/self/fd",
                      stdin=subprocess.PIPE)
    out, err = process.communicate("in\n", timeout=20)
    assert out == "in\n0\n1\n2\n3\n", out  # 3 is what ls lists them by
    assert "err\n" in err, err


@case
def signal_mask_and_dispositions_are_the_program_s(w):
    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    result = w.run("grep", "^Sig[BI]", "/proc/self/status", preexec_fn=block)
    bits = {s[:6]: int(s.split()[1], 16) for s in result.stdout.splitlines()}
    assert bits["SigBlk"] == 1 << (signal.SIGUSR2 - 1), result.stdout
    assert bits["SigIgn"] & 1 << (signal.SIGHUP - 1), result.stdout
    assert not bits["SigIgn"] & 1 << (signal.SIGCHLD - 1), result.stdout


# ---- the drop-in ------------------------------------------------------------


@case
def drop_in_is_missing(w):
    w.drop_in.unlink()
    result = w.run("--", "echo", "ran")
    expect(result, 3, err=[DROP_IN, str(w.bin)], out="")


@case
def drop_in_in_a_path_that_cannot_be_preloaded(w):
    odd = w.folder / "with space"
    w.bin.rename(odd)
    w.command = str(odd / "switchyard")
    expect(w.run("--", "echo", "ran"), 3, err="space or a colon", out="")


@case
def drop_in_of_a_build_tree(w):
    (w.folder / "openssl").mkdir()
    moved = w.folder / "openssl" / DROP_IN
    w.drop_in.rename(moved)
    expect(w.run("sh", "-c", 'echo "$LD_PRELOAD"'), 0, out=f"{moved}\n")


# ---- one line that says whether it was picked up ---------------------------


@case
def picked_up(w):
    result = w.run("true", env={"STAND_IN_COUNTS": "exit jobs=12 pauses=10"})
    assert lines(result) == [
        "switchyard: true picked up the drop-in: 12 OpenSSL jobs ran on "
        "Switchyard, with 10 pauses"], result.stderr


@case
def picked_up_for_nothing(w):
    result = w.run("true", env={"STAND_IN_COUNTS": "exit jobs=0 pauses=0"})
    assert lines(result) == [
        "switchyard: true picked up the drop-in, but started no OpenSSL job"]


@case
def picked_up_by_children_too(w):
    result = w.run("sh", "-c", "env true; exit 3",
                   env={"STAND_IN_COUNTS": "exit jobs=2 pauses=1"})
    # sh, and env, which becomes true.
    expect(result, 3, err="in 3 programs")
    assert len(lines(result)) == 1, result.stderr


@case
def not_picked_up(w):
    result = w.run("true", env={"STAND_IN": "silent"})
    assert lines(result) == [
        "switchyard: true did not pick up the drop-in: it was not seen to "
        "load libcrypto"], result.stderr


@case
def libcrypto_is_loaded_late(w):
    result = w.run("true", env={"STAND_IN": "silent",
                                "STAND_IN_COUNTS": "exit jobs=1 pauses=0"})
    expect(result, 0, err="true picked up the drop-in: 1 OpenSSL jobs")


@case
def stands_down(w):
    result = w.run("true", env={
        "STAND_IN": "stands-down:libcrypto of another major version"})
    assert lines(result) == [
        "switchyard: true did not pick up the drop-in and runs on OpenSSL's "
        "own jobs: libcrypto of another major version"], result.stderr


@case
def a_program_that_goes_on_is_reported_on_meanwhile(w):
    process = w.start("--", "sleep", "30")
    try:
        line = process.stderr.readline()
        assert process.poll() is None
        assert line == ("switchyard: sleep picked up the drop-in: its OpenSSL "
                        "jobs run on Switchyard\n"), line
    finally:
        process.terminate()
        _, rest = process.communicate(timeout=10)
    assert rest == "", rest


@case
def no_descriptor_of_the_report_is_left_to_the_program(w):
    # Programs close what they did not open, and use the number themselves.
    result = w.run("sh", "-c", "exec 3>&- 4>&- 5>&- 6>&-; sh -c true")
    assert len(lines(result)) == 1 and "in 2 programs" in result.stderr


# ---- programs that a preload does not reach --------------------------------


@case
def statically_linked(w):
    result = w.run("--", w.static)
    expect(result, 7, err=["is statically linked", OWN_JOBS],
           out="statically linked\n")
    assert len(lines(result)) == 1, result.stderr


@case
def script_of_a_static_interpreter(w):
    path = w.script("odd", f"#!{w.static}\n")
    result = w.run("--", path)
    expect(result, 7, err=["is a script", w.static, "statically linked"],
           out="statically linked\n")


@case
def script(w):
    path = w.script("script", "#! /bin/sh -e\necho \"$1\"; exit 6\n")
    result = w.run("--", path, "word")
    expect(result, 6, err=["is a script; /bin/sh", "picked up"], out="word\n")


def privileged(w, owner, group, mode):
    if os.getuid() != 0:
        raise Skip("only root can give files to others")
    path = w.folder / "privileged"
    shutil.copy(shutil.which("sleep"), path)
    os.chown(path, owner, group)
    path.chmod(mode)
    if os.statvfs(path).f_flag & os.ST_NOSUID:
        raise Skip(f"{w.folder} is mounted nosuid")
    return str(path)


@case
def set_uid_to_somebody_else(w):
    path = privileged(w, 65534, 0, 0o4755)
    result = w.run("--", path, "0")
    expect(result, 0, err=["is set-uid:", OWN_JOBS])
    assert len(lines(result)) == 1, result.stderr


@case
def set_gid_to_another_group(w):
    path = privileged(w, 0, 65534, 0o2755)
    expect(w.run("--", path, "0"), 0, err=["is set-gid:", OWN_JOBS])


@case
def set_uid_to_the_user_who_runs_it(w):
    path = privileged(w, 0, 0, 0o4755)
    expect(w.run("--", path, "0"), 0,
           err=["is set-uid, but gains nothing", "picked up"])


@case
def set_uid_run_by_somebody_else(w):
    path = privileged(w, 0, 0, 0o4755)
    result = w.run("--", path, "0", user=65534, group=65534, extra_groups=[])
    expect(result, 0, err=["is set-uid:", OWN_JOBS])


@case
def file_capabilities(w):
    path = privileged(w, 0, 0, 0o755)
    if shutil.which("setcap", path="/sbin:/usr/sbin") is None:
        raise Skip("there is no setcap (libcap2-bin)")
    subprocess.run(["/sbin/setcap", "cap_net_bind_service=ep", path],
                   check=True)
    result = w.run("--", path, "0", user=65534, group=65534, extra_groups=[])
    expect(result, 0, err=["has file capabilities:", OWN_JOBS])


@case
def another_elf_class(w):
    path = w.folder / "other"
    header = bytearray(open(shutil.which("sleep"), "rb").read(4096))
    header[4] = 3 - header[4]  # EI_CLASS: 1 for 32, 2 for 64 bits
    path.write_bytes(header)
    path.chmod(0o755)
    result = w.run("--", str(path))
    assert "another ELF class or machine" in result.stderr, result.stderr
    assert result.returncode != 0 and "ld.so" not in result.stderr, result


@case
def another_machine(w):
    path = w.folder / "other"
    header = bytearray(open(shutil.which("sleep"), "rb").read(4096))
    header[18] = 0xf7 if header[18] != 0xf7 else 0xf3  # e_machine
    path.write_bytes(header)
    path.chmod(0o755)
    result = w.run("--", str(path))
    assert "another ELF class or machine" in result.stderr, result.stderr


@case
def another_c_library(w):
    data = open(shutil.which("sleep"), "rb").read()
    at = data.index(b"/lib64/ld-linux") if b"/lib64/ld-linux" in data else -1
    if at == -1:
        raise Skip("the loader has another name here")
    end = data.index(b"\0", at)
    path = w.folder / "other"
    path.write_bytes(data[:at] + b"/lib/ld-musl.so".ljust(end - at, b"\0") +
                     data[end:])
    path.chmod(0o755)
    result = w.run("--", str(path), "0")  # there is no such loader
    expect(result, 127, err="uses another loader")


if __name__ == "__main__":
    sys.exit(main(World, *ARGUMENTS))
