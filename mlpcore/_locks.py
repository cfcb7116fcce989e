"""A lock on a file, between processes."""

from __future__ import annotations

import sys
from typing import IO


def lock(file: IO[bytes]) -> None:
    """Lock a file until it is closed, or the process ends.

    Parameters
    ----------
    file : binary file object
        Open for writing.

    Raises
    ------
    BlockingIOError
        If the file is locked, by another process or under another descriptor.
    OSError
        If the file system has no locks.
    """
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)  # the first byte, whether or not there is one
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from None
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
