"""NeuralNetMLP learns what the textbook's class learns, epoch by epoch."""

import os

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from mlpcore import NeuralNetMLP, load_digits, load_mnist
from mlpcore.engine.network import Network


def problem(rows, features, classes, seed, background=0.0):
    """Random rows, whose labels depend on them; every class occurs."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, features))
    X[rng.random(X.shape) < background] = -1
    y = (X @ rng.normal(size=(features, classes))).argmax(axis=1)
    y[:classes] = np.arange(classes)
    return X, y


def assert_learns_the_same(data, settings, *, tolerance, dtype="float64", kind=None, **keywords):
    """The history and the layers of the oracle.

    The package gets the rows in another dtype or as another kind of array, and keywords for what
    the textbook does not have.
    """
    layers, history = oracle.train(*data, **settings)
    X, y, *valid = data
    kind = kind or np.asarray
    nn = NeuralNetMLP(
        settings["hidden"], **{k: v for k, v in settings.items() if k != "hidden"}, **keywords
    )
    if valid:
        nn.fit(kind(X.astype(dtype)), y, kind(valid[0].astype(dtype)), valid[1])
    else:
        nn.fit(kind(X.astype(dtype)), y)

    assert nn.n_iter_ == settings["epochs"]
    assert {name: len(figures) for name, figures in nn.eval_.items()} == {
        "cost": settings["epochs"],
        "train_acc": settings["epochs"],
        "valid_acc": settings["epochs"] if valid else 0,
    }
    np.testing.assert_allclose(nn.eval_["cost"], history["cost"], rtol=tolerance)
    for name, rows in (("train_acc", len(X)), ("valid_acc", len(valid[0]) if valid else 1)):
        # In float32 two outputs can come out equal that are not.
        slack = 1.01 / rows if dtype == "float32" else 1e-15
        np.testing.assert_allclose(nn.eval_[name], history[name], rtol=0, atol=slack)
    for (w, b), coef, intercept in zip(layers, nn.coefs_, nn.intercepts_, strict=True):
        assert coef.dtype == intercept.dtype == dtype
        np.testing.assert_allclose(coef, w, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(intercept, b, rtol=tolerance, atol=tolerance)
    return nn, layers


# Some fill whole cache lines, some come to a multiple of 2048 bytes, and there is an odd one beside
# each.
UNITS = st.integers(1, 25) | st.sampled_from([63, 64, 65, 255, 256, 257, 511, 512, 513])


@hypothesis_settings(max_examples=40)
@given(st.data())
def test_any_settings(data):
    draw = data.draw
    rows = draw(st.integers(2, 60))
    classes = draw(st.integers(2, min(rows, 11)))
    features = draw(UNITS)
    seed = draw(st.integers(0, 2**32 - 1))
    background = draw(st.sampled_from([0.0, 0.7, 0.95]))
    path = draw(st.sampled_from(["auto", "dense", "sparse"]))
    kind = draw(st.sampled_from([None, csr_array]))
    jobs = problem(rows, features, classes, seed, background)
    if draw(st.booleans()):
        X, y = problem(classes + draw(st.integers(0, 40)), features, classes, seed ^ 1, background)
        jobs += (X, y)
    dtype, tolerance = draw(st.sampled_from([("float64", 1e-9), ("float32", 2e-3)]))
    settings = {
        "hidden": draw(st.lists(UNITS, min_size=1, max_size=3)),
        "l2": draw(st.sampled_from([0.0, 0.01, 0.3])),
        "epochs": draw(st.integers(1, 4)),
        "eta": draw(st.sampled_from([0.0005, 0.02])),
        "shuffle": draw(st.booleans()),
        "minibatch_size": draw(st.integers(1, rows)),
        "seed": seed,
    }
    nn, _ = assert_learns_the_same(
        jobs, settings, dtype=dtype, tolerance=tolerance, input_path=path, kind=kind
    )
    if kind is csr_array:
        assert nn.input_path_ == "sparse"
    elif path != "auto":
        assert nn.input_path_ == path


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 2e-4)])
@pytest.mark.parametrize(
    ("features", "hidden", "classes"),
    [
        (1311, (257,), 3),  # the first layer is wide,
        (37, (533, 531, 17), 3),  # one in the middle,
        (17, (533, 531, 529), 3),  # two in a row,
        (19, (4801,), 61),  # the last one
    ],
)
def test_layers_that_go_through_blas(features, hidden, classes, dtype, tolerance):
    data = (*problem(65, features, classes, seed=1), *problem(61, features, classes, seed=2))
    settings = {
        "hidden": hidden, "l2": 0.1, "epochs": 2, "eta": 0.002, "minibatch_size": 17, "seed": 1,
    }  # fmt: skip
    assert Network((features, *hidden, classes), dtype=dtype).uses_blas()
    assert_learns_the_same(data, settings, dtype=dtype, tolerance=tolerance)


@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-3)])
@pytest.mark.parametrize("decay", [0.01, 0.3, 0.6, 0.95, 1.0, 1.5])
def test_weights_that_decay_quickly(decay, dtype, tolerance, path):
    """Also where a few hundred steps would take a weight beyond the smallest number there is."""
    X, y = problem(700, 40, 3, seed=3, background=0.8)
    settings = {
        "hidden": [6], "l2": decay / 0.05, "epochs": 2, "eta": 0.05, "minibatch_size": 1, "seed": 4,
    }  # fmt: skip
    assert_learns_the_same((X, y), settings, dtype=dtype, tolerance=tolerance, input_path=path)


@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("minibatch_size", [1, 9])
def test_bytes_with_a_scale_are_the_numbers_they_stand_for(path, minibatch_size):
    rng = np.random.default_rng(4)
    X = rng.integers(0, 256, (80, 70)) * (rng.random((80, 70)) < 0.3)
    y = np.arange(80) % 4
    settings = {
        "hidden": [9], "l2": 0.1, "epochs": 2, "eta": 0.01, "seed": 5,
        "minibatch_size": minibatch_size,
    }  # fmt: skip
    for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-4)):
        nn, layers = assert_learns_the_same(
            (X * (2 / 255) - 1, y, X[::2] * (2 / 255) - 1, y[::2]), settings, dtype=dtype,
            tolerance=tolerance, input_scale=(1.0, 0.0), input_path=path,
        )  # fmt: skip
        scaled = NeuralNetMLP(
            [9], l2=0.1, epochs=2, eta=0.01, seed=5, minibatch_size=minibatch_size, dtype=dtype,
            input_scale=(2 / 255, -1), input_path=path,
        )  # fmt: skip
        for kind in (np.uint8, np.float64, np.int64):
            rows = X.astype(kind)
            scaled.fit(rows, y, rows[::2], y[::2])
            assert scaled.input_path_ == path
            np.testing.assert_allclose(scaled.eval_["cost"], nn.eval_["cost"], rtol=tolerance)
            z = oracle.pre_activations(layers, X * (2 / 255) - 1)[-1]
            a = oracle.logistic(z)
            np.testing.assert_allclose(
                scaled.predict_proba(rows), a / a.sum(axis=1, keepdims=True), rtol=10 * tolerance
            )
            assert np.array_equal(scaled.predict(rows), z.argmax(axis=1))
            assert [scaled.predict(row[None])[0] for row in rows] == z.argmax(axis=1).tolist()


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("minibatch_size", [1, 32, 1437])
def test_handwritten_digits(shuffle, minibatch_size):
    X, y = load_digits()
    X = X.astype(np.float64)
    settings = {
        "hidden": [40], "l2": 0.01, "epochs": 3, "shuffle": shuffle, "seed": 123,
        "eta": 0.001, "minibatch_size": minibatch_size,
    }  # fmt: skip
    data = (X[:1437], y[:1437], X[1437:], y[1437:])
    nn, layers = assert_learns_the_same(data, settings, tolerance=1e-10)
    z = oracle.pre_activations(layers, X[1437:])[-1]
    assert np.array_equal(nn.predict(X[1437:]), z.argmax(axis=1))
    a = oracle.logistic(z)
    np.testing.assert_allclose(nn.predict_proba(X[1437:]), a / a.sum(axis=1, keepdims=True),
                               rtol=1e-9)  # fmt: skip


# The main job: the textbook's settings on MNIST

SETTINGS = {"l2": 0.01, "eta": 0.0005, "minibatch_size": 100, "shuffle": True, "seed": 1}

# Epoch: cost, training and validation accuracy of the textbook's own class with NumPy, in float64,
# on the first 55,000 rows and the last 5,000.
HISTORY = {
    1: (66739.7088, 0.845345, 0.8886),
    2: (47830.4001, 0.883364, 0.9174),
    3: (40336.6388, 0.896400, 0.9270),
    10: (25941.6559, 0.930818, 0.9496),
    50: (12211.4772, 0.971400, 0.9714),
    100: (7909.9619, 0.984709, 0.9778),
    200: (5065.7808, 0.992800, 0.9798),
}


@pytest.fixture(scope="module")
def mnist():
    """Training rows and test rows, scaled in float64 from the bytes."""
    folder = os.environ.get("MLPCORE_DATA")
    if not folder:
        pytest.skip("MLPCORE_DATA does not name a folder with MNIST")
    X, y = load_mnist(folder, scale=False)
    X_test, y_test = load_mnist(folder, kind="t10k", scale=False)
    return (X / 255.0 - 0.5) * 2, y, (X_test / 255.0 - 0.5) * 2, y_test


@pytest.mark.slow
def test_main_job(mnist):
    X, y, X_test, y_test = mnist
    data = (X[:55000], y[:55000], X[55000:], y[55000:])
    nn = NeuralNetMLP(n_hidden=100, epochs=200, **SETTINGS).fit(*data)

    _, history = oracle.train(*data, hidden=[100], epochs=3, **SETTINGS)
    for name, figures in history.items():
        np.testing.assert_allclose(nn.eval_[name][:3], figures, rtol=1e-10)

    for epoch, (cost, train_acc, valid_acc) in HISTORY.items():
        # One row in a thousand may be off, since a tie can flip; figures above are rounded.
        i = epoch - 1
        np.testing.assert_allclose(nn.eval_["cost"][i], cost, rtol=1e-6)
        np.testing.assert_allclose(nn.eval_["train_acc"][i], train_acc, rtol=0, atol=0.001)
        np.testing.assert_allclose(nn.eval_["valid_acc"][i], valid_acc, rtol=0, atol=0.001)
    assert round(nn.eval_["valid_acc"][-1], 4) == 0.9798
    assert round(nn.score(X_test, y_test), 4) == 0.9754


def test_main_job_in_float32(mnist):
    """The first epochs, in which float32 has not yet gone its own way."""
    X, y, _, _ = mnist
    X = X.astype(np.float32)
    nn = NeuralNetMLP(n_hidden=100, epochs=3, **SETTINGS)
    nn.fit(X[:55000], y[:55000], X[55000:], y[55000:])
    assert nn.w_h.dtype == np.float32
    for epoch in (1, 2, 3):
        cost, train_acc, valid_acc = HISTORY[epoch]
        np.testing.assert_allclose(nn.eval_["cost"][epoch - 1], cost, rtol=1e-5)
        np.testing.assert_allclose(nn.eval_["train_acc"][epoch - 1], train_acc, rtol=0, atol=0.001)
        np.testing.assert_allclose(nn.eval_["valid_acc"][epoch - 1], valid_acc, rtol=0, atol=0.001)
