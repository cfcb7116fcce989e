"""Activations and optimisers of the classifier, against training written out in NumPy."""

import functools

import numpy as np
import pytest
from oracle import ACTIVATIONS, OPTIMIZERS, cross_entropy, dropout_factors, initial, logistic

from mlpcore import NeuralNetMLP, load_digits

X, Y = load_digits()
X = X[:100].astype(np.float64)
Y = Y[:100]
ETA, L2, BATCH, EPOCHS = 0.003, 0.1, 9, 3


def rule_of(name):
    """An optimiser's step, and the hyperparameters that the classifier has for it."""
    step, hyperparameters = OPTIMIZERS[name]
    values = {key: value for key, value in hyperparameters.items() if key != "epsilon"}
    return functools.partial(step, **values), values


SGD = rule_of("sgd")[0]


def train(units, hidden, rule, dropout=None, l2=None):
    """Layers and costs after some epochs; dropout: of the inputs and of each hidden layer; l2: of
    each layer of weights."""
    rng = np.random.RandomState(3)
    layers = initial((X.shape[1], *hidden, 10), rng)
    targets = np.eye(10)[Y]
    states = [[np.zeros(2).tolist() for _ in pair] for pair in layers]
    costs, t = [], 0
    l2 = [L2] * len(layers) if l2 is None else l2

    def factors(epoch, rows, layer):
        """What the inputs, or a hidden layer's activations, are multiplied by."""
        if dropout is None:
            return 1.0
        size = [X.shape[1], *hidden][layer]
        return np.array([dropout_factors(3, epoch, row, layer, dropout[layer], size)
                         for row in rows.tolist()])  # fmt: skip

    def forward(rows, drop):
        z, a = [], [rows * drop[0]]
        for (w, b), unit, factor in zip(layers, [*units, "identity"], drop[1:], strict=True):
            z.append(a[-1] @ w + b)
            a.append(ACTIVATIONS[unit].value(z[-1]) * factor)
        return z, a

    no_drop = [1.0] * (len(layers) + 1)

    for epoch in range(EPOCHS):
        order = np.arange(len(X))
        rng.shuffle(order)
        for start in range(0, len(X) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            t += 1
            drop = [*(factors(epoch, rows, i) for i in range(len(layers))), 1.0]
            z, a = forward(X[rows], drop)
            error = logistic(z[-1]) - targets[rows]
            for i in reversed(range(len(layers))):
                w, b = layers[i]
                gradients = a[i].T @ error + l2[i] * w, error.sum(axis=0)
                if i > 0:
                    error = (error @ w.T) * ACTIVATIONS[units[i - 1]].derivative(z[i - 1]) * drop[i]
                layers[i] = tuple(
                    np.float64(rule(old, g, state, t, ETA))
                    for old, g, state in zip((w, b), gradients, states[i], strict=True)
                )
        outputs = forward(X, no_drop)[0][-1]
        penalty = sum(own * (w**2).sum() for own, (w, _) in zip(l2, layers, strict=True))
        costs.append(cross_entropy(outputs, targets).sum() + penalty)
    return layers, costs


def assert_close(nn, units, hidden, rule, dropout=None, l2=None):
    layers, costs = train(units, hidden, rule, dropout, l2)
    assert np.allclose(nn.eval_["cost"], costs, rtol=1e-9)
    for mine, (w, _) in zip(nn.coefs_, layers, strict=True):
        assert np.allclose(mine, w, rtol=1e-7, atol=1e-9)


def fit(**keywords):
    settings = {"eta": ETA, "l2": L2, "minibatch_size": BATCH, "epochs": EPOCHS, "seed": 3}
    nn = NeuralNetMLP(**{**settings, **keywords})
    return nn.fit(X, Y)


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"accumulate"}))
def test_optimizers(name):
    rule, parameters = rule_of(name)
    assert_close(fit(n_hidden=13, optimizer=name, **parameters), ["logistic"], [13], rule)


@pytest.mark.parametrize("unit", ACTIVATIONS)
def test_one_activation_for_all_hidden_layers(unit):
    nn = fit(n_hidden=(13, 7), activation=unit)
    assert_close(nn, [unit, unit], [13, 7], SGD)


def test_an_activation_for_each_hidden_layer():
    units = ["relu", "tanh", "logistic"]
    rule, parameters = rule_of("adam")
    nn = fit(n_hidden=(13, 7, 5), activation=units, optimizer="adam", **parameters)
    assert_close(nn, units, [13, 7, 5], rule)
    one = NeuralNetMLP(n_hidden=4, activation=("tanh",), epochs=1, seed=3).fit(X, Y)
    assert np.array_equal(
        one.w_h, NeuralNetMLP(n_hidden=4, activation="tanh", epochs=1, seed=3).fit(X, Y).w_h
    )


@pytest.mark.parametrize("activation", [["relu"], ["relu"] * 3])
def test_activations_for_another_number_of_layers(activation):
    with pytest.raises(ValueError, match="one for each of the 2 hidden layers; got"):
        fit(n_hidden=(3, 3), activation=activation)


@pytest.mark.parametrize(
    ("dropout", "rates"),
    [(0.5, [0, 0.5, 0.5]), ((0.0, 0.3), [0, 0, 0.3]), ((0.2, 0.5, 0.1), [0.2, 0.5, 0.1])],
)
def test_dropout(dropout, rates):
    nn = fit(n_hidden=(13, 7), activation=("relu", "tanh"), dropout=dropout)
    assert_close(nn, ["relu", "tanh"], [13, 7], SGD, rates)


@pytest.mark.parametrize("l2", [(0.3, 0.0, 0.7), [0.0, 0.0, 0.2], np.array([0.1, 0.2, 0.3])])
def test_a_penalty_of_each_layer(l2):
    nn = fit(n_hidden=(13, 7), activation="tanh", l2=l2)
    assert_close(nn, ["tanh", "tanh"], [13, 7], SGD, l2=l2)


def test_no_dropout_is_none():
    for none in (0, 0.0, [0], (0, 0.0)):
        assert np.array_equal(fit(n_hidden=13, dropout=none).w_h, fit(n_hidden=13).w_h)
    assert not np.array_equal(fit(n_hidden=13, dropout=0.01).w_h, fit(n_hidden=13).w_h)


def test_dropout_takes_the_inputs_way_that_it_can():
    background = np.where(np.random.default_rng(1).random(X.shape) < 0.8, -1.0, X)
    nn = NeuralNetMLP(5, epochs=1, seed=1)
    assert nn.fit(background, Y).input_path_ == "sparse"
    assert nn.set_params(dropout=0.5).fit(background, Y).input_path_ == "sparse"
    assert nn.set_params(dropout=(0.5, 0.5)).fit(background, Y).input_path_ == "dense"
    with pytest.raises(ValueError, match=r"these are mostly -1\. Use input_path"):
        nn.set_params(input_path="sparse").fit(background, Y)
    dense = nn.set_params(input_path="dense").fit(background + 1, Y)
    sparse = nn.set_params(input_path="sparse").fit(background + 1, Y)
    assert sparse.input_path_ == "sparse"
    assert np.allclose(dense.w_h, nn.w_h)
