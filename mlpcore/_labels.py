"""Class labels: checks, encoding as numbers, and comparability."""

from __future__ import annotations

import datetime
import numbers
import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Labels of two of these kinds are never equal, whatever their values.
_KINDS: dict[str, tuple[type, ...]] = {
    "numbers": (numbers.Number, np.bool_),
    "text": (str,),
    "bytes": (bytes,),
    "dates": (datetime.date, np.datetime64),
}


def pandas_na() -> Any:
    """pandas' marker of a missing value; a new object where pandas is not loaded."""
    return getattr(sys.modules.get("pandas"), "NA", object())


def check_labels(y: ArrayLike, name: str, n_rows: int, rows_name: str) -> NDArray[Any]:
    """Class labels in one dimension, one for each row; one column is accepted with a warning."""
    if y is None:
        raise ValueError(
            f"fit requires y to be passed, but the target y is None. Give {name}, a class label "
            f"for each row of {rows_name}."
        )
    if isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y):
        raise ValueError(f"{name} has masked entries; leave those rows out.")
    if isinstance(y, (list, tuple)) and len({type(label) for label in y}) > 1:
        labels = np.empty(len(y), object)  # NumPy would turn 1 and "a" into text
        labels[:] = y
        if all(isinstance(label, (int, float, np.number)) for label in y):
            labels = np.asarray(y)
    else:
        labels = np.asarray(y)
    if tuple(labels.shape) == (n_rows, 1):
        _warn_of_a_column(name, labels.shape)
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"{name} must have one dimension, a class label for each row; got shape "
            f"{labels.shape}. Use one column, or argmax for one-hot rows."
        )
    if len(labels) != n_rows:
        raise ValueError(
            f"{name} must have a label for each of the {n_rows} rows of {rows_name}; got "
            f"{len(labels)}."
        )
    missing: Any = ()
    if labels.dtype.kind in "fc":
        missing = labels[~np.isfinite(labels)]
    elif labels.dtype.kind in "mMO":
        try:
            missing = [label for label in labels if _is_missing(label)]
            hash(tuple(labels.tolist()))
        except (TypeError, ValueError):
            raise TypeError("class labels must be hashable, such as numbers or text.") from None
    if len(missing):
        raise ValueError(
            f"{name} must not hold missing values (NaN, infinity, NaT, None or pandas.NA); got "
            f"{missing[0]} in {len(missing)} of {len(labels)} rows. Leave those rows out."
        )
    return labels


def _is_missing(label: Any) -> bool:
    return label is None or label is pandas_na() or bool(label != label)


def _warn_of_a_column(name: str, shape: tuple[int, ...]) -> None:
    """Warn that a column was taken for a vector, in scikit-learn's words."""
    sklearn = sys.modules.get("sklearn.exceptions")
    warnings.warn(
        f"A column-vector y was passed when a 1d array was expected: {name} has shape {shape}. Its "
        "column is taken; pass that alone to be rid of this warning.",
        getattr(sklearn, "DataConversionWarning", UserWarning),
        stacklevel=4,
    )


def encode_labels(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intc]]:
    """The classes of `y` and, for each row, the index of its class.

    Classes are sorted, or, where they can't be compared, in order of appearance. Raises ValueError
    for fewer than two classes, and for fractional numbers, which are targets of a regression and no
    classes.
    """
    if _is_continuous(y):
        raise ValueError(
            "Unknown label type: continuous. y_train must hold class labels; got numbers that are "
            "not whole. For regression use mlpcore.sklearn.MLPRegressor; to train on intervals, "
            "number them first."
        )
    # Sets can be compared, but have no total order.
    orderly = (str, bytes, numbers.Real)
    sortable = y.dtype != object or all(isinstance(label, orderly) for label in y)
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


def _is_continuous(y: NDArray[Any]) -> bool:
    """Whether there are fractional numbers: scikit-learn's criterion of a regression target."""
    if y.dtype == object and not all(isinstance(label, numbers.Real) for label in y):
        return False
    return y.dtype.kind in "fO" and any(number % 1 != 0 for number in y.tolist())


def _two_or_more(classes: NDArray[Any]) -> NDArray[Any]:
    if len(classes) < 2:
        raise ValueError(
            f"y_train must hold at least two classes; got one class, {classes.tolist()[0]!r}. "
            "A classifier needs two."
        )
    return classes


def lookup_labels(y: NDArray[Any], classes: NDArray[Any], name: str) -> NDArray[np.intc]:
    """The index of each label in the known classes."""
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


def check_same_kind(a: ArrayLike, a_name: str, b: ArrayLike, b_name: str) -> None:
    """Refuse two arrays of labels in which no label of one can equal a label of the other.

    Numbers of any dtype can be compared with each other, booleans included, and so can labels of
    a type that is neither a number, text, bytes nor a date, since such a type may define what it
    equals. An array of objects may mix kinds; one kind that both arrays hold is enough.

    Parameters
    ----------
    a, b : array-like of labels, any shape
        The arrays; an empty one can be compared with any.
    a_name, b_name : str
        The names of the user's arguments, for the message.

    Raises
    ------
    TypeError
        If the two arrays have no kind of label in common.

    Examples
    --------
    >>> from mlpcore._labels import check_same_kind
    >>> check_same_kind([0, 1], "y_true", [0.0, 1.0], "y_pred")
    >>> check_same_kind(["0", "1"], "y_true", [0.0, 1.0], "y_pred")
    Traceback (most recent call last):
        ...
    TypeError: y_true holds text (str) and y_pred holds numbers (float64), which are never \
equal. Convert one of them with astype.
    """
    kinds_a, kinds_b = _kinds(a), _kinds(b)
    if not kinds_a or not kinds_b or kinds_a.keys() & kinds_b.keys():
        return
    raise TypeError(
        f"{a_name} holds {_describe(kinds_a)} and {b_name} holds {_describe(kinds_b)}, "
        "which are never equal. Convert one of them with astype."
    )


def _kinds(labels: ArrayLike) -> dict[str, set[str]]:
    """Return the kinds of labels with their types' names; none if a type is of no known kind."""
    array = np.asarray(labels)
    if array.dtype == object:
        types = set(map(type, array.ravel().tolist()))
    else:
        types = {array.dtype.type} if array.size else set()
    found: dict[str, set[str]] = {}
    for label_type in types:
        for kind, members in _KINDS.items():
            if issubclass(label_type, members):
                # NumPy's own names of Python's types end in an underscore.
                found.setdefault(kind, set()).add(label_type.__name__.rstrip("_"))
                break
        else:
            return {}
    return found


def _describe(kinds: dict[str, set[str]]) -> str:
    """Return the kinds and types in words, such as "numbers (float64) and text (str)"."""
    return " and ".join(f"{kind} ({', '.join(sorted(kinds[kind]))})" for kind in sorted(kinds))
