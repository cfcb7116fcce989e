"""Clipping by the global norm, max-norm, and penalties of each layer."""

import numpy as np
import pytest
from oracle import OPTIMIZERS

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import gradient
from mlpcore.engine.registry import TRAINING
from mlpcore.engine.trainer import Trainer

UNITS = (131, 21, 9, 3)


def problem(dtype="float64", path="dense"):
    rng = np.random.default_rng(5)
    network = Network(UNITS, dtype=dtype, activation="tanh")
    for array in network.coefs + network.intercepts:
        array[:] = rng.normal(0, 0.3, size=array.shape)
    X = rng.normal(size=(11, UNITS[0]))
    X[rng.random(X.shape) < 0.7] = -1
    return (
        network,
        Input(X.astype(dtype), dtype, path=path),
        rng.integers(3, size=11).astype(np.intc),
    )


def arrays(network):
    return [array.copy() for array in network.coefs + network.intercepts]


@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("share", [0.5, 2.0])
@pytest.mark.parametrize("average", [False, True])
def test_gradient_is_scaled_to_the_norm_if_it_is_larger(average, share, path):
    network, X, labels = problem(path=path)
    penalties = {"l1": 0.2, "l2": 0.3}
    _, flat = gradient(network, X, labels, average=average, **penalties)
    norm = np.sqrt((flat**2).sum())
    before = network.parameters.copy()
    trainer = Trainer(network, X, labels, learning_rate=0.25, average=average, minibatch_size=11,
                      clip_norm=share * norm, n_threads=2, **penalties)  # fmt: skip
    with trainer:
        trainer.epoch(np.arange(11))
    expected = before - 0.25 * flat * min(1, share)
    np.testing.assert_allclose(network.parameters, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TRAINING)
def test_a_norm_that_is_never_reached_changes_nothing(name, dtype, path):
    results = []
    for limits in ({}, {"clip_norm": 1e6, "max_norm": 1e6}):
        network, X, labels = problem(dtype, path)
        trainer = Trainer(
            network, X, labels, optimizer=name, learning_rate=0.01, l1=0.01, l2=0.1,
            weight_decay=0.1, minibatch_size=3, keep_last=True, average=True, track_loss=True,
            **limits,
        )  # fmt: skip
        with trainer:
            curve = [trainer.epoch(np.arange(11)) for _ in range(3)]
        results.append([curve, *arrays(network)])
    slack = 300 * np.finfo(dtype).eps
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=slack, atol=slack)


@pytest.mark.parametrize("clip_norm", [0.0, 0.7])
@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("batch", [1, 4])
def test_weights_into_a_unit_are_kept_within_a_ball(batch, path, clip_norm):
    """A free step and the scaling of columns by hand, and what the next step starts from."""
    network, X, labels = problem(path=path)
    other, *_ = problem(path=path)
    options = {"learning_rate": 0.05, "l2": 0.1, "minibatch_size": batch, "clip_norm": clip_norm}
    capped = Trainer(network, X, labels, max_norm=1.2, n_threads=2, **options)
    free = Trainer(other, X, labels, **options)
    some = 0
    with capped, free:
        for k in range(3):
            order = np.arange(batch * k, batch * k + batch) % 11
            capped.epoch(order)
            free.epoch(order)
            for w in other.coefs:
                norm = np.sqrt((w**2).sum(axis=0))
                w *= np.where(norm > 1.2, 1.2 / norm, 1)
                some += np.mean(norm > 1.2)
            for a, b in zip(arrays(network), arrays(other), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    assert 0 < some < 9  # some were too long, and not all


def test_loss_curve_knows_the_weights_after_clipping():
    """Its penalty is that of the weights at the start of each minibatch."""
    network, X, labels = problem()
    options = {"l1": 0.1, "l2": 0.2, "average": True}
    trainer = Trainer(network, X, labels, learning_rate=0.5, minibatch_size=11, clip_norm=0.5,
                      max_norm=1.0, track_loss=True, **options)  # fmt: skip
    with trainer:
        for _ in range(3):
            expected, _ = gradient(network, X, labels, **options)
            np.testing.assert_allclose(trainer.epoch(np.arange(11)), expected, rtol=1e-13)
        # The same, where the trainer did not stop in between.
        order = np.tile(np.arange(11), 2)
        middle = network.parameters.copy(), gradient(network, X, labels, **options)[0]
        trainer.epoch(np.arange(11))
        second = gradient(network, X, labels, **options)[0]
        network.parameters[:] = middle[0]
        np.testing.assert_allclose(trainer.epoch(order), (middle[1] + second) / 2, rtol=1e-13)


L2, DECAY = (0.3, 0.0, 0.7), (0.2, 0.9, 0.0)


@pytest.mark.parametrize("limits", [{}, {"clip_norm": 1e6}])
@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("name", TRAINING)
def test_each_layer_may_have_a_penalty_and_a_decay(name, path, limits):
    """Steps and the loss that is tracked, by the rules in NumPy from the gradient without a
    penalty."""
    network, X, labels = problem(path=path)
    rule, hyperparameters = OPTIMIZERS[name]
    settings = {**hyperparameters, "weight_decay": DECAY}
    trainer = Trainer(
        network, X, labels, optimizer=name, learning_rate=0.02, l2=L2, average=True,
        minibatch_size=11, track_loss=True, n_threads=2, **limits, **settings,
    )  # fmt: skip
    states = [[0.0, 0.0] for _ in range(6)]
    with trainer:
        for t in range(1, 4):
            loss, flat = gradient(network, X, labels, average=True)
            before = arrays(network)
            slopes = [slope for part in network.views(flat) for slope in part]
            loss += sum(a / 22 * (w**2).sum() for a, w in zip(L2, network.coefs, strict=True))
            assert trainer.epoch(np.arange(11)) == pytest.approx(loss, rel=1e-13)
            for i, (w, g, now) in enumerate(zip(before, slopes, arrays(network), strict=True)):
                own = dict(hyperparameters)
                if "weight_decay" in own:
                    own["weight_decay"] = DECAY[i % 3]
                if i < 3:
                    g = g + L2[i] / 11 * w
                expected = rule(w, g, states[i], t, 0.02, **own)
                np.testing.assert_allclose(now, np.float64(expected), rtol=1e-10, atol=1e-13)


def test_equal_numbers_of_all_layers_are_that_number():
    results = []
    for l2, decay in ((0.3, 0.1), ([0.3] * 3, np.full(3, 0.1))):
        network, X, labels = problem("float32", "sparse")
        trainer = Trainer(network, X, labels, optimizer="adamw", l2=l2, weight_decay=decay,
                          learning_rate=0.01, minibatch_size=3)  # fmt: skip
        with trainer:
            trainer.epoch(np.arange(11))
        results.append(network.parameters)
    assert np.array_equal(*results)


@pytest.mark.parametrize("batch", [1, 3])
def test_online_learning_with_a_penalty_of_each_layer(batch):
    """Which the scaled representation does not have."""
    results = []
    for path in ("dense", "sparse"):
        network, X, labels = problem(path=path)
        trainer = Trainer(network, X, labels, l2=L2, learning_rate=0.01, minibatch_size=batch)
        with trainer:
            for _ in range(2):
                trainer.epoch(np.arange(11))
        results.append(network.parameters)
    np.testing.assert_allclose(*results, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("numbers", [[0.1], [0.1] * 4, [0.1, 0.1, -1], [[0.1] * 3]])
@pytest.mark.parametrize("name", ["l2", "weight_decay"])
def test_numbers_of_layers_that_do_not_fit(name, numbers):
    network, X, labels = problem()
    with pytest.raises(ValueError, match=f"{name} must be a number, or one >= 0 for each of 3"):
        Trainer(network, X, labels, **{name: numbers})
