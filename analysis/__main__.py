# SPDX-License-Identifier: Apache-2.0
"""Reads run files of the switchyard command and says what follows from them.

usage: /usr/bin/python3 -I analysis compare [--json] [--] FILE...
       /usr/bin/python3 -I analysis merge [--out DIR] [--] RUN...

Exit: 0 ok, 2 a file or the command line is wrong, 3 packages are missing,
4 a file is incomplete or holds too little.
"""

import sys

PACKAGES = {"numpy": "python3-numpy", "scipy": "python3-scipy"}


def missing_packages():
    """Names of the Debian packages of the modules that are not there."""
    missing = []
    for module, package in PACKAGES.items():
        try:
            __import__(module)
        except ImportError:
            missing.append(package)
    return missing


def main(argv):
    if argv[:1] == ["merge"]:  # needs no packages
        from switchyard_analysis import merge
        return merge.main(argv[1:])
    missing = missing_packages()
    if missing:
        print("switchyard: the analysis needs these packages: "
              + " ".join(missing) + "\nswitchyard: apt-get install "
              "--no-install-recommends " + " ".join(missing), file=sys.stderr)
        return 3
    from switchyard_analysis import judge
    return judge.main(argv)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
