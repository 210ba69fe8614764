#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`openssl speed -async_jobs` under `switchyard exec` with the offload
provider, which makes RSA and ECDSA signatures pause."""

import subprocess
import sys

from real_kit import Place, accounts, arguments, require, run

args = arguments(__doc__, ("--jobs", {"type": int, "default": 8}))


def test():
    place = Place(args)
    for algorithm in ("rsa2048", "ecdsap256"):
        process = place.exec("openssl", "speed", "-seconds", "1",
                             "-async_jobs", str(args.jobs), algorithm,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        out, err = process.communicate(timeout=60)
        require(process.returncode == 0,
                f"{algorithm}: exit {process.returncode}\n{err}")
        found = accounts(err)
        require(found, f"{algorithm}: no account was printed\n{err}")
        jobs, pauses = sum(a[1] for a in found), sum(a[2] for a in found)
        print(f"speed -async_jobs {args.jobs} {algorithm}: {jobs} jobs, "
              f"{pauses} pauses; {out.strip().splitlines()[-1]}")
        require(jobs > 0, f"{algorithm}: no jobs\n{err}")
        require(pauses > 0, f"{algorithm}: nothing paused\n{err}")


if __name__ == "__main__":
    sys.exit(run(test))
