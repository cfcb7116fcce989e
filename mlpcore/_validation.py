"""Every check of what users hand in, so that each mistake has one wording."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlpcore.engine.registry import INPUT_KINDS

# Rows that are looked at together: enough for NumPy to be quick, few enough to stay in the cache.
_ROWS_AT_A_TIME = 1024

# The engine counts units and features in C ints, as BLAS does.
_LARGEST: int = np.iinfo(np.intc).max

# The largest size of an integer that the engine reads as it is, and scales.
_LARGEST_READ: int = max(
    max(abs(np.iinfo(kind).min), np.iinfo(kind).max)
    for kind in INPUT_KINDS
    if np.dtype(kind).kind != "f"
)


class NotFittedError(ValueError, AttributeError):
    """A model was asked for what it learns in `fit`, before `fit`."""


def check_int(value: Any, name: str, *, low: int, high: int = _LARGEST, hint: str = "") -> int:
    """A whole number from `low` up to `high`, by default what a C int holds; bool is not one."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number >= {low}; got {value!r}. {hint}") from None
    if not low <= number <= high:
        raise ValueError(
            f"{name} must be a whole number from {low} to {high}; got {number}. {hint}"
        )
    return number


def check_float(
    value: Any, name: str, *, low: float, strict: bool = False, hint: str = ""
) -> float:
    """A finite number >= `low`, or > `low` where `strict`."""
    bound = f"{'>' if strict else '>='} {low:g}"
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise TypeError(f"{name} must be a number {bound}; got {value!r}. {hint}")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be a number {bound}; got {value!r}. {hint}") from None
    if not np.isfinite(number) or number < low or (strict and number == low):
        raise ValueError(f"{name} must be a number {bound}; got {number:g}. {hint}")
    return number


def check_fraction(value: Any, name: str) -> float:
    """A number from 0 to below 1."""
    number = check_float(value, name, low=0)
    if number >= 1:
        raise ValueError(f"{name} must be a number from 0 to below 1; got {number:g}.")
    return number


def check_choice(value: Any, name: str, known: Iterable[str]) -> str:
    """One of the known names."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}.")
    return value


def check_seed(value: Any) -> int | None:
    """What `numpy.random.RandomState` takes as a seed: None or a whole number below 2**32."""
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"seed must be None or a whole number; got {value!r}.") from None
    if not 0 <= number < 2**32:
        raise ValueError(f"seed must be from 0 to 2**32 - 1; got {number}.")
    return number


def check_dtype(value: Any) -> np.dtype[Any] | None:
    """float32, float64 or None."""
    if value is None:
        return None
    for known in (np.float32, np.float64):
        try:
            if np.dtype(value) == known:
                return np.dtype(known)
        except TypeError:
            break
    raise ValueError(f"dtype must be float32, float64 or None (as the data); got {value!r}.")


def check_units(value: Any, name: str) -> tuple[int, ...]:
    """One whole number from 1, or a sequence of them: units of each hidden layer."""
    hint = "Give the units of the hidden layer, or a sequence with those of each."
    if isinstance(value, (str, bytes)) or not np.iterable(value):
        return (check_int(value, name, low=1, hint=hint),)
    units = tuple(check_int(item, name, low=1, hint=hint) for item in value)
    if not units:
        raise ValueError(f"{name} must have at least one hidden layer; got {value!r}. {hint}")
    return units


def check_rows(
    X: ArrayLike,
    name: str,
    *,
    dtype: np.dtype[Any] | None = None,
    n_features: int | None = None,
    finite: bool = True,
) -> Any:
    """Rows of finite numbers, as an array that the engine reads as it is.

    Parameters
    ----------
    X : array_like or scipy.sparse matrix, shape (n_samples, n_features)
    name : str
        What the caller calls it.
    dtype : dtype or None
        The network's, for what has to be converted; None takes float32 for what holds fewer than
        24 bits and float64 for the rest.
    n_features : int or None
        How many columns there must be.
    finite : bool
        Whether to look for NaN and infinity in dense rows; else `check_finite` is still to come.

    Returns
    -------
    X : ndarray of one of INPUT_KINDS, native byte order, elements of a row adjacent
        The caller's own array where that is what came. Of a sparse matrix, a CSR matrix of floats
        with sorted indices and no duplicates.
    """
    if hasattr(X, "tocsr"):
        return _check_sparse(X, name, dtype, n_features)
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(f"{name} has masked entries; fill them in first, with {name}.filled().")
    try:
        array = np.asarray(X)
    except ValueError:
        raise ValueError(f"{name} must have rows of the same length.") from None
    if array.dtype.kind not in "fiub":
        try:
            if array.dtype.kind != "O":
                raise ValueError
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise TypeError(
                f"{name} must hold numbers; got dtype {array.dtype}. Encode text and categories "
                "as numbers first."
            ) from None
    if array.ndim != 2:
        raise ValueError(
            f"{name} must have two dimensions, rows and features; got shape {array.shape}. "
            f"For one row use {name}.reshape(1, -1), for one feature {name}.reshape(-1, 1)."
        )
    _check_shape(array.shape, name, n_features)
    if array.dtype.name not in INPUT_KINDS:
        with np.errstate(over="ignore"):  # what overflows is found below
            array = array.astype(dtype or float_for(array.dtype))
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.aligned or (array.shape[1] > 1 and array.strides[1] != array.itemsize):
        array = np.array(array, order="C")  # ascontiguousarray would leave it out of line
    if finite:
        check_finite(array, name, dtype)
    return array


def float_for(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    """float32 where it holds all numbers of a type exactly, else float64."""
    bits = 8 * dtype.itemsize
    return np.float32 if bits <= (16 if dtype.kind in "iub" else 32) else np.float64


def _check_shape(shape: tuple[int, ...], name: str, n_features: int | None) -> None:
    n_rows, columns = shape
    if n_features is not None and columns != n_features:
        raise ValueError(
            f"{name} must have {n_features} columns, as in fit; got {columns}. Pass the same "
            "features, or call fit again."
        )
    if n_rows == 0 or columns == 0:
        raise ValueError(f"{name} must have at least one row and one column; got shape {shape}.")
    if columns > _LARGEST:
        raise ValueError(f"{name} must have at most {_LARGEST} columns; got {columns}.")


def _check_sparse(X: Any, name: str, dtype: np.dtype[Any] | None, n_features: int | None) -> Any:
    """The same for a sparse matrix; its entries stay where they are if they are in order."""
    if len(X.shape) != 2:
        raise ValueError(
            f"{name} must have two dimensions, rows and features; got shape {X.shape}."
        )
    _check_shape(X.shape, name, n_features)
    matrix = X.tocsr()
    if matrix.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers; got dtype {matrix.dtype}.")
    # SciPy remembers what it has seen once; the parts may have been written to since.
    matrix = type(matrix)((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    try:
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"{name} is not a correct sparse matrix: {error}.") from None
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(dtype or float_for(matrix.dtype))
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    bad = np.flatnonzero(~(np.abs(matrix.data) <= np.finfo(dtype or matrix.dtype).max))
    if len(bad):
        row = np.searchsorted(matrix.indptr, bad[0], side="right") - 1
        raise _not_finite(name, matrix.data[bad[0]], row, matrix.indices[bad[0]])
    return matrix


def check_scale(value: Any) -> tuple[float, float]:
    """A pair of numbers, scale and offset, by which integers stay finite; None is (1, 0)."""
    if value is None:
        return 1.0, 0.0
    try:
        scale, offset = (float(number) for number in value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"input_scale must be None or a pair (scale, offset); got {value!r}. For bytes to "
            "[-1, 1] use (2 / 255, -1)."
        ) from None
    if not _LARGEST_READ * abs(scale) + abs(offset) <= float(np.finfo(np.float32).max):
        raise ValueError(
            f"input_scale must be of finite numbers that take integers up to {_LARGEST_READ} to "
            f"finite ones; got {value!r}."
        )
    return scale, offset


def check_finite(array: NDArray[Any], name: str, dtype: np.dtype[Any] | None) -> None:
    """Raise for NaN, infinity, and what the network's dtype cannot hold, in dense rows."""
    if array.dtype.kind != "f":
        return
    largest = np.finfo(dtype or array.dtype).max
    for start in range(0, len(array), _ROWS_AT_A_TIME):
        block = array[start : start + _ROWS_AT_A_TIME]
        # min and max pass NaN on, and need no array of their own.
        low, high = block.min(), block.max()
        if -largest <= low and high <= largest:
            continue
        with np.errstate(invalid="ignore"):
            row, column = np.argwhere(~(np.abs(block) <= largest))[0]
        raise _not_finite(name, block[row, column], start + row, column)


def _not_finite(name: str, value: Any, row: int, column: int) -> ValueError:
    return ValueError(
        f"{name} must be finite; got {value} in row {row}, column {column}. Leave such rows out "
        "or fill them in."
    )


def check_labels(y: ArrayLike, name: str, n_rows: int, rows_name: str) -> NDArray[Any]:
    """Class labels, one for each row, in one dimension."""
    if isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y):
        raise ValueError(f"{name} has masked entries; leave those rows out.")
    if isinstance(y, (list, tuple)) and len({type(label) for label in y}) > 1:
        labels = np.empty(len(y), object)  # NumPy would turn 1 and "a" into text
        labels[:] = y
        if all(isinstance(label, (int, float, np.number)) for label in y):
            labels = np.asarray(y)
    else:
        labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(
            f"{name} must have one dimension, a class label for each row; got shape "
            f"{labels.shape}. Use {name}.ravel(), or argmax for one-hot rows."
        )
    if len(labels) != n_rows:
        raise ValueError(
            f"{name} must have a label for each of the {n_rows} rows of {rows_name}; got "
            f"{len(labels)}."
        )
    if labels.dtype.kind in "fc" and not np.isfinite(labels).all():
        raise ValueError(f"{name} must not hold NaN or infinity. Leave those rows out.")
    if labels.dtype.kind in "mMO":
        try:
            unlike = [label for label in labels if label != label]
            hash(tuple(labels.tolist()))
        except (TypeError, ValueError):
            raise TypeError("class labels must be hashable, such as numbers or text.") from None
        if unlike:
            raise ValueError(f"{name} must not hold NaN or NaT. Leave those rows out.")
    return labels


def encode_labels(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intc]]:
    """The classes of `y` and, for each row, which of them it is.

    Classes are sorted, or, where they can't be compared, in order of appearance.
    """
    # Sets, too, can be compared, but not put in order.
    sortable = y.dtype != object or all(isinstance(label, (str, bytes, Real)) for label in y)
    try:
        if not sortable:
            raise TypeError
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError:
        kinds = list(dict.fromkeys(y.tolist()))
        classes = np.empty(len(kinds), object)
        classes[:] = kinds
        return _two_or_more(classes), lookup_labels(y, classes, "y_train")
    return _two_or_more(classes), codes.astype(np.intc)


def _two_or_more(classes: NDArray[Any]) -> NDArray[Any]:
    if len(classes) < 2:
        raise ValueError(
            f"y_train must hold at least two classes; got only {classes[0]!r}. "
            "There is nothing to tell apart."
        )
    return classes


def lookup_labels(y: NDArray[Any], classes: NDArray[Any], name: str) -> NDArray[np.intc]:
    """Which of the known classes each label is."""
    place = {label: code for code, label in enumerate(classes.tolist())}
    codes = [place.get(label, -1) for label in y.tolist()]
    if -1 in codes:
        raise ValueError(
            f"{name} must hold only classes that y_train has; got {y[codes.index(-1)]!r}, and "
            f"y_train has {_shorten(classes)}."
        )
    return np.array(codes, np.intc)


def _shorten(classes: NDArray[Any]) -> str:
    names = [repr(label) for label in classes[:10].tolist()]
    return ", ".join(names) + (f" and {len(classes) - 10} more" if len(classes) > 10 else "")
