"""What several ranks give to one fit of the textbook's class: checked, compared, exchanged."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpcore._feature_names import feature_names
from mlpcore._labels import check_labels, encode_labels
from mlpcore._validation import check_finite, check_rows, check_weights
from mlpcore.neuralnet._parameters import Settings, check_validation
from mlpcore.training.ranks import Ranks
from mlpcore.training.shared import Shared, distinct, facts_of


class Collected(NamedTuple):
    """The data of this rank's shards, and what all ranks know.

    X, y, X_valid, y_valid, sample_weight : as in `NeuralNetMLP.fit`
    names : the names of the columns, or None
    classes : the class labels of all ranks
    train, valid : what the ranks know of these rows
    """

    X: Any
    y: NDArray[Any]
    X_valid: Any
    y_valid: NDArray[Any] | None
    sample_weight: NDArray[np.float64] | None
    names: NDArray[np.object_] | None
    classes: NDArray[Any]
    train: Shared
    valid: Shared | None


def collect(
    ranks: Ranks,
    settings: Settings,
    X: Any,
    y: Any,
    X_valid: Any,
    y_valid: Any,
    sample_weight: Any,
    checkpoint: Any,
) -> Collected:
    """Let each rank have the rows of its shards.

    Parameters
    ----------
    ranks : Ranks
    settings : Settings
    X, y, X_valid, y_valid, sample_weight, checkpoint
        What this rank was given.

    Returns
    -------
    collected : Collected

    Raises
    ------
    TypeError, ValueError
        In every rank, if the data of any rank are not as described, or do not go together.
    """

    def check() -> tuple[Any, ...]:
        rows = _check(X, "X_train", settings)
        check_validation(settings, X_valid, y_valid)
        labels = check_labels(y, "y_train", rows.shape[0], "X_train")
        weights, rows_valid, labels_valid = None, None, None
        if sample_weight is not None:
            weights = check_weights(sample_weight, "sample_weight", rows.shape[0], "X_train")
        if X_valid is not None:
            rows_valid = _check(X_valid, "X_valid", settings)
            labels_valid = check_labels(y_valid, "y_valid", rows_valid.shape[0], "X_valid")
        return rows, labels, rows_valid, labels_valid, weights

    rows, labels, rows_valid, labels_valid, weights = ranks.together(check)
    names = feature_names(X)
    parameters = {
        **settings.resume_identity(),
        "epochs": settings.epochs,
        "dtype": settings.dtype,
        "input_path": settings.input_path,
        "class_weight": settings.class_weight,
        "callback": "none" if settings.callback is None else "given",
    }
    ranks.same(
        {
            "the class": "NeuralNetMLP",
            **{f"the parameter {name}": value for name, value in parameters.items()},
            "checkpoint": None if checkpoint is None else str(checkpoint),
            **facts_of(rows, "X_train"),
            "the names of the columns": None if names is None else names.tolist(),
            "the kind of y_train": labels.dtype.kind,
            "sample_weight": "none" if weights is None else "given",
            **facts_of(rows_valid, "X_valid"),
            "the kind of y_valid": None if labels_valid is None else labels_valid.dtype.kind,
        }
    )
    train = Shared(ranks, ranks.gather(rows.shape[0]), "X_train")
    valid = None
    if rows_valid is not None:
        valid = Shared(ranks, ranks.gather(rows_valid.shape[0]), "X_valid")
        rows_valid, labels_valid = valid.take(rows_valid), valid.take(labels_valid)
    rows, labels, weights = (train.take(each) for each in (rows, labels, weights))
    classes, _ = encode_labels(np.concatenate(ranks.gather(distinct(labels))))
    return Collected(
        rows, labels, rows_valid, labels_valid, weights, names, classes, train, valid
    )  # fmt: skip


def _check(X: Any, name: str, settings: Settings) -> Any:
    """Rows, checked before they move to other ranks, so that an error has their numbers here."""
    rows = check_rows(X, name, dtype=settings.dtype, finite=False)
    if not hasattr(rows, "indptr"):
        check_finite(rows, name, settings.dtype)
    return rows
