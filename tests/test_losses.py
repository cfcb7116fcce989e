"""Losses and their output units, against the formulas in extended precision."""

import numpy as np
import pytest
from oracle import cross_entropy, logistic

from mlpcore.engine.inputs import Input
from mlpcore.engine.losses import LOSSES, row_losses
from mlpcore.engine.network import Network
from mlpcore.engine.trainer import gradient

DTYPES = ["float32", "float64"]

# The loss of each output, and the output itself, from net inputs and targets.
FORMULAS = {"binary_cross_entropy": (cross_entropy, logistic)}


def test_every_loss_has_a_formula():
    assert set(LOSSES) == set(FORMULAS)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("soft", [False, True])
def test_loss_equals_its_formula(name, dtype, soft):
    rng = np.random.default_rng(3)
    for n in [*range(1, 40), 200]:
        z = rng.normal(0, 10, (5, n)).astype(dtype)
        t = (rng.random((5, n)) if soft else rng.integers(2, size=(5, n))).astype(dtype)
        x, target = z.astype(np.longdouble), t.astype(np.longdouble)
        expected = FORMULAS[name][0](x, target).sum(axis=1)
        # Each term is the difference of numbers as large as z.
        slack = 4 * np.finfo(dtype).eps * (abs(x) + 1).sum(axis=1)
        losses = row_losses(name, z, t)
        assert losses.dtype == np.float64
        assert np.all(abs(losses - expected) <= slack)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("z", [0.0, 40.0, 250.0, 300.0, 1e4, 1e30])
def test_cross_entropy_is_finite_where_the_textbooks_is_not(dtype, z):
    # log(1 + e^z) is z, and log(1 + e^-z) is 0, up to e^-z.
    z = np.array([[z], [-z], [z], [-z]], dtype)
    t = np.array([[0], [1], [1], [0]], dtype)
    size = float(z[0, 0])
    small = np.log1p(np.exp(-size))
    np.testing.assert_allclose(
        row_losses("binary_cross_entropy", z, t),
        [size + small, size + small, small, small],
        rtol=4 * np.finfo(dtype).eps,
        atol=4 * np.finfo(dtype).eps * size + 1e-30,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_largest_net_inputs(dtype):
    z = np.array([[np.finfo(dtype).max, np.finfo(dtype).min]], dtype)
    loss = row_losses("binary_cross_entropy", z, np.array([[1, 0]], dtype))
    assert 0 <= loss < 1e-30  # exp(-max), as near as the exponential goes
    loss = row_losses("binary_cross_entropy", z[:, :1], np.array([[0]], dtype))
    assert loss == np.float64(np.finfo(dtype).max)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_makes_the_loss_of_its_row_nan(name, dtype):
    z, t = np.zeros((3, 21), dtype), np.zeros((3, 21), dtype)
    z[1, 19] = np.nan
    assert np.isnan(row_losses(name, z, t)).tolist() == [False, True, False]


@pytest.mark.parametrize("name", LOSSES)
def test_error_of_an_output_is_the_derivative_of_the_loss(name):
    """A network without hidden layer or input has biases for net inputs, and their gradient."""
    z = np.linspace(-5, 5, 11)
    network = Network((1, 11), loss=name)
    network.intercepts[0][:] = z
    _, flat = gradient(network, Input(np.zeros((1, 1)), "float64"), np.array([4], np.intc))
    error = network.views(flat)[1][0]

    t = np.eye(11)[[4]]
    h = 1e-3
    numeric = []
    for step in np.eye(11) * h:
        f = {k: row_losses(name, (z + k * step)[None], t)[0] for k in (-2, -1, 1, 2)}
        numeric.append((8 * (f[1] - f[-1]) - (f[2] - f[-2])) / (12 * h))
    np.testing.assert_allclose(error, numeric, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(error, FORMULAS[name][1](z) - t[0], rtol=1e-13)


def test_unknown_name_is_told_with_the_known_ones():
    with pytest.raises(ValueError, match=r"binary_cross_entropy.*'hinge'"):
        row_losses("hinge", np.zeros((1, 1)), np.zeros((1, 1)))
