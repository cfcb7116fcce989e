"""How many threads a fit may use, where the caller leaves that open."""

from __future__ import annotations

import multiprocessing
import os
import threading
from typing import Any

from joblib.parallel import get_active_backend
from scipy.sparse import issparse

from mlpcore.engine.network import Network
from mlpcore.engine.team import available_threads

# Multiplications, forward and in one pass, that a thread more must bring. Below that, waking it and
# waiting for it takes longer: some 150 us for each pass; and where something else is done between
# two passes, so that it falls fast asleep, 1 ms.
WORTH_A_THREAD = 3_000_000
WORTH_A_SLEEPING_THREAD = 20_000_000


def default_threads() -> int:
    """The cores that are there for this call, so that parallel calls do not crowd each other out.

    ``OMP_NUM_THREADS`` sets a limit: joblib's loky gives each of its processes a share of the cores
    by that name. Its other workers have no share of their own and get one: the processes of
    multiprocessing, which are daemons, and the threads of the threading backend.
    """
    if multiprocessing.current_process().daemon:
        return 1
    nested = getattr(get_active_backend()[0], "nesting_level", 0) > 0
    if nested and threading.current_thread() is not threading.main_thread():
        return 1
    threads = available_threads()
    limit = os.environ.get("OMP_NUM_THREADS", "")
    # OpenMP takes a list, too: one number for each level of nesting.
    first = limit.partition(",")[0].strip()
    return min(threads, max(1, int(first))) if first.isdecimal() else threads


def worthwhile(X: Any, network: Network, *, asleep: bool = False) -> int:
    """Threads that bring more to a pass over X than they take, `asleep` or not in between."""
    first, *others = network.n_units[1:]
    work = (X.nnz if issparse(X) else X.size) * first
    for more in others:
        work += X.shape[0] * first * more
        first = more
    return max(1, work // (WORTH_A_SLEEPING_THREAD if asleep else WORTH_A_THREAD))
