"""The compiled modules and how they are compiled; everything else is in pyproject.toml.

Environment: ``MLPCORE_DEBUG=1`` turns on the run-time checks of Cython, and
``MLPCORE_SANITIZE=address`` (or ``thread``, ``undefined``) the compiler's.
"""

import os
import platform
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import scipy.linalg
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("MLPCORE_DEBUG", "0") not in ("", "0")
SANITIZE = os.environ.get("MLPCORE_SANITIZE", "")

# One wheel serves CPython 3.11 and all later versions, through the Limited API. Not where there is
# none: without the GIL, and on other implementations; nor in a debug build, where it only costs.
LIMITED = (
    platform.python_implementation() == "CPython"
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
    and not DEBUG
    and not SANITIZE
)
MACROS = [("Py_LIMITED_API", "0x030B0000")] if LIMITED else []

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "embedsignature": True,
    # Pickles are made of arrays; objects of the engine refuse, as Python lets them by itself.
    "auto_pickle": False,
    # See tests/engine/test_concurrency.py, and tools/freethreaded.sh for all tests without the GIL.
    "freethreading_compatible": True,
}

# No -march=native: simd/ holds one copy of the hot loops per instruction set and picks at run
# time. No -ffast-math: it deletes the checks for NaN. The two flags below only say that no
# code reads errno or the floating-point exception flags, which lets loops with exp be vectorised.
COMPILE = ["-O3", "-fno-math-errno", "-fno-trapping-math"]
LINK = []
WINDOWS_LIBRARIES = ["-lapi-ms-win-core-synch-l1-2-0"]  # WaitOnAddress
if sys.platform == "win32":
    LINK += WINDOWS_LIBRARIES
else:
    COMPILE += ["-pthread"]
    LINK += ["-pthread"]
# Some Pythons ask for debug symbols, which would be four fifths of a wheel.
COMPILE += ["-O1", "-g"] if DEBUG else ["-g0"]
if SANITIZE:
    COMPILE += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"]
    LINK += [f"-fsanitize={SANITIZE}"]

# GCC for Linux leaves out the tables for unwinding, which are for C++ and debuggers, and the names.
SMALL = ["-fno-asynchronous-unwind-tables"]
SMALL_LINK = ["-Wl,--strip-all"]

ENGINE = Path("mlpcore", "engine")
BUILD = Path("build", "cython")
UTILITIES = "mlpcore.engine._cyutility"
HEADER = re.compile(r'^\s*(?:cdef extern from|# *include) "([^"]+)"', re.M)
CIMPORT = re.compile(r"^ *(?:from ([\w.]+) )?cimport (\([^)]*\)|.*)", re.M)


def used(source: Path) -> Iterator[Path]:
    """Yield the headers and the .pxd files that a file may name, whether or not they are there."""
    text = source.read_text(encoding="utf-8")
    for header in HEADER.findall(text):
        yield from (source.parent / header, ENGINE / header)
    if source.suffix == ".pyx":
        yield source.with_suffix(".pxd")
    for package, names in CIMPORT.findall(text):
        for module in (package, *(f"{package}.{name}" for name in re.findall(r"[\w.]+", names))):
            yield Path(module.strip(".").replace(".", "/") + ".pxd")


def headers(source: Path) -> list[str]:
    """List the headers that a module includes, directly or through others.

    After a change of one of them, the module is compiled again, and no other one.
    """
    reached, waiting = {source}, [source]
    while waiting:
        new = {path for path in used(waiting.pop()) if path.is_file()} - reached
        reached |= new
        waiting += new
    return sorted(str(path) for path in reached if path.suffix == ".h")


def cores() -> int:
    """Count the cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def write_blas_int() -> None:
    """Say which integer SciPy's BLAS takes: `blas_int` since SciPy 1.18, before that `int`."""
    declarations = Path(scipy.linalg.__file__).with_name("cython_blas.pxd").read_text()
    known = "blas_int" in declarations
    line = "from scipy.linalg.cython_blas cimport blas_int" if known else "ctypedef int blas_int"
    target = ENGINE / "blas_int.pxi"
    if not target.exists() or target.read_text() != line + "\n":
        target.write_text(line + "\n")


def extension(name: str, source: Path, depends: list[str]) -> Extension:
    """Describe one compiled module."""
    return Extension(
        name,
        [str(source)],
        include_dirs=[str(ENGINE)],
        depends=depends,
        define_macros=MACROS,
        py_limited_api=LIMITED,
        extra_compile_args=COMPILE,
        extra_link_args=LINK,
    )


def modules() -> list[Extension]:
    """List the compiled modules: one for each .pyx file, in whatever folder of the engine."""
    return [
        extension(".".join(source.with_suffix("").parts), source, headers(source))
        for source in sorted(ENGINE.rglob("*.pyx"))
    ]


def shared_utilities() -> Extension:
    """Make the module with what Cython would put into each one that uses memoryviews.

    Compiled once instead of in 14 modules: a third of the build and of the wheel.
    """
    source = BUILD / "_cyutility.c"
    if not source.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "cython", f"--generate-shared={source}"]
        subprocess.run(command, check=True)
    return extension(UTILITIES, source, [])


class Build(build_ext):
    """Compiles with the flags that suit the compiler and the system."""

    def build_extensions(self) -> None:
        if sys.platform == "linux" and not DEBUG and not SANITIZE and self.compiler_is_gcc():
            for module in self.extensions:
                module.extra_compile_args = COMPILE + SMALL
                module.extra_link_args = LINK + SMALL_LINK
        super().build_extensions()

    def compiler_is_gcc(self) -> bool:
        """Tell GCC from Clang, which defines GCC's macros, too."""
        command = [*self.compiler.compiler_so, "-dM", "-E", "-"]
        macros = subprocess.run(command, input="", capture_output=True, text=True).stdout
        return "__GNUC__" in macros and "__clang__" not in macros

    def get_libraries(self, ext: Extension) -> list[str]:
        """On Windows: the library of the Limited API, not that of one version."""
        libraries = super().get_libraries(ext)
        if sys.platform == "win32" and LIMITED:
            return [*ext.libraries, "python3"]
        return libraries


def remove_others() -> None:
    """Remove modules that were compiled for one version of Python, or with debugging.

    They would be imported in the place of those that this build puts beside the sources.
    """
    suffix = ".abi3.so" if LIMITED else sysconfig.get_config_var("EXT_SUFFIX")
    for path in ENGINE.rglob("*.so"):
        if not path.name.endswith(suffix):
            path.unlink()


def generate() -> list[Extension]:
    """Write the C files of all modules, and describe how each is compiled."""
    write_blas_int()
    return [shared_utilities(), *translate()]


def translate() -> list[Extension]:
    """Let Cython translate the modules."""
    return cythonize(
        modules(),
        compiler_directives=DIRECTIVES,
        build_dir=str(BUILD),
        nthreads=cores(),
        shared_utility_qualified_name=UTILITIES,
    )


# Cython's processes import this file where they don't start as forks.
if __name__ == "__main__":
    if sys.argv[1:2] == ["sdist"]:
        extensions = translate()
    else:
        remove_others()
        extensions = generate()
    options = {"build_ext": {"parallel": cores()}}
    if sys.platform == "win32":
        # Microsoft's compiler has no vectors; $CC is GCC, or Clang: "python -m ziglang cc".
        options["build_ext"]["compiler"] = "mingw32"
    if LIMITED:
        options["bdist_wheel"] = {"py_limited_api": "cp311"}
    setup(ext_modules=extensions, options=options, cmdclass={"build_ext": Build})
