"""Files that are complete or absent, and archives with checked sizes.

Data sets, models and checkpoints use `atomic_write`, the pair `save_npz` and `load_npz`, and the
helpers `open_regular` and `fill` of all readers.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import os
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mlpcore._paths import StrPath, in_words, to_path

if TYPE_CHECKING:
    import zipfile
    from io import BufferedReader

    from numpy.typing import ArrayLike, NDArray

# Files are read and decompressed in pieces of at most this many bytes: they stay in the
# processor's cache, and an endless stream takes no more memory than one of them.
PIECE = 1 << 18

# DEFLATE, the method of both gzip and zip, needs two bits for a match of at most 258 bytes: no
# compressed byte yields more bytes than this.
MAX_DEFLATE_RATIO = 1032

# NumPy refuses longer .npy headers of untrusted files (10,000 characters).
_NPY_HEADER = 1 << 14

# Booleans, integers, floats, complex numbers, bytes, text, dates and times: plain bytes.
_PLAIN_KINDS = "biufcSUMm"

# Booleans and text do not allow every value of their bytes: the dtype in which they are compared,
# and the largest valid value. NumPy trusts the file, and Python raises SystemError later, or worse.
_LARGEST = {"b": ("u1", 1), "U": ("u4", sys.maxunicode)}


@contextlib.contextmanager
def atomic_write(
    path: StrPath, *, temporary: str | None = None, previous: str | None = None
) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when it is complete.

    The bytes go to a temporary file in the same folder, which takes the place of `path`
    when the block ends well and is removed when it does not: at every moment, and after a
    crash, `path` holds either the old content or the new.

    Parameters
    ----------
    path : str or PathLike
        The file to write. If it is a symbolic link, its target is replaced.
    temporary : str, optional
        The temporary file, in the same folder; an existing one is lost. For callers that make sure
        that no other process writes to it. By default, a unique name.
    previous : str, optional
        A name in the same folder for the old content.

    Yields
    ------
    file : binary file object
        Open for writing, seekable; flushed and closed by this function.

    Raises
    ------
    OSError
        If `path` cannot be written, is read-only, or is not a regular file. The error names
        `path`, never the temporary file, and says what to do.

    Notes
    -----
    As with `open`, a new file gets the permissions that the umask leaves and an old one
    keeps its own. After ``kill -9`` the temporary file may stay behind, by default
    ``.mlpcore-*.tmp``.
    """
    path = to_path(path)
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    mode = _mode_to_write(path, target)
    fresh = temporary is None
    temporary = temporary or os.path.join(folder, f".mlpcore-{os.urandom(8).hex()}.tmp")
    try:
        if not fresh:
            # An existing file is removed, not opened: it may be a link to another place.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        file = open(temporary, "xb")
        try:
            with file:
                if mode is not None:
                    os.chmod(temporary, stat.S_IMODE(mode))
                yield file
                file.flush()
                os.fsync(file.fileno())  # mutant: leave a file in the cache
            if previous is not None and mode is not None:
                _link_previous(target, previous)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        # The error may be about another file that the block uses.
        if error.errno is None or error.filename not in (None, target, temporary, previous):
            raise
        raise in_words(error, path) from None
    # The new name, too, must survive a power cut. Not every file system can sync a folder;
    # the file itself is complete and in place by now, so that is no reason to fail.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _mode_to_write(path: str, target: str) -> int | None:
    """Return the mode of a file that is to be replaced, or None if there is none yet."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise in_words(error, path) from None
    if path.endswith(os.sep) or (mode is not None and stat.S_ISDIR(mode)):
        raise IsADirectoryError(errno.EISDIR, "is a folder; give the name of a file", path)
    if mode is not None and not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is a pipe or a device; give the name of a file", path)
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "is read-only and stays as it is", path)
    return mode


def _link_previous(path: str, previous: str) -> None:
    """Give a file a second name, which another file may have had."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(previous)
    try:
        os.link(path, previous)
    except FileNotFoundError:
        return  # deleted in the meantime
    except OSError:  # a file system without hard links
        import shutil

        shutil.copyfile(path, previous)


def open_regular(path: str, error: type[ValueError] = ValueError) -> BufferedReader:
    """Open a regular file for reading.

    A pipe could block for ever and a device has no end, so both are refused unopened.

    Parameters
    ----------
    path : str
    error : type of ValueError, default ValueError
        What to raise for a pipe or a device.

    Returns
    -------
    file : binary file object, buffered

    Raises
    ------
    OSError
        If there is no such file, it must not be read, or it is a folder.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder; give the name of a file", path)
    if not stat.S_ISREG(mode):
        raise error(f"{path}: expected a file; got a pipe or a device. Save its content first.")
    return open(path, "rb")


def fill(array: NDArray[Any], pieces: Iterable[bytes]) -> int:
    """Copy bytes, piece after piece, into the memory of an array.

    Parameters
    ----------
    array : ndarray, C-contiguous, of any plain dtype
    pieces : iterable of bytes, together no more than the array's

    Returns
    -------
    n_bytes : int
        The number of bytes copied.
    """
    target = memoryview(array.reshape(-1).view(np.uint8))
    end = 0
    for piece in pieces:
        start, end = end, end + len(piece)
        target[start:end] = piece
    return end


def save_npz(path: StrPath, /, **arrays: ArrayLike) -> None:
    """Save named arrays in one compressed ``.npz`` file.

    The format is that of `numpy.savez_compressed`, so `numpy.load` reads the file, too. The
    file replaces an older one only when it is complete.

    Parameters
    ----------
    path : str or PathLike
        The file to write, under exactly this name: no ``.npz`` is appended. A leading ``~`` is
        the home folder.
    **arrays : array_like
        The arrays, of booleans, numbers, text, bytes, dates or times, of any shape.

    Raises
    ------
    ValueError
        If an array holds Python objects or records. Nothing is written then.
    OSError
        If the file cannot be written: its folder is not there or read-only, or the disk is full.
        The message says which, and an older file is as it was.

    See Also
    --------
    load_npz : Read the arrays back.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy
    >>> from mlpcore import load_npz, save_npz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "mnist_scaled.npz")
    ...     save_npz(path, X_train=numpy.zeros((2, 784), numpy.float32), y_train=[3, 7])
    ...     arrays = load_npz(path)
    >>> sorted(arrays), arrays["X_train"].shape
    (['X_train', 'y_train'], (2, 784))
    """
    import zipfile

    checked = {key: np.asarray(array) for key, array in arrays.items()}
    for key, array in checked.items():
        if not _is_plain(array.dtype):
            raise ValueError(
                f"{key}: expected an array of numbers, text, dates or booleans; got dtype "
                f"{array.dtype}, which only a pickle could hold. Convert it with astype."
            )
    with (
        atomic_write(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for key, array in checked.items():
            # The size is not known to the zip file in advance; zip64 lets it pass 4 GiB.
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def load_npz(path: StrPath) -> dict[str, NDArray[Any]]:
    """Read all arrays of an ``.npz`` file, unpickling nothing.

    Parameters
    ----------
    path : str or PathLike
        A file written by `save_npz`, `numpy.savez` or `numpy.savez_compressed`. A leading ``~``
        is the home folder.

    Returns
    -------
    arrays : dict of str to ndarray
        The arrays in the order of the file, in the dtypes and shapes they were saved with.

    Raises
    ------
    ValueError
        If the file is not an ``.npz`` file, is damaged or truncated, or holds anything but plain
        arrays of valid characters and booleans. No array is allocated before its shape has been
        checked against the size that the archive states for it, and that against the size of the
        file.
    OSError
        If the file cannot be read.

    See Also
    --------
    save_npz : Write such a file.
    """
    import zipfile

    name = to_path(path)
    with open_regular(name) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_members(archive, file)
                return {
                    member.filename.removesuffix(".npy"): _read_member(archive, member)
                    for member in archive.infolist()
                }
        except Exception as error:
            # zipfile, zlib and NumPy have a dozen exceptions for invalid bytes, among them EINVAL
            # for an offset before the start. A lack of memory for a valid file and a failing disk
            # are no faults of the content.
            of_machine = isinstance(error, MemoryError | OSError)
            if of_machine and getattr(error, "errno", None) != errno.EINVAL:
                raise
            reason = str(error).rstrip(".") or type(error).__name__
            raise ValueError(
                f"{name}: expected a whole .npz file of plain arrays; its content is wrong "
                f"({reason}). Write it again with save_npz, or fetch it again."
            ) from error


def _is_plain(dtype: np.dtype[Any]) -> bool:
    """Tell whether arrays of a dtype are plain bytes, with neither pickles nor records."""
    # NumPy makes elements of no bytes at all one byte wide, past any check of the size.
    # mutant: read objects as numbers
    return dtype.kind in _PLAIN_KINDS and dtype.itemsize > 0


def _check_members(archive: zipfile.ZipFile, file: BufferedReader) -> None:
    """Raise ValueError unless the members of a zip file can be arrays that the file holds."""
    import zipfile

    members = archive.infolist()
    for member in members:
        if not member.filename.endswith(".npy"):
            raise ValueError(f"{member.filename!r} is not an array")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{member.filename!r} is compressed by an unknown method")
        if member.file_size > MAX_DEFLATE_RATIO * member.compress_size:
            raise ValueError(f"{member.filename!r} cannot unpack to {member.file_size} bytes")
    if len(set(archive.namelist())) < len(members):
        raise ValueError("two arrays have the same name")
    # zipfile does not compare its list with the count in the last record (22 bytes and a
    # comment), although one invalid byte in the list can remove some of its entries.
    size = file.seek(-22 - len(archive.comment), os.SEEK_END)
    (stated,) = struct.unpack_from("<H", file.read(22), 10)
    if stated != min(len(members), 0xFFFF):
        raise ValueError(f"it lists {len(members)} arrays and counts {stated}")
    # Overlapping members let a small archive unpack to petabytes.
    if sum(member.compress_size for member in members) > size:
        raise ValueError("the arrays overlap or are cut short")


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read one array, whose header must account for every byte of its member."""
    import io

    with archive.open(member) as stream:
        head = io.BytesIO(stream.read(_NPY_HEADER))
        shape, fortran_order, dtype = _read_npy_header(head)
        if not _is_plain(dtype) or min(shape, default=0) < 0:
            raise ValueError(f"{member.filename!r} holds {dtype} of shape {shape}")
        n_bytes = math.prod(shape) * dtype.itemsize
        if head.tell() + n_bytes != member.file_size:  # mutant: trust a length
            raise ValueError(
                f"{member.filename!r} holds {member.file_size - head.tell()} bytes, but {dtype} "
                f"of shape {shape} takes {n_bytes}"
            )
        array = np.empty(shape[::-1] if fortran_order else shape, dtype)
        rest = iter(lambda: stream.read(PIECE), b"")
        if fill(array, itertools.chain([head.read()], rest)) != n_bytes:
            raise ValueError(f"{member.filename!r} is cut short")
    if dtype.kind in _LARGEST:
        unit, largest = _LARGEST[dtype.kind]
        codes = array.reshape(-1).view(np.dtype(unit).newbyteorder(dtype.byteorder))
        if codes.max(initial=0) > largest:
            raise ValueError(f"{member.filename!r} holds values that are no {dtype}")
    return array.T if fortran_order else array


def _read_npy_header(head: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and dtype from the start of an ``.npy`` file."""
    version = np.lib.format.read_magic(head)
    try:
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(head)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(head)
    except (MemoryError, RecursionError):
        # Python's parser raises these for an expression that is nested too deeply.
        raise ValueError("an array header is not one that NumPy writes") from None
    raise ValueError(f"the .npy format {version} is for records, which are not read")
