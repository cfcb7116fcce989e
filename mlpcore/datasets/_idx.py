"""The IDX format of MNIST: strict reading, atomic writing.

An IDX file is two zero bytes, one byte for the type of the elements, one for the number of
dimensions, the size of each dimension as a big-endian 32-bit integer, and the elements in
C order, big-endian. The first four bytes together are known as the magic number.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlpcore._files import MAX_DEFLATE_RATIO, atomic_write, fill
from mlpcore._paths import StrPath, to_path
from mlpcore.datasets._source import (
    IDXError,
    Readable,
    Rereadable,
    Source,
    Stream,
    describe,
    open_source,
    packing,
    unpack,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LABELS = 0x0801  # unsigned bytes, one dimension
IMAGES = 0x0803  # unsigned bytes, three dimensions
LABEL_TABLE = 0x0C02  # 32-bit integers, two dimensions

_KINDS = {LABELS: "labels", IMAGES: "images", LABEL_TABLE: "a table of labels"}

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CODES = {dtype.str[1:]: code for code, dtype in _DTYPES.items()}
_ADVICE = {"b": "uint8", "i": "int32", "u": "int32", "f": "float32"}

# Four bytes and at most 255 sizes of four bytes each.
_LONGEST_HEADER = 4 + 255 * 4

# The size of compressed data is known only after decompression, and that of a stream after reading.
# Up to this many bytes (MNIST has 45 MiB) the array is allocated at once and filled in a single
# pass; above, a first pass counts, so that no damaged file takes more memory than this.
_ONE_PASS = 48 << 20


class _Header(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return (
            f"{self.dtype.name} of shape {self.shape}, {self.offset + self.n_bytes} bytes "
            "with the header"
        )


def read_idx(path: StrPath | bytes | bytearray | memoryview | Readable) -> NDArray[Any]:
    """Read one IDX file into a new array.

    Parameters
    ----------
    path : str, PathLike, binary file object, bytes, bytearray or memoryview
        The file, plain or compressed by gzip or xz, as its first bytes show. A leading ``~`` is the
        home folder. An open file is read from its position to its end, need not be seekable (a
        pipe, a socket, a member of a zip file) and stays open. Bytes are the content of the file.

    Returns
    -------
    data : ndarray
        Of the shape the file states, one or more dimensions, and of dtype uint8 (type code
        0x08), int8 (0x09), int16 (0x0B), int32 (0x0C), float32 (0x0D) or float64 (0x0E) in
        the machine's own byte order; C-contiguous and writeable.

    Raises
    ------
    IDXError
        If the file is no complete IDX file: empty, truncated, damaged, followed by other bytes, of
        an unknown type, or another kind of file. IDXError is a ValueError.
    OSError
        If there is no such file, it must not be read, or it is a folder.
    TypeError
        If `path` is something else, or a file that is open in text mode.

    See Also
    --------
    write_idx : Write such a file.
    load_mnist : Read images and labels together.

    Notes
    -----
    The header is checked against the real number of bytes before anything large is allocated.
    That number is the size of a file or of bytes. Compressed data and open files are read to count
    it, twice if the header states more than 48 MiB; an open file is kept in memory in between.
    Decompressing xz data takes up to 80 MiB of additional memory.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits",
       section "The IDX file format", http://yann.lecun.com/exdb/mnist/

    Examples
    --------
    >>> import os, tempfile
    >>> from mlpcore import read_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    ...     read_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    return read_expected(path)


def read_expected(
    path: StrPath | bytes | bytearray | memoryview | Readable, magic: int | None = None
) -> NDArray[Any]:
    """Implement `read_idx`; raise IDXError for another magic number than `magic`."""
    with open_source(path) as source:
        file, name, size = source
        kind = packing(file)
        head = b""
        for piece in unpack(file, name):
            head += piece
            if len(head) >= _LONGEST_HEADER:
                break
        header = _parse_header(head, name, magic)
        if kind is None and size is not None:
            data = _read_plain(source, header)
        else:
            length = header.offset + header.n_bytes
            if kind == "gzip" and size is not None and length > MAX_DEFLATE_RATIO * size:
                raise _wrong_size(name, header, f"{size} gzip-compressed bytes, too few for that")
            if header.n_bytes > _ONE_PASS:
                for _ in _elements(file, name, header):
                    pass
            if isinstance(file, Stream):
                file.keep_no_more()
            data = _allocate(name, header)
            fill(data, _elements(file, name, header))
    native = header.dtype.newbyteorder("=")
    return data if header.dtype.isnative else data.byteswap(inplace=True).view(native)


def open_idx(path: StrPath) -> np.memmap[Any, Any]:
    """Map an IDX file, whose elements are then read when they are needed.

    Parameters
    ----------
    path : str or PathLike
        The file, not compressed. A leading ``~`` is the home folder.

    Returns
    -------
    data : memmap
        As `read_idx` returns it, but read-only and in the file's byte order, which is another than
        the machine's for numbers of more than a byte. Images are rows with
        ``data.reshape(len(data), -1)``.

    Raises
    ------
    IDXError
        If the file is no complete IDX file, or is compressed.
    OSError
        If there is no such file, it must not be read, or it is a folder.

    See Also
    --------
    read_idx : Read the file into memory.
    """
    name = to_path(path)
    with open_source(name) as source:
        file, _, size = source
        if packing(file) is not None:
            raise IDXError(
                f"{name}: expected an IDX file that is not compressed; got one by "
                f"{packing(file)}. Unpack it first, or use read_idx."
            )
        header = _parse_header(file.read(_LONGEST_HEADER), name, None)
        if header.offset + header.n_bytes != size:
            raise _wrong_size(name, header, f"{size} bytes")
    if header.n_bytes == 0:
        raise IDXError(f"{name}: expected some elements; got shape {header.shape}. Use read_idx.")
    return np.memmap(name, header.dtype, "r", header.offset, header.shape)


def write_idx(path: StrPath, array: ArrayLike) -> None:
    """Write an array as an IDX file.

    The file replaces an older one only when it is complete.

    Parameters
    ----------
    path : str or PathLike
        The file to write; gzip-compressed if its name ends in ``.gz``. The same array gives
        the same bytes each time. A leading ``~`` is the home folder.
    array : array_like
        Of dtype uint8, int8, int16, int32, float32 or float64 in any byte order and memory
        layout, with one or more dimensions of less than 2**32 each. (The format
        cannot hold a single number: a header without dimensions is read as damage.)

    Raises
    ------
    IDXError
        If IDX has no type for the dtype, or cannot hold the shape. Nothing is written then.
        IDXError is a ValueError.
    OSError
        If the file cannot be written: its folder is not there or read-only, or the disk is full.
        The message says which, and an older file is as it was.

    See Also
    --------
    read_idx : Read the array back.
    """
    name = to_path(path)
    data = np.asarray(array)
    code = _CODES.get(data.dtype.str[1:])
    if code is None:
        advice = _ADVICE.get(data.dtype.kind)
        raise IDXError(
            f"{name}: expected an array of uint8, int8, int16, int32, float32 or float64; got "
            f"{data.dtype}. "
            + (f"Use array.astype({advice!r}) if that holds the values." if advice else "")
        )
    if data.ndim == 0:
        raise IDXError(f"{name}: expected one or more dimensions; got a single number. Use [x].")
    if max(data.shape) >= 1 << 32:
        raise IDXError(
            f"{name}: expected dimensions of less than 2**32; got shape {data.shape}. Write "
            "several files."
        )
    header = struct.pack(f">HBB{data.ndim}I", 0, code, data.ndim, *data.shape)
    elements = np.ascontiguousarray(data, _DTYPES[code]).reshape(-1).view(np.uint8)
    with atomic_write(name) as file:
        if name.endswith(".gz"):
            import gzip

            # Level 6 is gzip's own default: 9 takes MNIST several times as long for 1 % less.
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                packed.write(header)
                packed.write(elements.data)
        else:
            file.write(header)
            file.write(elements.data)


def _read_plain(source: Source, header: _Header) -> NDArray[Any]:
    """Read the elements of a file that is not packed and has a size."""
    file, name, size = source
    if header.offset + header.n_bytes != size:
        raise _wrong_size(name, header, f"{size} bytes")
    data = _allocate(name, header)
    file.seek(header.offset)
    assert isinstance(file, io.BufferedIOBase)
    if file.readinto(data.reshape(-1).view(np.uint8)) != header.n_bytes:
        raise IDXError(f"{name}: the file became shorter while being read. Read it again.")
    return data


def _elements(file: Rereadable, name: str, header: _Header) -> Iterator[bytes]:
    """Yield the bytes after the header; raise IDXError unless they are as many as promised."""
    skip, left = header.offset, header.n_bytes
    unpacked = " when unpacked" if packing(file) else ""
    for piece in unpack(file, name):
        elements = piece[skip:]
        skip -= len(piece) - len(elements)
        if len(elements) > left:
            raise _wrong_size(name, header, f"more{unpacked}")
        left -= len(elements)
        yield elements
    if left:
        found = header.offset + header.n_bytes - left
        raise _wrong_size(name, header, f"{found} bytes{unpacked}")


def _parse_header(head: bytes, name: str, magic: int | None) -> _Header:
    """Read the header from the first bytes of a file, at most `_LONGEST_HEADER` of them."""
    if not head:
        raise IDXError(f"{name}: expected an IDX file; got no bytes at all. Download it again.")
    if any(head[:2]):
        raise IDXError(
            f"{name}: expected an IDX file, which starts with two zero bytes; got {describe(head)}."
        )
    if len(head) < 4:
        raise _short_header(name, head, 4)
    code, n_dimensions = head[2], head[3]
    if code not in _DTYPES:
        known = ", ".join(f"0x{code:02x}" for code in _DTYPES)
        raise IDXError(
            f"{name}: expected an IDX type code out of {known}; got 0x{code:02x}. The file is "
            "damaged or of another kind."
        )
    dtype = _DTYPES[code]
    found = int.from_bytes(head[:4], "big")
    if magic is not None and found != magic:
        got = _KINDS.get(found, f"{dtype.name}, dimensions: {n_dimensions}")
        swapped = " Are the two paths swapped?" if {found, magic} == {LABELS, IMAGES} else ""
        raise IDXError(
            f"{name}: expected IDX magic {magic} ({_KINDS[magic]}); got {found} ({got}).{swapped}"
        )
    if n_dimensions == 0:
        raise IDXError(f"{name}: expected one or more dimensions; got 0. The file is damaged.")
    offset = 4 + 4 * n_dimensions
    if len(head) < offset:
        raise _short_header(name, head, offset)
    return _Header(dtype, struct.unpack_from(f">{n_dimensions}I", head, 4), offset)


def _allocate(name: str, header: _Header) -> NDArray[Any]:
    """Make the array of a header; raise IDXError for shapes beyond NumPy's bounds."""
    try:
        return np.empty(header.shape, header.dtype)
    except ValueError as error:  # more than 64 dimensions, or empty with huge others
        raise IDXError(
            f"{name}: expected a shape that NumPy can hold; got {len(header.shape)} dimensions "
            f"({error}). The file is damaged or cannot be read here."
        ) from error


def _short_header(name: str, head: bytes, needed: int) -> IDXError:
    return IDXError(
        f"{name}: expected an IDX header of {needed} bytes; the file ends after {len(head)}. "
        "Download it again."
    )


def _wrong_size(name: str, header: _Header, found: str) -> IDXError:
    return IDXError(
        f"{name}: expected {header}; the file has {found}. Download it again, or write it again."
    )
