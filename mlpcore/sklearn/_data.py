"""Rows and targets in the forms in which training needs them, and what each row weighs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight

from mlpcore._validation import check_rows, check_weights
from mlpcore.engine.network import Network
from mlpcore.training.class_weight import weigh_rows


class TrainingData(NamedTuple):
    """Rows in the forms in which they are needed.

    X : ndarray, or CSR matrix with sorted indices and no duplicates
    y : as the caller has it, for scorers
    target : intc (n_samples,), output units; or any numbers (n_samples, n_outputs)
    weight : float64 (n_samples,) or None, what each row's loss is multiplied by
    given_weight : float64 (n_samples,) or None, the caller's part of it, for scorers
    weight_name : what the caller calls the weights, for messages
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
        if name == "sample_weight":  # which scikit-learn's words name
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
) -> TrainingData:
    """Rows with their weights: what the caller gave, times that of their class."""
    weight, name = weigh_rows(
        sample_weight, class_weights, target, f"sample_weight{suffix}", f"X{suffix}"
    )
    return TrainingData(readable(X), y, target, weight, sample_weight, name)


def readable(X: Any) -> Any:
    """Rows that scikit-learn has checked, as the engine reads them."""
    # A sparse matrix is checked again: scikit-learn trusts its indices.
    return check_rows(X, "X", finite=False)


def as_target(target: NDArray[Any], network: Network) -> NDArray[Any]:
    """Targets as the engine reads them."""
    return target if target.ndim == 1 else np.ascontiguousarray(target, network.dtype)
