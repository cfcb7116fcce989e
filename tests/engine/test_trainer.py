"""Training as the engine does it: one step by hand, the order of rows, and evaluation."""

import numpy as np
import oracle
import pytest
from small import small_network

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import gradient
from mlpcore.engine.trainer import Trainer

DTYPES = ["float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_step_worked_by_hand(dtype):
    """Two inputs, one hidden unit, two outputs; one row, of class 1. Write L for ln 3.

    The logistic function is 3/4 at L, 1/4 at -L.

    forward   x = (1, -1), w_h = (2L, L), b_h = 0:         z_h = 2L - L = L, a_h = 3/4
              w_out = (4L/3, -8L/3), b_out = (0, L):       z_out = (L, -2L + L) = (L, -L)
                                                           a_out = (3/4, 1/4)
    loss      t = (0, 1):  ln(1 + e^L) + ln(1 + e^-L) + L = ln 4 + ln 4/3 + ln 3 = 4 ln 2
    error     a_out - t = (3/4, -3/4)
    backward  3/4 * 4L/3 - 3/4 * -8L/3 = 3L, times a_h (1 - a_h) = 3/16:  9L/16
    gradient  of w_out 3/4 * (3/4, -3/4) = (9/16, -9/16), of b_out the error itself,
              of w_h   (1, -1) * 9L/16, of b_h 9L/16
    step      eta = 1/2, l2 = 1/4:  w - (g + w/4) / 2 = 7w/8 - g/2 and b - g/2
    """
    L = np.log(3)
    network = Network((2, 1, 2), dtype=dtype)
    network.coefs[0][:] = [[2 * L], [L]]
    network.coefs[1][:] = [[4 * L / 3, -8 * L / 3]]
    network.intercepts[1][:] = [0, L]
    X, labels = Input(np.array([[1, -1]], dtype), dtype), np.array([1], np.intc)
    close = {"rtol": 8 * np.finfo(dtype).eps, "atol": 8 * np.finfo(dtype).eps}

    np.testing.assert_allclose(network.logits(X), [[L, -L]], **close)
    np.testing.assert_allclose(network.weights_squared(), (5 + 80 / 9) * L**2, **close)

    loss, flat = gradient(network, X, labels)
    coefs, intercepts = network.views(flat)
    np.testing.assert_allclose(loss, 4 * np.log(2), **close)
    np.testing.assert_allclose(coefs[0], [[9 * L / 16], [-9 * L / 16]], **close)
    np.testing.assert_allclose(intercepts[0], [9 * L / 16], **close)
    np.testing.assert_allclose(coefs[1], [[9 / 16, -9 / 16]], **close)
    np.testing.assert_allclose(intercepts[1], [3 / 4, -3 / 4], **close)

    with Trainer(network, X, labels, learning_rate=1 / 2, l2=1 / 4) as trainer:
        assert trainer.evaluate()[1] == 0  # the row is taken for class 0
        trainer.epoch(np.arange(1))
    np.testing.assert_allclose(
        network.coefs[0], [[7 * L / 4 - 9 * L / 32], [7 * L / 8 + 9 * L / 32]], **close
    )
    np.testing.assert_allclose(network.intercepts[0], [-9 * L / 32], **close)
    np.testing.assert_allclose(
        network.coefs[1], [[7 * L / 6 - 9 / 32, -7 * L / 3 + 9 / 32]], **close
    )
    np.testing.assert_allclose(network.intercepts[1], [-3 / 8, L + 3 / 8], **close)


def one_epoch(order, minibatch_size, **keywords):
    network, X, labels = small_network()
    trainer = Trainer(network, Input(X, "float64"), labels, learning_rate=0.1,
                      minibatch_size=minibatch_size, **keywords)  # fmt: skip
    with trainer:
        trainer.epoch(np.array(order, np.intp))
    return network.parameters


def test_a_shorter_last_slice_is_left_out():
    assert np.array_equal(one_epoch(range(23), 5), one_epoch(range(20), 5))
    assert not np.array_equal(one_epoch(range(23), 5), one_epoch(range(15), 5))
    untouched = small_network()[0].parameters
    assert np.array_equal(one_epoch(range(4), 5), untouched)
    assert np.array_equal(one_epoch([], 5), untouched)


def test_rows_are_visited_in_the_order_given():
    network, X, labels = small_network()
    order = np.random.default_rng(1).permutation(23)
    shuffled = one_epoch(order, 5)
    assert not np.array_equal(shuffled, one_epoch(range(23), 5))
    with Trainer(network, Input(X[order], "float64"), labels[order], learning_rate=0.1,
                 minibatch_size=5) as trainer:  # fmt: skip
        trainer.epoch(np.arange(23))
    assert np.array_equal(network.parameters, shuffled)


@pytest.mark.parametrize("order", [[0, 23], [-1, 0], [2**40]])
def test_order_must_name_training_rows(order):
    with pytest.raises(ValueError, match="below 23"):
        one_epoch(order, 1)


@pytest.mark.parametrize("rows", [1, 95, 96, 97, 500])
def test_evaluation_counts_every_row_once(rows):
    network, X, labels = small_network(rows=rows)
    _, X_valid, labels_valid = small_network(rows=rows + 31)
    layers = list(zip(network.coefs, network.intercepts, strict=True))
    z, z_valid = (oracle.pre_activations(layers, rows)[-1] for rows in (X, X_valid))
    with Trainer(network, Input(X, "float64"), labels, valid=Input(X_valid, "float64"),
                 valid_targets=labels_valid, minibatch_size=1, n_threads=2) as trainer:  # fmt: skip
        loss, hits, valid_hits = trainer.evaluate()
    np.testing.assert_allclose(loss, oracle.cross_entropy(z, np.eye(3)[labels]).sum(), rtol=1e-13)
    assert hits == (z.argmax(axis=1) == labels).sum()
    assert valid_hits == (z_valid.argmax(axis=1) == labels_valid).sum()
    with Trainer(network, Input(X, "float64"), labels) as trainer:
        assert trainer.evaluate() == (loss, hits, 0)


def test_the_first_of_equal_logits_wins():
    network = Network((1, 4))
    network.intercepts[0][:] = [0, 2, 2, 1]
    X = Input(np.zeros((2, 1)), "float64")
    with Trainer(network, X, np.array([1, 2], np.intc)) as trainer:
        assert trainer.evaluate()[1] == 1
    assert network.classes(X).tolist() == [1, 1]


def test_exceptions_in_training_leave_the_trainer_usable():
    network, X, labels = small_network()
    expected = one_epoch(range(23), 5)
    trainer = Trainer(network, Input(X, "float64"), labels, learning_rate=0.1, minibatch_size=5)
    with trainer:
        with pytest.raises(ValueError, match="below 23"):
            trainer.epoch(np.arange(24))
        trainer.epoch(np.arange(23))
    assert np.array_equal(network.parameters, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_renews_what_one_row_is_predicted_with(dtype):
    """Of a network that skips a background, whose share in the sums is kept from row to row."""
    rng = np.random.default_rng(3)
    X = np.where(rng.random((40, 30)) < 0.2, rng.normal(size=(40, 30)), -1.0).astype(dtype)
    labels = (np.arange(40) % 3).astype(np.intc)
    network = Network((30, 5, 3), dtype=dtype)
    for weights in network.coefs:
        weights[:] = rng.normal(0, 0.3, weights.shape)
    network.background = -1.0
    before = np.concatenate([network.row_outputs(X[i : i + 1]) for i in range(40)])
    rows = Input(X, dtype, path="sparse")
    with Trainer(network, rows, labels, learning_rate=0.1, minibatch_size=10) as trainer:
        trainer.epoch(np.arange(40))
    after = np.concatenate([network.row_outputs(X[i : i + 1]) for i in range(40)])
    z = X.astype(float)
    for weights, biases in zip(network.coefs, network.intercepts, strict=True):
        z = 1 / (1 + np.exp(-(z @ weights.astype(float) + biases)))
    np.testing.assert_allclose(after, z, rtol=1e-4 if dtype == "float32" else 1e-12)
    assert abs(after - before).min() > 1e-3
