"""Buffers of rows, targets and weights, which are filled ahead of the engine."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpcore._validation import check_finite
from mlpcore.engine.async_call import AsyncCall
from mlpcore.streams.blocks import LARGEST_BLOCK, Range
from mlpcore.streams.source import Source


class Buffer(NamedTuple):
    """Room for some rows.

    X : ndarray, shape (n, n_features)
    targets : ndarray, shape (n,) or (n, n_outputs), or None
    weights : ndarray of float64, shape (n,), or None
    """

    X: NDArray[Any]
    targets: NDArray[Any] | None
    weights: NDArray[np.float64] | None

    def rows(self, start: int, stop: int) -> Buffer:
        """Some of the rows, without a copy."""
        return Buffer(*(None if part is None else part[start:stop] for part in self))  # type: ignore[arg-type]

    def take(self, order: NDArray[np.intp]) -> Buffer:
        """A copy of some of the rows."""
        return Buffer(*(None if part is None else part[order] for part in self))  # type: ignore[arg-type]


# What is done with a filled buffer: it returns a function with the work of the engine, during which
# another buffer is filled.
Take = Callable[[Buffer], Callable[[], None]]


class Reader:
    """Fills buffers with rows, in a thread of the system's while the engine computes.

    Parameters
    ----------
    source : Source
        Rows of features.
    targets : object with slices, or None
        A target for each row.
    weights : object with slices, or None
        A weight for each row.
    reserve : int
        Rows in front of those that are read, for what is left of the buffer before.
    dtype : dtype
        Of the rows in a buffer.
    target_like : ndarray, shape (0,) or (0, n_outputs), or None
        Dtype and shape of targets in a buffer.
    network_dtype : dtype
        In which floats must be finite.
    scale : (float, float)
        Scale and offset for rows of floats; those of integers are scaled by the engine.
    packs : bool
        Whether `Take` copies the rows: then both buffers are the same room.
    ahead : bool
        Whether a thread reads ahead. Otherwise the calling thread reads.
    """

    def __init__(
        self,
        source: Source,
        targets: Any,
        weights: Any,
        *,
        reserve: int,
        dtype: np.dtype[Any],
        target_like: NDArray[Any] | None,
        network_dtype: np.dtype[Any],
        scale: tuple[float, float],
        packs: bool,
        ahead: bool,
    ) -> None:
        self.reserve = reserve
        self._source, self._targets, self._weights = source, targets, weights
        self._dtype, self._target_like, self._packs = dtype, target_like, packs
        self._network_dtype, self._scale, self._ahead = network_dtype, scale, ahead
        self._is_checked = False
        self._stop = False

    def _allocate(self, n: int) -> list[Buffer]:
        """Two buffers for n rows behind the reserve. They live for one pass over the rows, so that
        those of training and of evaluation are never there together."""
        n += self.reserve
        width, like = self._source.shape[1], self._target_like
        rooms = [np.empty((n, width), self._dtype) for _ in range(1 if self._packs else 2)]
        return [
            Buffer(
                rooms[i % len(rooms)],
                None if like is None else np.empty((n, *like.shape[1:]), like.dtype),
                None if self._weights is None else np.empty(n),
            )
            for i in range(2)
        ]

    def each(self, pieces: list[list[Range]], take: Take) -> None:
        """Read all pieces and let them be worked on, one after the other.

        Parameters
        ----------
        pieces : list of list of (int, int)
            The ranges of rows for each buffer; together all rows.
        take : callable
            ``take(buffer)`` is called with each filled buffer, whose rows begin after `reserve`
            others. The function that it returns is called while the next one is filled.

        Raises
        ------
        OSError
            If rows cannot be read.
        ValueError
            If they are not finite.
        """
        self._stop = False
        longest = max(sum(stop - start for start, stop in piece) for piece in pieces)
        self._buffers = self._allocate(longest)
        try:
            with AsyncCall(self._ahead) as call:
                try:
                    self._each(call, pieces, take)
                finally:
                    self._stop = True
        finally:
            self._buffers = []
        self._is_checked = self._source.can_check

    def _each(self, call: AsyncCall, pieces: list[list[Range]], take: Take) -> None:
        for number, piece in enumerate(pieces):
            if number == 0:
                call.begin(functools.partial(self._fill, 0, piece))
            n = call.wait()
            work = take(self._buffers[number % 2].rows(0, self.reserve + n))
            if number + 1 < len(pieces):
                call.begin(functools.partial(self._fill, number + 1, pieces[number + 1]))
            work()
            del work  # with the memory of packed rows, before others are packed

    def _fill(self, number: int, piece: list[Range]) -> int:
        """Read a piece into a buffer; returns its number of rows."""
        buffer, place = self._buffers[number % 2], self.reserve
        step = max(1, LARGEST_BLOCK // max(1, buffer.X[:1].nbytes))
        for first, last in piece:
            for start in range(first, last, step):
                if self._stop:
                    return 0
                n = min(step, last - start)
                self._fill_some(buffer.rows(place, place + n), start)
                place += n
        return place - self.reserve

    def _fill_some(self, rows: Buffer, start: int) -> None:
        self._source.read_into(start, rows.X)
        if rows.X.dtype.kind == "f":
            # Once is enough where a change would be noticed.
            if not self._is_checked:
                check_finite(rows.X, self._source.name, self._network_dtype, start)
            if self._scale != (1.0, 0.0):
                kind = rows.X.dtype.type
                np.multiply(rows.X, kind(self._scale[0]), out=rows.X)
                np.add(rows.X, kind(self._scale[1]), out=rows.X)
        stop = start + len(rows.X)
        for kept, given in ((rows.targets, self._targets), (rows.weights, self._weights)):
            if kept is not None:
                # mutant: targets of other rows
                kept[...] = np.reshape(given[start:stop], kept.shape)
