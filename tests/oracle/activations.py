"""Activations of hidden units and of output units, with their derivatives.

Each is computed in the precision of its argument. To add one: an entry in ACTIVATIONS.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Activation(NamedTuple):
    """value and derivative: functions of the pre-activation. limits: of the value at -infinity and
    infinity. corner: whether the derivative, or the derivative's, jumps at zero."""

    value: Callable[[Any], Any]
    derivative: Callable[[Any], Any]
    limits: tuple[float, float]
    corner: bool = False


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


ACTIVATIONS = {
    "identity": Activation(lambda z: z, np.ones_like, (-np.inf, np.inf)),
    "logistic": Activation(logistic, lambda z: logistic(z) * (1 - logistic(z)), (0, 1)),
    "tanh": Activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2, (-1, 1)),
    "relu": Activation(
        lambda z: np.maximum(z, 0),
        lambda z: np.where(z > 0, z * 0 + 1, z * 0),
        (0, np.inf),
        corner=True,
    ),
    "leaky_relu": Activation(
        lambda z: np.where(z > 0, z, z * 0.01),
        lambda z: np.where(z > 0, z * 0 + 1, z * 0 + 0.01),
        (-np.inf, np.inf),
        corner=True,
    ),
    "elu": Activation(
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.exp(np.minimum(z, 0)),
        (-1, np.inf),
        corner=True,
    ),
    "gelu": Activation(lambda z: z * normal(z), lambda z: normal(z) + z * density(z), (0, np.inf)),
    "silu": Activation(
        lambda z: z / (1 + np.exp(-z)),
        lambda z: logistic(z) * (1 + z * (1 - logistic(z))),
        (0, np.inf),
    ),
    "softplus": Activation(
        lambda z: np.maximum(z, 0) + np.log1p(np.exp(-abs(z))), logistic, (0, np.inf)
    ),
}

# What output units make of the pre-activations of a row.
OUTPUTS = {
    **{name: activation.value for name, activation in ACTIVATIONS.items()},
    "exp": np.exp,
    "softmax": softmax,
}
