#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`openssl s_server -async` under `switchyard exec` with the offload provider.

Every client sends a line of its own, which the server prints: all of them must
be there. Some clients are `openssl s_client`.
"""

import socket
import subprocess
import sys

from real_kit import (Failure, Place, accounts, arguments, client_context, end,
                      free_port, require, run, wait_for_port)

args = arguments(
    __doc__,
    ("--handshakes", {"type": int, "default": 100}),
    ("--key", {"choices": ["rsa", "ec"], "default": "ec"}),
    ("--s-client", {"type": int, "default": 5, "metavar": "N",
                    "help": "this many of the clients are openssl s_client"}))


def by_python(context, port, line):
    with socket.create_connection(("127.0.0.1", port), 20) as s, \
            context.wrap_socket(s, server_hostname="localhost") as tls:
        tls.sendall(line.encode())
        tls.unwrap().close()


def by_s_client(place, port, line):
    result = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
         str(place.certificate), "-verify_return_error", "-verify_quiet",
         "-quiet", "-no_ign_eof"],
        input=line, capture_output=True, text=True, timeout=20, check=False)
    require(result.returncode == 0, f"s_client: {result.stderr}")


def test():
    place = Place(args, args.key)
    port = free_port()
    lines = [f"line {i} of somebody\n" for i in range(args.handshakes)]
    out = open(place.folder / "out", "w+", encoding="utf-8")
    err = open(place.folder / "err", "w+", encoding="utf-8")
    # It copies its standard input to clients, so there is one without an end.
    # It ends by itself after so many; who looks whether it listens is one.
    server = place.exec("openssl", "s_server", "-async", "-quiet", "-key",
                        str(place.key), "-cert", str(place.certificate),
                        "-accept", f"127.0.0.1:{port}",
                        "-naccept", str(args.handshakes + 1),
                        stdin=subprocess.PIPE, stdout=out, stderr=err)
    try:
        wait_for_port(port, server)
        context = client_context(place)
        for i, line in enumerate(lines):
            if i < args.s_client:
                by_s_client(place, port, line)
            else:
                by_python(context, port, line)
        try:
            status = server.wait(20)
        except subprocess.TimeoutExpired:
            raise Failure("the server does not end") from None
        require(status == 0, f"the server ended with {status}")
    finally:
        if server.poll() is None:
            end(server)
        for f in (out, err):
            f.seek(0)
    told, said = out.read(), err.read()
    missing = [s for s in lines if s not in told]
    # The probe, which was no handshake, makes one.
    require(said.count("error:") <= 1, f"errors:\n{said}")
    require(not missing, f"{len(missing)} lines did not arrive, the first "
            f"{missing[:1]}\n{said}")
    require("picked up the drop-in" in said, f"not picked up: {said}")
    found = accounts(said)
    require(found, f"no account was printed\n{said}")
    jobs, pauses = sum(a[1] for a in found), sum(a[2] for a in found)
    print(f"s_server -async: {args.handshakes} handshakes, {jobs} jobs, "
          f"{pauses} pauses, no error")
    require(pauses >= args.handshakes, "less than a pause per handshake")


if __name__ == "__main__":
    sys.exit(run(test))
