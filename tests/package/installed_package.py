#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Install to a prefix, move it, and build and run programs against it.

usage: installed_package.py --build DIR --source DIR --work DIR --cc CC
           --cxx CXX [--libdir DIR] [--optional NAME,...] [--debug]
           [--only NAME]

--optional: the libraries besides libswitchyard that this build has. --debug:
the build keeps paths of its sources in its debugging information. Exit 0, 1,
or 77 if there is no pkg-config to test with.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from cases import case, lacks, run_cases  # noqa: E402

JOB = "3 pauses, result 42\n"
SAYS = {"devices": "a device\n", "workloads": "a workload\n",
        "offload": "in a job of OpenSSL's: 0\n"}
LANGUAGES = {"c": ("-std=c11", "-x", "c"), "cxx": ("-std=c++17", "-x", "c++")}


def run(*words, **more):
    """A command that must succeed; its standard output."""
    result = subprocess.run([str(w) for w in words], capture_output=True,
                            text=True, timeout=240, check=False, **more)
    assert result.returncode == 0, \
        f"{' '.join(map(str, words))}\nexit {result.returncode}\n" \
        f"{result.stdout}{result.stderr}"
    return result.stdout


class World:
    def __init__(self, args):
        self.args = args
        self.source = pathlib.Path(args.source).resolve()
        self.work = pathlib.Path(args.work).resolve()
        self.optional = [n for n in args.optional.split(",") if n]
        self.prefix = self.work / "moved"
        self.libdir = self.prefix / args.libdir
        self.consumer = self.source / "tests/package/consumer"
        shutil.rmtree(self.work, ignore_errors=True)
        # What an installation says of itself must be true wherever it is.
        run("cmake", "--install", args.build, "--prefix", self.work / "first")
        (self.work / "first").rename(self.prefix)

    def environment(self):
        return {**os.environ, "LD_LIBRARY_PATH": str(self.libdir),
                "PKG_CONFIG_PATH": str(self.libdir / "pkgconfig")}

    def pkg_config(self, *words):
        return run("pkg-config", *words, env=self.environment()).split()

    def build(self, name, source, language, flags, defines=()):
        program = self.work / name
        compiler = self.args.cc if language == "c" else self.args.cxx
        run(compiler, *LANGUAGES[language], "-Wall", "-Wextra", "-Werror",
            *defines, source, "-x", "none", "-o", program, *flags)
        return run(program, env=self.environment())


def expect(text, wanted):
    assert text == wanted, f"printed {text!r}, not {wanted!r}"


@case
def pkg_config_shared(w):
    flags = w.pkg_config("--cflags", "--libs", "switchyard")
    for language in LANGUAGES:
        name = f"pc_shared_{language}"
        expect(w.build(name, w.consumer / "consumer.c", language, flags), JOB)
        assert "libswitchyard.so.0" in run("readelf", "-d", w.work / name)
    expect(w.build("first_job", w.source / "examples/first_job.c", "c", flags),
           (w.source / "examples/first_job.expected").read_text())


@case
def pkg_config_static(w):
    """The archive, in a program that is otherwise linked as usual."""
    flags = ["-Wl,-Bstatic" if f == "-lswitchyard" else f for f in
             w.pkg_config("--static", "--cflags", "--libs", "switchyard")]
    at = flags.index("-Wl,-Bstatic") + 1
    flags[at:at] = ["-lswitchyard", "-Wl,-Bdynamic"]
    for language in LANGUAGES:
        name = f"pc_static_{language}"
        expect(w.build(name, w.consumer / "consumer.c", language, flags), JOB)
        assert "libswitchyard" not in run("readelf", "-d", w.work / name)


@case
def pkg_config_wholly_static(w):
    """As `-static` asks for; only then is Libs.private all there is."""
    flags = w.pkg_config("--static", "--cflags", "--libs", "switchyard")
    expect(w.build("pc_wholly_static", w.consumer / "consumer.c", "c",
                   ["-static", *flags]), JOB)


@case
def pkg_config_others(w):
    for name in sorted(set(w.optional) & set(SAYS)):
        flags = w.pkg_config("--cflags", "--libs", f"switchyard-{name}",
                             "switchyard")
        for language in LANGUAGES:
            text = w.build(f"pc_{name}_{language}", w.consumer / "consumer.c",
                           language, flags,
                           [f"-DCONSUMER_WITH_{name.upper()}"])
            expect(text, JOB + SAYS[name])


@case
def pkg_config_and_headers_agree(w):
    version = w.pkg_config("--modversion", "switchyard")[0]
    header = (w.prefix / "include/switchyard/version.h").read_text()
    assert f'SY_VERSION_STRING "{version}"' in header, header
    citation = (w.source / "CITATION.cff").read_text()
    assert f"\nversion: {version}\n" in citation, citation
    for name in w.optional:
        expect(w.pkg_config("--modversion", f"switchyard-{name}")[0], version)


def configure(w, folder, *options):
    return subprocess.run(
        ["cmake", "-S", w.consumer, "-B", folder,
         f"-DCMAKE_C_COMPILER={w.args.cc}",
         f"-DCMAKE_CXX_COMPILER={w.args.cxx}", *options],
        capture_output=True, text=True, timeout=120, check=False)


@case
def find_package(w):
    folder = w.work / "cmake"
    result = configure(w, folder, f"-DCMAKE_PREFIX_PATH={w.prefix}",
                       f"-DWANTED={';'.join(w.optional)}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"found {w.libdir}/cmake/Switchyard" in result.stdout, result.stdout
    run("cmake", "--build", folder, "-j2")
    for language in LANGUAGES:
        for name in ("shared", "static"):
            expect(run(folder / f"{name}_{language}"), JOB)
        for name in sorted(set(w.optional) & set(SAYS)):
            expect(run(folder / f"{name}_{language}"), JOB + SAYS[name])
    shared = run("readelf", "-d", folder / "shared_c")
    static = run("readelf", "-d", folder / "static_c")
    assert "libswitchyard.so.0" in shared and "libswitchyard" not in static


@case
def find_package_of_another_version(w):
    project = (w.consumer / "CMakeLists.txt").read_text()
    folder = w.work / "newer"
    folder.mkdir()
    shutil.copy(w.consumer / "consumer.c", folder)
    (folder / "CMakeLists.txt").write_text(
        project.replace("Switchyard 0.1 ", "Switchyard 0.2 "))
    result = subprocess.run(
        ["cmake", "-S", folder, "-B", folder / "build",
         f"-DCMAKE_PREFIX_PATH={w.prefix}"],
        capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode != 0, result.stdout
    assert "were considered but not accepted" in result.stderr, result.stderr


@case
def find_package_of_an_unknown_component(w):
    result = configure(w, w.work / "unknown",
                       f"-DCMAKE_PREFIX_PATH={w.prefix}", "-DWANTED=nonsense")
    assert result.returncode != 0, result.stdout
    assert "no component nonsense" in result.stderr, result.stderr


@case
def no_paths_of_this_machine(w):
    """Neither of sources, nor of the build, nor of the first prefix."""
    build = pathlib.Path(w.args.build).resolve()
    paths = {str(p).encode() for p in (w.source, build, w.work / "first")}
    pattern = re.compile(b"|".join(re.escape(p) for p in sorted(paths)))
    found, seen = [], 0
    for path in sorted(w.prefix.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        data = path.read_bytes()
        if w.args.debug and data[:4] in (b"\x7fELF", b"!<ar"):
            bare = w.work / "without_debugging"
            run("objcopy", "--strip-debug", path, bare)
            data = bare.read_bytes()
        seen += 1
        for match in pattern.finditer(data):
            words = data[match.start():match.end() + 60]
            found.append(f"{path.relative_to(w.prefix)}: {words!r}")
            break
    assert seen > 30, f"only {seen} files are installed"
    assert not found, "\n".join(found)


@case
def every_public_header(w):
    names = {p.relative_to(w.source / "include")
             for p in (w.source / "include").rglob("*.h")}
    installed = {p.relative_to(w.prefix / "include")
                 for p in (w.prefix / "include").rglob("*.h")}
    assert names == installed, names ^ installed


@case
def the_command_runs(w):
    program = w.prefix / "bin/switchyard"
    if not program.exists():
        return
    assert run(program, "version").startswith("switchyard ")
    assert "16 in flight, 200ms" in run(program, "run", "--suite", "quick", "--dry-run",
                          cwd=w.work)


def main():
    parser = argparse.ArgumentParser()
    for name in ("build", "source", "work", "cc", "cxx"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--libdir", default="lib")
    parser.add_argument("--optional", default="")
    parser.add_argument("--debug", action="store_true")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    status = lacks(programs=("pkg-config",))
    if status != 0:
        return status
    world = World(args)  # of all cases: one installation
    return run_cases(lambda _: world, args.only)


if __name__ == "__main__":
    sys.exit(main())
