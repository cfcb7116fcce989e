"""Image data sets in the files of MNIST, and the scaling of their pixels."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpcore._paths import StrPath, to_path
from mlpcore.datasets._idx import IMAGES, LABEL_TABLE, LABELS, read_expected
from mlpcore.datasets._source import IDXError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

# The part of a file's name that names its images.
_PARTS = {"train": ("train",), "t10k": ("t10k", "test"), "test": ("t10k", "test"), "all": ("",)}

_IMAGES = "images-idx3-ubyte"
_LABELS = {"labels-idx1-ubyte": LABELS, "labels-idx2-int": LABEL_TABLE}

# The pattern of such file names in any data set.
_NAME = re.compile(
    r"(?:(?P<prefix>.+?)-)??(?:(?P<part>train|t10k|test)-)?"
    r"(?P<what>images[-.]idx3-ubyte|labels[-.](?:idx1-ubyte|idx2-int))(?:\.gz|\.xz)?"
)


def load_mnist(
    path: StrPath,
    kind: str = "train",
    *,
    prefix: str = "",
    dtype: DTypeLike = np.float32,
    scale: bool = True,
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Load the training or the test images of MNIST with their labels.

    Data sets in the same files load as well: Fashion-MNIST and KMNIST, and with `prefix` EMNIST
    [3]_ and QMNIST [4]_.

    Parameters
    ----------
    path : str or PathLike
        The folder with the files; a leading ``~`` is the home folder. Each is looked for as
        ``train-images-idx3-ubyte.gz``, as ``train-images-idx3-ubyte``, as
        ``train-images-idx3-ubyte.xz``, and as all three with ``.idx3`` in place of ``-idx3``; the
        first one found is read. Its bytes show whether it is compressed, not its name.
    kind : {"train", "t10k", "test", "all"}, default "train"
        The 60,000 training images, or the 10,000 test images under either name: where no file
        is named ``t10k-...``, those named ``test-...`` are read. "all" is for data sets whose
        file names have no such word, such as QMNIST's ``xnist-images-idx3-ubyte.xz``.
    prefix : str, default ""
        The beginning of the files' names, without the dash that follows: "emnist-letters"
        for ``emnist-letters-train-images-idx3-ubyte.gz``, "qmnist" for
        ``qmnist-train-images-idx3-ubyte.gz``. Where it begins with "emnist", rows and columns of
        each image are exchanged, since EMNIST's files have the columns first: the images stand
        upright as MNIST's do.
    dtype : floating-point dtype, default numpy.float32
        The dtype of the scaled pixels. Not used when `scale` is False.
    scale : bool, default True
        True for (pixel / 255 - 0.5) * 2, computed in float64 and rounded once to `dtype`;
        False for the bytes themselves, 0 to 255.

    Returns
    -------
    X : ndarray of dtype, shape (n_samples, n_rows * n_columns)
        One image per row, in [-1, 1]; uint8 when `scale` is False.
    y : ndarray of int64, shape (n_samples,)
        The labels as they are in the file: for MNIST the digits 0 to 9, for EMNIST's letters 1 to
        26. Where it is a table, ``...-labels-idx2-int.gz`` of QMNIST, its first column, the digit.

    Raises
    ------
    FileNotFoundError
        If the folder or one of the two files does not exist. The message lists the expected names
        and the files found, and how to load those.
    NotADirectoryError
        If `path` is a file.
    IDXError
        If a file is damaged, or the two do not fit together. IDXError is a ValueError.
    TypeError, ValueError
        If `path`, `kind`, `prefix` or `dtype` is none of the above.

    See Also
    --------
    fetch_mnist : Download the files.
    load_digits : A small set of digits that needs no files.
    read_idx : Read any IDX file.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
       document recognition", Proceedings of the IEEE 86 (1998), 2278-2324.
    .. [2] S. Raschka, V. Mirjalili, *Python Machine Learning*, 2nd ed., chapter 12, for the
       scaling.
    .. [3] G. Cohen, S. Afshar, J. Tapson, A. van Schaik, "EMNIST: an extension of MNIST to
       handwritten letters", 2017, https://arxiv.org/abs/1702.05373
    .. [4] C. Yadav, L. Bottou, "Cold Case: The Lost MNIST Digits", Advances in Neural Information
       Processing Systems 32 (2019), https://arxiv.org/abs/1905.10498
    """
    if not isinstance(kind, str) or kind not in _PARTS:
        raise ValueError(f'kind must be "train", "t10k", "test" or "all"; got {kind!r}.')
    if not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str, such as 'emnist-letters'; got {prefix!r}.")
    if os.sep in prefix:
        raise ValueError(f"prefix must not name a folder, which path does; got {prefix!r}.")
    folder = to_path(path)
    images_path, labels_path, magic = _find_pair(folder, prefix, kind)
    labels = _read_labels(labels_path, magic)
    images = read_expected(images_path, IMAGES)
    if len(images) != len(labels):
        raise IDXError(
            f"{images_path}: expected one image per label; got {len(images)} images, and "
            f"{len(labels)} labels in {labels_path}. Are the files from two data sets?"
        )
    if prefix.startswith("emnist"):
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return to_matrix(images, 255, dtype, scale), labels.astype(np.int64)


def find(folder: str, name: str) -> str | None:
    """Return the path of one of the four files under the first existing spelling.

    Parameters
    ----------
    folder : str
    name : str
        The plain name, such as ``train-images-idx3-ubyte``.

    Returns
    -------
    path : str or None
    """
    paths = (os.path.join(folder, spelling) for spelling in _spellings(name))
    return next(filter(os.path.isfile, paths), None)


def to_matrix(
    images: NDArray[np.uint8], largest: int, dtype: DTypeLike, scale: bool
) -> NDArray[Any]:
    """Flatten images into rows and scale their pixels to [-1, 1].

    Parameters
    ----------
    images : ndarray of uint8, shape (n_samples, n_rows, n_columns), C-contiguous
    largest : int
        The pixel that becomes 1.
    dtype : floating-point dtype
    scale : bool
        False to leave the pixels as they are.

    Returns
    -------
    X : ndarray of dtype, or of uint8 if not `scale`, shape (n_samples, n_rows * n_columns)

    Raises
    ------
    ValueError
        If `dtype` is not a floating-point dtype although the pixels are to be scaled.
    """
    n_samples, n_rows, n_columns = images.shape
    matrix = images.reshape(n_samples, n_rows * n_columns)
    if not scale:
        return matrix
    if np.dtype(dtype).kind != "f":
        raise ValueError(
            f"dtype must be a floating-point dtype for scaled pixels; got {np.dtype(dtype)}. Pass "
            "scale=False for the bytes."
        )
    table = ((np.arange(256) / float(largest) - 0.5) * 2).astype(dtype)
    X = np.empty(matrix.shape, dtype)
    pixels, scaled = matrix.reshape(-1), X.reshape(-1)
    # The loop works in pieces, because take converts the indices to 64-bit integers. mode="clip"
    # changes no index here, and avoids a copy of the output.
    for start in range(0, pixels.size, 1 << 16):
        piece = slice(start, start + (1 << 16))
        np.take(table, pixels[piece], out=scaled[piece], mode="clip")
    return X


def _spellings(name: str) -> list[str]:
    """Return the names that one file may have, the one that `fetch_mnist` writes first."""
    dotted = name.replace("-idx", ".idx")
    return [f"{plain}{ending}" for plain in (name, dotted) for ending in (".gz", "", ".xz")]


def _find_pair(folder: str, prefix: str, kind: str) -> tuple[str, str, int]:
    """Return the paths of images and of labels, and the magic number of the latter."""
    pairs = []
    for part in _PARTS[kind]:
        start = "-".join(filter(None, (prefix, part))) + "-" * bool(prefix or part)
        found = ((find(folder, f"{start}{name}"), magic) for name, magic in _LABELS.items())
        labels, magic = next(filter(lambda pair: pair[0], found), (None, LABELS))
        pairs.append((start, find(folder, f"{start}{_IMAGES}"), labels, magic))
    # Images and labels under two of the names would be from two data sets.
    begun = [pair for pair in pairs if pair[1] or pair[2]]
    start, images, labels, magic = (begun or pairs)[0]
    if images is None:
        starts = [start] if begun else [pair[0] for pair in pairs]
        raise _not_found(folder, [f"{start}{_IMAGES}" for start in starts], prefix, kind)
    if labels is None:
        raise _not_found(folder, [f"{start}{name}" for name in _LABELS], prefix, kind)
    return images, labels, magic


def _read_labels(path: str, magic: int) -> NDArray[Any]:
    """Read a file with one label for each image, or with a row for each that begins with it."""
    labels = read_expected(path, magic)
    if magic == LABELS:
        return labels
    if labels.shape[1] == 0:
        raise IDXError(f"{path}: expected a table of labels; got one without columns.")
    first: NDArray[Any] = labels[:, 0]
    return first


def _not_found(folder: str, names: list[str], prefix: str, kind: str) -> OSError:
    """The error that lists missing and existing files, and says what to do."""
    of_mnist = not prefix and kind != "all"
    if not os.path.isdir(folder):
        if os.path.lexists(folder):
            return NotADirectoryError(
                errno.ENOTDIR, "is no folder; give the one with the files in it", folder
            )
        words = "MNIST files, which mlpcore.fetch_mnist downloads" if of_mnist else "files"
        return FileNotFoundError(errno.ENOENT, f"expected the folder with the {words}", folder)
    present = sorted(os.listdir(folder))
    shown = ", ".join(present[:8]) or "nothing"
    more = f" and {len(present) - 8} more" if len(present) > 8 else ""
    return FileNotFoundError(
        errno.ENOENT,
        f"expected {' or '.join(names)} (.gz and .xz may follow, and .idx stand for -idx); the "
        f"folder holds {shown}{more}. {_advice(folder, present, of_mnist, kind)}",
        folder,
    )


def _advice(folder: str, present: list[str], of_mnist: bool, kind: str) -> str:
    """What to do with a folder that lacks the files."""
    matches = [_NAME.fullmatch(name) for name in present if "idx" in name.lower()]
    if of_mnist and all(
        match and not match["prefix"] and match["part"] in ("train", "t10k") for match in matches
    ):
        return f"mlpcore.fetch_mnist({folder!r}) downloads MNIST's files"
    found: dict[tuple[str, str], set[str]] = {}
    for match in filter(None, matches):
        pair = match["part"] or "all", match["prefix"] or ""
        found.setdefault(pair, set()).add(match["what"][:6])
    pairs = [pair for pair, whats in sorted(found.items()) if len(whats) == 2]
    alike = [pair for pair in pairs if pair[0] in (_PARTS[kind] if kind != "all" else ("all",))]
    ways = [
        f'kind="{part}"' + f', prefix="{prefix}"' * bool(prefix) for part, prefix in alike or pairs
    ]
    if ways:
        return f"What is there can be loaded with {' or '.join(ways)}"
    return "Give the folder that has them; read_idx reads any IDX file"
