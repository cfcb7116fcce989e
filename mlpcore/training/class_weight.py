"""Weights of rows: those given, times those of their classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore._validation import check_total


def class_weights(
    class_weight: Any,
    target: NDArray[Any],
    classes: NDArray[Any],
    sample_weight: NDArray[Any] | None,
    count: Callable[..., NDArray[Any]] = np.bincount,
) -> list[NDArray[np.float64]]:
    """The weight of each class, or of 0 and 1 in each column where several labels apply.

    Parameters
    ----------
    class_weight : dict, list of dict or "balanced"
    target : ndarray of int, shape (n_samples,) or (n_samples, n_columns)
        The index of each training row's class in `classes`; or, with several columns, for each
        label whether it applies.
    classes : ndarray, shape (n_classes,)
    sample_weight : ndarray, shape (n_samples,), or None
        Weights of the rows, by which classes are balanced.
    count : callable, default=numpy.bincount
        Counts over all rows, where these are only some of them.

    Returns
    -------
    weights : list of ndarray of float64
        The weights of the classes of each column.

    Raises
    ------
    ValueError, TypeError
        If `class_weight` does not go with y, or the weights of a class sum to 0 or less.
    """
    codes = _columns(target)
    n_columns = codes.shape[1]
    several = n_columns > 1
    labels = [[0, 1]] * n_columns if several else [classes.tolist()]
    names = [f"class_weight[{i}]" if several else "class_weight" for i in range(n_columns)]
    if isinstance(class_weight, str):
        return [
            _balanced(
                codes[:, i], labels[i], sample_weight, f"label {i}" if several else "y", count
            )
            for i in range(n_columns)
        ]
    if several and (isinstance(class_weight, dict) or len(class_weight) != n_columns):
        got = "a dict" if isinstance(class_weight, dict) else f"{len(class_weight)} of them"
        raise ValueError(
            f"class_weight must be a list of {n_columns} dicts, one for each column of y, or "
            f"'balanced', where several labels apply; got {got}. Give each label the weights of "
            "its absence and presence, such as {0: 1, 1: 5}."
        )
    if not several and not isinstance(class_weight, dict):
        raise ValueError(
            "class_weight must be one dict or 'balanced' where one label applies; got a list of "
            f"{len(class_weight)}. A list of dicts is for a y of several columns."
        )
    given = class_weight if several else [class_weight]
    return [_listed(*each) for each in zip(given, labels, names, strict=True)]


def weigh_rows(
    sample_weight: NDArray[np.float64] | None,
    by_class: list[NDArray[np.float64]] | None,
    target: NDArray[Any],
    name: str,
    rows: str,
    total: Callable[[NDArray[Any]], float] = np.sum,
) -> tuple[NDArray[np.float64] | None, str]:
    """Multiply the weights of rows and those of their classes.

    Parameters
    ----------
    sample_weight : ndarray of float64, shape (n_samples,), or None
    by_class : list of ndarray, or None
        As `class_weights` returns them; those of a row's columns are multiplied.
    target : ndarray of int, shape (n_samples,) or (n_samples, n_columns)
        As for `class_weights`.
    name, rows : str
        The caller's names of `sample_weight` and the rows.
    total : callable, default=numpy.sum
        The sum over all rows, where these are only some of them.

    Returns
    -------
    weights : ndarray of float64, shape (n_samples,), or None
        None where all rows weigh the same.
    name : str
        The name of these weights.

    Raises
    ------
    ValueError
        If they do not sum to a finite number above zero.
    """
    weights, name = sample_weight, name_of_weights(sample_weight, by_class, name)
    if by_class is not None:
        weights = times_class_weights(sample_weight, by_class, target)
    if weights is not None:
        check_total(weights, name, f"the rows of {rows}", total=total)
    return weights, name


def name_of_weights(
    sample_weight: Any, by_class: list[NDArray[np.float64]] | None, name: str
) -> str:
    """The name of the weights that `weigh_rows` makes."""
    if by_class is None:
        return name
    return "class_weight" if sample_weight is None else f"{name} times class_weight"


def times_class_weights(
    sample_weight: NDArray[np.float64] | None,
    by_class: list[NDArray[np.float64]],
    target: NDArray[Any],
) -> NDArray[np.float64]:
    """The weights of rows times those of their classes."""
    codes = _columns(target)
    columns = [part[codes[:, i]] for i, part in enumerate(by_class)]
    weights = np.asarray(np.prod(columns, axis=0), np.float64)
    if sample_weight is not None:
        weights *= sample_weight
    return weights


def _columns(target: NDArray[Any]) -> NDArray[np.intp]:
    return target.reshape(len(target), -1).astype(np.intp, copy=False)


def _balanced(
    codes: NDArray[np.intp],
    labels: Sequence[Any],
    sample_weight: NDArray[Any] | None,
    where: str,
    count: Callable[..., NDArray[Any]],
) -> NDArray[np.float64]:
    """Weights under which all classes weigh the same, while the sum of all stays what it is.

    King & Zeng, "Logistic regression in rare events data", 2001; a row of weight 3 counts as three
    rows, as in scikit-learn from 1.7 on.
    """
    present = count(codes, minlength=len(labels)) > 0
    counts = count(codes, weights=sample_weight, minlength=len(labels)).astype(np.float64)
    for label, weight in zip(labels, counts, strict=True):
        if weight <= 0 and present[labels.index(label)]:
            raise ValueError(
                f"class_weight='balanced' needs rows of every class that weigh more than 0 "
                f"together; got {weight:g} for {label!r} in {where}. Leave such rows out, or give "
                "the weights of the classes yourself."
            )
    # A label that no row has, or every row, cannot be balanced.
    weights = np.ones(len(labels))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights


def _listed(given: Any, labels: Sequence[Any], name: str) -> NDArray[np.float64]:
    """Weights from a dict; 1 for classes that it does not have."""
    if not isinstance(given, dict):
        raise TypeError(f"{name} must be a dict of weights; got {given!r}.")
    missing = [label for label in labels if label not in given]
    # As in scikit-learn: more classes than there are in y may be listed, unless one of y's is not.
    if missing and len(labels) - len(missing) != len(given):
        unknown = [key for key in given if key not in labels]
        raise ValueError(
            f"{name} must have the labels of y for keys; got {unknown}, while y has "
            f"{missing}, too. Give a weight for each label as it stands in y."
        )
    return np.array([_number(given.get(label, 1), label, name) for label in labels])


def _number(value: Any, label: Any, name: str) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must hold numbers; got {value!r} for {label!r}.") from None
    if not np.isfinite(number):
        raise ValueError(f"{name} must hold finite numbers; got {number:g} for {label!r}.")
    return number
