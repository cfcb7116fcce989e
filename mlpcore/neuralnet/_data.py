"""Rows and labels for `fit` and for prediction: checked, and in the forms that the engine reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpcore._feature_names import check_names_match, feature_names
from mlpcore._html_page import pixel_range
from mlpcore._labels import check_labels, encode_labels, lookup_labels
from mlpcore._validation import (
    check_finite,
    check_rows,
    check_weights,
    float_for,
)
from mlpcore.distortion import rows_to_distort
from mlpcore.engine.distortion import DistortedRows
from mlpcore.engine.inputs import Input
from mlpcore.neuralnet._parameters import Settings
from mlpcore.neuralnet._shared import Collected
from mlpcore.streams.stream import Stream
from mlpcore.training.class_weight import class_weights, weigh_rows
from mlpcore.training.shared import Shared
from mlpcore.training.snapshot import fingerprint, fingerprint_classes

AS_IT_IS = (1.0, 0.0)  # scale and offset


class Rows(NamedTuple):
    """Rows in the forms in which they are needed.

    given : as `check_rows` returned them, for error messages
    scaled : scaled already, where the engine does not scale while reading
    input : as the engine reads them
    labels : intc, shape (n_rows,), the index of each row's class
    stream : where rows are read in pieces, what reads them; `input` and `labels` are a sample's
    """

    given: Any
    scaled: Any
    input: Input
    labels: NDArray[np.intc]
    stream: Stream | None = None

    @property
    def n_rows(self) -> int:
        return len(self.labels if self.stream is None else self.stream)

    def fingerprints(self, mark: Callable[[Any], str | None]) -> tuple[str | None, str | None]:
        """Those of the rows and of their labels, by `fingerprint` or for all ranks."""
        labels = self.labels if self.stream is None else self.stream.targets
        return mark(self.scaled), mark(labels)


class Data(NamedTuple):
    """What `fit` trains on.

    dtype : dtype
        The network's.
    classes : ndarray, shape (n_classes,)
        The class labels.
    names : ndarray of object, shape (n_features,), or None
        The names of the columns.
    train : Rows
    weights : ndarray of float64, shape (n_samples,), RowWeights or None
        Weights of the training rows, times those of their classes.
    valid : Rows or None
    images : DistortedRows or None
        The training rows, to be distorted as they are read.
    pixels : (float, float)
        The number of an empty pixel and that of the darkest ink, in case that the rows are images.
    shared, shared_valid : Shared or None
        What ranks know of the rows that they have together.
    """

    dtype: np.dtype[Any]
    classes: NDArray[Any]
    names: NDArray[np.object_] | None
    train: Rows
    weights: Any
    valid: Rows | None
    images: DistortedRows | None
    pixels: tuple[float, float]
    shared: Shared | None = None
    shared_valid: Shared | None = None

    @property
    def n_rows(self) -> tuple[int, int]:
        """The number of training rows and of validation rows, those of all ranks."""
        valid = self.valid if self.shared_valid is None else self.shared_valid
        train = self.train if self.shared is None else self.shared
        return train.n_rows, 0 if valid is None else valid.n_rows

    def resume_identity(self) -> dict[str, Any]:
        """Fingerprints that a run must have to be resumed."""
        mark, mark_valid, shards = fingerprint, fingerprint, {}
        if self.shared is not None:
            mark, shards = self.shared.fingerprint, {"shards": self.shared.ranks.all_shards}
        if self.shared_valid is not None:
            mark_valid = self.shared_valid.fingerprint
        X_train, y_train = self.train.fingerprints(mark)
        X_valid, y_valid = (
            (None, None) if self.valid is None else self.valid.fingerprints(mark_valid)
        )
        stream = self.train.stream
        return {
            "dtype": self.dtype.name,
            "input_path": self.train.input.path,
            "image_shape": None if self.images is None else self.images.image_shape,
            "X_train": X_train,
            "y_train": y_train,
            "sample_weight": mark(self.weights),
            "classes": fingerprint_classes(self.classes),
            "X_valid": X_valid,
            "y_valid": y_valid,
            **shards,
            **({} if stream is None else {"order of rows": str(stream.grid)}),
        }

    def earlier_identity(self) -> dict[str, str | None]:
        """What mlpcore 0.1 wrote in place of some of that."""
        return {"classes": fingerprint(self.classes)}


def prepare(
    settings: Settings,
    X: Any,
    y: Any,
    X_valid: Any,
    y_valid: Any,
    sample_weight: Any,
    model: str,
    collected: Collected | None = None,
) -> Data:
    """Check what `fit` was given and bring it into the engine's forms.

    Parameters
    ----------
    settings : Settings
    X, y, X_valid, y_valid, sample_weight
        As in `NeuralNetMLP.fit`.
    model : str
        The name of the class, for messages.
    collected : Collected, optional
        What ranks know that have the rows together, where X and the others are those of one.

    Returns
    -------
    data : Data

    Raises
    ------
    TypeError, ValueError
        If an array is not as `NeuralNetMLP.fit` describes it, or does not go with the parameters.
    """
    dtype = settings.dtype
    rows = check_rows(X, "X_train", dtype=dtype, finite=False)
    names = feature_names(X) if collected is None else collected.names
    scaled = scale_rows(rows, settings.input_scale)
    n_samples, n_features = scaled.shape
    if dtype is None:
        dtype = np.dtype(float_for(scaled.dtype))
    labels = check_labels(y, "y_train", n_samples, "X_train")
    shared = None if collected is None else collected.train
    if collected is None:
        classes, labels = encode_labels(labels)
    else:
        classes, n_samples = collected.classes, collected.train.n_rows
        labels = lookup_labels(labels, classes, "y_train")
    check_minibatch_size(settings, n_samples)
    weights = _weights(settings, sample_weight, labels, classes, shared)
    valid_rows, valid_labels = None, classes[:0]
    if X_valid is not None:
        valid_rows = check_rows(
            X_valid, "X_valid", dtype=dtype, n_features=n_features, finite=False
        )
        if collected is None:
            check_names_match(names, feature_names(X_valid), "X_valid", model)
        valid_labels = check_labels(y_valid, "y_valid", valid_rows.shape[0], "X_valid")
        valid_labels = lookup_labels(valid_labels, classes, "y_valid")
    background = pixels = None
    if shared is not None:
        settings, background, pixels = _in_common(settings, shared, rows, scaled, dtype)
    images = None
    if settings.augment is not None:
        how = settings.image_shape, settings.input_scale
        images = rows_to_distort(settings.augment, scaled, dtype, *how)
    train = _first_layer_rows(settings, rows, scaled, labels, dtype, background)
    valid = None
    if valid_rows is not None:
        valid = _valid_rows(settings, valid_rows, valid_labels, train, background)
    pixels = pixel_range(rows) if pixels is None else pixels
    ours = (None, None) if collected is None else (collected.train, collected.valid)
    return Data(dtype, classes, names, train, weights, valid, images, pixels, *ours)


def _valid_rows(
    settings: Settings,
    rows: Any,
    labels: NDArray[np.intc],
    train: Rows,
    background: float | None,
) -> Rows:
    """The validation rows, on the path of the training rows."""
    scaled, dtype = scale_rows(rows, settings.input_scale), train.input.dtype
    valid_input = make_input(
        scaled, dtype, settings.input_scale, train.input.path, settings.n_threads, background
    )
    valid = Rows(rows, scaled, valid_input, labels)
    _check_rows_are_finite(valid, "X_valid", dtype)
    return valid


def _weights(
    settings: Settings,
    sample_weight: Any,
    labels: NDArray[np.intc],
    classes: NDArray[Any],
    shared: Shared | None,
) -> NDArray[np.float64] | None:
    """The caller's weights of the training rows, times those of their classes."""
    count: Callable[..., Any] = np.bincount if shared is None else shared.count
    total: Callable[..., Any] = np.sum if shared is None else shared.total
    if sample_weight is not None:
        sample_weight = check_weights(sample_weight, "sample_weight", len(labels), "X_train")
    by_class = None
    if settings.class_weight is not None:
        by_class = class_weights(settings.class_weight, labels, classes, sample_weight, count)
    return weigh_rows(sample_weight, by_class, labels, "sample_weight", "X_train", total)[0]


def _in_common(
    settings: Settings, shared: Shared, rows: Any, scaled: Any, dtype: np.dtype[Any]
) -> tuple[Settings, float | None, tuple[float, float]]:
    """Settings with what the rows would decide, decided for all ranks; the number that the sparse
    path skips; and the range of pixels."""
    path, background, pixels = shared.look(rows, scaled, _asked_path(settings), dtype)
    augment = settings.augment
    if augment is not None and augment.background is None and pixels is not None:
        augment = replace(augment, background=background[0])
    return replace(settings, input_path=path, augment=augment), background[1], pixels


def _asked_path(settings: Settings) -> str:
    # Dropped inputs are 0, and usually 0 is not the background.
    drops_inputs = settings.dropout[:1] > (0,)
    return "dense" if drops_inputs and settings.input_path == "auto" else settings.input_path


def check_minibatch_size(settings: Settings, n_samples: int) -> None:
    """Raise ValueError unless the training rows fill a minibatch."""
    if settings.minibatch_size > n_samples:
        raise ValueError(
            f"minibatch_size must be at most the number of rows, {n_samples}; got "
            f"{settings.minibatch_size}. Lower it, or no update would take place."
        )


def _first_layer_rows(
    settings: Settings,
    rows: Any,
    scaled: Any,
    labels: NDArray[np.intc],
    dtype: np.dtype[Any],
    background: float | None,
) -> Rows:
    """The rows to train on, on the path through the first layer that the parameters ask for."""
    path = _asked_path(settings)
    train_input = make_input(
        scaled, dtype, settings.input_scale, path, settings.n_threads, background
    )
    train = Rows(rows, scaled, train_input, labels)
    _check_rows_are_finite(train, "X_train", dtype)
    if settings.dropout[:1] > (0,) and train_input.background:
        raise ValueError(
            "dropout of inputs on the sparse path is for data that are mostly 0; these are "
            f'mostly {train_input.background:g}. Use input_path="dense".'
        )
    return train


def scale_rows(rows: Any, scale: tuple[float, float]) -> Any:
    """Rows times scale plus offset, where the engine does not do that itself while reading."""
    if scale == AS_IT_IS or rows.dtype.kind != "f":
        return rows
    if hasattr(rows, "indptr"):
        raise ValueError("input_scale is for dense data; scale the sparse matrix before fit.")
    return rows * rows.dtype.type(scale[0]) + rows.dtype.type(scale[1])


def make_input(
    rows: Any,
    dtype: np.dtype[Any],
    scale: tuple[float, float],
    path: str,
    n_threads: int = 1,
    background: float | None = None,
) -> Input:
    """The engine's view of rows that `scale_rows` returned."""
    return Input(
        rows, dtype.name, scale=scale[0], offset=scale[1], path=path, n_threads=n_threads,
        background=background,
    )  # fmt: skip


def _check_rows_are_finite(rows: Rows, name: str, dtype: np.dtype[Any]) -> None:
    """Raise for rows that are not finite, unless packing has checked them already."""
    if isinstance(rows.given, np.ndarray) and not rows.input.seen_finite:
        check_finite(rows.given, name, dtype)
