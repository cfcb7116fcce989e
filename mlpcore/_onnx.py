"""Fitted networks as ONNX files, which other languages and devices can run without mlpcore.

`_onnx_nodes` has the nodes of a graph and the activations; here are the layers of a network, the
outputs of classifiers, and the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlpcore._files import atomic_write
from mlpcore._onnx_nodes import FORMULAS, SINGLE, Nodes, tensor_type, unit
from mlpcore._paths import StrPath
from mlpcore._validation import check_choice, check_dtype
from mlpcore._version import __version__

# Where and Erf are there from 9 on. But onnxruntime 1.18 has ArgMax in float64 only from 11 on.
_OPSET = 11
# The version of the format that came with it.
_IR_VERSION = 6
# The format (protobuf) holds less than 2 GiB; a little is left for the nodes.
_MAX_BYTES = 2**31 - 2**20
# What the outputs of classifiers are, for people who look at a file.
LABEL = "the class of each row, or 0 or 1 for each label, as predict returns it"
PROBABILITIES = "the probability of each class or label, as predict_proba returns it"
_INPUT_DTYPES = ("float32", "float64", "uint8")


class Output(NamedTuple):
    """A result of a graph.

    value : str
        The name of the value in the graph.
    dtype : dtype
        That of objects stands for text.
    n_columns : int or None
        None for one dimension.
    text : str
        What it is.
    """

    value: str
    dtype: np.dtype[Any]
    n_columns: int | None
    text: str


def logits(
    nodes: Nodes,
    x: str,
    coefs: Sequence[NDArray[Any]],
    intercepts: Sequence[NDArray[Any]],
    activations: Sequence[str],
) -> str:
    """Add the layers of a network.

    Parameters
    ----------
    nodes : Nodes
    x : str
        The rows, in the nodes' dtype.
    coefs, intercepts : sequences of ndarray
        Weights and biases of each layer.
    activations : sequence of str
        Those of the hidden layers.

    Returns
    -------
    z : str
        The pre-activations of the output units.
    """
    for i, (weights, biases) in enumerate(zip(coefs, intercepts, strict=True)):
        if i:
            x = unit(nodes, activations[i - 1], hidden=True)(nodes, x)
        arrays = (
            nodes.constant(part.astype(nodes.dtype), stem)
            for part, stem in ((weights, "weights"), (biases, "biases"))
        )
        x = nodes("Gemm", x, *arrays)
    return x


def normalised_logistic(nodes: Nodes, z: str, least: float = 0.0) -> str:
    """Add the activations of logistic output units, divided by their sum in each row.

    a / sum(a) is the softmax of log(a) = -softplus(-z). So it has no activation that rounds to
    zero, and no sum of such.

    Parameters
    ----------
    nodes : Nodes
    z : str
        Pre-activations.
    least : float, default=0.0
        Smaller activations count as this one.

    Returns
    -------
    probabilities : str
    """
    softplus = SINGLE["softplus"] if nodes.single else FORMULAS["softplus"]
    log = nodes("Neg", softplus(nodes, nodes("Neg", z)))
    if least:
        log = nodes("Max", log, float(np.log(least)))
    return FORMULAS["softmax"](nodes, log)


def class_labels(classes: NDArray[Any]) -> NDArray[Any]:
    """Class labels in a dtype that ONNX has; text is in an array of objects.

    Raises
    ------
    TypeError
        If ONNX has no such labels.
    """
    plain = np.asarray(classes.tolist()) if classes.dtype.kind in "OT" else classes
    if plain.dtype.kind == "U":
        plain = plain.astype(object)
        # A surrogate has no bytes, and onnxruntime returns text only up to a zero.
        known = not any("\0" in label or _is_unwritable(label) for label in plain)
    else:
        known = plain.dtype.kind in "biuf" and plain.dtype.itemsize <= 8
    if not known or plain.ndim != 1 or plain.tolist() != classes.tolist():
        raise TypeError(
            "ONNX holds class labels that are text, booleans, integers of up to 64 bits or floats "
            f"of up to 64 bits, all of one kind; got {classes.tolist()[:5]!r} of dtype "
            f"{classes.dtype}. Convert y, for example to text, and fit again."
        )
    return plain.astype(plain.dtype.newbyteorder("="))


def _is_unwritable(label: str) -> bool:
    try:
        label.encode()
    except UnicodeEncodeError:
        return True
    return False


def class_outputs(
    nodes: Nodes, labels: NDArray[Any], index: str, probabilities: str
) -> dict[str, Output]:
    """Add the lookup of class labels; the outputs of a classifier that predicts one class.

    Parameters
    ----------
    nodes : Nodes
    labels : ndarray, shape (n_classes,)
        As `class_labels` returns them.
    index : str
        The index of each row's class.
    probabilities : str

    Returns
    -------
    outputs : dict of Output
    """
    label = nodes("Gather", nodes.constant(labels, "classes"), index, axis=0)
    return {
        "label": Output(label, labels.dtype, None, LABEL),
        "probabilities": Output(probabilities, nodes.dtype, len(labels), PROBABILITIES),
    }


def write(
    path: StrPath,
    predict: Callable[[Nodes, str], dict[str, Output]],
    *,
    model: Any,
    dtype: DTypeLike | None,
    network_dtype: DTypeLike,
    input_dtype: DTypeLike | None,
    n_parameters: int,
    about: dict[str, Any],
) -> None:
    """Write a fitted model into an ONNX file, which appears when it is complete.

    Parameters
    ----------
    path : str or PathLike
    predict : callable
        Adds the model to `Nodes`, from the name of its rows on, and returns its outputs.
    model : estimator
        With the attribute `n_features_in_`.
    dtype, input_dtype : dtype or None
        As in `NeuralNetMLP.to_onnx`.
    network_dtype : dtype
        What the network computes in.
    n_parameters : int
        The number of weights and biases.
    about : dict
        Metadata beside the versions, which are stored as JSON.

    Raises
    ------
    ImportError, TypeError, ValueError, OSError
        As `NeuralNetMLP.to_onnx` describes.
    """
    helper = import_onnx("to_onnx").helper
    compute = check_dtype(dtype) or np.dtype(network_dtype)
    given = compute if input_dtype is None else _check_input_dtype(input_dtype)
    if n_parameters * compute.itemsize > _MAX_BYTES:
        raise ValueError(
            f"an ONNX file holds less than 2 GiB; this network has {n_parameters:,} parameters in "
            f'{compute.name}. Use dtype="float32" if that is float64, or a smaller network.'
        )
    nodes = Nodes(compute)
    outputs = predict(nodes, "X" if given == compute else nodes.cast("X", compute))
    nodes.rename({output.value: name for name, output in outputs.items()})
    rows = ["n_samples"]
    graph = helper.make_graph(
        nodes.nodes,
        type(model).__name__,
        [helper.make_tensor_value_info("X", tensor_type(given), [*rows, model.n_features_in_])],
        [
            helper.make_tensor_value_info(
                name,
                tensor_type(output.dtype),
                rows if output.n_columns is None else [*rows, output.n_columns],
                output.text,
            )
            for name, output in outputs.items()
        ],
        nodes.constants,
    )
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="mlpcore",
        producer_version=__version__,
    )
    text = {name: json.dumps(value) for name, value in about.items() if value is not None}
    helper.set_model_props(
        proto, {"mlpcore": __version__, "estimator": type(model).__name__, **text}
    )
    with atomic_write(path) as file:
        file.write(proto.SerializeToString())


def _check_input_dtype(value: DTypeLike) -> np.dtype[Any]:
    try:
        name = np.dtype(value).name
    except TypeError:
        name = repr(value)
    return np.dtype(check_choice(name, "input_dtype", _INPUT_DTYPES))


def import_onnx(needed_by: str) -> Any:
    """The package onnx, or an ImportError that says how to get it."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise ImportError(
            f'{needed_by} needs the package onnx: pip install "mlpcore[onnx]"'
        ) from error
    return onnx
