"""Names of a data frame's columns."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray


def feature_names(X: Any) -> NDArray[np.object_] | None:
    """The names of a data frame's columns, where all of them are text.

    Parameters
    ----------
    X : anything that `fit` accepts

    Returns
    -------
    names : ndarray of object, shape (n_features,), or None
        None for what has no columns with names, and where no name is text.

    Raises
    ------
    TypeError
        If some names are text and others are not.
    """
    columns = getattr(X, "columns", None)
    if columns is None or not hasattr(X, "__array__"):
        return None
    names = np.empty(len(columns), object)
    names[:] = list(columns)
    text = [isinstance(name, str) for name in names]
    if any(text) and not all(text):
        raise TypeError(
            "Feature names are only supported if all input features have string names; got "
            f"{names[text.index(False)]!r} among them. Use X.columns = X.columns.astype(str)."
        )
    return names if len(names) and all(text) else None


def check_names_match(
    known: NDArray[np.object_] | None, names: NDArray[np.object_] | None, name: str, model: str
) -> None:
    """Compare names of columns with those in `fit`, as scikit-learn's estimators do.

    Parameters
    ----------
    known : ndarray of object, shape (n_features,), or None
        The names in `fit`.
    names : the same, or None
        The names of the data at hand.
    name : str
        What the caller calls these data.
    model : str
        The class that was fitted.

    Raises
    ------
    ValueError
        If the names are others, or in another order.

    Warns
    -----
    UserWarning
        If only one of the two has names.
    """
    if known is None and names is None:
        return
    if known is None or names is None:
        ours, fitted = ("has", "without") if known is None else ("does not have valid", "with")
        warnings.warn(
            f"{name} {ours} feature names, but {model} was fitted {fitted} feature names",
            stacklevel=5,
        )
    elif list(known) != list(names):
        before, now = set(known), set(names)
        unseen = _listed("Feature names unseen at fit time", now - before)
        missing = _listed("Feature names seen at fit time, yet now missing", before - now)
        order = "Feature names must be in the same order as they were in fit.\n"
        raise ValueError(
            "The feature names should match those that were passed during fit.\n"
            + (unseen + missing or order)
            + f"Use {name}[model.feature_names_in_], or call fit again."
        )


def _listed(title: str, names: set[str]) -> str:
    lines = "".join(f"- {each}\n" for each in sorted(names)[:5])
    return f"{title}:\n{lines}{'- ...' + chr(10) if len(names) > 5 else ''}" if names else ""
