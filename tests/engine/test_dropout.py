"""Dropout: whose random bits they are, and what training makes of them."""

import numpy as np
import oracle
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from mlpcore.engine.dropout import factors
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.registry import ACTIVATIONS, LOSSES
from mlpcore.engine.trainer import Trainer

SEED = 0x123456789ABCDEF0


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0] * 4, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([2**32 - 1] * 4, 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            0x299F31D0A4093822,
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_oracles_generator_gives_the_published_words(counter, key, words):
    """The known answers for philox4x32-10 that come with Salmon et al., Random123."""
    assert oracle.philox(*counter, key).tolist() == [int(word, 16) for word in words.split()]


@given(
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**32 - 1),
    row=st.integers(0, 2**40),
    layer=st.integers(0, 9),
    rate=st.floats(0, 1, exclude_max=True),
    n=st.integers(0, 200),
)
def test_units_are_dropped_by_their_words(seed, epoch, row, layer, rate, n):
    expected = oracle.dropout_factors(seed, epoch, row, layer, rate, n)
    assert np.array_equal(factors(seed, epoch, row, layer, rate, n), expected)
    assert np.array_equal(
        factors(seed, epoch, row, layer, rate, n, "float32"), expected.astype(np.float32)
    )


def test_the_share_that_is_dropped():
    """Of 160,000 units; the standard deviation of the share is 0.001."""
    drawn = np.array([factors(1, 2, row, 1, 0.2, 800) for row in range(200)])
    assert abs(np.mean(drawn == 0) - 0.2) < 0.005
    assert set(np.unique(drawn)) == {0, 1.25}
    # Neither units of a row nor rows of a unit go together: correlations are about 200**-0.5.
    units = np.corrcoef((drawn[:, :50] == 0).T) - np.eye(50)
    assert abs(units).max() < 0.4
    assert abs(units.mean()) < 0.01


def problem(activation="tanh", *, loss="squared_error", n_outputs=3, zeros=0.0, path="dense"):
    units = (6, 9, 5, n_outputs)
    rng = np.random.default_rng(12)
    network = Network(units, activation=activation, loss=loss)
    for w, b in zip(network.coefs, network.intercepts, strict=True):
        w[:] = rng.normal(0, 0.6, w.shape)
        b[:] = rng.normal(0, 0.6, b.shape)
    X = rng.normal(size=(7, 6))
    X[rng.random(X.shape) < zeros] = 0
    t = rng.uniform(0.1, 1, (7, n_outputs))
    if n_outputs > 1:  # as cross-entropy needs it
        t /= t.sum(axis=1, keepdims=True)
    return network, X, Input(X, "float64", path=path), t


@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("dropout", [(0.5, 0.25), (0.3, 0.5, 0.0), (0.4, 0.0, 0.4)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_is_that_of_the_network_without_the_dropped_units(activation, dropout, path):
    network, X, rows, t = problem(activation, zeros=0.5, path=path)
    trainer = Trainer(network, rows, t, optimizer="accumulate", dropout=dropout, seed=SEED,
                      minibatch_size=7, track_loss=True, n_threads=2)  # fmt: skip
    trainer.epoch_count = 3
    order = np.array([3, 1, 6, 0, 2, 5, 4])
    with trainer:
        loss = trainer.epoch(order)
    rates = (0.0,) * (len(dropout) == 2) + dropout
    masks = [
        np.array([oracle.dropout_factors(SEED, 3, row, j, rate, n) for row in range(7)])
        for j, (rate, n) in enumerate(zip(rates, (6, 9, 5), strict=True))
    ]
    value, slope = oracle.ACTIVATIONS[activation][:2]
    x, z = [X * masks[0]], []
    for i, (w, b) in enumerate(zip(network.coefs, network.intercepts, strict=True)):
        z.append(x[i] @ w + b)
        if i < 2:
            x.append(value(z[i]) * masks[i + 1])
    np.testing.assert_allclose(loss, ((z[2] - t) ** 2).sum() / 2 / 3 / 7, rtol=1e-13)
    error = z[2] - t
    coefs, intercepts = network.views(trainer.state)
    for i in (2, 1, 0):
        np.testing.assert_allclose(coefs[i], x[i].T @ error, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(intercepts[i], error.sum(axis=0), rtol=1e-11, atol=1e-13)
        if i > 0:
            error = (error @ network.coefs[i].T) * masks[i] * slope(z[i - 1])


@pytest.mark.parametrize("penalty", [{}, {"l1": 0.2}, {"l2": 0.3}])
@pytest.mark.parametrize("dropout", [(), (0.2, 0.4, 0.3)])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_parameter_agrees_with_its_central_difference(activation, loss, dropout, penalty):
    """Away from the corners of relu and its like, of absolute values and of some losses, which the
    difference of a pair of steps of 1e-6 meets in none of these networks. Losses that are a mean
    over the outputs have one, since their gradient is that of the sum."""
    n_outputs = 1 if LOSSES[loss].averaged_over_outputs else 3
    network, _, rows, t = problem(activation, loss=loss, n_outputs=n_outputs)

    trainer = Trainer(
        network, rows, t, sample_weight=np.linspace(0.5, 2, 7), optimizer="accumulate",
        average=True, minibatch_size=7, dropout=dropout, seed=SEED, track_loss=True, **penalty,
    )  # fmt: skip
    order = np.arange(7)

    def loss_of_the_first_epoch():
        trainer.epoch_count = 0
        return trainer.epoch(order)

    with trainer:
        loss = loss_of_the_first_epoch()
        coefs, intercepts = network.views(trainer.state.copy())
        h = 1e-6
        for array, grad in zip(network.coefs + network.intercepts, coefs + intercepts, strict=True):
            numeric = np.empty_like(array)
            for index in np.ndindex(array.shape):
                before, values = array[index], []
                for step in (-h, h):
                    array[index] = before + step
                    values.append(loss_of_the_first_epoch())
                array[index] = before
                numeric[index] = (values[1] - values[0]) / (2 * h)
            # A loss is rounded to 2e-16 of itself, which is then divided by 2e-6.
            np.testing.assert_allclose(grad, numeric, rtol=1e-6, atol=1e-8 + 1e-9 * loss)


def test_evaluation_and_prediction_drop_nothing():
    network, _, rows, t = problem()
    evaluated = []
    for dropout in [(), (0.5, 0.5, 0.5)]:
        with Trainer(network, rows, t, dropout=dropout, valid=rows, valid_targets=t) as trainer:
            trainer.epoch(np.arange(7))
            evaluated.append([trainer.evaluate(), trainer.valid_loss(), *network.outputs(rows)[0]])
    for a, b in zip(*evaluated, strict=True):
        assert a == b


def test_inputs_are_dropped_the_same_way_from_every_kind_of_rows():
    rng = np.random.default_rng(2)
    X = rng.integers(0, 255, (30, 21)) * (rng.random((30, 21)) < 0.3)
    kinds = {
        "dense": Input(X.astype(np.float64), "float64"),
        "bytes": Input(X.astype(np.uint8), "float64"),
        "sparse": Input(X.astype(np.float64), "float64", path="sparse"),
        "sparse bytes": Input(X.astype(np.uint8), "float64", path="sparse"),
        "CSR": Input(scipy.sparse.csr_array(X.astype(np.float64)), "float64"),
    }
    results = []
    for rows in kinds.values():
        network = Network((21, 5, 2))
        network.coefs[0][:] = np.linspace(-0.01, 0.01, 105).reshape(21, 5)
        network.coefs[1][:] = np.linspace(-1, 1, 10).reshape(5, 2)
        trainer = Trainer(network, rows, np.arange(30, dtype=np.intc) % 2, learning_rate=0.01,
                          minibatch_size=7, dropout=(0.5, 0.5), seed=3)  # fmt: skip
        with trainer:
            for _ in range(3):
                trainer.epoch(np.arange(30))
            assert trainer.epoch_count == 3
        results.append(network.parameters.copy())
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-10, atol=1e-13)


def test_what_is_dropped_depends_on_the_seed_and_the_epoch():
    def train(seed, first_epoch, epochs=1):
        network, _, rows, t = problem()
        trainer = Trainer(network, rows, t, learning_rate=0.1, dropout=(0.5, 0.5), seed=seed)
        trainer.epoch_count = first_epoch
        with trainer:
            for _ in range(epochs):
                trainer.epoch(np.arange(7))
        return network.parameters.copy()

    one = train(1, 0)
    assert np.array_equal(train(1, 0), one)
    assert not np.array_equal(train(2, 0), one)
    assert not np.array_equal(train(1, 1), one)


@pytest.mark.parametrize("dropout", [(0.5,), (0.5, 1.0), (-0.1, 0.5), (0.1, 0.1, 0.1, 0.1)])
def test_rates_must_be_shares(dropout):
    network, _, rows, t = problem()
    with pytest.raises(ValueError, match="from 0 to below 1 for each of the 2 hidden layers"):
        Trainer(network, rows, t, dropout=dropout)


def test_no_dropping_from_another_background_than_zero():
    network, _, _, t = problem()
    X = np.full((7, 6), -1.0)
    X[:, 0] = 0.5
    with pytest.raises(ValueError, match=r"background is 0; it is -1.0. Use path='dense'"):
        Trainer(network, Input(X, "float64", path="sparse"), t, dropout=(0.1, 0.0, 0.0))
