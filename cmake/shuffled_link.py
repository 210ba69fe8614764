#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Link a program with its object files in random order, padding between them.

usage: shuffled_link.py SEED FOLDER COMMAND...

COMMAND is a compiler's link command. Its object files change places among
themselves, and objects with a random number of bytes of code and data are put
between them; libraries and options stay where they are. The same seed gives
the same program. FOLDER is made, and holds the padding.
"""

import os
import random
import subprocess
import sys

# Of both code and data, in steps of STEP bytes; a page moves everything.
PADDING_MAX = 4096
STEP = 16


def make_paddings(rng, folder, count, compiler):
    """Objects with some bytes, which nothing refers to."""
    for number in range(count):
        text, data = (STEP * rng.randint(1, PADDING_MAX // STEP) for _ in "td")
        with open(os.path.join(folder, f"padding_{number}.s"), "w",
                  encoding="ascii") as f:
            f.write(f".text\n.skip {text}\n.data\n.skip {data}\n"
                    '.section .note.GNU-stack,"",%progbits\n')
    # All in one command: to start a compiler takes longer than to assemble.
    subprocess.run([compiler, "-c"] +
                   [f"padding_{number}.s" for number in range(count)],
                   cwd=folder, check=True)
    return [os.path.join(folder, f"padding_{number}.o")
            for number in range(count)]


def main(argv):
    if len(argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    seed, folder, command = argv[0], argv[1], argv[2:]
    rng = random.Random(int(seed))
    os.makedirs(folder, exist_ok=True)
    at = [i for i, word in enumerate(command)
          if word.endswith(".o") and command[i - 1] != "-o"]
    objects = [command[i] for i in at]
    rng.shuffle(objects)
    paddings = make_paddings(rng, folder, len(at), command[0])
    replaced = {i: [padding, name]
                for i, padding, name in zip(at, paddings, objects)}
    words = []
    for i, word in enumerate(command):
        words += replaced.get(i, [word])
    return subprocess.run(words, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
