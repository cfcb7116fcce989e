"""Training and evaluation on rows that are read in pieces."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore._validation import check_finite
from mlpcore.engine.evaluation import BLOCK_ROWS
from mlpcore.engine.inputs import Input
from mlpcore.engine.packing import most_frequent
from mlpcore.engine.trainer import Trainer
from mlpcore.streams.blocks import grid, shuffled
from mlpcore.streams.reader import Buffer, Reader
from mlpcore.streams.source import Source, buffer_dtype

# Rows from which the path through the first layer is chosen and its work partitioned: the first
# ones, as for rows in memory, and others from evenly spaced places; of a buffer these fractions at
# most.
_SAMPLED_ROWS = 512
_PLACES = 7
_FRACTION, _FRACTION_OF_A_PLACE = 32, 128
# Bytes of a row in a buffer besides its features and targets: its weight, and its place in the
# order of each buffer.
_BYTES_BESIDE = 16


class Stream:
    """Rows with targets and weights, which are read in pieces and never held as a whole.

    Parameters
    ----------
    source : Source
    targets : object with slices, or None
        For each row the index of an output unit, or the target of each output.
    weights : object with slices that are float64, or None
    target_like : ndarray, shape (0,) or (0, n_outputs), or None
        Dtype and shape in which the engine reads targets.
    dtype : dtype
        The network's.
    scale : (float, float), default=(1.0, 0.0)
        Scale and offset by which features are read.
    path : {"auto", "dense", "sparse"}, default="dense"
        The path through the first layer.
    distorts : bool, default=False
        Whether the trainer distorts the rows, so that they are not packed for it.
    buffer_bytes : int
        Memory for rows.
    minibatch_size : int, default=1
    n_threads : int, default=1
        For packing. With one thread, that one reads; otherwise another reads ahead.

    Attributes
    ----------
    sample : ndarray, shape (n, n_features)
        Some of the rows, scaled if they are floats.
    input : Input
        The sample on the path that all pieces take.
    sample_targets : ndarray
        Zeros in place of the sample's targets.
    grid : Grid

    Raises
    ------
    ValueError
        If the buffer is too small, or rows of the sample are not finite.
    OSError
        If rows cannot be read.
    """

    def __init__(
        self,
        source: Source,
        targets: Any,
        weights: Any,
        *,
        target_like: NDArray[Any] | None,
        dtype: np.dtype[Any],
        scale: tuple[float, float] = (1.0, 0.0),
        path: str = "dense",
        distorts: bool = False,
        buffer_bytes: int,
        minibatch_size: int = 1,
        n_threads: int = 1,
    ) -> None:
        self.source, self.targets, self.weights = source, targets, weights
        self._dtype, self._scale, self._n_threads = dtype, scale, n_threads
        self._distorts, self._minibatch_size = distorts, minibatch_size
        kept = buffer_dtype(source.dtype, dtype)
        per_target = 0 if target_like is None else np.empty((1, *target_like.shape[1:])).nbytes
        row_bytes = source.shape[1] * kept.itemsize + per_target + _BYTES_BESIDE
        self.grid = grid(len(source), row_bytes, buffer_bytes, source.chunks, source.must_align)
        if minibatch_size > self.grid.capacity:
            raise ValueError(
                f"buffer_bytes must hold two minibatches or more, of {minibatch_size} rows of "
                f"{row_bytes} bytes; got {buffer_bytes}. Raise it to "
                f"{2 * minibatch_size * row_bytes}, or lower the minibatch."
            )
        self._background: Any = None
        self.sample = self._read_sample(kept)
        self.input = self._input(self.sample, path)
        if self.input.path == "sparse":
            self._background = most_frequent(self.sample)[0]
        shape = (
            (len(self.sample),)
            if target_like is None
            else (len(self.sample), *target_like.shape[1:])
        )
        self.sample_targets = np.zeros(shape, np.intc if target_like is None else target_like.dtype)
        self._reader = Reader(
            source,
            targets,
            weights,
            reserve=minibatch_size - 1,
            dtype=kept,
            target_like=target_like,
            network_dtype=dtype,
            scale=scale,
            packs=self.input.path == "sparse" and not distorts,
            ahead=n_threads > 1,
        )

    def __len__(self) -> int:
        return len(self.source)

    def _read_sample(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        n, capacity = len(self.source), self.grid.capacity
        # A block of the evaluation or more, for which the trainer makes its buffers.
        first = min(n, _SAMPLED_ROWS, max(BLOCK_ROWS, capacity // _FRACTION))
        others = min(_SAMPLED_ROWS, max(1, capacity // _FRACTION_OF_A_PLACE))
        parts = [self._read(0, first, dtype)]
        for place in np.linspace(first, max(first, n - others), _PLACES).astype(int).tolist():
            stop = min(n, place + others)
            if place < stop:
                parts.append(self._read(place, stop, dtype))
        return np.concatenate(parts)

    def _read(self, start: int, stop: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        rows = np.empty((stop - start, *self.source.shape[1:]), dtype)
        self.source.read_into(start, rows)
        if dtype.kind == "f":
            check_finite(rows, self.source.name, self._dtype, start)
            if self._scale != (1.0, 0.0):
                rows = rows * dtype.type(self._scale[0]) + dtype.type(self._scale[1])
        return rows

    def _input(self, rows: NDArray[Any], path: str) -> Input:
        scale, offset = self._scale if rows.dtype.kind != "f" else (1.0, 0.0)
        return Input(
            rows,
            self._dtype,
            scale=scale,
            offset=offset,
            path=path,
            background=self._background,
            n_threads=self._n_threads,
        )

    def epoch(
        self,
        trainer: Trainer,
        rng: np.random.RandomState | None,
        learning_rates: NDArray[np.float64] | None,
        steps: int,
    ) -> float:
        """Train for one epoch.

        Parameters
        ----------
        trainer : Trainer
            Made for `input`.
        rng : RandomState or None
            For the order of blocks, and of the rows in each buffer; None keeps that of the file.
        learning_rates, steps
            As in `Trainer.begin_epoch`.

        Returns
        -------
        loss : float
            As `Trainer.end_epoch` returns it.
        """
        blocks = np.arange(self.grid.n_blocks) if rng is None else shuffled(self.grid, rng)
        pieces = self.grid.pieces(blocks)
        path = "dense" if self._distorts else self.input.path
        reader, batch = self._reader, self._minibatch_size
        rest: Buffer | None = None
        first_row, done = 0, 0

        def take(filled: Buffer) -> Callable[[], None]:
            nonlocal rest, first_row, done
            start = reader.reserve - (0 if rest is None else len(rest.X))
            if rest is not None:
                for mine, theirs in zip(filled, rest, strict=True):
                    if mine is not None:
                        mine[start : reader.reserve] = theirs
            rows = filled.rows(start, len(filled.X))
            n = len(rows.X)
            order = np.arange(n) if rng is None else rng.permutation(n)
            done += 1
            # What does not fill a minibatch goes on with the next buffer.
            use = n if done == len(pieces) else n - n % batch
            rest = rows.take(order[use:])  # mutant: leave out rows between two buffers
            work = functools.partial(
                _train, trainer, self._input(rows.X, path), rows, order[:use], first_row
            )
            first_row += use
            return work

        trainer.begin_epoch(steps, learning_rates)
        try:
            reader.each(pieces, take)
        finally:
            trainer.release_rows()
        return trainer.end_epoch()

    def evaluate(self, trainer: Trainer, *, training: bool = False) -> tuple[float, int]:
        """Loss and correct predictions over all rows.

        Parameters
        ----------
        trainer : Trainer
        training : bool, default=False
            Whether these are training rows, whose labels are smoothed.

        Returns
        -------
        loss : float
        n_correct : int
            As `Trainer.evaluate` returns them.
        """
        losses: list[float] = []
        n_correct = 0

        def work(rows: Buffer, source: Input) -> None:
            nonlocal n_correct
            assert rows.targets is not None
            more, correct = trainer.evaluate_rows(
                source, rows.targets, rows.weights, training=training
            )
            losses.extend(more)
            n_correct += correct

        self._each_in_order(work)
        return sum(losses), n_correct

    def predict(self, method: Callable[[Input], NDArray[Any]]) -> NDArray[Any]:
        """Call a function with all rows, piece by piece.

        Parameters
        ----------
        method : callable
            ``method(input)`` returns an array with a row for each row.

        Returns
        -------
        results : ndarray
            Those of all rows.
        """
        results: list[NDArray[Any]] = []
        self._each_in_order(lambda rows, source: results.append(method(source)))
        return np.concatenate(results)

    def _each_in_order(self, work: Callable[[Buffer, Input], None]) -> None:
        """Work on the rows in the order of the file."""
        reader = self._reader

        def take(filled: Buffer) -> Callable[[], None]:
            rows = filled.rows(reader.reserve, len(filled.X))
            return functools.partial(work, rows, self._input(rows.X, self.input.path))

        reader.each(self.grid.pieces(np.arange(self.grid.n_blocks)), take)


def _train(
    trainer: Trainer, source: Input, rows: Buffer, order: NDArray[np.intp], first_row: int
) -> None:
    assert rows.targets is not None
    # mutant: distort the rows of all buffers alike
    trainer.replace_rows(source, rows.targets, rows.weights, first_row=first_row)
    trainer.segment(order)
    trainer.release_rows()


def rows_to_predict(
    source: Source,
    dtype: np.dtype[Any],
    scale: tuple[float, float],
    buffer_bytes: int,
    n_threads: int,
) -> Stream:
    """Rows without targets, for `Stream.predict`; see `Stream` for the parameters."""
    return Stream(
        source,
        None,
        None,
        target_like=None,
        dtype=dtype,
        scale=scale,
        buffer_bytes=buffer_bytes,
        n_threads=n_threads,
    )
