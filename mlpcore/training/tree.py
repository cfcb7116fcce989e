"""The binary tree along which the values of shards are added, in one process or several.

Its leaves are the shards, a power of two of them, and each inner node is the sum of its two
branches. A rank has consecutive shards and adds within itself what it can; the tree says which
additions are left between ranks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mlpcore._validation import check_int

MOST_SHARDS = 4096
SHARDS = 16  # where the caller gives no number


class Transfer(NamedTuple):
    """One addition of two partial sums of different ranks: the left one's gets the sum."""

    rank: int
    place: int  # of the sum in its rank's partial sums
    other_rank: int
    other_place: int


def shards_of(rank: int, size: int, n_shards: int) -> range:
    """The shards of one of `size` ranks: whole ones, and as equally many as there can be."""
    return range(rank * n_shards // size, (rank + 1) * n_shards // size)


def merges_within(shards: range) -> tuple[list[int], list[tuple[int, int]], int]:
    """How the values of consecutive shards are added as soon as both branches are complete.

    Parameters
    ----------
    shards : range

    Returns
    -------
    merges : list of int
        For each shard how often the last two partial sums are added after its value has come as
        another one.
    left : list of (int, int)
        First shard and number of shards of each sum that is left.
    most : int
        Partial sums that there are at a time, at most.
    """
    left: list[tuple[int, int]] = []
    merges, most = [], 0
    for shard in shards:
        left.append((shard, 1))
        most = max(most, len(left))
        merges.append(0)
        while len(left) > 1:
            (first, n), (_, last) = left[-2:]
            if n != last or first % (2 * n):  # mutant: add neighbours that are no pair
                break
            left[-2:] = [(first, 2 * n)]
            merges[-1] += 1
    return merges, left, most


def transfers(size: int, n_shards: int) -> list[Transfer]:
    """The additions that are left between ranks, in an order in which all can go through them."""
    sums = {}
    for rank in range(size):
        for place, (first, n) in enumerate(merges_within(shards_of(rank, size, n_shards))[1]):
            sums[first] = n, rank, place
    found, n = [], 1
    while n < n_shards:
        for first in range(0, n_shards, 2 * n):
            here, there = sums.get(first), sums.get(first + n)
            if here is not None and there is not None and here[0] == there[0] == n:
                found.append(Transfer(*here[1:], *there[1:]))
                del sums[first + n]
                sums[first] = 2 * n, *here[1:]
        n *= 2
    return found


def check_shards(value: Any, size: int) -> int:
    """A number of shards, a power of two from the number of ranks on."""
    n_shards: int = check_int(value, "shards", low=1, high=MOST_SHARDS)
    if n_shards & (n_shards - 1):
        raise ValueError(f"shards must be a power of two, such as 16; got {n_shards}.")
    if n_shards < size:
        raise ValueError(
            f"shards must be at least the number of ranks, {size}, each of which has one or more; "
            f"got {n_shards}."
        )
    return n_shards
