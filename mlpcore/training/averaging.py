"""The average of a network's weights, which takes their place between epochs."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore._validation import check_float, check_int
from mlpcore.engine.trainer import Trainer


class WeightAverage:
    """The average of weights, over steps [1]_ or over the last epochs [2]_.

    Between epochs the network has the average: evaluation, early stopping, callbacks and the final
    model see no other weights. Training goes on with the raw ones.

    Parameters
    ----------
    trainer : Trainer
        Its `averaged` is the average over steps, where `weight_average` is a decay.
    weight_average : float or int
        A decay below 1, or a number of last epochs, whose weights are averaged with equal parts.
    raw : ndarray, shape (network.size,), optional
        The weights to go on with, where the network has the average of an earlier fit.

    Attributes
    ----------
    raw : ndarray, shape (network.size,) or (0,)
        The raw weights while the network has the average; otherwise of size 0.

    References
    ----------
    .. [1] Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J.
       Control Optim. 30, 1992; Tarvainen & Valpola, "Mean teachers are better role models",
       NeurIPS 2017.
    .. [2] Izmailov et al., "Averaging weights leads to wider optima and better generalization",
       UAI 2018.
    """

    def __init__(
        self, trainer: Trainer, weight_average: float, raw: NDArray[Any] | None = None
    ) -> None:
        self._trainer, self._network = trainer, trainer.network
        self._last_epochs = weight_average if weight_average >= 1 else None
        self.raw = self._network.parameters[:0] if raw is None else raw.copy()
        self._average = trainer.averaged
        if self._last_epochs is not None:
            self._average = np.zeros_like(self._network.parameters)
        elif trainer.step_count > 0 and raw is None:
            # Steps without an average came before: it begins with the weights as they are.
            self._average[:] = self._network.parameters

    def replaces(self, epoch: int, last: int) -> bool:
        """Whether the network has the average after an epoch, where `last` is the last one."""
        return epoch > 0 and self._place(epoch, last) > 0

    def _place(self, epoch: int, last: int) -> int:
        """The number of an epoch among those that are averaged, from 1."""
        return epoch - (0 if self._last_epochs is None else max(0, last - int(self._last_epochs)))

    def begin_epoch(self) -> None:
        """Give the network its raw weights."""
        if self.raw.size:
            self._average[:] = self._network.parameters
            self._network.parameters[:] = self.raw  # mutant: train on from the average
            self._network.parameters_changed()

    def end_epoch(self, epoch: int, last: int) -> None:
        """Give the network the average, where there is one already."""
        if not self.replaces(epoch, last):
            return
        parameters = self._network.parameters
        if self._last_epochs is not None:
            self._average += (parameters - self._average) / self._place(epoch, last)
        self.raw = parameters.copy()
        parameters[:] = self._average
        self._network.parameters_changed()


def average_decay(weight_average: float | int | None) -> float:
    """The decay of the average over steps, for the trainer; 0 where there is none."""
    return weight_average if weight_average is not None and weight_average < 1 else 0.0


def check_weight_average(value: Any) -> float | int | None:
    """A decay above 0 and below 1, a whole number of epochs from 2, or None."""
    if value is None:
        return None
    kinds = "a decay above 0 and below 1, or a whole number of epochs from 2"
    if isinstance(value, Integral) and not isinstance(value, bool):
        return check_int(value, "weight_average", low=2, hint=f"It is {kinds}.")
    number = check_float(value, "weight_average", low=0, strict=True, hint=f"It is {kinds}.")
    if number >= 1:
        raise ValueError(f"weight_average must be {kinds}; got {number:g}.")
    return number
