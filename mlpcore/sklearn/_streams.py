"""Rows of data that are larger than memory: checked, and read in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_n_features, _check_y, check_consistent_length

from mlpcore._feature_names import check_names_match, feature_names
from mlpcore._validation import check_source
from mlpcore.engine.network import Network
from mlpcore.sklearn._data import TrainingData
from mlpcore.sklearn._parameters import Settings
from mlpcore.streams.source import Source, is_outside
from mlpcore.streams.stream import Stream, rows_to_predict


def check_rows_outside(model: Any, X: Any, name: str, *, reset: bool) -> Source:
    """Rows that are read in pieces, with the columns that the model has; ValueError for others.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    X : object with shape, dtype and slices
    name : str
        The caller's name of X.
    reset : bool
        Whether the model is to have the columns of X.
    """
    check_source(X, name)
    _check_n_features(model, X, reset=reset)
    names = feature_names(X)
    if not reset:
        known = getattr(model, "feature_names_in_", None)
        check_names_match(known, names, name, type(model).__name__)
    elif names is not None:
        model.feature_names_in_ = names
    elif hasattr(model, "feature_names_in_"):
        del model.feature_names_in_
    return Source(X, name)


def check_pairs_outside(
    model: Any, X: Any, y: Any, *, y_numeric: bool, reset: bool
) -> tuple[Source, Any]:
    """Rows that are read in pieces, and their targets, as validate_data checks those in memory."""
    source = check_rows_outside(model, X, "X", reset=reset)
    if is_outside(y) and not hasattr(y, "__array__"):
        y = y[0 : y.shape[0]]
    y = _check_y(y, multi_output=True, y_numeric=y_numeric, estimator=model)
    check_consistent_length(source, y)
    return source, y


def check_settings(
    settings: Settings, data: TrainingData, held_out: TrainingData | None, buffer_bytes: int
) -> None:
    """Raise ValueError for parameters that need all rows at once, if these are read in pieces."""
    if not isinstance(data.X, Source):
        return
    size = data.X.shape[0] * data.X.shape[1] * data.X.dtype.itemsize
    if settings.solver == "lbfgs":
        raise ValueError(
            'solver="lbfgs" needs all rows at once; these have '
            f'{size} bytes and are read in pieces of buffer_bytes={buffer_bytes}. Use "adam", or '
            "raise buffer_bytes above that, if there is so much memory."
        )
    if settings.early_stopping and held_out is None:
        raise ValueError(
            "early_stopping=True holds out random rows, which takes as long as an epoch where rows "
            "are read in pieces. Give X_val and y_val: X[:m] and y[:m], say, of a file of rows in "
            "random order, and fit the others."
        )


def train_stream(
    model: Any, settings: Settings, data: TrainingData, network: Network, batch: int
) -> Stream:
    """What reads the rows to train on, which are not in memory."""
    # As in memory; and inputs are dropped from on the dense path only.
    drops_inputs = len(settings.dropout) == network.n_layers and settings.dropout[0] > 0
    return Stream(
        data.X,
        _targets(data.target),
        data.weight,
        target_like=_like(data.target, network),
        dtype=network.dtype,
        path="dense" if settings.incremental or drops_inputs else "auto",
        distorts=settings.augment is not None,
        buffer_bytes=model.buffer_bytes,
        minibatch_size=batch,
        n_threads=model._threads(),
    )


def held_out_stream(model: Any, data: TrainingData, network: Network) -> Stream | None:
    """What reads the validation rows; None where they are in memory."""
    if not isinstance(data.X, Source):
        return None
    return Stream(
        data.X,
        _targets(data.target),
        data.weight,
        target_like=_like(data.target, network),
        dtype=network.dtype,
        buffer_bytes=model.buffer_bytes,
        n_threads=model._threads(),
    )


def outputs_of_stream(model: Any, network: Network, X: Any) -> NDArray[Any]:
    """Outputs for rows that are read in pieces."""
    source = check_rows_outside(model, X, "X", reset=False)
    n_threads = model._threads()
    stream = rows_to_predict(source, network.dtype, (1.0, 0.0), model.buffer_bytes, n_threads)
    return stream.predict(lambda rows: network.outputs(rows, n_threads))


def _targets(target: NDArray[Any]) -> Any:
    return Source(target, "y") if is_outside(target) else target


def _like(target: NDArray[Any], network: Network) -> NDArray[Any]:
    if target.ndim == 1:
        return np.empty(0, np.intc)
    return np.empty((0, target.shape[1]), network.dtype)
