"""Other people's Cython code can use the engine, through its .pxd files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mlpcore.engine

pytest.importorskip("Cython", reason="Cython is not installed")
pytest.importorskip("setuptools", reason="setuptools is not installed")

ENGINE = Path(mlpcore.engine.__file__).parent

PRODUCT = """
from mlpcore.engine.blas cimport gemm
from mlpcore.engine.typedefs cimport real_t

def product(const real_t[:, ::1] a, const real_t[:, ::1] b, real_t[:, ::1] c, int m, int n, int k,
            bint trans_a, bint trans_b, double alpha, double beta):
    with nogil:
        gemm[real_t](trans_a, trans_b, m, n, k, <real_t> alpha, &a[0, 0], <int> a.shape[1],
                     &b[0, 0], <int> b.shape[1], <real_t> beta, &c[0, 0], <int> c.shape[1])
"""

# Everything that the .pxd files declare, and some of it used.
EVERYTHING = (
    "".join(
        f"cimport mlpcore.engine.{'.'.join(source.relative_to(ENGINE).with_suffix('').parts)}\n"
        for source in sorted(ENGINE.rglob("[!_]*.pxd"))
    )
    + """
from mlpcore.engine.activations cimport activate
from mlpcore.engine.losses cimport Targets, row_loss
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.network cimport Network
from mlpcore.engine.team cimport Team

def use(double[::1] z, double[::1] t, Network network):
    cdef double total
    cdef double room[8]
    cdef Layer last
    cdef Targets targets
    cdef Team team = Team(2)
    targets.labels, targets.values, targets.weights = NULL, &t[0], NULL
    with nogil:
        total = row_loss(&network.layout.loss, &targets, 0, &z[0], <int> z.shape[0], 1, room)
        activate(1, &z[0], z.shape[0])
    last = network.layout.layers[network.layout.n_layers - 1]
    return total, network.layout.layers[0].n_in, last.n_out, team.n_threads
"""
)

# A kernel for both real types, bound by one declaration.
FUSED = """
from mlpcore.engine.typedefs cimport real_t

cdef extern from "simd/rows.h" nogil:
    double penalty "MLP_FUSED(penalty)" (const real_t*, Py_ssize_t, double, double)
    int argmax "MLP_FUSED(argmax)" (const real_t*, int)

def both(const real_t[::1] a):
    return penalty(&a[0], a.shape[0], 1, 0), argmax(&a[0], <int> a.shape[0])
"""

BUILD = """
import sys
from Cython.Build import cythonize
from setuptools import Extension, setup

setup(
    name="theirs",
    ext_modules=cythonize(
        [Extension("theirs", ["theirs.pyx"], include_dirs=[sys.argv.pop()])],
        include_path=[{parent!r}], language_level="3",
        compiler_directives={{"boundscheck": False}},
    ),
)
"""


def build(folder, code, include_dirs=""):
    """Compile a module in a folder, as its author would."""
    (folder / "theirs.pyx").write_text(code)
    (folder / "setup.py").write_text(BUILD.format(parent=str(ENGINE.parents[1])))
    result = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace", "--quiet", include_dirs or "."],
        cwd=folder, capture_output=True, text=True,
        env={**os.environ, "CFLAGS": "-O0"},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def in_that_folder(folder, code):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    folder = tmp_path_factory.mktemp("product")
    build(folder, PRODUCT)
    return folder


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gemm_from_outside(product, dtype):
    """Also of parts of wider arrays, which only C code can hand in."""
    rng = np.random.default_rng(0)
    jobs = []
    for trans_a in (False, True):
        for trans_b in (False, True):
            m, n, k = 3, 5, 7
            shapes = [(k, m) if trans_a else (m, k), (n, k) if trans_b else (k, n), (m, n)]
            a, b, c = (rng.normal(size=(p + 1, q + 2)).astype(dtype) for p, q in shapes)
            jobs.append((a, b, c, m, n, k, trans_a, trans_b, 1.5, -0.25))
    (product / "jobs.json").write_text(
        json.dumps([[*(x.tolist() for x in job[:3]), *job[3:]] for job in jobs])
    )
    out = in_that_folder(
        product,
        f"""
import json, numpy as np, theirs
results = []
for a, b, c, *rest in json.load(open("jobs.json")):
    a, b, c = (np.array(x, "{dtype}") for x in (a, b, c))
    theirs.product(a, b, c, *rest)
    results.append(c.tolist())
print(json.dumps(results))
""",
    )
    for (a, b, c, m, n, k, trans_a, trans_b, alpha, beta), result in zip(
        jobs, json.loads(out), strict=True
    ):
        x = (a[:k, :m].T if trans_a else a[:m, :k]).astype(np.longdouble)
        y = (b[:n, :k].T if trans_b else b[:k, :n]).astype(np.longdouble)
        expected = c.astype(np.longdouble)
        expected[:m, :n] = alpha * (x @ y) + beta * expected[:m, :n]
        tolerance = 20 * np.finfo(dtype).eps
        np.testing.assert_allclose(
            np.array(result), expected.astype(np.float64), rtol=tolerance, atol=tolerance
        )


def test_every_pxd_can_be_cimported(tmp_path):
    """Those that declare C structs need the headers, which are installed beside them."""
    build(tmp_path, EVERYTHING, str(ENGINE))
    out = in_that_folder(
        tmp_path,
        """
import numpy as np, theirs
from mlpcore.engine.network import Network
z = np.array([np.log(3)])
loss, n_in, n_out, threads = theirs.use(z, np.array([1.0]), Network((5, 4, 3)))
assert abs(z[0] - 0.75) < 1e-15
assert abs(loss - np.log(4 / 3)) < 1e-15  # -log(3/4)
assert (n_in, n_out, threads) == (5, 3, 2)
print("used")
""",
    )
    assert out == "used\n"


def test_one_declaration_binds_a_kernel_for_both_types(tmp_path):
    """By the names that Cython gives functions of a fused type; see simd/each.h."""
    build(tmp_path, FUSED, str(ENGINE))
    out = in_that_folder(
        tmp_path,
        """
import numpy as np, theirs
for dtype in ("float32", "float64"):
    a = np.zeros(32, dtype)
    a[[3, 20]] = 0.1, 2
    print(*theirs.both(a))
""",
    )
    # 0.1 squared, in the precision of either type; and the place of 2.
    values = [line.split() for line in out.splitlines()]
    assert [place for _, place in values] == ["20", "20"]
    for (value, _), dtype in zip(values, (np.float32, np.float64), strict=True):
        expected = (float(dtype(0.1) * dtype(0.1)) + 4) / 2
        assert float(value) == pytest.approx(expected, rel=1e-15)


def test_what_is_installed_for_cimport():
    modules = {path.name.split(".")[0] for path in ENGINE.glob("*.so")} - {"_cyutility"}
    assert modules
    assert {path.stem for path in ENGINE.glob("*.pxd")} >= modules | {"__init__", "typedefs"}
    assert (ENGINE.parent / "__init__.pxd").exists()
    assert list(ENGINE.glob("simd/*.h"))
