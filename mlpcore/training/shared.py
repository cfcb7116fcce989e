"""What the ranks of a fit know together: the sizes of all their rows, and facts about them.

What decides bits, such as the number that the sparse path skips, is found in the first shard, which
is the same for any number of ranks.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore._html_page import pixel_range
from mlpcore.engine.inputs import Input
from mlpcore.engine.packing import most_frequent
from mlpcore.training.checkpoint import About, Arrays, Checkpoint
from mlpcore.training.grid import Grid, shard_bounds
from mlpcore.training.ranks import Ranks
from mlpcore.training.snapshot import fingerprint


class Shared:
    """The rows of one data set, which the ranks have together.

    Parameters
    ----------
    ranks : Ranks
    n_rows : list of int
        Rows that each rank was given.
    name : str
        The caller's name of them, for messages.

    Attributes
    ----------
    ranks : Ranks
    n_rows : int
        Rows of all ranks.
    starts : ndarray of intp
        Where the shards of this rank begin and end among its rows.
    """

    def __init__(self, ranks: Ranks, n_rows: list[int], name: str) -> None:
        self.ranks, self.n_rows, self._given = ranks, sum(n_rows), n_rows
        if self.n_rows < ranks.all_shards:
            raise ValueError(
                f"{name} must have at least one row for each of the {ranks.all_shards} shards; got "
                f"{self.n_rows}. Lower shards."
            )
        self.starts = self.grid().starts

    def grid(self, minibatch_size: int | None = None, **options: Any) -> Grid:
        """The grid of these rows; see `Grid`."""
        ranks = self.ranks
        return Grid(self.n_rows, ranks.all_shards, ranks.shards, minibatch_size, **options)

    def take(self, rows: Any) -> Any:
        """The rows of this rank's shards; see `Ranks.take`."""
        return None if rows is None else self.ranks.take(rows, self._given)

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over all shards, after an agreement; see `Ranks.sum`."""
        self.ranks.agree()
        return self.ranks.sum(values)

    def count(
        self, codes: NDArray[np.intp], weights: NDArray[Any] | None = None, minlength: int = 0
    ) -> NDArray[Any]:
        """As numpy.bincount, over the rows of all ranks."""
        parts = []
        for start, stop in pairwise(self.starts):
            some = None if weights is None else weights[start:stop]
            parts.append(np.bincount(codes[start:stop], some, minlength))
        return self.sum(np.array(parts, np.float64))

    def total(self, weights: NDArray[np.float64]) -> float:
        """The sum of a number for each row, over the rows of all ranks."""
        return float(self.count(np.zeros(len(weights), np.intp), weights, 1)[0])

    def fingerprint(self, data: Any) -> str | None:
        """The fingerprint of the data of all ranks, the same for any number of these."""
        if data is None:
            return None
        mine = [fingerprint(data[start:stop]) for start, stop in pairwise(self.starts)]
        whole = [part for parts in self.ranks.gather(mine) for part in parts]
        return hashlib.sha256("\n".join(map(str, whole)).encode()).hexdigest()[:32]

    def look(
        self, rows: Any, scaled: Any, path: str, dtype: np.dtype[Any]
    ) -> tuple[str, tuple[Any, Any], tuple[float, float]]:
        """Find out what decides bits, in the first shard.

        Parameters
        ----------
        rows, scaled : ndarray or CSR matrix
            As they were given, and as the engine reads them.
        path : {"auto", "dense", "sparse"}
        dtype : dtype
            The network's.

        Returns
        -------
        path : {"dense", "sparse"}
            The path through the first layer.
        background : (float, float) or (None, None)
            The most frequent number of `rows` and that of `scaled`, if they are dense.
        pixels : (float, float)
            As `pixel_range` returns them.
        """

        def find() -> tuple[str, tuple[Any, Any], tuple[float, float]]:
            stop = shard_bounds(self.n_rows, self.ranks.all_shards)[1]
            some, some_scaled = rows[:stop], scaled[:stop]
            pixels = pixel_range(some)
            if hasattr(some, "indptr"):
                return "sparse", (None, None), pixels
            found = path
            if path == "auto":
                found = Input(some_scaled, dtype.name, path=path).path
            return (
                found,
                (most_frequent(some)[0].item(), most_frequent(some_scaled)[0].item()),
                pixels,
            )

        return self.ranks.broadcast(find)


def facts_of(rows: Any, name: str) -> dict[str, Any]:
    """What must be the same of the rows of all ranks.

    Parameters
    ----------
    rows : ndarray, CSR matrix or None
    name : str
        The caller's name of them.

    Returns
    -------
    facts : dict
    """
    if rows is None:
        return {name: "none"}
    kind = "a sparse matrix" if hasattr(rows, "indptr") else "an array"
    return {name: kind, f"the number of columns of {name}": rows.shape[1],
            f"the dtype of {name}": rows.dtype.name}  # fmt: skip


def distinct(labels: NDArray[Any]) -> NDArray[Any]:
    """Each label once; in order of appearance where they may not have another one.

    Parameters
    ----------
    labels : ndarray, shape (n,)

    Returns
    -------
    labels : ndarray
    """
    if labels.dtype != object:
        return np.unique(labels)
    kinds = list(dict.fromkeys(labels.tolist()))
    found = np.empty(len(kinds), object)
    found[:] = kinds
    return found


class SilentCheckpoint(Checkpoint):
    """The checkpoint of a rank that does not write it."""

    def __enter__(self) -> SilentCheckpoint:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self) -> tuple[About, Arrays] | None:
        """Nothing."""
        return None

    def write(self, about: Any, arrays: Any) -> None:
        """Nothing is written."""


@contextlib.contextmanager
def open_checkpoint(
    path: str | os.PathLike[str], ranks: Ranks | None
) -> Iterator[tuple[Checkpoint, tuple[About, Arrays] | None]]:
    """The checkpoint of a run and what it holds, in every rank; only rank 0 opens and writes it.

    Parameters
    ----------
    path : str or PathLike
    ranks : Ranks or None

    Yields
    ------
    file : Checkpoint
    content : as `Checkpoint.read` returns it
    """
    if ranks is None:
        with Checkpoint(path) as file:
            yield file, file.read()
        return
    with contextlib.ExitStack() as stack:
        kind = SilentCheckpoint if ranks.rank else Checkpoint
        shared: Checkpoint = ranks.together(lambda: stack.enter_context(kind(path)))
        yield shared, ranks.broadcast(shared.read)
