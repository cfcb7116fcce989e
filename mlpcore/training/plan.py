"""What a facade asks of a training run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpcore.streams.stream import Stream
from mlpcore.training.averaging import WeightAverage
from mlpcore.training.grid import Grid
from mlpcore.training.stopping import Stopping

History = dict[str, list[float]]
Metrics = dict[str, float]


class Plan(NamedTuple):
    """What a facade asks of a run.

    kind : str
        The facade's name, which a checkpoint must have.
    epochs : int
        Epochs in all.
    shuffle : bool
        Whether the rows are visited in a new random order in each epoch.
    cumulative : bool
        Whether a new order shuffles the one before, as in scikit-learn, instead of `rows`.
    rows : ndarray of intp
        The rows to train on.
    steps : int
        Minibatches of an epoch.
    eval_every : int
        Epochs from one evaluation to the next; the last epoch has one.
    metrics : tuple of str
        The metrics that an evaluation returns, in that order.
    evaluate : callable
        ``evaluate(loss)`` returns the metrics after an epoch, given the loss that the engine
        tracked during it (NaN where it tracks none).
    check : callable
        ``check(epoch, metrics)`` raises an exception after an epoch that is not valid: it is
        rolled back. `metrics` is empty where there was no evaluation.
    stopping : Stopping or None
    begin : callable or None
        Called before each epoch.
    report : callable or None
        ``report(rate)`` is called where early stopping finds no progress: with the learning rate
        of the epochs to come, or with None where training stops.
    start : tuple or None
        The state of the random numbers at the beginning, as `pack_random` returns it, where a
        resumed run must draw again what came before its first epoch.
    keep_state : bool
        Whether the optimiser's state is rolled back, too, because a later fit may go on with it.
    average : WeightAverage or None
        Takes the place of the weights between epochs.
    stream : Stream or None
        What to train on in place of `rows`, which are none then.
    grid : Grid or None
        Orders the rows, where they are in shards.
    """

    kind: str
    epochs: int
    shuffle: bool
    cumulative: bool
    rows: NDArray[np.intp]
    steps: int
    eval_every: int
    metrics: tuple[str, ...]
    evaluate: Callable[[float], Metrics]
    check: Callable[[int, Metrics], None]
    stopping: Stopping | None
    begin: Callable[[], None] | None = None
    report: Callable[[float | None], None] | None = None
    start: tuple[dict[str, Any], NDArray[np.uint32]] | None = None
    keep_state: bool = False
    average: WeightAverage | None = None
    stream: Stream | None = None
    grid: Grid | None = None

    @property
    def n_rows(self) -> int:
        """The rows of an epoch, those of all ranks."""
        if self.grid is not None:
            return self.grid.n_rows
        return len(self.rows if self.stream is None else self.stream)
