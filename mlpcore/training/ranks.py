"""Processes that train one model together: what they exchange, and that all end alike.

A communicator has ``rank``, ``size``, ``Sendrecv`` and ``Bcast``, as those of mpi4py; mlpcore
itself imports no MPI. Each process (rank) has some whole shards of the rows. Sums over the shards
are made along one binary tree, whose lower branches lie within the processes, so that they have the
same bits for any number of processes.

An exception in one process must not leave the others waiting. So every exchange comes right after
an agreement, in which each process says whether something went wrong since the last one, and what;
then all raise the same exception.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import pickle
import signal
import warnings
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlpcore._version import __version__
from mlpcore.training.exchange import Exchange
from mlpcore.training.grid import shard_bounds
from mlpcore.training.tree import check_shards, merges_within, shards_of, transfers

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")

# Bytes of a gradient from which its layers are exchanged one by one, while the gradients of the
# layers below are computed: a thread's wake-up for each takes tens of microseconds.
OVERLAP_FROM = 1 << 20


class Ranks:
    """The ranks of one fit, as a context manager in which all of them end alike.

    Parameters
    ----------
    comm : communicator or None
        None is one process without others.
    n_shards : int
        A power of two.

    Attributes
    ----------
    rank, size : int
    all_shards : int
        Shards of all ranks.
    shards : range
        Those of this rank, `n_shards` of them.
    merges, n_partials : list of int, int
        See `merges_within`.

    Raises
    ------
    TypeError
        If `comm` is no communicator.
    ValueError
        When the block is entered, if `n_shards` is no power of two or less than the ranks.
    """

    def __init__(self, comm: Any, n_shards: int) -> None:
        self._exchange = Exchange(comm)
        self.rank, self.size = self._exchange.rank, self._exchange.size
        self.all_shards = n_shards
        self._signals: list[tuple[int, FrameType | None]] = []
        self._handlers: dict[int, Any] = {}
        self._ended = self.size == 1
        self._noted = False
        self._thread: ThreadPoolExecutor | None = None
        self._adding: list[Future[None]] = []

    # Ending alike.

    def __enter__(self) -> Self:
        """Put signals off until the next agreement: an exception in the middle of an exchange
        would leave the others waiting."""
        if self.size > 1:
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(number)
                # Refused outside the main thread, where Python handles no signals.
                if callable(handler):
                    with contextlib.suppress(ValueError):
                        signal.signal(number, self._put_off)
                        self._handlers[number] = handler
        try:
            self._divide()
        except BaseException:
            self._restore_handlers()
            raise
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if not self._ended:
                self.agree(error)
        finally:
            if self._thread is not None:
                self._thread.shutdown()
            self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _divide(self) -> None:
        """Divide the shards among the ranks."""
        n_shards = self.together(lambda: check_shards(self.all_shards, self.size))
        self.same({"the version of mlpcore": __version__, "shards": n_shards})
        self.shards = shards_of(self.rank, self.size, n_shards)
        self.n_shards = len(self.shards)
        self.merges, _, self.n_partials = merges_within(self.shards)
        self._transfers = transfers(self.size, n_shards)

    def _put_off(self, number: int, frame: FrameType | None) -> None:
        self._signals.append((number, frame))
        if len(self._signals) > 2:  # somebody insists
            self._handlers[number](number, frame)

    @property
    def interrupted(self) -> bool:
        """Whether a signal has come since the last agreement."""
        return bool(self._signals)

    def _handle_signals(self) -> BaseException | None:
        """Do what was put off; the exception that comes of it."""
        try:
            while self._signals:
                number, frame = self._signals.pop(0)
                self._handlers[number](number, frame)
        except BaseException as error:
            return error
        return None

    def agree(
        self, error: BaseException | None = None, *, stop: bool = False, value: int = 0
    ) -> bool:
        """Tell each other whether something went wrong.

        Parameters
        ----------
        error : BaseException or None
            What went wrong in this rank.
        stop : bool, default=False
        value : int, default=0
            Of 64 bits, and equal in all ranks, unless their parameters differ.

        Returns
        -------
        stop : bool
            Whether it is true in any rank.

        Raises
        ------
        BaseException
            In every rank, if there is an error in any: the first rank's.
        RuntimeError
            If the values differ.
        """
        if self.size == 1:
            if error is not None:
                raise error
            return stop
        error = error or self._handle_signals()
        text = b""
        if error is not None:
            known = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
            text = json.dumps([known.__name__, str(error)]).encode()
        records = self._exchange.allgather(np.array([len(text), stop, value], np.int64))
        if records[:, 0].any():
            self._ended = True
            padded = np.zeros(records[:, 0].max(), np.uint8)
            padded[: len(text)] = np.frombuffer(text, np.uint8)
            texts = [
                row[:n].tobytes()
                for row, n in zip(self._exchange.allgather(padded), records[:, 0], strict=True)
            ]
            if error is not None and len(set(texts)) == 1:
                raise error
            raise _exception(texts) from error
        if (records[:, 2] != value).any():
            self._ended = True
            other = int(np.flatnonzero(records[:, 2] != records[0, 2])[0])
            raise RuntimeError(
                f"the parameters of rank {other} are no longer those of rank 0, though both made "
                "the same steps. Do the machines have the same processors and the same builds of "
                "mlpcore, NumPy and SciPy?"
            )
        return bool(records[:, 1].any())

    def together(self, function: Callable[[], T]) -> T:
        """Call a function in every rank; if it raises in any, all raise the first rank's error."""
        error = None
        try:
            result = function()
        except BaseException as raised:
            error = raised
        self.agree(error)
        return result

    def note_epoch(self, work: float, exchange: float) -> None:
        """Warn in rank 0, once, where ranks wait for each other for longer than they compute.

        Parameters
        ----------
        work, exchange : float
            Seconds of an epoch.
        """
        if self.rank == 0 and self.size > 1 and exchange > work and not self._noted:
            warnings.warn(
                f"the {self.size} ranks exchanged gradients for {exchange:.2g} s and computed for "
                f"{work:.2g} s in an epoch: so many ranks make this fit slower. Give larger "
                "minibatches, or fewer ranks; the documentation has a page on several machines.",
                stacklevel=2,
            )
        self._noted = True

    def checksum(self, array: NDArray[Any]) -> int:
        """A number of 64 bits that differs, in all likelihood, where the array does."""
        if self.size == 1:
            return 0
        import hashlib

        digest = hashlib.blake2b(memoryview(array).cast("B"), digest_size=8).digest()
        return int.from_bytes(digest, "little", signed=True)

    # Exchange. The methods for objects begin with an agreement, the others come after one.

    def gather(self, value: Any) -> list[Any]:
        """An object of every rank."""
        if self.size == 1:
            return [value]
        data = self.together(lambda: np.frombuffer(pickle.dumps(value), np.uint8))
        lengths = self._exchange.allgather(np.array([len(data)], np.int64))[:, 0]
        padded = np.zeros(lengths.max(), np.uint8)
        padded[: len(data)] = data
        return [
            pickle.loads(row[:n].tobytes())
            for row, n in zip(self._exchange.allgather(padded), lengths, strict=True)
        ]

    def broadcast(self, make: Callable[[], T]) -> T:
        """What a function returns in rank 0, in every rank."""
        if self.size == 1:
            return make()
        value: Any = self.together(lambda: None if self.rank else make())
        data = np.frombuffer(b"" if self.rank else pickle.dumps(value), np.uint8)
        length = np.array([len(data)], np.int64)
        self._exchange.broadcast(length)
        if self.rank:
            data = np.empty(length[0], np.uint8)
        self._exchange.broadcast(data)
        result: T = pickle.loads(data.tobytes()) if self.rank else value
        return result

    def same(self, facts: dict[str, Any]) -> None:
        """Raise ValueError in every rank, naming all that differs, unless all have the same facts.

        Parameters
        ----------
        facts : dict
            Their names, in words, and values.
        """
        first, *others = self.gather(facts)
        different = [
            f"{name} is {fact} in rank {rank} and {first.get(name)} in rank 0"
            for rank, other in enumerate(others, 1)
            for name, fact in other.items()
            if fact != first.get(name)
        ]
        if different:
            raise ValueError(
                f"all ranks must fit the same model to the same kind of data; {different[0]}"
                + (f", and {len(different) - 1} differences more." if different[1:] else ".")
            )

    def take(self, rows: Any, n_rows: list[int]) -> Any:
        """The rows of this rank's shards, from the ranks that have them.

        Parameters
        ----------
        rows : ndarray or CSR matrix
            Those that this rank was given.
        n_rows : list of int
            How many each rank was given.

        Returns
        -------
        rows : ndarray or CSR matrix
            The same object, where every rank was given the rows of its shards.
        """
        given = np.concatenate([[0], np.cumsum(n_rows)])
        bounds = shard_bounds(int(given[-1]), self.all_shards)
        firsts = [shards_of(rank, self.size, self.all_shards).start for rank in range(self.size)]
        wanted = bounds[[*firsts, self.all_shards]]
        if (wanted == given).all():
            return rows
        pieces: list[Any] = [None] * self.size
        for shift in range(self.size):
            to, source = (self.rank + shift) % self.size, (self.rank - shift) % self.size
            start = max(given[self.rank], wanted[to]) - given[self.rank]
            stop = min(given[self.rank + 1], wanted[to + 1]) - given[self.rank]
            piece = rows[start : max(start, stop)]
            pieces[source] = piece if shift == 0 else self._swap_objects(piece, to, source)
        return stack([piece for piece in pieces if piece.shape[0]])

    def _swap_objects(self, value: Any, to: int, source: int) -> Any:
        data = np.frombuffer(pickle.dumps(value), np.uint8)
        length = np.empty(1, np.int64)
        self._exchange.swap(np.array([len(data)], np.int64), to, length, source)
        got = np.empty(length[0], np.uint8)
        self._exchange.swap(data, to, got, source)
        return pickle.loads(got.tobytes())

    # Sums over the shards.

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over all shards of all ranks.

        Parameters
        ----------
        values : ndarray of float64, shape (n_shards, n)

        Returns
        -------
        sums : ndarray, shape (n,)
        """
        partials = np.empty((self.n_partials, values.shape[1]))
        place = 0
        for value, merges in zip(values, self.merges, strict=True):
            partials[place] = value
            for _ in range(merges):
                place -= 1
                partials[place] += partials[place + 1]
            place += 1
        self.add(partials)
        total: NDArray[np.float64] = partials[0]
        return total

    def overlaps(self, n_bytes: int) -> bool:
        """Whether a gradient of so many bytes is exchanged while the rest is computed."""
        return self.size > 1 and n_bytes >= OVERLAP_FROM

    def start_adding(self, partials: NDArray[Any]) -> None:
        """Begin `add`, in a thread, after what has begun before."""
        if self._thread is None:
            # Only here: it needs `threading`, which mlpcore does without otherwise. Where that has
            # been replaced (gevent), the exchange takes place in `wait`.
            from concurrent.futures import ThreadPoolExecutor

            self._thread = ThreadPoolExecutor(1)
        self._adding.append(self._thread.submit(self.add, partials))

    def wait(self) -> None:
        """Wait for all that `start_adding` has begun."""
        while self._adding:
            self._adding.pop(0).result()

    def add(self, partials: NDArray[Any]) -> None:
        """Add the partial sums of all ranks: the total comes first, in every rank.

        Parameters
        ----------
        partials : ndarray, shape (n_partials, n)
            Rows are contiguous.
        """
        self._exchange.add(partials, self._transfers)


def _exception(texts: list[bytes]) -> BaseException:
    """The exception of the first rank that has one, for all ranks."""
    rank = next(i for i, text in enumerate(texts) if text)
    name, message = json.loads(texts[rank])
    if name == "SystemExit":
        return SystemExit(int(message) if message.lstrip("-").isdigit() else message)
    kind: type[BaseException] = getattr(builtins, name)
    try:
        return kind(f"rank {rank} of {len(texts)}: {message}")
    except TypeError:  # it needs more arguments
        return RuntimeError(f"rank {rank} of {len(texts)}: {name}: {message}")


def stack(pieces: list[Any]) -> Any:
    """Rows of several ranks, as one array or CSR matrix.

    Parameters
    ----------
    pieces : list of ndarray or CSR matrix

    Returns
    -------
    rows : ndarray or CSR matrix
    """
    if hasattr(pieces[0], "indptr"):
        import scipy.sparse

        return scipy.sparse.vstack(pieces, format="csr")
    return np.concatenate(pieces)
