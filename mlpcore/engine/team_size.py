"""How many threads work: found out while they work, since the number changes no bit.

What one thread more brings depends on the network, on the processor and on the load of the machine
at this moment: beside one busy program, two threads that meet every few microseconds can take twice
the time of one. So a fit measures. It goes on with the best number, tries its neighbours from time
to time, and immediately if its own steps have become slower.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

# Seconds of a round, after which the number of threads may change.
ROUND = 0.02
# A trial of another number takes this fraction of the time so far, between two limits in seconds.
# It is longer where steps take much longer than they once did: a scheduler takes a thread off its
# core for some milliseconds at a time, and a short trial may be spared by chance.
TRIAL_FRACTION = 1 / 25
SHORTEST_TRIAL = 1e-3
LONGEST_TRIAL = 4e-2
TRIAL_IF_BUSY = 2e-2
# The next trial comes after so many times the length of a trial, about a second in the long run.
FIRST_PAUSE = 8
LONGEST_PAUSE = 25
# Seconds for which a measured cost is remembered, the fraction by which another number must be
# faster, and that by which the cost of a step exceeds the lowest one on a busy machine.
MEMORY = 0.1
MARGIN = 0.03
RISE = 0.25

# Seconds for a multiplication of a forward or a backward pass on one thread, for one more thread at
# the barriers of a step, and for the start of a thread, as it was measured in this process.
SECONDS_FOR_PRODUCT = 2e-11
SECONDS_TO_MEET = 2.5e-6
_seconds_to_start = 60e-6


def note_start(n_threads: int, seconds: float) -> None:
    """Note how long it took to start so many threads."""
    global _seconds_to_start
    measured = min(1e-3, max(1e-5, seconds / n_threads))
    _seconds_to_start += (measured - _seconds_to_start) / 4


def worthwhile(products: float, n_threads: int, *, meet: bool = False) -> int:
    """Estimate how many threads do a piece of work soonest, before anything has been measured.

    With t threads it takes ``one / t + t * more``, which is least where t is the root of
    ``one / more``.

    Parameters
    ----------
    products : float
        Multiplications of the whole piece.
    n_threads : int
        At most.
    meet : bool, default=False
        The threads are there, and meet at the barriers of a step. Otherwise they are started.

    Returns
    -------
    n_threads : int
        From 1.
    """
    one, more = products * SECONDS_FOR_PRODUCT, SECONDS_TO_MEET if meet else _seconds_to_start
    return max(1, min(n_threads, int(math.sqrt(one / more))))


def idle_processors(mine: int) -> int | None:
    """Count the processors that no other program uses at this moment.

    Parameters
    ----------
    mine : int
        Threads of the caller's that are running.

    Returns
    -------
    idle : int or None
        None where the system does not say.
    """
    try:
        file = os.open("/proc/loadavg", os.O_RDONLY)
        try:
            running = int(os.read(file, 100).split()[3].split(b"/")[0])
        finally:
            os.close(file)
    except (OSError, ValueError, IndexError):
        return None
    return (os.cpu_count() or 1) - max(0, running - mine)


class TeamSize:
    """Chooses the number of threads for one round of work after the other.

    Parameters
    ----------
    largest : int
        Threads that there are. Tried are the powers of two below, and all.
    first : int, optional
        Threads to begin with.
    idle : callable, optional
        `idle_processors`, which is asked before each trial: where other programs compute, trials
        are longer.

    Attributes
    ----------
    largest : int
    sizes : list of int
        The numbers that are tried.
    seconds : dict of int to float
        Seconds that each number of threads has worked for.
    """

    def __init__(
        self,
        largest: int,
        first: int | None = None,
        idle: Callable[[int], int | None] = lambda mine: None,
    ) -> None:
        self.largest, self._idle = largest, idle
        powers = [2**i for i in range(largest.bit_length())]
        self.sizes = sorted({*(size for size in powers if size <= largest), largest})
        first = largest if first is None else max(1, min(first, largest))
        self._current = max(i for i, size in enumerate(self.sizes) if size <= first)
        # Seconds for a unit of work, by the number's place: now, and the lowest ever.
        self._costs: dict[int, float] = {}
        self._lowest: dict[int, float] = {}
        self._known = 0.0  # seconds that the cost of the current number was measured for
        self._busy = False
        self._crowded = False  # fewer idle processors than threads, at the last trial
        self._trial: int | None = None
        self._trial_seconds = self._trial_work = 0.0
        self._elapsed = 0.0
        self._next_trial = SHORTEST_TRIAL
        self._pause = FIRST_PAUSE
        self._upwards = False
        self.seconds: dict[int, float] = {}

    @property
    def usual(self) -> int:
        """The number of threads that has worked longest."""
        best = max(self.seconds, key=self.seconds.__getitem__, default=None)
        return self.sizes[self._current] if best is None else best

    def _trial_length(self) -> float:
        shortest = TRIAL_IF_BUSY if self._busy or self._crowded else SHORTEST_TRIAL
        return min(LONGEST_TRIAL, max(shortest, self._elapsed * TRIAL_FRACTION))

    def choose(self) -> tuple[int, int]:
        """Choose for the next round.

        Returns
        -------
        n_threads : int
        work : int
            Units of work that the round shall have at most, from 1.
        """
        measured = self._current in self._costs
        if self._trial is None and measured and self._elapsed >= self._next_trial:
            self._begin_trial()
        trial = self._trial
        if trial is not None:
            place, length = trial, self._trial_length() - self._trial_seconds
        else:
            place, length = self._current, min(ROUND, self._next_trial - self._elapsed)
        cost = self._costs.get(place, self._costs.get(self._current))
        work = 1 if cost is None else max(1, int(length / cost))
        return self.sizes[place], work

    def _begin_trial(self) -> None:
        """Try the neighbours alternately."""
        if len(self.sizes) == 1:
            self._next_trial = math.inf
            return
        free = self._idle(self.sizes[self._current])
        self._crowded = free is not None and free < self.largest
        self._upwards = not self._upwards
        place = self._current + (1 if self._upwards else -1)
        if not 0 <= place < len(self.sizes):
            place = 2 * self._current - place
        self._trial, self._trial_seconds, self._trial_work = place, 0.0, 0.0

    def record(self, size: int, seconds: float, work: float) -> None:
        """Note how long a round took.

        Parameters
        ----------
        size : int
            The number of threads that was chosen for it. Calls from other threads may have come
            between; what is no longer asked for is only counted.
        seconds : float
        work : float
            Units of work that were done, above 0.
        """
        trial = self._trial
        self.seconds[size] = self.seconds.get(size, 0.0) + seconds
        self._elapsed += seconds
        if trial is not None and size == self.sizes[trial]:
            self._trial_seconds += seconds
            self._trial_work += work
            if self._trial_seconds >= 0.5 * self._trial_length():
                self._end_trial(trial, self._trial_seconds / self._trial_work)
        elif size == self.sizes[self._current]:
            self._remember(seconds, seconds / work)

    def _remember(self, seconds: float, cost: float) -> None:
        before = self._costs.get(self._current, cost)
        self._known = min(MEMORY, self._known + seconds)
        cost = before + min(1.0, seconds / self._known) * (cost - before)
        self._costs[self._current] = cost
        if self._known < SHORTEST_TRIAL:
            return
        lowest = self._lowest[self._current] = min(cost, self._lowest.get(self._current, cost))
        was_busy, self._busy = self._busy, cost > (1 + RISE) * lowest
        if self._busy and not was_busy:
            self._next_trial = min(self._next_trial, self._elapsed)

    def _end_trial(self, place: int, cost: float) -> None:
        if cost < (1 - MARGIN) * self._costs[self._current]:
            # The next neighbour in this direction comes next.
            self._upwards = place < self._current
            self._current, self._known = place, self._trial_seconds
            self._pause = FIRST_PAUSE
            self._busy = False
        else:
            self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        self._costs[place] = cost
        self._trial = None
        self._next_trial = self._elapsed + self._pause * self._trial_length()
