"""Fitted networks as ONNX files, which other languages and devices can run without mlpcore.

All nodes are operators of ai.onnx, in forms that have computed the same since version 9, so that
sklearn-onnx can insert them into a graph of any newer version.

`Nodes` collects nodes and constants, `FORMULAS` has the activations, and `write` makes the file.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mlpcore._files import atomic_write
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


class Nodes:
    """The nodes and constants of a graph, in the order of computation.

    Parameters
    ----------
    dtype : dtype
        float32 or float64, in which the nodes compute.
    unique_name : callable, optional
        Makes a name that the graph does not have yet from a stem. By default they are numbered.
    """

    def __init__(
        self, dtype: np.dtype[Any], unique_name: Callable[[str], str] | None = None
    ) -> None:
        count = itertools.count()
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._unique_name = unique_name or (lambda stem: f"{stem}_{next(count)}")
        self._numbers: dict[float, str] = {}

    @property
    def single(self) -> bool:
        """Whether the nodes compute in float32."""
        return self.dtype == np.float32

    def __call__(self, operator: str, *inputs: str | float, **attributes: Any) -> str:
        """Add a node with one result.

        Parameters
        ----------
        operator : str
            One of ai.onnx.
        *inputs : str or float
            Names of values; numbers become constants of the nodes' dtype.
        **attributes
            Those of the operator.

        Returns
        -------
        name : str
            The name of the result.
        """
        from onnx import helper

        names = [value if isinstance(value, str) else self._number(value) for value in inputs]
        result = self._unique_name(operator)
        self.nodes.append(helper.make_node(operator, names, [result], name=result, **attributes))
        return result

    def constant(self, array: ArrayLike, stem: str = "constant") -> str:
        """Add an array of numbers, booleans or, as objects, text; returns its name."""
        from onnx import numpy_helper

        name = self._unique_name(stem)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _number(self, value: float) -> str:
        if value not in self._numbers:
            self._numbers[value] = self.constant(np.array(value, self.dtype))
        return self._numbers[value]

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """Add a node that converts a value to a dtype of NumPy."""
        return self("Cast", value, to=tensor_type(np.dtype(dtype)))

    def rename(self, names: dict[str, str]) -> None:
        """Give values other names."""
        for node in self.nodes:
            for part in (node.input, node.output):
                part[:] = [names.get(name, name) for name in part]


def tensor_type(dtype: np.dtype[Any]) -> int:
    """ONNX's number for a dtype; objects are text."""
    from onnx import TensorProto, helper

    if dtype.kind == "O":
        return int(TensorProto.STRING)
    return int(helper.np_dtype_to_tensor_dtype(dtype))


# The activations. onnxruntime has float64 kernels for basic operators only, and the absolute errors
# of its Sigmoid and Erf (1e-7 in float32, 1e-16 in float64) are larger than small values of them.
# So hidden units of float32 use ONNX's own operator where there is one, whose error is that of
# float32; those of float64 and all output units are formulas with an error relative to the value.


def _logistic(nodes: Nodes, z: str) -> str:
    return nodes("Reciprocal", nodes("Add", 1, nodes("Exp", nodes("Neg", z))))


def _leaky_relu(nodes: Nodes, z: str) -> str:
    return nodes("Max", z, nodes("Mul", z, 0.01))


def _exponential_less_one(nodes: Nodes, z: str) -> str:
    """e^z - 1 where z is below zero, and otherwise 0: 2 t / (1 - t) for t = tanh(z / 2), which has
    no cancellation there."""
    t = nodes("Tanh", nodes("Mul", nodes("Min", z, 0), 0.5))
    return nodes("Div", nodes("Add", t, t), nodes("Sub", 1, t))


def _elu(nodes: Nodes, z: str) -> str:
    return nodes("Add", nodes("Max", z, 0), _exponential_less_one(nodes, z))


def _softplus(nodes: Nodes, z: str) -> str:
    """max(z, 0) + log(1 + q) for q = e^-|z|, and log(1 + q) = q log(u) / (u - 1) for u = 1 + q,
    as rounded, or q where u is 1 (W. Kahan's formula)."""
    q = nodes("Exp", nodes("Neg", nodes("Abs", z)))
    u = nodes("Add", 1, q)
    quotient = nodes("Div", nodes("Log", u), nodes("Sub", u, 1))
    log = nodes("Where", nodes("Greater", u, 1), nodes("Mul", q, quotient), q)
    return nodes("Add", nodes("Max", z, 0), log)


def _silu(nodes: Nodes, z: str) -> str:
    return nodes("Div", z, nodes("Add", 1, nodes("Exp", nodes("Neg", z))))


def _gelu(nodes: Nodes, z: str) -> str:
    """max(z, 0) - x Q(x) for x = |z| and the tail Q of the normal distribution, which is
    e^(-x^2 / 2) / (1 + x) times a polynomial of (x - 4) / (x + 4), as in engine/simd/normal.h."""
    x = nodes("Abs", z)
    t = nodes("Div", nodes("Sub", x, 4), nodes("Add", x, 4))
    first, *others = tail_coefficients()
    p: str | float = first
    for coefficient in others:
        p = nodes("Add", nodes("Mul", t, p), coefficient)
    density = nodes("Exp", nodes("Mul", nodes("Mul", x, x), -0.5))
    # x / (1 + x) first: e^(-x^2 / 2) can be zero, and x itself large.
    share = nodes("Div", x, nodes("Add", 1, x))
    return nodes("Sub", nodes("Max", z, 0), nodes("Mul", density, nodes("Mul", share, p)))


def _gelu_by_erf(nodes: Nodes, z: str) -> str:
    """z / 2 (1 + erf(z / sqrt(2)))."""
    erf = nodes("Erf", nodes("Mul", z, 0.5**0.5))
    return nodes("Mul", nodes("Mul", z, 0.5), nodes("Add", 1, erf))


def tail_coefficients() -> list[float]:
    """Coefficients of (1 + x) e^(x^2 / 2) Q(x) as a polynomial of t = (x - 4) / (x + 4), the
    highest power first; the relative error is below 1e-13 for every x from zero on.

    They are those of the Chebyshev series, as in engine/simd/normal.h, in float64.
    """
    from numpy.polynomial import chebyshev
    from scipy.special import erfcx

    def value(t: Any) -> Any:
        x = 4 * (1 + t) / (1 - t)
        return (1 + x) * erfcx(x / np.sqrt(2)) / 2

    series: Any = chebyshev.chebinterpolate(value, 21)
    return [float(number) for number in chebyshev.cheb2poly(series)[::-1]]


FORMULAS: dict[str, Callable[[Nodes, str], str]] = {
    "identity": lambda nodes, z: z,
    "logistic": _logistic,
    "tanh": lambda nodes, z: nodes("Tanh", z),
    "relu": lambda nodes, z: nodes("Max", z, 0),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "gelu": _gelu,
    "silu": _silu,
    "softplus": _softplus,
    "exp": lambda nodes, z: nodes("Exp", z),
    "softmax": lambda nodes, z: nodes("Softmax", z, axis=1),
}
# SiLU as z Sigmoid(z) would multiply Sigmoid's absolute error by z.
_SINGLE: dict[str, Callable[[Nodes, str], str]] = {
    "logistic": lambda nodes, z: nodes("Sigmoid", z),
    "relu": lambda nodes, z: nodes("Relu", z),
    "leaky_relu": lambda nodes, z: nodes("LeakyRelu", z, alpha=0.01),
    "elu": lambda nodes, z: nodes("Elu", z),
    "gelu": _gelu_by_erf,
    "softplus": lambda nodes, z: nodes("Softplus", z),
}


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
    formulas = {**FORMULAS, **_SINGLE} if nodes.single else FORMULAS
    for i, (weights, biases) in enumerate(zip(coefs, intercepts, strict=True)):
        if i:
            x = formulas[activations[i - 1]](nodes, x)
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
    softplus = _SINGLE["softplus"] if nodes.single else _softplus
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
