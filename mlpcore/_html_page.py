"""A page of HTML with a fitted network in it, which answers to what one draws.

The page itself is `_draw_a_digit.html`. Here are the activations in JavaScript, and what of a model
goes into the page.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlpcore._files import atomic_write
from mlpcore._onnx_nodes import tail_coefficients
from mlpcore._paths import StrPath
from mlpcore._validation import check_float
from mlpcore.distortion import check_image_shape

_TEMPLATE = os.path.join(os.path.dirname(__file__), "_draw_a_digit.html")
# Numbers of a data set that the range of its pixels is read from: enough to find the darkest ink,
# and few beside those of an epoch.
_SAMPLE = 100_000
# Stands for "no limit" in JSON, which has no infinity.
_NO_LIMIT = 1e300


def _gelu() -> str:
    """max(z, 0) - x Q(x) for x = |z|, as in `_onnx_nodes`."""
    first, *others = tail_coefficients()
    p = repr(first)
    for coefficient in others:
        p = f"({p} * t + {coefficient!r})"
    return (
        "{ const x = Math.abs(z), t = (x - 4) / (x + 4);"
        f" return Math.max(z, 0) - Math.exp(-x * x / 2) * (x / (1 + x)) * {p}; }}"
    )


# Activations of hidden units: what follows `(z) =>` in JavaScript, which computes in float64; or
# what makes it, where that takes SciPy.
FORMULAS: dict[str, str | Callable[[], str]] = {
    "identity": "z",
    "logistic": "1 / (1 + Math.exp(-z))",
    "tanh": "Math.tanh(z)",
    "relu": "Math.max(z, 0)",
    "leaky_relu": "Math.max(z, 0.01 * z)",
    "elu": "z < 0 ? Math.expm1(z) : z",
    "gelu": _gelu,
    "silu": "z / (1 + Math.exp(-z))",
    "softplus": "Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)))",
}


def pixel_range(rows: Any) -> tuple[float, float]:
    """The number of an empty pixel and that of the darkest ink, in some of the rows of a data set.

    Parameters
    ----------
    rows : ndarray or sparse matrix, shape (n_samples, n_features)
        Finite numbers.

    Returns
    -------
    empty, ink : float
        The smallest number and the largest one; the first is the one that is nearer to the mean,
        since most of an image is empty.
    """
    some = rows[:: max(1, rows.shape[0] * rows.shape[1] // _SAMPLE)]
    low, high = float(some.min()), float(some.max())
    with np.errstate(over="ignore"):  # of the sum; an infinite mean is nearer to the largest number
        mean = float(some.mean(dtype=np.float64))
    return (low, high) if mean - low <= high - mean else (high, low)


def _check_pixel_range(value: Any) -> tuple[float, float]:
    try:
        empty, ink = (check_float(each, "pixel_range", low=-np.inf) for each in value)
    except (TypeError, ValueError):
        empty = ink = 0.0
    if empty == ink:
        raise ValueError(
            "pixel_range must be two different finite numbers, those of an empty pixel and of full "
            f"ink; got {value!r}. Of load_mnist they are (-1, 1)."
        )
    return empty, ink


def write(
    path: StrPath,
    *,
    coefs: Sequence[NDArray[Any]],
    intercepts: Sequence[NDArray[Any]],
    activations: Sequence[str],
    output: str,
    classes: ArrayLike,
    image_shape: Any,
    pixel_range: Any,
    scale: tuple[float, float] = (1.0, 0.0),
    clip: float = _NO_LIMIT,
    least: float = -_NO_LIMIT,
) -> None:
    """Write the page, which appears under its name when it is complete.

    Parameters
    ----------
    path : str or PathLike
    coefs, intercepts : sequences of ndarray
        Weights and biases of each layer, of one dtype.
    activations : sequence of str
        Those of the hidden layers.
    output : {"softmax", "shares", "two", "several"}
        What becomes of the pre-activations of the output units: softmax; logistic units, divided by
        their sum; one logistic unit, for the second of two classes; logistic units, several of
        which may apply.
    classes : array_like
        The class labels.
    image_shape : (int, int) or None
        Height and width; None is a square.
    pixel_range : (float, float)
        The numbers of an empty pixel and of full ink.
    scale : (float, float), default=(1.0, 0.0)
        Scale and offset of the inputs.
    clip, least : float
        For "shares": bounds of pre-activations, and the smallest logarithm of an activation.

    Raises
    ------
    ValueError
        If the features are no image, `pixel_range` is no range, or there is no formula for an
        activation.
    OSError
        If the file cannot be written.
    """
    units = [len(coefs[0]), *(len(biases) for biases in intercepts)]
    height, width = check_image_shape(image_shape, units[0])
    empty, ink = _check_pixel_range(pixel_range)
    dtype = np.result_type(*coefs, *intercepts)
    layers = [
        {"n_in": n_in, "n_out": n_out, "activation": activation}
        for (n_in, n_out), activation in zip(
            itertools.pairwise(units), [*activations, None], strict=True
        )
    ]
    model = {
        "classes": [str(label) for label in np.asarray(classes).tolist()],
        "height": height,
        "width": width,
        "empty": empty,
        "ink": ink,
        "scale": scale[0],
        "offset": scale[1],
        "dtype": dtype.name,
        "layers": layers,
        "output": output,
        "clip": clip,
        "least": least,
    }
    numbers = b"".join(
        np.ascontiguousarray(part, dtype.newbyteorder("<")).tobytes()
        for layer in zip(coefs, intercepts, strict=True)
        for part in layer
    )
    # No label may end the element that it is in.
    about = json.dumps(model).replace("<", "\\u003c")
    with open(_TEMPLATE, encoding="utf-8") as file:
        page = file.read()
    for place, text in {
        "{/* activations */}": _functions(activations),
        '"model">{}<': f'"model">{about}<',
        '"parameters"><': f'"parameters">{base64.b64encode(numbers).decode()}<',
    }.items():
        page = page.replace(place, text, 1)
    with atomic_write(path) as binary:
        binary.write(page.encode())


def _functions(activations: Sequence[str]) -> str:
    """An object in JavaScript with the activations by their names."""
    lines = []
    for name in sorted(set(activations)):
        if name not in FORMULAS:
            raise ValueError(
                f"to_html has no formula for the activation {name!r}; it has "
                f"{', '.join(FORMULAS)}. Add one to FORMULAS in mlpcore/_html_page.py."
            )
        formula = FORMULAS[name]
        lines.append(f"  {name}: (z) => {formula if isinstance(formula, str) else formula()},\n")
    return "{\n" + "".join(lines) + "}"
