"""Build the example: python setup.py build_ext --inplace (with mlpcore and Cython installed)."""

from Cython.Build import cythonize
from setuptools import Extension, setup

import mlpcore.engine

setup(
    name="moving_average",
    ext_modules=cythonize(
        [
            Extension(
                "moving_average",
                ["moving_average.pyx"],
                # The header of this folder, and simd/each.h of the installed engine.
                include_dirs=[".", *mlpcore.engine.__path__],
                depends=["moving_average.h"],
                # The engine's flags: nothing reads errno or the floating-point exception flags.
                extra_compile_args=["-O3", "-fno-math-errno", "-fno-trapping-math"],
            )
        ],
        language_level="3",
        compiler_directives={"boundscheck": False, "wraparound": False},
    ),
)
