"""The textbook's algorithm in plain NumPy, to compare with.

Raschka & Mirjalili, "Python Machine Learning", 2nd ed., chapter 12, for any number of hidden layers
and more kinds of hidden units. Written from the formulas, computed in the precision of the arrays;
it shares no code with the package. Layers are pairs of weights and biases; t are one-hot targets.
"""

import math
from itertools import pairwise

import numpy as np


def logistic(z):
    return 1 / (1 + np.exp(-np.clip(z, -250, 250)))


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def normal(z):
    """The normal distribution, erfc(-z / sqrt(2)) / 2. erfc itself takes no more than doubles, so
    what they round off z / sqrt(2) is made up for by its derivative."""
    x = -np.asarray(z) / np.sqrt(z.dtype.type(2))
    near = x.astype(np.float64).astype(x.dtype)
    return (_erfc(near) - 2 / np.sqrt(x.dtype.type(np.pi)) * np.exp(-near * near) * (x - near)) / 2


def density(z):
    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


# What a hidden unit makes of its net input, and the derivative.
UNITS = {
    "identity": (lambda z: z, np.ones_like),
    "logistic": (logistic, lambda z: logistic(z) * (1 - logistic(z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, z * 0 + 1, z * 0)),
    "leaky_relu": (
        lambda z: np.where(z > 0, z, z * 0.01),
        lambda z: np.where(z > 0, z * 0 + 1, z * 0 + 0.01),
    ),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.exp(np.minimum(z, 0)),
    ),
    "gelu": (lambda z: z * normal(z), lambda z: normal(z) + z * density(z)),
    "silu": (
        lambda z: z / (1 + np.exp(-z)),
        lambda z: logistic(z) * (1 + z * (1 - logistic(z))),
    ),
    "softplus": (lambda z: np.maximum(z, 0) + np.log1p(np.exp(-abs(z))), logistic),
}


def initial(units, rng):
    return [(rng.normal(0, 0.1, (m, n)), np.zeros(n)) for m, n in pairwise(units)]


def net_inputs(layers, X, unit="logistic"):
    """Those of every layer."""
    z = []
    for w, b in layers:
        z.append((UNITS[unit][0](z[-1]) if z else X) @ w + b)
    return z


def cross_entropy(z, t):
    """-t log(a) - (1 - t) log(1 - a) with a = 1 / (1 + exp(-z)), which is log(1 + exp(z)) - t z."""
    return np.logaddexp(0, z) - t * z


def gradient(layers, X, t, unit="logistic", l2=0.0):
    """Of the summed cross-entropy and l2 / 2 times the sum of squared weights."""
    value, derivative = UNITS[unit]
    z = net_inputs(layers, X, unit)
    inputs = [X, *(value(hidden) for hidden in z[:-1])]
    error, gradients = logistic(z[-1]) - t, []
    for i in reversed(range(len(layers))):
        w, _ = layers[i]
        gradients.insert(0, (inputs[i].T @ error + l2 * w, error.sum(axis=0)))
        if i > 0:
            error = (error @ w.T) * derivative(z[i - 1])
    return gradients


def philox(c0, c1, c2, c3, key):
    """The four words of Philox4x32-10: one more round than there are new keys."""
    key_0, key_1, low = key & 0xFFFFFFFF, key >> 32, 0xFFFFFFFF
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ key_0, b & low, (a >> 32) ^ c3 ^ key_1, a & low
        key_0, key_1 = (key_0 + 0x9E3779B9) & low, (key_1 + 0xBB67AE85) & low
    return np.array([c0, c1, c2, c3], np.uint32)


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
            rows = order[start : start + minibatch_size]
            for (w, b), (grad_w, grad_b) in zip(
                layers, gradient(layers, X[rows], t[rows], l2=l2), strict=True
            ):
                w -= eta * grad_w
                b -= eta * grad_b
        z = net_inputs(layers, X)[-1]
        penalty = l2 * sum((w**2).sum() for w, _ in layers)
        history["cost"].append(cross_entropy(z, t).sum() + penalty)
        history["train_acc"].append(np.mean(z.argmax(axis=1) == y))
        if X_valid is not None:
            guess = net_inputs(layers, X_valid)[-1].argmax(axis=1)
            history["valid_acc"].append(np.mean(guess == y_valid))
    return layers, history
