"""Parameters of which each layer may have its own number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def one_or_each(value: Any, n_layers: int, name: str) -> tuple[float, NDArray[np.float64] | None]:
    """A number for all layers, or a factor of it for each.

    Parameters
    ----------
    value : float or sequence of float
        0 or more; a sequence has one number for each layer of weights, from the inputs on.
    n_layers : int
    name : str
        For the message.

    Returns
    -------
    number : float
    factors : ndarray of float64, shape (n_layers,), or None
        None where all layers have the same number; otherwise `number` is 1.

    Raises
    ------
    ValueError
        If these are not so many numbers.
    """
    if np.ndim(value) == 0:
        return float(value), None
    numbers = np.asarray(value, np.float64)
    if numbers.shape != (n_layers,) or not np.all(numbers >= 0):
        raise ValueError(
            f"{name} must be a number, or one >= 0 for each of {n_layers} layers; got {value}"
        )
    if (numbers == numbers[0]).all():
        return float(numbers[0]), None
    return 1.0, numbers


def dropout_rates(dropout: Sequence[float], n_hidden: int) -> NDArray[np.float64]:
    """The rate for the inputs of each layer, or ValueError.

    Parameters
    ----------
    dropout : sequence of float
        As `mlpcore.engine.trainer.Trainer` takes it.
    n_hidden : int
        Hidden layers.

    Returns
    -------
    rates : ndarray of float64, shape (n_hidden + 1,)
    """
    rates = np.array([0.0] * (len(dropout) <= n_hidden) + list(dropout), np.float64)
    are_fractions = np.all((rates >= 0) & (rates < 1))
    if not are_fractions or len(dropout) not in (0, n_hidden, n_hidden + 1):
        raise ValueError(
            f"dropout must be a number from 0 to below 1 for each of the {n_hidden} hidden "
            f"layers, and one in front for the inputs if at all; got {dropout}"
        )
    return rates if len(dropout) else np.zeros(n_hidden + 1)
