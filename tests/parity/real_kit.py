# SPDX-License-Identifier: Apache-2.0
"""What the real_*.py tests share: a server under `switchyard exec` with the
offload provider, and clients that behave or leave in the middle."""

import argparse
import atexit
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
CONFIG = """openssl_conf = init
[init]
providers = providers
alg_section = algorithms
[providers]
default = underneath
switchyard = offload
[underneath]
activate = 1
[offload]
module = {provider}
device = {device}
activate = 1
[algorithms]
default_properties = ?provider=switchyard
"""


class Failure(Exception):
    """The text says why."""


def arguments(description, *more):
    parser = argparse.ArgumentParser(
        description=description.split("\n")[0])
    parser.add_argument("--switchyard", required=True, metavar="FILE")
    parser.add_argument("--provider", required=True, metavar="FILE")
    parser.add_argument("--device", default="sim:servers=16,"
                        "service=fixed:200us", metavar="SPEC")
    parser.add_argument("--seed", type=int, default=1)
    for name, options in more:
        parser.add_argument(name, **options)
    args = parser.parse_args()
    args.provider = os.path.abspath(args.provider)
    return args


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Place:
    """A folder with a key, a certificate and OpenSSL's configuration."""

    def __init__(self, args, kind="ec"):
        self.args = args
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sy-real-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.config = self.folder / "openssl.cnf"
        self.config.write_text(CONFIG.format(provider=args.provider,
                                             device=args.device))
        self.key = self.folder / "key.pem"
        self.certificate = self.folder / "certificate.pem"
        how = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
               "rsa": ["rsa:2048"]}[kind]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *how, "-nodes", "-days",
             "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost", "-keyout", str(self.key), "-out",
             str(self.certificate)], check=True, capture_output=True)
        self.environment = dict(os.environ, OPENSSL_CONF=str(self.config))

    def exec(self, *words, **more):
        """Start a program under `switchyard exec --account`."""
        return subprocess.Popen(
            [self.args.switchyard, "exec", "--account", "--", *words],
            env=self.environment, **more)


def wait_for_port(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failure(f"the server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Failure(f"nobody listens on port {port}")


def client_context(place, version=None):
    context = ssl.create_default_context(cafile=str(place.certificate))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def leave_in_the_middle(context, port, after_s):
    """Send the client's first message, and go away some time later, whatever
    the server is doing then."""
    to_us, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(to_us, to_server, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(to_server.read())
        time.sleep(after_s)


def accounts(text):
    """What the drop-in told at exit: a list of (pid, jobs, pauses)."""
    found = []
    for part in re.split(r"switchyard: account of process ", text)[1:]:
        pid = int(re.match(r"\d+", part).group())
        jobs = re.search(r"\bjobs +(\d+)", part)
        pauses = re.search(r"\((\d+) pauses\)", part)
        found.append((pid, int(jobs.group(1)), int(pauses.group(1))))
    return found


def end(process, how=signal.SIGTERM, seconds=15):
    """Stop a server; returns its exit status."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failure(f"it does not end on signal {how}") from None


def require(condition, words):
    if not condition:
        raise Failure(words)


def run(function):
    """Call it, and turn a Failure into an exit status."""
    try:
        function()
    except Failure as failure:
        print(f"FAILED: {failure}")
        return 1
    return 0
