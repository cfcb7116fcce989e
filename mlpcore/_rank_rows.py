"""Which rows of one file each of several ranks should read."""

from __future__ import annotations

from typing import Any

from mlpcore._validation import check_int
from mlpcore.training.grid import shard_bounds
from mlpcore.training.tree import SHARDS, check_shards, shards_of


def rank_rows(comm: Any, n_rows: int, shards: int = SHARDS) -> slice:
    """The rows of a data set that a rank should give to `fit`, so that none move between ranks.

    Any division of the rows gives the same model, if the ranks have them in the same order; with
    this one, `fit` reads the rows where they are, and a file that is mapped into memory is not
    copied.

    Parameters
    ----------
    comm : communicator
        As for `fit`; its `rank` and `size` are read.
    n_rows : int
        Rows of all ranks.
    shards : int, default=16
        As for `fit`.

    Returns
    -------
    rows : slice

    Raises
    ------
    TypeError, ValueError
        If a number is not as described.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from mlpcore import rank_rows
    >>> [rank_rows(SimpleNamespace(rank=i, size=2), 60_000) for i in range(2)]
    [slice(0, 30000, None), slice(30000, 60000, None)]
    """
    n_rows = check_int(n_rows, "n_rows", low=1)
    mine = shards_of(int(comm.rank), int(comm.size), check_shards(shards, int(comm.size)))
    bounds = shard_bounds(n_rows, shards)
    return slice(int(bounds[mine.start]), int(bounds[mine.stop]))
