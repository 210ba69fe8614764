#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenSSL's own command with the provider, through an openssl.cnf.

usage: provider_programs.py MODULE SKELETON [PRELOAD]

`openssl list -providers` shows it; a wrong parameter is said; `openssl speed
-async_jobs` pauses; `openssl s_server -async` serves RSA and ECDSA, TLS 1.2 and
1.3; the skeleton from examples/ is loaded and used. Exit 0, 1, or 77 (skip).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

CONFIG = """openssl_conf = init
[init]
providers = providers
alg_section = algorithms
[algorithms]
default_properties = ?provider=switchyard
[providers]
default = default_provider
switchyard = switchyard_provider
[default_provider]
activate = 1
[switchyard_provider]
module = {module}
device = {device}
offload = rsa, ecdsa, x25519, ecdh
activate = 1
"""

COUNTS = re.compile(
    r"switchyard provider: process \d+: (\d+) operations offloaded, "
    r"(\d+) pauses, (\d+) operations done on the spot")

# Long enough for a job to have paused before its operation is complete.
DEVICE = "sim:servers=8,service=fixed:500us"


class Failed(Exception):
    pass


def check(condition, *words):
    if not condition:
        raise Failed(" ".join(str(w) for w in words))


class Bench:
    """A folder with a configuration, and the command run in it."""

    def __init__(self, folder, module, preload):
        self.folder = folder
        self.module = module
        self.preload = preload

    def environment(self, device=DEVICE):
        path = os.path.join(self.folder, "openssl.cnf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(module=self.module, device=device))
        env = dict(os.environ, OPENSSL_CONF=path, SWITCHYARD_EXPLAIN="1")
        if self.preload:
            env["LD_PRELOAD"] = self.preload
        return env

    def run(self, *argv, env=None, stdin=b""):
        return subprocess.run(["openssl", *argv], input=stdin, timeout=60,
                              capture_output=True, check=False,
                              env=env or self.environment(), cwd=self.folder)


def counts(err):
    found = COUNTS.search(err)
    check(found, "no account of the provider in:", err)
    return [int(n) for n in found.groups()]


def list_shows_it(bench):
    out = bench.run("list", "-providers", "-verbose").stdout.decode()
    at = out.find("\n  switchyard\n")
    check(at >= 0, "not listed:", out)
    for words in ("name: Switchyard offload provider", "version: ",
                  "status: active", "device " + DEVICE):
        check(words in out[at:], words, "is missing in:", out)


def wrong_parameter_is_said(bench):
    done = bench.run("list", "-providers",
                     env=bench.environment("workers:0"))
    check(b"threads=0" in done.stderr and b"1 .. 64" in done.stderr,
          "not said:", done.stderr)
    check(b"Switchyard" not in done.stdout, "loaded:", done.stdout)


def speed_pauses(bench):
    for algorithm in ("rsa2048", "ecdsap256", "ecdhx25519"):
        done = bench.run("speed", "-seconds", "1", "-async_jobs", "4",
                         algorithm)
        check(done.returncode == 0, algorithm, done.stderr.decode())
        offloaded, pauses, _ = counts(done.stderr.decode())
        print(f"  {algorithm}: {offloaded} offloaded, {pauses} pauses")
        check(offloaded > 0 and pauses > 0, "no pauses")


def serve(bench, key, version, handshakes):
    server = subprocess.Popen(
        ["openssl", "s_server", "-async", "-accept", "127.0.0.1:0",
         "-naccept", str(handshakes), "-key", key + ".pem", "-cert",
         key + ".crt"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=bench.folder,
        env=bench.environment())
    killer = threading.Timer(60, server.kill)
    killer.start()
    try:
        for line in server.stdout:
            found = re.match(rb"ACCEPT .*:(\d+)$", line.strip())
            if found:
                break
        check(found, "the server does not listen")
        plain = {k: v for k, v in os.environ.items()
                 if k not in ("OPENSSL_CONF", "LD_PRELOAD")}
        for i in range(handshakes):
            done = bench.run(
                "s_client", version, "-quiet", "-no_ign_eof", "-CAfile",
                key + ".crt", "-verify_return_error", "-connect",
                "127.0.0.1:" + found.group(1).decode(),
                env=plain, stdin=b"hello %d of %s\n" % (i, key.encode()))
            check(done.returncode == 0, key, version, done.stderr.decode())
        out, err = (text.decode() for text in server.communicate())
        for i in range(handshakes):
            check(f"hello {i} of {key}\n" in out, "bytes are missing:", out)
    finally:
        server.kill()
        server.wait()
        killer.cancel()
    offloaded, pauses, _ = counts(err)
    print(f"  s_server {key} {version}: {handshakes} handshakes, "
          f"{offloaded} offloaded, {pauses} pauses")
    check(pauses >= handshakes, "too few pauses:", pauses)


def servers_serve(bench):
    plain = {k: v for k, v in os.environ.items() if k != "OPENSSL_CONF"}
    for key, options in (("rsa", ["rsa:2048"]),
                         ("ecdsa", ["ec", "-pkeyopt",
                                    "ec_paramgen_curve:P-256"])):
        done = bench.run("req", "-x509", "-nodes", "-newkey", *options,
                         "-keyout", key + ".pem", "-out", key + ".crt",
                         "-days", "1", "-subj", "/CN=localhost", env=plain)
        check(done.returncode == 0, done.stderr.decode())
        for version in ("-tls1_2", "-tls1_3"):
            serve(bench, key, version, 10)


def skeleton_works(bench, skeleton):
    env = dict(os.environ)
    if bench.preload:
        env["LD_PRELOAD"] = bench.preload
    done = bench.run(
        "speed", "-provider-path", os.path.dirname(skeleton), "-provider",
        os.path.splitext(os.path.basename(skeleton))[0], "-provider",
        "default", "-propquery", "?provider=skeleton", "-seconds", "1",
        "-async_jobs", "4", "ecdhx25519", env=env)
    out = done.stdout.decode()
    check(done.returncode == 0, done.stderr.decode())
    check("X25519" in out, out)


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    if shutil.which("openssl") is None:
        print("skipped: there is no openssl command")
        return 77
    os.environ.pop("OPENSSL_CONF", None)
    preload = sys.argv[3] if len(sys.argv) == 4 else None
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, os.path.abspath(sys.argv[1]), preload)
        try:
            for case in (list_shows_it, wrong_parameter_is_said, speed_pauses,
                         servers_serve):
                print(case.__name__, flush=True)
                case(bench)
            print("skeleton_works", flush=True)
            skeleton_works(bench, os.path.abspath(sys.argv[2]))
        except Failed as failure:
            print(f"failed: {failure}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
