"""Early stopping: the best metric of a run so far, and how long ago it was."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray


class Best(NamedTuple):
    """The state of early stopping.

    value : float or None
        The best metric so far; None before the first.
    waited : int
        Evaluations in a row without progress.
    parameters : ndarray
        The network's parameters at the best metric, if they are kept; else of size 0.
    """

    value: float | None
    waited: int
    parameters: NDArray[Any]


class Stopping(NamedTuple):
    """The rule by which a run stops early.

    metric : str
        Name of the metric that must improve.
    higher_is_better : bool
    patience : float
        Evaluations in a row without progress after which training stops; can be infinite.
    tol : float or None
        The least improvement that is progress, as in scikit-learn; for None any improvement is.
    keep_best : bool
        Whether the run ends with the parameters of the best metric.
    """

    metric: str
    higher_is_better: bool
    patience: float
    tol: float | None = None
    keep_best: bool = True

    def update(self, best: Best, value: float, parameters: NDArray[Any]) -> Best:
        """The state after one more evaluation.

        NaN and infinity make no progress and are never the best.
        """
        if not math.isfinite(value):
            return best._replace(waited=best.waited + 1)
        sign = 1 if self.higher_is_better else -1
        known = -math.inf if best.value is None else sign * best.value
        score = sign * value
        better = score > known
        progress = better if self.tol is None else score >= known + self.tol
        if not better:
            return best._replace(waited=0 if progress else best.waited + 1)
        kept = parameters.copy() if self.keep_best else best.parameters
        return Best(value, 0 if progress else best.waited + 1, kept)
