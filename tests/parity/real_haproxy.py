#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HAProxy with ssl-mode-async, master and worker, under `switchyard exec` with
the offload provider.

Many clients at a time make one request each; a part of them leaves in the
middle of the handshake. Meanwhile HAProxy is reloaded (SIGUSR2 to the command,
which passes it on). Every client that stays must get every byte. After the
reloads, over the last half, the worker's memory must not grow.
"""

import collections
import concurrent.futures
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

from real_kit import (Failure, Place, accounts, arguments, client_context, end,
                      free_port, leave_in_the_middle, require, run, skip,
                      wait_for_port)

REPLY_BYTES = 15000
GROWTH_BYTES = 1 << 20  # of allocators, and of what is seen for the first time
SAMPLES_MIN = 8

args = arguments(
    __doc__,
    ("--handshakes", {"type": int, "default": 300}),
    ("--abort-share", {"type": float, "default": 0.2}),
    ("--reloads", {"type": int, "default": 1}),
    ("--clients", {"type": int, "default": 8, "help": "at a time"}))

CONFIG = """global
    ssl-mode-async
    nbthread 1
    maxconn 500
    ssl-default-bind-options no-tls-tickets
    tune.ssl.cachesize 0
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 10s
frontend https
    bind 127.0.0.1:{port} ssl crt {pem}
    http-request return status 200 content-type text/plain file {reply}
"""


class Load:
    """The clients, and what came of them."""

    def __init__(self, place, port, reply):
        self.context = client_context(place)
        self.port = port
        self.reply = reply
        self.rng = random.Random(args.seed)
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.errors = []
        self.finished = 0

    def request(self):
        with socket.create_connection(("127.0.0.1", self.port), 20) as s, \
                self.context.wrap_socket(s, server_hostname="localhost") as t:
            t.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n"
                      b"Connection: close\r\n\r\n")
            got = bytearray()
            while chunk := t.recv(65536):
                got += chunk
        head, _, body = bytes(got).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200") or body != self.reply:
            raise Failure(f"{len(body)} other bytes came back: {head[:80]}")

    def one(self, leaves, after_s):
        try:
            if leaves:
                leave_in_the_middle(self.context, self.port, after_s)
            else:
                self.request()
            error = None
        except (OSError, ssl.SSLError, Failure) as e:
            error = f"{type(e).__name__}: {e}"
        with self.lock:
            self.finished += 1
            self.counts["left" if leaves else "served"] += error is None
            if error is not None:
                self.errors.append(error)

    def submit(self, pool):
        leaves = self.rng.random() < args.abort_share
        pool.submit(self.one, leaves, self.rng.uniform(0, 0.003))


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def newest_worker(command):
    """The command's child is the master; of its children, the last."""
    workers = [w for m in children(command) for w in children(m)]
    return max(workers) if workers else None


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Watch:
    """Reloads in the first half, looks at memory in the second."""

    def __init__(self, server, load):
        self.server, self.load = server, load
        self.reload_at = [args.handshakes * (i + 1) // (2 * args.reloads + 2)
                          for i in range(args.reloads)]
        self.reloads = 0
        self.samples = []
        self.workers = set()

    def look(self):
        n = self.load.finished
        if self.reload_at and n >= self.reload_at[0]:
            self.reload_at.pop(0)
            self.server.send_signal(signal.SIGUSR2)
            self.reloads += 1
        worker = newest_worker(self.server.pid)
        if worker is None:
            return
        self.workers.add(worker)
        if n >= args.handshakes // 2:
            try:
                self.samples.append((n, worker, resident_bytes(worker)))
            except OSError:
                pass  # it is ending

    def check_memory(self):
        last = self.samples[-1][1] if self.samples else None
        bytes_ = [s[2] for s in self.samples if s[1] == last]
        # A new worker's caches still fill in its first few hundred handshakes.
        if args.handshakes < 1000 or len(bytes_) < SAMPLES_MIN:
            return "too short to tell of memory"
        quarter = len(bytes_) // 4
        first, end_ = max(bytes_[:quarter]), max(bytes_[-quarter:])
        words = (f"worker's memory in the last half {first >> 10} KiB -> "
                 f"{end_ >> 10} KiB")
        require(end_ - first <= GROWTH_BYTES, f"memory grows: {words}")
        return words


def drive(server, load):
    watch = Watch(server, load)
    with concurrent.futures.ThreadPoolExecutor(args.clients) as pool:
        for submitted in range(args.handshakes):
            # So that signals find clients at work, not a queue of them.
            while submitted - load.finished > 2 * args.clients:
                watch.look()
                time.sleep(0.005)
            load.submit(pool)
            if server.poll() is not None:
                raise Failure(f"HAProxy ended with {server.returncode}")
        while load.finished < args.handshakes:
            watch.look()
            time.sleep(0.01)
    return watch


def prepare(place, port):
    reply = bytes((i * 31 + i // 251) & 0xff for i in range(REPLY_BYTES))
    (place.folder / "reply").write_bytes(reply)
    pem = place.folder / "both.pem"
    pem.write_bytes(place.certificate.read_bytes() + place.key.read_bytes())
    (place.folder / "haproxy.cfg").write_text(CONFIG.format(
        port=port, pem=pem, reply=place.folder / "reply"))
    return reply


def judge(load, watch, said):
    found = accounts(said)
    workers = [a for a in found if a[1] > 0]
    jobs, pauses = sum(a[1] for a in found), sum(a[2] for a in found)
    print(f"HAProxy: {args.handshakes} handshakes: {load.counts['served']} "
          f"served, {load.counts['left']} left in the middle, "
          f"{len(load.errors)} errors")
    print(f"reloads {watch.reloads}, workers {len(watch.workers)}, of which "
          f"{len(workers)} told {jobs} jobs, {pauses} pauses")
    require(not load.errors, f"the first error: {load.errors[:1]}\n{said}")
    require("picked up the drop-in" in said, f"not picked up:\n{said}")
    require(watch.reloads == args.reloads and
            len(watch.workers) == args.reloads + 1,
            f"{watch.reloads} reloads, {len(watch.workers)} workers\n{said}")
    require(len(workers) == args.reloads + 1, "not every worker told its "
            f"account\n{said}")
    require(pauses > 0, f"nothing paused\n{said}")
    print(watch.check_memory())
    if args.handshakes >= 1000:
        for line in said.splitlines():
            if not line.startswith("[NOTICE]"):
                print(f"  {line}")


def test():
    haproxy = shutil.which("haproxy", path=os.environ["PATH"] +
                           ":/usr/sbin:/usr/local/sbin")
    if haproxy is None:
        skip("HAProxy is not installed (the package haproxy)")
    place = Place(args)
    port = free_port()
    reply = prepare(place, port)
    log = open(place.folder / "log", "w+", encoding="utf-8")
    print(subprocess.run([haproxy, "-v"], capture_output=True, text=True,
                         check=True).stdout.splitlines()[0])
    server = place.exec(haproxy, "-W", "-f", str(place.folder / "haproxy.cfg"),
                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for_port(port, server)
        load = Load(place, port, reply)
        watch = drive(server, load)
    finally:
        # SIGUSR1: the workers end their connections, then everything ends.
        end(server, signal.SIGUSR1)
        log.seek(0)
        said = log.read()
        if sys.exc_info()[0] is not None:
            print(said)
    judge(load, watch, said)


if __name__ == "__main__":
    sys.exit(run(test))
