"""Rows, targets and weights in the forms in which training needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight

from mlpcore._validation import check_rows, check_weights
from mlpcore.engine.network import Network
from mlpcore.streams.source import Source
from mlpcore.training.class_weight import weigh_rows


class TrainingData(NamedTuple):
    """Rows in the forms in which they are needed.

    X : ndarray, CSR matrix with sorted indices and no duplicates, or Source that reads rows
    y : as given by the caller, for scorers
    target : intc (n_samples,), indices of output units; or numbers (n_samples, n_outputs)
    weight : float64 (n_samples,) or None, multiplies each row's loss
    given_weight : float64 (n_samples,) or None, without the weights of classes, for scorers
    weight_name : the caller's name of the weights, for messages
    """

    X: Any
    y: Any
    target: NDArray[Any]
    weight: NDArray[np.float64] | None
    given_weight: NDArray[np.float64] | None = None
    weight_name: str = "sample_weight"

    def take(self, rows: NDArray[np.intp]) -> TrainingData:
        """Some of the rows."""
        weight, given = (
            None if part is None else part[rows] for part in (self.weight, self.given_weight)
        )
        return TrainingData(
            self.X[rows], self.y[rows], self.target[rows], weight, given, self.weight_name
        )


def check_sample_weight(weight: ArrayLike | None, X: Any, name: str) -> NDArray[Any] | None:
    """Weights as the caller gave them, one finite number for each row, or ValueError."""
    if weight is None:
        return None
    try:
        weight = _check_sample_weight(weight, X)
    except ValueError as error:
        if name == "sample_weight":  # as scikit-learn's text says
            raise
        raise ValueError(f"{name}: {error}") from None
    # scikit-learn passes one number for all rows on, even NaN.
    return check_weights(weight, name, X.shape[0], f"X{name.removeprefix('sample_weight')}")


def weighed(
    X: Any,
    y: Any,
    target: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    class_weights: list[NDArray[np.float64]] | None,
    suffix: str,
    total: Callable[[NDArray[Any]], float] = np.sum,
) -> TrainingData:
    """Rows with the caller's weights, times those of their classes."""
    weight, name = weigh_rows(
        sample_weight, class_weights, target, f"sample_weight{suffix}", f"X{suffix}", total
    )
    return TrainingData(readable(X), y, target, weight, sample_weight, name)


def readable(X: Any) -> Any:
    """Rows that scikit-learn has checked, as the engine reads them."""
    # A sparse matrix is checked again: scikit-learn trusts its indices.
    return X if isinstance(X, Source) else check_rows(X, "X", finite=False)


def as_target(target: NDArray[Any], network: Network) -> NDArray[Any]:
    """Targets as the engine reads them."""
    return target if target.ndim == 1 else np.ascontiguousarray(target, network.dtype)
