"""Losses and their output units, against the formulas in extended precision."""

import numpy as np
import pytest
from oracle import LOSSES, OUTPUTS, targets

from mlpcore.engine.inputs import Input
from mlpcore.engine.losses import row_losses
from mlpcore.engine.network import Network
from mlpcore.engine.objective import gradient
from mlpcore.engine.registry import LOSSES as ENGINE

DTYPES = ["float32", "float64"]
# Parameters to try, where a loss has one.
PARAMETERS = [
    (name, value) for name, loss in LOSSES.items() if loss.parameter for value in loss.parameter[1]
]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_loss_equals_its_formula(name, dtype):
    rng = np.random.default_rng(3)
    formula = LOSSES[name].logit_terms
    for n in [*range(1, 40), 200]:
        z = rng.normal(0, 10, (5, n)).astype(dtype)
        t = targets(name, (5, n), rng).astype(dtype)
        x, target = z.astype(np.longdouble), t.astype(np.longdouble)
        expected = formula(x, target).sum(axis=1)
        # Each term is made of numbers as large as these.
        parts = (abs(x) + 1) * (abs(target) + 1) + formula(x, target)
        slack = 8 * np.finfo(dtype).eps * parts.sum(axis=1)
        losses = row_losses(name, z, t)
        assert losses.dtype == np.float64
        assert np.all(abs(losses - expected) <= slack)


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_with_a_parameter(name, parameter, dtype):
    """The loss, and by a network whose outputs are its biases the error of each output."""
    z = np.linspace(-3, 3, 13, dtype=dtype)[None]  # next to no target and no corner
    t = np.full_like(z, 0.1)

    def formula(z):
        return LOSSES[name].logit_terms(z.astype(float), t.astype(float), parameter)

    expected = formula(z).sum()
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(row_losses(name, z, t, parameter=parameter), expected, rtol=9 * eps)

    network = Network((1, 13), loss=name, loss_parameter=parameter, dtype=dtype)
    network.intercepts[0][:] = z[0]
    loss, flat = gradient(network, Input(np.zeros((1, 1), dtype), dtype), t)
    np.testing.assert_allclose(loss, expected, rtol=9 * eps)
    h = 1e-5
    numeric = (formula(z + np.float64(h)) - formula(z - np.float64(h)))[0] / (2 * h)
    numeric *= 13 if LOSSES[name].averaged else 1
    np.testing.assert_allclose(
        network.views(flat)[1][0], numeric, rtol=9 * eps + 1e-8, atol=9 * eps
    )


@pytest.mark.parametrize(
    ("loss", "parameter", "message"),
    [
        ("huber", 0.0, r"delta of huber must lie between 0 and inf; got 0"),
        ("huber", np.nan, r"delta of huber must lie between 0 and inf; got nan"),
        ("pinball", 1.0, r"quantile of pinball must lie between 0 and 1; got 1"),
        ("poisson", 1.0, r"poisson has no parameter; got 1"),
    ],
)
def test_parameters_must_fit(loss, parameter, message):
    with pytest.raises(ValueError, match=message):
        Network((2, 1), loss=loss, loss_parameter=parameter)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_loss_of_outputs_equals_that_of_logits(name, dtype):
    """Clipped to between eps and 1 - eps, which changes nothing in the middle."""
    rng = np.random.default_rng(6)
    z = rng.normal(0, 2, (50, 13)).astype(dtype)
    t = targets(name, z.shape, rng).astype(dtype)
    exact = row_losses(name, z, t)
    np.testing.assert_allclose(
        row_losses(name, z, t, clip=True), exact, rtol=300 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities_are_clipped(dtype):
    z, t = np.array([[900.0, -900.0]], dtype), np.array([[0.0, 1.0]], dtype)
    eps = np.finfo(dtype).eps
    expected = -np.log(np.float64(eps)) * np.array([2, 1])
    for name, loss in zip(["binary_cross_entropy", "cross_entropy"], expected, strict=True):
        np.testing.assert_allclose(row_losses(name, z, t, clip=True), [loss], rtol=4 * eps)


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
def test_largest_logits(dtype):
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


@pytest.mark.parametrize("output", [None, *OUTPUTS])
@pytest.mark.parametrize("name", LOSSES)
def test_error_of_an_output_is_the_derivative_of_the_loss(name, output):
    """A network without hidden layer or input has biases for net inputs, and their gradient."""
    rng = np.random.default_rng(8)
    if output in (None, LOSSES[name].output):
        z = np.linspace(-5, 5, 11)
    else:
        # Where outputs are what every loss takes, well between 0 and 1, and off the units' corners.
        z = rng.uniform(-3, 3, 1000)
        o = OUTPUTS[output](z) if output != "softmax" else np.full(1000, 0.5)
        z = z[(o > 0.1) & (o < 0.9) & (abs(z) > 0.05)][:11]
    t = targets(name, (1, 11), rng)
    if name == "cross_entropy":  # the parts of a whole
        t /= t.sum()
    network = Network((1, 11), loss=name, output=output)
    network.intercepts[0][:] = z
    _, flat = gradient(network, Input(np.zeros((1, 1)), "float64"), t)
    error = network.views(flat)[1][0]

    h, numeric = 1e-3, []
    for step in np.eye(11) * h:
        f = {k: row_losses(name, (z + k * step)[None], t, output=output)[0] for k in (-2, -1, 1, 2)}
        numeric.append((8 * (f[1] - f[-1]) - (f[2] - f[-2])) / (12 * h))
    # The gradient of a mean over outputs is that of the sum.
    factor = 11 if LOSSES[name].averaged else 1
    np.testing.assert_allclose(error, np.array(numeric) * factor, rtol=1e-6, atol=1e-9)
    if output in (None, LOSSES[name].output) and ENGINE[name].canonical:
        np.testing.assert_allclose(error, OUTPUTS[LOSSES[name].output](z) - t[0], rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_labels_are_short_for_rows_of_zeros_with_a_one(name):
    rng = np.random.default_rng(2)
    X = Input(rng.normal(size=(40, 3)), "float64")
    network = Network((3, 4, 5), loss=name)
    for array in network.coefs + network.intercepts:
        array[:] = rng.normal(size=array.shape)
    labels = rng.integers(5, size=40).astype(np.intc)
    (loss, flat), (loss_2, flat_2) = (gradient(network, X, t) for t in (labels, np.eye(5)[labels]))
    assert loss == loss_2
    assert np.array_equal(flat, flat_2)


def test_unknown_name_is_told_with_the_known_ones():
    with pytest.raises(ValueError, match=r"binary_cross_entropy.*'hinge'"):
        row_losses("hinge", np.zeros((1, 1)), np.zeros((1, 1)))
