#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write the analysis as one archive that Python runs.

usage: analysis_archive.py SOURCE-FOLDER ARCHIVE

The same sources give the same bytes, wherever and whenever: names are sorted
and relative, times are those of 1980, nothing is compressed. The standard
zipapp module would take times and permissions from the file system.
"""

import pathlib
import sys
import zipfile

SHEBANG = b"#!/usr/bin/python3 -IB\n"


def main():
    source, archive = map(pathlib.Path, sys.argv[1:])
    paths = sorted(source.rglob("*.py"),
                   key=lambda p: p.relative_to(source).as_posix())
    with open(archive, "wb") as out:
        out.write(SHEBANG)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as pack:
            for path in paths:
                entry = zipfile.ZipInfo(path.relative_to(source).as_posix(),
                                        (1980, 1, 1, 0, 0, 0))
                entry.create_system = 3  # Unix, on any
                entry.external_attr = 0o100644 << 16
                pack.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    main()
