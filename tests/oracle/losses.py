"""Losses: of outputs o and targets t, the loss of each output.

Each is computed in the precision of its arguments. To add one: an entry in LOSSES.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from oracle.activations import OUTPUTS


class Loss(NamedTuple):
    """output: the canonical output units. value: a function of o, t and the parameter if there is
    one. targets: "number", "count" or "probability". averaged: whether a row's loss is the mean
    over its outputs. of_logits: the value from pre-activations, where rounded outputs do not tell
    it. parameter: its name, and some values for it."""

    output: str
    value: Callable[..., Any]
    targets: str
    averaged: bool = False
    of_logits: Callable[..., Any] | None = None
    parameter: tuple[str, tuple[float, ...]] | None = None

    def terms(self, o, t, *parameter):
        """What each output adds to the loss of its row."""
        return self._mean(self.value(o, t, *parameter))

    def logit_terms(self, z, t, *parameter):
        """The same from the pre-activations of canonical output units."""
        if self.of_logits is None:
            return self.terms(OUTPUTS[self.output](z), t, *parameter)
        return self._mean(self.of_logits(z, t, *parameter))

    def _mean(self, value):
        return value / value.shape[-1] if self.averaged else value


def cross_entropy(z, t):
    """-t log(a) - (1 - t) log(1 - a) with a = 1 / (1 + exp(-z)), which is log(1 + exp(z)) - t z."""
    return np.logaddexp(0, z) - t * z


def softmax_cross_entropy(z, t):
    top = z.max(axis=-1, keepdims=True)
    return t * (top + np.log(np.exp(z - top).sum(axis=-1, keepdims=True)) - z)


def t_log_t(t):
    """0 for 0."""
    return t * np.log(np.where(t > 0, t, 1))


def huber(o, t, delta=1.0):
    size = abs(o - t)
    return np.where(size > delta, delta * (size - delta / 2), size**2 / 2)


def pinball(o, t, quantile=0.5):
    return np.maximum(quantile * (t - o), (quantile - 1) * (t - o))


LOSSES = {
    "binary_cross_entropy": Loss(
        "logistic",
        lambda o, t: -t * np.log(o) - (1 - t) * np.log(1 - o),
        "probability",
        of_logits=cross_entropy,
    ),
    "cross_entropy": Loss(
        "softmax", lambda o, t: -t * np.log(o), "probability", of_logits=softmax_cross_entropy
    ),
    "squared_error": Loss("identity", lambda o, t: (o - t) ** 2 / 2, "number", averaged=True),
    "poisson": Loss(
        "exp",
        lambda o, t: t_log_t(t) - t * np.log(o) - t + o,
        "count",
        of_logits=lambda z, t: t_log_t(t) - t * z - t + np.exp(z),
    ),
    "absolute_error": Loss("identity", lambda o, t: abs(o - t), "number", averaged=True),
    "huber": Loss("identity", huber, "number", averaged=True, parameter=("delta", (0.3, 4))),
    "pinball": Loss(
        "identity", pinball, "number", averaged=True, parameter=("quantile", (0.3, 0.9))
    ),
}


def targets(name, shape, rng):
    """Some targets for a loss. Probabilities are often 0 or 1; those of a row need not sum to 1."""
    kind = LOSSES[name].targets
    if kind == "probability":
        return np.where(rng.random(shape) < 0.5, rng.random(shape), rng.integers(2, size=shape))
    return rng.poisson(2, shape) * 1.0 if kind == "count" else rng.normal(0, 5, shape)
