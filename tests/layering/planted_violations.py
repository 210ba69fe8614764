#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Does scripts/check-layering see a violation of each rule?

usage: planted_violations.py ROOT

Builds a small tree of the project's shape, checks that it passes, and plants
one violation after the other. Exit 0 or 1.
"""

import os
import subprocess
import sys
import tempfile

CLEAN = {
    "include/switchyard/job.h": "#include <stddef.h>\n",
    "core/slots.h": "#include <switchyard/job.h>\n",
    "core/slots.c": '/* as ucontext does */\n#include "slots.h"\n',
    "switchers/asm/asm.c": "#include <switchyard/job.h>\n",
    "switchers/setjmp/setjmp.c": "#include <setjmp.h>\n",
    "switchers/setjmp/trampoline.h": "",
    "engines/uring_library.h": "",
    "engines/io_uring/io_uring.c": '#include "../uring_library.h"\n',
    "engines/eventfd/way.h": "",
    "engines/uring_absent.c": '#include "eventfd/way.h"\n',
    "devices/device_list.h": "",
    "devices/sim/sim.c": '#include "../device_list.h"\n',
    "devices/sim/service.h": "",
    "workloads/null/null.c": "#include <switchyard/job.h>\n",
    "bench/load/load.h": '#include "workloads/keys.h"\n',
    "workloads/keys.h": "",
    "cli/main.c": '#include "bench/load/load.h"\n'
                  '#include "tests/conformance/bodies.h"\n',
    "tests/conformance/bodies.h": '#include "core/slots.h"\n',
    "tests/unit/forms.h": "",
    "tests/CMakeLists.txt": "target_include_directories(x PRIVATE .)\n",
    "core/CMakeLists.txt": "",
}

# name, file, its text, the line and words that the report has to contain
PLANTED = [
    ("core includes a device", "core/wait.c",
     '\n#include "devices/sim/service.h"\n',
     "core/wait.c:2: must not include"),
    ("a switcher includes the core", "switchers/asm/helper.c",
     '#include "core/slots.h"\n', "switchers/asm/helper.c:1: must not"),
    ("a switcher includes its neighbour", "switchers/asm/neighbour.c",
     '#include "../setjmp/trampoline.h"\n',
     "switchers/asm/neighbour.c:1: must not"),
    ("a device includes a workload", "devices/sim/upwards.c",
     '#include "workloads/keys.h"\n', "devices/sim/upwards.c:1: must not"),
    ("a workload includes bench", "workloads/null/upwards2.c",
     '#include "bench/load/load.h"\n',
     "workloads/null/upwards2.c:1: must not"),
    ("bench includes tests", "bench/load/tested.c",
     '#include "tests/conformance/bodies.h"\n',
     "bench/load/tested.c:1: must not"),
    ("cli includes other tests", "cli/tested2.c",
     '#include "tests/unit/forms.h"\n', "cli/tested2.c:1: must not"),
    ("a public header includes the core", "include/switchyard/inner.h",
     '#include "core/slots.h"\n', "include/switchyard/inner.h:1: must not"),
    ("core names a switcher in code", "core/choose.c",
     'int x;\nconst char *best = "asm";\n', "core/choose.c:2: core/ names"),
    ("core uses ucontext", "core/swap.c", "#include <ucontext.h>\n",
     "core/swap.c:1: core/ names"),
    ("a public header that is not there", "core/missing.c",
     "#include <switchyard/none.h>\n", "core/missing.c:1: there is no public"),
    ("a public header in quotes", "core/quoted.c",
     '#include "switchyard/job.h"\n', "core/quoted.c:1: write <switchyard"),
    ("a macro instead of a file", "core/macro.c", "#include WHERE\n",
     "core/macro.c:1: #include of a macro"),
    ("an unknown part of the tree", "extra/extra.c",
     '#include "core/slots.h"\n', "extra/extra.c:1: must not include"),
    ("one name twice", "engines/pipe/slots.c", "",
     "engines/pipe/slots.c:1: has the same name as core/slots.c"),
    ("a folder below a part as include path", "bench/CMakeLists.txt",
     "\ntarget_include_directories(x PRIVATE\n"
     "  ${CMAKE_CURRENT_SOURCE_DIR}/load)\n",
     "bench/CMakeLists.txt:3: bench/load must not be an include path"),
    ("a folder below include as include path", "cmake/paths.cmake",
     "include_directories(${PROJECT_SOURCE_DIR}/include/switchyard)\n",
     "cmake/paths.cmake:1: include/switchyard must not be"),
    ("a path of somebody's machine", "docs.txt",
     "see\n/" + "home/me/notes\n", "docs.txt:2: refers to a path"),
]


def write(root, path, text):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as f:
        f.write(text)


def check(script, root):
    run = subprocess.run([script, "--root", root], capture_output=True,
                         text=True)
    return run.returncode, run.stdout


def main():
    script = os.path.join(sys.argv[1], "scripts", "check-layering")
    failures = 0
    with tempfile.TemporaryDirectory() as root:
        for path, text in CLEAN.items():
            write(root, path, text)
        code, out = check(script, root)
        if code != 0 or out != "":
            print(f"the clean tree: exit {code}\n{out}")
            failures += 1
        for name, path, text, expected in PLANTED:
            write(root, path, text)
            code, out = check(script, root)
            lines = out.splitlines()
            if code != 1 or len(lines) != 1 or \
                    not lines[0].startswith(expected):
                print(f"{name}: exit {code}, expected '{expected}...', got:\n"
                      f"{out}")
                failures += 1
            os.remove(os.path.join(root, path))
    print(f"{len(PLANTED) + 1} trees, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
