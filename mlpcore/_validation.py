"""The checks of users' arguments, so that each mistake has one wording."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlpcore._labels import pandas_na
from mlpcore.engine.registry import INPUT_KINDS

# Rows that are checked together: enough for NumPy to be fast, few enough to stay in the cache.
_ROWS_AT_A_TIME = 1024

# The engine counts units and features in C ints, as BLAS does.
_LARGEST: int = np.iinfo(np.intc).max

# The largest size of an integer that the engine reads as it is, and scales.
_LARGEST_READ: int = max(
    max(abs(np.iinfo(kind).min), np.iinfo(kind).max)
    for kind in INPUT_KINDS
    if np.dtype(kind).kind != "f"
)


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
    """A seed for `numpy.random.RandomState`: None or a whole number below 2**32."""
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
    """Rows of finite numbers, as an array that the engine reads without conversion.

    Parameters
    ----------
    X : array_like or scipy.sparse matrix, shape (n_samples, n_features)
    name : str
        The caller's name of X.
    dtype : dtype or None
        The network's, for data that must be converted; None converts to float32 where it holds all
        values, and to float64 otherwise.
    n_features : int or None
        The required number of columns.
    finite : bool
        Whether to check dense rows for NaN and infinity; else the caller uses `check_finite`.

    Returns
    -------
    X : ndarray of one of INPUT_KINDS, native byte order, elements of a row adjacent
        The caller's array itself if it is such an array. For a sparse matrix, a CSR matrix of
        floats with sorted indices and no duplicates.
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
        array = _as_floats(X, array, name)
    if array.ndim != 2:
        raise ValueError(
            f"{name} must have two dimensions, rows and features; got shape {array.shape}. "
            f"Reshape your data: one row by {name}.reshape(1, -1), one feature by "
            f"{name}.reshape(-1, 1)."
        )
    _check_shape(array.shape, name, n_features)
    if array.dtype.name not in INPUT_KINDS:
        with np.errstate(over="ignore"):  # what overflows is found below
            array = array.astype(dtype or float_for(array.dtype))
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.aligned or (array.shape[1] > 1 and array.strides[1] != array.itemsize):
        array = np.array(array, order="C")  # ascontiguousarray would keep the misalignment
    if finite:
        check_finite(array, name, dtype)
    return array


def check_source(X: Any, name: str, n_features: int | None = None) -> None:
    """Raise for rows outside of memory that are not rows of numbers; see `check_rows`.

    Parameters
    ----------
    X : object with shape and dtype
    name : str
        The caller's name of X.
    n_features : int or None
        The required number of columns.
    """
    if len(X.shape) != 2:
        raise ValueError(
            f"{name} must have two dimensions, rows and features; got shape {tuple(X.shape)}. "
            "Reshape a mapped array with .reshape(len(array), -1)."
        )
    _check_shape(X.shape, name, n_features)
    if np.dtype(X.dtype).kind not in "fiub":
        raise TypeError(
            f"{name} must hold numbers; got dtype {X.dtype}. Encode text and categories as "
            "numbers first."
        )


def _as_floats(X: Any, array: NDArray[Any], name: str) -> NDArray[Any]:
    """Numbers in an array of objects, or of another package's dtype."""
    if array.dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: {name} must hold real numbers; got dtype {array.dtype}. "
            f"Use {name}.real and {name}.imag as features."
        )
    if array.ndim == 0:
        raise TypeError(
            f"{name} must be an array or a list of rows; got {type(X).__name__}. Give the rows "
            "themselves, those of a generator as list(...)."
        )
    try:
        if array.dtype.kind == "V" and array.dtype.names is None:
            # bfloat16, float8 and int4 of ml_dtypes, which float32 holds exactly.
            return array.astype(np.float32 if array.itemsize <= 2 else np.float64)
        if array.dtype.kind != "O":
            raise TypeError("not numbers")
        missing = [value is pandas_na() for value in array.flat]
        if any(missing):
            array = np.where(np.reshape(missing, array.shape), np.nan, array)
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must hold numbers; got dtype {array.dtype} ({error}). Encode text and "
            "categories as numbers first."
        ) from None


def float_for(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    """float32 where it represents all numbers of a dtype exactly, else float64."""
    bits = 8 * dtype.itemsize
    return np.float32 if bits <= (16 if dtype.kind in "iub" else 32) else np.float64


def _check_shape(shape: tuple[int, ...], name: str, n_features: int | None) -> None:
    n_rows, columns = shape
    if n_features is not None and columns != n_features:
        raise ValueError(
            f"{name} has {columns} features, but NeuralNetMLP is expecting {n_features} features "
            "as input, as in fit. Pass the same columns, or call fit again."
        )
    for number, what in ((n_rows, "sample"), (columns, "feature")):
        if number == 0:
            raise ValueError(
                f"{name} must have at least one row and one column; got 0 {what}(s) "
                f"(shape={shape}) while a minimum of 1 is required."
            )
    if columns > _LARGEST:
        raise ValueError(f"{name} must have at most {_LARGEST} columns; got {columns}.")


def _check_sparse(X: Any, name: str, dtype: np.dtype[Any] | None, n_features: int | None) -> Any:
    """`check_rows` for a sparse matrix, without a copy if its entries are in order."""
    if len(X.shape) != 2:
        raise ValueError(
            f"{name} must have two dimensions, rows and features; got shape {X.shape}."
        )
    _check_shape(X.shape, name, n_features)
    matrix = X.tocsr()
    if matrix.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {matrix.dtype}.")
    if matrix.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers; got dtype {matrix.dtype}.")
    # SciPy caches earlier checks, and the arrays may have been written to since.
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


def check_finite(
    array: NDArray[Any], name: str, dtype: np.dtype[Any] | None, first_row: int = 0
) -> None:
    """Raise for NaN, infinity, and what the network's dtype cannot hold, in dense rows.

    `first_row` is the number of the array's first row, where it is a piece of larger data.
    """
    if array.dtype.kind != "f":
        return
    largest = np.finfo(dtype or array.dtype).max
    for start in range(0, len(array), _ROWS_AT_A_TIME):
        block = array[start : start + _ROWS_AT_A_TIME]
        # min and max propagate NaN, and need no temporary array.
        low, high = block.min(), block.max()
        if -largest <= low and high <= largest:
            continue
        with np.errstate(invalid="ignore"):
            row, column = np.argwhere(~(np.abs(block) <= largest))[0]
        raise _not_finite(name, block[row, column], first_row + start + row, column)


def _not_finite(name: str, value: Any, row: int, column: int) -> ValueError:
    return ValueError(
        f"{name} must be finite, without NaN and infinity; got {value} in row {row}, column "
        f"{column}. Leave such rows out or fill them in."
    )


def check_weights(weights: ArrayLike, name: str, n_rows: int, rows_name: str) -> NDArray[Any]:
    """Weights of rows: finite numbers, one for each row.

    Parameters
    ----------
    weights : array_like, shape (n_rows,), or a single number for all rows
    name, rows_name : str
        The caller's names of the weights and the rows.
    n_rows : int

    Returns
    -------
    weights : ndarray of float64, shape (n_rows,)

    Raises
    ------
    TypeError
        If they are not numbers.
    ValueError
        If they are not finite, or not one for each row.
    """
    try:
        array = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must hold numbers; got {type(weights).__name__}.") from None
    if array.ndim == 0:
        array = np.full(n_rows, array)
    if array.shape != (n_rows,):
        raise ValueError(
            f"{name} must have a weight for each of the {n_rows} rows of {rows_name}; got shape "
            f"{array.shape}."
        )
    if not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{name} must be finite; got {array[row]} in row {row}.")
    return np.ascontiguousarray(array)


def check_total(
    weights: NDArray[Any],
    name: str,
    rows: str,
    advice: str = "",
    total: Callable[[NDArray[Any]], float] = np.sum,
) -> None:
    """Raise ValueError unless weights have a sum that losses can be divided by.

    Parameters
    ----------
    weights : ndarray of float64
    name, rows : str
        The caller's names of the weights and the rows.
    advice : str, optional
        The end of the message; by default to give other weights.
    total : callable, default=numpy.sum
        The sum over all rows, where these are only some of them.
    """
    with np.errstate(over="ignore"):
        weight = total(weights)
    if not 0 < weight < np.inf:
        raise ValueError(
            f"{name} must sum to a finite number above zero over {rows}; got {weight:g}. "
            + (advice or "Give rows weights above 0, or none at all.")
        )


def check_start(starts: Any, name: str, shapes: list[tuple[int, ...]]) -> list[NDArray[Any]]:
    """Starting weights or biases: finite arrays, one for each layer.

    Parameters
    ----------
    starts : sequence of array_like
    name : str
        The caller's name of them.
    shapes : list of tuple of int
        The shape for each layer.

    Returns
    -------
    arrays : list of ndarray

    Raises
    ------
    ValueError
        If a shape differs, or a number is not finite.
    """
    try:
        arrays = [np.asarray(start) for start in starts]
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be None or a sequence of arrays, one for each layer; got {starts!r}."
        ) from None
    if [array.shape for array in arrays] != shapes:
        raise ValueError(
            f"{name} must hold an array for each layer, of shapes {shapes}; got "
            f"{[array.shape for array in arrays]}."
        )
    for array in arrays:
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite numbers.")
    return arrays
