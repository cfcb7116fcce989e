"""The textbook's algorithm and all that the engine offers in plain NumPy, to compare with.

Raschka & Mirjalili, "Python Machine Learning", 2nd ed., chapter 12, for any number of hidden layers
and more kinds of hidden units. Written from the formulas, computed in the precision of the arrays;
it shares no code with the package. Layers are pairs of weights and biases; t are one-hot targets.

`activations`, `losses`, `optimizers` and `inputs` each have a table with one entry for everything
that the engine has; `test_registry.py` in ../engine sees to that.
"""

from itertools import pairwise

import numpy as np

from oracle.activations import ACTIVATIONS, OUTPUTS, logistic, softmax
from oracle.distortion import distort
from oracle.inputs import INPUT_KINDS, rows
from oracle.losses import LOSSES, cross_entropy, targets
from oracle.optimizers import OPTIMIZERS
from oracle.words import philox

__all__ = [
    "ACTIVATIONS",
    "INPUT_KINDS",
    "LOSSES",
    "OPTIMIZERS",
    "OUTPUTS",
    "cross_entropy",
    "distort",
    "dropout_factors",
    "gradient",
    "initial",
    "logistic",
    "philox",
    "pre_activations",
    "rows",
    "softmax",
    "targets",
    "train",
]  # fmt: skip


def initial(units, rng):
    return [(rng.normal(0, 0.1, (m, n)), np.zeros(n)) for m, n in pairwise(units)]


def pre_activations(layers, X, unit="logistic"):
    """Those of every layer."""
    z = []
    for w, b in layers:
        z.append((ACTIVATIONS[unit].value(z[-1]) if z else X) @ w + b)
    return z


def gradient(layers, X, t, unit="logistic", l2=0.0):
    """Of the summed cross-entropy and l2 / 2 times the sum of squared weights."""
    value, derivative = ACTIVATIONS[unit].value, ACTIVATIONS[unit].derivative
    z = pre_activations(layers, X, unit)
    inputs = [X, *(value(hidden) for hidden in z[:-1])]
    error, gradients = logistic(z[-1]) - t, []
    for i in reversed(range(len(layers))):
        w, _ = layers[i]
        gradients.insert(0, (inputs[i].T @ error + l2 * w, error.sum(axis=0)))
        if i > 0:
            error = (error @ w.T) * derivative(z[i - 1])
    return gradients


def dropout_factors(seed, epoch, row, layer, rate, n):
    """What the units of a layer are multiplied by: each has a word, which must reach a number."""
    layer ^= (row >> 32 << 16) & 0xFFFFFFFF
    words = [philox(k, row & 0xFFFFFFFF, epoch, layer, seed) for k in range((n + 3) // 4)]
    kept = np.concatenate([*words, []])[:n] >= int(rate * 2**32)
    return np.where(kept, 1 / (1 - rate), 0.0)


def train(X, y, X_valid=None, y_valid=None, *, hidden, l2, epochs, eta, shuffle=True,
          minibatch_size, seed):  # fmt: skip
    """Layers and history after some epochs; y are class numbers, of which the largest occurs."""
    rng = np.random.RandomState(seed)
    t = np.eye(y.max() + 1)[y]
    layers = initial((X.shape[1], *hidden, t.shape[1]), rng)
    history = {"cost": [], "train_acc": [], "valid_acc": []}
    for _ in range(epochs):
        order = np.arange(len(X))
        if shuffle:
            rng.shuffle(order)
        for start in range(0, len(X) - minibatch_size + 1, minibatch_size):
            batch = order[start : start + minibatch_size]
            for (w, b), (grad_w, grad_b) in zip(
                layers, gradient(layers, X[batch], t[batch], l2=l2), strict=True
            ):
                w -= eta * grad_w
                b -= eta * grad_b
        z = pre_activations(layers, X)[-1]
        penalty = l2 * sum((w**2).sum() for w, _ in layers)
        history["cost"].append(cross_entropy(z, t).sum() + penalty)
        history["train_acc"].append(np.mean(z.argmax(axis=1) == y))
        if X_valid is not None:
            guess = pre_activations(layers, X_valid)[-1].argmax(axis=1)
            history["valid_acc"].append(np.mean(guess == y_valid))
    return layers, history
