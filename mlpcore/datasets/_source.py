"""Sources of IDX files: paths, bytes and open files, plain or compressed by gzip or xz."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from mlpcore._files import PIECE, open_regular
from mlpcore._paths import StrPath, to_path

GZIP = b"\x1f\x8b"
XZ = b"\xfd7zXZ\0"

# zlib copies unused input at the end of each member, so that a file of tiny members costs the
# square of this; other files are not read faster in larger pieces.
_PACKED_PIECE = 1 << 14

# The memory that decompressing xz data may take: xz -9, the highest level, needs 65 MiB.
_XZ_MEMORY = 80 << 20

_LOOKALIKES = (
    (GZIP, "gzip data inside packed data. Unpack the file once"),
    (XZ, "xz data inside packed data. Unpack the file once"),
    (b"PK\x03\x04", "a zip archive. Unpack it; if it is an .npz file, read it with load_npz"),
    (b"BZh", "bzip2 data. Unpack it with bunzip2"),
    (b"\x28\xb5\x2f\xfd", "zstandard data. Unpack it with unzstd"),
    (b"\x93NUMPY", "a NumPy .npy file. Read it with numpy.load"),
    (b"version https://git-lfs", "a Git LFS pointer, not the data. Run 'git lfs pull'"),
)


class IDXError(ValueError):
    """A file is not a correct IDX file, or an array cannot be written as one.

    The message names the file, what was expected, what was found and what to do.
    """


class Readable(Protocol):
    """The interface of an open file."""

    def read(self, n_bytes: int, /) -> Any: ...


class Rereadable(Protocol):
    """A binary file that can be read again from its start."""

    def read(self, n_bytes: int, /) -> bytes: ...
    def seek(self, place: int, /) -> int: ...


class Source(NamedTuple):
    """A file, its name in error messages, and its number of bytes, if that is known."""

    file: Rereadable
    name: str
    size: int | None


@contextlib.contextmanager
def open_source(source: StrPath | bytes | bytearray | memoryview | Readable) -> Iterator[Source]:
    """Open an argument of `read_idx`.

    Yields
    ------
    source : Source
    """
    if isinstance(source, bytes | bytearray | memoryview):
        content = bytes(source)
        yield Source(io.BytesIO(content), "the given bytes", len(content))
    elif isinstance(source, str | os.PathLike):
        name = to_path(source)
        with open_regular(name, IDXError) as file:
            yield Source(file, name, os.fstat(file.fileno()).st_size)
    elif hasattr(source, "read"):
        stream = Stream(source)
        yield Source(stream, stream.name, None)
    else:
        raise TypeError(
            "path must be a str, a PathLike object, an open binary file or bytes; got "
            f"{type(source).__name__}."
        )


class Stream:
    """An open file from its position on, stored while it is read, so that it can be read again.

    Parameters
    ----------
    stream : binary file object
        Seekable or not.

    Raises
    ------
    TypeError
        If `stream` is open in text mode.
    """

    def __init__(self, stream: Readable) -> None:
        name = getattr(stream, "name", None)
        self.name = name if isinstance(name, str) else "the open file"
        if isinstance(stream, io.TextIOBase):
            raise self._not_binary("a file in text mode")
        self._stream = stream
        self._kept = io.BytesIO()
        self._keeps = True

    def read(self, n_bytes: int) -> bytes:
        """Return at most so many bytes, and none only at the end."""
        piece = self._kept.read(n_bytes)
        if piece:
            return piece
        piece = self._stream.read(n_bytes)
        if piece is None:
            raise BlockingIOError(
                errno.EAGAIN, "has no bytes yet; set it to blocking mode", self.name
            )
        if not isinstance(piece, bytes | bytearray):
            raise self._not_binary(f"{type(piece).__name__} from its read method")
        if self._keeps:
            self._kept.write(piece)
        return bytes(piece)

    def seek(self, place: int) -> int:
        """Go back to a position that has been read and stored."""
        return self._kept.seek(place)

    def keep_no_more(self) -> None:
        """Store no more bytes: the caller will not go back to them."""
        self._keeps = False

    def _not_binary(self, got: str) -> TypeError:
        return TypeError(
            f"{self.name}: expected a file in binary mode; got {got}. Open it with mode 'rb'."
        )


def packing(file: Rereadable) -> str | None:
    """Recognise compressed data by its first bytes; leave the file at its start.

    Parameters
    ----------
    file : binary file object, seekable

    Returns
    -------
    packing : {"gzip", "xz"} or None
    """
    file.seek(0)
    start = b""
    while len(start) < len(XZ) and (piece := file.read(len(XZ) - len(start))):
        start += piece
    file.seek(0)
    if start.startswith(GZIP):
        return "gzip"
    return "xz" if start == XZ else None


def unpack(file: Rereadable, name: str) -> Iterator[bytes]:
    """Yield the bytes of an open file from its start, unpacked if they are gzip or xz data.

    Parameters
    ----------
    file : binary file object, seekable
    name : str
        The file's name in error messages.

    Yields
    ------
    piece : bytes, not more than `PIECE` of them

    Raises
    ------
    IDXError
        If packed data is damaged, cut short, or followed by anything but more of its kind, or xz
        data needs more than 80 MiB of memory to be unpacked.
    """
    kind = packing(file)
    if kind == "gzip":
        yield from _unpack_gzip(file, name)
    elif kind == "xz":
        yield from _unpack_xz(file, name)
    else:
        yield from iter(lambda: file.read(PIECE), b"")


def describe(head: bytes) -> str:
    """A description of data that is not IDX, by its first bytes."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return "a web page (HTML or XML). Download the file itself"
    for start, words in _LOOKALIKES:
        if head.startswith(start):
            return words
    line = text[:40].splitlines()[0] if text else b""
    if line.isascii() and line.decode("ascii").isprintable() and line:
        return f"text that begins {line.decode('ascii')!r}"
    return f"bytes {head[:4].hex(' ')}"


def _unpack_gzip(file: Rereadable, name: str) -> Iterator[bytes]:
    """Yield what gzip data unpacks to, in the format of RFC 1952."""
    import zlib

    packed = file.read(_PACKED_PIECE)
    while packed:  # once for each member: gzip files may be concatenated
        if not packed.startswith(GZIP[: len(packed)]):
            raise _more_bytes(name, "gzip", packed)
        member = zlib.decompressobj(wbits=31)  # 31: a gzip header, and its CRC at the end
        while not member.eof:
            if not packed:
                raise _cut_short(name, "gzip")
            try:
                piece = member.decompress(packed, PIECE)
            except zlib.error as error:
                raise _damaged(name, "gzip", error) from error
            if piece:
                yield piece
            packed = member.unconsumed_tail or member.unused_data or file.read(_PACKED_PIECE)


def _unpack_xz(file: Rereadable, name: str) -> Iterator[bytes]:
    """Yield what xz data unpacks to, in the format of https://tukaani.org/xz/xz-file-format.txt."""
    import lzma

    packed = file.read(_PACKED_PIECE)
    while packed:  # once for each stream: xz files may be concatenated
        if not packed.startswith(XZ[: len(packed)]):
            raise _more_bytes(name, "xz", packed)
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        while not stream.eof:
            if stream.needs_input and not packed:
                raise _cut_short(name, "xz")
            try:
                piece = stream.decompress(packed, PIECE)
            except lzma.LZMAError as error:
                if "limit" in str(error):
                    raise IDXError(
                        f"{name}: expected xz data that {_XZ_MEMORY >> 20} MiB of memory are "
                        "enough for; got some that need more. Unpack it with unxz."
                    ) from None
                raise _damaged(name, "xz", error) from error
            if piece:
                yield piece
            packed = file.read(_PACKED_PIECE) if stream.needs_input else b""
        packed = stream.unused_data or file.read(_PACKED_PIECE)
        n_zeros = 0  # after a stream there may be zeros, a multiple of four of them
        while packed.startswith(b"\0"):
            rest = packed.lstrip(b"\0")
            n_zeros += len(packed) - len(rest)
            packed = rest or file.read(_PACKED_PIECE)
        if n_zeros % 4:
            raise _damaged(name, "xz", f"{n_zeros} zeros as padding")


def _damaged(name: str, kind: str, reason: object) -> IDXError:
    return IDXError(f"{name}: the {kind} data is damaged ({reason}). Download it again.")


def _cut_short(name: str, kind: str) -> IDXError:
    return IDXError(f"{name}: the {kind} data is cut short. Download it again.")


def _more_bytes(name: str, kind: str, found: bytes) -> IDXError:
    return IDXError(
        f"{name}: expected the end of the file after the {kind} data; got more bytes, "
        f"{found[:4].hex(' ')}. Download it again."
    )
