"""The same bits, whatever the threads; the same results, whatever the instruction set."""

import itertools
import json
import os
import platform
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, arrays, data, digest, fit, threads_at_work, training_rows

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import gradient
from mlpcore.engine.team_size import TeamSize

DTYPES = ["float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_the_cases_have_work_for_their_threads(case, dtype):
    for n_threads in (1, 2, 3, 5):
        expected = 1 if case == "background, online" else n_threads
        assert threads_at_work(case, dtype, n_threads) == expected


def test_the_cases_take_every_way_through_the_engine():
    def ways(case):
        features, hidden, classes, batch, _ = CASES[case]
        return (
            fit(case, "float32", 1).input_path_,
            Network((features, *hidden, classes), dtype="float32").uses_blas(),
            batch == 1,
        )

    assert {ways(case) for case in CASES} >= {
        ("dense", False, False), ("dense", False, True), ("dense", True, False),
        ("dense", True, True), ("sparse", False, False), ("sparse", False, True),
        ("sparse", True, False),
    }  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_number_of_threads_changes_no_bit(case, dtype):
    one = digest(fit(case, dtype, 1))
    for n_threads in (2, 3, 5):
        assert digest(fit(case, dtype, n_threads)) == one


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_another_number_of_threads_after_some_steps_changes_no_bit(case, dtype, monkeypatch):
    one = digest(fit(case, dtype, 1))
    rng = random.Random(1)
    monkeypatch.setattr(
        TeamSize, "choose", lambda self: (rng.randint(1, self.largest), rng.randint(1, 3))
    )
    assert digest(fit(case, dtype, 3)) == one


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_two_fits_with_one_seed_give_the_same_bits(case, dtype):
    model = fit(case, dtype, 2)
    first = digest(model)
    X, y = data(case)
    n = training_rows(case)
    model.fit(X[:n], y[:n], X[200:], y[200:])
    assert digest(model) == first


def test_another_seed_gives_another_result():
    model = fit("one layer", "float64", 1)
    first = digest(model)
    X, y = data("one layer")
    n = training_rows("one layer")
    model.set_params(seed=4).fit(X[:n], y[:n], X[200:], y[200:])
    assert digest(model) != first


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("units", [(29, 31, 5), (29, 533, 531, 5)])
def test_logits_have_the_same_bits_for_any_number_of_threads(units, dtype):
    rng = np.random.default_rng(1)
    network = Network(units, dtype=dtype)
    for w in network.coefs:
        w[:] = rng.normal(0, 0.1, w.shape)
    X = Input(rng.normal(size=(1000, 29)).astype(dtype), dtype)
    one = network.logits(X)
    assert np.array_equal(network.classes(X), one.argmax(axis=1))
    for n_threads in (2, 3, 5, 50):
        assert np.array_equal(network.logits(X, n_threads), one)
        assert np.array_equal(network.classes(X, n_threads), one.argmax(axis=1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("units", [(211, 101, 53, 5), (29, 533, 531, 5)])
def test_gradient_has_the_same_bits_for_any_number_of_threads(units, dtype):
    rng = np.random.default_rng(1)
    network = Network(units, dtype=dtype)
    for w in network.coefs:
        w[:] = rng.normal(0, 0.1, w.shape)
    X = Input(rng.normal(size=(43, units[0])).astype(dtype), dtype)
    labels = rng.integers(5, size=43).astype(np.intc)
    loss, flat = gradient(network, X, labels, l2=0.1)
    one = [array.copy() for part in network.views(flat) for array in part]
    for n_threads in (2, 3, 5):
        again, flat = gradient(network, X, labels, l2=0.1, n_threads=n_threads)
        assert again == loss
        for a, b in zip(one, itertools.chain(*network.views(flat)), strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "chunk"), [(199, 50), (100, 50), (256, 64), (120, 60)])
def test_gradients_of_chunks_of_rows_are_added_in_pairs(rows, chunk, dtype):
    rng = np.random.default_rng(1)
    network = Network((19, 37, 11, 1), dtype=dtype, loss="squared_error")
    for w in network.coefs:
        w[:] = rng.normal(0, 0.3, w.shape)
    X = rng.normal(size=(rows, 19)).astype(dtype)
    y = rng.normal(size=(rows, 1)).astype(dtype)
    parts = []
    for start in range(0, rows, chunk):
        part = slice(start, start + chunk)
        parts.append(gradient(network, Input(X[part], dtype), y[part])[1].copy())
    while len(parts) > 1:
        parts = [a + b for a, b in zip(parts[::2], parts[1::2], strict=True)]
    whole = gradient(network, Input(X, dtype), y)[1]
    assert np.array_equal(whole, parts[0])


def test_a_rows_result_does_not_depend_on_its_neighbours():
    for case, dtype in itertools.product(["three layers", "background"], DTYPES):
        X, _ = data(case)
        model = fit(case, dtype, 1)
        together = model.predict_proba(X)
        for start in (0, 95, 96, 97, 299):
            assert np.array_equal(model.predict_proba(X[start : start + 1])[0], together[start])
        assert np.array_equal(model.predict_proba(X[::-1]), together[::-1])


def test_fits_in_several_threads_at_once_equal_those_one_after_another():
    jobs = [(case, dtype) for case in CASES for dtype in DTYPES]

    def job(case_and_dtype):
        return digest(fit(*case_and_dtype, 2))

    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(job, jobs))
    assert at_once == [job(one) for one in jobs]


def test_predictions_in_several_threads_at_once_equal_those_one_after_another():
    X, _ = data("wide layers")
    model = fit("wide layers", "float32", 2)
    expected = model.predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        for proba in pool.map(lambda _: model.predict_proba(X), range(40)):
            assert np.array_equal(proba, expected)


def test_one_row_in_several_threads_at_once():
    X, _ = data("background")
    rows = X.astype(np.float32)
    model = fit("background", "float32", 1)
    expected = model.predict(rows).tolist()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            labels = list(pool.map(lambda i: model.predict(rows[i : i + 1])[0], range(300)))
            assert labels == expected


# Instruction sets

JOB = """
import json, os, sys
sys.path.insert(0, os.environ["TESTS"])
import numpy as np
from cases import CASES, arrays, digest, fit
from mlpcore.engine.kernels import instruction_set

out = {"set": instruction_set(), "digests": {}}
for case in CASES:
    for dtype in ("float32", "float64"):
        models = [fit(case, dtype, n_threads) for n_threads in (1, 3)]
        out["digests"][case + dtype] = [digest(model) for model in models]
        np.savez(f"{case} {dtype}.npz", *arrays(models[0]))
print(json.dumps(out))
"""

# What the processor must have, in the words of /proc/cpuinfo.
FLAGS = {
    "base": set(),
    "v3": {"avx2", "fma", "bmi2"},
    "v4": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"},
}


def best_set():
    """The last set whose instructions the processor has, where the system tells."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return "base"
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        pytest.skip("the system does not tell what the processor has")
    has = set(cpuinfo.read_text().split())
    return [name for name, needed in FLAGS.items() if needed <= has][-1]


@pytest.mark.parametrize("name", FLAGS)
def test_each_instruction_set(name, run_python, tmp_path):
    """Its bits do not depend on the threads, and its results are those of the set in use here."""
    if list(FLAGS).index(name) > list(FLAGS).index(best_set()):
        pytest.skip(f"the processor lacks {name}")
    out = json.loads(run_python(JOB, MLPCORE_SIMD=name))
    assert out["set"] == name
    for key, digests in out["digests"].items():
        assert len(set(digests)) == 1, key
    for case, dtype in itertools.product(CASES, DTYPES):
        with np.load(tmp_path / f"{case} {dtype}.npz") as file:
            theirs = [file[key] for key in file.files]
        # Two epochs of about ten steps lose a digit or two of the sums they are made of.
        tolerance = 1e-4 if dtype == "float32" else 1e-12
        for a, b in zip(theirs, arrays(fit(case, dtype, 1)), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_instruction_set_in_use(run_python):
    code = "from mlpcore.engine.kernels import instruction_set; print(instruction_set())"
    environment = {"MLPCORE_SIMD": ""} if "MLPCORE_SIMD" in os.environ else {}
    assert run_python(code, **environment).strip() == best_set()
    # What is not a name of a set, or of one that the processor lacks, asks for nothing.
    assert run_python(code, MLPCORE_SIMD="v9").strip() == best_set()
