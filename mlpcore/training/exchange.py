"""Messages between ranks, by a communicator's Sendrecv and Bcast, and sums made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore.training.tree import Transfer

# Bytes of one message: MPI before version 4 counts in 31 bits.
PIECE = 1 << 30
# Numbers from which sums are made in halves: up to these, the latency of twice as many messages is
# longer than the time for half of the bytes.
HALVED_FROM = 1 << 13


class Exchange:
    """The messages of one rank.

    Parameters
    ----------
    comm : communicator or None
        None is one process without others.

    Attributes
    ----------
    rank, size : int

    Raises
    ------
    TypeError
        If `comm` is no communicator.
    """

    def __init__(self, comm: Any) -> None:
        if comm is not None:
            needed = ("rank", "size", "Sendrecv", "Bcast")
            missing = [name for name in needed if not hasattr(comm, name)]
            if missing:
                raise TypeError(
                    "comm must have rank, size, Sendrecv and Bcast, such as mpi4py's "
                    f"MPI.COMM_WORLD; got {comm!r} without {' and '.join(missing)}."
                )
        self._comm = comm
        self.rank, self.size = (0, 1) if comm is None else (int(comm.rank), int(comm.size))

    def swap(self, given: NDArray[Any], to: int, got: NDArray[Any], source: int) -> None:
        """Send one array and receive another one, of bytes or numbers."""
        given, got = given.view(np.uint8), got.view(np.uint8)
        for start in range(0, max(1, len(given), len(got)), PIECE):
            self._comm.Sendrecv(
                given[start : start + PIECE],
                dest=to,
                recvbuf=got[start : start + PIECE],
                source=source,
            )

    def allgather(self, record: NDArray[Any]) -> NDArray[Any]:
        """A row of every rank, all of one length, in messages of doubling length.

        Bruck et al., "Efficient algorithms for all-to-all communications in multiport
        message-passing systems", IEEE Trans. Parallel Distrib. Syst. 8, 1997.
        """
        rows = np.empty((self.size, len(record)), record.dtype)
        rows[0] = record
        have = 1
        while have < self.size:
            n = min(have, self.size - have)
            self.swap(
                rows[:n].reshape(-1),
                (self.rank - have) % self.size,
                rows[have : have + n].reshape(-1),
                (self.rank + have) % self.size,
            )
            have += n
        return np.roll(rows, self.rank, axis=0)

    def broadcast(self, array: NDArray[Any]) -> None:
        """Let all ranks have the array of rank 0, which is as long in all."""
        array = array.view(np.uint8)
        for start in range(0, len(array), PIECE):
            self._comm.Bcast(array[start : start + PIECE], root=0)

    def add(self, partials: NDArray[Any], transfers: Sequence[Transfer]) -> None:
        """Add the partial sums of all ranks: the total comes first, in every rank.

        Parameters
        ----------
        partials : ndarray, shape (n_partials, n)
            Rows are contiguous.
        transfers : sequence of Transfer
            The additions between ranks.
        """
        if self.size == 1:
            return
        if self.size & (self.size - 1):
            self._add_by_transfers(partials, transfers)
        elif self.size == 2 or partials.shape[1] < HALVED_FROM:
            self._add_in_pairs(partials[0])
        else:
            self._add_halves(partials[0])

    def _add_in_pairs(self, total: NDArray[Any]) -> None:
        """Recursive doubling: a + b = b + a, so that both of a pair have the same bits."""
        other = np.empty_like(total)
        distance = 1
        while distance < self.size:
            partner = self.rank ^ distance
            self.swap(total, partner, other, partner)
            np.add(total, other, out=total)
            distance *= 2

    def _add_halves(self, total: NDArray[Any]) -> None:
        """The same sums with less traffic: each of a pair adds one half of what both have.

        Thakur, Rabenseifner & Gropp, "Optimization of collective communication operations in
        MPICH", Int. J. High Perform. Comput. Appl. 19, 2005; with the nearest ranks first, which
        keeps the tree.
        """
        other = np.empty((len(total) + 1) // 2, total.dtype)
        start, stop, distance = 0, len(total), 1
        ends = []
        while distance < self.size:
            partner, middle = self.rank ^ distance, (start + stop) // 2
            ends.append((start, stop))
            low, high = total[start:middle], total[middle:stop]
            mine, theirs = (high, low) if self.rank & distance else (low, high)
            self.swap(theirs, partner, other[: len(mine)], partner)
            np.add(mine, other[: len(mine)], out=mine)
            start, stop = (middle, stop) if self.rank & distance else (start, middle)
            distance *= 2
        while ends:
            distance //= 2
            partner, mine = self.rank ^ distance, total[start:stop]
            start, stop = ends.pop()
            middle = (start + stop) // 2
            theirs = total[start:middle] if self.rank & distance else total[middle:stop]
            self.swap(mine, partner, theirs, partner)

    def _add_by_transfers(self, partials: NDArray[Any], transfers: Sequence[Transfer]) -> None:
        """For any number of ranks: up the tree to rank 0, and from there to all."""
        none, other = partials[0, :0], np.empty_like(partials[0])
        for step in transfers:
            if step.rank == step.other_rank == self.rank:
                partials[step.place] += partials[step.other_place]
            elif step.rank == self.rank:
                self.swap(none, step.other_rank, other, step.other_rank)
                partials[step.place] += other
            elif step.other_rank == self.rank:
                self.swap(partials[step.other_place], step.rank, none, step.rank)
        self.broadcast(partials[0])
