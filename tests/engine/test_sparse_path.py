"""The background-skipping first layer, in every form of input: the network of the dense way."""

import tracemalloc

import numpy as np
import oracle
import pytest
import scipy.sparse

from mlpcore import NeuralNetMLP, load_digits
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import gradient
from mlpcore.engine.trainer import Trainer

SETTINGS = {"l2": 0.05, "epochs": 3, "eta": 0.01, "seed": 4, "progress": False}


def rows(n, features, background, filled=0.2, seed=0):
    """Mostly background, and labels that depend on the rest."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n, features)) < filled, rng.normal(size=(n, features)), background)
    total = X[:, : features // 2].sum(axis=1)
    return X, np.digitize(total, np.quantile(total, [0.3, 0.7]))


def layers(model):
    return [*model.coefs_, *model.intercepts_]


def assert_same_network(one, other, rtol):
    for a, b in zip(layers(one), layers(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max())
    np.testing.assert_allclose(one.eval_["cost"], other.eval_["cost"], rtol=rtol)


# Hidden units: one vector, part of one, several panels, several layers, a layer too large for the
# cache. Minibatches: online, dividing the rows or not, and beyond the 128 that are transposed at
# a time, of few features and of more than are transposed at a time.
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("background", [0.0, -1.0, 7.5])
@pytest.mark.parametrize(
    ("features", "hidden", "minibatch_size"),
    [(67, (16,), 9), (67, (5,), 1), (130, (300,), 10), (40, (9, 4, 7), 7), (33, (11,), 300),
     (40, (9, 4), 1), (1030, (270,), 64), (1100, (8,), 200)],
)  # fmt: skip
def test_history_is_the_oracles(features, hidden, minibatch_size, background, dtype):
    X, y = rows(600, features, background)
    X = X.astype(dtype)
    settings = SETTINGS | {"eta": 0.1 / minibatch_size / (1 + abs(background))}
    model = NeuralNetMLP(
        hidden, minibatch_size=minibatch_size, input_path="sparse", **settings
    ).fit(X[:500], y[:500], X[500:], y[500:])
    del settings["progress"]
    expected, history = oracle.train(
        X[:500].astype(np.float64), y[:500], X[500:], y[500:], hidden=hidden,
        minibatch_size=minibatch_size, **settings,
    )  # fmt: skip
    rtol = 1e-10 if dtype == np.float64 else 2e-4
    assert model.input_path_ == "sparse"
    np.testing.assert_allclose(model.eval_["cost"], history["cost"], rtol=rtol)
    for (w, b), mine, my_b in zip(expected, model.coefs_, model.intercepts_, strict=True):
        np.testing.assert_allclose(mine, w, rtol=0, atol=rtol * np.abs(w).max())
        np.testing.assert_allclose(my_b, b, rtol=0, atol=rtol * max(1, np.abs(b).max()))
    if dtype == np.float64:
        assert model.eval_["valid_acc"] == history["valid_acc"]


def test_a_strong_decay_does_not_wear_the_online_scale_out():
    """Each step keeps 60 % of the weights: after 500 of them, 1e-111 of the first ones."""
    X, y = rows(500, 30, -1.0)
    settings = SETTINGS | {"eta": 0.01, "l2": 40.0, "minibatch_size": 1}
    online = NeuralNetMLP(8, input_path="sparse", **settings).fit(X, y)
    dense = NeuralNetMLP(8, input_path="dense", **settings).fit(X, y)
    assert_same_network(online, dense, 1e-10)


def test_a_decay_of_more_than_everything_takes_the_ordinary_step():
    X, y = rows(200, 30, -1.0)
    settings = SETTINGS | {"eta": 0.5, "l2": 3.0, "minibatch_size": 1}
    online = NeuralNetMLP(8, input_path="sparse", **settings).fit(X, y)
    dense = NeuralNetMLP(8, input_path="dense", **settings).fit(X, y)
    assert_same_network(online, dense, 1e-10)


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_gradient_matches_central_differences(l2):
    X, y = rows(40, 35, -1.0)
    network = Network((35, 6, 4, 3), dtype="float64")
    rng = np.random.default_rng(1)
    for array in network.coefs + network.intercepts:
        array[:] = rng.normal(0, 0.4, array.shape)
    source, labels = Input(X, "float64", path="sparse"), y.astype(np.intc)

    def objective():
        return gradient(network, source, labels)[0] + l2 / 2 * network.weights_squared()

    found = network.views(gradient(network, source, labels, l2=l2)[1].copy())
    step = 1e-5
    found = found[0] + found[1]
    for mine, parameters in zip(found, network.coefs + network.intercepts, strict=True):
        numeric = np.empty_like(mine)
        for place in np.ndindex(parameters.shape):
            kept = parameters[place]
            parameters[place] = kept + step
            up = objective()
            parameters[place] = kept - step
            numeric[place] = (up - objective()) / (2 * step)
            parameters[place] = kept
        np.testing.assert_allclose(mine, numeric, rtol=1e-6, atol=1e-6 * np.abs(numeric).max())


@pytest.mark.parametrize("minibatch_size", [1, 20])
def test_bytes_with_a_scale_are_the_scaled_numbers(minibatch_size):
    X, y = load_digits(scale=False)
    scaled = X * np.float32(2 / 16) + np.float32(-1)
    settings = SETTINGS | {"minibatch_size": minibatch_size}
    for path in ("dense", "sparse"):
        bytes_ = NeuralNetMLP(12, input_path=path, input_scale=(2 / 16, -1), **settings)
        floats = NeuralNetMLP(12, input_path=path, **settings)
        bytes_.fit(X, y)
        floats.fit(scaled, y)
        # 2 / 16 is a power of two, so that the scaled numbers are exact either way.
        for a, b in zip(layers(bytes_), layers(floats), strict=True):
            assert np.array_equal(a, b)
        assert np.array_equal(bytes_.predict_proba(X), floats.predict_proba(scaled))
        other = NeuralNetMLP(12, input_path=path, input_scale=(2 / 16, -1), **settings)
        assert_same_network(other.fit(X.astype(np.float32), y), floats, 1e-6)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("strange", [False, True])
def test_doubles_of_few_values_are_kept_as_bytes(strange, n_threads):
    """Enough of them to be worth it, and one that no sample of rows shows."""
    rng = np.random.default_rng(3)
    X = rng.integers(1, 256, (1500, 600), np.uint8)
    X[rng.random(X.shape) < 0.75] = 0
    y = np.arange(1500) % 3
    doubles = X * (1 / 128) - 1.0  # exact
    if strange:
        doubles[777, 333] = np.pi
    settings = SETTINGS | {"minibatch_size": 50, "dtype": "float64", "input_path": "sparse"}
    model = NeuralNetMLP(20, n_threads=n_threads, **settings).fit(doubles, y)
    if strange:
        del settings["input_path"]
        dense = NeuralNetMLP(20, input_path="dense", **settings).fit(doubles, y)
        assert_same_network(model, dense, 1e-10)
    else:
        of_bytes = NeuralNetMLP(20, input_scale=(1 / 128, -1), **settings).fit(X, y)
        for a, b in zip(layers(model), layers(of_bytes), strict=True):
            assert np.array_equal(a, b)
    tracemalloc.start()
    kept = Input(doubles, "float64", path="sparse")
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # An index of two bytes for each entry, and a byte or eight; and where rows start.
    entries = (doubles != -1).sum()
    assert kept.density == entries / X.size
    assert size == pytest.approx(entries * (10 if strange else 3) + 8 * len(X), rel=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
def test_a_sparse_matrix_is_the_dense_array(kind, dtype):
    X, y = rows(300, 50, 0.0)
    X = (X * 4).astype(dtype).astype(np.float32 if dtype == np.float32 else np.float64)
    settings = SETTINGS | {"minibatch_size": 10, "dtype": X.dtype}
    matrix = kind(X.astype(dtype))
    before = matrix.copy()
    sparse = NeuralNetMLP(12, **settings).fit(matrix, y, matrix, y)
    dense = NeuralNetMLP(12, input_path="dense", **settings).fit(X, y, X, y)
    assert sparse.input_path_ == "sparse"
    assert_same_network(sparse, dense, 1e-10 if X.dtype == np.float64 else 2e-5)
    assert np.array_equal(sparse.predict(matrix), dense.predict(X))
    assert (before != matrix).nnz == 0


def test_a_sparse_matrix_in_disorder_is_put_in_order():
    data, index, start = [1.0, 2.0, 3.0, 4.0, 5.0], [3, 0, 3, 1, 1], [0, 3, 5]
    matrix = scipy.sparse.csr_matrix((data, index, start), shape=(2, 4))
    settings = SETTINGS | {"minibatch_size": 2}
    messy = NeuralNetMLP(3, **settings).fit(matrix, [0, 1])
    clean = NeuralNetMLP(3, **settings).fit([[2.0, 0, 0, 4], [0, 9.0, 0, 0]], [0, 1])
    assert_same_network(messy, clean, 1e-12)
    assert matrix.data.tolist() == data


def test_more_features_than_sixteen_bits_count():
    rng = np.random.default_rng(3)
    X = scipy.sparse.random(60, 70_000, 0.002, "csr", random_state=rng, dtype=np.float64)
    y = np.arange(60) % 2
    settings = SETTINGS | {"minibatch_size": 20}
    sparse = NeuralNetMLP(4, **settings).fit(X, y)
    dense = NeuralNetMLP(4, **settings).fit(X.toarray(), y)
    assert (sparse.input_path_, dense.input_path_) == ("sparse", "dense")
    assert_same_network(sparse, dense, 1e-10)
    assert np.array_equal(sparse.predict(X.toarray()), dense.predict(X))


def test_a_sparse_matrix_with_nan_is_refused():
    X = scipy.sparse.csr_matrix([[0, np.nan], [1, 0]])
    with pytest.raises(ValueError, match=r"X_train must be finite, .* got nan"):
        NeuralNetMLP(3).fit(X, [0, 1])


def test_the_way_is_chosen_by_counting():
    y = np.arange(500) % 2
    for filled, path in (
        (0.1, "sparse"),
        (0.2, "sparse"),
        (0.4, "dense"),
        (0.7, "dense"),
        (1.0, "dense"),
    ):
        X = rows(500, 40, -3.0, filled)[0]
        model = NeuralNetMLP(5, epochs=1, minibatch_size=50)
        assert model.fit(X, y).input_path_ == path
        for forced in ("dense", "sparse"):
            assert model.set_params(input_path=forced).fit(X, y).input_path_ == forced
            model.set_params(input_path="auto")


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_rows_that_prove_too_full_while_they_are_packed(n_threads):
    """Whichever thread notices, and whatever the others are counting at that time."""
    X = np.random.default_rng(1).random((1800, 64)).astype(np.float32)
    X[X < 0.6] = 0  # the sample lets that pass
    for _ in range(100):
        assert Input(X, "float32", path="auto", n_threads=n_threads).path == "dense"


def test_density_is_the_share_that_differs_from_the_background():
    X = rows(500, 40, -3.0, 0.1)[0]
    source = Input(X, "float64", path="auto")
    assert source.density == np.mean(X != -3)
    assert source.background == -3


@pytest.mark.parametrize("bad", ["csr", "Sparse", None])
def test_unknown_path_is_refused(bad):
    with pytest.raises(ValueError, match="input_path must be"):
        NeuralNetMLP(input_path=bad).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("bad", [3, (1,), (1, 2, 3), ("a", 1), (np.inf, 0), (1, np.nan)])
def test_bad_scale_is_refused(bad):
    with pytest.raises(ValueError, match="input_scale must be"):
        NeuralNetMLP(input_scale=bad).fit([[0.0], [1.0]], [0, 1])


def test_one_row_is_predicted_as_among_many():
    X, y = rows(300, 130, -1.0)
    for path in ("sparse", "dense"):
        for dtype in (np.float32, np.float64):
            model = NeuralNetMLP(20, minibatch_size=10, input_path=path, **SETTINGS)
            data = X.astype(dtype)
            together = model.fit(data, y).predict(data)
            probabilities = model.predict_proba(data)
            for i in range(0, 300, 7):
                assert model.predict(data[i : i + 1]) == together[i]
                assert np.array_equal(model.predict_proba(data[i : i + 1])[0], probabilities[i])


def test_one_row_that_is_not_finite_is_refused():
    X, y = rows(100, 30, -1.0)
    model = NeuralNetMLP(5, epochs=1).fit(X, y)
    bad = X[:1].copy()
    bad[0, 3] = np.nan
    assert model.predict(X[:1]).shape == (1,)
    with pytest.raises(ValueError, match=r"X must be finite, .* got nan in row 0, column 3"):
        model.predict(bad)


def test_prediction_in_a_callback_follows_the_weights():
    """What prediction keeps of the weights must not outlive an epoch."""
    X, y = rows(400, 60, -1.0)
    seen = []

    def look(epoch, history):
        one = [model.predict(X[i : i + 1])[0] for i in range(400)]
        seen.append(np.mean(one == y))
        return False

    model = NeuralNetMLP(10, minibatch_size=10, callback=look, **SETTINGS)
    model.fit(X, y)
    assert seen == model.eval_["train_acc"]


@pytest.mark.parametrize("path", ["dense", "sparse"])
def test_evaluating_less_often_changes_nothing_else(path):
    X, y = rows(300, 40, -1.0)
    settings = SETTINGS | {"epochs": 7, "minibatch_size": 10, "input_path": path}
    every = NeuralNetMLP(6, **settings).fit(X, y, X, y)
    third = NeuralNetMLP(6, eval_every=3, **settings).fit(X, y, X, y)
    for name, figures in every.eval_.items():
        assert third.eval_[name] == [figures[2], figures[5], figures[6]]
    assert third.n_iter_ == 7
    assert all(np.array_equal(a, b) for a, b in zip(layers(every), layers(third), strict=True))


def test_a_fit_copies_neither_rows_nor_bytes(peak):
    """20 MB of rows: NumPy reports its arrays to tracemalloc, so a copy would show."""
    y = np.arange(5000) % 3
    X = np.random.default_rng(0).normal(size=(5000, 1000)).astype(np.float32)
    model = NeuralNetMLP(10, epochs=1, minibatch_size=50, n_threads=2)
    assert peak(model.fit, X, y) < X.nbytes / 5
    mostly_zero = (X > 1.5).view(np.uint8)
    assert model.fit(mostly_zero, y).input_path_ == "sparse"
    # Three bytes for each entry that is kept: of the 5 million, 6.7 %.
    assert peak(model.fit, mostly_zero, y) < 3 * mostly_zero.sum() + X.nbytes / 10


def test_a_memory_mapped_file_is_read_where_it_is(tmp_path):
    X, y = rows(400, 60, -1.0, filled=0.9)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    settings = SETTINGS | {"minibatch_size": 10}
    a, b = NeuralNetMLP(6, **settings).fit(mapped, y), NeuralNetMLP(6, **settings).fit(X, y)
    assert all(np.array_equal(p, q) for p, q in zip(layers(a), layers(b), strict=True))


def test_the_trainer_takes_fewer_rows_than_a_block():
    network = Network((4, 3, 2), dtype="float32")
    X = np.array([[0, 0, 1, 0], [0, 2, 0, 0]], np.float32)
    source = Input(X, "float32", path="sparse")
    with Trainer(network, source, np.array([0, 1], np.intc), minibatch_size=2) as trainer:
        trainer.epoch(np.arange(2))
        assert np.isfinite(trainer.evaluate()[0])
