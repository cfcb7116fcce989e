"""What kind of labels an array holds, and whether two arrays of labels can be compared."""

from __future__ import annotations

import datetime
import numbers

import numpy as np
from numpy.typing import ArrayLike

# Labels of two of these kinds are never equal, whatever their values.
_KINDS: dict[str, tuple[type, ...]] = {
    "numbers": (numbers.Number, np.bool_),
    "text": (str,),
    "bytes": (bytes,),
    "dates": (datetime.date, np.datetime64),
}


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
        What the caller's caller knows them as, for the message.

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
