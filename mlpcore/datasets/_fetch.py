"""Downloads of MNIST, which are complete and checked, or fail."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from mlpcore._files import atomic_write, open_regular
from mlpcore._paths import StrPath, in_words, to_path
from mlpcore.datasets._idx import read_idx
from mlpcore.datasets._mnist import find
from mlpcore.datasets._source import GZIP, IDXError, describe, unpack

if TYPE_CHECKING:
    from pathlib import Path

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# Size and sha256 of the decompressed bytes: mirrors compress again and browsers decompress, so that
# the checksum of the .gz file varies.
FILES = {
    "train-images-idx3-ubyte": (
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": (
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": (
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": (
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}

# A download fails when the server has not answered after the first number of seconds, was silent
# for the second, or has not sent the file within the third.
CONNECT = 5.0
SILENCE = 30.0
PATIENCE = 1800.0


def fetch_mnist(path: StrPath | None = None, *, mirrors: Sequence[str] = MIRRORS) -> Path:
    """Download the four files of MNIST, unless they are there already.

    Needs pooch, and shows a progress bar on a terminal if tqdm is installed; both come with
    ``pip install "mlpcore[fetch]"``.

    Parameters
    ----------
    path : str or PathLike, optional
        The folder for the files, which is created if it does not exist; a leading ``~`` is the home
        folder. Default: the folder that the environment variable ``MLPCORE_DATA`` names, by the
        same rules, or, if it is not set or empty, the cache folder of the platform (on Linux
        ``~/.cache/mlpcore``).
    mirrors : sequence of str, default two public mirrors
        The addresses of folders with the files ``train-images-idx3-ubyte.gz``,
        ``train-labels-idx1-ubyte.gz``, ``t10k-images-idx3-ubyte.gz`` and
        ``t10k-labels-idx1-ubyte.gz``. When one fails to deliver a file, by a network error,
        by silence for 30 seconds or by wrong content, the next is tried.

    Returns
    -------
    folder : pathlib.Path
        The folder with the files, to be given to `load_mnist`.

    Raises
    ------
    OSError
        If no mirror delivered a file (the message gives the reason for each), or the folder
        cannot be made or written.
    NotADirectoryError
        If the folder is a file.
    FileExistsError
        If the folder has one of the files with other content that is a correct IDX file,
        such as Fashion-MNIST's. It is left alone, whereas a damaged file is replaced; nothing is
        downloaded then.
    TypeError, ValueError
        If `path` is no path.
    ImportError
        If something must be downloaded and pooch is not installed.

    See Also
    --------
    load_mnist : Load the files.

    Notes
    -----
    Every file is checked against the published sha256 sum of its unpacked bytes before it
    appears in the folder, and so is a file that was there before.

    Examples
    --------
    >>> from mlpcore import fetch_mnist, load_mnist
    >>> X, y = load_mnist(fetch_mnist())  # doctest: +SKIP
    """
    from pathlib import Path

    folder = _folder(path)
    order = [mirrors] if isinstance(mirrors, str) else list(mirrors)
    # All are checked before any is downloaded, so that two data sets never mix in one folder.
    missing = [name for name in FILES if not _is_there(folder, name)]
    if missing:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise in_words(error, folder) from None
    for name in missing:
        content = _fetch(f"{name}.gz", order, *FILES[name])
        with atomic_write(os.path.join(folder, f"{name}.gz")) as file:
            file.write(content)
    return Path(folder)


def _folder(path: StrPath | None) -> str:
    """Return the folder for the files, which may not be there yet."""
    name = "path"
    if path is None:
        path = os.environ.get("MLPCORE_DATA")
        if path:
            name = "MLPCORE_DATA"
        else:
            path = _pooch().os_cache("mlpcore")
    folder = to_path(path, name)
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise NotADirectoryError(
            errno.ENOTDIR, f"{name} must name a folder, and this is none; give another one", folder
        )
    return folder


class _Download:
    """A server's answer in memory, up to a size and until a deadline."""

    def __init__(self, limit: int) -> None:
        self.content = bytearray()
        self._limit = limit
        self._deadline = time.monotonic() + PATIENCE

    def write(self, piece: bytes) -> None:
        if len(self.content) + len(piece) > self._limit:
            raise ValueError(f"sends more than {self._limit} bytes")
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"has not sent the file within {PATIENCE} seconds")
        self.content += piece

    def flush(self) -> None:
        """Do nothing; pooch expects a file."""


def _is_there(folder: str, name: str) -> bool:
    """Whether a file exists and is correct; FileExistsError if it must not be replaced."""
    path = find(folder, name)
    if path is None:
        return False
    size, sha256 = FILES[name]
    try:
        with open_regular(path) as file:
            _check(file, path, size, sha256)
    except IDXError:
        try:
            read_idx(path)
        except IDXError:
            return False
        raise FileExistsError(
            f"{path}: expected MNIST's; got a correct IDX file with other content, which is left "
            "as it is (Fashion-MNIST uses the same names). Move it, or name another folder."
        ) from None
    return True


def _check(file: BinaryIO, name: str, size: int, sha256: str) -> None:
    """Raise IDXError unless the unpacked bytes of a file are so many and have this sum."""
    import hashlib

    digest, n_bytes, head = hashlib.sha256(), 0, b""
    for piece in unpack(file, name):
        head = head or piece
        digest.update(piece)
        n_bytes += len(piece)
        if n_bytes > size:
            break
    if any(head[:2]):
        raise IDXError(f"{name}: expected an IDX file; got {describe(head)}.")
    if n_bytes != size:
        more = "more" if n_bytes > size else n_bytes
        raise IDXError(f"{name}: expected {size} bytes when unpacked; got {more}.")
    if digest.hexdigest() != sha256:
        raise IDXError(f"{name}: expected sha256 {sha256}; got {digest.hexdigest()}.")


def _fetch(name: str, mirrors: list[str], size: int, sha256: str) -> bytes:
    """Download one file from the first mirror that delivers it, which becomes the first mirror."""
    failures = []
    for mirror in list(mirrors):
        url = f"{mirror.rstrip('/')}/{name}"
        try:
            content = _download(url, name, size)
            _check(io.BytesIO(content), url, size, sha256)
        except (
            OSError,
            ValueError,
        ) as error:  # of the network, by pooch; of the content, by _check
            failures.append(str(error) if str(error).startswith(url) else f"{url}: {error}")
            continue
        mirrors.remove(mirror)
        mirrors.insert(0, mirror)
        if content.startswith(GZIP):
            return content
        import gzip  # the server sent the file decompressed, and its name ends in .gz

        return gzip.compress(content, 6, mtime=0)
    raise OSError(
        f"{name}: no mirror delivered the file; is there a network? Try again later, pass other "
        "mirrors, or put the file into the folder by hand.\n  "
        + "\n  ".join(failures or ["mirrors is empty"])
    )


def _download(url: str, name: str, size: int) -> bytes:
    """Return a server's answer of not much more than `size` bytes."""
    pooch = _pooch()
    with contextlib.ExitStack() as stack:
        bar = _progress_bar(name, size)
        if bar is not None:
            stack.enter_context(bar)
        download = _Download(size + (1 << 16))  # gzip can make a file a little larger
        pooch.HTTPDownloader(progressbar=bar, timeout=(CONNECT, SILENCE))(url, download, None)
    return bytes(download.content)


def _progress_bar(name: str, size: int) -> Any:
    """Return a progress bar that shows on terminals only, or None if tqdm is not there."""
    try:
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        return None
    return tqdm(desc=name, total=size, unit="B", unit_scale=True, disable=None)


def _pooch() -> Any:
    try:
        import pooch  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise ImportError(
            'fetch_mnist needs pooch. Install it with: pip install "mlpcore[fetch]"'
        ) from error
    return pooch
