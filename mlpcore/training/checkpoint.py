"""Checkpoints: all that the next epoch depends on, in one file that is complete or absent.

The file has these bytes, in this order:

==========  ==================================================================================
8           ``mlpckpt`` and the format's version, ``1``
8           length of the text, little-endian
the text    JSON: ``about``, what the run writes, and ``arrays``, a list of name,
            dtype and shape of each array
the arrays  their elements in that order, little-endian, in C order, without padding
32          SHA-256 of all that comes before
==========  ==================================================================================

Nothing in it is executed, and no more memory is allocated than the length of the file justifies.
While a run uses ``run.ckpt`` it holds a lock on ``run.ckpt.lock``, so that no two runs write one
checkpoint. The previous checkpoint is ``run.ckpt.previous``. A checkpoint that is being written, or
that a killed process has left unfinished, is ``run.ckpt.tmp``; the next run removes it. Where the
file system does not allow names of that length, they are shortened and end in a checksum and the
same words.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlpcore._files import PIECE, atomic_write, fill, open_regular
from mlpcore._locks import lock
from mlpcore._paths import StrPath, companion, in_words, to_path
from mlpcore._validation import check_int

_MAGIC = b"mlpckpt"
_VERSION = b"1"
_HEAD = 16
_CHECKSUM = 32

_DTYPES = ("float32", "float64", "int64", "uint32", "uint8")

About = dict[str, Any]
Arrays = dict[str, NDArray[Any]]


class Checkpoint:
    """The checkpoint of one run, as a context manager: no other run can use it meanwhile.

    Parameters
    ----------
    path : str or PathLike
        The file need not exist.

    Raises
    ------
    TypeError, ValueError
        If `path` is no path.
    """

    _lock: IO[bytes] | None = None

    def __init__(self, path: StrPath) -> None:
        self.path = to_path(path, "checkpoint")
        target = os.path.realpath(self.path)
        self.previous = companion(target, ".previous")
        self._temporary = companion(target, ".tmp")
        self._lock_name = companion(target, ".lock")

    def __enter__(self) -> Self:
        """Lock the file.

        Raises
        ------
        OSError
            If another run has it, or its folder is not there or must not be written to.
        """
        try:
            self._take_lock()
            # A process that was killed may have left it.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)
            return self
        except BlockingIOError as error:
            self._close()
            raise BlockingIOError(
                error.errno,
                "this checkpoint is in use by another run; wait for its end, or give each run a "
                "checkpoint for itself",
                self.path,
            ) from None
        except OSError as error:
            self._close()
            raise self._cannot_write(in_words(error, self.path)) from None
        except BaseException:
            self._close()
            raise

    def __exit__(self, *_: object) -> None:
        # Removed while it is locked, or else it could be another run's. But Windows removes no open
        # file, whosever it is.
        if sys.platform == "win32":
            self._close()
        with contextlib.suppress(OSError):
            os.unlink(self._lock_name)
        self._close()

    def __del__(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def _close(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def _take_lock(self) -> None:
        """Lock the file beside the checkpoint until it is closed, or the process ends."""
        while True:
            # Known to __del__ at once, so that no interrupt leaves the lock behind.
            self._lock = open(self._lock_name, "ab")
            try:
                lock(self._lock)
                # The previous owner may have removed the file between the two lines above.
                if os.path.samestat(os.fstat(self._lock.fileno()), os.stat(self._lock_name)):
                    return
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                    return  # a file system without locks
                raise
            self._close()

    def read(self) -> tuple[About, Arrays] | None:
        """What the file holds.

        Returns
        -------
        about, arrays : dict, or None in place of both where there is no file

        Raises
        ------
        ValueError
            If the file is damaged or no checkpoint. The message names the previous checkpoint, if
            that is complete.
        OSError
            If it cannot be read.
        """
        try:
            return read_checkpoint(self.path)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"{error} {self._advice()}") from None

    def _advice(self) -> str:
        """What a user can do about a damaged checkpoint."""
        try:
            about, _ = read_checkpoint(self.previous)
        except (OSError, ValueError):
            return "There is no whole checkpoint before it. Move it away to begin again."
        return (
            f"The checkpoint before it, {self.previous}, is whole and of epoch "
            f"{about.get('epoch')}: rename it to {self.path} to go on from there."
        )

    def write(self, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Replace the content; the old one moves to the name `previous`.

        Parameters
        ----------
        about : dict
            Plain values for JSON, ``"epoch"`` among them.
        arrays : dict of ndarray
            Of float32, float64, int64, uint32 or uint8.

        Raises
        ------
        OSError
            If it cannot be written, because the disk is full for example. The old content is
            complete then.
        """
        try:
            with atomic_write(self.path, temporary=self._temporary, previous=self.previous) as file:
                _write(file, about, arrays)
        except OSError as error:
            raise self._cannot_write(error, about["epoch"]) from None

    def _cannot_write(self, error: OSError, epoch: int | None = None) -> OSError:
        """The error, with what it means for the run."""
        what = "" if epoch is None else f" of epoch {epoch}"
        older = ", and there is no older one"
        if os.path.exists(self.path):
            older = "; the older one is as it was, and you can fit again to go on from there"
        return OSError(
            error.errno or errno.EIO,
            f"the checkpoint{what} could not be written ({error.strerror or error}){older}",
            self.path,
        )


def _write(file: IO[bytes], about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    import hashlib

    parts = [
        np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for array in arrays.values()
    ]
    shapes = [[name, array.dtype.name, array.shape] for name, array in arrays.items()]
    text = json.dumps({"about": about, "arrays": shapes}, allow_nan=False).encode()
    digest = hashlib.sha256()
    head = _MAGIC + _VERSION + len(text).to_bytes(8, "little")
    bodies: list[Any] = [part.reshape(-1).view(np.uint8) for part in parts]
    for piece in (head, text, *bodies):
        digest.update(piece)
        file.write(piece)
    file.write(digest.digest())


def read_checkpoint(path: StrPath) -> tuple[About, Arrays]:
    """Read a checkpoint, which may come from an untrusted source.

    Parameters
    ----------
    path : str or PathLike

    Returns
    -------
    about : dict
        Any values of JSON, unchecked.
    arrays : dict of ndarray
        Arrays of float32, float64, int64, uint32 or uint8, with unchecked names and shapes.

    Raises
    ------
    ValueError
        If the file is damaged, no checkpoint, or of a newer format.
    OSError
        If it cannot be read.
    """
    name = to_path(path)
    with open_regular(name) as file:
        size = os.fstat(file.fileno()).st_size
        version = _check_sum(name, file, size)
        if version != _VERSION:
            raise ValueError(
                f"{name}: expected checkpoint format {_VERSION.decode()}; got format {version!r}. "
                "Go on with the version of mlpcore that wrote it, or a newer one."
            )
        try:
            return _content(file, size)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{name}: not a complete checkpoint: {error}.") from error


def _check_sum(name: str, file: IO[bytes], size: int) -> bytes:
    """The format's version, or ValueError unless the checksum matches; seeks to the beginning."""
    import hashlib

    head = file.read(_HEAD)
    if not head.startswith(_MAGIC):
        raise ValueError(
            f"{name}: expected a checkpoint; it does not begin like one, so it is damaged or "
            "something else."
        )
    digest = hashlib.sha256(head)
    left = size - _HEAD - _CHECKSUM
    while left > 0 and (piece := file.read(min(PIECE, left))):
        digest.update(piece)
        left -= len(piece)
    # mutant: trust a checksum
    if left != 0 or file.read(_CHECKSUM + 1) != digest.digest():
        raise ValueError(
            f"{name}: expected a whole checkpoint; its checksum does not fit, so it is damaged or "
            "cut short."
        )
    file.seek(0)
    return head[len(_MAGIC) :][:1]


def _content(file: IO[bytes], size: int) -> tuple[About, Arrays]:
    """The content of a file with a correct checksum, which may be invalid in any other way."""
    length = int.from_bytes(file.read(_HEAD)[-8:], "little")
    n_bytes = size - _HEAD - _CHECKSUM - length
    if n_bytes < 0:
        raise ValueError(f"a text of {length} bytes is longer than the file")
    content = json.loads(file.read(length))
    about, listed = content["about"], content["arrays"]
    if not isinstance(about, dict) or not isinstance(listed, list):
        raise ValueError("its text has neither about nor arrays")
    shapes = {}
    for name, dtype, shape in listed:
        if dtype not in _DTYPES or name in shapes:
            raise ValueError(f"array {name!r} of {dtype!r} is unknown, or there twice")
        plain = tuple(check_int(n, "a length", low=0) for n in shape)
        shapes[name] = np.dtype(dtype).newbyteorder("<"), plain
    if sum(math.prod(shape) * dtype.itemsize for dtype, shape in shapes.values()) != n_bytes:
        raise ValueError(f"its arrays do not take {n_bytes} bytes")
    arrays = {}
    for name, (dtype, shape) in shapes.items():
        array = np.empty(shape, dtype)
        fill(array, _pieces(file, array.nbytes))
        arrays[name] = array.astype(dtype.newbyteorder("="), copy=False)
    return about, arrays


def _pieces(file: IO[bytes], length: int) -> Iterator[bytes]:
    """The next bytes of a file, which is long enough."""
    for start in range(0, length, PIECE):
        yield file.read(min(PIECE, length - start))


def check_kind(file: Checkpoint, about: About, kind: str) -> None:
    """Raise ValueError for a checkpoint of another facade."""
    if about.get("kind") != kind:
        raise ValueError(
            f"{file.path}: expected a checkpoint of {kind}.fit; got one of "
            f"{about.get('kind')!r}. Give another name."
        )


def check_same(path: str, saved: Any, mine: Mapping[str, Any], earlier: Mapping[str, Any]) -> None:
    """Raise ValueError, naming all that differs, unless a checkpoint is of the same run.

    Parameters
    ----------
    path : str
        The checkpoint's name, for the message.
    saved : dict
        Parameters and fingerprints of the run that wrote the checkpoint, by name.
    mine : dict
        The same of this run.
    earlier : dict
        What an earlier version of mlpcore wrote in place of some of these.
    """
    if not isinstance(saved, dict):
        raise ValueError(f"{path}: not a complete checkpoint: no parameters.")
    mine = json.loads(json.dumps(mine))
    both = {name: (saved.get(name), mine.get(name)) for name in {**saved, **mine}}
    different = [
        f"{name} was {_shorten(before)} and is {_shorten(now)}"
        for name, (before, now) in both.items()
        if before not in (now, earlier.get(name, now))
    ]
    if different:
        raise ValueError(
            f"{path}: expected a checkpoint of the same run; {'; '.join(different)}. Fit with the "
            "same data and parameters to go on, or give another checkpoint to begin again."
        )


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def checked_array(
    arrays: Arrays, name: str, dtype: DTypeLike, shape: tuple[int | None, ...]
) -> NDArray[Any]:
    """An array of a checkpoint, checked.

    Parameters
    ----------
    arrays : dict of ndarray
    name : str
    dtype : dtype
    shape : tuple of int or None
        None stands for any length.

    Returns
    -------
    array : ndarray

    Raises
    ------
    ValueError
        If it is missing, or has another dtype or shape.
    """
    array = arrays.get(name)
    fits = (
        array is not None
        and array.dtype == dtype
        and array.ndim == len(shape)
        and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    )
    if array is None or not fits:
        raise ValueError(f"no array {name!r} of {np.dtype(dtype)} with shape {shape}")
    return array
