"""Compile and link every module for other systems and processors, by the Clang of ziglang.

    pip install ziglang Cython scipy setuptools && python tools/cross_compile.py FOLDER [TARGET ...]

Without a target, all. FOLDER/TARGET gets the modules, as in the package. The Python is the one that
runs this, a 64-bit CPython of any system but Windows: with the Limited API its headers serve all.
It ends with 1 if a module does not compile or link, or needs a function that is neither Python's
nor the system's.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.chdir(ROOT)
import setup  # noqa: E402

HEADERS = Path(sysconfig.get_path("include"))
# Those for Linux need the glibc of manylinux2014 at most.
TARGETS = [
    *("x86_64-linux-gnu.2.17", "aarch64-linux-gnu.2.17", "x86_64-linux-musl", "aarch64-linux-musl"),
    *("x86_64-macos.11.0", "aarch64-macos.11.0", "x86_64-windows-gnu", "aarch64-windows-gnu"),
]
RUN = "aarch64-linux-gnu.2.17"  # the target that tools/aarch64.sh runs
# What Python.h reads of Windows' pyconfig.h, which no package for other systems has.
WINDOWS = """
#define MS_WINDOWS 1
#define MS_WIN32 1
#define MS_WIN64 1
#define MS_COREDLL 1
#define HAVE_DECLSPEC_DLL 1
#define Py_ENABLE_SHARED 1
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_LONG_LONG 8
#define SIZEOF_LONG 4
#define SIZEOF_INT 4
#define SIZEOF_WCHAR_T 2
#define SIZEOF_TIME_T 8
#define HAVE_STDARG_PROTOTYPES 1
#define HAVE_WCHAR_H 1
#define HAVE_LIBM 1
#define PLATLIBDIR "lib"
#include <sys/types.h>
"""
EXPORTED = re.compile(r"PyAPI_(FUNC|DATA)\([^)]*\)\s*(?:_Py_NO_RETURN\s+)?(\w+)")
ZIG = [sys.executable, "-m", "ziglang"]


def run(command: list[str]) -> str:
    """Run a command and return what it prints; RuntimeError with that if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout


def exported() -> Iterator[str]:
    """Yield the lines of a .def file: what Python's headers declare."""
    yield from ("LIBRARY python3.dll", "EXPORTS")
    for header in HEADERS.rglob("*.h"):
        for kind, name in EXPORTED.findall(header.read_text(encoding="utf-8")):
            yield f"    {name}{' DATA' if kind == 'DATA' else ''}"


def prepare(target: str, folder: Path, quick: bool) -> list[str]:
    """Return the options of the compiler for a target, and for Windows write what they need."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = [flag for flag in setup.COMPILE if flag != "-pthread" or "windows" not in target]
    options = ["-target", target, *flags, "-fPIC", "-shared", "-DNDEBUG", "-I", str(setup.ENGINE)]
    options += [f"-D{name}={value}" for name, value in setup.MACROS]
    if quick and target != RUN:
        options += ["-O0"]
    if "macos" in target:
        options += ["-Wl,-undefined,dynamic_lookup"]
    if "windows" not in target:
        return [*options, "-I", str(HEADERS)]
    # Beside the other headers, since Python.h takes the pyconfig.h of its own folder.
    headers = folder / "include"
    shutil.copytree(HEADERS, headers, dirs_exist_ok=True)
    (headers / "pyconfig.h").write_text(WINDOWS)
    definition, library = folder / "python3.def", folder / "python3.lib"
    definition.write_text("\n".join(dict.fromkeys(exported())) + "\n")
    machine = {"x86_64": "i386:x86-64", "aarch64": "arm64"}[target.partition("-")[0]]
    run([*ZIG, "dlltool", "-m", machine, "-d", str(definition), "-l", str(library)])
    return [*options, "-I", str(headers), str(library), *setup.WINDOWS_LIBRARIES]


def compile_module(module: setup.Extension, target: str, folder: Path, options: list[str]) -> None:
    """Compile and link one module, and check what it needs."""
    suffix = ".pyd" if "windows" in target else ".abi3.so"
    path = folder / (module.name.replace(".", "/") + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    run([*ZIG, "cc", *options, *module.sources, "-o", str(path)])
    if "linux" in target:
        symbols = run(["readelf", "--wide", "--dyn-syms", str(path)])
        needed = re.findall(r"\bUND (\w+)(?: |$)", symbols, re.M)
        strange = [name for name in needed if not re.match(r"_?Py|_Unwind|__cxa_finalize", name)]
        if "gnu" in target and strange:  # those of glibc have a version
            raise RuntimeError(f"{path} needs {', '.join(strange)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help=f"optimise for {RUN} only")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"no target is called {', '.join(unknown)}; there are: {', '.join(TARGETS)}")
    modules = setup.generate()
    failed = 0
    for target in arguments.targets or TARGETS:
        folder = arguments.folder.resolve() / target
        options = prepare(target, folder, arguments.quick)
        with ThreadPoolExecutor(setup.cores()) as pool:
            jobs = [pool.submit(compile_module, m, target, folder, options) for m in modules]
        errors = [job.exception() for job in jobs if job.exception()]
        print(f"{target}: {len(modules) - len(errors)} of {len(modules)} modules", flush=True)
        for error in errors:
            print(error)
        failed += len(errors)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
