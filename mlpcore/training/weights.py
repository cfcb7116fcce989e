"""Weights of rows by their class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def weigh_rows(
    class_weight: Mapping[Any, float] | str | None,
    classes: NDArray[Any],
    labels: NDArray[np.intc],
    sample_weight: NDArray[np.float64] | None,
) -> NDArray[np.float64] | None:
    """Weights of rows after those of their classes.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        By label; a class that is not in the dict has weight 1.
    classes : ndarray, shape (n_classes,)
    labels : ndarray of intc, shape (n_samples,)
        The class of each row by its number.
    sample_weight : ndarray of float64, shape (n_samples,), or None

    Returns
    -------
    weights : ndarray of float64, shape (n_samples,), or None
        None where every row counts 1.

    Raises
    ------
    ValueError
        If the dict has a label that is no class, a weight is not finite, or all weights together
        are not above 0.
    """
    if class_weight is None:
        return sample_weight
    if isinstance(class_weight, str):
        by_class = balanced_weights(labels, len(classes), sample_weight)
    else:
        unknown = [label for label in class_weight if label not in classes.tolist()]
        if unknown:
            raise ValueError(
                f"class_weight must be a dict of classes that y has, {classes.tolist()[:10]}; got "
                f"{unknown[0]!r}."
            )
        by_class = np.array([class_weight.get(label, 1) for label in classes.tolist()], np.float64)
    weights: NDArray[np.float64] = by_class[labels]
    if sample_weight is not None:
        weights = weights * sample_weight
    if not (np.isfinite(by_class).all() and weights.sum() > 0):
        raise ValueError(
            f"class_weight must give finite weights that do not sum to 0 or less; got "
            f"{class_weight!r}. Give a class a weight above 0."
        )
    return weights


def balanced_weights(
    labels: NDArray[np.intc], n_classes: int, sample_weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Weights of classes by which all of them weigh the same [1]_.

    Parameters
    ----------
    labels : ndarray of intc, shape (n_samples,)
        The class of each row by its number.
    n_classes : int
    sample_weight : ndarray of float64, shape (n_samples,), optional
        Weights of the rows; a row of weight 2 counts as two rows.

    Returns
    -------
    weights : ndarray of float64, shape (n_classes,)
        ``total / (n_classes * weight of the class)``; 0 for a class without weight.

    References
    ----------
    .. [1] King & Zeng, "Logistic regression in rare events data", Political Analysis 9, 2001.
    """
    per_class = np.bincount(labels, sample_weight, n_classes).astype(np.float64)
    present = per_class > 0
    weights: NDArray[Any] = np.zeros(n_classes)
    weights[present] = per_class.sum() / (n_classes * per_class[present])
    return weights
