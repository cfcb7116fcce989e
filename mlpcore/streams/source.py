"""Rows that are read when they are needed: mapped files, and what has shape, dtype and slices."""

from __future__ import annotations

import contextlib
import math
import mmap
import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlpcore._validation import float_for
from mlpcore.engine.registry import INPUT_KINDS

# What identifies the content of a file: device, inode, size and time of the last write.
Signature = tuple[int, int, int, int]


def is_large(X: Any, buffer_bytes: int) -> bool:
    """Whether rows are to be read in pieces, since they are in no memory and larger than a buffer.

    Parameters
    ----------
    X : object
        Rows as the caller gave them.
    buffer_bytes : int

    Returns
    -------
    large : bool
        True for mapped arrays and for objects with ``shape``, ``dtype`` and slices that do not hold
        their numbers in memory, such as those of h5py and zarr.
    """
    return is_outside(X) and math.prod(X.shape) * np.dtype(X.dtype).itemsize > buffer_bytes


def is_outside(X: Any) -> bool:
    """Whether an object has rows that are not in memory."""
    if isinstance(X, np.ndarray):
        return type(X) in (np.ndarray, np.memmap) and _map_below(X) is not None
    # Tensors and frames are in memory, and NumPy sees or copies them as a whole.
    inside = ("__array_interface__", "__dlpack__", "iloc", "tocsr", "__cuda_array_interface__")
    if any(hasattr(type(X), name) for name in inside) or not hasattr(type(X), "__getitem__"):
        return False
    shape = getattr(X, "shape", None)
    if not isinstance(shape, tuple) or len(shape) not in (1, 2):
        return False
    try:
        dtype = np.dtype(X.dtype)
    except (AttributeError, TypeError):
        return False
    return dtype.kind in "fiubSU" and all(isinstance(n, (int, np.integer)) for n in shape)


def as_array(X: Any) -> Any:
    """Rows outside of memory as an array, where NumPy would not read them by itself."""
    if is_outside(X) and not isinstance(X, np.ndarray) and not hasattr(X, "__array__"):
        return np.asarray(X[0 : X.shape[0]])
    return X


def buffer_dtype(dtype: np.dtype[Any], network: DTypeLike | None) -> np.dtype[Any]:
    """The dtype in which rows are kept for the engine.

    Parameters
    ----------
    dtype : dtype
        Of the rows.
    network : dtype or None
        That of the network; None where the rows decide it.

    Returns
    -------
    dtype : dtype
        The rows' own in native byte order, if the engine reads it.
    """
    if dtype.name in INPUT_KINDS:
        return dtype.newbyteorder("=")
    return np.dtype(network or float_for(dtype))


class _Mapped(NamedTuple):
    """Rows that lie in a file without gaps."""

    path: str
    offset: int  # of the first element, in bytes


class Source:
    """Rows that are read when they are needed, and whose files must not change meanwhile.

    A mapped file is read by its name and not through its mapping: where a file has become shorter,
    access to its mapping kills the process.

    Parameters
    ----------
    X : object
        As `is_outside` accepts it, or an array.
    name : str
        The caller's name of X.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    can_check : bool
        Whether a change of the rows is noticed.
    """

    def __init__(self, X: Any, name: str) -> None:
        self.name, self._X = name, X
        self.shape, self.dtype = tuple(int(n) for n in X.shape), np.dtype(X.dtype)
        self._map = _map_below(X) if isinstance(X, np.ndarray) else None
        self._mapped = None if self._map is None else _mapped(X, self._map)
        if self._map is not None:
            self._length = self._map.size()
        paths = [self._mapped.path] if self._mapped else _files_of(X)
        self._files = {path: _signature(os.stat(path)) for path in paths}
        self.can_check = bool(self._files) or (isinstance(X, np.ndarray) and self._map is None)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, _ = rows.indices(len(self))
        out = np.empty((stop - start, *self.shape[1:]), self.dtype.newbyteorder("="))
        self.read_into(start, out)
        return out

    @property
    def chunks(self) -> NDArray[np.intp] | None:
        """Where the parts begin that the rows are stored in, if these cannot be read in part."""
        starts = getattr(self._X, "row_group_starts", None)
        if starts is not None:
            return np.asarray(starts, np.intp)
        chunks = getattr(self._X, "chunks", None)
        if not isinstance(chunks, tuple) or not chunks or not isinstance(chunks[0], int):
            return None
        return np.arange(0, len(self), max(1, chunks[0]))

    @property
    def must_align(self) -> bool:
        """Whether reading some rows of a chunk takes as long as reading it all."""
        return hasattr(self._X, "row_group_starts")

    def read_into(self, start: int, out: NDArray[Any]) -> None:
        """Read consecutive rows.

        Parameters
        ----------
        start : int
        out : ndarray, shape (n, ...)
            C-contiguous; numbers are converted to its dtype.

        Raises
        ------
        OSError
            If the rows cannot be read, or their file is no longer what it was.
        """
        if self._mapped is not None:
            self._read_mapped(self._mapped, start, out)
            return
        stop = start + len(out)
        self.check_unchanged()
        try:
            block = np.asarray(self._X[start:stop])
        except Exception as error:
            self.check_unchanged()
            raise OSError(
                f"{self.name}: rows {start} to {stop - 1} cannot be read: "
                f"{type(error).__name__}: {error}"
            ) from error
        if block.shape != out.shape:
            raise OSError(
                f"{self.name}: rows {start} to {stop - 1} must have shape {out.shape}; got "
                f"{block.shape}. The data have become shorter since they were given, or another "
                "program writes to them."
            )
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found later
            out[...] = block
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raise OSError if a file has changed since the rows were given."""
        for path, signature in self._files.items():
            try:
                now = _signature(os.stat(path))
            except OSError as error:
                raise OSError(f"{self.name}: {path} cannot be read any more: {error}") from error
            if now != signature:
                raise _changed(self.name, path, signature, now)
        if self._map is not None and self._map.size() < self._length:
            raise OSError(
                f"{self.name}: its mapped file has become shorter, {self._map.size()} bytes in "
                f"place of {self._length}."
            )

    def _read_mapped(self, mapped: _Mapped, start: int, out: NDArray[Any]) -> None:
        path, signature = mapped.path, self._files[mapped.path]
        row = self.dtype.itemsize * math.prod(self.shape[1:])
        same = self.dtype.newbyteorder("=") == out.dtype
        block = out if same else np.empty(out.shape, self.dtype)
        view = memoryview(block.reshape(-1).view(np.uint8))
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(mapped.offset + start * row)
                done = 0
                while done < len(view):
                    got = file.readinto(view[done:])
                    if not got:
                        break
                    done += got
                now = _signature(os.fstat(file.fileno()))
        except OSError as error:
            raise OSError(f"{self.name}: {path} cannot be read any more: {error}") from error
        if now != signature:  # mutant: train on a file that changes
            raise _changed(self.name, path, signature, now)
        if done < len(view):
            raise OSError(
                f"{self.name}: {path} ends within row {start + done // max(1, row)} of {len(self)}."
            )
        if same and not self.dtype.isnative:
            block.byteswap(inplace=True)
        elif not same:
            with np.errstate(over="ignore", invalid="ignore"):
                out[...] = block


def _changed(name: str, path: str, before: Signature, now: Signature) -> OSError:
    shorter = before[:2] == now[:2] and now[2] < before[2]
    what = (
        f"has become shorter, {now[2]} bytes in place of {before[2]}" if shorter else "has changed"
    )
    return OSError(
        f"{name}: {path} {what} since it was given. Data that are read in pieces must stay as they "
        "are until the call is over."
    )


def _signature(status: os.stat_result) -> Signature:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _map_below(X: Any) -> mmap.mmap | None:
    """The mapping that an array is a view of, if it is one."""
    while isinstance(X, np.ndarray) and X.base is not None:
        X = X.base
    if isinstance(X, memoryview):
        X = X.obj
    return X if isinstance(X, mmap.mmap) else None


def _mapped(X: NDArray[Any], below: mmap.mmap) -> _Mapped | None:
    """The place of an array's rows in its file; None where it cannot be told for certain."""
    view: Any = X
    while not isinstance(view, np.memmap) and isinstance(view, np.ndarray):
        view = view.base
    filename = getattr(view, "filename", None)
    if filename is None or not X.flags.c_contiguous:
        return None
    start = np.frombuffer(below, np.uint8)
    # `offset` is that of the whole mapping, also in a view of it.
    offset = view.offset - view.offset % mmap.ALLOCATIONGRANULARITY
    offset += X.__array_interface__["data"][0] - start.__array_interface__["data"][0]
    path = os.path.abspath(os.fspath(filename))
    with contextlib.suppress(OSError), open(path, "rb") as file:
        # The file of this name may be another one by now.
        file.seek(offset)
        first = X[: max(1, 4096 // max(1, X[:1].nbytes))]
        if os.fstat(file.fileno()).st_size == below.size() and (
            file.read(first.nbytes) == first.tobytes()
        ):
            return _Mapped(path, offset)
    return None


def _files_of(X: Any) -> list[str]:
    """The files that an object reads, where it says so and does not write to them."""
    files = getattr(X, "files", None)
    if isinstance(files, (list, tuple)) and all(isinstance(path, str) for path in files):
        return list(files)
    # h5py's file.
    file = getattr(X, "file", None)
    name = getattr(file, "filename", None)
    if getattr(file, "mode", None) == "r" and isinstance(name, str) and os.path.isfile(name):
        return [os.path.abspath(name)]
    return []
