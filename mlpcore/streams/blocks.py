"""The two-level order: blocks of consecutive rows in random order, and rows mixed in a buffer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpcore.engine.evaluation import BLOCK_ROWS

# Blocks that a buffer holds, so that rows of so many places are mixed, and the largest block in
# bytes: reading 4 MB takes a disk with moving heads three times as long as finding them.
BLOCKS_IN_A_BUFFER = 32
LARGEST_BLOCK = 1 << 22

# First row and the row after the last one.
Range = tuple[int, int]


class Grid(NamedTuple):
    """How rows are divided.

    starts : ndarray of intp, shape (n_blocks + 1,)
        Block i is rows starts[i] to starts[i + 1] - 1.
    capacity : int
        Rows of a buffer.
    """

    starts: NDArray[np.intp]
    capacity: int

    @property
    def n_blocks(self) -> int:
        return len(self.starts) - 1

    def pieces(self, order: NDArray[np.intp]) -> list[list[Range]]:
        """Put blocks into one buffer after the other, in an order.

        Parameters
        ----------
        order : ndarray of intp
            Numbers of blocks.

        Returns
        -------
        pieces : list of list of (int, int)
            For each buffer the ranges of rows in it; consecutive blocks are one range.
        """
        pieces: list[list[Range]] = []
        free = -1
        for block in order.tolist():
            start, stop = int(self.starts[block]), int(self.starts[block + 1])
            if stop - start > free:
                pieces.append([])
                free = self.capacity
            free -= stop - start
            piece = pieces[-1]
            if piece and piece[-1][1] == start:
                piece[-1] = piece[-1][0], stop
            else:
                piece.append((start, stop))
        return pieces

    def __str__(self) -> str:
        return f"{self.n_blocks} blocks, up to {self.capacity} rows at a time"


def grid(
    n_rows: int,
    row_bytes: int,
    buffer_bytes: int,
    chunks: NDArray[np.intp] | None = None,
    must_align: bool = False,
) -> Grid:
    """Divide rows into blocks.

    Parameters
    ----------
    n_rows : int
    row_bytes : int
        Of one row in a buffer, with its target and its weight.
    buffer_bytes : int
        For two buffers.
    chunks : ndarray of intp, optional
        Where the parts begin in which the rows are stored, from 0.
    must_align : bool, default=False
        Whether a chunk must not be divided.

    Returns
    -------
    grid : Grid

    Raises
    ------
    ValueError
        If a buffer is too small.
    """
    capacity = buffer_bytes // 2 // row_bytes
    least = BLOCK_ROWS
    if capacity < 2 * least:
        raise ValueError(
            f"buffer_bytes must hold {4 * least} rows of {row_bytes} bytes or more, "
            f"{4 * least * row_bytes}; got {buffer_bytes}. Raise it."
        )
    wanted = min(capacity // BLOCKS_IN_A_BUFFER, LARGEST_BLOCK // row_bytes)
    # Whole blocks of the evaluation, so that its sums are those of all rows at once.
    wanted = max(1, wanted // least) * least
    capacity -= capacity % wanted
    if chunks is None:
        return Grid(_starts(n_rows, wanted), capacity)
    sizes = np.diff(chunks, append=n_rows)
    largest = int(sizes.max(initial=0))
    if must_align:
        if largest > capacity:
            raise ValueError(
                f"buffer_bytes must hold two row groups of the file or more, the largest of which "
                f"has {largest} rows of {row_bytes} bytes; got {buffer_bytes}. Raise it to "
                f"{2 * largest * row_bytes}, or write the file with smaller row groups."
            )
        return Grid(_merged(chunks, n_rows, wanted), capacity)
    if 4 * largest <= capacity:  # chunks of equal sizes
        wanted = max(1, wanted // largest) * largest
        capacity -= capacity % wanted
    return Grid(_starts(n_rows, wanted), capacity)


def _starts(n_rows: int, rows: int) -> NDArray[np.intp]:
    return np.append(np.arange(0, n_rows, rows), n_rows)


def _merged(chunks: NDArray[np.intp], n_rows: int, wanted: int) -> NDArray[np.intp]:
    """Whole chunks together, as long as they have no more than the wanted rows."""
    starts = [0]
    ends = np.append(chunks[1:], n_rows).tolist()
    for start, end in zip(chunks.tolist(), ends, strict=True):
        if end - starts[-1] > wanted and start > starts[-1]:
            starts.append(start)
    return np.array([*starts, n_rows], np.intp)


def shuffled(grid: Grid, rng: np.random.RandomState) -> NDArray[np.intp]:
    """Blocks in a new random order."""
    return rng.permutation(grid.n_blocks)  # mutant: read blocks in the order of the file
