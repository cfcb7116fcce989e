"""SIGTERM, with which schedulers and service managers ask a process to end."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Raise SystemExit on SIGTERM inside the block, where it would end the process at once.

    Python runs what is under ``finally`` then, and the exit status is 143, the one that shells show
    for the signal. In an application that handles or ignores SIGTERM, and outside the main thread,
    where Python handles no signals, nothing changes.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            # Refused outside the main thread and the main interpreter. `threading` may not know
            # which thread that is: gevent makes one of every greenlet.
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGTERM, leave)
        yield
    finally:
        # The application may have set a handler inside the block.
        if signal.getsignal(signal.SIGTERM) is leave:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
