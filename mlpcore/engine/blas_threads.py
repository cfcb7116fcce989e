"""BLAS held at one thread while the engine runs its own."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from mlpcore.engine.team import SystemLock, system_thread

_controller: Any = None
_limit: Any = None
_users: dict[int, int] = {}  # how many there are in each of the system's threads

# Reentrant, since a signal's handler may fork in whatever its thread is doing.
_lock = SystemLock()


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS at one thread, so that its threads do not compete with ours.

    The setting is global to the process and must not change while another thread computes, so its
    users are counted: the first one sets it, and the last one restores it.
    """
    global _controller, _limit
    if _controller is None:
        # Not with the lock held: Python may switch greenlets while it imports.
        import threadpoolctl

        _controller = threadpoolctl.ThreadpoolController()
    thread = system_thread()
    with _lock:
        if not _users:
            _take_control()
            _limit = _controller.limit(limits=1, user_api="blas")
        _users[thread] = _users.get(thread, 0) + 1
    try:
        yield
    finally:
        with _lock:
            _users[thread] -= 1
            if _users[thread] == 0:
                del _users[thread]
            if not _users:
                _take_control()
                _limit.restore_original_limits()
                _take_control()


def _take_control() -> None:
    """Let this thread set the limit, or after it any other.

    threadpoolctl (3.7 and newer) heeds only the first thread that ever sets it, and here the first
    and the last user may be in any two threads. The caller holds the lock.
    """
    for library in _controller.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


def _before_fork() -> None:
    """Keep all threads out of where BLAS takes its locks to count its threads.

    Else the child would find these locks taken, and no thread left to release them, and wait for
    ever. `blas.pyx` does the same for products.
    """
    _lock.__enter__()


def _after_fork_in_parent() -> None:
    _lock.__exit__()


def _after_fork_in_child() -> None:
    """Forget all threads but the one that forked. BLAS keeps the limit that it had."""
    global _lock, _users
    _lock = SystemLock()
    thread = system_thread()
    _users = {key: users for key, users in _users.items() if key == thread}


if hasattr(os, "register_at_fork"):  # not Windows
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
