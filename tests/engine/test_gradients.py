"""The gradient of whole networks, against finite differences and against the oracle."""

import numpy as np
import oracle
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import ACTIVATIONS, INPUT_KINDS

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import gradient
from mlpcore.engine.trainer import Trainer

# Through BLAS, since their weights take more than a megabyte: the first layer, a middle one, the
# last one, and two in a row. No size is a whole number of vectors.
WIDE = [
    (1311, 101, 3),
    (3, 365, 367, 2),
    (3, 1101, 121),
    (5, 365, 367, 363, 3),
]


def problem(units, *, rows, activation="logistic", dtype="float64", seed=0):
    """A network with random weights and biases, and rows and labels for it."""
    rng = np.random.default_rng(seed)
    network = Network(units, activation=activation, dtype=dtype)
    for w, b in zip(network.coefs, network.intercepts, strict=True):
        w[:] = rng.normal(0, len(w) ** -0.5, w.shape)
        b[:] = rng.normal(0, 0.5, b.shape)
    X = rng.normal(size=(rows, units[0])).astype(dtype)
    return network, X, rng.integers(units[-1], size=rows).astype(np.intc)


def layers_of(network):
    return [
        (w.astype(np.float64), b.astype(np.float64))
        for w, b in zip(network.coefs, network.intercepts, strict=True)
    ]


def problem_off_the_kink(units, *, rows, activation):
    """One whose hidden net inputs all stay 0.02 away from zero, where some slopes have a jump."""
    for seed in range(10_000):
        network, X, labels = problem(units, rows=rows, activation=activation, seed=seed)
        z = oracle.pre_activations(layers_of(network), X, activation)[:-1]
        if not ACTIVATIONS[activation].corner or all(abs(a).min() > 0.02 for a in z):
            return network, X, labels
    raise AssertionError("no such network found")


def differences(network, X, labels, l2, places, h=1e-3):
    """Central differences of fourth order of the loss, by the parameters at these places.

    What the formula leaves out is below h**4 / 30 times a fifth derivative, or 1e-12; a loss of
    about 20 is rounded to 4e-15, which divided by h is of the same size.
    """

    def value(array, index, step):
        before = array[index]
        array[index] = before + step
        total = trainer.evaluate()[0] + l2 / 2 * network.weights_squared()
        array[index] = before
        return total

    with Trainer(network, Input(X, "float64"), labels) as trainer:
        for array, index in places:
            f = {k: value(array, index, k * h) for k in (-2, -1, 1, 2)}
            yield (8 * (f[1] - f[-1]) - (f[2] - f[-2])) / (12 * h)


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "units",
    [
        (4, 3),
        (1, 1, 2),
        (3, 1, 2),
        (13, 9, 3),
        (5, 17, 7, 3),
        (1, 1, 1, 2),
        (4, 7, 5, 6, 3),
    ],
    ids=lambda units: "-".join(map(str, units)),
)
def test_every_parameter_agrees_with_its_central_difference(units, activation, l2):
    network, X, labels = problem_off_the_kink(units, rows=5, activation=activation)
    loss, flat = gradient(network, Input(X, "float64"), labels, l2=l2)
    t = np.eye(units[-1])[labels]
    z = oracle.pre_activations(layers_of(network), X, activation)[-1]
    np.testing.assert_allclose(loss, oracle.cross_entropy(z, t).sum(), rtol=1e-14)

    coefs, intercepts = network.views(flat)
    for array, grad in zip(network.coefs + network.intercepts, coefs + intercepts, strict=True):
        places = [(array, index) for index in np.ndindex(array.shape)]
        numeric = list(differences(network, X, labels, l2, places))
        np.testing.assert_allclose(grad.ravel(), numeric, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("units", WIDE, ids=lambda units: "-".join(map(str, units)))
def test_a_sample_of_a_wide_networks_parameters_agrees_with_central_differences(units, l2):
    network, X, labels = problem(units, rows=5)
    assert network.uses_blas()
    _, flat = gradient(network, Input(X, "float64"), labels, l2=l2)
    coefs, intercepts = network.views(flat)
    rng = np.random.default_rng(1)
    for array, grad in zip(network.coefs + network.intercepts, coefs + intercepts, strict=True):
        corners = [tuple(0 for _ in array.shape), tuple(n - 1 for n in array.shape)]
        indices = [*corners, *(tuple(rng.integers(array.shape)) for _ in range(15))]
        numeric = list(differences(network, X, labels, l2, [(array, i) for i in indices]))
        # Losses are larger here, and sums longer, so that more of a difference is rounding.
        np.testing.assert_allclose([grad[i] for i in indices], numeric, rtol=1e-6, atol=2e-9)


def assert_gradient_equals_the_oracles(network, X, labels, activation, l2, tolerance, n_threads=1):
    dtype = network.dtype.name
    _, flat = gradient(network, Input(X, dtype), labels, l2=l2, n_threads=n_threads)
    expected = oracle.gradient(
        layers_of(network),
        X.astype(np.float64),
        np.eye(network.n_units[-1])[labels],
        activation,
        l2,
    )
    coefs, intercepts = network.views(flat)
    for layer, w, b in zip(expected, coefs, intercepts, strict=True):
        # Elements are sums of terms of any sign, whose size the largest elements tell.
        for exact, actual in zip(layer, (w, b), strict=True):
            np.testing.assert_allclose(
                actual, exact, rtol=tolerance, atol=tolerance * abs(exact).max()
            )


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-4)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("units", WIDE, ids=lambda units: "-".join(map(str, units)))
def test_wide_networks_gradient_equals_the_oracles(units, activation, dtype, tolerance):
    if dtype == "float32":  # twice the weights in a megabyte
        units = tuple(3 * n // 2 if n > 100 else n for n in units)
    network, X, labels = problem(units, rows=23, activation=activation, dtype=dtype)
    assert network.uses_blas()
    assert_gradient_equals_the_oracles(network, X, labels, activation, 0.1, tolerance)


# What fills whole cache lines, one more, one less, and what is a multiple of 2048 bytes: rows that
# far apart get an extra line of padding.
SIZES = st.integers(1, 40) | st.sampled_from([63, 64, 65, 249, 256, 257, 505, 512, 513])


@settings(max_examples=40)
@given(
    units=st.lists(SIZES, min_size=2, max_size=5),
    rows=st.integers(1, 40),
    activation=st.sampled_from(list(ACTIVATIONS)),
    dtype=st.sampled_from(["float64", "float32"]),
    l2=st.sampled_from([0.0, 0.1, 10.0]),
    n_threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_gradient_equals_the_oracles(units, rows, activation, dtype, l2, n_threads, seed):
    network, X, labels = problem(units, rows=rows, activation=activation, dtype=dtype, seed=seed)
    tolerance = {"float64": 1e-11, "float32": 1e-3}[dtype]
    if ACTIVATIONS[activation].corner:  # in float32, no unit may be on the other side of the kink
        z = oracle.pre_activations(layers_of(network), X.astype(np.float64), activation)[:-1]
        assume(all(abs(a).min() > 1e-5 for a in z))
    assert_gradient_equals_the_oracles(network, X, labels, activation, l2, tolerance, n_threads)


@pytest.mark.parametrize("kind", INPUT_KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_every_kind_mean_the_numbers_they_hold(kind, dtype):
    network, _, labels = problem((19, 7, 3), rows=11, dtype=dtype)
    X = oracle.rows(kind, (11, 19), np.random.default_rng(2)).astype(kind)
    network.coefs[0][:] /= abs(X.astype(float)).max()  # so that no unit is saturated
    assert_gradient_equals_the_oracles(
        network, X, labels, "logistic", 0.0, 1e-12 if dtype == "float64" else 1e-4
    )


def test_penalty_leaves_the_loss_and_the_biases_alone():
    network, X, labels = problem((3, 5, 2), rows=4)
    plain, penalised = (gradient(network, Input(X, "float64"), labels, l2=l2) for l2 in (0, 0.5))
    assert plain[0] == penalised[0]
    for a, b in zip(network.views(plain[1])[1], network.views(penalised[1])[1], strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(network.views(plain[1])[0][0], network.views(penalised[1])[0][0])
