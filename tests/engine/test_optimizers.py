"""Update rules: one step of a network against the formula, in the network's own gradient."""

import platform

import numpy as np
import pytest
from oracle import OPTIMIZERS

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import gradient
from mlpcore.engine.registry import OPTIMIZERS as ENGINE
from mlpcore.engine.trainer import Trainer

DTYPES = ["float32", "float64"]
ETA, L2 = 0.3, 0.7


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
@pytest.mark.parametrize("l1", [0.0, 0.4])
@pytest.mark.parametrize("average", [False, True])
def test_steps_equal_the_formula(name, dtype, l1, l2, average):
    """Three steps, each from the weights and the gradient that the engine has then."""
    network, X, labels = problem(dtype)
    trainer = Trainer(
        network, X, labels, optimizer=name, learning_rate=ETA, l2=l2, average=average,
        minibatch_size=11, l1=l1, **OPTIMIZERS[name].hyperparameters,
    )  # fmt: skip
    arrays = network.coefs + network.intercepts
    states = [[np.zeros(a.shape, np.longdouble) for _ in range(2)] for a in arrays]
    # A step rounds the products, their sum, and the sum with w; Adam divides by a root, too.
    eps = np.finfo(dtype).eps
    with trainer:
        for t in (1, 2, 3):
            _, flat = gradient(network, X, labels, l1=l1, l2=l2, average=average)
            weights, biases = network.views(flat)
            step, hyperparameters = OPTIMIZERS[name]
            expected = [
                step(
                    old.astype(np.longdouble),
                    g.astype(np.longdouble),
                    state,
                    t,
                    ETA,
                    **hyperparameters,
                )
                for old, g, state in zip(arrays, weights + biases, states, strict=True)
            ]
            trainer.epoch(np.arange(11))
            assert trainer.step_count == t
            for new, exact in zip(arrays, expected, strict=True):
                slack = {"rtol": 4 * eps, "atol": 16 * t * eps}
                np.testing.assert_allclose(new, exact.astype(np.float64), **slack)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_another_trainer_goes_on_from_state_and_step_count(name):
    def run(stops):
        network, X, labels = problem("float64")
        state, count = None, 0
        for epochs in stops:
            trainer = Trainer(network, X, labels, optimizer=name, learning_rate=0.01,
                              minibatch_size=4)  # fmt: skip
            if state is not None:
                trainer.state[:] = state
                trainer.step_count = count
            with trainer:
                for _ in range(epochs):
                    trainer.epoch(np.arange(11))
            state, count = trainer.state.copy(), trainer.step_count
        return network.parameters.copy(), state, count

    at_once, in_parts = run([5]), run([2, 3])
    assert at_once[2] == in_parts[2] == 10
    for a, b in zip(at_once, in_parts, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_rate_for_each_minibatch(name, n_threads):
    """The same as an epoch for each minibatch."""
    order, rates = np.arange(11), np.array([0.1, 0.0, 0.3])
    results = []
    for parts in (False, True):
        network, X, labels = problem("float64")
        trainer = Trainer(network, X, labels, optimizer=name, l2=L2, minibatch_size=4,
                          keep_last=True, n_threads=n_threads)  # fmt: skip
        with trainer:
            if not parts:
                trainer.epoch(order, rates)
            for k, rate in enumerate(rates if parts else []):
                trainer.learning_rate = rate
                trainer.epoch(order[4 * k : 4 * k + 4])
        results.append(network.parameters.copy())
    assert np.array_equal(*results)


def test_hyperparameters_are_those_that_there_are():
    network, X, labels = problem("float64")
    with pytest.raises(TypeError, match=r"^minibatch is no parameter.*momentum, beta_1"):
        Trainer(network, X, labels, minibatch=4)


def test_rates_must_be_one_for_each_minibatch():
    network, X, labels = problem("float64")
    with Trainer(network, X, labels, minibatch_size=4) as trainer:
        with pytest.raises(ValueError, match=r"each of 2 minibatches; got 3"):
            trainer.epoch(np.arange(11), np.ones(3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_accumulate_keeps_the_gradient_with_its_penalty_and_leaves_the_weights(dtype):
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


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="only x86 is slow with subnormal numbers"
)
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", [name for name, rule in ENGINE.items() if rule.n_vectors and not rule.internal]
)
def test_moments_die_out(name, dtype, n_threads):
    """0.7 times the smallest subnormal number is that number again, and would never become 0."""
    tiny = np.finfo(dtype).smallest_subnormal
    assert tiny * tiny.dtype.type(0.7) == tiny
    X = np.ones((3000, 2), dtype)
    X[1:, 1] = 0  # this feature has a gradient in the first step alone
    rng = np.random.default_rng(0)
    network = Network((2, 4, 2), dtype=dtype)
    for array in network.coefs + network.intercepts:
        array[:] = rng.normal(size=array.shape)
    trainer = Trainer(
        network, Input(X, dtype), rng.integers(2, size=3000).astype(np.intc), optimizer=name,
        learning_rate=0.01, minibatch_size=1, n_threads=n_threads,
        **dict.fromkeys(ENGINE[name].hyperparameters, 0.7),
    )  # fmt: skip
    vectors = np.split(trainer.state, ENGINE[name].n_vectors)
    moments = [network.views(flat)[0][0] for flat in vectors]
    with trainer:
        trainer.epoch(np.arange(1))
        assert all(moment.all() for moment in moments)
        trainer.epoch(np.arange(1, 3000))
    assert all(moment[0].all() and not moment[1].any() for moment in moments)
    # Only the engine's own arithmetic is without them. Bits are compared, since elsewhere any two
    # would be equal without them; those of n times the smallest are the number n.
    product = np.full(64, tiny) * np.full(64, 3, dtype)
    assert np.all(product.view(f"u{product.itemsize}") == 3)
