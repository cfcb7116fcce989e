"""Every kind of numbers that dense rows may hold: read where they are, for what they stand for."""

import numpy as np
import pytest
from oracle import INPUT_KINDS, rows

from mlpcore import NeuralNetMLP, load_digits
from mlpcore._validation import check_rows
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network

SCALE = (0.37, -1.5)


def some_rows(kind, background=0.0):
    """23 rows whose numbers are about 1 after scaling, and the scale."""
    x = rows(kind, (23, 70), np.random.default_rng(4), background)
    if x.dtype.kind == "f":
        return x, SCALE
    return x, (SCALE[0] / np.iinfo(x.dtype).max, SCALE[1])


@pytest.mark.parametrize("background", [0.0, 0.8])
@pytest.mark.parametrize("path", ["dense", "sparse", "auto"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", INPUT_KINDS)
def test_numbers_are_what_they_stand_for(kind, dtype, path, background):
    x, (scale, offset) = some_rows(kind, background)
    source = Input(x, dtype, scale=scale, offset=offset, path=path)
    if path != "auto":
        assert source.path == path
    network = Network((70, 9), dtype=dtype)
    network.coefs[0][:] = np.random.default_rng(5).normal(size=(70, 9))
    expected = INPUT_KINDS[kind](x, scale, offset) @ network.coefs[0].astype(np.float64)
    tolerance = 300 * np.finfo(dtype).eps
    np.testing.assert_allclose(network.logits(source), expected, tolerance, tolerance)
    # A network whose inputs are known to be mostly the background, given dense rows.
    network.background = source.background
    again = network.logits(Input(x, dtype, scale=scale, offset=offset))
    np.testing.assert_allclose(again, expected, tolerance, tolerance)


@pytest.mark.parametrize("kind", INPUT_KINDS)
def test_rows_are_read_where_they_are(kind):
    x, _ = some_rows(kind)
    assert check_rows(x, "X") is x


@pytest.mark.parametrize("input_path", ["dense", "sparse"])
@pytest.mark.parametrize("kind", INPUT_KINDS)
def test_input_scale_is_that_of_the_numbers(kind, input_path):
    """Grey levels from 0 to 16 of any kind, scaled to [-1, 1], train as those numbers do."""
    X, y = load_digits(scale=False)
    scaled = X[:300].astype(np.float64) / 8 - 1
    settings = {"n_hidden": 9, "epochs": 3, "eta": 0.01, "minibatch_size": 20, "seed": 1,
                "dtype": "float64", "input_path": input_path}  # fmt: skip
    nn = NeuralNetMLP(**settings, input_scale=(1 / 8, -1)).fit(X[:300].astype(kind), y[:300])
    plain = NeuralNetMLP(**settings).fit(scaled, y[:300])
    np.testing.assert_allclose(nn.eval_["cost"], plain.eval_["cost"], rtol=1e-5)
    for row in (X[:1], X[300:310]):
        np.testing.assert_allclose(
            nn.predict_proba(row.astype(kind)), plain.predict_proba(row / 8 - 1), rtol=1e-4
        )


@pytest.mark.parametrize("kind", INPUT_KINDS)
def test_the_network_holds_every_number_of_the_data(kind):
    """dtype=None is float32 only where that rounds none of them."""
    x, _ = some_rows(kind)
    nn = NeuralNetMLP(3, epochs=0, seed=1).fit(x, np.arange(23) % 2)
    assert np.array_equal(x.astype(nn.w_h.dtype).astype(kind), x)


@pytest.mark.parametrize("kind", [kind for kind in INPUT_KINDS if np.dtype(kind).kind != "f"])
def test_no_scale_makes_integers_infinite(kind):
    x, _ = some_rows(kind)
    largest = max(abs(np.iinfo(kind).min), np.iinfo(kind).max)
    scale = 1.1 * float(np.finfo(np.float32).max) / largest
    with pytest.raises(ValueError, match=r"^input_scale must be of finite numbers that take"):
        NeuralNetMLP(input_scale=(scale, 0)).fit(x, np.arange(23) % 2)
