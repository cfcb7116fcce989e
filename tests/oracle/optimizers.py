"""Update rules: new parameters from old ones w, the gradient g with its penalty, the rule's state,
the number t of the step from 1, and the learning rate. Weights have two dimensions, biases one.

To add one: an entry in OPTIMIZERS.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Optimizer(NamedTuple):
    """step: the rule, with its hyperparameters by name. hyperparameters: a value for each to try,
    which is not its default. The state is a list of vectors, zeros at first."""

    step: Callable[..., Any]
    hyperparameters: dict[str, float]


def sgd(w, g, state, t, rate):
    return w - rate * g


def momentum(w, g, state, t, rate, momentum):
    state[0] = momentum * state[0] - rate * g
    return w + state[0]


def nesterov(w, g, state, t, rate, momentum):
    state[0] = momentum * state[0] - rate * g
    return w + momentum * state[0] - rate * g


def adam(w, g, state, t, rate, beta_1, beta_2, epsilon=1e-8):
    state[0] = beta_1 * state[0] + (1 - beta_1) * g
    state[1] = beta_2 * state[1] + (1 - beta_2) * g**2
    rate = rate * np.sqrt(1 - np.longdouble(beta_2) ** t) / (1 - np.longdouble(beta_1) ** t)
    return w - rate * state[0] / (np.sqrt(state[1]) + epsilon)


def adamw(w, g, state, t, rate, weight_decay, **adams):
    decay = rate * weight_decay * w if w.ndim == 2 else 0
    return adam(w, g, state, t, rate, **adams) - decay


MOMENTUM = {"momentum": 0.8}
ADAM = {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-3}

OPTIMIZERS = {
    # Keeps the gradient, and is for what needs that.
    "accumulate": Optimizer(lambda w, g, state, t, rate: w, {}),
    "sgd": Optimizer(sgd, {}),
    "momentum": Optimizer(momentum, MOMENTUM),
    "nesterov": Optimizer(nesterov, MOMENTUM),
    "adam": Optimizer(adam, ADAM),
    "adamw": Optimizer(adamw, ADAM | {"weight_decay": 0.2}),
}
