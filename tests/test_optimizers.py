"""Update rules: one step of a network against the formula, in the network's own gradient."""

import numpy as np
import pytest

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.optimizers import OPTIMIZERS
from mlpcore.engine.trainer import Trainer, gradient

DTYPES = ["float32", "float64"]
ETA, L2 = 0.3, 0.7


def sgd(w, g, l2):
    return w - ETA * (g + l2 * w)


# New parameters from old ones, their gradient and the penalty's strength.
FORMULAS = {"sgd": sgd, "store": lambda w, g, l2: w}


def test_every_optimizer_has_a_formula():
    assert set(OPTIMIZERS) == set(FORMULAS)


def problem(dtype):
    # Odd sizes, and more rows of weights than are updated together.
    rng = np.random.default_rng(5)
    network = Network((131, 21, 9, 3), dtype=dtype)
    for array in network.coefs + network.intercepts:
        array[:] = rng.normal(size=array.shape)
    X = Input(rng.normal(size=(11, 131)).astype(dtype), dtype)
    return network, X, rng.integers(3, size=11).astype(np.intc)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("l2", [0.0, L2])
def test_one_step_equals_the_formula(name, dtype, l2):
    network, X, labels = problem(dtype)
    _, flat = gradient(network, X, labels)
    weights, biases = network.views(flat)
    expected = [
        FORMULAS[name](old.astype(np.longdouble), g.astype(np.longdouble), strength)
        for old, g, strength in [
            *((w, g, l2) for w, g in zip(network.coefs, weights, strict=True)),
            *((b, g, 0.0) for b, g in zip(network.intercepts, biases, strict=True)),
        ]
    ]
    trainer = Trainer(network, X, labels, optimizer=name, learning_rate=ETA, l2=l2,
                      minibatch_size=11)  # fmt: skip
    with trainer:
        trainer.epoch(np.arange(11))
    # Rounded steps: the products, their sum, and the sum with w, which is rounded last.
    eps = np.finfo(dtype).eps
    for new, exact in zip(network.coefs + network.intercepts, expected, strict=True):
        np.testing.assert_allclose(new, exact.astype(np.float64), rtol=eps, atol=6 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_store_keeps_the_gradient_with_its_penalty_and_leaves_the_weights(dtype):
    network, X, labels = problem(dtype)
    before = network.parameters.copy()
    plain, penalised = (network.views(gradient(network, X, labels, l2=l2)[1]) for l2 in (0, L2))
    for w, g, g_l2 in zip(network.coefs, plain[0], penalised[0], strict=True):
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(g_l2, g + L2 * w.astype(np.float64), rtol=eps, atol=4 * eps)
    for g, g_l2 in zip(plain[1], penalised[1], strict=True):
        assert np.array_equal(g, g_l2)
    assert np.array_equal(network.parameters, before)


def test_weight_decay_does_not_drift_in_float32():
    """The textbook's eta * l2 is 5e-6, and 1 - 5e-6 rounded to float32 is off by 7e-9.

    Multiplied by that in each of 20,000 steps, weights would end 1.4e-4 off. Steps that are rounded
    one by one err in both directions, so that a thousand weights keep their mean.
    """
    network = Network((1, 1000), dtype="float32")
    start = network.coefs[0][:] = np.linspace(1, 2, 1000, dtype=np.float32)
    # An input of zero, so that the penalty is all of the gradient.
    trainer = Trainer(network, Input(np.zeros((1, 1), np.float32), "float32"), np.zeros(1, np.intc),
                      learning_rate=0.0005, l2=0.01)  # fmt: skip
    with trainer:
        trainer.epoch(np.zeros(20_000, np.intp))
    ratio = network.coefs[0].astype(np.float64) / start
    np.testing.assert_allclose(ratio.mean(), (1 - 5e-6) ** 20_000, rtol=2e-5)
