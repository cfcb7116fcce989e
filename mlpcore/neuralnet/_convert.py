"""A NeuralNetMLP as scikit-learn's own estimator, as an ONNX file, and as a page of HTML."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from mlpcore import _html_page, _onnx
from mlpcore._onnx_nodes import Nodes
from mlpcore.neuralnet._data import AS_IT_IS

if TYPE_CHECKING:
    from mlpcore.engine.network import Network

# The engine clips pre-activations of logistic output units there, as the textbook does.
_CLIP = 250.0
# scikit-learn has these activations of hidden units.
_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


def to_sklearn(model: Any, network: Network) -> Any:
    """The estimator that `NeuralNetMLP.to_sklearn` describes.

    Parameters
    ----------
    model : NeuralNetMLP
        Fitted.
    network : Network
        The model's network.

    Returns
    -------
    estimator : sklearn.neural_network.MLPClassifier

    Raises
    ------
    ValueError
        If scikit-learn lacks an activation, or sorts the classes in another order.
    """
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import LabelBinarizer

    kinds = set(model._activation)
    if len(kinds) > 1 or not kinds <= set(_ACTIVATIONS):
        raise ValueError(
            "scikit-learn has one activation for all hidden layers, of "
            f"{', '.join(_ACTIVATIONS)}; got {', '.join(model._activation)}."
        )
    binarizer = LabelBinarizer().fit(model.classes_)
    if binarizer.classes_.tolist() != model.classes_.tolist():
        raise ValueError(f"scikit-learn cannot sort these classes: {model.classes_.tolist()}.")
    # Each of two classes has an output unit here, too.
    binarizer.y_type_ = "multiclass"
    adaptive = model.optimizer in ("adam", "adamw")
    estimator = MLPClassifier(
        hidden_layer_sizes=tuple(network.n_units[1:-1]),
        activation=kinds.pop(),
        solver="adam" if adaptive else "sgd",
        **({"alpha": model.l2} if np.ndim(model.l2) == 0 else {}),
        batch_size=model.minibatch_size,
        # scikit-learn's gradient is the mean over a minibatch, and the textbook's the sum. Adam's
        # steps do not depend on that.
        learning_rate_init=model.eta * (1 if adaptive else model.minibatch_size),
        max_iter=max(1, model.epochs),
        shuffle=model.shuffle,
        random_state=model.seed,
        momentum=model.momentum if model.optimizer in ("momentum", "nesterov") else 0.0,
        nesterovs_momentum=model.optimizer == "nesterov",
        beta_1=model.beta_1,
        beta_2=model.beta_2,
    )
    estimator.coefs_ = [weights.copy(order="C") for weights in network.coefs]
    estimator.intercepts_ = [biases.copy() for biases in network.intercepts]
    scale, offset = model._scale
    first = estimator.coefs_[0]
    estimator.intercepts_[0] += (offset * first.sum(axis=0, dtype=np.float64)).astype(first.dtype)
    first *= first.dtype.type(scale)
    estimator._label_binarizer = binarizer
    estimator.classes_ = model.classes_.copy()
    estimator.n_features_in_ = model.n_features_in_
    if model._names is not None:
        estimator.feature_names_in_ = model._names.copy()
    estimator.n_outputs_ = len(model.classes_)
    estimator.n_layers_ = len(network.n_units)
    estimator.out_activation_ = "logistic"
    estimator.n_iter_ = estimator.t_ = estimator._no_improvement_count = 0
    estimator.loss_curve_, estimator.best_loss_ = [], np.inf
    estimator.validation_scores_ = estimator.best_validation_score_ = None
    return estimator


def to_onnx(
    model: Any,
    network: Network,
    path: str | os.PathLike[str],
    dtype: DTypeLike | None,
    input_dtype: DTypeLike | None,
) -> None:
    """Write the file that `NeuralNetMLP.to_onnx` describes.

    Parameters
    ----------
    model : NeuralNetMLP
        Fitted.
    network : Network
        The model's network.
    path, dtype, input_dtype
        As in `NeuralNetMLP.to_onnx`.
    """
    labels = _onnx.class_labels(model.classes_)
    scale, offset = model._scale
    if model._scale != AS_IT_IS and input_dtype is None:
        input_dtype = np.uint8

    def predict(nodes: Nodes, x: str) -> dict[str, _onnx.Output]:
        if model._scale != AS_IT_IS:
            x = nodes("Add", nodes("Mul", x, scale), offset)
        z = _onnx.logits(nodes, x, network.coefs, network.intercepts, model._activation)
        index = nodes("ArgMax", z, axis=1, keepdims=0)
        clipped = nodes("Max", nodes("Min", z, _CLIP), -_CLIP)
        return _onnx.class_outputs(nodes, labels, index, _onnx.normalised_logistic(nodes, clipped))

    _onnx.write(
        path,
        predict,
        model=model,
        dtype=dtype,
        network_dtype=network.dtype,
        input_dtype=input_dtype,
        n_parameters=network.n_parameters,
        about={
            "classes": labels.tolist(),
            "feature_names": None if model._names is None else model._names.tolist(),
        },
    )


def to_html(
    model: Any,
    network: Network,
    path: str | os.PathLike[str],
    image_shape: Any,
    pixel_range: Any,
) -> None:
    """Write the page that `NeuralNetMLP.to_html` describes.

    Parameters
    ----------
    model : NeuralNetMLP
        Fitted.
    network : Network
        The model's network.
    path, image_shape, pixel_range
        As in `NeuralNetMLP.to_html`.
    """
    if pixel_range is None:  # files of earlier versions do not have it
        pixel_range = model._pixels or ((-1, 1) if model._scale == AS_IT_IS else (0, 255))
    _html_page.write(
        path,
        coefs=network.coefs,
        intercepts=network.intercepts,
        activations=model._activation,
        output="shares",
        classes=model.classes_,
        image_shape=model.image_shape if image_shape is None else image_shape,
        pixel_range=pixel_range,
        scale=model._scale,
        clip=_CLIP,
    )
