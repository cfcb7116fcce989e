"""How many threads a fit may use, where the caller leaves that open."""

from __future__ import annotations

import multiprocessing
import os
import threading

from joblib.parallel import get_active_backend

from mlpcore.engine.team import available_threads


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
