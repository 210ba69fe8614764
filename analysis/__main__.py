# SPDX-License-Identifier: Apache-2.0
"""Reads run files of the switchyard command and says what follows from them.

usage: /usr/bin/python3 -I analysis SUBCOMMAND [ARGUMENT...]

Exit: 0 ok, 2 a file or the command line is wrong, 3 packages are missing or
something could not be written, 4 a file is incomplete or holds too little,
130 interrupted.
"""

import importlib
import os
import sys

from switchyard_analysis import run_file

# Of each subcommand: its module, whose main() takes the arguments, and the
# modules of other people that it needs. None is loaded before it is needed:
# scipy takes longer than what most subcommands do.
SUBCOMMANDS = {
    "compare": ("judge", ("numpy", "scipy")),
    "contenders": ("contenders", ("numpy", "scipy")),
    "dose": ("dose", ("numpy", "scipy")),
    "export": ("export", ()),
    "merge": ("merge", ()),
    "report": ("report", ("numpy", "scipy", "matplotlib", "jinja2")),
    "recommend": ("recommend", ("numpy", "scipy")),
    "replay": ("replay", ("numpy", "scipy")),
}

# What they are called in Debian.
PACKAGES = {
    "numpy": "python3-numpy",
    "scipy": "python3-scipy",
    "matplotlib": "python3-matplotlib",
    "jinja2": "python3-jinja2",
}


def missing_packages(modules):
    """Names of the Debian packages of the modules that are not there."""
    missing = []
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            missing.append(PACKAGES[module])
    return missing


def main(argv):
    if not argv or argv[0] not in SUBCOMMANDS:
        print("switchyard: the analysis has the subcommands "
              + ", ".join(SUBCOMMANDS) + f", not '{' '.join(argv[:1])}'",
              file=sys.stderr)
        return 2
    what = argv[0]
    if what == "compare" and any(map(run_file.is_dosed, argv[1:])):
        what = "dose"  # judged as what it is
    module, modules = SUBCOMMANDS[what]
    missing = missing_packages(modules)
    if missing:
        print("switchyard: the analysis needs these packages: "
              + " ".join(missing) + "\nswitchyard: apt-get install "
              "--no-install-recommends " + " ".join(missing), file=sys.stderr)
        return 3
    module = importlib.import_module("switchyard_analysis." + module)
    return module.main(argv[1:])


if __name__ == "__main__":
    # Names in a run file may hold what UTF-8 cannot.
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            print("switchyard: cannot write to standard output: "
                  f"{error.strerror}", file=sys.stderr)
        # Python would try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 3
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
