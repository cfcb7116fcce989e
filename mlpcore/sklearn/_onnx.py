"""The estimators as ONNX files."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlpcore import _onnx
from mlpcore._onnx import Output
from mlpcore._onnx_nodes import Nodes, unit
from mlpcore.engine.network import Network


class Model(NamedTuple):
    """What an estimator makes of its network's outputs.

    outputs : callable
        Adds its outputs to `Nodes`, from the name of the network's pre-activations and the name
        of the output units' activation on.
    labels : ndarray or None
        The class labels, for a classifier.
    """

    outputs: Callable[[Nodes, str, str], dict[str, Output]]
    labels: NDArray[Any] | None = None


def classifier(model: Any) -> Model:
    """The outputs of a fitted MLPClassifier: label and probabilities."""
    kind = model._label_binarizer.y_type_
    if kind == "multilabel-indicator":
        outputs = functools.partial(_several_labels, n_columns=model.n_outputs_)
        return Model(outputs, np.asarray(model.classes_))
    labels = _onnx.class_labels(model.classes_)
    if kind == "multiclass":
        return Model(functools.partial(_one_of_many, labels=labels), labels)
    # Where y had one class, both outputs stand for it, as they do in predict.
    return Model(functools.partial(_one_of_two, labels=np.resize(labels, 2)), labels)


def regressor(model: Any, *, flat: bool = True) -> Model:
    """The output of a fitted MLPRegressor: prediction; flat: one of a single column has one
    dimension."""
    columns = None if flat and model.n_outputs_ == 1 else model.n_outputs_
    return Model(functools.partial(_numbers, n_columns=columns))


def _several_labels(nodes: Nodes, z: str, activation: str, n_columns: int) -> dict[str, Output]:
    probabilities = unit(nodes, activation)(nodes, z)
    label = nodes.cast(nodes("Greater", probabilities, 0.5), np.int64)
    return {
        "label": Output(label, np.dtype(np.int64), n_columns, _onnx.LABEL),
        "probabilities": Output(probabilities, nodes.dtype, n_columns, _onnx.PROBABILITIES),
    }


def _one_of_two(nodes: Nodes, z: str, activation: str, labels: NDArray[Any]) -> dict[str, Output]:
    second = unit(nodes, activation)(nodes, z)
    probabilities = nodes("Concat", nodes("Sub", 1, second), second, axis=1)
    index = _flat(nodes, nodes.cast(nodes("Greater", second, 0.5), np.int64))
    return _onnx.class_outputs(nodes, labels, index, probabilities)


def _one_of_many(nodes: Nodes, z: str, activation: str, labels: NDArray[Any]) -> dict[str, Output]:
    outputs = probabilities = unit(nodes, activation)(nodes, z)
    if activation == "logistic":
        least = float(np.finfo(nodes.dtype).tiny)
        probabilities = _onnx.normalised_logistic(nodes, z, least)
    index = nodes("ArgMax", outputs, axis=1, keepdims=0)
    return _onnx.class_outputs(nodes, labels, index, probabilities)


def _numbers(nodes: Nodes, z: str, activation: str, n_columns: int | None) -> dict[str, Output]:
    prediction = unit(nodes, activation)(nodes, z)
    if n_columns is None:
        prediction = _flat(nodes, prediction)
    return {"prediction": Output(prediction, nodes.dtype, n_columns, "as predict returns it")}


def _flat(nodes: Nodes, column: str) -> str:
    """A column in one dimension."""
    return nodes("Reshape", column, nodes.constant(np.array([-1], np.int64), "shape"))


def add(nodes: Nodes, x: str, model: Any, network: Network, kind: Model) -> dict[str, Output]:
    """Add a model to a graph.

    Parameters
    ----------
    nodes : Nodes
    x : str
        The rows, in the nodes' dtype.
    model : MLPClassifier or MLPRegressor
        Fitted.
    network : Network
        The model's network.
    kind : Model

    Returns
    -------
    outputs : dict of Output
    """
    activations, output, _ = model._built
    z = _onnx.logits(nodes, x, network.coefs, network.intercepts, activations)
    return kind.outputs(nodes, z, output)


def write(
    model: Any,
    network: Network,
    kind: Model,
    path: str | os.PathLike[str],
    dtype: DTypeLike | None,
    input_dtype: DTypeLike | None,
) -> None:
    """Write the file that `to_onnx` of the estimators describes.

    Parameters
    ----------
    model, network, kind
        As in `add`.
    path, dtype, input_dtype
        As in `to_onnx`.
    """
    names = getattr(model, "feature_names_in_", None)
    _onnx.write(
        path,
        lambda nodes, x: add(nodes, x, model, network, kind),
        model=model,
        dtype=dtype,
        network_dtype=network.dtype,
        input_dtype=input_dtype,
        n_parameters=network.n_parameters,
        about={
            "classes": None if kind.labels is None else kind.labels.tolist(),
            "feature_names": None if names is None else names.tolist(),
        },
    )
