"""A fixed grid of rows: shards, of which every minibatch takes its part.

The rows of all processes are numbered in the order of these. They are cut into shards, equal but
for one row, and the i-th row of an epoch comes from shard ``i % n_shards``. So each minibatch has
as many rows as asked for, and which ones depends on the number of rows, the number of shards and
the random state, but not on the number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


def shard_bounds(n_rows: int, n_shards: int) -> NDArray[np.intp]:
    """Where shards of rows begin and end.

    Parameters
    ----------
    n_rows, n_shards : int

    Returns
    -------
    bounds : ndarray of intp, shape (n_shards + 1,)
        Shard i has rows ``bounds[i]`` to ``bounds[i + 1]``. The first ``n_rows % n_shards`` shards
        have one row more than the others.
    """
    sizes = _rows_before(np.array(n_rows), np.arange(n_shards), n_shards)
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)


def _rows_before(place: NDArray[Any], shard: NDArray[Any], n_shards: int) -> NDArray[Any]:
    """How many of the places below `place` belong to a shard."""
    return np.asarray(np.maximum(0, (place - shard + n_shards - 1) // n_shards))


class Grid:
    """The rows of one process among those of all, and the minibatches that they belong to.

    Parameters
    ----------
    n_rows : int
        Rows of all processes.
    n_shards : int
    shards : range
        Those of this process.
    minibatch_size : int, optional
        Without it, the grid is one of rows that are not trained on.
    keep_last : bool, default=False
        Whether there is a shorter last minibatch for what is left.
    held_out : int, default=0
        Rows of all shards that are not trained on.
    chosen : sequence of ndarray of intp, optional
        The rows of each shard of this process that are trained on, numbered among the rows of this
        process. All, if they are not given.

    Attributes
    ----------
    n_rows : int
        Rows that are trained on, in all processes.
    first_row : int
        The number of this process's first row.
    starts : ndarray of intp, shape (len(shards) + 1,)
        Where the shards of this process begin and end among its rows.
    counts : ndarray of intp, shape (n_steps, len(shards))
        How many rows each minibatch takes from each shard of this process.
    rows : ndarray of intp, shape (n_steps,)
        Rows of each minibatch, in all processes.
    largest : int
        The most rows that a minibatch takes from one shard.
    """

    def __init__(
        self,
        n_rows: int,
        n_shards: int,
        shards: range,
        minibatch_size: int | None = None,
        *,
        keep_last: bool = False,
        held_out: int = 0,
        chosen: Sequence[NDArray[np.intp]] | None = None,
    ) -> None:
        bounds = shard_bounds(n_rows, n_shards)[shards.start : shards.stop + 1]
        self.first_row, self.starts = int(bounds[0]), bounds - bounds[0]
        self.n_rows = n_rows - held_out
        if chosen is None:
            chosen = [np.arange(*ends) for ends in pairwise(self.starts)]
        self._chosen = chosen
        size = self.n_rows if minibatch_size is None else minibatch_size
        n_steps = -(-self.n_rows // size) if keep_last else self.n_rows // size
        edges = np.minimum(np.arange(n_steps + 1) * size, self.n_rows)
        before = _rows_before(edges[:, np.newaxis], np.array(shards), n_shards)
        self.counts = np.ascontiguousarray(np.diff(before, axis=0), np.intp)
        self.rows = np.diff(edges).astype(np.intp)
        self.largest = max(1, -(-min(size, self.n_rows) // n_shards))
        steps = np.arange(n_steps)
        self._place = np.argsort(
            np.concatenate([np.repeat(steps, count) for count in self.counts.T]), kind="stable"
        )
        self._shards = shards

    def order(self, rng: np.random.RandomState, shuffle: bool) -> NDArray[np.intp]:
        """The order of an epoch.

        Parameters
        ----------
        rng : RandomState
            In the same state in all processes. One number is drawn.
        shuffle : bool
            Whether each shard's rows are in a random order.

        Returns
        -------
        order : ndarray of intp
            Rows of this process: minibatch by minibatch, and in each of them shard by shard.
        """
        rows = self._chosen
        if shuffle:
            seed = int(rng.randint(2**32, dtype=np.uint64))
            rows = [
                np.random.RandomState([seed, shard]).permutation(part)
                for shard, part in zip(self._shards, rows, strict=True)
            ]
        ends = self.counts.sum(axis=0)
        return np.concatenate(
            [part[:end] for part, end in zip(rows, ends, strict=True)]
        )[self._place].astype(np.intp, copy=False)  # fmt: skip
