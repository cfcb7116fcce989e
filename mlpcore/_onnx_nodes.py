"""The nodes of an ONNX graph, and the activations as such nodes.

All nodes are operators of ai.onnx, in forms that have computed the same since version 9, so that
sklearn-onnx can insert them into a graph of any newer version.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike


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
SINGLE: dict[str, Callable[[Nodes, str], str]] = {
    "logistic": lambda nodes, z: nodes("Sigmoid", z),
    "relu": lambda nodes, z: nodes("Relu", z),
    "leaky_relu": lambda nodes, z: nodes("LeakyRelu", z, alpha=0.01),
    "elu": lambda nodes, z: nodes("Elu", z),
    "gelu": _gelu_by_erf,
    "softplus": lambda nodes, z: nodes("Softplus", z),
}


def unit(nodes: Nodes, activation: str, *, hidden: bool = False) -> Callable[[Nodes, str], str]:
    """The formula of an activation.

    Parameters
    ----------
    nodes : Nodes
    activation : str
    hidden : bool, default=False
        Whether it is that of hidden units, which have ONNX's own operators in float32.

    Returns
    -------
    formula : callable
        It adds the nodes for pre-activations of a name, and returns the name of the activations.

    Raises
    ------
    ValueError
        If there is none.
    """
    formulas = {**FORMULAS, **SINGLE} if hidden and nodes.single else FORMULAS
    if activation not in formulas:
        raise ValueError(
            f"to_onnx has no formula for the activation {activation!r}; it has "
            f"{', '.join(FORMULAS)}. Add one to FORMULAS in mlpcore/_onnx_nodes.py."
        )
    return formulas[activation]
