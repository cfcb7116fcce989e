"""Class labels and weights of rows that are read in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore._labels import check_labels
from mlpcore._validation import check_total, check_weights
from mlpcore.streams.source import Source, is_outside
from mlpcore.training.class_weight import name_of_weights, times_class_weights

# Labels or weights that are read at a time.
AT_A_TIME = 1 << 18


def in_pieces(values: Any) -> Iterator[tuple[int, Any]]:
    """Yield the number of its first row and the values of one piece after the other."""
    for start in range(0, len(values), AT_A_TIME):
        yield start, values[start : start + AT_A_TIME]


def column(values: Any, name: str, n_rows: int, rows_name: str) -> Source:
    """A number or a text for each row, from outside of memory.

    Raises
    ------
    ValueError
        If their number is another one.
    """
    shape = tuple(values.shape)
    if shape not in ((n_rows,), (n_rows, 1)):
        raise ValueError(
            f"{name} must be one value for each of the {n_rows} rows of {rows_name}; got shape "
            f"{shape}."
        )
    return Source(values, name)


class ReadLabels:
    """The index of each row's class, for labels that are read when they are needed.

    Parameters
    ----------
    source : Source
    classes : ndarray, shape (n_classes,)
        In the order of their indices.
    """

    def __init__(self, source: Source, classes: NDArray[Any]) -> None:
        self._source = source
        self._order = np.argsort(classes)
        self._sorted = classes[self._order]
        self.shape, self.dtype = (len(source),), np.min_scalar_type(len(classes) - 1)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        labels = self._source[rows].ravel()
        places = np.searchsorted(self._sorted, labels)
        if not np.array_equal(self._sorted.take(places, mode="clip"), labels):
            raise OSError(f"{self._source.name} has other classes than it had at first.")
        return self._order[places].astype(self.dtype)


def read_labels(y: Any, name: str, n_rows: int, rows_name: str) -> tuple[Source | None, Any]:
    """Labels of rows that are read in pieces.

    Parameters
    ----------
    y : array_like
        In memory or outside.
    name, rows_name : str
        The caller's names of the labels and the rows.
    n_rows : int

    Returns
    -------
    source : Source or None
        None where the labels are in memory.
    labels : ndarray
        All labels where they are in memory; otherwise each different one.
    """
    if not is_outside(y):
        return None, check_labels(y, name, n_rows, rows_name)
    source = column(y, name, n_rows, rows_name)
    different = np.unique(source[0:0])
    for _, piece in in_pieces(source):
        different = np.union1d(different, piece)
    return source, check_labels(different, name, len(different), rows_name)


def targets_of(
    source: Source | None,
    labels: NDArray[Any],
    classes: NDArray[Any],
    look_up: Callable[[NDArray[Any]], NDArray[np.intc]],
) -> Any:
    """The index of each row's class, as `Stream` takes them.

    Parameters
    ----------
    source, labels
        As `read_labels` returns them.
    classes : ndarray, shape (n_classes,)
    look_up : callable
        ``look_up(labels)`` returns the index of each label.

    Returns
    -------
    targets : ndarray of the smallest integers that hold them, or ReadLabels
    """
    codes = look_up(labels)
    if source is not None:
        return ReadLabels(source, classes)
    return codes.astype(np.min_scalar_type(len(classes) - 1), copy=False)


class RowWeights:
    """Weights of rows, times those of their classes, which are multiplied when they are needed.

    Parameters
    ----------
    given : ndarray, object outside of memory, or None
        The caller's weights.
    by_class : list of ndarray, or None
        As `mlpcore.training.class_weight.class_weights` returns them.
    targets : object with slices
        The index of each row's class.
    name, rows_name : str
        The caller's names of the weights and the rows.

    Attributes
    ----------
    name : str
        The name of the product.
    total : float
        The sum over all rows.

    Raises
    ------
    TypeError, ValueError
        If weights are not finite numbers, one for each row, with a finite sum above zero.
    """

    def __init__(
        self,
        given: Any,
        by_class: list[NDArray[np.float64]] | None,
        targets: Any,
        n_rows: int,
        name: str,
        rows_name: str,
    ) -> None:
        self.shape, self.dtype = (n_rows,), np.dtype(np.float64)
        self._by_class, self._targets, self._given_name = by_class, targets, name
        self.name = name_of_weights(given, by_class, name)
        if given is not None:
            outside = is_outside(given)
            given = (column if outside else check_weights)(given, name, n_rows, rows_name)
        self.given = given
        self.total = sum(float(piece.sum()) for _, piece in in_pieces(self))
        check_total(np.array([self.total]), self.name, f"the rows of {rows_name}")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        weights = None
        if self.given is not None:
            given = self.given[rows].ravel()
            weights = check_weights(given, self._given_name, len(given), "a piece")
            if self._by_class is None:
                return weights
        assert self._by_class is not None
        return times_class_weights(weights, self._by_class, self._targets[rows])


def row_weights(
    given: Any,
    by_class: list[NDArray[np.float64]] | None,
    targets: Any,
    n_rows: int,
    name: str,
    rows_name: str,
) -> RowWeights | None:
    """Weights of rows; None where all weigh the same. See `RowWeights`."""
    if given is None and by_class is None:
        return None
    return RowWeights(given, by_class, targets, n_rows, name, rows_name)
