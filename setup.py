"""The compiled modules and how they are compiled; everything else is in pyproject.toml.

Environment: ``MLPCORE_DEBUG=1`` turns on the run-time checks of Cython, and
``MLPCORE_SANITIZE=address`` (or ``thread``, ``undefined``) the compiler's.
"""

import os
import sys
from pathlib import Path

import scipy.linalg
from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("MLPCORE_DEBUG", "0") not in ("", "0")
SANITIZE = os.environ.get("MLPCORE_SANITIZE", "")

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "embedsignature": True,
    # tests/test_concurrency.py, and the whole suite without the GIL: see tools/freethreaded.sh.
    "freethreading_compatible": True,
}

# No -march=native: simd/ holds one copy of the hot loops per instruction set and picks at run
# time. No -ffast-math: it deletes the checks for NaN. The two flags below only say that nobody
# reads errno or the floating-point exception flags, which lets loops with exp be vectorised.
COMPILE = ["-O3", "-fno-math-errno", "-fno-trapping-math"]
LINK = []
# Some Pythons ask for debug symbols, which would be four fifths of a wheel.
COMPILE += ["-O1", "-g"] if DEBUG else ["-g0"]
if SANITIZE:
    COMPILE += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"]
    LINK += [f"-fsanitize={SANITIZE}"]

ENGINE = Path("mlpcore", "engine")


def write_blas_int() -> None:
    """Say which integer SciPy's BLAS takes: `blas_int` since SciPy 1.18, before that `int`."""
    declarations = Path(scipy.linalg.__file__).with_name("cython_blas.pxd").read_text()
    known = "blas_int" in declarations
    line = "from scipy.linalg.cython_blas cimport blas_int" if known else "ctypedef int blas_int"
    target = ENGINE / "blas_int.pxi"
    if not target.exists() or target.read_text() != line + "\n":
        target.write_text(line + "\n")


if sys.argv[1:2] != ["sdist"]:
    write_blas_int()

setup(
    ext_modules=cythonize(
        [
            Extension(
                ".".join(source.with_suffix("").parts),
                [str(source)],
                # What layers/ includes from simd/ is beside its folder.
                include_dirs=[str(ENGINE)],
                depends=[str(header) for header in sorted(ENGINE.glob("simd/*.h"))],
                extra_compile_args=COMPILE,
                extra_link_args=LINK,
            )
            for source in sorted(ENGINE.rglob("*.pyx"))
        ],
        compiler_directives=DIRECTIVES,
        build_dir="build/cython",
    ),
    options={"build_ext": {"parallel": os.cpu_count()}},
)
