"""The state of a stochastic solver from one fit to the next."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore.engine.network import Network
from mlpcore.engine.registry import HYPERPARAMETERS, OPTIMIZERS, TRAINING
from mlpcore.training.schedules import PLANNED, Schedule

# The engine's optimisers. "momentum" and "nesterov" are scikit-learn's "sgd" with momentum.
STOCHASTIC = tuple(name for name in TRAINING if name not in ("momentum", "nesterov"))


class OptimizerState(Schedule):
    """The state of a stochastic solver from one epoch to the next, under scikit-learn's names.

    Like scikit-learn's optimisers it keeps the parameters of the fit that created it.

    Attributes
    ----------
    rule : str
        The engine's name for the update.
    state : ndarray or None
        The engine's vectors, such as velocities; None before the first epoch.
    t : int
        Minibatches so far.
    raw, averaged : ndarray or None
        The weights that training goes on from where the network has their average, and the average.
    momentum, beta_1, ... : float
        All hyperparameters of the engine's optimisers.
    """

    raw: NDArray[Any] | None = None
    averaged: NDArray[Any] | None = None
    momentum: float
    beta_1: float
    beta_2: float
    epsilon: float

    def __init__(self, model: Any) -> None:
        # scikit-learn's schedules are for SGD only.
        planned = model.solver == "sgd" or model.learning_rate in PLANNED
        super().__init__(
            model.learning_rate if planned else "constant",
            float(model.learning_rate_init),
            model.power_t,
            float(model.warmup_epochs),
        )
        for name in HYPERPARAMETERS:
            setattr(self, name, getattr(model, name))
        self.nesterov = model.nesterovs_momentum
        if model.solver != "sgd":
            self.rule = model.solver
        elif self.momentum == 0:
            self.rule = "sgd"
        else:
            self.rule = "nesterov" if self.nesterov else "momentum"
        self.state: NDArray[Any] | None = None
        self.t = 0

    def raw_weights(self, network: Network) -> NDArray[Any] | None:
        """The weights to go on from; None for the network's, which may be others since the fit."""
        if self.averaged is None or not np.array_equal(self.averaged, network.parameters):
            return None
        return self.raw

    @property
    def learning_rate(self) -> float:
        """The current learning rate; Adam's is bias-corrected."""
        if not OPTIMIZERS[self.rule].bias_corrected or self.t == 0:
            return self.step_size
        correction = math.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        return self.step_size * correction
