"""Rows and labels of data that are larger than memory: checked, and read in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore._feature_names import check_names_match, feature_names
from mlpcore._html_page import pixel_range
from mlpcore._labels import encode_labels, lookup_labels
from mlpcore._validation import check_rows, check_source, float_for
from mlpcore.distortion import rows_to_distort
from mlpcore.engine.evaluation import BLOCK_ROWS
from mlpcore.neuralnet._data import Data, Rows, check_minibatch_size, prepare
from mlpcore.neuralnet._parameters import Settings, check_validation
from mlpcore.streams.labels import read_labels, row_weights, targets_of
from mlpcore.streams.source import Source, as_array, is_large, is_outside
from mlpcore.streams.stream import Stream
from mlpcore.training.class_weight import class_weights

_CODES = np.empty(0, np.intc)


def prepare_data(
    settings: Settings,
    X: Any,
    y: Any,
    X_valid: Any,
    y_valid: Any,
    sample_weight: Any,
    model: str,
) -> Data:
    """Check what `fit` was given, and let what is larger than a buffer be read in pieces.

    Parameters
    ----------
    settings, X, y, X_valid, y_valid, sample_weight, model
        As for `mlpcore.neuralnet._data.prepare`.

    Returns
    -------
    data : Data

    Raises
    ------
    TypeError, ValueError
        If an array is not as `NeuralNetMLP.fit` describes it, or does not go with the parameters.
    OSError
        If rows cannot be read.
    """
    check_validation(settings, X_valid, y_valid)
    if is_large(X, settings.buffer_bytes):
        data = _prepare_stream(settings, X, y, sample_weight)
    elif X_valid is None or not is_large(X_valid, settings.buffer_bytes):
        X, X_valid = as_array(X), as_array(X_valid)
        return prepare(settings, X, y, X_valid, y_valid, sample_weight, model)
    else:
        data = prepare(settings, as_array(X), y, None, None, sample_weight, model)
    if X_valid is None:
        return data
    valid = _valid_rows(settings, X_valid, y_valid, data)
    check_names_match(data.names, feature_names(X_valid), "X_valid", model)
    return data._replace(valid=valid)


def _prepare_stream(settings: Settings, X: Any, y: Any, sample_weight: Any) -> Data:
    """The training rows, which are larger than a buffer."""
    check_source(X, "X_train")
    source, names = Source(X, "X_train"), feature_names(X)
    n_samples = len(source)
    dtype = settings.dtype or np.dtype(float_for(source.dtype))
    read, labels = read_labels(y, "y_train", n_samples, "X_train")
    classes, codes = encode_labels(labels)
    check_minibatch_size(settings, n_samples)
    targets = targets_of(read, labels, classes, lambda _: codes)
    weights = _weights(settings, targets, classes, sample_weight, n_samples)
    drops_inputs = settings.dropout[:1] > (0,)
    if drops_inputs and settings.input_path == "sparse":
        raise ValueError(
            "dropout of inputs on the sparse path is for data in memory; these are read in pieces. "
            'Use input_path="dense", or raise buffer_bytes above their size.'
        )
    stream = Stream(
        source,
        targets,
        weights,
        target_like=_CODES,
        dtype=dtype,
        scale=settings.input_scale,
        path="dense" if drops_inputs else settings.input_path,
        distorts=settings.augment is not None,
        buffer_bytes=settings.buffer_bytes,
        minibatch_size=settings.minibatch_size,
        n_threads=settings.n_threads,
    )
    images = None
    if settings.augment is not None:
        images = rows_to_distort(
            settings.augment, stream.sample, dtype, settings.image_shape, settings.input_scale
        )
    # Without the scaling of floats, as for data in memory.
    pixels = pixel_range(source[:BLOCK_ROWS])
    return Data(dtype, classes, names, _rows(stream), weights, None, images, pixels)


def _rows(stream: Stream) -> Rows:
    source = stream.source
    return Rows(source, source, stream.input, stream.sample_targets, stream)


def _weights(
    settings: Settings, targets: Any, classes: NDArray[Any], sample_weight: Any, n_samples: int
) -> Any:
    by_class = None
    if settings.class_weight is not None:
        given = row_weights(sample_weight, None, targets, n_samples, "sample_weight", "X_train")
        all_weights = None if given is None else given[0:n_samples]
        by_class = class_weights(settings.class_weight, targets[0:n_samples], classes, all_weights)
    return row_weights(sample_weight, by_class, targets, n_samples, "sample_weight", "X_train")


def _valid_rows(settings: Settings, X: Any, y: Any, data: Data) -> Rows:
    """Validation rows that are read in pieces, in memory or not."""
    dtype, classes, path = data.dtype, data.classes, data.train.input.path
    n_features = data.train.input.n_features
    if is_outside(X):
        check_source(X, "X_valid", n_features)
    else:
        X = check_rows(X, "X_valid", dtype=dtype, n_features=n_features, finite=False)
    if hasattr(X, "indptr"):
        raise TypeError(
            "X_valid must be an array where X_train is read in pieces; got a sparse matrix. Give "
            "X_valid.toarray()."
        )
    source = Source(X, "X_valid")
    read, labels = read_labels(y, "y_valid", len(source), "X_valid")
    targets = targets_of(
        read, labels, classes, lambda labels: lookup_labels(labels, classes, "y_valid")
    )
    return _rows(
        Stream(
            source,
            targets,
            None,
            target_like=_CODES,
            dtype=dtype,
            scale=settings.input_scale,
            path=path,
            buffer_bytes=settings.buffer_bytes,
            n_threads=settings.n_threads,
        )
    )
